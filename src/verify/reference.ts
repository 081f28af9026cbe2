/**
 * Loss and gradient of a model in float64: the graphs that its kernels are compiled from, in the
 * same schedule, interpreted with the ops' references.
 */
import { interpret } from '../math/graph/interpret.js';
import { type KeyedProgram, type Program, reachable } from '../math/graph/node.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import { declaredInputs, type InputOptions, predictionsOf, widthOf } from '../math/model/inputs.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { blockProgram } from '../math/model/programs.js';
import { MAX_CELL_STEPS, makeSchedule } from '../math/model/schedule.js';
import type { ModelSpec } from '../math/model/spec.js';
import type { Arrays } from '../math/model/tape.js';
import { type Machine, ScheduleWalk, type WalkShape } from '../math/model/walk.js';
import type { ShardBatch, ShardShape } from '../train/shards.js';

/** Like the batch of a shard (`train/step/shards.ts`), in float64. */
export interface ReferenceBatch extends InputOptions {
  /** B. */
  readonly rows: number;
  /** T. */
  readonly steps: number;
  /** The model's declared inputs by name. */
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

class Interpreter implements Machine<Float64Array> {
  private readonly programs = new Map<string, Program>();

  allocate(size: number): Float64Array {
    return new Float64Array(size);
  }

  async run(
    { key, make }: KeyedProgram,
    values: Readonly<Arrays<Float64Array>>,
    into: Readonly<Arrays<Float64Array>>,
  ): Promise<Arrays<Float64Array>> {
    let program = this.programs.get(key);
    if (!program) {
      program = make();
      this.programs.set(key, program);
    }
    const known = interpret([...program.outputs.values()], values);
    return Object.fromEntries(
      [...program.outputs].map(([name, node]) => {
        const { data } = known.get(node)!;
        into[name]?.set(data);
        return [name, into[name] ?? data];
      }),
    );
  }
}

export class Reference {
  private readonly layout: ParameterLayout;
  private readonly shape: WalkShape;
  private readonly walk: ScheduleWalk<Float64Array>;

  /**
   * Splits the schedule like training, unless `maxCellSteps` is given or the gradients of a block
   * would need too much memory.
   */
  constructor(
    private readonly spec: ModelSpec,
    private readonly loss: LossSettings,
    private readonly batch: ReferenceBatch,
    maxCellSteps?: number,
  ) {
    this.layout = new ParameterLayout(spec);
    const { rows, steps, variableLength, training } = batch;
    const affordable = Math.max(1, Math.floor(MAX_NUMBERS / (2 * this.layout.size)));
    const limit = maxCellSteps ?? (affordable < MAX_CELL_STEPS ? affordable : undefined);
    this.shape = {
      batch: rows,
      sequenceLength: steps,
      variableLength,
      training,
      ...(limit !== undefined && { maxCellSteps: limit }),
    };
    this.walk = new ScheduleWalk(spec, lossOf(loss), this.shape, new Interpreter());
  }

  /** Floating-point operations of `lossAt`. */
  get lossFlops(): number {
    const { spec, shape } = this;
    const options = { ...shape, gradient: false };
    const blocks = makeSchedule(spec, { ...shape, steps: shape.sequenceLength });
    return blocks.reduce((total, block) => {
      const { outputs } = blockProgram(spec, lossOf(this.loss), block, options);
      return reachable(outputs.values()).reduce((sum, node) => sum + (node.op?.flops(node) ?? 0), total);
    }, 0);
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

/**
 * Sets the weights of all rows except `rows` to 0, and those of `rows` to their weights in the mean
 * over them alone.
 */
export function keepRows(batch: BatchInShards, rows: readonly number[]): void {
  const { shape, shards, loss, spec } = batch;
  const kept = new Set(rows);
  const { weight: weightOf, targetWidth } = lossOf(loss);
  const width = targetWidth(spec.outputSize) ?? 1;
  const weights = shards.flatMap(({ inputs: { weight, target } }, s) =>
    range(weight.length).map(at => {
      const counts = weight[at] !== 0 && kept.has(s * shape.batch + (at % shape.batch));
      return { weight, at, own: counts ? weightOf(spec.outputSize, target[at * width]) : 0 };
    }),
  );
  const total = weights.reduce((sum, one) => sum + one.own, 0);
  for (const { weight, at, own } of weights) weight[at] = own > 0 ? 1 / total : 0;
}

/** Copies `rows` into a separate batch. */
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
