/**
 * The importance of parameters: functional analysis of variance of a random forest, after F.
 * Hutter, H. Hoos and K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
 * Importance", ICML 2014. The forest predicts the objective. A parameter's main effect is the
 * variance of its marginal: the prediction averaged over all values of the other parameters.
 */
import { RandomStream } from '../../util/random.js';
import type { Observation } from './grid.js';
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
const MIN_TRIALS = 4;
/** Maximum number of rows per tree; more take time and change little. */
const MAX_ROWS = 1000;

export interface Importance {
  readonly name: string;
  /** In [0, 1]; all of them sum to 1. */
  readonly importance: number;
}

/** A leaf of a tree: a box in [0, 1]^d, and the mean of the targets in it. */
interface Leaf {
  readonly low: readonly number[];
  readonly high: readonly number[];
  readonly value: number;
}

/**
 * Each parameter's fraction of the main effects, largest first. Interactions are ignored, so a
 * parameter that acts only through others has a small one. A null value counts as the worst value
 * of the others. Where a parameter does not exist it has no effect: there it gets random values. A
 * parameter's measure is uniform on its axis (logarithmic for `log_*`). Empty if fewer than 4
 * trials have a value or all are equal.
 * @param trials measured after the same number of epochs, in their order
 */
export function importance(
  space: Space,
  trials: readonly Pick<Observation, 'point' | 'value'>[],
): readonly Importance[] {
  const finite = trials.flatMap(({ value }) => (value === null ? [] : [value]));
  const worst = finite.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const targets = standardized(trials.map(({ value }) => value ?? worst));
  if (finite.length < MIN_TRIALS || !targets) return [];

  const { parameters } = space;
  const random = RandomStream.of(0, 'sweep/importance');
  const encoders = parameters.map(encoderOf);
  const totals = new Float64Array(parameters.length);
  for (let fill = 0; fill < TREES / TREES_A_FILL; fill++) {
    const rows = trials.map(({ point }) => Float64Array.from(encoders, encode => encode(point, random)));
    for (let tree = 0; tree < TREES_A_FILL; tree++) {
      const leaves = growTree({ rows, targets }, random);
      for (const [i, effect] of mainEffects(leaves, parameters.length).entries()) totals[i] += effect;
    }
  }
  const total = totals.reduce((sum, effect) => sum + effect, 0);
  if (!(total > 0)) return [];
  return parameters
    .map(({ name }, i) => ({ name, importance: totals[i] / total }))
    .sort((a, b) => b.importance - a.importance);
}

/** Scales to mean 0 and maximum magnitude 1; undefined if all are equal. */
function standardized(values: readonly number[]): Float64Array | undefined {
  const scale = values.reduce((greatest, value) => Math.max(greatest, Math.abs(value)), 0) || 1;
  const scaled = values.map(value => value / scale);
  const center = scaled.reduce((sum, value) => sum + value, 0) / scaled.length;
  const spread = scaled.reduce((greatest, value) => Math.max(greatest, Math.abs(value - center)), 0);
  const equal = values.every(value => value === values[0]);
  return equal || spread === 0 ? undefined : Float64Array.from(scaled, value => (value - center) / spread);
}

/**
 * Returns a parameter's feature at a point, in [0, 1], which is random if it does not exist. Each
 * choice has a part of the same length, in their order, and its feature is the middle of it.
 */
function encoderOf({ name, distribution }: Parameter): (point: Point, random: RandomStream) => number {
  if (distribution.kind === 'choice') {
    const indexOf = choiceIndexer(distribution);
    const choices = distribution.values.length;
    return (point, random) => {
      const index = point[name] === undefined ? -1 : indexOf(point[name]);
      return ((index < 0 ? random.integer(choices) : index) + 0.5) / choices;
    };
  }
  if (countOf(distribution) === 1) return () => 0;
  const { low, high } = axisOf(distribution);
  return (point, random) => {
    const value = point[name];
    if (typeof value !== 'number') return random.uniform();
    return Math.min(Math.max((coordinateOf(distribution, value) - low) / (high - low), 0), 1);
  };
}

/** Each marginal's variance as a fraction of the tree's; zeros for a single leaf. */
function mainEffects(leaves: readonly Leaf[], parameters: number): readonly number[] {
  const extents = leaves.map(({ low, high }) => low.map((start, i) => high[i] - start));
  const volumes = extents.map(parts => parts.reduce((product, part) => product * part, 1));
  const mean = leaves.reduce((sum, { value }, leaf) => sum + value * volumes[leaf], 0);
  const variance = leaves.reduce((sum, { value }, leaf) => sum + (value - mean) ** 2 * volumes[leaf], 0);
  return Array.from({ length: parameters }, (_, i) => {
    if (!(variance > 0)) return 0;
    // the leaf's contribution to the marginal at the values that it covers
    const steps = leaves.flatMap(({ low, high, value }, leaf) => {
      const height = ((value - mean) * volumes[leaf]) / extents[leaf][i];
      return [
        [low[i], height],
        [high[i], -height],
      ];
    });
    return meanSquare(steps) / variance;
  });
}

/** The mean square of a function on [0, 1] that changes by `step` at each place. */
function meanSquare(steps: number[][]): number {
  steps.sort(([a], [b]) => a - b);
  let [at, height, sum] = [0, 0, 0];
  for (const [end, step] of steps) {
    sum += height ** 2 * (end - at);
    at = end;
    height += step;
  }
  return sum;
}

interface Data {
  /** One number in [0, 1] per feature. */
  readonly rows: readonly Float64Array[];
  readonly targets: Float64Array;
}

/**
 * A tree of a random forest for regression: L. Breiman, "Random Forests", Machine Learning 45
 * (2001), grown in full on a bootstrap sample. Its leaves are boxes that tile the space, so
 * averages over any part of it are exact.
 */
function growTree(data: Data, random: RandomStream): readonly Leaf[] {
  const { rows } = data;
  const sample = Uint32Array.from({ length: Math.min(rows.length, MAX_ROWS) }, () =>
    random.integer(rows.length),
  );
  const low = Array.from(rows[0], () => 0);
  const orders = low.map((_, feature) => sample.toSorted((a, b) => rows[a][feature] - rows[b][feature]));
  return leavesOf(data, orders, { low, high: low.map(() => 1) });
}

/** @param orders the rows of a node, sorted by each feature */
function leavesOf(data: Data, orders: readonly Uint32Array[], box: Omit<Leaf, 'value'>): readonly Leaf[] {
  const { rows, targets } = data;
  const cut = bestCut(data, orders);
  if (!cut) {
    const sum = orders[0].reduce((total, row) => total + targets[row], 0);
    return [{ ...box, value: sum / orders[0].length }];
  }
  const { feature, at } = cut;
  const left = orders.map(order => order.filter(row => rows[row][feature] <= at));
  const right = orders.map(order => order.filter(row => rows[row][feature] > at));
  return [
    ...leavesOf(data, left, { ...box, high: box.high.with(feature, at) }),
    ...leavesOf(data, right, { ...box, low: box.low.with(feature, at) }),
  ];
}

/**
 * The cut in two parts with the least squared deviations from their means, in the middle between
 * two adjacent values; undefined if all targets are equal or no feature separates the rows.
 */
function bestCut({ rows, targets }: Data, orders: readonly Uint32Array[]) {
  const [any] = orders;
  if (any.every(row => targets[row] === targets[any[0]])) return undefined;
  const total = any.reduce((sum, row) => sum + targets[row], 0);
  let best: { readonly feature: number; readonly at: number; readonly gain: number } | undefined;
  for (const [feature, order] of orders.entries()) {
    const size = order.length;
    let sum = 0;
    for (let count = 1; count < size; count++) {
      sum += targets[order[count - 1]];
      const [below, above] = [rows[order[count - 1]][feature], rows[order[count]][feature]];
      if (below === above) continue;
      const gain = (sum / count - (total - sum) / (size - count)) ** 2 * ((count * (size - count)) / size);
      if (best && gain <= best.gain) continue;
      // the midpoint of two adjacent floats may equal the upper one
      const at = Math.max(below, Math.min((below + above) / 2, above - Number.EPSILON / 4));
      best = { feature, at, gain };
    }
  }
  return best;
}
