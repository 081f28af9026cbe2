/**
 * Advisory locks on open files, which the kernel releases when their process ends, however it ends:
 * Node has none of its own. `fs-native-extensions` takes them as open file description locks
 * (Linux), `flock` (macOS) or `LockFileEx` (Windows). They hold across PID, UTS, network and mount
 * namespaces of one kernel, and over NFS where its lock manager runs. On systems without a prebuilt
 * binding (musl, FreeBSD) there are none, and `run-lock.ts` goes by what it knows of processes.
 */
import { closeSync, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { codeOf } from '../files/refusals.js';

interface Binding {
  tryLock(file: number, offset: number, length: number, options?: { readonly shared: boolean }): boolean;
}

/** Behind the content: on Windows a locked part of a file cannot be read by others. */
const OFFSET = 2 ** 30;

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
 * Locks the open file until it is closed. Returns false if another process has it locked, undefined
 * if there are no such locks here. `shared` locks exclude only those that are not.
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
 * Whether another open file holds a lock on the file at `path`; undefined if that cannot be told.
 * Throws what the system says where it cannot be opened.
 */
export function isAdvisoryLocked(path: string): boolean | undefined {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  try {
    // a moment's lock that hinders no other look, and that one who takes over waits for
    const isFree = tryAdvisoryLock(file, true);
    return isFree === undefined ? undefined : !isFree;
  } finally {
    closeSync(file);
  }
}
