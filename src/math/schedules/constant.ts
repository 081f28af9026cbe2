import type { Schedule } from './schedule.js';

/** Constant learning rate, for a warm-up without decay. */
export const constant: Schedule<unknown> = { rate: base => base };
