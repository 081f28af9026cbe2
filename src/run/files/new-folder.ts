/**
 * Creates folders in the output root: exclusively, flushed, with system errors reported for that
 * root.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, UserError, usageError } from '../../util/errors.js';
import { codeOf, isDiskFull, isPathError, systemReason } from '../../util/system-errors.js';
import { flushFolder } from './atomic.js';

/**
 * Two runs of one config in the same second take the next free second; more attempts than this are
 * a defect.
 */
const MAX_COLLISIONS = 1000;

/** `20260131T235959Z`: sorts by time and is a valid file name on all systems. */
export function utcStamp(time: Date): string {
  return time
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '');
}

export interface Stamping {
  /** The output root as the user named it. */
  readonly named: string;
  /** The folder's name for a time stamp. */
  nameOf(stamp: string): string;
}

/**
 * Creates a new folder in `parent`, named after the time `started`; creates `parent` if it is
 * missing. Returns the path.
 * @throws UserError (exit 2) if a folder cannot be created
 */
export function createExclusively(parent: string, started: Date, stamping: Stamping): string {
  makeFolder(parent, stamping.named);
  return claimStamped(parent, started, stamping);
}

/** Like `createExclusively`, in an existing folder. */
export function claimStamped(parent: string, started: Date, { named, nameOf }: Stamping): string {
  for (let tries = 0; tries < MAX_COLLISIONS; tries++) {
    const path = join(parent, nameOf(utcStamp(new Date(started.getTime() + tries * 1000))));
    if (makeExclusively(path, named)) return path;
  }
  throw new UserError(EXIT.unexpected, [
    { code: 'run/collision', message: `no free run directory after ${MAX_COLLISIONS} tries`, file: parent },
  ]);
}

/**
 * Returns false if the folder exists. Not recursive, so that the system refuses a directory that
 * another process has just created.
 */
function makeExclusively(path: string, named: string): boolean {
  try {
    mkdirSync(path);
    flushFolder(dirname(path));
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw outputError(error, named);
  }
}

/**
 * Creates the folder `path` and its missing parents.
 * @throws UserError (exit 2) if this fails, with the path that the user `named` and its description
 *   `what`
 */
export function makeFolder(path: string, named: string, what = 'the output directory'): void {
  try {
    makeFolders(path);
  } catch (error) {
    throw outputError(error, named, what);
  }
}

/** Meaning of these codes when a folder is created. */
const OF_A_FOLDER: Readonly<Record<string, string>> = {
  EEXIST: 'a file or a broken symbolic link with that name exists',
  ENOENT: 'cannot create a directory here',
  ELOOP: 'too many symbolic links in the path',
  ERR_INVALID_ARG_VALUE: 'the path contains a NUL character',
};

/**
 * Turns a system error into a usage error about the path that the user `named`; returns other
 * errors unchanged.
 */
function outputError(error: unknown, named: string, what = 'the output directory'): unknown {
  const isCommon = isPathError(error) || isDiskFull(error);
  const reason = isCommon ? systemReason(error) : OF_A_FOLDER[codeOf(error) ?? ''];
  if (reason === undefined) return error;
  return usageError({
    code: 'run/output',
    message: `${what} cannot be created: ${reason}`,
    file: named,
  });
}

/**
 * Creates one folder after the other, from the first missing one. Node's `recursive` loops forever
 * if a file system answers "no such folder" to creating one, as /proc does.
 */
function makeFolders(path: string): void {
  if (!existsSync(dirname(path))) makeFolders(dirname(path));
  try {
    mkdirSync(path);
    // otherwise a power failure may remove the folder and everything flushed in it
    flushFolder(dirname(path));
  } catch (error) {
    // it exists, or another run has just created it
    if (codeOf(error) !== 'EEXIST' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
