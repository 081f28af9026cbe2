/**
 * The virtual clock: which trial occupies which lane until when, from the plan's costs alone,
 * independent of the machine.
 */

/** A trial that is trained to its next rung, with all seeds one after the other. */
export interface Job {
  readonly trial: number;
  readonly from: number;
  readonly to: number;
  /** Virtual time. */
  readonly start: number;
  readonly end: number;
}

export class Lanes {
  private readonly running: Job[] = [];

  constructor(private readonly count: number) {
    if (!(Number.isInteger(count) && count >= 1)) throw new Error(`${count} lanes`);
  }

  get jobs(): readonly Job[] {
    return this.running;
  }

  get isFree(): boolean {
    return this.running.length < this.count;
  }

  start(job: Job): void {
    if (!this.isFree) throw new Error(`trial ${job.trial} has no lane`);
    this.running.push(job);
  }

  /** The job that ends first; if several do, the one of the oldest trial. */
  get next(): Job | undefined {
    let next: Job | undefined;
    for (const job of this.running) {
      if (!next || job.end < next.end || (job.end === next.end && job.trial < next.trial)) next = job;
    }
    return next;
  }

  end(job: Job): void {
    this.running.splice(this.running.indexOf(job), 1);
  }
}
