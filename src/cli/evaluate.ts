/** `evaluate RUN`: the test metrics of a checkpoint, computed again from its weights and the run's own config. */
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import { EXIT, type ExitCode } from '../errors.js';
import { loadCheckpoint, resolveCheckpoint } from '../experiment/checkpoint-folder.js';
import { spellNonFinite } from '../experiment/json.js';
import type { Manifest } from '../experiment/manifest.js';
import { RunDirectory } from '../experiment/run-directory.js';
import { losses } from '../losses/index.js';
import { evaluateCheckpoint } from '../training/evaluate.js';
import type { Io } from './io.js';
import type { EvaluateOptions } from './options.js';
import { createEvaluationDisplay } from './progress.js';

export async function evaluate(runPath: string, options: EvaluateOptions, io: Io): Promise<ExitCode> {
  const directory = RunDirectory.open(runPath);
  const { files } = directory;
  const loaded = loadExperiment(files.resolvedConfig);
  const path = resolveCheckpoint(files.checkpoints, options.checkpoint);
  const { step, epoch } = loadCheckpoint(path);
  const { loss, metric, count } = await measure(loaded, path, digestsOf(directory), options, io);
  const { name } = losses[loaded.experiment.loss.kind].metric;
  if (options.json) {
    const metrics = { test: { loss, [name]: metric } };
    const answer = { version: 1, checkpoint: path, step, epoch, metrics, predictions: count };
    io.out(`${JSON.stringify(spellNonFinite(answer))}\n`);
  } else {
    io.out(`step ${step}: test loss ${loss}, test ${name} ${metric} over ${count} predictions\n`);
  }
  return EXIT.done;
}

async function measure(
  loaded: LoadedExperiment,
  checkpoint: string,
  digests: Manifest['datasets'],
  options: EvaluateOptions,
  io: Io,
) {
  const display = createEvaluationDisplay(io, options.quiet);
  try {
    return await evaluateCheckpoint(loaded, checkpoint, digests, options, step => display.evaluating(step));
  } finally {
    display.end();
  }
}

/** What the run's manifest says of its data; nothing where it was killed before it wrote one. */
function digestsOf(directory: RunDirectory): Manifest['datasets'] {
  return directory.readManifest()?.datasets ?? [];
}
