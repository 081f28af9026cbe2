/**
 * `run.lock`: the process that works on a run. Two processes in one directory would mix up their
 * files.
 *
 * Evidence that a lock is held, strongest first:
 * - an advisory lock on the open file (`advisory-lock.ts`). The kernel releases it when the process
 *   ends, and it is visible to every process that sees the file, in any PID namespace or host: two
 *   containers on one machine, two clients of an NFS server.
 * - without one (no binding, a file system without locks): process id and start time, in the same
 *   boot and PID namespace. For a process in another namespace or on another machine of the same
 *   name, only a heartbeat: the owner touches the file, and a process that needs the lock watches
 *   it for several beats on a monotonic clock.
 * - a process on a machine with another name counts as alive, since without an advisory lock
 *   nothing is known about it.
 *
 * Whenever a lock is taken over, a token in the file fences the previous owner: each append, rename
 * and removal first compares it (`ownership.ts`), so that a process that was only stopped does not
 * write when it continues.
 */
import { randomInt, randomUUID } from 'node:crypto';
import {
  closeSync,
  fstatSync,
  ftruncateSync,
  futimesSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { usageError } from '../../util/errors.js';
import { codeOf } from '../../util/system-errors.js';
import { tidyUp, withFileErrors, writeWhole } from '../files.js';
import { isAdvisoryLocked, tryAdvisoryLock } from './advisory-lock.js';
import {
  HEARTBEAT_MS,
  isAlive,
  isCopied,
  isOfThisBoot,
  mayBeAlive,
  type Owner,
  pause,
  readOwner,
} from './lock-owner.js';
import { hold, isStillHeld } from './ownership.js';
import { processPlace } from './process-identity.js';

const TRIES = 5;
/** Pause before retrying: another process's check of an advisory lock takes microseconds. */
const PAUSE_MS = 20;

/**
 * Makes the file at `path` the lock of this process. Returns a function that releases it.
 * @throws UserError (exit 2) if another process holds the lock, or what is there is no regular file
 * @throws UserError (exit 1) if the lock cannot be written
 */
export function lockRun(path: string): () => void {
  const attempt = new Attempt(path);
  try {
    withFileErrors(path, () => attempt.claim());
  } catch (error) {
    tidyUp(() => attempt.giveUp());
    throw error;
  }
  tidyUp(() => attempt.tidy());
  tidyUp(() => removeAttempts(path));
  return attempt.held();
}

class Attempt {
  /** Path unique across namespaces, unlike a process id. */
  private readonly mine: string;
  private readonly file: number;
  private readonly owner: Omit<Owner, 'fence'>;
  private text = '';
  private isOpen = true;

  constructor(private readonly path: string) {
    this.mine = `${path}.${randomInt(2 ** 47)}`;
    const directory = withFileErrors(path, () => realpathSync(dirname(path)));
    this.file = withFileErrors(path, () => openSync(this.mine, 'ax', 0o644));
    const advisory = tryAdvisoryLock(this.file) === true;
    this.owner = { ...processPlace(), directory, token: randomUUID(), advisory };
  }

  claim(): void {
    this.write(1);
    for (let tries = 0; tries < TRIES; tries++) {
      if (linked(this.mine, this.path)) return;
      const fence = takeAway(this.path);
      if (fence !== undefined) this.write(fence + 1);
    }
    throw inUse(this.path);
  }

  /** Registers the lock and returns a function that releases it. */
  held(): () => void {
    const { path, file, text } = this;
    const folder = dirname(resolve(path));
    const release = hold(path, text, [folder, this.owner.directory ?? folder]);
    // futimes acts on the open file, so it never touches another lock that replaced this one
    const beat = setInterval(() => tidyUp(() => futimesSync(file, new Date(), new Date())), HEARTBEAT_MS);
    beat.unref();
    return () => {
      // if removal fails, this process still owns the lock and can release it again
      withFileErrors(path, () => {
        if (isStillHeld(path, text)) rmSync(path, { force: true });
      });
      this.tidy();
      clearInterval(beat);
      release();
      if (!this.isOpen) return;
      // even if closing fails, the file descriptor may be reused from now on
      this.isOpen = false;
      withFileErrors(path, () => closeSync(file));
    };
  }

  giveUp(): void {
    try {
      this.tidy();
    } finally {
      closeSync(this.file);
    }
  }

  tidy(): void {
    remove(this.mine);
  }

  private write(fence: number): void {
    this.text = `${JSON.stringify({ ...this.owner, fence })}\n`;
    ftruncateSync(this.file);
    // the file is empty and opened for appending, so this writes at its start
    writeWhole(this.file, this.text);
  }
}

/**
 * True if a process holds the lock at `path`; false if the lock cannot be read. Changes nothing.
 */
export function isLocked(path: string): boolean {
  try {
    const owner = readOwner(path);
    return owner !== undefined && mayBeAlive(path, owner) && !isCopied(path, owner);
  } catch {
    return false;
  }
}

/**
 * Runs `action` while this process holds the lock at `path`. Throws what `lockRun` or `action`
 * throws; an error of `action` takes precedence over a failure to remove the lock.
 */
export async function whileLocked<T>(path: string, action: () => Promise<T>): Promise<T> {
  const release = lockRun(path);
  let result: T;
  try {
    result = await action();
  } catch (error) {
    tidyUp(release);
    throw error;
  }
  release();
  return result;
}

/**
 * Location of the process that holds the lock at `path`: `here` on this machine, or `elsewhere`;
 * undefined if no process holds it.
 */
export function lockHolder(path: string): 'here' | 'elsewhere' | undefined {
  const found = readOwner(path);
  if (found === undefined || !mayBeAlive(path, found) || isCopied(path, found)) return undefined;
  return isOfThisBoot(found) ? 'here' : 'elsewhere';
}

/**
 * Returns false if the name is taken. Unlike writing, linking is atomic: it never exposes a partial
 * file.
 */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a lock whose owner has ended, but not another lock that may have replaced it. Returns its
 * fence; undefined if the lock was already gone.
 * @throws UserError (exit 2) if the owner is alive, or this is no regular file
 */
function takeAway(path: string): number | undefined {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() === false) throw noLock(path);
  const found = readOwner(path);
  if (found === undefined) return undefined;
  if (isAlive(path, found) && !isCopied(path, found)) throw inUse(path, found);
  let file: number;
  try {
    file = openSync(path, 'r+');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    // if several processes find the owner gone, one removes the file; the others look again
    if (tryAdvisoryLock(file) === false) {
      pause(PAUSE_MS);
      return undefined;
    }
    const [here, there] = [fstatSync(file), lstatSync(path, { throwIfNoEntry: false })];
    if (there === undefined || here.ino !== there.ino || here.dev !== there.dev) return undefined;
    return takeAside(path, found);
  } finally {
    closeSync(file);
  }
}

/**
 * Moves the lock aside and removes it. Without advisory locks, another lock may have replaced it
 * meanwhile: that one is put back.
 */
function takeAside(path: string, found: Partial<Owner>): number | undefined {
  const aside = `${path}.stale-${randomInt(2 ** 47)}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  let isThatOne = false;
  try {
    isThatOne = JSON.stringify(readOwner(aside)) === JSON.stringify(found);
  } finally {
    if (!isThatOne) linked(aside, path);
    remove(aside);
  }
  return isThatOne ? (found.fence ?? 1) : undefined;
}

/**
 * Removes the files `PATH.NUMBER` and `PATH.stale-NUMBER` of processes that were killed while
 * taking the lock.
 */
function removeAttempts(path: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    if (!name.startsWith(`${basename(path)}.`) || !/\.(?:stale-)?\d+$/.test(name)) continue;
    const file = join(folder, name);
    const owner = readOwner(file);
    if (owner !== undefined && !mayBeAlive(file, owner)) remove(file);
  }
}

function remove(path: string): void {
  withFileErrors(path, () => rmSync(path, { force: true }));
}

function noLock(path: string) {
  return usageError({
    code: 'run/no-lock',
    message: 'this is not a regular file, so it cannot be the lock of this directory',
    file: path,
    expected: 'nothing of that name while no process works here; remove it',
  });
}

const WORKING_ON = 'is working on this';
/** End of the message if another process works on the run. */
export const IN_USE = `${WORKING_ON} run`;

function inUse(path: string, { pid, host, pid_namespace }: Partial<Owner> = {}) {
  const isForeign = pid_namespace !== undefined && pid_namespace !== processPlace().pid_namespace;
  const isKnown = isAdvisoryLocked(path) === true;
  const locked = basename(path).startsWith('sweep') ? 'sweep' : 'run';
  const who = `${pid} on ${host}${isForeign ? ', as its own PID namespace numbers it' : ''}`;
  return usageError({
    code: 'run/in-use',
    message: `another process${pid === undefined ? '' : ` (${who})`} ${WORKING_ON} ${locked}`,
    file: path,
    // an advisory lock is certain: never suggest removing the file
    expected: isKnown
      ? 'wait for it to finish'
      : 'wait for it to finish; if you are sure that it has ended, remove this file',
  });
}
