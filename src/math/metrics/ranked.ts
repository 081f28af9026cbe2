/** Areas under curves of ranked predictions, averaged over classes or labels. */
import { logSumExp } from './likelihood.js';
import { type Accumulator, APPLIES, FRACTION, meanScore, metric, type Scored } from './metric.js';

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

/** Measures how well scores rank positives before negatives. Keeps all scores. */
class Ranking {
  private readonly positives = new NumberList();
  private readonly negatives = new NumberList();

  add(score: number, isPositive: boolean): void {
    (isPositive ? this.positives : this.negatives).push(score);
  }

  /**
   * The probability that a positive has a larger score than a negative; equal scores count half
   * (Mann and Whitney, 1947). Undefined without positives or negatives; NaN if a score is NaN.
   */
  get rocArea(): number | undefined {
    const [positives, negatives] = this.sorted();
    if (positives.length === 0 || negatives.length === 0) return undefined;
    if (hasNaN(positives) || hasNaN(negatives)) return Number.NaN;
    // for each positive: number of negatives below it, and of those up to it
    let [below, upTo, pairs] = [0, 0, 0];
    for (const score of positives) {
      while (below < negatives.length && negatives[below] < score) below++;
      while (upTo < negatives.length && negatives[upTo] <= score) upTo++;
      pairs += (below + upTo) / 2;
    }
    return pairs / (positives.length * negatives.length);
  }

  /**
   * Mean over the positives of the precision among all samples with at least their score: the sum
   * of (R_n - R_(n-1)) P_n over decreasing thresholds, as scikit-learn's `average_precision_score`.
   * Undefined without positives; NaN if a score is NaN.
   */
  get averagePrecision(): number | undefined {
    const [positives, negatives] = this.sorted();
    if (positives.length === 0) return undefined;
    if (hasNaN(positives) || hasNaN(negatives)) return Number.NaN;
    // from the largest score down; equal scores share a threshold
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

  private sorted(): readonly [Float64Array, Float64Array] {
    return [this.positives.all.toSorted(), this.negatives.all.toSorted()];
  }
}

function hasNaN(sorted: Float64Array): boolean {
  return sorted.length > 0 && Number.isNaN(sorted[sorted.length - 1]);
}

export const auroc = metric({
  description: 'Area under the receiver operating characteristic, mean over the classes.',
  measures: 'probabilities',
  ...FRACTION,
  tasks: {
    classes: {
      formula:
        'macro average over the classes that are present and not universal. For one class: the fraction of (positive, negative) pairs whose positive has the larger probability; ties count half. With two classes only the second counts',
      make: oneAgainstRest('rocArea'),
    },
    labels: {
      formula: 'as for classes, ranked by z_nk, averaged over the labels that have positives and negatives',
      make: eachLabel('rocArea'),
    },
  },
});

export const averagePrecision = metric({
  description:
    'Mean over the positives of the precision at their score, averaged over the classes or labels.',
  measures: 'probabilities',
  ...FRACTION,
  tasks: {
    classes: {
      formula:
        'macro average over the classes that are present. For one class: the mean over its positives n of the precision among all predictions with a probability at least as large as that of n. With two classes only the second counts',
      make: oneAgainstRest('averagePrecision'),
    },
    labels: {
      formula: 'as for classes, ranked by z_nk, averaged over the labels that have positives',
      make: eachLabel('averagePrecision'),
    },
  },
});

/**
 * Mean over the classes for which the score is defined; for two classes, the score of the second.
 * Ranks by log probability, which distinguishes more values than the probability.
 */
function oneAgainstRest(score: 'rocArea' | 'averagePrecision'): (classes: number) => Accumulator {
  return classes => {
    const areas = Array.from({ length: classes === 2 ? 1 : classes }, () => new Ranking());
    const add = ({ outputs, target: [y] }: Scored) => {
      if (classes === 2) return areas[0].add(outputs[1] - outputs[0], y === 1);
      const total = logSumExp(outputs);
      // round to float32 like the outputs, so that equal probabilities stay equal in a different
      // order of summation
      areas.forEach((area, k) => void area.add(Math.fround(outputs[k] - total), y === k));
    };
    return meanScore(add, () => areas.map(area => area[score]));
  };
}

function eachLabel(score: 'rocArea' | 'averagePrecision'): (labels: number) => Accumulator {
  return labels => {
    const areas = Array.from({ length: labels }, () => new Ranking());
    return meanScore(
      // logits distinguish more values than probabilities, which saturate at 1
      ({ outputs, target }) => areas.forEach((area, i) => void area.add(outputs[i], target[i] >= APPLIES)),
      () => areas.map(area => area[score]),
    );
  };
}
