/** Whether a model answers every input alike, though the targets differ. */
import type { Task } from '../../config/index.js';
import { predictedClass } from '../../metrics/classes.js';
import type { PredictedSequence } from '../step/predictions.js';

/** Outputs that differ by a smaller share of the range of their targets are as good as equal. */
const MIN_SHARE = 0.01;

class Range {
  private min = Number.POSITIVE_INFINITY;
  private max = Number.NEGATIVE_INFINITY;

  add(value: number): void {
    this.min = Math.min(this.min, value);
    this.max = Math.max(this.max, value);
  }

  get width(): number {
    return this.max - this.min;
  }
}

/** Gathers the answers to all predictions that count. */
export class OutputSpread {
  private readonly ranges: { readonly answer: Range; readonly target: Range }[] = [];

  constructor(private readonly task: Task) {}

  add({ predictions }: PredictedSequence): void {
    for (const { counts, outputs, point, target } of predictions) {
      if (!counts) continue;
      const answers = this.task === 'classes' ? [predictedClass(outputs)] : point;
      for (let i = 0; i < target.length; i++) {
        this.ranges[i] ??= { answer: new Range(), target: new Range() };
        this.ranges[i].answer.add(answers[i]);
        this.ranges[i].target.add(target[i]);
      }
    }
  }

  /**
   * Of classes: whether one class is the answer to all. Of labels and values: whether each of them
   * varies by less than a hundredth of its targets' range. False if the targets do not differ.
   */
  get isConstant(): boolean {
    const varied = this.ranges.filter(({ target }) => target.width > 0);
    return varied.length > 0 && varied.every(({ answer, target }) => answer.width < MIN_SHARE * target.width);
  }
}
