/**
 * `evaluation.json`: what the latest evaluation saw, which at the end of a run is one of the test
 * split; layout in schemas/evaluation.schema.json.
 */

interface EvaluationFacts {
  readonly version: 1;
  readonly split: 'train' | 'validation' | 'test';
  /** Where the run stood. */
  readonly epoch: number;
  readonly step: number;
  /** Predictions that counted. */
  readonly predictions: number;
  readonly loss: number;
  /** Whether the model answered every input alike; absent in files from before it was told. */
  readonly constant?: boolean;
}

/** Where a prediction was made. */
export interface PredictionPlace {
  /** Position of its sequence in the split, from 0. */
  readonly index: number;
  /** What the data call the sequence; absent if they name none. */
  readonly id?: string;
  /** From 0; present where the model answers at every step. */
  readonly step_in_sequence?: number;
}

/** A prediction of another class than the label. */
export interface Mistake extends PredictionPlace {
  readonly label: number;
  /** `null` where a logit was not a number. */
  readonly predicted: number | null;
  readonly loss: number;
  /** Softmax of the class predicted; NaN where there is none. */
  readonly probability: number;
  /** Softmax of the label. */
  readonly label_probability: number;
  /** Grey values as `pictures` says; present where that is. */
  readonly picture?: string;
}

export interface PictureLayout {
  readonly width: number;
  readonly height: number;
  /** Base64 of one unsigned byte a pixel, row by row, 0 black. */
  readonly encoding: 'base64-uint8';
}

/** Of a class or label. */
export interface ClassScores {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Predictions whose truth it is. */
  readonly support: number;
}

/** Of one number of a target. */
export interface OutputScores {
  readonly mean_absolute_error: number;
  readonly rmse: number;
  /** Absent of a single prediction. */
  readonly r2?: number;
}

export interface ClassEvaluation extends EvaluationFacts {
  readonly kind: 'class';
  readonly accuracy: number;
  readonly classes: number;
  /** `null` where the data do not name their classes. */
  readonly class_names: readonly string[] | null;
  /** Row: the label; column: the class predicted. `null` where there are too many classes. */
  readonly confusion: readonly (readonly number[])[] | null;
  /** By class; `null` if there are too many classes. Absent in files of older versions. */
  readonly per_class?: readonly ClassScores[] | null;
  /** Predictions with a logit that was not a number: they are in no column. */
  readonly undecided: number;
  /** Those of the greatest loss first. */
  readonly mistakes: readonly Mistake[];
  readonly pictures: PictureLayout | null;
}

/** The first numbers of a target and of its prediction. */
export interface WorstValue extends PredictionPlace {
  readonly target: readonly number[];
  readonly prediction: readonly number[];
  /** Mean over all its numbers. */
  readonly absolute_error: number;
}

/** A number, or the first of several. */
export interface ValuePair extends PredictionPlace {
  readonly target: number | readonly number[];
  readonly prediction: number | readonly number[];
}

export interface ValueEvaluation extends EvaluationFacts {
  readonly kind: 'value';
  readonly mean_absolute_error: number;
  /** Those of the greatest error first. */
  readonly worst: readonly WorstValue[];
  /** `null` if the data do not name their targets. Absent in files of older versions. */
  readonly target_names?: readonly string[] | null;
  /** By target; `null` if there are too many. Absent in files of older versions. */
  readonly per_output?: readonly OutputScores[] | null;
  /**
   * Spread evenly over the split; `null` in files of older versions if a target is more than one
   * number.
   */
  readonly sample: readonly ValuePair[] | null;
}

/** Of labels that apply or not; targets and predictions are probabilities. */
export interface LabelEvaluation extends EvaluationFacts {
  readonly kind: 'label';
  readonly accuracy: number;
  /** `null` if the data do not name their labels. Absent in files of older versions. */
  readonly target_names?: readonly string[] | null;
  /** By label; `null` if there are too many. */
  readonly per_label: readonly ClassScores[] | null;
  /** Those of the greatest loss first. */
  readonly worst: readonly WorstValue[];
}

/**
 * What summary.json says in two numbers, in detail. There is no run and no time in it: the same
 * training gives the same bytes.
 */
export type SplitEvaluation = ClassEvaluation | ValueEvaluation | LabelEvaluation;
