/**
 * Exports a trained model as a predictor for other programs, which contains all of its preparation,
 * once it reproduces the run's own test predictions.
 */

import type { Experiment } from '../config/index.js';
import {
  type DataRecord,
  type DataScaling,
  type Dataset,
  dataWidth,
  type Scaling,
  staticWidth,
} from '../data/index.js';
import { lossOf, taskOf } from '../math/losses/index.js';
import type { Task } from '../math/metrics/metric.js';
import type { ModelSpec } from '../math/model/spec.js';
import { openWithData, openWithoutData, type SavedModel } from '../predict/open.js';
import type { OpenedModel } from '../predict/predictor.js';
import { Run } from '../run/run.js';
import type { Decisions } from '../tasks/core/confidence.js';
import { weightsAlone } from '../train/weights.js';
import { UserError, usageError } from '../util/errors.js';

/** By name. */
export type Files = ReadonlyMap<string, readonly Uint8Array[]>;

/** Weights by PyTorch's names. */
export type Weights = ReadonlyMap<string, Weight>;

export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Verification {
  readonly runtime: string;
  readonly sequences: number;
  readonly split: 'test' | 'train';
  /** The largest difference of an output, relative to the largest output. */
  readonly difference: number;
}

/** What a predictor is written from. */
export interface Source {
  readonly saved: SavedModel;
  readonly model: OpenedModel & { readonly dataset?: Dataset };
  readonly spec: ModelSpec;
  readonly task: Task;
  readonly data: DataRecord;
  readonly scaling: DataScaling | undefined;
  /** Of the outputs, if they are values that are scaled. */
  readonly outputScaling: Scaling | undefined;
  readonly weights: Weights;
  /** What a program must know to encode inputs and to name outputs. */
  readonly facts: ReturnType<typeof factsOf>;
}

export interface PredictorFormat {
  /** @throws UserError (exit 2) if the format cannot express the model */
  files(source: Source): Files | Promise<Files>;
  /**
   * Runs the files on the test split. Returns why not, if they cannot be run here.
   * @throws UserError (exit 5) if their predictions are not those of the run
   */
  verify(files: Files, source: Source): Promise<Verification | string>;
  /** Files about the model for people. */
  about?(source: Source, verified: Verification | string): Files;
}

export interface Exported extends Pick<SavedModel, 'weights' | 'step'> {
  readonly files: Files;
  /** How it was verified, or why it was not. */
  readonly verified: Verification | string;
}

/**
 * @throws UserError (exit 2) if the run is not finished, or the format cannot express its model;
 *   (exit 5) if the predictor does not reproduce the predictions of the run
 */
export async function exportPredictor(run: SavedModel, format: PredictorFormat): Promise<Exported> {
  refuseUnfinished(run);
  const saved = withFixedIntervals(run);
  const { weights, step } = saved;
  const { model, problem } = await opened(saved);
  try {
    const source = sourceOf(saved, model);
    const files = await format.files(source);
    const verified = problem ?? (await format.verify(files, source));
    const about = format.about?.(source, verified) ?? [];
    return { files: new Map([...files, ...about]), weights, step, verified };
  } finally {
    await model.pool.close();
  }
}

/** A module that predicts single windows has nothing that intervals could adapt to. */
function withFixedIntervals(saved: SavedModel): SavedModel {
  const { decisions } = saved;
  if (decisions?.intervals === undefined) return saved;
  const { adapt: _, scores: __, ...intervals } = decisions.intervals;
  return { ...saved, decisions: { ...decisions, intervals } };
}

/** @throws UserError (exit 2) if the training of a run has not ended */
export function refuseUnfinished({ path }: Pick<SavedModel, 'path'>): void {
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

function sourceOf(saved: SavedModel, model: OpenedModel): Source {
  const { run, data, scaling, experiment } = model;
  const quantiles = lossOf(run.loss).quantiles?.map(({ level }) => level);
  const task = taskOf(run.loss);
  return {
    ...{ saved, model, task, data, scaling },
    // unlike predictions of separate texts, a predictor can carry states from one text to the next
    spec: { ...run.spec, carriesState: experiment.training.carry_state },
    outputScaling: scaling?.targets ? perQuantile(scaling.targets, quantiles?.length ?? 1) : undefined,
    weights: weightsAlone(saved.tensors, saved.weights) as Weights,
    facts: factsOf(saved, model, { task, quantiles }),
  };
}

/** Outputs are the quantiles of the first target, then those of the second, and so on. */
function perQuantile({ offset, scale }: Scaling, quantiles: number): Scaling {
  const all = (list: readonly number[]) =>
    list.flatMap(value => Array.from({ length: quantiles }, () => value));
  return { offset: all(offset), scale: all(scale) };
}

function factsOf(
  { manifest, step, weights }: SavedModel,
  { run, data, scaling, dataset, columnNames, experiment }: OpenedModel & { readonly dataset?: Dataset },
  { task, quantiles }: { readonly task: Task; readonly quantiles: readonly number[] | undefined },
) {
  const ofSteps = dataWidth(data) - staticWidth(data);
  const features = featureSettings(experiment.dataset, data);
  const { thresholds, intervals } = run.decisions ?? {};
  // those of recordings have no names
  const names = features
    ? data.series_scaling && dataset?.columnNames
      ? Array.from({ length: dataWidth(data) }, (_, i) => dataset.columnNames?.features(i) ?? '')
      : undefined
    : columnNames;
  return {
    task,
    run: manifest?.run_id,
    config_hash: manifest?.config_hash,
    step,
    weights,
    columns: names?.slice(0, ofSteps),
    static_columns: staticWidth(data) > 0 ? names?.slice(ofSteps) : undefined,
    categories: data.preparation?.columns.map(({ categories }) => categories ?? null),
    vocabulary: data.vocabulary?.symbols,
    level: data.vocabulary?.level,
    class_names: data.class_names,
    target_names: data.target_names,
    quantiles,
    thresholds,
    intervals: intervals && ofOutputs(intervals, scaling?.targets?.scale ?? [1]),
    feature_settings: features,
  };
}

/** The quantiles of scores in the units of the outputs, as `widths`. */
function ofOutputs(
  { quantiles, ...intervals }: NonNullable<Decisions['intervals']>,
  scale: readonly number[],
) {
  const widthOf = (quantile: number | null, i: number) =>
    quantile === null ? Number.MAX_VALUE : quantile * scale[i % scale.length];
  return { ...intervals, widths: quantiles.map(row => row.map(widthOf)) };
}

/** How the inputs of a predictor are computed that does not read the data as they are. */
function featureSettings(dataset: Experiment['dataset'], data: DataRecord) {
  if (dataset.kind === 'audio') {
    const { features, normalize_per } = dataset;
    return { sample_rate: data.sample_rate, ...features, ...(normalize_per && { normalize_per }) };
  }
  if (dataset.kind !== 'forecast') return undefined;
  const { input_steps, horizon, per_step, relative_to } = dataset;
  return { input_steps, horizon, per_step, relative_to, scaling: data.series_scaling };
}
