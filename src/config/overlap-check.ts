/** Warns of splits that share data, which makes reported results too good. */

import type { Dataset, Split } from '../data/core/dataset.js';
import { range } from '../data/core/drawing.js';
import { type GroupColumns, joinedGroup } from '../data/core/held-out.js';
import { groupsIn } from '../data/core/selection.js';
import { longestTarget, type Targets } from '../data/core/targets.js';
import { kindOf } from '../data/kinds.js';
import type { Diagnostic } from '../util/errors.js';
import { mix } from '../util/random.js';
import { counted } from '../util/words.js';
import type { LoadedExperiment } from './load.js';
import type { DatasetConfig } from './schema/experiment.js';
import { valueAt } from './schema/schema.js';
import type { Locator, Path } from './yaml/tree.js';

type Splits = readonly (readonly [name: string, split: Split])[];

const MAX_NAMED = 3;

/**
 * Warns of identical files, or of sequences with equal names, or of sequences in two splits that
 * are equal or overlap.
 * @param splits by name; the first is the training split
 */
export function checkOverlap(
  { experiment: { dataset }, locator }: LoadedExperiment,
  digests: Dataset['digests'],
  splits: Readonly<Record<string, Split>>,
  shape: SequenceShape,
): Diagnostic[] {
  const all = Object.entries(splits);
  const copied = [...copies(dataset, digests, locator)];
  if (copied.length > 0) return copied;
  const shared = [...sharedNames(dataset, all, locator)];
  if (shared.length > 0) return shared;
  const mayOverlap = kindOf(dataset).isSeries || all.some(([, split]) => split.recording);
  const overlapping = mayOverlap ? [] : all;
  return [...equalSequences(dataset, all, shape, locator), ...overlaps(dataset, overlapping, shape, locator)];
}

/** The key that makes a held-out split. */
function keyOf(dataset: DatasetConfig, split: string): Path {
  const keys = [`${split}_path`, `${split}_images`, `x_${split}`, `${split}_fraction`, split];
  const key = keys.find(name => Object.hasOwn(dataset, name));
  return ['dataset', ...(key === undefined ? [] : [key])];
}

/**
 * Groups of `test.group` and `validation.group` that are in two splits. `isBroken` if the later
 * split has that key, which files of their own may not observe.
 */
export function* groupsInTwoSplits(
  { experiment: { dataset }, locator }: LoadedExperiment,
  groupedBy: readonly GroupColumns[],
  splits: Readonly<Record<string, Split>>,
): Iterable<{ readonly isBroken: boolean; readonly problem: Diagnostic }> {
  const all = Object.entries(splits);
  for (const columns of groupedBy)
    for (const [i, [name, split]] of all.entries())
      for (const [other, earlier] of all.slice(0, i)) {
        const known = groupsIn(columns, earlier);
        const shared = [...groupsIn(columns, split)].filter(group => known.has(group));
        if (shared.length === 0) continue;
        const path = ['dataset', name, 'group'];
        const groupColumns = valueAt({ dataset }, path) as GroupColumns | undefined;
        const isBroken = groupColumns !== undefined && joinedGroup(groupColumns) === joinedGroup(columns);
        const message = `${counted(shared.length, `value`)} of ${JSON.stringify(joinedGroup(columns))} ${shared.length === 1 ? 'is' : 'are'} in both the ${other} and the ${name} split: ${listed(shared)}`;
        const expected = isBroken
          ? 'each group in one split'
          : `\`${name}: { group: ${typeof columns === 'string' ? columns : `[${columns.join(', ')}]`} }\``;
        const at = isBroken ? path : keyOf(dataset, name);
        yield { isBroken, problem: locator.atValue(at, 'data/shared-groups', message, { expected }) };
      }
}

/** Warns of `select: last` if times are unknown, or if training sequences begin later. */
export function* timeWarnings(
  { experiment: { dataset }, locator }: LoadedExperiment,
  { training, ...others }: Readonly<Record<string, Split>>,
): Iterable<Diagnostic> {
  for (const [name, { count, startOf }] of Object.entries(others)) {
    const path = ['dataset', name, 'select'];
    if (valueAt({ dataset }, path) !== 'last') continue;
    const order = valueAt({ dataset }, ['dataset', 'sequence', 'order']) as GroupColumns | undefined;
    if (startOf === undefined) {
      const message = `most sequences start before any has ended in ${JSON.stringify(joinedGroup(order ?? ''))}, so it does not tell which are later: the order of the data is used`;
      const expected = 'an `order` of dates, or of numbers that count on from sequence to sequence';
      if (order !== undefined) yield locator.atValue(path, 'data/unknown-times', message, { expected });
      return;
    }
    const [first] = Float64Array.from(range(count), startOf).sort();
    const later = range(training.count).filter(index => (training.startOf?.(index) ?? first) > first).length;
    const message = `${later} of ${counted(training.count, 'training sequence')} ${later === 1 ? 'begins' : 'begin'} after the first of the ${name} split, because groups recur`;
    const expected = 'groups that do not recur, or no `group`';
    if (later > 0) yield locator.atValue(path, 'data/later-training', message, { expected });
  }
}

function listed(values: readonly string[]): string {
  const named = values.slice(0, MAX_NAMED).map(value => JSON.stringify(value));
  return `${named.join(', ')}${values.length > named.length ? ', …' : ''}`;
}

/** Sequences with the same name in two splits may be parts of one recording. */
function* sharedNames(dataset: DatasetConfig, splits: Splits, locator: Locator): Iterable<Diagnostic> {
  const isGrouped = 'sequence' in dataset && typeof dataset.sequence === 'object';
  const what = isGrouped ? 'group' : 'id';
  const named = splits.flatMap(([name, { count, id, idIsPlace }]) =>
    id && !idIsPlace ? [[name, new Set(Array.from({ length: count }, (_, i) => id(i)))] as const] : [],
  );
  for (const [i, [name, ids]] of named.entries()) {
    for (const [other, otherIds] of named.slice(0, i)) {
      const common = [...ids].filter(id => otherIds.has(id));
      if (common.length === 0 || (dataset.kind === 'conllu' && areCounted(ids))) continue;
      const at = isGrouped ? ['dataset', 'sequence', 'group'] : keyOf(dataset, name);
      const message = `${counted(common.length, what)} ${common.length === 1 ? 'is' : 'are'} in both the ${other} and the ${name} split: ${listed(common)}`;
      const expected = `each ${what} in only one split, unless the splits number their ${what}s separately`;
      yield locator.atValue(at, `data/shared-${what}s`, message, { expected });
    }
  }
}

/** True for numbers from 0 or 1, which each treebank may give to its own sentences. */
function areCounted(ids: ReadonlySet<string>): boolean {
  const first = ids.has('0') ? 0 : 1;
  return [...ids].every(id => /^\d+$/.test(id) && Number(id) >= first && Number(id) < first + ids.size);
}

/** Sequences without names are not compared, since a warning could not name them. */
function equalSequences(
  dataset: DatasetConfig,
  all: Splits,
  shape: SequenceShape,
  locator: Locator,
): Diagnostic[] {
  const splits = all.flatMap(([name, { count, targets, read, readTexts = read, lengths, id }]) =>
    id ? [{ name, count, targets, read: readTexts, lengths, id }] : [],
  );
  const files: Readonly<Record<string, unknown>> = { ...dataset };
  const fileOf = (name: string): unknown => files[`${name}_path`] ?? files.path;
  // by the key of the split, so that splits of one file have one warning
  const messages = new Map<string, string[]>();
  for (const { of, among, count, example } of sharedSequences(splits, shape)) {
    const ids = [of.id(example.of), among.id(example.among)];
    // one of several files is named already
    const isVague = ids[0] === ids[1] || ids.some(id => /^(?:line|row) \d+$/.test(id));
    const [first, other] = [of, among].map(({ name }, i) =>
      isVague && fileOf(of.name) !== fileOf(among.name) ? `${ids[i]} of ${fileOf(name)}` : ids[i],
    );
    const key = Object.hasOwn(dataset, `${of.name}_path`) ? `${of.name}_path` : 'path';
    const same = hasAlternatives(of.targets) ? '' : ', with the same target';
    const message = `${counted(count, 'sequence')} of the ${of.name} split ${count === 1 ? 'is' : 'are'} also in the ${among.name} split${same}: ${first} equals ${other}`;
    messages.set(key, [...(messages.get(key) ?? []), message]);
  }
  const expected = 'each sequence in only one split';
  return [...messages].map(([key, all]) =>
    locator.atValue(['dataset', key], 'data/equal-sequences', all.join('; '), { expected }),
  );
}

function* overlaps(
  dataset: DatasetConfig,
  all: Splits,
  shape: SequenceShape,
  locator: Locator,
): Iterable<Diagnostic> {
  const splits = all.flatMap(([name, { count, targets, read, lengths, id }]) =>
    id ? [{ name, count, targets, read, lengths, id }] : [],
  );
  for (const { of, among, count, example } of overlappingSequences(splits, shape)) {
    const message = `${counted(count, 'sequence')} of the ${of.name} split ${count === 1 ? 'begins' : 'begin'} within a sequence of the ${among.name} split: the first ${example.steps} steps of ${of.id(example.of)} are the last of ${among.id(example.among)}`;
    const expected =
      'sequences that overlap in the same split, such as all of a recording (`group`) or the last ones (`select: last`)';
    yield locator.atValue(keyOf(dataset, of.name), 'data/overlapping-sequences', message, { expected });
  }
}

/** If equal inputs may have several right targets, they are a leak whatever their targets are. */
function hasAlternatives(targets: Targets): boolean {
  return longestTarget(targets) !== undefined;
}

/** Files that may be identical, such as labels of balanced classes in order. */
const OFTEN_IDENTICAL = /_labels$|^(?:y|lengths|ids)(?:_|$)/;

/** One pair of files of each split. */
function* copies(
  dataset: DatasetConfig,
  digests: Dataset['digests'],
  locator: Locator,
): Iterable<Diagnostic> {
  const often = Object.entries(dataset).flatMap(([key, file]) => (OFTEN_IDENTICAL.test(key) ? [file] : []));
  const files = digests.filter(({ name }) => !often.includes(name));
  for (const split of ['validation', 'test']) {
    const isCopy = (a: (typeof files)[number], b: typeof a) => a.sha256 === b.sha256 && a.split !== b.split;
    const splitFile = files.find(file => file.split === split && files.some(copy => isCopy(file, copy)));
    const other = splitFile && files.find(file => isCopy(splitFile, file));
    if (!other) continue;
    const message = `a file of the ${split} split is identical to one of the ${other.split} split: ${splitFile.name} and ${other.name}`;
    const expected = 'different sequences in each split';
    yield locator.atValue(keyOf(dataset, split), 'data/same-file', message, { expected });
  }
}

export type ComparedSequences = Pick<Split, 'count' | 'targets' | 'read' | 'lengths'>;

interface SequenceShape {
  readonly steps: number;
  readonly width: number;
}

/** Maximum number of sequences of a split that are searched for in earlier splits. */
const MAX_HASHED = 2 ** 20;

/**
 * If at most this fraction of the training sequences is distinct, few sequences are possible, such
 * as single steps of a category, and equal ones are no sign of a leak.
 */
const MAX_REPETITIVE = 0.25;

/**
 * Returns pairs of splits that share sequences with equal features and, unless these may be
 * alternatives, equal targets, found by their hashes. Searches the earlier splits only for the
 * first 2^20 sequences of a split. Linear in time, bounded in memory.
 */
export function sharedSequences<Split extends ComparedSequences>(
  splits: readonly Split[],
  shape: SequenceShape,
) {
  const found = splits.flatMap((split, later) => {
    if (later === 0) return [];
    const known = new Map<number, { readonly index: number; count: number }>();
    for (const [index, hash] of hashes(split, shape, { most: MAX_HASHED })) {
      const same = known.get(hash);
      if (same) same.count++;
      else known.set(hash, { index, count: 1 });
    }
    return splits.slice(0, later).flatMap(among => {
      const matched = new Set<number>();
      let example: { readonly of: number; readonly among: number } | undefined;
      let count = 0;
      for (const [index, hash] of hashes(among, shape)) {
        const match = known.get(hash);
        if (match === undefined || matched.has(hash)) continue;
        matched.add(hash);
        count += match.count;
        example ??= { of: match.index, among: index };
      }
      return example ? [{ of: split, among, count, example }] : [];
    });
  });
  return found.length > 0 && isRepetitive(splits[0], shape) ? [] : found;
}

/** Steps that sequences must share to overlap; all differ, so that it is no coincidence. */
const OVERLAP = 8;

/**
 * Returns pairs of splits in which sequences of the later one begin within sequences of the earlier
 * one: their first steps, {@link OVERLAP} or more, are the last steps of the other, as in windows
 * with overlap that are drawn at random. Linear in time, bounded in memory.
 */
export function overlappingSequences<Split extends ComparedSequences>(
  splits: readonly Split[],
  { steps, width }: SequenceShape,
) {
  if (steps <= OVERLAP) return [];
  const readers = splits.map(split => stepReader(split, { steps, width }));
  return splits.flatMap((split, later) => {
    if (later === 0) return [];
    const beginnings = new Map<number, number>();
    for (let index = 0; index < Math.min(split.count, MAX_HASHED); index++) {
      const hashes = readers[later](index).subarray(0, OVERLAP);
      if (new Set(hashes).size === OVERLAP) beginnings.set(windowHash(hashes, 0), index);
    }
    if (beginnings.size === 0) return [];
    return splits.slice(0, later).flatMap((among, earlier) => {
      const found = new Map<number, { readonly among: number; readonly steps: number }>();
      for (let index = 0; index < among.count; index++) {
        const hashes = readers[earlier](index);
        for (let start = 1; start <= hashes.length - OVERLAP; start++) {
          const match = beginnings.get(windowHash(hashes, start));
          if (match === undefined || found.has(match)) continue;
          const end = hashes.subarray(start);
          const other = readers[later](match);
          if (end.every((hash, step) => other[step] === hash))
            found.set(match, { among: index, steps: end.length });
        }
      }
      const [first] = found;
      return first ? [{ of: split, among, count: found.size, example: { of: first[0], ...first[1] } }] : [];
    });
  });
}

/** Returns a function to the hash of each step of a sequence, in a buffer of its own. */
function stepReader({ read, lengths }: ComparedSequences, { steps, width }: SequenceShape) {
  const numbers = new Float32Array(steps * width);
  const bits = new Uint32Array(numbers.buffer);
  const hashes = new Uint32Array(steps);
  return (index: number): Uint32Array => {
    read(index, numbers, 0, width);
    const length = lengths?.[index] ?? steps;
    for (let step = 0; step < length; step++)
      hashes[step] = hashOf(bits.subarray(step * width, (step + 1) * width));
    return hashes.subarray(0, length);
  };
}

/** Hash of the {@link OVERLAP} steps from `start`. */
function windowHash(hashes: Uint32Array, start: number): number {
  return hashOf(hashes.subarray(start, start + OVERLAP));
}

function isRepetitive(split: ComparedSequences, shape: SequenceShape): boolean {
  const distinct = new Set<number>();
  const most = MAX_REPETITIVE * Math.min(split.count, MAX_HASHED);
  for (const [, hash] of hashes(split, shape, { most: MAX_HASHED }))
    if (distinct.add(hash).size > most) return false;
  return true;
}

function* hashes(
  split: ComparedSequences,
  { steps, width }: SequenceShape,
  { most = split.count, withTargets = !hasAlternatives(split.targets) }: HashOptions = {},
): Generator<[index: number, hash: number]> {
  const { count, targets, lengths } = split;
  const targetWidth = withTargets ? targets.values.length / count : 0;
  const numbers = new Float32Array(steps * width + targetWidth + 1);
  const bits = new Uint32Array(numbers.buffer);
  for (let index = 0; index < Math.min(count, most); index++) {
    split.read(index, numbers, 0, width);
    // a step may be all zeros like padding
    const length = lengths?.[index] ?? steps;
    const size = length * width;
    numbers[size] = length;
    numbers.set(targets.values.subarray(index * targetWidth, (index + 1) * targetWidth), size + 1);
    yield [index, hashOf(bits.subarray(0, size + 1 + targetWidth))];
  }
}

interface HashOptions {
  readonly most?: number;
  readonly withTargets?: boolean;
}

/** Fewer numbers may be equal by chance. */
const MIN_NUMBERS = 8;

/**
 * Returns the function that counts the sequences of a split whose features are those of a training
 * sequence. Counts none if few training sequences are distinct.
 */
export function countsKnown(train: ComparedSequences, shape: SequenceShape) {
  const known = new Set<number>();
  for (const [, hash] of hashes(train, shape, { most: MAX_HASHED, withTargets: false })) known.add(hash);
  const isRepetitive = known.size <= MAX_REPETITIVE * Math.min(train.count, MAX_HASHED);
  return (split: ComparedSequences): number => {
    const { lengths = new Int32Array() } = split;
    const steps = Math.max(shape.steps, ...lengths);
    let count = 0;
    if (!isRepetitive)
      for (const [index, hash] of hashes(split, { ...shape, steps }, { withTargets: false }))
        if ((lengths[index] ?? steps) * shape.width >= MIN_NUMBERS && known.has(hash)) count++;
    return count;
  };
}

/** 53 bits: two FNV-1a hashes over 32-bit words, with the finalizer of MurmurHash3. */
function hashOf(words: Uint32Array): number {
  let a = 0x811c9dc5 | 0;
  let b = 0x01234567;
  for (const word of words) {
    a = Math.imul(a ^ word, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b ^ word, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (mix(a) >>> 0) * 2 ** 21 + (mix(b) >>> 11);
}
