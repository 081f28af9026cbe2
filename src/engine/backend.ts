/**
 * Chooses the backend of gpu.js that runs the kernels, and loads the library and the WebGPU
 * implementation that it expects. Nothing else does.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import type { GPU, Input } from 'gpu.js';
import type { Shape } from '../math/graph/shape.js';
import { usageError } from '../util/errors.js';
import { programFile } from '../util/root.js';
import type { Backend, BackendRequest } from './backend-names.js';

const execute = promisify(execFile);

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
}

/**
 * Chooses the backend for `request`. `auto` takes a hardware WebGPU adapter if there is one,
 * otherwise webasm. A software adapter is slower than webasm and used only on request.
 * @throws UserError (exit 2) if the requested backend is unavailable
 */
export async function chooseBackend(request: BackendRequest): Promise<BackendChoice> {
  if (request === 'cpu' || request === 'webasm') return { backend: request, reason: 'as requested' };
  if (request === 'auto') {
    const found = mayHaveGpu() ? await webGpuAdapter() : NO_DEVICE;
    if ('missing' in found) return { backend: 'webasm', reason: found.missing };
    if (!found.software) return { backend: 'webgpu', reason: 'hardware WebGPU adapter', adapter: found };
    const reason = `the only WebGPU adapter is software (${found.description})`;
    return { backend: 'webasm', reason, adapter: found };
  }
  const found = await installWebGpu();
  if (!('missing' in found)) return { backend: 'webgpu', reason: 'as requested', adapter: found };
  throw usageError({
    code: 'backend/missing',
    message: `backend webgpu is not available: ${found.missing}`,
    expected: 'one of auto, webasm, cpu on this machine',
    got: 'webgpu',
  });
}

/** Device files through which Linux drivers reach a GPU: DRM, NVIDIA's own, WSL, Adreno, Mali. */
const DEVICE_FILES = ['/dev/dri', '/dev/nvidiactl', '/dev/dxg', '/dev/kgsl-3d0', '/dev/mali0'];
const NO_DEVICE = { missing: 'no graphics device found' };

/** Looking for an adapter takes a process and 0.1 s; without a device file there is none. */
function mayHaveGpu(): boolean {
  return process.platform !== 'linux' || DEVICE_FILES.some(file => existsSync(file));
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
    const { stdout } = await execute(process.execPath, [script], { timeout: PROBE_TIMEOUT_MS });
    return JSON.parse(stdout) as AdapterInfo | { missing: string };
  } catch {
    return { missing: 'looking for a WebGPU adapter failed' };
  }
}

const require = createRequire(import.meta.url);

export interface GpuLibrary {
  readonly GPU: typeof GPU;
  readonly Input: typeof Input;
}

let library: GpuLibrary | undefined;

/** gpu.js is CommonJS without an export map; loaded on first use, since that takes 0.1 s. */
export function gpuLibrary(): GpuLibrary {
  library ??= require('gpu.js') as GpuLibrary;
  return library;
}

interface WebGpuModule {
  create(options: string[]): { requestAdapter(): Promise<{ info: AdapterDescription } | null> };
  readonly globals: object;
}

type AdapterDescription = Omit<AdapterInfo, 'software'> & { readonly isFallbackAdapter?: boolean };

/** Node 20 has no `navigator`; later versions have one without `gpu`. */
const host = globalThis as { navigator?: { gpu?: ReturnType<WebGpuModule['create']> } };

/** Names of software implementations of Vulkan. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software/i;

/**
 * Makes WebGPU available to gpu.js as `navigator.gpu` and describes the adapter; null with a reason
 * if there is none.
 */
export async function installWebGpu(): Promise<AdapterInfo | { readonly missing: string }> {
  let dawn: WebGpuModule;
  try {
    dawn = require('webgpu') as WebGpuModule;
  } catch (error) {
    return {
      missing: `the optional package 'webgpu' does not load (${(error as Error).message.split('\n')[0]})`,
    };
  }
  if (!host.navigator?.gpu) {
    Object.assign(globalThis, dawn.globals);
    // never released: webgpu 0.6 crashes if this object is collected before one of its devices.
    // Unlike before 0.6, it does not keep the process alive.
    const value = { gpu: dawn.create([]) };
    Object.defineProperty(host, 'navigator', { value, configurable: true, writable: true });
  }
  const adapter = await host.navigator?.gpu?.requestAdapter();
  if (!adapter) return { missing: 'no WebGPU adapter was found' };
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const software =
    isFallbackAdapter === true || SOFTWARE.test(`${vendor} ${architecture} ${device} ${description}`);
  return { vendor, architecture, device, description, software };
}

export function tensorInput(values: Float32Array, shape: Shape): Input {
  // gpu.js accepts any typed array, its types only arrays of numbers
  return new (gpuLibrary().Input)(values as unknown as number[], gpuSize(shape));
}

/** gpu.js names the contiguous axis first. */
export function gpuSize(shape: Shape): [number] | [number, number] | [number, number, number] {
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
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined; // no such limit on this system
  }
}
