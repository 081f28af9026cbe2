/** The interface of search methods, which choose the points of a sweep. */
import type { Point } from '../space.js';

export interface Observation {
  readonly trial: number;
  readonly point: Point;
  /** Epochs after which `value` was measured. */
  readonly epochs: number;
  /** `pruned` includes trials that are paused at a rung: they have not seen all epochs. */
  readonly state: 'complete' | 'pruned' | 'failed';
  /**
   * The value to minimize. Null if it is not finite or was not reached, which is worse than any
   * number.
   */
  readonly value: number | null;
}

export interface Sampler {
  /**
   * The point of trial `trial`, requested in the order 0, 1, 2, …. It depends only on the sweep's
   * seed and these arguments, not on the order of observations, so that a replay chooses the same.
   * Undefined if every point of a finite space was chosen.
   * @param pending points of trials without a result
   * @throws UserError (exit 2) if `exclude` leaves (almost) no points
   */
  suggest(trial: number, finished: readonly Observation[], pending: readonly Point[]): Point | undefined;
}
