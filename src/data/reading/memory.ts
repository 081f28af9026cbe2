/** Whether a dataset is read into memory, or sequence by sequence from the disk. */
import { open, stat } from 'node:fs/promises';
import { isGzip } from './files.js';
import { defaultMemory } from './limits.js';

/** The key of the kinds that can be read from the disk. */
export interface MemoryConfig {
  /** MiB that the files may have to be read into memory. Default: a quarter of the memory. */
  readonly memory?: number;
}

/**
 * Whether files are to be read from the disk: together they are larger than the config allows, or
 * one of them is larger than any that is read into memory. Compressed files never are.
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

/** 0 if there is no such file, which the reader complains about. */
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
