/** What training and evaluation ask of a task. */
import type { Split, Dataset } from '../../data/core/dataset.js';
import type { ForecastWindow } from '../../data/core/record.js';
import type { Reliability } from '../../math/metrics/calibration.js';
import type { Numbers, Scored } from '../../math/metrics/metric.js';
import type { BaselineFit } from './baselines.js';
import type { CollectorOf, Spread } from './collector.js';
import type { Computed, Prediction, TaskModel } from './prediction.js';
import type { ConformityMethod } from './readout.js';
import type { Targets } from '../../data/core/targets.js';
import type { LossConfig } from '../../math/losses/index.js';
import type { ModelConfig } from '../../math/model/settings.js';
import type { Diagnostic, Places } from '../../util/errors.js';

/** What is known of a sequence besides its targets; `window` if it is a forecast. */
export interface SequenceFacts extends Pick<Scored, 'errorScale' | 'group'> {
  readonly window?: ForecastWindow | undefined;
}

/**
 * Scores predictions with `run`. The functions that it returns add the targets of a split, then
 * what is known of a sequence, to each computed prediction.
 * @param conformity how the `scores` of predictions are computed; absent: they have none
 */
export type ScorerOf = (
  run: Pick<TaskModel, 'loss' | 'spec' | 'decisions'>,
  conformity?: ConformityMethod | undefined,
) => (
  split: Split,
  sequenceLength: number,
) => (index: number, facts: SequenceFacts) => (computed: Computed) => Prediction;

/** What a temperature is fitted on. */
export interface CalibrationCase {
  /** [C]. */
  readonly logits: Numbers;
  readonly targets: Numbers;
}

export interface Calibration {
  /** Functions that copy the cases of a prediction, whose outputs are views. */
  casesOf(prediction: Scored, outputSize: number): readonly (() => CalibrationCase)[];
  /** One for all classes, or one for each label; undefined if all predictions are right. */
  temperatures(cases: readonly CalibrationCase[], outputSize: number): readonly (number | undefined)[];
}

export interface TaskParts<D extends { readonly kind: string }> {
  readonly scorer: ScorerOf;
  readonly baselines: BaselineFit;
  readonly collector: CollectorOf<D>;
  /** Detects that all predictions are the same. */
  spread(): Spread;
  /** How temperatures are fitted; absent if outputs are no probabilities. */
  readonly calibration?: Calibration;
  /** The probability of each case that a threshold decides, and whether it is true. */
  positives?(prediction: Scored): readonly (readonly [probability: number, isPositive: boolean])[];
  /** Adds the probabilities of a prediction; absent if there are none to calibrate. */
  addReliability?(bins: Reliability, prediction: Prediction): void;
}

export interface CheckedTask {
  readonly loss: LossConfig;
  readonly model: ModelConfig;
  readonly decode?: { readonly limit?: number | undefined } | undefined;
  /** True if a threshold is asked for. */
  readonly hasThreshold: boolean;
  readonly data: Dataset;
  /** Those that are not empty, by their names in messages. */
  readonly splits: Readonly<Record<string, Split>>;
  /** C, outputs of the model for each prediction. */
  readonly outputSize: number;
  readonly places: Places;
}

export interface TaskChecks {
  /**
   * C, outputs of the model for each prediction.
   * @param classes number of classes, or of symbols of targets
   */
  outputs(loss: LossConfig, targets: Targets, classes: number): number;
  /** What makes training impossible. */
  problems(checked: CheckedTask): Iterable<Diagnostic>;
  /** Labels that are wrong at their places in the data. */
  damage(checked: CheckedTask): Iterable<Diagnostic>;
  warnings(checked: CheckedTask): Iterable<Diagnostic>;
}
