/** Data that are no table: JSON Lines and NumPy archives. Guesses their input and target. */
import { ArrayArchive, type FileArray, openArrays } from '../../data/arrays.js';
import { MARKERS } from '../../data/core/cells.js';
import { IGNORED, withoutPadding } from '../../data/core/dataset.js';
import { Problems } from '../../data/core/problems.js';
import { type JsonRecord, jsonLines, type RecordLine } from '../../data/jsonl-records.js';
import { RangedFile } from '../../data/reading/ranged-file.js';
import { damagedErrors, usageError } from '../../util/errors.js';
import { grouped } from '../../util/numbers.js';
import { counted } from '../../util/words.js';
import { type Columns, columnNamed, columnOf } from './columns.js';
import { FILLED, labelled, type OtherReading } from './description.js';
import { isTarget, MIN_SUBJECTS, USUAL } from './names.js';
import {
  apart,
  levelOfTargets,
  levelOfTexts,
  list,
  minCountOf,
  type Plan,
  READ_IN_ORDER,
  readInOrder,
  scalar,
  type Task,
  taskPlan,
} from './plan.js';
import type { Choice, ReadingKind } from './readings.js';

/** A plan, and what `init` says of the data. */
export interface Found {
  readonly plan: Plan;
  readonly lines: readonly string[];
  readonly others: readonly OtherReading[];
}

interface Field {
  readonly name: string;
  readonly values: readonly unknown[];
  /** The only type of its values that are not null. */
  readonly type: 'number' | 'boolean' | 'text' | 'symbols' | 'numbers' | 'vectors' | 'other';
  readonly distinct: number;
  readonly missing: number;
}

const MAX_CLASSES = 100;

interface RecordsFile {
  readonly file: string;
  /** The file, as the config names it. */
  readonly place: string;
  readonly choice: Choice;
  /** Files of other splits. */
  readonly others: readonly { readonly file: string; readonly bytes: Buffer }[];
}

export function recordsPlan(bytes: Buffer, { file, place, choice, others }: RecordsFile): Found {
  const records = recordsOf(bytes, file);
  const names = [...new Set(records.flatMap(record => Object.keys(record)))];
  const fields = names.map(name =>
    fieldOf(
      name,
      records.map(record => record[name]),
    ),
  );
  const named = choice.target;
  columnNamed('target', named, fields, place);
  const inputs = fields
    .filter(({ type, name }) => INPUT_TYPES.includes(type) && name !== named)
    .toSorted((a, b) => worth(b) - worth(a));
  const targets = targetsFor(inputs[0], fields, choice);
  // the text to read comes before the one to write
  const isSwapped = named === undefined && targets[0]?.kind === 'pairs' && inputs.includes(targets[0].field);
  const input =
    isSwapped && fields.indexOf(targets[0].field) < fields.indexOf(inputs[0]) ? targets[0].field : inputs[0];
  const [target, ...rest] = targetsFor(input, fields, choice);
  if (input === undefined || target === undefined)
    throw usageError('init/nothing-to-learn', 'no config can be made for these records', {
      file,
      expected:
        'a field with a text or a list, and one with a class, a number, a list or a text to write; --target names it',
      got: names.join(', '),
    });
  const { field, kind, targetKind } = target;
  const perStep = kind === 'steps';
  const isClass = targetKind === 'class';
  const targetLevel =
    kind === 'pairs' && field.type === 'text' ? levelOfTargets(field.values.map(textOf)) : undefined;
  const inputKind = inputKindOf(input);
  const id = fields.find(({ name, distinct }) => NAME.test(name) && distinct === records.length);
  const subject = fields.find(
    one =>
      ![input, field, id].includes(one) &&
      USUAL.subject.test(one.name) &&
      one.missing === 0 &&
      one.distinct >= MIN_SUBJECTS &&
      one.distinct < records.length,
  );
  const unused = fields.filter(one => ![input, field, id, subject].includes(one));
  const classes = perStep ? new Set(field.values.flat()).size : field.distinct;
  const task = {
    target: field.name,
    targetKind,
    classes,
    targetLevel,
    perStep,
    inputKind,
    texts: input.values,
    sequences: records.length,
    steps: longest(input),
  } as const;
  const read = [records, ...others.map(other => recordsOf(other.bytes, other.file))].flatMap(all =>
    all.map(record => record[input.name]),
  );
  const holes = inputKind === 'number' ? read.filter(hasHole).length : 0;
  const isRead =
    kind === 'pairs' &&
    inputKind === 'number' &&
    readInOrder(field.values.map((value, i) => [symbolsIn(value, targetLevel), sizeOf(input.values[i])]));
  const hasAlternatives = kind === 'pairs' && input.type === 'text' && input.distinct < records.length;
  const plan = taskPlan(place, task, {
    ...(hasAlternatives ? apart(scalar(input.name)) : subject && apart(scalar(subject.name))),
    kind: 'jsonl',
    input: scalar(input.name),
    missing: holes > 0 && '{ fill: forward, indicator: true }',
    numbers: inputKind === 'number' && inputKind,
    min_count: inputKind !== 'number' && minCountOf(input.values),
    target: scalar(field.name),
    id: id && id !== field && id !== input && scalar(id.name),
    targets: perStep && 'true',
    unused: unused.length > 0 && `# not used: ${list(unused.map(({ name }) => name))}`,
    ...isRead,
  });
  const written = targetLevel === undefined ? 'symbols' : `${targetLevel}s`;
  const sort = kind === 'pairs' ? `a sequence of ${written}` : isClass ? `${classes} classes` : 'a number';
  const absent = MARKERS.filter(marker => isClass && field.values.flat().includes(marker));
  const lines = [
    ['records', grouped(records.length)],
    [
      'input',
      `${input.name} (${inputKind === 'text' ? `texts, as ${levelOfTexts(input.values)}s` : inputKind === 'symbol' ? 'lists of symbols' : 'lists of numbers'})`,
    ],
    ['target', `${field.name} (${sort}${perStep ? ' at every step' : ''})`],
    ...(input.missing > 0 ? [['left out', `${counted(input.missing, 'record')} without ${input.name}`]] : []),
    ...(holes > 0 ? [['missing', `values in ${counted(holes, 'record')}: ${FILLED.sequence}`]] : []),
    ...(subject && !hasAlternatives
      ? [['splits', `the records of each ${subject.name} are in one split (\`group: ${subject.name}\`)`]]
      : []),
    ...unused.map(({ name, type }) => [
      'not used',
      `${name}: ${type === 'other' ? 'values of several types' : 'neither input nor target'}`,
    ]),
    ...(absent.length > 0
      ? [
          [
            'note',
            `${absent.map(text => JSON.stringify(text)).join(', ')} is a class: no ${field.name} is null`,
          ],
        ]
      : []),
    ['because', target.why],
    ...(isRead ? [['because', READ_IN_ORDER]] : []),
  ].map(([label, text]) => labelled(label, text));
  const inverse = { ...target, field: input };
  const isInvertible = kind === 'pairs' && inputKind !== 'number';
  const next = [...rest, ...(isInvertible ? [inverse] : [])].slice(0, 2).map(one => ({
    choice: { target: one.field.name, as: one.kind },
    what: `${NOUNS[one.targetKind]} ${one.field.name} of each ${one.kind === 'steps' ? 'step' : 'record'}`,
  }));
  return { plan, lines, others: next };
}

/** Usual names of what names a record. */
const NAME = /(^|_)(id|name|key)$/i;

const NOUNS = { class: 'class', value: 'number', sequence: 'the sequence' } as const;

function inputKindOf({ type }: Field): Task['inputKind'] {
  return type === 'text' ? 'text' : type === 'symbols' ? 'symbol' : 'number';
}

function textOf(value: unknown): string {
  return String(value ?? '').trim();
}

function symbolsIn(value: unknown, level: Task['targetLevel']): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return level === 'word' ? textOf(value).split(/\s+/) : [...textOf(value)];
}

/** True for a list of steps in which a number is missing. */
function hasHole(value: unknown): boolean {
  return Array.isArray(value) && value.flat().includes(null);
}

const INPUT_TYPES: readonly Field['type'][] = ['vectors', 'numbers', 'symbols', 'text'];

function recordsOf(bytes: Buffer, path: string): readonly JsonRecord[] {
  return linesOf(bytes, path).map(({ record }) => record);
}

function linesOf(bytes: Buffer, path: string): readonly RecordLine[] {
  const records: RecordLine[] = [];
  const problems = new Problems();
  const lines = jsonLines(
    path,
    line => records.push(line),
    problem => problems.add(problem),
  );
  lines.push(bytes);
  lines.end();
  if (records.length === 0) throw damagedErrors(problems.all);
  return records;
}

/** Records of texts and numbers as a table. */
export function recordColumns(bytes: Buffer, path: string): Columns {
  const lines = linesOf(bytes, path);
  const places = lines.map(({ number }) => ({ file: path, line: number }));
  const names = [...new Set(lines.flatMap(({ record }) => Object.keys(record)))];
  const columns = names.map(name =>
    columnOf(
      name,
      lines.map(({ record }) => textOf(record[name])),
      { places },
    ),
  );
  return {
    columns,
    format: 'jsonl',
    delimiter: ',',
    columnNames: undefined,
    files: undefined,
    odd: undefined,
  };
}

function fieldOf(name: string, values: readonly unknown[]): Field {
  const present = values.filter(
    value => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  const types = new Set(present.map(typeOf));
  const [first = 'other'] = types;
  const distinct = new Set(present.map(value => (Array.isArray(value) ? value : String(value)))).size;
  return {
    name,
    values,
    type: types.size === 1 ? first : 'other',
    distinct,
    missing: values.length - present.length,
  };
}

function typeOf(value: unknown): Field['type'] {
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'text';
  if (!Array.isArray(value) || value.length === 0) return 'other';
  const isAll = (test: (one: unknown) => boolean) => value.every(one => one === null || test(one));
  if (isAll(one => typeof one === 'string')) return 'symbols';
  if (isAll(one => typeof one === 'number')) return 'numbers';
  return isAll(one => Array.isArray(one) && one.every(x => x === null || typeof x === 'number'))
    ? 'vectors'
    : 'other';
}

/** How likely a field is the input: lists before texts, long and different ones before others. */
function worth({ name, type, values, distinct }: Field): number {
  const rank = INPUT_TYPES.length - INPUT_TYPES.indexOf(type);
  const size = values.reduce<number>(
    (sum, value) => sum + (Array.isArray(value) ? value.length : String(value).length),
    0,
  );
  const isUsual = /^(input|inputs|x|text|tokens|words|sentence|utterance|values|series)$/i.test(name);
  const isTags = isTarget(name) || /tags$/i.test(name);
  if (type === 'text' && 2 * distinct < values.length) return -1;
  return (isUsual ? 100 : 0) - (isTags ? 100 : 0) + 10 * rank + Math.log1p(size / values.length);
}

interface Target {
  readonly field: Field;
  readonly kind: ReadingKind;
  readonly targetKind: Task['targetKind'];
  readonly score: number;
  readonly why: string;
}

/** What can be predicted from `input`, the most likely first. */
function targetsFor(
  input: Field | undefined,
  fields: readonly Field[],
  { target: named, as }: Choice,
): readonly Target[] {
  return fields
    .filter(field => field !== input && (named === undefined || field.name === named))
    .flatMap(field => targetsOf(field, input).map(one => ({ field, ...one })))
    .filter(({ kind, score }) => (as === undefined ? score > 0 || named !== undefined : kind === as))
    .toSorted((a, b) => b.score - a.score);
}

function targetsOf(
  { name, type, values, distinct, missing }: Field,
  input: Field | undefined,
): readonly Omit<Target, 'field'>[] {
  const isUsual = isTarget(name) || /^(tags|labels|topic|tag)$/i.test(name);
  const named = isUsual ? 3 : 0;
  const usual = `${name} is a usual name of a target`;
  const isFew = distinct >= 2 && distinct <= MAX_CLASSES && 2 * distinct <= values.length;
  const pair = (score: number, why: string) =>
    ({ kind: 'pairs', targetKind: 'sequence', score, why }) as const;
  if (type === 'symbols' || type === 'numbers') {
    const fits = values.every((value, i) => sizeOf(value) === sizeOf(input?.values[i]));
    const isClass = type === 'symbols' || values.flat().every(Number.isInteger);
    const steps = {
      kind: 'steps',
      targetKind: isClass ? 'class' : 'value',
      score: 5 + named,
      why: `${name} is as long as ${input?.name} in every record`,
    } as const;
    const own = `${name} has lists with lengths of their own`;
    return [...(fits ? [steps] : []), ...(type === 'symbols' ? [pair(1 + named, own)] : [])];
  }
  const kind = input?.type === 'text' ? 'texts' : 'sequences';
  const why = isUsual ? usual : isFew ? `${name} has few values` : `${name} has numbers`;
  const one = { kind, targetKind: 'class', why } as const;
  if (type === 'boolean') return [{ ...one, score: isFew ? 2 + named : 0 }];
  const [asClass, asText] = isFew ? [2 + named, 0] : [0, 1 + named];
  const areUnique = distinct === values.length;
  const differ = `${name} has ${distinct} different texts`;
  if (type === 'text')
    return [{ ...one, score: asClass }, pair(NAME.test(name) && areUnique ? 0 : asText, differ)];
  if (type !== 'number') return [];
  const isId = /(^|_)id$/i.test(name) || (areUnique && values.every(Number.isInteger));
  const isClass = isFew && distinct <= 20 && values.every(value => value === null || Number.isInteger(value));
  const targetKind = isClass ? 'class' : 'value';
  return [{ ...one, targetKind, score: !isId && missing < values.length ? 1 + named : named }];
}

function longest({ values, type }: Field): number {
  return values.reduce<number>((most, value) => Math.max(most, type === 'text' ? 1 : sizeOf(value)), 1);
}

function sizeOf(value: unknown): number {
  return Array.isArray(value) ? value.length : -1;
}

/** Reads the shapes of `x` and `y`, which decide the task. */
export async function archivePlan(path: string, place: string, { as }: Choice): Promise<Found> {
  const archive = new ArrayArchive(await RangedFile.open(path));
  const expected =
    'arrays x ([N, T, F] numbers or [N, T] integers) and y; x_test and y_test are the test split';
  const missing = ['x', 'y'].filter(name => !archive.has(name)).map(name => archive.missing(name, expected));
  if (missing.length > 0) throw damagedErrors(missing);
  const problems = new Problems();
  const { x, y } = openArrays(archive, { x: 'x', y: 'y' }, problems);
  problems.throwIfAny();
  if (!x || !y) throw damagedErrors(problems.all);
  const [hasTest, hasGroups] = [archive.has('x_test'), archive.has('groups')];
  const isSymbol = x.integer && x.shape.length === 2;
  const isClass = y.integer;
  const hasSteps = y.shape.length === (isClass ? 2 : 3) && y.shape[1] === x.shape[1];
  const mayBeWritten = isClass && y.shape.length === 2;
  const kinds: readonly ReadingKind[] = [
    ...(hasSteps ? (['steps'] as const) : []),
    ...(mayBeWritten ? (['pairs'] as const) : []),
    ...(hasSteps || mayBeWritten ? [] : (['sequences'] as const)),
  ];
  const [kind, ...rest] = as === undefined ? kinds : kinds.filter(one => one === as);
  if (kind === undefined)
    throw usageError('init/nothing-to-learn', `y is ${shapeOf(y)}, which is not read as ${as}`, {
      file: '--as',
      expected: kinds.join(' or '),
    });
  const perStep = kind === 'steps';
  const labels = new Set(isClass ? Array.from(y.loaded().whole()) : []);
  labels.delete(IGNORED);
  const classes = labels.size;
  const inputKind = isSymbol ? 'symbol' : 'number';
  const isRead = kind === 'pairs' && !isSymbol && readInOrder(pairsIn(archive));
  const task = {
    target: 'y',
    targetKind: kind === 'pairs' ? 'sequence' : isClass ? 'class' : 'value',
    classes,
    perStep,
    inputKind,
    sequences: x.shape[0],
    steps: x.shape[1] ?? 1,
  } as const;
  const plan = taskPlan(place, task, {
    kind: 'npz',
    symbols: false,
    classes: false,
    number: false,
    missing: hasNaN(x) && '{ fill: forward, indicator: true }',
    by: hasGroups ? ', group: groups' : '',
    test: !hasTest && hasGroups && 0.2,
    test_fraction: !hasTest && !hasGroups && 0.2,
    // the targets may be the symbols that follow
    ...(perStep && { bidirectional: false }),
    ...isRead,
  });
  const lines = [
    ['sequences', grouped(x.shape[0])],
    ['input', `x: ${shapeOf(x)}, ${isSymbol ? 'symbols' : `${x.shape[2] ?? 1} features at each step`}`],
    [
      'target',
      kind === 'pairs'
        ? `y: sequences of ${classes} symbols`
        : `y: ${isClass ? `${classes} classes` : 'numbers'}${perStep ? ' at every step' : ''}`,
    ],
    ['test', hasTest ? 'x_test and y_test' : `a fifth of the ${hasGroups ? 'groups' : 'sequences'}`],
    ['because', `y is ${shapeOf(y)}`],
    ...(isRead ? [['because', READ_IN_ORDER]] : []),
  ].map(([label, text]) => labelled(label, text));
  const others = rest.map(one => ({
    choice: { as: one },
    what: 'y has sequences with lengths of their own',
  }));
  return { plan, lines, others };
}

/** The symbols of each target of all splits, and the steps of its input. */
function* pairsIn(archive: ArrayArchive): Iterable<readonly [symbols: ArrayLike<number>, steps: number]> {
  for (const split of ['', '_validation', '_test']) {
    const names = { x: `x${split}`, y: `y${split}`, lengths: `lengths${split}` };
    const { x, y, lengths } = openArrays(archive, names, new Problems());
    const [targets, steps] = [y?.loaded(), lengths?.loaded().whole()];
    for (let index = 0; x && targets && index < x.shape[0]; index++)
      yield [withoutPadding(targets.row(index)), steps?.[index] ?? x.shape[1]];
  }
}

function shapeOf({ shape, integer }: FileArray): string {
  return `[${shape.join(', ')}] ${integer ? 'integers' : 'numbers'}`;
}

function hasNaN(x: FileArray): boolean {
  if (x.integer) return false;
  for (let index = 0; index < x.shape[0]; index++) if (x.row(index).some(Number.isNaN)) return true;
  return false;
}
