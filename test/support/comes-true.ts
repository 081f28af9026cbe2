/** Waiting for what another process does. */
import { setTimeout as sleep } from 'node:timers/promises';

const POLL_MS = 20;
/** Half a minute of waiting at least, and more where each look takes long. */
const LOOKS = 1500;

/** Looks again and again until `condition` holds. Throws where it never does, with `what` was waited for. */
export async function comesTrue(
  what: string | (() => string),
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  for (let look = 0; look < LOOKS; look++) {
    if (await condition()) return;
    await sleep(POLL_MS);
  }
  throw new Error(`never came: ${typeof what === 'string' ? what : what()}`);
}
