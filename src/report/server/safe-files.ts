/**
 * What of a run or sweep may be read for a browser: regular files that lie where they seem to lie.
 */
import { lstatSync, type Stats } from 'node:fs';
import { basename, join } from 'node:path';
import { usageError } from '../../util/errors.js';

/** What the list reads of a run. */
export const LISTED_FILES = ['summary.json', 'manifest.json', 'log.jsonl', 'notes.json'] as const;

/** Every file that a report of a run reads. */
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

/** Of the names above those that are no files. */
const FOLDERS: readonly string[] = ['checkpoints', 'configs', 'trials'];

/** In place of a file that is not there. */
const ABSENT = '-';

/**
 * When and how large each of the files of `folder` is: equal texts for unchanged files. Throws exit
 * 2 where one of them is a link, which could lead out of the folder, or is no regular file, such as
 * a pipe, which could keep its reader waiting.
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
