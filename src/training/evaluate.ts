/** The test metrics of saved weights. */
import type { LoadedExperiment } from '../config/index.js';
import type { Dataset } from '../data/index.js';
import { Engine } from '../engine/index.js';
import { ParameterLayout } from '../model/parameters.js';
import { type Evaluation, Evaluator } from './evaluator.js';
import type { EvaluationProgress } from './observer.js';
import { createPool } from './pool.js';
import { checkDigests } from './same-data.js';
import { type BackendOptions, openSession } from './session.js';
import { allocateParameters } from './shards.js';
import { watchedSplit } from './watched-split.js';
import { loadWeights } from './weights.js';

/**
 * Evaluates the weights in `file` on the test split of the experiment, exactly as the run itself does. Throws exit 5 where the data
 * are not those of the run, whose digests are `digests`. `watch` is told of each sequence.
 */
export async function evaluateCheckpoint(
  loaded: LoadedExperiment,
  file: string,
  digests: Dataset['digests'],
  options: BackendOptions,
  watch: (progress: EvaluationProgress) => void,
): Promise<Evaluation> {
  const { dataset, spec, run } = await openSession(loaded, options);
  checkDigests(dataset.digests, digests);
  const layout = new ParameterLayout(spec);
  const parameters = allocateParameters(layout);
  loadWeights(file, layout, parameters);
  const engine = await Engine.start(run.backend);
  const pool = createPool(engine, run, parameters);
  try {
    const evaluator = new Evaluator(pool, run, loaded.experiment.training.eval_batch_size);
    return (await evaluator.evaluate(watchedSplit(dataset.test, watch))) as Evaluation;
  } finally {
    await pool.close();
    await engine.close();
  }
}
