/**
 * Resolves a config's path to files: one file, the files of a folder, or the matches of a pattern;
 * and names them for messages.
 */
import { readdir, realpath, stat } from 'node:fs/promises';
import { join, resolve, sep } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { usageError } from '../../util/errors.js';

/**
 * Returns the files of `paths`, in the order of the paths. The files of a folder (without
 * subfolders and hidden files) and the matches of a pattern such as `data/*.txt` are sorted by
 * UTF-16 code units.
 */
export async function inputFiles(paths: string | readonly string[]): Promise<readonly string[]> {
  const lists = await Promise.all([paths].flat().map(filesOf));
  return lists.flat();
}

async function filesOf(path: string): Promise<readonly string[]> {
  const info = await stat(path).catch(() => undefined);
  if (info?.isDirectory()) {
    const entries = await readdir(path, { withFileTypes: true });
    const names = entries.flatMap(entry =>
      entry.isDirectory() || entry.name.startsWith('.') ? [] : [entry.name],
    );
    return some(
      path,
      'the directory has no files',
      names.sort().map(name => join(path, name)),
    );
  }
  // an existing path is not a pattern; the reader reports a missing file
  if (info !== undefined || !isDynamicPattern(path)) return [path];
  const found = await glob(path, { absolute: path.startsWith('/'), expandDirectories: false });
  return some(path, 'no file matches the pattern', found.sort());
}

/** Returns `files`. */
export async function distinctFiles(files: readonly string[]): Promise<readonly string[]> {
  const known = new Map<string, string>();
  for (const file of files) {
    const real = await realPath(file);
    const other = known.get(real);
    if (other !== undefined) {
      const message = `the file is read twice${other === file ? '' : `: it is also ${other}`}`;
      throw usageError({ code: 'data/same-file', message, file, expected: 'each file once' });
    }
    known.set(real, file);
  }
  return files;
}

/** The reader reports a file that does not exist. */
export function realPath(file: string): Promise<string> {
  return realpath(file).catch(() => resolve(file));
}

function some(path: string, message: string, files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  throw usageError({ code: 'data/no-files', message, file: path });
}

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
