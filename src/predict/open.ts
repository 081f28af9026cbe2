/** Opens a saved model for computation: one of a run's checkpoints, with or without its data. */
import { configDifferences } from '../config/explain.js';
import { type Experiment, type LoadedExperiment, loadExperiment } from '../config/index.js';
import { mapPaths } from '../config/schema/walk.js';
import {
  type DataRecord,
  type DataScaling,
  type Dataset,
  newSequences,
  type SequenceReader,
} from '../data/index.js';
import { chooseBackend, usableCores } from '../engine/backend.js';
import { loadCheckpoint, resolveCheckpoint, retried } from '../run/checkpoints.js';
import { refuseForeign } from '../run/integrity.js';
import type { Manifest } from '../run/manifest.js';
import { frozenConfig, frozenOptions, Run } from '../run/run.js';
import type { Tensors } from '../run/safetensors.js';
import { checkSameData, dataRecord, fittedBy } from '../train/manifest.js';
import { ShardPool } from '../train/pool.js';
import { type BackendOptions, modelSpec, openSession, streamsOf, widthOn } from '../train/session.js';
import type { ModelRun } from '../train/shards.js';
import { loadWeights, type WeightsName } from '../train/weights.js';
import { damagedError, usageError } from '../util/errors.js';
import type { WhichWeights } from './predictions.js';

export interface SavedModel {
  /** The run directory, as given by the user. */
  readonly path: string;
  readonly loaded: LoadedExperiment;
  /** File of the checkpoint. A run in training may have removed it. */
  readonly file: string;
  readonly tensors: Tensors;
  readonly weights: WeightsName;
  /** The run's manifest; absent if the run was killed before it wrote one. */
  readonly manifest: Manifest | undefined;
  readonly step: number;
  readonly epoch: number;
}

export interface OpenModelOptions extends WhichWeights {
  /** `key.path=value`: the current location of the run's data. */
  readonly set?: readonly string[];
}

/** @param path the run directory */
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
  if (manifest) refuseForeign([saved], manifest);
  const hasAverage = loaded.experiment.training.average !== undefined;
  if (weights === 'average' && !hasAverage) {
    throw usageError({
      code: 'weights/no-average',
      message: 'this run has no averaged weights',
      file: path,
      expected: '`--weights trained`, or a run with `training.average`',
    });
  }
  const { path: file, step, epoch, tensors } = saved;
  const which = weights ?? (hasAverage ? 'average' : 'trained');
  return { path, loaded, file, tensors, weights: which, manifest, step, epoch };
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
  const problems = others.map(({ key, b }) => ({
    code: 'cli/set',
    message: `only the location of the data can change for a finished run, not \`${key}\``,
    file: '--set',
    expected: 'a path in `dataset`, such as dataset.path=FILE',
    got: set.find(assignment => assignment.trim().startsWith(`${key}=`)) ?? JSON.stringify(b?.value ?? null),
  }));
  if (problems.length > 0) throw usageError(...problems);
}

function dataPlaces({ experiment: { dataset } }: Pick<LoadedExperiment, 'experiment'>): string[] {
  const places: string[] = [];
  mapPaths({ dataset }, (path, at) => {
    places.push(at.join('.'));
    return path;
  });
  return places;
}

/** A model with its weights and its knowledge of the data, until its pool is closed. */
export interface OpenedModel {
  readonly experiment: Experiment;
  /** Absent if it was opened without the data of its run. */
  readonly dataset?: Dataset;
  readonly run: ModelRun;
  readonly pool: ShardPool;
  readonly batchSize: number;
  readonly data: DataRecord;
  readonly scaling: DataScaling | undefined;
}

/** Opens the model and the data of its run. */
export async function openWithData(
  saved: SavedModel,
  options: BackendOptions,
): Promise<OpenedModel & { readonly dataset: Dataset }> {
  const { loaded, manifest } = saved;
  const session = await openSession(loaded, { ...options, ...fittedBy(manifest), baselineAt: 'none' });
  const { dataset, run } = session;
  if (manifest) checkSameData(dataset, manifest);
  const model = await start(saved, run, { data: dataRecord(session), scaling: dataset.scaling });
  return { ...model, dataset };
}

/** Opens the model without the data of its run. */
export async function openWithoutData(saved: SavedModel, options: BackendOptions): Promise<OpenedModel> {
  const { loaded, manifest } = saved;
  if (manifest === undefined) {
    throw damagedError({
      code: 'run/no-data-record',
      message: 'this run cannot read new sequences: manifest.json is missing',
      file: saved.path,
      expected:
        'a run with its manifest.json; `predict --split` and `evaluate` read the dataset and still work',
    });
  }
  const { data, scaling } = manifest;
  const { backend } = await chooseBackend(options.backend);
  const { input, sequence_length: sequenceLength, output_size: outputSize } = data;
  const { experiment } = loaded;
  const spec = modelSpec(loaded, { input, sequenceLength, outputSize });
  const run: ModelRun = {
    backend,
    threads: options.threads ?? usableCores(),
    width: widthOn(backend, options.width),
    // the texts of a program are separate, not parts of one stream; see `readerFor`
    spec: { ...spec, carriesState: spec.carriesState && experiment.dataset.kind !== 'text' },
    // class weights may depend on the training data, and predictions do not need them
    loss: experiment.loss.kind === 'cross_entropy' ? { kind: 'cross_entropy' } : experiment.loss,
    metrics: [],
    seed: experiment.seed,
    sequenceLength,
    variableLength: data.variable_length,
  };
  return start(saved, run, { data, scaling });
}

/**
 * Returns the reader of an input for the model, and the model with carried states if the input is
 * one stream.
 */
export function readerFor(
  model: OpenedModel,
  lines = false,
): { readonly reader: SequenceReader; readonly model: OpenedModel } {
  const { dataset, training } = model.experiment;
  const reader = newSequences(dataset, model.data, { rows: streamsOf(training), lines });
  const { run } = model;
  const carriesState = reader.continues ? training.carry_state : run.spec.carriesState;
  return { reader, model: { ...model, run: { ...run, spec: { ...run.spec, carriesState } } } };
}

async function start(
  { loaded, file, tensors, weights }: SavedModel,
  run: ModelRun,
  of: Pick<OpenedModel, 'data' | 'scaling'>,
): Promise<OpenedModel> {
  const pool = await ShardPool.open(run);
  loadWeights(file, pool.layout, pool.parameters, { which: weights, tensors });
  const { experiment } = loaded;
  return { experiment, run, pool, batchSize: experiment.training.eval_batch_size, ...of };
}
