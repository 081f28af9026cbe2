/** Errors with advice. */
import { UserError } from '../../util/errors.js';

export class HintedError extends Error {
  /** @param hint complete lines, printed after the message of `cause` */
  constructor(
    override readonly cause: unknown,
    readonly hint: string,
  ) {
    super('see the cause', { cause });
  }
}

/**
 * Runs `use`. Adds advice to the error if the run's data cannot be read.
 * @param keysOf keys of the config that are paths of data
 */
export async function hintingAtMovedData<T>(
  keysOf: () => readonly string[],
  use: () => Promise<T>,
): Promise<T> {
  try {
    return await use();
  } catch (error) {
    const isLost =
      error instanceof UserError && error.diagnostics.some(({ code }) => code === 'data/unreadable');
    throw isLost ? new HintedError(error, movedHint(keysOf())) : error;
  }
}

function movedHint(keys: readonly string[]): string {
  // a dataset may have a default place
  const flags = (keys.length === 0 ? ['dataset.path'] : keys).map(key => `--set ${key}=FILE`).join(' ');
  return (
    `If the data have moved, say where they are: ${flags}\n` +
    '`predict RUN --input FILE` does not need them.\n'
  );
}
