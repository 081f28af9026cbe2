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
  '.': /^[+-]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?$/,
  ',': /^[+-]?(?:[1-9]\d{0,2}(?:\.\d{3})+|\d+)(?:,\d+(?:e[+-]?\d+)?)?$/i,
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
 * @param usual the mark if they may be written in both ways, but none has a point
 */
export function decimalOf(cells: readonly string[], usual?: Decimal): Decimal | undefined {
  // 5.123 and 5,123 may be either; 0,844 has no thousands
  const sure = cells.filter(cell => !/^[+-]?(?!0)\d{1,3}[.,]\d{3}$/.test(cell) && !/^[+-]?\d+$/.test(cell));
  const fitting = DECIMALS.filter(one => sure.every(cell => NUMBER.test(plainNumber(cell, one))));
  const [decimal] = fitting.filter(one => one === '.' || !sure.some(cell => NUMBER.test(cell)));
  if (sure.some(cell => COMMA_NUMBER.test(cell))) return decimal;
  return cells.some(cell => cell.includes('.')) ? undefined : usual;
}
