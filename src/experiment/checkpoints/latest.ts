/** The checkpoint that a run goes on from: the newest that is whole. */
import { existsSync, lstatSync, renameSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, damagedError, EXIT, UserError } from '../../util/errors.js';
import { withFileErrors } from '../files/file-error.js';
import { unreadable } from '../files/unreadable.js';
import { refuseUnlessOwned } from '../locks/ownership.js';
import { checkpointNames, refuseLink } from './files.js';
import { type Checkpoint, loadCheckpoint } from './folder.js';
import type { SavedCheckpoint } from './identity.js';
import { indexPath, indexProblem, readIndex } from './index-file.js';

const ASIDE = '.damaged';

export interface LatestCheckpoint {
  /** Undefined where there is none. */
  readonly checkpoint: Checkpoint | undefined;
  /** All that are whole. */
  readonly whole: readonly SavedCheckpoint[];
  /** What is wrong with the damaged ones, which have gone, and what is wrong with the index. */
  readonly damaged: readonly Diagnostic[];
  /**
   * Gives the damaged ones another name.
   * @throws UserError (exit 1) if the system refuses
   */
  setAside(): void;
}

/**
 * Reads every checkpoint of `folder`, digests and all, and changes nothing.
 * @throws UserError (exit 5) with what is wrong where `strict`, or where there were checkpoints and
 *   none is whole
 * @throws UserError (exit 2) if one cannot be got at, and so may be whole, or where it or the
 *   folder is a link
 */
export function latestCheckpoint(folder: string, { strict }: { readonly strict: boolean }): LatestCheckpoint {
  withFileErrors(folder, () => refuseLink(folder));
  const damaged = new Map<string, readonly Diagnostic[]>();
  let checkpoint: Checkpoint | undefined;
  const whole: SavedCheckpoint[] = [];
  const names = checkpointNames(folder);
  for (const name of names.toReversed()) {
    const path = join(folder, name);
    try {
      refuseOther(path);
      const loaded = loadCheckpoint(path);
      checkpoint ??= loaded;
      const { tensors: _, ...rest } = loaded;
      whole.push(rest);
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) throw error;
      damaged.set(path, error.diagnostics);
    }
  }
  const found = [...damaged.values(), lostCheckpoints(folder), indexDamage(folder, names.length)].flat();
  if (found.length > 0 && !checkpoint) throw new UserError(EXIT.damaged, [...found, noneLeft(folder)]);
  if (found.length > 0 && strict) throw new UserError(EXIT.damaged, found);
  const setAside = () => {
    for (const path of damaged.keys()) refuseUnlessOwned(path);
    for (const path of damaged.keys()) withFileErrors(path, () => renameSync(path, `${path}${ASIDE}`));
  };
  return { checkpoint, whole, damaged: found, setAside };
}

/**
 * A folder or a pipe of that name holds no checkpoint; where a link leads there may be a whole one,
 * which reading it says.
 */
function refuseOther(path: string): void {
  let info: Stats;
  try {
    info = lstatSync(path);
  } catch (error) {
    throw unreadable(path, error);
  }
  if (info.isFile() || info.isSymbolicLink()) return;
  throw damagedError({ code: 'checkpoint/no-file', message: 'this is not a file', file: path });
}

/**
 * The index is written anew with the next checkpoint; a process that is killed before it wrote its
 * first one has saved one checkpoint.
 */
function indexDamage(folder: string, count: number): Diagnostic[] {
  const message = indexProblem(folder, count > 1);
  return message === undefined ? [] : [{ code: 'checkpoint/index', message, file: indexPath(folder) }];
}

function noneLeft(folder: string): Diagnostic {
  return {
    code: 'checkpoint/none-whole',
    message: 'no intact checkpoint is left to resume from',
    file: folder,
    expected: 'an intact checkpoint restored from a backup, or a new run of this config',
  };
}

/**
 * Files that the index names and that are neither there nor set aside. It is replaced before a run
 * removes one itself.
 */
function lostCheckpoints(folder: string): Diagnostic[] {
  const isThere = (name: string) => ['', ASIDE].some(end => existsSync(join(folder, name + end)));
  const names = readIndex(folder)?.files ?? [];
  return names
    .filter(name => !isThere(name))
    .map(name => ({
      code: 'checkpoint/lost',
      message: 'this checkpoint is missing: checkpoints/index.json lists it, but the file does not exist',
      file: join(folder, name),
    }));
}
