/** Metrics of classification, from C logits z and the class y. */
import type { ClassesMetric, TrainedMetric } from '../../config/index.js';

import { type ClassScores, Counts } from './counts.js';
import { type Accumulator, meanOf, meanOfDefined, type PredictionMetric, type Scored } from './metric.js';
import { Ranking } from './ranking.js';

/** Metrics that are means of one value per prediction. */
export const classesMeans: Readonly<Record<Extract<ClassesMetric, TrainedMetric>, PredictionMetric>> = {
  accuracy: ({ outputs, target }) => (predictedClass(outputs) === target[0] ? 1 : 0),
  top_3_accuracy: isAmong(3),
  top_5_accuracy: isAmong(5),
};

export const classesMetrics: Readonly<
  Record<Exclude<ClassesMetric, TrainedMetric>, (classes: number) => Accumulator>
> = {
  precision: macro('precision'),
  recall: macro('recall'),
  f1: macro('f1'),
  auroc: oneAgainstRest('rocArea'),
  average_precision: oneAgainstRest('averagePrecision'),
  perplexity: () => ofCrossEntropy(Math.exp),
  bits_per_symbol: () => ofCrossEntropy(mean => mean / Math.LN2),
};

/**
 * Returns the class with the largest logit (the first of equal ones); -1 if a logit is NaN, so that
 * the prediction never counts as correct.
 */
export function predictedClass(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) return -1;
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

/**
 * 1 if fewer than k logits rank before that of y, else 0. Equal logits rank in the order of
 * classes.
 */
function isAmong(k: number): PredictionMetric {
  return ({ outputs, target }) => {
    const y = target[0];
    let before = 0;
    for (let i = 0; i < outputs.length; i++) {
      if (Number.isNaN(outputs[i])) return 0;
      if (outputs[i] > outputs[y] || (outputs[i] === outputs[y] && i < y)) before++;
    }
    return before < k ? 1 : 0;
  };
}

/** Mean over the classes that occur as label or prediction. */
function macro(score: keyof ClassScores): (classes: number) => Accumulator {
  return classes => {
    const counts = new Counts(classes);
    return {
      add: ({ outputs, target }) => counts.addClass(target[0], predictedClass(outputs)),
      get value() {
        return meanOfDefined(counts.occurring.map(scores => scores[score]));
      },
    };
  };
}

/**
 * Mean over the classes for which the score is defined; for two classes, the score of the second.
 * Ranks by log probability, which distinguishes more values than the probability.
 */
function oneAgainstRest(score: 'rocArea' | 'averagePrecision'): (classes: number) => Accumulator {
  return classes => {
    const areas = Array.from({ length: classes === 2 ? 1 : classes }, () => new Ranking());
    return {
      add({ outputs, target }) {
        const y = target[0];
        if (classes === 2) {
          areas[0].add(outputs[1] - outputs[0], y === 1);
          return;
        }
        const total = logSumExp(outputs);
        // round to float32 like the outputs, so that equal probabilities stay equal in a different
        // order of summation
        areas.forEach((area, k) => void area.add(Math.fround(outputs[k] - total), y === k));
      },
      get value() {
        return meanOfDefined(areas.map(area => area[score]));
      },
    };
  };
}

/** Applies a function to the mean cross-entropy, without the weights and smoothing of a loss. */
function ofCrossEntropy(result: (mean: number) => number): Accumulator {
  const mean = meanOf(({ outputs, target }: Scored) => logSumExp(outputs) - outputs[target[0]]);
  return {
    add: mean.add,
    get value() {
      return mean.value === undefined ? undefined : result(mean.value);
    },
  };
}

/** log(sum of e^z), in float64. */
function logSumExp(z: ArrayLike<number>): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < z.length; i++) largest = Math.max(largest, z[i]);
  let sum = 0;
  for (let i = 0; i < z.length; i++) sum += Math.exp(z[i] - largest);
  return largest + Math.log(sum);
}
