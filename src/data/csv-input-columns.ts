/** Finds the columns of tables to predict. */
import { type Diagnostic, damagedError } from '../util/errors.js';
import type { Problems } from './core/problems.js';
import { isOtherTable, listed } from './csv-table.js';
import { blankHeader, type Delimiter, otherDelimiter } from './formats/csv-records.js';
import { type CellPlace, type RowPlace, rowName } from './formats/tables.js';

/** Index of a column that is not read. */
export const ABSENT = -1;

interface Header {
  /** Position of a column name. */
  place(field: number): Partial<CellPlace>;
  readonly delimiter: Delimiter | undefined;
}

/**
 * Checks that a header has names, and not only those of another table than the one with the
 * columns `wanted`.
 * @throws UserError (exit 5) if not, as one problem
 */
export function checkHeader(
  fields: readonly string[],
  { place, delimiter }: Header,
  wanted: readonly (string | undefined)[],
): void {
  const names = fields.map(name => name.trim());
  if (names.every(name => name === '')) throw damagedError(blankHeader(place(0).file ?? ''));
  const read = wanted.filter(name => name !== undefined);
  if (otherDelimiter(names, delimiter) !== undefined || !isOtherTable(read, names)) return;
  throw damagedError({
    code: 'data/csv-missing-column',
    message: `there is none of the columns ${listed(read)}, which the model reads`,
    ...place(0),
    expected: trainingHeader(place(0)),
    got: names.join(', ').slice(0, 200),
  });
}

/** @param place of the header; a Parquet file has no lines */
function trainingHeader(place: Partial<CellPlace>): string {
  return `${'line' in place ? 'a header line with ' : ''}the column names of the training data`;
}

/**
 * Returns the function from the name of a column that the model reads to its index in an input; -1
 * without a name. Columns that are missing or occur twice are added to `problems`; only one if the
 * header was not split.
 */
export function columnFinder(
  fields: readonly string[],
  { place, delimiter }: Header,
  problems: Problems,
): (name: string | undefined) => number {
  const names = fields.map(name => name.trim());
  return name => {
    if (name === undefined) return ABSENT;
    const index = names.indexOf(name);
    const again = names.indexOf(name, index + 1);
    if (index === ABSENT) addMissing(problems, name, names, { ...place(0), delimiter });
    else if (again !== ABSENT) {
      const message = `two columns are named ${JSON.stringify(name)}`;
      problems.add({ code: 'data/csv-duplicate-column', message, ...place(again) });
    }
    return index;
  };
}

function addMissing(
  problems: Problems,
  name: string,
  names: readonly string[],
  { delimiter, ...place }: Partial<CellPlace> & { readonly delimiter: Delimiter | undefined },
): void {
  const other = otherDelimiter(names, delimiter);
  const isSplit = other === undefined;
  if (!isSplit && problems.all.length > 0) return;
  problems.add({
    code: 'data/csv-missing-column',
    message: `there is no column ${JSON.stringify(name)}, which the model reads`,
    ...place,
    expected: isSplit
      ? trainingHeader(place)
      : `fields separated by ${JSON.stringify(delimiter ?? ',')}, as in the training data; ` +
        `\`predict --set 'dataset.delimiter=${JSON.stringify(other).slice(1, -1)}'\` reads these`,
    got: names.join(', ').slice(0, 200),
  });
}

/** Problem: several tables stand in one file. */
export function repeatedHeader(place: Partial<CellPlace>, first: RowPlace | undefined): Diagnostic {
  return {
    code: 'data/csv-header-again',
    message: `the header${first ? ` of ${rowName(first)}` : ''} appears again`,
    ...place,
    expected: 'one header, or a file for each table',
  };
}
