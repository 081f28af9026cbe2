/**
 * A running median of positive numbers, within 0.5 % and in constant memory: a histogram whose bins
 * grow by 1 % each.
 */

/** Smaller values count as this; for seconds, a nanosecond. */
const MIN_VALUE = 1e-9;
/** Larger values count as this; for seconds, about thirty years. */
const MAX_VALUE = 1e9;
const LOG_GROWTH = Math.log(1.01);
const BINS = Math.ceil(Math.log(MAX_VALUE / MIN_VALUE) / LOG_GROWTH) + 1;

export class RunningMedian {
  /** Bin `i` counts values from `MIN_VALUE * 1.01 ** i` up to the next bin's. */
  private readonly counts = new Float64Array(BINS);
  private total = 0;

  add(value: number): void {
    const bounded = Math.min(MAX_VALUE, Math.max(MIN_VALUE, value));
    this.counts[Math.min(BINS - 1, Math.floor(Math.log(bounded / MIN_VALUE) / LOG_GROWTH))] += 1;
    this.total += 1;
  }

  /**
   * Within 0.5 % of the median (for an even count, the mean of the two middle values); null if
   * there are no values.
   */
  get value(): number | null {
    if (this.total === 0) return null;
    return (this.ranked(Math.floor((this.total - 1) / 2)) + this.ranked(Math.floor(this.total / 2))) / 2;
  }

  /** The middle of the bin of the value of rank `rank`, 0 for the smallest. */
  private ranked(rank: number): number {
    let below = 0;
    const bin = this.counts.findIndex(count => {
      below += count;
      return below > rank;
    });
    return MIN_VALUE * Math.exp((bin + 0.5) * LOG_GROWTH);
  }
}
