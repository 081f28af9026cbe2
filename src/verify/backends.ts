/**
 * Checks that a config trains alike on all backends of this machine: each runs the same first
 * optimizer steps, with the same initial parameters and batches, and after every step each pair is
 * compared.
 */
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import { type BackendChoice, chooseBackend } from '../engine/backend.js';
import type { Backend } from '../engine/backend-names.js';
import { type Parameter as LaidOut, ParameterLayout } from '../math/model/parameters.js';
import { batchOrder, learningRates, totalSteps } from '../train/plan.js';
import { createTrainer, initialParameters, openSession, type Session } from '../train/session.js';
import type { StepResult, Trainer } from '../train/trainer.js';
import { EXIT, UserError } from '../util/errors.js';
import { makeOutputFolder, relative, type VerifyOptions, type Written, writeResults } from './results.js';

export interface VerifyBackendsOptions extends VerifyOptions {
  readonly set: readonly string[];
  /** At least two; undefined: cpu, webasm and, if the machine has a hardware adapter, webgpu. */
  readonly backends: readonly Backend[] | undefined;
  readonly threads: number | undefined;
  /** Optimizer steps; at most those of the config. */
  readonly steps: number;
}

export interface ApartAt extends Apart {
  readonly step: number;
}

export interface StepResults {
  readonly step: number;
  /** By backend. */
  readonly loss: Readonly<Record<string, number>>;
  readonly gradient_norm: Readonly<Record<string, number>>;
  /** The difference closest to its tolerance, or furthest beyond it. */
  readonly largest: Apart;
}

export interface BackendsResults {
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
  readonly steps: readonly StepResults[];
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

/**
 * Runs the comparison and writes the results, whether it holds or not.
 * @throws UserError (exit 2 or 5) if the config or the data are wrong, or a backend is not
 *   available
 * @throws UserError (exit 4) if the config diverges on all backends
 */
export async function verifyBackends(options: VerifyBackendsOptions): Promise<Written<BackendsResults>> {
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
    const results: BackendsResults = {
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
      steps: compared.map(({ results }) => results),
      tensors: worstByTensor(compared.flatMap(withSteps)),
      first_beyond: first ?? null,
      holds: first === undefined,
    };
    return { results, file: writeResults(options, results) };
  } finally {
    for (const runner of runners) await runner.close();
  }
}

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

  get description(): BackendsResults['backends'][number] {
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
  readonly results: StepResults;
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
    const results = { step, loss: of('loss'), gradient_norm: of('gradientNorm'), largest };
    compared.push({ results, apart });
    note(
      `step ${step} of ${last}: largest difference ${largest.difference.toExponential(1)} (${largest.tensor}, ${largest.backends.join(' and ')})`,
    );
    if (isBeyond(largest)) break;
  }
  return compared;
}

function withSteps({ results: { step }, apart }: Compared): ApartAt[] {
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

type Parameter = Pick<LaidOut, 'name' | 'offset' | 'size'>;

/** The state of one backend after a step. */
export interface Standing {
  readonly backend: string;
  readonly result: Pick<StepResult, 'loss' | 'gradientNorm' | 'updated'>;
  /** Flat, in the layout's order. */
  readonly parameters: Float32Array;
}

/** Difference of one result of a step between two backends. */
export interface Apart {
  /** `loss`, `gradient_norm`, `update` (made or skipped) or the name of a parameter. */
  readonly tensor: string;
  readonly backends: readonly [string, string];
  /**
   * Relative to the larger of both. For a parameter, ||a - b|| relative to the larger of the
   * tensor's two changes since the start. Infinite if only one backend makes the update.
   */
  readonly difference: number;
  readonly tolerance: number;
}

/**
 * Maximum differences. The first step starts from equal parameters, so its loss and gradient differ
 * only by rounding. Later ones start from different parameters, and training may amplify that.
 */
export const TOLERANCES = {
  first_step: { loss: 1e-5, gradient_norm: 1e-4, parameters: 1e-3 },
  later_steps: { loss: 1e-3, gradient_norm: 1e-3, parameters: 1e-3 },
} as const;

/** Differences of all results of a step, in the order of their computation. */
export function compareStandings(
  step: number,
  [a, b]: readonly [Standing, Standing],
  parameters: readonly Parameter[],
  initial: Float32Array,
): Apart[] {
  const tolerances = step === 1 ? TOLERANCES.first_step : TOLERANCES.later_steps;
  const apart = (tensor: string, difference: number, tolerance: number): Apart => ({
    tensor,
    backends: [a.backend, b.backend],
    difference,
    tolerance,
  });
  const numbers = [
    apart('loss', numbersApart(a.result.loss, b.result.loss), tolerances.loss),
    apart(
      'gradient_norm',
      numbersApart(a.result.gradientNorm, b.result.gradientNorm),
      tolerances.gradient_norm,
    ),
  ];
  if (a.result.updated !== b.result.updated)
    return [...numbers, apart('update', Number.POSITIVE_INFINITY, 0)];
  const tensors = parameters.map(parameter =>
    apart(parameter.name, waysApart(a.parameters, b.parameters, initial, parameter), tolerances.parameters),
  );
  return [...numbers, ...tensors];
}

/** True if `difference` exceeds its tolerance or is NaN. */
export function isBeyond(apart: Apart): boolean {
  return strain(apart) > 1;
}

/** `difference` relative to its tolerance; above 1 it is too large. */
export function strain({ difference, tolerance }: Apart): number {
  const part = difference / tolerance;
  return Number.isNaN(part) ? Number.POSITIVE_INFINITY : part;
}

/**
 * For each tensor, its difference closest to the tolerance or furthest beyond it, in the order of
 * `all`.
 */
export function worstByTensor<T extends Apart>(all: readonly T[]): T[] {
  const worst = new Map<string, T>();
  for (const one of all) {
    const known = worst.get(one.tensor);
    if (known === undefined || strain(one) > strain(known)) worst.set(one.tensor, one);
  }
  return [...worst.values()];
}

function numbersApart(a: number, b: number): number {
  return relative(Math.abs(a - b), Math.max(Math.abs(a), Math.abs(b)));
}

function waysApart(
  a: Float32Array,
  b: Float32Array,
  initial: Float32Array,
  { offset, size }: Parameter,
): number {
  let [apart, wayOfA, wayOfB] = [0, 0, 0];
  for (let i = offset; i < offset + size; i++) {
    apart += (a[i] - b[i]) ** 2;
    wayOfA += (a[i] - initial[i]) ** 2;
    wayOfB += (b[i] - initial[i]) ** 2;
  }
  return relative(Math.sqrt(apart), Math.sqrt(Math.max(wayOfA, wayOfB)));
}
