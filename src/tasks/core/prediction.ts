/** Predictions of a model during an evaluation, as the parts of a task read them. */
import type { Decoded } from '../../math/decoding/ctc.js';
import type { LossSettings } from '../../math/losses/index.js';
import type { MeasuredMetric } from '../../math/metrics/index.js';
import type { Scored } from '../../math/metrics/metric.js';
import type { ModelSpec } from '../../math/model/spec.js';
import type { Decisions } from './confidence.js';

/** What a task needs to know of the model that it evaluates. */
export interface TaskModel {
  readonly loss: LossSettings;
  readonly spec: ModelSpec;
  /** Besides the loss. */
  readonly metrics: readonly MeasuredMetric[];
  /** Absent in training, and in runs that fitted none. */
  readonly decisions?: Decisions | undefined;
  readonly sequenceLength: number;
  /** True if sequences differ in length. */
  readonly variableLength: boolean;
}

/** A computed prediction. `outputs` [C] is a view that is valid until its slot is written again. */
export interface Computed {
  /** Step of its sequence, from 0; 0 if the model predicts once per sequence. */
  readonly step: number;
  /** Its number among the predictions for all sequences of the split. */
  readonly at: number;
  readonly counts: boolean;
  /** Before weighting; meaningless if the prediction does not count. */
  readonly loss: number;
  /** How many losses `loss` is the sum of: one for each symbol of a decoder. Absent: one. */
  readonly losses?: number;
  readonly outputs: Float32Array;
  /** The likeliest sequences of symbols, the likeliest first; absent unless they are decoded. */
  readonly decoded?: readonly Decoded[];
}

export interface Prediction extends Scored {
  /** The likeliest sequences of symbols, the likeliest first; present for sequences. */
  readonly decoded?: Computed['decoded'];
  /** Step of its sequence, from 0; 0 if the model predicts once per sequence. */
  readonly step: number;
  readonly counts: boolean;
  /** Before weighting; meaningless if the prediction does not count. */
  readonly loss: number;
  /** Of the loss in the mean; 0 if the target has a symbol that the model does not know. */
  readonly weight: number;
  /** [C], a view that is valid only during the callback; `point` may be one too. */
  readonly outputs: Float32Array;
  /** Of conformal prediction, if the evaluation asks for them. */
  readonly scores?: Float64Array;
}

export interface PredictedSequence {
  readonly index: number;
  readonly id?: string;
  readonly predictions: readonly Prediction[];
}
