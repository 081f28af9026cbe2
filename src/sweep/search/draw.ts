/** Points drawn at random from all that the space allows. */
import { usageError } from '../../util/errors.js';
import type { RandomStream } from '../../util/random.js';
import { canonical, exists, isExcluded, type Point, type Space } from '../space.js';
import { gridPoints, pointsAtMost } from './grid.js';
import type { Observation } from './sampler.js';
import { valueAtFraction } from './scale.js';

/**
 * Draws in a row that `exclude` may refuse before the rest is listed, or the space counts as empty.
 */
export const MAX_DRAWS = 1000;
/** Points that are listed at most to find the few that are left. */
const MAX_LISTED = 1_000_000;

/** The points, by canonical text, that must not be given out again. */
export type Taken = ReadonlySet<string>;

/**
 * What was given out before. Training is deterministic: a repeated point could only repeat its
 * result. Of a space with a real parameter nothing is taken, since there a point practically never
 * comes twice.
 */
export function takenPoints(
  space: Space,
  finished: readonly Observation[],
  pending: readonly Point[],
): Taken {
  if (!Number.isFinite(pointsAtMost(space))) return new Set();
  return new Set([...finished.map(({ point }) => point), ...pending].map(canonical));
}

export function isAllowed(space: Space, taken: Taken, point: Point): boolean {
  return !isExcluded(space, point) && !(taken.size > 0 && taken.has(canonical(point)));
}

/**
 * The point whose parameter number i lies at the fraction `fraction(i)`, from 0 and below 1, of its
 * axis.
 */
export function pointAtFractions({ parameters }: Space, fraction: (parameter: number) => number): Point {
  let point: Point = {};
  for (const [i, parameter] of parameters.entries())
    if (exists(parameter, point))
      point = { ...point, [parameter.name]: valueAtFraction(parameter.distribution, fraction(i)) };
  return point;
}

/** Every point of a finite space that may still be given out, in the order of the grid. */
export function allowedPoints(space: Space, taken: Taken): readonly Point[] {
  return [...gridPoints(space)].filter(point => isAllowed(space, taken, point));
}

/**
 * A point, every parameter drawn from its own distribution; undefined where a finite space has none
 * left. `listed` gives `allowedPoints`, and is called where these are so few that drawing does not
 * hit them.
 */
export function drawPoint(
  space: Space,
  taken: Taken,
  random: RandomStream,
  listed = () => allowedPoints(space, taken),
): Point | undefined {
  for (let draw = 0; draw < MAX_DRAWS; draw++) {
    const point = pointAtFractions(space, () => random.uniform());
    if (isAllowed(space, taken, point)) return point;
  }
  if (pointsAtMost(space) > MAX_LISTED) throw emptySpaceError(space);
  const left = listed();
  return left.length > 0 ? left[random.integer(left.length)] : undefined;
}

function emptySpaceError({ exclude }: Space) {
  return usageError({
    code: 'sweep/nothing-left',
    message: `exclude leaves too little of the space: ${MAX_DRAWS} points in a row were refused`,
    expected: 'patterns that leave points to try',
    got: JSON.stringify(exclude),
  });
}
