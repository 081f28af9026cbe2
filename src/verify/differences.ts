/**
 * Numerical derivatives: central differences at shrinking steps, extrapolated to step zero
 * (Richardson's scheme with the error estimate of Ridders, 1982, Accurate computation of F'(x) and
 * F'(x) F''(x)).
 */

export interface Derivative {
  readonly value: number;
  /**
   * Estimated error of `value`: that of the extrapolation plus the rounding error of the
   * differences.
   */
  readonly uncertainty: number;
}

const FIRST_STEP = 1e-3;
/** Each step is the previous one divided by this. */
const SHRINK = 4;
const MAX_STEPS = 6;
/** Assumed error of a loss value, in units of its rounding error. */
const ROUNDINGS = 8;

/**
 * The derivative of `f` at 0. Stops at the first step whose uncertainty is at most `enough`. Near a
 * kink, small steps may be needed before the differences converge.
 */
export async function differentiateAtZero(
  f: (x: number) => Promise<number>,
  enough: number,
): Promise<Derivative> {
  let best: Derivative = { value: Number.NaN, uncertainty: Number.POSITIVE_INFINITY };
  let before: number[] = [];
  for (let i = 0; i < MAX_STEPS; i++) {
    const step = FIRST_STEP / SHRINK ** i;
    const [above, below] = [await f(step), await f(-step)];
    const row = extrapolate((above - below) / (2 * step), before);
    const rounding = (ROUNDINGS * Number.EPSILON * Math.max(Math.abs(above), Math.abs(below))) / step;
    const found = bestOf(row, before, rounding);
    if (found.uncertainty < best.uncertainty) best = found;
    if (best.uncertainty <= enough) break;
    before = row;
  }
  return best;
}

/** Neville's scheme: each column eliminates another even power of the step from the error. */
function extrapolate(difference: number, before: readonly number[]): number[] {
  const row = [difference];
  before.forEach((coarser, j) => {
    const power = SHRINK ** (2 * (j + 1));
    row.push((power * row[j] - coarser) / (power - 1));
  });
  return row;
}

/**
 * The extrapolated value with the least uncertainty: its distance from the two values it combines,
 * plus `rounding`.
 */
function bestOf(row: readonly number[], before: readonly number[], rounding: number): Derivative {
  let best: Derivative = { value: row[0], uncertainty: Number.POSITIVE_INFINITY };
  before.forEach((coarser, j) => {
    const value = row[j + 1];
    const uncertainty = Math.max(Math.abs(value - row[j]), Math.abs(value - coarser)) + rounding;
    if (uncertainty < best.uncertainty) best = { value, uncertainty };
  });
  return best;
}
