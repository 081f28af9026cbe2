/** Writes batches in the form that shards need: time-major, in float32, with loss weights. */

import type { Split } from '../data/core/dataset.js';
import {
  IGNORED,
  isIgnoredNumber,
  lengthOfTarget,
  numbersOfTarget,
  symbolsOfTarget,
  type Targets,
  targetsOfKind,
} from '../data/core/targets.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import { isOfSequences, type Loss } from '../math/losses/loss.js';
import { heads, predictsEachStep } from '../math/model/heads.js';
import {
  countOf,
  type DeclaredInput,
  declaredInputs,
  type InputRole,
  predictionsOf,
  widthOf,
} from '../math/model/inputs.js';
import type { WalkShape } from '../math/model/runs.js';
import { batchLengths, targetLengths } from '../math/model/schedule.js';
import { type ModelSpec, numbersPerStep, stepsRead } from '../math/model/spec.js';
import { CounterRandom, uniform } from '../util/random.js';

/** Input of one shard. Rows of weight 0 do not count: they fill up a partial last batch. */
export interface ShardBatch {
  /** The model's declared inputs by name, each with the steps of the longest sequence. */
  readonly inputs: Readonly<Record<string, Float32Array>>;
  /** [2]: steps of this batch, and symbols of its longest target. */
  readonly steps: Int32Array;
}

interface Row {
  readonly split: Split;
  readonly index: number;
  readonly length: number;
  readonly row: number;
  /** Position in the whole batch. */
  readonly inBatch: number;
  /** Steps that are computed of the batch, and predictions. */
  readonly steps: number;
  readonly predictions: number;
  /** Weight in the mean of each prediction that counts. */
  readonly weight: number;
  /** The optimizer step that the batch is for, from 1; determines the dropout masks. */
  readonly step: number;
  /** As in {@link Split.read}. */
  readonly draw: number | undefined;
}

type Fill = (input: DeclaredInput, values: Float32Array, row: Row) => void;

/** Writes sequences of splits into shards: all declared inputs of the model. */
export class BatchWriter {
  private readonly inputs: readonly DeclaredInput[];
  /** Losses of the longest sequence. */
  private readonly losses: number;
  private readonly lengths: readonly number[];
  /** Of targets that a decoder writes. */
  private readonly targetLengths: readonly number[];
  private readonly loss: Loss;
  private readonly dropout: CounterRandom;
  private readonly augment: CounterRandom;
  /**
   * Features of a step, which several inputs may share; then those of a sequence, unless they are
   * those of one input.
   */
  private readonly featureCount: number;
  private readonly features: Float32Array;

  /** `seed` is the experiment's: of the dropout masks and the random changes of sequences. */
  constructor(
    private readonly spec: ModelSpec,
    loss: LossSettings,
    private readonly shape: WalkShape,
    seed = 0,
  ) {
    const { sequenceLength, targetLength, variableLength, chunk } = shape;
    this.loss = lossOf(loss);
    this.inputs = declaredInputs(spec, this.loss, shape);
    const isCtc = isOfSequences(this.loss);
    this.losses = isCtc ? 1 : predictionsOf(spec, sequenceLength, targetLength);
    const longest = { steps: sequenceLength, targetLength, variableLength, chunk };
    this.lengths = variableLength ? batchLengths(spec, longest) : [sequenceLength];
    this.targetLengths = targetLengths(spec, longest);
    const widths = this.inputs.filter(({ role }) => role === 'features').map(widthOf);
    this.featureCount = widths.reduce((sum, width) => sum + width, 0);
    const isShared = widths.length > 1 || spec.steps !== undefined;
    this.features = new Float32Array(isShared ? sequenceLength * this.featureCount : 0);
    this.dropout = new CounterRandom(seed, 'model/dropout');
    this.augment = new CounterRandom(seed, 'data/augment');
  }

  /** Shard by shard. Unused rows are set to 0 and have weight 0. */
  write(split: Split, indices: Uint32Array, shards: readonly ShardBatch[], step = 1): void {
    const total = this.totalWeight(split, indices);
    const { lengths, shape, spec } = this;
    const steps = shortest(lengths, indices, index => this.lengthOf(split, index)) ?? shape.sequenceLength;
    const targetLength = shortest(this.targetLengths, indices, index => lengthOfTarget(split.targets, index));
    const predictions = predictionsOf(spec, steps, targetLength);
    const weight = total === 0 ? 0 : 1 / total;
    shards.forEach((shard, s) => {
      shard.steps.set([steps, targetLength ?? 0]);
      for (let row = 0; row < shape.batch; row++) {
        const inBatch = s * shape.batch + row;
        if (inBatch < indices.length) {
          const index = indices[inBatch];
          const length = this.lengthOf(split, index);
          const draw = shape.training ? this.augment.key(step, inBatch) : undefined;
          const place = { split, index, length, row, inBatch };
          this.writeRow(shard, { ...place, steps, predictions, weight, step, draw });
        } else this.clearRow(shard, row);
      }
    });
  }

  private lengthOf({ lengths }: Split, index: number): number {
    const { spec, shape } = this;
    return lengths ? stepsRead(spec.steps, lengths[index]) : shape.sequenceLength;
  }

  private targetsOf({ targets }: Split, index: number): Int32Array | Float32Array {
    if (this.spec.decoder)
      return this.withBoundary(symbolsOfTarget(targetsOfKind('sequence', targets), index));
    const width = this.losses * numbersOfTarget(targets);
    return targets.values.subarray(index * width, (index + 1) * width);
  }

  /** What a decoder predicts: `symbols`, then the boundary. */
  private withBoundary(symbols: Int32Array): Int32Array {
    const all = new Int32Array(this.losses).fill(IGNORED);
    all.set(symbols);
    all[symbols.length] = this.boundary;
    return all;
  }

  private get boundary(): number {
    return this.spec.outputSize - 1;
  }

  /** The denominator of the mean. */
  private totalWeight(split: Split, indices: Uint32Array): number {
    let total = 0;
    for (const index of indices) {
      const values = this.targetsOf(split, index);
      const length = this.lengthOf(split, index);
      for (let t = 0; t < this.losses; t++)
        if (this.counts(split, values, length, t)) total += this.loss.weight(this.spec.outputSize, values[t]);
    }
    return total;
  }

  /** A target counts unless it is ignored or past the end of its sequence. */
  private counts({ targets }: Split, values: Int32Array | Float32Array, length: number, t: number): boolean {
    if (isOfSequences(this.loss)) return true;
    if (predictsEachStep(this.spec.head) && !this.spec.decoder && t >= length) return false;
    return !isIgnoredNumber(targets, values[t * this.numbersEach(targets)]);
  }

  /** Numbers of the data for each prediction; a decoder predicts one symbol at a time. */
  private numbersEach(targets: Targets): number {
    return this.spec.decoder ? 1 : numbersOfTarget(targets);
  }

  private writeRow({ inputs }: ShardBatch, row: Row): void {
    // those of steps to stack follow one another
    const { split, index, draw } = row;
    if (this.features.length > 0) split.read(index, this.features, 0, numbersPerStep(this.spec), draw);
    for (const input of this.inputs) this.fill[input.role](input, inputs[input.name], row);
  }

  private clearRow({ inputs }: ShardBatch, row: number): void {
    for (const input of this.inputs) {
      const width = widthOf(input);
      const values = inputs[input.name];
      for (let at = row * width; at < values.length; at += this.shape.batch * width)
        values.fill(0, at, at + width);
    }
  }

  private readonly fill: Readonly<Record<InputRole, Fill>> = {
    features: (input, values, { split, index, row, draw }) => {
      const { batch, sequenceLength } = this.shape;
      const { features, featureCount } = this;
      const { first = 0 } = input;
      const { repeat = 1 } = this.spec.steps ?? {};
      const width = widthOf(input);
      if (this.features.length === 0) {
        split.read(index, values, row * width, batch * width, draw);
        return;
      }
      for (let t = 0; t < countOf(input, this.spec, { steps: sequenceLength }); t++) {
        const from = Math.floor(t / repeat) * featureCount + first;
        values.set(features.subarray(from, from + width), (t * batch + row) * width);
      }
    },
    mask: (_input, values, { length, row }) => {
      for (let t = 0; t < this.shape.sequenceLength; t++)
        values[t * this.shape.batch + row] = t < length ? 1 : 0;
    },
    pool: (_input, values, { length, row }) => {
      const { stepWeight } = heads[this.spec.head.from];
      for (let t = 0; t < this.shape.sequenceLength; t++) {
        values[t * this.shape.batch + row] = stepWeight(t, length);
      }
    },
    target: (input, values, { split, index, row }) => {
      const width = widthOf(input);
      const { targets } = split;
      const given = this.targetsOf(split, index);
      if (input.per === 'symbol') {
        const { batch, targetLength = 0 } = this.shape;
        for (let s = 0; s < targetLength; s++) values[s * batch + row] = given[s] ?? IGNORED;
        return;
      }
      for (let t = 0; t < this.losses; t++) {
        // repeat each number of the data for every output that predicts it
        const numbers = this.numbersEach(targets);
        const from = t * numbers;
        const at = (t * this.shape.batch + row) * width;
        // an ignored target has weight 0 but must not be NaN
        for (let c = 0; c < width; c++) {
          const value = given[from + Math.floor((c * numbers) / width)];
          values[at + c] = Number.isNaN(value) ? 0 : value;
        }
      }
    },
    previous: (_input, values, { split, index, row }) => {
      const given = this.targetsOf(split, index);
      for (let t = 0; t < this.losses; t++) {
        const before = t === 0 ? this.boundary : given[t - 1];
        // nothing counts after the end
        values[t * this.shape.batch + row] = before === IGNORED ? this.boundary : before;
      }
    },
    weight: (_input, values, { split, index, length, row, weight }) => {
      const given = this.targetsOf(split, index);
      for (let t = 0; t < this.losses; t++) {
        values[t * this.shape.batch + row] = this.counts(split, given, length, t) ? weight : 0;
      }
    },
    length: (_input, values, { length, row }) => {
      values[row] = length;
    },
    dropout: (input, values, { row, inBatch, steps, predictions, step }) => {
      const { probability, stream } = input.dropout!;
      const width = widthOf(input);
      const count = input.per === 'step' ? steps : predictions;
      const kept = 1 / (1 - probability);
      for (let t = 0; t < count; t++) {
        const key = this.dropout.key(step, inBatch, stream, t);
        const at = (t * this.shape.batch + row) * width;
        for (let unit = 0; unit < width; unit++) {
          values[at + unit] = uniform(key, unit) < probability ? 0 : kept;
        }
      }
    },
  };
}

/** The least of `lengths`, which ascend, that is enough for all of `indices`. */
function shortest(
  lengths: readonly number[],
  indices: Uint32Array,
  lengthOf: (index: number) => number,
): number | undefined {
  const longest = indices.reduce((most, index) => Math.max(most, lengthOf(index)), 1);
  return lengths.find(length => length >= longest);
}
