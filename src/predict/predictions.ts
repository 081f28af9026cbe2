/** Converts outputs of a model to predictions in the units and names of the data. */
import { type DataRecord, IGNORED } from '../data/index.js';
import type { LossSettings } from '../math/losses/index.js';
import { lossOf } from '../math/losses/index.js';
import { predictedClass } from '../math/metrics/decisions.js';
import type { Numbers } from '../math/metrics/metric.js';
import { predictsEachStep } from '../math/model/heads.js';
import type { ModelSpec } from '../math/model/spec.js';
import type { Readout } from '../train/predictions.js';
import { probabilities } from '../train/predictions.js';
import type { WeightsName } from '../train/weights.js';
import type { Diagnostic } from '../util/errors.js';

export type WhichCheckpoint = 'last' | 'best' | number;

/** Which weights of a run to use. */
export interface WhichWeights {
  /** Undefined: the checkpoint with the run's final weights. */
  readonly checkpoint?: WhichCheckpoint | undefined;
  /** Undefined: the average if the run keeps one, else the weights of the last update. */
  readonly weights?: WeightsName | undefined;
}

/** Numbers that `JSON.stringify` writes as a list and `console.log` shows as the array they are. */
class JsonFloat64Array extends Float64Array {
  static override readonly name = 'Float64Array';

  toJSON(): number[] {
    return Array.from(this);
  }
}

class JsonFloat32Array extends Float32Array {
  static override readonly name = 'Float32Array';

  toJSON(): number[] {
    return Array.from(this);
  }
}

interface PredictionPlace {
  /**
   * Step of its sequence, from 0 at the first step with a prediction (for forecasts, the first step
   * of the horizon); 0 if the model has one prediction per sequence.
   */
  readonly step: number;
  /**
   * Time of the step, or of the last step if there is one prediction per sequence, as written in
   * the data; absent if they have no times.
   */
  readonly time?: string;
}

/** Prediction of a model trained with `cross_entropy`. */
export interface ClassPrediction extends PredictionPlace {
  readonly kind: 'class';
  /** Class with the largest output (the first of equal ones); null if an output is NaN. */
  readonly predicted: number | null;
  /** Name of that class; null if there is none, absent if the data do not name classes. */
  readonly name?: string | null;
  /** Probability of the predicted class; NaN if there is none. */
  readonly probability: number;
  /** `[C]`, softmax of the outputs: probability of each class. */
  readonly probabilities: Float64Array;
  /** `[C]`, raw outputs. */
  readonly logits: Float32Array;
  /** The true class; null if ignored, absent for sequences without labels. */
  readonly label?: number | null;
}

export interface ValuePrediction extends PredictionPlace {
  readonly kind: 'value';
  /**
   * The prediction in the units of the data, one number per target value: for labels their
   * probabilities, for quantiles the one nearest to 0.5. Rounded to the shortest decimals that
   * identify the model's float32 numbers.
   */
  readonly values: Float64Array;
  /**
   * The predicted quantiles in the same form, in the order of `loss.quantiles`; empty for other
   * losses.
   */
  readonly quantiles: readonly Float64Array[];
  /** The true values; absent for sequences without labels. */
  readonly target?: Float64Array;
}

export type Prediction = ClassPrediction | ValuePrediction;

/** Prediction for one sequence. */
export interface SequencePrediction<A extends Prediction = Prediction> {
  /** Position of the sequence in the input, from 0; skipped sequences count. */
  readonly index: number;
  /** Name of the sequence in the input; absent if it has none. */
  readonly id?: string;
  /** One prediction, or one per step (`head: { from: every }`). */
  readonly predictions: readonly A[];
  /** What makes them doubtful, such as missing steps before a forecast; absent if nothing does. */
  readonly warnings?: readonly Diagnostic[];
}

/** Form of a model's predictions. */
export interface PredictionForm {
  readonly kind: Prediction['kind'];
  /** True if there is one prediction per step. */
  readonly perStep: boolean;
  /** Number of classes, or of values per prediction. */
  readonly size: number;
  /** Levels of the predicted quantiles; empty if the loss predicts none. */
  readonly quantiles: readonly number[];
  /** Name of each class; absent if the data do not name them. */
  readonly classNames?: readonly string[];
  /** Name of each value; absent if there is only one, or the data do not name them. */
  readonly targetNames?: readonly string[];
}

export function predictionForm(
  { head, outputSize }: ModelSpec,
  loss: LossSettings,
  { class_names: classNames, target_names: targetNames }: DataRecord,
): PredictionForm {
  const { target, quantiles = [] } = lossOf(loss);
  return {
    kind: target,
    perStep: predictsEachStep(head),
    size: outputSize / Math.max(1, quantiles.length),
    quantiles: quantiles.map(({ level }) => level),
    ...(classNames && { classNames }),
    ...(targetNames && targetNames.length > 1 && { targetNames }),
  };
}

/**
 * Memory shared by the predictions of a sequence. With an allocation for each, most of the heap
 * would be garbage.
 */
export class PredictionRoom {
  private readonly logits: Float32Array;
  private readonly probabilities: Float64Array;
  private used = 0;

  constructor(predictions: number, size: number) {
    this.logits = new JsonFloat32Array(predictions * size);
    this.probabilities = new JsonFloat64Array(predictions * size);
  }

  copyOf(outputs: Float32Array): { readonly logits: Float32Array; readonly probabilities: Float64Array } {
    const [from, to] = [this.used, this.used + outputs.length];
    this.used = to;
    const logits = this.logits.subarray(from, to);
    logits.set(outputs);
    return { logits, probabilities: probabilities(outputs, this.probabilities.subarray(from, to)) };
  }
}

interface Outcome {
  readonly step: number;
  readonly time?: string | undefined;
  /** `[C]`; may be overwritten afterwards. */
  readonly outputs: Float32Array;
  /** Its position among all predictions of the split. */
  readonly at: number;
  /** Memory for the lists of C numbers of a class prediction; absent: their own. */
  readonly room?: PredictionRoom | undefined;
  readonly target?: Numbers | undefined;
}

export function predictionOf(
  { kind, classNames }: PredictionForm,
  readout: Readout,
  { step, time, outputs, target, at, room }: Outcome,
): Prediction {
  const place = { step, ...(time !== undefined && { time }) };
  const decimals = (values: Numbers) => JsonFloat64Array.from(readout.decimals(values, at));
  if (kind === 'value') {
    return {
      kind,
      ...place,
      values: decimals(readout.point(outputs, at)),
      quantiles: readout.quantiles(outputs, at).map(decimals),
      ...(target && { target: JsonFloat64Array.from(readout.targetDecimals(at, target)) }),
    };
  }
  const best = predictedClass(outputs);
  const { logits, probabilities } = (room ?? new PredictionRoom(1, outputs.length)).copyOf(outputs);
  return {
    kind,
    ...place,
    predicted: best < 0 ? null : best,
    ...(classNames && { name: classNames[best] ?? null }),
    probability: best < 0 ? Number.NaN : probabilities[best],
    probabilities,
    logits,
    ...(target && { label: target[0] === IGNORED ? null : target[0] }),
  };
}

export interface RankedClass {
  readonly class: number;
  /** Absent if the data do not name classes. */
  readonly name?: string;
  readonly probability: number;
}

/**
 * Returns the `count` most probable classes of a prediction (lower class first if equal); empty if
 * an output is NaN.
 */
export function topClasses(
  { predicted, probabilities }: ClassPrediction,
  count: number,
  classNames?: readonly string[],
): RankedClass[] {
  if (predicted === null) return [];
  const order = Array.from(probabilities.keys()).sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  return order.slice(0, count).map(k => ({
    class: k,
    ...(classNames && { name: classNames[k] }),
    probability: probabilities[k],
  }));
}
