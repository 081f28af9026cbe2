/** Warns of splits that share data, which makes reported results too good. */
import type { Diagnostic } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { LoadedExperiment } from './load.js';

interface NamedSequences extends Partial<ComparedSequences> {
  readonly count: number;
  id?(index: number): string;
  /** Set if `id` is a position in a file, which does not identify sequences across files. */
  readonly idIsPlace?: true;
}

/** SHA-256 of each data file. */
export type Digests = readonly { readonly name: string; readonly sha256: string }[];

interface NamedFiles {
  readonly digests?: Digests;
  /** Config key that names each file. Other files are not compared. */
  readonly keysOfFiles?: ReadonlyMap<string, string>;
}

/** Maximum number of sequences named in a warning. */
const MAX_NAMED = 3;

/**
 * Warns of identical files, of sequences with the same name in two splits, and of equal sequences.
 * @param splits by name; the first is the training split
 */
export function checkOverlap(
  loaded: LoadedExperiment,
  files: NamedFiles,
  splits: Readonly<Record<string, NamedSequences>>,
  shape: SequenceShape,
): Diagnostic[] {
  const copies = checkCopies(loaded, files);
  if (copies.length > 0) return copies;
  const names = checkNames(loaded, splits);
  return names.length > 0 ? names : checkEqual(loaded, splits, shape);
}

/** Sequences without names are not compared, since a warning could not name them. */
function checkEqual(
  { experiment: { dataset }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, NamedSequences>>,
  shape: SequenceShape,
): Diagnostic[] {
  const compared = Object.entries(splits).flatMap(([name, { count, targets, read, id }]) =>
    targets && read && id ? [{ name, count, targets, read, id }] : [],
  );
  const files: Readonly<Record<string, unknown>> = { ...dataset };
  const fileOf = ({ name }: { readonly name: string }): unknown => files[`${name}_path`] ?? files.path;
  return sharedSequences(compared, shape).map(({ of, among, count, example }) => {
    const ids = [of.id(example.of), among.id(example.among)];
    // one of several files is named already
    const named = (split: (typeof compared)[number], id: string): string => {
      const isVague = ids[0] === ids[1] || /^(?:line|row) \d+$/.test(id);
      return isVague && fileOf(of) !== fileOf(among) ? `${id} of ${fileOf(split)}` : id;
    };
    const message =
      `${counted(count, 'sequence')} of the ${of.name} split ${count === 1 ? 'is' : 'are'} also in the ` +
      `${among.name} split, with the same target: ${named(of, ids[0])} equals ${named(among, ids[1])}`;
    const expected = 'each sequence in only one split';
    const [key] = Object.keys(dataset).filter(one => one === `${of.name}_path`);
    return locator.atValue(['dataset', key ?? 'path'], 'data/equal-sequences', message, { expected });
  });
}

/** Files that may be identical, such as labels of balanced classes in order. */
const OFTEN_IDENTICAL = /_labels$|^(?:y|lengths|ids)(?:_|$)/;
const TRAINING_KEYS: readonly unknown[] = ['path', 'train_images', 'x'];

/** Warns of files with the same content that different keys name. */
function checkCopies({ locator }: LoadedExperiment, { digests = [], keysOfFiles }: NamedFiles): Diagnostic[] {
  const files = digests.flatMap(({ name, sha256 }) => {
    const key = keysOfFiles?.get(name);
    return key === undefined || OFTEN_IDENTICAL.test(key) ? [] : [{ key, name, sha256 }];
  });
  // report the held-out file rather than the training file
  const isTrained = ({ key }: { readonly key: string }) => TRAINING_KEYS.includes(key);
  const first = new Map<string, (typeof files)[number]>();
  const copies = new Map<string, { readonly key: string; readonly example: string; count: number }>();
  for (const file of files.toSorted((a, b) => Number(isTrained(b)) - Number(isTrained(a)))) {
    const { key, name, sha256 } = file;
    const other = first.get(sha256);
    if (other === undefined) first.set(sha256, file);
    if (other === undefined || other.key === key) continue;
    const pair = `\`${key}\` and \`${other.key}\``;
    const known = copies.get(pair);
    if (known) known.count++;
    else copies.set(pair, { key, example: `${name} and ${other.name}`, count: 1 });
  }
  return [...copies].map(([pair, { key, example, count }]) => {
    const message =
      count === 1
        ? `files of ${pair} are identical: ${example}`
        : `${count} files of ${pair} are identical, such as ${example}`;
    const expected = 'different sequences in each split';
    return locator.atValue(['dataset', key], 'data/same-file', message, { expected });
  });
}

/** Sequences with the same name in two splits may be parts of one recording. */
function checkNames(
  { experiment: { dataset }, locator }: LoadedExperiment,
  splits: Readonly<Record<string, NamedSequences>>,
): Diagnostic[] {
  const [what, path] =
    'sequence' in dataset && typeof dataset.sequence === 'object'
      ? (['group', ['dataset', 'sequence', 'group']] as const)
      : (['id', undefined] as const);
  const named = Object.entries(splits).flatMap(([name, { count, id, idIsPlace }]) =>
    id === undefined || idIsPlace
      ? []
      : [[name, new Set(Array.from({ length: count }, (_, i) => id(i)))] as const],
  );
  return named.flatMap(([name, ids], i) =>
    named.slice(0, i).flatMap(([other, otherIds]) => {
      const common = [...ids].filter(id => otherIds.has(id));
      if (common.length === 0) return [];
      const words = common.slice(0, MAX_NAMED).map(id => JSON.stringify(id));
      const rest = common.length > MAX_NAMED ? ', …' : '';
      const shared = common.length === 1 ? `1 ${what} is` : `${common.length} ${what}s are`;
      const message = `${shared} in both the ${other} and the ${name} split: ${words.join(', ')}${rest}`;
      const expected = `each ${what} in only one split, unless the splits number their ${what}s separately`;
      // the key that makes the second split
      const key = [`${name}_path`, `${name}_fraction`, name].find(one => Object.hasOwn(dataset, one));
      const at = path ?? ['dataset', ...(key === undefined ? [] : [key])];
      return [locator.atValue(at, `data/shared-${what}s`, message, { expected })];
    }),
  );
}

/** Targets of all sequences, one after another. */
interface Rows {
  readonly length: number;
  subarray(from: number, to: number): ArrayLike<number>;
}

export interface ComparedSequences {
  readonly count: number;
  readonly targets: { readonly values?: Rows };
  /** Like `Split.read`. */
  read(index: number, out: Float32Array, offset: number, stepStride: number): void;
}

export interface SequenceShape {
  /** T. */
  readonly steps: number;
  /** Numbers per step. */
  readonly width: number;
}

export interface SharedSequences<Split> {
  readonly of: Split;
  /** An earlier split. */
  readonly among: Split;
  /** Number of sequences of `of` that are also in `among`. */
  readonly count: number;
  /** Positions of the first pair in their splits. */
  readonly example: { readonly of: number; readonly among: number };
}

/**
 * Maximum number of sequences of a split that are searched for in earlier splits, or counted to
 * see how common duplicates are.
 */
const MAX_HASHED = 2 ** 20;

/**
 * If at most this fraction of the training sequences is distinct, few sequences are possible, such
 * as single steps of a category, and equal ones are no sign of a leak.
 */
const MAX_REPETITIVE = 0.25;

/**
 * Returns pairs of splits that share sequences with equal features and targets, found by their
 * hashes. Searches the earlier splits only for the first 2^20 sequences of a split. Linear in time,
 * bounded in memory.
 */
export function sharedSequences<Split extends ComparedSequences>(
  splits: readonly Split[],
  shape: SequenceShape,
): readonly SharedSequences<Split>[] {
  const readers = splits.map(split => new SequenceReader(split, shape));
  const found = readers.flatMap((reader, later) => {
    if (later === 0) return [];
    const known = knownSequences(reader);
    return readers.slice(0, later).flatMap((other, earlier) => {
      const pairs = commonTo(reader, known, other);
      return pairs ? [{ of: splits[later], among: splits[earlier], ...pairs }] : [];
    });
  });
  return found.length > 0 && isRepetitive(readers[0]) ? [] : found;
}

interface KnownSequences {
  /** Sequences whose sketch is not among these are equal to none. */
  readonly sketches: ReadonlySet<number>;
  /** First position and number of sequences by hash. */
  readonly hashes: ReadonlyMap<number, { readonly index: number; readonly count: number }>;
}

function knownSequences(reader: SequenceReader): KnownSequences {
  const sketches = new Set<number>();
  const hashes = new Map<number, { index: number; count: number }>();
  for (let index = 0; index < Math.min(reader.count, MAX_HASHED); index++) {
    reader.read(index);
    sketches.add(reader.sketch());
    const hash = reader.hash();
    const known = hashes.get(hash);
    if (known) known.count++;
    else hashes.set(hash, { index, count: 1 });
  }
  return { sketches, hashes };
}

function commonTo(
  reader: SequenceReader,
  { sketches, hashes }: KnownSequences,
  other: SequenceReader,
): Pick<SharedSequences<never>, 'count' | 'example'> | undefined {
  const matched = new Set<number>();
  let example: { readonly of: number; readonly among: number } | undefined;
  let count = 0;
  for (let among = 0; among < other.count; among++) {
    other.read(among);
    if (!sketches.has(other.sketch())) continue;
    const hash = other.hash();
    const match = hashes.get(hash);
    if (match === undefined || matched.has(hash)) continue;
    reader.read(match.index);
    if (!reader.equals(other)) continue;
    matched.add(hash);
    count += match.count;
    example ??= { of: match.index, among };
  }
  return example && { count, example };
}

/** Whether few sequences are distinct; stops as soon as there are too many for that. */
function isRepetitive(reader: SequenceReader): boolean {
  const count = Math.min(reader.count, MAX_HASHED);
  const hashes = new Set<number>();
  for (let index = 0; index < count; index++) {
    reader.read(index);
    hashes.add(reader.hash());
    if (hashes.size > MAX_REPETITIVE * count) return false;
  }
  return true;
}

/** Numbers of a sketch, about. */
const SKETCHED = 32;

/** Reads the sequences of a split one at a time, as the bits of their features and targets. */
class SequenceReader {
  private readonly features: Float32Array;
  private readonly bits: Uint32Array;
  private readonly targets: Rows | undefined;
  /** Numbers per sequence in `targets`. */
  private readonly targetWidth: number;
  private readonly sketchStride: number;

  constructor(
    private readonly split: ComparedSequences,
    private readonly shape: SequenceShape,
  ) {
    const size = shape.steps * shape.width;
    this.targets = split.targets.values;
    this.targetWidth = (this.targets?.length ?? 0) / split.count;
    this.features = new Float32Array(size + this.targetWidth);
    this.bits = new Uint32Array(this.features.buffer);
    // odd, so that it meets different features
    this.sketchStride = Math.ceil(this.bits.length / SKETCHED) | 1;
  }

  get count(): number {
    return this.split.count;
  }

  /** Of the sequence read last, 53 bits. */
  hash(): number {
    return hashOf(this.bits, 1);
  }

  /** A hash of some of its numbers, which is enough to tell most sequences apart. */
  sketch(): number {
    return hashOf(this.bits, this.sketchStride);
  }

  equals(other: SequenceReader): boolean {
    return this.bits.every((bits, i) => bits === other.bits[i]);
  }

  read(index: number): void {
    const { split, shape, features, targets, targetWidth } = this;
    split.read(index, features, 0, shape.width);
    if (targets === undefined || targetWidth === 0) return;
    const row = targets.subarray(index * targetWidth, (index + 1) * targetWidth);
    features.set(row, features.length - targetWidth);
  }
}

/**
 * 53 bits of every `stride`-th word: two FNV-1a hashes over 32-bit words, with the finalizer of
 * MurmurHash3.
 */
function hashOf(words: Uint32Array, stride: number): number {
  let a = 0x811c9dc5 | 0;
  let b = 0x01234567;
  for (let i = 0; i < words.length; i += stride) {
    const word = words[i] | 0;
    a = Math.imul(a ^ word, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b ^ word, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (mixed(a) >>> 0) * 2 ** 21 + (mixed(b) >>> 11);
}

function mixed(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
