/**
 * The importance of parameters: functional analysis of variance of a random forest, after F.
 * Hutter, H. Hoos and K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
 * Importance", ICML 2014. The forest predicts the objective. A parameter's main effect is the
 * variance of its marginal: the prediction averaged over all values of the other parameters.
 */
import { RandomStream } from '../../util/random.js';
import type { Observation } from './method.js';
import {
  axisOf,
  choiceIndexer,
  coordinateOf,
  countOf,
  type Parameter,
  type Point,
  type Space,
} from './space.js';

const TREES = 64;
/** Trees that share the same random values for absent parameters. */
const TREES_A_FILL = 4;
/** Minimum number of complete trials. */
const MIN_TRIALS = 4;

export interface Importance {
  readonly name: string;
  /** In [0, 1]; all of them sum to 1. */
  readonly importance: number;
}

/**
 * Each parameter's fraction of the main effects, largest first. Interactions are ignored, so a
 * parameter that acts only through others has a small one. Only complete trials count, since values
 * after different epochs are not comparable; a null value counts as the worst value of the others.
 * Where a parameter does not exist it has no effect: there it gets random values. A parameter's
 * measure is uniform on its axis (logarithmic for `log_*`). Empty if fewer than 4 complete trials
 * have a value or all are equal.
 */
export function importance(space: Space, observations: readonly Observation[]): readonly Importance[] {
  const complete = observations
    .filter(({ state }) => state === 'complete')
    .toSorted((a, b) => a.trial - b.trial);
  const finite = complete.flatMap(({ value }) => (value === null ? [] : [value]));
  const worst = finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const targets = standardized(complete.map(({ value }) => value ?? worst));
  if (finite.length < MIN_TRIALS || !targets) return [];

  const { parameters } = space;
  const random = RandomStream.of(0, 'sweep/importance');
  const kinds = parameters.map(kindOf);
  const totals = new Float64Array(parameters.length);
  for (let fill = 0; fill < TREES / TREES_A_FILL; fill++) {
    const rows = rowsOf(parameters, complete, random);
    for (const leaves of growForest(kinds, rows, targets, TREES_A_FILL, random))
      for (const [i, effect] of mainEffects(kinds, leaves).entries()) totals[i] += effect;
  }
  const total = totals.reduce((sum, effect) => sum + effect, 0);
  if (!(total > 0)) return [];
  return parameters
    .map(({ name }, i) => ({ name, importance: totals[i] / total }))
    .sort((a, b) => b.importance - a.importance);
}

/**
 * Scales to mean 0 and maximum magnitude 1, so that squares do not overflow; undefined if all are
 * equal.
 */
function standardized(values: readonly number[]): Float64Array | undefined {
  const scale = values.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 0) || 1;
  const scaled = values.map(value => value / scale);
  const center = scaled.reduce((sum, value) => sum + value, 0) / scaled.length;
  const spread = scaled.reduce((greatest, value) => Math.max(greatest, Math.abs(value - center)), 0);
  const equal = values.every(value => value === values[0]);
  return equal || spread === 0 ? undefined : Float64Array.from(scaled, value => (value - center) / spread);
}

function kindOf({ distribution }: Parameter): FeatureKind {
  return distribution.kind === 'choice' ? distribution.values.length : 0;
}

function rowsOf(
  parameters: readonly Parameter[],
  observations: readonly Observation[],
  random: RandomStream,
): readonly Float64Array[] {
  const encoders = parameters.map(encoderOf);
  return observations.map(({ point }) =>
    Float64Array.from(encoders, (encode, i) => encode(point) ?? randomFeature(kindOf(parameters[i]), random)),
  );
}

/**
 * Returns a parameter's feature at a point: the index of its choice or the fraction of its axis;
 * undefined if it does not exist.
 */
function encoderOf({ name, distribution }: Parameter): (point: Point) => number | undefined {
  if (distribution.kind === 'choice') {
    const indexOf = choiceIndexer(distribution);
    return point => {
      const index = point[name] === undefined ? -1 : indexOf(point[name]);
      return index < 0 ? undefined : index;
    };
  }
  if (countOf(distribution) === 1) return () => 0;
  const { low, high } = axisOf(distribution);
  return point => {
    const value = point[name];
    if (typeof value !== 'number') return undefined;
    return Math.min(Math.max((coordinateOf(distribution, value) - low) / (high - low), 0), 1);
  };
}

function randomFeature(choices: FeatureKind, random: RandomStream): number {
  return choices > 0 ? random.integer(choices) : random.uniform();
}

/**
 * The variance of each parameter's marginal as a fraction of the tree's variance; zeros if the tree
 * is a single leaf.
 */
function mainEffects(kinds: readonly FeatureKind[], leaves: readonly Leaf[]): readonly number[] {
  const extents = leaves.map(({ sides }) => sides.map((side, i) => extentOf(kinds[i], side)));
  const volumes = extents.map(parts => parts.reduce((product, part) => product * part, 1));
  const mean = leaves.reduce((sum, { value }, leaf) => sum + value * volumes[leaf], 0);
  const variance = leaves.reduce((sum, { value }, leaf) => sum + (value - mean) ** 2 * volumes[leaf], 0);
  if (!(variance > 0)) return kinds.map(() => 0);
  return kinds.map((choices, i) => {
    // the leaf's contribution to the marginal at the values that it covers
    const heights = leaves.map(({ value }, leaf) => ((value - mean) * volumes[leaf]) / extents[leaf][i]);
    const sides = leaves.map(leaf => leaf.sides[i]);
    return (
      (choices > 0 ? choiceVariance(choices, sides, heights) : numberVariance(sides, heights)) / variance
    );
  });
}

/** The fraction of the parameter's values. */
function extentOf(choices: FeatureKind, side: Side): number {
  if (choices > 0) return side.filter(Boolean).length / choices;
  return (side[1] as number) - (side[0] as number);
}

/** The mean square of the marginal, whose mean is 0. */
function choiceVariance(choices: number, sides: readonly Side[], heights: readonly number[]): number {
  const marginal = Float64Array.from({ length: choices }, (_, choice) =>
    sides.reduce((sum, side, leaf) => sum + (side[choice] ? heights[leaf] : 0), 0),
  );
  return marginal.reduce((sum, height) => sum + height ** 2, 0) / choices;
}

/** The same for a number: the marginal is constant between the ends of the leaves' intervals. */
function numberVariance(sides: readonly Side[], heights: readonly number[]): number {
  const steps = sides.flatMap((side, leaf) => [
    [side[0] as number, heights[leaf]],
    [side[1] as number, -heights[leaf]],
  ]);
  steps.sort(([a], [b]) => a - b);
  let [at, height, sum] = [0, 0, 0];
  for (const [end, step] of steps) {
    sum += height ** 2 * (end - at);
    at = end;
    height += step;
  }
  return sum;
}

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
 * A random forest for regression: L. Breiman, "Random Forests", Machine Learning 45 (2001). The
 * leaves of a tree are boxes that tile the space, so averages over any part of it are exact. Grows
 * each tree in full on a bootstrap sample.
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
