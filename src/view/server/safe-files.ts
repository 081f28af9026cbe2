/**
 * Checks that the files of a run or sweep are safe to read for a browser: regular files, not links.
 */
import { lstatSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { usageError } from '../../util/errors.js';

/** Files of a run that the list reads. */
export const LISTED_FILES = ['summary.json', 'manifest.json', 'log.jsonl', 'notes.json'] as const;

/** Files that the report of a run reads. */
export const RUN_FILES = [
  'config.resolved.yaml',
  'config.yaml',
  'manifest.json',
  'summary.json',
  'log.jsonl',
  'run.lock',
  'evaluation.json',
  'notes.json',
  'checkpoints',
] as const;

export const SWEEP_FILES = [
  'plan.json',
  'journal.jsonl',
  'sweep.yaml',
  'sweep.lock',
  'summary.json',
  'notes.json',
  'configs',
  'trials',
] as const;

/** Directories among them. */
const FOLDERS: readonly string[] = ['checkpoints', 'configs', 'trials'];

/** Signature of a missing file. */
const ABSENT = '-';

/**
 * The inode, size and modification time of each file of `folder`: equal texts for unchanged files.
 * @throws UserError (exit 2) if one is a link, which could lead out of the folder, or not a regular
 *   file, such as a pipe, which could block its reader
 */
export function signatureOf(folder: string, files: readonly string[]): string {
  return files.map(name => signatureOfFile(join(folder, name))).join(' ');
}

function signatureOfFile(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return ABSENT;
  refuseUnsafe(path, found);
  return `${found.ino}:${found.size}:${found.mtimeMs}`;
}

function refuseUnsafe(path: string, found: Stats): void {
  const name = basename(path);
  const refused = (code: string, message: string) =>
    usageError({ code, message: `${name}: ${message}`, file: path });
  if (found.isSymbolicLink())
    throw refused('serve/link', 'this is a symbolic link, which cellrun does not follow');
  if (!(FOLDERS.includes(name) ? found.isDirectory() : found.isFile()))
    throw refused('serve/special', 'this is not a regular file');
}
