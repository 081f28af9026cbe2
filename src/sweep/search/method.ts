import type { Shape, TypeOf } from '../../util/schema.js';
import type { Point, Space } from './space.js';

export interface Observation {
  readonly trial: number;
  readonly point: Point;
  /** Epochs after which `value` was measured. */
  readonly epochs: number;
  /** `pruned` includes trials that are paused at a rung: they have not seen all epochs. */
  readonly state: 'complete' | 'pruned' | 'failed';
  /** The value to minimize; null, if there is none, is worse than any number. */
  readonly value: number | null;
}

export interface Sampler {
  /**
   * The point of trial `trial`, requested in the order 0, 1, 2, …. It depends only on the sweep's
   * seed and these arguments, not on the order of observations, so that a replay chooses the same.
   * Undefined if every point of a finite space was chosen.
   * @param pending points of trials without a result
   */
  suggest(trial: number, finished: readonly Observation[], pending: readonly Point[]): Point | undefined;
}

export interface SearchMethod<S extends Shape = Shape> {
  readonly settings: S;
  /** Whether it lists all points, which ends it, and is impossible with a real parameter. */
  readonly isExhaustive?: true;
  /** Number of first trials that are chosen without results; absent if all are. */
  blindTrials?(settings: TypeOf<S>): number;
  create(space: Space, settings: TypeOf<S>, seed: number): Sampler;
}

export const searchMethod = <S extends Shape>(method: SearchMethod<S>): SearchMethod<S> => method;

/** The points that `next` returns, one for each trial, regardless of results. */
export function listingSampler(next: (trial: number) => Point | undefined): Sampler {
  const listed: Point[] = [];
  return {
    suggest(trial) {
      while (listed.length <= trial) {
        const point = next(listed.length);
        if (point === undefined) return undefined;
        listed.push(point);
      }
      return listed[trial];
    },
  };
}
