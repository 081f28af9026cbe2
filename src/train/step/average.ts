/** Exponential moving average of the weights over the updates of a training. */

export class WeightAverage {
  /** Laid out like the parameters. */
  readonly values: Float32Array;

  /** @param decay share of the average kept at each update */
  constructor(
    size: number,
    private readonly decay: number,
  ) {
    this.values = new Float32Array(size);
  }

  /**
   * Adds the parameters after `update` (from 1). The first update copies them; later ones compute a
   * <- a + (1 - decay) (theta - a), like torch.optim.swa_utils.AveragedModel with
   * get_ema_multi_avg_fn. Computed in float64 and rounded once, so byte-identical on every backend.
   */
  add(parameters: Float32Array, update: number): void {
    const { values } = this;
    if (update === 1) {
      values.set(parameters);
      return;
    }
    const weight = 1 - this.decay;
    for (let i = 0; i < values.length; i++) values[i] += weight * (parameters[i] - values[i]);
  }
}
