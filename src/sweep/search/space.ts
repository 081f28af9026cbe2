/** The search space of a sweep: parameters, points, positions on the axes. */

import * as s from '../../util/schema.js';

export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

const value = s.named('value', s.anything<Value>('A value that is valid in the config.'));

export const point = s.mapOf(value, {
  name: 'point',
  description: 'The value of each parameter by name. A parameter whose condition does not hold is absent.',
});

const real = { low: s.number('Inclusive.'), high: s.number('Inclusive.') };
const whole = {
  low: s.integer('Inclusive.'),
  high: s.integer('Inclusive.'),
  step: s.integer({ description: 'Step between two values; 1 on a log scale.', min: 1 }),
};

/** A distribution as in a plan, with all of its keys. */
const kind = <const K extends string, P extends Readonly<Record<string, s.Shape>>>(
  name: K,
  description: string,
  keys: P,
) => s.struct(description, { kind: s.literal(name, {}), ...keys });

const distribution = s.union(
  'kind',
  [
    kind('choice', 'One of several values.', { values: s.list(value, 'The values.') }),
    kind('uniform', 'A uniformly distributed number.', real),
    kind('log_uniform', 'A number on a log scale.', real),
    kind('int', 'An integer.', whole),
    kind('log_int', 'An integer on a log scale.', whole),
  ],
  { name: 'distribution', description: "How a parameter's values are distributed." },
);

const parameter = s.struct('A parameter.', {
  keys: s.list(
    s.text('A dotted key of the config.'),
    'The dotted keys that it sets; if there are several, its values are lists with one element per key.',
  ),
  name: s.text('The keys, separated by commas; unique within a space.'),
  distribution,
  condition: s.optional(
    s.struct('The parameter exists only if the parameter named here exists and has one of these values.', {
      name: s.text('That parameter.'),
      values: s.list(value, 'Its values.'),
    }),
  ),
});

export const space = s.namedStruct('space', 'What varies.', {
  parameters: s.list(parameter, 'A parameter follows the one that its condition names.'),
  exclude: s.list(point, 'A point that has all values of one of these is excluded.'),
});

export type Distribution = s.TypeOf<typeof distribution>;
export type Parameter = s.TypeOf<typeof parameter>;
export type Space = s.TypeOf<typeof space>;
export type Point = s.TypeOf<typeof point>;

/** Whether two values are equal, regardless of the order of keys. */
export function sameValue(a: Value, b: Value): boolean {
  return canonical(a) === canonical(b);
}

/** JSON with sorted keys: equal text for equal values. */
export function canonical(value: Value): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, part]) => `${JSON.stringify(key)}:${canonical(part)}`).join(',')}}`;
}

/** `model.hidden_size=64, optimizer.kind=adam` */
export function describePoint(point: Point): string {
  const parts = Object.entries(point).map(([name, value]) => `${name}=${describeValue(value)}`);
  return parts.join(', ');
}

/** Strings without quotes, everything else as JSON. */
export function describeValue(value: Value): string {
  return typeof value === 'string' ? value : canonical(value);
}

/** Whether `parameter` exists at a point that has the parameters before it. */
export function exists({ condition }: Parameter, point: Point): boolean {
  if (!condition) return true;
  const value = point[condition.name];
  return value !== undefined && condition.values.some(wanted => sameValue(wanted, value));
}

export function isExcluded({ exclude }: Space, point: Point): boolean {
  return exclude.some(pattern =>
    Object.entries(pattern).every(
      ([name, value]) => point[name] !== undefined && sameValue(point[name], value),
    ),
  );
}

/** The keys and values that a point sets, with `paired` values split up. */
export function assignments(
  { parameters }: Space,
  point: Point,
): readonly (readonly [key: string, value: Value])[] {
  return parameters.flatMap(({ keys, name }) => {
    const value = point[name];
    if (value === undefined) return [];
    if (keys.length === 1) return [[keys[0], value] as const];
    return keys.map((key, i) => [key, (value as readonly Value[])[i]] as const);
  });
}

/** Minimum number of steps of a real parameter's range when a drawn number is rounded. */
const RESOLUTION_DIGITS = 6;

export type Numeric = Exclude<Distribution, { readonly kind: 'choice' }>;
export type Choice = Extract<Distribution, { readonly kind: 'choice' }>;

/** Number of values; infinite for a real parameter whose bounds differ. */
export function countOf(distribution: Distribution): number {
  if (distribution.kind === 'choice') return distribution.values.length;
  const { low, high } = distribution;
  if (isWhole(distribution)) return Math.floor((high - low) / distribution.step) + 1;
  return low < high ? Number.POSITIVE_INFINITY : 1;
}

export function valueAt(distribution: Distribution, index: number): Value {
  if (distribution.kind === 'choice') return distribution.values[index];
  return isWhole(distribution) ? distribution.low + index * distribution.step : distribution.low;
}

export function choiceIndexer({ values }: Choice): (value: Value) => number {
  const indices = new Map(values.map((value, index) => [canonical(value), index] as const));
  return value => indices.get(canonical(value)) ?? -1;
}

/** The value at the fraction `u` in [0, 1): uniform `u` produces the distribution. */
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

/** An interval, logarithmic for `log_*`; integers extend it by half a step on each side. */
export function axisOf(distribution: Numeric) {
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

/** The nearest value: an integer, or a real number rounded to few digits. */
export function valueAtCoordinate(distribution: Numeric, coordinate: number): number {
  const isLog = distribution.kind === 'log_uniform' || distribution.kind === 'log_int';
  const number = isLog ? Math.exp(coordinate) : coordinate;
  const rounded = isWhole(distribution)
    ? distribution.low + Math.round((number - distribution.low) / distribution.step) * distribution.step
    : roundedReal(distribution, number);
  return Math.min(Math.max(rounded, distribution.low), lastOf(distribution));
}

function lastOf(distribution: Numeric): number {
  if (!isWhole(distribution)) return distribution.high;
  return distribution.low + (countOf(distribution) - 1) * distribution.step;
}

/**
 * To the fewest digits with an error below a millionth of the range: what is printed is trained.
 */
function roundedReal({ kind, low, high }: Numeric, number: number): number {
  if (kind === 'uniform') {
    const decimals = RESOLUTION_DIGITS - Math.floor(Math.log10(high - low));
    return decimals >= 0 && decimals <= 100 ? Number(number.toFixed(decimals)) : number;
  }
  const narrowness = Math.max(0, Math.ceil(-Math.log10(high / low - 1)));
  return Number(number.toPrecision(Math.min(RESOLUTION_DIGITS + narrowness, 17)));
}
