/** What a metric is: something that is gathered over the predictions of a split. */

/** Numbers of a prediction or a target. */
export type Numbers = Float32Array | Float64Array | Int32Array;

/** A prediction that counts, and its target. */
export interface Scored {
  /** `[C]` outputs of the model: logits of classes or labels, or values. */
  readonly outputs: Numbers;
  /** What the outputs say in the terms of the target, values in the units of the data. */
  readonly point: Numbers;
  /** The class `[1]`, or numbers as `point` has them. */
  readonly target: Numbers;
  /** What MASE divides an error by; undefined if it is not known. */
  readonly errorScale?: number | undefined;
}

/** Takes predictions one by one, in the order of the data: its sums are those of that order. */
export interface Accumulator {
  add(prediction: Scored): void;
  /** Over all that were added; undefined if it is not defined for them. */
  readonly value: number | undefined;
}

/** A metric that is the mean of what each prediction has by itself. */
export type PredictionMetric = (prediction: Scored) => number;

/** The mean of `metric`, summed in float64; undefined of no prediction. */
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

/** The mean of those that are defined; undefined of none. */
export function meanOfDefined(values: readonly (number | undefined)[]): number | undefined {
  const defined = values.filter(value => value !== undefined);
  return defined.length === 0 ? undefined : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
