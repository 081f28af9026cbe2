/**
 * The events of `log.jsonl`, as passed to the logger, which adds `level`, `time`, `v` and `seq`.
 * Fields are flat, names are snake_case, durations are seconds. `schemas/log-event.schema.json` is
 * the same contract for readers in any language.
 */

import type { Metric, SplitName } from '../config/experiment.js';
import type { TrainedMetric } from '../math/metrics/index.js';
import type { Gate } from './gates.js';

/** Version of the event format: the `v` of every line. */
export const EVENT_VERSION = 1;

/** How a run ended; also `status` in summary.json. */
export type RunStatus = 'completed' | 'interrupted' | 'diverged' | 'failed';

/**
 * A gate's outcome; `inconclusive` if its metric was not measured, is not finite, or cannot be
 * judged by a single run.
 */
export type Verdict = 'passed' | 'failed' | 'inconclusive';

/** Fields of `eval`, with the metrics of the split. */
type EvaluationFields = {
  readonly split: SplitName;
  readonly epoch: number;
  readonly step: number;
  readonly loss: number;
  readonly samples: number;
  /** The step of the checkpoint whose weights were restored before this evaluation. */
  readonly restored_step?: number;
  readonly duration_s: number;
} & { readonly [M in Exclude<Metric, 'loss'>]?: number };

/**
 * Fields of each event by its name. Any number may be NaN or infinite; the logger spells those out.
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
   * The run resumes in another process. The following records replace those logged after `step`.
   */
  'run.resume': {
    readonly run_id: string;
    /** Optimizer steps of the checkpoint that it resumes from; 0 if there is none. */
    readonly step: number;
    readonly config_hash: string;
    /** Version of cellrun. */
    readonly version: string;
    /** Number of records after that checkpoint, which were moved out of this log. */
    readonly replaced_records: number;
    /** Name of the file that contains them, in the same folder; `null` if there are none. */
    readonly replaced_file: string | null;
    /** Changes, such as `training.num_epochs: 2 -> 4`; `null` if there are none. */
    readonly changes: string | null;
    /** Times of the run so far over all its processes, named as in summary.json. */
    readonly duration_s: number;
    readonly train_s: number;
    readonly eval_s: number;
    readonly ms_per_step: number | null;
    readonly calibration_ms: number | null;
    readonly peak_rss_mb: number;
  };
  'data.ready': {
    /** Sequences of each split. */
    readonly train_count: number;
    readonly validation_count?: number;
    readonly test_count: number;
    readonly input_size: number;
    readonly sequence_length: number;
    readonly num_classes: number | null;
    readonly duration_s: number;
  };
  'graph.compiled': {
    readonly backend: string;
    /** Why this backend was chosen. */
    readonly backend_reason: string;
    readonly executor: string;
    readonly parameters: number;
    readonly nodes: number;
    readonly kernels_per_step: number;
    readonly flops_per_step: number;
    /** Bytes of the buffers of the training plan. */
    readonly bytes: number;
    readonly duration_s: number;
  };
  'train.step': {
    readonly epoch: number;
    /** Optimizer steps so far, including this one. */
    readonly step: number;
    /** Mean loss of this step's batch. */
    readonly loss: number;
    readonly learning_rate: number;
    /** L2 norm over all gradients, before clipping. */
    readonly grad_norm: number;
    readonly samples_per_s?: number;
  };
  /** With the training metrics: those of the epoch's batches before their updates. */
  'train.epoch': {
    readonly epoch: number;
    readonly step: number;
    /** Mean loss over the epoch's samples; NaN if every batch was skipped. */
    readonly loss: number;
    readonly samples: number;
    readonly duration_s: number;
  } & { readonly [M in Exclude<TrainedMetric, 'loss'>]?: number };
  eval: EvaluationFields;
  /**
   * Like `eval`, for the weights themselves in a run that is evaluated with their average; precedes
   * its `eval`.
   */
  'eval.trained': EvaluationFields;
  'checkpoint.saved': {
    readonly epoch: number;
    readonly step: number;
    /** Relative to the run directory, with forward slashes. */
    readonly path: string;
    readonly bytes: number;
    readonly metric: string;
    readonly value: number | null;
    readonly best: boolean;
    /** True for a checkpoint that only serves to resume; the next one replaces it. */
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
    /** Consecutive evaluations without an improvement. */
    readonly patience: number;
  };
  warning: {
    /** Stable identifier such as `backend/slow`. */
    readonly code: string;
    readonly message: string;
    /** The step that it concerns; absent, like the fields below, if it concerns none. */
    readonly step?: number;
    readonly epoch?: number;
    readonly loss?: number;
    readonly grad_norm?: number;
  };
  /** As in summary.json; the fields of a baseline are present if the gate has one. */
  gate: Gate & {
    readonly value: number | null;
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
    readonly ms_per_step: number | null;
    readonly calibration_ms: number | null;
    readonly step_ratio: number | null;
    /** SHA-256 (hex) of summary.json. Absent if it could not be written. */
    readonly summary_sha256?: string;
    /** What went wrong, in one line; absent if nothing did. */
    readonly message?: string;
  };
}

export type EventName = keyof EventFields;

/** One event, discriminated by `event`. */
export type RunEvent = { readonly [E in EventName]: { readonly event: E } & EventFields[E] }[EventName];
