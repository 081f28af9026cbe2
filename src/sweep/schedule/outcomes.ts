/** Collects the outcomes of segments, in any order, and combines those of a trial's seeds. */
import type { SweepPlan } from '../plan.js';
import { type Outcome, type Segment, type SegmentStatus, segmentKey } from '../records.js';

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
