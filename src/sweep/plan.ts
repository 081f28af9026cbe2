/**
 * A sweep as it is carried out: every default filled in, nothing left to the machine. Frozen into
 * the sweep's directory.
 */
import type { Space } from './space.js';

export type Method =
  | { readonly kind: 'grid' }
  | { readonly kind: 'random' }
  | { readonly kind: 'sobol' }
  /** Field names and defaults as in Optuna's TPESampler. */
  | { readonly kind: 'tpe'; readonly n_startup_trials: number; readonly n_ei_candidates: number };

/** Resource is the number of epochs; a rung is an epoch after which a trial is judged. */
export type Pruner =
  | { readonly kind: 'none' }
  /** Stops a trial that is worse than the median of the others at the same epoch. */
  | {
      readonly kind: 'median';
      readonly n_startup_trials: number;
      readonly n_warmup_epochs: number;
      readonly interval_epochs: number;
    }
  | { readonly kind: 'asha'; readonly min_epochs: number; readonly reduction_factor: number }
  | { readonly kind: 'hyperband'; readonly min_epochs: number; readonly reduction_factor: number };

export interface Objective {
  /** Such as `test.accuracy`. */
  readonly metric: string;
  readonly goal: 'minimize' | 'maximize';
}

export interface Budget {
  /** Points at most; a grid has no more than its points. */
  readonly trials: number | null;
  /**
   * Seconds of wall time, all processes of the sweep together; running trials are let finish their
   * segment.
   */
  readonly seconds: number | null;
  /** Ends the sweep once a trial's objective is at least as good. */
  readonly target: number | null;
}

export interface SweepPlan {
  readonly name: string;
  /** Decides every random choice of the sweep. */
  readonly seed: number;
  /** Each point is trained with each; its objective is their mean. */
  readonly seeds: readonly number[];
  readonly space: Space;
  readonly method: Method;
  readonly pruner: Pruner;
  readonly objective: Objective;
  readonly budget: Budget;
  /** Epochs of a trial that is never pruned. */
  readonly epochs: number;
  /**
   * Whether the best waiting trial is trained to its end if no trial was, so that a sweep has a
   * winner with all epochs. Absent in plans of earlier versions, which end without one.
   */
  readonly finish_best?: boolean;
  /**
   * Trials at the same time. Part of the plan, because it decides what is known when a point is
   * chosen.
   */
  readonly parallel: number;
  /** Seconds after which a process of a trial that has not ended counts as hung; null: never. */
  readonly trial_timeout: number | null;
  /** How often a crashed or hung process is started again before its trial counts as failed. */
  readonly retries: number;
  /** What follows a failed trial. A diverged one is a result, not an error. */
  readonly on_trial_error: 'continue' | 'stop';
  /**
   * The base configs: one, or one for each variant (then the space has a parameter named `config`,
   * a choice of these names).
   */
  readonly bases: readonly Base[];
}

export interface Base {
  /** File name within the sweep's `configs/` folder, such as `base.yaml`. */
  readonly name: string;
  /** As the user named it. */
  readonly file: string;
  /**
   * `FILE:LINE:COL` of each of its gates where the user wrote them, in their order: its copy in the
   * sweep knows only its own lines. Absent where it has none.
   */
  readonly gate_origins?: readonly string[];
  /** The files that it was read from, absolute, itself the last; absent likewise. */
  readonly config_files?: readonly string[];
}
