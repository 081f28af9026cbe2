/**
 * `evaluate RUN`: the metrics of a checkpoint, computed again from its weights and the run's own
 * config.
 */
import { EXIT, type ExitCode } from '../errors.js';
import { spellNonFinite } from '../experiment/json.js';
import { evaluateCheckpoint } from '../prediction/evaluate.js';
import { openModel, type SavedModel } from '../prediction/saved-model.js';
import { hintingAtMovedData } from './hinted-error.js';
import type { Io } from './io.js';
import type { EvaluateOptions } from './options.js';
import { createEvaluationDisplay } from './progress.js';

export async function evaluate(runPath: string, options: EvaluateOptions, io: Io): Promise<ExitCode> {
  const model = openModel(runPath, options);
  const { file, step, epoch } = model;
  const { split } = options;
  const { loss, metrics, count } = await hintingAtMovedData(() => measure(model, options, io));
  if (options.json) {
    const measured = { [split]: { loss, ...metrics } };
    const answer = { version: 1, checkpoint: file, step, epoch, metrics: measured, predictions: count };
    io.out(`${JSON.stringify(spellNonFinite(answer))}\n`);
  } else {
    const measured = Object.entries({ loss, ...metrics }).map(([name, value]) => `${split} ${name} ${value}`);
    io.out(`step ${step}: ${measured.join(', ')} over ${count} predictions\n`);
  }
  return EXIT.done;
}

async function measure(model: SavedModel, options: EvaluateOptions, io: Io) {
  const display = createEvaluationDisplay(io, options.quiet);
  try {
    return await evaluateCheckpoint(model, options, progress => display.evaluating(progress));
  } finally {
    display.end();
  }
}
