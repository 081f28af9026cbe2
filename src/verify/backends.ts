/**
 * Proves that a config trains alike on all backends of this machine: each runs the same first
 * optimizer steps, with the same initial parameters and batches, and after every step each pair is
 * compared.
 */
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import { type BackendChoice, chooseBackend } from '../engine/backend.js';
import type { Backend } from '../engine/backend-names.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { batchOrder, learningRates, totalSteps } from '../train/plan.js';
import { createTrainer, initialParameters, openSession, type Session } from '../train/session.js';
import type { Trainer } from '../train/trainer.js';
import { EXIT, UserError } from '../util/errors.js';
import { makeOutputFolder, type ProofOptions, writeProof } from './proof.js';
import {
  type Apart,
  compareStandings,
  isBeyond,
  type Standing,
  strain,
  TOLERANCES,
  worstByTensor,
} from './steps-apart.js';

export interface VerifyBackendsOptions extends ProofOptions {
  readonly config: string;
  readonly set: readonly string[];
  /** At least two; undefined: cpu, webasm and, if the machine has a hardware adapter, webgpu. */
  readonly backends: readonly Backend[] | undefined;
  readonly threads: number | undefined;
  /** Optimizer steps; at most those of the config. */
  readonly steps: number;
  readonly note: (text: string) => void;
}

export interface ApartAt extends Apart {
  readonly step: number;
}

export interface StepProof {
  readonly step: number;
  /** By backend. */
  readonly loss: Readonly<Record<string, number>>;
  readonly gradient_norm: Readonly<Record<string, number>>;
  /** The difference closest to its tolerance, or furthest beyond it. */
  readonly largest: Apart;
}

export interface BackendsProof {
  readonly version: 1;
  readonly what: 'backends';
  readonly time: string;
  readonly config: string;
  readonly config_hash: string;
  readonly backends: readonly {
    readonly name: Backend;
    /** The executor of the kernels, as named by gpu.js. */
    readonly executor: string | null;
    readonly adapter: string | null;
    /** Kernels that ran gpu.js's own code instead of ours. */
    readonly fallbacks: number;
  }[];
  readonly batch_size: number;
  readonly sequence_length: number;
  readonly parameters: number;
  readonly tolerances: typeof TOLERANCES;
  /** Up to the first step with a difference beyond tolerance. */
  readonly steps: readonly StepProof[];
  /**
   * For each tensor, in the order of a step's computation, the difference closest to its tolerance
   * or furthest beyond.
   */
  readonly tensors: readonly ApartAt[];
  /**
   * The first tensor beyond its tolerance, in the first step that has one; null if there is none.
   */
  readonly first_beyond: ApartAt | null;
  readonly holds: boolean;
}

export interface VerifiedBackends {
  readonly proof: BackendsProof;
  /** Where the proof was written. */
  readonly file: string;
}

/**
 * Runs the comparison and writes the proof, whether it holds or not.
 * @throws UserError (exit 2 or 5) if the config or the data are wrong, or a backend is not
 *   available
 * @throws UserError (exit 4) if the config diverges on all backends
 */
export async function verifyBackends(options: VerifyBackendsOptions): Promise<VerifiedBackends> {
  const { config, set, threads, started } = options;
  const loaded = loadExperiment(config, { set });
  const choices = await chooseBackends(options.backends);
  const session = await openSession(loaded, { backend: choices[0].backend, threads });
  makeOutputFolder(options.output);
  const runners: Runner[] = [];
  try {
    for (const choice of choices) runners.push(await Runner.start(choice, loaded, session));
    const compared = await compareSteps(runners, loaded, session, options);
    const first = compared.flatMap(withSteps).find(isBeyond);
    const proof: BackendsProof = {
      version: 1,
      what: 'backends',
      time: started.toISOString(),
      config,
      config_hash: loaded.hash,
      backends: runners.map(runner => runner.description),
      batch_size: loaded.experiment.training.batch_size,
      sequence_length: session.run.sequenceLength,
      parameters: new ParameterLayout(session.spec).size,
      tolerances: TOLERANCES,
      steps: compared.map(({ proof }) => proof),
      tensors: worstByTensor(compared.flatMap(withSteps)),
      first_beyond: first ?? null,
      holds: first === undefined,
    };
    return { proof, file: writeProof(options, proof) };
  } finally {
    for (const runner of runners) await runner.close();
  }
}

/** @throws UserError (exit 2) if a requested backend is not available */
async function chooseBackends(wanted: VerifyBackendsOptions['backends']): Promise<BackendChoice[]> {
  if (wanted) return Promise.all(wanted.map(chooseBackend));
  const best = await chooseBackend('auto');
  const always = await Promise.all((['cpu', 'webasm'] as const).map(chooseBackend));
  return best.backend === 'webgpu' ? [...always, best] : always;
}

/** Trains the config on one backend. */
class Runner {
  private constructor(
    private readonly choice: BackendChoice,
    private readonly trainer: Trainer,
    private readonly learningRate: (update: number) => number,
  ) {}

  static async start(choice: BackendChoice, loaded: LoadedExperiment, session: Session): Promise<Runner> {
    const order = batchOrder(loaded, session);
    const length = { totalSteps: totalSteps(loaded, order), batchesPerEpoch: order.batchesPerEpoch };
    const run = { ...session.run, backend: choice.backend };
    const trainer = await createTrainer(loaded, { ...session, choice, run });
    trainer.parameters.set(initialParameters(loaded, session.spec));
    return new Runner(choice, trainer, learningRates(loaded.experiment, length));
  }

  async step(step: number, indices: Uint32Array, startsEpoch: boolean): Promise<Standing> {
    const batch = await this.trainer.prepare(indices, step, startsEpoch);
    const result = await this.trainer.step(batch, step, this.learningRate(step));
    return { backend: this.choice.backend, result, parameters: this.trainer.parameters };
  }

  get description(): BackendsProof['backends'][number] {
    const { backend, adapter } = this.choice;
    const { executor, fallbacks } = this.trainer.execution;
    return {
      name: backend,
      executor,
      adapter: backend === 'webgpu' ? (adapter?.description ?? null) : null,
      fallbacks: fallbacks.length,
    };
  }

  close(): Promise<void> {
    return this.trainer.close();
  }
}

interface Compared {
  readonly proof: StepProof;
  readonly apart: readonly Apart[];
}

/**
 * Compares step by step. Stops after the first step with a difference beyond tolerance: later ones
 * would be its consequence.
 */
async function compareSteps(
  runners: readonly Runner[],
  loaded: LoadedExperiment,
  session: Session,
  { steps, note }: VerifyBackendsOptions,
): Promise<Compared[]> {
  const order = batchOrder(loaded, session);
  const last = Math.min(steps, totalSteps(loaded, order));
  const initial = initialParameters(loaded, session.spec);
  const { parameters } = new ParameterLayout(session.spec);
  const compared: Compared[] = [];
  for (let step = 1; step <= last; step++) {
    const startsEpoch = order.position === 0;
    const indices = order.next();
    const standings: Standing[] = [];
    for (const runner of runners) standings.push(await runner.step(step, indices, startsEpoch));
    if (standings.every(({ result }) => !result.updated)) throw diverged(step, loaded);
    const apart = worstByTensor(
      pairs(standings).flatMap(pair => compareStandings(step, pair, parameters, initial)),
    );
    const largest = mostStrained(apart);
    const of = (number: 'loss' | 'gradientNorm') =>
      Object.fromEntries(standings.map(({ backend, result }) => [backend, result[number]]));
    const proof = { step, loss: of('loss'), gradient_norm: of('gradientNorm'), largest };
    compared.push({ proof, apart });
    note(
      `step ${step} of ${last}: largest difference ${largest.difference.toExponential(1)} (${largest.tensor}, ${largest.backends.join(' and ')})`,
    );
    if (isBeyond(largest)) break;
  }
  return compared;
}

function withSteps({ proof: { step }, apart }: Compared): ApartAt[] {
  return apart.map(one => ({ step, ...one }));
}

function pairs<T>(all: readonly T[]): (readonly [T, T])[] {
  return all.flatMap((a, i) => all.slice(i + 1).map(b => [a, b] as const));
}

/** `apart` must not be empty. */
function mostStrained(apart: readonly Apart[]): Apart {
  return apart.reduce((worst, one) => (strain(one) > strain(worst) ? one : worst));
}

function diverged(step: number, { file }: LoadedExperiment): UserError {
  return new UserError(EXIT.diverged, [
    {
      code: 'verify/diverged',
      message: `the config diverges at step ${step} on every backend: loss, gradient or parameters are not finite`,
      file,
      expected: 'fewer --steps, or a smaller optimizer.learning_rate',
    },
  ]);
}
