/** Configs for readings of data: the templates of `configs/templates`, and what fills them in. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Delimiter } from '../../data/formats/tables.js';
import { isImpossible } from '../../math/losses/ctc.js';
import { packageRoot } from '../../util/root.js';
import { type Column, countsOf, keysOf } from './columns.js';
import type { Layout } from './layout.js';
import { classesOf, holesOf, isClassOf, listsMissing, markersOf, missingClassesOf } from './missing.js';
import {
  areTagged,
  endingsOf,
  isEncoded,
  isSequence,
  isVocabulary,
  knownOf,
  lacksTargets,
  type Reading,
  unevenTimes,
} from './readings.js';
import { subjectProblem } from './subjects.js';

/** A file of `configs/templates`, and the values of its placeholders, as YAML. */
export interface Plan {
  readonly template: 'mnist' | 'text' | 'table' | 'forecast' | 'voice';
  readonly values: Readonly<Record<string, string | number | false | undefined>>;
}

/** The text of a config. Lines of the template with a placeholder without a value are left out. */
export function configText({ template, values }: Plan): string {
  const text = readFileSync(join(packageRoot, 'configs', 'templates', `${template}.yaml`), 'utf8');
  const lines = text.split('\n').flatMap(line => {
    const keys = [...line.matchAll(/<(\w+)>/g)].map(([, key]) => key);
    if (keys.some(key => values[key] === undefined || values[key] === false)) return [];
    return [line.replaceAll(/<(\w+)>/g, (_, key) => String(values[key]))];
  });
  return lines.join('\n');
}

export function textPlan(path: string, symbols: number): Plan {
  const isShort = symbols < 50_000;
  const values = {
    description: scalar(`An LSTM predicts the next character of ${basename(path)}.`),
    path: scalar(path),
    sequence_length: isShort ? 32 : 64,
    hidden_size: symbols < 200_000 ? 64 : 256,
    batch_size: isShort ? 8 : 32,
  };
  return { template: 'text', values };
}

/** What a model predicts, from what. */
export interface Task {
  readonly target: string;
  readonly targetKind: 'class' | 'value' | 'sequence';
  /** Number of classes. */
  readonly classes: number;
  /** Of a target that is a text, and a sequence. */
  readonly targetLevel?: 'word' | 'character' | undefined;
  readonly perStep: boolean;
  readonly inputKind: 'number' | 'symbol' | 'text';
  /** The texts, of a table or of records. */
  readonly texts?: readonly unknown[];
  readonly sequences: number;
  /** Of the longest sequence. */
  readonly steps: number;
}

/** Number of steps after which an LSTM has mostly forgotten the first ones. */
const LONG = 100;

/** @param dataset values of the placeholders that the kind of dataset alone has */
export function taskPlan(path: string, task: Task, dataset: Plan['values']): Plan {
  const { target, targetKind, classes, targetLevel, perStep, inputKind, texts = [], sequences, steps } = task;
  const [isText, isSymbol] = [inputKind === 'text', inputKind !== 'number'];
  const [isClass, isValue, isWritten] = ['class', 'value', 'sequence'].map(kind => kind === targetKind);
  const epochs = sequences < 200 ? 80 : sequences < 1000 ? 40 : 20;
  const hidden = sequences < 1000 ? 32 : 64;
  const values = {
    description: scalar(`An LSTM predicts ${target} of ${basename(path)}.`),
    path: scalar(path),
    symbols: inputKind === 'symbol' && inputKind,
    texts: isText && inputKind,
    level: isText && levelOfTexts(texts),
    min_count: isText && hasRareSymbols(texts) && 2,
    classes: isClass && classes,
    number: isValue && 'value',
    written: isWritten && 'sequence',
    target_level: targetLevel,
    normalize: (!isSymbol || isValue) && 'standard',
    validation: 0.2,
    by: '',
    test_fraction: 0.2,
    embedding: isSymbol && '{ size: 16 }',
    bidirectional: ((perStep && inputKind === 'symbol') || (isWritten && isSymbol)) && 'true',
    hidden_size: hidden,
    decoder: isWritten && hidden,
    from: !isWritten && (perStep ? 'every' : steps > LONG ? 'max' : 'last'),
    loss: isValue ? 'mse' : 'cross_entropy',
    epochs,
    batch_size: batchSize(0.6 * sequences),
    patience: epochs / 4,
    accuracy: isClass && 'test.accuracy',
    error: isValue && 'test.mean_absolute_error',
    written_errors: isWritten && 'test.token_error_rate',
    ...dataset,
  };
  return { template: 'table', values };
}

/**
 * CTC instead of a decoder, for numbers such as those of speech or strokes, in which symbols follow
 * one another: false if a target has more symbols, with repetitions, than its input has steps.
 */
export function readInOrder(
  pairs: Iterable<readonly [symbols: ArrayLike<unknown>, steps: number]>,
): Plan['values'] | false {
  for (const [symbols, steps] of pairs) if (isImpossible(symbols, steps)) return false;
  return { bidirectional: 'true', decoder: false, from: 'every', loss: 'ctc' };
}

export const READ_IN_ORDER =
  'its symbols can be read in the order of the steps (CTC); for another order, use `model.decoder`';

/** Names and the like are read letter by letter. */
export function levelOfTexts(texts: readonly unknown[]): 'word' | 'character' {
  const several = texts.filter(text => /\S\s+\S/.test(String(text)));
  return 2 * several.length > texts.length ? 'word' : 'character';
}

/** True if a symbol occurs only once, so that with `min_count: 2` training sees unknown ones. */
export function hasRareSymbols(texts: readonly unknown[]): boolean {
  const separator = levelOfTexts(texts) === 'word' ? /\s+/ : /(?:)/u;
  const symbols = texts.flatMap(text => (Array.isArray(text) ? text : String(text).split(separator)));
  return [...countsOf(symbols.map(String)).values()].includes(1);
}

/** Texts whose words are few symbols, such as sounds, are written word by word. */
export function levelOfTargets(texts: readonly string[]): 'word' | 'character' {
  const words = texts.flatMap(text => text.split(/\s+/));
  const areFew = MIN_OCCURRENCES * new Set(words).size <= words.length;
  return areFew && levelOfTexts(texts) === 'word' ? 'word' : 'character';
}

/** Mean number of times that a symbol of targets occurs. */
const MIN_OCCURRENCES = 5;

export function sequencePlan(source: SourceFile, reading: Reading): Plan {
  const { kind, target, isClass, inputKind, layout, features, subject } = reading;
  const { group, perFile, order, rows } = layout;
  const perStep = kind === 'steps';
  const isPair = kind === 'pairs';
  const isTagged = areTagged(reading);
  const endings = endingsOf(reading);
  const time = isSequence(kind) && order?.isColumn ? order.columns[0].name : undefined;
  const task = {
    target: target.name,
    targetKind: isPair ? 'sequence' : isClass ? 'class' : 'value',
    classes: classesOf(reading),
    targetLevel: isPair ? levelOfTargets(target.cells) : undefined,
    perStep,
    inputKind: isTagged ? 'number' : inputKind,
    texts: features[0]?.cells,
    sequences: rows.length,
    steps: Math.max(...rows.slice(0, 1000).map(list => list.length)),
  } as const;
  return taskPlan(source.path, task, {
    ...ofFile(source, reading),
    ...(isTagged && {
      features: flow(
        ['', ...(endings ? [`, suffix: ${endings}`] : [])].map(key => embedded(features[0], `16${key}`)),
      ),
      normalize: false,
      bidirectional: 'true',
    }),
    kind: /\.(parquet|conllu|ts)(\.gz)?$/i.exec(source.path)?.[1].toLowerCase() ?? 'csv',
    sequence: group && (perFile ? 'per_file: true' : `group: ${scalar(group.name)}`),
    order: time === undefined ? '' : `, order: ${scalar(time)}`,
    date_format: time !== undefined && dateFormatOf(layout),
    ...(subject && !subjectProblem(layout, subject) && apart(subject.name)),
    per_step: perStep ? ', per_step: true' : '',
    ...(isPair && hasAlternatives(features) && apart(features[0].name)),
    any_column: kind === 'rows' && inputKind !== 'text' && 'COLUMN',
  });
}

/** True if several rows have the same text to read, whose targets are alternatives. */
function hasAlternatives([{ cells, distinct, isNumber }]: readonly Column[]): boolean {
  return !isNumber && distinct < cells.length;
}

/** With more, an epoch takes a minute or so. */
const MANY_WINDOWS = 10_000;

export function forecastPlan(source: SourceFile, reading: Reading): Plan {
  const { target, layout, regular } = reading;
  const { group, order, rows, shortest: steps } = layout;
  const names = order?.columns.map(({ name }) => name) ?? [];
  const time = order?.isColumn ? names[0] : undefined;
  const fileOrder = order?.isColumn ? [] : names;
  const { season: usual, calendar } = seasonOf(order?.isDate ? rows[0].map(row => order.at[row]) : []);
  const season = usual !== undefined && usual <= steps / 4 ? usual : undefined;
  // rows of the future say how far to forecast
  const ahead = Math.min(...(reading.future ?? []).map(({ length }) => length));
  const horizon = Math.max(1, Math.min(ahead > 0 ? ahead : (usual ?? 12), Math.floor(steps / 16)));
  const inputSteps = Math.max(2, Math.min(4 * horizon, Math.floor(steps / 4)));
  const readSeason = season !== undefined && season <= inputSteps ? season : undefined;
  const numbers = keysOf(target);
  const series = (regular?.rows ?? rows)
    .filter(({ length }) => length >= steps)
    .map(list => carriedForward(list.map(row => (row === undefined ? Number.NaN : numbers[row]))));
  const level = levelOf(series, horizon, readSeason);
  const isLong = rows.flat().length > MANY_WINDOWS;
  const isSeasonal = level === 'season';
  const values = {
    ...ofFile(source, reading),
    description: scalar(`A GRU forecasts ${target.name} of ${basename(source.path)}.`),
    series: group && scalar(group.name),
    time: time && scalar(time),
    date_format: time !== undefined && dateFormatOf(layout),
    resample: regular && `{ every: ${regular.every}, by: mean }`,
    file_order: fileOrder.length > 0 && escaped(fileOrder.join(', ')),
    known: list(knownOf(reading).map(({ name }) => name)),
    calendar: time !== undefined && list(calendar),
    input_steps: inputSteps,
    horizon,
    ...(lacksTargets(reading) && { per_step: 'true', head: '{ from: every }' }),
    season,
    relative_to: level,
    transform: isMultiplicative(series, season) && 'log',
    level: isSeasonal ? 'seasons' : 'value',
    held_out: HELD_OUT,
    epochs: isLong ? 10 : 30,
    patience: isLong ? 3 : 8,
    batch_size: batchSize(0.6 * steps),
    // with `relative_to: season`, the best constant is already a good forecast
    metrics: isSeasonal && '[mean_absolute_error, rmse, mase]',
    scaled_error: isSeasonal && 'test.mase',
    error: !isSeasonal && 'test.mean_absolute_error',
  };
  return { template: 'forecast', values };
}

/** Without missing values, which become the last one before them. */
function carriedForward(values: readonly number[]): number[] {
  const filled: number[] = [];
  for (const value of values) {
    const known = Number.isNaN(value) ? filled.at(-1) : value;
    if (known !== undefined) filled.push(known);
  }
  return filled;
}

/** The file of a table, as the config names it. */
export interface SourceFile {
  readonly path: string;
  readonly delimiter: Delimiter;
  readonly columnNames: readonly string[] | undefined;
}

function ofFile({ path, delimiter, columnNames }: SourceFile, reading: Reading): Plan['values'] {
  const { target, features, unused } = reading;
  const known = reading.kind === 'series' ? knownOf(reading) : [];
  const read = features.filter(one => !known.includes(one));
  const uneven = unevenTimes(reading);
  const elapsed = uneven ? [`{ column: ${scalar(uneven.name)}, encode: elapsed }`] : [];
  const notUsed = unused.map(({ name, reason }) => `# not used: ${escaped(name)} (${reason})`);
  return {
    path: scalar(path),
    delimiter: delimiter !== ',' && JSON.stringify(delimiter),
    column_names: columnNames && list(columnNames),
    target: scalar(target.name),
    features: flow([...read.map(one => featureOf(reading, one)), ...elapsed]),
    static_features: flow(reading.statics.map(one => featureOf(reading, one))),
    missing: missingOf(reading),
    unused: notUsed.length > 0 && notUsed.join('\n  '),
  };
}

/** The value of `dataset.missing`. */
function missingOf(reading: Reading): string | undefined {
  const { kind } = reading;
  if (!listsMissing(reading)) return undefined;
  // they are classes unless they are listed
  const markers = list([...missingClassesOf(reading), ...markersOf(reading)]);
  const keys = [
    ...(holesOf(reading).length > 0 || reading.regular
      ? [`fill: ${isSequence(kind) ? 'forward' : 'median'}`, 'indicator: true']
      : []),
    ...(markers === undefined ? [] : [`markers: ${markers}`]),
  ];
  return keys.length === 0 ? undefined : `{ ${keys.join(', ')} }`;
}

function featureOf(reading: Reading, column: Column): string {
  const name = scalar(column.name);
  if (isEncoded(reading, column))
    return isVocabulary(column) ? embedded(column, '8') : `{ column: ${name}, encode: one_hot }`;
  const markers = list(column.markers.filter(marker => isClassOf(reading.target, marker)));
  return markers === undefined ? name : `{ column: ${name}, missing: { markers: ${markers} } }`;
}

/** @param size of the vectors, and further keys */
function embedded({ name }: Column, size: string): string {
  return `{ column: ${scalar(name)}, encode: embedding, size: ${size}, min_count: 2 }`;
}

/** All sequences with the same value of a column are in one split. */
export function apart(column: string): Plan['values'] {
  return { by: `, group: ${scalar(column)}`, test: 0.2, test_fraction: false };
}

/** The form of dates that are not in ISO 8601. */
function dateFormatOf({ order }: Layout): string | undefined {
  const form = order?.columns[0].forms[0];
  return form && JSON.stringify(form);
}

function medianInterval(times: readonly number[]): number {
  const gaps = times.slice(1).map((time, i) => time - times[i]);
  return gaps.sort((a, b) => a - b)[gaps.length >> 1];
}

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** Season length in steps and calendar features for the times of a series, in milliseconds. */
function seasonOf(times: readonly number[]): {
  readonly season?: number;
  readonly calendar: readonly string[];
} {
  if (times.length < 2) return { calendar: [] };
  const interval = medianInterval(times);
  const areWorkdays = times.every(time => ![0, 6].includes(new Date(time).getUTCDay()));
  if (interval < HOUR) return { calendar: ['hour', 'day_of_week'] };
  if (interval < DAY) return { season: Math.round(DAY / interval), calendar: ['hour', 'day_of_week'] };
  if (interval === DAY) return { season: areWorkdays ? 5 : 7, calendar: ['day_of_week', 'day_of_year'] };
  if (interval < 27 * DAY) return { calendar: ['day_of_year'] };
  return interval < 32 * DAY ? { season: 12, calendar: ['month'] } : { calendar: [] };
}

/** Fraction of the rows for the test split, and of those before it for the validation split. */
const HELD_OUT = 0.15;

/**
 * Chooses the level that a forecast starts from. A series whose pattern repeats, in few seasons,
 * starts from the last one: there is too little to learn the pattern from. Otherwise, the level is
 * that of the better naive forecast, if the mean of the validation split differs from that of
 * training by more than the error of this forecast: a model of the values themselves would have to
 * forecast values unlike any that it learned from. Undefined for series that stay at their level,
 * where subtracting it only adds noise. The test split is not used.
 */
function levelOf(all: readonly number[][], horizon: number, season: number | undefined) {
  const parts = all.map(series => {
    const known = series.slice(0, Math.floor((1 - HELD_OUT) * series.length));
    const trained = known.slice(0, Math.floor((1 - HELD_OUT) * known.length));
    return { trained, next: known.slice(trained.length) };
  });
  /** Mean errors in `values` of the forecast from `lag(h)` steps before step h. */
  const errorOf = (values: readonly number[], lag: (h: number) => number): number =>
    mean(
      Array.from({ length: horizon }, (_, h) =>
        values.slice(lag(h)).map((value, i) => Math.abs(value - values[i])),
      ).flat(),
    );
  /** How far the mean moves from training to validation, relative to these errors. */
  const movesBy = (lag: (h: number) => number): number =>
    mean(
      parts.map(({ trained, next }) => {
        const moved = Math.abs(mean(next) - mean(trained));
        // a constant series does not move
        return moved === 0 ? 0 : moved / errorOf(trained, lag);
      }),
    );
  const last = movesBy(h => h + 1);
  if (season !== undefined) {
    const spread = (values: readonly number[]) => {
      const centre = mean(values);
      return mean(values.map(value => Math.abs(value - centre)));
    };
    const repeats = parts.every(({ trained }) => errorOf(trained, () => season) < 0.5 * spread(trained));
    const isShort = parts.some(({ trained }) => trained.length < FEW_SEASONS * season);
    if (repeats && isShort) return 'season';
  }
  const seasonal = season === undefined ? 0 : movesBy(() => season);
  return Math.max(last, seasonal) <= 1 ? undefined : seasonal >= last ? 'season' : 'last_value';
}

/**
 * True if the values rise, and the differences within a season with them. The test split is not
 * used.
 */
function isMultiplicative(all: readonly number[][], season: number | undefined): boolean {
  if (season === undefined || all.flat().some(value => !(value > 0))) return false;
  return all.every(series => {
    const count = Math.floor(((1 - HELD_OUT) * series.length) / season);
    const seasons = Array.from({ length: count }, (_, i) => series.slice(i * season, (i + 1) * season));
    const levels = seasons.map(values => Math.log(mean(values)));
    const spreads = seasons.map(values => {
      const centre = mean(values);
      return Math.log(Math.sqrt(mean(values.map(value => (value - centre) ** 2))));
    });
    const rises = Math.max(...levels) - Math.min(...levels) >= Math.log(2);
    const [level, spread] = [mean(levels), mean(spreads)];
    const slope =
      mean(levels.map((one, i) => (one - level) * (spreads[i] - spread))) /
      mean(levels.map(one => (one - level) ** 2));
    return rises && slope >= 0.5;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, one) => sum + one, 0) / values.length;
}

/** Too few to learn a pattern from. */
const FEW_SEASONS = 12;

/** A power of two from 4 to 64, so that an epoch has at least eight batches if possible. */
export function batchSize(trainingSequences: number): number {
  return 2 ** Math.max(2, Math.min(6, Math.floor(Math.log2(trainingSequences / 8))));
}

/** Text as a YAML scalar that is valid in any context. */
export function scalar(text: string): string {
  const isPlain =
    /^[A-Za-z_./][\w./ -]*$/.test(text) &&
    !text.endsWith(' ') &&
    !/^(true|false|yes|no|on|off|null|y|n|~)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}

/** Undefined if there are none. */
export function list(names: readonly string[]): string | undefined {
  return flow(names.map(scalar));
}

function flow(items: readonly string[]): string | undefined {
  return items.length === 0 ? undefined : `[${items.join(', ')}]`;
}

/** Text for a YAML comment: escapes line breaks. */
function escaped(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
