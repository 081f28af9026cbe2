/** Detects models that predict the same for every input although the targets differ. */
import type { Task } from '../../config/index.js';
import { predictedClass } from '../../math/metrics/classes.js';
import type { PredictedSequence } from '../step/predictions.js';

/** Outputs that vary by less than this share of their targets' range count as constant. */
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

/** Collects the range of all predictions that count. */
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
   * Classes: true if every prediction is the same class. Labels and values: true if each output
   * varies by less than 1 % of its targets' range. False if the targets do not vary.
   */
  get isConstant(): boolean {
    const varied = this.ranges.filter(({ target }) => target.width > 0);
    return varied.length > 0 && varied.every(({ answer, target }) => answer.width < MIN_SHARE * target.width);
  }
}
