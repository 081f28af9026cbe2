/**
 * `run.lock`: who is working on a run. Two processes in one directory would take each other's files
 * for their own.
 *
 * What holds it, strongest first:
 * - an advisory lock on the open file (`advisory-lock.ts`). The kernel releases it when the process
 *   ends, and shows it to every process that sees the file, whatever its PID namespace or host
 *   name: two containers on one machine, two clients of an NFS server.
 * - without one (no binding, a file system without locks): process number and start, on the same
 *   boot and in the same PID namespace. Of a process in another namespace, or of a namesake of this
 *   machine, only a heartbeat tells: the owner touches the file, and whoever wants it watches for
 *   longer than several beats on a monotonic clock.
 * - of a process on a machine of another name nothing can be known without an advisory lock, so it
 *   counts as alive.
 *
 * Whatever the reason for taking a lock over, a token in the file fences the loser: each append,
 * rename and removal first compares it (`ownership.ts`), so that a process which was only stopped
 * does not write when it wakes up.
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
import { writeWhole } from '../files/atomic.js';
import { tidyUp, withFileErrors } from '../files/file-error.js';
import { codeOf } from '../files/refusals.js';
import { isAdvisoryLocked, tryAdvisoryLock } from './advisory-lock.js';
import { hold, isStillHeld } from './ownership.js';
import { exists, processInfo, processPlace } from './process-identity.js';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /**
   * When the process started, in ticks since the machine did; null where the system does not tell.
   */
  readonly started: string | null;
  /**
   * The run directory, absolute and without links: a lock that was copied with its directory tells
   * of another one.
   */
  readonly directory?: string;
  /**
   * Of this start of the machine; null where the system does not tell. Absent, like all below, in
   * locks of older versions.
   */
  readonly boot?: string | null;
  /** In which `pid` is meant; null where there are none. */
  readonly pid_namespace?: string | null;
  /** Unique. */
  readonly token?: string;
  /** One more than that of the lock that was taken over; 1 for the first. */
  readonly fence?: number;
  /** Whether the owner holds an advisory lock on this file. */
  readonly advisory?: boolean;
}

const TRIES = 5;
/** Of a lock of ours are some hundred. */
const MAX_BYTES = 65_536;
const HEARTBEAT_MS = 5_000;
/** Longer than several beats and than most steps, between which alone a beat can come. */
const WATCH_MS = 30_000;
/** Another process's look at an advisory lock takes microseconds. */
const PAUSE_MS = 20;

/**
 * Makes the file at `path` the lock of this process; gives what releases it.
 * @throws UserError (exit 2) if another process has it
 * @throws UserError (exit 1) if the system refuses
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
  /** Unique in all namespaces, unlike the number of a process. */
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

  /** Registers the lock, and gives what releases it. */
  held(): () => void {
    const { path, file, text } = this;
    const folder = dirname(resolve(path));
    const release = hold(path, text, [folder, this.owner.directory ?? folder]);
    // futimes is of the open file: a lock that has taken this one's place is not touched
    const beat = setInterval(() => tidyUp(() => futimesSync(file, new Date(), new Date())), HEARTBEAT_MS);
    beat.unref();
    return () => {
      // what cannot be removed stays this process's own, and can be released again
      withFileErrors(path, () => {
        if (isStillHeld(path, text)) rmSync(path, { force: true });
      });
      this.tidy();
      clearInterval(beat);
      release();
      if (!this.isOpen) return;
      // even where closing fails, the number may be another file's from now on
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
    // opened for appending, so at its beginning
    writeWhole(this.file, this.text);
  }
}

/**
 * Whether a process works on what the lock at `path` is for; where the lock cannot be looked at,
 * none is known to. Changes nothing.
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
 * Runs `action` while the file at `path` is the lock of this process. Throws as `lockRun` does,
 * else what `action` throws, which is told rather than a lock that then cannot be removed.
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
 * Where the process is that has the file at `path` as its lock, as far as that can be told;
 * undefined where none has.
 */
export function lockHolder(path: string): 'here' | 'elsewhere' | undefined {
  const found = read(path);
  if (found === undefined || !mayBeAlive(path, found) || isCopied(path, found)) return undefined;
  return isOfThisBoot(found) ? 'here' : 'elsewhere';
}

/**
 * Linking, unlike writing, fails where the name is taken, and never shows a file that is half
 * written.
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
 * Removes a lock whose owner is no more, and no other one that may have come in its place. Gives
 * its fence; undefined where it had gone.
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
    // of several that find the owner gone, one takes the file away; the others come back to what is
    // there then
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
 * Without advisory locks another lock may have come in this one's place meanwhile: it is put back.
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

/** Blocks: a lock is wanted before anything else is to happen. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/**
 * Removes what processes that are no more left beside the lock when they were killed in taking it;
 * `PATH.NUMBER` and `PATH.stale-NUMBER`.
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

/**
 * Undefined where there is none any more, or something that is none; without an owner where it does
 * not say who that is.
 */
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
 * Whether the owner is at work in the directory that this one was copied from: its lock is there as
 * well, and that is another one.
 */
function isCopied(path: string, { host, directory }: Partial<Owner>): boolean {
  if (directory === undefined || host !== hostname()) return false;
  try {
    const [here, there] = [dirname(path), directory].map(folder => statSync(folder));
    if (here.dev === there.dev && here.ino === there.ino) return false;
    return JSON.stringify(read(join(directory, basename(path)))) === JSON.stringify(read(path));
  } catch {
    // it is no longer where it was, or cannot be looked at
    return false;
  }
}

/** Of the same kernel: its processes, and the locks that they hold, can be known here. */
function isOfThisBoot({ boot, host }: Partial<Owner>): boolean {
  const here = processPlace();
  return boot === undefined || boot === null ? host === here.host : boot === here.boot;
}

/** `unknown`: whether it lives is only to be seen by its heartbeat. */
function stateOf(path: string, owner: Partial<Owner>): 'alive' | 'gone' | 'unknown' {
  const { pid, host, started, boot, pid_namespace, advisory = false } = owner;
  if (pid === undefined || host === undefined) return 'gone';
  const isHeld = isAdvisoryLocked(path);
  if (isHeld === true) return 'alive';
  // a lock that could have been seen is not there
  if (advisory && isHeld === false && (isOfThisBoot(owner) || isOnOwnDisk(path))) return 'gone';
  const here = processPlace();
  if (host !== here.host) return 'alive';
  // a namesake of this machine, or this one before it was started again
  if (boot !== undefined && boot !== here.boot) return isOnOwnDisk(path) ? 'gone' : 'unknown';
  if (pid_namespace !== undefined && pid_namespace !== here.pid_namespace) return 'unknown';
  if (!exists(pid)) return 'gone';
  const now = processInfo(pid);
  if (now === undefined || started === null || started === undefined) return 'alive';
  return !now.ended && started === now.started ? 'alive' : 'gone';
}

/** What cannot be known, such as the processes of another machine, counts as alive. */
function mayBeAlive(path: string, owner: Partial<Owner>): boolean {
  return stateOf(path, owner) !== 'gone';
}

function isAlive(path: string, owner: Partial<Owner>): boolean {
  const state = stateOf(path, owner);
  return state === 'unknown' ? beats(path) : state === 'alive';
}

/**
 * Watches whether the owner touches its lock. No date is compared with another machine's, nor with
 * an earlier one of this machine's.
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
 * File systems that no two machines use at once, by the numbers of statfs(2): ext, xfs, btrfs,
 * tmpfs, overlay, zfs, f2fs, ramfs, bcachefs. There a lock of an earlier boot is of a process that
 * is no more.
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

/** How the message ends that a process was refused a run with, since another one works on it. */
export const IN_USE = 'is working on this run';

function inUse(path: string, { pid, host, pid_namespace }: Partial<Owner> = {}) {
  const isForeign = pid_namespace !== undefined && pid_namespace !== processPlace().pid_namespace;
  const isKnown = isAdvisoryLocked(path) === true;
  const who = `${pid} on ${host}${isForeign ? ', as its own PID namespace numbers it' : ''}`;
  return usageError({
    code: 'run/in-use',
    message: `another process${pid === undefined ? '' : ` (${who})`} ${IN_USE}`,
    file: path,
    // what the kernel says cannot be wrong
    expected: isKnown
      ? 'that it ends'
      : 'wait for it to end; if you are sure that it has ended, remove this file',
  });
}
