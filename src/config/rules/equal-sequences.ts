/**
 * Equal sequences of different splits, found by their hashes: linear in time, bounded in memory.
 */

/** Targets of all sequences, one after another. */
interface Rows {
  readonly length: number;
  subarray(from: number, to: number): ArrayLike<number>;
}

export interface ComparedSequences {
  readonly count: number;
  readonly targets: { readonly values?: Rows };
  /** As `Split.read`. */
  read(index: number, out: Float32Array, offset: number, stepStride: number): void;
}

export interface SequenceShape {
  /** T. */
  readonly steps: number;
  /** Numbers of a step. */
  readonly width: number;
}

export interface SharedSequences<Split> {
  readonly of: Split;
  /** An earlier split. */
  readonly among: Split;
  /** Sequences of `of` that are in `among` too. */
  readonly count: number;
  /** The first pair, as positions in their splits. */
  readonly example: { readonly of: number; readonly among: number };
}

/**
 * Sequences of a split that are looked for in others, and as many that tell how usual equal ones
 * are.
 */
const MAX_HASHED = 2 ** 20;

/**
 * If no more of the first split's sequences than this share are distinct, there are few different
 * ones, such as single steps of a category, and equal ones say nothing about how data were split.
 */
const MAX_REPETITIVE = 0.25;

/**
 * The pairs of splits that have sequences with equal features and targets in common, each with all
 * splits before it; of a split the first 2^20 sequences.
 */
export function sharedSequences<Split extends ComparedSequences>(
  splits: readonly Split[],
  shape: SequenceShape,
): readonly SharedSequences<Split>[] {
  const readers = splits.map(split => new SequenceReader(split, shape));
  const found = readers.flatMap((reader, later) => {
    if (later === 0) return [];
    const hashed = hashesOf(reader);
    return readers.slice(0, later).flatMap((other, earlier) => {
      const pairs = commonTo(reader, hashed, other);
      return pairs ? [{ of: splits[later], among: splits[earlier], ...pairs }] : [];
    });
  });
  return found.length > 0 && distinctShare(readers[0]) <= MAX_REPETITIVE ? [] : found;
}

/** Positions by hash; of several the first, and how many they are. */
type Hashes = ReadonlyMap<number, { readonly index: number; readonly count: number }>;

function hashesOf(reader: SequenceReader): Hashes {
  const hashes = new Map<number, { index: number; count: number }>();
  for (let index = 0; index < Math.min(reader.count, MAX_HASHED); index++) {
    const hash = reader.hash(index);
    const known = hashes.get(hash);
    if (known) known.count++;
    else hashes.set(hash, { index, count: 1 });
  }
  return hashes;
}

function commonTo(
  reader: SequenceReader,
  hashes: Hashes,
  other: SequenceReader,
): Pick<SharedSequences<never>, 'count' | 'example'> | undefined {
  const matched = new Set<number>();
  let example: { readonly of: number; readonly among: number } | undefined;
  let count = 0;
  for (let among = 0; among < other.count; among++) {
    const hash = other.hash(among);
    const match = hashes.get(hash);
    if (match === undefined || matched.has(hash) || !reader.equals(match.index, other, among)) continue;
    matched.add(hash);
    count += match.count;
    example ??= { of: match.index, among };
  }
  return example && { count, example };
}

function distinctShare(reader: SequenceReader): number {
  const count = Math.min(reader.count, MAX_HASHED);
  return hashesOf(reader).size / count;
}

/** The sequences of a split as bits of their features and targets. */
class SequenceReader {
  private readonly features: Float32Array;
  private readonly bits: Uint32Array;
  private readonly targets: Rows | undefined;
  /** Targets of a sequence. */
  private readonly targetWidth: number;

  constructor(
    private readonly split: ComparedSequences,
    private readonly shape: SequenceShape,
  ) {
    const size = shape.steps * shape.width;
    this.targets = split.targets.values;
    this.targetWidth = (this.targets?.length ?? 0) / split.count;
    this.features = new Float32Array(size + this.targetWidth);
    this.bits = new Uint32Array(this.features.buffer);
  }

  get count(): number {
    return this.split.count;
  }

  /** 53 bits: two FNV-1a hashes over words of 32 bits, mixed as MurmurHash3 does at its end. */
  hash(index: number): number {
    this.read(index);
    const { bits } = this;
    let [a, b] = [0x811c9dc5, 0x01234567];
    for (let i = 0; i < bits.length; i++) {
      a = Math.imul(a ^ bits[i], 0x01000193);
      a ^= a >>> 15;
      b = Math.imul(b ^ bits[i], 0x85ebca6b);
      b ^= b >>> 13;
    }
    return (mixed(a) >>> 0) * 2 ** 21 + (mixed(b) >>> 11);
  }

  equals(index: number, other: SequenceReader, otherIndex: number): boolean {
    this.read(index);
    other.read(otherIndex);
    return this.bits.every((bits, i) => bits === other.bits[i]);
  }

  private read(index: number): void {
    const { split, shape, features, targets, targetWidth } = this;
    split.read(index, features, 0, shape.width);
    if (targets === undefined || targetWidth === 0) return;
    const row = targets.subarray(index * targetWidth, (index + 1) * targetWidth);
    features.set(row, features.length - targetWidth);
  }
}

function mixed(hash: number): number {
  let h = hash ^ (hash >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
}
