/**
 * Proves on this machine that the gradient that a config's kernels compute is the derivative of its
 * loss. For every parameter tensor, two comparisons: the kernels' gradient with that of the same
 * graph in float64, over the whole tensor; and the float64 gradient with differences of the float64
 * loss along a random direction in which every element is non-zero.
 */

import { loadExperiment } from '../config/index.js';
import type { BackendRequest } from '../engine/backend-names.js';
import type { Shape } from '../math/graph/shape.js';
import { type Parameter, ParameterLayout } from '../math/model/parameters.js';
import { initialParameters, openSession, type Session } from '../train/session.js';
import { usageError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';
import { CompiledModel } from './compiled-model.js';
import { type Derivative, differentiateAtZero } from './differences.js';
import { distance, norm, relative } from './norms.js';
import { makeOutputFolder, type ProofOptions, writeProof } from './proof.js';
import { type Gradient, Reference, type ReferenceBatch } from './reference.js';
import { countedRows, keepRows, readRows, spread } from './sampled-rows.js';

export interface VerifyGradientsOptions extends ProofOptions {
  readonly config: string;
  readonly set: readonly string[];
  readonly backend: BackendRequest;
  readonly threads: number | undefined;
  /**
   * Number of sequences of the first batch to use; undefined: as many as float64 computes quickly.
   */
  readonly rows: number | undefined;
  /** Seed of the random directions. */
  readonly seed: number;
  readonly note: (text: string) => void;
}

/** Maximum errors. */
export const TOLERANCES = {
  /**
   * Of the kernels' loss and gradient, relative to float64; the same as in the comparisons with
   * PyTorch.
   */
  kernels: 1e-4,
  /** Of the float64 gradient, relative to differences. */
  differences: 1e-6,
} as const;

/**
 * Errors are relative to the tensor's gradient norm, or to this part of the whole gradient's norm
 * if that is larger. Gradients can vanish over long sequences: kernels store numbers below 2^-100
 * as zero, and differences cannot resolve less than the rounding of the loss.
 */
const MIN_PARTS = { kernels: 1e-20, differences: 1e-3 } as const;

/** Errors of a tensor's gradient. */
export interface TensorProof {
  readonly name: string;
  readonly shape: Shape;
  /** Norm of the float64 gradient. */
  readonly gradient_norm: number;
  /** ||kernels - float64|| / ||float64||. */
  readonly kernel_error: number;
  /**
   * |slope by differences - slope by the float64 gradient| / ||float64||, along a direction with
   * elements 1 and -1.
   */
  readonly difference_error: number;
  /** Estimated error of the differences, in the same unit. */
  readonly difference_uncertainty: number;
  /** False if the gradient is so small that differences cannot distinguish it from zero. */
  readonly resolved: boolean;
  readonly holds: boolean;
}

export interface GradientsProof {
  readonly version: 1;
  readonly what: 'gradients';
  readonly time: string;
  readonly config: string;
  readonly config_hash: string;
  readonly backend: string;
  readonly seed: number;
  readonly sequence_length: number;
  /** Sequences of the first training batch, all of which the kernels compute. */
  readonly batch_size: number;
  /** The rows of the batch that were used, from 0. */
  readonly rows: readonly number[];
  readonly parameters: number;
  readonly tolerances: typeof TOLERANCES;
  readonly loss: { readonly float64: number; readonly kernels: number; readonly kernel_error: number };
  readonly tensors: readonly TensorProof[];
  readonly holds: boolean;
}

export interface VerifiedGradients {
  readonly proof: GradientsProof;
  /** Where the proof was written. */
  readonly file: string;
}

/**
 * Compares the gradients and writes the proof, whether it holds or not.
 * @throws UserError (exit 2 or 5) if the config or the data are wrong, or no prediction of the
 *   first batch counts
 */
export async function verifyGradients(options: VerifyGradientsOptions): Promise<VerifiedGradients> {
  const { config, set, note, started, seed } = options;
  const loaded = loadExperiment(config, { set });
  const session = await openSession(loaded, options);
  const parameters = initialParameters(loaded, session.spec);
  const { rows, batch, compiled } = await compiledGradient(loaded, session, parameters, options);
  note('kernels done; the gradient in float64');
  const reference = new Reference(session.spec, session.run.loss, batch);
  const point = Float64Array.from(parameters);
  const exact = await reference.gradientAt(point);
  const layout = new ParameterLayout(session.spec);
  const random = RandomStream.of(seed, 'verify/gradients');
  makeOutputFolder(options.output);
  const began = performance.now();
  const tensors: TensorProof[] = [];
  for (const [i, parameter] of layout.parameters.entries()) {
    const left = timeLeft(performance.now() - began, i, layout.parameters.length);
    note(`differences: ${parameter.name} (${i + 1} of ${layout.parameters.length}${left})`);
    const given = { compiled, exact, point, random, loss: (at: Float64Array) => reference.lossAt(at) };
    tensors.push(await checkTensor(parameter, given));
  }
  const loss = {
    float64: exact.loss,
    kernels: compiled.loss,
    kernel_error: relative(Math.abs(compiled.loss - exact.loss), Math.abs(exact.loss)),
  };
  const proof: GradientsProof = {
    version: 1,
    what: 'gradients',
    time: started.toISOString(),
    config,
    config_hash: loaded.hash,
    backend: session.choice.backend,
    seed,
    sequence_length: session.run.sequenceLength,
    batch_size: loaded.experiment.training.batch_size,
    rows,
    parameters: layout.size,
    tolerances: TOLERANCES,
    loss,
    tensors,
    holds: loss.kernel_error <= TOLERANCES.kernels && tensors.every(({ holds }) => holds),
  };
  return { proof, file: writeProof(options, proof) };
}

/**
 * Every tensor takes about the same time, whatever its size: the time depends on the number of loss
 * evaluations.
 */
function timeLeft(milliseconds: number, done: number, all: number): string {
  if (done === 0) return '';
  return `, about ${Math.ceil(((milliseconds / done) * (all - done)) / 1000)} s left`;
}

interface Compiled {
  readonly rows: readonly number[];
  readonly batch: ReferenceBatch;
  readonly compiled: Gradient;
}

/** The kernels' loss and gradient of a few rows of the first batch. */
async function compiledGradient(
  loaded: ReturnType<typeof loadExperiment>,
  session: Session,
  parameters: Float32Array,
  { rows: wanted, note }: VerifyGradientsOptions,
): Promise<Compiled> {
  const model = await CompiledModel.open(loaded, session);
  try {
    const candidates = countedRows(model.batch);
    if (candidates.length === 0) {
      throw usageError({
        code: 'verify/nothing-counts',
        message: 'no prediction of the first training batch counts in the loss',
        file: loaded.file,
        expected: 'a label that is not ignored',
      });
    }
    const most = wanted ?? affordableRows(session, readRows(model.batch, candidates.slice(0, 1)));
    const rows = spread(candidates, most);
    keepRows(model.batch, rows);
    note(
      `${session.choice.backend}: the gradient of ${rows.length} of ${counted(candidates.length, 'sequence')}`,
    );
    const compiled = await model.gradientAt(parameters);
    return { rows, batch: readRows(model.batch, rows), compiled };
  } finally {
    await model.close();
  }
}

/** Default number of sequences. */
const FEW_ROWS = 4;
/**
 * Floating-point operations of one float64 loss; each tensor needs about four. The references are
 * written for clarity and take a second or two for this.
 */
const FEW_FLOPS = 2.5e7;

function affordableRows({ spec, run }: Session, one: ReferenceBatch): number {
  const flops = new Reference(spec, run.loss, one).lossFlops;
  return Math.max(1, Math.min(FEW_ROWS, Math.floor(FEW_FLOPS / flops)));
}

/** Uncertainty at which differences stop: a tenth of their tolerance. */
const ENOUGH = TOLERANCES.differences / 10;

interface Ingredients {
  readonly compiled: Gradient;
  readonly exact: Gradient;
  /** The point of the gradients; unchanged after each call. */
  readonly point: Float64Array;
  readonly random: RandomStream;
  loss(parameters: Float64Array): Promise<number>;
}

async function checkTensor(
  { name, shape, offset, size }: Parameter,
  given: Ingredients,
): Promise<TensorProof> {
  const [own, kernels] = [given.exact, given.compiled].map(({ gradient }) =>
    gradient.subarray(offset, offset + size),
  );
  const gradientNorm = norm(own);
  const whole = norm(given.exact.gradient);
  const direction = Float64Array.from(own, () => (given.random.uniform() < 0.5 ? -1 : 1));
  const expected = own.reduce((slope, value, i) => slope + value * direction[i], 0);
  const scale = Math.max(gradientNorm, MIN_PARTS.differences * whole);
  const slope = await slopeAlong(direction, offset, ENOUGH * scale, given);
  const kernelError = relative(distance(kernels, own), Math.max(gradientNorm, MIN_PARTS.kernels * whole));
  const differenceError = relative(Math.abs(slope.value - expected), scale);
  return {
    name,
    shape,
    gradient_norm: gradientNorm,
    kernel_error: kernelError,
    difference_error: differenceError,
    difference_uncertainty: relative(slope.uncertainty, scale),
    resolved: gradientNorm > TOLERANCES.differences * scale,
    holds: kernelError <= TOLERANCES.kernels && differenceError <= TOLERANCES.differences,
  };
}

/** The derivative of the loss as the tensor at `offset` moves along `direction`. */
async function slopeAlong(
  direction: Float64Array,
  offset: number,
  enough: number,
  { point, loss }: Ingredients,
): Promise<Derivative> {
  const before = point.slice(offset, offset + direction.length);
  const moved = (by: number) => {
    direction.forEach((sign, i) => {
      point[offset + i] = before[i] + by * sign;
    });
    return loss(point);
  };
  const slope = await differentiateAtZero(moved, enough);
  point.set(before, offset);
  return slope;
}
