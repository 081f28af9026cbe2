/**
 * `evaluation.json`: details of the latest evaluation, at the end of a run of the test split;
 * schema in schemas/evaluation.schema.json.
 */

interface EvaluationFacts {
  readonly version: 1;
  readonly split: 'train' | 'validation' | 'test';
  readonly epoch: number;
  readonly step: number;
  readonly predictions: number;
  readonly loss: number;
  /** True if the model predicts the same for every input. */
  readonly constant: boolean;
}

export interface PredictionPlace {
  readonly index: number;
  readonly id?: string;
  readonly step_in_sequence?: number;
}

export interface Mistake extends PredictionPlace {
  readonly label: number;
  readonly predicted: number | null;
  readonly loss: number;
  /** Softmax of the predicted class; NaN if there is none. */
  readonly probability: number;
  readonly label_probability: number;
  /** Gray values in the layout of `images`; present if that is. */
  readonly image?: string;
}

export interface ImageLayout {
  readonly width: number;
  readonly height: number;
  /** Base64 of one unsigned byte per pixel, row by row, 0 is black. */
  readonly encoding: 'base64-uint8';
}

export interface ClassScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
}

export interface OutputScores {
  readonly mean_absolute_error: number;
  readonly rmse: number;
  readonly r2?: number;
}

export interface ClassEvaluation extends EvaluationFacts {
  readonly kind: 'class';
  readonly accuracy: number;
  readonly classes: number;
  readonly class_names: readonly string[] | null;
  /** Row: the label; column: the predicted class. `null` if there are too many classes. */
  readonly confusion: readonly (readonly number[])[] | null;
  readonly per_class: readonly ClassScores[] | null;
  /** Predictions with a NaN logit: they are in no column. */
  readonly undecided: number;
  readonly mistakes: readonly Mistake[];
  readonly images: ImageLayout | null;
}

/** The first numbers of a target and of its prediction. */
export interface WorstValue extends PredictionPlace {
  readonly target: readonly number[];
  readonly prediction: readonly number[];
  readonly absolute_error: number;
}

/** A target and its prediction: a number, or the first of several. */
export interface ValuePair extends PredictionPlace {
  readonly target: number | readonly number[];
  readonly prediction: number | readonly number[];
}

export interface ValueEvaluation extends EvaluationFacts {
  readonly kind: 'value';
  readonly mean_absolute_error: number;
  readonly worst: readonly WorstValue[];
  readonly target_names: readonly string[] | null;
  readonly per_output: readonly OutputScores[] | null;
  readonly sample: readonly ValuePair[];
}

/** Evaluation of labels that each apply or not; targets and predictions are probabilities. */
export interface LabelEvaluation extends EvaluationFacts {
  readonly kind: 'label';
  readonly accuracy: number;
  readonly target_names: readonly string[] | null;
  readonly per_label: readonly ClassScores[] | null;
  readonly worst: readonly WorstValue[];
}

/**
 * The details behind summary.json's metrics. It has no run name or time, so that equal trainings
 * write byte-identical files.
 */
export type SplitEvaluation = ClassEvaluation | ValueEvaluation | LabelEvaluation;
