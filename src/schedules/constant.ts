import type { Schedule } from './schedule.js';

/** The learning rate as it is, for a warm-up without anything after it. */
export const constant: Schedule<unknown> = { rate: base => base };
