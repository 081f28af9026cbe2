/** What passes between the blocks of one walk through a schedule. */
import type { BlockLinks, BlockParameter, blockInputs, StateSpec } from './blocks.js';
import type { Block } from './schedule.js';
import { type ModelSpec, outputSizes } from './spec.js';

export type Numbers = Float32Array | Float64Array;
export type Arrays<A> = Record<string, A>;

/** A batch: the model's declared inputs by name, over at least `steps` steps. */
export interface WalkBatch<A> {
  /** Steps that are computed; all sequences have ended by then. */
  readonly steps: number;
  readonly inputs: Readonly<Arrays<A>>;
  /** The states it starts with, if the model carries them over; left as they are. */
  readonly states?: Readonly<Arrays<A>>;
}

/** Filled by a walk. */
export interface WalkResult<A> {
  /** Loss of each prediction before weighting, [S, B]. */
  readonly rows: A;
  /** [S, B, C]. */
  readonly predictions: A;
  /** The states it ends with, if the model carries them over. */
  readonly states?: Readonly<Arrays<A>>;
}

/** A block with what a walk looks up of it, once for all batches of a length. */
export interface PlannedBlock {
  readonly block: Block;
  readonly links: BlockLinks;
  readonly parameters: readonly BlockParameter[];
  readonly inputs: ReturnType<typeof blockInputs>;
  /** Of its programs. */
  readonly keys: { readonly forward: string; readonly gradient: string };
}

/**
 * What passes between the blocks of one walk: states, sequences of outputs, and the cotangents of
 * both.
 */
export class Tape<A extends Numbers> {
  private readonly states = new Map<string, A>();
  private readonly cotangentsOfStates = new Map<string, A>();
  /** By layer and part, [T, B, D]. */
  private readonly sequences = new Map<string, A>();
  private readonly cotangentsOfSequences = new Map<string, A>();

  constructor(
    private readonly spec: ModelSpec,
    private readonly batch: number,
    private readonly given: WalkBatch<A>,
    private readonly allocate: (size: number) => A,
  ) {
    for (const [name, state] of Object.entries(given.states ?? {})) this.states.set(name, state);
  }

  /** States and sequences that come into a block. */
  inputs({ block, links }: PlannedBlock): Arrays<A> {
    const values: Arrays<A> = {};
    for (const state of links.incoming) values[`state.${state.local}`] = this.stateOf(state);
    this.below(links).forEach((key, part) => {
      values[`below.${part}`] = this.steps(this.sequence(this.sequences, key), block, key);
    });
    return values;
  }

  cotangents({ block, links }: PlannedBlock): Arrays<A> {
    const values: Arrays<A> = {};
    for (const { name, local, size } of links.outgoingCotangents) {
      const known = this.cotangentsOfStates.get(name);
      values[`cotangent.state.${local}`] = known ?? this.allocate(this.batch * size);
    }
    for (const unit of links.above) {
      const part = unit.reverse ? 1 : 0;
      const key = sequenceKey(unit.layer, part);
      values[`cotangent.above.${part}`] = this.steps(
        this.sequence(this.cotangentsOfSequences, key),
        block,
        key,
      );
    }
    return values;
  }

  /** Takes what a block passes on. */
  keep({ block, links }: PlannedBlock, out: Arrays<A>): void {
    for (const { name, local } of links.outgoing) this.states.set(name, out[`state.${local}`]);
    for (const unit of links.above) {
      const part = unit.reverse ? 1 : 0;
      const key = sequenceKey(unit.layer, part);
      const all = this.steps(this.sequence(this.sequences, key), block, key);
      const size = all.length / block.steps;
      for (let t = 0; t < block.steps; t++) all.set(out[`above.${part}.${t}`], t * size);
    }
  }

  keepGradients({ block, links }: PlannedBlock, out: Arrays<A>): void {
    for (const { name, local, size } of links.incomingGradients) {
      const known = out[`gradient.state.${local}`];
      this.cotangentsOfStates.set(name, known ?? this.allocate(this.batch * size));
    }
    this.below(links).forEach((key, part) => {
      const all = this.steps(this.sequence(this.cotangentsOfSequences, key), block, key);
      const size = all.length / block.steps;
      for (let t = 0; t < block.steps; t++) {
        const values = out[`gradient.below.${part}.${t}`] ?? [];
        // both directions of the layer above read it
        for (let i = 0; i < values.length; i++) all[t * size + i] += values[i];
      }
    });
  }

  finish({ states }: WalkResult<A>): void {
    for (const [name, state] of Object.entries(states ?? {})) state.set(this.states.get(name)!);
  }

  private stateOf({ name, size, start }: StateSpec): A {
    let state = this.states.get(name);
    if (!state) {
      state = this.allocate(this.batch * size);
      state.fill(start);
      this.states.set(name, state);
    }
    return state;
  }

  /** The sequences of the layer that a block reads. */
  private below({ below }: BlockLinks): string[] {
    return below === undefined
      ? []
      : outputSizes(this.spec, below).map((_, part) => sequenceKey(below, part));
  }

  private sequence(of: Map<string, A>, key: string): A {
    let found = of.get(key);
    if (!found) {
      found = this.allocate(this.given.steps * this.batch * this.sizeOf(key));
      of.set(key, found);
    }
    return found;
  }

  private steps(sequence: A, { start, steps }: Block, key: string): A {
    const size = this.batch * this.sizeOf(key);
    return sequence.subarray(start * size, (start + steps) * size) as A;
  }

  private sizeOf(key: string): number {
    const [layer, part] = key.split('.').map(Number);
    return outputSizes(this.spec, layer)[part];
  }
}

function sequenceKey(layer: number, part: number): string {
  return `${layer}.${part}`;
}
