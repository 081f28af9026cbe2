/**
 * A density over points from observed ones: a mixture with one product of kernels for each
 * observation and one for the prior. J. Bergstra et al., "Algorithms for Hyper-Parameter
 * Optimization", NIPS 2011; multivariate as in S. Falkner et al., "BOHB", ICML 2018; the constants
 * are those that S. Watanabe, "Tree-Structured Parzen Estimator", arXiv:2304.11127 (2023),
 * describes and compares.
 */
import type { RandomStream } from '../../util/random.js';
import type { Parameter, Point, Value } from '../space.js';
import { type Kernels, kernelsOf } from './kernels.js';

/** Number of latest observations with full weight. */
const RECENT = 25;
const PRIOR_WEIGHT = 1;

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

/**
 * The weights of the observations, oldest first, and of the prior. The last 25 weigh the same;
 * older ones fall linearly to 1/n for the oldest. They sum to 1.
 */
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
