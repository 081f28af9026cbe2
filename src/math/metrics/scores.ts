/**
 * Precision, recall and F1 of each class or label, from the counts of correct predictions,
 * predictions and true labels, as in scikit-learn with `zero_division=0`.
 */
import {
  type Accumulator,
  APPLIES,
  decidedClass,
  decidedLabel,
  FRACTION,
  meanScore,
  metric,
  type Scored,
} from './metric.js';

export interface ClassScores {
  /** Fraction of the predictions of the class that are correct; 0 if there are none. */
  readonly precision: number;
  /** Fraction of the class that was predicted correctly; 0 if the class does not occur. */
  readonly recall: number;
  /** 2 right / (predicted + support); 0 if both counts are 0. */
  readonly f1: number;
  /** Predictions whose true class this is. */
  readonly support: number;
}

export class Counts {
  private readonly right: Float64Array;
  private readonly predicted: Float64Array;
  private readonly support: Float64Array;

  constructor(private readonly classes: number) {
    this.right = new Float64Array(classes);
    this.predicted = new Float64Array(classes);
    this.support = new Float64Array(classes);
  }

  /** @param predicted -1 if there is none */
  addClass(label: number, predicted: number): void {
    this.support[label]++;
    if (predicted < 0) return;
    this.predicted[predicted]++;
    if (predicted === label) this.right[label]++;
  }

  addLabels(prediction: Pick<Scored, 'point' | 'target' | 'thresholds'>): void {
    const { target } = prediction;
    for (let i = 0; i < target.length; i++) {
      const [applies, predicted] = [target[i] >= APPLIES, decidedLabel(prediction, i)];
      if (applies) this.support[i]++;
      if (predicted) this.predicted[i]++;
      if (applies && predicted) this.right[i]++;
    }
  }

  get scores(): readonly ClassScores[] {
    return Array.from({ length: this.classes }, (_, k) => {
      const [right, predicted, support] = [this.right[k], this.predicted[k], this.support[k]];
      return {
        precision: ratio(right, predicted),
        recall: ratio(right, support),
        f1: ratio(2 * right, predicted + support),
        support,
      };
    });
  }

  /** Scores of the classes that occur as true class or prediction. */
  get occurring(): readonly ClassScores[] {
    return this.scores.filter((_, k) => this.support[k] > 0 || this.predicted[k] > 0);
  }
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

const scored = (score: keyof ClassScores, name: string, formula: string) =>
  metric({
    description: `${name}, mean over the classes.`,
    measures: 'decisions',
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
    return meanScore(
      prediction => counts.addClass(prediction.target[0], decidedClass(prediction)),
      () => counts.occurring.map(scores => scores[score]),
    );
  };
}

function ofLabels(score: keyof ClassScores): (labels: number) => Accumulator {
  return labels => {
    const counts = new Counts(labels);
    return meanScore(
      prediction => counts.addLabels(prediction),
      () => counts.scores.map(scores => scores[score]),
    );
  };
}
