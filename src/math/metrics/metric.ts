/** Interface of metrics: values accumulated over the predictions of a split. */

/** Numbers of a prediction or target. */
export type Numbers = Float32Array | Float64Array | Int32Array;

/** A prediction to score, and its target. */
export interface Scored {
  /** `[C]` outputs of the model: logits of classes or labels, or values. */
  readonly outputs: Numbers;
  /**
   * The prediction in the form of the target: probabilities of labels, or values in the units of
   * the data.
   */
  readonly point: Numbers;
  /** The class `[1]`, or numbers in the form of `point`. */
  readonly target: Numbers;
  /** Denominator of MASE; undefined if unknown. */
  readonly errorScale?: number | undefined;
}

/**
 * Accumulates predictions one by one in the order of the data, so that sums do not depend on
 * batches.
 */
export interface Accumulator {
  add(prediction: Scored): void;
  /** Value over all added predictions; undefined if the metric is not defined for them. */
  readonly value: number | undefined;
}

/** A metric that is the mean of one value per prediction. */
export type PredictionMetric = (prediction: Scored) => number;

/** Mean of `metric`, summed in float64; undefined without predictions. */
export function meanOf(metric: PredictionMetric): Accumulator {
  let [sum, count] = [0, 0];
  return {
    add(prediction) {
      sum += metric(prediction);
      count++;
    },
    get value() {
      return count === 0 ? undefined : sum / count;
    },
  };
}

/** Mean of the defined values; undefined if there are none. */
export function meanOfDefined(values: readonly (number | undefined)[]): number | undefined {
  const defined = values.filter(value => value !== undefined);
  return defined.length === 0 ? undefined : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
