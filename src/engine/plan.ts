/** Plans the kernels that compute a graph: what runs, in which order, with which operands. */
import { type Node, type Program, reachable } from '../math/graph/node.js';
import { requireShape, type Shape, shapeText, sizeOf } from '../math/graph/shape.js';
import { fuse } from './fuse.js';
import { type KernelTree, parseKernel } from './language.js';
import { type Argument, lintKernel } from './lint.js';
import { type KernelText, MAX_AXES, type Operand, writeKernel } from './source.js';

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
  const trees = new Map<Kernel, KernelTree>();
  const flops = fusedFlops(nodes, fusion.isStored);
  const steps = fusion.kernels.map((node): Step => {
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
      trees.set(kernel, parseKernel(source));
    }
    lint(kernel, trees.get(kernel) as KernelTree, operands);
    return { kernel, node, operands, flops: flops.get(node) ?? 0 };
  });
  return {
    inputs: nodes.filter(node => !node.op),
    kernels: [...kernels.values()],
    steps,
    outputs: program.outputs,
  };
}

/** Lints every step, since its operands determine whether the kernel's reads are in bounds. */
function lint(kernel: Kernel, tree: KernelTree, operands: readonly Operand[]): void {
  const describe = (operand: Operand): Argument => {
    if (typeof operand === 'number') return { kind: 'integer', value: operand };
    const { shape, symbols } = operand;
    return shape.length === 0 ? { kind: 'float' } : { kind: 'array', shape, symbols };
  };
  lintKernel({
    tree,
    output: kernel.output,
    arguments: new Map(kernel.text.arguments.map(({ name }, i) => [name, describe(operands[i])])),
  });
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

export interface PlanCosts {
  /** Nodes of the graph that the results depend on. */
  readonly nodes: number;
  readonly distinctKernels: number;
  readonly kernels: number;
  readonly flops: number;
  /** Inputs and buffers on the device; buffers are reused once their last reader has run. */
  readonly bytes: number;
  /** Inputs and results, which gpu.js copies to a GPU and back in every run. */
  readonly transferredBytes: number;
}

export function describePlan(program: Program, plan: Plan = makePlan(program)): PlanCosts {
  const elements = (nodes: readonly Node[]) => nodes.reduce((total, { shape }) => total + sizeOf(shape), 0);
  const inputs = elements(plan.inputs);
  return {
    nodes: reachable(program.outputs.values()).length,
    distinctKernels: plan.kernels.length,
    kernels: plan.steps.length,
    flops: plan.steps.reduce((total, step) => total + step.flops, 0),
    bytes: (inputs + bufferElements(plan)) * FLOAT_BYTES,
    transferredBytes: (inputs + elements([...plan.outputs.values()])) * FLOAT_BYTES,
  };
}

/** The index of the last step that reads each node; infinite for results. */
export function lastReads({ steps, outputs }: Plan): Map<Node, number> {
  const lastRead = new Map<Node, number>();
  steps.forEach(({ operands }, i) => {
    for (const operand of operands) if (typeof operand !== 'number') lastRead.set(operand, i);
  });
  for (const node of outputs.values()) lastRead.set(node, Number.POSITIVE_INFINITY);
  return lastRead;
}

/** As gpu.js assigns buffers: a step reuses one of its own shape whose last reader has run. */
function bufferElements(plan: Plan): number {
  const lastRead = lastReads(plan);
  const free = new Map<string, number[]>();
  let elements = 0;
  plan.steps.forEach(({ node }, i) => {
    const shape = node.shape.join();
    const slots = free.get(shape) ?? [];
    free.set(shape, slots);
    const reused = slots.findIndex(until => until < i);
    const until = lastRead.get(node) ?? i;
    if (reused >= 0) slots[reused] = until;
    else {
      slots.push(until);
      elements += sizeOf(node.shape);
    }
  });
  return elements;
}
