/** Limits that keep damaged or hostile files from exhausting memory, far above realistic data. */
import { totalmem } from 'node:os';

/** Maximum size of a file, and of the content of a compressed file: 1 GiB. */
export const MAX_BYTES = 2 ** 30;

/**
 * Maximum size of a compressed file's content on this machine: half of the memory that this process
 * may use, at most {@link MAX_BYTES}.
 */
export function expansionLimit(): number {
  // 0 or undefined: no limit
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(MAX_BYTES, Math.floor(Math.min(totalmem(), constrained) / 2));
}

/** Default of the `memory` key, in MiB: a quarter of the available memory. */
export function defaultMemory(): number {
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(totalmem(), constrained) / 4 / 2 ** 20);
}

/**
 * Maximum size of a CSV, JSON Lines or text file, which needs several times its size while it is
 * read: 256 MiB.
 */
export const MAX_TEXT_BYTES = 2 ** 28;

/** Maximum number of values in an array of a dataset: 2^28, one GiB as float32. */
export const MAX_ELEMENTS = 2 ** 28;

/** Class labels must be below this limit. A larger one indicates damaged data. */
export const MAX_CLASSES = 2 ** 20;

/** Symbols must be below this limit. */
export const MAX_SYMBOLS = 2 ** 20;
