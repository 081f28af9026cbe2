/** Folders of runs and sweeps: their names, how they are created, and what may be in them. */
import { type Dirent, existsSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Diagnostic, EXIT, UserError, usageError } from '../util/errors.js';
import { codeOf, isDiskFull, isPathError, systemReason } from '../util/system-errors.js';
import { flushFolder, isAbsent, TEMPORARY_PREFIX, withFile } from './files.js';

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
  readonly named: string;
  nameOf(stamp: string): string;
}

/**
 * Creates a new folder in `parent`, named after the time `started`; creates `parent` if it is
 * missing. Returns the path.
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

/*
 * Checks a folder that the user names for a run: if it contains anything from elsewhere, nothing in
 * it is changed.
 */

export interface GivenConfigs {
  readonly givenYaml: string | Uint8Array;
  readonly resolvedYaml: string;
}

interface Places {
  readonly config: string;
  readonly resolvedConfig: string;
  readonly lock: string;
  readonly baselines: string;
}

/**
 * The name of an entry that is not from an interrupted start of a run of these configs (one that
 * ended before its manifest was written); undefined if there is none.
 */
export function foreignEntry(
  { config, resolvedConfig, lock, baselines }: Places,
  { givenYaml, resolvedYaml }: GivenConfigs,
): string | undefined {
  const isOurs = (name: string): boolean => {
    if (name === basename(config)) return isBeginning(config, givenYaml);
    if (name === basename(resolvedConfig)) return isBeginning(resolvedConfig, resolvedYaml);
    // a temporary name is that of a manifest being written
    return (
      name === basename(lock) ||
      (name.startsWith(TEMPORARY_PREFIX) && /^\d+-/.test(name.slice(TEMPORARY_PREFIX.length)))
    );
  };
  const entries = readdirSync(dirname(config), { withFileTypes: true });
  const isKept = (entry: Dirent): boolean =>
    entry.isDirectory() ? entry.name === basename(baselines) : entry.isFile() && isOurs(entry.name);
  return entries.find(entry => !isKept(entry))?.name;
}

/** True if the content of the file is exactly `content`. */
export function isWhole(file: string, content: string | Uint8Array): boolean {
  return !isAbsent(file) && read(file).equals(Buffer.from(content));
}

/** True if the file is a prefix of `content`, as a process killed while writing leaves it. */
function isBeginning(file: string, content: string | Uint8Array): boolean {
  const found = read(file);
  return Buffer.from(content).subarray(0, found.length).equals(found);
}

function read(file: string): Buffer {
  return withFile(file, opened => opened.read(0, opened.bytes), { follow: false });
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
  const reserved = RESERVED.find(one => one === name.toLowerCase());
  if (NAME.test(name) && reserved === undefined) return;
  throw usageError({
    ...place,
    code: 'run/name',
    message:
      reserved !== undefined
        ? `the name '${reserved}' is reserved`
        : 'this name cannot be a directory in the output directory',
    expected:
      reserved !== undefined
        ? 'another name: a directory with that name contains something else'
        : 'at most 100 letters, digits, dots, hyphens and underscores, a letter or digit first, no two dots in a row',
    got: JSON.stringify(name),
  });
}
