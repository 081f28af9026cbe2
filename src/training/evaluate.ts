/** The test metrics of saved weights. */
import type { LoadedExperiment } from '../config/index.js';
import { Engine } from '../engine/index.js';
import { ParameterLayout } from '../model/parameters.js';
import { type Evaluation, Evaluator } from './evaluator.js';
import { createPool } from './pool.js';
import { type BackendOptions, openSession } from './session.js';
import { allocateParameters } from './shards.js';
import { loadWeights } from './weights.js';

/** Evaluates the weights in `file` on the test split of the experiment, exactly as the run itself does. */
export async function evaluateCheckpoint(
  loaded: LoadedExperiment,
  file: string,
  options: BackendOptions,
): Promise<Evaluation> {
  const { dataset, spec, run } = await openSession(loaded, options);
  const layout = new ParameterLayout(spec);
  const parameters = allocateParameters(layout);
  loadWeights(file, layout, parameters);
  const engine = await Engine.start(run.backend);
  const pool = createPool(engine, run, parameters);
  try {
    return await new Evaluator(pool, run, loaded.experiment.training.eval_batch_size).evaluate(dataset.test);
  } finally {
    await pool.close();
    await engine.close();
  }
}
