/** Errors that end with what can be done about them. */
import { UserError } from '../../util/errors.js';

/** An error whose reader is to be told what can be done about it. */
export class HintedError extends Error {
  /** `hint` is a line with its end, said after what `cause` says. */
  constructor(
    override readonly cause: unknown,
    readonly hint: string,
  ) {
    super('see its cause', { cause });
  }
}

/** Runs `use` of a run's own data; if they cannot be read, its error says what can be done. */
export async function hintingAtMovedData<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    const isLost =
      error instanceof UserError && error.diagnostics.some(({ code }) => code === 'data/unreadable');
    throw isLost ? new HintedError(error, MOVED) : error;
  }
}

const MOVED =
  'If the data have moved, say where: --set dataset.path=FILE, or the key named above.\n' +
  '`predict RUN --input FILE` needs none of them.\n';
