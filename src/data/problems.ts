/**
 * What is wrong with an input: collected, so that all of it is reported at once, and traced to the
 * config where that is wrong.
 */
import { type Diagnostic, damagedError, EXIT, UserError, usageError } from '../util/errors.js';

/** A file that is wrong in every row is told apart from a few typos by the first of them. */
const MAX_SHOWN = 20;

export class Problems {
  private readonly shown: Diagnostic[] = [];
  private total = 0;

  /** Whether so many problems were added that the input needs no further look. */
  get full(): boolean {
    return this.total >= MAX_SHOWN;
  }

  add(...diagnostics: readonly Diagnostic[]): void {
    for (const diagnostic of diagnostics) {
      this.total++;
      if (this.total <= MAX_SHOWN) this.shown.push(diagnostic);
    }
  }

  /** Those that would be shown. */
  get all(): readonly Diagnostic[] {
    return this.shown;
  }

  /** Runs `read`; the damage that it throws is kept, and `undefined` stands for its result. */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) throw error;
      this.add(...error.diagnostics);
      return undefined;
    }
  }

  /** Throws all that was added as damaged data (exit 5); returns where nothing was. */
  throwIfAny(): void {
    if (this.total > 0) throw damagedError(...this.shown);
  }
}

/**
 * A complaint about a value of the config that only the data reveal. Where the value stands, the
 * config's own part knows.
 */
export interface ConfigDiagnostic extends Diagnostic {
  /** From the config's root, such as `['dataset', 'features', 0]`. */
  readonly keyPath: readonly (string | number)[];
  /** Names that would have been right; a near one becomes the suggestion. */
  readonly alternatives?: readonly string[];
}

export function isConfigDiagnostic(diagnostic: Diagnostic): diagnostic is ConfigDiagnostic {
  return 'keyPath' in diagnostic;
}

/** The config is wrong (exit 2). */
export function configError(...diagnostics: readonly ConfigDiagnostic[]): UserError {
  return usageError(...diagnostics);
}
