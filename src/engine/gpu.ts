/**
 * The one place that loads gpu.js: its library object, and the WebGPU implementation that it
 * expects to find.
 */
import { createRequire } from 'node:module';
import type { GPU, Input } from 'gpu.js';
import type { Shape } from '../graph/shape.js';
import type { AdapterInfo } from './backend.js';

const require = createRequire(import.meta.url);

export interface GpuLibrary {
  readonly GPU: typeof GPU;
  readonly Input: typeof Input;
}

let library: GpuLibrary | undefined;

/**
 * gpu.js is CommonJS without an export map; it is loaded when first needed, since that takes a
 * tenth of a second.
 */
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

/** Names under which software implementations of Vulkan present themselves. */
const SOFTWARE = /llvmpipe|lavapipe|swiftshader|software/i;

/**
 * Makes WebGPU available to gpu.js as `navigator.gpu` and describes the adapter; null with a reason
 * where there is none.
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
    // kept for good: webgpu 0.6 crashes once this object has been collected and one of its devices
    // is collected after it. It does not keep the process from ending, as it did before 0.6.
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
  // gpu.js takes any typed array, its types only arrays of numbers
  return new (gpuLibrary().Input)(values as unknown as number[], gpuSize(shape));
}

/** gpu.js names the contiguous axis first. */
export function gpuSize(shape: Shape): [number] | [number, number] | [number, number, number] {
  return [...shape].reverse() as ReturnType<typeof gpuSize>;
}
