/**
 * What has become of segments, in whatever order it was told, and what a trial's seeds together
 * say.
 */
import type { SweepPlan } from '../plan.js';
import { type Outcome, type Segment, type SegmentStatus, segmentKey } from '../records.js';

/** All seeds of a trial at a rung. */
export interface Measurement {
  readonly epochs: number;
  /** `failed` where a seed has failed; else `diverged` where one has diverged. */
  readonly status: SegmentStatus;
  /** The mean over the seeds, as the metric was measured; null where a seed has none. */
  readonly value: number | null;
  /** The sample standard deviation over the seeds; null for one seed, and where `value` is. */
  readonly spread: number | null;
}

export class Outcomes {
  private readonly known = new Map<string, Outcome>();

  constructor(private readonly plan: Pick<SweepPlan, 'seeds' | 'epochs'>) {}

  has(segment: Segment): boolean {
    return this.known.has(segmentKey(segment));
  }

  /**
   * The same may be told twice. Throws where it contradicts what was told before, or the plan: a
   * defect of ours.
   */
  add(outcome: Outcome): void {
    const { trial, seed, from, to, status, value } = outcome;
    const key = segmentKey(outcome);
    const isPlanned = this.plan.seeds.includes(seed) && from >= 0 && from < to && to <= this.plan.epochs;
    const hasSense = value === null || (status === 'done' && Number.isFinite(value));
    if (!isPlanned || !hasSense) throw new Error(`segment ${key} cannot have ended ${status} with ${value}`);
    const before = this.known.get(key);
    if (before && (before.status !== status || before.value !== value))
      throw new Error(
        `segment ${key} ended ${before.status} with ${before.value}, and now ${status} with ${value}`,
      );
    this.known.set(key, { trial, seed, from, to, status, value });
  }

  /** Undefined where a seed is not yet known. */
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
  // large enough values have a sum that no double holds
  if (!Number.isFinite(mean)) return { value: null, spread: null };
  if (numbers.length === 1) return { value: mean, spread: null };
  const squares = numbers.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const spread = Math.sqrt(squares / (numbers.length - 1));
  return { value: mean, spread: Number.isFinite(spread) ? spread : null };
}
