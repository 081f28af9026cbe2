/** A run directory and one of its checkpoints, whose weights are to be put to work. */
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import type { DataRecord } from '../data/index.js';
import { loadCheckpoint, resolveCheckpoint } from '../experiment/checkpoints/folder.js';
import { ownStepHashes, refuseForeign } from '../experiment/checkpoints/identity.js';
import type { Manifest } from '../experiment/manifest.js';
import { RunDirectory } from '../experiment/run-directory.js';
import { configFolder } from '../training/resume/frozen-config.js';
import type { WeightsName } from '../training/step/weights.js';
import { type Diagnostic, damagedError, usageError } from '../util/errors.js';

/** One of a run's checkpoints: by name, or by its step. */
export type WhichCheckpoint = 'last' | 'best' | number;

export interface SavedModel {
  /** The run's directory, as the user named it. */
  readonly path: string;
  /** The run's config. */
  readonly loaded: LoadedExperiment;
  /** The checkpoint. */
  readonly file: string;
  /** Which weights of it. */
  readonly weights: WeightsName;
  /** What the run says of itself; absent if it was killed before it said anything. */
  readonly manifest: Manifest | undefined;
  /** Where the run stood. */
  readonly step: number;
  readonly epoch: number;
}

export interface OpenModelOptions {
  /** Undefined: the one whose weights the run had at its end. */
  readonly checkpoint?: WhichCheckpoint | undefined;
  /** Undefined: the average if the run keeps one, else the weights of the last update. */
  readonly weights?: WeightsName | undefined;
  /** `key.path=value`: where the run's data lie now. */
  readonly set?: readonly string[];
}

/**
 * @throws UserError (exit 2) if there is no such run, checkpoint or average, (exit 5) if a file is
 *   damaged
 */
export function openModel(
  path: string,
  { checkpoint, weights, set = [] }: OpenModelOptions = {},
): SavedModel {
  const directory = RunDirectory.open(path);
  const { files } = directory;
  refuseOtherKeys(set);
  const manifest = directory.readManifest();
  const folder = manifest && { folder: configFolder(directory, manifest) };
  const loaded = loadExperiment(files.resolvedConfig, { ...folder, set });
  const chosen = checkpoint ?? directory.readSummary()?.restored?.step ?? 'last';
  const file = resolveCheckpoint(files.checkpoints, chosen);
  const saved = loadCheckpoint(file);
  const { step, epoch } = saved;
  if (manifest) {
    // an edited config has a hash of its own, and so has one with other places of its data
    const current = manifest.config_hash === loaded.hash ? loaded.stepHash : undefined;
    refuseForeign([saved], ownStepHashes(manifest, manifest.step_hash ?? current));
  }
  return { path, loaded, file, weights: chosenWeights(path, loaded, weights), manifest, step, epoch };
}

/**
 * What the run remembers of its data.
 * @throws UserError (exit 5) if it is of a version that remembered nothing
 */
export function dataRecordOf({ path, manifest }: SavedModel): DataRecord {
  if (manifest?.data) return manifest.data;
  throw damagedError({
    code: 'run/no-data-record',
    message:
      'this run cannot read new sequences: its manifest.json has no `data` (it was trained by an older version)',
    file: path,
    expected: 'a run of this version; `predict --split` and `evaluate` read the dataset and still work',
  });
}

/** The model, its loss and how it was trained are what they are. */
function refuseOtherKeys(set: readonly string[]): void {
  const others = set.filter(assignment => !/^\s*dataset\./.test(assignment));
  if (others.length === 0) return;
  throw usageError(
    ...others.map(
      (got): Diagnostic => ({
        code: 'cli/set',
        message: 'only the location of the data can change for a finished run',
        file: '--set',
        expected: 'a key of `dataset`, such as dataset.path=FILE',
        got,
      }),
    ),
  );
}

function chosenWeights(
  path: string,
  { experiment }: LoadedExperiment,
  asked: WeightsName | undefined,
): WeightsName {
  const hasAverage = experiment.training.average !== undefined;
  if (asked !== 'average' || hasAverage) return asked ?? (hasAverage ? 'average' : 'trained');
  throw usageError({
    code: 'weights/no-average',
    message: 'this run has no averaged weights',
    file: path,
    expected: '`--weights trained`, or a run with `training.average`',
  });
}
