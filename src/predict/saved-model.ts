/** Opens one of a run's checkpoints, to compute with its weights. */

import { configDifferences } from '../config/explain.js';
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import { mapPaths } from '../config/paths.js';
import type { DataRecord } from '../data/index.js';
import { loadCheckpoint, resolveCheckpoint, retried } from '../run/checkpoint-files.js';
import { refuseForeign } from '../run/integrity.js';
import type { Manifest } from '../run/manifest.js';
import { frozenConfig, frozenOptions, Run } from '../run/run.js';
import type { Tensors } from '../run/safetensors.js';
import type { WeightsName } from '../train/weights.js';
import { type Diagnostic, damagedError, usageError } from '../util/errors.js';

/** A checkpoint of a run, by name or by step. */
export type WhichCheckpoint = 'last' | 'best' | number;

export interface SavedModel {
  /** The run directory, as given by the user. */
  readonly path: string;
  /** The run's config. */
  readonly loaded: LoadedExperiment;
  /** File of the checkpoint. A run in training may have removed it. */
  readonly file: string;
  /** Its content. */
  readonly tensors: Tensors;
  /** Which of its weights to use. */
  readonly weights: WeightsName;
  /** The run's manifest; absent if the run was killed before it wrote one. */
  readonly manifest: Manifest | undefined;
  /** Optimizer steps of the checkpoint. */
  readonly step: number;
  readonly epoch: number;
}

export interface OpenModelOptions {
  /** Undefined: the checkpoint with the run's final weights. */
  readonly checkpoint?: WhichCheckpoint | undefined;
  /** Undefined: the average if the run keeps one, else the weights of the last update. */
  readonly weights?: WeightsName | undefined;
  /** `key.path=value`: the current location of the run's data. */
  readonly set?: readonly string[];
}

/**
 * @param path the run directory
 * @throws UserError (exit 2) if there is no such run, checkpoint or average, or `set` changes
 *   anything but where the data are
 * @throws UserError (exit 5) if a file is damaged, or the config or the manifest was edited after
 *   the run
 */
export function openModel(
  path: string,
  { checkpoint, weights, set = [] }: OpenModelOptions = {},
): SavedModel {
  const run = Run.open(path);
  const { directory, manifest } = run;
  const { files } = directory;
  run.refuseChanges();
  const options = manifest && frozenOptions(directory, manifest);
  const frozen = manifest ? frozenConfig(directory, manifest) : loadExperiment(files.resolvedConfig);
  const loaded = set.length === 0 ? frozen : loadExperiment(frozen.file, { ...options, set });
  refuseOtherKeys(frozen, loaded, set);
  const chosen = checkpoint ?? run.summary?.restored?.step ?? 'last';
  const saved = retried(() => loadCheckpoint(resolveCheckpoint(files.checkpoints, chosen)));
  const { path: file, step, epoch, tensors } = saved;
  if (manifest) refuseForeign([saved], manifest);
  return {
    path,
    loaded,
    file,
    tensors,
    weights: chosenWeights(path, loaded, weights),
    manifest,
    step,
    epoch,
  };
}

/**
 * Returns the run's data record.
 * @throws UserError (exit 5) if the manifest is missing
 */
export function dataRecordOf({ path, manifest }: SavedModel): DataRecord {
  if (manifest) return manifest.data;
  throw damagedError({
    code: 'run/no-data-record',
    message: 'this run cannot read new sequences: manifest.json is missing',
    file: path,
    expected:
      'a run with its manifest.json; `predict --split` and `evaluate` read the dataset and still work',
  });
}

/** Keys that say how data are stored or how many are read, without effect on predictions. */
const FREE: readonly string[] = ['dataset.delimiter', 'dataset.memory', 'dataset.stride'];

/**
 * Only the location of the data can change: other columns or another scaling would yield wrong
 * predictions.
 */
function refuseOtherKeys(before: LoadedExperiment, after: LoadedExperiment, set: readonly string[]): void {
  const places = [before, after].flatMap(dataPlaces);
  const isPlace = (key: string): boolean =>
    // a list of paths differs as a whole
    places.some(place => place === key || place.startsWith(`${key}.`));
  const others = configDifferences(before, after).filter(({ key }) => !FREE.includes(key) && !isPlace(key));
  if (others.length === 0) return;
  throw usageError(
    ...others.map(
      ({ key, b }): Diagnostic => ({
        code: 'cli/set',
        message: `only the location of the data can change for a finished run, not \`${key}\``,
        file: '--set',
        expected: 'a path in `dataset`, such as dataset.path=FILE',
        got:
          set.find(assignment => assignment.trim().startsWith(`${key}=`)) ?? JSON.stringify(b?.value ?? null),
      }),
    ),
  );
}

/** Keys of `dataset` that are paths. */
export function dataPlaces({ experiment: { dataset } }: Pick<LoadedExperiment, 'experiment'>): string[] {
  const places: string[] = [];
  mapPaths({ dataset }, (path, at) => {
    places.push(at.join('.'));
    return path;
  });
  return places;
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
