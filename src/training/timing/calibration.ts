/**
 * How fast the machine was while a run trained, by a kernel that is measured now and then. Shown
 * and recorded, and decides nothing.
 */
import { RunningMedian } from './running-median.js';

/** Of the time that training takes, at most; but for what a short run needs. */
const SHARE = 0.005;
/** The steps before it compile and warm up, and so does what measures beside them. */
const FIRST_STEP = 4;
/**
 * A run of 100 steps has a dozen measurements at least, one of 1000 two dozen: fewer make no median
 * on a busy machine.
 */
const GROWTH = 1.3;
/** What a measurement takes, until one has shown it. */
const EXPECTED_SECONDS = 0.02;

export class Calibration {
  private readonly median = new RunningMedian();
  private measured = 0;
  private spentSeconds = EXPECTED_SECONDS;

  /**
   * Whether to measure after `steps` steps of this process, which took `trainedSeconds`: as often
   * as that time allows, so that the measurements are spread over the run, and at least each time
   * that the steps have grown by `GROWTH`.
   */
  isDue(steps: number, trainedSeconds: number): boolean {
    return steps >= FIRST_STEP * GROWTH ** this.measured || this.spentSeconds <= SHARE * trainedSeconds;
  }

  /** `kernel` measures, and gives milliseconds. */
  async measure(kernel: () => Promise<number>): Promise<void> {
    const began = performance.now();
    this.median.add((await kernel()) / 1000);
    // the first compiles the kernel as well, which is no reason to leave out the next
    if (this.measured > 0) this.spentSeconds += (performance.now() - began) / 1000;
    this.measured++;
  }

  /** Over all measurements, to 0.5 %; null where there was none. */
  get medianMilliseconds(): number | null {
    const { value } = this.median;
    return value === null ? null : 1000 * value;
  }
}
