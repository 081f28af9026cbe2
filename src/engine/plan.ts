/** Plans the kernels that compute a graph: what runs, in which order, with which operands. */
import { type Node, type Program, reachable } from '../math/graph/node.js';
import { requireShape, type Shape, shapeText } from '../math/graph/shape.js';
import { fuse } from './fuse.js';
import { type Argument, lintKernel } from './language/lint.js';
import { parseKernel } from './language/parse.js';
import type { KernelTree } from './language/syntax.js';
import { type KernelText, MAX_AXES, type Operand, writeKernel } from './source.js';

/** A kernel: steps with equal source and shapes share one. */
export interface Kernel {
  readonly name: string;
  readonly text: Pick<KernelText, 'source' | 'arguments'>;
  readonly output: Shape;
}

export interface Step {
  readonly kernel: Kernel;
  /** The node that this step computes. */
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

/**
 * Floating-point operations of each stored node, including fused ones as often as they are
 * computed.
 */
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
