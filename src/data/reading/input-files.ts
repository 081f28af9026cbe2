/**
 * The files that a config's path stands for: one, those of a folder, or those that a pattern
 * matches.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { usageError } from '../../util/errors.js';

/**
 * The files of `paths`, in the order of the paths; those of a folder (without its folders and
 * hidden files) or of a pattern such as `data/*.txt` in the order of their names' code units.
 * @throws UserError (exit 2) if a folder or a pattern stands for no file
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
  // what exists is no pattern, and what is none is told by who reads it
  if (info !== undefined || !isDynamicPattern(path)) return [path];
  const found = await glob(path, { absolute: path.startsWith('/'), expandDirectories: false });
  return some(path, 'no file matches the pattern', found.sort());
}

function some(path: string, message: string, files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  throw usageError({ code: 'data/no-files', message, file: path });
}
