/** Interface of metrics: values accumulated over the predictions of a split. */
import type { Task } from './task.js';

/** How a metric is computed for a task: as the mean of one value per prediction, or otherwise. */
export type Computed = { readonly formula: string } & (
  | { readonly mean: PredictionMetric }
  /** @param size number of classes, labels or targets */
  | { make(size: number): Accumulator }
);

/** Means are also measured in training. */
export interface MetricKind {
  readonly description: string;
  readonly largerIsBetter: boolean;
  readonly min: number;
  readonly max: number;
  /** The tasks that it is measured for, each with its formula, as Markdown. */
  readonly tasks: Partial<Readonly<Record<Task, Computed>>>;
}

export const metric = <const M extends MetricKind>(kind: M): M => kind;

export const FRACTION = { largerIsBetter: true, min: 0, max: 1 } as const;
export const ERROR = { largerIsBetter: false, min: 0, max: Number.POSITIVE_INFINITY } as const;

export type Numbers = Float32Array | Float64Array | Int32Array;

export interface Scored {
  /** `[C]`: logits of classes or labels, or values. */
  readonly outputs: Numbers;
  /** In the form of the target: probabilities of labels, or values in the units of the data. */
  readonly point: Numbers;
  /** The class `[1]`, or numbers in the form of `point`. */
  readonly target: Numbers;
  /** Denominator of MASE; undefined if unknown. */
  readonly errorScale?: number | undefined;
}

/** Accumulates predictions in the order of the data, so that sums do not depend on batches. */
export interface Accumulator {
  add(prediction: Scored): void;
  /** Undefined if the metric is not defined for what was added. */
  readonly value: number | undefined;
}

export type PredictionMetric = (prediction: Scored) => number;

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

export function meanOfDefined(values: readonly (number | undefined)[]): number | undefined {
  const defined = values.filter(value => value !== undefined);
  return defined.length === 0 ? undefined : defined.reduce((sum, value) => sum + value, 0) / defined.length;
}
