/** Names of files for predictions. */
import { resolve, sep } from 'node:path';

/**
 * The names of the files: the last parts of their paths, as few as keep all of them apart, below
 * the folder that they have in common.
 */
export function shortNames(files: readonly string[]): readonly string[] {
  const paths = files.map(file => resolve(file).split(sep));
  const longest = Math.max(...paths.map(({ length }) => length));
  const isCommon = (depth: number): boolean =>
    paths.every(path => depth < path.length - 1 && path[depth] === paths[0][depth]);
  let common = 0;
  while (paths.length > 1 && isCommon(common)) common++;
  for (let parts = 1; parts < longest; parts++) {
    const names = paths.map(path => path.slice(Math.max(common, path.length - parts)).join('/'));
    if (new Set(names).size === names.length) return names;
  }
  return files;
}
