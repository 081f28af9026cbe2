/** Medians, quartiles and the noise of ratios. */

export interface Spread {
  readonly q1: number;
  readonly median: number;
  readonly q3: number;
}

/**
 * Quartiles by linear interpolation between order statistics (Hyndman and Fan 1996, type 7: NumPy's
 * default).
 */
export function spreadOf(values: readonly number[]): Spread {
  if (values.length === 0) throw new RangeError('no values');
  const sorted = [...values].sort((a, b) => a - b);
  const at = (fraction: number) => {
    const position = fraction * (sorted.length - 1);
    const below = Math.floor(position);
    const above = Math.min(below + 1, sorted.length - 1);
    return sorted[below] + (position - below) * (sorted[above] - sorted[below]);
  };
  return { q1: at(0.25), median: at(0.5), q3: at(0.75) };
}

export function medianOf(values: readonly number[]): number {
  return spreadOf(values).median;
}

/**
 * Time of `ours` over time of `other`, round by round: both halves of a ratio were measured within
 * the same moments, so what slows the machine down for a while cancels.
 */
export function ratioOf(ours: readonly number[], other: readonly number[]): Spread {
  if (ours.length !== other.length) throw new RangeError('ratios need as many rounds of one as of the other');
  return spreadOf(ours.map((time, round) => time / other[round]));
}

/**
 * Half the interquartile range over the median, which a difference may have below 0: how far a
 * figure is off, relative to itself.
 */
export function noiseOf({ q1, median, q3 }: Spread): number {
  return (q3 - q1) / 2 / Math.abs(median);
}
