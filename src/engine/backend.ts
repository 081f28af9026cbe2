/** Which of gpu.js's backends runs the kernels, and why. */
import { usageError } from '../errors.js';
import { type AdapterInfo, installWebGpu, releaseWebGpu } from './gpu.js';

export const BACKENDS = ['webgpu', 'webasm', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];
export type BackendRequest = Backend | 'auto';

export interface BackendChoice {
  readonly backend: Backend;
  /** Why this one, in words, for the manifest and the log. */
  readonly reason: string;
  readonly adapter?: AdapterInfo;
}

/**
 * The backend for `request`. `auto` takes a hardware WebGPU adapter, else webasm; a software adapter is slower than
 * webasm and is taken only when asked for. Throws UserError (exit 2) where the requested backend is not there.
 */
export async function chooseBackend(request: BackendRequest): Promise<BackendChoice> {
  if (request === 'cpu' || request === 'webasm') return { backend: request, reason: 'as requested' };
  const adapter = await installWebGpu();
  if ('missing' in adapter) {
    releaseWebGpu();
    if (request === 'auto') return { backend: 'webasm', reason: adapter.missing };
    throw usageError({
      code: 'backend/missing',
      message: `backend webgpu is not available: ${adapter.missing}`,
      expected: 'one of auto, webasm, cpu on this machine',
      got: 'webgpu',
    });
  }
  if (request === 'auto' && adapter.software) {
    releaseWebGpu();
    return {
      backend: 'webasm',
      reason: `the only WebGPU adapter is software (${adapter.description})`,
      adapter,
    };
  }
  return {
    backend: 'webgpu',
    reason: request === 'auto' ? 'hardware WebGPU adapter' : 'as requested',
    adapter,
  };
}
