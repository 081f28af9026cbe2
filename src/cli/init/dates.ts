/** Forms of dates in tables, as codes of strptime. */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const CODES: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  y: '(?<y>\\d{2})',
  m: '(?<m>\\d{1,2})',
  d: '(?<d>\\d{1,2})',
  b: '(?<b>[A-Za-z]{3})',
  B: '(?<B>[A-Za-z]{3,9})',
  H: '(?<H>\\d{1,2})',
  M: '(?<M>\\d{2})',
  S: '(?<S>\\d{2}(?:\\.\\d+)?)',
};
const DAYS = [
  ...['/', '.', '-'].flatMap(mark => [['%d', '%m', '%Y'].join(mark), ['%m', '%d', '%Y'].join(mark)]),
  ...['/', '.'].flatMap(mark => [['%d', '%m', '%y'].join(mark), ['%m', '%d', '%y'].join(mark)]),
  ...['%Y/%m/%d', '%Y.%m.%d', '%m/%Y', '%m.%Y', '%Y/%m', '%b-%d-%Y', '%d-%b-%Y', '%b %d %Y'],
  ...['%b %d, %Y', '%d %b %Y', '%d. %B %Y', '%d %B %Y', '%B %d %Y', '%B %d, %Y', '%b %Y', '%B %Y', '%b-%Y'],
];
const TIMES = ['', ' %H:%M', ' %H:%M:%S', ' %H.%M', ' %H.%M.%S', 'T%H:%M:%S'];
const FORMS = DAYS.flatMap(day => TIMES.map(time => `${day}${time}`));

/**
 * Whole days without marks between their parts: only digits, so only for what looks like nothing
 * else.
 */
const COMPACT = '%Y%m%d';
const COMPACT_DAY = /^(19|20)\d{2}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])$/;

/**
 * The forms in which all `cells` are dates, apart from ISO 8601. Several if days and months cannot
 * be told apart.
 */
export function formsOf(cells: readonly string[]): string[] {
  if (cells.length === 0) return [];
  const candidates = cells.every(cell => COMPACT_DAY.test(cell)) ? [COMPACT] : FORMS;
  let left = candidates.map(form => ({ form, read: timeReader(form) }));
  for (const cell of cells) {
    left = left.filter(({ read }) => !Number.isNaN(read(cell)));
    if (left.length === 0) return [];
  }
  // `%b` reads all that `%B` does in months with three letters
  const [first] = left.map(({ form }) => form);
  return left.map(({ form }) => form).filter(form => form === first || /%m/.test(form));
}

/** From 1 to 12 for a number or a name; 0 for other words, NaN for nothing. */
export function monthOf(text: string | undefined): number {
  const isName = /^[a-z]{3}/i.test(text ?? '');
  return isName ? MONTHS.indexOf(String(text).slice(0, 3).toLowerCase()) + 1 : Number(text);
}

/** The function from a date in `form` to milliseconds since 1970, NaN for anything else. */
export function timeReader(form: string): (cell: string) => number {
  const source = form
    .replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/%([A-Za-z])/g, (_, code) => CODES[code] ?? '(?!)');
  const pattern = new RegExp(`^${source}$`);
  return cell => {
    const { Y, y, m, d, b, B, H, M, S } = pattern.exec(cell)?.groups ?? {};
    const word = b ?? B;
    const year = Y === undefined ? Number(y) + (Number(y) < 69 ? 2000 : 1900) : Number(Y);
    const month = monthOf(word ?? m) - 1;
    const day = Number(d ?? 1);
    if (!(month >= 0 && month < 12 && day >= 1 && day <= new Date(Date.UTC(year, month + 1, 0)).getUTCDate()))
      return Number.NaN;
    const [hours, minutes, seconds] = [H ?? 0, M ?? 0, S ?? 0].map(Number);
    if (hours > 24 || minutes > 59 || seconds > 60) return Number.NaN;
    return Date.UTC(year, month, day, hours, minutes) + 1000 * seconds;
  };
}
