/**
 * Problems of an input: collects them so that they are reported together, and links them to the
 * config if the config is the cause.
 */
import { type Diagnostic, damagedError, EXIT, UserError, usageError } from '../../util/errors.js';

/**
 * Maximum number of problems to report; enough to tell a few typos from a file with errors in every
 * row.
 */
const MAX_SHOWN = 20;

export class Problems {
  private readonly shown: Diagnostic[] = [];
  private total = 0;

  /** True if reading the input further would not add to the report. */
  get full(): boolean {
    return this.total >= MAX_SHOWN;
  }

  add(...diagnostics: readonly Diagnostic[]): void {
    for (const diagnostic of diagnostics) {
      this.total++;
      if (this.total <= MAX_SHOWN) this.shown.push(diagnostic);
    }
  }

  /** The problems to report. */
  get all(): readonly Diagnostic[] {
    return this.shown;
  }

  /**
   * Returns the result of `read`, or adds the damaged-data errors (exit 5) that it throws and
   * returns undefined.
   */
  attempt<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) throw error;
      this.add(...error.diagnostics);
      return undefined;
    }
  }

  /** @throws UserError (exit 5) if problems were added, with all of them */
  throwIfAny(): void {
    if (this.total > 0) throw damagedError(...this.shown);
  }
}

/**
 * A problem with a config value that only reading the data reveals. The config module adds the
 * position in the file.
 */
export interface ConfigDiagnostic extends Diagnostic {
  /** Path from the config's root, such as `['dataset', 'features', 0]`. */
  readonly keyPath: readonly (string | number)[];
  /** Valid names; a similar one becomes the suggestion. */
  readonly alternatives?: readonly string[];
}

export function isConfigDiagnostic(diagnostic: Diagnostic): diagnostic is ConfigDiagnostic {
  return 'keyPath' in diagnostic;
}

/** Returns the error (exit 2) for an invalid config. */
export function configError(...diagnostics: readonly ConfigDiagnostic[]): UserError {
  return usageError(...diagnostics);
}
