/**
 * Kernels of gpu.js whose code is ours. gpu.js parses the source of a kernel and infers the types
 * of its arguments, locals and result. The classes here extend gpu.js's `Kernel`, as the backends
 * that it ships do, and generate code from what it found: WebAssembly, machine code of 512 bits for
 * products, or the representation that shaders are written from (`wgsl.ts`).
 */

import type { GPU, IKernelRunShortcut } from 'gpu.js';
import { loadGpuLibrary } from '../host/index.js';
import { Recent } from '../util/recent.js';
import type { WasmModule } from '../util/webassembly.js';
import type { Arithmetic } from './arithmetic.js';
import { MAX_PAGES } from './heap.js';
import { type Axis, KernelError, type KernelTree, type ParsedFunction, readKernel } from './language.js';
import { install, type MachineCode } from './machine-code.js';
import { assembleProduct } from './machine-product.js';
import { compileIr, type MachineTarget, makeBaselineModule, makeModule } from './simd-compile.js';
import { fuseMultiplyAdd, type KernelIr } from './simd-ir.js';
import { checkKernel, lower, type Parameter } from './simd-lower.js';
import type { Target } from './simd-tile.js';
import { type Shader, writeShader } from './wgsl.js';

/** The part of gpu.js that the engine uses. */
export interface GpuLibrary {
  /** Pages do without: it brings all backends of gpu.js. */
  readonly GPU?: typeof GPU;
  /** gpu.js accepts any typed array, its types only arrays of numbers. */
  readonly Input: new (
    values: { readonly length: number },
    size: readonly number[],
  ) => object;
  readonly Kernel: new (source: string, settings: object) => KernelBase;
  readonly FunctionBuilder: {
    fromKernel(
      kernel: KernelBase,
      node: unknown,
    ): { readonly rootNode: ParsedFunction; getKernelResultType(): string };
  };
  readonly FunctionNode: unknown;
}

/** What gpu.js's base class of kernels does for a backend. */
interface KernelBase {
  readonly output: readonly number[];
  readonly argumentNames: readonly string[];
  readonly argumentTypes: readonly string[];
  /** Extents of arrays, x first; null for numbers. */
  readonly argumentSizes: readonly (readonly number[] | null)[];
  precision: 'single';
  built: boolean;
  mergeSettings(settings: object): void;
  setupConstants(): void;
  setupArguments(args: readonly unknown[]): void;
  checkOutput(): void;
}

let library: GpuLibrary | undefined;

/** Loaded on first use. */
export function gpuLibrary(): GpuLibrary {
  library ??= loadGpuLibrary() as GpuLibrary;
  return library;
}

/** The text of a kernel and the arguments of one use. */
export interface KernelUse {
  readonly source: string;
  /** In the order of the source's parameters. */
  readonly parameters: readonly Parameter[];
  /** The output's extents, x (contiguous) first. */
  readonly extents: Readonly<Record<Axis, number>>;
}

/** What a kernel copies of its arguments. */
export interface Copies {
  readonly spareBytes: number;
  /** The arguments that determine its copies. */
  readonly packed: readonly number[];
}

/** What one kernel runs: machine code, then a function that `compileIr` describes. */
export interface KernelModule {
  readonly machine?: MachineCode | undefined;
  readonly module?: WasmModule | undefined;
}

export type KernelCode = KernelModule & Copies;

/** The code of a kernel twice, and how much memory each needs for copies. */
export interface KernelPair {
  readonly codes: readonly [KernelModule, KernelModule];
  readonly spareBytes: number;
}

/** The code of a kernel for each way in which a host adds products. */
export interface PortableCode extends Copies {
  readonly bytes: Readonly<Record<Arithmetic, Uint8Array>>;
}

/** A kernel as gpu.js has analyzed it, lowered to operations on vectors. */
export interface LoweredKernel {
  readonly tree: KernelTree;
  readonly ir: KernelIr;
  /** With sums of products as one operation. */
  readonly fused: KernelIr;
  /** As gpu.js has found them. */
  readonly parameters: readonly Parameter[];
  /**
   * Checks a use, whose integers and symbols decide whether reads are inside their arrays.
   * @throws KernelError at the first rule that the kernel breaks
   */
  check(parameters: readonly Parameter[]): void;
  /** Its code in WebAssembly, readable. */
  listing(target: Target): string;
}

/** WebAssembly with vectors of 128 bits, which V8 may merge to 256; products in machine code. */
export interface CompiledKernel extends LoweredKernel {
  readonly code: KernelCode;
  /** The code to compare wider code with before it is used; undefined if it needs no check. */
  unchecked: KernelPair | undefined;
}

/** WebAssembly as data, for hosts that do not compile. */
export interface PortableKernel extends LoweredKernel {
  compile(): PortableCode;
}

/** WGSL. */
export interface ShaderKernel extends LoweredKernel {
  /** A shader that runs this kernel and then the others. */
  shader(others: readonly ShaderKernel[]): Shader;
}

/** Every module imports the heap at its current size. */
const MEMORY = { initial: 1, maximum: MAX_PAGES, shared: true };
/** A page that is not isolated shares no memory. */
const UNSHARED_MEMORY = { ...MEMORY, shared: false };

/** gpu.js's names of the types that arguments have. */
const ARGUMENT_TYPES = { array: 'Input', float: 'Float', integer: 'Integer' } as const satisfies Record<
  Parameter['type'],
  string
>;
const RESULTS: readonly string[] = ['Number', 'Float', 'Integer', 'LiteralInteger'];

type KernelClass<K extends LoweredKernel> = new (source: string, settings: object) => Built<K>;
type Built<K> = K & { build(...samples: readonly unknown[]): void };
type Compiled = CompiledKernel & { compile(target: MachineTarget): void };

interface Kernels {
  readonly Lowered: KernelClass<LoweredKernel>;
  readonly Vector: KernelClass<Compiled>;
  readonly Machine: KernelClass<Compiled>;
  readonly Portable: KernelClass<PortableKernel>;
  readonly Wgsl: KernelClass<ShaderKernel>;
}

/** Classes that extend one of gpu.js, which is loaded when the first kernel is built. */
function defineKernels({ Kernel, FunctionBuilder, FunctionNode }: GpuLibrary): Kernels {
  class Lowered extends Kernel implements LoweredKernel {
    tree!: KernelTree;
    ir!: KernelIr;
    fused!: KernelIr;
    parameters!: readonly Parameter[];
    private readonly checked = new Set<string>();

    constructor(source: string, settings: object) {
      super(source, settings);
      this.precision = 'single';
      this.mergeSettings(settings);
    }

    initCanvas(): null {
      return null;
    }

    initContext(): null {
      return null;
    }

    initPlugins(): [] {
      return [];
    }

    /** @throws KernelError if the source is outside the language */
    build(...samples: readonly unknown[]): void {
      if (this.built) return;
      this.setupConstants();
      this.setupArguments(samples);
      this.checkOutput();
      const builder = FunctionBuilder.fromKernel(this, FunctionNode);
      this.tree = readKernel(builder.rootNode);
      this.parameters = this.argumentTypes.map((type, i): Parameter => {
        const name = this.argumentNames[i];
        if (type === ARGUMENT_TYPES.integer) return { name, type: 'integer' };
        if (type === ARGUMENT_TYPES.float) return { name, type: 'float' };
        return { name, type: 'array', extents: this.argumentSizes[i]! };
      });
      const [x, y, z] = this.output;
      this.ir = lower(this.tree, this.parameters, { x, y, z });
      this.fused = fuseMultiplyAdd(this.ir);
      const result = builder.getKernelResultType();
      if (!RESULTS.includes(result)) throw new KernelError(`a kernel returns a number, not ${result}`);
      this.built = true;
    }

    check(parameters: readonly Parameter[]): void {
      const use = JSON.stringify(parameters);
      if (!this.checked.has(use)) checkKernel(this.tree, parameters, this.ir.extents);
      this.checked.add(use);
    }

    listing(target: Target): string {
      return compileIr(this.fused, { parameters: this.parameters, target, memory: MEMORY }).listing();
    }
  }

  class Vector extends Lowered implements CompiledKernel {
    code!: KernelCode;
    unchecked: KernelPair | undefined;

    compile(target: MachineTarget): void {
      this.code = this.codeFor(target);
      if (target.width === 128 && !this.code.machine) return;
      const narrow = compileIr(this.fused, {
        parameters: this.parameters,
        target: { ...target, width: 128 },
        memory: MEMORY,
      });
      const reference = { module: makeBaselineModule(narrow.bytes) };
      const spareBytes = Math.max(this.code.spareBytes, narrow.spareBytes);
      this.unchecked = { codes: [this.code, reference], spareBytes };
    }

    protected codeFor(target: MachineTarget): KernelCode {
      const { parameters } = this;
      const { bytes, spareBytes, packed } = compileIr(this.fused, { parameters, target, memory: MEMORY });
      return { module: makeModule(bytes, target.width), spareBytes, packed };
    }
  }

  /** Products in machine code of 512 bits; what follows them, and other kernels, in WebAssembly. */
  class Machine extends Vector {
    protected override codeFor(target: MachineTarget): KernelCode {
      const { parameters } = this;
      const product = assembleProduct(this.fused, parameters);
      if (!product) return super.codeFor(target);
      const { bytes, spareBytes, packed, finish } = product;
      const floats = [...parameters.keys()].filter(i => parameters[i].type === 'float');
      const rest = finish && compileIr(finish, { parameters, target, memory: MEMORY });
      const module = rest && makeModule(rest.bytes, target.width);
      return { machine: { address: install(bytes), floats }, module, spareBytes, packed };
    }
  }

  class Portable extends Lowered implements PortableKernel {
    compile(): PortableCode {
      const codeFor = (arithmetic: Arithmetic) =>
        compileIr(this.fused, {
          parameters: this.parameters,
          target: { arithmetic, width: 128 },
          memory: UNSHARED_MEMORY,
        });
      const [fused, separate] = [codeFor('fused'), codeFor('separate')];
      return {
        bytes: { fused: fused.bytes, separate: separate.bytes },
        // their tiles differ, and so may what they copy
        spareBytes: Math.max(fused.spareBytes, separate.spareBytes),
        packed: [...new Set([...fused.packed, ...separate.packed])],
      };
    }
  }

  class Wgsl extends Lowered implements ShaderKernel {
    shader(others: readonly ShaderKernel[]): Shader {
      return writeShader([this, ...others]);
    }
  }

  return { Lowered, Vector, Machine, Portable, Wgsl };
}

let kernels: Kernels | undefined;
let gpu: GPU | undefined;

/** Has gpu.js create a kernel of a class, and builds it. @throws KernelError */
function build<K extends LoweredKernel>(
  classOf: (kernels: Kernels) => KernelClass<K>,
  { source, parameters, extents }: KernelUse,
): K {
  const { GPU, Input } = gpuLibrary();
  kernels ??= defineKernels(gpuLibrary());
  const Kernel = classOf(kernels);
  const settings = {
    output: [extents.x, extents.y, extents.z],
    // stated, so that a learning rate of 1 is not taken for an integer
    argumentTypes: parameters.map(({ type }) => ARGUMENT_TYPES[type]),
  };
  let kernel: Built<K>;
  if (GPU) {
    gpu ??= new GPU({ mode: 'webasm' });
    Object.assign(gpu, { Kernel });
    ({ kernel } = gpu.createKernel(source, settings as object) as IKernelRunShortcut & { kernel: Built<K> });
    // gpu.js lists its kernels to release what they hold; ours hold nothing
    (gpu as unknown as { kernels: object[] }).kernels.pop();
  } else {
    kernel = new Kernel(source, settings);
  }
  // gpu.js takes the sizes of arrays from a first call; it only compares the length of its values
  // with three of the extents
  const samples = parameters.map(parameter => {
    if (parameter.type !== 'array') return 0;
    const { extents } = parameter;
    return new Input({ length: extents.slice(0, 3).reduce((size, extent) => size * extent, 1) }, extents);
  });
  try {
    kernel.build(...samples);
  } catch (error) {
    if (error instanceof KernelError) throw error;
    // gpu.js and its parser throw errors of their own
    throw new KernelError((error as Error).message, { cause: error });
  }
  return kernel;
}

/** A kernel that is only analyzed and lowered. @throws KernelError */
export function lowerKernel(use: KernelUse): LoweredKernel {
  return build(({ Lowered }) => Lowered, use);
}

/** @throws KernelError */
export function shaderKernel(use: KernelUse): ShaderKernel {
  return build(({ Wgsl }) => Wgsl, use);
}

/** @throws KernelError */
export function portableKernel(use: KernelUse): PortableKernel {
  return build(({ Portable }) => Portable, use);
}

/** A process may open a model several times: to train, resume and evaluate it. */
const compiled = new Recent<CompiledKernel>(1000);

/** The keys of a use that code depends on; others are those of one use. */
const OF_CODE = ['source', 'parameters', 'name', 'type', 'extents', 'x', 'y', 'z'];

/** A kernel compiled for `target`; equal ones of a process are shared. @throws KernelError */
export function compiledKernel(use: KernelUse, target: MachineTarget): CompiledKernel {
  const key = `${Object.values(target).join()} ${JSON.stringify(use, OF_CODE)}`;
  return compiled.get(key, () => {
    const kernel = build(({ Machine, Vector }) => (target.isWide ? Machine : Vector), use);
    kernel.compile(target);
    return kernel;
  });
}
