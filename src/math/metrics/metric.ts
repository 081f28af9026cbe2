/** Interface of metrics: values accumulated over the predictions of a split. */

/**
 * What models predict: one of several classes, several independent labels, numbers, or a sequence
 * of symbols with a length of its own.
 */
export type Task = 'classes' | 'labels' | 'values' | 'sequences';

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
  /**
   * What it measures. `decisions`: the predicted class, labels or symbols. `likelihood`: infinite
   * if a target has probability 0. `intervals`: of two quantiles or more, or conformal prediction.
   */
  readonly measures: 'decisions' | 'probabilities' | 'likelihood' | 'values' | 'intervals';
  /** The tasks that it is measured for, each with its formula, as Markdown. */
  readonly tasks: Partial<Readonly<Record<Task, Computed>>>;
}

export const metric = <const M extends MetricKind>(kind: M): M => kind;

export const FRACTION = { largerIsBetter: true, min: 0, max: 1 } as const;
export const ERROR = { largerIsBetter: false, min: 0, max: Number.POSITIVE_INFINITY } as const;

export type Numbers = Float32Array | Float64Array | Int32Array;

export interface Scored {
  /**
   * `[C]`: logits of classes or labels, or values. Of sequences `[T, C]`, for the steps of the
   * input; of a decoder `[S + 1, C]`, for the symbols of the target, which it has read, and the
   * boundary.
   */
  readonly outputs: Numbers;
  /**
   * In the form of the target: probabilities of labels, values in the units of the data, or the
   * predicted symbols.
   */
  readonly point: Numbers;
  /** The class `[1]`, or numbers in the form of `point`. */
  readonly target: Numbers;
  /** Equal for equal inputs, whose targets are alternatives. Present for sequences. */
  readonly input?: string;
  /**
   * The interval of conformal prediction, or the lowest and the highest quantile, in the form of
   * `point`; absent without both.
   */
  readonly interval?: readonly [lower: Numbers, upper: Numbers] | undefined;
  /** Denominators of MASE, one for each target of a step; undefined if unknown. */
  readonly errorScale?: readonly number[] | undefined;
  /** Probability from which the second class, or each label, is predicted; absent: 0.5. */
  readonly thresholds?: readonly number[] | undefined;
  /** The classes that conformal prediction does not exclude; absent without it. */
  readonly set?: readonly number[] | undefined;
  /** Name of the group that coverage is measured for; absent if there is none. */
  readonly group?: string | undefined;
}

/** Accumulates predictions in the order of the data, so that sums do not depend on batches. */
export interface Accumulator {
  add(prediction: Scored): void;
  /** Undefined if the metric is not defined for what was added. */
  readonly value: number | undefined;
}

export type PredictionMetric = (prediction: Scored) => number;

/** The mean of `metric` over the predictions for which it is defined. */
export function meanOf(metric: (prediction: Scored) => number | undefined): Accumulator {
  let [sum, count] = [0, 0];
  return {
    add(prediction) {
      const value = metric(prediction);
      if (value === undefined) return;
      sum += value;
      count++;
    },
    get value() {
      return count === 0 ? undefined : sum / count;
    },
  };
}

/** The mean of the defined scores of what `add` has counted; undefined without predictions. */
export function meanScore(
  add: (prediction: Scored) => void,
  scores: () => readonly (number | undefined)[],
): Accumulator {
  let isEmpty = true;
  return {
    add(prediction) {
      isEmpty = false;
      add(prediction);
    },
    get value() {
      const defined = isEmpty ? [] : scores().filter(score => score !== undefined);
      return defined.length === 0
        ? undefined
        : defined.reduce((sum, score) => sum + score, 0) / defined.length;
    },
  };
}

/**
 * Returns the class with the largest logit (the first of equal ones); -1 if a logit is NaN, so that
 * the prediction never counts as correct.
 */
export function predictedClass(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) return -1;
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

/** A label applies if its target or probability is at least this. */
export const APPLIES = 0.5;

/** The class with the largest logit or, of two with a threshold, the one that this decides. */
export function decidedClass({ outputs, thresholds }: Pick<Scored, 'outputs' | 'thresholds'>): number {
  const largest = predictedClass(outputs);
  if (thresholds === undefined || largest < 0) return largest;
  return secondProbability(outputs) >= thresholds[0] ? 1 : 0;
}

/** The probability of the second of two classes. */
export function secondProbability(logits: ArrayLike<number>): number {
  return 1 / (1 + Math.exp(logits[0] - logits[1]));
}

/** Whether label `i` is predicted; undefined if its probability is NaN. */
export function decidedLabel({ point, thresholds }: Pick<Scored, 'point' | 'thresholds'>, i: number) {
  return Number.isNaN(point[i]) ? undefined : point[i] >= (thresholds?.[i] ?? APPLIES);
}
