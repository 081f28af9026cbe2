/** What a sweep searches: parameters, when each exists, and the points that they span. */

/** A value as YAML and JSON have it. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };

/** How a parameter's values are spread. Bounds are inclusive. */
export type Distribution =
  | { readonly kind: 'choice'; readonly values: readonly Value[] }
  | { readonly kind: 'uniform' | 'log_uniform'; readonly low: number; readonly high: number }
  /** Whole numbers `low`, `low + step`, …; `log_int` has a step of 1. */
  | { readonly kind: 'int' | 'log_int'; readonly low: number; readonly high: number; readonly step: number };

/** A parameter exists only where the parameter `name` exists and has one of `values`. */
export interface Condition {
  readonly name: string;
  readonly values: readonly Value[];
}

export interface Parameter {
  /**
   * The dotted keys that it sets; several for `paired`, whose values are lists with one element for
   * each key.
   */
  readonly keys: readonly string[];
  /** The keys with commas between: unique within a space. */
  readonly name: string;
  readonly distribution: Distribution;
  readonly condition?: Condition;
}

export interface Space {
  /** A parameter comes after the one that its condition names. */
  readonly parameters: readonly Parameter[];
  /** A point that agrees with all values of one of these is left out. */
  readonly exclude: readonly Point[];
}

/** The value of each parameter by name; a parameter whose condition does not hold is absent. */
export type Point = Readonly<Record<string, Value>>;

/** Equal as values, whatever the order of keys. */
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

/**
 * What the point sets, key by key, in the order of the parameters: the pairs of `paired` taken
 * apart.
 */
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
