/**
 * Numbers with a decimal comma or with marks between thousands. They are converted as they are
 * read, so that all else in the program has one form of numbers.
 */
/**
 * Decimal numbers with an optional exponent; excludes other formats that JavaScript accepts (hex,
 * empty, Infinity).
 */
export const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;

/** The mark between a number and its decimals; the other one may stand between thousands. */
export const DECIMALS = ['.', ','] as const;
export type Decimal = (typeof DECIMALS)[number];

/** A number with a decimal comma, or with commas between thousands. */
export const COMMA_NUMBER = /^[+-]?\d+(?:,\d+)+(?:\.\d+)?$|^[+-]?\d{1,3}(?:\.\d{3})+,\d+$/;

const MARKED: Readonly<Record<Decimal, RegExp>> = {
  '.': /^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$/,
  ',': /^[+-]?(?:\d{1,3}(?:\.\d{3})+|\d+)(?:,\d+(?:e[+-]?\d+)?)?$/i,
};

/** A number as JavaScript writes it; other texts unchanged. */
export function plainNumber(cell: string, decimal: Decimal): string {
  const text = cell.trim();
  if (!MARKED[decimal].test(text)) return cell;
  return decimal === '.' ? text.replaceAll(',', '') : text.replaceAll('.', '').replace(',', '.');
}

/**
 * The mark before the decimals of some numbers with commas: undefined if they are written in both
 * ways, or may be.
 */
export function decimalOf(cells: readonly string[]): Decimal | undefined {
  // 5.123 and 5,123 may be either
  const sure = cells.filter(cell => !/^[+-]?\d{1,3}[.,]\d{3}$/.test(cell) && !/^[+-]?\d+$/.test(cell));
  const fitting = DECIMALS.filter(one => sure.every(cell => NUMBER.test(plainNumber(cell, one))));
  const [decimal] = fitting.filter(one => one === '.' || !sure.some(cell => NUMBER.test(cell)));
  return sure.some(cell => COMMA_NUMBER.test(cell)) ? decimal : undefined;
}
