/** Runs a model step by step: each answer is for the sequence up to that step. */
import { KernelMachine } from '../engine/machine.js';
import { lossOf } from '../math/losses/index.js';
import type { ModelSpec } from '../math/model/spec.js';
import { carriedStates } from '../math/model/walk.js';
import { Readout } from '../train/predictions.js';
import { allocateShards, ShardComputer, type ShardJob, type ShardMemory } from '../train/shards.js';
import { usageError } from '../util/errors.js';
import { type Answer, type AnswerForm, answerOf } from './answers.js';
import { givenStep, type StepForm, type StepValues } from './given-values.js';
import type { OpenedModel } from './open.js';
import { noTargets } from './predictor.js';

/** A sequence whose steps are passed one by one. Sessions of one model are independent. */
export interface Session<A extends Answer = Answer> {
  /**
   * Adds the next step and returns the model's answer for the sequence so far. Steps are processed
   * in the order of the calls, even if these are not awaited.
   * @throws UserError (exit 5) if the step does not fit the model; the sequence continues without
   *   it
   */
  step(values: StepValues): Promise<A>;
  /** Starts a new sequence; pending steps belong to the old one. */
  reset(): void;
}

/** Carried states of a sequence, by name. */
type States = ReadonlyMap<string, Float32Array>;

/** A model compiled for one step of one sequence, shared by all its sessions. */
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
    private readonly form: AnswerForm,
    private readonly steps: StepForm,
  ) {
    const { run, engine } = model;
    refuseBidirectional(run.spec);
    const shape = { batch: 1, sequenceLength: 1, variableLength: false, training: false };
    const spec = { ...run.spec, carriesState: true, carriesPool: true };
    this.job = { backend: run.backend, spec, loss: run.loss, shape, withGradient: false };
    const [[memory]] = allocateShards(this.job, { shards: 1, slots: 1 }, engine.heap);
    this.memory = memory;
    this.computer = new ShardComputer(new KernelMachine(engine), this.job);
    this.readout = new Readout(lossOf(run.loss), noTargets(model, 1)(1));
  }

  session(): Session {
    let states = this.begin();
    let taken = 0;
    return {
      step: async given => {
        const values = givenStep(given, this.steps, `step ${taken}`);
        const of = states;
        const step = taken++;
        return this.inOrder(() => this.compute(of, step, this.scaled(values)));
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

  /** Computes a step of the sequence with these `states` and updates them. */
  private async compute(states: States, step: number, values: Float32Array): Promise<Answer> {
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
    await this.computer.compute(this.model.parameters, this.memory);
    for (const [name, state] of states) state.set(carried.before[name]);
    return answerOf(this.form, this.readout, { step, outputs: predictions, at: 0 });
  }

  private scaled(values: Float32Array): Float32Array {
    const scaling = this.model.scaling?.features;
    if (!scaling) return values;
    return values.map((value, f) => (value - scaling.offset[f]) / scaling.scale[f]);
  }
}

function refuseBidirectional({ layers }: ModelSpec): void {
  if (!layers.some(({ settings }) => settings.bidirectional)) return;
  throw usageError({
    code: 'model/bidirectional',
    message: 'a bidirectional model reads sequences from both ends, so it cannot run step by step',
    expected: '`predict` with whole sequences',
  });
}
