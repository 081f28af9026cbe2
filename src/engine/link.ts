/**
 * Links a plan for the heap: compiles each kernel once and places every array. The result is plain
 * data that any thread can run (`linked-executable.ts`). gpu.js parses a kernel, infers its types
 * and decides what it returns; our compiler makes a module of it, whose code can be sent to other
 * threads.
 */

import type { GPU, IKernelRunShortcut } from 'gpu.js';
import { createRequire } from '../host/index.js';
import type { Node } from '../math/graph/node.js';
import { sizeOf } from '../math/graph/shape.js';
import type { MemoryLimits } from '../util/assembler.js';
import { Recent } from '../util/recent.js';
import type { WasmModule } from '../util/webassembly.js';
import { createKernel, ExecutionError, tensorInput } from './backend.js';
import { ALIGNMENT, MAX_PAGES } from './heap.js';
import type { KernelPair, LinkedRuntime } from './linked-executable.js';
import { install, type MachineCode } from './machine-code.js';
import { assembleProduct } from './machine-product.js';
import { extentsOf, type Kernel, type Plan, parametersOf, placeArrays, type Step } from './plan.js';
import {
  type CompileRequest,
  compileIr,
  compileKernel,
  lowerKernel,
  makeBaselineModule,
  makeModule,
  type Target,
} from './simd-compile.js';
import { type MachineTarget, machineTarget } from './width.js';

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
    const own = plan.steps.slice(next, next + steps).map(({ node }, i) => [...operands[next + i], node]);
    const [{ node, operands: read }] = plan.steps.slice(next, next + 1);
    const isFixed = read.every(one => typeof one === 'number' || fixed.has(one));
    if (isFixed) fixed.add(node);
    const isKept = isFixed && steps === 1 && code.spareBytes === 0 && !results.has(node);
    next += steps;
    return {
      /** Index in `codes`. */
      code: codes.indexOf(code),
      /** For each of its steps those of the operands, then that of the result. */
      slots: own.flat().map(slotOf),
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

/** Links a plan whose steps run one by one. @param compile compiles the kernel of a step */
export function linkPlan<C extends Copies>(plan: Plan, compile: (step: Step) => C): LinkedPlan<C> {
  const codes = new Map<Kernel, C>();
  const dispatches = plan.steps.map(step => {
    const code = codes.get(step.kernel) ?? compile(step);
    codes.set(step.kernel, code);
    return { code, steps: 1 };
  });
  return linkDispatches(plan, dispatches, true);
}

/**
 * Compiles the kernel of a step for the engine's machine. gpu.js, where it is loaded, analyzes the
 * kernel first. Equal kernels of a process share their code.
 * @throws WidthError if it fails the check of code wider than 128 bits
 */
export function compileStep(
  step: Step,
  target: MachineTarget,
  { gpu, runtime }: { readonly gpu: GPU | undefined; readonly runtime: LinkedRuntime },
): KernelCode {
  const request = { ...requestOf(step), target };
  const compiled = codes.get(JSON.stringify(request, OF_CODE), () => {
    if (gpu) analyze(gpu, step);
    return compile(request);
  });
  if (compiled.unchecked && !runtime.agree(step, compiled.unchecked)) throw new WidthError(step.kernel.name);
  compiled.unchecked = undefined;
  return compiled.code;
}

function requestOf({ kernel, operands }: Step): Pick<CompileRequest, 'source' | 'parameters' | 'extents'> {
  const { source } = kernel.text;
  return { source, parameters: parametersOf(kernel, operands), extents: extentsOf(kernel) };
}

/** The keys of a request that its code depends on; others are those of one use. */
const OF_CODE = [
  ...['source', 'parameters', 'name', 'type', 'extents', 'x', 'y', 'z'],
  ...['target', 'arithmetic', 'width', 'isWide'],
];

/** @throws ExecutionError if gpu.js does not take the kernel */
function analyze(gpu: GPU, { kernel, operands }: Step): void {
  const shortcut = createKernel(gpu, 'webasm', kernel);
  // gpu.js takes the sizes of arrays from a kernel's first call
  const samples = operands.map(operand => {
    if (typeof operand === 'number') return operand;
    const { shape } = operand;
    return shape.length === 0 ? 0.5 : tensorInput(new Float32Array(sizeOf(shape)), shape);
  });
  const { kernel: built } = shortcut as IKernelRunShortcut & {
    kernel: AnalyzedKernel & { build(...args: unknown[]): void };
  };
  built.build(...samples);
  if (!built.isAnalyzed) throw new ExecutionError(`gpu.js does not run ${kernel.name} on webasm`);
}

const require = createRequire(import.meta.url);

/** What a kernel copies of its arguments. */
export interface Copies {
  readonly spareBytes: number;
  /** The arguments that determine its copies. */
  readonly packed: readonly number[];
}

/** What one kernel runs: machine code, then a function that `compileKernel` describes. */
export interface KernelModule {
  readonly machine?: MachineCode | undefined;
  readonly module?: WasmModule | undefined;
}

export type KernelCode = KernelModule & Copies;

/** The member of gpu.js's kernel class that makes a module of an analyzed kernel. */
type KernelClass = new (
  ...settings: never[]
) => { _instantiate(key: string, args: readonly unknown[]): void };

/** A kernel that was built by the class below. */
interface AnalyzedKernel {
  readonly isAnalyzed: boolean;
}

interface CompiledCode {
  readonly code: KernelCode;
  /** The code to compare wider code with before it is used; undefined if it needs no check. */
  unchecked?: KernelPair | undefined;
}

/** A process may open a model several times: to train, resume and evaluate it. */
const codes = new Recent<CompiledCode>(1000);

/** Every module imports the heap at its current size. */
const MEMORY = { initial: 1, maximum: MAX_PAGES, shared: true };

type Request = Omit<CompileRequest, 'memory' | 'target'> & { readonly target: MachineTarget };

function compile(request: Request): CompiledCode {
  const { target } = request;
  const code = (target.isWide && machineKernel(request)) || mergedKernel(request);
  if (target.width === 128 && !code.machine) return { code };
  const narrow = compileKernel({ ...request, target: { ...target, width: 128 }, memory: MEMORY });
  const reference = { module: makeBaselineModule(narrow.bytes) };
  const spareBytes = Math.max(code.spareBytes, narrow.spareBytes);
  return { code, unchecked: { codes: [code, reference], spareBytes } };
}

function mergedKernel(request: Request): KernelCode {
  const { bytes, spareBytes, packed } = compileKernel({ ...request, memory: MEMORY });
  return { module: makeModule(bytes, request.target.width), spareBytes, packed };
}

/** Undefined if the kernel is no product. */
function machineKernel(request: Request): KernelCode | undefined {
  const { parameters, target } = request;
  const product = assembleProduct(lowerKernel(request), parameters);
  if (!product) return undefined;
  const { bytes, spareBytes, packed, finish } = product;
  const floats = [...parameters.keys()].filter(i => parameters[i].type === 'float');
  const rest = finish && compileIr(finish, { parameters, target, memory: MEMORY });
  const module = rest && makeModule(rest.bytes, target.width);
  return { machine: { address: install(bytes), floats }, module, spareBytes, packed };
}

/** A class for `gpu.Kernel` that makes no module of a kernel: the code is ours. */
export function analyzingKernelClass(): KernelClass {
  const { WebAssemblyKernel: Base } = require('gpu.js/src/backend/web-assembly/kernel') as {
    WebAssemblyKernel: KernelClass;
  };
  return class extends Base implements AnalyzedKernel {
    isAnalyzed = false;

    override _instantiate(): void {
      this.isAnalyzed = true;
    }
  };
}

/** The compiled code of the kernel of `step`, for people. */
export function kernelListing(step: Step): string {
  return compileAlone(step, machineTarget(), MEMORY).listing();
}

/** Compiles the kernel of `step` without gpu.js, which says only what the planner knows. */
export function compileAlone(step: Step, target: Target, memory: MemoryLimits) {
  return compileKernel({ ...requestOf(step), target, memory });
}
