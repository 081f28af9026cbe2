/** The state of a sweep's trials, and the best of them. */
import type { Observation } from '../search/sampler.js';
import type { Point } from '../space.js';
import type { Goal } from './goal.js';
import type { Measurement } from './outcomes.js';
import { isBetter } from './pruning.js';

export type TrialStatus =
  /** Started before it is decided, which only the end of the sweep can prevent. */
  | 'ahead'
  /** On a lane; also if the sweep was decided before its segment ended. */
  | 'running'
  | 'paused'
  | 'pruned'
  | 'completed'
  | 'diverged'
  | 'failed';

export interface TrialState {
  readonly trial: number;
  readonly point: Point;
  /** Bracket of Hyperband. */
  readonly bracket: number | undefined;
  readonly state: TrialStatus;
  /** Last epoch of its current segment; undefined if there is none. */
  readonly to: number | undefined;
  /** Epochs at its last measurement. */
  readonly epochs: number;
  /** Value at its last measurement, as the metric was measured. */
  readonly value: number | null;
  readonly spread: number | null;
  /** Measurements in the order of the epochs. */
  readonly values: readonly Measurement[];
}

export class Trial implements TrialState {
  state: TrialStatus = 'running';
  to: number | undefined;
  readonly values: Measurement[] = [];
  /** Since its last finished segment; undefined before. */
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

/** The state of a trial that started before it is decided; such trials have no rungs. */
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

/** The observation of a sampler after a trial's segment has ended. */
export function observe(seen: Trial, goal: Goal): Observation {
  const { trial, point, epochs, state } = seen;
  const value = goal.minimised(seen.value);
  if (state === 'failed') return { trial, point, epochs, state, value: null };
  // a diverged trial is complete: further epochs would say nothing about its point
  if (state === 'completed' || state === 'diverged')
    return { trial, point, epochs, state: 'complete', value };
  return { trial, point, epochs, state: 'pruned', value };
}

/**
 * The best value among the trials with the most epochs; of equal ones the oldest. Values after
 * fewer epochs are not comparable: a trial that leads early may end behind, and retraining its
 * config with all epochs would not reproduce the value.
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
