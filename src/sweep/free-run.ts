/**
 * A run that another process has is waited for, and is never a result: a sweep that is killed
 * between starting a process and recording it leaves one behind of which its journal does not know,
 * and a worker that lost its lease may have one that has not noticed yet.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockHolder } from '../experiment/locks/run-lock.js';

const POLL_MS = 50;

/**
 * Waits until no process works on the run in `directory`, which need not be there; no longer than
 * until `signal`. `afar` is called once where that process is on another machine, whose end may
 * never be seen here.
 */
export async function untilFree(
  directory: string,
  signal: AbortSignal,
  afar: (lock: string) => void = () => {},
): Promise<void> {
  const lock = join(directory, 'run.lock');
  for (let isTold = false; !signal.aborted; await sleep(POLL_MS)) {
    const holder = lockHolder(lock);
    if (holder === undefined) return;
    if (holder === 'elsewhere' && !isTold) afar(lock);
    isTold ||= holder === 'elsewhere';
  }
}
