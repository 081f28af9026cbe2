/**
 * `data CONFIG`: shows the data of a config, to look at before training: tables, histograms, and
 * sequences as sparklines.
 */

import { loadExperiment } from '../../config/index.js';
import {
  type ColumnSummary,
  type DataSummary,
  type Example,
  type Histogram,
  type SplitName,
  type SplitSummary,
  summarize,
} from '../../data/index.js';
import { checkedData } from '../../library/validate.js';
import { taskOf } from '../../math/losses/index.js';
import { taskFacts } from '../../tasks/facts.js';
import { EXIT, UserError } from '../../util/errors.js';
import { percent as fractionText, grouped, rounded } from '../../util/numbers.js';
import { aligned } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import { defineVerb, json, set } from '../command/verb.js';
import { printDiagnostics } from '../terminal/diagnostics.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: { set, json: json('the summary') },
  help: 'Exit codes: 0 the data fit the config, 2 they do not, 5 data is damaged.',
  async action([file], { set, json }, { io }) {
    const document = (content: object): void =>
      io.data(`${JSON.stringify({ file, ...content }, undefined, 2)}\n`);
    try {
      const loaded = loadExperiment(file, { set });
      const { data: dataset, diagnostics, warnings } = await checkedData(loaded);
      const { experiment } = loaded;
      const summary = summarize(dataset, taskFacts[taskOf(experiment.loss)].hasLabelTargets);
      const valid = diagnostics.length === 0;
      if (json) document({ valid, diagnostics, warnings, kind: experiment.dataset.kind, ...summary });
      else {
        printDiagnostics(diagnostics, 'error', io, '\n');
        printDiagnostics(warnings, 'warning', io, '\n');
        io.out(summaryText(experiment.dataset.kind, summary, io.unicode ?? false));
      }
      return valid ? EXIT.done : EXIT.usage;
    } catch (error) {
      if (!json || !(error instanceof UserError)) throw error;
      document({ valid: false, diagnostics: error.diagnostics, warnings: [] });
      return error.exitCode;
    }
  },
});

/** Maximum number of rows of a list; `--json` has all of them. */
const MAX_ROWS = 20;
const MAX_TARGETS = 5;
const MAX_HISTOGRAMS = 3;
const BAR = 30;
const SPARKS = 60;

type Named = readonly (readonly [name: string, split: SplitSummary])[];

/**
 * The text of a summary for people; its lines end with newlines.
 * @param kind kind of the dataset
 * @param unicode false to use ASCII characters only for bars and sparklines
 */
export function summaryText(kind: string, summary: DataSummary, unicode: boolean): string {
  const { sequence_length, features, vocabulary, series, gaps, groups = [], label_spellings = [] } = summary;
  const step = stepWords(summary);
  const splits = Object.entries(summary.splits);
  const [[first, { lengths }]] = splits;
  const rows = splits.map(([name, { sequences, steps, lengths }]) => [
    ...[name, grouped(sequences), grouped(steps)],
    ...[grouped(lengths.min), round(lengths.mean), grouped(lengths.max)],
  ]);
  const named = (series ?? []).filter(name => name !== '').map(printable);
  const more = named.length > 5 ? ', …' : '';
  const names = named.length === 0 ? '' : ` (${named.slice(0, 5).join(', ')}${more})`;
  return [
    `${kind}: sequences of up to ${counted(sequence_length, 'step')}; each step is ${step}`,
    ...(series ? [`series: ${series.length}${names}`] : []),
    ...(gaps ? [gapLine(gaps)] : []),
    ...(summary.recordings ? [recordingLine(summary.recordings)] : []),
    '',
    ...table([['split', series ? 'windows' : 'sequences', 'steps', 'shortest', 'mean', 'longest'], ...rows]),
    ...groups.map(groupLine),
    ...(lengths.min === lengths.max
      ? []
      : ['', `lengths (${first})`, ...histogramLines(lengths.histogram, unicode)]),
    ...targetLines(splits, unicode),
    ...targetLengthLines(splits, unicode),
    // labels that are written in several ways, which may be a mistake in the data
    ...label_spellings
      .slice(0, MAX_ROWS)
      .map(({ label, as }) => `  class ${printable(label)} is written as ${as.map(printable).join(', ')}`),
    ...Object.entries({ 'a target': summary.unlabelled, 'a step': summary.empty }).flatMap(([part, count]) =>
      count ? [`  left out: ${counted(count, 'sequence')} without ${part}`] : [],
    ),
    ...(summary.impossible
      ? [`  left out: ${counted(summary.impossible, 'sequence')} with a target too long for the input`]
      : []),
    ...missingLines(summary.missing ?? [], splits),
    ...(features.length > 0 ? ['', 'features (train)', ...columnLines(features)] : []),
    ...vocabularyLines(vocabulary, splits),
    ...summary.examples.flatMap(example => [
      '',
      ...exampleLines(example, unicode, vocabulary?.level, splits[0][1].targets.kind === 'sequence'),
    ]),
  ]
    .map(line => `${line}\n`)
    .join('');
}

function stepWords({ input, embedded = [] }: DataSummary): string {
  if (input.kind === 'symbol') return `a symbol, one of ${input.count}`;
  const { size, static: ofSequence = 0 } = input;
  const numbers = size - ofSequence - embedded.length;
  const columns = embedded.map(({ name, values }) => `${printable(name)} (one of ${grouped(values)})`);
  const parts = [...(numbers > 0 ? [counted(numbers, 'feature')] : []), ...columns];
  const words = parts.join(', ');
  return ofSequence > 0 ? `${words}, and each sequence has ${ofSequence} more` : words;
}

function groupLine({ column, counts, in_several }: NonNullable<DataSummary['groups']>[number]): string {
  const each = Object.entries(counts).map(([name, count]) => `${grouped(count)} in ${name}`);
  const several = in_several === 0 ? 'none in two splits' : `${grouped(in_several)} in several splits`;
  return `groups of ${printable(column)}: ${each.join(', ')}; ${several}`;
}

function recordingLine(recordings: NonNullable<DataSummary['recordings']>): string {
  const { sample_rate: rate, step_seconds: step, rates, seconds } = recordings;
  const each = Object.entries(seconds).map(([name, time]) => `${round(time)} s in ${name}`);
  const converted = rates.flatMap(found =>
    found.rate === rate ? [] : [`; ${grouped(found.recordings)} converted from ${found.rate} Hz`],
  );
  return `recordings at ${rate} Hz${converted.join('')}; a step every ${round(1000 * step)} ms; ${each.join(', ')}`;
}

function gapLine({ count, missing, largest }: NonNullable<DataSummary['gaps']>): string {
  const { series, after, before, step } = largest;
  const where = `from ${printable(after)} to ${printable(before)}${series === '' ? '' : ` in ${printable(series)}`}`;
  return `gaps: ${count} (${counted(missing, 'missing step')}); the largest: ${counted(largest.missing, 'step')} of ${step}, ${where}`;
}

/** The classes of all splits side by side, or the numbers of each split. */
function targetLines(splits: Named, unicode: boolean): string[] {
  const [[first, { targets: trained }]] = splits;
  const columns = splits.flatMap(([name, { targets }]) =>
    targets.kind === 'value' ? ['', `targets (${name})`, ...columnLines(targets.columns, MAX_TARGETS)] : [],
  );
  const missing = splits.flatMap(([name, { targets }]) =>
    targets.missing > 0
      ? [`  ${name}: ${counted(targets.missing, targets.per_step ? 'step' : 'sequence')} without a target`]
      : [],
  );
  const histograms = trained.kind === 'value' ? trained.columns.slice(0, MAX_HISTOGRAMS) : [];
  return [
    ...classLines(splits, unicode),
    ...columns,
    ...missing,
    ...histograms.flatMap(({ name, histogram }) => [
      '',
      `${printable(name)} (${first})`,
      ...histogramLines(histogram, unicode),
    ]),
  ];
}

function targetLengthLines(splits: Named, unicode: boolean): string[] {
  const rows = splits.flatMap(([name, { targets }]) =>
    targets.kind === 'sequence' ? [{ name, lengths: targets.lengths }] : [],
  );
  if (rows.length === 0) return [];
  const [{ name: first, lengths }] = rows;
  return [
    '',
    ...table([
      ['target lengths', 'shortest', 'mean', 'longest'],
      ...rows.map(({ name, lengths: { min, mean, max } }) => [name, grouped(min), round(mean), grouped(max)]),
    ]),
    ...(lengths.min === lengths.max
      ? []
      : ['', `target lengths (${first})`, ...histogramLines(lengths.histogram, unicode)]),
  ];
}

const SYMBOLS = 'symbol of targets';

/** Symbols may be spaces or ends of lines. */
function quoted(symbol: string): string {
  return printable(JSON.stringify(symbol));
}

function headingOf({ kind, per_step }: SplitSummary['targets']): string {
  if (kind === 'sequence') return SYMBOLS;
  return `class (${per_step ? 'steps' : 'sequences'})`;
}

/** In the order of the classes, or, if there are many, the most frequent ones first. */
function classLines(splits: Named, unicode: boolean): string[] {
  const lists = splits.flatMap(([name, { targets }]) =>
    targets.kind === 'value' ? [] : [{ name, classes: targets.classes, heading: headingOf(targets) }],
  );
  if (lists.length === 0) return [];
  const [{ classes: trained, heading }] = lists;
  const order = [...trained.keys()];
  if (order.length > MAX_ROWS) order.sort((a, b) => trained[b].count - trained[a].count);
  const totals = lists.map(({ classes }) => classes.reduce((sum, { count }) => sum + count, 0));
  const most = Math.max(...trained.map(({ count }) => count));
  const rows = order.slice(0, MAX_ROWS).map(label => [
    (heading === SYMBOLS ? quoted : printable)(trained[label].label),
    ...lists.flatMap(({ classes }, i) => {
      const { count } = classes[label];
      return [grouped(count), percent(count / totals[i])];
    }),
    bar(trained[label].count / most, unicode),
  ]);
  const header = [heading, ...lists.flatMap(({ name }) => [name, ''])];
  return ['', ...table([header, ...rows]), ...omitted(order.length, MAX_ROWS)];
}

function missingLines(columns: NonNullable<DataSummary['missing']>, splits: Named): string[] {
  if (columns.length === 0) return [];
  const rows = columns.slice(0, MAX_ROWS).map(({ name, counts, rows }) => [
    printable(name),
    ...splits.flatMap(([split, { steps }]) => {
      const count = counts[split as SplitName] ?? 0;
      return [grouped(count), percent(count / (rows?.[split as SplitName] ?? steps))];
    }),
  ]);
  const header = ['missing values', ...splits.flatMap(([name]) => [name, ''])];
  return ['', ...table([header, ...rows]), ...omitted(columns.length, MAX_ROWS)];
}

function columnLines(columns: readonly ColumnSummary[], most = MAX_ROWS): string[] {
  const isScaled = columns.some(({ scaling, series_scaling }) => scaling ?? series_scaling);
  const rows = columns.slice(0, most).map(column => {
    const { name, min, mean, max, deviation } = column;
    const numbers = [min, mean, max, deviation].map(value => round(value));
    return [printable(name), ...numbers, ...(isScaled ? [scalingWords(column)] : [])];
  });
  const header = ['name', 'min', 'mean', 'max', 'deviation', ...(isScaled ? ['scaled to'] : [])];
  return [...table([header, ...rows]), ...omitted(columns.length, most)];
}

const LEVELS = { last_value: 'last value', season: 'mean of its season' };

/** How a column is scaled; of several series, the range of their offsets and scales. */
function scalingWords({ scaling, series_scaling }: ColumnSummary): string {
  const method = scaling ?? series_scaling;
  if (method === undefined) return '';
  const all = scaling ? [scaling] : (series_scaling?.series ?? []);
  const range = (key: 'offset' | 'scale'): string => {
    const values = all.map(entry => entry[key]);
    const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    return [...new Set([round(low), round(high)])].join('..');
  };
  const { relative_to, transform } = method;
  // such as indicators of missing values
  const isSame = transform === undefined && all.every(({ offset, scale }) => offset === 0 && scale === 1);
  if (isSame) return 'not scaled';
  const offset = relative_to === undefined ? range('offset') : LEVELS[relative_to];
  const x = transform === undefined ? 'x' : `${transform} x`;
  return `(${x} - ${offset}) / ${range('scale')}${series_scaling ? ' by series' : ''}`;
}

function vocabularyLines(vocabulary: DataSummary['vocabulary'], splits: Named): string[] {
  if (!vocabulary) return [];
  const { level, size, most_frequent } = vocabulary;
  const unknown = splits.flatMap(([name, { unknown_share }]) =>
    unknown_share === undefined ? [] : [`${name} ${percent(unknown_share)}`],
  );
  const frequent = most_frequent.map(({ symbol, count }) => `${quoted(symbol)} ${grouped(count)}`);
  return [
    '',
    `vocabulary: ${size} symbols${level === null ? '' : ` (${level})`}`,
    `  unknown: ${unknown.join(', ')}`,
    `  most frequent: ${frequent.join(', ')}`,
  ];
}

function exampleLines(
  { id, steps, values = [], symbols, recording, target }: Example,
  unicode: boolean,
  level: NonNullable<DataSummary['vocabulary']>['level'] | undefined,
  hasSymbolsAsTarget: boolean,
): string[] {
  const nameOf = hasSymbolsAsTarget ? quoted : printable;
  const shown = target?.map(part => (typeof part === 'number' ? round(part) : nameOf(part))).join(', ');
  const arrow = shown === undefined ? '' : ` -> ${shown === '' ? 'no symbols' : shown}`;
  const title = `${id === undefined ? 'example' : printable(id)}: ${counted(steps, 'step')}${arrow}`;
  if (symbols) {
    const isText = level === 'character' || level === 'byte';
    const text = printable(symbols.join(isText ? '' : ' ').replaceAll('\n', '\\n'));
    return [title, `  ${text.length > 100 ? `${text.slice(0, 100)}…` : text}`];
  }
  if (recording) return [`${title}, ${round(recording.seconds)} s`, ...pictureLines(recording, unicode)];
  const lines = values.map(({ name, values }) => [printable(name), sparkline(values, unicode)]);
  return [title, ...aligned(lines).map(line => `  ${line}`)];
}

const SPARK_LEVELS = { unicode: '▁▂▃▄▅▆▇█', ascii: '_.-=+*#@' };

/**
 * The means of equal parts of a series as characters of different heights, with their range. A part
 * of missing values is a space.
 */
function sparkline(values: readonly number[], unicode: boolean): string {
  const columns = Math.min(SPARKS, values.length);
  const parts = Array.from({ length: columns }, (_, i) => {
    const at = (i: number) => Math.floor((i * values.length) / columns);
    const part = values.slice(at(i), at(i + 1)).filter(value => !Number.isNaN(value));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
  const known = parts.filter(part => !Number.isNaN(part));
  const [min, max] = [Math.min(...known), Math.max(...known)];
  const levels = unicode ? SPARK_LEVELS.unicode : SPARK_LEVELS.ascii;
  const level = (value: number): number =>
    max > min ? Math.min(levels.length - 1, Math.floor(((value - min) / (max - min)) * levels.length)) : 0;
  return `${parts.map(value => (Number.isNaN(value) ? ' ' : levels[level(value)])).join('')}  ${round(min)} to ${round(max)}`;
}

const SHADES = { unicode: ' ░▒▓█', ascii: ' .:*#' };

/** The waveform, then the spectrogram, equally wide. */
function pictureLines(
  { waveform, spectrogram, highest_frequency: highest }: NonNullable<Example['recording']>,
  unicode: boolean,
): string[] {
  const shades = unicode ? SHADES.unicode : SHADES.ascii;
  const shadeOf = (value: number) =>
    shades[Math.min(shades.length - 1, Math.floor((value * shades.length) / 256))];
  // of a short recording, a column is repeated
  const wide = (row: readonly number[]) =>
    Array.from({ length: waveform.length }, (_, i) => row[Math.floor((i * row.length) / waveform.length)]);
  const rows = spectrogram.map((row, i) => {
    const hertz = i === 0 ? highest : i === spectrogram.length - 1 ? 0 : undefined;
    return `${wide(row).map(shadeOf).join('')}${hertz === undefined ? '' : `  ${round(hertz)} Hz`}`;
  });
  return [sparkline(waveform, unicode), ...rows].map(line => `  ${line}`.trimEnd());
}

function histogramLines(histogram: Histogram, unicode: boolean): string[] {
  const most = Math.max(...histogram.map(({ count }) => count));
  return table(
    histogram.map(({ from, to, count }) => [
      from === to ? round(from) : `${round(from)} to ${round(to)}`,
      grouped(count),
      bar(count / most, unicode),
    ]),
  );
}

function bar(fraction: number, unicode: boolean): string {
  return (unicode ? '█' : '#').repeat(Math.round(fraction * BAR));
}

/** Names and bars to the left, numbers to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  return aligned(rows, (i, text) => i > 0 && !/^[█#(]/.test(text)).map(line => `  ${line}`);
}

function omitted(count: number, shown: number): string[] {
  return count > shown ? [`  and ${count - shown} more; --json has all of them`] : [];
}

/** Statistics of no values, such as the mean of a split without targets. */
const NONE = '-';

/** Large numbers that are close, such as dates, stay different. */
function round(value: number): string {
  if (!Number.isFinite(value)) return NONE;
  return Math.abs(value) >= 1000 ? value.toFixed(0) : rounded(value);
}

function percent(fraction: number): string {
  return Number.isFinite(fraction) ? fractionText(fraction) : NONE;
}
