/**
 * Checks that a config trains alike on all backends of this machine: each runs the same first
 * optimizer steps, with the same initial parameters and batches, and after every step each pair is
 * compared.
 */

import { loadExperiment } from '../config/index.js';
import { chooseBackend, EXECUTORS } from '../engine/backend.js';
import type { Backend } from '../engine/backend-names.js';
import { type Parameter, ParameterLayout } from '../math/model/parameters.js';
import { initialWeights } from '../train/initial-weights.js';
import { learningRates, planRun } from '../train/plan.js';
import { createTrainer, openSession } from '../train/session.js';
import type { StepResult, Trainer } from '../train/trainer.js';
import { EXIT, UserError } from '../util/errors.js';
import { norm, relative } from './gradients.js';

export interface VerifyBackendsOptions {
  readonly set: readonly string[];
  /** At least two; undefined: cpu, webasm and, if the machine has a hardware adapter, webgpu. */
  readonly backends: readonly Backend[] | undefined;
  readonly threads: number | undefined;
  /** Optimizer steps; at most those of the config. */
  readonly steps: number;
  note(text: string): void;
}

export type BackendsResults = Awaited<ReturnType<typeof verifyBackends>>;

/**
 * Stops after the first step with a difference beyond tolerance: later ones would be its
 * consequence.
 */
export async function verifyBackends(config: string, options: VerifyBackendsOptions) {
  const { set, threads, note } = options;
  const loaded = loadExperiment(config, { set });
  const choices = await Promise.all((options.backends ?? ['cpu', 'webasm']).map(chooseBackend));
  const best = options.backends ? undefined : await chooseBackend('auto');
  if (best?.isOpen) choices.push({ ...best, backend: 'webgpu' });
  const session = await openSession(loaded, { backend: choices[0].backend, threads });
  const { order, ...length } = planRun(loaded, session);
  const learningRate = learningRates(loaded.experiment, length);
  const last = Math.min(options.steps, length.totalSteps);
  const initial = initialWeights(loaded, session.spec).parameters;
  const layout = new ParameterLayout(session.spec);
  const trainers: { readonly backend: Backend; readonly trainer: Trainer }[] = [];
  const steps: {
    readonly step: number;
    readonly loss: Readonly<Record<string, number>>;
    readonly gradient_norm: Readonly<Record<string, number>>;
    /** The difference closest to its tolerance, or furthest beyond it. */
    readonly largest: Apart;
  }[] = [];
  const apart: ApartAt[] = [];
  try {
    for (const choice of choices) {
      const run = { ...session.run, backend: choice.backend };
      const trainer = await createTrainer(loaded, { ...session, choice, run });
      trainer.parameters.set(initial);
      trainer.write();
      trainers.push({ backend: choice.backend, trainer });
    }
    for (let step = 1; step <= last && !apart.some(isBeyond); step++) {
      const startsEpoch = order.position === 0;
      const indices = order.next();
      const standings: Standing[] = [];
      for (const { backend, trainer } of trainers) {
        const batch = await trainer.prepare(indices, step, startsEpoch);
        const result = await trainer.step(batch, step, learningRate(step));
        await trainer.read();
        standings.push({ backend, result, parameters: trainer.parameters });
      }
      if (standings.every(({ result }) => !result.updated))
        throw new UserError(EXIT.diverged, [
          {
            code: 'verify/diverged',
            message: `the config diverges at step ${step} on every backend: loss, gradient or parameters are not finite`,
            file: loaded.file,
            expected: 'fewer --steps, or a smaller optimizer.learning_rate',
          },
        ]);
      const pairs = standings.flatMap((a, i) => standings.slice(i + 1).map(b => [a, b] as const));
      const found = worstByTensor(
        pairs.flatMap(pair => compareStandings(step, pair, layout.parameters, initial)),
      );
      apart.push(...found.map(difference => ({ step, ...difference })));
      const largest = found.reduce((worst, difference) =>
        strain(difference) > strain(worst) ? difference : worst,
      );
      const numbersOf = (number: 'loss' | 'gradientNorm') =>
        Object.fromEntries(standings.map(({ backend, result }) => [backend, result[number]]));
      steps.push({ step, loss: numbersOf('loss'), gradient_norm: numbersOf('gradientNorm'), largest });
      note(
        `step ${step} of ${last}: largest difference ${largest.difference.toExponential(1)} (${largest.tensor}, ${largest.backends.join(' and ')})`,
      );
    }
    const first = apart.find(isBeyond) ?? null;
    return {
      config_hash: loaded.hash,
      backends: trainers.map(({ backend }, i) => ({
        name: backend,
        /** The executor of the kernels, as named by gpu.js. */
        executor: EXECUTORS[backend],
        adapter: backend === 'webgpu' ? (choices[i].adapter?.description ?? null) : null,
        /** Always 0: every kernel runs as planned. */
        fallbacks: 0,
      })),
      batch_size: loaded.experiment.training.batch_size,
      sequence_length: session.run.sequenceLength,
      parameters: layout.size,
      tolerances: TOLERANCES,
      steps,
      tensors: worstByTensor(apart),
      /** In the order of a step's computation. */
      first_beyond: first,
      holds: first === null,
    };
  } finally {
    for (const { trainer } of trainers) await trainer.close();
  }
}

export interface Standing {
  readonly backend: string;
  readonly result: Pick<StepResult, 'loss' | 'gradientNorm' | 'updated'>;
  /** Flat, in the layout's order. */
  readonly parameters: Float32Array;
}

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

export interface ApartAt extends Apart {
  readonly step: number;
}

/**
 * Maximum differences. The first step starts from equal parameters, so its loss and gradient differ
 * only by rounding. Later ones start from different parameters, and training may amplify that.
 */
const TOLERANCES = {
  first_step: { loss: 1e-5, gradient_norm: 1e-4, parameters: 1e-3 },
  later_steps: { loss: 1e-3, gradient_norm: 1e-3, parameters: 1e-3 },
} as const;

/** Differences of all results of a step, in the order of their computation. */
export function compareStandings(
  step: number,
  [a, b]: readonly [Standing, Standing],
  parameters: readonly Pick<Parameter, 'name' | 'offset' | 'size'>[],
  initial: Float32Array,
): Apart[] {
  const tolerances = step === 1 ? TOLERANCES.first_step : TOLERANCES.later_steps;
  const apart = (tensor: string, difference: number, tolerance: number): Apart => ({
    tensor,
    backends: [a.backend, b.backend],
    difference,
    tolerance,
  });
  const numbersApart = (a: number, b: number) =>
    relative(Math.abs(a - b), Math.max(Math.abs(a), Math.abs(b)));
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
  const tensors = parameters.map(({ name, offset, size }) => {
    const [ofA, ofB, start] = [a.parameters, b.parameters, initial].map(all =>
      all.subarray(offset, offset + size),
    );
    const way = Math.max(norm(ofA, start), norm(ofB, start));
    return apart(name, relative(norm(ofA, ofB), way), tolerances.parameters);
  });
  return [...numbers, ...tensors];
}

/** True if `difference` exceeds its tolerance or is NaN. */
export function isBeyond(apart: Apart): boolean {
  return strain(apart) > 1;
}

/** `difference` relative to its tolerance; above 1 it is too large. */
function strain({ difference, tolerance }: Apart): number {
  const part = difference / tolerance;
  return Number.isNaN(part) ? Number.POSITIVE_INFINITY : part;
}

/** For each tensor its most strained difference, in the order of `all`. */
export function worstByTensor<T extends Apart>(all: readonly T[]): T[] {
  const worst = new Map<string, T>();
  for (const difference of all) {
    const known = worst.get(difference.tensor);
    if (known === undefined || strain(difference) > strain(known)) worst.set(difference.tensor, difference);
  }
  return [...worst.values()];
}
