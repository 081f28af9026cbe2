/**
 * The order in which layers, directions and steps are computed, as data: blocks, each of which one program computes forward, and
 * another one backward in the opposite order. Cutting keeps compile time and memory bounded whatever the length.
 *
 * A block covers consecutive directions of layers over consecutive steps. Between blocks of the same directions states pass from one to
 * the next in the order in which the direction walks; between layers, whole sequences of outputs.
 */
import { heads } from './heads.js';
import { type ModelSpec, type Unit, unitsOf } from './spec.js';

/** Cell steps (steps times directions) that one program unrolls at most; each costs about seven kernels. */
export const MAX_CELL_STEPS = 64;

export interface Block {
  /** What it computes, bottom up; empty for a head by itself. */
  readonly units: readonly Unit[];
  /** The layer of the lowest unit; for a head by itself, one above the top layer. */
  readonly firstLayer: number;
  readonly hasHead: boolean;
  /** First step of the sequence. */
  readonly start: number;
  readonly steps: number;
  /** Whether no block of these units comes before it: states start here. */
  readonly opens: boolean;
  /** Whether none comes after it. */
  readonly closes: boolean;
}

export interface ScheduleOptions {
  /** T of the batch. */
  readonly steps: number;
  /** Steps of the longest batch; shorter ones are cut at the same places, counted from the end. */
  readonly longest?: number;
  readonly variableLength: boolean;
  readonly maxCellSteps?: number;
}

/** The blocks of a forward pass, in order. */
export function makeSchedule(spec: ModelSpec, options: ScheduleOptions): readonly Block[] {
  const { steps, maxCellSteps = MAX_CELL_STEPS } = options;
  const layers = spec.layers.map((_, layer) => unitsOf(spec, layer));
  const units = layers.flat();
  if (units.length * steps <= maxCellSteps) return [whole(spec, units, steps, true)];
  const top = layers.length - 1;
  return layers.flatMap((own, layer) => {
    const withHead = layer === top;
    if (own.length * steps <= maxCellSteps) return [whole(spec, own, steps, withHead)];
    if (own.length === 1) return cut(spec, own, withHead, options);
    const directions = own.flatMap(unit => cut(spec, [unit], false, options));
    return withHead ? [...directions, ...headBlocks(spec, options)] : directions;
  });
}

/** Lengths, ascending to `steps`, at which a batch of shorter sequences can end: with them few programs are compiled. */
export function batchLengths(spec: ModelSpec, options: ScheduleOptions): number[] {
  const { steps } = options;
  const cuts = makeSchedule(spec, options)
    .filter(({ units, steps: own }) => units.length > 0 && own < steps)
    .map(block => block.steps);
  if (cuts.length > 0) {
    const segment = Math.max(...cuts);
    const count = Math.ceil(steps / segment);
    return Array.from({ length: count }, (_, i) => steps - (count - 1 - i) * segment);
  }
  const lengths = Array.from({ length: LENGTHS }, (_, i) => Math.ceil((steps * (i + 1)) / LENGTHS));
  return [...new Set(lengths)];
}

/** More lengths save more steps, and cost a compilation each. */
const LENGTHS = 8;

function firstLayerOf(spec: ModelSpec, units: readonly Unit[]): number {
  return units[0]?.layer ?? spec.layers.length;
}

function whole(spec: ModelSpec, units: readonly Unit[], steps: number, hasHead: boolean): Block {
  const firstLayer = firstLayerOf(spec, units);
  return { units, firstLayer, hasHead, start: 0, steps, opens: true, closes: true };
}

/** Blocks of equal length in the order in which `units`, all of one direction, walk; a remainder is the sequence's first. */
function cut(
  spec: ModelSpec,
  units: readonly Unit[],
  hasHead: boolean,
  { steps, longest = steps, maxCellSteps = MAX_CELL_STEPS }: ScheduleOptions,
): Block[] {
  const firstLayer = firstLayerOf(spec, units);
  const most = Math.max(1, Math.floor(maxCellSteps / Math.max(1, units.length)));
  const segments = cutIntoSegments(steps, segmentLength(longest, most));
  if (units[0]?.reverse) segments.reverse();
  return segments.map((segment, i) => ({
    units,
    firstLayer,
    hasHead,
    ...segment,
    opens: i === 0,
    closes: i === segments.length - 1,
  }));
}

/** Blocks of the head alone: over the steps that it reads. */
function headBlocks(spec: ModelSpec, options: ScheduleOptions): Block[] {
  const { reads } = heads[spec.head.from];
  if (reads === 'states') return [whole(spec, [], 0, true)];
  const [last, ...rest] = cut(spec, [], true, options).reverse();
  if (reads === 'last' && !options.variableLength) {
    return [{ ...last, start: options.steps - 1, steps: 1, opens: true }];
  }
  return [...rest.reverse(), last];
}

interface Segment {
  readonly start: number;
  readonly steps: number;
}

/** Segments of `length` steps; a remainder comes first. */
export function cutIntoSegments(total: number, length: number): Segment[] {
  const segments: Segment[] = [];
  for (let end = total; end > 0; end -= length) {
    const start = Math.max(0, end - length);
    segments.unshift({ start, steps: end - start });
  }
  return segments;
}

/**
 * Steps of a segment, at most `most`: one that divides `total`, so that a single program is compiled, unless the next smaller divisor
 * would double the number of segments.
 */
export function segmentLength(total: number, most: number): number {
  if (total <= most) return total;
  for (let steps = most; steps * 2 > most; steps--) if (total % steps === 0) return steps;
  return Math.ceil(total / Math.ceil(total / most));
}
