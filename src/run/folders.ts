/** Folders of runs and sweeps: their names, and how they are created. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Diagnostic, usageError } from '../util/errors.js';
import { codeOf, isDiskFull, isPathError, systemReason } from '../util/system-errors.js';
import { flushFolder } from './files.js';

/** Runs of one config in the same second take the next free one; more tries are a defect. */
const MAX_COLLISIONS = 1000;

/** `20260131T235959Z`: sorts by time and is a valid file name on all systems. */
export function utcStamp(time: Date): string {
  return time
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(/[-:]/g, '');
}

/**
 * Creates a new folder in `parent`, named after the time `started`; creates `parent` if it is
 * missing. Returns the path.
 * @param named the output root as the user named it
 */
export function createStamped(
  parent: string,
  started: Date,
  named: string,
  nameOf: (stamp: string) => string = stamp => stamp,
): string {
  makeFolder(parent, named);
  for (let tries = 0; tries < MAX_COLLISIONS; tries++) {
    const path = join(parent, nameOf(utcStamp(new Date(started.getTime() + tries * 1000))));
    if (makeExclusively(path, named)) return path;
  }
  throw new Error(`no free run directory in ${parent} after ${MAX_COLLISIONS} tries`);
}

/** False if it exists. Not recursive, so that one that another process just created is refused. */
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

export function makeFolder(path: string, named: string, what = 'the output directory'): void {
  try {
    makeFolders(path);
  } catch (error) {
    throw outputError(error, named, what);
  }
}

const OF_A_FOLDER: Readonly<Record<string, string>> = {
  EEXIST: 'a file or a broken symbolic link with that name exists',
  ENOENT: 'cannot create a directory here',
  ELOOP: 'too many symbolic links in the path',
  ERR_INVALID_ARG_VALUE: 'the path contains a NUL character',
};

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
 * if a file system reports "no such folder" when creating one, as /proc does.
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

/** No hidden folder, flag or `..`. As in schemas/experiment.schema.json. */
const NAME = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
export const CHECKS = 'verify';
const RESERVED: readonly string[] = ['sweeps', CHECKS];

/** @param place location of the name, for the error */
export function checkName(name: string, place: Partial<Diagnostic> = {}): void {
  if (NAME.test(name) && !RESERVED.includes(name.toLowerCase())) return;
  throw usageError({
    ...place,
    code: 'run/name',
    message: 'this name cannot be a directory in the output directory',
    expected: `at most 100 letters, digits, dots, hyphens and underscores, a letter or digit first, no two dots in a row; not ${RESERVED.join(' or ')}`,
    got: JSON.stringify(name),
  });
}
