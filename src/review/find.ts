/** What lies under an output root: runs and sweeps, by their folders alone. */
import { type Dirent, existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { usageError } from '../errors.js';
import { PROOFS } from '../experiment/run-directory.js';
import { unreadable } from '../experiment/unreadable.js';

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
 * All runs and sweeps under `root`, by name, then by id, which begins with the time; not the runs of a sweep's trials, see `findTrials`. Links
 * are not followed. Throws exit 2 where `root` is no folder that can be read.
 */
export function findRuns(root: string): Found[] {
  const top = resolve(root);
  const names = foldersIn(top).filter(name => name !== SWEEPS && name !== PROOFS);
  const runs = names.flatMap(name => foundIn(join(top, name), name, 'run'));
  const sweeps = existsSync(join(top, SWEEPS)) ? foldersIn(join(top, SWEEPS)) : [];
  return [...runs, ...sweeps.flatMap(name => foundIn(join(top, SWEEPS, name), name, 'sweep'))];
}

/** The runs of the trials of the sweep in the directory `sweep`. Throws as `findRuns` does. */
export function findTrials(sweep: string): Found[] {
  const trials = join(resolve(sweep), 'trials');
  return existsSync(trials) ? foundIn(trials, 'trials', 'run') : [];
}

/**
 * The runs that `path` stands for: itself, the trials of a sweep, the runs of an experiment's folder, or all those of an output root. Throws exit 2
 * where there are none, or `path` cannot be read.
 */
export function runsAt(path: string): Found[] {
  const top = resolve(path);
  const kind = kindOf(top);
  if (kind === 'run') return [{ kind, path: top, name: basename(dirname(top)), id: basename(top) }];
  const runs = kind === 'sweep' ? findTrials(top) : [...foundIn(top, basename(top), 'run'), ...findRuns(top)];
  const found = runs.filter(one => one.kind === 'run');
  if (found.length > 0) return found;
  throw usageError({
    code: 'run/not-a-run',
    message: kind === 'sweep' ? 'this sweep has no trials yet' : 'there is no run here',
    file: path,
    expected: 'a run directory, a sweep, or a folder of runs',
  });
}

/** Whether `path` is the directory of a run, or of a sweep; undefined where it is neither. */
export function kindOf(path: string): Found['kind'] | undefined {
  if (existsSync(join(path, MARKS.run))) return 'run';
  return existsSync(join(path, MARKS.sweep)) ? 'sweep' : undefined;
}

/** The file that makes a folder one: what is written before anything runs. */
const MARKS: Readonly<Record<Found['kind'], string>> = { run: 'config.resolved.yaml', sweep: 'plan.json' };

function foundIn(parent: string, name: string, kind: Found['kind']): Found[] {
  return foldersIn(parent)
    .map(id => ({ kind, path: join(parent, id), name, id }))
    .filter(({ path }) => existsSync(join(path, MARKS[kind])));
}

/** In the order of their code units, whatever the file system's. */
function foldersIn(path: string): string[] {
  let entries: Dirent[];
  try {
    entries = readdirSync(path, { withFileTypes: true });
  } catch (error) {
    throw unreadable(path, error);
  }
  return entries
    .filter(entry => entry.isDirectory())
    .map(entry => entry.name)
    .sort();
}
