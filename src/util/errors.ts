/** Errors that a user can cause, as data. Everything else that is thrown is a bug (exit code 1). */

/** Exit codes of the program; the numbers are part of the public contract. */
export const EXIT = {
  done: 0,
  unexpected: 1,
  usage: 2,
  gate: 3,
  diverged: 4,
  damaged: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A located problem. */
export interface Diagnostic {
  /** Stable identifier for tests and tools, such as `config/unknown-key`. */
  readonly code: string;
  /** What is wrong, in one sentence without the location. */
  readonly message: string;
  /** The file as the user named it, or a pseudo file such as `--set`. */
  readonly file?: string | undefined;
  /** 1-based. */
  readonly line?: number | undefined;
  /** 1-based, in UTF-16 code units. */
  readonly column?: number | undefined;
  /** Number of code units that the caret underlines. */
  readonly length?: number | undefined;
  /** The source line, for the caret. */
  readonly source?: string | undefined;
  /** 1-based row of a table in a file that has no lines. */
  readonly row?: number | undefined;
  /** Column of a table. */
  readonly columnName?: string | undefined;
  /** Byte offset in a binary file. */
  readonly offset?: number | undefined;
  /** The expected type, range or the valid alternatives. */
  readonly expected?: string | undefined;
  readonly got?: string | undefined;
  /** What the user probably meant. */
  readonly suggestion?: string | undefined;
}

/** All problems of one input are reported together. */
export class UserError extends Error {
  override readonly name = 'UserError';
  readonly diagnostics: readonly Diagnostic[];

  /** Details that are undefined count as absent. */
  constructor(
    readonly exitCode: ExitCode,
    diagnostics: readonly Diagnostic[],
    options?: ErrorOptions,
  ) {
    super(diagnostics.map(d => `${placeOf(d)}${d.message}`).join('\n'), options);
    this.diagnostics = diagnostics.map(withoutUndefined);
  }
}

/** The diagnostic itself if all its details are defined, since it may be compared by identity. */
function withoutUndefined<D extends Diagnostic>(diagnostic: D): D {
  const defined = Object.entries(diagnostic).filter(([, value]) => value !== undefined);
  return defined.length === Object.keys(diagnostic).length ? diagnostic : (Object.fromEntries(defined) as D);
}

/** What a diagnostic may say besides its code and message. */
export type Details = Omit<Diagnostic, 'code' | 'message'>;

/** A config, flag or argument is wrong (exit 2). */
export function usageError(code: string, message: string, details?: Details): UserError {
  return usageErrors([{ code, message, ...details }]);
}

/** Several things are wrong in one input (exit 2). */
export function usageErrors(diagnostics: readonly Diagnostic[]): UserError {
  return new UserError(EXIT.usage, diagnostics);
}

/** A data or checkpoint file is damaged (exit 5). */
export function damagedError(code: string, message: string, details?: Details): UserError {
  return damagedErrors([{ code, message, ...details }]);
}

/** Several places of a file are damaged (exit 5). */
export function damagedErrors(diagnostics: readonly Diagnostic[]): UserError {
  return new UserError(EXIT.damaged, diagnostics);
}

/** `FILE:LINE:COL: ` or `FILE: row ROW: column NAME: ` as far as known; empty if nothing is. */
export function placeOf(d: Partial<Diagnostic>): string {
  if (d.file === undefined) return '';
  const column = d.columnName === undefined ? '' : `column ${JSON.stringify(d.columnName)}: `;
  if (d.line !== undefined) return `${d.file}:${d.line}:${d.column ?? 1}: ${column}`;
  if (d.row !== undefined) return `${d.file}: row ${d.row}: ${column}`;
  if (d.offset !== undefined) return `${d.file}: offset ${d.offset}: `;
  return `${d.file}: ${column}`;
}

/** What `action` returns, or the UserError that it throws. */
export function caught<T>(action: () => T): T | UserError {
  try {
    return action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

/** Runs `action` on all items, and then throws the problems of all of them together. */
export function forAll<I, T>(items: readonly I[], action: (item: I, index: number) => T): T[] {
  const results = items.map((item, index) => caught(() => action(item, index)));
  const errors = results.filter(result => result instanceof UserError);
  if (errors.length > 0) throw joined(errors);
  return results as T[];
}

/** One error with all diagnostics of at least one error; exit 5 if any of them is about damage. */
export function joined(errors: readonly UserError[]): UserError {
  const isDamage = errors.some(({ exitCode }) => exitCode === EXIT.damaged);
  const exitCode = isDamage ? EXIT.damaged : errors[0].exitCode;
  return new UserError(
    exitCode,
    errors.flatMap(({ diagnostics }) => diagnostics),
  );
}
