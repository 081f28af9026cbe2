/**
 * The events of `log.jsonl`, as callers give them; the logger adds `level`, `time`, `v` and `seq`.
 * Fields are flat, names are snake_case, durations are seconds. `schemas/log-event.schema.json`
 * says the same for readers in any language.
 */
import type { Metric, SplitName, TrainedMetric } from '../../config/experiment.js';

/** Version of the event format: the `v` of every line. */
export const EVENT_VERSION = 1;

/** How a run ended; also `status` in summary.json. */
export type RunStatus = 'completed' | 'interrupted' | 'diverged' | 'failed';

/**
 * A gate's outcome; `inconclusive` where its metric was not measured, is not finite, or is one that
 * a single run cannot judge.
 */
export type Verdict = 'passed' | 'failed' | 'inconclusive';

/** With the metrics of the split. */
type EvaluationFields = {
  readonly split: SplitName;
  readonly epoch: number;
  readonly step: number;
  readonly loss: number;
  readonly samples: number;
  /** The step of the checkpoint whose weights were taken back before this evaluation. */
  readonly restored_step?: number;
  readonly duration_s: number;
} & { readonly [M in Exclude<Metric, 'loss'>]?: number };

/**
 * Fields of each event by its name. Any number may be NaN or infinite; the logger spells that out.
 */
export interface EventFields {
  'run.start': {
    readonly run_id: string;
    readonly name: string;
    readonly seed: number;
    /** SHA-256 of the resolved config, hex. */
    readonly config_hash: string;
    /** Version of cellrun. */
    readonly version: string;
  };
  /**
   * The run goes on in another process; what follows takes the place of what was logged after
   * `step`.
   */
  'run.resume': {
    readonly run_id: string;
    /** Optimizer steps done in the checkpoint that it goes on from; 0 where there was none. */
    readonly step: number;
    readonly config_hash: string;
    /** Version of cellrun. */
    readonly version: string;
    /** Records after that checkpoint, which this log no longer has. */
    readonly replaced_records: number;
    /** The file beside this log that has them; `null` where there were none. */
    readonly replaced_file: string | null;
    /**
     * What is no longer as it was, such as `training.num_epochs: 2 -> 4`; `null` where nothing
     * changed.
     */
    readonly changes: string | null;
    /** What the run had taken before, over all its processes, as summary.json names it. */
    readonly duration_s: number;
    readonly train_s: number;
    readonly eval_s: number;
    readonly ms_per_step: number | null;
    /** Absent in logs from before it was measured; likewise in `run.end`. */
    readonly calibration_ms?: number | null;
    readonly peak_rss_mb: number;
  };
  'data.ready': {
    /** Sequences of each split. */
    readonly train_count: number;
    /** Absent if there is no validation split. */
    readonly validation_count?: number;
    readonly test_count: number;
    readonly input_size: number;
    readonly sequence_length: number;
    /** `null` where the targets are values. */
    readonly num_classes: number | null;
    readonly duration_s: number;
  };
  'graph.compiled': {
    readonly backend: string;
    /** Why this backend was chosen. */
    readonly backend_reason: string;
    /** What actually executes the kernels. */
    readonly executor: string;
    readonly parameters: number;
    readonly nodes: number;
    readonly kernels_per_step: number;
    readonly flops_per_step: number;
    /** Buffers of the training plan. */
    readonly bytes: number;
    readonly duration_s: number;
  };
  'train.step': {
    readonly epoch: number;
    /** Optimizer steps done, counting this one. */
    readonly step: number;
    /** Mean loss of this step's batch. */
    readonly loss: number;
    readonly learning_rate: number;
    /** L2 norm over all gradients, before clipping. */
    readonly grad_norm: number;
    /** Absent if no step but the first of a process was made since the event before. */
    readonly samples_per_s?: number;
  };
  /** With the metrics of the epoch's batches, as they were trained. */
  'train.epoch': {
    readonly epoch: number;
    readonly step: number;
    /** Mean loss over the epoch's samples; NaN where every batch was skipped. */
    readonly loss: number;
    readonly samples: number;
    readonly duration_s: number;
  } & { readonly [M in Exclude<TrainedMetric, 'loss'>]?: number };
  eval: EvaluationFields;
  /**
   * The same for the weights themselves, in a run that is evaluated by their average; before its
   * `eval`.
   */
  'eval.trained': EvaluationFields;
  'checkpoint.saved': {
    readonly epoch: number;
    readonly step: number;
    /** Relative to the run directory, with forward slashes. */
    readonly path: string;
    readonly bytes: number;
    readonly metric: string;
    /** `null` where the metric was not measured. */
    readonly value: number | null;
    readonly best: boolean;
    /** Whether it is there only to go on from, and gives way to the next one. */
    readonly temporary: boolean;
    readonly duration_s: number;
  };
  early_stop: {
    readonly epoch: number;
    readonly step: number;
    readonly metric: string;
    readonly value: number;
    /** The best value; NaN if none was finite. */
    readonly best: number;
    /** Evaluations in a row that did not improve. */
    readonly patience: number;
  };
  warning: {
    /** Stable identifier such as `backend/slow`. */
    readonly code: string;
    readonly message: string;
    /** The step that it is about, where it is about one; likewise the fields below. */
    readonly step?: number;
    readonly epoch?: number;
    readonly loss?: number;
    readonly grad_norm?: number;
  };
  /** As in summary.json; the fields of a baseline's gate are there where it is one. */
  gate: {
    readonly metric: string;
    readonly over: 'last' | 'best' | 'seeds';
    readonly value: number | null;
    readonly min?: number;
    readonly max?: number;
    readonly baseline?: string;
    readonly max_drop?: number;
    readonly max_regress?: number;
    readonly beats?: 'trivial';
    readonly by?: number;
    readonly reference?: number;
    readonly limit?: number;
    readonly verdict: Verdict;
    readonly reason?: string;
    readonly origin: string;
  };
  'run.end': {
    readonly status: RunStatus;
    readonly exit_code: number;
    readonly epochs: number;
    readonly steps: number;
    readonly duration_s: number;
    /** As in summary.json. */
    readonly ms_per_step?: number | null;
    readonly calibration_ms?: number | null;
    readonly step_ratio?: number | null;
    /** What went wrong, one line, where something did. */
    readonly message?: string;
  };
}

export type EventName = keyof EventFields;

/** One event, discriminated by `event`. */
export type RunEvent = { readonly [E in EventName]: { readonly event: E } & EventFields[E] }[EventName];
