/** Saved models for programs: `evaluate` and `predict`. */
import type { Readable } from 'node:stream';
import type { SplitName } from '../data/index.js';
import type { BackendRequest } from '../engine/backend-names.js';
import { flat, iterable, MODEL_OPTIONS, Model } from '../predict/model.js';
import { evaluateCheckpoint, openModel, openWithData, openWithoutData } from '../predict/open.js';
import type { SequencePrediction, WhichCheckpoint } from '../predict/predictor.js';
import type { RejectionOptions, SequenceValues } from '../predict/session.js';
import type { SplitMetrics } from '../run/summary.js';
import type { WeightsName } from '../train/weights.js';
import * as args from '../util/arguments.js';
import { assignments, type Overrides } from './config.js';

/** Selects the weights of a run, and where they compute. */
export interface SavedModelOptions {
  /** `best`, `last` or a step. Default: the weights that the run's final metrics belong to. */
  readonly checkpoint?: WhichCheckpoint;
  /** Weights of the last update, or their average. Default: the average if the run keeps one. */
  readonly weights?: WeightsName;
  /** Where kernels run. Default: `auto`, a GPU if there is one, else WebAssembly. */
  readonly backend?: BackendRequest;
  /** Number of threads. Default: as many as the process may use. */
  readonly threads?: number;
  /** Aborts: the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
}

export interface EvaluateOptions extends SavedModelOptions {
  /** Default: `test`. */
  readonly split?: SplitName;
  /** Current location of the data: keys of `dataset`, such as `{ 'dataset.path': 'moved.csv' }`. */
  readonly set?: Overrides;
  /** Called for each sequence. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface EvaluationResult {
  readonly split: SplitName;
  readonly loss: number;
  /** The other metrics by name, such as `accuracy`. */
  readonly metrics: SplitMetrics;
  /** Number of predictions that were scored. */
  readonly count: number;
  /** File of the checkpoint; absolute if `directory` was. */
  readonly checkpoint: string;
  /** Completed optimizer steps and epochs of the checkpoint. */
  readonly step: number;
  readonly epoch: number;
}

const splitKind = args.oneOf('train', 'validation', 'test');

const SAVED_MODEL_OPTIONS = { ...MODEL_OPTIONS, signal: args.signal, set: args.overrides } as const;

const predictionSource: args.Kind = {
  expected: 'a path, a stream, an iterable of sequences, or { split }',
  accepts: value =>
    args.path.accepts(value) ||
    (args.isPlainObject(value) && 'split' in value && splitKind.accepts(value.split)) ||
    iterable.accepts(value),
};

/**
 * Computes the metrics of a run's model on one of the run's splits, from its weights.
 *
 * @param directory the run directory
 *
 * @example
 * const { loss, metrics } = await evaluate(directory, { checkpoint: 'best' });
 *
 * @throws UserError (exit 2) if there is no such run, checkpoint or split, or the data cannot be
 *   read
 * @throws UserError (exit 5) if a file is damaged or the data have changed since the run
 */
export async function evaluate(directory: string, options: EvaluateOptions = {}): Promise<EvaluationResult> {
  args.checkArgument('evaluate', 'directory', directory, args.path);
  args.checkOptions<EvaluateOptions>('evaluate', options, {
    ...SAVED_MODEL_OPTIONS,
    split: splitKind,
    onProgress: args.callback,
  });
  const { split = 'test', checkpoint, weights, set, backend = 'auto', threads, signal, onProgress } = options;
  const saved = openModel(directory, { checkpoint, weights, set: assignments(set) });
  const watch = (progress: { readonly done: number; readonly total: number }): void => {
    signal?.throwIfAborted();
    onProgress?.(progress);
  };
  const { loss, metrics, count } = await evaluateCheckpoint(saved, { split, backend, threads }, watch);
  // the signal may have come with the last progress
  signal?.throwIfAborted();
  const { file, step, epoch } = saved;
  return { split, loss, metrics, count, checkpoint: file, step, epoch };
}

/**
 * Input to predict: a file in the format of the run's data (its path, or a stream of its bytes),
 * sequences of the program, or a split of the run's data.
 */
export type PredictionSource =
  | string
  | Readable
  | Iterable<SequenceValues>
  | AsyncIterable<SequenceValues>
  | { readonly split: SplitName };

export interface PredictOptions extends SavedModelOptions, RejectionOptions {
  /** Current location of the data of a split. */
  readonly set?: Overrides;
  /** Predict only the first sequences, this many. Default: all. */
  readonly limit?: number;
}

/**
 * Predicts sequences in order, batch by batch, so that memory is bounded for any number of them.
 * Leaving the loop frees the model. To predict many times, open it once with `loadModel`.
 *
 * @param directory the run directory; the run's data are needed only to predict one of its splits
 *
 * @example
 * for await (const { id, predictions } of predict(directory, 'new.csv'))
 *   console.log(id, predictions[0]);
 * for await (const one of predict(directory, [[[0.1], [0.2]]])) console.log(one.predictions);
 *
 * @throws UserError (exit 2) if there is no such run, checkpoint or split, or the input cannot be
 *   read
 * @throws UserError (exit 5) if a file is damaged, or a sequence does not fit the model and there
 *   is no `onRejected`
 */
export async function* predict(
  directory: string,
  source: PredictionSource,
  options: PredictOptions = {},
): AsyncGenerator<SequencePrediction, void> {
  args.checkArgument('predict', 'directory', directory, args.path);
  args.checkArgument('predict', 'source', source, predictionSource);
  args.checkOptions<PredictOptions>('predict', options, {
    ...SAVED_MODEL_OPTIONS,
    onRejected: args.callback,
    limit: args.integer(1),
  });
  const { checkpoint, weights, set, backend = 'auto', threads, onRejected, signal } = options;
  const { limit = Number.POSITIVE_INFINITY } = options;
  signal?.throwIfAborted();
  const saved = openModel(directory, { checkpoint, weights, set: assignments(set) });
  const opened = isSplit(source) ? openWithData : openWithoutData;
  const model = new Model(await opened(saved, { backend, threads }));
  try {
    let left = limit;
    for await (const prediction of predicted(model, source, { onRejected })) {
      yield prediction;
      left -= 1;
      if (left === 0) return;
      signal?.throwIfAborted();
    }
  } finally {
    await model.close();
  }
}

function isSplit(source: PredictionSource): source is { readonly split: SplitName } {
  return typeof source === 'object' && 'split' in source;
}

function predicted(model: Model, source: PredictionSource, options: RejectionOptions) {
  if (isSplit(source)) return flat(model.ofSplit(source.split).batches);
  // a byte stream has a method `read`; an iterable of sequences does not
  const isFile = typeof source === 'string' || 'read' in source;
  return isFile ? model.predictFile(source, options) : model.predict(source, options);
}
