/**
 * Carries out a schedule: loss, predictions and gradient of a batch. Forward it keeps what passes between blocks; backward it goes through
 * the blocks in the opposite order, and each computes its forward pass again (Chen et al., 2016, Training Deep Nets with Sublinear
 * Memory Cost). Who computes the programs is the caller's: kernels in float32, or the references of the ops in float64.
 */
import type { Program } from '../graph/node.js';
import type { Loss } from '../losses/loss.js';
import { counted } from '../words.js';
import { type DeclaredInput, declaredInputs, type InputOptions, predictionsOf, widthOf } from './inputs.js';
import { EMBEDDING, HEAD, ParameterLayout } from './parameters.js';
import {
  type BlockLinks,
  blockInputs,
  blockLinks,
  blockProgram,
  hasLoss,
  programKey,
  type StateSpec,
} from './programs.js';
import { type Block, makeSchedule } from './schedule.js';
import { type ModelSpec, outputSizes, unitName } from './spec.js';

type Numbers = Float32Array | Float64Array;
type Arrays<A> = Record<string, A>;

/** Who computes programs. */
export interface Machine<A extends Numbers> {
  /** Zeros. */
  allocate(size: number): A;
  /** Runs the program of `key`, which `make` makes; results are the caller's to keep. */
  run(key: string, make: () => Program, values: Readonly<Arrays<A>>): Promise<Arrays<A>>;
}

export interface WalkShape extends InputOptions {
  /** B. */
  readonly batch: number;
  /** Steps of the longest batch. */
  readonly sequenceLength: number;
  readonly maxCellSteps?: number;
}

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

/** A block with what the walk must know of it. */
interface Stop {
  readonly block: Block;
  readonly links: BlockLinks;
}

export class ScheduleWalk<A extends Numbers> {
  readonly layout: ParameterLayout;
  private readonly inputs: readonly DeclaredInput[];
  private readonly stops = new Map<number, readonly Stop[]>();

  constructor(
    private readonly spec: ModelSpec,
    private readonly loss: Loss,
    private readonly shape: WalkShape,
    private readonly machine: Machine<A>,
  ) {
    this.layout = new ParameterLayout(spec);
    this.inputs = declaredInputs(spec, loss, shape);
  }

  /** Loss and predictions; `parameters` are flat. */
  async evaluate(parameters: A, batch: WalkBatch<A>, result: WalkResult<A>): Promise<void> {
    const tape = new Tape(this.spec, this.shape.batch, batch, this.machine);
    for (const stop of this.stopsOf(batch.steps)) {
      const out = await this.run(stop, false, parameters, batch, tape.inputs(stop));
      this.collect(stop, out, result);
      tape.keep(stop, out);
    }
    tape.finish(result);
  }

  /** Adds the gradient of the sum of weight * loss to `gradient`, which is flat. */
  async addGradient(parameters: A, batch: WalkBatch<A>, result: WalkResult<A>, gradient: A): Promise<void> {
    const tape = new Tape(this.spec, this.shape.batch, batch, this.machine);
    const stops = this.stopsOf(batch.steps);
    const before: Arrays<A>[] = [];
    for (const stop of stops) {
      const values = tape.inputs(stop);
      before.push(values);
      // the last block's gradient goes through its forward pass anyway
      if (before.length < stops.length)
        tape.keep(stop, await this.run(stop, false, parameters, batch, values));
    }
    for (let at = stops.length - 1; at >= 0; at--) {
      const stop = stops[at];
      const values = { ...before[at], ...tape.cotangents(stop) };
      const out = await this.run(stop, true, parameters, batch, values);
      this.collect(stop, out, result);
      if (at === stops.length - 1) tape.keep(stop, out);
      this.accumulate(stop, out, batch, gradient);
      tape.keepGradients(stop, out);
    }
    tape.finish(result);
  }

  private stopsOf(steps: number): readonly Stop[] {
    let found = this.stops.get(steps);
    if (!found) {
      const { sequenceLength: longest, variableLength, maxCellSteps } = this.shape;
      const options = { steps, longest, variableLength, ...(maxCellSteps && { maxCellSteps }) };
      found = makeSchedule(this.spec, options).map(block => ({
        block,
        links: blockLinks(this.spec, block, variableLength),
      }));
      this.stops.set(steps, found);
    }
    return found;
  }

  private run(
    { block }: Stop,
    gradient: boolean,
    parameters: A,
    { inputs }: WalkBatch<A>,
    values: Readonly<Arrays<A>>,
  ): Promise<Arrays<A>> {
    const { spec, loss, shape } = this;
    const { batch, variableLength, training } = shape;
    const options = { batch, variableLength, training, gradient };
    const given: Arrays<A> = { ...values };
    for (const { name, offset, size } of this.parametersOf(block)) {
      given[name] = parameters.subarray(offset, offset + size) as A;
    }
    for (const { input, local } of blockInputs(spec, block, this.inputs)) {
      const [from, count] = this.rangeOf(input, block);
      const size = batch * widthOf(input);
      given[local] = inputs[input.name].subarray(from * size, (from + count) * size) as A;
    }
    return this.machine.run(
      programKey(spec, block, options),
      () => blockProgram(spec, loss, block, options),
      given,
    );
  }

  /** Which steps or predictions of an input `block` reads: the first, and how many. */
  private rangeOf({ per }: DeclaredInput, { start, steps }: Block): [number, number] {
    if (per === 'step') return [start, Math.max(1, steps)];
    return predictionsOf(this.spec, 2) === 1 ? [0, 1] : [start, steps];
  }

  /** The parameters that `block` reads, by their names in its program, with their places in the flat array. */
  private parametersOf({
    units,
    firstLayer,
    hasHead,
  }: Block): { name: string; offset: number; size: number }[] {
    const owners = units.map(unit => ({
      owner: unitName(unit),
      prefix: unitName({ ...unit, layer: unit.layer - firstLayer }),
    }));
    if (hasHead) owners.push({ owner: HEAD, prefix: HEAD });
    if (firstLayer === 0) owners.push({ owner: EMBEDDING, prefix: EMBEDDING });
    return owners.flatMap(({ owner, prefix }) =>
      this.layout
        .blocksOf(owner)
        .map(({ input, offset, size }) => ({ name: `${prefix}.${input}`, offset, size })),
    );
  }

  private collect({ block }: Stop, out: Arrays<A>, { rows, predictions }: WalkResult<A>): void {
    if (!hasLoss(this.spec, block)) return;
    const { batch } = this.shape;
    const [from, count] = predictionsOf(this.spec, 2) === 1 ? [0, 1] : [block.start, block.steps];
    for (let t = 0; t < count; t++) {
      const at = (from + t) * batch;
      rows.set(out[`rows.${t}`], at);
      predictions.set(out[`prediction.${t}`], at * this.spec.outputSize);
    }
  }

  private accumulate({ block }: Stop, out: Arrays<A>, { inputs }: WalkBatch<A>, gradient: A): void {
    for (const { name, offset } of this.parametersOf(block)) {
      // a parameter that no result depends on (recurrent weights of a single step) has no output
      const part = out[`gradient.${name}`] ?? [];
      for (let i = 0; i < part.length; i++) gradient[offset + i] += part[i];
    }
    if (this.spec.input.kind === 'symbol') this.scatter(block, out, inputs.x, gradient);
  }

  /** Adds the gradient of each row that was read from the embedding to that row: work for the symbols read, not for all there are. */
  private scatter({ start, steps }: Block, out: Arrays<A>, symbols: A, gradient: A): void {
    const { batch } = this.shape;
    const [table] = this.layout.blocksOf(EMBEDDING);
    for (let t = 0; t < steps; t++) {
      const rows = out[`gradient.embedded.${t}`];
      if (!rows) continue;
      for (let b = 0; b < batch; b++) {
        const at = table.offset + symbols[(start + t) * batch + b] * table.columns;
        for (let i = 0; i < table.columns; i++) gradient[at + i] += rows[b * table.columns + i];
      }
    }
  }
}

/** A program of a training step. */
export interface StepProgram {
  readonly name: string;
  readonly program: Program;
  /** How often a step runs it. */
  readonly runs: number;
}

/** The programs that `addGradient` runs for a batch of the longest sequences, in the order in which they first run. */
export function stepPrograms(spec: ModelSpec, loss: Loss, shape: WalkShape): StepProgram[] {
  const { sequenceLength: steps, batch, variableLength, training, maxCellSteps } = shape;
  const blocks = makeSchedule(spec, { steps, variableLength, ...(maxCellSteps && { maxCellSteps }) });
  const found = new Map<string, StepProgram>();
  const add = (block: Block, gradient: boolean) => {
    const options = { batch, variableLength, training, gradient };
    const key = programKey(spec, block, options);
    const known = found.get(key);
    const name = `${gradient ? 'gradient' : 'forward'} of ${blockName(spec, block)}`;
    if (known) found.set(key, { ...known, runs: known.runs + 1 });
    else found.set(key, { name, program: blockProgram(spec, loss, block, options), runs: 1 });
  };
  for (const block of blocks.slice(0, -1)) add(block, false);
  for (const block of [...blocks].reverse()) add(block, true);
  return [...found.values()];
}

/** Such as `layers 0 and 1 and the head over 28 steps`. */
function blockName(spec: ModelSpec, { units, hasHead, steps }: Block): string {
  const layers = [...new Set(units.map(({ layer }) => layer))];
  const directions = units.length === 1 && spec.layers[units[0].layer].settings.bidirectional;
  const direction = directions ? ` ${units[0].reverse ? 'in reverse' : 'forward'}` : '';
  const parts = [
    ...(layers.length > 0
      ? [`${layers.length === 1 ? 'layer' : 'layers'} ${layers.join(' and ')}${direction}`]
      : []),
    ...(hasHead ? ['the head'] : []),
  ];
  return `${parts.join(' and ')}${steps > 0 ? ` over ${counted(steps, 'step')}` : ''}`;
}

/** What passes between the blocks of one walk: states, sequences of outputs, and the cotangents of both. */
class Tape<A extends Numbers> {
  private readonly states = new Map<string, A>();
  private readonly cotangentsOfStates = new Map<string, A>();
  /** By layer and part, [T, B, D]. */
  private readonly sequences = new Map<string, A>();
  private readonly cotangentsOfSequences = new Map<string, A>();

  constructor(
    private readonly spec: ModelSpec,
    private readonly batch: number,
    private readonly given: WalkBatch<A>,
    private readonly machine: Machine<A>,
  ) {
    for (const [name, state] of Object.entries(given.states ?? {})) this.states.set(name, state);
  }

  /** States and sequences that come into a block. */
  inputs({ block, links }: Stop): Arrays<A> {
    const values: Arrays<A> = {};
    for (const state of links.incoming) values[`state.${state.local}`] = this.stateOf(state);
    this.below(links).forEach((key, part) => {
      values[`below.${part}`] = this.steps(this.sequence(this.sequences, key), block, key);
    });
    return values;
  }

  cotangents({ block, links }: Stop): Arrays<A> {
    const values: Arrays<A> = {};
    for (const { name, local, size } of links.outgoingCotangents) {
      const known = this.cotangentsOfStates.get(name);
      values[`cotangent.state.${local}`] = known ?? this.machine.allocate(this.batch * size);
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
  keep({ block, links }: Stop, out: Arrays<A>): void {
    for (const { name, local } of links.outgoing) this.states.set(name, out[`state.${local}`]);
    for (const unit of links.above) {
      const part = unit.reverse ? 1 : 0;
      const key = sequenceKey(unit.layer, part);
      const all = this.steps(this.sequence(this.sequences, key), block, key);
      const size = all.length / block.steps;
      for (let t = 0; t < block.steps; t++) all.set(out[`above.${part}.${t}`], t * size);
    }
  }

  keepGradients({ block, links }: Stop, out: Arrays<A>): void {
    for (const { name, local, size } of links.incomingGradients) {
      const known = out[`gradient.state.${local}`];
      this.cotangentsOfStates.set(name, known ?? this.machine.allocate(this.batch * size));
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
      state = this.machine.allocate(this.batch * size);
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
      found = this.machine.allocate(this.given.steps * this.batch * this.sizeOf(key));
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

/** The states that a model carries from batch to batch, with their sizes of a row. */
export function carriedStates(spec: ModelSpec): { readonly name: string; readonly size: number }[] {
  if (!spec.carriesState) return [];
  const [block] = makeSchedule(spec, { steps: 1, variableLength: false });
  return blockLinks(spec, block, false).incoming.map(({ name, size }) => ({ name, size }));
}
