/**
 * Loss, predictions and gradient of one shard: the rows of a batch that one thread computes. Short sequences run as
 * one program; long ones segment by segment, forwards keeping only the states between segments, then backwards, where
 * each segment's forward pass is computed again (Chen et al., 2016, Training Deep Nets with Sublinear Memory Cost).
 */
import type { Executable, Value } from '../engine/executable.js';
import type { Engine } from '../engine/index.js';
import type { LossName } from '../losses/index.js';
import { losses } from '../losses/index.js';
import { ParameterLayout } from '../model/parameters.js';
import { type SegmentOptions, segmentProgram, stateNames } from '../model/programs.js';
import { cutIntoSegments, type Segment } from '../model/segments.js';
import type { ModelSpec } from '../model/spec.js';

/** What one shard computes on. Rows of weight 0 count for nothing: they fill up a last partial batch. */
export interface ShardBatch {
  /** [T, B, F]. */
  readonly x: Float32Array;
  /** [S, B] classes or [S, B, C] values; S is T with a head on every step, else 1. */
  readonly target: Float32Array;
  /** [S, B]: what each prediction's loss counts. */
  readonly weight: Float32Array;
  /** [T, B], 1 at each sequence's last step, else 0; given where sequences differ in length and the head reads the last. */
  readonly ends?: Float32Array;
}

/** The size of a shard and of its sequences. */
export interface ShardShape {
  /** B. */
  readonly batch: number;
  /** T. */
  readonly sequenceLength: number;
  /** Whether `ends` is given. */
  readonly variableLength: boolean;
}

export interface ShardResult {
  /** Loss of each prediction before weighting, [S, B]. */
  readonly rows: Float32Array;
  /** [S, B, C]. */
  readonly predictions: Float32Array;
}

type Arrays = Record<string, Float32Array>;

export class Shard {
  readonly layout: ParameterLayout;
  private readonly segments: readonly Segment[];
  private readonly compiled = new Map<string, Executable>();

  constructor(
    private readonly engine: Engine,
    private readonly spec: ModelSpec,
    private readonly loss: LossName,
    private readonly shape: ShardShape,
  ) {
    this.layout = new ParameterLayout(spec);
    this.segments = cutIntoSegments(shape.sequenceLength, spec.numLayers);
  }

  /** gpu.js's name for what executes the programs; null before the first has run. */
  get executor(): string | null {
    return [...this.compiled.values()].find(executable => executable.executor)?.executor ?? null;
  }

  /** Loss and predictions without a gradient. */
  async evaluate(parameters: Float32Array, given: ShardBatch): Promise<ShardResult> {
    const result = this.emptyResult();
    let states = this.initialStates();
    for (const segment of this.segments) {
      const hasLoss = this.hasLoss(segment);
      const out = await this.run(segment, { hasLoss, gradient: false }, parameters, given, states);
      if (hasLoss) this.collect(out, segment, result);
      states = pick(out, 'state.');
    }
    return result;
  }

  /** Adds the gradient of sum(weight * loss) to `gradient` (flat, in the layout's order). */
  async addGradient(
    parameters: Float32Array,
    given: ShardBatch,
    gradient: Float32Array,
  ): Promise<ShardResult> {
    const result = this.emptyResult();
    const before = await this.statesBefore(parameters, given);
    let cotangents: Arrays | null = null;
    for (let at = this.segments.length - 1; at >= 0; at--) {
      const segment = this.segments[at];
      const hasLoss = this.hasLoss(segment);
      const source = cotangents ? 'from-states' : 'from-loss';
      const inputs: Arrays = { ...before[at], ...cotangents };
      const out = await this.run(segment, { hasLoss, gradient: source }, parameters, given, inputs);
      if (hasLoss) this.collect(out, segment, result);
      this.accumulate(out, gradient);
      cotangents = pick(out, 'gradient.state.', 'cotangent.');
    }
    return result;
  }

  /** The states before each segment. */
  private async statesBefore(parameters: Float32Array, given: ShardBatch): Promise<Arrays[]> {
    const before = [this.initialStates()];
    for (const segment of this.segments.slice(0, -1)) {
      const options = { hasLoss: false, gradient: false } as const;
      before.push(
        pick(await this.run(segment, options, parameters, given, before[before.length - 1]), 'state.'),
      );
    }
    return before;
  }

  private run(
    { start, steps }: Segment,
    options: Pick<SegmentOptions, 'hasLoss' | 'gradient'>,
    parameters: Float32Array,
    { x, target, weight, ends }: ShardBatch,
    states: Arrays,
  ): Promise<Arrays> {
    const stepSize = this.shape.batch * this.spec.inputSize;
    const values: Record<string, Value> = {
      ...this.layout.views(parameters),
      ...states,
      x: x.subarray(start * stepSize, (start + steps) * stepSize),
    };
    if (ends) values.ends = ends.subarray(start * this.shape.batch, (start + steps) * this.shape.batch);
    if (options.hasLoss) {
      const [from, count] = this.spec.head === 'every' ? [start, steps] : [0, 1];
      const part = (all: Float32Array, size: number) => all.subarray(from * size, (from + count) * size);
      values.target = part(target, this.shape.batch * this.targetSize);
      values.weight = part(weight, this.shape.batch);
    }
    return this.program(steps, options).run(values);
  }

  private program(steps: number, options: Pick<SegmentOptions, 'hasLoss' | 'gradient'>): Executable {
    const key = `${steps}/${options.hasLoss}/${options.gradient}`;
    let executable = this.compiled.get(key);
    if (!executable) {
      const carriesState = this.segments.length > 1;
      executable = this.engine.compile(
        segmentProgram(this.spec, this.loss, { ...this.shape, steps, carriesState, ...options }),
      );
      this.compiled.set(key, executable);
    }
    return executable;
  }

  private get targetSize(): number {
    return losses[this.loss].target === 'class' ? 1 : this.spec.outputSize;
  }

  private hasLoss({ start, steps }: Segment): boolean {
    return this.spec.head === 'every' || start + steps === this.shape.sequenceLength;
  }

  private initialStates(): Arrays {
    if (this.segments.length === 1) return {};
    const zeros = new Float32Array(this.shape.batch * this.spec.hiddenSize);
    const names = stateNames(this.spec, this.shape.variableLength);
    return Object.fromEntries(names.map(name => [`state.${name}`, zeros]));
  }

  private emptyResult(): ShardResult {
    const rows = this.shape.batch * (this.spec.head === 'every' ? this.shape.sequenceLength : 1);
    return { rows: new Float32Array(rows), predictions: new Float32Array(rows * this.spec.outputSize) };
  }

  private collect(out: Arrays, { start, steps }: Segment, { rows, predictions }: ShardResult): void {
    const [from, count] = this.spec.head === 'every' ? [start, steps] : [0, 1];
    for (let t = 0; t < count; t++) {
      const at = (from + t) * this.shape.batch;
      rows.set(out[`rows.${t}`], at);
      predictions.set(out[`prediction.${t}`], at * this.spec.outputSize);
    }
  }

  private accumulate(out: Arrays, gradient: Float32Array): void {
    for (const { name, offset } of this.layout.parameters) {
      // a parameter that no result depends on (recurrent weights of a single step) has no output
      const part = out[`gradient.${name}`] ?? [];
      for (let i = 0; i < part.length; i++) gradient[offset + i] += part[i];
    }
  }
}

/** The arrays whose name begins with `prefix`, that prefix replaced where `renamed` is given. */
function pick(arrays: Arrays, prefix: string, renamed = prefix): Arrays {
  return Object.fromEntries(
    Object.entries(arrays)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [renamed + name.slice(prefix.length), value]),
  );
}
