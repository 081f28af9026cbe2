import { APPLIES, predictedClass } from './decisions.js';
import { FRACTION, metric } from './metric.js';

export const accuracy = metric({
  description: 'Fraction of correct predictions.',
  ...FRACTION,
  tasks: {
    classes: {
      formula: 'fraction of predictions whose class is y_n',
      mean: ({ outputs, target }) => (predictedClass(outputs) === target[0] ? 1 : 0),
    },
    labels: {
      formula: 'fraction of all N C labels that are predicted correctly',
      // NaN is never correct
      mean({ point, target }) {
        let right = 0;
        for (let i = 0; i < target.length; i++) {
          if (!Number.isNaN(point[i]) && point[i] >= APPLIES === target[i] >= APPLIES) right++;
        }
        return right / target.length;
      },
    },
  },
});
