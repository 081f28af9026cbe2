/** Trained models for programs: `loadModel` opens the model of a run directory. */
import type { Readable } from 'node:stream';
import {
  type ByteSource,
  decodeText,
  encodeText,
  fileBytes,
  newSequences,
  type ReadSequence,
  type SequenceInput,
  streamBytes,
  UNKNOWN,
  type Vocabulary,
} from '../data/index.js';
import type { BackendRequest } from '../engine/backend.js';
import { usageError } from '../util/errors.js';
import type { AnswerForm, SequencePrediction } from './answers.js';
import { type GenerateOptions, generateSymbols } from './generate.js';
import { givenSequence, type RejectionOptions, type SequenceValues, type StepForm } from './given-values.js';
import { type OpenedModel, openWithoutData } from './open.js';
import { Predictor } from './predictor.js';
import { type OpenModelOptions, openModel, type SavedModel } from './saved-model.js';
import { type Session, StepModel } from './session.js';

export interface LoadModelOptions extends Pick<OpenModelOptions, 'checkpoint' | 'weights'> {
  /** Where kernels run. Default: `auto`. */
  readonly backend?: BackendRequest;
  /** Threads for kernels. Default: as many as the process may use. */
  readonly threads?: number;
}

/**
 * Loads the model of the run directory `run`, which may be a copy on another machine: nothing else
 * is read, and the run's data are not needed.
 *
 * @example
 * const model = await loadModel('experiments/wind/20260101T120000Z-1a2b3c4d');
 * for await (const { id, answers } of model.predict(sequences))
 *   console.log(id, answers[0].predicted);
 * await model.close();
 *
 * @throws UserError (exit 2) if there is no such run or checkpoint, or the backend is not available
 * @throws UserError (exit 5) if a file is damaged, or the run's version did not record its data
 *   format
 */
export async function loadModel(run: string, options: LoadModelOptions = {}): Promise<Model> {
  const { backend = 'auto', threads, ...which } = options;
  const saved = openModel(run, which);
  return new Model(saved, await openWithoutData(saved, { backend, threads }));
}

/** A trained model. Its threads do not keep the process alive. */
export class Model {
  /** Form of the answers. */
  readonly form: AnswerForm;
  /** Undefined if sequences can only be read from tables. */
  private readonly stepForm: StepForm | undefined;
  private stepModel: StepModel | undefined;
  /** Idle predictors; each has its own memory. */
  private readonly idle: Predictor[] = [];

  /** @internal Use {@link loadModel}. */
  constructor(
    private readonly saved: SavedModel,
    private readonly opened: OpenedModel,
  ) {
    const predictor = new Predictor(opened);
    this.idle.push(predictor);
    this.form = predictor.form;
    const { dataset } = saved.loaded.experiment;
    const { input, vocabulary } = opened.data;
    if (dataset.kind === 'forecast') return;
    this.stepForm = {
      input,
      ...(dataset.kind === 'csv' && { featureNames: dataset.features }),
      ...(vocabulary && { vocabulary }),
    };
  }

  /** Type of a step: F numbers, or one of several symbols. */
  get input(): SequenceInput {
    return this.opened.data.input;
  }

  /**
   * Predicts sequences in order. They may be longer or shorter than the training sequences. They
   * are computed in batches, so that memory is bounded for any number of sequences; a batch starts
   * once it is full or `sequences` pauses. To get the answer to each step at once, use a
   * {@link session}; a forecasting model only reads tables, through {@link predictFile}.
   * @throws UserError (exit 2) if the model is a forecasting model
   * @throws UserError (exit 5) if a sequence does not fit the model and there is no `onRejected`,
   *   after the sequences before it have been predicted
   */
  predict(
    sequences: Iterable<SequenceValues> | AsyncIterable<SequenceValues>,
    options: RejectionOptions = {},
  ): AsyncGenerator<SequencePrediction> {
    return this.sequences(this.given(sequences, this.givenForm), options);
  }

  /**
   * Predicts the sequences of a file or byte stream in the format of the run's data: the same
   * columns, lengths and scaling. Labels are ignored.
   * @param input path of the file, or a stream such as `process.stdin`
   * @throws UserError (exit 2) if it cannot be read
   * @throws UserError (exit 5) if a sequence does not fit the model and there is no `onRejected`,
   *   after the sequences before it have been predicted
   */
  predictFile(input: string | Readable, options: RejectionOptions = {}): AsyncGenerator<SequencePrediction> {
    return this.sequences(this.read(input), options);
  }

  /**
   * Starts a sequence whose steps are passed one by one, for live streams. Any number of sessions
   * may be open.
   * @throws UserError (exit 2) if the model is bidirectional or a forecasting model
   */
  session(): Session {
    this.stepModel ??= new StepModel(this.opened, this.form, this.givenForm);
    return this.stepModel.session();
  }

  /**
   * Continues `prompt` with a language model, symbol by symbol; the prompt is not yielded. Symbols
   * are numbers from 0; the same seed draws the same symbols.
   * @throws UserError (exit 2) if the model does not predict the next symbol at each step
   * @throws UserError (exit 5) if the model does not have a symbol of the prompt
   */
  generate(prompt: readonly number[], options: GenerateOptions): AsyncGenerator<number> {
    const { input, form } = this;
    if (input.kind !== 'symbol' || form.kind !== 'class' || form.size !== input.count) {
      throw usageError({
        code: 'model/not-generative',
        message: 'only language models can generate: their classes are their input symbols',
      });
    }
    const excluded = this.vocabulary && UNKNOWN;
    return generateSymbols(this.session(), { symbols: input.count, excluded }, prompt, options);
  }

  /**
   * Continues a text with a language model, piece by piece; the prompt is not yielded. Unknown
   * symbols of the prompt are read as the unknown symbol.
   * @throws UserError (exit 2) if the model does not predict the next symbol at each step, or its
   *   symbols are not text
   */
  async *generateText(prompt: string, options: GenerateOptions): AsyncGenerator<string> {
    const { vocabulary } = this;
    if (vocabulary === undefined) {
      throw usageError({
        code: 'model/no-vocabulary',
        message: 'the symbols of this model are numbers, not text',
        expected: '`generate` of the library, with numbers',
      });
    }
    const symbols = encodeText(prompt, vocabulary);
    yield* decodeText(this.generate(symbols, options), vocabulary, symbols.length > 0);
  }

  private get givenForm(): StepForm {
    if (this.stepForm) return this.stepForm;
    throw usageError({
      code: 'model/forecast',
      message: 'a forecasting model reads windows of a table, each series with its own scaling',
      expected: '`predictFile` with such a table',
    });
  }

  private get vocabulary(): Vocabulary | undefined {
    return this.opened.data.vocabulary;
  }

  /** Ends the threads. Pending predictions fail. */
  close(): Promise<void> {
    return this.opened.close();
  }

  private async *sequences(
    lists: AsyncIterable<readonly ReadSequence[]>,
    options: RejectionOptions,
  ): AsyncGenerator<SequencePrediction> {
    const predictor = this.idle.pop() ?? new Predictor(this.opened);
    try {
      for await (const batch of predictor.sequences(lists, options)) yield* batch;
    } finally {
      this.idle.push(predictor);
    }
  }

  private async *given(
    sequences: Iterable<SequenceValues> | AsyncIterable<SequenceValues>,
    form: StepForm,
  ): AsyncGenerator<readonly ReadSequence[]> {
    let index = 0;
    for await (const sequence of sequences) yield [givenSequence(sequence, index++, form)];
  }

  private async *read(input: string | Readable): AsyncGenerator<readonly ReadSequence[]> {
    const reader = newSequences(this.saved.loaded.experiment.dataset, this.opened.data);
    yield* reader.read(await sourceOf(input));
  }
}

function sourceOf(input: string | Readable): Promise<ByteSource> {
  return typeof input === 'string' ? fileBytes(input) : streamBytes('<stream>', input);
}
