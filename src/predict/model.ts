/** Trained models for programs: `loadModel` opens the model of a run directory. */

import type { Readable } from 'node:stream';
import type { InspectOptions } from 'node:util';
import type { Experiment } from '../config/index.js';
import {
  type Dataset,
  dataWidth,
  type InputSource,
  type NewSequencesOptions,
  newSequenceFiles,
  type ReadSequence,
  type SequenceInput,
  type SplitName,
  streamBytes,
} from '../data/index.js';
import { MAX_RATE } from '../data/reading/facts.js';
import { BACKEND_REQUESTS, type BackendRequest } from '../engine/backend-names.js';
import { inspect } from '../host/index.js';
import type { WhichWeights } from '../train/weights.js';
import * as args from '../util/arguments.js';
import { UserError, usageError } from '../util/errors.js';
import { checkMembers, copiesOf, joined, onceFor, sourcesFor } from './ensemble.js';
import { continueSymbols, continueText, type GenerateOptions } from './generate.js';
import { formOfMean } from './mean.js';
import { openModel, openWithoutData, readerFor, type SavedModel, splitOf } from './open.js';
import type { Prediction, PredictionForm, SequencePrediction } from './predictions.js';
import { hasForecastTimes, type OpenedModel, Predictor } from './predictor.js';
import { type Session, type SessionOptions, StepModel } from './session.js';
import { givenSequence, type RejectionOptions, type SequenceValues } from './steps.js';

export interface LoadModelOptions extends WhichWeights {
  /** Where kernels run. Default: `auto`. */
  readonly backend?: BackendRequest;
  /** Threads for kernels. Default: as many as the process may use. */
  readonly threads?: number;
  /** List this many of the most probable classes, or of the best sequences, in each prediction. */
  readonly top?: number;
}

const checkpoint: args.Kind = {
  expected: "'last', 'best' or the step of a checkpoint",
  accepts: value => value === 'last' || value === 'best' || args.integer(0).accepts(value),
};

export const backendKind = args.oneOf(...BACKEND_REQUESTS);

/** Options of all calls that open a saved model. */
export const MODEL_OPTIONS = {
  checkpoint,
  weights: args.oneOf('trained', 'average'),
  backend: backendKind,
  threads: args.integer(1),
} as const;

/** A run, or several that predict together. */
export const runsKind: args.Kind = {
  expected: 'a path, or a list of paths',
  accepts: value => args.path.accepts(value) || (args.texts.accepts(value) && (value as string[]).length > 0),
};

export const iterable: args.Kind = {
  expected: 'an iterable of sequences',
  accepts: value =>
    typeof value === 'object' &&
    value !== null &&
    (Symbol.iterator in value || Symbol.asyncIterator in value),
};

export const fileInput: args.Kind = {
  expected: 'a path, or a stream',
  accepts: value =>
    args.path.accepts(value) || (typeof value === 'object' && value !== null && 'read' in value),
};

const symbols: args.Kind = {
  expected: 'a list of symbol numbers',
  accepts: value => Array.isArray(value) && value.every(args.integer(0).accepts),
};

const temperature: args.Kind = {
  expected: 'a number of at least 0',
  accepts: value => typeof value === 'number' && value >= 0 && Number.isFinite(value),
};

const GENERATE_OPTIONS = { length: args.integer(0), temperature, seed: args.integer(0) } as const;

/**
 * Loads the model of the run directory `run`, which may be a copy on another machine: nothing else
 * is read, and the run's data are not needed. Several runs, such as those of folds, predict
 * together: the mean of their probabilities or values.
 *
 * @example
 * const model = await loadModel('experiments/wind/20260101T120000Z-1a2b3c4d');
 * for await (const { id, predictions } of model.predict(sequences))
 *   console.log(id, predictions[0].predicted);
 * await model.close();
 *
 * @throws UserError (exit 2) if there is no such run or checkpoint, or the backend is not available
 * @throws UserError (exit 5) if a file is damaged, or the run's version did not record its data
 *   format
 */
export async function loadModel(
  run: string | readonly string[],
  options: LoadModelOptions = {},
): Promise<Model> {
  args.checkArgument('loadModel', 'run', run, runsKind);
  args.checkOptions<LoadModelOptions>('loadModel', options, { ...MODEL_OPTIONS, top: args.integer(1) });
  const { backend = 'auto', threads, ...which } = options;
  const saved = [run].flat().map(path => openModel(path, which));
  return openMembers(saved, one => openWithoutData(one, { backend, threads }));
}

/** Form of all predictions of a split or an input. */
export interface OutputForm extends PredictionForm {
  readonly hasIds: boolean;
  readonly hasTimes: boolean;
}

export interface Predicted {
  readonly form: OutputForm;
  readonly batches: AsyncIterable<readonly SequencePrediction[]>;
}

const STREAM = '<stream>';

/** A trained model. Its threads do not keep the process alive. */
export class Model {
  /** Form of the predictions. */
  readonly form: PredictionForm;
  private stepModel: StepModel | undefined;
  private isClosed = false;
  /** Idle predictors of sequences and of streams; each has its own memory. */
  private readonly idle: Readonly<Record<'sequences' | 'streams', Predictor[]>> = {
    sequences: [],
    streams: [],
  };

  /** @internal Use {@link loadModel}. */
  constructor(private readonly opened: OpenedModel) {
    const predictor = new Predictor(opened);
    this.idle.sequences.push(predictor);
    this.form = predictor.form;
  }

  [inspect.custom](_: number, options: InspectOptions): string {
    const { form, input } = this;
    return `Model ${inspect({ form, input }, options)}`;
  }

  /** Type of a step: F numbers, or one of several symbols. */
  get input(): SequenceInput {
    const { data } = this.opened;
    return data.input.kind === 'number' ? { kind: 'number', size: dataWidth(data) } : data.input;
  }

  /**
   * Predicts sequences in order. They may be longer or shorter than the training sequences. They
   * are computed in batches, so that memory is bounded for any number of sequences; a batch starts
   * once it is full or `sequences` pauses. To get the prediction to each step at once, use a
   * {@link session}.
   * @throws UserError (exit 2) if the model reads recordings that are scaled together
   * @throws UserError (exit 5) if a sequence does not fit the model and there is no `onRejected`,
   *   after the sequences before it have been predicted
   */
  predict(
    sequences: Iterable<SequenceValues> | AsyncIterable<SequenceValues>,
    options: RejectionOptions = {},
  ): AsyncGenerator<SequencePrediction> {
    args.checkArgument('predict', 'sequences', sequences, iterable);
    args.checkOptions<RejectionOptions>('predict', options, { onRejected: args.callback });
    return flat(this.batches(sequencesOf(sequences, this.opened), options));
  }

  /**
   * Predicts the sequences of a file or byte stream in the format of the run's data: the same
   * columns, lengths and scaling. Labels are ignored. A text is one stream, cut into sequences as
   * the evaluation cuts it; {@link predict} takes separate texts.
   * @param input path of the file, or of a folder or pattern of files if the dataset takes them,
   *   which are read in order like those of the dataset; or a stream such as `process.stdin`
   * @throws UserError (exit 2) if it cannot be read
   * @throws UserError (exit 5) if a sequence does not fit the model and there is no `onRejected`,
   *   after the sequences before it have been predicted
   */
  predictFile(input: string | Readable, options: RejectionOptions = {}): AsyncGenerator<SequencePrediction> {
    args.checkArgument('predictFile', 'input', input, fileInput);
    args.checkOptions<RejectionOptions>('predictFile', options, { onRejected: args.callback });
    const { dataset } = this.opened.experiment;
    return flat(this.ofSources(() => sourcesOf(dataset, input), options).batches);
  }

  /** @internal Like {@link predictFile}, batch by batch. */
  ofSources(
    sources: () => Promise<readonly InputSource[]>,
    { lines, ...options }: RejectionOptions & Pick<NewSequencesOptions, 'lines'>,
  ): Predicted {
    const { reader, model } = readerFor(this.opened, { lines, collects: options.onRejected === undefined });
    const { hasIds, hasTimes, continues } = reader;
    const read = async function* () {
      yield* reader.read(await sources());
    };
    const of = continues ? { model, idle: this.idle.streams } : undefined;
    return { form: { ...this.form, hasIds, hasTimes }, batches: this.batches(read(), options, of) };
  }

  /** @internal Predicts the first sequences of a split of the run's data, with labels. */
  ofSplit(name: SplitName, limit = Number.POSITIVE_INFINITY): Predicted {
    const split = splitOf(this.opened.dataset as Dataset, name);
    const form = {
      ...this.form,
      hasIds: split.id !== undefined,
      hasTimes: hasForecastTimes(this.opened.experiment),
    };
    return { form, batches: new Predictor(this.opened).split(split, limit) };
  }

  /**
   * Starts a sequence whose steps are passed one by one, for live streams. Any number of sessions
   * may be open.
   * @throws UserError (exit 2) if the model is bidirectional, has a decoder, or forecasts; or if
   *   there is a `rate` and it does not read recordings
   */
  session(options: SessionOptions = {}): Session {
    args.checkOptions<SessionOptions>('session', options, { rate: args.integer(1, MAX_RATE) });
    this.refuseIfClosed();
    this.stepModel ??= new StepModel(this.opened);
    const { step, push, end, reset } = this.stepModel.session(options);
    return {
      step: values => this.whileOpen(() => step(values)),
      push: samples => this.whileOpen(() => push(samples)),
      end: () => this.whileOpen(end),
      reset,
    };
  }

  /**
   * @internal Predicts a recording as its samples arrive: each symbol when it begins, each class
   * that differs from the one before, or the values at each step; and the class at the end.
   */
  ofSamples(pieces: AsyncIterable<Float64Array>, rate: number): Predicted {
    const form = { ...this.form, perStep: false, hasIds: false, hasTimes: true };
    return { form, batches: news(this.session({ rate }), pieces) };
  }

  /**
   * Continues `prompt` with a language model, symbol by symbol; the prompt is not yielded. Symbols
   * are numbers from 0; the same seed draws the same symbols.
   * @throws UserError (exit 2) if the model does not predict the next symbol at each step
   * @throws UserError (exit 5) if the model does not have a symbol of the prompt
   */
  generate(prompt: readonly number[], options: GenerateOptions = {}): AsyncGenerator<number> {
    args.checkArgument('generate', 'prompt', prompt, symbols);
    args.checkOptions<GenerateOptions>('generate', options, GENERATE_OPTIONS);
    return continueSymbols(this.generative, prompt, options);
  }

  /**
   * Continues a text with a language model, piece by piece; the prompt is not yielded.
   * @throws UserError (exit 2) if the model does not predict the next symbol at each step, its
   *   symbols are not text, or it has not learned to read a symbol of the prompt
   */
  async *generateText(prompt: string, options: GenerateOptions = {}): AsyncGenerator<string> {
    args.checkArgument('generateText', 'prompt', prompt, args.text);
    args.checkOptions<GenerateOptions>('generateText', options, GENERATE_OPTIONS);
    yield* continueText(this.generative, prompt, options);
  }

  private get generative() {
    return { data: this.opened.data, form: this.form, session: () => this.session() };
  }

  /**
   * Ends the threads. Pending predictions and later calls reject with a `UserError` whose code is
   * `model/closed`. A second call does nothing.
   */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.opened.pool.close();
    await this.opened.explainer?.close();
  }

  private refuseIfClosed(): void {
    if (!this.isClosed) return;
    throw usageError('model/closed', 'the model is closed', {
      expected: 'a model that `loadModel` opened and `close` did not end',
    });
  }

  /** Computes unless the model is closed before it ends. */
  private async whileOpen<T>(compute: () => Promise<T>): Promise<T> {
    this.refuseIfClosed();
    try {
      return await compute();
    } catch (error) {
      // its threads ended with it
      if (!(error instanceof UserError)) this.refuseIfClosed();
      throw error;
    }
  }

  private async *batches(
    lists: AsyncIterable<readonly ReadSequence[]>,
    options: RejectionOptions,
    { model, idle } = { model: this.opened, idle: this.idle.sequences },
  ): AsyncGenerator<readonly SequencePrediction[]> {
    this.refuseIfClosed();
    const predictor = idle.pop() ?? new Predictor(model);
    const batches = predictor.sequences(lists, options);
    try {
      for (;;) {
        const { done, value } = await this.whileOpen(() => batches.next());
        if (done) return;
        yield value;
      }
    } finally {
      await batches.return(undefined);
      idle.push(predictor);
    }
  }
}

/** Models that predict together: the mean of their predictions. */
class Ensemble extends Model {
  /**
   * @param first the model of the first member, whose form is that of all
   * @param thresholds of their mean
   */
  constructor(
    first: OpenedModel,
    private readonly members: readonly Model[],
    thresholds: readonly number[] | undefined,
  ) {
    super({ ...first, form: formOfMean(first.form, thresholds) });
  }

  override predict(...[sequences, options = {}]: Parameters<Model['predict']>) {
    const copies = copiesOf(sequences, this.members.length);
    const told = onceFor(options);
    return flat(this.together((member, i) => grouped(member.predict(copies[i], told))));
  }

  override ofSources(...[sources, options]: Parameters<Model['ofSources']>): Predicted {
    let all: Promise<ReturnType<typeof sourcesFor>> | undefined;
    const told = onceFor(options);
    const own = (i: number) => async () => {
      all ??= sources().then(given => sourcesFor(given, this.members.length));
      return (await all)[i];
    };
    const of = this.members.map((member, i) => member.ofSources(own(i), told));
    return { ...of[0], batches: this.together((_, i) => of[i].batches) };
  }

  override ofSplit(...which: Parameters<Model['ofSplit']>): Predicted {
    const of = this.members.map(member => member.ofSplit(...which));
    return { ...of[0], batches: this.together((_, i) => of[i].batches) };
  }

  override session(): never {
    throw usageError('model/members', 'several models predict whole sequences, not steps as they arrive', {
      expected: 'one run',
    });
  }

  override async close(): Promise<void> {
    for (const member of this.members) await member.close();
  }

  private together(of: (member: Model, i: number) => AsyncIterable<readonly SequencePrediction[]>) {
    return joined(this.form, this.members.map(of));
  }
}

async function* grouped<T>(items: AsyncIterable<T>): AsyncGenerator<readonly T[]> {
  for await (const item of items) yield [item];
}

/**
 * @internal Opens one model, or several that predict together.
 * @param split of their data that they predict; undefined for new sequences
 * @param thresholds of the mean of several
 */
export async function openMembers(
  saved: readonly SavedModel[],
  open: (member: SavedModel) => Promise<OpenedModel>,
  split?: SplitName,
  thresholds?: readonly number[],
): Promise<Model> {
  checkMembers(saved, split);
  const opened: OpenedModel[] = [];
  try {
    for (const member of saved) opened.push(await open(member));
  } catch (error) {
    for (const { pool } of opened) await pool.close();
    throw error;
  }
  const members = opened.map(one => new Model(one));
  return members.length === 1 ? members[0] : new Ensemble(opened[0], members, thresholds);
}

/** What is new in the predictions of a session, a list for each piece of samples. */
async function* news(
  session: Session,
  pieces: AsyncIterable<Float64Array>,
): AsyncGenerator<readonly SequencePrediction[]> {
  let index = 0;
  let [last, told]: (Prediction | undefined)[] = [];
  for await (const predictions of heard(session, pieces)) {
    const found: SequencePrediction[] = [];
    for (const one of predictions) {
      last = one;
      if (!isNew(one, told)) continue;
      found.push({ index: index++, predictions: [one] });
      told = one;
    }
    yield found;
  }
  // the class of the whole recording
  if (last?.kind === 'class' && last !== told) yield [{ index, predictions: [last] }];
}

async function* heard(session: Session, pieces: AsyncIterable<Float64Array>): AsyncGenerator<Prediction[]> {
  for await (const samples of pieces) yield session.push(samples);
  yield session.end();
}

function isNew(one: Prediction, before: Prediction | undefined): boolean {
  return !(one.kind === 'class' && before?.kind === 'class' && one.predicted === before.predicted);
}

/** @param hasTargets true if files of targets belong to the input */
export async function sourcesOf(
  dataset: Experiment['dataset'],
  input: string | readonly string[] | Readable,
  hasTargets = false,
): Promise<readonly InputSource[]> {
  if (typeof input === 'string') return newSequenceFiles(dataset, [input], hasTargets);
  if ('read' in input) return [{ name: STREAM, open: () => streamBytes(STREAM, input) }];
  return newSequenceFiles(dataset, input, hasTargets);
}

async function* sequencesOf(
  given: Iterable<SequenceValues> | AsyncIterable<SequenceValues>,
  model: OpenedModel,
): AsyncGenerator<readonly ReadSequence[]> {
  let index = 0;
  for await (const sequence of given) yield [givenSequence(sequence, index++, model)];
}

export async function* flat<T>(lists: AsyncIterable<readonly T[]>): AsyncGenerator<T, void> {
  for await (const list of lists) yield* list;
}
