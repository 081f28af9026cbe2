/** Formats numbers and texts for people; nothing else does. */
import type { Measured } from '../document.js';

/** Metrics between 0 and 1, shown as percentages. */
export function isShare(metric: string): boolean {
  return /(^|[._])accuracy$/.test(metric);
}

/**
 * `digits` significant digits without trailing zeros; very large and very small numbers with an
 * exponent.
 */
export function formatNumber(value: number, digits = 4): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4)
    return value
      .toExponential(digits - 1)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e');
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(digits)));
}

/**
 * Formats the ticks of an axis exactly and uniformly: without exponents, or with exponents for all
 * of ten and more, and below one.
 */
export function formatTicks(values: readonly number[]): readonly string[] {
  // rounds off errors of sums beyond the twelfth digit
  const exact = values.map(value => Number(value.toPrecision(12)));
  const sizes = exact.map(Math.abs).filter(size => size > 0);
  if (sizes.some(size => size >= 1e6 || size < 1e-4)) return exact.map(withExponent);
  const decimals = Math.max(0, ...exact.map(value => String(value).split('.')[1]?.length ?? 0));
  return exact.map(value => (isEven(exact) ? value.toFixed(decimals) : String(value)));
}

/** For evenly spaced numbers, as on a linear axis: all get the same number of decimals. */
function isEven(values: readonly number[]): boolean {
  const gaps = values.slice(1).map((value, i) => value - values[i]);
  return gaps.length > 1 && gaps.every(gap => Math.abs(gap / gaps[0] - 1) < 1e-6);
}

function withExponent(value: number): string {
  return value
    .toExponential()
    .replace(/e[+-]0$/, '')
    .replace('e+', 'e');
}

/** A metric's value in its unit. */
export function formatMetric(metric: string, value: Measured | undefined): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'string') return { nan: 'NaN', inf: '∞', '-inf': '−∞' }[value];
  if (isShare(metric)) return `${(100 * value).toFixed(2)} %`;
  // keeps columns of measurements aligned; configured values stay as they were set
  const isPlain = Number.isInteger(value) || Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3;
  return !isPlain && MEASURED.test(metric) ? value.toPrecision(4) : formatNumber(value);
}

const MEASURED =
  /loss|error|norm|\.(precision|recall|f1|auroc|average_precision|perplexity|bits_per_symbol|rmse|r2|mase)$/;

/** `1:05`, `2:03:04`; below ten seconds with one decimal. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  if (whole < 60) return `${whole} s`;
  const tail = `${hours > 0 ? String(minutes).padStart(2, '0') : minutes}:${String(rest).padStart(2, '0')}`;
  return hours > 0 ? `${hours}:${tail}` : `${tail} min`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const exponent = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${formatNumber(bytes / 1000 ** exponent, 3)} ${['B', 'kB', 'MB', 'GB'][exponent]}`;
}

/**
 * `31 Jan 2026, 12:00:05 UTC`, independent of the reader's language and time zone, so that pages
 * are identical for everyone.
 */
export function formatTime(iso: string): string {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)/.exec(iso);
  if (match === null) return iso;
  const [, year, month, day, time] = match;
  return `${Number(day)} ${MONTHS[Number(month) - 1]} ${year}, ${time} UTC`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** `1 step`, `1,200 steps`. */
export function counted(count: number, thing: string): string {
  return `${grouped(count)} ${thing}${count === 1 ? '' : 's'}`;
}

/** Integers with thousands separators. */
export function grouped(value: number): string {
  return String(value).replaceAll(/\B(?=(\d{3})+(?!\d))/g, ',');
}

/** `test.mean_absolute_error` as `test mean absolute error`. */
export function words(name: string): string {
  return name.replaceAll(/[._]/g, ' ');
}
