/**
 * Divides sequences: those of one file into a training and a test split, and those of training into
 * a training and a validation split; `limit` applies to the rest.
 */

import { RandomStream } from '../../util/random.js';
import { counted } from '../../util/words.js';
import { NUMBER } from '../formats/numbers.js';
import type { Dataset, Split } from './dataset.js';
import {
  classFolds,
  draw,
  drawStratified,
  drawStratifiedGroups,
  evenFolds,
  groupFolds,
  positionsByKey,
  range,
  stratifiedFolds,
} from './drawing.js';
import {
  type GroupColumns,
  type HeldOutConfig,
  isHeldOut,
  joinedGroup,
  requestedCount,
  type TestPartConfig,
  type TrainingPartConfig,
  type Value,
} from './held-out.js';
import { configError } from './problems.js';
import { mapSplits, subset } from './store.js';
import { symbolsOfTarget } from './targets.js';

/** The groups in a split; empty without such columns. */
export function groupsIn(columns: GroupColumns, { count, valueIn }: Split): ReadonlySet<string> {
  const names = [columns].flat();
  const parts = Array.from({ length: valueIn ? count : 0 }, (_, index) =>
    names.map(name => valueIn?.(name, index)),
  );
  const known = parts.filter((values): values is string[] => values.every(value => value !== undefined));
  return new Set(known.map(joinedGroup));
}

/** What decides which sequences are held out. */
export interface Divisible {
  readonly count: number;
  /** The class of each sequence; undefined unless each has one. */
  readonly classes: ArrayLike<number> | undefined;
  /** What targets are instead of one class per sequence. */
  readonly targets: string;
  /** See {@link Split.valueIn}. */
  readonly valueIn: Split['valueIn'];
  /** See {@link Split.startOf}. */
  readonly startOf: Split['startOf'];
}

export function divisible({ count, targets, valueIn, startOf }: Split): Divisible {
  const hasClasses = targets.kind === 'class' && !targets.perStep;
  return {
    count,
    classes: hasClasses ? targets.values.subarray(0, count) : undefined,
    targets: NOT_ONE_CLASS[targets.kind],
    ...{ valueIn, startOf },
  };
}

/** What targets are if they are not one class per sequence. */
export const NOT_ONE_CLASS = {
  class: 'one class per step',
  value: 'values',
  sequence: 'sequences',
} as const;

/** Indices of sequences, ascending. */
interface Division {
  readonly held: Uint32Array;
  readonly rest: Uint32Array;
}

/**
 * Holds out the test split; undefined if it has its own file. The same seed draws the same
 * sequences.
 */
export function testSelection(
  { test_fraction, test: given }: TestPartConfig,
  sequences: Divisible,
  seed: number,
  file: string,
): Division | undefined {
  const test = test_fraction === undefined ? given : { fraction: test_fraction };
  if (test === undefined || !isHeldOut(test)) return undefined;
  const key = test_fraction === undefined ? 'test' : 'test_fraction';
  // both keys draw the same sequences
  const stream = RandomStream.of(seed, 'data/test_fraction');
  return divided(sequences, test, { key, where: ` in ${file}`, stream });
}

/**
 * Holds out validation sequences and applies the limit.
 * @param seed of the random draw, which has its own stream
 */
export function dividedTraining(dataset: Dataset, config: TrainingPartConfig, seed: number): Dataset {
  const { train: whole, sequenceLength } = dataset;
  const { validation, limit = whole.count } = config;
  const part = (indices: Uint32Array): Split => subset(whole, indices, sequenceLength);
  if (validation === undefined || !isHeldOut(validation))
    return limit >= whole.count ? dataset : { ...dataset, train: part(range(limit)) };
  const stream = RandomStream.of(seed, 'data/validation');
  const means = { key: 'validation', where: ' for training', stream } as const;
  const { held, rest } = divided(divisible(whole), validation, means);
  return { ...dataset, train: part(rest.subarray(0, limit)), validation: part(held) };
}

/** Leaves sequences out of all splits by their target and their number of steps. */
export function withoutTargets(
  dataset: Dataset,
  leavesOut: (symbols: Int32Array, steps: number) => boolean,
): Dataset {
  const { sequenceLength } = dataset;
  let impossible = 0;
  let firstImpossible: string | undefined;
  const splits = mapSplits(dataset, split => {
    const { targets, count, lengths } = split;
    if (targets.kind !== 'sequence') return split;
    const kept = range(count).filter(index => {
      const isKept = !leavesOut(symbolsOfTarget(targets, index), lengths?.[index] ?? sequenceLength);
      if (!isKept) firstImpossible ??= split.id?.(index) ?? String(index);
      return isKept;
    });
    impossible += count - kept.length;
    if (kept.length > 0) return kept.length < count ? subset(split, kept, sequenceLength) : split;
    const message = 'a split has only targets that are too long for their input';
    throw configError({ code: 'data/impossible', keyPath: ['loss', 'on_impossible'], message });
  });
  return { ...dataset, ...splits, ...(impossible > 0 && { impossible, firstImpossible }) };
}

/** How a division is made and described. */
interface Means {
  readonly key: 'test' | 'test_fraction' | 'validation';
  /** Where the sequences are, for messages. */
  readonly where: string;
  readonly stream: RandomStream;
}

function divided(sequences: Divisible, config: HeldOutConfig, means: Means): Division {
  const { count } = sequences;
  const { key, where } = means;
  refuseFewer(count, 'sequence', { key, where });
  const all = range(count);
  if (config.fold === 0) return { held: all.subarray(0, 0), rest: all };
  if (config.fold !== undefined) {
    const folds = foldOfEach(sequences, config, means);
    const number = config.fold - 1;
    const isTrained =
      config.select === 'last' ? (fold: number) => fold < number : (fold: number) => fold !== number;
    return {
      held: all.filter(index => folds[index] === number),
      rest: all.filter(index => isTrained(folds[index])),
    };
  }
  const isOut = new Uint8Array(count);
  for (const index of heldSequences(sequences, config, means)) isOut[index] = 1;
  return { held: all.filter(index => isOut[index] === 1), rest: all.filter(index => isOut[index] === 0) };
}

/** How sequences are selected: `select`, or its default. */
function selectionOf({ classes, targets }: Divisible, config: HeldOutConfig, { key }: Means) {
  const { group, count } = config;
  // StratifiedGroupKFold has fractions only
  const canStratify = classes !== undefined && (group === undefined || count === undefined);
  const { select = canStratify ? 'stratified' : 'random' } = config;
  if (select === 'stratified' && !canStratify) {
    const isGrouped = classes !== undefined;
    throw configError({
      code: CODES[key],
      keyPath: ['dataset', key, 'select'],
      message: isGrouped
        ? 'a stratified split of groups needs a fraction'
        : 'a stratified split needs one class per sequence',
      expected: isGrouped ? '`fraction` instead of `count`' : 'random or last for such targets',
      got: isGrouped ? `count: ${count}` : `targets that are ${targets}`,
    });
  }
  return select;
}

/** The sequences to hold out, in any order. */
function heldSequences(sequences: Divisible, config: HeldOutConfig, means: Means): Uint32Array {
  const { count: total, classes } = sequences;
  const { group, is, count, fraction = 0 } = config;
  const { key, stream } = means;
  if (is !== undefined) return withValue(sequences, config, means);
  const select = selectionOf(sequences, config, means);
  if (group === undefined) {
    const size = checkedSize(requestedCount(config, total), total, 'sequence', means);
    if (select === 'random') return draw(range(total), size, stream);
    if (select === 'last') return byStart(sequences).slice(total - size);
    return drawStratified(classes as ArrayLike<number>, size, stream);
  }
  const groups = [...positionsByKey(total, valuesIn(sequences, group, [key, 'group'])).values()];
  refuseFewer(groups.length, 'group', means);
  // rounded up, as by GroupShuffleSplit of scikit-learn
  const most = Math.min(groups.length - 1, Math.ceil(groups.length * fraction));
  const size = checkedSize(count ?? most, groups.length, 'group', means);
  const drawn = (): Uint32Array => {
    if (select === 'random') return draw(range(groups.length), size, stream);
    if (select === 'last') return groupsByStart(groups, sequences).slice(groups.length - size);
    return drawStratifiedGroups(classCounts(groups, classes as ArrayLike<number>), fraction, stream);
  };
  return Uint32Array.from([...drawn()].flatMap(at => [...groups[at]]));
}

/** The sequences of each group by class. */
function classCounts(groups: readonly Uint32Array[], classes: ArrayLike<number>): number[][] {
  const labels = new Set(groups.flatMap(group => Array.from(group, index => classes[index])));
  const numbers = new Map([...labels].map((label, i) => [label, i]));
  return groups.map(group => {
    const own = new Array<number>(labels.size).fill(0);
    for (const index of group) own[numbers.get(classes[index]) as number]++;
    return own;
  });
}

/**
 * The fold of each sequence, from 0: as by KFold, StratifiedKFold, GroupKFold and
 * StratifiedGroupKFold of scikit-learn, of sequences in a drawn order; as by TimeSeriesSplit with
 * `select: last`, where -1 is before the first fold; as by LeaveOneOut and LeaveOneGroupOut if
 * there are as many folds as sequences or groups.
 */
function foldOfEach(sequences: Divisible, config: HeldOutConfig, means: Means): Int32Array {
  const { count, classes } = sequences;
  const { group, fold = 1 } = config;
  const { key, stream } = means;
  const select = selectionOf(sequences, config, means);
  const named =
    group === undefined ? undefined : positionsByKey(count, valuesIn(sequences, group, [key, 'group']));
  const units = named ? [...named.values()] : Array.from(range(count), index => Uint32Array.of(index));
  const unit = named ? 'group' : 'sequence';
  const { of = units.length } = config;
  // those of time leave units before the first fold
  const most = select === 'last' ? units.length - 1 : units.length;
  if (Math.max(of, fold) > most) {
    throw configError({
      code: CODES[key],
      keyPath: ['dataset', key, of > most ? 'of' : 'fold'],
      message: `there are fewer ${unit}s than folds`,
      expected: `at most ${most}`,
      got: String(Math.max(of, fold)),
    });
  }
  const ordered = (): readonly number[] => {
    if (select === 'last') return [...groupsByStart(units, sequences)];
    if (select === 'random' && of === units.length)
      return named ? inOrder([...named.keys()]) : [...units.keys()];
    return [...stream.shuffle(range(units.length))];
  };
  const order = ordered();
  const labels = classes as ArrayLike<number>;
  const foldsInOrder = (): readonly number[] => {
    if (select === 'last') {
      const size = Math.floor(units.length / (of + 1));
      const before = units.length - of * size;
      return order.map((_, i) => Math.floor((i - before) / size)).map(fold => Math.max(-1, fold));
    }
    if (select === 'stratified') {
      if (!named)
        return classFolds(
          order.map(index => labels[index]),
          of,
        );
      const counts = classCounts(units, labels);
      return stratifiedFolds(
        order.map(at => counts[at]),
        new Array<number>(of).fill(1),
      );
    }
    if (named && of < units.length)
      return groupFolds(
        order.map(at => units[at].length),
        of,
      );
    return evenFolds(units.length, of);
  };
  const result = new Int32Array(count);
  for (const [i, fold] of foldsInOrder().entries()) for (const index of units[order[i]]) result[index] = fold;
  return result;
}

/** Positions of the names in their order: as numbers if all are, else as texts. */
function inOrder(names: readonly string[]): number[] {
  const areNumbers = names.every(name => NUMBER.test(name));
  const isBefore = (a: string, b: string) => (areNumbers ? Number(a) < Number(b) : a < b);
  return [...names.keys()].sort((a, b) => (isBefore(names[a], names[b]) ? -1 : 1));
}

/** Indices in the order of the first times; of the data if there are none, or equal ones. */
function byStart({ count, startOf }: Divisible): Uint32Array {
  const all = range(count);
  return startOf ? all.sort((a, b) => startOf(a) - startOf(b) || a - b) : all;
}

/** The groups in the order of their first sequences. */
function groupsByStart(groups: readonly Uint32Array[], sequences: Divisible): Uint32Array {
  const places = new Uint32Array(sequences.count);
  for (const [place, index] of byStart(sequences).entries()) places[index] = place;
  const firsts = groups.map(group =>
    group.reduce((least, index) => Math.min(least, places[index]), Number.POSITIVE_INFINITY),
  );
  return range(groups.length).sort((a, b) => firsts[a] - firsts[b]);
}

function withValue(
  sequences: Divisible,
  { group, column, is }: HeldOutConfig,
  { key, where }: Means,
): Uint32Array {
  const named = column ?? group ?? [];
  const textOf = valuesIn(sequences, named, [key, column === undefined ? 'group' : 'column']);
  const wanted = [is ?? []].flat();
  const found = positionsByKey(sequences.count, textOf);
  const texts = [...found.keys()];
  const missing = wanted.find(value => !texts.some(text => isValue(text, value)));
  const held = texts.filter(text => wanted.some(value => isValue(text, value)));
  const listed = `${texts
    .slice(0, MAX_NAMED)
    .map(text => JSON.stringify(text))
    .join(', ')}${texts.length > MAX_NAMED ? ', …' : ''}`;
  const what = JSON.stringify(joinedGroup(named));
  const keyPath = ['dataset', key, 'is'];
  if (missing !== undefined) {
    const message = `no sequence${where} has ${JSON.stringify(missing)} in ${what}`;
    throw configError({
      code: CODES[key],
      keyPath,
      message,
      expected: `one of ${listed}`,
      alternatives: texts,
    });
  }
  if (held.length === texts.length) {
    const message = `all sequences${where} have one of these values in ${what}, so none are left for training`;
    throw configError({ code: CODES[key], keyPath, message, expected: `some of ${listed}` });
  }
  return Uint32Array.from(held.flatMap(text => [...(found.get(text) ?? [])]));
}

/** Maximum number of values that a message lists. */
const MAX_NAMED = 10;

/** A cell is a text, and a config may have a number or `true` for it. */
function isValue(text: string, value: Value): boolean {
  if (typeof value === 'number') return NUMBER.test(text) && Number(text) === value;
  return text === value || (typeof value === 'boolean' && text.toLowerCase() === String(value));
}

/** @throws UserError (exit 2) if the sequences have no such column */
function valuesIn(
  { valueIn }: Divisible,
  columns: GroupColumns,
  at: readonly string[],
): (index: number) => string {
  const names = [columns].flat();
  if (valueIn) return index => joinedGroup(names.map(name => valueIn(name, index) ?? ''));
  const message = 'the data have no columns to divide them by';
  throw configError({ code: 'data/split-column', keyPath: ['dataset', ...at], message });
}

/** @throws UserError (exit 2) if there are fewer than two units to divide */
function refuseFewer(count: number, unit: string, { key, where }: Pick<Means, 'key' | 'where'>): void {
  if (count >= 2) return;
  throw configError({
    code: CODES[key],
    keyPath: ['dataset', key],
    message: `${key} needs at least two ${unit}s`,
    got: `${counted(count, unit)}${where}`,
  });
}

/** @throws UserError (exit 2) if `size` units leave none */
function checkedSize(size: number, total: number, unit: string, { key }: Means): number {
  if (size < total) return size;
  throw configError({
    code: CODES[key],
    keyPath: ['dataset', key, 'count'],
    message: `the ${key} split leaves no training sequences`,
    expected: `at most ${total - 1} of the ${total} ${key === 'validation' ? 'training ' : ''}${unit}s`,
    got: String(size),
  });
}

const CODES = {
  test: 'data/test',
  test_fraction: 'data/test-fraction',
  validation: 'data/validation',
} as const;
