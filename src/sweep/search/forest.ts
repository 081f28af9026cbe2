/**
 * A random forest for regression: L. Breiman, "Random Forests", Machine Learning 45 (2001). The
 * leaves of a tree are boxes that tile the space, so averages over any part of it are exact.
 */
import type { RandomStream } from '../../util/random.js';

/** Number of choices of an unordered feature; 0 for a number in [0, 1]. */
export type FeatureKind = number;

/** One side of a box: an interval of a number, or for each choice whether it belongs. */
export type Side = readonly [low: number, high: number] | readonly boolean[];

export interface Leaf {
  readonly sides: readonly Side[];
  readonly value: number;
}

interface Cut {
  readonly feature: number;
  /** Reduction of the sum of squares. */
  readonly gain: number;
  readonly left: Side;
  readonly right: Side;
}

/** Maximum number of rows per tree; more take time and change little. */
const MAX_ROWS = 1000;

/**
 * Grows each tree in full on a bootstrap sample.
 * @param rows one number in [0, 1] or index of a choice per feature
 */
export function growForest(
  kinds: readonly FeatureKind[],
  rows: readonly Float64Array[],
  targets: Float64Array,
  trees: number,
  random: RandomStream,
): readonly (readonly Leaf[])[] {
  const whole = kinds.map((choices): Side => (choices > 0 ? Array(choices).fill(true) : [0, 1]));
  return Array.from({ length: trees }, () => {
    const sample = Uint32Array.from({ length: Math.min(rows.length, MAX_ROWS) }, () =>
      random.integer(rows.length),
    );
    const orders = kinds.map((_, feature) => sample.toSorted((a, b) => rows[a][feature] - rows[b][feature]));
    return leavesOf({ kinds, rows, targets }, orders, whole);
  });
}

interface Data {
  readonly kinds: readonly FeatureKind[];
  readonly rows: readonly Float64Array[];
  readonly targets: Float64Array;
}

/** The rows of a node, sorted by each feature. */
type Orders = readonly Uint32Array[];

function leavesOf(data: Data, orders: Orders, sides: readonly Side[]): readonly Leaf[] {
  const cut = bestCut(data, orders, sides);
  if (!cut) return [{ sides, value: mean(data.targets, orders[0]) }];
  const { feature } = cut;
  const isLeft = (row: number) => contains(data.kinds[feature], cut.left, data.rows[row][feature]);
  const left = orders.map(order => order.filter(isLeft));
  const right = orders.map(order => order.filter(row => !isLeft(row)));
  return [
    ...leavesOf(data, left, sides.with(feature, cut.left)),
    ...leavesOf(data, right, sides.with(feature, cut.right)),
  ];
}

function contains(choices: FeatureKind, side: Side, value: number): boolean {
  return choices > 0 ? (side[value] as boolean) : value <= (side[1] as number);
}

/** The best split; undefined if all targets are equal or no feature separates the rows. */
function bestCut({ kinds, rows, targets }: Data, orders: Orders, sides: readonly Side[]): Cut | undefined {
  if (orders[0].every(row => targets[row] === targets[orders[0][0]])) return undefined;
  let best: Cut | undefined;
  for (const [feature, order] of orders.entries()) {
    const values = gathered(order, row => rows[row][feature]);
    const ordered = gathered(order, row => targets[row]);
    const side = sides[feature];
    const cut =
      kinds[feature] > 0
        ? choiceCut(values, ordered, side as readonly boolean[])
        : numberCut(values, ordered, side);
    if (cut && (!best || cut.gain > best.gain)) best = { feature, ...cut };
  }
  return best;
}

/** Like Float64Array.from without its iterator, since most of the time is spent here. */
function gathered(order: Uint32Array, at: (row: number) => number): Float64Array {
  const values = new Float64Array(order.length);
  for (let i = 0; i < order.length; i++) values[i] = at(order[i]);
  return values;
}

type FeatureCut = Omit<Cut, 'feature'>;

/** The midpoint between two adjacent values; `values` ascend. */
function numberCut(values: Float64Array, targets: Float64Array, side: Side): FeatureCut | undefined {
  const found = bestPrefix(
    values.length,
    i => targets[i],
    () => 1,
    i => values[i] < values[i + 1],
  );
  if (!found) return undefined;
  const [below, above] = [values[found.end], values[found.end + 1]];
  // the midpoint of two adjacent floats may equal the upper one
  const middle = Math.max(below, Math.min((below + above) / 2, above - Number.EPSILON / 4));
  return { gain: found.gain, left: [side[0] as number, middle], right: [middle, side[1] as number] };
}

/**
 * Choices sorted by their mean: the best subset is one of the first few (W. D. Fisher, JASA 53,
 * 1958).
 */
function choiceCut(
  values: Float64Array,
  targets: Float64Array,
  side: readonly boolean[],
): FeatureCut | undefined {
  const counts = new Float64Array(side.length);
  const sums = new Float64Array(side.length);
  for (const [i, choice] of values.entries()) {
    counts[choice]++;
    sums[choice] += targets[i];
  }
  const order = [...counts.keys()]
    .filter(choice => counts[choice] > 0)
    .sort((a, b) => sums[a] / counts[a] - sums[b] / counts[b]);
  const found = bestPrefix(
    order.length,
    i => sums[order[i]],
    i => counts[order[i]],
    () => true,
  );
  if (!found) return undefined;
  const inPrefix = new Set(order.slice(0, found.end + 1));
  // a choice without rows goes to the right side
  return {
    gain: found.gain,
    left: side.map((inside, choice) => inside && inPrefix.has(choice)),
    right: side.map((inside, choice) => inside && !inPrefix.has(choice)),
  };
}

/**
 * The end of the first of two parts that minimize the sum of squared deviations from their means.
 */
function bestPrefix(
  length: number,
  sumAt: (i: number) => number,
  countAt: (i: number) => number,
  mayEnd: (i: number) => boolean,
): { readonly end: number; readonly gain: number } | undefined {
  let [total, size] = [0, 0];
  for (let i = 0; i < length; i++) {
    total += sumAt(i);
    size += countAt(i);
  }
  let best: { end: number; gain: number } | undefined;
  let [sum, count] = [0, 0];
  for (let end = 0; end < length - 1; end++) {
    sum += sumAt(end);
    count += countAt(end);
    if (!mayEnd(end)) continue;
    const gain = (sum / count - (total - sum) / (size - count)) ** 2 * ((count * (size - count)) / size);
    if (!best || gain > best.gain) best = { end, gain };
  }
  return best;
}

function mean(targets: Float64Array, rows: Uint32Array): number {
  return rows.reduce((sum, row) => sum + targets[row], 0) / rows.length;
}
