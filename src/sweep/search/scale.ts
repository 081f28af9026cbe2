/**
 * One parameter's values: how many there are, and how they lie on the axis on which they are
 * searched.
 */
import { canonical, type Distribution, type Value } from '../space.js';

/**
 * Steps into which the range of a real parameter is divided at least, when a drawn number is
 * rounded.
 */
const RESOLUTION_DIGITS = 6;

export type Numeric = Exclude<Distribution, { readonly kind: 'choice' }>;
export type Choice = Extract<Distribution, { readonly kind: 'choice' }>;

/**
 * The interval of a numeric parameter on its axis, which is logarithmic for `log_*`; whole numbers
 * own half a step to each side.
 */
export interface Axis {
  readonly low: number;
  readonly high: number;
}

/** How many values there are; infinite for a real parameter whose bounds differ. */
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

/** Value number `index`, from 0, of a parameter with finitely many. */
export function valueAt(distribution: Distribution, index: number): Value {
  if (distribution.kind === 'choice') return distribution.values[index];
  return isWhole(distribution) ? distribution.low + index * distribution.step : distribution.low;
}

/** Where a choice's value stands in its list; -1 where it does not. */
export function choiceIndexer({ values }: Choice): (value: Value) => number {
  const indices = new Map(values.map((value, index) => [canonical(value), index] as const));
  return value => indices.get(canonical(value)) ?? -1;
}

/**
 * The value at the fraction `u`, from 0 and below 1, of the parameter's axis: uniform `u` gives the
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

/** Where a number lies on the parameter's axis. */
export function coordinateOf({ kind }: Numeric, value: number): number {
  return kind === 'log_uniform' || kind === 'log_int' ? Math.log(value) : value;
}

/**
 * The value nearest to a place on the axis: the nearest whole number, or a real number with as few
 * digits as the range allows.
 */
export function valueAtCoordinate(distribution: Numeric, coordinate: number): number {
  const isLog = distribution.kind === 'log_uniform' || distribution.kind === 'log_int';
  const number = isLog ? Math.exp(coordinate) : coordinate;
  const rounded = isWhole(distribution)
    ? distribution.low + Math.round((number - distribution.low) / distribution.step) * distribution.step
    : roundedReal(distribution, number);
  return Math.min(Math.max(rounded, distribution.low), lastOf(distribution));
}

/** The greatest value that the steps reach. */
function lastOf(distribution: Numeric): number {
  if (!isWhole(distribution)) return distribution.high;
  return distribution.low + (countOf(distribution) - 1) * distribution.step;
}

/**
 * What is trained is what is printed: a number that nobody need copy with 17 digits, yet a
 * millionth of the range from the next.
 */
function roundedReal({ kind, low, high }: Numeric, number: number): number {
  if (kind === 'uniform') {
    const decimals = RESOLUTION_DIGITS - Math.floor(Math.log10(high - low));
    return decimals >= 0 && decimals <= 100 ? Number(number.toFixed(decimals)) : number;
  }
  const narrowness = Math.max(0, Math.ceil(-Math.log10(high / low - 1)));
  return Number(number.toPrecision(Math.min(RESOLUTION_DIGITS + narrowness, 17)));
}
