/** Formats a summary of data as text: tables, histograms, and sequences as sparklines. */
import type { ColumnSummary, DataSummary, Example, Histogram, SplitSummary } from '../../data/index.js';
import { percent as fractionText, grouped, rounded } from '../../util/numbers.js';
import { aligned } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';

/** Maximum number of rows of a list; `--json` has all of them. */
const MAX_ROWS = 20;
const MAX_TARGETS = 5;
const MAX_HISTOGRAMS = 3;
/** Width in columns of a bar, and of a sparkline. */
const BAR = 30;
const SPARKS = 60;

/**
 * The text of a summary for people; its lines end with newlines.
 * @param kind kind of the dataset
 * @param unicode false to use ASCII characters only for bars and sparklines
 */
export function summaryText(kind: string, summary: DataSummary, unicode: boolean): string {
  const { input, sequence_length, splits, features, vocabulary, series, gaps, examples } = summary;
  const step = input.kind === 'number' ? counted(input.size, 'feature') : `a symbol, one of ${input.count}`;
  const named = Object.entries(splits);
  return [
    `${kind}: sequences of up to ${counted(sequence_length, 'step')}; each step is ${step}`,
    ...(series ? [`series: ${series.length}${names(series)}`] : []),
    ...(gaps ? [gapLine(gaps)] : []),
    '',
    ...table([
      ['split', series ? 'windows' : 'sequences', 'steps', 'shortest', 'mean', 'longest'],
      ...named.map(([name, { sequences, steps, lengths }]) => [
        name,
        whole(sequences),
        whole(steps),
        whole(lengths.min),
        round(lengths.mean),
        whole(lengths.max),
      ]),
    ]),
    ...lengthLines(...named[0], unicode),
    ...targetLines(named, unicode),
    ...spellingLines(summary),
    ...(features.length > 0 ? ['', 'features (train)', ...columnLines(features)] : []),
    ...seriesLines(features),
    ...vocabularyLines(vocabulary, named),
    ...examples.flatMap(example => ['', ...exampleLines(example, unicode, vocabulary?.level)]),
  ]
    .map(line => `${line}\n`)
    .join('');
}

function gapLine({ count, missing, largest }: NonNullable<DataSummary['gaps']>): string {
  const { series, after, before, step } = largest;
  const where = `from ${printable(after)} to ${printable(before)}${series === '' ? '' : ` in ${printable(series)}`}`;
  return `gaps: ${count} (${counted(missing, 'missing step')}); the largest: ${counted(largest.missing, 'step')} of ${step}, ${where}`;
}

/** Labels that are written in several ways, which may be a mistake in the data. */
function spellingLines({ label_spellings = [] }: DataSummary): string[] {
  return label_spellings
    .slice(0, MAX_ROWS)
    .map(
      ({ label, as }) =>
        `  class ${printable(label)} is written as ${as.slice(0, MAX_ROWS).map(printable).join(', ')}`,
    );
}

/** Empty if all sequences have the same length. */
function lengthLines(name: string, { lengths }: SplitSummary, unicode: boolean): string[] {
  if (lengths.min === lengths.max) return [];
  return ['', `lengths (${name})`, ...histogramLines(lengths.histogram, unicode, true)];
}

/** The classes of all splits side by side, or the numbers of each split. */
function targetLines(splits: readonly (readonly [string, SplitSummary])[], unicode: boolean): string[] {
  const missing = splits.flatMap(([name, { targets }]) =>
    targets.missing > 0
      ? [`  ${name}: ${counted(targets.missing, targets.per_step ? 'step' : 'sequence')} without a target`]
      : [],
  );
  const classes = classLines(splits, unicode);
  if (classes.length > 0) return ['', ...classes, ...missing];
  const lines = splits.flatMap(([name, { targets }]) =>
    targets.kind === 'value' ? ['', `targets (${name})`, ...columnLines(targets.columns, MAX_TARGETS)] : [],
  );
  const { targets } = splits[0][1];
  const histograms = targets.kind === 'value' ? targets.columns.slice(0, MAX_HISTOGRAMS) : [];
  return [
    ...lines,
    ...missing,
    ...histograms.flatMap(({ name, histogram }) => [
      '',
      `${printable(name)} (${splits[0][0]})`,
      ...histogramLines(histogram, unicode),
    ]),
  ];
}

function classLines(splits: readonly (readonly [string, SplitSummary])[], unicode: boolean): string[] {
  const lists = splits.flatMap(([name, { targets }]) =>
    targets.kind === 'class' ? [{ name, classes: targets.classes, perStep: targets.per_step }] : [],
  );
  if (lists.length === 0) return [];
  const [{ classes: trained, perStep }] = lists;
  const order = [...trained.keys()];
  if (order.length > MAX_ROWS) order.sort((a, b) => trained[b].count - trained[a].count);
  const totals = lists.map(({ classes }) => classes.reduce((sum, { count }) => sum + count, 0));
  const most = Math.max(...trained.map(({ count }) => count));
  const rows = order
    .slice(0, MAX_ROWS)
    .map(label => [
      printable(trained[label].label),
      ...lists.flatMap(({ classes }, i) => [
        whole(classes[label].count),
        percent(classes[label].count / totals[i]),
      ]),
      bar(trained[label].count / most, unicode),
    ]);
  const header = [`class (${perStep ? 'steps' : 'sequences'})`, ...lists.flatMap(({ name }) => [name, ''])];
  return [...table([header, ...rows]), ...more(order.length, MAX_ROWS)];
}

function columnLines(columns: readonly ColumnSummary[], most = MAX_ROWS): string[] {
  const isScaled = columns.some(column => scalingWords(column) !== '');
  const rows = columns.slice(0, most).map(column => {
    const { name, min, mean, max, deviation } = column;
    const digits = digitsFor([min, max]);
    return [
      printable(name),
      round(min, digits),
      round(mean, digits),
      round(max, digits),
      round(deviation),
      ...(isScaled ? [scalingWords(column)] : []),
    ];
  });
  const header = ['name', 'min', 'mean', 'max', 'deviation', ...(isScaled ? ['scaled to'] : [])];
  return [...table([header, ...rows]), ...more(columns.length, most)];
}

/** Maximum number of series whose scaling is listed; of more, the ranges are shown. */
const MAX_SERIES = 5;

/** How a column is scaled; empty if it is not, or if its series are listed. */
function scalingWords({ min, max, scaling, series_scaling }: ColumnSummary): string {
  const digits = digitsFor([min, max]);
  if (scaling) return formula(scaling, round(scaling.offset, digits), round(scaling.scale));
  if (!series_scaling || series_scaling.series.length <= MAX_SERIES) return '';
  const range = (key: 'offset' | 'scale', digits?: number): string => {
    const values = series_scaling.series.map(one => one[key]);
    const bounds = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    return [...new Set(bounds.map(bound => round(bound, digits)))].join('..');
  };
  return `${formula(series_scaling, range('offset', digits), range('scale'))} by series`;
}

const LEVELS = { last_value: 'last value', season: 'mean of its season' };

function formula(
  { relative_to }: NonNullable<ColumnSummary['scaling' | 'series_scaling']>,
  offset: string,
  scale: string,
): string {
  return `(x - ${relative_to === undefined ? offset : LEVELS[relative_to]}) / ${scale}`;
}

/** The scaling of each series, if there are few. */
function seriesLines(columns: readonly ColumnSummary[]): string[] {
  const rows = columns.flatMap(({ name, min, max, series_scaling }) => {
    const digits = digitsFor([min, max]);
    const { series = [] } = series_scaling ?? {};
    if (!series_scaling || series.length > MAX_SERIES) return [];
    return series.map(one => [
      `${printable(name)}, ${printable(one.name)}`,
      formula(series_scaling, round(one.offset, digits), round(one.scale)),
    ]);
  });
  return rows.length === 0 ? [] : ['', 'scaling by series', ...table(rows)];
}

function vocabularyLines(
  vocabulary: DataSummary['vocabulary'],
  splits: readonly (readonly [string, SplitSummary])[],
): string[] {
  if (!vocabulary) return [];
  const { level, size, most_frequent } = vocabulary;
  const unknown = splits.flatMap(([name, { unknown_share }]) =>
    unknown_share === undefined ? [] : [`${name} ${percent(unknown_share)}`],
  );
  const frequent = most_frequent.map(
    ({ symbol, count }) => `${printable(JSON.stringify(symbol))} ${whole(count)}`,
  );
  return [
    '',
    `vocabulary: ${size} symbols${level === null ? '' : ` (${level})`}`,
    `  unknown: ${unknown.join(', ')}`,
    `  most frequent: ${frequent.join(', ')}`,
  ];
}

function exampleLines(
  { id, steps, values, symbols, target }: Example,
  unicode: boolean,
  level: NonNullable<DataSummary['vocabulary']>['level'] | undefined,
): string[] {
  const shown = target
    ? ` -> ${target.map(one => (typeof one === 'number' ? round(one) : printable(one))).join(', ')}`
    : '';
  const title = `${id === undefined ? 'example' : printable(id)}: ${counted(steps, 'step')}${shown}`;
  if (symbols) {
    const isText = level === 'character' || level === 'byte';
    const text = symbols.join(isText ? '' : ' ').replaceAll('\n', '\\n');
    return [title, `  ${cut(printable(text))}`];
  }
  const width = Math.max(0, ...(values ?? []).map(({ name }) => name.length));
  return [
    title,
    ...(values ?? []).map(
      ({ name, values: series }) => `  ${printable(name).padEnd(width)}  ${sparkline(series, unicode)}`,
    ),
  ];
}

const SPARK_LEVELS = { unicode: '▁▂▃▄▅▆▇█', ascii: '_.-=+*#@' };

/** The means of equal parts of a series as characters of different heights, with their range. */
function sparkline(values: readonly number[], unicode: boolean): string {
  const columns = Math.min(SPARKS, values.length);
  const parts = Array.from({ length: columns }, (_, i) => {
    const part = values.slice(
      Math.floor((i * values.length) / columns),
      Math.floor(((i + 1) * values.length) / columns),
    );
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const [min, max] = [Math.min(...parts), Math.max(...parts)];
  const levels = unicode ? SPARK_LEVELS.unicode : SPARK_LEVELS.ascii;
  const level = (value: number): number =>
    max > min ? Math.min(levels.length - 1, Math.floor(((value - min) / (max - min)) * levels.length)) : 0;
  return `${parts.map(value => levels[level(value)]).join('')}  ${bounds(min, max)}`;
}

function histogramLines(histogram: Histogram, unicode: boolean, isWhole = false): string[] {
  const most = Math.max(...histogram.map(({ count }) => count));
  const digits = digitsFor(histogram.flatMap(({ from, to }) => [from, to]));
  const number = (value: number): string => (isWhole ? whole(value) : round(value, digits));
  return table(
    histogram.map(({ from, to, count }) => [
      isWhole && from === to ? number(from) : `${number(from)} to ${number(to)}`,
      whole(count),
      bar(count / most, unicode),
    ]),
  );
}

function bar(fraction: number, unicode: boolean): string {
  return (unicode ? '█' : '#').repeat(Math.round(fraction * BAR));
}

/** Names and bars to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  return aligned(rows, { isRight: (i, text) => i > 0 && !/^[█#(]/.test(text) }).map(line => `  ${line}`);
}

function more(count: number, shown: number): string[] {
  return count > shown ? [`  and ${count - shown} more; --json has all of them`] : [];
}

function names(all: readonly string[]): string {
  const given = all.filter(name => name !== '');
  const shown = given.slice(0, 5).map(printable);
  return shown.length === 0 ? '' : ` (${shown.join(', ')}${given.length > shown.length ? ', …' : ''})`;
}

function cut(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

function whole(value: number): string {
  return grouped(value);
}

/** Significant digits of most numbers. */
const DIGITS = 4;
/** With these, every float64 differs from all others. */
const MAX_DIGITS = 17;
/** Largest rounding error of numbers, as a fraction of the distance between them. */
const MAX_ERROR = 0.05;

/** The number of significant digits, at least 4, that show how far apart different values are. */
function digitsFor(values: readonly number[]): number {
  const sorted = [...new Set(values)].sort((a, b) => a - b);
  const distance = sorted
    .slice(1)
    .reduce((least, value, i) => Math.min(least, value - sorted[i]), Number.POSITIVE_INFINITY);
  const isClose = (digits: number): boolean =>
    sorted.every(value => Math.abs(Number(value.toPrecision(digits)) - value) <= MAX_ERROR * distance);
  let digits = DIGITS;
  while (digits < MAX_DIGITS && !isClose(digits)) digits++;
  return digits;
}

function bounds(min: number, max: number): string {
  const digits = digitsFor([min, max]);
  return `${round(min, digits)} to ${round(max, digits)}`;
}

/** Statistics of no values, such as the mean of a split without targets. */
const NONE = '-';

function round(value: number, digits = DIGITS): string {
  return Number.isFinite(value) ? rounded(value, digits) : NONE;
}

function percent(fraction: number): string {
  return Number.isFinite(fraction) ? fractionText(fraction) : NONE;
}
