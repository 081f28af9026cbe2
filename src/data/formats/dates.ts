/**
 * Dates in a format of their own, as codes of strptime. They are converted to ISO 8601 as they are
 * read, so that all else in the program has one form of dates.
 */

const MONTHS = 'January February March April May June July August September October November December';
const DAYS = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday';

const abbreviations = (names: string) => names.split(' ').map(name => name.slice(0, 3));
const oneOf = (names: readonly string[]) => names.join('|');

/** What each code matches, as in Python; a quarter as in pandas. */
const CODES: Readonly<Record<string, string>> = {
  Y: '(?<Y>\\d{4})',
  y: '(?<y>\\d{2})',
  G: '(?<G>\\d{4})',
  V: '(?<V>5[0-3]|[1-4]\\d|0?[1-9])',
  q: '(?<q>[1-4])',
  m: '(?<m>1[0-2]|0?[1-9])',
  d: '(?<d>3[01]|[12]\\d|0?[1-9]| [1-9])',
  b: `(?<b>${oneOf(abbreviations(MONTHS))})`,
  B: `(?<B>${oneOf(MONTHS.split(' '))})`,
  j: '(?<j>36[0-6]|3[0-5]\\d|[12]\\d\\d|0?[1-9]\\d|0{0,2}[1-9])',
  a: `(?:${oneOf(abbreviations(DAYS))})`,
  A: `(?:${oneOf(DAYS.split(' '))})`,
  H: '(?<H>2[0-3]|[01]\\d|\\d)',
  I: '(?<I>1[0-2]|0?[1-9])',
  p: '(?<p>[AP]M)',
  M: '(?<M>[0-5]\\d|\\d)',
  S: '(?<S>[0-5]\\d|\\d)',
  f: '(?<f>\\d{1,6})',
  z: '(?<z>Z|[+-]\\d{2}:?[0-5]\\d)',
  '%': '%',
};

/** A pattern for formats with a year, and with no other codes than those above. */
export const DATE_FORMAT = `^(?=.*(?:%[Yy]|%G.*%V|%V.*%G))(?:[^%]|%[${Object.keys(CODES).join('')}])+$`;

/**
 * Returns the function from a cell to its date in ISO 8601, undefined for a cell in another format.
 * What the format does not have is the earliest: its month January, its day the first.
 * @param format matches {@link DATE_FORMAT}
 */
export function dateReader(format: string): (cell: string) => string | undefined {
  const parts = format.split(/(%.|\s+)/).map(part => {
    if (part.startsWith('%')) return CODES[part[1]];
    return /^\s+$/.test(part) ? '\\s+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  });
  const pattern = new RegExp(`^${parts.join('')}$`, 'i');
  const hasTime = /%[HIMSf]/.test(format);
  return cell => {
    const groups = pattern.exec(cell)?.groups;
    const day = groups && dayOf(groups);
    if (!day) return undefined;
    const { M = '0', S = '0', f, z = '' } = groups;
    if (!hasTime) return day;
    const time = [hourOf(groups), M, S].map(part => String(part).padStart(2, '0')).join(':');
    const zone = z.length > 'Z'.length ? `${z.slice(0, 3)}:${z.slice(-2)}` : z.toUpperCase();
    return `${day}T${time}${f === undefined ? '' : `.${f}`}${zone}`;
  };
}

/** True if dates in this format may look like numbers: `20241231`. */
export function isOfDigits(format: string): boolean {
  return !/[^\d.]/.test(format.replaceAll(/%[YymdjGVqHIMSf]/g, ''));
}

type Groups = Readonly<Record<string, string | undefined>>;

/**
 * The day on which a week of ISO 8601 begins; undefined for a week that the year does not have: the
 * year of a week is that of its Thursday.
 */
function mondayOf(year: number, week: number): string | undefined {
  const date = new Date(0);
  date.setUTCFullYear(year, 0, 4);
  date.setUTCDate(4 + 7 * (week - 1) - ((date.getUTCDay() + 6) % 7) + 3);
  if (date.getUTCFullYear() !== year) return undefined;
  date.setUTCDate(date.getUTCDate() - 3);
  return date.toISOString().slice(0, 'YYYY-MM-DD'.length);
}

/** `2024-02-29`; undefined for a day that the month does not have. */
function dayOf({ Y, y, G, V, m, q, b, B, d, j }: Groups): string | undefined {
  if (G !== undefined && V !== undefined) return mondayOf(Number(G), Number(V));
  // as POSIX has it: 69 to 99 are of the last century
  const year = Y === undefined ? Number(y) + (Number(y) < 69 ? 2000 : 1900) : Number(Y);
  const month = monthOf(B ?? b ?? m ?? String(3 * Number(q ?? 1) - 2));
  const day = j === undefined ? Number(d ?? 1) : Number(j);
  const date = new Date(0);
  date.setUTCFullYear(year, j === undefined ? month - 1 : 0, day);
  const isDay = j === undefined ? date.getUTCDate() === day : date.getUTCFullYear() === year && year > 0;
  return isDay && year > 0 ? date.toISOString().slice(0, 'YYYY-MM-DD'.length) : undefined;
}

/** From 1 to 12 for a number or a name; 0 for other words. */
function monthOf(text: string): number {
  const start = text.slice(0, 3).toLowerCase();
  const isName = /^[a-z]{3}/.test(start);
  return isName ? abbreviations(MONTHS).findIndex(name => name.toLowerCase() === start) + 1 : Number(text);
}

function hourOf({ H, I, p = 'AM' }: Groups): string {
  if (H !== undefined || I === undefined) return H ?? '0';
  return String((Number(I) % 12) + (p.toUpperCase() === 'PM' ? 12 : 0));
}
