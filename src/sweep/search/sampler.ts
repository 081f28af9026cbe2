/** What chooses the points of a sweep, and what it is told. */
import type { Point } from '../space.js';

export interface Observation {
  readonly trial: number;
  readonly point: Point;
  /** Epochs after which `value` was measured. */
  readonly epochs: number;
  /** `pruned` also where a trial merely waits at a rung: it has not seen all epochs. */
  readonly state: 'complete' | 'pruned' | 'failed';
  /**
   * To be minimised: the goal's sign is already applied. Null where it is not finite or was not
   * reached: worse than any number.
   */
  readonly value: number | null;
}

export interface Sampler {
  /**
   * The point of trial number `trial` (from 0, each requested in turn). It follows from the sweep's
   * seed and these arguments alone, whatever their order, so that a replay chooses the same.
   * `pending` are the points of trials that have no result yet. Undefined: nothing is left, every
   * point of a finite space has been given out. Throws UserError (exit 2) where `exclude` leaves
   * (next to) nothing of the space.
   */
  suggest(trial: number, finished: readonly Observation[], pending: readonly Point[]): Point | undefined;
}
