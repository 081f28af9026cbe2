/**
 * Advisory locks on open files. The kernel releases them when their process ends, however it ends.
 * Node has no API for them; `fs-native-extensions` takes them as open file description locks
 * (Linux), `flock` (macOS) or `LockFileEx` (Windows). They hold across PID, UTS, network and mount
 * namespaces of one kernel, and over NFS where its lock manager runs. Systems without a prebuilt
 * binding (musl, FreeBSD) have none, and `run-lock.ts` relies on process information.
 */
import { closeSync, constants, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { codeOf } from '../../util/system-errors.js';

interface Binding {
  tryLock(file: number, offset: number, length: number, options?: { readonly shared: boolean }): boolean;
}

/** Offset beyond the content: on Windows, others cannot read a locked part of a file. */
const OFFSET = 2 ** 30;

/** Opening a pipe without a writer would block forever. Windows has no such flag. */
const WITHOUT_WAITING = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

const require = createRequire(import.meta.url);

let loaded: Binding | null | undefined;

function binding(): Binding | null {
  if (loaded === undefined) {
    try {
      loaded = require('fs-native-extensions') as Binding;
    } catch {
      loaded = null;
    }
  }
  return loaded;
}

/**
 * Locks the open file until it is closed. Returns false if another process has locked it, undefined
 * if advisory locks are not available. `shared` locks exclude only exclusive ones.
 */
export function tryAdvisoryLock(file: number, shared = false): boolean | undefined {
  try {
    return binding()?.tryLock(file, OFFSET, 1, { shared });
  } catch {
    // a file system without locks, or a lock manager that does not answer
    return undefined;
  }
}

/**
 * True if another open file has a lock on the file at `path`; undefined if this is unknown, or the
 * file does not exist. Throws the system error if the file cannot be opened.
 */
export function isAdvisoryLocked(path: string): boolean | undefined {
  let file: number;
  try {
    file = openSync(path, WITHOUT_WAITING);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    // a brief shared lock: other such checks can coincide, and a process taking over waits for it
    const isFree = tryAdvisoryLock(file, true);
    return isFree === undefined ? undefined : !isFree;
  } finally {
    closeSync(file);
  }
}
