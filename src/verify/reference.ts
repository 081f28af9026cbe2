/**
 * Loss and gradient of a model in float64: the very graphs that its kernels are made from, interpreted with the ops' references.
 * Long sequences go segment by segment, as in training.
 */
import { interpret } from '../graph/interpret.js';
import { type Program, reachable } from '../graph/node.js';
import type { LossName } from '../losses/index.js';
import { losses } from '../losses/index.js';
import { ParameterLayout } from '../model/parameters.js';
import { type SegmentOptions, segmentProgram, stateNames } from '../model/programs.js';
import { cutIntoSegments, type Segment } from '../model/segments.js';
import type { ModelSpec } from '../model/spec.js';

/** As the batch of a shard (`training/shard.ts`), in float64. */
export interface ReferenceBatch {
  /** B. */
  readonly rows: number;
  /** T. */
  readonly sequenceLength: number;
  /** [T, B, F]. */
  readonly x: Float64Array;
  /** [S, B] classes or [S, B, C] values; S is T with a head on every step, else 1. */
  readonly target: Float64Array;
  /** [S, B]. */
  readonly weight: Float64Array;
  /** [T, B], where sequences differ in length and the head reads the last step. */
  readonly ends?: Float64Array;
}

export interface Gradient {
  /** Sum of weight times loss. */
  readonly loss: number;
  /** Flat, in the layout's order. */
  readonly gradient: Float64Array;
}

type Arrays = Readonly<Record<string, Float64Array>>;
type Part = Pick<SegmentOptions, 'hasLoss' | 'gradient'>;

/** Numbers that the gradients of one segment may take, which for each step are twice the parameters: half a gigabyte. */
const MOST_NUMBERS = 2 ** 26;

export class Reference {
  private readonly layout: ParameterLayout;
  private readonly segments: readonly Segment[];
  private readonly programs = new Map<string, Program>();

  /** Segments are as long as in training, unless their gradients would take more than `mostNumbers`. */
  constructor(
    private readonly spec: ModelSpec,
    private readonly loss: LossName,
    private readonly batch: ReferenceBatch,
    mostNumbers = MOST_NUMBERS,
  ) {
    this.layout = new ParameterLayout(spec);
    const most = Math.max(1, Math.floor(mostNumbers / (2 * this.layout.size)));
    this.segments = cutIntoSegments(batch.sequenceLength, spec.numLayers).flatMap(segment =>
      piecesOf(segment, most),
    );
  }

  /** Floating-point operations of `lossAt`. */
  get lossFlops(): number {
    return this.segments.reduce((total, segment) => {
      const { outputs } = this.program(segment, { hasLoss: this.hasLoss(segment), gradient: false });
      const nodes = reachable(outputs.values());
      return nodes.reduce((sum, node) => sum + (node.op?.flops(node) ?? 0), total);
    }, 0);
  }

  /** `parameters` are flat, in the layout's order. */
  lossAt(parameters: Float64Array): number {
    let loss = 0;
    let states = this.initialStates();
    for (const segment of this.segments) {
      const part: Part = { hasLoss: this.hasLoss(segment), gradient: false };
      const out = this.run(segment, part, parameters, states);
      loss += this.weightedLoss(out, segment);
      states = pick(out, 'state.');
    }
    return loss;
  }

  /** Backwards through the segments; the states before each are computed first. */
  gradientAt(parameters: Float64Array): Gradient {
    const gradient = new Float64Array(this.layout.size);
    const before = this.statesBefore(parameters);
    let loss = 0;
    let cotangents: Arrays | undefined;
    for (const [i, segment] of [...this.segments.entries()].reverse()) {
      const source = cotangents ? 'from-states' : 'from-loss';
      const part: Part = { hasLoss: this.hasLoss(segment), gradient: source };
      const out = this.run(segment, part, parameters, { ...before[i], ...cotangents });
      loss += this.weightedLoss(out, segment);
      this.addGradients(out, gradient);
      cotangents = pick(out, 'gradient.state.', 'cotangent.');
    }
    return { loss, gradient };
  }

  private statesBefore(parameters: Float64Array): Arrays[] {
    const before = [this.initialStates()];
    for (const segment of this.segments.slice(0, -1)) {
      const part: Part = { hasLoss: false, gradient: false };
      before.push(pick(this.run(segment, part, parameters, before[before.length - 1]), 'state.'));
    }
    return before;
  }

  private run(segment: Segment, part: Part, parameters: Float64Array, states: Arrays): Arrays {
    const { start, steps } = segment;
    const { x, target, weight, ends, rows } = this.batch;
    const { from, count } = this.predictions(segment);
    const slice = (all: Float64Array, at: number, length: number, size: number) =>
      all.subarray(at * size, (at + length) * size);
    const values: Record<string, Float64Array> = {
      ...this.views(parameters),
      ...states,
      x: slice(x, start, steps, rows * this.spec.inputSize),
      target: slice(target, from, count, rows * this.targetSize),
      weight: slice(weight, from, count, rows),
      ...(ends && { ends: slice(ends, start, steps, rows) }),
    };
    const { outputs } = this.program(segment, part);
    const known = interpret([...outputs.values()], values);
    return Object.fromEntries([...outputs].map(([name, node]) => [name, known.get(node)!.data]));
  }

  private program({ steps }: Segment, part: Part): Program {
    const key = `${steps}/${part.hasLoss}/${part.gradient}`;
    let program = this.programs.get(key);
    if (!program) {
      program = segmentProgram(this.spec, this.loss, {
        batch: this.batch.rows,
        steps,
        carriesState: this.segments.length > 1,
        variableLength: this.batch.ends !== undefined,
        ...part,
      });
      this.programs.set(key, program);
    }
    return program;
  }

  private hasLoss({ start, steps }: Segment): boolean {
    return this.spec.head === 'every' || start + steps === this.batch.sequenceLength;
  }

  /** Which predictions a segment with a loss makes. */
  private predictions({ start, steps }: Segment): { from: number; count: number } {
    return this.spec.head === 'every' ? { from: start, count: steps } : { from: 0, count: 1 };
  }

  private get targetSize(): number {
    return losses[this.loss].target === 'class' ? 1 : this.spec.outputSize;
  }

  private initialStates(): Arrays {
    if (this.segments.length === 1) return {};
    const zeros = new Float64Array(this.batch.rows * this.spec.hiddenSize);
    const names = stateNames(this.spec, this.batch.ends !== undefined);
    return Object.fromEntries(names.map(name => [`state.${name}`, zeros]));
  }

  private views(parameters: Float64Array): Arrays {
    return Object.fromEntries(
      this.layout.parameters.map(({ name, offset, size }) => [
        name,
        parameters.subarray(offset, offset + size),
      ]),
    );
  }

  private weightedLoss(out: Arrays, segment: Segment): number {
    if (!this.hasLoss(segment)) return 0;
    const { rows, weight } = this.batch;
    const { from, count } = this.predictions(segment);
    let loss = 0;
    for (let t = 0; t < count; t++)
      out[`rows.${t}`].forEach((row, b) => {
        loss += row * weight[(from + t) * rows + b];
      });
    return loss;
  }

  private addGradients(out: Arrays, gradient: Float64Array): void {
    for (const { name, offset } of this.layout.parameters) {
      // a parameter that no result depends on (recurrent weights of a single step) has no output
      out[`gradient.${name}`]?.forEach((value, i) => {
        gradient[offset + i] += value;
      });
    }
  }
}

/** `segment` in pieces of at most `most` steps. */
function piecesOf({ start, steps }: Segment, most: number): Segment[] {
  const count = Math.ceil(steps / most);
  return Array.from({ length: count }, (_, i) => ({
    start: start + i * most,
    steps: Math.min(most, steps - i * most),
  }));
}

/** The arrays whose name begins with `prefix`, which becomes `renamed`. */
function pick(arrays: Arrays, prefix: string, renamed = prefix): Arrays {
  return Object.fromEntries(
    Object.entries(arrays)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [renamed + name.slice(prefix.length), value]),
  );
}
