/**
 * A sweep with all defaults filled in and independent of the machine. Stored in the sweep's
 * directory.
 */
import type { Method } from '../search/index.js';
import type { Space } from '../search/space.js';

/** Pruners count epochs. A rung is an epoch after which a trial is judged. */
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

/** A value times this sign is to be minimized. */
export function signOf({ goal }: Pick<Objective, 'goal'>): 1 | -1 {
  return goal === 'maximize' ? -1 : 1;
}

export interface Budget {
  /** Maximum number of trials; a grid has at most its points. */
  readonly trials: number | null;
  /** Seconds of wall time over all processes of the sweep. Running trials finish their segment. */
  readonly seconds: number | null;
  /** The sweep stops once a trial's objective is at least this good. */
  readonly target: number | null;
}

export interface SweepPlan {
  readonly name: string;
  /** Seed of the sweep's own random choices. */
  readonly seed: number;
  /** Seeds that each point is trained with. The objective is the mean over them. */
  readonly seeds: readonly number[];
  readonly space: Space;
  readonly method: Method;
  readonly pruner: Pruner;
  readonly objective: Objective;
  readonly budget: Budget;
  /** Epochs of a trial that is not pruned. */
  readonly epochs: number;
  /**
   * Number of concurrent trials. Part of the plan, since it determines which results are known when
   * a point is chosen.
   */
  readonly parallel: number;
  /** Seconds after which a trial's process counts as hung; null for no limit. */
  readonly trial_timeout: number | null;
  /** Number of times to restart a crashed or hung process before its trial counts as failed. */
  readonly retries: number;
  /**
   * Whether to continue or stop after a failed trial. A diverged trial is a result, not a failure.
   */
  readonly on_trial_error: 'continue' | 'stop';
  /**
   * The base configs: one, or one per variant (the space then has a parameter `config`, a choice of
   * their names).
   */
  readonly bases: readonly Base[];
}

export interface Base {
  /** File name in the sweep's `configs/` directory, such as `base.yaml`. */
  readonly name: string;
  /** As the user named it. */
  readonly file: string;
  /** Of the copy, hex. */
  readonly sha256: string;
  /**
   * `FILE:LINE:COL` of its gates in the user's files, in order, since the copy in the sweep has
   * other lines. Absent if it has no gates.
   */
  readonly gate_origins?: readonly string[];
  /**
   * The files that it was read from, absolute, the config itself last; absent if it has no gates.
   */
  readonly config_files?: readonly string[];
}
