/** A list of numbers without an object for each. */
class NumberList {
  private values = new Float64Array(1024);
  private count = 0;

  push(value: number): void {
    if (this.count === this.values.length) {
      const larger = new Float64Array(2 * this.count);
      larger.set(this.values);
      this.values = larger;
    }
    this.values[this.count++] = value;
  }

  get all(): Float64Array {
    return this.values.subarray(0, this.count);
  }
}

/** How well a score ranks positives before negatives. It keeps all scores. */
export class Ranking {
  private readonly positives = new NumberList();
  private readonly negatives = new NumberList();

  add(score: number, isPositive: boolean): void {
    (isPositive ? this.positives : this.negatives).push(score);
  }

  /**
   * Area under the receiver operating characteristic: the probability that a positive has a larger
   * score than a negative, where equal scores count half (Mann and Whitney, 1947). Undefined
   * without a positive or without a negative; NaN if a score is.
   */
  get rocArea(): number | undefined {
    const [positives, negatives] = this.sorted();
    if (positives.length === 0 || negatives.length === 0) return undefined;
    if (hasNaN(positives) || hasNaN(negatives)) return Number.NaN;
    // for each positive: negatives below it, and those up to it
    let [below, upTo, pairs] = [0, 0, 0];
    for (const score of positives) {
      while (below < negatives.length && negatives[below] < score) below++;
      while (upTo < negatives.length && negatives[upTo] <= score) upTo++;
      pairs += (below + upTo) / 2;
    }
    return pairs / (positives.length * negatives.length);
  }

  /**
   * The mean over the positives of the precision among all that have a score at least as large: the
   * sum of (R_n - R_(n-1)) P_n over falling thresholds, as scikit-learn's
   * `average_precision_score`. Undefined without a positive; NaN if a score is.
   */
  get averagePrecision(): number | undefined {
    const [positives, negatives] = this.sorted();
    if (positives.length === 0) return undefined;
    if (hasNaN(positives) || hasNaN(negatives)) return Number.NaN;
    // from the largest score down; equal ones share a threshold
    let [from, before, sum] = [positives.length, negatives.length, 0];
    while (from > 0) {
      const threshold = positives[from - 1];
      const last = from;
      while (from > 0 && positives[from - 1] === threshold) from--;
      while (before > 0 && negatives[before - 1] >= threshold) before--;
      const right = positives.length - from;
      sum += ((last - from) * right) / (right + negatives.length - before);
    }
    return sum / positives.length;
  }

  /** Ascending, numbers that are none at the end. */
  private sorted(): readonly [Float64Array, Float64Array] {
    return [this.positives.all.toSorted(), this.negatives.all.toSorted()];
  }
}

function hasNaN(sorted: Float64Array): boolean {
  return sorted.length > 0 && Number.isNaN(sorted[sorted.length - 1]);
}
