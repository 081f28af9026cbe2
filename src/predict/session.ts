/** Runs a model step by step; each prediction uses the steps so far. Also generates text. */
import { scaleStep } from '../data/index.js';
import { KernelMachine } from '../engine/linked-executable.js';
import { lossOf } from '../math/losses/index.js';
import { carriedStates } from '../math/model/walk.js';
import { Readout } from '../train/predictions.js';
import { allocateShards, ShardComputer, type ShardJob, type ShardMemory } from '../train/shards.js';
import { usageError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { givenStep, type StepForm, type StepValues } from './given-values.js';
import type { OpenedModel } from './open.js';
import { type Prediction, type PredictionForm, predictionOf } from './predictions.js';
import { noTargets } from './predictor.js';

/** A sequence whose steps are passed one by one. Sessions of one model are independent. */
export interface Session<A extends Prediction = Prediction> {
  /**
   * Adds the next step and returns the model's prediction for the sequence so far. Steps are
   * processed in the order of the calls, even if these are not awaited.
   * @throws UserError (exit 5) if the step does not fit the model; the sequence continues without
   *   it
   */
  step(values: StepValues): Promise<A>;
  /** Starts a new sequence; pending steps belong to the old one. */
  reset(): void;
}

type States = ReadonlyMap<string, Float32Array>;

export class StepModel {
  private readonly computer: ShardComputer;
  private readonly job: ShardJob;
  /** Memory of the current step; allocated once, since kernel memory is never freed. */
  private readonly memory: ShardMemory;
  private readonly readout: Readout;
  private last: Promise<unknown> = Promise.resolve();

  /**
   * @internal Use `Model.session`.
   * @throws UserError (exit 2) if a layer is bidirectional
   */
  constructor(
    private readonly model: OpenedModel,
    private readonly form: PredictionForm,
    private readonly steps: StepForm,
  ) {
    const { run, pool } = model;
    if (run.spec.layers.some(({ settings }) => settings.bidirectional)) {
      throw usageError({
        code: 'model/bidirectional',
        message: 'a bidirectional model reads sequences from both ends, so it cannot run step by step',
        expected: '`predict` with whole sequences',
      });
    }
    const shape = { batch: 1, sequenceLength: 1, variableLength: false, training: false };
    const spec = { ...run.spec, carriesState: true, carriesPool: true };
    this.job = { backend: run.backend, spec, loss: run.loss, shape, withGradient: false };
    const [[memory]] = allocateShards(this.job, { shards: 1, slots: 1 }, pool.engine.heap);
    this.memory = memory;
    this.computer = new ShardComputer(new KernelMachine(pool.engine), this.job);
    this.readout = new Readout(lossOf(run.loss), noTargets(model, 1)(1));
  }

  session(): Session {
    let states = this.begin();
    let taken = 0;
    return {
      step: async given => {
        const values = givenStep(given, this.steps, `step ${taken}`);
        const scaling = this.model.scaling?.features;
        if (scaling) scaleStep(values, 0, scaling);
        const of = states;
        const step = taken++;
        return this.inOrder(() => this.compute(of, step, values));
      },
      reset: () => {
        states = this.begin();
        taken = 0;
      },
    };
  }

  /** Runs computations one after another: kernels of one program must not run concurrently. */
  private inOrder<T>(compute: () => Promise<T>): Promise<T> {
    const result = this.last.then(compute);
    this.last = result.catch(() => {});
    return result;
  }

  private begin(): States {
    return new Map(
      carriedStates(this.job.spec).map(({ name, size, start }) => [name, new Float32Array(size).fill(start)]),
    );
  }

  private async compute(states: States, step: number, values: Float32Array): Promise<Prediction> {
    const { batch, carried, predictions } = this.memory;
    const { inputs } = batch;
    inputs.x.set(values);
    for (const [name, state] of states) carried.before[name].set(state);
    if (inputs.pool) {
      // mean of t outputs = (mean of t - 1 outputs) * (t - 1) / t + last output / t
      inputs.pool[0] = 1 / (step + 1);
      for (const [name, pooled] of Object.entries(carried.before)) {
        if (!name.startsWith('pool.')) continue;
        for (let i = 0; i < pooled.length; i++) pooled[i] = (pooled[i] * step) / (step + 1);
      }
    }
    await this.computer.compute(this.model.pool.parameters, this.memory);
    for (const [name, state] of states) state.set(carried.before[name]);
    return predictionOf(this.form, this.readout, { step, outputs: predictions, at: 0 });
  }
}

export const GENERATED_LENGTH = 500;

export interface GenerateOptions {
  /** Number of symbols to draw, 0 or more. Default: 500. */
  readonly length?: number | undefined;
  /**
   * Divisor of the outputs before the softmax: values below 1 make likely symbols more likely; 0
   * takes the most likely symbol (the first of equal ones). Default: 1.
   */
  readonly temperature?: number | undefined;
  /** Seed of the random draws. Default: 0. */
  readonly seed?: number | undefined;
}

/**
 * Continues the symbols of `prompt`, which are not yielded. Without a prompt, the first symbol is
 * drawn uniformly.
 * @param session a new session of a model whose classes are its input symbols, 0 to `symbols` - 1
 * @param excluded symbol that is never drawn: the one for unknown symbols has no text
 * @throws UserError (exit 5) if the model does not have a symbol of the prompt
 */
export async function* generateSymbols(
  session: Session,
  { symbols, excluded }: { readonly symbols: number; readonly excluded: number | undefined },
  prompt: readonly number[],
  { length = GENERATED_LENGTH, temperature = 1, seed = 0 }: GenerateOptions,
): AsyncGenerator<number> {
  const random = RandomStream.of(seed, 'predict/generate');
  let logits: Float32Array | undefined;
  for (const symbol of prompt) logits = await next(session, symbol);
  for (let made = 0; made < length; made++) {
    logits ??= new Float32Array(symbols);
    if (excluded !== undefined) logits[excluded] = Number.NEGATIVE_INFINITY;
    const symbol = drawClass(logits, temperature, random.uniform());
    yield symbol;
    if (made + 1 < length) logits = await next(session, symbol);
  }
}

async function next(session: Session, symbol: number): Promise<Float32Array> {
  const prediction = await session.step(symbol);
  if (prediction.kind === 'class') return prediction.logits;
  throw new Error('a language model predicts classes');
}

/**
 * Returns the first class k with P_0 + … + P_k > u, where P is the softmax of z / temperature.
 * @param logits z, `[C]`; with NaN, the result is meaningless
 * @param u uniform in [0, 1)
 */
export function drawClass(logits: Float32Array, temperature: number, u: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (temperature === 0) return Math.max(0, logits.indexOf(most));
  const weights = Float64Array.from(logits, z => Math.exp((z - most) / temperature));
  const target = u * weights.reduce((a, b) => a + b, 0);
  let sum = 0;
  const found = weights.findIndex(weight => {
    sum += weight;
    return sum > target;
  });
  // rounding can make the target equal to the sum of all
  return found < 0 ? weights.findLastIndex(weight => weight > 0) : found;
}
