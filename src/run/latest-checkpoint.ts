/** Finds the checkpoint that a run resumes from: the newest intact one. */
import { existsSync, lstatSync, renameSync, type Stats } from 'node:fs';
import { join } from 'node:path';
import { type Diagnostic, damagedError, EXIT, UserError } from '../util/errors.js';
import {
  type Checkpoint,
  checkpointNames,
  indexPath,
  indexProblem,
  loadCheckpoint,
  readIndex,
  refuseLink,
} from './checkpoint-files.js';
import { withFileErrors } from './file-errors.js';
import { unreadable } from './files.js';
import type { SavedCheckpoint } from './integrity.js';
import { refuseUnlessOwned } from './lock.js';

const ASIDE = '.damaged';

export interface LatestCheckpoint {
  /** Undefined if there is none. */
  readonly checkpoint: Checkpoint | undefined;
  /** All intact checkpoints. */
  readonly whole: readonly SavedCheckpoint[];
  /** Problems: damaged checkpoints, missing checkpoints, and an invalid index. */
  readonly damaged: readonly Diagnostic[];
  /**
   * Renames the damaged checkpoints.
   * @throws UserError (exit 1) if this fails
   */
  setAside(): void;
}

/**
 * Reads every checkpoint of `folder` and checks its digests; changes nothing.
 * @throws UserError (exit 5) with all problems if `strict` is set, or if no checkpoint is intact
 * @throws UserError (exit 2) if one is inaccessible and may be intact, or if it or the folder is a
 *   link
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
 * Refuses a folder or a pipe with a checkpoint's name. A link may lead to an intact checkpoint;
 * reading it reports an error.
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
 * The index is rewritten with the next checkpoint. It may be missing with a single checkpoint: the
 * process was killed before it wrote the first index.
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
 * Files that the index names but that do not exist, not even as set aside. The index is replaced
 * before a run removes a checkpoint.
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
