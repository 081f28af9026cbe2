/** The trials of a sweep as far as they are decided. */
import type { Observation } from '../search/sampler.js';
import type { Point } from '../space.js';
import type { Goal } from './goal.js';
import type { Measurement } from './outcomes.js';
import { isBetter } from './pruning.js';

export type TrialStatus =
  /**
   * Given out before it is decided, since nothing can keep it from being so but the end of the
   * sweep.
   */
  | 'ahead'
  /** On a lane; also where the sweep was decided before its segment ended. */
  | 'running'
  | 'paused'
  | 'pruned'
  | 'completed'
  | 'diverged'
  | 'failed';

export interface TrialState {
  readonly trial: number;
  readonly point: Point;
  /** Of Hyperband. */
  readonly bracket: number | undefined;
  readonly state: TrialStatus;
  /** The end of the segment that it is in; undefined where it is in none. */
  readonly to: number | undefined;
  /** Up to its last measurement. */
  readonly epochs: number;
  /** Of its last measurement, as the metric was measured. */
  readonly value: number | null;
  readonly spread: number | null;
  /** Its measurements, in the order of the epochs. */
  readonly values: readonly Measurement[];
}

export class Trial implements TrialState {
  state: TrialStatus = 'running';
  to: number | undefined;
  readonly values: Measurement[] = [];
  /** After its latest segment that ended; undefined before any. */
  observation: Observation | undefined;

  constructor(
    readonly trial: number,
    readonly point: Point,
    readonly bracket: number | undefined,
    /** Virtual time of one epoch with one seed. */
    readonly costPerEpoch: number,
  ) {
    if (!(costPerEpoch > 0 && Number.isFinite(costPerEpoch)))
      throw new Error(`an epoch of trial ${trial} cannot cost ${costPerEpoch}`);
  }

  get last(): Measurement | undefined {
    return this.values.at(-1);
  }

  get epochs(): number {
    return this.last?.epochs ?? 0;
  }

  get value(): number | null {
    return this.last?.value ?? null;
  }

  get spread(): number | null {
    return this.last?.spread ?? null;
  }
}

/** Of a trial that is not yet decided; its point goes to all epochs at once. */
export function aheadState(trial: number, point: Point, to: number): TrialState {
  return {
    trial,
    point,
    bracket: undefined,
    state: 'ahead',
    to,
    epochs: 0,
    value: null,
    spread: null,
    values: [],
  };
}

/** What a sampler learns of a trial whose latest segment has ended. */
export function observe(seen: Trial, goal: Goal): Observation {
  const { trial, point, epochs, state } = seen;
  const value = goal.minimised(seen.value);
  if (state === 'failed') return { trial, point, epochs, state, value: null };
  // a diverged trial is a result: nothing more is to be learned of that point
  if (state === 'completed' || state === 'diverged')
    return { trial, point, epochs, state: 'complete', value };
  return { trial, point, epochs, state: 'pruned', value };
}

/**
 * The best value among the trials that have seen the most epochs; of equal ones the oldest. Fewer
 * epochs are another measure: what leads after one may lie behind after all, and a config that is
 * run with all would not repeat it.
 */
export function bestOf(trials: readonly Trial[], goal: Goal): Trial | undefined {
  let best: Trial | undefined;
  for (const trial of trials) {
    if (trial.value === null || trial.state === 'failed') continue;
    if (!best || trial.epochs > best.epochs || (trial.epochs === best.epochs && beats(trial, best, goal)))
      best = trial;
  }
  return best;
}

function beats(a: Trial, b: Trial, goal: Goal): boolean {
  return isBetter(
    { trial: a.trial, value: goal.minimised(a.value) },
    { trial: b.trial, value: goal.minimised(b.value) },
  );
}
