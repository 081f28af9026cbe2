/** Writing what a run cannot go on without. */
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../util/errors.js';

/**
 * A disk that is full or a share that is away may come back; longer than this nobody waits for it.
 */
const RETRY_AFTER_MS = [100, 1000];

/**
 * What `write` gives. What the system refuses is tried again, `refused` being told each time,
 * before exit 1 is thrown.
 */
export async function retryWrite<T>(write: () => T, refused: (message: string) => void): Promise<T> {
  for (const wait of RETRY_AFTER_MS) {
    try {
      return write();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      refused(`${error.message}; trying again`);
      await sleep(wait);
    }
  }
  return write();
}
