/** Rungs that grow geometrically, as successive halving has them. */

export interface RungOptions {
  readonly min_epochs: number;
  /** eta. */
  readonly reduction_factor: number;
}

/** min_epochs * eta^k below `epochs`, in whole epochs, and then `epochs`. */
export function rungEpochs({ min_epochs, reduction_factor }: RungOptions, epochs: number): readonly number[] {
  if (!(min_epochs >= 1 && reduction_factor > 1))
    throw new Error(`rungs do not grow from ${min_epochs} by ${reduction_factor}`);
  const rungs: number[] = [];
  for (let rung = min_epochs; rung < epochs; rung *= reduction_factor) {
    const whole = Math.floor(rung);
    // a factor below 2 may leave a step of less than an epoch
    if (whole !== rungs.at(-1)) rungs.push(whole);
  }
  return [...rungs, epochs];
}
