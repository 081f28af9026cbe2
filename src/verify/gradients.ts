/**
 * Checks on this machine that the gradient that a config's kernels compute is the derivative of its
 * loss. For every parameter tensor, two comparisons: the kernels' gradient with that of the same
 * graph in float64, over the whole tensor; and the float64 gradient with differences of the float64
 * loss along a random direction in which every element is non-zero.
 */
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import type { BackendRequest } from '../engine/backend-names.js';
import { Engine } from '../engine/index.js';
import type { Shape } from '../math/graph/shape.js';
import { type Parameter, ParameterLayout } from '../math/model/parameters.js';
import { BatchWriter } from '../train/batch.js';
import { batchOrder } from '../train/plan.js';
import { createPool } from '../train/pool.js';
import { initialParameters, openSession, type Session } from '../train/session.js';
import { allocateParameters, planShards, type ShardGroup, type ShardPool } from '../train/shards.js';
import { usageError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';
import {
  type BatchInShards,
  countedRows,
  type Gradient,
  keepRows,
  Reference,
  type ReferenceBatch,
  readRows,
  spread,
} from './reference.js';
import {
  distance,
  makeOutputFolder,
  norm,
  relative,
  type VerifyOptions,
  type Written,
  writeResults,
} from './results.js';

export interface VerifyGradientsOptions extends VerifyOptions {
  readonly set: readonly string[];
  readonly backend: BackendRequest;
  readonly threads: number | undefined;
  /**
   * Number of sequences of the first batch to use; undefined: as many as float64 computes quickly.
   */
  readonly rows: number | undefined;
  /** Seed of the random directions. */
  readonly seed: number;
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
export interface TensorResults {
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

export interface GradientsResults {
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
  readonly tensors: readonly TensorResults[];
  readonly holds: boolean;
}

/**
 * Compares the gradients and writes the results, whether it holds or not.
 * @throws UserError (exit 2 or 5) if the config or the data are wrong, or no prediction of the
 *   first batch counts
 */
export async function verifyGradients(options: VerifyGradientsOptions): Promise<Written<GradientsResults>> {
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
  const tensors: TensorResults[] = [];
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
  const results: GradientsResults = {
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
  return { results, file: writeResults(options, results) };
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
): Promise<TensorResults> {
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

/**
 * A config's model compiled as for training (same shards, threads and kernels), with its first
 * training batch.
 */
class CompiledModel {
  private constructor(
    /** The batch as written; its weights may be changed. */
    readonly batch: BatchInShards,
    private readonly engine: Engine,
    private readonly pool: ShardPool,
    private readonly group: ShardGroup,
    private readonly parameters: Float32Array,
  ) {}

  /** @throws UserError (exit 2) if the training split does not fill one batch */
  static async open(loaded: LoadedExperiment, session: Session): Promise<CompiledModel> {
    const { run, spec, dataset } = session;
    const { shards, job } = planShards(run, loaded.experiment.training.batch_size, true);
    const indices = batchOrder(loaded, session).next();
    const engine = await Engine.start(run.backend, { width: run.width });
    const parameters = allocateParameters(new ParameterLayout(spec), engine.heap);
    const pool = createPool(engine, run, parameters);
    const group = pool.group(job, { shards, slots: 1 });
    const batch = {
      spec,
      loss: run.loss,
      shape: job.shape,
      shards: group.slots[0].map(memory => memory.batch),
    };
    new BatchWriter(spec, run.loss, job.shape, run.seed).write(dataset.train, indices, batch.shards);
    return new CompiledModel(batch, engine, pool, group, parameters);
  }

  /**
   * Loss and gradient at `parameters` (flat, in the layout's order), computed by the kernels in
   * float32 and summed over the shards in float64.
   */
  async gradientAt(parameters: Float32Array): Promise<Gradient> {
    this.parameters.set(parameters);
    await this.group.compute(0);
    const gradient = new Float64Array(parameters.length);
    let loss = 0;
    for (const { rows, batch, gradient: part } of this.group.slots[0]) {
      const { weight } = batch.inputs;
      for (let i = 0; i < gradient.length; i++) gradient[i] += part[i];
      // a row that does not count has weight 0, but its loss may be NaN
      for (let i = 0; i < rows.length; i++) if (weight[i] !== 0) loss += rows[i] * weight[i];
    }
    return { loss, gradient };
  }

  async close(): Promise<void> {
    await this.pool.close();
    await this.engine.close();
  }
}

interface Derivative {
  readonly value: number;
  /**
   * Estimated error of `value`: that of the extrapolation plus the rounding error of the
   * differences.
   */
  readonly uncertainty: number;
}

const FIRST_STEP = 1e-3;
/** Each step is the previous one divided by this. */
const SHRINK = 4;
const MAX_STEPS = 6;
/** Assumed error of a loss value, in units of its rounding error. */
const ROUNDINGS = 8;

/**
 * The derivative of `f` at 0 from central differences at shrinking steps, extrapolated to step zero
 * (Richardson's scheme with the error estimate of Ridders, 1982, Accurate computation of F'(x) and
 * F'(x) F''(x)). Stops at the first step whose uncertainty is at most `enough`. Near a
 * kink, small steps may be needed before the differences converge.
 */
export async function differentiateAtZero(
  f: (x: number) => Promise<number>,
  enough: number,
): Promise<Derivative> {
  let best: Derivative = { value: Number.NaN, uncertainty: Number.POSITIVE_INFINITY };
  let before: number[] = [];
  for (let i = 0; i < MAX_STEPS; i++) {
    const step = FIRST_STEP / SHRINK ** i;
    const [above, below] = [await f(step), await f(-step)];
    const row = extrapolate((above - below) / (2 * step), before);
    const rounding = (ROUNDINGS * Number.EPSILON * Math.max(Math.abs(above), Math.abs(below))) / step;
    const found = bestOf(row, before, rounding);
    if (found.uncertainty < best.uncertainty) best = found;
    if (best.uncertainty <= enough) break;
    before = row;
  }
  return best;
}

/** Neville's scheme: each column eliminates another even power of the step from the error. */
function extrapolate(difference: number, before: readonly number[]): number[] {
  const row = [difference];
  before.forEach((coarser, j) => {
    const power = SHRINK ** (2 * (j + 1));
    row.push((power * row[j] - coarser) / (power - 1));
  });
  return row;
}

/**
 * The extrapolated value with the least uncertainty: its distance from the two values it combines,
 * plus `rounding`.
 */
function bestOf(row: readonly number[], before: readonly number[], rounding: number): Derivative {
  let best: Derivative = { value: row[0], uncertainty: Number.POSITIVE_INFINITY };
  before.forEach((coarser, j) => {
    const value = row[j + 1];
    const uncertainty = Math.max(Math.abs(value - row[j]), Math.abs(value - coarser)) + rounding;
    if (uncertainty < best.uncertainty) best = { value, uncertainty };
  });
  return best;
}
