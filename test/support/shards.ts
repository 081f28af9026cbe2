/** Batches of a golden in the memory of one shard, as in training. */
import type { Backend } from '../../src/engine/backend-names.js';
import { newHeap } from '../../src/engine/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { paddedSize } from '../../src/math/optimizers/program.js';
import { BatchWriter } from '../../src/train/batch.js';
import { allocateShards, type ShardJob, type ShardMemory } from '../../src/train/shards.js';
import type { Golden } from './goldens.js';

export interface GoldenShard {
  readonly job: ShardJob;
  /** One for each batch of the golden. They share the gradient and the carried states. */
  readonly batches: readonly ShardMemory[];
}

export function goldenShard(
  { spec, loss, batch, steps, targetLength, split }: Golden,
  backend: Backend,
  withGradient: boolean,
  heap = newHeap(),
): GoldenShard {
  const job: ShardJob = {
    backend,
    spec,
    loss,
    shape: {
      batch,
      sequenceLength: steps,
      targetLength,
      variableLength: split.lengths !== undefined,
      training: withGradient,
    },
    withGradient,
  };
  const slots = allocateShards(job, { shards: 1, slots: split.count / batch }, heap);
  const writer = new BatchWriter(spec, loss, job.shape);
  slots.forEach(([memory], slot) => {
    writer.write(
      split,
      Uint32Array.from({ length: batch }, (_, row) => slot * batch + row),
      [memory.batch],
    );
  });
  return { job, batches: slots.map(([memory]) => memory) };
}

/** The golden's initial parameters, flat and padded. */
export function initialParameters({ spec, parameters }: Golden): Float32Array {
  const layout = new ParameterLayout(spec);
  const flat = new Float32Array(paddedSize(layout.size));
  for (const one of layout.parameters) layout.write(one, parameters[one.name], flat);
  return flat;
}

/** Sum of weight times loss over predictions with nonzero weight. */
export function lossOf({ rows, batch }: Pick<ShardMemory, 'rows' | 'batch'>): number {
  const { weight } = batch.inputs;
  return rows.reduce((sum, row, i) => sum + (weight[i] === 0 ? 0 : row * weight[i]), 0);
}

/** Predictions [S, B, C] in the order of the data, [B, S, C]. */
export function batchMajor(predictions: Float32Array, batch: number, width: number): Float32Array {
  const steps = predictions.length / (batch * width);
  const result = new Float32Array(predictions.length);
  for (let t = 0; t < steps; t++) {
    for (let b = 0; b < batch; b++) {
      const from = (t * batch + b) * width;
      result.set(predictions.subarray(from, from + width), (b * steps + t) * width);
    }
  }
  return result;
}
