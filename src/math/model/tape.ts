/** The arrays that the blocks of one walk through a schedule exchange. */
import type { KeyedProgram } from '../graph/node.js';
import type { BlockLinks, blockInputs, parametersOf } from './blocks.js';
import type { Block } from './schedule.js';
import { type ModelSpec, outputSizes } from './spec.js';

export type Numbers = Float32Array | Float64Array;
export type Arrays<A> = Record<string, A>;

/** A batch: the model's declared inputs by name, over at least `steps` steps. */
export interface WalkBatch<A> {
  readonly steps: number;
  readonly inputs: Readonly<Arrays<A>>;
  /** The initial states, if the model carries them over; not modified. */
  readonly states?: Readonly<Arrays<A>>;
}

export interface WalkResult<A> {
  /** Loss of each prediction before weighting, [S, B]. */
  readonly rows: A;
  /** [S, B, C]. */
  readonly predictions: A;
  /** The final states, if the model carries them over. */
  readonly states?: Readonly<Arrays<A>>;
}

/** A block with the facts that a walk needs, looked up once for all batches of a length. */
export interface PlannedBlock {
  readonly index: number;
  readonly block: Block;
  readonly links: BlockLinks;
  /** Whether other blocks read a parameter too. */
  readonly parameters: readonly (ReturnType<typeof parametersOf>[number] & { readonly isShared: boolean })[];
  readonly inputs: ReturnType<typeof blockInputs>;
  readonly forward: KeyedProgram;
  readonly gradient: KeyedProgram;
}

/**
 * What passes between the blocks of a walk: states, sequences of outputs, and the cotangents of
 * both. Its arrays are used again by every batch of the same length, and blocks write into them.
 */
export class Tape<A extends Numbers> {
  private readonly arrays = new Map<string, A>();
  private states = new Map<string, A>();
  private cotangents = new Map<string, A>();

  constructor(
    private readonly spec: ModelSpec,
    private readonly batch: number,
    private readonly length: number,
    private readonly allocate: (size: number) => A,
  ) {}

  begin({ states = {} }: WalkBatch<A>): void {
    this.states = new Map(Object.entries(states));
    this.cotangents = new Map();
    for (const [key, array] of this.arrays) if (key.startsWith(SUMMED)) array.fill(0);
  }

  inputs({ block, links }: PlannedBlock): Arrays<A> {
    const values: Arrays<A> = {};
    for (const { name, local, size, start } of links.incoming) {
      const started = () => this.array(`start.${start}.${size}`, this.batch * size, start);
      values[`state.${local}`] = this.states.get(name) ?? started();
    }
    this.below(links).forEach((part, i) => {
      values[`below.${i}`] = this.steps('sequence', part, block);
    });
    return values;
  }

  outputs({ index, block, links }: PlannedBlock): Arrays<A> {
    const places: Arrays<A> = {};
    for (const { name, local, size } of links.outgoing) {
      const place = this.array(`state.${index}.${name}`, this.batch * size);
      places[`state.${local}`] = place;
      this.states.set(name, place);
    }
    for (const part of this.above(links)) {
      const all = this.steps('sequence', part, block);
      const size = all.length / block.steps;
      for (let t = 0; t < block.steps; t++) {
        places[`above.${part.part}.${t}`] = all.subarray(t * size, (t + 1) * size) as A;
      }
    }
    return places;
  }

  /** Cotangents of a block's outgoing states and sequences. */
  cotangentsOf({ block, links }: PlannedBlock): Arrays<A> {
    const values: Arrays<A> = {};
    for (const { name, local, size } of links.outgoingCotangents) {
      const zeros = () => this.array(`zeros.${size}`, this.batch * size);
      values[`cotangent.state.${local}`] = this.cotangents.get(name) ?? zeros();
    }
    for (const part of this.above(links)) {
      values[`cotangent.above.${part.part}`] = this.steps(SUMMED, part, block);
    }
    return values;
  }

  /** Where a block writes the gradients of its incoming states. */
  gradients({ index, links }: PlannedBlock): Arrays<A> {
    const places: Arrays<A> = {};
    for (const { name, local, size } of links.incomingGradients) {
      const place = this.array(`gradient.${index}.${name}`, this.batch * size);
      places[`gradient.state.${local}`] = place;
      this.cotangents.set(name, place);
    }
    return places;
  }

  /** Adds the gradients of a block's incoming sequences: both directions of a layer read them. */
  addGradients({ block, links }: PlannedBlock, out: Readonly<Arrays<A>>): void {
    this.below(links).forEach((part, i) => {
      const all = this.steps(SUMMED, part, block);
      const size = all.length / block.steps;
      for (let t = 0; t < block.steps; t++) {
        const values = out[`gradient.below.${i}.${t}`] ?? [];
        for (let at = 0; at < values.length; at++) all[t * size + at] += values[at];
      }
    });
  }

  finish({ states }: WalkResult<A>): void {
    for (const [name, state] of Object.entries(states ?? {})) state.set(this.states.get(name)!);
  }

  private array(key: string, size: number, value = 0): A {
    let found = this.arrays.get(key);
    if (!found) {
      found = this.allocate(size);
      if (value !== 0) found.fill(value);
      this.arrays.set(key, found);
    }
    return found;
  }

  /** The sequences of the layer that a block reads. */
  private below({ below }: BlockLinks): SequencePart[] {
    if (below === undefined) return [];
    return outputSizes(this.spec, below).map((size, part) => ({ layer: below, part, size }));
  }

  /** The sequences that a block writes. */
  private above({ above }: BlockLinks): SequencePart[] {
    return above.map(({ layer, reverse }) => {
      const part = reverse ? 1 : 0;
      return { layer, part, size: outputSizes(this.spec, layer)[part] };
    });
  }

  /** The steps of a block in a sequence, [S, B, D]. */
  private steps(kind: string, { layer, part, size }: SequencePart, { start, steps }: Block): A {
    const row = this.batch * size;
    const all = this.array(`${kind}.${layer}.${part}`, this.length * row);
    return all.subarray(start * row, (start + steps) * row) as A;
  }
}

/** Keys of arrays that accumulate, and so start at zero. */
const SUMMED = 'cotangents';

interface SequencePart {
  readonly layer: number;
  readonly part: number;
  readonly size: number;
}
