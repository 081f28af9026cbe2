/**
 * Problems of an input: collects them so that they are reported together, and links them to the
 * config if the config is the cause.
 */
import { type Diagnostic, damagedErrors, EXIT, UserError, usageErrors } from '../../util/errors.js';
import { grouped } from '../../util/numbers.js';

/**
 * Maximum number of problems to report; enough to tell a few typos from a file with errors in every
 * row.
 */
const MAX_SHOWN = 20;

export class Problems {
  /** The problems to report. */
  readonly all: Diagnostic[] = [];

  /** @param throwsIfFull true if nothing else is read once the report is full */
  constructor(private readonly throwsIfFull = false) {}

  /** True if reading the input further would not add to the report. */
  get full(): boolean {
    return this.all.length >= MAX_SHOWN;
  }

  add(...diagnostics: readonly Diagnostic[]): void {
    this.all.push(...diagnostics.slice(0, MAX_SHOWN - this.all.length));
    if (this.throwsIfFull && this.full) this.throwIfAny();
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

  throwIfAny(): void {
    if (this.all.length > 0) throw damagedErrors(this.all);
  }
}

/** What is expected instead of a missing value. */
export const VALUE_NEEDED = 'a value, or `dataset.missing: { fill: forward, indicator: true }`';

/** Code of the problem of a missing cell. */
export const MISSING_VALUE = 'data/csv-missing-value';

interface BadCells {
  readonly column: string;
  count: number;
  /** The latest row: a column may be read several times. */
  row: number;
  readonly first: Diagnostic;
}

/** Problems of the cells of a table: how many there are, and the first of each kind and column. */
export class CellProblems {
  private readonly found = new Map<string, BadCells>();

  /** @param placed returns the problem with its place */
  add(column: string, row: number, { code, message }: Diagnostic, placed: () => Diagnostic): void {
    const kind = `${code === MISSING_VALUE ? code : message} ${column}`;
    const known = this.found.get(kind);
    if (known?.row === row) return;
    if (known) Object.assign(known, { count: known.count + 1, row });
    else this.found.set(kind, { column, count: 1, row, first: placed() });
  }

  /** @param rows number of rows of the table */
  summary(rows: number): Diagnostic[] {
    const all = [...this.found.values()];
    const isHole = ({ first }: BadCells) => first.code === MISSING_VALUE;
    const isEmpty = (one: BadCells) => isHole(one) && rows > 1 && one.count === rows;
    return [
      ...summaryOf(
        'invalid',
        all.filter(one => !isHole(one)),
      ),
      ...summaryOf(
        'missing',
        all.filter(one => isHole(one) && !isEmpty(one)),
      ),
      ...all.filter(isEmpty).map(({ first }): Diagnostic => {
        const message = 'the column has no value in any row';
        return { ...first, message, expected: 'a column with values' };
      }),
    ];
  }
}

function summaryOf(word: string, columns: readonly BadCells[]): Diagnostic[] {
  const firsts = columns.map(({ first }) => first);
  const count = columns.reduce((sum, one) => sum + one.count, 0);
  if (count === columns.length) return firsts;
  const [{ code, file, expected }] = firsts;
  const { size } = new Set(columns.map(({ column }) => column));
  const message =
    size === 1
      ? `${grouped(count)} cells of column ${JSON.stringify(columns[0].column)} are ${word}; the first${columns.length === 1 ? '' : ' of each kind'}:`
      : `${grouped(count)} cells in ${size} columns are ${word}; the first of each:`;
  const isInOneFile = firsts.every(first => first.file === file);
  return [{ code, message, ...(isInOneFile && { file }), expected }, ...firsts];
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
  return usageErrors(diagnostics);
}
