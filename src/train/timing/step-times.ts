/** Durations of training steps. Displayed and recorded only; nothing depends on them. */
import { RunningMedian } from './running-median.js';

export class StepTimes {
  private readonly median = new RunningMedian();
  private window = { samples: 0, seconds: 0 };
  private all = 0;
  private steps = 0;

  /** Adds a step over `samples` sequences. */
  add(samples: number, seconds: number): void {
    this.all += seconds;
    this.steps++;
    this.median.add(seconds);
    // the first step of a process also compiles
    if (this.steps > 1)
      this.window = { samples: this.window.samples + samples, seconds: this.window.seconds + seconds };
  }

  get count(): number {
    return this.steps;
  }

  /** Total seconds of all steps. */
  get total(): number {
    return this.all;
  }

  /** Within 0.5 %; null before the first step. */
  get medianMilliseconds(): number | null {
    const { value } = this.median;
    return value === null ? null : 1000 * value;
  }

  /**
   * Sequences per second over the steps since the last call, without a process's first step;
   * undefined if there are none.
   */
  takeRate(): number | undefined {
    const { samples, seconds } = this.window;
    this.window = { samples: 0, seconds: 0 };
    return samples > 0 ? samples / seconds : undefined;
  }
}
