/** What training and evaluation ask of a task. */
import type { Dataset, Split } from '../../data/core/dataset.js';
import type { ForecastWindow } from '../../data/core/record.js';
import type { Targets } from '../../data/core/targets.js';
import type { LossConfig } from '../../math/losses/index.js';
import type { Reliability } from '../../math/metrics/calibration.js';
import type { Numbers, Scored } from '../../math/metrics/metric.js';
import type { ModelConfig } from '../../math/model/settings.js';
import type { Diagnostic } from '../../util/errors.js';
import type { BaselineFit } from './baselines.js';
import type { CollectorOf, Spread } from './collector.js';
import type { Computed, Prediction, TaskModel } from './prediction.js';
import type { ConformityMethod } from './readout.js';

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
  readonly checks: TaskChecks;
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

/** Where the keys of a config are; `path` leads to a key, which may have its default. */
export interface Places {
  isGiven(path: readonly (string | number)[]): boolean;
  /** A diagnostic at the value of `path`, or at the nearest key above if the value is a default. */
  atValue(
    path: readonly (string | number)[],
    code: string,
    message: string,
    more?: Partial<Diagnostic>,
  ): Diagnostic;
  /** A diagnostic at the key of `path`. */
  atKey(
    path: readonly (string | number)[],
    code: string,
    message: string,
    more?: Partial<Diagnostic>,
  ): Diagnostic;
}

/** A config, its data, and the model that they determine. */
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
