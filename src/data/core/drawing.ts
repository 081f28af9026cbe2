/**
 * Draws some of numbered units, which are sequences or groups of sequences. Indices are in
 * ascending order.
 */
import type { RandomStream } from '../../util/random.js';

/** 0, 1, …, count-1. */
export function range(count: number): Uint32Array {
  const all = new Uint32Array(count);
  for (let i = 0; i < count; i++) all[i] = i;
  return all;
}

/** Draws `size` of `indices`, which it shuffles in place. */
export function draw(indices: Uint32Array, size: number, stream: RandomStream): Uint32Array {
  return stream.shuffle(indices).slice(0, size).sort();
}

/** The positions of each key, in the order of the first appearance of the keys. */
export function positionsByKey<K>(count: number, keyOf: (position: number) => K): Map<K, Uint32Array> {
  const lists = new Map<K, number[]>();
  for (let position = 0; position < count; position++) {
    const key = keyOf(position);
    const list = lists.get(key);
    if (list) list.push(position);
    else lists.set(key, [position]);
  }
  return new Map([...lists].map(([key, list]) => [key, Uint32Array.from(list)]));
}

/**
 * Draws `size` sequences from the classes in proportion to their sizes.
 * @param classes of each sequence; ignored labels form a class too
 */
export function drawStratified(classes: ArrayLike<number>, size: number, stream: RandomStream): Uint32Array {
  const positions = [...positionsByKey(classes.length, i => classes[i])].sort(([a], [b]) => a - b);
  const sizes = apportioned(
    positions.map(([, { length }]) => length),
    size,
  );
  const drawn = positions.map(([, own], i) => draw(own, sizes[i], stream));
  return Uint32Array.from(drawn.flatMap(part => [...part])).sort();
}

/**
 * Distributes `count` among groups in proportion to their sizes, rounded by largest remainders
 * (Hamilton's method). A group keeps at least one of its members if other groups can spare one.
 */
function apportioned(sizes: readonly number[], count: number): number[] {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const exact = sizes.map(size => (size * count) / total);
  const counts = exact.map(Math.floor);
  const left = count - counts.reduce((sum, one) => sum + one, 0);
  const isEmptied = (i: number): number => Number(counts[i] + 1 >= sizes[i]);
  const order = [...sizes.keys()].sort(
    (a, b) => isEmptied(a) - isEmptied(b) || exact[b] - counts[b] - (exact[a] - counts[a]) || a - b,
  );
  for (const i of order.slice(0, left)) counts[i]++;
  return counts;
}

/**
 * Draws groups with about `fraction` of the sequences of each class: one of the folds of
 * {@link stratifiedFolds}, which are as many as possible of about that size.
 * @param counts of each group by class; at least two groups
 */
export function drawStratifiedGroups(
  counts: readonly (readonly number[])[],
  fraction: number,
  stream: RandomStream,
): Uint32Array {
  const others = Math.min(Math.max(1, Math.round((1 - fraction) / fraction)), counts.length - 1);
  const sizes = new Array<number>(others + 1).fill((1 - fraction) / others);
  const held = stream.integer(sizes.length);
  sizes[held] = fraction;
  const order = [...stream.shuffle(range(counts.length))];
  const folds = stratifiedFolds(
    order.map(group => counts[group]),
    sizes,
  );
  const drawn = order.filter((_, i) => folds[i] === held);
  // neither part may be empty
  if (drawn.length === 0) drawn.push(order[0]);
  return Uint32Array.from(drawn.slice(0, counts.length - 1)).sort();
}

/** Relative and absolute tolerance of `numpy.isclose`. */
const [RELATIVE, ABSOLUTE] = [1e-5, 1e-8];

/**
 * The fold of each group, as StratifiedGroupKFold of scikit-learn distributes them: the groups with
 * the most unequal counts first, each to the fold with which the fractions of the classes differ
 * least between the folds; of equal ones, to that with the fewest sequences.
 * @param counts of each group by class
 * @param sizes relative size of each fold; scikit-learn's are equal
 */
export function stratifiedFolds(
  counts: readonly (readonly number[])[],
  sizes: readonly number[],
): readonly number[] {
  const [{ length: classes }] = counts;
  const totals = Array.from({ length: classes }, (_, c) => counts.reduce((sum, own) => sum + own[c], 0));
  const meanSize = sizes.reduce((sum, size) => sum + size, 0) / sizes.length;
  const filled = sizes.map(() => new Float64Array(classes));
  const difference = (own: readonly number[], fold: number): number => {
    let sum = 0;
    for (let c = 0; c < classes; c++) {
      const fractions = filled.map(
        (has, i) => (has[c] + (i === fold ? own[c] : 0)) / totals[c] / (sizes[i] / meanSize),
      );
      sum += deviation(fractions);
    }
    return sum / classes;
  };
  const folds = new Array<number>(counts.length);
  const deviations = counts.map(deviation);
  for (const group of [...counts.keys()].sort((a, b) => deviations[b] - deviations[a] || a - b)) {
    let [best, least, fewest] = [0, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (const fold of sizes.keys()) {
      const found = difference(counts[group], fold);
      const size = filled[fold].reduce((sum, count) => sum + count, 0);
      const isClose = Math.abs(found - least) <= ABSOLUTE + RELATIVE * least;
      if (found < least || (isClose && size < fewest)) [best, least, fewest] = [fold, found, size];
    }
    folds[group] = best;
    counts[group].forEach((count, c) => {
      filled[best][c] += count;
    });
  }
  return folds;
}

/**
 * The fold of each of `count` units, as by KFold: consecutive units, the first folds larger by one.
 */
export function evenFolds(count: number, folds: number): number[] {
  const [size, larger] = [Math.floor(count / folds), count % folds];
  const sizes = Array.from({ length: folds }, (_, fold) => size + Number(fold < larger));
  return sizes.flatMap((size, fold) => new Array<number>(size).fill(fold));
}

/** The fold of each sequence, as by StratifiedKFold. @param classes of each sequence */
export function classFolds(classes: ArrayLike<number>, folds: number): number[] {
  const positions = [...positionsByKey(classes.length, i => classes[i]).values()];
  // the sequences, sorted by class, go to the folds in turn
  let first = 0;
  const result = new Array<number>(classes.length);
  for (const own of positions) {
    const sizes = new Array<number>(folds).fill(0);
    for (let i = 0; i < own.length; i++) sizes[(first + i) % folds]++;
    first += own.length;
    let at = 0;
    for (const [fold, size] of sizes.entries()) for (let i = 0; i < size; i++) result[own[at++]] = fold;
  }
  return result;
}

/** The fold of each group, as by GroupKFold: the largest first, each to the smallest fold. */
export function groupFolds(sizes: readonly number[], folds: number): number[] {
  const filled = new Array<number>(folds).fill(0);
  const result = new Array<number>(sizes.length);
  for (const group of [...sizes.keys()].sort((a, b) => sizes[b] - sizes[a] || b - a)) {
    const fold = filled.indexOf(Math.min(...filled));
    filled[fold] += sizes[group];
    result[group] = fold;
  }
  return result;
}

/** Standard deviation of the population. */
function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
