/**
 * The package's folder, which contains schemas and sample configs, for compiled and bundled
 * programs.
 */
import { existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json not found above the program');
    folder = parent;
  }
  return folder;
}

/** Absolute path of the directory that holds package.json, schemas/ and configs/. */
export const packageRoot: string = findRoot();

/** How users call the program of the package in `root`: by npx if it is installed. */
export function launcherIn(root: string): string {
  return root.split(sep).includes('node_modules') ? 'npx cellrun' : './run';
}

export const launcher: string = launcherIn(packageRoot);

/** Files that the program starts by their path. */
export type ProgramFile = 'cli/main.js' | 'engine/probe.js' | 'train/worker.js';

/**
 * Absolute path of a file of the running program: in `dist/src` if compiled, or in `dist/bundle`,
 * where modules are joined but these files keep their paths.
 *
 * @param file a program, or a file that the build generates for it, such as `view/page.js`
 */
export function programFile(file: ProgramFile | `config/validators/${string}` | `view/${string}`): string {
  const [, form] = relative(packageRoot, fileURLToPath(import.meta.url)).split(sep);
  return join(packageRoot, 'dist', form, file);
}
