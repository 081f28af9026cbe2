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
 *
 * With a decoder, blocks over the steps of the input come first, which encode it; then the bridge
 * makes the decoder's first states from the encoder's final ones, and the rest is over the steps of
 * the output. Attention is no part of the recurrence (Luong et al., 2015, without input feeding): a
 * block of its own computes it for many steps at once, as products of matrices.
 */
import { heads, predictsEachStep } from './heads.js';
import {
  type BatchLengths,
  type DeclaredInput,
  dropoutBelow,
  dropoutName,
  isOfDecoder,
  keepsStates,
  poolsByWeight,
  predictionsOf,
  readInputs,
  readStatics,
} from './inputs.js';
import { ATTENTION, BRIDGE, HEAD, type ParameterLayout } from './parameters.js';
import {
  cellOf,
  encoderSize,
  hasAttention,
  headSizes,
  type ModelSpec,
  outputSizes,
  topLayer,
  type Unit,
  unitName,
  unitsOf,
} from './spec.js';

/** Cell steps (steps times directions) of a block; each costs about seven kernels. */
export const MAX_CELL_STEPS = 64;
/** A model with at most this many is one block: two programs would take as long to compile. */
const MAX_UNCUT = 2 * MAX_CELL_STEPS;

export interface Block {
  /** Its directions, bottom up; empty for the bridge, the attention and a separate head. */
  readonly units: readonly Unit[];
  /**
   * The layer of the lowest unit; for a separate head, one above the top layer; for the bridge, the
   * decoder's lowest.
   */
  readonly firstLayer: number;
  readonly hasHead: boolean;
  readonly start: number;
  readonly steps: number;
  /** Whether it is the first block of its units, and the last. */
  readonly opens: boolean;
  readonly closes: boolean;
  /** Steps of the encoder's outputs that it reads, if it is the attention. */
  readonly memory?: number;
}

export interface ScheduleOptions extends BatchLengths {
  /** That of the longest batch; shorter ones are cut at the same places, counted from the end. */
  readonly longest?: BatchLengths;
  readonly variableLength: boolean;
  /** Whether the head has blocks of its own: its gradient starts from all predictions. */
  readonly separateHead?: boolean;
  readonly maxCellSteps?: number;
  /** Steps of each block, for sequences of any length; absent: as many as `maxCellSteps` allows. */
  readonly chunk?: number | undefined;
}

/** The blocks of a forward pass, in order. */
export function makeSchedule(spec: ModelSpec, options: ScheduleOptions): readonly Block[] {
  const { steps, longest, targetLength, separateHead = false, ...rest } = options;
  const input = { ...rest, steps, longest: longest?.steps ?? steps };
  const output = {
    ...rest,
    steps: predictionsOf(spec, steps, targetLength),
    longest: predictionsOf(spec, steps, longest?.targetLength ?? targetLength),
  };
  const all = spec.layers.map((_, layer) => layer);
  const blocks = spec.decoder
    ? [
        ...stackBlocks(spec, all.slice(0, encoderSize(spec)), false, input),
        block(spec, [], { firstLayer: encoderSize(spec), steps: 0 }),
        ...stackBlocks(spec, all.slice(encoderSize(spec)), !hasAttention(spec), output),
        ...attentionBlocks(spec, steps, output),
      ]
    : stackBlocks(spec, all, !separateHead, input);
  if (blocks.some(({ hasHead }) => hasHead)) return blocks;
  return [...blocks, ...headBlocks(spec, spec.decoder ? output : input)];
}

interface AxisOptions extends Omit<ScheduleOptions, keyof BatchLengths | 'longest'> {
  readonly steps: number;
  readonly longest: number;
}

/** Blocks of consecutive layers; the last one may have the head. */
function stackBlocks(
  spec: ModelSpec,
  layers: readonly number[],
  endsInHead: boolean,
  options: AxisOptions,
): Block[] {
  const { steps, chunk, maxCellSteps = MAX_UNCUT } = options;
  const groups = groupLayers(spec, layers);
  const units = groups.flat();
  const isUncut = (group: readonly Unit[]) => chunk === undefined && group.length * steps <= maxCellSteps;
  return (isUncut(units) ? [units] : groups).flatMap((group, i, all) => {
    const hasHead = endsInHead && i === all.length - 1;
    if (isUncut(group)) return [block(spec, group, { steps, hasHead })];
    if (!group.some(({ reverse }) => reverse)) return cut(spec, group, { hasHead }, options);
    return group.flatMap(unit => cut(spec, [unit], {}, options));
  });
}

function attentionBlocks(spec: ModelSpec, memory: number, options: AxisOptions): Block[] {
  return hasAttention(spec) ? cut(spec, [], { firstLayer: topLayer(spec), memory }, options) : [];
}

/** Consecutive forward layers form a group; a bidirectional layer is a group of its own. */
function groupLayers(spec: ModelSpec, layers: readonly number[]): Unit[][] {
  const groups: Unit[][] = [];
  for (const layer of layers) {
    const units = unitsOf(spec, layer);
    const before = groups.at(-1);
    const joins =
      units.length === 1 && before?.every(unit => !spec.layers[unit.layer].settings.bidirectional);
    if (before && joins) before.push(...units);
    else groups.push(units);
  }
  return groups;
}

/** Lengths at which a batch of shorter sequences can end, so that few programs are compiled. */
export function batchLengths(spec: ModelSpec, options: ScheduleOptions): number[] {
  const { steps, chunk } = options;
  if (chunk !== undefined) {
    // the program of the attention reads all steps at once
    if (hasAttention(spec)) return [steps];
    // few of them: batches of each keep memory of their own
    const ends: number[] = [];
    for (let end = chunk; end < steps; end *= 2) ends.push(end);
    return [...ends, steps];
  }
  const blocks = makeSchedule(spec, options).filter(({ firstLayer }) => !isOfDecoder(spec, firstLayer));
  return endings(blocks, steps);
}

/** The same for targets that a decoder writes. */
export function targetLengths(spec: ModelSpec, options: ScheduleOptions): number[] {
  if (!spec.decoder) return [];
  const blocks = makeSchedule(spec, options).filter(({ firstLayer }) => isOfDecoder(spec, firstLayer));
  const steps = predictionsOf(spec, options.steps, options.targetLength);
  return endings(blocks, steps).map(length => length - 1);
}

function endings(blocks: readonly Block[], steps: number): number[] {
  const cuts = blocks
    .filter(({ units, steps: blockSteps }) => units.length > 0 && blockSteps < steps)
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

/** A block over all steps without a head, except for what `part` says. */
function block(spec: ModelSpec, units: readonly Unit[], part: Partial<Block> & Pick<Block, 'steps'>): Block {
  const firstLayer = units[0]?.layer ?? topLayer(spec) + 1;
  return { units, firstLayer, hasHead: false, start: 0, opens: true, closes: true, ...part };
}

/** Blocks of equal length in the order in which `units`, all of one direction, walk. */
function cut(
  spec: ModelSpec,
  units: readonly Unit[],
  part: Partial<Block>,
  { steps, longest, chunk, maxCellSteps = MAX_CELL_STEPS }: AxisOptions,
): Block[] {
  const max = Math.max(1, Math.floor(maxCellSteps / Math.max(1, units.length)));
  const chunks = splitIntoChunks(steps, chunk ?? chunkLength(longest, max));
  if (units[0]?.reverse) chunks.reverse();
  const last = chunks.length - 1;
  return chunks.map((chunk, i) =>
    block(spec, units, { ...part, ...chunk, opens: i === 0, closes: i === last }),
  );
}

/** Blocks of a separate head, over the steps that it reads. */
function headBlocks(spec: ModelSpec, options: AxisOptions): Block[] {
  const { reads } = heads[spec.head.from];
  const hasHead = true;
  if (reads === 'states') return [block(spec, [], { steps: 0, hasHead })];
  const [last, ...rest] = cut(spec, [], { hasHead }, options).reverse();
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

/** Whether `block` makes the decoder's first states. */
export function isBridge({ units, hasHead, memory }: Block): boolean {
  return units.length === 0 && !hasHead && memory === undefined;
}

/** The states of `block`: those of its directions, then the head's pool. */
function blockStates(spec: ModelSpec, block: Block, variableLength: boolean): StateSpec[] {
  const { units, firstLayer, hasHead } = block;
  const made = isBridge(block)
    ? spec.layers.flatMap((_, layer) => (layer < firstLayer ? [] : unitsOf(spec, layer)))
    : units;
  const descriptions = made.flatMap(unit => {
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
  if (!hasHead || !pool || !pools) return descriptions;
  const gathered = outputSizes(spec, topLayer(spec)).map((size, part) => {
    const name = `pool.${part}`;
    return { name, local: name, size, start: pool.start };
  });
  return [...descriptions, ...gathered];
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
  /** The layer whose outputs enter as a whole, if it is the attention. */
  readonly memory: number | undefined;
  /** Directions whose outputs leave as sequences; the attention's are those of one. */
  readonly above: readonly Unit[];
}

export function blockLinks(spec: ModelSpec, block: Block, variableLength: boolean): BlockLinks {
  const { units, firstLayer, hasHead, opens, closes } = block;
  const states = blockStates(spec, block, variableLength);
  const isPool = ({ name }: StateSpec) => name.startsWith('pool.');
  const decodes = isOfDecoder(spec, firstLayer);
  const encodes = spec.decoder !== undefined && !decodes;
  const bridges = isBridge(block);
  const top = (encodes ? encoderSize(spec) : spec.layers.length) - 1;
  // what reads the final states of the top layer, and what reads its outputs
  const readsStates = encodes || heads[spec.head.from].reads === 'states';
  const readsSteps = encodes ? hasAttention(spec) : !readsStates;
  // a separate head that reads states, and the bridge, receive those of the top layer
  const ofTop = bridges || (hasHead && units.length === 0 && readsStates) ? topOutputs(spec) : [];
  const leaves = closes && !hasHead && readsStates && units.some(({ layer }) => layer === top);
  const headStates = leaves ? topOutputs(spec).map(({ name }) => name) : [];
  const carried = spec.carriesState ? states.filter(state => spec.carriesPool || !isPool(state)) : [];
  const last = units.at(-1)?.layer;
  const passesOn = last !== undefined && (last < top || (!hasHead && readsSteps));
  const attends = block.memory !== undefined;
  // the first states of a decoder are the bridge's
  const starts = opens && !decodes;
  const ends = closes && !bridges;
  const isLowest = firstLayer === 0 || firstLayer === spec.decoder?.firstLayer;
  return {
    incoming: bridges ? ofTop : [...(starts ? carried : states), ...ofTop],
    incomingGradients: bridges ? ofTop : [...(starts ? [] : states), ...ofTop],
    outgoing: ends
      ? states.filter(state => carried.includes(state) || headStates.includes(state.name))
      : states,
    outgoingCotangents: ends ? states.filter(({ name }) => headStates.includes(name)) : states,
    below: isLowest || ofTop.length > 0 ? undefined : firstLayer - 1,
    memory: attends ? encoderSize(spec) - 1 : undefined,
    above: attends
      ? [{ layer: firstLayer, reverse: false }]
      : passesOn
        ? units.filter(({ layer }) => layer === last)
        : [],
  };
}

/** The output state of each direction of the top layer, for a separate head or the bridge. */
export function topOutputs(spec: ModelSpec): StateSpec[] {
  const top = encoderSize(spec) - 1;
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
  const isRead = ({ name, role, per }: DeclaredInput) =>
    !below(name) && !(role === 'features' && per === 'step' && isOfDecoder(spec, firstLayer));
  return inputs
    .filter(input => isRead(input) && !isOfLoss(input))
    .map(input => ({ input, local: locals.get(input.name) ?? input.name }));
}

/** Whether a loss of sequences reads an input outside the graph. */
function isOfLoss({ role, per }: DeclaredInput): boolean {
  return role === 'length' || ((role === 'target' || role === 'weight') && per !== 'prediction');
}

/** The part of an input, of all its steps or predictions, that `block` may read. */
export function inputRange(
  spec: ModelSpec,
  { firstLayer, start, steps, memory = 1 }: Block,
  { per }: Pick<DeclaredInput, 'per'>,
): { readonly start: number; readonly count: number } {
  if (per === 'step' && isOfDecoder(spec, firstLayer)) return { start: 0, count: memory };
  if (per === 'step' || (per === 'prediction' && predictsEachStep(spec.head))) {
    return { start, count: Math.max(1, steps) };
  }
  return { start: 0, count: 1 };
}

/** Equal for blocks that share a program. */
export function programKey(spec: ModelSpec, block: Block, options: BlockOptions): string {
  const { units, firstLayer, hasHead, steps, memory } = block;
  const decoder = isOfDecoder(spec, firstLayer) && [spec.decoder, spec.outputSize, isBridge(block)];
  const links = blockLinks(spec, block, options.variableLength);
  const sizes = (states: readonly StateSpec[]) => states.map(({ local, size }) => [local, size]);
  return JSON.stringify({
    ...options,
    steps,
    memory,
    decoder,
    input: links.below === undefined ? spec.inputs : outputSizes(spec, links.below),
    dropout: dropoutBelow(spec, firstLayer) > 0,
    units: units.map(unit => {
      const { settings, inputSizes } = spec.layers[unit.layer];
      return [localUnit(unit, firstLayer), settings, inputSizes, keepsStates(spec, unit.layer)];
    }),
    head: hasHead && [spec.head, spec.outputSize, hasLoss(spec, block), headSizes(spec), spec.statics],
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
export function parametersOf(spec: ModelSpec, layout: ParameterLayout, block: Block) {
  const { units, firstLayer, hasHead, memory } = block;
  const owners = units.map(unit => ({ owner: unitName(unit), prefix: localUnit(unit, firstLayer) }));
  const others = [
    ...(hasHead ? [HEAD] : []),
    ...(memory === undefined ? [] : [ATTENTION]),
    ...(isBridge(block) ? [BRIDGE] : []),
    ...[...readInputs(spec, block), ...readStatics(spec, block)].flatMap(input =>
      input.kind === 'symbol' ? [input.module] : [],
    ),
  ];
  owners.push(...others.map(owner => ({ owner, prefix: owner })));
  return owners.flatMap(({ owner, prefix }) =>
    layout.parameters
      .filter(parameter => parameter.owner === owner)
      .flatMap(({ name: parameter, blocks }) =>
        blocks.map(({ input, offset, size }) => ({ name: `${prefix}.${input}`, parameter, offset, size })),
      ),
  );
}
