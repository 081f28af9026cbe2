/**
 * The tree-structured Parzen estimator: chooses points that are much likelier among the best
 * results than among the rest. See Bergstra et al. (2011) and the papers below. Parameters that
 * exist at the same points form a group and are estimated together. Names and rules are those of
 * Optuna's TPESampler with `multivariate`, `group` and `constant_liar`, with three differences: the
 * first points come from a Sobol sequence, kernels are narrower, and points of a finite space do
 * not repeat.
 */

import { normalDensity, normalMass, SQRT_2PI, truncatedNormal } from '../../util/normal.js';
import { RandomStream } from '../../util/random.js';
import { integer, section, tag } from '../../util/schema.js';
import { type Observation, random, searchMethod, Untried } from './grid.js';
import { MAX_SOBOL_DIMENSIONS, sobol } from './sobol.js';
import {
  axisOf,
  type Choice,
  canonical,
  choiceIndexer,
  coordinateOf,
  countOf,
  type Distribution,
  exists,
  isWhole,
  type Numeric,
  type Parameter,
  type Point,
  type Space,
  type Value,
  valueAt,
  valueAtCoordinate,
} from './space.js';

/** Attempts to find an allowed new point before one is drawn at random. */
const MAX_ATTEMPTS = 20;
const MAX_BEST = 25;

export const tpe = searchMethod({
  settings: section(
    {
      kind: tag('tpe', { description: 'Tree-structured Parzen estimator.' }),
      n_startup_trials: integer({
        description: 'Number of first trials that are chosen without results.',
        min: 1,
        max: 1e6,
        default: 10,
        aliases: ['startup', 'n_initial_points'],
      }),
      n_ei_candidates: integer({
        description: 'Number of candidates per suggestion; the most promising one is chosen.',
        min: 1,
        max: 10_000,
        default: 24,
        aliases: ['candidates'],
      }),
    },
    {},
  ),
  blindTrials: ({ n_startup_trials }) => n_startup_trials,
  create(space, { n_startup_trials, n_ei_candidates }, seed) {
    const groups = groupsOf(space);
    // a Sobol sequence covers the space more evenly than random points, but has limited dimensions
    const startup =
      space.parameters.length <= MAX_SOBOL_DIMENSIONS
        ? sobol.create(space, { kind: 'sobol' }, seed)
        : random.create(space, { kind: 'random' }, seed);
    return {
      suggest(trial, finished, pending) {
        const observed = finished.filter(({ state }) => state !== 'failed').length;
        if (observed < n_startup_trials) return startup.suggest(trial, finished, pending);
        const stream = RandomStream.of(seed, `sweep/tpe/${trial}`);
        const untried = new Untried(space, [...finished.map(({ point }) => point), ...pending]);
        const split = splitObservations(finished, pending);
        const estimated = groups.map(group => estimatedGroup(group, split));
        for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
          let point: Point | undefined = {};
          for (const group of estimated)
            if (point && exists(group.first, point))
              point = extended(untried, point, group, n_ei_candidates, stream);
          if (point) return inOrder(space, point);
        }
        return untried.draw(stream);
      },
    };
  },
});

type Split = ReturnType<typeof splitObservations>;

/**
 * Splits off the best tenth, at most 25. Complete trials rank before pruned ones, which rank by
 * their epochs; then lower values rank first. A failed trial is never good. A pending one counts as
 * bad ("literal liar": Ginsbourger et al. 2010), so that concurrent trials explore different
 * points.
 */
export function splitObservations(finished: readonly Observation[], pending: readonly Point[]) {
  const byAge = finished.toSorted((a, b) => a.trial - b.trial);
  const ranked = byAge.filter(({ state }) => state !== 'failed').sort(byMerit);
  const count = Math.min(Math.ceil(0.1 * ranked.length), MAX_BEST);
  const best = new Set(ranked.slice(0, count));
  return {
    best: byAge.filter(observation => best.has(observation)).map(({ point }) => point),
    rest: [...byAge.filter(observation => !best.has(observation)).map(({ point }) => point), ...pending],
  };
}

function byMerit(a: Observation, b: Observation): number {
  if (a.state !== b.state) return a.state === 'complete' ? -1 : 1;
  if (a.state === 'pruned' && a.epochs !== b.epochs) return b.epochs - a.epochs;
  const [x, y] = [a, b].map(({ value }) => value ?? Number.POSITIVE_INFINITY);
  return x === y ? 0 : x - y;
}

function groupsOf({ parameters }: Space): readonly (readonly Parameter[])[] {
  const groups = new Map<string, Parameter[]>();
  for (const parameter of parameters) {
    const { condition } = parameter;
    const key = condition ? canonical({ name: condition.name, values: condition.values }) : '';
    groups.set(key, [...(groups.get(key) ?? []), parameter]);
  }
  return [...groups.values()];
}

function estimatedGroup(group: readonly Parameter[], { best, rest }: Split) {
  const single = group.filter(({ distribution }) => countOf(distribution) === 1);
  const searched = group.filter(({ distribution }) => countOf(distribution) > 1);
  const estimator = (points: readonly Point[]) =>
    new ParzenEstimator(
      searched,
      points.filter(point => group.every(({ name }) => point[name] !== undefined)),
    );
  const fixed = Object.fromEntries(single.map(({ name, distribution }) => [name, valueAt(distribution, 0)]));
  return { first: group[0], fixed, good: estimator(best), bad: estimator(rest) };
}

/** The point with the allowed candidate that has the largest ratio of the two densities. */
function extended(
  untried: Untried,
  point: Point,
  { fixed, good, bad }: ReturnType<typeof estimatedGroup>,
  candidates: number,
  random: RandomStream,
): Point | undefined {
  let chosen: Point | undefined;
  let greatest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < candidates; i++) {
    const candidate = good.sample(random);
    const whole = { ...point, ...fixed, ...candidate };
    if (!untried.has(whole)) continue;
    const merit = good.logDensity(candidate) - bad.logDensity(candidate);
    if (merit > greatest) [chosen, greatest] = [whole, merit];
  }
  return chosen;
}

function inOrder({ parameters }: Space, point: Point): Point {
  return Object.fromEntries(
    parameters.flatMap(({ name }) => (point[name] === undefined ? [] : [[name, point[name]]])),
  );
}

/** Number of latest observations with full weight. */
const RECENT = 25;
const PRIOR_WEIGHT = 1;

/**
 * A density over points from observed ones: a mixture with one product of kernels for each
 * observation and one for the prior. J. Bergstra et al., "Algorithms for Hyper-Parameter
 * Optimization", NIPS 2011; multivariate as in S. Falkner et al., "BOHB", ICML 2018; the constants
 * are those that S. Watanabe, "Tree-Structured Parzen Estimator", arXiv:2304.11127 (2023),
 * describes and compares.
 */
export class ParzenEstimator {
  private readonly kernels: readonly Kernels[];
  private readonly weights: Float64Array;
  private readonly logWeights: Float64Array;
  private readonly sums: Float64Array;

  /** `points` have all of `parameters`, oldest first. */
  constructor(
    private readonly parameters: readonly Parameter[],
    points: readonly Point[],
  ) {
    this.weights = mixtureWeights(points.length);
    this.logWeights = this.weights.map(Math.log);
    this.sums = new Float64Array(points.length + 1);
    this.kernels = parameters.map(({ name, distribution }) =>
      kernelsOf(
        distribution,
        points.map(point => point[name]),
        parameters.length,
      ),
    );
  }

  sample(random: RandomStream): Point {
    const kernel = this.chosenKernel(random.uniform());
    const entries = this.parameters.map(({ name }, i): [string, Value] => [
      name,
      this.kernels[i].sample(kernel, random),
    ]);
    return Object.fromEntries(entries);
  }

  /** The logarithm of the density at a point that has all the parameters. */
  logDensity(point: Point): number {
    const { sums } = this;
    sums.set(this.logWeights);
    for (const [i, { name }] of this.parameters.entries()) this.kernels[i].addLogDensities(point[name], sums);
    // the prior's kernel is positive everywhere, so that the greatest sum is finite
    let greatest = Number.NEGATIVE_INFINITY;
    for (const sum of sums) greatest = Math.max(greatest, sum);
    let total = 0;
    for (const sum of sums) total += Math.exp(sum - greatest);
    return greatest + Math.log(total);
  }

  private chosenKernel(u: number): number {
    let left = u;
    for (const [kernel, weight] of this.weights.entries()) {
      left -= weight;
      if (left < 0) return kernel;
    }
    return this.weights.length - 1;
  }
}

/** Equal for the prior and the last 25 observations; older ones fall linearly to 1/n. */
function mixtureWeights(n: number): Float64Array {
  const ramp = Math.max(n - RECENT, 0);
  const weights = Float64Array.from({ length: n + 1 }, (_, i) => {
    if (i === n) return PRIOR_WEIGHT;
    if (i >= ramp) return 1;
    return ramp === 1 ? 1 / n : 1 / n + ((1 - 1 / n) * i) / (ramp - 1);
  });
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map(weight => weight / total);
}

/** Below this width in standard deviations, a difference of masses would cancel. */
const NARROW = 1e-4;

/** The kernels of one parameter: one for each observed value, the last for the prior. */
export interface Kernels {
  /** A value drawn from kernel number `kernel`. */
  sample(kernel: number, random: RandomStream): Value;
  /** Adds the logarithm of each kernel's density or probability at `value`. */
  addLogDensities(value: Value, sums: Float64Array): void;
}

/** @param dimensions number of parameters that are estimated together */
export function kernelsOf(
  distribution: Distribution,
  observed: readonly Value[],
  dimensions: number,
): Kernels {
  return distribution.kind === 'choice'
    ? choiceKernels(distribution, observed)
    : numericKernels(distribution, observed as readonly number[], dimensions);
}

/**
 * In a kernel, each of the C choices has the weight w/(n+1) of the prior, and its own choice 1
 * more; the prior weighs all equally. A choice that is not in the space (any more) counts as the
 * prior.
 */
function choiceKernels(distribution: Choice, observed: readonly Value[]): Kernels {
  const choices = distribution.values.length;
  const kernels = observed.length + 1;
  const indexOf = choiceIndexer(distribution);
  const owned = observed.map(indexOf);
  const other = PRIOR_WEIGHT / kernels;
  const total = choices * other + 1;
  const [logOther, logOwn, logPrior] = [other / total, (1 + other) / total, 1 / choices].map(Math.log);
  return {
    sample(kernel, random) {
      const choice = owned[kernel] ?? -1;
      if (choice < 0 || random.uniform() * total >= 1) return distribution.values[random.integer(choices)];
      return distribution.values[choice];
    },
    addLogDensities(value, sums) {
      const index = indexOf(value);
      for (const [kernel, choice] of owned.entries())
        sums[kernel] += choice < 0 ? logPrior : choice === index ? logOwn : logOther;
      sums[observed.length] += logPrior;
    },
  };
}

/**
 * Normal kernels of equal width, truncated at the ends of the axis: σ = 0.14 R n^(-1/(d+4)),
 * Scott's rule for n values of d parameters on an axis of length R, but at least R / min(100,
 * (n+2)²). The prior is centred on the axis, with its length as σ. An integer has the probability
 * of its cell. Optuna's rule differs in the factor 0.2 and n+2; test/search-bench/README.md
 * compares them.
 */
function numericKernels(distribution: Numeric, observed: readonly number[], dimensions: number): Kernels {
  const { low, high } = axisOf(distribution);
  const range = high - low;
  const n = observed.length;
  const scott = 0.14 * Math.max(n, 1) ** (-1 / (dimensions + 4)) * range;
  const sigma = Math.max(scott, range / Math.min(100, (n + 2) ** 2));
  const mus = Float64Array.from([
    ...observed.map(value => coordinateOf(distribution, value)),
    (low + high) / 2,
  ]);
  const sigmas = new Float64Array(n + 1).fill(sigma);
  sigmas[n] = range;
  // the probability within the truncation
  const masses = mus.map((mu, k) => normalMass((low - mu) / sigmas[k], (high - mu) / sigmas[k]));
  const logScales = masses.map((mass, k) => Math.log(SQRT_2PI * sigmas[k] * mass));
  const half = isWhole(distribution) ? distribution.step / 2 : 0;
  return {
    sample(kernel, random) {
      return valueAtCoordinate(distribution, truncatedNormal(random, mus[kernel], sigmas[kernel], low, high));
    },
    addLogDensities(value, sums) {
      const [left, x, right] = [-half, 0, half].map(by => coordinateOf(distribution, (value as number) + by));
      for (let k = 0; k <= n; k++) {
        const z = (x - mus[k]) / sigmas[k];
        sums[k] += isWhole(distribution)
          ? Math.log(cellMass(left - mus[k], right - mus[k], sigmas[k]) / masses[k])
          : -((z * z) / 2 + logScales[k]);
      }
    },
  };
}

function cellMass(left: number, right: number, sigma: number): number {
  const [a, b] = [left / sigma, right / sigma];
  return b - a < NARROW ? normalDensity((a + b) / 2) * (b - a) : normalMass(a, b);
}
