/** How well predicted probabilities agree with what happens. */
import { logSumExp } from './likelihood.js';
import { type Accumulator, ERROR, meanOf, metric, predictedClass, type Scored } from './metric.js';

const BINS = 15;

interface Bin {
  /** Number of probabilities in the bin. */
  readonly count: number;
  /** Their mean. */
  readonly probability: number;
  /** The fraction of their cases that are true. */
  readonly fraction: number;
}

/** Bins of equal width, (b / B, (b + 1) / B], of probabilities and of whether each came true. */
export class Reliability {
  private readonly counts = new Float64Array(BINS);
  private readonly sums = new Float64Array(BINS);
  private readonly true = new Float64Array(BINS);
  private isUndefined = false;

  add(probability: number, outcome: number): void {
    if (Number.isNaN(probability)) this.isUndefined = true;
    const bin = Math.max(0, Math.ceil(probability * BINS) - 1) || 0;
    this.counts[bin]++;
    this.sums[bin] += probability;
    this.true[bin] += outcome;
  }

  /** The bins that are not empty, the least probable first. */
  get bins(): readonly Bin[] {
    return Array.from(this.counts, (count, b) => ({
      count,
      probability: this.sums[b] / count,
      fraction: this.true[b] / count,
    })).filter(({ count }) => count > 0);
  }

  /** Expected calibration error; NaN if a probability was, undefined without any. */
  get error(): number | undefined {
    const all = this.counts.reduce((sum, count) => sum + count, 0);
    if (this.isUndefined) return Number.NaN;
    if (all === 0) return undefined;
    const gaps = Array.from(this.counts, (_, b) => Math.abs(this.sums[b] - this.true[b]));
    return gaps.reduce((sum, gap) => sum + gap, 0) / all;
  }
}

/** The probability of the predicted class, and 1 if it is the true one. */
export function addConfidence(reliability: Reliability, { outputs, target }: Scored): void {
  const best = predictedClass(outputs);
  reliability.add(
    best < 0 ? Number.NaN : Math.exp(outputs[best] - logSumExp(outputs)),
    Number(best === target[0]),
  );
}

function ofLabels(labels: number): Accumulator {
  const all = Array.from({ length: labels }, () => new Reliability());
  return {
    add: ({ point, target }) => all.forEach((reliability, i) => void reliability.add(point[i], target[i])),
    get value() {
      const errors = all.map(({ error }) => error);
      return errors[0] === undefined ? undefined : errors.reduce<number>((sum, e) => sum + e!, 0) / labels;
    },
  };
}

export const calibrationError = metric({
  description: 'Expected calibration error: mean difference between probabilities and frequencies.',
  measures: 'probabilities',
  ...ERROR,
  max: 1,
  tasks: {
    classes: {
      formula:
        'sum_b (n_b / N) abs(a_b - c_b) over 15 bins of equal width (Guo et al., 2017), where c_b is the mean probability of the predicted classes in bin b and a_b the fraction of them that is correct',
      make() {
        const reliability = new Reliability();
        return {
          add: prediction => addConfidence(reliability, prediction),
          get value() {
            return reliability.error;
          },
        };
      },
    },
    labels: {
      formula:
        'the same for the probability of each label and the fraction of its cases, averaged over the labels',
      make: ofLabels,
    },
  },
});

export const brierScore = metric({
  description: 'Mean squared difference between probabilities and what happened (Brier, 1950).',
  measures: 'probabilities',
  ...ERROR,
  max: 2,
  tasks: {
    classes: {
      formula:
        '(1/N) sum_n sum_k (p_nk - y_nk)^2, where y_nk is 1 for the class of n, else 0; half of it for two classes',
      make: classes => meanOf(({ outputs, target }) => squares(outputs, target[0]) / (classes === 2 ? 2 : 1)),
    },
    labels: {
      formula: '(1/(N C)) sum_n sum_k (p_nk - y_nk)^2',
      make: () =>
        meanOf(({ point, target }) => {
          let sum = 0;
          for (let i = 0; i < target.length; i++) sum += (point[i] - target[i]) ** 2;
          return sum / target.length;
        }),
    },
  },
});

function squares(logits: ArrayLike<number>, label: number): number {
  const total = logSumExp(logits);
  let sum = 0;
  for (let k = 0; k < logits.length; k++) sum += (Math.exp(logits[k] - total) - Number(k === label)) ** 2;
  return sum;
}

export const logLoss = metric({
  description: 'Mean negative log probability of the truth, without the weights and smoothing of the loss.',
  measures: 'likelihood',
  ...ERROR,
  tasks: {
    classes: {
      formula: 'mean of l_n, where l_n = log sum_k exp(z_nk) - z_n,y_n',
      make: () => meanOf(({ outputs, target }) => logSumExp(outputs) - outputs[target[0]]),
    },
    labels: {
      formula: '(1/(N C)) sum_n sum_k [ -y_nk log sigma(z_nk) - (1 - y_nk) log(1 - sigma(z_nk)) ]',
      make: () =>
        meanOf(({ outputs, target }) => {
          let sum = 0;
          for (let i = 0; i < target.length; i++)
            sum +=
              Math.max(outputs[i], 0) - outputs[i] * target[i] + Math.log1p(Math.exp(-Math.abs(outputs[i])));
          return sum / target.length;
        }),
    },
  },
});
