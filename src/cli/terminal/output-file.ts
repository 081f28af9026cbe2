/** Files that a user names to be written: what is there already and is not of the same kind stays as it is. */
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { writeAtomic } from '../../experiment/files/atomic.js';
import { atNamedPlace, withFileErrors } from '../../experiment/files/file-error.js';
import { makeFolder } from '../../experiment/files/new-folder.js';
import { usageError } from '../../util/errors.js';

/** As much of a file as tells what it is. */
const HEAD_BYTES = 4096;

/** A kind of file: in words, and how one is known by its beginning. */
export interface OutputKind {
  readonly what: string;
  isOurs(head: string): boolean;
}

/**
 * Writes `text` to `path`, whose folder is made. Throws exit 2 where `path` is a folder, or a file of another kind, or cannot be written to;
 * exit 1 where the system refuses else.
 */
export function writeOutput(path: string, text: string, kind: OutputKind): void {
  atNamedPlace(() => {
    prepare(path, kind);
    writeAtomic(resolve(path), [text]);
  });
}

function prepare(path: string, { what, isOurs }: OutputKind): void {
  const found = withFileErrors(path, () => statSync(path, { throwIfNoEntry: false }));
  if (found === undefined) {
    makeFolder(dirname(path), path, 'its folder');
    return;
  }
  const refuse = (message: string, expected: string) =>
    usageError({ code: 'cli/output', message, file: path, expected });
  if (found.isDirectory()) throw refuse('this is a folder', `the name of a file for ${what}`);
  // it would be replaced, not written to
  if (!found.isFile()) throw refuse('this is no file', `the name of a file for ${what}`);
  if (found.size === 0 || isOurs(headOf(path))) return;
  throw refuse(
    `this file is not ${what}, and is not overwritten`,
    `${what}, or a file that is not there yet`,
  );
}

function headOf(path: string): string {
  return withFileErrors(path, () => {
    const file = openSync(path, 'r');
    try {
      const bytes = Buffer.alloc(HEAD_BYTES);
      return bytes.toString('utf8', 0, readSync(file, bytes, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(file);
    }
  });
}
