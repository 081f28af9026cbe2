/**
 * Names of the backends, in a file of their own so that the help need not load the engine. `gpu.js`
 * runs gpu.js's code in its pipelines, as it is shipped, to compare with.
 */
export const BACKENDS = ['webgpu', 'webasm', 'cpu', 'gpu.js'] as const;
export type Backend = (typeof BACKENDS)[number];

export const BACKEND_REQUESTS = ['auto', ...BACKENDS] as const;
export type BackendRequest = (typeof BACKEND_REQUESTS)[number];
