/** Folders of runs and sweeps: their names, and how they are created. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Diagnostic, usageError } from '../util/errors.js';
import { codeOf, isDiskFull, isPathError, systemReason } from '../util/system-errors.js';
import { flushFolder } from './files.js';

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

/** Creates the folder `path` and its missing parents. */
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

/* The names that experiments may have: they become directories of the output root. */

/**
 * Starts with a letter or digit, so it cannot be a hidden folder, a flag or `..`. As in
 * schemas/experiment.schema.json.
 */
const NAME = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
/** The folder of the output root for the results of `verify`. */
export const CHECKS = 'verify';
/** Folders of the output root that are not experiments: sweeps and checks. */
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
