/** Shards of batches. In training, their number depends only on the batch size. */

import type { Split } from '../data/core/dataset.js';
import { range } from '../data/core/drawing.js';
import { IGNORED, withoutPadding } from '../data/core/targets.js';
import type { Arithmetic } from '../engine/arithmetic.js';
import type { Backend } from '../engine/backend-names.js';
import type { Heap } from '../engine/heap.js';
import type { LinkedPlan } from '../engine/link.js';
import {
  KernelMachine,
  LinkedExecutable,
  type LinkedRuntime,
  type ProgramCompiler,
} from '../engine/linked-executable.js';
import type { Width } from '../engine/width.js';
import {
  type Attended,
  type Decoded,
  type DecodeSettings,
  decode,
  MAX_KEPT_WEIGHTS,
} from '../math/decoding/ctc.js';
import { DecoderSearch, type DecoderSettings } from '../math/decoding/decoder.js';
import type { ArrayOperations } from '../math/graph/arrays.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import { type BatchLengths, countOf, declaredInputs, predictionsOf, widthOf } from '../math/model/inputs.js';
import { ParameterLayout } from '../math/model/parameters.js';
import type { WalkShape } from '../math/model/runs.js';
import { hasAttention, type ModelSpec, stepsRead } from '../math/model/spec.js';
import { carriedStates, type Machine, ScheduleWalk } from '../math/model/walk.js';
import { paddedSize } from '../math/optimizers/program.js';
import type { Computed, TaskModel } from '../tasks/core/prediction.js';
import { classProbabilities } from '../util/log-probabilities.js';
import type { WasmMemory } from '../util/webassembly.js';
import { BatchWriter, type ShardBatch } from './batch.js';
import { CALIBRATION, CalibrationKernel } from './timing.js';

export interface ModelRun extends TaskModel {
  readonly backend: Backend;
  readonly threads: number;
  /** Bits of vectors on webasm; undefined: the fastest on this machine. */
  readonly width?: Width | undefined;
  /** How kernels add products on webasm; undefined: as the machine does it fastest. */
  readonly arithmetic?: Arithmetic | undefined;
  /** Absent: the likeliest symbol at each step. */
  readonly decode?: DecodeSettings | undefined;
  readonly seed: number;
  /** Symbols of the longest target; absent if targets are not sequences. */
  readonly targetLength?: number | undefined;
  /** Steps that are computed at a time; absent: as many as suit the model. */
  readonly chunk?: number | undefined;
}

/** The computation of a shard: all that a thread needs to compile it. */
export interface ShardJob {
  readonly backend: Backend;
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  readonly shape: WalkShape;
  readonly withGradient: boolean;
  /** How to decode sequences of symbols; absent: they are not decoded. */
  readonly decode?: DecodeSettings | undefined;
}

/** By name: initial states of the next batch, and final states of the last one. */
export interface CarriedStates {
  readonly before: Readonly<Record<string, Float32Array>>;
  readonly after: Readonly<Record<string, Float32Array>>;
}

export interface ShardMemory {
  readonly batch: ShardBatch;
  /** Loss of each prediction, [S, B], or of each sequence, [B]. */
  readonly rows: Float32Array;
  /** Outputs, [S, B, C]. */
  readonly predictions: Float32Array;
  /** Flat and padded like the parameters; empty without gradients. */
  readonly gradient: Float32Array;
  readonly carried: CarriedStates;
  /** Absent if nothing is decoded. */
  readonly decoded?: DecodedMemory;
}

/** The `beam` likeliest outputs of each sequence. */
interface DecodedMemory {
  /** [B, beam, longest]; IGNORED after the last symbol. */
  readonly symbols: Int32Array;
  /** [B, beam]; NaN if there are fewer. */
  readonly logProbabilities: Float64Array;
  /** Of the likeliest, if a decoder attends: steps [B, longest], and weights [B, longest, T]. */
  readonly attended?: { readonly steps: Int32Array; readonly weights: Uint8Array };
}

export class ShardComputer {
  private readonly walk: ScheduleWalk<Float32Array>;
  private readonly search: DecoderSearch<Float32Array> | undefined;

  constructor(
    private readonly machine: Machine<Float32Array>,
    private readonly job: ShardJob,
  ) {
    const { spec, shape } = job;
    const loss = lossOf(job.loss);
    const settings = decoderSettings(job);
    this.walk = new ScheduleWalk(spec, loss, shape, machine);
    this.search = settings && new DecoderSearch(spec, loss, shape, machine, settings);
  }

  /** An evaluation reads its results; those of a training step are read with the update's. */
  async compute(parameters: Float32Array, memory: ShardMemory): Promise<void> {
    const { arrays } = this.machine;
    const { rows, predictions, gradient, carried } = memory;
    arrays.write(...Object.values(memory.batch.inputs));
    const batch = { ...sizeOf(memory.batch), inputs: memory.batch.inputs, states: carried.before };
    const result = { rows, predictions, states: carried.after };
    if (this.job.withGradient) {
      await this.walk.writeGradient(parameters, batch, result, gradient);
    } else {
      await this.walk.evaluate(parameters, batch, result);
      await arrays.read(rows, predictions);
      const found = (await this.search?.search(parameters, this.walk, batch)) ?? this.labellings(memory);
      if (memory.decoded) writeDecoded(found, memory.decoded);
      // training passes states on only if the update is applied; an evaluation always does
      passOn(arrays, carried);
    }
  }

  /** The likeliest of each row with the loss `ctc`. */
  private labellings({ batch, predictions }: ShardMemory): readonly (readonly Decoded[])[] {
    const { decode: settings, spec, shape } = this.job;
    if (!settings) return [];
    const { outputSize: classes } = spec;
    return Array.from(batch.inputs.length, (steps, row) => {
      if (steps === 0) return [];
      const [from, stride] = [row * classes, shape.batch * classes];
      return decode(classProbabilities(predictions, { steps, classes }, from, stride), settings.beam);
    });
  }
}

/** How a decoder is to write its outputs; undefined if the model has none, or in training. */
export function decoderSettings({ spec, shape, decode }: ShardJob): DecoderSettings | undefined {
  if (!decode || !spec.decoder) return undefined;
  const limit = longestOutput(decode, shape);
  return { ...decode, limit, keepsWeights: limit * shape.sequenceLength <= MAX_KEPT_WEIGHTS };
}

function longestOutput({ limit }: DecodeSettings, { sequenceLength }: WalkShape): number {
  return limit ?? sequenceLength;
}

function writeDecoded(
  found: readonly (readonly Decoded[])[],
  { symbols, logProbabilities, attended }: DecodedMemory,
): void {
  const beam = logProbabilities.length / found.length;
  const longest = symbols.length / logProbabilities.length;
  symbols.fill(IGNORED);
  logProbabilities.fill(Number.NaN);
  const width = attended ? attended.weights.length / attended.steps.length : 0;
  found.forEach((outputs, row) => {
    outputs.at(0)?.attended?.forEach(({ step, weights }, i) => {
      if (!attended) return;
      const at = row * longest + i;
      attended.steps[at] = step;
      attended.weights.fill(0, at * width, (at + 1) * width).set(weights, at * width);
    });
    outputs.forEach((output, i) => {
      symbols.set(output.symbols, (row * beam + i) * longest);
      logProbabilities[row * beam + i] = output.logProbability;
    });
  });
}

export function sizeOf({ steps: [steps, targetLength] }: ShardBatch): BatchLengths {
  return { steps, targetLength };
}

export function passOn(arrays: ArrayOperations<Float32Array>, { before, after }: CarriedStates): void {
  for (const [name, state] of Object.entries(before)) arrays.copy(after[name], state);
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

/** The parameters of a model, and what computes shards with them. */
export interface ShardComputers {
  readonly arrays: ArrayOperations<Float32Array>;
  /** Flat, padded to whole rows. */
  readonly parameters: Float32Array;
  group(job: ShardJob, shards: number): ShardGroup;
}

/** Minimum rows per shard: fewer would not fill the tiles of the kernels. */
const MIN_ROWS = 16;
/** Maximum shards: more help on no machine tested, and each costs one gradient buffer. */
const MAX_SHARDS = 8;

/**
 * In training, the number of shards depends only on the batch size, so that a gradient is the same
 * sum for any number of threads. An evaluation has one per thread: each costs a copy of the
 * parameters. A GPU parallelizes by itself.
 */
export function planShards(
  run: ModelRun,
  batchSize: number,
  withGradient: boolean,
): { shards: number; job: ShardJob } {
  const { backend, threads, spec, loss, decode = { beam: 1 } } = run;
  const { targetLength, variableLength, chunk } = run;
  const sequenceLength = stepsRead(spec.steps, run.sequenceLength);
  const most = withGradient ? MAX_SHARDS : threads;
  const full = Math.max(1, Math.min(most, Math.floor(batchSize / MIN_ROWS)));
  // powers of two divide evenly among threads
  const even = withGradient ? 2 ** Math.floor(Math.log2(full)) : full;
  const shards = backend === 'webgpu' ? 1 : even;
  const batch = Math.ceil(batchSize / shards);
  const shape = { batch, sequenceLength, targetLength, variableLength, training: withGradient, chunk };
  const decodes = !withGradient && lossOf(loss).target === 'sequence';
  const job = { backend, spec, loss, shape, withGradient, ...(decodes && { decode }) };
  return { shards, job };
}

export interface SplitBatch {
  readonly split: Split;
  readonly indices: Uint32Array;
}

/** Reads the sequences of a batch if they are on the disk. */
export async function loadBatch(split: Split, indices: Uint32Array): Promise<SplitBatch> {
  const loaded = await split.load?.(indices);
  return loaded ? { split: loaded, indices: range(loaded.count) } : { split, indices };
}

/** One batch is computed while the next is written and queued for threads that finish early. */
export const SLOTS = 2;

/** A model compiled for batches of up to `batchSize` sequences of `run.sequenceLength` steps. */
export class ShardedBatches {
  readonly job: ShardJob;
  private readonly group: ShardGroup;
  private readonly writer: BatchWriter;

  /** Reads the current parameters of `pool` at each batch. */
  constructor(
    private readonly pool: ShardComputers,
    readonly model: ModelRun,
    batchSize: number,
    withGradient = false,
  ) {
    const { shards, job } = planShards(model, batchSize, withGradient);
    this.job = job;
    this.group = pool.group(job, shards);
    this.writer = new BatchWriter(model.spec, model.loss, job.shape, model.seed);
  }

  /** The shards of `slot`. All slots share gradients and carried states. */
  shards(slot: number): readonly ShardMemory[] {
    return this.group.slots[slot];
  }

  /** `step` is the optimizer step that the batch is for, from 1. */
  write(slot: number, { split, indices }: SplitBatch, step?: number): void {
    const batches = this.shards(slot).map(memory => memory.batch);
    this.writer.write(split, indices, batches, step);
  }

  /** Slots are computed in the order of the calls. */
  compute(slot: number): Promise<void> {
    return this.group.compute(slot);
  }

  /** Writes and computes a batch. */
  async run(slot: number, batch: SplitBatch): Promise<void> {
    this.write(slot, batch);
    await this.compute(slot);
  }

  resetStates(): void {
    for (const { carried } of this.shards(0))
      for (const state of Object.values(carried.before)) this.pool.arrays.fill(state, 0);
  }

  /** Sum of weight times loss: the mean loss of the batch in `slot`. */
  loss(slot: number): number {
    let loss = 0;
    for (const { rows, batch } of this.shards(slot)) {
      const { weight } = batch.inputs;
      for (let i = 0; i < rows.length; i++) {
        // a padding row has weight 0, but its loss may be NaN
        if (weight[i] !== 0) loss += rows[i] * weight[i];
      }
    }
    return loss;
  }

  /** Predictions for a row of the batch in `slot`, whose sequence has `length` steps. */
  predictions(
    slot: number,
    { split, indices }: SplitBatch,
    row: number,
    length = split.lengths?.[indices[row]],
  ): Computed[] {
    const { batch: rowsOfShard } = this.job.shape;
    const memory = this.shards(slot)[Math.floor(row / rowsOfShard)];
    const { spec, sequenceLength } = this.model;
    if (memory.decoded) {
      const steps = stepsRead(spec.steps, length ?? sequenceLength);
      const sequence = this.sequence(memory, row % rowsOfShard, steps);
      return [{ ...sequence, at: indices[row] }];
    }
    const { rows, predictions, batch } = memory;
    const first = indices[row] * predictionsOf(spec, sequenceLength);
    const width = spec.outputSize;
    const { weight } = batch.inputs;
    const count = predictionsOf(spec, length ?? sequenceLength, this.model.targetLength);
    return Array.from({ length: count }, (_, step) => {
      const i = step * rowsOfShard + (row % rowsOfShard);
      const outputs = predictions.subarray(i * width, (i + 1) * width);
      return { step, at: first + step, counts: weight[i] !== 0, loss: rows[i], outputs };
    });
  }

  /**
   * All outputs of a sequence, [T, C], or of a decoder that reads its target, and what is decoded.
   */
  private sequence(
    { rows, predictions, batch, decoded }: ShardMemory,
    row: number,
    length: number,
  ): Omit<Computed, 'at'> {
    const { decode: settings, shape, spec } = this.job;
    const found = decoded && settings && readDecoded(decoded, { row, beam: settings.beam, length });
    const { weight } = batch.inputs;
    let [loss, losses] = [0, 0];
    for (let at = row; at < weight.length; at += shape.batch) {
      if (weight[at] === 0) continue;
      loss += rows[at];
      losses++;
    }
    const width = spec.outputSize;
    const steps = spec.decoder ? losses : length;
    const outputs = new Float32Array(steps * width);
    for (let t = 0; t < steps; t++) {
      const from = (t * shape.batch + row) * width;
      outputs.set(predictions.subarray(from, from + width), t * width);
    }
    return { step: 0, counts: losses > 0, loss, losses, outputs, ...(found && { decoded: found }) };
  }
}

/** What is decoded of `row`, of `beam` sequences of symbols. @param length steps of its input */
function readDecoded(
  { symbols, logProbabilities, attended }: DecodedMemory,
  { row, beam, length }: { readonly row: number; readonly beam: number; readonly length: number },
): Decoded[] {
  const width = symbols.length / logProbabilities.length;
  return Array.from({ length: beam }, (_, i) => row * beam + i)
    .filter((at, i) => i === 0 || !Number.isNaN(logProbabilities[at]))
    .map((at, i) => {
      const target = withoutPadding(symbols.subarray(at * width, (at + 1) * width)).slice();
      const read =
        i === 0 && attended && Array.from(target, (_, s) => attendedAt(attended, row * width + s, length));
      return { symbols: target, logProbability: logProbabilities[at], ...(read && { attended: read }) };
    });
}

function attendedAt(
  { steps, weights }: NonNullable<DecodedMemory['attended']>,
  at: number,
  length: number,
): Attended {
  const width = weights.length / steps.length;
  return { step: steps[at], weights: weights.slice(at * width, at * width + Math.min(width, length)) };
}

/** By slot, then by shard. */
export function allocateShards(
  job: ShardJob,
  { shards, slots }: { readonly shards: number; readonly slots: number },
  heap: Heap,
): ShardMemory[][] {
  const { spec, shape } = job;
  const predictions = predictionsOf(spec, shape.sequenceLength, shape.targetLength);
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
    shared.map(shard => {
      const batch = allocateBatch(job, heap);
      // each weight is one of a loss
      const rows = heap.allocate(batch.inputs.weight.length);
      const outputs = heap.allocate(predictions * shape.batch * spec.outputSize);
      const decoded = job.decode && allocateDecoded(job.decode, job);
      return { batch, rows, predictions: outputs, ...shard, ...(decoded && { decoded }) };
    }),
  );
}

function allocateDecoded(decode: DecodeSettings, job: ShardJob): DecodedMemory {
  const { spec, shape } = job;
  const count = shape.batch * decode.beam;
  const longest = longestOutput(decode, shape);
  const integers = (size: number) => new Int32Array(sharedBytes(4 * size));
  const width = decoderSettings(job)?.keepsWeights ? shape.sequenceLength : 0;
  return {
    symbols: integers(count * longest),
    logProbabilities: new Float64Array(sharedBytes(8 * count)),
    ...(hasAttention(spec) && {
      attended: {
        steps: integers(shape.batch * longest),
        weights: new Uint8Array(sharedBytes(shape.batch * longest * width)),
      },
    }),
  };
}

function allocateBatch({ spec, shape, loss }: ShardJob, heap: Heap): ShardBatch {
  const steps = new Int32Array(sharedBytes(2 * Int32Array.BYTES_PER_ELEMENT));
  steps.set([shape.sequenceLength, shape.targetLength ?? 0]);
  const inputs = declaredInputs(spec, lossOf(loss), shape).map(input => {
    const { batch, sequenceLength, targetLength } = shape;
    const count = countOf(input, spec, { steps: sequenceLength, targetLength });
    return [input.name, heap.allocate(count * batch * widthOf(input))];
  });
  return { steps, inputs: Object.fromEntries(inputs) };
}

/** Bytes for all threads; a page that is not isolated has neither such bytes nor other threads. */
function sharedBytes(count: number): ArrayBufferLike {
  return new (typeof SharedArrayBuffer === 'undefined' ? ArrayBuffer : SharedArrayBuffer)(count);
}

/** The memory of a shard in this thread's `heap`, whichever thread allocated it. */
function openShard(memory: ShardMemory, heap: Heap): ShardMemory {
  const open = (part: object): object => {
    if (part instanceof Float32Array) return heap.adopt(part);
    if (ArrayBuffer.isView(part)) return part;
    return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, open(value)]));
  };
  return open(memory) as ShardMemory;
}

/** What a computing thread is started with. */
export interface ThreadSetup {
  readonly backend: Backend;
  /** True if the thread is sent linked programs; otherwise it compiles them itself. */
  readonly links: boolean;
  readonly memory: WasmMemory;
  readonly parameters: Float32Array;
}

export type ShardRequest =
  | { readonly group: number; readonly job: ShardJob; readonly slots: Group['slots'] }
  | { readonly group: number; readonly plans: readonly (readonly [key: string, plan: LinkedPlan])[] }
  | { readonly group: number; readonly slot: number; readonly shards: readonly number[] }
  | { readonly calibrate: LinkedPlan | undefined };

interface Group {
  readonly machine: KernelMachine;
  readonly computer: ShardComputer;
  readonly slots: readonly (readonly ShardMemory[])[];
}

export class ShardServer {
  private readonly groups = new Map<number, Group>();
  private kernel: CalibrationKernel | undefined;
  /** Settles when all requests so far are done. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly backend: Backend,
    private readonly runtime: LinkedRuntime,
    private readonly parameters: Float32Array,
    /** Compiles programs that are not sent linked. */
    private readonly compiler: () => Promise<ProgramCompiler>,
  ) {}

  /** Handles requests one at a time, in order. Returns the milliseconds of a calibration. */
  handle(request: ShardRequest): Promise<number | null> {
    const result = this.last.then(() => this.answer(request));
    this.last = result.catch(() => {});
    return result;
  }

  private async answer(request: ShardRequest): Promise<number | null> {
    if ('calibrate' in request) {
      this.kernel ??= await this.calibration(request.calibrate);
      return this.kernel.measure();
    }
    if ('job' in request) {
      const machine = new KernelMachine(await this.compiler());
      const slots = request.slots.map(shards => shards.map(shard => openShard(shard, this.runtime.heap)));
      this.groups.set(request.group, { machine, computer: new ShardComputer(machine, request.job), slots });
      return null;
    }
    const { machine, computer, slots } = this.groups.get(request.group) as Group;
    if ('plans' in request) for (const [key, plan] of request.plans) this.addPlan(machine, key, plan);
    else
      for (const shard of request.shards) await computer.compute(this.parameters, slots[request.slot][shard]);
    return null;
  }

  private async calibration(plan: LinkedPlan | undefined): Promise<CalibrationKernel> {
    const machine = new KernelMachine(await this.compiler());
    if (plan) this.addPlan(machine, CALIBRATION.key, plan);
    return new CalibrationKernel(this.backend, machine);
  }

  private addPlan(machine: KernelMachine, key: string, plan: LinkedPlan): void {
    machine.add(key, new LinkedExecutable(this.runtime, plan));
  }
}
