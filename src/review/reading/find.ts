/** What lies under an output root: runs and sweeps, by their folders alone. */
import { isUtf8 } from 'node:buffer';
import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { isAbsent, unreadable } from '../../experiment/files/unreadable.js';
import { PROOFS, RunDirectory } from '../../experiment/run-directory.js';
import { UserError, usageError } from '../../util/errors.js';
import { nearestFile } from '../../util/nearest.js';

export interface Found {
  readonly kind: 'run' | 'sweep';
  /** Absolute. */
  readonly path: string;
  /** The experiment or the sweep; the folder that it lies in. */
  readonly name: string;
  readonly id: string;
}

const SWEEPS = 'sweeps';
/**
 * How many folders below a root its runs may lie; its sweeps may lie one deeper, under `sweeps`.
 */
export const DEPTH = 2;
/** How far a look for what lies deeper goes: enough for an example. */
const LOOK = { depth: 6, folders: 500 };

/**
 * The runs and sweeps under `root` that lie in it, in a folder of it, or where `run` and `sweep`
 * write: by name, then by id, which begins with the time; not the runs of a sweep's trials, see
 * `findTrials`. Links are not followed.
 * @throws UserError (exit 2) if `root` is no folder that can be read
 */
export function findRuns(root: string): Found[] {
  const top = resolve(root);
  const names = foldersIn(top).filter(name => name !== SWEEPS && name !== PROOFS);
  const found = [...foundIn(top, basename(top)), ...names.flatMap(name => foundIn(join(top, name), name))];
  const sweeps = existsSync(join(top, SWEEPS)) ? foldersIn(join(top, SWEEPS)) : [];
  return [...found, ...sweeps.flatMap(name => foundIn(join(top, SWEEPS, name), name))];
}

/**
 * A folder whose runs or sweeps `findRuns` does find, where there are any below `root` that lie too
 * deep to be among the `found`: relative to `root`. Undefined where a bounded look finds none.
 */
export function deeperFolder(root: string, found: readonly Pick<Found, 'path'>[]): string | undefined {
  const top = resolve(root);
  const known = new Set(found.map(({ path }) => path));
  let level = [top];
  let looked = 0;
  for (let depth = 1; depth <= LOOK.depth; depth++) {
    const below: string[] = [];
    for (const folder of level) {
      if (looked++ >= LOOK.folders) return undefined;
      for (const name of readableIn(folder)) {
        const path = join(folder, name);
        if (known.has(path) || name === PROOFS || name === 'node_modules' || name.startsWith('.')) continue;
        if (kindOf(path) !== undefined) return relative(top, rootOf(path)) || relative(top, dirname(path));
        below.push(path);
      }
    }
    level = below;
  }
  return undefined;
}

/** Of the folders that `findRuns` finds this run or sweep in, the one that its verb writes to. */
function rootOf(path: string): string {
  const parent = dirname(dirname(path));
  return basename(parent) === SWEEPS ? dirname(parent) : parent;
}

/** The runs of the trials of the sweep in the directory `sweep`. Throws as `findRuns` does. */
export function findTrials(sweep: string): Found[] {
  const trials = join(resolve(sweep), 'trials');
  return existsSync(trials) ? foundIn(trials, 'trials').filter(({ kind }) => kind === 'run') : [];
}

/**
 * The runs that `path` stands for: itself, the trials of a sweep, the runs of an experiment's
 * folder, or all those of an output root.
 * @throws UserError (exit 2) if there are none, or `path` cannot be read
 */
export function runsAt(path: string): Found[] {
  const top = resolve(path);
  if (isAbsent(top)) throw missing(path);
  const kind = kindOf(top);
  if (kind === 'run') return [{ kind, path: top, name: basename(dirname(top)), id: basename(top) }];
  const runs = kind === 'sweep' ? findTrials(top) : findRuns(top);
  if (kind === undefined) refuseUnnameable([top, ...foldersIn(top).map(name => join(top, name))]);
  const found = runs.filter(one => one.kind === 'run');
  if (found.length > 0) return found;
  const deeper = kind === 'sweep' ? undefined : deeperFolder(top, runs);
  throw usageError({
    code: 'run/not-a-run',
    message: kind === 'sweep' ? 'this sweep has no trials yet' : 'no runs found here',
    file: path,
    expected:
      deeper === undefined
        ? 'a run directory, a sweep, or a folder of runs'
        : `such as ${join(path, deeper)}: cellrun searches ${DEPTH} levels of directories`,
  });
}

function missing(path: string): UserError {
  const suggestion = nearestFile(path);
  return usageError({
    code: 'file/unreadable',
    message: 'the directory does not exist',
    file: path,
    ...(suggestion !== undefined && { suggestion }),
  });
}

/** Whether `path` is the directory of a run, or of a sweep; undefined where it is neither. */
export function kindOf(path: string): Found['kind'] | undefined {
  if (RunDirectory.isOne(path)) return 'run';
  // written before anything runs
  return existsSync(join(path, 'plan.json')) ? 'sweep' : undefined;
}

function foundIn(parent: string, name: string): Found[] {
  return foldersIn(parent).flatMap(id => {
    const path = join(parent, id);
    const kind = kindOf(path);
    return kind === undefined ? [] : [{ kind, path, name, id }];
  });
}

/** The sweep that the run directory `run`, absolute, is a trial's of. */
export function sweepFolder(run: string): string | undefined {
  const folder = dirname(dirname(run));
  return basename(dirname(run)) === 'trials' && kindOf(folder) === 'sweep' ? folder : undefined;
}

/** In the order of their code units, whatever the file system's. */
function foldersIn(path: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw isAbsent(path) ? missing(path) : unreadable(path, error);
  }
  return entries
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort();
}

/**
 * Node gives a name that is not UTF-8 as another one, of which there is no file. Throws exit 2 if
 * a run in one of the `folders` has such a name: it would be left out without a word.
 */
function refuseUnnameable(folders: readonly string[]): void {
  const runs = folders.flatMap(folder =>
    unnameableIn(folder).flatMap(name => {
      const config = Buffer.concat([Buffer.from(`${folder}/`), name, Buffer.from('/config.resolved.yaml')]);
      return existsSync(config) ? [join(folder, name.toString())] : [];
    }),
  );
  if (runs.length === 0) return;
  throw usageError(
    ...runs.map(file => ({
      code: 'run/not-utf-8',
      message: 'the name of this run directory is not UTF-8, so it cannot be opened',
      file,
      expected: 'another name, by `mv`',
    })),
  );
}

function unnameableIn(folder: string): Buffer[] {
  try {
    return readdirSync(folder, { encoding: 'buffer' }).filter(name => !isUtf8(name));
  } catch {
    return [];
  }
}

/** None where the folder may not be read. */
function readableIn(path: string): string[] {
  try {
    return foldersIn(path);
  } catch (error) {
    if (error instanceof UserError) return [];
    throw error;
  }
}
