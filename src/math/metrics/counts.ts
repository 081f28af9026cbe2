/**
 * Precision, recall and F1 of each class or label, from the counts of correct predictions,
 * predictions and true labels, as in scikit-learn with `zero_division=0`.
 */

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

  addLabel(at: number, applies: boolean, predicted: boolean): void {
    if (applies) this.support[at]++;
    if (predicted) this.predicted[at]++;
    if (applies && predicted) this.right[at]++;
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
