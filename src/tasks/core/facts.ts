/** What is known of a task without data: all that reviews and reports load of it. */
import type { TargetKind } from '../../data/core/targets.js';
import type { LossConfig } from '../../math/losses/index.js';
import type { MeasuredMetric } from '../../math/metrics/index.js';

/** What may be fitted on predictions after training: keys of a config. */
export type Fit = 'calibrate' | 'threshold' | 'intervals';

export interface TaskFacts {
  readonly target: TargetKind;
  /** Metrics of an evaluation besides the loss, unless a config lists others. */
  readonly metrics: readonly MeasuredMetric[];
  /** The metric that chooses the best checkpoint, unless a config names another. */
  readonly selects: 'accuracy' | 'loss' | 'token_error_rate';
  /** The usual loss of such targets. */
  readonly usualLoss: LossConfig['kind'];
  readonly fits: readonly Fit[];
  /** True if values are labels of 0 and 1. */
  readonly hasLabelTargets?: boolean;
  /** True if a prediction is decoded, symbol by symbol. */
  readonly isDecoded?: boolean;
  /** What makes outputs probabilities; null if they are values. */
  readonly activation: 'softmax' | 'sigmoid' | null;
}

/** The trivial baselines, in the order of `summary.json`; `baselines.ts` says what they predict. */
export const BASELINE_NAMES = [
  'majority',
  'previous',
  'mean',
  'median',
  'quantiles',
  'by_symbol',
  'ngram',
  'last_value',
  'drift',
  'seasonal_naive',
  'season_mean',
] as const;

export type BaselineName = (typeof BASELINE_NAMES)[number];

/** Baselines for the targets of a split, by name; without metrics that are not finite. */
export type SplitBaselines = {
  readonly [B in BaselineName]?: Readonly<Record<string, number>>;
};
