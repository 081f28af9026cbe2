/** Waiting for what another process does. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** At least half a minute, and more if each look takes long. */
const LOOKS = 1500;

/** Looks again and again until `condition` holds. If it never does, throws an error that says `what` was awaited. */
export async function comesTrue(
  condition: () => boolean | Promise<boolean>,
  what: string | (() => string) = 'the condition',
): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    if (await condition()) return;
    await sleep(POLL_MS);
  }
  throw new Error(`never came: ${typeof what === 'string' ? what : what()}`);
}
