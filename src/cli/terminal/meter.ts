/**
 * Rate and time left of a training, from what was done since the beginning of this process (a
 * resumed run began in another). All time belongs to the event that ends it: a step, a saved
 * checkpoint, an evaluation. What comes before the end of the first step starts the process up,
 * reads data and compiles: it says nothing of what is to come and never counts.
 */
export class Meter {
  private mark: number;
  /** Steps that have ended, the first one among them. */
  private steps = 0;
  /** Sequences of the steps that count. */
  private samples = 0;
  /** Milliseconds. */
  private readonly spent = { steps: 0, saves: 0, evaluations: 0 };
  private readonly evaluations = { done: 0, left: 0 };

  /** `clock` returns milliseconds from any beginning. */
  constructor(private readonly clock: () => number) {
    this.mark = clock();
  }

  /** A step over `samples` sequences has ended. */
  step(samples: number): void {
    const time = this.lap();
    this.steps += 1;
    if (this.steps === 1) return;
    this.spent.steps += time;
    this.samples += samples;
  }

  saved(): void {
    const time = this.lap();
    if (this.steps > 0) this.spent.saves += time;
  }

  /** An evaluation has ended, and `left` more are to come. */
  evaluated(left: number): void {
    const time = this.lap();
    this.evaluations.left = left;
    if (this.steps === 0) return;
    this.spent.evaluations += time;
    this.evaluations.done += 1;
  }

  /**
   * Sequences per second of training, without saving and evaluating; undefined before the second
   * step.
   */
  get rate(): number | undefined {
    if (this.steps < 2) return undefined;
    return (1000 * this.samples) / Math.max(1e-3, this.spent.steps);
  }

  /**
   * Seconds that `steps` more steps take, with what is saved between them and, once one has been
   * measured, the evaluations; undefined before the second step.
   */
  secondsLeft(steps: number): number | undefined {
    if (this.steps < 2) return undefined;
    const each = this.spent.steps / (this.steps - 1) + this.spent.saves / this.steps;
    const evaluation = this.spent.evaluations / Math.max(1, this.evaluations.done);
    return (each * Math.max(0, steps) + evaluation * this.evaluations.left) / 1000;
  }

  /** Milliseconds since the last event. */
  private lap(): number {
    const now = this.clock();
    const passed = now - this.mark;
    this.mark = now;
    return passed;
  }
}
