/** What a model says of a sequence, in the units and words of the data. */
import { type DataRecord, IGNORED } from '../data/index.js';
import type { LossSettings } from '../losses/index.js';
import { lossOf } from '../losses/index.js';
import { predictedClass } from '../metrics/classes.js';
import type { Numbers } from '../metrics/metric.js';
import { answersEachStep } from '../model/heads.js';
import type { ModelSpec } from '../model/spec.js';
import { probabilities } from '../training/step/predictions.js';
import type { Readout } from '../training/step/readout.js';

interface AnswerPlace {
  /** Step of its sequence, from 0; 0 if the model answers once a sequence. */
  readonly step: number;
  /**
   * The time of the step, or of the last one if the model answers once a sequence, as the data
   * write it; absent if they say none.
   */
  readonly time?: string;
}

/** Of a model that is trained with `cross_entropy`. */
export interface ClassAnswer extends AnswerPlace {
  readonly kind: 'class';
  /**
   * The class of the largest output, of equal ones the first; null if an output is not a number.
   */
  readonly predicted: number | null;
  /** What the data call that class; null if there is none, absent if the data name no classes. */
  readonly name?: string | null;
  /** Of the class predicted; NaN if there is none. */
  readonly probability: number;
  /** `[C]`, the softmax of the outputs: by class, summing up to 1. */
  readonly probabilities: Float64Array;
  /** `[C]`, the outputs as they are. */
  readonly logits: Float32Array;
  /** The true class, null if it is ignored; absent for sequences that are given without labels. */
  readonly label?: number | null;
}

/** Of a model that is trained with any other loss; labels of `binary_cross_entropy` are values. */
export interface ValueAnswer extends AnswerPlace {
  readonly kind: 'value';
  /**
   * The prediction in the units of the data, one number for each of a target; for labels their
   * probabilities, for quantiles the one nearest to 0.5. The shortest decimals that say as much as
   * the float32 numbers that the model computes.
   */
  readonly values: Float64Array;
  /** The predicted quantiles alike, in the order of `loss.quantiles`; empty for other losses. */
  readonly quantiles: readonly Float64Array[];
  /** The true values; absent for sequences that are given without labels. */
  readonly target?: Float64Array;
}

export type Answer = ClassAnswer | ValueAnswer;

/** What a model says of one sequence. */
export interface SequencePrediction<A extends Answer = Answer> {
  /** Position of the sequence in the input, from 0; those that are left out count. */
  readonly index: number;
  /** What the input calls the sequence; absent if it names none. */
  readonly id?: string;
  /** One, or one for each step (`head: { from: every }`). */
  readonly answers: readonly A[];
}

/** What the answers of a model are like. */
export interface AnswerForm {
  readonly kind: Answer['kind'];
  /** Whether there is one for each step. */
  readonly perStep: boolean;
  /** Classes, or numbers of a value. */
  readonly size: number;
  /** Levels of the predicted quantiles; empty if the loss predicts none. */
  readonly quantiles: readonly number[];
  /** The name of each class; absent if the data name none. */
  readonly classNames?: readonly string[];
  /** The name of each number of a value; absent if there is one, or the data name none. */
  readonly targetNames?: readonly string[];
}

export function answerForm(
  { head, outputSize }: ModelSpec,
  loss: LossSettings,
  { class_names: classNames, target_names: targetNames }: DataRecord,
): AnswerForm {
  const { target, quantiles = [] } = lossOf(loss);
  return {
    kind: target,
    perStep: answersEachStep(head),
    size: outputSize / Math.max(1, quantiles.length),
    quantiles: quantiles.map(({ level }) => level),
    ...(classNames && { classNames }),
    ...(targetNames && targetNames.length > 1 && { targetNames }),
  };
}

/** What came out of a model for one step or sequence. */
interface Outcome extends AnswerPlace {
  /** `[C]`; may be overwritten afterwards. */
  readonly outputs: Float32Array;
  /** Its place among all predictions of the split. */
  readonly at: number;
  /** As of a split; absent without labels. */
  readonly target?: Numbers;
}

/** Reads outputs as answers. */
export function answerOf(
  { kind, classNames }: AnswerForm,
  readout: Readout,
  { step, time, outputs, target, at }: Outcome,
): Answer {
  const place = { step, ...(time !== undefined && { time }) };
  const decimals = (values: Numbers) => Float64Array.from(readout.decimals(values, at));
  if (kind === 'value') {
    return {
      kind,
      ...place,
      values: decimals(readout.point(outputs, at)),
      quantiles: readout.quantiles(outputs, at).map(decimals),
      ...(target && { target: decimals(target) }),
    };
  }
  const best = predictedClass(outputs);
  const shares = probabilities(outputs);
  return {
    kind,
    ...place,
    predicted: best < 0 ? null : best,
    ...(classNames && { name: classNames[best] ?? null }),
    probability: best < 0 ? Number.NaN : shares[best],
    probabilities: shares,
    logits: outputs.slice(),
    ...(target && { label: target[0] === IGNORED ? null : target[0] }),
  };
}

/** A class and its probability. */
export interface RankedClass {
  readonly class: number;
  /** Absent if the data name no classes. */
  readonly name?: string;
  readonly probability: number;
}

/**
 * The `count` most probable classes of an answer, of equal ones the first; none if an output is not
 * a number.
 */
export function topClasses(
  { predicted, probabilities: shares }: ClassAnswer,
  count: number,
  classNames?: readonly string[],
): RankedClass[] {
  if (predicted === null) return [];
  const order = Array.from(shares.keys()).sort((a, b) => shares[b] - shares[a] || a - b);
  return order.slice(0, count).map(k => ({
    class: k,
    ...(classNames && { name: classNames[k] }),
    probability: shares[k],
  }));
}
