/** Shards of batches. In training, their number depends only on the batch size. */
import type { Backend } from '../engine/backend-names.js';
import type { Heap, HeapSpan } from '../engine/heap.js';
import type { Width } from '../engine/simd-target.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import type { MeasuredMetric } from '../math/metrics/index.js';
import { declaredInputs, predictionsOf, widthOf } from '../math/model/inputs.js';
import { ParameterLayout } from '../math/model/parameters.js';
import type { ModelSpec } from '../math/model/spec.js';
import { carriedStates, type Machine, ScheduleWalk, type WalkShape } from '../math/model/walk.js';
import { paddedSize } from '../math/optimizers/program.js';
import { evaluationShards, type ShardRows, trainingShards } from './batch.js';

export interface ModelRun {
  readonly backend: Backend;
  readonly threads: number;
  /** Bits of vectors on webasm; undefined: the fastest on this machine. */
  readonly width?: Width | undefined;
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  readonly metrics: readonly MeasuredMetric[];
  readonly seed: number;
  readonly sequenceLength: number;
  readonly variableLength: boolean;
}

export type ShardShape = WalkShape;

/** The computation of a shard: all that a thread needs to compile it. */
export interface ShardJob {
  readonly backend: Backend;
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  readonly shape: ShardShape;
  readonly withGradient: boolean;
}

/** Input of one shard. Rows of weight 0 do not count: they fill up a partial last batch. */
export interface ShardBatch {
  /** The model's declared inputs by name, each with the steps of the longest sequence. */
  readonly inputs: Readonly<Record<string, Float32Array>>;
  /** [1]: number of steps of this batch. */
  readonly steps: Int32Array;
}

/** By name: initial states of the next batch, and final states of the last one. */
export interface CarriedStates {
  readonly before: Readonly<Record<string, Float32Array>>;
  readonly after: Readonly<Record<string, Float32Array>>;
}

export interface ShardMemory {
  readonly batch: ShardBatch;
  /** Loss of each prediction, [S, B]. */
  readonly rows: Float32Array;
  /** Outputs, [S, B, C]. */
  readonly predictions: Float32Array;
  /** Flat and padded like the parameters; empty without gradients. */
  readonly gradient: Float32Array;
  readonly carried: CarriedStates;
}

export class ShardComputer {
  private readonly walk: ScheduleWalk<Float32Array>;

  constructor(
    machine: Machine<Float32Array>,
    private readonly job: ShardJob,
  ) {
    this.walk = new ScheduleWalk(job.spec, lossOf(job.loss), job.shape, machine);
  }

  async compute(parameters: Float32Array, memory: ShardMemory): Promise<void> {
    const { rows, predictions, gradient, carried } = memory;
    const batch = { steps: memory.batch.steps[0], inputs: memory.batch.inputs, states: carried.before };
    const result = { rows, predictions, states: carried.after };
    if (this.job.withGradient) {
      await this.walk.writeGradient(parameters, batch, result, gradient);
    } else {
      await this.walk.evaluate(parameters, batch, result);
      // training passes states on only if the update is applied; an evaluation always does
      passOn(carried);
    }
  }
}

export function passOn({ before, after }: CarriedStates): void {
  for (const [name, state] of Object.entries(before)) state.set(after[name]);
}

export function resetStates({ before }: CarriedStates): void {
  for (const state of Object.values(before)) state.fill(0);
}

/** The shards of one kind of batch. Each has the memory of one batch and its results per slot. */
export interface ShardGroup {
  /** By slot, then by shard. The slots of a shard share one gradient and the carried states. */
  readonly slots: readonly (readonly ShardMemory[])[];
  /**
   * Computes all shards of `slot` and resolves when the last is done. Slots are computed in the
   * order of the calls; a thread that finishes one starts the next without waiting for the others.
   */
  compute(slot: number): Promise<void>;
}

export interface GroupSize {
  readonly shards: number;
  readonly slots: number;
}

export interface ShardPool {
  group(job: ShardJob, plan: GroupSize): ShardGroup;
  /** The slowest thread's milliseconds of the calibration kernel. Nothing else may be running. */
  calibrate(shards: number): Promise<number>;
  close(): Promise<void>;
}

export function planShards(
  run: ModelRun,
  batchSize: number,
  withGradient: boolean,
): { shards: number; job: ShardJob } {
  const { backend, threads, spec, loss, sequenceLength, variableLength } = run;
  const { shards, rows } = cut(backend, threads, batchSize, withGradient);
  const shape = { batch: rows, sequenceLength, variableLength, training: withGradient };
  return { shards, job: { backend, spec, loss, shape, withGradient } };
}

function cut(backend: Backend, threads: number, batchSize: number, withGradient: boolean): ShardRows {
  // a GPU parallelizes by itself
  if (backend === 'webgpu') return { shards: 1, rows: batchSize };
  return withGradient ? trainingShards(batchSize) : evaluationShards(batchSize, threads);
}

export function allocateParameters({ size }: ParameterLayout, heap: Heap): Float32Array {
  return heap.allocate(paddedSize(size));
}

/** By slot, then by shard. */
export function allocateShards(job: ShardJob, { shards, slots }: GroupSize, heap: Heap): ShardMemory[][] {
  const { spec, shape } = job;
  const predictions = predictionsOf(spec, shape.sequenceLength);
  const parameters = job.withGradient ? paddedSize(new ParameterLayout(spec).size) : 0;
  const states = () =>
    Object.fromEntries(
      carriedStates(spec).map(({ name, size }) => [name, heap.allocate(shape.batch * size)]),
    );
  const shared = Array.from({ length: shards }, () => ({
    gradient: heap.allocate(parameters),
    carried: { before: states(), after: states() },
  }));
  return Array.from({ length: slots }, () =>
    shared.map(one => ({
      batch: allocateBatch(job, heap),
      rows: heap.allocate(predictions * shape.batch),
      predictions: heap.allocate(predictions * shape.batch * spec.outputSize),
      ...one,
    })),
  );
}

function allocateBatch({ spec, shape, loss }: ShardJob, heap: Heap): ShardBatch {
  const steps = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  steps[0] = shape.sequenceLength;
  const inputs = declaredInputs(spec, lossOf(loss), shape).map(input => {
    const count = input.per === 'step' ? shape.sequenceLength : predictionsOf(spec, shape.sequenceLength);
    return [input.name, heap.allocate(count * shape.batch * widthOf(input))];
  });
  return { steps, inputs: Object.fromEntries(inputs) };
}

/** The memory of a shard, with the heap span of each array, in a form for another thread. */
export interface ShardSpans {
  readonly [part: string]: HeapSpan | Int32Array | ShardSpans;
}

export function describeShard(memory: object, heap: Heap): ShardSpans {
  return mapValues(memory, part => {
    if (part instanceof Int32Array) return part;
    return part instanceof Float32Array ? heap.spanOf(part) : describeShard(part, heap);
  }) as ShardSpans;
}

/** Opens in this thread the memory that `describeShard` described. */
export function openShard(spans: ShardSpans, heap: Heap): ShardMemory {
  const open = (parts: object): object =>
    mapValues(parts, part => {
      if (part instanceof Int32Array) return part;
      return 'at' in part ? heap.open(part as HeapSpan) : open(part);
    });
  return open(spans) as ShardMemory;
}

function mapValues(record: object, of: (value: object) => unknown): object {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, of(value)]));
}
