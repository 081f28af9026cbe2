/**
 * Rate and remaining time of training, measured since this process started. The time between two
 * events counts for the second: a step, a saved checkpoint or an evaluation. Time before the end of
 * the first step is ignored, since it includes startup, data and compilation.
 */
export class Meter {
  private mark: number;
  /** Finished steps, including the first. */
  private steps = 0;
  /** Sequences of all steps after the first. */
  private samples = 0;
  /** Milliseconds per kind of event. */
  private readonly spent = { steps: 0, saves: 0, evaluations: 0 };
  private readonly evaluations = { done: 0, left: 0 };

  /** @param clock milliseconds since any fixed time */
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

  /** An evaluation has ended; `left` more follow. */
  evaluated(left: number): void {
    const time = this.lap();
    this.evaluations.left = left;
    if (this.steps === 0) return;
    this.spent.evaluations += time;
    this.evaluations.done += 1;
  }

  /** Sequences per second without saving and evaluating; undefined before the second step. */
  get rate(): number | undefined {
    if (this.steps < 2) return undefined;
    return (1000 * this.samples) / Math.max(1e-3, this.spent.steps);
  }

  /**
   * Seconds for `steps` more steps, including saving and, once one was measured, evaluations.
   * Undefined before the second step.
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
