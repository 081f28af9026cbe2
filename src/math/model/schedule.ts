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
 */
import { heads } from './heads.js';
import { type ModelSpec, type Unit, unitsOf } from './spec.js';

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
  readonly maxCellSteps?: number;
}

/** The blocks of a forward pass, in order. */
export function makeSchedule(spec: ModelSpec, options: ScheduleOptions): readonly Block[] {
  const { steps, maxCellSteps = MAX_UNCUT } = options;
  const groups = groupLayers(spec);
  const units = groups.flat();
  if (units.length * steps <= maxCellSteps) return [block(spec, units, { steps })];
  return groups.flatMap((group, i) => {
    const hasHead = i === groups.length - 1;
    if (group.length * steps <= maxCellSteps) return [block(spec, group, { steps, hasHead })];
    if (!group.some(({ reverse }) => reverse)) return cut(spec, group, hasHead, options);
    const directions = group.flatMap(unit => cut(spec, [unit], false, options));
    return hasHead ? [...directions, ...headBlocks(spec, options)] : directions;
  });
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
export function splitIntoChunks(total: number, length: number) {
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
export function chunkLength(total: number, max: number): number {
  if (total <= max) return total;
  for (let steps = max; steps * 2 > max; steps--) if (total % steps === 0) return steps;
  return Math.ceil(total / Math.ceil(total / max));
}
