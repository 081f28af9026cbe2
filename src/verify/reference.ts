/**
 * Loss and gradient of a model in float64: the graphs that its kernels are compiled from, in the
 * same schedule, interpreted with the ops' references.
 */
import { interpret } from '../math/graph/interpret.js';
import type { Program } from '../math/graph/node.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import { declaredInputs, type InputOptions, predictionsOf, widthOf } from '../math/model/inputs.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { MAX_CELL_STEPS } from '../math/model/schedule.js';
import type { ModelSpec } from '../math/model/spec.js';
import { type Machine, ScheduleWalk } from '../math/model/walk.js';
import type { ShardBatch, ShardShape } from '../train/shards.js';

/** Like the batch of a shard (`train/shards.ts`), in float64. */
export interface ReferenceBatch extends InputOptions {
  /** B. */
  readonly rows: number;
  /** T. */
  readonly steps: number;
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

function interpreter(): Machine<Float64Array> {
  const programs = new Map<string, Program>();
  return {
    allocate: size => new Float64Array(size),
    async run({ key, make }, values, into) {
      const program = programs.get(key) ?? make();
      programs.set(key, program);
      const known = interpret([...program.outputs.values()], values);
      return Object.fromEntries(
        [...program.outputs].map(([name, node]) => {
          const { data } = known.get(node)!;
          into[name]?.set(data);
          return [name, into[name] ?? data];
        }),
      );
    },
  };
}

export class Reference {
  private readonly layout: ParameterLayout;
  private readonly walk: ScheduleWalk<Float64Array>;

  /**
   * Splits the schedule like training, unless `maxCellSteps` is given or the gradients of a block
   * would need too much memory.
   */
  constructor(
    private readonly spec: ModelSpec,
    loss: LossSettings,
    private readonly batch: ReferenceBatch,
    maxCellSteps?: number,
  ) {
    this.layout = new ParameterLayout(spec);
    const { rows, steps, variableLength, training } = batch;
    const affordable = Math.max(1, Math.floor(MAX_NUMBERS / (2 * this.layout.size)));
    const limit = maxCellSteps ?? (affordable < MAX_CELL_STEPS ? affordable : undefined);
    const shape = { batch: rows, sequenceLength: steps, variableLength, training };
    const limited = limit === undefined ? shape : { ...shape, maxCellSteps: limit };
    this.walk = new ScheduleWalk(spec, lossOf(loss), limited, interpreter());
  }

  /** `parameters` are flat, in the layout's order. */
  async lossAt(parameters: Float64Array): Promise<number> {
    const result = this.emptyResult();
    await this.walk.evaluate(parameters, this.batch, result);
    return this.weightedLoss(result.rows);
  }

  async gradientAt(parameters: Float64Array): Promise<Gradient> {
    const result = this.emptyResult();
    const gradient = new Float64Array(this.layout.size);
    await this.walk.writeGradient(parameters, this.batch, result, gradient);
    return { loss: this.weightedLoss(result.rows), gradient };
  }

  private emptyResult() {
    const rows = predictionsOf(this.spec, this.batch.steps) * this.batch.rows;
    return { rows: new Float64Array(rows), predictions: new Float64Array(rows * this.spec.outputSize) };
  }

  private weightedLoss(rows: Float64Array): number {
    const { weight } = this.batch.inputs;
    return rows.reduce((loss, row, i) => loss + row * weight[i], 0);
  }
}

export interface BatchInShards {
  readonly spec: ModelSpec;
  readonly loss: LossSettings;
  readonly shape: ShardShape;
  readonly shards: readonly ShardBatch[];
}

/**
 * Rows of the batch, from 0 for the first of the first shard, that have a prediction that counts.
 */
export function countedRows({ shape, shards }: BatchInShards): number[] {
  return shards.flatMap(({ inputs: { weight } }, s) =>
    range(shape.batch)
      .filter(row => weight.some((one, at) => at % shape.batch === row && one !== 0))
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

export function keepRows({ shape, shards }: BatchInShards, rows: readonly number[]): void {
  for (const [s, { inputs }] of shards.entries())
    for (const at of inputs.weight.keys())
      if (!rows.includes(s * shape.batch + (at % shape.batch))) inputs.weight[at] = 0;
}

export function readRows(
  { spec, loss, shape, shards }: BatchInShards,
  rows: readonly number[],
): ReferenceBatch {
  const [{ steps }] = shards;
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
    const count = input.per === 'step' ? steps[0] : predictionsOf(spec, steps[0]);
    return [input.name, read(input.name, count, widthOf(input))];
  });
  const { variableLength, training } = shape;
  return { rows: rows.length, steps: steps[0], variableLength, training, inputs: Object.fromEntries(inputs) };
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
