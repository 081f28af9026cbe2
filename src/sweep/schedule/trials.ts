/** Trials on the virtual clock: their measurements over all seeds, and the best of them. */
import type { Observation } from '../search/method.js';
import type { Point } from '../search/space.js';
import { type SweepPlan, signOf } from './plan.js';
import { isBetter } from './pruner.js';
import { type Outcome, type Segment, type SegmentStatus, segmentKey } from './records.js';

export class Trial {
  state: 'running' | 'paused' | 'pruned' | 'completed' | 'diverged' | 'failed' = 'running';
  /** At the last rung that it has reached. */
  last: Measurement | undefined;
  /** Since its last finished segment; undefined before. */
  observation: Observation | undefined;

  constructor(
    readonly trial: number,
    readonly point: Point,
    /** Virtual time of one epoch with one seed. */
    readonly costPerEpoch: number,
  ) {
    if (!(costPerEpoch > 0 && Number.isFinite(costPerEpoch)))
      throw new Error(`an epoch of trial ${trial} cannot cost ${costPerEpoch}`);
  }

  get epochs(): number {
    return this.last?.epochs ?? 0;
  }

  /** As the metric was measured. */
  get value(): number | null {
    return this.last?.value ?? null;
  }
}

/** The observation of a sampler after a trial's segment has ended. */
export function observe(seen: Trial, goal: Goal): Observation {
  const { trial, point, epochs, state } = seen;
  const value = goal.minimized(seen.value);
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
    { trial: a.trial, value: goal.minimized(a.value) },
    { trial: b.trial, value: goal.minimized(b.value) },
  );
}

/** A trial at a rung, over all of its seeds. */
export interface Measurement {
  readonly epochs: number;
  /** `failed` if a seed failed, otherwise `diverged` if one diverged. */
  readonly status: SegmentStatus;
  /** Mean of the metric over the seeds; null if a seed has no value. */
  readonly value: number | null;
  /** Sample standard deviation over the seeds; null for a single seed, and if `value` is null. */
  readonly spread: number | null;
}

/** Collects the outcomes of segments, in any order, and combines those of a trial's seeds. */
export class Outcomes {
  private readonly known = new Map<string, Outcome>();

  constructor(private readonly plan: Pick<SweepPlan, 'seeds' | 'epochs'>) {}

  has(segment: Segment): boolean {
    return this.known.has(segmentKey(segment));
  }

  /**
   * Adds an outcome; adding the same one again has no effect.
   * @throws Error if it contradicts an earlier outcome or the plan, which is a bug
   */
  add(outcome: Outcome): void {
    const { trial, seed, from, to, status, value } = outcome;
    const key = segmentKey(outcome);
    const isPlanned = this.plan.seeds.includes(seed) && from >= 0 && from < to && to <= this.plan.epochs;
    const isValid = value === null || (status === 'done' && Number.isFinite(value));
    if (!isPlanned || !isValid) throw new Error(`segment ${key} cannot end as ${status} with value ${value}`);
    const before = this.known.get(key);
    if (before && (before.status !== status || before.value !== value))
      throw new Error(
        `segment ${key} ended as ${before.status} with ${before.value}, then as ${status} with ${value}`,
      );
    this.known.set(key, { trial, seed, from, to, status, value });
  }

  /** Undefined while the outcome of a seed is missing. */
  measure(job: Omit<Segment, 'seed'>): Measurement | undefined {
    const { trial, from, to } = job;
    const outcomes: Outcome[] = [];
    for (const seed of this.plan.seeds) {
      const outcome = this.known.get(segmentKey({ trial, seed, from, to }));
      if (!outcome) return undefined;
      outcomes.push(outcome);
    }
    const ended = (status: SegmentStatus) => outcomes.some(outcome => outcome.status === status);
    const status = ended('failed') ? 'failed' : ended('diverged') ? 'diverged' : 'done';
    return { epochs: to, status, ...average(outcomes.map(({ value }) => value)) };
  }
}

function average(values: readonly (number | null)[]): Pick<Measurement, 'value' | 'spread'> {
  const numbers = values.filter(value => value !== null);
  if (numbers.length < values.length) return { value: null, spread: null };
  const mean = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
  // the sum of large values may overflow
  if (!Number.isFinite(mean)) return { value: null, spread: null };
  if (numbers.length === 1) return { value: mean, spread: null };
  const squares = numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const spread = Math.sqrt(squares / (numbers.length - 1));
  return { value: mean, spread: Number.isFinite(spread) ? spread : null };
}

/** Normalizes objectives to minimization; nothing else knows the direction of the goal. */
export class Goal {
  private readonly sign: 1 | -1;
  private readonly target: number | null;

  constructor({ objective, budget }: Pick<SweepPlan, 'objective' | 'budget'>) {
    this.sign = signOf(objective);
    this.target = budget.target === null ? null : this.sign * budget.target;
  }

  /** Returns the value to minimize. */
  minimized(value: number | null): number | null {
    return value === null ? null : this.sign * value;
  }

  isReached(value: number | null): boolean {
    const minimized = this.minimized(value);
    return this.target !== null && minimized !== null && minimized <= this.target;
  }
}
