/**
 * The order in which layers, directions and steps are computed, as data: blocks, each of which one
 * program computes forward, and another one backward in the opposite order. Cutting keeps compile
 * time and memory bounded whatever the length. A block covers consecutive directions of layers over
 * consecutive steps. Between blocks of the same directions states pass; between groups of layers,
 * whole sequences of outputs.
 *
 * A long stack of forward layers is computed chunk by chunk, all layers in one block
 * (time-major), not layer by layer: at 784 steps of two LSTM layers of 128, batch 100, layer by
 * layer took 1.38 times the processor time, since the sequences between layers are copied out of
 * one program and into the next. A layer with a reverse direction can only follow the whole layer
 * below it.
 *
 * What enters and leaves a block, states and sequences, has names that do not depend on its place,
 * so that equal blocks share a program.
 */
import { heads } from './heads.js';
import { type DeclaredInput, dropoutName, keepsStates, poolsByWeight } from './inputs.js';
import { HEAD, type ParameterLayout } from './parameters.js';
import {
  cellOf,
  headSizes,
  type ModelSpec,
  outputSizes,
  symbolInputs,
  type Unit,
  unitName,
  unitsOf,
} from './spec.js';

/** Cell steps (steps times directions) of a block; each costs about seven kernels. */
export const MAX_CELL_STEPS = 64;
/** A model with at most this many is one block: two programs would take as long to compile. */
const MAX_UNCUT = 2 * MAX_CELL_STEPS;

export interface Block {
  /** Its directions, bottom up; empty for a separate head. */
  readonly units: readonly Unit[];
  /** The layer of the lowest unit; for a separate head, one above the top layer. */
  readonly firstLayer: number;
  readonly hasHead: boolean;
  readonly start: number;
  readonly steps: number;
  /** Whether it is the first block of its units, and the last. */
  readonly opens: boolean;
  readonly closes: boolean;
}

export interface ScheduleOptions {
  readonly steps: number;
  /** Steps of the longest batch; shorter ones are cut at the same places, counted from the end. */
  readonly longest?: number;
  readonly variableLength: boolean;
  /** Whether the head has blocks of its own: its gradient starts from all predictions. */
  readonly separateHead?: boolean;
  readonly maxCellSteps?: number;
}

/** The blocks of a forward pass, in order. */
export function makeSchedule(spec: ModelSpec, options: ScheduleOptions): readonly Block[] {
  const { steps, maxCellSteps = MAX_UNCUT, separateHead = false } = options;
  const groups = groupLayers(spec);
  const units = groups.flat();
  const isWhole = units.length * steps <= maxCellSteps;
  const blocks = (isWhole ? [units] : groups).flatMap((group, i, all) => {
    const hasHead = i === all.length - 1 && !separateHead;
    if (group.length * steps <= maxCellSteps) return [block(spec, group, { steps, hasHead })];
    if (!group.some(({ reverse }) => reverse)) return cut(spec, group, hasHead, options);
    return group.flatMap(unit => cut(spec, [unit], false, options));
  });
  return blocks.some(({ hasHead }) => hasHead) ? blocks : [...blocks, ...headBlocks(spec, options)];
}

/** Consecutive forward layers form a group; a bidirectional layer is a group of its own. */
function groupLayers(spec: ModelSpec): Unit[][] {
  const groups: Unit[][] = [];
  spec.layers.forEach((_, layer) => {
    const units = unitsOf(spec, layer);
    const before = groups.at(-1);
    const joins =
      units.length === 1 && before?.every(unit => !spec.layers[unit.layer].settings.bidirectional);
    if (before && joins) before.push(...units);
    else groups.push(units);
  });
  return groups;
}

/** Lengths at which a batch of shorter sequences can end, so that few programs are compiled. */
export function batchLengths(spec: ModelSpec, options: ScheduleOptions): number[] {
  const { steps } = options;
  const cuts = makeSchedule(spec, options)
    .filter(({ units, steps: own }) => units.length > 0 && own < steps)
    .map(block => block.steps);
  if (cuts.length > 0) {
    const chunk = Math.max(...cuts);
    const count = Math.ceil(steps / chunk);
    // if there are few chunks, a batch can end within one too, at equal positions in each, so that
    // remainders have few lengths
    const parts = Math.ceil(MIN_LENGTHS / count);
    const left = Array.from({ length: count * parts }, (_, i) => {
      const chunks = Math.floor(i / parts);
      return chunks * chunk + Math.round(((i % parts) * chunk) / parts);
    });
    return left
      .map(missing => steps - missing)
      .filter(length => length > 0)
      .reverse();
  }
  const lengths = Array.from({ length: LENGTHS }, (_, i) => Math.ceil((steps * (i + 1)) / LENGTHS));
  return [...new Set(lengths)];
}

/** More lengths save more steps, but each costs a compilation. */
const LENGTHS = 8;
/**
 * Of a schedule that is cut, whose programs are large. With 4, sorted lengths uniform in 1..T take
 * 0.63 of the steps.
 */
const MIN_LENGTHS = 4;

/** A block over all steps, except for what `part` says. */
function block(spec: ModelSpec, units: readonly Unit[], part: Partial<Block> & Pick<Block, 'steps'>): Block {
  const firstLayer = units[0]?.layer ?? spec.layers.length;
  return { units, firstLayer, hasHead: true, start: 0, opens: true, closes: true, ...part };
}

/** Blocks of equal length in the order in which `units`, all of one direction, walk. */
function cut(
  spec: ModelSpec,
  units: readonly Unit[],
  hasHead: boolean,
  { steps, longest = steps, maxCellSteps = MAX_CELL_STEPS }: ScheduleOptions,
): Block[] {
  const max = Math.max(1, Math.floor(maxCellSteps / Math.max(1, units.length)));
  const chunks = splitIntoChunks(steps, chunkLength(longest, max));
  if (units[0]?.reverse) chunks.reverse();
  const last = chunks.length - 1;
  return chunks.map((chunk, i) =>
    block(spec, units, { hasHead, ...chunk, opens: i === 0, closes: i === last }),
  );
}

/** Blocks of a separate head, over the steps that it reads. */
function headBlocks(spec: ModelSpec, options: ScheduleOptions): Block[] {
  const { reads } = heads[spec.head.from];
  if (reads === 'states') return [block(spec, [], { steps: 0 })];
  const [last, ...rest] = cut(spec, [], true, options).reverse();
  if (reads === 'last' && !options.variableLength) {
    return [{ ...last, start: options.steps - 1, steps: 1, opens: true }];
  }
  return [...rest.reverse(), last];
}

/** Chunks of `length` steps; a remainder comes first. */
function splitIntoChunks(total: number, length: number) {
  const chunks: Pick<Block, 'start' | 'steps'>[] = [];
  for (let end = total; end > 0; end -= length) {
    const start = Math.max(0, end - length);
    chunks.unshift({ start, steps: end - start });
  }
  return chunks;
}

/**
 * Steps of a chunk, at most `max`: a number that divides `total`, so that a single program is
 * compiled, unless the next smaller divisor would double the number of chunks.
 */
function chunkLength(total: number, max: number): number {
  if (total <= max) return total;
  for (let steps = max; steps * 2 > max; steps--) if (total % steps === 0) return steps;
  return Math.ceil(total / Math.ceil(total / max));
}

export interface BlockOptions {
  readonly batch: number;
  readonly variableLength: boolean;
  readonly training: boolean;
  readonly gradient: boolean;
}

export interface StateSpec {
  /** In the whole model: direction and state, or the head's pool and the part of the output. */
  readonly name: string;
  /** In the block's program. */
  readonly local: string;
  readonly size: number;
  readonly start: number;
}

/** The name of `unit` inside a block whose lowest layer is `firstLayer`. */
export function localUnit({ layer, reverse }: Unit, firstLayer: number): string {
  return unitName({ layer: layer - firstLayer, reverse });
}

/** The states of `block`: those of its directions, then the head's pool. */
function blockStates(
  spec: ModelSpec,
  { units, firstLayer, hasHead }: Block,
  variableLength: boolean,
): StateSpec[] {
  const own = units.flatMap(unit => {
    const layer = spec.layers[unit.layer];
    return cellOf(layer)
      .states(layer.settings)
      .map(({ name, size }) => ({
        name: `${unitName(unit)}.${name}`,
        local: `${localUnit(unit, firstLayer)}.${name}`,
        size,
        start: 0,
      }));
  });
  const { pool, reads } = heads[spec.head.from];
  const pools = reads === 'pool' || poolsByWeight(spec, variableLength);
  if (!hasHead || !pool || !pools) return own;
  const gathered = outputSizes(spec, spec.layers.length - 1).map((size, part) => {
    const name = `pool.${part}`;
    return { name, local: name, size, start: pool.start };
  });
  return [...own, ...gathered];
}

export interface BlockLinks {
  /** States that enter: from the previous block, or carried over from the previous batch. */
  readonly incoming: readonly StateSpec[];
  /** The incoming states whose gradient is passed to the previous block. */
  readonly incomingGradients: readonly StateSpec[];
  /** States that leave: to the next block, the head or the next batch. */
  readonly outgoing: readonly StateSpec[];
  /** The outgoing states whose cotangent is passed back to this block. */
  readonly outgoingCotangents: readonly StateSpec[];
  /** The layer whose outputs enter as sequences, if they do. */
  readonly below: number | undefined;
  /** Directions whose outputs leave as sequences. */
  readonly above: readonly Unit[];
}

export function blockLinks(spec: ModelSpec, block: Block, variableLength: boolean): BlockLinks {
  const { units, firstLayer, hasHead, opens, closes } = block;
  const states = blockStates(spec, block, variableLength);
  const isPool = ({ name }: StateSpec) => name.startsWith('pool.');
  const top = spec.layers.length - 1;
  const readsStates = heads[spec.head.from].reads === 'states';
  // a separate head that reads states receives those of the top layer
  const ofTop = hasHead && units.length === 0 && readsStates ? topOutputs(spec) : [];
  const feedsHead = closes && !hasHead && readsStates && units.some(({ layer }) => layer === top);
  const headStates = feedsHead ? topOutputs(spec).map(({ name }) => name) : [];
  const carried = spec.carriesState ? states.filter(state => spec.carriesPool || !isPool(state)) : [];
  const last = units.at(-1)?.layer;
  const passesOn = last !== undefined && (last < top || (!hasHead && !readsStates));
  return {
    incoming: [...(opens ? carried : states), ...ofTop],
    incomingGradients: [...(opens ? [] : states), ...ofTop],
    outgoing: closes
      ? states.filter(state => carried.includes(state) || headStates.includes(state.name))
      : states,
    outgoingCotangents: closes ? states.filter(({ name }) => headStates.includes(name)) : states,
    below: firstLayer > 0 && (units.length > 0 || !readsStates) ? firstLayer - 1 : undefined,
    above: passesOn ? units.filter(({ layer }) => layer === last) : [],
  };
}

/** The output state of each direction of the top layer, as read by a separate head. */
export function topOutputs(spec: ModelSpec): StateSpec[] {
  const top = spec.layers.length - 1;
  const layer = spec.layers[top];
  const [{ name, size }] = cellOf(layer).states(layer.settings);
  return unitsOf(spec, top).map((unit, part) => ({
    name: `${unitName(unit)}.${name}`,
    local: `final.${part}`,
    size,
    start: 0,
  }));
}

/** Whether `block` computes predictions and loss: at each of its steps, or after its last one. */
export function hasLoss({ head }: ModelSpec, { hasHead, closes }: Block): boolean {
  return hasHead && (closes || heads[head.from].reads === 'each');
}

/** The inputs of the model that `block` may read, each with its name in the block's program. */
export function blockInputs(
  spec: ModelSpec,
  { firstLayer }: Block,
  inputs: readonly DeclaredInput[],
): { readonly input: DeclaredInput; readonly local: string }[] {
  const locals = new Map<string, string>();
  for (let layer = Math.max(1, firstLayer); layer < spec.layers.length; layer++) {
    outputSizes(spec, layer - 1).forEach((_, part) => {
      locals.set(dropoutName(layer, part), dropoutName(layer - firstLayer, part));
    });
  }
  // dropout of lower layers has no name here: the block does not read it
  const below = (name: string) => /^dropout\.\d+\./.test(name) && !locals.has(name);
  return inputs
    .filter(input => !below(input.name) && !isOfLoss(input))
    .map(input => ({ input, local: locals.get(input.name) ?? input.name }));
}

/** Whether a loss of sequences reads an input outside the graph. */
function isOfLoss({ role, per }: DeclaredInput): boolean {
  return role === 'length' || ((role === 'target' || role === 'weight') && per !== 'prediction');
}

/** Equal for blocks that share a program. */
export function programKey(spec: ModelSpec, block: Block, options: BlockOptions): string {
  const { units, firstLayer, hasHead, steps } = block;
  const links = blockLinks(spec, block, options.variableLength);
  const sizes = (states: readonly StateSpec[]) => states.map(({ local, size }) => [local, size]);
  return JSON.stringify({
    ...options,
    steps,
    input: links.below === undefined ? spec.inputs : outputSizes(spec, links.below),
    dropout: firstLayer > 0 && spec.dropout > 0,
    units: units.map(unit => {
      const { settings, inputSizes } = spec.layers[unit.layer];
      return [localUnit(unit, firstLayer), settings, inputSizes, keepsStates(spec, unit.layer)];
    }),
    head: hasHead && [spec.head, spec.outputSize, hasLoss(spec, block), headSizes(spec)],
    links: [
      sizes(links.incoming),
      sizes(links.incomingGradients),
      sizes(links.outgoing),
      sizes(links.outgoingCotangents),
      links.above.map(unit => localUnit(unit, firstLayer)),
    ],
  });
}

/** The parameters that a block reads: `name` in its program, `parameter` in checkpoints. */
export function parametersOf(
  spec: ModelSpec,
  layout: ParameterLayout,
  { units, firstLayer, hasHead }: Block,
) {
  const owners = units.map(unit => ({ owner: unitName(unit), prefix: localUnit(unit, firstLayer) }));
  if (hasHead) owners.push({ owner: HEAD, prefix: HEAD });
  if (firstLayer === 0)
    owners.push(...symbolInputs(spec).map(({ module }) => ({ owner: module, prefix: module })));
  return owners.flatMap(({ owner, prefix }) =>
    layout.parameters
      .filter(one => one.owner === owner)
      .flatMap(({ name: parameter, blocks }) =>
        blocks.map(({ input, offset, size }) => ({ name: `${prefix}.${input}`, parameter, offset, size })),
      ),
  );
}
