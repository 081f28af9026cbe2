/** Sends signals at moments that are over before another process of a busy machine can act. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Stops the process that works on a run, and calls `send`, which has a signal sent to it, if it is
 * still at the moment that `isThere` describes. The process continues once the signal is pending,
 * and takes it before anything else. Returns false if the moment was over.
 * @param run directory of the run
 */
export async function signalAtRest(
  run: string,
  isThere: () => boolean,
  send: () => unknown,
): Promise<boolean> {
  let pid: number;
  try {
    pid = JSON.parse(readFileSync(join(run, 'run.lock'), 'utf8')).pid;
    process.kill(pid, 'SIGSTOP');
  } catch {
    // it has ended
    return false;
  }
  const status = () => readFileSync(`/proc/${pid}/status`, 'utf8');
  try {
    while (!/^State:\s+T/m.test(status())) await sleep(1);
    if (!isThere()) return false;
    await send();
    while (/^ShdPnd:\s+0+$/m.test(status())) await sleep(1);
    return true;
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}
