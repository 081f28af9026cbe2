/** Forms of dates in tables, as codes of strptime. */
import { orderKey } from '../data/core/cells.js';
import { dateReader } from '../data/formats/dates.js';
import { damagedError } from '../util/errors.js';

const DAYS = [
  ...['/', '.', '-'].flatMap(mark => [['%d', '%m', '%Y'].join(mark), ['%m', '%d', '%Y'].join(mark)]),
  ...['/', '.'].flatMap(mark => [['%d', '%m', '%y'].join(mark), ['%m', '%d', '%y'].join(mark)]),
  ...['%Y-%m-%d', '%Y/%m/%d', '%Y.%m.%d', '%m/%Y', '%Y/%m', '%b-%d-%Y', '%d-%b-%Y', '%b %d %Y'],
  ...['%b %d, %Y', '%d %b %Y', '%d. %B %Y', '%d %B %Y', '%B %d %Y', '%B %d, %Y', '%b %Y', '%B %Y', '%b-%Y'],
];
const TIMES = [
  ...['', ' %H:%M', ' %H:%M:%S', ' %H.%M', ' %H.%M.%S', 'T%H:%M:%S'],
  ...[' %I:%M %p', ' %I:%M:%S %p', ' %H:%M:%S.%f', ' %H'],
];
/** Months, weeks and quarters, as offices of statistics write them. */
const PARTS = ['%YM%m', '%Y-M%m', '%G-W%V', '%GW%V', '%Y-Q%q', '%YQ%q', '%Y Q%q', 'Q%q %Y'];
const FORMS = [...DAYS.flatMap(day => TIMES.map(time => `${day}${time}`)), ...PARTS];

/**
 * Days and months that look like numbers: only cells that can all be such days are read with this
 * form. A rate of 1.2005 is no month.
 */
const NUMERIC = [
  ['%Y%m%d', /^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/],
  ['%m.%Y', /^(0[1-9]|1[0-2])\.(19|20)\d{2}$/],
  ['%y%m%d', /^\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/],
] as const;

/** Cells that tell whether a column may have dates in a form. */
const FIRST_CELLS = 20;

/**
 * The forms in which `cells` are dates, apart from ISO 8601; a fraction `maxBad` of them may be
 * something else. Several if days and months cannot be told apart.
 */
export function formsOf(cells: readonly string[], maxBad: number): string[] {
  if (cells.length === 0) return [];
  const numeric = NUMERIC.filter(([, pattern]) => cells.every(cell => pattern.test(cell)));
  const candidates = numeric.length > 0 ? numeric.map(([form]) => form) : FORMS;
  const likely = candidates.filter(form => areDates(cells.slice(0, FIRST_CELLS), timeReader(form), 0.5));
  const exact = likely.filter(form => areDates(cells, timeReader(form), 0));
  const left = exact.length > 0 ? exact : likely.filter(form => areDates(cells, timeReader(form), maxBad));
  // `%b` reads all that `%B` does in months with three letters
  return left.filter(form => form === left[0] || /%m/.test(form));
}

type Named = { readonly name: string };

/** Refuses a table with a column for each date, such as a month, if one is its target. */
export function refuseWide(columns: readonly Named[], target: Named, path: string): void {
  const years = (name: string) => (/^(19|20)\d{2}$/.test(name) ? Number(name) : Number.NaN);
  const names = columns.map(({ name }) => name);
  // fewer may be features
  const readers = names.length < 6 ? [] : [years, orderKey(false), ...FORMS.map(timeReader)];
  const datedBy = (read: (cell: string) => number) => names.filter(name => !Number.isNaN(read(name)));
  const dated = readers.map(datedBy).find(({ length }) => 2 * length > names.length);
  if (!dated?.includes(target.name)) return;
  const others = JSON.stringify(names.filter(name => !dated.includes(name)));
  const message = `the table is wide: ${dated.length} of its ${names.length} columns are dates, ${dated[0]} to ${dated.at(-1)}`;
  throw damagedError('init/wide', message, {
    file: path,
    expected: `a row for each value, as made by \`table.melt(${others}, var_name="date")\` of pandas; or --target, to predict one date from the others`,
  });
}

/** True if `read` returns numbers for `cells`, apart from a fraction `maxBad` of them. */
export function areDates(cells: readonly string[], read: (cell: string) => number, maxBad: number): boolean {
  let left = maxBad * cells.length;
  return cells.length > 0 && cells.every(cell => !Number.isNaN(read(cell)) || --left >= 0);
}

/** The function from a date in `form` to milliseconds since 1970, NaN for anything else. */
export function timeReader(form: string): (cell: string) => number {
  const read = dateReader(form);
  const timeOf = orderKey(false);
  return cell => timeOf(read(cell) ?? '');
}
