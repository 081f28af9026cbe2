/**
 * The importance of parameters: functional analysis of variance of a random forest, after F.
 * Hutter, H. Hoos and K. Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
 * Importance", ICML 2014. The forest predicts the objective. A parameter's main effect is the
 * variance of its marginal: the prediction averaged over all values of the other parameters.
 */
import { RandomStream } from '../../util/random.js';
import type { Parameter, Point, Space } from '../space.js';
import { type FeatureKind, growForest, type Leaf, type Side } from './forest.js';
import type { Observation } from './sampler.js';
import { axisOf, choiceIndexer, coordinateOf, countOf } from './scale.js';

const TREES = 64;
/** Trees that share the same random values for absent parameters. */
const TREES_A_FILL = 4;
/** Minimum number of complete trials. */
const MIN_TRIALS = 4;

export interface Importance {
  readonly name: string;
  /** In [0, 1]; the shares sum to 1. */
  readonly importance: number;
}

/**
 * Each parameter's share of the main effects, largest first. Interactions are ignored, so a
 * parameter that acts only through others has a small share. Only complete trials count, since
 * values after different epochs are not comparable; a null value counts as the worst value of the
 * others. Where a parameter does not exist it has no effect: there it gets random values. A
 * parameter's measure is uniform on its axis (logarithmic for `log_*`). Empty if fewer than 4
 * complete trials have a value or all are equal.
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
      for (const [i, share] of mainEffects(kinds, leaves).entries()) totals[i] += share;
  }
  const total = totals.reduce((sum, share) => sum + share, 0);
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
 * The variance of each parameter's marginal as a share of the tree's variance; zeros if the tree is
 * a single leaf.
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
