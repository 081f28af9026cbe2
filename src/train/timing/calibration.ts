/**
 * Tracks how fast the machine was during training by timing a fixed kernel now and then. Displayed
 * and recorded only; nothing depends on it.
 */
import { RunningMedian } from './running-median.js';

/** Maximum share of the training time, except for the minimum that a short run needs. */
const SHARE = 0.005;
/** Earlier steps compile and warm up, and so does other measuring code. */
const FIRST_STEP = 4;
/**
 * A run of 100 steps has a dozen measurements or more, one of 1000 two dozen: fewer give no stable
 * median on a busy machine.
 */
const GROWTH = 1.3;
/** Assumed duration of a measurement until the first one. */
const EXPECTED_SECONDS = 0.02;

export class Calibration {
  private readonly median = new RunningMedian();
  private measured = 0;
  private spentSeconds = EXPECTED_SECONDS;

  /**
   * True if a measurement is due after `steps` steps of this process, which took `trainedSeconds`:
   * as often as `SHARE` of the time allows, which spreads measurements over the run, and at least
   * each time the steps have grown by `GROWTH`.
   */
  isDue(steps: number, trainedSeconds: number): boolean {
    return steps >= FIRST_STEP * GROWTH ** this.measured || this.spentSeconds <= SHARE * trainedSeconds;
  }

  /** Adds a measurement of `kernel`, which returns milliseconds. */
  async measure(kernel: () => Promise<number>): Promise<void> {
    const began = performance.now();
    this.median.add((await kernel()) / 1000);
    // the first also compiles the kernel; its time must not postpone the next
    if (this.measured > 0) this.spentSeconds += (performance.now() - began) / 1000;
    this.measured++;
  }

  /** Over all measurements, within 0.5 %; null if there are none. */
  get medianMilliseconds(): number | null {
    const { value } = this.median;
    return value === null ? null : 1000 * value;
  }
}
