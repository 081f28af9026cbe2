/**
 * Formats numbers and names for people, averages them, and places the ticks of axes. Imports
 * nothing, since the pages use it in the browser.
 */
/** Metrics that are shown as percentages: fractions, and rates of errors. */
export function isFraction(metric: string): boolean {
  return /(^|[._])(accuracy|coverage|error_rate)$/.test(metric);
}

/** Rounds to `digits` significant digits, without trailing zeros. */
export function rounded(value: number, digits = 4): string {
  return String(Number(value.toPrecision(digits)));
}

export function percent(fraction: number, decimals = 1): string {
  return `${(100 * fraction).toFixed(decimals)} %`;
}

export function sumOf(values: Iterable<number>): number {
  let sum = 0;
  for (const value of values) sum += value;
  return sum;
}

export function meanOf(values: ArrayLike<number> & Iterable<number>): number {
  return sumOf(values) / values.length;
}

/** Pearson's correlation of values at the same places; null if one of the lists does not vary. */
export function correlation(a: ArrayLike<number> & Iterable<number>, b: typeof a): number | null {
  const [meanA, meanB] = [meanOf(a), meanOf(b)];
  let [product, squareA, squareB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += (a[i] - meanA) * (b[i] - meanB);
    squareA += (a[i] - meanA) ** 2;
    squareB += (b[i] - meanB) ** 2;
  }
  return squareA > 0 && squareB > 0 ? product / Math.sqrt(squareA * squareB) : null;
}

/** Of at least one value; the sample standard deviation with n - 1, in two passes. */
export function momentsOf(values: readonly number[]): { mean: number; spread: number | null } {
  const first = values[0];
  // the mean of equal values is exactly that value; a sum would round
  if (values.every(value => value === first)) return { mean: first, spread: values.length > 1 ? 0 : null };
  const mean = meanOf(values);
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, spread: Math.sqrt(squares / (values.length - 1)) };
}

/** Without trailing zeros; very large and very small numbers with an exponent. */
export function formatNumber(value: number, digits = 4): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return withExponent(Number(value.toPrecision(digits)));
  if (Number.isInteger(value)) return String(value);
  return rounded(value, digits);
}

/** Three to seven from `low` to `high`, at 1, 2 or 5 times a power of ten. */
export function linearTicks(low: number, high: number): readonly number[] {
  if (high === low) return [low];
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find(factor => factor * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  // counts, since close bounds may not differ by a representable step
  const ticks = range(0, Math.floor(high / step - first + 1e-9)).map(i =>
    Number(((first + i) * step).toPrecision(12)),
  );
  return [...new Set(ticks)];
}

/** More labels would overlap on the smallest charts. */
const MAX_POWERS = 8;
const STRIDES = [1, 2, 3, 5, 10, 20, 50, 100];

/**
 * Powers of ten, or every second, third, … one if there are many; if there are fewer than three,
 * also 2 and 5 times these, otherwise linear ticks.
 */
export function logTicks(low: number, high: number): readonly number[] {
  const first = Math.ceil(Math.log10(low) - 1e-9);
  const last = Math.floor(Math.log10(high) + 1e-9);
  const stride = STRIDES.find(candidate => (last - first) / candidate < MAX_POWERS) ?? MAX_POWERS;
  const powers = range(first, last).filter(power => power % stride === 0);
  if (powers.length >= 3) return powers.map(power => Number(`1e${power}`));
  const ticks = range(first - 1, last)
    .flatMap(power => [1, 2, 5].map(factor => Number(`${factor}e${power}`)))
    .filter(tick => tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9));
  return ticks.length >= 3 ? ticks : linearTicks(low, high);
}

/** Includes both ends. */
function range(first: number, last: number): readonly number[] {
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => first + i);
}

/** Formats the ticks of an axis exactly and uniformly. */
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

/** A measured number, or the name of one that JSON lacks; null if it was not measured. */
export type Measured = number | 'nan' | 'inf' | '-inf' | null;

/** A metric's value in its unit. */
export function formatMetric(metric: string, value: Measured | undefined): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'string') return { nan: 'NaN', inf: '∞', '-inf': '−∞' }[value];
  if (isFraction(metric)) return percent(value, 2);
  // keeps columns of measurements aligned; configured values stay as they were set
  const isPlain = Number.isInteger(value) || Math.abs(value) >= 1e4 || Math.abs(value) < 1e-3;
  return !isPlain && MEASURED.test(metric) ? value.toPrecision(4) : formatNumber(value);
}

const MEASURED = /loss|error|norm|^(train|validation|test)\./;

/** `1:05`, `2:03:04`; below ten seconds with one decimal. */
export function formatSeconds(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? `${formatDuration(whole)} min` : formatDuration(whole);
}

/** `0:05`, `12:34`, `3:02:01`. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const pad = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const exponent = Math.min(3, Math.floor(Math.log10(bytes) / 3));
  return `${formatNumber(bytes / 1000 ** exponent, 3)} ${['B', 'kB', 'MB', 'GB'][exponent]}`;
}

/** `31 Jan 2026, 12:00:05 UTC`, for every reader. */
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

/** Names of metrics that are written in capitals. */
const ABBREVIATIONS = new Set(['auroc', 'mase', 'rmse']);

/** `test.mean_absolute_error` as a title: `Test mean absolute error`. */
export function titleOf(name: string): string {
  const text = words(name).replaceAll(/\w+/g, word => (ABBREVIATIONS.has(word) ? word.toUpperCase() : word));
  return capital(text);
}

export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * The shortest decimal that rounds to the float32 `value`; with an `error`, one within that
 * distance plus the rounding to float32.
 */
export function shortestDecimal(value: number, error = 0): number {
  if (!Number.isFinite(value)) return value;
  const tolerance = error === 0 ? 0 : roundingOf(value) + error;
  for (let digits = 1; digits < MAX_DIGITS; digits++) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value || Math.abs(decimal - value) < tolerance) return decimal;
  }
  return value;
}

/** Digits that distinguish any two float64 numbers. */
const MAX_DIGITS = 17;

/** Half the distance of float32 numbers near `value`. */
export function roundingOf(value: number): number {
  const exponent = Math.floor(Math.log2(Math.abs(value)));
  return 2 ** (Math.max(exponent, MIN_EXPONENT) - 24);
}

/** The minimum exponent of normal float32 numbers. */
const MIN_EXPONENT = -126;
