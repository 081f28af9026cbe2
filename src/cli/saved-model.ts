/** A run directory and one of its checkpoints, for the verbs that put its weights to work. */
import { loadExperiment } from '../config/index.js';
import { loadCheckpoint, resolveCheckpoint } from '../experiment/checkpoint-folder.js';
import { RunDirectory } from '../experiment/run-directory.js';
import type { SavedModel } from '../training/evaluate.js';
import type { WhichCheckpoint } from './options.js';

export interface OpenedModel extends SavedModel {
  /** Where the run stood. */
  readonly step: number;
  readonly epoch: number;
}

/** Throws exit 2 where there is no such run or checkpoint, exit 5 where one of its files is damaged. */
export function openModel(runPath: string, which: WhichCheckpoint | undefined): OpenedModel {
  const directory = RunDirectory.open(runPath);
  const { files } = directory;
  const loaded = loadExperiment(files.resolvedConfig);
  const chosen = which ?? directory.readSummary()?.restored?.step ?? 'last';
  const file = resolveCheckpoint(files.checkpoints, chosen);
  const { step, epoch } = loadCheckpoint(file);
  return { loaded, file, data: directory.readManifest(), step, epoch };
}
