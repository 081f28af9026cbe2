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

/**
 * Area under the receiver operating characteristic of one score: the probability that a positive
 * has a larger score than a negative, where equal scores count half (Mann and Whitney, 1947). It
 * keeps all scores.
 */
export class RocArea {
  private readonly positives = new NumberList();
  private readonly negatives = new NumberList();

  add(score: number, isPositive: boolean): void {
    (isPositive ? this.positives : this.negatives).push(score);
  }

  /** Undefined without a positive or without a negative; NaN if a score is. */
  get value(): number | undefined {
    const positives = this.positives.all.toSorted();
    const negatives = this.negatives.all.toSorted();
    if (positives.length === 0 || negatives.length === 0) return undefined;
    // numbers that are none are sorted to the end
    if (Number.isNaN(positives[positives.length - 1]) || Number.isNaN(negatives[negatives.length - 1]))
      return Number.NaN;
    // for each positive: negatives below it, and those up to it
    let [below, upTo, pairs] = [0, 0, 0];
    for (const score of positives) {
      while (below < negatives.length && negatives[below] < score) below++;
      while (upTo < negatives.length && negatives[upTo] <= score) upTo++;
      pairs += (below + upTo) / 2;
    }
    return pairs / (positives.length * negatives.length);
  }
}
