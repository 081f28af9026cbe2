/**
 * Our kernel class for gpu.js's webasm mode. gpu.js parses a kernel, infers its types and decides
 * what it returns; overridden are the two methods that do so and that make a module of it, whose
 * code can be sent to other threads.
 */
import { createRequire } from 'node:module';
import { Recent } from '../util/recent.js';
import type { WasmModule } from './heap.js';
import { MAX_PAGES } from './heap.js';
import type { KernelPair } from './linked-executable.js';
import { extentsOf, type Kernel, parametersOf, type Step } from './plan.js';
import { type CompileRequest, compileKernel } from './simd-compile.js';
import type { Parameter } from './simd-lower.js';
import { machineTarget, makeBaselineModule, makeModule, type Target } from './simd-target.js';
import type { KernelArgument } from './source.js';

const require = createRequire(import.meta.url);

/** What one kernel runs: `run(...arguments, output, spare)`, as `compileKernel` describes it. */
export interface KernelCode {
  readonly module: WasmModule;
  readonly spareBytes: number;
}

/** The members of gpu.js's kernel class that we use, which its types omit. */
interface WebAssemblyKernel {
  readonly source: string | object;
  readonly threadDim: readonly [number, number, number];
  readonly argumentTypes: readonly string[];
  readonly argumentNames: readonly string[];
  returnType: string | null;
  /** Numbers in each of the results. */
  componentCount: number;
  usesRandom: boolean;
  /** Functions of `Math` that the module imports. */
  usedMathImports: ReadonlySet<string>;
  /** Analyzes the source; false if the results can't be stored. */
  translateSource(): boolean;
  /** `dims` of the arrays, by name, x first. */
  computeLayout(args: readonly unknown[]): {
    readonly arrays: Readonly<Record<string, { readonly dims: readonly number[] }>>;
  };
  _instantiate(key: string, args: readonly unknown[]): void;
}

type KernelClass = new (...settings: never[]) => WebAssemblyKernel;

/** A kernel that was built by the class below. */
export interface SimdKernel {
  readonly compiled: CompiledCode;
}

export interface CompiledCode {
  readonly code: KernelCode;
  /** The code to compare 256-bit code with before it is used; undefined if it needs no check. */
  unchecked?: KernelPair | undefined;
}

/** The result of gpu.js's analysis of a kernel. */
type Analysis = Pick<WebAssemblyKernel, 'returnType' | 'componentCount' | 'usesRandom' | 'usedMathImports'>;

/** Cached, since a process may open a model several times: to train, resume and evaluate it. */
const analyses = new Recent<Analysis | null>(1000);
const codes = new Recent<CompiledCode>(1000);

/** Every module imports the heap at its current size. */
const MEMORY = { initial: 1, maximum: MAX_PAGES, shared: true };

const PARAMETER_TYPES: Readonly<Record<KernelArgument['type'], Parameter['type']>> = {
  Input: 'array',
  Float: 'float',
  Integer: 'integer',
};

function compile(request: Omit<CompileRequest, 'memory'>): CompiledCode {
  const { target } = request;
  const { bytes, spareBytes } = compileKernel({ ...request, memory: MEMORY });
  const module = makeModule(bytes, target.width);
  if (target.width === 128) return { code: { module, spareBytes } };
  const narrow = compileKernel({ ...request, target: { ...target, width: 128 }, memory: MEMORY });
  const modules = [module, makeBaselineModule(narrow.bytes)] as const;
  return {
    code: { module, spareBytes },
    unchecked: { modules, spareBytes: Math.max(spareBytes, narrow.spareBytes) },
  };
}

/** A class for `gpu.Kernel` whose kernels are `compiled` once they are built. */
export function simdKernelClass(target: Target): KernelClass {
  const { WebAssemblyKernel: Base } = require('gpu.js/src/backend/web-assembly/kernel') as {
    WebAssemblyKernel: KernelClass;
  };
  return class extends Base implements SimdKernel {
    compiled!: CompiledCode;

    /**
     * gpu.js infers the type of every expression, which takes as long as compiling the kernel.
     * Equal kernels have equal types, so layers, steps and runs of a process share the result.
     */
    override translateSource(): boolean {
      const analyze = (): Analysis | null => {
        if (!super.translateSource()) return null;
        const { returnType, componentCount, usesRandom, usedMathImports } = this;
        return { returnType, componentCount, usesRandom, usedMathImports };
      };
      const key = JSON.stringify([String(this.source), this.argumentTypes]);
      const analysis = analyses.get(key, analyze);
      if (analysis === null) return super.translateSource();
      Object.assign(this, analysis);
      return true;
    }

    override _instantiate(_key: string, args: readonly unknown[]): void {
      const source = String(this.source);
      const layout = this.computeLayout(args);
      const types = this.argumentTypes as readonly KernelArgument['type'][];
      const parameters = this.argumentNames.map((name, i): Parameter => {
        const type = PARAMETER_TYPES[types[i]];
        return type === 'array' ? { name, type, extents: layout.arrays[name].dims } : { name, type };
      });
      const [x, y, z] = this.threadDim;
      const request = { source, parameters, extents: { x, y, z }, target };
      this.compiled = codes.get(JSON.stringify(request), () => compile(request));
    }
  };
}

/** The compiled code of `kernel`, for people, as its step `step` uses it. */
export function kernelListing(kernel: Kernel, step: Step): string {
  return compileKernel({
    source: kernel.text.source,
    parameters: parametersOf(kernel, step.operands),
    extents: extentsOf(kernel),
    target: machineTarget(),
    memory: { initial: 1, maximum: 1, shared: true },
  }).listing();
}
