/** Data that are no table: JSON Lines and NumPy archives. Guesses their input and target. */

import { ArrayArchive, type FileArray, openArrays } from '../data/arrays/files.js';
import { MARKERS } from '../data/core/cells.js';
import { Problems } from '../data/core/problems.js';
import { IGNORED, withoutPadding } from '../data/core/targets.js';
import { type JsonRecord, jsonLines, type RecordLine } from '../data/jsonl/records.js';
import { RangedFile } from '../data/reading/ranged-file.js';
import { damagedErrors, usageError } from '../util/errors.js';
import { grouped } from '../util/numbers.js';
import { counted } from '../util/words.js';
import { type Column, type Columns, columnNamed, columnOf, isFactOf, isWhole } from './columns.js';
import { FILLED, labelled, type OtherReading } from './description.js';
import type { ReadingKind } from './evidence.js';
import { isCode, isIdentifier, isLabel, isVocabulary, numbersKinds, textOf as sentencesOf } from './kinds.js';
import { ATTRIBUTE, isPartOfDate, isTarget, MIN_SUBJECTS, USUAL } from './names.js';
import {
  apart,
  featuresText,
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
import { type Choice, featuresOf } from './readings.js';
import { coarsest, isNamed } from './subjects.js';

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
  readonly type: 'number' | 'boolean' | 'text' | 'symbols' | 'numbers' | 'vectors' | 'nested' | 'other';
  /** Its values as cells of a table. */
  readonly column: Column;
  /** True if it names records, or what they are of: neither an input nor a target. */
  readonly isIdentity: boolean;
  readonly isTime: boolean;
  readonly distinct: number;
  readonly missing: number;
}

const MAX_CLASSES = 100;

interface RecordsFile {
  readonly file: string;
  /** The file, as the config names it. */
  readonly place: string;
  readonly columns: readonly Column[];
  readonly choice: Choice;
  /** Files of other splits. */
  readonly others: readonly { readonly file: string; readonly bytes: Buffer }[];
}

export function recordsPlan(bytes: Buffer, { file, place, columns, choice, others }: RecordsFile): Found {
  const records = recordsOf(bytes, file);
  const fields = columns.map(column =>
    fieldOf(
      column,
      records.map(record => record[column.name]),
    ),
  );
  const named = choice.target;
  columnNamed('target', named, fields, place);
  const inputs = fields
    .filter(candidate => isInput(candidate) && candidate.name !== named)
    .toSorted((a, b) => worth(b) - worth(a));
  const targets = targetsFor(inputs[0], fields, choice);
  // the text to read comes before the one to write
  const isSwapped = named === undefined && targets[0]?.kind === 'pairs' && inputs.includes(targets[0].field);
  const input =
    isSwapped && fields.indexOf(targets[0].field) < fields.indexOf(inputs[0]) ? targets[0].field : inputs[0];
  const [target, ...rest] = targetsFor(input, fields, choice);
  if (input === undefined || target === undefined) throw nothingIn(fields, input, file);
  const { field, kind, targetKind } = target;
  const perStep = kind === 'steps';
  const isClass = targetKind === 'class';
  const targetLevel =
    kind === 'pairs' && field.type === 'text' ? levelOfTargets(field.values.map(textOf)) : undefined;
  const inputKind = inputKindOf(input);
  const free = fields.filter(candidate => candidate !== input && candidate !== field);
  const names = free.filter(candidate => NAME.test(candidate.name) || candidate.isIdentity);
  const id = names.find(({ distinct }) => distinct === records.length);
  const subjects = free
    .filter(candidate => tellsSubjects(candidate) && !(isClass && isFactOf(field.column, candidate.column)))
    .toSorted((a, b) => Number(isNamed(b)) - Number(isNamed(a)) || b.distinct - a.distinct);
  const subject = coarsest(subjects.map(({ column }) => column));
  const left = free.filter(candidate => candidate !== id && candidate.column !== subject);
  const { statics, unused } = factsOf(left, input, { kind, target: field.column, subject });
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
  const read = [records, ...others.map(other => recordsOf(other.bytes, other.file))].flat();
  const filled = statics.filter(({ isNumber }) => isNumber);
  const lacks = (record: JsonRecord) =>
    hasHole(record[input.name]) || filled.some(({ name }) => (record[name] ?? null) === null);
  const holes = inputKind === 'number' ? read.filter(lacks).length : 0;
  const isRead =
    kind === 'pairs' &&
    inputKind === 'number' &&
    readInOrder(field.values.map((value, i) => [symbolsIn(value, targetLevel), sizeOf(input.values[i])]));
  const hasAlternatives = kind === 'pairs' && input.type === 'text' && input.distinct < records.length;
  const plan = taskPlan(place, task, {
    ...(hasAlternatives ? apart(scalar(input.name)) : subject && apart(scalar(subject.name))),
    kind: 'jsonl',
    input: scalar(input.name),
    static_features: featuresText({ inputKind, target: field.column }, statics),
    missing: holes > 0 && '{ fill: forward, indicator: true }',
    numbers: inputKind === 'number' && inputKind,
    min_count: inputKind !== 'number' && minCountOf(input.values),
    target: scalar(field.name),
    id: id && scalar(id.name),
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
    ...(statics.length > 0 ? [['static', statics.map(({ name }) => name).join(', ')]] : []),
    ...(input.missing > 0 ? [['left out', `${counted(input.missing, 'record')} without ${input.name}`]] : []),
    ...(holes > 0 ? [['missing', `values in ${counted(holes, 'record')}: ${FILLED.sequence}`]] : []),
    ...(subject && !hasAlternatives
      ? [['splits', `the records of each ${subject.name} are in one split (\`group: ${subject.name}\`)`]]
      : []),
    ...unused.map(({ name, reason }) => ['not used', `${name}: ${reason}`]),
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
  const next = [...rest, ...(isInvertible ? [inverse] : [])].slice(0, 2).map(candidate => ({
    choice: { target: candidate.field.name, as: candidate.kind },
    what: `${NOUNS[candidate.targetKind]} ${candidate.field.name} of each ${candidate.kind === 'steps' ? 'step' : 'record'}`,
  }));
  return { plan, lines, others: next };
}

/** The static features among fields, and why the others are not used. */
function factsOf(
  fields: readonly Field[],
  { name, column, values, type }: Field,
  chosen: { kind: ReadingKind; target: Column; subject: Column | undefined },
) {
  const reasonOf = (field: Field): string | undefined => {
    if (field.type === 'nested') return 'nested, which is not read';
    if (field.type === 'other') return 'values of several types';
    if (LISTS.includes(field.type))
      return `one list is read${type === field.type && type === 'numbers' ? `: [[${name}, ${field.name}], …] would be both in each step` : ''}`;
    if (field.isIdentity || field.isTime) return field.isTime ? 'a time' : 'it names something';
    if (!['numbers', 'vectors'].includes(type) || chosen.kind === 'pairs') return 'neither input nor target';
    const isText = field.type === 'text' && !isLabel(field.column) && !isVocabulary(field.column);
    return isText ? 'words of many kinds' : undefined;
  };
  const known = fields.map(field => ({ ...field, reason: reasonOf(field) }));
  const columns = known.flatMap(field => (field.reason === undefined ? [field.column] : []));
  const rows = values.map((_, row) => [row]);
  const alone = { perFile: false, why: undefined, order: undefined, rows, shortest: 1 };
  const layout = { ...alone, group: { ...column, name: 'record' } };
  const { statics, unused } = featuresOf({ ...chosen, layout }, columns, undefined, true);
  const others = known.flatMap(field =>
    field.reason === undefined ? [] : { name: field.name, reason: field.reason },
  );
  return { statics, unused: [...others, ...unused] };
}

/** Why records cannot be read, and what helps. */
function nothingIn(fields: readonly Field[], input: Field | undefined, file: string) {
  const [nested, readable] = [true, false].map(is =>
    fields.filter(({ type }) => (type === 'nested') === is).map(({ name }) => name),
  );
  const group = fields.find(field => tellsSubjects(field) && 2 * field.distinct <= field.values.length)?.name;
  let why = '';
  let expected =
    'a field with a text or a list, and one with a class, a number, a list or a text to write; --target names it';
  if (nested.length > 0) {
    why = `: ${nested.join(' and ')} ${nested.length > 1 ? 'are' : 'is'} nested, which is not read`;
    expected = `instead of mappings, a list with the numbers of each step, such as "${nested.at(-1)}": [[0, 3.5], [1, 2]]; can be read: ${readable.join(', ')}`;
  } else if (input === undefined && fields.length > 1) {
    why = `: each is ${group ? `one step of a ${group}` : 'a row of a table'}, and kind jsonl reads one sequence per record`;
    expected = `${group ? `one record for each ${group}, with lists; or ` : ''}a table, whose rows may have a group: pandas.read_json("${file}", lines=True).to_csv("DATA.csv", index=False), then --from DATA.csv`;
  }
  return usageError('init/nothing-to-learn', `no config can be made for these records${why}`, {
    ...{ file, expected, got: fields.map(({ name }) => name).join(', ') },
  });
}

/** True for names of what several records are of. */
function tellsSubjects({ name, column, isIdentity, distinct, missing, values }: Field): boolean {
  if (column.isTime || missing > 0 || !(isIdentity || USUAL.subject.test(name))) return false;
  return distinct >= MIN_SUBJECTS && distinct < values.length;
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

const LISTS: readonly Field['type'][] = ['vectors', 'numbers', 'symbols'];
const INPUT_TYPES: readonly Field['type'][] = [...LISTS, 'text'];

/** Lists, and texts but for names, times and words of few kinds. */
function isInput({ type, column, isIdentity, isTime }: Field): boolean {
  return LISTS.includes(type) || (type === 'text' && !isIdentity && !isTime && !isLabel(column));
}

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
  const all = lines.map(({ record }) => Object.keys(record));
  // a field that the first records lack is not the last one
  const most = all.reduce((a, b) => (b.length > a.length ? b : a));
  const names = [...new Set([most, ...all].flat())];
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

function fieldOf(column: Column, values: readonly unknown[]): Field {
  const { name, isNumber } = column;
  const present = values.filter(
    value => value !== null && value !== undefined && !(Array.isArray(value) && value.length === 0),
  );
  const types = new Set(present.map(typeOf));
  const [first = 'other'] = types;
  const distinct = new Set(present.map(value => (Array.isArray(value) ? value : String(value)))).size;
  const type = types.size === 1 ? first : 'other';
  const isStamp =
    type === 'number' && present.every(value => /^[12]\d{9}(\d{3})?(\.\d+)?$/.test(String(value)));
  const isScalar = type === 'number' || type === 'text';
  const isText = type === 'text' && (INPUT_NAME.test(name) || sentencesOf([column]) !== undefined);
  const areKinds = numbersKinds(column) && !isLabel(column) && levelOfTexts(column.cells) === 'character';
  const isWord = type === 'text' && areKinds && 2 * distinct <= values.length;
  return {
    ...{ name, values, type, column, distinct },
    isIdentity: !isTarget(name) && (isWord || (isScalar && !isText && isIdentifier(column))),
    isTime: column.isTime || isStamp || (isNumber && type === 'number' && isPartOfDate(name)),
    missing: values.length - present.length,
  };
}

function typeOf(value: unknown): Field['type'] {
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'text';
  const isMapping = (item: unknown) => typeof item === 'object' && item !== null && !Array.isArray(item);
  if (isMapping(value) || (Array.isArray(value) && value.some(isMapping))) return 'nested';
  if (!Array.isArray(value) || value.length === 0) return 'other';
  const isAll = (test: (item: unknown) => boolean) => value.every(item => item === null || test(item));
  if (isAll(item => typeof item === 'string')) return 'symbols';
  if (isAll(item => typeof item === 'number')) return 'numbers';
  return isAll(item => Array.isArray(item) && item.every(x => x === null || typeof x === 'number'))
    ? 'vectors'
    : 'other';
}

const INPUT_NAME = /^(input|inputs|x|text|tokens|words|sentence|utterance|values|series|seq|sequence)$/i;

/** How likely a field is the input: lists before texts, long and different ones before others. */
function worth({ name, type, values, distinct }: Field): number {
  const rank = INPUT_TYPES.length - INPUT_TYPES.indexOf(type);
  const size = values.reduce<number>(
    (sum, value) => sum + (Array.isArray(value) ? value.length : String(value).length),
    0,
  );
  const isUsual = INPUT_NAME.test(name);
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
  const isPossible = ({ isIdentity, isTime }: Field) => !isIdentity && !isTime;
  const last = fields.findLast(isPossible);
  return fields
    .filter(field => field !== input && (named === undefined ? isPossible(field) : field.name === named))
    .flatMap(field => targetsOf(field, input, field === last).map(target => ({ field, ...target })))
    .filter(({ kind, score }) => (as === undefined ? score > 0 || named !== undefined : kind === as))
    .toSorted((a, b) => b.score - a.score);
}

/** Of the scores of facts that are known before, and of fields that most records lack. */
const UNLIKELY = 0.1;
/** Score of what is measured in each step. */
const MEASURED = 0.5;

function targetsOf(
  { name, type, values, column, distinct, missing }: Field,
  input: Field | undefined,
  isLast: boolean,
): readonly Omit<Target, 'field'>[] {
  const isUsual = isTarget(name) || /^(topic|ner|pos)$|(^|_)(tags?|labels)$/i.test(name);
  const isFact = ATTRIBUTE.test(name) || USUAL.place.test(name) || numbersKinds(column);
  const isUnlikely = !isUsual && (isFact || 2 * missing > values.length);
  const score = (base: number) =>
    base === 0 && !isUsual ? 0 : (isUnlikely ? UNLIKELY : 1) * (base + (isUsual ? 3 : 0) + (isLast ? 1 : 0));
  const isFew = distinct >= 2 && distinct <= MAX_CLASSES && 2 * distinct <= values.length;
  const pair = (score: number, why: string) =>
    ({ kind: 'pairs', targetKind: 'sequence', score, why }) as const;
  if (type === 'symbols' || type === 'numbers') {
    const fits = values.every((value, i) => sizeOf(value) === sizeOf(input?.values[i]));
    const isClass = type === 'symbols' || values.flat().every(Number.isInteger);
    const areTags = type === 'symbols' && INPUT_NAME.test(String(input?.name));
    const steps = {
      kind: 'steps',
      targetKind: isClass ? 'class' : 'value',
      // what is measured beside the input is rarely predicted from it
      score: areTags || isUsual ? 8 : MEASURED,
      why: `${name} is as long as ${input?.name} in every record`,
    } as const;
    const lengths = pair(fits ? MEASURED / 2 : score(1), `${name} has lists with lengths of their own`);
    return [...(fits ? [steps] : []), ...(type === 'symbols' ? [lengths] : [])];
  }
  const kind = input?.type === 'text' ? 'texts' : 'sequences';
  const why = isUsual
    ? `${name} is a usual name of a target`
    : `${isLast ? `${name} is the last field, and` : name} has ${isFew ? 'few values' : 'numbers'}`;
  const common = { kind, targetKind: 'class', why } as const;
  if (type === 'boolean') return [{ ...common, score: score(isFew ? 2.5 : 0) }];
  const areUnique = distinct === values.length;
  const written = isFew || (NAME.test(name) && areUnique) ? 0 : 1;
  const asText = pair(score(written), `${name} has ${distinct} different texts`);
  if (type === 'text') return [{ ...common, score: score(isFew ? 2 : 0) }, asText];
  if (type !== 'number') return [];
  const isClass = isFew && distinct <= 20 && isWhole(column);
  const base = areUnique && isWhole(column) ? 0 : isClass && isCode(column) ? 2.5 : 1;
  return [{ ...common, targetKind: isClass ? 'class' : 'value', score: score(base) }];
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
  const { x, y, statics } = openArrays(archive, { x: 'x', y: 'y', statics: 'static' }, problems);
  problems.throwIfAny();
  if (!x || !y) throw damagedErrors(problems.all);
  const [hasTest, hasGroups] = [archive.has('x_test'), archive.has('groups')];
  const isSymbol = x.integer && x.shape.length === 2;
  const isClass = y.integer;
  const hasSteps = y.shape.length === (isClass ? 2 : 3) && y.shape[1] === x.shape[1];
  const mayBeWritten = isClass && y.shape.length === 2 && y.shape[1] !== 1;
  const kinds: readonly ReadingKind[] = [
    ...(hasSteps ? (['steps'] as const) : []),
    ...(mayBeWritten ? (['pairs'] as const) : []),
    ...(hasSteps || mayBeWritten ? [] : (['sequences'] as const)),
  ];
  const [kind, ...rest] = as === undefined ? kinds : kinds.filter(possible => possible === as);
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
    missing: [x, statics].some(hasNaN) && '{ fill: forward, indicator: true }',
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
  const others = rest.map(other => ({
    choice: { as: other },
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

function hasNaN(x: FileArray | undefined): boolean {
  if (x === undefined || x.integer) return false;
  for (let index = 0; index < x.shape[0]; index++) if (x.row(index).some(Number.isNaN)) return true;
  return false;
}
