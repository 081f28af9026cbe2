/**
 * Links a plan for the heap: compiles each kernel once and places every array. The result is plain
 * data that any thread can run (`linked-executable.ts`).
 */

import type { Node, Program } from '../math/graph/node.js';
import { sizeOf } from '../math/graph/shape.js';
import { ALIGNMENT } from './heap.js';
import {
  type Copies,
  compiledKernel,
  type KernelCode,
  type KernelPair,
  type LoweredKernel,
  lowerKernel,
  type PortableCode,
  portableKernel,
} from './kernels.js';
import { type Kernel, makePlan, type Plan, parametersOf, placeArrays, type Step, useOf } from './plan.js';
import type { MachineTarget } from './simd-compile.js';
import { machineTarget } from './width.js';

/** A plan whose kernels are `C`: modules, or their code as data. */
export type LinkedPlan<C extends Copies = KernelCode> = ReturnType<typeof linkDispatches<C>>;

/** A kernel of 256 or 512 bits that failed its check. */
export class WidthError extends Error {
  override readonly name = 'WidthError';

  constructor(readonly kernel: string) {
    super(`${kernel} computes different values with wider vectors`);
  }
}

/** Steps that run at once. */
export interface Dispatch<C> {
  readonly code: C;
  /** How many steps of the plan, which follow one another. */
  readonly steps: number;
}

/**
 * Steps read and write slots: numbers, or addresses of arrays. First the inputs in their order,
 * then constants, then the arrays that steps write.
 *
 * @param dispatches of all steps, in their order
 * @param hasScalars whether a step is given the value of an input of shape [], not its address
 */
export function linkDispatches<C extends Copies>(
  plan: Plan,
  dispatches: readonly Dispatch<C>[],
  hasScalars: boolean,
) {
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
  const codes = [...new Set(dispatches.map(({ code }) => code))];
  const times = dispatches.flatMap(({ steps }, time) => Array<number>(steps).fill(time));
  const results = new Set(plan.outputs.values());
  const fixed = new Set<Node | number>(plan.inputs.filter(({ isParameter }) => isParameter));
  let next = 0;
  const linked = dispatches.map(({ code, steps }) => {
    const nodes = plan.steps.slice(next, next + steps).map(({ node }, i) => [...operands[next + i], node]);
    const [{ node, operands: read }] = plan.steps.slice(next, next + 1);
    const isFixed = read.every(operand => typeof operand === 'number' || fixed.has(operand));
    if (isFixed) fixed.add(node);
    const isKept = isFixed && steps === 1 && code.spareBytes === 0 && !results.has(node);
    next += steps;
    return {
      /** Index in `codes`. */
      code: codes.indexOf(code),
      /** For each of its steps those of the operands, then that of the result. */
      slots: nodes.flat().map(slotOf),
      /** The size of a result that depends on parameters alone; undefined of others. */
      kept: isKept ? sizeOf(node.shape) : undefined,
    };
  });
  const first = plan.steps.slice(0, plan.first);
  const early = new Set<Node | number>(first.flatMap(step => [step.node, ...step.operands]));
  return {
    inputs: plan.inputs.map(node => ({
      name: node.name as string,
      /** Undefined: steps are given its value. */
      size: hasScalars && node.shape.length === 0 ? undefined : sizeOf(node.shape),
      /** Whether the first part reads it. */
      isEarly: early.has(node),
    })),
    numbers,
    /** How many of the dispatches are the first part. */
    first: plan.first < times.length ? times[plan.first] : dispatches.length,
    ...placeArrays(plan, step => times[step] ?? dispatches.length),
    codes,
    ...placeCopies(linked, codes),
    outputs: [...plan.outputs].map(([name, node]) => ({
      name,
      slot: slots.get(node) as number,
      size: sizeOf(node.shape),
      /** Whether it is a result of the first part. */
      isEarly: early.has(node),
    })),
  };
}

interface CodeUse {
  readonly code: number;
  readonly slots: readonly number[];
  readonly kept: number | undefined;
}

/**
 * Places the copies that steps make of what they read. Steps with the same code and the same packed
 * arguments, such as the weights at each time step, use one copy: the first makes it. Copies for a
 * single step share a place.
 */
function placeCopies(steps: readonly CodeUse[], codes: readonly Copies[]) {
  const keys = steps.map(({ code, slots }) => [code, ...codes[code].packed.map(i => slots[i])].join());
  const bytesOf = ({ code }: CodeUse) => Math.ceil(codes[code].spareBytes / ALIGNMENT) * ALIGNMENT;
  const single = steps.filter((_, i) => keys.indexOf(keys[i]) === keys.lastIndexOf(keys[i]));
  let spareBytes = single.reduce((most, step) => Math.max(most, bytesOf(step)), 0);
  const places = new Map<string, number>();
  const last = new Map<string, number>();
  const placed = steps.map((step, i) => {
    const key = keys[i];
    if (!single.includes(step) && !places.has(key)) {
      places.set(key, spareBytes);
      spareBytes += bytesOf(step);
    }
    const copiedBy = last.get(key) ?? -1;
    last.set(key, i);
    return {
      ...step,
      /** Byte offset of its copies. */
      spare: places.get(key) ?? 0,
      /** The last step before with the same copies; -1 if there is none. */
      copiedBy,
    };
  });
  return { spareBytes, steps: placed };
}

/** A kernel that checks the uses that steps make of it. */
type CheckedKernel = Pick<LoweredKernel, 'check'>;

/** A compiled kernel for each kernel of the plan, checked with all operands. @throws KernelError */
function kernelsOf<K extends CheckedKernel>(plan: Plan, kernelFor: (step: Step) => K): Map<Kernel, K> {
  const kernels = new Map<Kernel, K>();
  for (const step of plan.steps) {
    const kernel = kernels.get(step.kernel) ?? kernelFor(step);
    kernels.set(step.kernel, kernel);
    kernel.check(parametersOf(step.kernel, step.operands));
  }
  return kernels;
}

/** Checks the kernels of a plan that gpu.js runs itself. @throws KernelError */
export function checkKernels(plan: Plan): void {
  kernelsOf(plan, step => lowerKernel(useOf(step)));
}

/** Links a plan whose steps run one by one. */
function linkPlan<K extends CheckedKernel, C extends Copies>(
  plan: Plan,
  kernelFor: (step: Step) => K,
  codeOf: (kernel: K) => C,
): LinkedPlan<C> {
  const kernels = kernelsOf(plan, kernelFor);
  const codes = new Map([...kernels].map(([key, kernel]) => [key, codeOf(kernel)]));
  const dispatches = plan.steps.map(({ kernel }) => ({ code: codes.get(kernel)!, steps: 1 }));
  return linkDispatches(plan, dispatches, true);
}

/**
 * Links a plan for the engine's machine.
 * @param agree checks code wider than 128 bits
 * @throws WidthError if a kernel fails the check
 */
export function linkForHeap(
  plan: Plan,
  target: MachineTarget,
  agree: (step: Step, pair: KernelPair) => boolean,
): LinkedPlan {
  const kernelFor = (step: Step) => {
    const kernel = compiledKernel(useOf(step), target);
    if (kernel.unchecked && !agree(step, kernel.unchecked)) throw new WidthError(step.kernel.name);
    kernel.unchecked = undefined;
    return kernel;
  };
  return linkPlan(plan, kernelFor, ({ code }) => code);
}

export type PortablePlan = LinkedPlan<PortableCode>;

/** Links a program as data, for hosts that do not compile: a web page, another machine. */
export function linkPortable(program: Program): PortablePlan {
  return linkPlan(
    makePlan(program),
    step => portableKernel(useOf(step)),
    kernel => kernel.compile(),
  );
}

/** The compiled code of the kernel of `step`, for people. */
export function kernelListing(step: Step): string {
  return lowerKernel(useOf(step)).listing(machineTarget());
}
