/** Cells of tables: numbers, dates and missing values, and what is wrong with them. */

import type { Diagnostic } from '../../util/errors.js';
import { COMMA_NUMBER, NUMBER } from '../formats/numbers.js';
import { MISSING_VALUE } from './problems.js';

/** Texts that always mean a missing value of a feature: the usual ones of pandas, `-` and `?`. */
export const MARKERS = [
  ...['', 'NA', 'N/A', 'n/a', '#N/A', '<NA>', 'NaN', 'nan', 'null', 'NULL', 'None', '-', '?'],
] as const;

/** Returns the float64 value of a cell; undefined if it is no number, or infinite in float32. */
export function cellNumber(cell: string): number | undefined {
  const text = cell.trim();
  const value = Number(text);
  return NUMBER.test(text) && Number.isFinite(Math.fround(value)) ? value : undefined;
}

/** True for a number in any notation, such as 0.5, 0,5 and 1.234,5. */
export function isNumeric(cell: string): boolean {
  return COMMA_NUMBER.test(cell) || cellNumber(cell) !== undefined;
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
export function badNumber(text: string, place: Partial<Diagnostic>, needed = 'a finite number'): Diagnostic {
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
    expected: hasComma
      ? 'a decimal point, as in 0.5, or `dataset.decimal`: the mark before decimals'
      : needed,
    got: JSON.stringify(text.slice(0, 60)),
  };
}

export function missingCell(
  text: string,
  place: Partial<Diagnostic>,
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

/** A date in numbers; which of them is the month depends on the country. */
const LOCAL_DATE = /^\d{1,2}([/.-])\d{1,2}\1\d{2}(?:\d{2})?\b/;

export const ISO_DATES = 'ISO 8601 dates or times such as 2025-03, 2025-03-01 or 2025-03-01T12:00:00Z';

/** True for a date, in whatever order its parts are. */
export function looksLikeDate(cell: string): boolean {
  return TIMESTAMP.test(cell) || LOCAL_DATE.test(cell);
}

/** Problem: a cell is no date in `format`, or in ISO 8601 without one. */
export function badDate(cell: string, place: Partial<Diagnostic>, format: string | undefined): Diagnostic {
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
