/**
 * Loads gpu.js: its library object, and the WebGPU implementation that it expects. Nothing else
 * does.
 */
import { createRequire } from 'node:module';
import type { GPU, Input } from 'gpu.js';
import type { Shape } from '../math/graph/shape.js';
import type { AdapterInfo } from './backend.js';

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

/** `values` as an array argument of a kernel. */
export function tensorInput(values: Float32Array, shape: Shape): Input {
  // gpu.js accepts any typed array, its types only arrays of numbers
  return new (gpuLibrary().Input)(values as unknown as number[], gpuSize(shape));
}

/** gpu.js names the contiguous axis first. */
export function gpuSize(shape: Shape): [number] | [number, number] | [number, number, number] {
  return [...shape].reverse() as ReturnType<typeof gpuSize>;
}
