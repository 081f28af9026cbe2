/** Writes files that a run cannot continue without. */
import { setTimeout as sleep } from 'node:timers/promises';
import { UserError } from '../../util/errors.js';

/** Delays before retries: a full disk or a lost share may recover, but waiting longer is no use. */
const RETRY_AFTER_MS = [100, 1000];

/**
 * Calls `write` and returns its result. Retries system errors and calls `refused` with each.
 * @throws UserError (exit 1) if the last retry fails
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
