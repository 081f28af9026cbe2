/** How long training steps take. Shown and recorded, and decides nothing. */
import { RunningMedian } from './running-median.js';

export class StepTimes {
  private readonly median = new RunningMedian();
  private window = { samples: 0, seconds: 0 };
  private all = 0;
  private steps = 0;

  /** A step over `samples` sequences. */
  add(samples: number, seconds: number): void {
    this.all += seconds;
    this.steps++;
    this.median.add(seconds);
    // the first step of a process compiles, which says nothing of the others
    if (this.steps > 1)
      this.window = { samples: this.window.samples + samples, seconds: this.window.seconds + seconds };
  }

  get count(): number {
    return this.steps;
  }

  /** Seconds of all steps together. */
  get total(): number {
    return this.all;
  }

  /** To 0.5 %; null where no step was made. */
  get medianMilliseconds(): number | null {
    const { value } = this.median;
    return value === null ? null : 1000 * value;
  }

  /**
   * Sequences per second over the steps since this was last asked for, the first step left out;
   * undefined if there was no other.
   */
  takeRate(): number | undefined {
    const { samples, seconds } = this.window;
    this.window = { samples: 0, seconds: 0 };
    return samples > 0 ? samples / seconds : undefined;
  }
}
