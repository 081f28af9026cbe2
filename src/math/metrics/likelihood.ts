/** Metrics of the mean cross-entropy, without the weights and smoothing of a loss. */
import { type Accumulator, ERROR, meanOf, metric, type Scored } from './metric.js';

export const perplexity = metric({
  description: 'Exponential of the mean cross-entropy.',
  measures: 'likelihood',
  ...ERROR,
  // exp of a cross-entropy, which is at least 0
  min: 1,
  tasks: {
    classes: {
      formula:
        'exp of the mean of l_n, where l_n = log sum_k exp(z_nk) - z_n,y_n, without weights and smoothing',
      make: () => ofCrossEntropy(Math.exp),
    },
  },
});

export const bitsPerSymbol = metric({
  description: 'Mean cross-entropy in bits.',
  measures: 'likelihood',
  ...ERROR,
  tasks: {
    classes: {
      formula: 'mean of l_n, divided by log 2',
      make: () => ofCrossEntropy(mean => mean / Math.LN2),
    },
    sequences: {
      formula:
        'of models with a decoder: mean of l over the symbols of all targets and the boundaries after them, divided by log 2. The decoder reads the symbols before, as in training. Targets with a symbol that the model does not know are left out',
      make: ofSymbols,
    },
  },
});

function ofCrossEntropy(result: (mean: number) => number): Accumulator {
  const mean = meanOf(({ outputs, target }: Scored) => logSumExp(outputs) - outputs[target[0]]);
  return {
    add: mean.add,
    get value() {
      return mean.value === undefined ? undefined : result(mean.value);
    },
  };
}

function ofSymbols(classes: number): Accumulator {
  const mean = ofCrossEntropy(mean => mean / Math.LN2);
  const boundary = classes - 1;
  return {
    add({ outputs, target, ...rest }) {
      if (target.includes(boundary)) return;
      [...target, boundary].forEach((symbol, s) => {
        const logits = outputs.subarray(s * classes, (s + 1) * classes);
        mean.add({ ...rest, outputs: logits, target: Int32Array.of(symbol) });
      });
    },
    get value() {
      return mean.value;
    },
  };
}

export function logSumExp(z: ArrayLike<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < z.length; i++) largest = Math.max(largest, z[i]);
  let sum = 0;
  for (let i = 0; i < z.length; i++) sum += Math.exp(z[i] - largest);
  return largest + Math.log(sum);
}
