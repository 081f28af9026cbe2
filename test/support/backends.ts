/** The backends that a test of kernels runs on, and why one is skipped. */
import { chooseBackend } from '../../src/engine/backend.js';
import { BACKENDS, type Backend } from '../../src/engine/backend-names.js';
import { missingFor512, type Width } from '../../src/engine/width.js';
import './software-gpu.js';

export interface TestedBackend {
  readonly name: string;
  readonly backend: Backend;
  readonly width?: Width;
  readonly skip: string | false;
}

/** V8's flag says how WebAssembly is compiled; no other backend has any. */
const isForWebAssembly = process.execArgv.includes('--no-liftoff');

async function reasonToSkip(backend: Backend): Promise<string | false> {
  if (isForWebAssembly && backend !== 'webasm') return 'runs no WebAssembly';
  return chooseBackend(backend).then(
    () => false,
    (error: Error) => error.message,
  );
}

/** gpu.js as shipped has its tests in gpu.js; `backends.test` trains with it. */
const OURS = BACKENDS.filter(backend => backend !== 'gpu.js');

export const testedBackends: readonly TestedBackend[] = await Promise.all(
  OURS.map(async backend => ({ name: backend, backend, skip: await reasonToSkip(backend) })),
);

const missing = { 512: missingFor512() ?? false, 256: false, 128: false } as const;

/** Every backend, and all widths of vectors if the backend has them. */
export const testedEngines: readonly TestedBackend[] = testedBackends.flatMap(one =>
  one.backend === 'webasm'
    ? ([128, 256, 512] as const).map(width => ({
        ...one,
        width,
        name: `${one.name} at ${width} bits`,
        skip: missing[width],
      }))
    : [one],
);
