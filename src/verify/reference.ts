/**
 * Loss and gradient of a model in float64: the graphs that its kernels are compiled from, in the
 * same schedule, interpreted with the ops' references.
 */
import { interpret } from '../math/graph/interpret.js';
import { type KeyedProgram, type Program, reachable } from '../math/graph/node.js';
import { type LossSettings, lossOf } from '../math/losses/index.js';
import { type InputOptions, predictionsOf } from '../math/model/inputs.js';
import { ParameterLayout } from '../math/model/parameters.js';
import { blockProgram } from '../math/model/programs.js';
import { MAX_CELL_STEPS, makeSchedule } from '../math/model/schedule.js';
import type { ModelSpec } from '../math/model/spec.js';
import type { Arrays } from '../math/model/tape.js';
import { type Machine, ScheduleWalk, type WalkShape } from '../math/model/walk.js';

/** Like the batch of a shard (`train/shards.ts`), in float64. */
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
