/**
 * Checks on this machine that the gradient that a config's kernels compute is the derivative of its
 * loss. For every parameter tensor, two comparisons: the kernels' gradient with that of the same
 * graph in float64, over the whole tensor; and the float64 gradient with differences of the float64
 * loss along a random direction in which every element is non-zero.
 */

import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import type { BackendRequest } from '../engine/backend-names.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import { countOf, declaredInputs, type InputOptions, predictionsOf, widthOf } from '../math/model/inputs.js';
import { type Parameter, ParameterLayout } from '../math/model/parameters.js';
import type { WalkShape } from '../math/model/runs.js';
import { MAX_CELL_STEPS } from '../math/model/schedule.js';
import type { ModelSpec } from '../math/model/spec.js';
import { interpreter } from '../math/model/trace.js';
import { ScheduleWalk } from '../math/model/walk.js';
import type { ShardBatch } from '../train/batch.js';
import { stepCosts } from '../train/costs.js';
import { initialWeights } from '../train/initial-weights.js';
import { planRun } from '../train/plan.js';
import { ShardPool } from '../train/pool.js';
import { openSession, type Session } from '../train/session.js';
import { loadBatch, ShardedBatches, sizeOf } from '../train/shards.js';
import { usageError } from '../util/errors.js';
import { RandomStream } from '../util/random.js';
import { counted } from '../util/words.js';

export interface VerifyGradientsOptions {
  readonly set: readonly string[];
  readonly backend: BackendRequest;
  readonly threads: number | undefined;
  /**
   * Number of sequences of the first batch to use; undefined: as many as float64 computes quickly.
   */
  readonly rows: number | undefined;
  readonly seed: number;
  note(text: string): void;
}

const TOLERANCES = {
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

const FEW_ROWS = 4;
/**
 * Floating-point operations of one float64 loss; each tensor needs about four. The references are
 * written for clarity and take a second or two for this.
 */
const FEW_FLOPS = 2.5e7;

export type GradientsResults = Awaited<ReturnType<typeof verifyGradients>>;

export async function verifyGradients(config: string, options: VerifyGradientsOptions) {
  const { set, note, seed } = options;
  const loaded = loadExperiment(config, { set });
  const session = await openSession(loaded, options);
  const layout = new ParameterLayout(session.spec);
  const parameters = initialWeights(loaded, session.spec).parameters;
  const { rows, batch, compiled } = await compiledGradient(loaded, session, parameters, options);
  note('kernels done; the gradient in float64');
  const { lossAt, gradientAt } = referenceOf(session.spec, session.run.loss, batch);
  const point = Float64Array.from(parameters);
  const exact = await gradientAt(point);
  const random = RandomStream.of(seed, 'verify/gradients');
  const began = performance.now();
  const tensors: Awaited<ReturnType<typeof checkTensor>>[] = [];
  const all = layout.parameters.length;
  for (const [i, parameter] of layout.parameters.entries()) {
    // every tensor needs about as many evaluations of the loss
    const seconds = Math.ceil((((performance.now() - began) / i) * (all - i)) / 1000);
    note(`differences: ${parameter.name} (${i + 1} of ${all}${i === 0 ? '' : `, about ${seconds} s left`})`);
    tensors.push(await checkTensor(parameter, { compiled, exact, point, random, lossAt }));
  }
  const lossError = relative(Math.abs(compiled.loss - exact.loss), Math.abs(exact.loss));
  return {
    config_hash: loaded.hash,
    backend: session.choice.backend,
    seed,
    sequence_length: session.run.sequenceLength,
    /** Sequences of the first training batch; the kernels compute all of them. */
    batch_size: loaded.experiment.training.batch_size,
    /** The rows of the batch that were used, from 0. */
    rows,
    parameters: layout.size,
    tolerances: TOLERANCES,
    loss: { float64: exact.loss, kernels: compiled.loss, kernel_error: lossError },
    tensors,
    holds: lossError <= TOLERANCES.kernels && tensors.every(({ holds }) => holds),
  };
}

/**
 * Loss and gradient of a few rows of the first training batch, compiled as for training (same
 * shards, threads and kernels): computed in float32, summed over the shards in float64.
 */
async function compiledGradient(
  loaded: LoadedExperiment,
  session: Session,
  parameters: Float32Array,
  { rows: wanted, note }: VerifyGradientsOptions,
) {
  const { run, dataset, choice } = session;
  const { batch_size } = loaded.experiment.training;
  const pool = await ShardPool.open(run);
  try {
    const batches = new ShardedBatches(pool, run, batch_size, true);
    const shards = batches.shards(0);
    batches.write(0, await loadBatch(dataset.train, planRun(loaded, session).order.next()));
    const batch = { ...batches.job, shards: shards.map(memory => memory.batch) };
    const candidates = countedRows(batch);
    if (candidates.length === 0) {
      throw usageError(
        'verify/nothing-counts',
        'no prediction of the first training batch counts in the loss',
        { file: loaded.file, expected: 'a label that is not ignored' },
      );
    }
    // a third of a step computes the loss
    const lossFlops = stepCosts(run, batch_size).flops / (3 * batch_size);
    const affordable = Math.max(1, Math.min(FEW_ROWS, Math.floor(FEW_FLOPS / lossFlops)));
    const rows = spread(candidates, wanted ?? affordable);
    keepRows(batch, rows);
    note(`${choice.backend}: the gradient of ${rows.length} of ${counted(candidates.length, 'sequence')}`);
    pool.parameters.set(parameters);
    pool.arrays.write(pool.parameters);
    await batches.compute(0);
    await pool.arrays.read(...shards.flatMap(({ gradient, rows }) => [gradient, rows]));
    const gradient = new Float64Array(parameters.length);
    for (const { gradient: part } of shards) for (let i = 0; i < gradient.length; i++) gradient[i] += part[i];
    return { rows, batch: readRows(batch, rows), compiled: { loss: batches.loss(0), gradient } };
  } finally {
    await pool.close();
  }
}

/** Uncertainty at which differences stop: a tenth of their tolerance. */
const ENOUGH = TOLERANCES.differences / 10;

interface Ingredients {
  readonly compiled: Gradient;
  readonly exact: Gradient;
  /** The point of the gradients; unchanged after each call. */
  readonly point: Float64Array;
  readonly random: RandomStream;
  lossAt(parameters: Float64Array): Promise<number>;
}

async function checkTensor({ name, shape, offset, size }: Parameter, given: Ingredients) {
  const { exact, compiled, random, point, lossAt } = given;
  const [reference, kernels] = [exact, compiled].map(({ gradient }) =>
    gradient.subarray(offset, offset + size),
  );
  const gradientNorm = norm(reference);
  const whole = norm(exact.gradient);
  // all elements are non-zero
  const direction = Float64Array.from(reference, () => (random.uniform() < 0.5 ? -1 : 1));
  const expected = reference.reduce((slope, value, i) => slope + value * direction[i], 0);
  const scale = Math.max(gradientNorm, MIN_PARTS.differences * whole);
  const before = point.slice(offset, offset + size);
  const moved = (by: number) => {
    direction.forEach((sign, i) => {
      point[offset + i] = before[i] + by * sign;
    });
    return lossAt(point);
  };
  const slope = await differentiateAtZero(moved, ENOUGH * scale);
  point.set(before, offset);
  const kernelError = relative(norm(kernels, reference), Math.max(gradientNorm, MIN_PARTS.kernels * whole));
  const differenceError = relative(Math.abs(slope.value - expected), scale);
  return {
    name,
    shape,
    gradient_norm: gradientNorm,
    /** ||kernels - float64|| / ||float64||. */
    kernel_error: kernelError,
    /** |slope by differences - slope by the float64 gradient| / ||float64||. */
    difference_error: differenceError,
    /** Estimated error of the differences, in the same unit. */
    difference_uncertainty: relative(slope.uncertainty, scale),
    /** False if differences cannot distinguish the gradient from zero. */
    resolved: gradientNorm > TOLERANCES.differences * scale,
    holds: kernelError <= TOLERANCES.kernels && differenceError <= TOLERANCES.differences,
  };
}

const FIRST_STEP = 1e-3;
/** Each step is the previous one divided by this. */
const SHRINK = 4;
const MAX_STEPS = 6;
/** Assumed error of a loss value, in units of its rounding error. */
const ROUNDINGS = 8;

/**
 * The derivative of `f` at 0 from central differences at shrinking steps, extrapolated to step zero
 * (Neville's scheme: each column eliminates another even power of the step from the error), with
 * the error estimate of Ridders, 1982, Accurate computation of F'(x) and F'(x) F''(x): the distance
 * of a value from the two that it combines, plus the rounding error. Stops at the first step whose
 * uncertainty is at most `enough`. Near a kink, small steps may be needed before the differences
 * converge.
 */
export async function differentiateAtZero(f: (x: number) => Promise<number>, enough: number) {
  let best = { value: Number.NaN, uncertainty: Number.POSITIVE_INFINITY };
  let before: number[] = [];
  for (let i = 0; i < MAX_STEPS && best.uncertainty > enough; i++) {
    const step = FIRST_STEP / SHRINK ** i;
    const [above, below] = [await f(step), await f(-step)];
    const rounding = (ROUNDINGS * Number.EPSILON * Math.max(Math.abs(above), Math.abs(below))) / step;
    const row = [(above - below) / (2 * step)];
    for (const [j, coarser] of before.entries()) {
      const power = SHRINK ** (2 * (j + 1));
      const value = (power * row[j] - coarser) / (power - 1);
      const uncertainty = Math.max(Math.abs(value - row[j]), Math.abs(value - coarser)) + rounding;
      if (uncertainty < best.uncertainty) best = { value, uncertainty };
      row.push(value);
    }
    before = row;
  }
  return best;
}

/** Like the batch of a shard (`train/shards.ts`), in float64. */
export interface ReferenceBatch extends InputOptions {
  /** B. */
  readonly rows: number;
  /** T. */
  readonly steps: number;
  readonly targetLength?: number | undefined;
  readonly inputs: Readonly<Record<string, Float64Array>>;
}

export interface Gradient {
  /** Sum of weight times loss. */
  readonly loss: number;
  /** Flat, in the layout's order. */
  readonly gradient: Float64Array;
}

/**
 * Maximum numbers for the gradients of one block (0.5 GiB); each step needs twice the parameters.
 */
const MAX_NUMBERS = 2 ** 26;

/**
 * Loss and gradient of a batch in float64, at parameters that are flat in the layout's order.
 * Splits the schedule like training, unless `maxCellSteps` is given or the gradients of a block
 * would need too much memory.
 */
export function referenceOf(
  spec: ModelSpec,
  loss: LossSettings,
  batch: ReferenceBatch,
  maxCellSteps?: number,
) {
  const { size } = new ParameterLayout(spec);
  const { rows, steps, targetLength, variableLength, training } = batch;
  const affordable = Math.max(1, Math.floor(MAX_NUMBERS / (2 * size)));
  const limit = maxCellSteps ?? (affordable < MAX_CELL_STEPS ? affordable : undefined);
  const shape = { batch: rows, sequenceLength: steps, targetLength, variableLength, training };
  const limited = limit === undefined ? shape : { ...shape, maxCellSteps: limit };
  const walk = new ScheduleWalk(spec, lossOf(loss), limited, interpreter());
  const outputs = predictionsOf(spec, steps, targetLength) * rows * spec.outputSize;
  const result = {
    rows: new Float64Array(batch.inputs.weight.length),
    predictions: new Float64Array(outputs),
  };
  const weightedLoss = () => result.rows.reduce((total, row, i) => total + row * batch.inputs.weight[i], 0);
  return {
    async lossAt(parameters: Float64Array): Promise<number> {
      await walk.evaluate(parameters, batch, result);
      return weightedLoss();
    },
    async gradientAt(parameters: Float64Array): Promise<Gradient> {
      const gradient = new Float64Array(size);
      await walk.writeGradient(parameters, batch, result, gradient);
      return { loss: weightedLoss(), gradient };
    },
  };
}

export interface BatchInShards {
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  readonly shape: WalkShape;
  readonly shards: readonly ShardBatch[];
}

/**
 * Rows of the batch, from 0 for the first of the first shard, that have a prediction that counts.
 */
function countedRows({ shape, shards }: BatchInShards): number[] {
  return shards.flatMap(({ inputs: { weight } }, s) =>
    range(shape.batch)
      .filter(row => weight.some((value, at) => at % shape.batch === row && value !== 0))
      .map(row => s * shape.batch + row),
  );
}

/**
 * `count` of `candidates`, or all if there are fewer: the first, the last, and evenly spaced ones
 * in between.
 */
export function spread(candidates: readonly number[], count: number): number[] {
  if (count >= candidates.length) return [...candidates];
  const apart = count > 1 ? (candidates.length - 1) / (count - 1) : 0;
  return range(count).map(i => candidates[Math.round(i * apart)]);
}

function keepRows({ shape, shards }: BatchInShards, rows: readonly number[]): void {
  for (const [s, { inputs }] of shards.entries())
    for (const at of inputs.weight.keys())
      if (!rows.includes(s * shape.batch + (at % shape.batch))) inputs.weight[at] = 0;
}

export function readRows(
  { spec, loss, shape, shards }: BatchInShards,
  rows: readonly number[],
): ReferenceBatch {
  const { steps } = sizeOf(shards[0]);
  const { variableLength, training, targetLength } = shape;
  const read = (name: string, count: number, size: number) => {
    const values = new Float64Array(count * rows.length * size);
    rows.forEach((row, r) => {
      const from = shards[Math.floor(row / shape.batch)].inputs[name];
      for (let t = 0; t < count; t++) {
        const at = (t * shape.batch + (row % shape.batch)) * size;
        values.set(from.subarray(at, at + size), (t * rows.length + r) * size);
      }
    });
    return values;
  };
  const inputs = declaredInputs(spec, lossOf(loss), shape).map(input => {
    const count = countOf(input, spec, { steps, targetLength });
    return [input.name, read(input.name, count, widthOf(input))];
  });
  return {
    rows: rows.length,
    steps,
    targetLength,
    variableLength,
    training,
    inputs: Object.fromEntries(inputs),
  };
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** ||a - b||, or ||a||, in float64; both have the same length. */
export function norm(a: ArrayLike<number>, b?: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] - (b ? b[i] : 0)) ** 2;
  return Math.sqrt(sum);
}

/** `difference` relative to `scale`; 0 if `difference` is 0, NaN if it is NaN. */
export function relative(difference: number, scale: number): number {
  return difference === 0 ? 0 : difference / scale;
}
