/** Waiting for what other processes do. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Between two looks. */
const POLL_MS = 20;

/** Waits until `condition` holds; a test in which it never does is ended by its time limit. */
export async function comesTrue(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await sleep(POLL_MS);
}
