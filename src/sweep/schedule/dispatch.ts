/**
 * Which segments really run: at most as many at a time as there are lanes, each once, those of
 * earlier virtual time first.
 */
import { type Segment, segmentKey } from '../records.js';
import type { Job } from './lanes.js';
import type { Outcomes } from './outcomes.js';

export class Dispatch {
  private readonly given = new Set<string>();
  private readonly running = new Set<string>();
  private highest = -1;

  constructor(
    private readonly lanes: number,
    private readonly seeds: readonly number[],
    private readonly outcomes: Outcomes,
  ) {}

  /** The highest trial that was ever given out or has an outcome; -1 where there is none. */
  get highestTrial(): number {
    return this.highest;
  }

  /** From `jobs`, and then from `ahead` as far as lanes are left. */
  take(jobs: readonly Job[], ahead: Iterable<Omit<Segment, 'seed'>>): Segment[] {
    const taken: Segment[] = [];
    const fill = (segments: Iterable<Segment>) => {
      for (const segment of segments) {
        if (this.running.size >= this.lanes) return;
        if (this.given.has(segmentKey(segment)) || this.outcomes.has(segment)) continue;
        this.give(segment);
        taken.push(segment);
      }
    };
    fill(this.inVirtualOrder(jobs));
    if (this.running.size >= this.lanes) return taken;
    for (const job of ahead) {
      fill(this.segmentsOf(job));
      if (this.running.size >= this.lanes) break;
    }
    return taken;
  }

  private give(segment: Segment): void {
    this.given.add(segmentKey(segment));
    this.running.add(segmentKey(segment));
    this.highest = Math.max(this.highest, segment.trial);
  }

  ended(segment: Segment): void {
    this.running.delete(segmentKey(segment));
    this.highest = Math.max(this.highest, segment.trial);
  }

  /** A lane takes the seeds of its job in turn: each has a virtual start of its own. */
  private inVirtualOrder(jobs: readonly Job[]): Segment[] {
    const timed = jobs.flatMap(job =>
      this.segmentsOf(job).map((segment, i) => ({
        segment,
        start: job.start + ((job.end - job.start) * i) / this.seeds.length,
      })),
    );
    timed.sort((a, b) => a.start - b.start || a.segment.trial - b.segment.trial);
    return timed.map(({ segment }) => segment);
  }

  private segmentsOf({ trial, from, to }: Omit<Segment, 'seed'>): Segment[] {
    return this.seeds.map(seed => ({ trial, seed, from, to }));
  }
}
