/** Chooses the backend, loads gpu.js, and runs plans by gpu.js's pipelines. */

import type { GPUVariableType, GPU as GpuJs, IKernelRunShortcut, Input, IPipelineRunShortcut } from 'gpu.js';
import { availableParallelism, execute, fs, runtime, webGpu } from '../host/index.js';
import type { Node, ProgramPart } from '../math/graph/node.js';
import { type Shape, sizeOf } from '../math/graph/shape.js';
import { EXIT, UserError, usageError } from '../util/errors.js';
import { programFile } from '../util/root.js';
import type { Backend, BackendRequest } from './backend-names.js';
import { gpuLibrary } from './kernels.js';
import type { Kernel, Plan } from './plan.js';
import type { KernelArgument } from './source.js';

/** The subset of a WebGPU adapter's description that identifies it. */
export interface AdapterInfo {
  readonly vendor: string;
  readonly architecture: string;
  readonly device: string;
  readonly description: string;
  /** Whether it runs on the CPU: correct, but slower than webasm. */
  readonly software: boolean;
}

export interface BackendChoice {
  readonly backend: Backend;
  /** The reason for the choice, for the manifest and the log. */
  readonly reason: string;
  /** The WebGPU adapter that was found, used or not. */
  readonly adapter?: AdapterInfo;
  /** Whether the adapter may be faster: training compares both in its first steps. */
  readonly isOpen?: boolean;
}

let takesSoftware = false;

/** For tests: whether `auto` may choose a software adapter as if it were a GPU. */
export function takeSoftwareForHardware(isOn: boolean): void {
  takesSoftware = isOn;
}

/**
 * Chooses the backend for `request`. `auto` takes webasm, which is open if there is a hardware
 * adapter. A software adapter is slower than webasm and used only on request.
 * @throws UserError (exit 2) if the requested backend is unavailable
 */
export async function chooseBackend(request: BackendRequest): Promise<BackendChoice> {
  if (request === 'cpu' || request === 'webasm') return { backend: request, reason: 'as requested' };
  if (request === 'gpu.js') {
    const { mode, adapter } = await pipelineMode();
    const reason = `as requested; gpu.js's pipelines run on ${mode}`;
    return { backend: request, reason, ...(adapter && { adapter }) };
  }
  if (request === 'auto') {
    const found = takesSoftware || mayHaveGpu() ? await webGpuAdapter() : NO_DEVICE;
    if ('missing' in found) return { backend: 'webasm', reason: found.missing };
    if (found.software && !takesSoftware) {
      const reason = `the only WebGPU adapter is software (${found.description})`;
      return { backend: 'webasm', reason, adapter: found };
    }
    const reason = `a run compares it with the GPU (${found.description}) in its first steps`;
    return { backend: 'webasm', reason, adapter: found, isOpen: true };
  }
  const found = await findAdapter();
  if (!('missing' in found)) return { backend: 'webgpu', reason: 'as requested', adapter: found.info };
  throw usageError('backend/missing', `backend webgpu is not available: ${found.missing}`, {
    expected: 'one of auto, webasm, cpu on this machine',
    got: 'webgpu',
  });
}

/** Device files through which Linux drivers reach a GPU: DRM, NVIDIA's own, WSL, Adreno, Mali. */
const DEVICE_FILES = ['/dev/dri', '/dev/nvidiactl', '/dev/dxg', '/dev/kgsl-3d0', '/dev/mali0'];
const NO_DEVICE = { missing: 'no graphics device found' };

/** Looking for an adapter takes a process and 0.1 s; without a device file there is none. */
function mayHaveGpu(): boolean {
  return runtime.platform !== 'linux' || DEVICE_FILES.some(file => fs.existsSync(file));
}

const PROBE_TIMEOUT_MS = 10_000;

let probed: ReturnType<typeof probeWebGpu> | undefined;

/**
 * The WebGPU adapter of this machine, or why there is none. Looks once per process, since adapters
 * do not change.
 */
export function webGpuAdapter(): ReturnType<typeof probeWebGpu> {
  probed ??= probeWebGpu();
  return probed;
}

/**
 * Looks for an adapter in another process, where a driver that hangs or crashes does no harm; see
 * probe.ts.
 */
async function probeWebGpu(): Promise<AdapterInfo | { readonly missing: string }> {
  const script = programFile('engine/probe.js');
  try {
    const { stdout } = await execute(runtime.program, [script], { timeout: PROBE_TIMEOUT_MS });
    return JSON.parse(stdout) as AdapterInfo | { missing: string };
  } catch {
    return { missing: 'looking for a WebGPU adapter failed' };
  }
}

/** Names of software implementations of Vulkan. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software/i;

export type FoundAdapter =
  | { readonly adapter: GPUAdapter; readonly info: AdapterInfo }
  | { readonly missing: string };

/** The adapter of this machine, or why there is none. */
export async function findAdapter(): Promise<FoundAdapter> {
  let gpu: GPU;
  try {
    gpu = webGpu();
  } catch (error) {
    return { missing: (error as Error).message };
  }
  const adapter = await gpu.requestAdapter();
  if (!adapter) return { missing: 'no WebGPU adapter was found' };
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const software =
    isFallbackAdapter === true || SOFTWARE.test(`${vendor} ${architecture} ${device} ${description}`);
  return { adapter, info: { vendor, architecture, device, description, software } };
}

function tensorInput(values: Float32Array, shape: Shape): Input {
  return new (gpuLibrary().Input)(values, gpuSize(shape)) as Input;
}

/** gpu.js names the contiguous axis first. */
function gpuSize(shape: Shape): [number] | [number, number] | [number, number, number] {
  return [...shape].reverse() as ReturnType<typeof gpuSize>;
}

/** The cores in the affinity mask, or fewer if a container's quota (cgroup) is lower. */
export function usableCores(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.floor(quota() + 0.5)));
}

function quota(): number {
  const [most, period] = read('/sys/fs/cgroup/cpu.max')?.split(' ') ?? [
    read('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'),
    read('/sys/fs/cgroup/cpu/cpu.cfs_period_us'),
  ];
  const cores = Number(most) / Number(period);
  return cores > 0 ? cores : Number.POSITIVE_INFINITY;
}

function read(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // no such limit on this system
  }
}

/** A tensor (row-major) or, for an input of shape [], a number. */
export type Value = Float32Array | number;

export interface Executable {
  /**
   * Runs the program on `values`, one for each of the graph's inputs by name. A result is written
   * to its array in `into`, if there is one: an array of the engine's heap that is no input.
   * Results without are valid until the next run of any program of this engine. On webgpu, values
   * in the heap and results are those of the device (`ArrayOperations`).
   *
   * Both runs of a program in two parts are given the same `values`, `into` and `kept`; the first
   * one needs only the values that it reads.
   *
   * @throws ExecutionError if gpu.js did not run it as planned
   */
  run(
    values: Readonly<Record<string, Value>>,
    into?: Readonly<Record<string, Float32Array>>,
    part?: ProgramPart<Float32Array>,
  ): Promise<Record<string, Float32Array>>;
  /** Numbers that the first part keeps for the second; absent if a program runs only as a whole. */
  readonly keptSize?: number;
}

/**
 * By mode of gpu.js, the executor that it must have used for a pipeline; any other is a silent
 * degradation.
 */
const PIPELINES = { webgpu: 'fused-encoder', webasm: 'fused-sync', cpu: 'generic' } as const;

export type PipelineMode = keyof typeof PIPELINES;

/** The executor of kernels: our linked plans, or pipelines of gpu.js. */
export const EXECUTORS: Readonly<Record<Backend, string>> = {
  webasm: 'linked',
  webgpu: 'device',
  cpu: PIPELINES.cpu,
  'gpu.js': 'pipeline',
};

/** What gpu.js as shipped finds on this machine: a GPU, otherwise WebAssembly. */
async function pipelineMode(): Promise<{ readonly mode: PipelineMode; readonly adapter?: AdapterInfo }> {
  if (!gpuLibrary().GPU)
    throw usageError(
      'backend/missing',
      'backend gpu.js is not available: pages do without its own backends',
      {
        expected: 'webasm',
        got: 'gpu.js',
      },
    );
  const found = takesSoftware || mayHaveGpu() ? await webGpuAdapter() : NO_DEVICE;
  return 'missing' in found || (found.software && !takesSoftware)
    ? { mode: 'webasm' }
    : { mode: 'webgpu', adapter: found };
}

/** gpu.js for its own pipelines. */
export async function openPipelines(
  backend: Backend,
): Promise<{ readonly gpu: GpuJs; readonly mode: PipelineMode }> {
  const { mode } = backend === 'cpu' ? { mode: 'cpu' as const } : await pipelineMode();
  // where gpu.js looks for WebGPU; Node 20 has no `navigator`, later versions have one without it
  if (mode === 'webgpu')
    Object.defineProperty(globalThis, 'navigator', { value: { gpu: webGpu() }, configurable: true });
  return { gpu: new (gpuLibrary().GPU!)({ mode }), mode };
}

/** The plan did not run as planned: gpu.js degraded it, or its results cannot be trusted. */
export class ExecutionError extends Error {
  override readonly name = 'ExecutionError';
}

/** The GPU fails, with all since the last checkpoint. */
export function deviceError(
  code: 'lost' | 'hangs' | 'wrong' | 'refuses',
  problem: string,
  cause?: Error,
): UserError {
  const message = `${problem}; a run continues from its last checkpoint with \`resume\` once the GPU works`;
  return new UserError(EXIT.unexpected, [{ code: `engine/device-${code}`, message }], { cause });
}

export class PipelineExecutable implements Executable {
  private readonly pipeline: IPipelineRunShortcut;
  private readonly names: readonly string[];

  constructor(
    gpu: GpuJs,
    private readonly mode: PipelineMode,
    readonly plan: Plan,
  ) {
    this.names = [...plan.outputs.keys()];
    this.pipeline = gpu.createPipeline(orchestration(gpu, mode, plan), { threads: false });
  }

  async run(
    values: Readonly<Record<string, Value>>,
    into: Readonly<Record<string, Float32Array>> = {},
  ): Promise<Record<string, Float32Array>> {
    const given = this.plan.inputs.map(node => {
      const value = values[node.name as string];
      if (typeof value === 'number') return value;
      if (value?.length !== sizeOf(node.shape)) {
        throw new RangeError(
          `input '${node.name}' needs ${sizeOf(node.shape)} numbers, got ${value?.length}`,
        );
      }
      return tensorInput(value, node.shape);
    });
    const results = (await this.pipeline(...given)) as Float32Array[];
    this.assertExecution();
    return Object.fromEntries(
      this.names.map((name, i) => {
        const result = flat(results[i], this.plan.outputs.get(name) as Node);
        into[name]?.set(result);
        return [name, into[name] ?? result];
      }),
    );
  }

  async destroy(): Promise<void> {
    await this.pipeline.destroy();
  }

  private assertExecution(): void {
    const { executorKind, backend, fallbackReason } = this.pipeline;
    if (executorKind !== PIPELINES[this.mode] || backend !== this.mode) {
      throw new ExecutionError(
        `planned for ${this.mode} (${PIPELINES[this.mode]}), ran as ${backend} (${executorKind}): ${fallbackReason}`,
      );
    }
  }
}

/** The function that gpu.js traces once: every step is a kernel call over handles. */
function orchestration(gpu: GpuJs, mode: PipelineMode, plan: Plan) {
  const kernels = new Map(plan.kernels.map(kernel => [kernel, createKernel(gpu, mode, kernel)]));
  const trace = (...given: unknown[]) => {
    const known = new Map<Node, unknown>(plan.inputs.map((node, i) => [node, given[i]]));
    for (const { node, kernel, operands } of plan.steps) {
      const bound = operands.map(operand => (typeof operand === 'number' ? operand : known.get(operand)));
      known.set(node, call(kernels.get(kernel), bound));
    }
    return [...plan.outputs.values()].map(node => known.get(node));
  };
  // gpu.js creates one handle per declared parameter
  Object.defineProperty(trace, 'length', { value: plan.inputs.length });
  return trace as () => never;
}

function call(kernel: IKernelRunShortcut | undefined, operands: unknown[]): unknown {
  return (kernel as unknown as (...operands: unknown[]) => unknown)(...operands);
}

function createKernel(
  gpu: GpuJs,
  mode: PipelineMode,
  { text, output }: Pick<Kernel, 'text' | 'output'>,
): IKernelRunShortcut {
  const kernel = gpu.createKernel(text.source, {
    output: gpuSize(output),
    precision: 'single',
    ...(mode === 'cpu' ? {} : { argumentTypes: argumentTypes(text.arguments) }),
  });
  // otherwise loops stop after 1,000 rounds on some backends; ours have literal bounds
  return kernel.setLoopMaxIterations(Number.MAX_SAFE_INTEGER);
}

/**
 * Stated, so that a learning rate of 1 is not taken for an integer. gpu.js supports 'Input', its
 * types do not. Not on cpu: there a kernel gets both flat inputs and nested results, and numbers
 * have one type.
 */
function argumentTypes(args: readonly KernelArgument[]): Record<string, GPUVariableType> {
  return Object.fromEntries(args.map(({ name, type }) => [name, type as GPUVariableType]));
}

/** gpu.js returns nested arrays; on the fused executors their rows are views of one buffer. */
function flat(result: unknown, node: Node): Float32Array {
  const size = sizeOf(node.shape);
  const rows = rowsOf(result);
  const [first] = rows;
  if (first.byteOffset === 0 && first.buffer.byteLength === size * Float32Array.BYTES_PER_ELEMENT) {
    return new Float32Array(first.buffer as ArrayBuffer);
  }
  const copy = new Float32Array(size);
  rows.forEach((row, i) => {
    copy.set(row, i * row.length);
  });
  return copy;
}

function rowsOf(result: unknown): Float32Array[] {
  return result instanceof Float32Array ? [result] : (result as unknown[]).flatMap(rowsOf);
}
