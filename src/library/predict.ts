/** Saved models for programs: `evaluate` and `predict`. */
import type { Readable } from 'node:stream';
import type { SplitName } from '../data/index.js';
import type { BackendRequest } from '../engine/backend-names.js';
import {
  fileInput,
  flat,
  iterable,
  MODEL_OPTIONS,
  type Model,
  openMembers,
  runsKind,
  sourcesOf,
} from '../predict/model.js';
import {
  evaluateCheckpoint,
  evaluateInput,
  openModel,
  openWithData,
  openWithoutData,
} from '../predict/open.js';
import type { SequencePrediction } from '../predict/predictions.js';
import type { RejectionOptions, SequenceValues } from '../predict/steps.js';
import type { SplitBaselines, SplitMetrics } from '../run/summary.js';
import type { WeightsName, WhichCheckpoint } from '../train/weights.js';
import * as args from '../util/arguments.js';
import { type Diagnostic, usageError } from '../util/errors.js';
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

export interface EvaluateOptions extends SavedModelOptions, RejectionOptions {
  /** Default: `test`, unless there is an `input`. */
  readonly split?: SplitName;
  /**
   * New sequences with targets instead of a split, in the format of the run's data: paths of files,
   * folders or patterns, or a stream.
   */
  readonly input?: string | readonly string[] | Readable;
  /**
   * Current location of the data, such as `{ 'dataset.path': 'moved.csv' }`, or how to decode:
   * `{ 'decode.beam': 8 }`.
   */
  readonly set?: Overrides;
  /**
   * Called with the number of evaluated sequences; `total` is null for an input, whose end is not
   * known.
   */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number | null }) => void;
}

export interface EvaluationResult {
  /** Null for an input. */
  readonly split: SplitName | null;
  readonly loss: number;
  /** The other metrics by name, such as `accuracy`. */
  readonly metrics: SplitMetrics;
  /**
   * Metrics of predictions that need no training, such as the most frequent class. Absent for an
   * input if the training data cannot be read.
   */
  readonly baselines?: SplitBaselines;
  /** Number of predictions that were scored; equal inputs with sequence targets count once. */
  readonly count: number;
  /** What makes the metrics doubtful, such as symbols that the model has not learned to read. */
  readonly warnings: readonly Diagnostic[];
  /** File of the checkpoint; absolute if `directory` was. */
  readonly checkpoint: string;
  /** Completed optimizer steps and epochs of the checkpoint. */
  readonly step: number;
  readonly epoch: number;
}

const splitKind = args.oneOf('train', 'validation', 'test');

const SAVED_MODEL_OPTIONS = { ...MODEL_OPTIONS, signal: args.signal, set: args.overrides } as const;

const evaluationInput: args.Kind = {
  expected: 'a path, a list of paths, or a stream',
  accepts: value => fileInput.accepts(value) || (args.texts.accepts(value) && (value as string[]).length > 0),
};

const predictionSource: args.Kind = {
  expected: 'a path, a stream, an iterable of sequences, or { split }',
  accepts: value =>
    args.path.accepts(value) ||
    (args.isPlainObject(value) && 'split' in value && splitKind.accepts(value.split)) ||
    iterable.accepts(value),
};

/**
 * Computes the metrics of a run's model on one of the run's splits, or on new sequences with
 * targets.
 *
 * @param directory the run directory
 *
 * @example
 * const { loss, metrics } = await evaluate(directory, { checkpoint: 'best' });
 * const { baselines } = await evaluate(directory, { input: 'new.csv' });
 *
 * @throws UserError (exit 2) if there is no such run, checkpoint or split, or the data cannot be
 *   read
 * @throws UserError (exit 5) if a file is damaged, the data have changed since the run, or the
 *   input has no targets, or has a sequence that does not fit and there is no `onRejected`
 */
export async function evaluate(directory: string, options: EvaluateOptions = {}): Promise<EvaluationResult> {
  args.checkArgument('evaluate', 'directory', directory, args.path);
  args.checkOptions<EvaluateOptions>('evaluate', options, {
    ...SAVED_MODEL_OPTIONS,
    split: splitKind,
    input: evaluationInput,
    onRejected: args.callback,
    onProgress: args.callback,
  });
  const { split = 'test', input, checkpoint, weights, set, onRejected, signal, onProgress } = options;
  if (input !== undefined && options.split !== undefined)
    throw usageError('library/argument', '`input` and `split` exclude each other', { file: 'evaluate()' });
  const saved = openModel(directory, { checkpoint, weights, set: assignments(set) });
  const watch = (done: number, total: number | null): void => {
    signal?.throwIfAborted();
    onProgress?.({ done, total });
  };
  const { backend = 'auto', threads } = options;
  const { file, step, epoch } = saved;
  const which = { checkpoint: file, step, epoch };
  if (input === undefined) {
    const found = await evaluateCheckpoint(saved, { split, backend, threads }, ({ done, total }) =>
      watch(done, total),
    );
    // the signal may have come with the last progress
    signal?.throwIfAborted();
    return { split, ...found, warnings: [], ...which };
  }
  const sources = await sourcesOf(saved.loaded.experiment.dataset, input, true);
  let done = 0;
  const found = await evaluateInput(saved, sources, { backend, threads, onRejected }, count => {
    done += count;
    watch(done, null);
  });
  signal?.throwIfAborted();
  return { split: null, ...found, ...which };
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
  /** Current location of the data of a split, or keys of `decode`. */
  readonly set?: Overrides;
  /** List this many of the most probable classes, or of the best sequences, in each prediction. */
  readonly top?: number;
  /** Predict only the first sequences, this many. Default: all. */
  readonly limit?: number;
}

/**
 * Predicts sequences in order, batch by batch, so that memory is bounded for any number of them.
 * Leaving the loop frees the model. To predict many times, open it once with `loadModel`.
 *
 * @param directory the run directory, or several runs, which predict together: the mean of their
 *   probabilities or values. A run's data are needed only to predict one of its splits
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
  directory: string | readonly string[],
  source: PredictionSource,
  options: PredictOptions = {},
): AsyncGenerator<SequencePrediction, void> {
  args.checkArgument('predict', 'directory', directory, runsKind);
  args.checkArgument('predict', 'source', source, predictionSource);
  if (isSplit(source)) refuseOtherKeys(source);
  args.checkOptions<PredictOptions>('predict', options, {
    ...SAVED_MODEL_OPTIONS,
    onRejected: args.callback,
    limit: args.integer(1),
    top: args.integer(1),
  });
  const { checkpoint, weights, set, backend = 'auto', threads, onRejected, signal } = options;
  const { limit = Number.POSITIVE_INFINITY, top } = options;
  signal?.throwIfAborted();
  const which = { checkpoint, weights, set: assignments(set), top };
  const saved = [directory].flat().map(path => openModel(path, which));
  const open = isSplit(source) ? openWithData : openWithoutData;
  const split = isSplit(source) ? source.split : undefined;
  const model = await openMembers(saved, one => open(one, { backend, threads }), split);
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

function refuseOtherKeys(source: object): void {
  const [unknown] = Object.keys(source).filter(key => key !== 'split');
  if (unknown === undefined) return;
  const message = `\`source\` has no key \`${unknown}\`; options are the third argument`;
  throw usageError('library/unknown-option', message, { file: 'predict()', expected: '{ split }' });
}

function predicted(model: Model, source: PredictionSource, options: RejectionOptions) {
  if (isSplit(source)) return flat(model.ofSplit(source.split).batches);
  // a byte stream has a method `read`; an iterable of sequences does not
  const isFile = typeof source === 'string' || 'read' in source;
  return isFile ? model.predictFile(source, options) : model.predict(source, options);
}
