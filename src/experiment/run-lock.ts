/**
 * `run.lock`: who is working on a run. Two processes in one directory would take each other's files for their own. The lock of a process
 * that is no more, killed or gone with its machine's last start, is taken over.
 */
import {
  linkSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { usageError } from '../errors.js';
import { naming, tidyUp } from './file-error.js';
import { exists, processInfo } from './process-identity.js';

interface Owner {
  readonly pid: number;
  readonly host: string;
  /** When the process started, in ticks since the machine did; null where the system does not tell. */
  readonly started: string | null;
  /** The run directory, absolute and without links: a lock that was copied with its directory tells of another one. */
  readonly directory?: string;
}

const TRIES = 5;
/** Of a lock of ours are some hundred. */
const MAX_BYTES = 65_536;

/**
 * Makes the file at `path` the lock of this process; gives what releases it. Throws exit 2 where another process has it, exit 1 where
 * the system refuses.
 */
export function lockRun(path: string): () => void {
  const own: Owner = {
    pid: process.pid,
    host: hostname(),
    started: processInfo(process.pid)?.started ?? null,
    directory: naming(path, () => realpathSync(dirname(path))),
  };
  const mine = `${path}.${process.pid}`;
  try {
    naming(path, () => {
      // a link that somebody put there is not to be followed
      rmSync(mine, { force: true });
      writeFileSync(mine, `${JSON.stringify(own)}\n`, { flag: 'wx' });
      claim(mine, path);
    });
  } finally {
    tidyUp(() => remove(mine));
  }
  tidyUp(() => removeAttempts(path));
  return () => {
    remove(path);
    remove(mine);
  };
}

/** Whether a process works on what the lock at `path` is for; where the lock cannot be looked at, none is known to. Changes nothing. */
export function isLocked(path: string): boolean {
  try {
    const owner = read(path);
    return owner !== undefined && isAlive(owner) && !isCopied(path, owner);
  } catch {
    return false;
  }
}

/**
 * Runs `action` while the file at `path` is the lock of this process. Throws as `lockRun` does, else what `action` throws, which is told
 * rather than a lock that then cannot be removed.
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

/** Where the process is that has the file at `path` as its lock, as far as that can be told; undefined where none has. */
export function lockHolder(path: string): 'here' | 'elsewhere' | undefined {
  const found = read(path);
  if (found === undefined || !isAlive(found) || isCopied(path, found)) return undefined;
  return found.host === hostname() ? 'here' : 'elsewhere';
}

function claim(mine: string, path: string): void {
  for (let tries = 0; tries < TRIES; tries++) {
    if (linked(mine, path)) return;
    takeAway(path);
  }
  throw inUse(path);
}

/** Linking, unlike writing, fails where the name is taken, and never shows a file that is half written. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Removes a lock whose owner is no more, and no other one that may have come in its place. */
function takeAway(path: string): void {
  const found = read(path);
  if (found === undefined) return;
  if (isAlive(found) && !isCopied(path, found)) throw inUse(path, found);
  const aside = `${path}.stale-${process.pid}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  let isThatOne = false;
  try {
    isThatOne = JSON.stringify(read(aside)) === JSON.stringify(found);
  } finally {
    if (!isThatOne) linked(aside, path);
    remove(aside);
  }
}

/** Removes what processes that are no more left beside the lock when they were killed in taking it; `PATH.PID` and `PATH.stale-PID`. */
function removeAttempts(path: string): void {
  const folder = dirname(path);
  for (const name of readdirSync(folder)) {
    const pid = name.startsWith(`${basename(path)}.`) && /\.(?:stale-)?(\d+)$/.exec(name)?.[1];
    if (!pid || exists(Number(pid))) continue;
    const { host = hostname() } = read(join(folder, name)) ?? {};
    if (host === hostname()) remove(join(folder, name));
  }
}

function remove(path: string): void {
  naming(path, () => rmSync(path, { force: true }));
}

/** Undefined where there is none any more, or something that is none; without an owner where it does not say who that is. */
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
  const isKnown =
    (started === null || typeof started === 'string') &&
    (directory === undefined || typeof directory === 'string');
  return Number.isSafeInteger(pid) && Number(pid) > 0 && typeof host === 'string' && isKnown;
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

/** Whether the owner is at work in the directory that this one was copied from: its lock is there as well, and that is another one. */
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

/** What cannot be known, such as the processes of another machine, counts as alive. */
function isAlive({ pid, host, started }: Partial<Owner>): boolean {
  if (pid === undefined || host === undefined) return false;
  if (host !== hostname()) return true;
  if (!exists(pid)) return false;
  const now = processInfo(pid);
  if (now === undefined || started === null || started === undefined) return true;
  return !now.ended && started === now.started;
}

/** How the message ends that a process was refused a run with, since another one works on it. */
export const IN_USE = 'is working on this run';

function inUse(path: string, { pid, host }: Partial<Owner> = {}) {
  return usageError({
    code: 'run/in-use',
    message: `another process${pid === undefined ? '' : ` (${pid} on ${host})`} ${IN_USE}`,
    file: path,
    expected: 'that it ends; if it is sure to be gone, remove this file',
  });
}
