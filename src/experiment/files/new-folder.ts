/**
 * Making folders in the output root: exclusively, flushed, and with what the system refuses told as
 * a complaint about that root.
 */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EXIT, UserError, usageError } from '../../util/errors.js';
import { flushFolder } from './atomic.js';
import { codeOf, isOfThePlace, refusal } from './refusals.js';

/**
 * Two runs of one config in a second take the next free second; more than this at once is a loop of
 * ours.
 */
const MAX_COLLISIONS = 1000;

/** `20260131T235959Z`: sorts by time, and is a legal file name everywhere. */
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
 * Makes `parent` where it is missing, and in it a new folder named after the time `started`. Throws
 * exit 2 where it cannot be made.
 */
export function createExclusively(parent: string, started: Date, stamping: Stamping): string {
  makeFolder(parent, stamping.named);
  return claimStamped(parent, started, stamping);
}

/** As `createExclusively`, in a folder that is there. */
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
 * Not recursive, so that the system itself refuses a directory which another process has just made.
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
 * Makes the folder `path` and those above it where they are missing.
 * @throws UserError (exit 2) if they cannot be made, naming what the user `named` and `what` that
 *   is
 */
export function makeFolder(path: string, named: string, what = 'the output directory'): void {
  try {
    makeFolders(path);
  } catch (error) {
    throw outputError(error, named, what);
  }
}

/** What these mean where a folder is to be made. */
const OF_A_FOLDER: Readonly<Record<string, string>> = {
  EEXIST: 'a file or a broken symbolic link with that name exists',
  ENOENT: 'cannot create a directory here',
  ELOOP: 'too many symbolic links in the path',
  ERR_INVALID_ARG_VALUE: 'the path contains a NUL character',
};
const NO_ROOM: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

/** What the system refused, as a complaint about what the user `named`; anything else as it is. */
function outputError(error: unknown, named: string, what = 'the output directory'): unknown {
  const isTold = isOfThePlace(error) || NO_ROOM.has(codeOf(error) ?? '');
  const reason = isTold ? refusal(error) : OF_A_FOLDER[codeOf(error) ?? ''];
  if (reason === undefined) return error;
  return usageError({
    code: 'run/output',
    message: `${what} cannot be created: ${reason}`,
    file: named,
  });
}

/**
 * One folder after the other, from the first that is missing. Node's own `recursive` goes round for
 * ever where a file system answers "no such folder" to the making of one, as /proc does.
 */
function makeFolders(path: string): void {
  if (!existsSync(dirname(path))) makeFolders(dirname(path));
  try {
    mkdirSync(path);
    // else the power may take the folder, and all that was flushed in it
    flushFolder(dirname(path));
  } catch (error) {
    // it was there, or another run has just made it
    if (codeOf(error) !== 'EEXIST' || !statSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}
