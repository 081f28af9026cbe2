/** Selects the segments that run: at most one per lane, each once, in the order of virtual time. */
import { type Segment, segmentKey } from '../records.js';
import type { Job } from './lanes.js';
import type { Outcomes } from './outcomes.js';

export class Dispatch {
  private readonly started = new Set<string>();
  private readonly running = new Set<string>();
  private highest = -1;

  constructor(
    private readonly lanes: number,
    private readonly seeds: readonly number[],
    private readonly outcomes: Outcomes,
  ) {}

  /** The highest trial that was ever started or has an outcome; -1 if there is none. */
  get highestTrial(): number {
    return this.highest;
  }

  /** Takes segments from `jobs`, then from `ahead` while lanes are free. */
  take(jobs: readonly Job[], ahead: Iterable<Omit<Segment, 'seed'>>): Segment[] {
    const taken: Segment[] = [];
    const fill = (segments: Iterable<Segment>) => {
      for (const segment of segments) {
        if (this.running.size >= this.lanes) return;
        if (this.started.has(segmentKey(segment)) || this.outcomes.has(segment)) continue;
        this.start(segment);
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

  private start(segment: Segment): void {
    this.started.add(segmentKey(segment));
    this.running.add(segmentKey(segment));
    this.highest = Math.max(this.highest, segment.trial);
  }

  ended(segment: Segment): void {
    this.running.delete(segmentKey(segment));
    this.highest = Math.max(this.highest, segment.trial);
  }

  /** A lane trains the seeds of a job one after the other, so each has its own virtual start. */
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
