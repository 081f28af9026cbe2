/**
 * Lists the points of a finite space: the last parameter changes fastest, and parameters that do
 * not exist at a point are skipped.
 */

import { object } from '../../util/schema.js';
import { listingSampler, methodName, searchMethod } from './method.js';
import {
  canonical,
  countOf,
  exists,
  isExcluded,
  type Parameter,
  type Point,
  type Space,
  valueAt,
} from './space.js';

/**
 * The real parameters, which a grid cannot contain. The functions below require that there are
 * none.
 */
export function continuousParameters({ parameters }: Space): readonly Parameter[] {
  return parameters.filter(({ distribution }) => !Number.isFinite(countOf(distribution)));
}

/**
 * An upper bound of the number of points, computed quickly: it ignores conditions and `exclude`.
 * Infinite with a real parameter.
 */
export function pointsAtMost({ parameters }: Space): number {
  return parameters.reduce((product, { distribution }) => product * countOf(distribution), 1);
}

/**
 * The number of points; null with a real parameter. Counts without listing: prefixes that agree in
 * all parameters that later conditions or `exclude` name are counted together.
 */
export function gridSize(space: Space): number | null {
  if (continuousParameters(space).length > 0) return null;
  const named = namedIn(space);
  let prefixes = new Map([['{}', { point: {} as Point, count: 1 }]]);
  for (const parameter of space.parameters) {
    const next: typeof prefixes = new Map();
    for (const prefix of prefixes.values())
      for (const { point, count } of extended(prefix, parameter, named)) {
        const key = canonical(point);
        next.set(key, { point, count: count + (next.get(key)?.count ?? 0) });
      }
    prefixes = next;
  }
  return [...prefixes.values()]
    .filter(({ point }) => !isExcluded(space, point))
    .reduce((sum, { count }) => sum + count, 0);
}

/** Generates the points. */
export function* gridPoints(space: Space, point: Point = {}, at = 0): Generator<Point, void, undefined> {
  if (at === space.parameters.length) {
    if (!isExcluded(space, point)) yield point;
    return;
  }
  const { name, distribution } = space.parameters[at];
  if (!exists(space.parameters[at], point)) {
    yield* gridPoints(space, point, at + 1);
    return;
  }
  const count = countOf(distribution);
  for (let i = 0; i < count; i++)
    yield* gridPoints(space, { ...point, [name]: valueAt(distribution, i) }, at + 1);
}

interface Prefix {
  readonly point: Point;
  readonly count: number;
}

function extended(
  { point, count }: Prefix,
  parameter: Parameter,
  named: ReadonlySet<string>,
): readonly Prefix[] {
  if (!exists(parameter, point)) return [{ point, count }];
  const values = countOf(parameter.distribution);
  if (!named.has(parameter.name)) return [{ point, count: count * values }];
  return Array.from({ length: values }, (_, i) => ({
    point: { ...point, [parameter.name]: valueAt(parameter.distribution, i) },
    count,
  }));
}

function namedIn({ parameters, exclude }: Space): ReadonlySet<string> {
  const conditions = parameters.flatMap(({ condition }) => (condition ? [condition.name] : []));
  return new Set([...conditions, ...exclude.flatMap(pattern => Object.keys(pattern))]);
}

export const grid = searchMethod({
  settings: object(
    { kind: methodName('grid', 'Every point; the last parameter varies fastest.') },
    { title: 'Grid' },
  ),
  isExhaustive: true,
  create(space) {
    const [real] = continuousParameters(space);
    if (real) throw new Error(`a grid cannot list the values of ${real.name}`);
    const points = gridPoints(space);
    return listingSampler(() => points.next().value ?? undefined);
  },
});
