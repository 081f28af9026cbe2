/** `evaluate RUN`: the test metrics of a checkpoint, computed again from its weights and the run's own config. */
import { EXIT, type ExitCode } from '../errors.js';
import { spellNonFinite } from '../experiment/json.js';
import { losses } from '../losses/index.js';
import { evaluateCheckpoint } from '../training/evaluate.js';
import type { Io } from './io.js';
import type { EvaluateOptions } from './options.js';
import { createEvaluationDisplay } from './progress.js';
import { type OpenedModel, openModel } from './saved-model.js';

export async function evaluate(runPath: string, options: EvaluateOptions, io: Io): Promise<ExitCode> {
  const model = openModel(runPath, options.checkpoint, options.weights);
  const { loaded, file, step, epoch } = model;
  const { loss, metric, count } = await measure(model, options, io);
  const { name } = losses[loaded.experiment.loss.kind].metric;
  if (options.json) {
    const metrics = { test: { loss, [name]: metric } };
    const answer = { version: 1, checkpoint: file, step, epoch, metrics, predictions: count };
    io.out(`${JSON.stringify(spellNonFinite(answer))}\n`);
  } else {
    io.out(`step ${step}: test loss ${loss}, test ${name} ${metric} over ${count} predictions\n`);
  }
  return EXIT.done;
}

async function measure(model: OpenedModel, options: EvaluateOptions, io: Io) {
  const display = createEvaluationDisplay(io, options.quiet);
  try {
    return await evaluateCheckpoint(model, options, progress => display.evaluating(progress));
  } finally {
    display.end();
  }
}
