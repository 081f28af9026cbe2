/**
 * Precision, recall and F1 of each class or label, from how often it was right, predicted and the
 * truth, as scikit-learn has them with `zero_division=0`.
 */

export interface ClassScores {
  /** Of the predictions of the class those that are right; 0 if there is none. */
  readonly precision: number;
  /** Of the class those that were predicted; 0 if there is none. */
  readonly recall: number;
  /** Harmonic mean of the two: 2 right / (predicted + support); 0 if both are. */
  readonly f1: number;
  /** Predictions whose truth is the class. */
  readonly support: number;
}

export class Counts {
  /** By class. */
  private readonly right: Float64Array;
  private readonly predicted: Float64Array;
  private readonly support: Float64Array;

  constructor(private readonly classes: number) {
    this.right = new Float64Array(classes);
    this.predicted = new Float64Array(classes);
    this.support = new Float64Array(classes);
  }

  /** A prediction of one of the classes. @param predicted -1 if it is of none */
  addClass(label: number, predicted: number): void {
    this.support[label]++;
    if (predicted < 0) return;
    this.predicted[predicted]++;
    if (predicted === label) this.right[label]++;
  }

  /** A prediction of whether label `at` applies. */
  addLabel(at: number, applies: boolean, predicted: boolean): void {
    if (applies) this.support[at]++;
    if (predicted) this.predicted[at]++;
    if (applies && predicted) this.right[at]++;
  }

  /** Of each class. */
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

  /** Of the classes that are the truth or the prediction anywhere. */
  get occurring(): readonly ClassScores[] {
    return this.scores.filter((_, k) => this.support[k] > 0 || this.predicted[k] > 0);
  }
}

function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
