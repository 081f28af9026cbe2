/** Lists the points of a finite space: the last parameter changes fastest. */

import { object, tag } from '../../util/schema.js';
import { listingSampler, searchMethod } from './method.js';
import { countOf, exists, isExcluded, type Point, type Space, valueAt } from './space.js';

/** An upper bound of the number of points, without conditions and `exclude`. */
export function pointsAtMost({ parameters }: Space): number {
  return parameters.reduce((product, { distribution }) => product * countOf(distribution), 1);
}

/** More points are not counted: listing them would take seconds. */
const MAX_COUNTED = 200_000;

/** The number of points; null with a real parameter, infinite if it would take long to count. */
export function gridSize(space: Space): number | null {
  if (!Number.isFinite(pointsAtMost(space))) return null;
  let [size, listed] = [0, 0];
  for (const point of gridPoints({ ...space, exclude: [] })) {
    listed += 1;
    if (listed > MAX_COUNTED) return Number.POSITIVE_INFINITY;
    if (!isExcluded(space, point)) size += 1;
  }
  return size;
}

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

export const grid = searchMethod({
  settings: object(
    { kind: tag('grid', { description: 'Every point; the last parameter varies fastest.' }) },
    { title: 'Grid' },
  ),
  isExhaustive: true,
  create(space) {
    const points = gridPoints(space);
    return listingSampler(() => points.next().value ?? undefined);
  },
});
