/** Finds runs and sweeps under an output root, from directory listings only. */

import type { Dirent } from 'node:fs';
import { basename, dirname, fs, join, relative, resolve, sep } from '../host/index.js';
import { caught, forAll, UserError, usageError } from '../util/errors.js';
import { counted } from '../util/words.js';
import { CHECKS, RunDirectory } from './directory.js';
import { isAbsent, unreadable } from './files.js';

export interface Found {
  readonly kind: 'run' | 'sweep';
  readonly path: string;
  readonly name: string;
  readonly id: string;
}

const SWEEPS = 'sweeps';
/** Maximum depth of runs below a root. Sweeps may be one level deeper, under `sweeps`. */
export const DEPTH = 2;
/** Limits of the search for deeper runs, which only needs to find an example. */
const LOOK = { depth: 6, folders: 500 };

/**
 * Finds runs and sweeps in `root`, in its directories, and in its `sweeps` folder. Sorted by name,
 * then by id, which starts with the time. Excludes the runs of a sweep's trials (see `findTrials`).
 * Does not follow links.
 */
export function findRuns(root: string): Found[] {
  const top = resolve(root);
  const names = foldersIn(top).filter(name => name !== SWEEPS && name !== CHECKS);
  const found = [...foundIn(top, basename(top)), ...names.flatMap(name => foundIn(join(top, name), name))];
  const sweeps = fs.existsSync(join(top, SWEEPS)) ? foldersIn(join(top, SWEEPS)) : [];
  return [...found, ...sweeps.flatMap(name => foundIn(join(top, SWEEPS, name), name))];
}

/**
 * If `root` has runs or sweeps too deep to be in `found`, returns a folder, relative to `root`, in
 * which `findRuns` finds some. Undefined if a bounded search finds none.
 */
export function deeperFolder(root: string, found: readonly Pick<Found, 'path'>[]): string | undefined {
  const top = resolve(root);
  const known = new Set(found.map(({ path }) => path));
  // breadth first: folders that are found are looked into later
  const folders = [top];
  for (const folder of folders) {
    const names = caught(() => foldersIn(folder));
    for (const name of names instanceof UserError ? [] : names) {
      const path = join(folder, name);
      if (known.has(path) || name === CHECKS || name === 'node_modules' || name.startsWith('.')) continue;
      if (kindOf(path) !== undefined) return relative(top, rootOf(path)) || relative(top, dirname(path));
      const depth = relative(top, path).split(sep).length;
      if (depth < LOOK.depth && folders.length < LOOK.folders) folders.push(path);
    }
  }
  return undefined;
}

function rootOf(path: string): string {
  const parent = dirname(dirname(path));
  return basename(parent) === SWEEPS ? dirname(parent) : parent;
}

export function findTrials(sweep: string): Found[] {
  const trials = join(resolve(sweep), 'trials');
  return fs.existsSync(trials) ? foundIn(trials, 'trials').filter(({ kind }) => kind === 'run') : [];
}

/** The run itself, the trials of a sweep, or the runs of an experiment or an output root. */
export function runsAt(path: string): Found[] {
  const top = resolve(path);
  // named as the user did
  if (isAbsent(top)) throw unreadable(path, Object.assign(new Error('no folder'), { code: 'ENOENT' }));
  const kind = kindOf(top);
  if (kind === 'run') return [{ kind, path: top, name: basename(dirname(top)), id: basename(top) }];
  const runs = kind === 'sweep' ? findTrials(top) : findRuns(top);
  const found = runs.filter(run => run.kind === 'run');
  if (found.length > 0) return found;
  const [sweep] = runs;
  if (sweep) {
    const message = `no runs found here, only ${counted(runs.length, 'sweep')}`;
    const expected = `such as ${join(path, relative(top, sweep.path))}`;
    throw usageError('run/not-a-run', message, { file: path, expected });
  }
  const deeper = kind === 'sweep' ? undefined : deeperFolder(top, runs);
  throw usageError(
    'run/not-a-run',
    kind === 'sweep' ? 'this sweep has no trials yet' : 'no runs found here',
    {
      file: path,
      expected:
        deeper === undefined
          ? 'a run directory, a sweep, or a folder of runs'
          : `such as ${join(path, deeper)}: cellrun searches ${DEPTH} levels of directories`,
    },
  );
}

export function kindOf(path: string): Found['kind'] | undefined {
  if (RunDirectory.isOne(path)) return 'run';
  // written before anything runs
  return fs.existsSync(join(path, 'plan.json')) ? 'sweep' : undefined;
}

function foundIn(parent: string, name: string): Found[] {
  return foldersIn(parent).flatMap(id => {
    const path = join(parent, id);
    const kind = kindOf(path);
    return kind === undefined ? [] : [{ kind, path, name, id }];
  });
}

/** The sweep whose trial the run in an absolute directory is. */
export function sweepFolder(run: string): string | undefined {
  const folder = dirname(dirname(run));
  return basename(dirname(run)) === 'trials' && kindOf(folder) === 'sweep' ? folder : undefined;
}

/** The sweep whose folder of trials `path` is, named as the user did. */
export function sweepOfTrials(path: string): string | undefined {
  const folder = dirname(resolve(path));
  if (basename(resolve(path)) !== 'trials' || kindOf(folder) !== 'sweep') return undefined;
  return relative('.', folder) || '.';
}

/** Names of the directories in `path`, sorted by code units on every file system. */
function foldersIn(path: string): string[] {
  let entries: Dirent[];
  try {
    entries = fs.readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw unreadable(path, error);
  }
  return entries
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort();
}

/** Absolute run directories, in the order of `paths`, without duplicates. */
export function runPaths(paths: readonly string[]): string[] {
  return [...new Set(forAll(paths, runsAt).flatMap(runs => runs.map(({ path }) => path)))];
}
