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
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { usageError } from '../../util/errors.js';
import { codeOf } from '../../util/system-errors.js';
import { writeWhole } from '../files/atomic.js';
import { tidyUp, withFileErrors } from '../files/file-error.js';
import { isAdvisoryLocked, tryAdvisoryLock } from './advisory-lock.js';
import { hold, isStillHeld } from './ownership.js';
import { exists, processInfo, processPlace } from './process-identity.js';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Start time of the process in ticks since boot; null if the system does not provide it. */
  readonly started: string | null;
  /**
   * The run directory, absolute and without links: a lock copied with its directory has another
   * directory here.
   */
  readonly directory?: string;
  /**
   * Boot id; null if the system has none. Absent, like all fields below, in locks of older
   * versions.
   */
  readonly boot?: string | null;
  /** Namespace of `pid`; null if there are none. */
  readonly pid_namespace?: string | null;
  /** Unique id of this lock. */
  readonly token?: string;
  /** One more than the fence of the lock that was taken over; 1 for the first. */
  readonly fence?: number;
  /** True if the owner holds an advisory lock on this file. */
  readonly advisory?: boolean;
}

const TRIES = 5;
/** Maximum size of a lock file; ours have a few hundred bytes. */
const MAX_BYTES = 65_536;
const HEARTBEAT_MS = 5_000;
/** Longer than several beats, and than most steps: beats only happen between steps. */
const WATCH_MS = 30_000;
/** Pause before retrying: another process's check of an advisory lock takes microseconds. */
const PAUSE_MS = 20;

/**
 * Makes the file at `path` the lock of this process. Returns a function that releases it.
 * @throws UserError (exit 2) if another process holds the lock
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
    const owner = read(path);
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
  const found = read(path);
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
 * @throws UserError (exit 2) if the owner is alive
 */
function takeAway(path: string): number | undefined {
  const found = read(path);
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
    isThatOne = JSON.stringify(read(aside)) === JSON.stringify(found);
  } finally {
    if (!isThatOne) linked(aside, path);
    remove(aside);
  }
  return isThatOne ? (found.fence ?? 1) : undefined;
}

/** Blocks the thread: nothing else may happen before the lock is taken. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
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
    const owner = read(file);
    if (owner !== undefined && !mayBeAlive(file, owner)) remove(file);
  }
}

function remove(path: string): void {
  withFileErrors(path, () => rmSync(path, { force: true }));
}

/** Reads a lock; undefined if there is no such file, and empty if it names no owner. */
function read(path: string): Partial<Owner> | undefined {
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (!info?.isFile()) return undefined;
  if (info.size > MAX_BYTES) return {};
  try {
    const found: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return isOwner(found) ? found : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function isOwner(found: unknown): found is Owner {
  if (typeof found !== 'object' || found === null) return false;
  const { pid, host, started, directory } = found as Partial<Owner>;
  const { boot, pid_namespace, token, fence, advisory } = found as Partial<Owner>;
  const isText = (text: unknown) => text === undefined || text === null || typeof text === 'string';
  const isKnown =
    started !== undefined &&
    [started, directory, boot, pid_namespace, token].every(isText) &&
    (fence === undefined || Number.isSafeInteger(fence)) &&
    (advisory === undefined || typeof advisory === 'boolean');
  return Number.isSafeInteger(pid) && Number(pid) > 0 && typeof host === 'string' && isKnown;
}

/**
 * True if the lock was copied with its directory: the owner works in the original directory, which
 * still has the same lock.
 */
function isCopied(path: string, { host, directory }: Partial<Owner>): boolean {
  if (directory === undefined || host !== hostname()) return false;
  try {
    const [here, there] = [dirname(path), directory].map(folder => statSync(folder));
    if (here.dev === there.dev && here.ino === there.ino) return false;
    return JSON.stringify(read(join(directory, basename(path)))) === JSON.stringify(read(path));
  } catch {
    // the original no longer exists or is not accessible
    return false;
  }
}

/** True if the owner runs on the same kernel, so its process and locks are visible here. */
function isOfThisBoot({ boot, host }: Partial<Owner>): boolean {
  const here = processPlace();
  return boot === undefined || boot === null ? host === here.host : boot === here.boot;
}

/** `unknown`: only its heartbeat can show if it is alive. */
function stateOf(path: string, owner: Partial<Owner>): 'alive' | 'gone' | 'unknown' {
  const { pid, host, started, boot, pid_namespace, advisory = false } = owner;
  if (pid === undefined || host === undefined) return 'gone';
  const isHeld = isAdvisoryLocked(path);
  if (isHeld === true) return 'alive';
  // its advisory lock would be visible here, but is gone
  if (advisory && isHeld === false && (isOfThisBoot(owner) || isOnOwnDisk(path))) return 'gone';
  const here = processPlace();
  if (host !== here.host) return 'alive';
  // another machine of the same name, or this one before a reboot
  if (boot !== undefined && boot !== here.boot) return isOnOwnDisk(path) ? 'gone' : 'unknown';
  if (pid_namespace !== undefined && pid_namespace !== here.pid_namespace) return 'unknown';
  if (!exists(pid)) return 'gone';
  const now = processInfo(pid);
  if (now === undefined || started === null || started === undefined) return 'alive';
  return !now.ended && started === now.started ? 'alive' : 'gone';
}

/**
 * True unless the owner is known to be gone: for example, processes of another machine count as
 * alive.
 */
function mayBeAlive(path: string, owner: Partial<Owner>): boolean {
  return stateOf(path, owner) !== 'gone';
}

function isAlive(path: string, owner: Partial<Owner>): boolean {
  const state = stateOf(path, owner);
  return state === 'unknown' ? beats(path) : state === 'alive';
}

/**
 * Watches the lock for a while; returns true if its owner touches it. Compares no dates between
 * machines or with the current time.
 */
function beats(path: string): boolean {
  const touched = () => lstatSync(path, { throwIfNoEntry: false })?.mtimeMs;
  const before = touched();
  const began = performance.now();
  while (performance.now() - began < WATCH_MS) {
    pause(HEARTBEAT_MS / 5);
    if (touched() !== before) return true;
  }
  return false;
}

/**
 * File systems that only one machine uses at a time, by statfs(2) type: ext, xfs, btrfs, tmpfs,
 * overlay, zfs, f2fs, ramfs, bcachefs. There, the owner of a lock from an earlier boot has ended.
 */
const OWN_DISKS: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0x2fc12fc1, 0xf2f52010, 0x858458f6, 0xca451a4e,
]);

function isOnOwnDisk(path: string): boolean {
  try {
    return process.platform === 'linux' && OWN_DISKS.has(statfsSync(dirname(path)).type >>> 0);
  } catch {
    return false;
  }
}

/** End of the message if another process works on the run. */
export const IN_USE = 'is working on this run';

function inUse(path: string, { pid, host, pid_namespace }: Partial<Owner> = {}) {
  const isForeign = pid_namespace !== undefined && pid_namespace !== processPlace().pid_namespace;
  const isKnown = isAdvisoryLocked(path) === true;
  const who = `${pid} on ${host}${isForeign ? ', as its own PID namespace numbers it' : ''}`;
  return usageError({
    code: 'run/in-use',
    message: `another process${pid === undefined ? '' : ` (${who})`} ${IN_USE}`,
    file: path,
    // an advisory lock is certain: never suggest removing the file
    expected: isKnown
      ? 'that it ends'
      : 'wait for it to end; if you are sure that it has ended, remove this file',
  });
}
