/**
 * Name of the channel on which engines of the contender `gpu.js` tell that they run gpu.js's own
 * code.
 */
export const SHIPPED_CHANNEL = 'cellrun-bench-shipped';
