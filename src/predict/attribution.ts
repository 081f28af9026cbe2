/**
 * Integrated gradients (Sundararajan, Taly and Yan, "Axiomatic Attribution for Deep Networks", ICML
 * 2017): what each value of a sequence contributes to the difference of an output F from that of a
 * reference r, whose steps are all the mean step of the training split:
 *
 *     a_i = (x_i - r_i) * integral over s from 0 to 1 of dF/dx_i (r + s (x - r))
 *
 * so that the sum of all a_i is F(x) - F(r). The training kernels compute the gradients: what the
 * model reads in a step becomes a row of an embedding, whose gradient is that of the input. Thus
 * numbers, symbols (the vectors of their embedding) and features of recordings are treated alike.
 */

import { inputWidth, type Split } from '../data/core/dataset.js';
import type { Targets } from '../data/core/targets.js';
import { IGNORED } from '../data/index.js';
import { type LossSettings, lossOf, taskOf } from '../math/losses/index.js';
import { predictsEachStep } from '../math/model/heads.js';
import { declaredInputs } from '../math/model/inputs.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { type ModelInput, stepInData, stepsRead } from '../math/model/spec.js';
import { ShardPool } from '../train/pool.js';
import { type ModelRun, ShardedBatches } from '../train/shards.js';
import type { OpenedModel } from './predictor.js';

/** Rows of a batch: points of the path, or inputs with an occluded part. */
const ROWS = 32;
/** Error of the sum that is accepted, as a fraction of the difference of the outputs. */
const TOLERANCE = 0.01;
/** The path is divided until the sum is exact enough, or has this many pieces of `ROWS` points. */
const MAX_PIECES = 16;

/** An input of the lowest layer, or of the head. */
interface Part {
  readonly isStatic: boolean;
  /** The place of its first value among those that the model reads in a step. */
  readonly first: number;
  readonly size: number;
  /** The vector of each symbol; absent for numbers. */
  readonly table?: Float32Array;
  /** Its first number in the reference. */
  readonly offset: number;
}

/** What is explained of a prediction; for values, always their mean. */
export interface Explained {
  /** The class of each step; negative if it does not count. */
  readonly classes?: readonly number[];
  /** The class of the sequence, or one of its labels. */
  readonly output?: number;
  /** The symbols that a sequence is read as. */
  readonly symbols?: readonly number[];
}

export interface Attribution {
  /** As {@link outputExplained} says; values as the model computes them. */
  readonly output: number;
  /** That of the reference. */
  readonly reference: number;
  /** `[length, W]`, of each value of the data; static ones in the first step. */
  readonly values: Float64Array;
  /** Difference of their sum from that of the outputs, as a fraction of it. */
  readonly error: number;
  /** How much the output falls if the values of each mask are those of the reference. */
  readonly occluded: readonly number[];
}

/** Whether a value of the data is replaced, by its step and its place in it. */
export type Mask = (step: number, feature: number) => boolean;

export class Attributor {
  private readonly parts: readonly Part[];
  /** W of the data, or of several steps that the model reads as one. */
  private readonly width: number;
  private readonly dataWidth: number;
  private readonly layout: ParameterLayout;

  private constructor(
    private readonly model: OpenedModel,
    private readonly derived: ModelRun,
    private readonly pool: ShardPool,
    private readonly batches: ShardedBatches,
  ) {
    this.parts = partsOf(model);
    this.dataWidth = inputWidth(model.data.input);
    this.width = this.dataWidth * (model.run.spec.steps?.stack ?? 1);
    this.layout = new ParameterLayout(derived.spec);
  }

  /** @param steps of the longest sequence */
  static async open(model: OpenedModel, steps = model.run.sequenceLength): Promise<Attributor> {
    const { run } = model;
    const sequenceLength = stepsRead(run.spec.steps, steps);
    const { spec, loss } = explainedModel(run, sequenceLength);
    // what is predicted may be longer than all targets
    const targetLength = run.targetLength && Math.max(run.targetLength, run.decode?.limit ?? sequenceLength);
    const lengths = { sequenceLength, targetLength, variableLength: true };
    const derived: ModelRun = { ...run, spec, loss, metrics: [], ...lengths };
    const pool = await ShardPool.open(derived);
    return new Attributor(model, derived, pool, new ShardedBatches(pool, derived, ROWS, true));
  }

  close(): Promise<void> {
    return this.pool.close();
  }

  /** The mean of what the model reads in the steps of a split in memory. */
  meanStep(split: Split): Float64Array {
    const { parts, model } = this;
    const sums = parts.map(({ size }) => new Float64Array(size));
    const counts = parts.map(() => 0);
    const row = new Float32Array(model.run.sequenceLength * this.dataWidth);
    for (let i = 0; i < split.count; i++) {
      split.read(i, row, 0, this.dataWidth);
      const length = split.lengths?.[i] ?? model.run.sequenceLength;
      this.vectors(row, length).forEach((vectors, p) => {
        const { size } = parts[p];
        vectors.forEach((value, at) => {
          sums[p][at % size] += value;
        });
        counts[p] += vectors.length / size;
      });
    }
    return Float64Array.from(sums.flatMap((sum, p) => Array.from(sum, value => value / counts[p])));
  }

  /** @param row `[T, W]`, as a split reads it */
  async attribute(
    row: Float32Array,
    { length, explained, reference, masks }: AttributionOf,
  ): Promise<Attribution> {
    const { model, parts } = this;
    const steps = stepsRead(model.run.spec.steps, length);
    const x = this.vectors(row, length);
    this.copyParameters(explained);
    const split = this.splitOf(steps, explained);
    const at = (p: number, i: number) => reference[parts[p].offset + (i % parts[p].size)];
    const placeOf = (p: number, i: number) =>
      this.placeOf(parts[p], Math.floor(i / parts[p].size), i % parts[p].size);
    const shown: number[] = [];
    for (let from = 0; from < masks.length + 2; from += ROWS) {
      const isReplaced = (r: number, p: number, i: number) => {
        if (r + from < 2) return r + from === 1;
        const mask = masks.at(r + from - 2);
        if (r + from - 2 >= masks.length || mask === undefined) return false;
        const { step, feature } = placeOf(p, i);
        return mask(Math.min(step, length - 1), feature);
      };
      this.write(x, (r, p, i) => (isReplaced(r, p, i) ? at(p, i) : x[p][i]));
      shown.push(...(await this.compute(split)));
    }
    const [output, base, ...without] = shown;
    const difference = output - base;
    for (let pieces = 1; ; pieces *= 2) {
      const sums = x.map(({ length: size }) => new Float64Array(size));
      for (let piece = 0; piece < pieces; piece++) {
        this.write(x, (r, p, i) => at(p, i) + ((piece + NODES[r].at) / pieces) * (x[p][i] - at(p, i)));
        await this.compute(split);
        await this.addGradients(sums, split, pieces);
      }
      const values = new Float64Array(length * this.dataWidth);
      sums.forEach((sum, p) => {
        sum.forEach((gradient, i) => {
          const { step, feature } = placeOf(p, i);
          // steps that fill up the last one of several are no steps of the data
          const to = Math.min(step, length - 1) * this.dataWidth + feature;
          values[to] += (x[p][i] - at(p, i)) * gradient;
        });
      });
      const sum = values.reduce((total, value) => total + value, 0);
      const error = difference === 0 ? Math.abs(sum) : Math.abs(sum / difference - 1);
      if (error > TOLERANCE && pieces < MAX_PIECES) continue;
      const occluded = without.slice(0, masks.length).map(value => output - value);
      return { output, reference: base, values, error, occluded };
    }
  }

  /** What the model reads of a sequence: `[steps, size]` of each part, or `[1, size]`. */
  private vectors(row: Float32Array, length: number): Float32Array[] {
    const { parts, width, model } = this;
    const { repeat = 1 } = model.run.spec.steps ?? {};
    const steps = stepsRead(model.run.spec.steps, length);
    return parts.map(({ isStatic, first, size, table }) => {
      const count = isStatic ? 1 : steps;
      const vectors = new Float32Array(count * size);
      for (let t = 0; t < count; t++) {
        const from = Math.floor(t / repeat) * width + first;
        const own = table
          ? table.subarray(row[from] * size, (row[from] + 1) * size)
          : row.subarray(from, from + size);
        vectors.set(own, t * size);
      }
      return vectors;
    });
  }

  /** The step and feature of the data that number `k` of a part is read from at `step`. */
  private placeOf({ isStatic, first, table }: Part, step: number, k: number) {
    const at = first + (table ? 0 : k);
    const start = isStatic ? 0 : stepInData(this.model.run.spec.steps, step);
    return { step: start + Math.floor(at / this.dataWidth), feature: at % this.dataWidth };
  }

  /** Writes what each row reads. */
  private write(x: readonly Float32Array[], value: (row: number, part: number, i: number) => number): void {
    const { pool, layout, parts } = this;
    for (const [p, { size }] of parts.entries()) {
      const [{ offset }] = layout.blocksOf(moduleOf(p));
      for (let i = 0; i < x[p].length; i++) {
        const to = offset + Math.floor(i / size) * ROWS * size + (i % size);
        for (let r = 0; r < ROWS; r++) pool.parameters[to + r * size] = value(r, p, i);
      }
    }
  }

  /** The output of each row. */
  private async compute(split: Split): Promise<number[]> {
    const { batches, pool, derived } = this;
    const isValue = isLinear(this.model.run);
    pool.arrays.write(pool.parameters);
    batches.write(0, { split, indices: Uint32Array.from({ length: ROWS }, (_, r) => r) });
    await batches.compute(0);
    const shards = batches.shards(0);
    await pool.arrays.read(
      ...shards.flatMap(({ rows, predictions, gradient }) => [rows, predictions, gradient]),
    );
    const perShard = batches.job.shape.batch;
    const symbols = split.targets.kind === 'sequence' && derived.loss.kind === 'ctc' ? split.targets.size : 1;
    return Array.from({ length: ROWS }, (_, row) => {
      const { rows, predictions, batch } = shards[Math.floor(row / perShard)];
      const { weight } = batch.inputs;
      let [sum, count] = [0, 0];
      for (let at = row % perShard; at < weight.length; at += perShard) {
        if (weight[at] === 0) continue;
        sum += isValue ? predictions[at] : -rows[at];
        count++;
      }
      return isValue ? sum / count : sum * symbols;
    });
  }

  /** Adds the mean gradient over a piece of the path. */
  private async addGradients(sums: readonly Float64Array[], split: Split, pieces: number): Promise<void> {
    const { batches, layout, parts, derived } = this;
    const shards = batches.shards(0);
    const perShard = batches.job.shape.batch;
    const isValue = isLinear(this.model.run);
    const symbols = split.targets.kind === 'sequence' && derived.loss.kind === 'ctc' ? split.targets.size : 1;
    for (let row = 0; row < ROWS; row++) {
      const { gradient, batch } = shards[Math.floor(row / perShard)];
      const own = batch.inputs.weight.filter((one, at) => at % perShard === row % perShard && one !== 0);
      // that of the batch is the mean over all that counts
      const scale = isValue ? 1 / (own.length * own[0]) : -symbols / own[0];
      const factor = (NODES[row].weight * scale) / pieces;
      for (const [p, { size }] of parts.entries()) {
        const [{ offset }] = layout.blocksOf(moduleOf(p));
        for (let i = 0; i < sums[p].length; i++)
          sums[p][i] += factor * gradient[offset + (Math.floor(i / size) * ROWS + row) * size + (i % size)];
      }
    }
  }

  /** All rows read the same sequence, each its own rows of the embeddings. */
  private splitOf(steps: number, { classes, symbols }: Explained): Split {
    const { parts, derived, model } = this;
    const { sequenceLength, spec } = derived;
    const perStep = predictsEachStep(spec.head);
    const ofSteps = perStep ? sequenceLength : 1;
    const first = model.data.first_prediction ?? 0;
    const counts = (t: number) => !perStep || (t >= first && t < steps);
    const each = <A>(make: (t: number) => A): A[] =>
      Array.from({ length: ROWS * ofSteps }, (_, i) => make(i % ofSteps));
    const targets = (): Targets => {
      if (symbols) {
        const size = Math.max(1, symbols.length);
        const values = new Int32Array(ROWS * size).fill(IGNORED);
        for (let r = 0; r < ROWS; r++) values.set(symbols, r * size);
        return { kind: 'sequence', numClasses: spec.outputSize - 1, size, values };
      }
      if (classes) {
        const classAt = (t: number) => (counts(t) && classes[t - first] >= 0 ? classes[t - first] : IGNORED);
        const values = Int32Array.from(each(classAt));
        return { kind: 'class', numClasses: spec.outputSize, values, perStep };
      }
      return {
        kind: 'value',
        size: 1,
        values: Float32Array.from(each(t => (counts(t) ? BELOW : Number.NaN))),
        perStep,
      };
    };
    return {
      count: ROWS,
      targets: targets(),
      lengths: new Int32Array(ROWS).fill(steps),
      read(row, out, offset, stride) {
        for (let t = 0; t < sequenceLength; t++)
          for (const [p, { isStatic }] of parts.entries())
            out[offset + t * stride + p] = t < steps ? (isStatic ? 0 : t) * ROWS + row : 0;
      },
    };
  }

  /** The parameters without the embeddings of the input; of the head, what is explained. */
  private copyParameters({ output }: Explained): void {
    const { model, layout, pool, derived } = this;
    const { run } = model;
    const from = new ParameterLayout(run.spec);
    const last = run.spec.head.hidden_sizes.length;
    const isLast = (name: string) =>
      new RegExp(`^fc\\.${last > 0 ? `${last}\\.` : ''}(weight|bias)$`).test(name);
    for (const parameter of layout.parameters) {
      const source = from.parameters.find(({ name }) => name === parameter.name);
      if (source === undefined) continue;
      const flat = model.pool.parameters;
      const values = from.read(source, flat);
      const isMixed = isLast(source.name) && derived.spec.outputSize !== run.spec.outputSize;
      layout.write(parameter, isMixed ? mixed(values, shareOfOutputs(run, output)) : values, pool.parameters);
    }
  }
}

export interface AttributionOf {
  readonly length: number;
  readonly explained: Explained;
  readonly reference: ArrayLike<number>;
  readonly masks: readonly Mask[];
}

/** A target below all outputs: the gradient of the absolute error is then that of the output. */
const BELOW = -1e30;

/**
 * What is explained. `logit`: the logit of the predicted class minus the mean of those of the
 * others (for two classes its log odds), or the logit of a label, a mean over its steps; unlike a
 * probability, it does not saturate. `log_probability`: of the predicted classes of all steps, or
 * of the symbols of a sequence. `value`: the mean of the predicted values.
 */
export function outputExplained({ loss, spec }: Pick<ModelRun, 'loss' | 'spec'>) {
  const task = taskOf(loss);
  if (task === 'values') return 'value';
  return task === 'labels' || (task === 'classes' && !predictsEachStep(spec.head))
    ? 'logit'
    : 'log_probability';
}

/** Whether it is a sum of outputs of the model. */
function isLinear(run: Pick<ModelRun, 'loss' | 'spec'>): boolean {
  return outputExplained(run) !== 'log_probability';
}

function moduleOf(part: number): string {
  return `explained.${part}`;
}

/** The model that reads vectors, and whose loss is what is explained. */
function explainedModel({ spec, loss }: ModelRun, steps: number): Pick<ModelRun, 'spec' | 'loss'> {
  const { steps: _, carriesPool: __, inputs, statics, head, decoder, ...rest } = spec;
  const vectors = (part: ModelInput, at: number, count: number): ModelInput => {
    return {
      kind: 'symbol',
      count: count * ROWS,
      size: part.size,
      module: moduleOf(at),
      startsAtZero: false,
    };
  };
  return {
    spec: {
      ...rest,
      inputs: inputs.map((part, p) => vectors(part, p, steps)),
      statics: statics.map((part, p) => vectors(part, inputs.length + p, 1)),
      ...{ dropout: 0, carriesState: false, head: { ...head, dropout: 0 } },
      ...(decoder && { decoder: { ...decoder, dropout: 0 } }),
      ...(isLinear({ spec, loss }) && { outputSize: 1 }),
    },
    loss: isLinear({ spec, loss }) ? { kind: 'mae' } : loss.kind === 'ctc' ? loss : crossEntropy(loss),
  };
}

/** Without weights of classes and smoothing. */
function crossEntropy({ ofSymbols }: LossSettings): LossSettings {
  return { kind: 'cross_entropy', ...(ofSymbols && { ofSymbols }) };
}

/** How much each output counts. */
function shareOfOutputs({ loss, spec }: ModelRun, output: number | undefined): readonly number[] {
  const { outputSize } = spec;
  const others = taskOf(loss) === 'classes' ? -1 / (outputSize - 1) : 0;
  return Array.from({ length: outputSize }, (_, k) => {
    if (output !== undefined) return k === output ? 1 : others;
    const one = Float32Array.from({ length: outputSize }, (_, i) => (i === k ? 1 : 0));
    const values = lossOf(loss).point?.(one) ?? one;
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  });
}

/** One row from those of all outputs. @param values `[C, D]` or `[C]` */
function mixed(values: Float32Array, shares: readonly number[]): Float32Array {
  const width = values.length / shares.length;
  return Float32Array.from({ length: width }, (_, i) =>
    shares.reduce((sum, share, k) => sum + share * values[k * width + i], 0),
  );
}

function partsOf({ run, pool }: OpenedModel): Part[] {
  const { spec } = run;
  const layout = new ParameterLayout(spec);
  const inputs = [...spec.inputs, ...spec.statics];
  let offset = 0;
  return declaredInputs(spec, lossOf(run.loss), { variableLength: run.variableLength, training: false })
    .filter(({ role }) => role === 'features')
    .map(({ per, first = 0 }, p): Part => {
      const input = inputs[p];
      const { size } = input;
      const place = { isStatic: per === 'sequence', first, size, offset };
      offset += size;
      if (input.kind === 'number') return place;
      const parameter = layout.parameters.find(({ owner }) => owner === input.module)!;
      return { ...place, table: layout.read(parameter, pool.parameters) };
    });
}

/** Points and weights of Gauss and Legendre on [0, 1]: exact for polynomials up to degree 63. */
const NODES = Array.from({ length: ROWS }, (_, i) => {
  let z = Math.cos((Math.PI * (i + 0.75)) / (ROWS + 0.5));
  let slope = 0;
  // Newton's method on the Legendre polynomial
  for (let round = 0; round < 20; round++) {
    let [value, before] = [1, 0];
    for (let n = 1; n <= ROWS; n++)
      [value, before] = [((2 * n - 1) * z * value - (n - 1) * before) / n, value];
    slope = (ROWS * (z * value - before)) / (z * z - 1);
    z -= value / slope;
  }
  return { at: (1 - z) / 2, weight: 1 / ((1 - z * z) * slope * slope) };
});
