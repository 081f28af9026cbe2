/**
 * Waits for runs held by other processes. A sweep that is killed between starting a process and
 * recording it leaves a process that its journal does not know, and the process of a worker that
 * lost its lease may not have noticed yet.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lockHolder } from '../run/locks/run-lock.js';

const POLL_MS = 50;

/**
 * Waits until no process works on the run in `directory`, which need not exist, or until `signal`.
 * @param afar called once if that process is on another machine, where its end cannot be observed
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
