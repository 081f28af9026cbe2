/** Waits for other processes. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Milliseconds between two checks. */
const POLL_MS = 20;

/** Waits until `condition` is true. If it never is, the test reaches its time limit. */
export async function comesTrue(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(POLL_MS);
}
