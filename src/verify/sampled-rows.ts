/** Some rows of a batch that lies in the memory of its shards: made to be all that counts, and read out for the float64 reference. */
import { type LossName, losses } from '../losses/index.js';
import type { ModelSpec } from '../model/spec.js';
import type { ShardBatch, ShardShape } from '../training/shard.js';
import type { ReferenceBatch } from './reference.js';

export interface BatchInShards {
  readonly spec: ModelSpec;
  readonly loss: LossName;
  readonly shape: ShardShape;
  readonly shards: readonly ShardBatch[];
}

/** Rows of the batch, from 0 for the first of the first shard, with a prediction that counts. */
export function countedRows({ shape, shards, ...batch }: BatchInShards): number[] {
  const predictions = predictionsOf({ shape, shards, ...batch });
  return shards.flatMap(({ weight }, s) =>
    range(shape.batch)
      .filter(row => range(predictions).some(t => weight[t * shape.batch + row] !== 0))
      .map(row => s * shape.batch + row),
  );
}

/** `count` of `candidates`, or all if there are fewer: the first, the last, and evenly between. */
export function spread(candidates: readonly number[], count: number): number[] {
  if (count >= candidates.length) return [...candidates];
  const apart = count > 1 ? (candidates.length - 1) / (count - 1) : 0;
  return range(count).map(i => candidates[Math.round(i * apart)]);
}

/** Takes the weight from all rows but `rows`, and gives these what they weigh in the mean over them alone. */
export function keepRows(batch: BatchInShards, rows: readonly number[]): void {
  const { shape, shards, loss } = batch;
  const kept = new Set(rows);
  const weights = shards.flatMap(({ weight }, s) =>
    range(weight.length).map(at => ({
      weight,
      at,
      counts: weight[at] !== 0 && kept.has(s * shape.batch + (at % shape.batch)),
    })),
  );
  const counted = weights.filter(({ counts }) => counts).length;
  const each = losses[loss].weight(counted, targetSize(batch));
  for (const { weight, at, counts } of weights) weight[at] = counts ? each : 0;
}

/** `rows` as a batch of their own. */
export function readRows(batch: BatchInShards, rows: readonly number[]): ReferenceBatch {
  const { spec, shape, shards } = batch;
  const predictions = predictionsOf(batch);
  const read = (of: (shard: ShardBatch) => Float32Array, steps: number, size: number) => {
    const values = new Float64Array(steps * rows.length * size);
    rows.forEach((row, r) => {
      const from = of(shards[Math.floor(row / shape.batch)]);
      for (let t = 0; t < steps; t++) {
        const at = (t * shape.batch + (row % shape.batch)) * size;
        values.set(from.subarray(at, at + size), (t * rows.length + r) * size);
      }
    });
    return values;
  };
  const { sequenceLength } = shape;
  return {
    rows: rows.length,
    sequenceLength,
    x: read(({ x }) => x, sequenceLength, spec.inputSize),
    target: read(({ target }) => target, predictions, targetSize(batch)),
    weight: read(({ weight }) => weight, predictions, 1),
    ...(shape.variableLength && { ends: read(({ ends }) => ends as Float32Array, sequenceLength, 1) }),
  };
}

/** S: of each row. */
function predictionsOf({ spec, shape }: BatchInShards): number {
  return spec.head === 'every' ? shape.sequenceLength : 1;
}

function targetSize({ loss, spec }: BatchInShards): number {
  return losses[loss].target === 'class' ? 1 : spec.outputSize;
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}
