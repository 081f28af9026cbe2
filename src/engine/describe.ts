/** The cost of a plan, counted from the plan itself. */
import { type Node, type Program, reachable } from '../math/graph/node.js';
import { sizeOf } from '../math/graph/shape.js';
import { makePlan, type Plan } from './plan.js';

const FLOAT_BYTES = 4;

export interface PlanCosts {
  /** Nodes of the graph that the results depend on. */
  readonly nodes: number;
  /** Kernel sources; each is translated once. */
  readonly distinctKernels: number;
  /** Kernels that one run executes. */
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

/** As gpu.js assigns buffers: a step reuses one of its own shape whose last reader has run. */
function bufferElements({ steps, outputs }: Plan): number {
  const lastRead = new Map<object, number>();
  steps.forEach(({ operands }, i) => {
    for (const operand of operands) if (typeof operand !== 'number') lastRead.set(operand, i);
  });
  for (const node of outputs.values()) lastRead.set(node, Number.POSITIVE_INFINITY);
  const free = new Map<string, number[]>();
  let elements = 0;
  steps.forEach(({ node }, i) => {
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
