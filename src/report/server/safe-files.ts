/** What of a run or sweep may be read for a browser: regular files that lie where they seem to lie. */
import { lstatSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { usageError } from '../../errors.js';

/** What the list reads of a run that has ended, and of another one as well. */
export const ENDED_FILES = ['summary.json', 'manifest.json'] as const;
export const LIVE_FILES = ['log.jsonl'] as const;

/** Every file that a report of a run reads. */
export const RUN_FILES = [
  'config.resolved.yaml',
  'config.yaml',
  'manifest.json',
  'summary.json',
  'log.jsonl',
  'run.lock',
  'evaluation.json',
  'checkpoints',
] as const;

export const SWEEP_FILES = [
  'plan.json',
  'journal.jsonl',
  'sweep.yaml',
  'sweep.lock',
  'summary.json',
  'configs',
  'trials',
] as const;

/** In place of a file that is not there. */
export const ABSENT = '-';

/**
 * When and how large each of the files of `folder` is: equal texts for unchanged files. Throws exit 2 where one of them is a link, which
 * could lead out of the folder.
 */
export function signatureOf(folder: string, files: readonly string[]): string {
  return files.map(name => signatureOfFile(join(folder, name))).join(' ');
}

function signatureOfFile(path: string): string {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return ABSENT;
  refuseLink(path, found);
  return `${found.ino}:${found.size}:${found.mtimeMs}`;
}

function refuseLink(path: string, found: Stats): void {
  if (found.isSymbolicLink())
    throw usageError({
      code: 'serve/link',
      message: 'this is a symbolic link, which is not followed',
      file: path,
    });
}
