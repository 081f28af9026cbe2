/**
 * `summary.json`: what came out of a run; layout in schemas/summary.schema.json. Also what `--json`
 * prints.
 */
import type { EventFields, RunStatus } from './log/events.js';

/**
 * A gate's verdict with all that led to it. `value` is null where it was not measured, or is not a
 * single run's; `reference` is the baseline's mean or the trivial baseline's value, `limit` the
 * worst value that it allows, `reason` why there is no verdict, `origin` where the gate is written.
 */
export type GateResult = EventFields['gate'];

/**
 * Metric values of one split by name, such as `{ loss, accuracy }`; a value that is not finite is
 * spelled out on writing.
 */
export type SplitMetrics = Readonly<Record<string, number>>;

/** One of each split; a run need not have a validation split. */
export type BySplit<T> = { readonly train: T; readonly validation?: T; readonly test: T };

/** Answers that look at no input; what each is, `training/baselines.ts` says. */
export type BaselineName =
  | 'majority'
  | 'previous'
  | 'mean'
  | 'median'
  | 'quantiles'
  | 'last_value'
  | 'seasonal_naive';

/** Those that the targets of a split have, by name; a metric that is not finite is left out. */
export type SplitBaselines = Readonly<Partial<Record<BaselineName, SplitMetrics>>>;

/**
 * By which an edit of what a run wrote is found; what that proves and what not is in
 * docs/internals/invariants.md.
 */
export interface SummaryDigests {
  /**
   * Over the first `records` lines of log.jsonl, all that precede `run.end`: what `head -n RECORDS
   * log.jsonl | sha256sum` prints.
   */
  readonly log: { readonly records: number; readonly sha256: string } | null;
  /** SHA-256 (hex) of evaluation.json; null where there is none. */
  readonly evaluation: string | null;
}

/** What summary.json says of the checkpoints that are there. */
export type SavedCheckpoints = Pick<Summary, 'best' | 'checkpoints'>;

export interface Summary {
  readonly version: 1;
  /** Name of the run directory. */
  readonly run_id: string;
  readonly name: string;
  readonly description?: string;
  readonly status: RunStatus;
  readonly exit_code: number;
  /** What went wrong, where something did. */
  readonly message?: string;
  /** The run directory, absolute. */
  readonly directory: string;
  readonly config_hash: string;
  /** `null` where the run ended before one was chosen. */
  readonly backend: string | null;
  /** What actually executed the kernels. */
  readonly executor: string | null;
  readonly seed: number;
  /** Optimizer steps done. */
  readonly steps: number;
  /** Whole epochs done. */
  readonly epochs: number;
  /**
   * Steps without an update, since their loss, gradient or update was not finite; counted in
   * `steps`.
   */
  readonly skipped_batches: number;
  /**
   * Whether the model was evaluated after the last step; where not, `metrics` are those of an
   * earlier epoch. Absent in older runs.
   */
  readonly evaluated?: boolean;
  /**
   * Final values. With a validation split, those of the test split are measured at the end alone
   * and empty before. After `restored` they belong to the restored weights.
   */
  readonly metrics: BySplit<SplitMetrics>;
  /**
   * What trivial answers reach on the splits that are evaluated; absent in older runs, and in those
   * that did not complete.
   */
  readonly baselines?: { readonly validation?: SplitBaselines; readonly test: SplitBaselines };
  /** Present if the final evaluation found that the model answers every test input alike. */
  readonly constant_outputs?: true;
  /**
   * The checkpoint whose weights the run took at its end; absent if it kept those of its last step.
   */
  readonly restored?: { readonly step: number; readonly epoch: number };
  /**
   * What was selected by a metric of the test split, whose test values are therefore optimistic,
   * each the subject of a sentence; absent if nothing was.
   */
  readonly selected_on_test?: readonly string[];
  /** Why training ended before its last step; absent if it did not. */
  readonly stopped_early?: {
    readonly metric: string;
    readonly patience: number;
    /** The best value, which later evaluations did not improve; null if none was finite. */
    readonly best: number | null;
  };
  /** The best value of the checkpoint metric and where it was; `null` where none was finite. */
  readonly best: {
    readonly metric: string;
    readonly value: number;
    readonly step: number;
    readonly epoch: number;
  } | null;
  readonly gates: readonly GateResult[];
  /**
   * Seconds from start to end, over all the processes that worked on the run; see run-times.ts for
   * those that were killed.
   */
  readonly duration_s: number;
  readonly train_s: number;
  readonly eval_s: number;
  /**
   * Median training step of the last process that made one and was not killed; `null` where no step
   * was made.
   */
  readonly ms_per_step: number | null;
  /**
   * Median of the calibration kernel in that process; `null` where it was not measured, absent in
   * summaries from before it was.
   */
  readonly calibration_ms?: number | null;
  /**
   * `ms_per_step` / `calibration_ms`: how slow a step is whatever the machine; `null` and absent
   * likewise.
   */
  readonly step_ratio?: number | null;
  readonly parameters: number;
  /** Greatest of those processes. */
  readonly peak_rss_mb: number;
  /** Files relative to the run directory. */
  readonly checkpoints: { readonly last: string | null; readonly best: string | null };
  /** Absent in older runs. */
  readonly digests?: SummaryDigests;
}
