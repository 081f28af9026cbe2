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

/** Number of choices of a feature, each a part of [0, 1] of the same length; 0 for a number. */
type FeatureKind = number;

/** One side of a box: the parts of [0, 1] that it covers. */
type Side = readonly (readonly [low: number, high: number])[];

interface Leaf {
  readonly sides: readonly Side[];
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
  const kinds = parameters.map(({ distribution: one }) => (one.kind === 'choice' ? one.values.length : 0));
  const encoders = parameters.map(encoderOf);
  const totals = new Float64Array(parameters.length);
  for (let fill = 0; fill < TREES / TREES_A_FILL; fill++) {
    const rows = trials.map(({ point }) =>
      Float64Array.from(encoders, (encode, i) => encode(point) ?? randomFeature(kinds[i], random)),
    );
    for (let tree = 0; tree < TREES_A_FILL; tree++) {
      const leaves = growTree({ kinds, rows, targets }, random);
      for (const [i, effect] of mainEffects(leaves, kinds.length).entries()) totals[i] += effect;
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

/** The middle of a choice's part of [0, 1]. */
function choiceFeature(choice: number, choices: number): number {
  return (choice + 0.5) / choices;
}

/** Returns a parameter's feature at a point, in [0, 1]; undefined if it does not exist. */
function encoderOf({ name, distribution }: Parameter): (point: Point) => number | undefined {
  if (distribution.kind === 'choice') {
    const indexOf = choiceIndexer(distribution);
    return point => {
      const index = point[name] === undefined ? -1 : indexOf(point[name]);
      return index < 0 ? undefined : choiceFeature(index, distribution.values.length);
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
  return choices > 0 ? choiceFeature(random.integer(choices), choices) : random.uniform();
}

/** Each marginal's variance as a fraction of the tree's; zeros for a single leaf. */
function mainEffects(leaves: readonly Leaf[], parameters: number): readonly number[] {
  const extents = leaves.map(({ sides }) =>
    sides.map(side => side.reduce((sum, [low, high]) => sum + (high - low), 0)),
  );
  const volumes = extents.map(parts => parts.reduce((product, part) => product * part, 1));
  const mean = leaves.reduce((sum, { value }, leaf) => sum + value * volumes[leaf], 0);
  const variance = leaves.reduce((sum, { value }, leaf) => sum + (value - mean) ** 2 * volumes[leaf], 0);
  return Array.from({ length: parameters }, (_, i) => {
    if (!(variance > 0)) return 0;
    // the leaf's contribution to the marginal at the values that it covers
    const steps = leaves.flatMap(({ sides, value }, leaf) => {
      const height = ((value - mean) * volumes[leaf]) / extents[leaf][i];
      return sides[i].flatMap(([low, high]) => [
        [low, height],
        [high, -height],
      ]);
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
  readonly kinds: readonly FeatureKind[];
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
  const { kinds, rows } = data;
  const sample = Uint32Array.from({ length: Math.min(rows.length, MAX_ROWS) }, () =>
    random.integer(rows.length),
  );
  const orders = kinds.map((_, feature) => sample.toSorted((a, b) => rows[a][feature] - rows[b][feature]));
  const whole = kinds.map(
    (choices): Side =>
      Array.from({ length: choices || 1 }, (_, i) => [i / (choices || 1), (i + 1) / (choices || 1)]),
  );
  return leavesOf(data, orders, whole);
}

/** @param orders the rows of a node, sorted by each feature */
function leavesOf(data: Data, orders: readonly Uint32Array[], sides: readonly Side[]): readonly Leaf[] {
  const { rows, targets } = data;
  const cut = bestCut(data, orders, sides);
  if (!cut) {
    const sum = orders[0].reduce((total, row) => total + targets[row], 0);
    return [{ sides, value: sum / orders[0].length }];
  }
  const { feature } = cut;
  const isLeft = (row: number) =>
    cut.left.some(([low, high]) => low <= rows[row][feature] && rows[row][feature] <= high);
  const left = orders.map(order => order.filter(isLeft));
  const right = orders.map(order => order.filter(row => !isLeft(row)));
  return [
    ...leavesOf(data, left, sides.with(feature, cut.left)),
    ...leavesOf(data, right, sides.with(feature, cut.right)),
  ];
}

interface Cut {
  readonly feature: number;
  readonly gain: number;
  readonly left: Side;
  readonly right: Side;
}

/** The best split; undefined if all targets are equal or no feature separates the rows. */
function bestCut(
  { kinds, rows, targets }: Data,
  orders: readonly Uint32Array[],
  sides: readonly Side[],
): Cut | undefined {
  if (orders[0].every(row => targets[row] === targets[orders[0][0]])) return undefined;
  let best: Cut | undefined;
  for (const [feature, order] of orders.entries()) {
    const values = gathered(order, row => rows[row][feature]);
    const ordered = gathered(order, row => targets[row]);
    const cutOf = kinds[feature] > 0 ? choiceCut : numberCut;
    const cut = cutOf(values, ordered, sides[feature], kinds[feature]);
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

type FeatureCut = Omit<Cut, 'feature'> | undefined;

/** The midpoint between two adjacent values; `values` ascend. */
function numberCut(values: Float64Array, targets: Float64Array, [[low, high]]: Side): FeatureCut {
  const ones = new Float64Array(values.length).fill(1);
  const found = bestPrefix(targets, ones, i => values[i] < values[i + 1]);
  if (!found) return undefined;
  const [below, above] = [values[found.end], values[found.end + 1]];
  // the midpoint of two adjacent floats may equal the upper one
  const middle = Math.max(below, Math.min((below + above) / 2, above - Number.EPSILON / 4));
  return { gain: found.gain, left: [[low, middle]], right: [[middle, high]] };
}

/** By mean, the best subset is one of the first few (W. D. Fisher, JASA 53, 1958). */
function choiceCut(values: Float64Array, targets: Float64Array, side: Side, choices: number): FeatureCut {
  const counts = new Float64Array(choices);
  const sums = new Float64Array(choices);
  const choiceOf = (value: number) => Math.floor(value * choices);
  for (const [i, value] of values.entries()) {
    counts[choiceOf(value)]++;
    sums[choiceOf(value)] += targets[i];
  }
  const order = Uint32Array.from(counts.keys())
    .filter(choice => counts[choice] > 0)
    .sort((a, b) => sums[a] / counts[a] - sums[b] / counts[b]);
  const found = bestPrefix(
    gathered(order, choice => sums[choice]),
    gathered(order, choice => counts[choice]),
    () => true,
  );
  if (!found) return undefined;
  const prefix = order.subarray(0, found.end + 1);
  // a choice without rows goes to the right side
  const isLeft = ([low, high]: Side[number]) => prefix.includes(choiceOf((low + high) / 2));
  return { gain: found.gain, left: side.filter(isLeft), right: side.filter(part => !isLeft(part)) };
}

/** Cuts in two parts with the least squared deviations from their means. */
function bestPrefix(
  sums: Float64Array,
  counts: Float64Array,
  mayEnd: (i: number) => boolean,
): { readonly end: number; readonly gain: number } | undefined {
  const total = sums.reduce((all, one) => all + one, 0);
  const size = counts.reduce((all, one) => all + one, 0);
  let best: { end: number; gain: number } | undefined;
  let [sum, count] = [0, 0];
  for (let end = 0; end < sums.length - 1; end++) {
    sum += sums[end];
    count += counts[end];
    if (!mayEnd(end)) continue;
    const gain = (sum / count - (total - sum) / (size - count)) ** 2 * ((count * (size - count)) / size);
    if (!best || gain > best.gain) best = { end, gain };
  }
  return best;
}
