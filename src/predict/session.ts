/** Runs a model step by step; each prediction uses the steps so far. */
import type { SampleReader } from '../data/core/dataset.js';
import { StepPreparer } from '../data/core/preparation.js';
import { KernelMachine } from '../engine/linked-executable.js';
import { lossOf } from '../math/losses/index.js';
import { predictedClass } from '../math/metrics/metric.js';
import { type DeclaredInput, declaredInputs, widthOf } from '../math/model/inputs.js';
import { stepInData } from '../math/model/spec.js';
import { carriedStates } from '../math/model/walk.js';
import { probabilityOf, type Readout, readoutOf } from '../tasks/readouts.js';
import { allocateShards, ShardComputer, type ShardJob, type ShardMemory } from '../train/shards.js';
import { type UserError, usageError } from '../util/errors.js';
import { type Prediction, type PredictionForm, predictionOf, symbolsPrediction } from './predictions.js';
import { type LoadedModel, newTargets, refuseSteps, WHOLE } from './sequence-predictor.js';
import { numbersOf, type Samples, StepReader, type StepValues } from './steps.js';

/** A sequence whose steps are passed one by one. Sessions of one model are independent. */
export interface Session<A extends Prediction = Prediction> {
  /**
   * Adds the next step and returns the model's prediction for the sequence so far; of a model with
   * the loss `ctc`, the symbol that begins at the step, if one does. Steps are processed in the
   * order of the calls, even if these are not awaited.
   * @throws UserError (exit 5) if the step does not fit the model; the sequence continues without
   *   it
   */
  step(values: StepValues): Promise<A>;
  /**
   * Of a model of recordings: adds samples, and returns the prediction at each step that these
   * complete, as `step` does; of symbols, only where one begins. Its `time` is the end of the step,
   * in seconds.
   * @throws UserError (exit 2) if the model does not read recordings
   * @throws UserError (exit 5) if a sample is not a finite number; none of `samples` is added then
   */
  push(samples: Samples): Promise<A[]>;
  /** Ends a recording: returns the predictions at its last steps, and starts a new sequence. */
  end(): Promise<A[]>;
  /** Starts a new sequence; pending steps belong to the old one. */
  reset(): void;
}

export interface SessionOptions {
  /**
   * Samples per second that `push` takes, at most 1048576. Default: those of the training data, to
   * which others are converted.
   */
  readonly rate?: number;
}

/** Where a session is. */
interface Progress {
  readonly states: ReadonlyMap<string, Float32Array>;
  /** The likeliest class at the last step, of a model with the loss `ctc`. */
  likeliest?: number;
}

/** What is known of a step, besides its values. */
interface StepFacts {
  readonly symbol?: string | undefined;
  readonly time?: string | undefined;
}

export class StepModel {
  private readonly computer: ShardComputer;
  private readonly job: ShardJob;
  /** Memory of the current step; allocated once, since kernel memory is never freed. */
  private readonly memory: ShardMemory;
  private readonly readout: Readout;
  /** Inputs of the model that are features of a step. */
  private readonly features: readonly DeclaredInput[];
  /** Of samples, if the model reads recordings. */
  private readonly samples: SampleReader | undefined;
  private readonly form: PredictionForm;
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @internal Use `Model.session`.
   * @throws UserError (exit 2) if a layer is bidirectional, or the model has a decoder
   */
  constructor(private readonly model: LoadedModel) {
    this.form = model.form;
    const { run, pool } = model;
    const { layers, steps } = run.spec;
    refuseSteps(model);
    this.samples = model.samples();
    if (steps?.repeat || (steps && !this.samples)) throw otherSteps();
    if (layers.some(({ settings }) => settings.bidirectional)) {
      const message = 'a bidirectional model reads sequences from both ends, so it cannot run step by step';
      throw usageError('model/bidirectional', message, { expected: WHOLE });
    }
    const shape = { batch: 1, sequenceLength: 1, variableLength: false, training: false };
    const spec = { ...run.spec, carriesState: true, carriesPool: true };
    this.job = { backend: run.backend, spec, loss: run.loss, shape, withGradient: false };
    const [[memory]] = allocateShards(this.job, { shards: 1, slots: 1 }, pool.engine.heap);
    this.memory = memory;
    this.computer = new ShardComputer(new KernelMachine(pool.engine), this.job);
    const declared = declaredInputs(spec, lossOf(run.loss), shape);
    this.features = declared.filter(({ role }) => role === 'features');
    this.readout = readoutOf(run, newTargets(model, 1, [{}]));
  }

  session({ rate }: SessionOptions = {}): Session {
    if (rate !== undefined) this.recordings();
    const { stack = 1 } = this.model.run.spec.steps ?? {};
    let progress = this.begin();
    let taken = 0;
    const reader = new StepReader(this.model);
    const preparer = new StepPreparer(this.model);
    const rows: Float32Array[] = [];
    const listen = () => this.samples?.listen(row => rows.push(preparer.step(row)), rate);
    let recording = listen();
    const compute = (values: Float32Array, more: StepFacts): Promise<Prediction> => {
      const of = progress;
      const step = taken++;
      return this.inOrder(() => this.compute(of, step, values, more));
    };
    /**
     * Predicts at the complete steps of the recording; if it has ended, also at the last one. Of
     * symbols, only the steps at which one begins.
     */
    const heard = async (hasEnded: boolean): Promise<Prediction[]> => {
      const predictions: Promise<Prediction>[] = [];
      while (rows.length >= (hasEnded ? 1 : stack)) {
        const read = rows.splice(0, stack);
        // the same number of padding steps as in a batch: zeros
        const values = new Float32Array(stack * read[0].length);
        read.forEach((row, i) => void values.set(row, i * row.length));
        const end = this.recordings().endOf(taken * stack + read.length - 1);
        predictions.push(compute(values, { time: String(Number(end.toFixed(6))) }));
      }
      const all = await Promise.all(predictions);
      return all.filter(one => one.kind !== 'sequence' || one.symbols.length > 0);
    };
    const reset = (): void => {
      progress = this.begin();
      reader.restart();
      preparer.restart();
      rows.length = 0;
      recording = listen();
      taken = 0;
    };
    return {
      step: async given => {
        if (stack > 1) throw otherSteps();
        const values = reader.read(given, `step ${taken}`);
        return compute(preparer.step(values), { symbol: this.symbolOf(given, values) });
      },
      push: async samples => {
        this.recordings();
        recording?.push(numbersOf(samples));
        return heard(false);
      },
      end: async () => {
        this.recordings();
        recording?.end();
        const predictions = heard(true);
        reset();
        return predictions;
      },
      reset,
    };
  }

  private recordings(): SampleReader {
    if (this.samples) return this.samples;
    throw usageError('model/no-recordings', 'the model does not read recordings, so it takes no samples', {
      expected: '`step` with the values of each step',
    });
  }

  /** Runs computations one after another: kernels of one program must not run concurrently. */
  private inOrder<T>(compute: () => Promise<T>): Promise<T> {
    const result = this.last.then(compute);
    this.last = result.catch(() => {});
    return result;
  }

  private begin(): Progress {
    const states = carriedStates(this.job.spec).map(
      ({ name, size, start }) => [name, new Float32Array(size).fill(start)] as const,
    );
    return { states: new Map(states) };
  }

  private symbolOf(given: StepValues, [number]: Float32Array): string | undefined {
    if (!this.form.hasSymbols) return undefined;
    return typeof given === 'string' ? given : this.model.data.vocabulary?.symbols[number];
  }

  private async compute(
    progress: Progress,
    step: number,
    values: Float32Array,
    more: StepFacts,
  ): Promise<Prediction> {
    const { batch, carried, predictions } = this.memory;
    const { inputs } = batch;
    for (const input of this.features) {
      const { name, first = 0 } = input;
      inputs[name].set(values.subarray(first, first + widthOf(input)));
    }
    for (const [name, state] of progress.states) carried.before[name].set(state);
    if (inputs.pool) {
      // mean of t outputs = (mean of t - 1 outputs) * (t - 1) / t + last output / t
      inputs.pool[0] = 1 / (step + 1);
      for (const [name, pooled] of Object.entries(carried.before)) {
        if (!name.startsWith('pool.')) continue;
        for (let i = 0; i < pooled.length; i++) pooled[i] = (pooled[i] * step) / (step + 1);
      }
    }
    const { arrays, parameters } = this.model.pool;
    const states = Object.values(carried.before);
    arrays.write(...states);
    await this.computer.compute(parameters, this.memory);
    await arrays.read(...states);
    for (const [name, state] of progress.states) state.set(carried.before[name]);
    if (this.form.kind === 'sequence') return this.symbolAt(step, predictions, progress, more);
    return predictionOf(this.form, this.readout, { step, ...more, outputs: predictions, at: 0 });
  }

  /** The symbol that begins at a step of the likeliest path, with its probability at the step. */
  private symbolAt(step: number, outputs: Float32Array, progress: Progress, { time }: StepFacts): Prediction {
    const blank = this.form.size;
    const { likeliest: before = blank } = progress;
    const likeliest = predictedClass(outputs);
    progress.likeliest = likeliest;
    const begins = likeliest !== before && likeliest !== blank;
    const logProbability = Math.log(probabilityOf(outputs, likeliest));
    const decoded = [{ symbols: begins ? [likeliest] : [], logProbability }];
    const prediction = symbolsPrediction(this.form, { outputs, decoded }, { time });
    const at = stepInData(this.form.steps, step);
    return { ...prediction, step: at, alignment: begins ? [at] : [] };
  }
}

function otherSteps(): UserError {
  const message = 'the steps of the model are not those of the data, so it cannot run step by step';
  return usageError('model/steps', message, { expected: WHOLE });
}
