/** Decides if a dataset is read into memory, or sequence by sequence from disk. */
import { open, stat } from 'node:fs/promises';
import { isGzip } from './files.js';
import { defaultMemory } from './limits.js';

/** Config key of the dataset kinds that can be read from disk. */
export interface MemoryConfig {
  /**
   * Maximum total size of the files, in MiB, to read them into memory. Default: a quarter of the
   * memory.
   */
  readonly memory?: number;
}

/**
 * True if the files must be read from disk: their total exceeds the configured `memory` (in MiB),
 * or one exceeds `maxBytes`. False if any of them is gzip.
 */
export async function staysOnDisk(
  paths: readonly string[],
  { memory = defaultMemory() }: MemoryConfig,
  maxBytes: number,
): Promise<boolean> {
  const sizes = await Promise.all(paths.map(sizeOf));
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const isLarge = total > memory * 2 ** 20 || sizes.some(size => size > maxBytes);
  return isLarge && !(await Promise.all(paths.map(isCompressed))).includes(true);
}

/** Size in bytes; 0 for a missing file, which the reader reports. */
async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  return info?.isFile() ? info.size : 0;
}

async function isCompressed(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) return false;
  const file = await open(path).catch(() => undefined);
  if (!file) return false;
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return isGzip(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
