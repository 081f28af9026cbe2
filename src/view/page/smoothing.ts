/** Smooths curves. */

interface Points {
  readonly steps: readonly number[];
  readonly values: readonly (number | null | undefined)[];
  /** Number of measurements from which the points were selected. */
  readonly count: number;
}

/**
 * The exponential moving average with bias correction, as in TensorBoard: of measurements v_1, v_2,
 * … it is at the n-th sum_i w^(n-i) v_i / sum_i w^(n-i), so that the first value is the first
 * measurement. In general w is raised to the distance of two points in units of `spacing`: a long
 * curve, of which only some measurements are kept, looks as if all were, and curves in one chart
 * are smoothed over the same steps, however often they were measured. What was not finite stays a
 * gap and is not averaged.
 * @param weight w, from 0 (nothing is smoothed) to below 1
 * @param spacing steps between two measurements; see `spacingOf`
 */
export function smoothed(
  { steps, values }: Pick<Points, 'steps' | 'values'>,
  weight: number,
  spacing: number,
): (number | null | undefined)[] {
  let [sum, weights] = [0, 0];
  let before: number | undefined;
  return values.map((value, i) => {
    if (value === null || value === undefined) return value;
    const decay = before === undefined ? 0 : weight ** ((steps[i] - before) / spacing);
    before = steps[i];
    sum = sum * decay + value;
    weights = weights * decay + 1;
    return sum / weights;
  });
}

/** The average number of steps between measurements; infinite if there is only one. */
export function spacingOf({ steps, count }: Pick<Points, 'steps' | 'count'>): number {
  const span = steps[steps.length - 1] - steps[0];
  return span > 0 && count > 1 ? span / (count - 1) : Number.POSITIVE_INFINITY;
}
