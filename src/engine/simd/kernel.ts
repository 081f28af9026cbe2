/**
 * Our kernel class for gpu.js's webasm mode. gpu.js keeps its pipelines and their memory;
 * overridden are the two methods that analyze a kernel and make a module of it. Assigned to
 * `gpu.Kernel`, it serves createKernel and createPipeline.
 */
import { createRequire } from 'node:module';
import { Recent } from '../../recent.js';
import { KernelError } from '../language/syntax.js';
import { machineArithmetic } from './arithmetic.js';
import { type CompileRequest, compileKernel } from './compile.js';
import type { Layout } from './lower.js';

const require = createRequire(import.meta.url);

/** What we use of gpu.js's kernel class, which its types leave out. */
interface WebAssemblyKernel {
  readonly source: string | object;
  readonly threadDim: readonly [number, number, number];
  readonly argumentTypes: readonly string[];
  returnType: string | null;
  /** Numbers in each of the results. */
  componentCount: number;
  usesRandom: boolean;
  /** Functions of `Math` that the module imports. */
  usedMathImports: ReadonlySet<string>;
  /** Analyzes the source for `_assembleModule`; false if its results can't be stored. */
  translateSource(): boolean;
  _assembleModule(layout: ModuleLayout, cells: number, shared: boolean): AssembledModule;
}

interface ModuleLayout extends Layout {
  readonly constantArrays: Readonly<Record<string, unknown>>;
  readonly outputOffset: number;
  /** Set by pipelines, whose modules share one memory. */
  readonly totalBytes?: number;
}

interface AssembledModule {
  readonly bytes: Uint8Array;
  /** Pages. */
  readonly initial: number;
  readonly maximum: number;
}

type KernelClass = new (...settings: never[]) => WebAssemblyKernel;

const PAGE_BYTES = 65536;
/** Pages beyond the data, as gpu.js has them; copies of matrix columns go there. */
const SPARE_PAGES = 16;
/** Of those, the last ones stay free: vectors at the end of the last array are loaded whole. */
const OVERREAD_PAGES = 1;
const VECTOR_BYTES = 16;
const LEAST_MAXIMUM_PAGES = 4096;
const FLOAT_BYTES = 4;

/** A process may open a model several times: to train it, to resume it, to evaluate it. */
const modules = new Recent<Uint8Array>(1000);

/** What gpu.js finds out about a kernel. */
type Analysis = Pick<WebAssemblyKernel, 'returnType' | 'componentCount' | 'usesRandom' | 'usedMathImports'>;
const analyses = new Recent<Analysis | null>(1000);

/** Called when a kernel falls back to gpu.js's own code, with the kernel's source and the reason. */
export type OnFallback = (source: string, reason: string) => void;

/** A class for `gpu.Kernel` that compiles kernels with `compileKernel`. */
export function simdKernelClass(onFallback: OnFallback): KernelClass {
  const { WebAssemblyKernel: Base } = require('gpu.js/src/backend/web-assembly/kernel') as {
    WebAssemblyKernel: KernelClass;
  };
  return class SimdKernel extends Base {
    /**
     * gpu.js infers the type of every expression, which takes as long as compiling the kernel, and
     * equal kernels have equal types: layers, steps and runs of a process share the result.
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

    override _assembleModule(layout: ModuleLayout, cells: number, shared: boolean): AssembledModule {
      const source = String(this.source);
      const dataBytes = layout.totalBytes ?? layout.outputOffset + cells * FLOAT_BYTES;
      const initial = Math.ceil(dataBytes / PAGE_BYTES) + SPARE_PAGES;
      const maximum = Math.max(initial, LEAST_MAXIMUM_PAGES);
      const [x, y, z] = this.threadDim;
      try {
        const request: CompileRequest = {
          source,
          layout,
          arithmetic: machineArithmetic(),
          outputOffset: layout.outputOffset,
          extents: { x, y, z },
          memory: { initial, maximum, shared },
          spare: {
            begin: Math.ceil(dataBytes / VECTOR_BYTES) * VECTOR_BYTES,
            end: (initial - OVERREAD_PAGES) * PAGE_BYTES,
          },
        };
        const bytes = modules.get(JSON.stringify(request), () => compileKernel(request).bytes);
        return { bytes, initial, maximum };
      } catch (error) {
        if (!(error instanceof KernelError)) throw error;
        onFallback(source, error.message);
        // the code of gpu.js needs the analysis itself, not only its result
        super.translateSource();
        return super._assembleModule(layout, cells, shared);
      }
    }
  };
}
