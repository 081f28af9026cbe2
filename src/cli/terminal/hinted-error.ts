/** Errors with advice. */
import { type Diagnostic, UserError } from '../../util/errors.js';

export class HintedError extends Error {
  /** @param hint complete lines, printed after the message of `cause` */
  constructor(
    override readonly cause: unknown,
    readonly hint: string,
  ) {
    super('see the cause', { cause });
  }
}

/** Runs `use`. Adds advice to the error if the run's data cannot be read. */
export async function hintingAtMovedData<T>(use: () => Promise<T>): Promise<T> {
  try {
    return await use();
  } catch (error) {
    const lost = error instanceof UserError ? error.diagnostics.filter(isUnreadable) : [];
    throw lost.length > 0 ? new HintedError(error, movedHint(lost)) : error;
  }
}

function isUnreadable({ code }: Diagnostic): boolean {
  return code === 'data/unreadable';
}

function movedHint(lost: readonly Diagnostic[]): string {
  // the excerpt of the config shows the key
  const isOtherKey = lost.some(({ source }) => source !== undefined && !/^\s*path:/.test(source));
  const other = isOtherKey ? ', or the key named above' : '';
  return (
    `If the data has moved, pass --set dataset.path=FILE${other}.\n` +
    '`predict RUN --input FILE` does not need it.\n'
  );
}
