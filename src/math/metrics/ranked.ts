/** Areas under curves of ranked predictions, averaged over classes or labels. */
import { APPLIES } from './decisions.js';
import { logSumExp } from './likelihood.js';
import { type Accumulator, FRACTION, meanOfDefined, metric } from './metric.js';
import { Ranking } from './ranking.js';

export const auroc = metric({
  description: 'Area under the receiver operating characteristic, mean over the classes.',
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

function eachLabel(score: 'rocArea' | 'averagePrecision'): (labels: number) => Accumulator {
  return labels => {
    const areas = Array.from({ length: labels }, () => new Ranking());
    return {
      // logits distinguish more values than probabilities, which saturate at 1
      add: ({ outputs, target }) =>
        areas.forEach((area, i) => void area.add(outputs[i], target[i] >= APPLIES)),
      get value() {
        return meanOfDefined(areas.map(area => area[score]));
      },
    };
  };
}
