/** Opens a saved model for computation, with or without its run's data. */
import type { LoadedExperiment } from '../config/index.js';
import {
  type DataRecord,
  type DataScaling,
  type Dataset,
  type NewSequencesOptions,
  newSequences,
  type SequenceReader,
} from '../data/index.js';
import { chooseBackend } from '../engine/backend.js';
import { Engine } from '../engine/index.js';
import type { LossSettings } from '../math/losses/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { dataRecord } from '../train/manifest.js';
import { createPool } from '../train/pool.js';
import { checkSameData, fittedBy } from '../train/same-data.js';
import { type BackendOptions, modelSpec, openSession, streamsOf, widthOn } from '../train/session.js';
import { allocateParameters, type ModelRun, type ShardPool } from '../train/shards.js';
import { usableCores } from '../train/threads.js';
import { loadWeights } from '../train/weights.js';
import { dataRecordOf, type SavedModel } from './saved-model.js';

/** A model with its weights and its knowledge of the data. */
export interface PredictingModel {
  readonly run: ModelRun;
  /** Holds the model's weights. */
  readonly pool: ShardPool;
  /** Number of sequences per batch. */
  readonly batchSize: number;
  readonly data: DataRecord;
  readonly scaling: DataScaling | undefined;
}

/** A model that can compute until it is closed. */
export interface OpenedModel extends PredictingModel {
  /** All parameters as one flat array. */
  readonly parameters: Float32Array;
  /** Engine of this thread. */
  readonly engine: Engine;
  close(): Promise<void>;
}

/**
 * Runs `use` with the model and the data of its run, then closes the model.
 * @throws UserError (exit 2) if the data cannot be opened
 * @throws UserError (exit 5) if they have changed since the run
 */
export async function withData<T>(
  saved: SavedModel,
  options: BackendOptions,
  use: (model: OpenedModel, dataset: Dataset) => Promise<T>,
): Promise<T> {
  const { model, dataset } = await openWithData(saved, options);
  return use(model, dataset).finally(() => model.close());
}

/**
 * Opens the model and the data of its run.
 * @throws UserError (exit 2) if the data cannot be opened
 * @throws UserError (exit 5) if they have changed since the run
 */
export async function openWithData(
  saved: SavedModel,
  options: BackendOptions,
): Promise<{ readonly model: OpenedModel; readonly dataset: Dataset }> {
  const { loaded, manifest } = saved;
  const session = await openSession(loaded, { ...options, ...fittedBy(manifest), baselineAt: 'none' });
  const { dataset, run } = session;
  if (manifest) checkSameData(dataset, manifest);
  const data = dataRecord(session);
  const model = await start(saved, run, { data, scaling: dataset.scaling });
  return { model, dataset };
}

/**
 * Opens the model without the data of its run.
 * @throws UserError (exit 5) if the run did not record its data format, or its weights are damaged
 */
export async function openWithoutData(saved: SavedModel, options: BackendOptions): Promise<OpenedModel> {
  const { loaded, manifest } = saved;
  const data = dataRecordOf(saved);
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
    loss: unweighted(loaded),
    metrics: [],
    seed: experiment.seed,
    sequenceLength,
    variableLength: data.variable_length,
  };
  return start(saved, run, { data, scaling: manifest?.scaling });
}

/**
 * Returns the reader of an input for the model, and the model with carried states if the input is
 * one stream.
 */
export function readerFor<M extends PredictingModel>(
  { loaded: { experiment } }: SavedModel,
  model: M,
  { lines }: Pick<NewSequencesOptions, 'lines'> = {},
): { readonly reader: SequenceReader; readonly model: M } {
  const { dataset, training } = experiment;
  const reader = newSequences(dataset, model.data, { rows: streamsOf(training), ...(lines && { lines }) });
  const { run } = model;
  const carriesState = reader.continues ? training.carry_state : run.spec.carriesState;
  return { reader, model: { ...model, run: { ...run, spec: { ...run.spec, carriesState } } } };
}

/** Drops class weights: they may depend on the training data, and predictions do not need them. */
function unweighted({ experiment: { loss } }: LoadedExperiment): LossSettings {
  return loss.kind === 'cross_entropy' ? { kind: loss.kind } : loss;
}

async function start(
  { loaded, file, tensors, weights }: SavedModel,
  run: ModelRun,
  of: Pick<PredictingModel, 'data' | 'scaling'>,
): Promise<OpenedModel> {
  const layout = new ParameterLayout(run.spec);
  const engine = await Engine.start(run.backend, { width: run.width });
  const parameters = allocateParameters(layout, engine.heap);
  loadWeights(file, layout, parameters, { which: weights, tensors });
  const pool = createPool(engine, run, parameters);
  const close = async (): Promise<void> => {
    await pool.close();
    await engine.close();
  };
  const batchSize = loaded.experiment.training.eval_batch_size;
  return { run, pool, parameters, engine, close, batchSize, ...of };
}
