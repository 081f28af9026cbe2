/**
 * A config's model compiled as for training (same shards, threads and kernels), with its first
 * training batch.
 */
import type { LoadedExperiment } from '../config/index.js';
import { Engine } from '../engine/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { BatchWriter } from '../train/batch.js';
import { batchOrder } from '../train/plan.js';
import { createPool } from '../train/pool.js';
import type { Session } from '../train/session.js';
import { allocateParameters, planShards, type ShardGroup, type ShardPool } from '../train/shards.js';
import type { Gradient } from './reference.js';
import type { BatchInShards } from './sampled-rows.js';

export class CompiledModel {
  private constructor(
    /** The batch as written; its weights may be changed. */
    readonly batch: BatchInShards,
    private readonly engine: Engine,
    private readonly pool: ShardPool,
    private readonly group: ShardGroup,
    private readonly parameters: Float32Array,
  ) {}

  /** @throws UserError (exit 2) if the training split does not fill one batch */
  static async open(loaded: LoadedExperiment, session: Session): Promise<CompiledModel> {
    const { run, spec, dataset } = session;
    const { shards, job } = planShards(run, loaded.experiment.training.batch_size, true);
    const indices = batchOrder(loaded, session).next();
    const engine = await Engine.start(run.backend, { width: run.width });
    const parameters = allocateParameters(new ParameterLayout(spec), engine.heap);
    const pool = createPool(engine, run, parameters);
    const group = pool.group(job, { shards, slots: 1 });
    const batch = {
      spec,
      loss: run.loss,
      shape: job.shape,
      shards: group.slots[0].map(memory => memory.batch),
    };
    new BatchWriter(spec, run.loss, job.shape, run.seed).write(dataset.train, indices, batch.shards);
    return new CompiledModel(batch, engine, pool, group, parameters);
  }

  /**
   * Loss and gradient at `parameters` (flat, in the layout's order), computed by the kernels in
   * float32 and summed over the shards in float64.
   */
  async gradientAt(parameters: Float32Array): Promise<Gradient> {
    this.parameters.set(parameters);
    await this.group.compute(0);
    const gradient = new Float64Array(parameters.length);
    let loss = 0;
    for (const { rows, batch, gradient: part } of this.group.slots[0]) {
      const { weight } = batch.inputs;
      for (let i = 0; i < gradient.length; i++) gradient[i] += part[i];
      // a row that does not count has weight 0, but its loss may be NaN
      for (let i = 0; i < rows.length; i++) if (weight[i] !== 0) loss += rows[i] * weight[i];
    }
    return { loss, gradient };
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.engine.close();
  }
}
