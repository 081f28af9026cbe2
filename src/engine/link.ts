/**
 * Links a plan for the heap: compiles each kernel once and places every array. The result is plain
 * data that any thread can run (`linked-executable.ts`).
 */
import type { GPU, IKernelRunShortcut } from 'gpu.js';
import type { Node } from '../math/graph/node.js';
import { sizeOf } from '../math/graph/shape.js';
import { tensorInput } from './backend.js';
import { createKernel, ExecutionError } from './executable.js';
import type { LinkedRuntime } from './linked-executable.js';
import { type Kernel, type Plan, placeArrays, type Step } from './plan.js';
import type { KernelCode, SimdKernel } from './simd-kernel.js';

export interface LinkedInput {
  readonly name: string;
  readonly size: number | undefined;
}

export interface LinkedOutput {
  readonly name: string;
  readonly slot: number;
  readonly size: number;
}

export interface LinkedStep {
  /** Index in `codes`. */
  readonly code: number;
  /** Those of its operands, then that of its result. */
  readonly slots: readonly number[];
}

/**
 * Steps read and write slots: numbers, or addresses of arrays. First the inputs in their order,
 * then constants, then the arrays that steps write.
 */
export interface LinkedPlan {
  readonly inputs: readonly LinkedInput[];
  readonly numbers: readonly number[];
  /** Byte offset in scratch memory of each array that is written. */
  readonly offsets: readonly number[];
  readonly scratchBytes: number;
  readonly codes: readonly KernelCode[];
  readonly steps: readonly LinkedStep[];
  readonly outputs: readonly LinkedOutput[];
}

/** A 256-bit kernel that failed its check. */
export class WidthError extends Error {
  override readonly name = 'WidthError';

  constructor(readonly kernel: string) {
    super(`${kernel} computes different values at 256 bits`);
  }
}

/** @throws WidthError if a kernel fails the check of 256-bit code */
export function linkPlan(gpu: GPU, plan: Plan, runtime: LinkedRuntime): LinkedPlan {
  const slots = new Map<Node, number>();
  for (const node of plan.inputs) slots.set(node, slots.size);
  const numbers: number[] = [];
  const numberSlot = (value: number) => {
    if (!numbers.includes(value)) numbers.push(value);
    return plan.inputs.length + numbers.indexOf(value);
  };
  const operands = plan.steps.map(step =>
    step.operands.map(operand => (typeof operand === 'number' ? numberSlot(operand) : operand)),
  );
  plan.steps.forEach(({ node }, i) => {
    slots.set(node, plan.inputs.length + numbers.length + i);
  });
  const slotOf = (operand: Node | number) =>
    typeof operand === 'number' ? operand : (slots.get(operand) as number);
  const firstUse = new Map<Kernel, Step>();
  for (const step of plan.steps) if (!firstUse.has(step.kernel)) firstUse.set(step.kernel, step);
  const codes = new Map([...firstUse].map(([kernel, step]) => [kernel, compile(gpu, step, runtime)]));
  const order = [...codes.keys()];
  return {
    inputs: plan.inputs.map(({ name, shape }) => ({
      name: name as string,
      size: shape.length === 0 ? undefined : sizeOf(shape),
    })),
    numbers,
    ...placeArrays(plan),
    codes: [...codes.values()],
    steps: plan.steps.map(({ kernel, node }, i) => ({
      code: order.indexOf(kernel),
      slots: [...operands[i], node].map(slotOf),
    })),
    outputs: [...plan.outputs].map(([name, node]) => ({
      name,
      slot: slots.get(node) as number,
      size: sizeOf(node.shape),
    })),
  };
}

function compile(gpu: GPU, step: Step, runtime: LinkedRuntime): KernelCode {
  const { kernel } = step;
  const shortcut = createKernel(gpu, 'webasm', kernel);
  // gpu.js takes the sizes of arrays from a kernel's first call
  const samples = step.operands.map(operand => {
    if (typeof operand === 'number') return operand;
    const { shape } = operand;
    return shape.length === 0 ? 0.5 : tensorInput(new Float32Array(sizeOf(shape)), shape);
  });
  const { kernel: built } = shortcut as IKernelRunShortcut & {
    kernel: SimdKernel & { build(...args: unknown[]): void };
  };
  built.build(...samples);
  const { compiled } = built;
  if (!compiled) throw new ExecutionError(`gpu.js does not run ${kernel.name} on webasm`);
  if (compiled.unchecked && !runtime.agree(step, compiled.unchecked)) throw new WidthError(kernel.name);
  // equal kernels of a process share their code
  compiled.unchecked = undefined;
  return compiled.code;
}
