/**
 * A sweep that is killed between starting a process and recording it leaves one behind of which its journal does not know. Such a process
 * ends by itself once it notices, and has the run's lock until then.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockHolder } from '../experiment/run-lock.js';

const POLL_MS = 50;

const lockOf = (directory: string) => join(directory, 'run.lock');

/** Waits until no process of this machine works on the run in `directory`, which need not be there; no longer than until `signal`. */
export async function untilFree(directory: string, signal: AbortSignal): Promise<void> {
  const lock = lockOf(directory);
  while (!signal.aborted && lockHolder(lock) === 'here') await sleep(POLL_MS);
}

/** Whether a process of another machine, whose end nobody here sees, works on the run in `directory`. */
export function isHeldElsewhere(directory: string): boolean {
  return lockHolder(lockOf(directory)) === 'elsewhere';
}
