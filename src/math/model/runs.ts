/**
 * The programs that a batch runs: its blocks forward, then their gradients in the opposite order.
 * The program of a gradient contains the forward pass. Its first part keeps what the rest reads, as
 * far as the memory suffices; the first blocks of longer batches compute their forward pass again
 * (Chen et al., 2016, Training Deep Nets with Sublinear Memory Cost).
 */
import { counted } from '../../util/words.js';
import type { KeyedProgram, Program } from '../graph/node.js';
import { isOfSequences, type Loss } from '../losses/loss.js';
import { type BatchLengths, declaredInputs, type InputOptions, isOfDecoder } from './inputs.js';
import { ParameterLayout } from './parameters.js';
import { blockProgram } from './programs.js';
import {
  type Block,
  blockInputs,
  blockLinks,
  isBridge,
  makeSchedule,
  parametersOf,
  programKey,
} from './schedule.js';
import type { ModelSpec } from './spec.js';

export interface WalkShape extends InputOptions {
  readonly batch: number;
  /** Steps of the longest batch. */
  readonly sequenceLength: number;
  /** Symbols of the longest target; absent if targets are not sequences. */
  readonly targetLength?: number | undefined;
  readonly maxCellSteps?: number;
  /** Steps of each block, as in {@link makeSchedule}. */
  readonly chunk?: number | undefined;
  /** A batch is one step of the decoder, from the states before to those after. */
  readonly decodes?: true;
}

/** The numbers that the first part of a program keeps; undefined if it runs only as a whole. */
export type KeptSize = (program: KeyedProgram) => number | undefined;

/** The blocks of a batch, in the order of the forward pass. */
export function planBlocks(spec: ModelSpec, loss: Loss, shape: WalkShape, size: BatchLengths) {
  const { variableLength, training, maxCellSteps, chunk, batch } = shape;
  const layout = new ParameterLayout(spec);
  const declared = declaredInputs(spec, loss, shape);
  const all = makeSchedule(spec, {
    ...size,
    longest: longestOf(shape),
    variableLength,
    separateHead: isOfSequences(loss),
    ...(maxCellSteps && { maxCellSteps }),
    chunk,
  });
  const schedule = shape.decodes
    ? all
        .filter(block => isOfDecoder(spec, block.firstLayer) && !isBridge(block))
        .map(block => ({ ...block, closes: false }))
    : all;
  const parameters = schedule.map(block => parametersOf(spec, layout, block));
  const links = schedule.map(block => blockLinks(spec, block, variableLength));
  // gradients begin with the last block: it writes what others that read the same add to
  const last = new Map<string | number, number>();
  const partOf = (index: number) => `${links[index].below} from ${schedule[index].start}`;
  const memoryOf = (index: number) => `${links[index].memory}`;
  schedule.forEach((_, index) => {
    for (const { offset } of parameters[index]) last.set(offset, index);
    last.set(partOf(index), index).set(memoryOf(index), index);
  });
  return schedule.map((block, index) => {
    const adds = (read: string | number) => last.get(read) !== index;
    const program = (gradient: boolean): KeyedProgram => {
      const options = { batch, variableLength, training, gradient };
      return { key: programKey(spec, block, options), make: () => blockProgram(spec, loss, block, options) };
    };
    return {
      index,
      block,
      links: links[index],
      parameters: parameters[index].map(parameter => ({ ...parameter, adds: adds(parameter.offset) })),
      addsBelow: adds(partOf(index)),
      addsMemory: adds(memoryOf(index)),
      inputs: blockInputs(spec, block, declared),
      forward: program(false),
      gradient: program(true),
    };
  });
}

function longestOf({ sequenceLength, targetLength }: WalkShape): BatchLengths {
  return { steps: sequenceLength, ...(targetLength !== undefined && { targetLength }) };
}

/** A block with the facts that a walk needs, looked up once for all batches of a length. */
export type PlannedBlock = ReturnType<typeof planBlocks>[number];

/** Those that run before the gradients: a loss of sequences needs all, others all but the last. */
function blocksBefore(blocks: readonly PlannedBlock[], loss: Loss): readonly PlannedBlock[] {
  return isOfSequences(loss) ? blocks : blocks.slice(0, -1);
}

/** The most numbers that the blocks of a batch keep: in float32 128 MiB, in each thread. */
const MAX_KEPT = 2 ** 25;

/** The blocks that keep what their gradients read, and how many numbers. */
export function keptSizes(
  blocks: readonly PlannedBlock[],
  loss: Loss,
  keptSize: KeptSize,
): Map<PlannedBlock, number> {
  const sizes = new Map<PlannedBlock, number>();
  let left = MAX_KEPT;
  for (const block of blocksBefore(blocks, loss).toReversed()) {
    const size = keptSize(block.gradient);
    if (size === undefined || size > left) break;
    sizes.set(block, size);
    left -= size;
  }
  return sizes;
}

/** What a batch runs, in this order; a program that runs in two parts counts as one run. */
function runsOf(blocks: readonly PlannedBlock[], loss: Loss, withGradient: boolean, keptSize?: KeptSize) {
  const run = (what: 'forward' | 'gradient', planned: PlannedBlock, kept = 0) => {
    return { block: planned.block, what, program: planned[what], kept };
  };
  if (!withGradient) return blocks.map(block => run('forward', block));
  const kept = keptSizes(blocks, loss, program => keptSize?.(program));
  return [
    ...blocksBefore(blocks, loss)
      .filter(block => !kept.has(block))
      .map(block => run('forward', block)),
    ...blocks.toReversed().map(block => run('gradient', block, kept.get(block))),
  ];
}

/** The programs that a batch of `size` runs, in the order in which they first run. */
export function batchPrograms(
  spec: ModelSpec,
  loss: Loss,
  shape: WalkShape,
  size: BatchLengths,
  withGradient: boolean,
  keptSize?: KeptSize,
): readonly KeyedProgram[] {
  const runs = runsOf(planBlocks(spec, loss, shape, size), loss, withGradient, keptSize);
  return [...new Map(runs.map(({ program }) => [program.key, program])).values()];
}

export interface StepProgram {
  readonly name: string;
  readonly program: Program;
  /** The names in checkpoints of its parameters; for the first of several blocks that it serves. */
  readonly parameterNames: ReadonlyMap<string, string>;
  /** How often a step runs it. */
  readonly runs: number;
  /** The numbers that all these runs keep until their second part. */
  readonly kept: number;
}

/** The programs that `writeGradient` runs for a batch of the longest sequences. */
export function stepPrograms(
  spec: ModelSpec,
  loss: Loss,
  shape: WalkShape,
  keptSize?: KeptSize,
): StepProgram[] {
  const layout = new ParameterLayout(spec);
  const found = new Map<string, StepProgram>();
  const blocks = planBlocks(spec, loss, shape, longestOf(shape));
  for (const { block, what, program, kept } of runsOf(blocks, loss, true, keptSize)) {
    const known = found.get(program.key);
    const names = parametersOf(spec, layout, block).map(({ name, parameter }) => [name, parameter] as const);
    found.set(program.key, {
      name: `${what} of ${blockName(spec, block)}`,
      program: known?.program ?? program.make(),
      parameterNames: new Map(names),
      ...known,
      runs: (known?.runs ?? 0) + 1,
      kept: (known?.kept ?? 0) + kept,
    });
  }
  return [...found.values()];
}

/** Such as `layers 0 and 1 and the head over 28 steps`. */
function blockName(spec: ModelSpec, block: Block): string {
  const { units, hasHead, steps, memory } = block;
  if (isBridge(block)) return 'the bridge';
  const layers = [...new Set(units.map(({ layer }) => layer))];
  const directions = units.length === 1 && spec.layers[units[0].layer].settings.bidirectional;
  const direction = directions ? ` ${units[0].reverse ? 'in reverse' : 'forward'}` : '';
  const parts = [
    ...(layers.length > 0
      ? [`${layers.length === 1 ? 'layer' : 'layers'} ${layers.join(' and ')}${direction}`]
      : []),
    ...(memory === undefined ? [] : ['the attention']),
    ...(hasHead ? ['the head'] : []),
  ];
  return `${parts.join(' and ')}${steps > 0 ? ` over ${counted(steps, 'step')}` : ''}`;
}
