/** Configs for readings of data: the templates of `configs/templates`, and what fills them in. */

import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { BLOCK } from '../data/formats/archives.js';
import type { Decimal } from '../data/formats/numbers.js';
import type { Delimiter } from '../data/formats/table-records.js';
import { tableFormatOf } from '../data/reading/facts.js';
import { isImpossible } from '../math/losses/ctc.js';
import { packageRoot } from '../util/root.js';
import { type Column, countsOf } from './columns.js';
import { isVocabulary } from './kinds.js';
import type { Layout } from './layout.js';
import { classesOf, holesOf, isClassOf, listsMissing, markersOf, missingClassesOf } from './missing.js';
import {
  areTagged,
  endingsOf,
  isEncoded,
  isSequence,
  knownOf,
  lacksTargets,
  type Reading,
  unevenTimes,
} from './readings.js';
import { HELD_OUT, isMultiplicative, levelOf, seasonOf, valuesOf } from './seasons.js';
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
    min_count: isText && minCountOf(texts),
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

/** Occurrences of rare symbols from which a model learns to read unknown ones. */
const MIN_UNKNOWN = 5;
/** Maximum fraction of words that become unknown so that new ones can be read. */
const MAX_UNKNOWN = 0.02;
/** How much more often other words occur, so that all of them are known in the training split. */
const MIN_GAP = 2;

/**
 * The value of `min_count` with which training sees unknown symbols: 2 if some occur only once. The
 * rarest words are unknown otherwise, but no characters: their number is limited.
 */
export function minCountOf(texts: readonly unknown[]): number | undefined {
  const areCharacters = !Array.isArray(texts[0]) && levelOfTexts(texts) === 'character';
  const separator = areCharacters ? /(?:)/u : /\s+/;
  const symbols = texts.flatMap(text => (Array.isArray(text) ? text : String(text).split(separator)));
  const counts = [...countsOf(symbols.map(String)).values()].sort((a, b) => a - b);
  if (counts[0] === 1 || areCharacters) return counts[0] === 1 ? 2 : undefined;
  let unknown = 0;
  for (const [i, count] of counts.entries()) {
    unknown += count;
    if (unknown > MAX_UNKNOWN * symbols.length) return undefined;
    if (unknown >= MIN_UNKNOWN && counts[i + 1] >= MIN_GAP * count) return count + 1;
  }
  return undefined;
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
  const time = isSequence(kind) && order?.isColumn ? columnsOf(order.columns[0]) : undefined;
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
    kind: tableFormatOf(source.path) ?? 'csv',
    sequence:
      group &&
      (perFile
        ? 'per_file: true'
        : group.name === BLOCK
          ? 'blank_lines: true'
          : `group: ${columnsOf(group)}`),
    order: time === undefined ? '' : `, order: ${time}`,
    date_format: time !== undefined && dateFormatOf(layout),
    ...(subject && !subjectProblem(layout, subject) && apart(columnsOf(subject))),
    per_step: perStep ? ', per_step: true' : '',
    ...(isPair && hasAlternatives(features) && apart(scalar(features[0].name))),
    any_column: kind === 'rows' && inputKind !== 'text' && 'COLUMN',
  });
}

/** True if several rows have the same text to read, whose targets are alternatives. */
function hasAlternatives([{ cells, distinct, isNumber }]: readonly Column[]): boolean {
  return !isNumber && distinct < cells.length;
}

/** With more, an epoch takes a minute or so. */
const MANY_WINDOWS = 10_000;

/** Steps to forecast of a series without a short season, and at most of others. */
const USUAL_HORIZON = 12;
const MAX_HORIZON = 24;
/** Two seasons of more steps are not read. */
const MAX_READ = 400;

export function forecastPlan(source: SourceFile, reading: Reading): Plan {
  const { target, layout, regular } = reading;
  const { group, order, rows, shortest: steps } = layout;
  const names = order?.columns.map(({ name }) => name) ?? [];
  const time = order?.isColumn ? columnsOf(order.columns[0]) : undefined;
  const fileOrder = order?.isColumn ? [] : names;
  const { season, usual = USUAL_HORIZON, calendar } = seasonOf(reading);
  const isNear = usual > MAX_HORIZON;
  // rows of the future say how far to forecast
  const ahead = Math.min(...(reading.future ?? []).map(({ length }) => length));
  const horizon = Math.max(
    1,
    Math.min(ahead > 0 ? ahead : isNear ? USUAL_HORIZON : usual, Math.floor(steps / 16)),
  );
  // forecasts of a small part of a season depend on the last values
  const pattern = isNear ? undefined : season;
  const read = pattern !== undefined && 2 * pattern <= MAX_READ ? 2 * pattern : 0;
  const inputSteps = Math.max(2, Math.min(Math.max(4 * horizon, read), Math.floor(steps / 4)));
  const readSeason = pattern !== undefined && pattern <= inputSteps ? pattern : undefined;
  const series = valuesOf(reading);
  const level = levelOf(series, horizon, readSeason);
  const isLong = rows.flat().length > MANY_WINDOWS;
  const isSeasonal = level === 'season';
  const values = {
    ...ofFile(source, reading),
    description: scalar(`A GRU forecasts ${target.name} of ${basename(source.path)}.`),
    series: group && columnsOf(group),
    time,
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
    transform: isMultiplicative(series, pattern) && 'log',
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

/** The file of a table, as the config names it. */
export interface SourceFile {
  readonly path: string;
  readonly delimiter: Delimiter;
  readonly decimal?: Decimal | undefined;
  readonly columnNames: readonly string[] | undefined;
}

function ofFile({ path, delimiter, decimal, columnNames }: SourceFile, reading: Reading): Plan['values'] {
  const { target, features, unused } = reading;
  const known = reading.kind === 'series' ? knownOf(reading) : [];
  const read = features.filter(feature => !known.includes(feature));
  const uneven = reading.kind === 'series' ? undefined : unevenTimes(reading);
  const elapsed = uneven ? [`{ column: ${scalar(uneven.name)}, encode: elapsed }`] : [];
  const notUsed = unused.map(({ name, reason }) => `# not used: ${escaped(name)} (${reason})`);
  return {
    path: scalar(path),
    delimiter: delimiter !== ',' && JSON.stringify(delimiter),
    decimal: decimal && JSON.stringify(decimal),
    column_names: columnNames && list(columnNames.filter(name => name !== BLOCK)),
    target: scalar(target.name),
    features: flow([...read.map(column => featureOf(reading, column)), ...elapsed]),
    static_features: featuresText(reading, reading.statics),
    missing: missingOf(reading),
    id: reading.id && scalar(reading.id.name),
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

type Read = Pick<Reading, 'inputKind' | 'target'>;

/** Features as a list; undefined if there are none. */
export function featuresText(reading: Read, columns: readonly Column[]): string | undefined {
  return flow(columns.map(column => featureOf(reading, column)));
}

function featureOf(reading: Read, column: Column): string {
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

/** All sequences with the same value are in one split. @param group the value of the key */
export function apart(group: string): Plan['values'] {
  return { by: `, group: ${group}`, test: 0.2, test_fraction: false };
}

/** The column, or columns, of a key. */
export function columnsOf({ name, parts }: Pick<Column, 'name' | 'parts'>): string {
  return (parts && list(parts)) ?? scalar(name);
}

/** The form of dates that are not in ISO 8601. */
function dateFormatOf({ order }: Layout): string | undefined {
  const form = order?.columns[0].forms[0];
  return form && JSON.stringify(form);
}

/** A power of two from 4 to 64, so that an epoch has at least eight batches if possible. */
function batchSize(trainingSequences: number): number {
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
