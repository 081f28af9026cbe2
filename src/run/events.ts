/**
 * The events of `log.jsonl`, as passed to the logger, which adds `level`, `time`, `v` and `seq`.
 * Fields are flat, names are snake_case, durations are seconds. `schemas/log-event.schema.json` is
 * the same contract for readers in any language.
 */

import type { Metric, SplitName } from '../config/experiment.js';
import type { TrainedMetric } from '../math/metrics/index.js';
import type { Gate } from './gates.js';

export const EVENT_VERSION = 1;

/** How a run ended; also `status` in summary.json. */
export type RunStatus = 'completed' | 'interrupted' | 'diverged' | 'failed';

/** `inconclusive`: its metric was not measured, is not finite, or needs several runs. */
export type Verdict = 'passed' | 'failed' | 'inconclusive';

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
    readonly config_hash: string;
    readonly version: string;
  };
  /**
   * The run resumes in another process. The following records replace those logged after `step`.
   */
  'run.resume': {
    readonly run_id: string;
    readonly step: number;
    readonly config_hash: string;
    readonly version: string;
    readonly replaced_records: number;
    /** The file, in the same folder, that the records after that checkpoint were moved to. */
    readonly replaced_file: string | null;
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
    readonly backend_reason: string;
    readonly executor: string;
    readonly parameters: number;
    readonly nodes: number;
    readonly kernels_per_step: number;
    readonly flops_per_step: number;
    readonly bytes: number;
    readonly duration_s: number;
  };
  'train.step': {
    readonly epoch: number;
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
   * Precedes `eval` in a run that is evaluated with averaged weights: of the weights themselves.
   */
  'eval.trained': EvaluationFields;
  'checkpoint.saved': {
    readonly epoch: number;
    readonly step: number;
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
    readonly best: number;
    readonly patience: number;
  };
  warning: {
    /** Stable identifier such as `backend/slow`. */
    readonly code: string;
    readonly message: string;
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
    readonly summary_sha256?: string;
    readonly message?: string;
  };
}

export type EventName = keyof EventFields;

/** One event, discriminated by `event`. */
export type RunEvent = { readonly [E in EventName]: { readonly event: E } & EventFields[E] }[EventName];
