/** Chooses the backend of gpu.js that runs the kernels. */

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { usageError } from '../util/errors.js';
import { programFile } from '../util/root.js';
import type { Backend, BackendRequest } from './backend-names.js';
import { installWebGpu } from './gpu.js';

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
