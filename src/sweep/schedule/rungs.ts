/** Geometric rungs, as in successive halving. */

export interface RungOptions {
  readonly min_epochs: number;
  /** eta. */
  readonly reduction_factor: number;
}

/** min_epochs * eta^k below `epochs`, rounded down to whole epochs, followed by `epochs`. */
export function rungEpochs({ min_epochs, reduction_factor }: RungOptions, epochs: number): readonly number[] {
  if (!(min_epochs >= 1 && reduction_factor > 1))
    throw new Error(
      `rungs cannot start at ${min_epochs} epochs with a reduction factor of ${reduction_factor}`,
    );
  const rungs: number[] = [];
  for (let rung = min_epochs; rung < epochs; rung *= reduction_factor) {
    const whole = Math.floor(rung);
    // with a factor below 2, rungs may differ by less than an epoch
    if (whole !== rungs.at(-1)) rungs.push(whole);
  }
  return [...rungs, epochs];
}
