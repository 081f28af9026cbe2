/**
 * What this process may write to: the directories whose locks it holds. `run-lock.ts` takes a lock
 * and registers it here; every append, rename and removal in such a directory asks
 * `refuseUnlessOwned` first. So a writer whose lock another process has taken over (it was stopped,
 * its machine was suspended, its share was away) stops before its next write instead of writing
 * into the other's run.
 *
 * The registry is one per process because a lock is one per process, and because a writer that had
 * to be handed its lock could be forgotten: a path is enough.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EXIT, UserError } from '../../util/errors.js';
import { codeOf } from '../files/refusals.js';

interface Holding {
  /** The lock's file. */
  readonly lock: string;
  /** All of its content, which has a token that no other lock has. */
  readonly text: string;
  /** Once lost, a lock is lost for good, whatever the file says later. */
  lost: boolean;
}

/** Characters of a lock that is not this process's own. */
const MAX_SHOWN = 300;

const holdings = new Map<string, Holding>();

/** When the lease on this process's work ends, on `monotonicNow`. */
let leaseEnd = Number.POSITIVE_INFINITY;

/**
 * Milliseconds on a clock that all processes of a machine share and that no change of the date
 * moves.
 */
export function monotonicNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Registers that `text` in the file `lock` makes the `folders`, all names of one, this process's
 * own. Returns what ends that.
 */
export function hold(lock: string, text: string, folders: readonly string[]): () => void {
  const holding: Holding = { lock, text, lost: false };
  for (const folder of folders) holdings.set(folder, holding);
  return () => {
    for (const folder of folders) if (holdings.get(folder) === holding) holdings.delete(folder);
  };
}

/** Whether the lock at `lock` is still the one with `text`. */
export function isStillHeld(lock: string, text: string): boolean {
  return contentOf(lock) === text;
}

/** Undefined if there is no such file. */
function contentOf(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * This process may write until `end` on `monotonicNow`; a queue's worker renews that while the job
 * is its own. A point in time, not a duration: a process that was stopped may read of it long after
 * it was sent.
 */
export function leaseUntil(end: number): void {
  leaseEnd = end;
}

/**
 * Returns if this process holds the lock of the directory that `path` lies in, or if it never had
 * one for it.
 * @throws UserError (exit 1) if it has lost that lock, or the lease under which it works
 */
export function refuseUnlessOwned(path: string): void {
  const holding = holdingOf(path);
  if (holding === undefined) return;
  if (monotonicNow() > leaseEnd) throw lostLease(holding.lock);
  if (holding.lost) throw lostLock(holding.lock);
  if (isStillHeld(holding.lock, holding.text)) return;
  // nobody can have taken over what is no longer there; the write itself says that
  if (!existsSync(dirname(holding.lock))) return;
  holding.lost = true;
  throw lostLock(holding.lock);
}

/** That of the nearest folder: a sweep's directory holds those of its runs. */
function holdingOf(path: string): Holding | undefined {
  if (holdings.size === 0) return undefined;
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const holding = holdings.get(folder);
    if (holding !== undefined || folder === dirname(folder)) return holding;
  }
}

/** How the messages begin; none of them is a result of what the process was to do. */
export const LOCK_LOST = 'this process has lost its lock';
export const LEASE_LOST = 'the lease on this job ran out';

function lostLock(file: string): UserError {
  const now = contentOf(file);
  return new UserError(EXIT.unexpected, [
    {
      code: 'run/lock-lost',
      message: `${LOCK_LOST}: another process took it over, or the lock file was removed`,
      file,
      expected: 'this process writes nothing more here',
      got: now === undefined ? 'no such file' : now.slice(0, MAX_SHOWN),
    },
  ]);
}

function lostLease(file: string): UserError {
  return new UserError(EXIT.unexpected, [
    {
      code: 'run/lease-lost',
      message: `${LEASE_LOST}, since the queue's worker did not renew it in time`,
      file,
      expected: 'this process writes nothing more here; another worker continues the job',
    },
  ]);
}
