/** Plans the kernels that compute a graph: what runs, in which order, with which operands. */

import { type KeyedProgram, type Node, type Program, reachable } from '../math/graph/node.js';
import { requireShape, type Shape, shapeText, sizeOf } from '../math/graph/shape.js';
import { ALIGNMENT } from './heap.js';
import type { KernelUse } from './kernels.js';
import type { Axis } from './language.js';
import type { Parameter } from './simd-lower.js';
import { type Fusion, type KernelText, MAX_AXES, type Operand, writeKernel } from './source.js';

/** A kernel: steps with equal source and shapes share one. */
export interface Kernel {
  readonly name: string;
  readonly text: Pick<KernelText, 'source' | 'arguments'>;
  readonly output: Shape;
}

export interface Step {
  readonly kernel: Kernel;
  readonly node: Node;
  readonly operands: readonly Operand[];
  readonly flops: number;
}

export interface Plan {
  /** The inputs of the graph that are read, in order of creation. */
  readonly inputs: readonly Node[];
  readonly kernels: readonly Kernel[];
  readonly steps: readonly Step[];
  /** How many of the steps are the program's first part. */
  readonly first: number;
  readonly outputs: ReadonlyMap<string, Node>;
}

const plans = new WeakMap<Program, Plan>();

/** The plan of `program`, created once. */
export function makePlan(program: Program): Plan {
  const plan = plans.get(program) ?? newPlan(program);
  plans.set(program, plan);
  return plan;
}

function newPlan(program: Program): Plan {
  const nodes = reachable(program.outputs.values());
  const fusion = fuse(program);
  const kernels = new Map<string, Kernel>();
  const flops = fusedFlops(nodes, fusion.isStored);
  const results = [...program.outputs].filter(([name]) => program.first?.has(name));
  const early = new Set(reachable(results.map(([, node]) => node)));
  const first = fusion.kernels.filter(node => early.has(node));
  const rest = fusion.kernels.filter(node => !early.has(node));
  const steps = [...first, ...rest].map((node): Step => {
    requireShape(
      node.shape.length >= 1 && node.shape.length <= MAX_AXES,
      node.op?.name ?? '',
      `a kernel's result has 1 to ${MAX_AXES} axes, not ${shapeText(node.shape)}`,
    );
    const { source, arguments: args, operands } = writeKernel(node, fusion);
    const shapes = operands.map(operand => (typeof operand === 'number' ? '' : operand.shape.join('x')));
    const key = `${node.shape.join('x')}|${shapes.join()}|${source}`;
    let kernel = kernels.get(key);
    if (!kernel) {
      const name = `k${kernels.size}_${node.op?.name}`;
      kernel = { name, text: { source, arguments: args }, output: node.shape };
      kernels.set(key, kernel);
    }
    return { kernel, node, operands, flops: flops.get(node) ?? 0 };
  });
  return {
    inputs: nodes.filter(node => !node.op),
    kernels: [...kernels.values()],
    steps,
    first: first.length,
    outputs: program.outputs,
  };
}

/** The parameters of `kernel` as the compiler sees them in a step with `operands`. */
export function parametersOf({ text }: Kernel, operands: readonly Operand[]): Parameter[] {
  return text.arguments.map(({ name }, i): Parameter => {
    const operand = operands[i];
    if (typeof operand === 'number') return { name, type: 'integer', value: operand };
    const { shape, symbols } = operand;
    if (shape.length === 0) return { name, type: 'float' };
    return { name, type: 'array', extents: [...shape].reverse(), symbols };
  });
}

export function useOf({ kernel, operands }: Step): KernelUse {
  const { source } = kernel.text;
  return { source, parameters: parametersOf(kernel, operands), extents: extentsOf(kernel) };
}

export function extentsOf({ output }: Kernel): Readonly<Record<Axis, number>> {
  const [x, y = 1, z = 1] = [...output].reverse();
  return { x, y, z };
}

/** Operations of each stored node, including fused ones as often as they are computed. */
function fusedFlops(nodes: readonly Node[], isStored: (node: Node) => boolean): Map<Node, number> {
  const flops = new Map<Node, number>();
  for (const node of nodes) {
    if (!node.op) continue;
    const fused = node.inputs.filter(input => input.op && !isStored(input));
    flops.set(
      node,
      fused.reduce((total, input) => total + (flops.get(input) ?? 0), node.op.flops(node)),
    );
  }
  return flops;
}

const FLOAT_BYTES = 4;

export type PlanCosts = ReturnType<typeof describePlan>;

export function describePlan(program: Program, plan: Plan = makePlan(program)) {
  const elements = (nodes: readonly Node[]) => nodes.reduce((total, { shape }) => total + sizeOf(shape), 0);
  const inputs = elements(plan.inputs);
  return {
    /** Nodes of the graph that the results depend on. */
    nodes: reachable(program.outputs.values()).length,
    distinctKernels: plan.kernels.length,
    kernels: plan.steps.length,
    flops: plan.steps.reduce((total, step) => total + step.flops, 0),
    /** Inputs and arrays that steps write; these are reused once their last reader has run. */
    bytes: inputs * FLOAT_BYTES + placeArrays(plan).scratchBytes,
  };
}

/**
 * Places the arrays that steps write. An array reuses the memory of one whose last reader has run,
 * if it fits; results keep theirs. Those that the first part keeps for the second come first.
 *
 * @param timeOf when a step runs; those that run at once come one after another
 */
export function placeArrays(plan: Plan, timeOf = (step: number) => step) {
  const lastRead = new Map<Node, number>();
  plan.steps.forEach(({ operands }, i) => {
    for (const operand of operands) if (typeof operand !== 'number') lastRead.set(operand, timeOf(i));
  });
  const bytesOf = ({ shape }: Node) => Math.ceil((sizeOf(shape) * FLOAT_BYTES) / ALIGNMENT) * ALIGNMENT;
  const kept = new Map<Node, number>();
  let keptBytes = 0;
  for (const { node } of plan.steps.slice(0, plan.first)) {
    if ((lastRead.get(node) ?? 0) < timeOf(plan.first)) continue;
    kept.set(node, keptBytes);
    keptBytes += bytesOf(node);
  }
  for (const node of plan.outputs.values()) lastRead.set(node, Number.POSITIVE_INFINITY);
  const places: { at: number; bytes: number; until: number }[] = [];
  let scratchBytes = keptBytes;
  const offsets = plan.steps.map(({ node }, i) => {
    const known = kept.get(node);
    if (known !== undefined) return known;
    const bytes = bytesOf(node);
    const time = timeOf(i);
    const until = lastRead.get(node) ?? time;
    // the smallest free one; a step never writes to an array that it reads
    const free = places
      .filter(place => place.until < time && place.bytes >= bytes)
      .sort((a, b) => a.bytes - b.bytes)[0];
    if (free && free.bytes < 2 * bytes) {
      free.until = until;
      return free.at;
    }
    const place = { at: scratchBytes, bytes, until };
    places.push(place);
    scratchBytes += bytes;
    return place.at;
  });
  return { offsets, keptBytes, scratchBytes };
}

/** The numbers that the first part of a program keeps for the second. */
export function keptSize({ make }: KeyedProgram): number {
  return placeArrays(makePlan(make())).keptBytes / FLOAT_BYTES;
}

/** WebGPU guarantees 8 storage buffers per stage; one of them is the result. */
const MAX_ARRAY_ARGUMENTS = 7;

function fuse(program: Program): Fusion {
  const outputs = new Set(program.outputs.values());
  const nodes = reachable(outputs);
  const readers = new Map<Node, Set<Node>>(nodes.map(node => [node, new Set()]));
  for (const node of nodes) for (const input of node.inputs) readers.get(input)?.add(node);
  const readersOf = (node: Node): readonly Node[] => [...(readers.get(node) ?? [])];
  const inlined = new Set<Node>();
  /** How often each element of a node would be computed if it were fused into its readers. */
  const uses = new Map<Node, number>();

  const countUses = (node: Node): number =>
    readersOf(node).reduce((total, reader) => {
      const times = inlined.has(reader) ? (uses.get(reader) ?? 0) : 1;
      return total + (reader.op?.readsOnce ? times : Number.POSITIVE_INFINITY);
    }, 0);
  /** Whether every reader of `node`, up to the kernel it ends in, computes element by element. */
  const endsPointwise = (node: Node): boolean =>
    readersOf(node).every(
      reader =>
        (reader.op?.kind === 'pointwise' || reader.op?.kind === 'unary') &&
        (!inlined.has(reader) || endsPointwise(reader)),
    );
  /** A layout copy reads along the wrong axis, so nothing should be fused into it. */
  const isCopied = (node: Node): boolean => readersOf(node).some(reader => reader.op?.kind === 'copy');
  /** Whether `node` is an input or has another reader than `except`, seen through views. */
  const isStoredAnyway = (node: Node, except: Node): boolean => {
    if (!node.op) return true;
    if (node.op.kind === 'view') return node.inputs.every(input => isStoredAnyway(input, node));
    return readersOf(node).some(reader => reader !== except);
  };
  const mayInline = (node: Node, times: number): boolean => {
    switch (node.op?.kind) {
      case undefined:
      case 'copy':
        return false;
      case 'view':
        return true;
      case 'reduction':
        return times === 1 && endsPointwise(node);
      case 'pointwise':
        return times === 1 && !isCopied(node);
      case 'unary':
        if (isCopied(node)) return false;
        return times === 1 || (Number.isFinite(times) && isStoredAnyway(node.inputs[0], node));
    }
  };

  for (const node of nodes.toReversed()) {
    const times = countUses(node);
    uses.set(node, times);
    if (!outputs.has(node) && mayInline(node, times)) inlined.add(node);
  }
  boundOperands(nodes, inlined);
  return {
    kernels: nodes.filter(node => node.op && !inlined.has(node)),
    isStored: node => !inlined.has(node),
  };
}

/** Takes nodes out of `inlined` until no kernel reads more than MAX_ARRAY_ARGUMENTS arrays. */
function boundOperands(nodes: readonly Node[], inlined: Set<Node>): void {
  const operands = new Map<Node, Set<Node>>();
  const operandsOf = (node: Node) =>
    inlined.has(node) ? (operands.get(node) ?? new Set([node])) : new Set([node]);
  for (const node of nodes) {
    if (!node.op) continue;
    for (;;) {
      const all = new Set(
        node.inputs.flatMap(input => [...operandsOf(input)]).filter(operand => operand.shape.length > 0),
      );
      operands.set(node, all);
      if (all.size <= MAX_ARRAY_ARGUMENTS) break;
      const [heaviest] = node.inputs
        .filter(input => inlined.has(input) && input.op?.kind !== 'view' && operandsOf(input).size > 1)
        .sort((a, b) => operandsOf(b).size - operandsOf(a).size);
      if (!heaviest)
        throw new Error(`${node.op.name} reads ${all.size} arrays, more than ${MAX_ARRAY_ARGUMENTS}`);
      inlined.delete(heaviest);
    }
  }
}
