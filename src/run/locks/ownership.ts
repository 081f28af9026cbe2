/**
 * Registry of the directories that this process may write to, because it holds their locks.
 * `run-lock.ts` takes a lock and registers it here; every append, rename and removal in such a
 * directory first calls `refuseUnlessOwned`. So a writer whose lock another process has taken over
 * (because it was stopped, its machine was suspended or its share was lost) stops before its next
 * write, instead of writing into the other process's run.
 *
 * The registry is global because locks belong to the process, and so that no writer can bypass it:
 * a path is enough to check.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { EXIT, UserError } from '../../util/errors.js';
import { codeOf } from '../../util/system-errors.js';

interface Holding {
  /** The lock's file. */
  readonly lock: string;
  /** The lock's whole content, which includes a unique token. */
  readonly text: string;
  /** A lost lock stays lost, even if the file matches again later. */
  lost: boolean;
}

/** Maximum characters shown of another process's lock. */
const MAX_SHOWN = 300;

const holdings = new Map<string, Holding>();

/** When the lease on this process's job ends, on the clock of `monotonicNow`. */
let leaseEnd = Number.POSITIVE_INFINITY;

/**
 * Milliseconds on a clock that all processes of a machine share and that date changes do not
 * affect.
 */
export function monotonicNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/**
 * Registers that this process owns the `folders`, all names of the same one, as long as the file
 * `lock` contains `text`. Returns a function that removes the registration.
 */
export function hold(lock: string, text: string, folders: readonly string[]): () => void {
  const holding: Holding = { lock, text, lost: false };
  for (const folder of folders) holdings.set(folder, holding);
  return () => {
    for (const folder of folders) if (holdings.get(folder) === holding) holdings.delete(folder);
  };
}

/** True if the file `lock` still contains `text`. */
export function isStillHeld(lock: string, text: string): boolean {
  return contentOf(lock) === text;
}

/** Content of the lock file; undefined if it does not exist. */
function contentOf(lock: string): string | undefined {
  try {
    return readFileSync(lock, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Allows this process to write until `end` on the clock of `monotonicNow`. A queue's worker renews
 * this while it owns the job. A point in time, not a duration: a process that was stopped may
 * receive it long after it was sent.
 */
export function leaseUntil(end: number): void {
  leaseEnd = end;
}

/**
 * Checks that this process may write to `path`: it holds the lock of that directory, or never had
 * one.
 * @throws UserError (exit 1) if it has lost that lock, or its lease has expired
 */
export function refuseUnlessOwned(path: string): void {
  const holding = holdingOf(path);
  if (holding === undefined) return;
  if (monotonicNow() > leaseEnd) throw lostLease(holding.lock);
  if (holding.lost) throw lostLock(holding.lock);
  if (isStillHeld(holding.lock, holding.text)) return;
  // if the directory is gone, no process can own it; the write itself reports that
  if (!existsSync(dirname(holding.lock))) return;
  holding.lost = true;
  throw lostLock(holding.lock);
}

/** The lock of the nearest folder: a sweep's directory contains those of its runs. */
function holdingOf(path: string): Holding | undefined {
  if (holdings.size === 0) return undefined;
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const holding = holdings.get(folder);
    if (holding !== undefined || folder === dirname(folder)) return holding;
  }
}

/** Starts of the messages. Such an error is not a result of the process's own work. */
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
