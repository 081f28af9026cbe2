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

const MOVED = `If the data have moved, say where they are: --set dataset.path=FILE, or the key that names them.
\`predict RUN --input FILE\` does not need them.
`;

/** Runs `use`. Adds advice to the error if the run's data cannot be read. */
export async function hintingAtMovedData<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    const isLost =
      error instanceof UserError && error.diagnostics.some(({ code }) => code === 'data/unreadable');
    throw isLost ? new HintedError(error, MOVED) : error;
  }
}
