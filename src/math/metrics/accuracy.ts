import { APPLIES, decidedClass, decidedLabel, FRACTION, metric, type PredictionMetric } from './metric.js';

export const accuracy = metric({
  description: 'Fraction of correct predictions.',
  measures: 'decisions',
  ...FRACTION,
  tasks: {
    classes: {
      formula: 'fraction of predictions whose class is y_n',
      mean: prediction => (decidedClass(prediction) === prediction.target[0] ? 1 : 0),
    },
    labels: {
      formula: 'fraction of all N C labels that are predicted correctly',
      // NaN is never correct
      mean(prediction) {
        const { target } = prediction;
        let right = 0;
        for (let i = 0; i < target.length; i++) {
          if (decidedLabel(prediction, i) === target[i] >= APPLIES) right++;
        }
        return right / target.length;
      },
    },
  },
});

/** Fraction of predictions whose class is among the k largest outputs. */
const topAccuracy = (k: number, formula: string) =>
  metric({
    description: `Fraction of predictions whose label is among the ${k} largest logits.`,
    measures: 'probabilities',
    ...FRACTION,
    tasks: { classes: { formula, mean: isAmong(k) } },
  });

export const top3Accuracy = topAccuracy(
  3,
  'fraction of predictions in which fewer than 3 outputs rank before the output of y_n: larger ones, and equal ones of an earlier class',
);
export const top5Accuracy = topAccuracy(5, 'the same with 5');

/** Equal logits rank in the order of classes. */
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
