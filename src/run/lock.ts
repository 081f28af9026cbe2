/**
 * Who may write: `run.lock` of a run and `sweep.lock` of a sweep. Two processes in one directory
 * would mix up their files.
 *
 * The kernel holds the lock, on the open file: it ends with its process, however that ends, and
 * every process that sees the file sees it, in any PID, UTS or network namespace, and over NFS
 * where its lock manager runs. Node has no API for it; `fs-native-extensions` takes it as an open
 * file description lock (Linux), with `flock` (macOS) or `LockFileEx` (Windows). Where there are
 * no such locks, such as on musl or on a share mounted with `nolock`, a directory is refused
 * unless `allowUnlocked` was called.
 *
 * A process can lose its lock without ending: a worker takes the run of another whose heartbeat
 * stopped, or a person removes the file. So each append, rename and removal first checks that the
 * lock's path still leads to the file that this process holds. The holdings are global because
 * locks belong to the process, and so that no writer can bypass them: a path is enough to check.
 */
import { basename, dirname, fileLocks, fs, hostname, resolve, runtime } from '../host/index.js';
import { EXIT, UserError, usageError } from '../util/errors.js';
import { tidyUp, withFileErrors, writeWhole } from '../util/system-errors.js';

/** Offset beyond the content: on Windows, others cannot read a locked part of a file. */
const OFFSET = 2 ** 30;
/** Opening a pipe would block, and a link could lead anywhere. (Windows has neither flag.) */
const SAFELY = (fs.constants.O_NONBLOCK ?? 0) | (fs.constants.O_NOFOLLOW ?? 0);
const TRIES = 5;
/** Another process's check of a lock takes microseconds. */
const PAUSE_MS = 20;

/**
 * Locks the open file until it is closed. Returns false if another open file has the lock,
 * undefined if there are no locks here. `shared` locks exclude only exclusive ones.
 */
export function tryFileLock(file: number, shared = false): boolean | undefined {
  try {
    return fileLocks().tryLock(file, OFFSET, 1, { shared });
  } catch (error) {
    if (/EMFILE|too many open files/i.test(String(error))) throw error;
    // a system or a file system without locks, or a lock manager that does not respond
    return undefined;
  }
}

let isUnlockedAllowed = false;

/** From now on, directories where the system has no locks are written to without one. */
export function allowUnlocked(): void {
  isUnlockedAllowed = true;
}

interface Holding {
  readonly lock: string;
  readonly file: number;
}

const holdings = new Map<string, Holding>();

/** Makes the file at `path` the lock of this process. Returns a function that releases it. */
export function lockRun(path: string): () => void {
  return withFileErrors(path, () => {
    const folders = [resolve(dirname(path)), fs.realpathSync(dirname(path))];
    for (let tries = 1; tries <= TRIES; tries++) {
      const isOther = fs.lstatSync(path, { throwIfNoEntry: false })?.isFile() === false;
      if (isOther)
        throw usageError(
          'run/no-lock',
          'this is not a regular file, so it cannot be the lock of this directory',
          { file: path, expected: 'no file of that name while no process works here; remove it' },
        );
      const file = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT | SAFELY, 0o644);
      if (isTaken(path, file)) return hold(path, file, folders);
      fs.closeSync(file);
      pause(PAUSE_MS);
    }
    throw inUse(path);
  });
}

/**
 * Locks the open file. Returns false if another process has the lock, or has just released and so
 * removed it. Closes the file if it throws.
 */
function isTaken(path: string, file: number): boolean {
  try {
    const isFree = tryFileLock(file);
    if (isFree === undefined && !isUnlockedAllowed)
      throw usageError(
        'run/unlocked',
        'files cannot be locked here, so a second process in this directory would not be noticed',
        {
          file: path,
          expected: `a file system with locks; or ${UNLOCKED}=1 in the environment if no other process writes here`,
        },
      );
    if (isFree === false || !leadsTo(path, file)) return false;
    fs.ftruncateSync(file);
    writeWhole(file, `${JSON.stringify({ pid: runtime.pid, host: hostname() })}\n`);
    return true;
  } catch (error) {
    tidyUp(() => {
      // of another process without locks, it names an owner
      if (fs.fstatSync(file).size === 0 && leadsTo(path, file)) fs.rmSync(path);
    });
    tidyUp(() => fs.closeSync(file));
    throw error;
  }
}

function hold(path: string, file: number, folders: readonly string[]): () => void {
  const holding: Holding = { lock: path, file };
  for (const folder of folders) holdings.set(folder, holding);
  return () =>
    withFileErrors(path, () => {
      const held = folders.filter(folder => holdings.get(folder) === holding);
      if (held.length === 0) return;
      // if removal fails, this process still owns the lock and can release it again
      if (leadsTo(path, file)) fs.rmSync(path, { force: true });
      for (const folder of held) holdings.delete(folder);
      fs.closeSync(file);
    });
}

/** Throws what `lockRun` or `action` throws; an error of `action` takes precedence. */
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

/** True if a process holds the lock at `path`; false if that is not known. Changes nothing. */
export function isLocked(path: string): boolean {
  try {
    if (!fs.lstatSync(path).isFile()) return false;
    const file = fs.openSync(path, fs.constants.O_RDONLY | SAFELY);
    try {
      // a brief shared lock: other such checks can coincide, and a process that wants it waits
      return tryFileLock(file, true) === false;
    } finally {
      fs.closeSync(file);
    }
  } catch {
    return false;
  }
}

/** Whether the path still has the open file. */
export function leadsTo(path: string, file: number): boolean {
  const [stats, there] = [fs.fstatSync(file), fs.lstatSync(path, { throwIfNoEntry: false })];
  return there?.ino === stats.ino && there.dev === stats.dev;
}

/** Throws if this process has lost the lock of the directory of `path`. */
export function refuseUnlessOwned(path: string): void {
  const holding = holdingOf(path);
  if (holding === undefined) return;
  if (leadsTo(holding.lock, holding.file)) return;
  // if the directory is gone, no process can own it; the write itself reports that
  if (!fs.existsSync(dirname(holding.lock))) return;
  throw new UserError(EXIT.unexpected, [
    {
      code: 'run/lock-lost',
      message: `${LOCK_LOST}: another process took it over, or the lock file was removed`,
      file: holding.lock,
      expected: 'this process writes nothing more here',
    },
  ]);
}

/** The lock of the nearest folder: a sweep's directory contains those of its runs. */
function holdingOf(path: string): Holding | undefined {
  if (holdings.size === 0) return undefined;
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    const holding = holdings.get(folder);
    if (holding !== undefined || folder === dirname(folder)) return holding;
  }
}

export function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

export const LOCK_LOST = 'this process has lost its lock';

export const UNLOCKED = 'CELLRUN_UNLOCKED';

const WORKING_ON = 'is working on this';
/** End of the message if another process works on the run. */
export const IN_USE = `${WORKING_ON} run`;

function inUse(path: string): UserError {
  const locked = basename(path).startsWith('sweep') ? 'sweep' : 'run';
  const isOwn = holdings.get(resolve(dirname(path))) !== undefined;
  return usageError(
    'run/in-use',
    `${isOwn ? 'this process' : `another process${ownerIn(path)}`} ${WORKING_ON} ${locked}`,
    { file: path, expected: 'wait for it to finish' },
  );
}

/** `(12 on host)`, which may be a number of another PID namespace; empty if not known. */
function ownerIn(path: string): string {
  try {
    const { pid, host } = JSON.parse(fs.readFileSync(path, 'utf8')) as Record<string, unknown>;
    return typeof pid === 'number' && typeof host === 'string' ? ` (${pid} on ${host})` : '';
  } catch {
    return '';
  }
}
