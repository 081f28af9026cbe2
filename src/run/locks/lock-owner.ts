/** The owner that a lock file names, and whether it is alive; see run-lock.ts for the evidence. */
import { lstatSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { codeOf } from '../../util/system-errors.js';
import { isAdvisoryLocked } from './advisory-lock.js';
import { exists, processInfo, processPlace } from './process-identity.js';

/** Maximum size of a lock file; ours have a few hundred bytes. */
const MAX_BYTES = 65_536;
/** Interval at which an owner touches its lock. */
export const HEARTBEAT_MS = 5_000;
/** Longer than several beats, and than most steps: beats only happen between steps. */
const WATCH_MS = 30_000;

export interface Owner {
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

/** Reads a lock; undefined if there is no such file, and empty if it names no owner. */
export function readOwner(path: string): Partial<Owner> | undefined {
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
export function isCopied(path: string, { host, directory }: Partial<Owner>): boolean {
  if (directory === undefined || host !== hostname()) return false;
  try {
    const [here, there] = [dirname(path), directory].map(folder => statSync(folder));
    if (here.dev === there.dev && here.ino === there.ino) return false;
    return JSON.stringify(readOwner(join(directory, basename(path)))) === JSON.stringify(readOwner(path));
  } catch {
    // the original no longer exists or is not accessible
    return false;
  }
}

/** True if the owner runs on the same kernel, so its process and locks are visible here. */
export function isOfThisBoot({ boot, host }: Partial<Owner>): boolean {
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
export function mayBeAlive(path: string, owner: Partial<Owner>): boolean {
  return stateOf(path, owner) !== 'gone';
}

export function isAlive(path: string, owner: Partial<Owner>): boolean {
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

/** Blocks the thread: nothing else may happen before the lock is taken. */
export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}
