/**
 * Samples rows of a batch in the memory of its shards: gives weight only to these, and copies them
 * for the float64 reference.
 */
import { type LossSettings, lossOf } from '../math/losses/index.js';
import { declaredInputs, predictionsOf, widthOf } from '../math/model/inputs.js';
import type { ModelSpec } from '../math/model/spec.js';
import type { ShardBatch, ShardShape } from '../train/shards.js';
import type { ReferenceBatch } from './reference.js';

export interface BatchInShards {
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  readonly shape: ShardShape;
  readonly shards: readonly ShardBatch[];
}

/**
 * Rows of the batch, from 0 for the first of the first shard, that have a prediction that counts.
 */
export function countedRows({ shape, shards }: BatchInShards): number[] {
  return shards.flatMap(({ inputs: { weight } }, s) =>
    range(shape.batch)
      .filter(row => weight.some((one, at) => at % shape.batch === row && one !== 0))
      .map(row => s * shape.batch + row),
  );
}

/**
 * `count` of `candidates`, or all if there are fewer: the first, the last, and evenly spaced ones
 * in between.
 */
export function spread(candidates: readonly number[], count: number): number[] {
  if (count >= candidates.length) return [...candidates];
  const apart = count > 1 ? (candidates.length - 1) / (count - 1) : 0;
  return range(count).map(i => candidates[Math.round(i * apart)]);
}

/**
 * Sets the weights of all rows except `rows` to 0, and those of `rows` to their weights in the mean
 * over them alone.
 */
export function keepRows(batch: BatchInShards, rows: readonly number[]): void {
  const { shape, shards, loss, spec } = batch;
  const kept = new Set(rows);
  const { share, targetWidth } = lossOf(loss);
  const width = targetWidth(spec.outputSize) ?? 1;
  const weights = shards.flatMap(({ inputs: { weight, target } }, s) =>
    range(weight.length).map(at => {
      const counts = weight[at] !== 0 && kept.has(s * shape.batch + (at % shape.batch));
      return { weight, at, share: counts ? share(spec.outputSize, target[at * width]) : 0 };
    }),
  );
  const total = weights.reduce((sum, one) => sum + one.share, 0);
  for (const { weight, at, share } of weights) weight[at] = share > 0 ? 1 / total : 0;
}

/** Copies `rows` into a separate batch. */
export function readRows(
  { spec, loss, shape, shards }: BatchInShards,
  rows: readonly number[],
): ReferenceBatch {
  const [{ steps }] = shards;
  const read = (name: string, count: number, size: number) => {
    const values = new Float64Array(count * rows.length * size);
    rows.forEach((row, r) => {
      const from = shards[Math.floor(row / shape.batch)].inputs[name];
      for (let t = 0; t < count; t++) {
        const at = (t * shape.batch + (row % shape.batch)) * size;
        values.set(from.subarray(at, at + size), (t * rows.length + r) * size);
      }
    });
    return values;
  };
  const inputs = declaredInputs(spec, lossOf(loss), shape).map(input => {
    const count = input.per === 'step' ? steps[0] : predictionsOf(spec, steps[0]);
    return [input.name, read(input.name, count, widthOf(input))];
  });
  const { variableLength, training } = shape;
  return { rows: rows.length, steps: steps[0], variableLength, training, inputs: Object.fromEntries(inputs) };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
