/** A run directory and one of its checkpoints, for the verbs that put its weights to work. */
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import { usageError } from '../errors.js';
import { loadCheckpoint, resolveCheckpoint } from '../experiment/checkpoint-folder.js';
import { ownStepHashes, refuseForeign } from '../experiment/checkpoint-identity.js';
import { RunDirectory } from '../experiment/run-directory.js';
import type { SavedModel } from '../training/evaluate.js';
import { configFolder } from '../training/frozen-config.js';
import type { WeightsName } from '../training/weights.js';
import type { WhichCheckpoint } from './options.js';

export interface OpenedModel extends SavedModel {
  /** Where the run stood. */
  readonly step: number;
  readonly epoch: number;
}

/**
 * @param weights undefined: the average if the run keeps one, else the weights themselves
 * @throws UserError exit 2 if there is no such run, checkpoint or average, exit 5 if a file is
 * damaged
 */
export function openModel(
  runPath: string,
  which: WhichCheckpoint | undefined,
  weights?: WeightsName,
): OpenedModel {
  const directory = RunDirectory.open(runPath);
  const { files } = directory;
  const data = directory.readManifest();
  const loaded = loadExperiment(files.resolvedConfig, data && { folder: configFolder(directory, data) });
  const chosen = which ?? directory.readSummary()?.restored?.step ?? 'last';
  const file = resolveCheckpoint(files.checkpoints, chosen);
  const checkpoint = loadCheckpoint(file);
  const { step, epoch } = checkpoint;
  if (data) {
    // an edited config has a hash of its own
    const current = data.config_hash === loaded.hash ? loaded.stepHash : undefined;
    refuseForeign([checkpoint], ownStepHashes(data, data.step_hash ?? current));
  }
  return { loaded, file, weights: chosenWeights(runPath, loaded, weights), data, step, epoch };
}

function chosenWeights(
  runPath: string,
  { experiment }: LoadedExperiment,
  asked: WeightsName | undefined,
): WeightsName {
  const hasAverage = experiment.training.average !== undefined;
  if (asked !== 'average' || hasAverage) return asked ?? (hasAverage ? 'average' : 'trained');
  throw usageError({
    code: 'weights/no-average',
    message: 'this run keeps no average of its weights',
    file: runPath,
    expected: '`--weights trained`, or a run with `training.average`',
  });
}
