/**
 * `summary.json`: the results of a run; schema in schemas/summary.schema.json. Also the output of
 * `--json`.
 */

import type { EventFields, RunStatus } from './events.js';
import type { NonFinite } from './json.js';

/**
 * A gate's verdict and its reasons. `value` is null if it was not measured or needs several runs;
 * `reference` is the baseline's mean or the trivial baseline's value, `limit` the worst allowed
 * value, `reason` why there is no verdict, `origin` the gate's location.
 */
export type GateResult = EventFields['gate'];

/** Such as `{ loss, accuracy }`; values that are not finite are spelled out in files. */
export type SplitMetrics = Readonly<Record<string, number>>;

/** One value per split; a run may have no validation split. */
export type BySplit<T> = { readonly train: T; readonly validation?: T; readonly test: T };

export type BaselineName =
  | 'majority'
  | 'previous'
  | 'mean'
  | 'median'
  | 'quantiles'
  | 'last_value'
  | 'seasonal_naive';

/** Baselines for the targets of a split, by name; without metrics that are not finite. */
export type SplitBaselines = Readonly<Partial<Record<BaselineName, SplitMetrics>>>;

/** Digests of the files that a run wrote; see integrity.ts. */
export interface SummaryDigests {
  /** The output of `head -n RECORDS log.jsonl | sha256sum`: all lines before `run.end`. */
  readonly log: { readonly records: number; readonly sha256: string } | null;
  readonly files: Readonly<Record<string, string>>;
}

export type SavedCheckpoints = Pick<Summary, 'best' | 'checkpoints'>;

export interface Summary {
  readonly version: 1;
  readonly run_id: string;
  readonly name: string;
  readonly description?: string;
  readonly status: RunStatus;
  readonly exit_code: number;
  readonly message?: string;
  readonly directory: string;
  readonly config_hash: string;
  readonly backend: string | null;
  readonly executor: string | null;
  readonly seed: number;
  readonly steps: number;
  readonly epochs: number;
  /** Steps without an update, since something was not finite; included in `steps`. */
  readonly skipped_batches: number;
  readonly evaluated: boolean;
  /** With a validation split, `test` is empty until the end. Of the restored weights, if any. */
  readonly metrics: BySplit<SplitMetrics>;
  readonly baselines?: { readonly validation?: SplitBaselines; readonly test: SplitBaselines };
  readonly constant_outputs?: true;
  /** The checkpoint whose weights the run restored at its end. */
  readonly restored?: { readonly step: number; readonly epoch: number };
  /** What was selected by a metric of the test split; each is the subject of a sentence. */
  readonly selected_on_test?: readonly string[];
  readonly stopped_early?: {
    readonly metric: string;
    readonly patience: number;
    readonly best: number | null;
  };
  readonly best: {
    readonly metric: string;
    readonly value: number;
    readonly step: number;
    readonly epoch: number;
  } | null;
  readonly gates: readonly GateResult[];
  readonly duration_s: number;
  readonly train_s: number;
  readonly eval_s: number;
  readonly ms_per_step: number | null;
  readonly calibration_ms: number | null;
  /** `ms_per_step` / `calibration_ms`, comparable between machines. */
  readonly step_ratio: number | null;
  readonly parameters: number;
  readonly peak_rss_mb: number;
  readonly checkpoints: { readonly last: string | null; readonly best: string | null };
  readonly digests: SummaryDigests;
}

/*
 * Types of a run's files as readers see them: numbers that JSON cannot represent are null, with
 * their names in a second key (`json.ts`).
 */

/** `summary.json`; same as schemas/summary.schema.json. */
export type SummaryFile = Omit<Summary, 'metrics'> & {
  readonly metrics: BySplit<Readonly<Record<string, number | null | NonFinite>>>;
};
