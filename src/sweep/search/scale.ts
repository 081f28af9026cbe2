/** The values of a parameter, and their positions on the axis that is searched. */
import { canonical, type Distribution, type Value } from '../space.js';

/** Minimum number of steps of a real parameter's range when a drawn number is rounded. */
const RESOLUTION_DIGITS = 6;

export type Numeric = Exclude<Distribution, { readonly kind: 'choice' }>;
export type Choice = Extract<Distribution, { readonly kind: 'choice' }>;

/**
 * The interval of a numeric parameter on its axis, which is logarithmic for `log_*`. Integers
 * extend it by half a step on each side.
 */
export interface Axis {
  readonly low: number;
  readonly high: number;
}

/** Number of values; infinite for a real parameter whose bounds differ. */
export function countOf(distribution: Distribution): number {
  switch (distribution.kind) {
    case 'choice':
      return distribution.values.length;
    case 'int':
    case 'log_int':
      return Math.floor((distribution.high - distribution.low) / distribution.step) + 1;
    case 'uniform':
    case 'log_uniform':
      return distribution.low < distribution.high ? Number.POSITIVE_INFINITY : 1;
    default:
      return distribution satisfies never;
  }
}

/** The value at `index` of a parameter with finitely many values. */
export function valueAt(distribution: Distribution, index: number): Value {
  if (distribution.kind === 'choice') return distribution.values[index];
  return isWhole(distribution) ? distribution.low + index * distribution.step : distribution.low;
}

/** Index of a choice's value; -1 if it is not in the list. */
export function choiceIndexer({ values }: Choice): (value: Value) => number {
  const indices = new Map(values.map((value, index) => [canonical(value), index] as const));
  return value => indices.get(canonical(value)) ?? -1;
}

/**
 * The value at the fraction `u` in [0, 1) of the parameter's axis: uniform `u` produces the
 * parameter's distribution.
 */
export function valueAtFraction(distribution: Distribution, u: number): Value {
  if (distribution.kind === 'log_int' || !Number.isFinite(countOf(distribution))) {
    const numeric = distribution as Numeric;
    const { low, high } = axisOf(numeric);
    return valueAtCoordinate(numeric, low + u * (high - low));
  }
  const count = countOf(distribution);
  return valueAt(distribution, Math.min(Math.floor(u * count), count - 1));
}

export function isWhole(
  distribution: Numeric,
): distribution is Extract<Numeric, { kind: 'int' | 'log_int' }> {
  return distribution.kind === 'int' || distribution.kind === 'log_int';
}

export function axisOf(distribution: Numeric): Axis {
  const half = isWhole(distribution) ? distribution.step / 2 : 0;
  return {
    low: coordinateOf(distribution, distribution.low - half),
    high: coordinateOf(distribution, lastOf(distribution) + half),
  };
}

/** The position of a number on the parameter's axis. */
export function coordinateOf({ kind }: Numeric, value: number): number {
  return kind === 'log_uniform' || kind === 'log_int' ? Math.log(value) : value;
}

/**
 * The value nearest to a position on the axis: an integer, or a real number rounded to few digits.
 */
export function valueAtCoordinate(distribution: Numeric, coordinate: number): number {
  const isLog = distribution.kind === 'log_uniform' || distribution.kind === 'log_int';
  const number = isLog ? Math.exp(coordinate) : coordinate;
  const rounded = isWhole(distribution)
    ? distribution.low + Math.round((number - distribution.low) / distribution.step) * distribution.step
    : roundedReal(distribution, number);
  return Math.min(Math.max(rounded, distribution.low), lastOf(distribution));
}

/** The largest value that the steps reach. */
function lastOf(distribution: Numeric): number {
  if (!isWhole(distribution)) return distribution.high;
  return distribution.low + (countOf(distribution) - 1) * distribution.step;
}

/**
 * Rounds to the fewest digits with an error below a millionth of the range, so that a printed value
 * is short and exactly the one that is trained.
 */
function roundedReal({ kind, low, high }: Numeric, number: number): number {
  if (kind === 'uniform') {
    const decimals = RESOLUTION_DIGITS - Math.floor(Math.log10(high - low));
    return decimals >= 0 && decimals <= 100 ? Number(number.toFixed(decimals)) : number;
  }
  const narrowness = Math.max(0, Math.ceil(-Math.log10(high / low - 1)));
  return Number(number.toPrecision(Math.min(RESOLUTION_DIGITS + narrowness, 17)));
}
