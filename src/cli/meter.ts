/**
 * Rate and time left of a training, from what was done since the beginning of this process (a
 * resumed run began in another). All time belongs to the event that ends it: a step, a saved
 * checkpoint, an evaluation. The first step, which compiles, counts only until there is a second
 * one.
 */
export class Meter {
  private mark: number;
  private samples = 0;
  private steps = 0;
  /** The first step: milliseconds and sequences. */
  private first = { time: 0, samples: 0 };
  /** Milliseconds. */
  private readonly spent = { steps: 0, saves: 0, evaluations: 0 };
  private evaluations = { done: 0, left: 0 };

  /** `clock` gives milliseconds from any beginning. */
  constructor(private readonly clock: () => number) {
    this.mark = clock();
  }

  /** A step over `samples` sequences has ended. */
  step(samples: number): void {
    const time = this.lap();
    if (this.steps === 0) this.first = { time, samples };
    this.spent.steps += time;
    this.samples += samples;
    this.steps += 1;
  }

  saved(): void {
    this.spent.saves += this.lap();
  }

  /** An evaluation has ended, and `left` more are to come. */
  evaluated(left: number): void {
    this.spent.evaluations += this.lap();
    this.evaluations = { done: this.evaluations.done + 1, left };
  }

  /** Sequences per second of training: neither saving nor evaluating counts. */
  get rate(): number {
    const { time, samples } = this.startUp;
    return (1000 * (this.samples - samples)) / Math.max(1e-3, this.spent.steps - time);
  }

  /** Seconds that `steps` more steps take, with what is saved between them and, once one has been measured, the evaluations. */
  secondsLeft(steps: number): number {
    const { time, steps: begun } = this.startUp;
    const each =
      (this.spent.steps - time) / Math.max(1, this.steps - begun) +
      this.spent.saves / Math.max(1, this.steps);
    const evaluation = this.spent.evaluations / Math.max(1, this.evaluations.done);
    return (each * Math.max(0, steps) + evaluation * this.evaluations.left) / 1000;
  }

  /** What does not count, once it is not all there is. */
  private get startUp(): { time: number; samples: number; steps: number } {
    return this.steps > 1 ? { ...this.first, steps: 1 } : { time: 0, samples: 0, steps: 0 };
  }

  /** Milliseconds since the last event. */
  private lap(): number {
    const now = this.clock();
    const passed = now - this.mark;
    this.mark = now;
    return passed;
  }
}
