/**
 * Carries out a schedule: loss, predictions and gradient of a batch. It keeps what passes between
 * blocks.
 */

import type { ArrayOperations, Numbers } from '../graph/arrays.js';
import type { KeyedProgram, ProgramPart } from '../graph/node.js';
import { isOfSequences, type Loss } from '../losses/loss.js';
import {
  attentionName,
  type BatchLengths,
  constantName,
  isOfDecoder,
  PREDICTION_COTANGENT,
  predictionsOf,
  readInputs,
  readStatics,
  widthOf,
} from './inputs.js';
import { ParameterLayout } from './parameters.js';
import { type KeptSize, keptSizes, type PlannedBlock, planBlocks, type WalkShape } from './runs.js';
import {
  type Block,
  type BlockLinks,
  blockLinks,
  hasLoss,
  inputRange,
  isBridge,
  makeSchedule,
  type StateSpec,
} from './schedule.js';
import { type ModelSpec, outputSizes } from './spec.js';

export type { Numbers };

type Arrays<A> = Record<string, A>;

/** A batch: the model's declared inputs by name, over at least its steps. */
export interface WalkBatch<A> extends BatchLengths {
  readonly inputs: Readonly<Arrays<A>>;
  /** The initial states, if the model carries them over; not modified. */
  readonly states?: Readonly<Arrays<A>>;
}

export interface WalkResult<A> {
  /** Loss of each prediction before weighting, [S, B], or of each sequence, [B]. */
  readonly rows: A;
  /** [S, B, C]. */
  readonly predictions: A;
  /** The final states, if the model carries them over. */
  readonly states?: Readonly<Arrays<A>>;
  /** The attention's weights of the encoder's outputs at one step of the decoder, [B, T]. */
  readonly attention?: A;
}

/** Computes programs: by kernels in float32, or by the references of the ops in float64. */
export interface Machine<A extends Numbers> {
  readonly arrays: ArrayOperations<A>;
  /** Allocates zeros that are never freed. */
  allocate(size: number): A;
  /** Results without an array in `into` are valid until the next run. */
  run(
    program: KeyedProgram,
    values: Readonly<Arrays<A>>,
    into: Readonly<Arrays<A>>,
    part?: ProgramPart<A>,
  ): Promise<Arrays<A>>;
  /** Absent if programs run only as a whole. */
  keptSize?: KeptSize;
}

export class ScheduleWalk<A extends Numbers> {
  readonly layout: ParameterLayout;
  /** What the graph of the loss reads, by the names of its inputs. */
  private readonly constants: Readonly<Arrays<A>>;
  /** By the size of a batch. */
  private readonly plans = new Map<string, Plan<A>>();
  /** What blocks keep, in ascending size. */
  private readonly kept: A[] = [];

  constructor(
    private readonly spec: ModelSpec,
    private readonly loss: Loss,
    private readonly shape: WalkShape,
    private readonly machine: Machine<A>,
  ) {
    this.layout = new ParameterLayout(spec);
    this.constants = Object.fromEntries(
      Object.entries(loss.constants?.(spec.outputSize) ?? {}).map(([name, values]) => {
        const array = machine.allocate(values.length);
        array.set(values);
        machine.arrays.write(array);
        return [constantName(name), array];
      }),
    );
  }

  /** Loss and predictions; `parameters` are flat. */
  async evaluate(parameters: A, batch: WalkBatch<A>, result: WalkResult<A>): Promise<void> {
    const { blocks, tape } = this.planOf(batch);
    tape.begin(batch);
    for (const block of blocks) {
      const values = this.valuesOf(block, parameters, batch, tape.inputs(block));
      const places = { ...tape.outputs(block), ...this.resultPlaces(block, result) };
      await this.machine.run(block.forward, values, places);
    }
    await this.computeLoss(batch, result);
    tape.finish(result);
  }

  /** Writes the gradient of the sum of weight * loss to `gradient`, which is flat. */
  async writeGradient(parameters: A, batch: WalkBatch<A>, result: WalkResult<A>, gradient: A): Promise<void> {
    const plan = this.planOf(batch);
    const { blocks, tape } = plan;
    plan.kept ??= this.keep(blocks);
    tape.begin(batch);
    const runs: { readonly values: Arrays<A>; readonly places: Arrays<A> }[] = [];
    // a loss of sequences needs all predictions before a gradient
    const ofSequences = isOfSequences(this.loss);
    for (const block of blocks) {
      const values = this.valuesOf(block, parameters, batch, tape.inputs(block));
      const places = { ...tape.outputs(block), ...this.resultPlaces(block, result) };
      runs.push({ values, places });
      if (!ofSequences && runs.length === blocks.length) break;
      const kept = plan.kept.get(block);
      await (kept
        ? this.machine.run(block.gradient, values, places, { isFirst: true, kept })
        : this.machine.run(block.forward, values, places));
    }
    const ofPredictions = ofSequences ? tape.ofPredictions() : undefined;
    await this.computeLoss(batch, result, ofPredictions);
    for (let at = blocks.length - 1; at >= 0; at--) {
      const block = blocks[at];
      // the gradients that the block returns overwrite the cotangents it reads, so these are looked
      // up first
      const values = { ...runs[at].values, ...tape.cotangentsOf(block) };
      if (ofPredictions && hasLoss(this.spec, block.block))
        values[PREDICTION_COTANGENT] = this.predictionsOf(block.block, ofPredictions);
      const places = {
        ...runs[at].places,
        ...tape.gradients(block),
        ...this.ownGradients(block, gradient),
      };
      const kept = plan.kept.get(block);
      const part = kept && { isFirst: false, kept };
      const out = await this.machine.run(block.gradient, values, places, part);
      this.accumulate(block, out, batch, gradient);
      tape.addGradients(block, out);
    }
    tape.finish(result);
  }

  /** What a decoder starts from: of the batch of this size that was evaluated last. */
  firstStates(size: BatchLengths): Readonly<Arrays<A>> {
    const { blocks, tape } = this.planOf(size);
    return tape.statesAfter(blocks.find(({ block }) => isBridge(block))!);
  }

  /** The encoder's outputs that the attention reads in batches of this size, [T, B, D] in parts. */
  memory(size: BatchLengths): readonly A[] {
    const { blocks, tape } = this.planOf(size);
    const attending = blocks.find(({ links }) => links.memory !== undefined);
    return attending ? Object.values(tape.memory(attending)) : [];
  }

  private planOf(size: BatchLengths): Plan<A> {
    const { spec, loss, shape, machine } = this;
    const key = `${size.steps},${size.targetLength ?? ''}`;
    const plan: Plan<A> = this.plans.get(key) ?? {
      blocks: planBlocks(spec, loss, shape, size),
      tape: new Tape<A>(spec, shape.batch, size, machine),
    };
    this.plans.set(key, plan);
    return plan;
  }

  /** The array of each block that keeps something; batches of other sizes use the same ones. */
  private keep(blocks: readonly PlannedBlock[]): ReadonlyMap<PlannedBlock, A> {
    const { loss, machine, kept } = this;
    const sizes = keptSizes(blocks, loss, program => machine.keptSize?.(program));
    const free = [...kept];
    const arrayOf = (size: number): A => {
      const at = free.findIndex(({ length }) => length >= size);
      if (at >= 0) return free.splice(at, 1)[0];
      const array = machine.allocate(size);
      kept.push(array);
      kept.sort((a, b) => a.length - b.length);
      return array;
    };
    const ascending = [...sizes].sort(([, a], [, b]) => a - b);
    return new Map(ascending.map(([block, size]) => [block, arrayOf(size)]));
  }

  /** The inputs of a block's programs, except for the cotangents. */
  private valuesOf(
    { block, parameters: ownParameters, inputs: read }: PlannedBlock,
    parameters: A,
    { inputs }: WalkBatch<A>,
    values: Readonly<Arrays<A>>,
  ): Arrays<A> {
    const { batch } = this.shape;
    const given: Arrays<A> = { ...values, ...(hasLoss(this.spec, block) && this.constants) };
    for (const { name, offset, size } of ownParameters)
      given[name] = parameters.subarray(offset, offset + size) as A;
    for (const { input, local } of read) {
      const { start, count } = inputRange(this.spec, block, input);
      const size = batch * widthOf(input);
      given[local] = inputs[input.name].subarray(start * size, (start + count) * size) as A;
    }
    return given;
  }

  /** Where a block writes losses, predictions and weights of the attention. */
  private resultPlaces(
    { block }: PlannedBlock,
    { rows, predictions, attention }: WalkResult<A>,
  ): Readonly<Arrays<A>> {
    const places: Arrays<A> = {};
    if (block.memory !== undefined && attention) places[attentionName(0)] = attention;
    if (!hasLoss(this.spec, block)) return places;
    const { batch } = this.shape;
    const size = batch * this.spec.outputSize;
    const { start, count } = inputRange(this.spec, block, { per: 'prediction' });
    for (let t = 0; t < count; t++) {
      const at = start + t;
      if (!isOfSequences(this.loss)) places[`rows.${t}`] = rows.subarray(at * batch, (at + 1) * batch) as A;
      places[`prediction.${t}`] = predictions.subarray(at * size, (at + 1) * size) as A;
    }
    return places;
  }

  /** Those of a block in `all`, [S, B, C]. */
  private predictionsOf(block: Block, all: A): A {
    const { start, count } = inputRange(this.spec, block, { per: 'prediction' });
    const size = this.shape.batch * this.spec.outputSize;
    return all.subarray(start * size, (start + count) * size) as A;
  }

  private async computeLoss(
    { inputs }: WalkBatch<A>,
    { rows, predictions }: WalkResult<A>,
    gradient?: A,
  ): Promise<void> {
    if (!isOfSequences(this.loss)) return;
    const { arrays } = this.machine;
    await arrays.read(predictions);
    const { batch } = this.shape;
    const { target, weight, length } = inputs;
    const given = { batch, classes: this.spec.outputSize, outputs: predictions };
    this.loss.compute({ ...given, lengths: length, targets: target, weights: weight }, rows, gradient);
    arrays.write(rows, ...(gradient ? [gradient] : []));
  }

  /** Where the block writes gradients of parameters, unless a later one has written them. */
  private ownGradients({ parameters }: PlannedBlock, gradient: A): Arrays<A> {
    return Object.fromEntries(
      parameters
        .filter(({ adds }) => !adds)
        .map(({ name, offset, size }) => [`gradient.${name}`, gradient.subarray(offset, offset + size) as A]),
    );
  }

  private accumulate(
    { block, parameters }: PlannedBlock,
    out: Readonly<Arrays<A>>,
    { inputs }: WalkBatch<A>,
    gradient: A,
  ): void {
    const { arrays } = this.machine;
    for (const { name, offset, size, adds } of parameters) {
      // a parameter that no result depends on (recurrent weights of a single step) has no output
      const part = out[`gradient.${name}`];
      const ofBlock = gradient.subarray(offset, offset + size) as A;
      if (!adds) {
        if (!part) arrays.fill(ofBlock, 0);
      } else if (part) arrays.add(part, ofBlock);
    }
    this.scatter(block, out, inputs, gradient);
  }

  /**
   * Adds the gradient of each row that was read from an embedding: work per symbol that was read,
   * not per row of the embedding.
   */
  private scatter(block: Block, out: Readonly<Arrays<A>>, inputs: Readonly<Arrays<A>>, gradient: A): void {
    const { batch } = this.shape;
    const read = [
      ...readInputs(this.spec, block).map(input => ({ input, start: block.start, steps: block.steps })),
      ...readStatics(this.spec, block).map(input => ({ input, start: 0, steps: 1 })),
    ];
    for (const { input, start, steps } of read) {
      if (input.kind === 'number') continue;
      const symbols = inputs[input.name];
      const [{ offset }] = this.layout.blocksOf(input.module);
      const table = gradient.subarray(offset) as A;
      for (let t = 0; t < steps; t++) {
        const rows = out[`gradient.embedded.${input.name}.${t}`];
        if (!rows) continue;
        const at = (start + t) * batch;
        this.machine.arrays.addRows(rows, symbols.subarray(at, at + batch) as A, table);
      }
    }
  }
}

/** How batches of one size are computed. */
interface Plan<A extends Numbers> {
  readonly blocks: readonly PlannedBlock[];
  readonly tape: Tape<A>;
  /** What blocks keep for their gradients; absent until the first one is computed. */
  kept?: ReadonlyMap<PlannedBlock, A>;
}

/**
 * What passes between the blocks of a walk: states, sequences of outputs, and the cotangents of
 * both. Its arrays are used again by every batch of the same length, and blocks write into them.
 */
class Tape<A extends Numbers> {
  private readonly arrays = new Map<string, A>();
  private states = new Map<string, A>();
  private cotangents = new Map<string, A>();

  constructor(
    private readonly spec: ModelSpec,
    private readonly batch: number,
    private readonly size: BatchLengths,
    private readonly machine: Machine<A>,
  ) {}

  begin({ states = {} }: WalkBatch<A>): void {
    this.states = new Map(Object.entries(states));
    this.cotangents = new Map();
    for (const [key, array] of this.arrays) if (key.startsWith(SUMMED)) this.machine.arrays.fill(array, 0);
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
    return { ...values, ...this.memory({ links }) };
  }

  /** What the attention reads from the encoder. */
  memory({ links }: Pick<PlannedBlock, 'links'>): Arrays<A> {
    const parts = this.partsOf(links.memory);
    return Object.fromEntries(parts.map((part, i) => [`memory.${i}`, this.whole('sequence', part)]));
  }

  /** The states that left the block when it last ran. */
  statesAfter({ index, links }: PlannedBlock): Arrays<A> {
    return Object.fromEntries(
      links.outgoing.map(({ name, size }) => [name, this.leaving(index, name, size)]),
    );
  }

  private leaving(index: number, name: string, size: number): A {
    return this.array(`state.${index}.${name}`, this.batch * size);
  }

  outputs({ index, block, links }: PlannedBlock): Arrays<A> {
    const places: Arrays<A> = {};
    for (const { name, local, size } of links.outgoing) {
      const place = this.leaving(index, name, size);
      places[`state.${local}`] = place;
      this.states.set(name, place);
    }
    for (const part of this.above(links)) {
      this.placeSteps(places, `above.${part.part}`, this.steps('sequence', part, block), block);
    }
    return places;
  }

  /** Adds `all` to `places`, as a whole and step by step: blocks write the one or the other. */
  private placeSteps(places: Arrays<A>, name: string, all: A, { steps }: Block): void {
    const size = all.length / steps;
    places[name] = all;
    for (let t = 0; t < steps; t++) places[`${name}.${t}`] = all.subarray(t * size, (t + 1) * size) as A;
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

  /** Where a block writes the gradients of what enters it, unless it adds them. */
  gradients({ index, block, links, addsBelow, addsMemory }: PlannedBlock): Arrays<A> {
    const places: Arrays<A> = {};
    for (const { name, local, size } of links.incomingGradients) {
      const place = this.array(`gradient.${index}.${name}`, this.batch * size);
      places[`gradient.state.${local}`] = place;
      this.cotangents.set(name, place);
    }
    if (!addsBelow) {
      for (const part of this.below(links))
        this.placeSteps(places, `gradient.below.${part.part}`, this.steps(SUMMED, part, block), block);
    }
    if (!addsMemory) {
      for (const part of this.partsOf(links.memory))
        places[`gradient.memory.${part.part}`] = this.whole(SUMMED, part);
    }
    return places;
  }

  /** Adds gradients of a block's incoming sequences: both directions of a layer read them. */
  addGradients({ block, links, addsBelow, addsMemory }: PlannedBlock, out: Readonly<Arrays<A>>): void {
    const [below, memory] = [
      addsBelow ? this.below(links) : [],
      addsMemory ? this.partsOf(links.memory) : [],
    ];
    below.forEach((part, i) => {
      const all = this.steps(SUMMED, part, block);
      const size = all.length / block.steps;
      this.addTo(all, out[`gradient.below.${i}`]);
      for (let t = 0; t < block.steps; t++)
        this.addTo(all.subarray(t * size, (t + 1) * size) as A, out[`gradient.below.${i}.${t}`]);
    });
    memory.forEach((part, i) => {
      this.addTo(this.whole(SUMMED, part), out[`gradient.memory.${i}`]);
    });
  }

  /** The gradient with respect to all predictions, [S, B, C]. */
  ofPredictions(): A {
    const { steps, targetLength } = this.size;
    const count = predictionsOf(this.spec, steps, targetLength);
    return this.array('predictions', count * this.batch * this.spec.outputSize);
  }

  finish({ states }: WalkResult<A>): void {
    for (const [name, state] of Object.entries(states ?? {}))
      this.machine.arrays.copy(this.states.get(name)!, state);
  }

  private addTo(sums: A, values: A | undefined): void {
    if (values) this.machine.arrays.add(values, sums);
  }

  private array(key: string, size: number, value = 0): A {
    let found = this.arrays.get(key);
    if (!found) {
      found = this.machine.allocate(size);
      if (value !== 0) this.machine.arrays.fill(found, value);
      this.arrays.set(key, found);
    }
    return found;
  }

  /** The sequences of the layer that a block reads. */
  private below({ below }: BlockLinks): SequencePart[] {
    return this.partsOf(below);
  }

  private partsOf(layer: number | undefined): SequencePart[] {
    if (layer === undefined) return [];
    return outputSizes(this.spec, layer).map((size, part) => ({ layer, part, size }));
  }

  private above({ above }: BlockLinks): SequencePart[] {
    return above.map(({ layer, reverse }) => {
      const part = reverse ? 1 : 0;
      return { layer, part, size: outputSizes(this.spec, layer)[part] };
    });
  }

  /** The steps of a block in a sequence, [S, B, D]. */
  private steps(kind: string, part: SequencePart, { start, steps }: Block): A {
    const row = this.batch * part.size;
    return this.whole(kind, part).subarray(start * row, (start + steps) * row) as A;
  }

  private whole(kind: string, { layer, part, size }: SequencePart): A {
    const { steps, targetLength } = this.size;
    const length = isOfDecoder(this.spec, layer) ? predictionsOf(this.spec, steps, targetLength) : steps;
    return this.array(`${kind}.${layer}.${part}`, length * this.batch * size);
  }
}

/** Keys of arrays that accumulate, and so start at zero. */
const SUMMED = 'cotangents';

interface SequencePart {
  readonly layer: number;
  readonly part: number;
  readonly size: number;
}

/** The states that a model carries from batch to batch. */
export function carriedStates(spec: ModelSpec): readonly Pick<StateSpec, 'name' | 'size' | 'start'>[] {
  if (!spec.carriesState) return [];
  const [block] = makeSchedule(spec, { steps: 1, variableLength: false });
  return blockLinks(spec, block, false).incoming;
}
