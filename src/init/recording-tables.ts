/** Tables that list recordings, and the config that follows from their columns. */

import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { symbolsOf } from '../data/core/vocabulary.js';
import { AUDIO_NAME, RECORDING_NAME } from '../data/reading/facts.js';
import { isImpossible } from '../math/losses/ctc.js';
import { usageError } from '../util/errors.js';
import { grouped } from '../util/numbers.js';
import { counted } from '../util/words.js';
import { tablesBeside } from './beside.js';
import { type Column, type Columns, columnNamed, isFactOf, isWhole, readColumns } from './columns.js';
import type { OtherReading } from './description.js';
import { numbersRows } from './kinds.js';
import { ATTRIBUTE, isTarget, MIN_SUBJECTS, USUAL } from './names.js';
import { levelOfTargets, list, type Plan, scalar } from './plan.js';
import type { Choice } from './readings.js';
import {
  classesIn,
  conversionOf,
  heardIn,
  type Line,
  lengthOf,
  printed,
  SPLITS,
  splitLines,
  voicePlan,
} from './recordings.js';

const NAMES = {
  start: /^(?:start|begin|onset|from|[xt]min|(?:start|begin|onset)[ _]?(?:time|sec|seconds|s))$/i,
  end: /^(?:end|stop|to|[xt]max|(?:end|stop|offset)[ _]?(?:time|sec|seconds|s))$/i,
  /** The end after an onset, or the start before a duration. */
  offset: /^offset$/i,
  duration: /^(?:duration|dur)(?:[ _]?(?:sec|seconds|s))?$/i,
  speaker: /(?:client|reader|voice)/i,
  label: /^(?:word|keyword|command|digit|phrase|language|accent|sound|event)s?$/i,
  text: /^(?:(?:raw|normalized|clean)[ _]?)?(?:text|transcripts?|transcriptions?|sentence|utterance|words|phonemes|phones|digits)$/i,
} as const;
/** Numbers with more values are measured. */
const MAX_CLASSES = 100;
/** Seconds from frame to frame, and frames that a model of sequences reads at once. */
const HOP = 0.01;
/** A part may end a frame after its recording. */
const WINDOW = 0.025;
const STACK = 2;
/** Number of names that are looked for in a folder before all are. */
const SAMPLE = 20;

/** A table whose rows are recordings, or parts of them. */
export interface RecordingList {
  readonly table: Columns;
  readonly path: string;
  /** The column of their paths, from the folder of the table. */
  readonly key: Column;
}

/** What stands before and after a name in the path of a recording, from the folder of the table. */
interface Place {
  readonly before: string;
  readonly after: string;
}

/**
 * Returns the table with the column that names recordings; undefined without one.
 * @throws UserError (exit 2) if these are not where the column says
 */
export function recordingList(table: Columns, path: string): RecordingList | undefined {
  const found = keyIn(table, path);
  if (found === undefined) return undefined;
  const { key, place } = found;
  const folder = dirname(path);
  if (place) refuseUnusable({ table, path, key }, place);
  const missing = key.cells.flatMap((cell, row) => (existsSync(join(folder, cell)) ? [] : [row]));
  if (missing.length === 0) return { table, path, key };
  const count = counted(missing.length, 'recording');
  const message = `${key.name} names ${count} that ${missing.length === 1 ? 'does' : 'do'} not exist, first in ${key.nameOf(missing[0])}: ${key.cells[missing[0]]}`;
  throw usageError('init/no-recording', message, {
    file: path,
    expected: `paths from the folder of the table (\`path_column: ${key.name}\`), or --as rows to learn from its other columns alone`,
  });
}

/** The column that names recordings, and where most of them are; undefined without one. */
function keyIn(table: Columns, path: string): { key: Column; place: Place | undefined } | undefined {
  if (table.files) return undefined;
  const folder = dirname(path);
  const sampleOf = ({ cells, isValue }: Column) => cells.filter(isValue).slice(0, SAMPLE);
  const isAt = (place: Place) => (cell: string) => existsSync(pathAt(folder, cell, place));
  const named = table.columns.find(column => column.distinct > 0 && sampleOf(column).every(isAudio));
  const places = placesIn(folder, named ? [''] : STEM);
  // numbers that come again, such as those of clinics, may be names of recordings by chance
  const mayName = ({ distinct, cells, isNumber }: Column) =>
    distinct > 0 && !(isNumber && distinct < cells.length);
  // and all of them, such as ids of rows, those in another folder
  const isNear = ({ isNumber }: Column, { before }: Place) => !(isNumber && before.startsWith('../'));
  const isStem = (column: Column) =>
    mayName(column) && places.some(place => isNear(column, place) && sampleOf(column).every(isAt(place)));
  const key = named ?? table.columns.find(isStem);
  if (key === undefined) return undefined;
  const sample = sampleOf(key);
  return { key, place: places.find(place => 2 * sample.filter(isAt(place)).length > sample.length) };
}

/** The first small table of a folder that lists recordings. */
export async function listIn(folder: string): Promise<string | undefined> {
  for (const { path } of await tablesBeside(join(folder, 'x'), []))
    if (keyIn(await readColumns(path, { others: [] }), path)) return path;
  return undefined;
}

/** Endings of recordings whose names are without one. */
const STEM = ['.wav', '.WAV'];

function isAudio(name: string): boolean {
  return AUDIO_NAME.test(name);
}

function pathAt(folder: string, name: string, { before, after }: Place): string {
  return join(folder, `${before}${name}${after}`);
}

/** The folder of a table, its subfolders and the folders beside it. */
function placesIn(folder: string, endings: readonly string[]): Place[] {
  const folders = ['', ...foldersIn(folder, ''), ...foldersIn(folder, '../')];
  return folders.flatMap(before => endings.map(after => ({ before, after })));
}

function foldersIn(folder: string, start: string): string[] {
  try {
    return readdirSync(join(folder, start), { withFileTypes: true }).flatMap(file =>
      file.isDirectory() && !file.name.startsWith('.') ? [`${start}${file.name}/`] : [],
    );
  } catch {
    // recordings are not in a folder that cannot be read
    return [];
  }
}

/** Refuses a table without names of columns, paths of recordings or WAV files. */
function refuseUnusable({ table, path, key }: RecordingList, place: Place): void {
  const { before, after } = place;
  const folder = dirname(path);
  // the first recording may have been taken for the name of the column
  const isHeadless = table.columnNames !== undefined || existsSync(pathAt(folder, key.name, place));
  const isElsewhere = before !== '' || after !== '';
  const others = key.cells.filter(cell => isAudio(cell) && !RECORDING_NAME.test(cell));
  const [name] = key.cells;
  const names = table.columns.map((column, i) => (column === key ? 'file' : `column${i + 1}`));
  const lacking = [
    ...(isHeadless
      ? [['a line with the names of its columns', `a first line such as ${names.join(table.delimiter)}`]]
      : []),
    ...(isElsewhere
      ? [
          [
            `their paths from its folder (${before}NAME${after})`,
            `${before}${name}${after} instead of ${name}`,
          ],
        ]
      : []),
    ...(others.length > 0
      ? [['WAV files', `WAV; to convert the recordings: ${conversionOf(join(folder, before), others)}`]]
      : []),
  ];
  if (lacking.length > 0)
    throw usageError(
      'init/recordings',
      `this table lists recordings without ${lacking.map(([what]) => what).join(' and ')}`,
      { file: path, expected: lacking.map(([, expected]) => expected).join('; ') },
    );
}

interface Target {
  readonly column: Column;
  readonly kind: 'class' | 'value' | 'sequence';
  readonly why: string;
}

/** @param place of the table, as the config names it */
export async function recordingListPlan(
  listed: RecordingList,
  place: string,
  choice: Choice,
): Promise<{ plan: Plan; lines: string[]; others: OtherReading[] }> {
  const { table, path, key } = listed;
  const { columns, delimiter, decimal } = table;
  const folder = dirname(path);
  const files = [...new Set(key.cells)];
  const heard = await heardIn(files.map(file => join(folder, file)));
  const lengths = new Map(files.map((file, i) => [file, heard.lengths[i]]));
  const { start, end, all: times } = timesIn(listed, lengths, heard.rates);
  const split = columns.find(isSplit);
  const asked = columnNamed('group', choice.group, columns, path);
  const free = columns.filter(
    candidate =>
      ![key, split, asked, ...times].includes(candidate) &&
      candidate.problem === undefined &&
      candidate.distinct > 1 &&
      !candidate.isTime,
  );
  const named = free.find(
    candidate =>
      (USUAL.subject.test(candidate.name) || NAMES.speaker.test(candidate.name)) &&
      repeats(candidate) &&
      candidate.name !== choice.target,
  );
  const [target, ...others] = targetsIn(
    free.filter(candidate => candidate !== named),
    columnNamed('target', choice.target, columns, path),
    choice,
  );
  if (target === undefined)
    throw usageError(
      'init/nothing-to-learn',
      `${key.name} names recordings, but no column says what they contain`,
      {
        file: path,
        expected: 'a column with a class or a text of each; --target names it',
        got: columns.map(({ name }) => name).join(', '),
      },
    );
  const { column, kind } = target;
  if (!start && !end && !isFactOf(key, column)) {
    const row = key.cells.findIndex((file, i) => column.cells[key.cells.indexOf(file)] !== column.cells[i]);
    const message = `${key.nameOf(row)} has another ${column.name} of ${key.cells[row]} than a row before it, and no columns say which part of the recording each describes`;
    const expected =
      'columns with the start and the end of each part, in seconds, or a row for each recording';
    throw usageError('init/recordings', message, { file: path, expected });
  }
  const voice = asked ?? named ?? (files.length < key.cells.length ? key : undefined);
  const by = voice === column ? undefined : voice;
  const isApart = by !== undefined && (asked !== undefined || by.distinct >= MIN_SUBJECTS);
  const count = key.cells.length;
  const level = kind === 'sequence' ? levelOfTargets(column.cells) : undefined;
  const secondsOf = (row: number) =>
    Number(end?.cells[row] ?? lengths.get(key.cells[row])) - Number(start?.cells[row] ?? 0);
  const seconds = [...key.cells.keys()].reduce((sum, row) => sum + secondsOf(row), 0);
  const symbols = column.cells.map(text => [...symbolsOf(text, level ?? 'character')]);
  const stepsOf = (row: number) => Math.floor(secondsOf(row) / HOP / STACK);
  const isStacked = level !== undefined && symbols.every((list, row) => !isImpossible(list, stepsOf(row)));
  const plan = voicePlan({
    description: `A GRU ${kind === 'value' ? 'estimates' : 'recognizes'} the ${column.name} of recordings in ${basename(path)}.`,
    path: place,
    target: column.name,
    kind,
    classes: column.distinct,
    level,
    count,
    heard,
    speaker: isApart ? by : undefined,
    values: {
      delimiter: delimiter !== ',' && JSON.stringify(delimiter),
      decimal: decimal && JSON.stringify(decimal),
      path_column: scalar(key.name),
      start: start && scalar(start.name),
      end: end && scalar(end.name),
      stack: isStacked && STACK,
      ...(split && splitValues(split)),
    },
  });
  const parts = [start && `from ${start.name}`, end && `to ${end.name}`].filter(Boolean).join(' ');
  const unused = free.filter(candidate => candidate !== by && candidate !== column).map(({ name }) => name);
  const lines: readonly Line[] = [
    ['recordings', `${grouped(count)}, ${lengthOf(heard, seconds)}`],
    ['paths', `${key.name}${parts && `, ${parts}`}`],
    [
      'target',
      `${column.name} (${kind === 'class' ? classesIn(column.cells) : kind === 'value' ? 'a number' : `a sequence of ${level}s, read with CTC`})`,
    ],
    ...(split ? [['splits', `by the column ${split.name}`] as const] : splitLines(by, isApart)),
    ['not used', unused.join(', ')],
    ['because', `${key.name} names recordings; ${target.why}`],
  ];
  return {
    plan,
    lines: printed(lines),
    others: others.slice(0, 2).map(other => ({
      choice: { target: other.column.name },
      what: `${other.kind === 'class' ? 'class' : other.kind === 'value' ? 'number' : 'text'} ${other.column.name} of each recording`,
    })),
  };
}

/** Columns of seconds: those of the parts to read, and all of them. */
interface Times {
  readonly start?: Column | undefined;
  readonly end?: Column | undefined;
  readonly all: readonly (Column | undefined)[];
}

/** @param lengths of the recordings, in seconds */
function timesIn(
  { table, path, key }: RecordingList,
  lengths: ReadonlyMap<string, number>,
  rates: readonly number[],
): Times {
  const { columns } = table;
  const parts = partsIn(table, key, lengths, rates);
  if (parts?.perSecond === 1) return { ...parts, all: [parts.start, parts.end] };
  if (parts) {
    const { start, end, perSecond } = parts;
    const message = `${start.name} and ${end.name} are in ${perSecond === MILLI ? 'milliseconds' : 'samples'}, but parts are read in seconds`;
    const expected = `columns with ${start.name} / ${perSecond} and ${end.name} / ${perSecond}`;
    throw usageError('init/recordings', message, { file: path, expected });
  }
  const named = (usual: RegExp) =>
    columns.find(({ name, isNumber, isFull }) => isNumber && isFull && usual.test(name));
  const duration = named(NAMES.duration);
  const [onset, stop, offset] = [named(NAMES.start), named(NAMES.end), named(NAMES.offset)];
  const start = onset ?? (duration && offset);
  const end = stop ?? (onset && offset);
  const all = [duration, onset, stop, offset];
  // of each recording as a whole, they may say what it was cut from
  if (start && duration && end === undefined) {
    const message = `${duration.name} says how long the part from ${start.name} is, but a part is read to its end`;
    const expected = `a column end with ${start.name} + ${duration.name}`;
    throw usageError('init/recordings', message, { file: path, expected });
  }
  const isWithin = key.cells.every((file, row) => Number(end?.cells[row] ?? 0) <= (lengths.get(file) ?? 0));
  return isWithin || key.distinct < key.cells.length ? { start, end, all } : { all };
}

const MILLI = 1000;

/**
 * The columns with the start and the end of several parts of recordings, known by their values: the
 * start is before the end, this within the recording, and another one in each row of a recording.
 */
function partsIn(
  { columns }: Columns,
  key: Column,
  lengths: ReadonlyMap<string, number>,
  rates: readonly number[],
) {
  if (key.distinct === key.cells.length) return undefined;
  const numbers = columns.filter(column => column.isNumber && column.isFull && !numbersRows(column));
  const isStart = ({ cells }: Column) =>
    new Set(cells.map((cell, row) => `${Number(cell)} ${key.cells[row]}`)).size === cells.length;
  for (const perSecond of [1, MILLI, ...rates.slice(0, 1)])
    for (const start of numbers.filter(isStart)) {
      const end = numbers.find(column =>
        column.cells.every((cell, row) => {
          const [from, to] = [Number(start.cells[row]), Number(cell)];
          const last = ((lengths.get(key.cells[row]) ?? 0) + WINDOW) * perSecond;
          return from >= 0 && from < to && to <= last;
        }),
      );
      if (end) return { start, end, perSecond };
    }
  return undefined;
}

/** True for a column of names of splits. */
function isSplit({ cells }: Column): boolean {
  const values = [...new Set(cells)];
  const isOf = (usual: RegExp) => values.some(value => usual.test(value));
  return (
    isOf(SPLITS.train) &&
    isOf(SPLITS.test) &&
    values.every(value => Object.values(SPLITS).some(usual => usual.test(value)))
  );
}

function splitValues({ name, cells }: Column): Plan['values'] {
  const valuesOf = (usual: RegExp) => list([...new Set(cells)].filter(value => usual.test(value)));
  const validation = valuesOf(SPLITS.validation);
  return {
    split_column: scalar(name),
    test_values: valuesOf(SPLITS.test),
    test: false,
    test_fraction: false,
    validation_values: validation,
    ...(validation && { validation: false }),
  };
}

/** The likely targets, the most likely first. */
function targetsIn(columns: readonly Column[], asked: Column | undefined, { as }: Choice): readonly Target[] {
  const scoreOf = ({ name, isNumber, cells }: Column, repeated: boolean) => {
    if (isTarget(name) || NAMES.label.test(name)) return 3;
    if (NAMES.text.test(name)) return 2;
    if (isNumber || ATTRIBUTE.test(name)) return 0;
    return repeated ? 1 : cells.every(cell => /\p{L}\P{L}+\p{L}/u.test(cell)) ? 0.5 : 0;
  };
  return (asked ? [asked] : columns)
    .map(column => {
      const { name, isNumber, distinct, cells } = column;
      const isRepeated = repeats(column);
      const score = scoreOf(column, isRepeated);
      const areTexts = isNumber ? cells.some(cell => /^0\d/.test(cell)) : !isRepeated || areComposed(cells);
      const isWritten = as === 'pairs' || areTexts;
      const isClass = isRepeated && (!isNumber || (isWhole(column) && distinct <= MAX_CLASSES));
      const kind = isWritten ? 'sequence' : isClass ? 'class' : 'value';
      const why =
        score > 1
          ? `${name} is a usual name of what they contain`
          : `${name} has ${isRepeated ? 'few values' : 'texts'}`;
      return { column, kind, why: asked ? `--target ${name}` : why, score } as const;
    })
    .filter(({ score }) => asked || score > 0)
    .toSorted((a, b) => b.score - a.score);
}

/** True if most values are several words, all of them of a few words. */
function areComposed(cells: readonly string[]): boolean {
  const values = [...new Set(cells)].map(cell => cell.split(/\s+/));
  const several = values.filter(({ length }) => length > 1);
  return 2 * several.length >= values.length && 2 * new Set(values.flat()).size <= values.length;
}

/** True if several recordings have each value. */
function repeats({ cells, distinct }: Column): boolean {
  return distinct > 1 && 2 * distinct <= cells.length;
}
