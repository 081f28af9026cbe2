/** Detects models that predict the same for every input although the targets differ. */
import type { Prediction } from './prediction.js';

export interface Spread {
  add(prediction: Prediction): void;
  /** False if the targets do not vary. */
  readonly isConstant: boolean;
}

/** Outputs that vary by less than this fraction of their targets' range count as constant. */
const MIN_FRACTION = 0.01;

/** Of numbers: true if each output varies by less than 1 % of its targets' range. */
export function rangeSpread(numbersOf: (prediction: Prediction) => ArrayLike<number>): Spread {
  /** For each output, the smallest and the largest prediction, and target. */
  const ranges: [least: number, most: number, leastTarget: number, mostTarget: number][] = [];
  return {
    add(prediction) {
      const predicted = numbersOf(prediction);
      for (let i = 0; i < prediction.target.length; i++) {
        const [a, b, c, d] = ranges[i] ?? [Infinity, -Infinity, Infinity, -Infinity];
        const [output, target] = [predicted[i], prediction.target[i]];
        ranges[i] = [Math.min(a, output), Math.max(b, output), Math.min(c, target), Math.max(d, target)];
      }
    },
    get isConstant() {
      const varied = ranges.filter(([, , least, most]) => most > least);
      return varied.length > 0 && varied.every(([a, b, c, d]) => b - a < MIN_FRACTION * (d - c));
    },
  };
}

/** Of sequences of symbols: true if all predictions are the same. */
export function sequenceSpread(): Spread {
  /** Up to two different ones. */
  const [predicted, targets] = [new Set<string>(), new Set<string>()];
  return {
    add({ point, target }) {
      if (predicted.size < 2) predicted.add(point.join());
      if (targets.size < 2) targets.add(target.join());
    },
    get isConstant() {
      return predicted.size === 1 && targets.size > 1;
    },
  };
}
