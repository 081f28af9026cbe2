/**
 * Exports a trained model as an ONNX file, which contains the whole predictor, once it reproduces
 * the run's own test predictions.
 */
import { dataWidth, type Scaling, staticWidth } from '../../data/index.js';
import { lossOf, taskOf } from '../../math/losses/index.js';
import { type OpenedModel, openWithData, openWithoutData, type SavedModel } from '../../predict/open.js';
import { Run } from '../../run/run.js';
import { weightsAlone } from '../../train/weights.js';
import { UserError, usageError } from '../../util/errors.js';
import type { Weights } from './layers.js';
import { writeModel } from './model.js';
import { type ExportedFile, type Verification, verify } from './verify.js';
import { encodeModel } from './writer.js';

export interface OnnxExport {
  readonly content: readonly Uint8Array[];
  readonly weights: SavedModel['weights'];
  readonly step: number;
  /** How it was verified, or why it was not. */
  readonly verified: Verification | string;
}

/**
 * @throws UserError (exit 2) if ONNX cannot express the input or output of the model; (exit 5) if
 *   the file does not reproduce the predictions of the run
 */
export async function exportOnnx(saved: SavedModel): Promise<OnnxExport> {
  refuseUnfinished(saved);
  const { weights, step } = saved;
  const { model, problem } = await opened(saved);
  try {
    const file = onnxFile(saved, model);
    const verified = problem ?? (await verify({ ...model, path: saved.path }, file));
    return { content: [file.content], weights, step, verified };
  } finally {
    await model.pool.close();
  }
}

function refuseUnfinished({ path }: SavedModel): void {
  const { state } = Run.open(path);
  if (state === 'completed' || state === 'failed') return;
  throw usageError('export/unfinished', `this run is not finished: it is ${state}`, {
    file: path,
    expected: 'a run that was trained to its end; `resume` continues it',
  });
}

/** With its data, if these can still be read. */
async function opened(saved: SavedModel) {
  const options = { backend: 'webasm', threads: undefined } as const;
  try {
    return { model: await openWithData(saved, options), problem: undefined };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    const [{ message }] = error.diagnostics;
    return { model: await openWithoutData(saved, options), problem: `its data cannot be read: ${message}` };
  }
}

/** Inputs and outputs that a graph of tensors cannot compute. */
function refuse({ path }: SavedModel, kind: string, writes: boolean): void {
  const reasons = {
    forecast: 'the windows of a forecast are cut and scaled outside of the model',
    audio: 'features of recordings are computed outside of the model',
  } as const;
  const reason = writes
    ? 'a decoder writes its output symbol by symbol'
    : (reasons as Readonly<Record<string, string>>)[kind];
  if (reason === undefined) return;
  throw usageError('export/onnx', `this model cannot be exported as one ONNX graph: ${reason}`, {
    file: path,
    expected: '`--format safetensors`, which has the weights',
  });
}

function onnxFile(
  saved: SavedModel,
  { run, data, scaling, experiment, columnNames }: OpenedModel,
): ExportedFile {
  refuse(saved, experiment.dataset.kind, run.spec.decoder !== undefined);
  const { quantiles = [] } = lossOf(run.loss);
  const task = taskOf(run.loss);
  const weights = weightsAlone(saved.tensors, saved.weights) as Weights;
  // unlike predictions of separate texts, a graph can carry states from one text to the next
  const spec = { ...run.spec, carriesState: experiment.training.carry_state };
  const outputScaling = scaling?.targets && perQuantile(scaling.targets, Math.max(1, quantiles.length));
  const { graph, states } = writeModel({ spec, task, data, scaling, outputScaling, weights });
  const columns = columnNames?.slice(0, dataWidth(data) - staticWidth(data));
  const facts = {
    task,
    run: saved.manifest?.run_id,
    config_hash: saved.manifest?.config_hash,
    step: saved.step,
    weights: saved.weights,
    columns,
    static_columns: staticWidth(data) > 0 ? columnNames?.slice(-staticWidth(data)) : undefined,
    categories: data.preparation?.columns.map(({ categories }) => categories ?? null),
    vocabulary: data.vocabulary?.symbols,
    level: data.vocabulary?.level,
    class_names: data.class_names,
    target_names: data.target_names,
    quantiles: quantiles.length > 0 ? quantiles.map(({ level }) => level) : undefined,
  };
  const content = encodeModel({
    graph,
    producerVersion: saved.manifest?.versions.cellrun ?? '',
    description: experiment.description ?? experiment.name,
    metadata: Object.fromEntries(
      Object.entries(facts).flatMap(([key, value]) =>
        value === undefined ? [] : [[key, typeof value === 'string' ? value : JSON.stringify(value)]],
      ),
    ),
  });
  return { content, scaling: outputScaling, states };
}

/** Outputs are the quantiles of the first target, then those of the second, and so on. */
function perQuantile({ offset, scale }: Scaling, quantiles: number): Scaling {
  const all = (list: readonly number[]) =>
    list.flatMap(value => Array.from({ length: quantiles }, () => value));
  return { offset: all(offset), scale: all(scale) };
}
