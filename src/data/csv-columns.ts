/**
 * Columns of tables: which are read, where the header has them, and their cells: numbers, and the
 * sort keys of an order column; for all purposes.
 */
import { type Diagnostic, damagedErrors } from '../util/errors.js';
import type { Purpose, Targets } from './core/dataset.js';
import { MARKERS } from './core/feature-keys.js';
import type { Resampling } from './core/intervals.js';
import { NUMBER, type targetSymbolReader } from './core/labels.js';
import { type ConfigDiagnostic, configError, MISSING_VALUE } from './core/problems.js';
import type { TextLevel } from './core/record.js';
import type { CellForms, FeatureColumn } from './feature-columns.js';
import {
  blankHeader,
  type CellPlace,
  type Delimiter,
  otherDelimiter,
  type RowPlace,
  rowName,
  type TableFormat,
  type TableRecord,
} from './formats/tables.js';

/** Index of a column that is not read. */
export const ABSENT = -1;

/** Maximum number of column names that a message lists. */
const MAX_NAMED = 30;

/** Maximum number of missing or duplicate columns to report; the wrong file may lack thousands. */
const MAX_MISSING = 20;

/** A number with a decimal comma, or with commas between thousands. */
export const COMMA_NUMBER = /^[+-]?\d+(?:,\d+)+$/;

/** What a numeric feature needs if some of its values are missing. */
export const FILLED = 'a value in every row, or `dataset.missing: { fill: forward, indicator: true }`';

/** A column to read. */
export interface NamedColumn {
  readonly name: string;
  /** The config key that names it, for training. */
  readonly keyPath?: ConfigDiagnostic['keyPath'];
  /** True if a table may lack it. */
  readonly isOptional?: boolean;
  /** What it is for a model, if that does not read it. */
  readonly role?: string;
}

/** What is read of a table. */
export interface TableColumns extends TableFormat {
  readonly purpose: Purpose;
  readonly features: readonly FeatureColumn[];
  /** Numbers a category of a feature column. */
  readonly category?: CellForms['category'];
  /** Numbers a symbol; absent if features are numbers. */
  readonly symbol?: ((text: string) => number) | undefined;
  /** Set if the only feature is a column of texts, to be split into symbols. */
  readonly level?: TextLevel | undefined;
  /** None for prediction; more than one only for `value`. */
  readonly targets: readonly NamedColumn[];
  readonly targetKind: Targets['kind'];
  /** How the text of a target becomes symbols; set if targets are sequences. */
  readonly targetLevel?: TextLevel | undefined;
  /** True for the cells that mean a missing target. Default: empty cells and NaN. */
  readonly isTargetMissing?: (text: string) => boolean;
  /** How targets are read for a trained model. */
  readonly evaluation?: TargetReader | undefined;
  /** True to keep features in float64, for scaling before they are rounded to float32. */
  readonly keepsFloat64?: boolean;
  /** Which rows form a sequence; absent: each is one. */
  readonly group?: NamedColumn | 'file' | 'table' | undefined;
  /** What a sequence is in messages. */
  readonly groupWord?: string;
  readonly order?: NamedColumn | undefined;
  /** Present if steps are at regular times; needs `order`. */
  readonly resample?: TableResampling | undefined;
  /** Columns that divide sequences into splits; none for prediction. */
  readonly splits?: readonly NamedColumn[];
  /** Of all dates; absent: ISO 8601. */
  readonly dateFormat?: string | undefined;
  /** Names rows that are sequences. */
  readonly id?: NamedColumn | undefined;
  /**
   * True if only some rows of a group are read: a feature may be missing, and in predictions no
   * number (`Rows.texts`), and a row without a group concerns no other.
   */
  readonly isPartlyRead?: boolean;
}

export interface TableResampling extends Resampling {
  /** True if targets are values of their step. */
  readonly areValues: boolean;
  /** The config key of its interval. */
  readonly keyPath: ConfigDiagnostic['keyPath'];
}

export interface TargetReader {
  /** Names of the classes; empty if targets are values. */
  readonly classNames: readonly string[];
  /** Returns the class of a label, or throws {@link UnknownClass}; absent unless there is one. */
  readonly classOf?: ((label: string) => number) | undefined;
  /** Numbers a symbol of a target that is a sequence. */
  readonly symbolOf?: ReturnType<typeof targetSymbolReader>;
  /** True if each row has a target; otherwise those of a sequence are the same. */
  readonly perStep: boolean;
}

/**
 * Returns the function from a column to its index in a table; {@link ABSENT} without a column.
 * @param header the column names of the table
 */
export function findColumns(
  header: TableRecord,
  delimiter: Delimiter = ',',
  columns: readonly NamedColumn[],
  purpose: Purpose,
): (column: NamedColumn | undefined) => number {
  const names = header.fields.map(name => name.trim());
  if (names.every(name => name === '')) throw damagedErrors([blankHeader(header.row.file)]);
  const places = new Map<string, number[]>();
  for (const [index, name] of names.entries()) places.set(name, [...(places.get(name) ?? []), index]);
  const doubled = columns.flatMap(({ name }): Diagnostic[] => {
    const again = places.get(name)?.[1];
    const message = `two columns are named ${JSON.stringify(name)}`;
    return again === undefined
      ? []
      : [{ code: 'data/csv-duplicate-column', message, ...header.place(again) }];
  });
  const missing = missingColumns(header, names, columns, { delimiter, purpose });
  if (missing.length > 0 && purpose === 'train') throw configError(...missing);
  const problems = [...missing.map(({ keyPath: _, ...problem }) => problem), ...doubled].slice(
    0,
    MAX_MISSING,
  );
  if (problems.length > 0) throw damagedErrors(problems);
  return column => (column === undefined ? ABSENT : (places.get(column.name)?.[0] ?? ABSENT));
}

function missingColumns(
  header: TableRecord,
  names: readonly string[],
  columns: readonly NamedColumn[],
  { delimiter, purpose }: { readonly delimiter: Delimiter; readonly purpose: Purpose },
): ConfigDiagnostic[] {
  const missing = columns.filter(({ name, isOptional }) => !isOptional && !names.includes(name));
  const [right, wrong] = [otherDelimiter(names, delimiter), delimiter].map(one => JSON.stringify(one));
  const isSplit = right === undefined;
  const split = isSplit ? '' : `; its fields are separated by ${right}, not by ${wrong}`;
  const listed = `${names.slice(0, MAX_NAMED).join(', ')}${names.length > MAX_NAMED ? ', …' : ''}`;
  // a table with none of them is another one
  const told = isSplit && missing.length < columns.length ? MAX_MISSING : 1;
  const isTraining = purpose === 'train';
  const found = isTraining ? `one of ${listed}` : 'the column names of the training data';
  const rightly = isTraining
    ? `\`dataset.delimiter: ${right}\``
    : `fields as in the training data, or \`--set 'dataset.delimiter=${right?.slice(1, -1)}'\``;
  return missing.slice(0, told).map(({ name, keyPath = [], role = 'which the model reads' }) => {
    const none = `no column ${JSON.stringify(name)}`;
    return {
      code: 'data/csv-missing-column',
      keyPath,
      message: `${isTraining ? `${header.row.file} has ${none}` : `there is ${none}, ${role}`}${split}`,
      expected: isSplit ? found : rightly,
      ...(isTraining && isSplit && { alternatives: names }),
      ...(!isTraining && { ...header.place(0), got: names.join(', ').slice(0, 200) }),
    };
  });
}

/** Problem: a file contains several tables. */
export function repeatedHeader(place: Partial<CellPlace>, first: RowPlace | undefined): Diagnostic {
  return {
    code: 'data/csv-header-again',
    message: `the header${first ? ` of ${rowName(first)}` : ''} appears again`,
    ...place,
    expected: 'one header, or a file for each table',
  };
}

/** Returns the float64 value of a cell; undefined if it is no number, or infinite in float32. */
export function cellNumber(cell: string): number | undefined {
  const text = cell.trim();
  const value = Number(text);
  return NUMBER.test(text) && Number.isFinite(Math.fround(value)) ? value : undefined;
}

/**
 * Returns the function that is true for the cells that mean a missing value: empty cells, NaN, the
 * `usual` markers and those of the config. Markers that are numbers are compared by value.
 */
export function missingTest(
  markers: readonly (string | number)[] = [],
  usual: readonly string[] = MARKERS,
): (text: string) => boolean {
  const texts = new Set([...usual, ...markers].map(String));
  const numbers = new Set([...texts].filter(text => NUMBER.test(text)).map(Number));
  return text =>
    isMissing(text) ||
    texts.has(text) ||
    (numbers.size > 0 && NUMBER.test(text) && numbers.has(Number(text)));
}

export function isMissing(text: string): boolean {
  return text === '' || /^nan$/i.test(text);
}

/** True if a cell has text instead of a number. */
function isWord(text: string): boolean {
  return !isMissing(text) && !NUMBER.test(text) && !/^[+-]?inf(inity)?$/i.test(text);
}

/** Problem: a cell is not a finite number. */
export function badNumber(text: string, place: Partial<CellPlace>, needed = 'a finite number'): Diagnostic {
  const numeric = NUMBER.test(text);
  if (isMissing(text)) return missingCell(text, place);
  const hasComma = COMMA_NUMBER.test(text);
  return {
    code: isWord(text) ? 'data/csv-number' : 'data/not-finite',
    message: hasComma
      ? 'the number has a comma'
      : numeric
        ? 'the number is too large for float32'
        : 'the cell is not a number',
    ...place,
    expected: hasComma ? 'a decimal point, as in 0.5, and no thousands separators' : needed,
    got: JSON.stringify(text.slice(0, 60)),
  };
}

export function missingCell(
  text: string,
  place: Partial<CellPlace>,
  expected = 'a value in every row',
): Diagnostic {
  return {
    code: MISSING_VALUE,
    message: text === '' ? 'the cell is empty' : isMissing(text) ? 'the cell is NaN' : 'the value is missing',
    ...place,
    expected,
    ...(!isMissing(text) && { got: JSON.stringify(text) }),
  };
}

/** A month is its first day. */
const TIMESTAMP =
  /^\d{4}-\d{2}$|^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:\d{2})?)?$/;
/** Offset from UTC at the end of a time. */
export const ZONED = /(?:Z|[+-]\d{2}:\d{2})$/;
export const DATE_LENGTH = 'YYYY-MM-DD'.length;

/**
 * Returns the function from a cell of an order column to its sort key: its value if `numeric`, else
 * milliseconds since 1970. The key is NaN for a cell of the other type.
 */
export function orderKey(numeric: boolean): (cell: string) => number {
  return numeric ? cell => (NUMBER.test(cell) ? Number(cell) : Number.NaN) : timeKey;
}

/** The first row, which determines the type of the order column. */
export interface FirstOrder {
  readonly numeric: boolean;
  readonly place: RowPlace;
}

/** A date in numbers; which of them is the month depends on the country. */
const LOCAL_DATE = /^\d{1,2}([/.-])\d{1,2}\1\d{2}(?:\d{2})?\b/;

const ISO_DATES = 'ISO 8601 dates or times such as 2025-03, 2025-03-01 or 2025-03-01T12:00:00Z';

/** Problem: a cell is no date in `format`, or in ISO 8601 without one. */
export function badDate(cell: string, place: Partial<CellPlace>, format: string | undefined): Diagnostic {
  const problem = { code: 'data/csv-date', ...place, got: JSON.stringify(cell.slice(0, 60)) };
  if (format !== undefined) {
    const expected = `a date that exists, as in ${JSON.stringify(format)}`;
    return { ...problem, message: 'the date does not match `date_format`', expected };
  }
  const [, mark] = LOCAL_DATE.exec(cell) ?? [];
  if (mark !== undefined) {
    const [dayFirst, monthFirst] = ['dmY', 'mdY'].map(codes =>
      JSON.stringify([...codes].map(code => `%${code}`).join(mark)),
    );
    return {
      ...problem,
      message: 'this date is not in ISO 8601, and which part is the month is not known',
      expected: `\`dataset.date_format\`, such as ${dayFirst} or ${monthFirst}`,
    };
  }
  const isForm = TIMESTAMP.test(cell);
  return {
    ...problem,
    message: isForm ? 'this date does not exist' : 'the cell is not a date',
    expected: isForm ? ISO_DATES : `${ISO_DATES}; others need \`dataset.date_format\``,
  };
}

/** Problem: a cell of the order column has no sort key. */
export function mixedOrder(cell: string, place: Partial<CellPlace>, first: FirstOrder): Diagnostic {
  const { numeric } = first;
  if (!numeric && (TIMESTAMP.test(cell) || LOCAL_DATE.test(cell)))
    return { ...badDate(cell, place, undefined), code: 'data/csv-order' };
  const firstRow = rowName(first.place, place);
  return {
    code: 'data/csv-order',
    message: 'the order column must have only numbers or only dates',
    ...place,
    expected: numeric
      ? `numbers, as in ${firstRow}`
      : NUMBER.test(cell)
        ? `ISO 8601 dates or times, as in ${firstRow}`
        : `numbers, or ${ISO_DATES}; others need \`dataset.date_format\``,
    got: JSON.stringify(cell.slice(0, 60)),
  };
}

function timeKey(cell: string): number {
  if (!TIMESTAMP.test(cell) || !isDay(cell)) return Number.NaN;
  const iso = cell.replace(' ', 'T');
  return Date.parse(iso.length > DATE_LENGTH && !ZONED.test(iso) ? `${iso}Z` : iso);
}

/** Year, month and day as written. */
export function dateParts(cell: string): [year: number, month: number, day: number] {
  const [year, month, day = 1] = cell.slice(0, DATE_LENGTH).split('-').map(Number);
  return [year, month, day];
}

/** JavaScript engines accept 30 February as 1 or 2 March. */
function isDay(cell: string): boolean {
  const [year, month, day] = dateParts(cell);
  // day 0 of the next month is the last day of this one
  return day <= new Date(Date.UTC(year, month, 0)).getUTCDate();
}

/**
 * Returns the function from a cell to what its sort key leaves out, which orders cells with equal
 * keys: float64 has neither all microseconds since 1970 nor all integers above 2^53.
 */
export function orderRest(numeric: boolean): (cell: string) => number {
  return numeric ? beyondFloat64 : belowMilliseconds;
}

/** An integer that may be above 2^53. */
const LONG_INTEGER = /^[+-]?\d{16,}$/;

/** Difference between a long integer and the float64 nearest to it. */
function beyondFloat64(cell: string): number {
  if (!LONG_INTEGER.test(cell) || !Number.isFinite(Number(cell))) return 0;
  return Number(BigInt(cell) - BigInt(Number(cell)));
}

/** Fraction of a millisecond: 0.456 for `12:00:00.123456`. */
function belowMilliseconds(cell: string): number {
  const [, digits = ''] = /\.\d{3}(\d+)/.exec(cell) ?? [];
  return digits === '' ? 0 : Number(`0.${digits}`);
}
