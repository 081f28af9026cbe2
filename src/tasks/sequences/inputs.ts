/** Sequences with equal inputs: their targets are alternatives, and they count once. */
import type { Split } from '../../data/core/dataset.js';
import { symbolsOfTarget, targetsOfKind } from '../../data/core/targets.js';
import { createHash } from '../../host/index.js';
import { numbersPerStep } from '../../math/model/spec.js';
import type { ScorerOf } from '../core/task.js';

/**
 * Returns the digest of what a model reads of sequence `index`: equal inputs have equal ones.
 * @param steps length of the sequences if they are equally long
 * @param width numbers per step
 */
export function inputDigests(split: Split, steps: number, width: number): (index: number) => string {
  const longest = split.lengths?.reduce((a, b) => Math.max(a, b), steps) ?? steps;
  const row = new Float32Array(longest * width);
  return index => {
    split.read(index, row, 0, width);
    const read = row.subarray(0, (split.lengths?.[index] ?? steps) * width);
    return createHash('sha1').update(read).digest('binary');
  };
}

/** Scores the likeliest symbols of each sequence. */
export const sequenceScorer: ScorerOf =
  ({ spec }) =>
  (split, sequenceLength) => {
    const targets = targetsOfKind('sequence', split.targets);
    const inputOf = inputDigests(split, sequenceLength, numbersPerStep(spec));
    return index => {
      const target = symbolsOfTarget(targets, index);
      const input = inputOf(index);
      return computed => {
        // the model assigns unknown symbols no probability
        const weight = target.includes(targets.numClasses) ? 0 : (computed.losses ?? 1);
        const [{ symbols } = { symbols: [] }] = computed.decoded ?? [];
        return { ...computed, weight, point: Int32Array.from(symbols), target, input };
      };
    };
  };
