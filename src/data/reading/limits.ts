/**
 * Bounds that keep a damaged or hostile file from taking the machine's memory. All are far above
 * honest data.
 */
import { totalmem } from 'node:os';

/** Largest file that is read, and largest content that a compressed file may expand to: 1 GiB. */
export const MAX_BYTES = 2 ** 30;

/**
 * What a compressed file may expand to here: half of the memory that this process may use, if that
 * is less.
 */
export function expansionLimit(): number {
  // 0 or undefined: there is no limit
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.min(MAX_BYTES, Math.floor(Math.min(totalmem(), constrained) / 2));
}

/**
 * MiB that a dataset may take if the config does not say: a quarter of the memory that there is.
 */
export function defaultMemory(): number {
  const constrained = process.constrainedMemory() || Number.POSITIVE_INFINITY;
  return Math.floor(Math.min(totalmem(), constrained) / 4 / 2 ** 20);
}

/**
 * Largest CSV, JSON Lines or text file, which needs several times its size while it is read: 256
 * MiB.
 */
export const MAX_TEXT_BYTES = 2 ** 28;

/** Most numbers that one array of a dataset may hold: 2^28, one GiB as float32. */
export const MAX_ELEMENTS = 2 ** 28;

/**
 * Class labels run from 0 to this bound, exclusive. A larger one is a damaged label, not a class.
 */
export const MAX_CLASSES = 2 ** 20;

/** The same of symbols. */
export const MAX_SYMBOLS = 2 ** 20;
