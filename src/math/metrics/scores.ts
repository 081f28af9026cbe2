/** Precision, recall and F1 from counts, averaged over classes or labels. */
import { type ClassScores, Counts } from './counts.js';
import { addLabels, predictedClass } from './decisions.js';
import { type Accumulator, FRACTION, meanOfDefined, metric } from './metric.js';

const scored = (score: keyof ClassScores, name: string, formula: string) =>
  metric({
    description: `${name}, mean over the classes.`,
    ...FRACTION,
    tasks: {
      classes: { formula, make: ofClasses(score) },
      labels: { formula: 'as for classes, averaged over all labels', make: ofLabels(score) },
    },
  });

export const precision = scored('precision', 'Precision', 'macro average of t / p, with 0 / 0 = 0');
export const recall = scored('recall', 'Recall', 'macro average of t / s, with 0 / 0 = 0');
export const f1 = scored('f1', 'F1', 'macro average of 2 t / (p + s), with 0 / 0 = 0');

function ofClasses(score: keyof ClassScores): (classes: number) => Accumulator {
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

function ofLabels(score: keyof ClassScores): (labels: number) => Accumulator {
  return labels => {
    const counts = new Counts(labels);
    let count = 0;
    return {
      add(prediction) {
        count++;
        addLabels(counts, prediction);
      },
      get value() {
        return count === 0 ? undefined : meanOfDefined(counts.scores.map(scores => scores[score]));
      },
    };
  };
}
