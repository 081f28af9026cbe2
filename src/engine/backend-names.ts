/** Names of the backends, in a file of their own so that the help need not load the engine. */
export const BACKENDS = ['webgpu', 'webasm', 'cpu'] as const;
export type Backend = (typeof BACKENDS)[number];

export const BACKEND_REQUESTS = ['auto', ...BACKENDS] as const;
export type BackendRequest = (typeof BACKEND_REQUESTS)[number];
