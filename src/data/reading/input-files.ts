/**
 * Resolves a config's path to files: one file, the files of a folder, or the matches of a pattern.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { usageError } from '../../util/errors.js';

/**
 * Returns the files of `paths`, in the order of the paths. The files of a folder (without
 * subfolders and hidden files) and the matches of a pattern such as `data/*.txt` are sorted by
 * UTF-16 code units.
 * @throws UserError (exit 2) if a folder or pattern has no files
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

function some(path: string, message: string, files: readonly string[]): readonly string[] {
  if (files.length > 0) return files;
  throw usageError({ code: 'data/no-files', message, file: path });
}
