import { usageError } from '../../util/errors.js';
import type { RandomStream } from '../../util/random.js';
import { gridPoints, pointsAtMost } from './grid.js';
import type { Observation } from './method.js';
import { canonical, exists, isExcluded, type Point, type Space, valueAtFraction } from './space.js';

/** Consecutive draws that `exclude` may reject before the remaining points are listed. */
export const MAX_DRAWS = 1000;
/** Maximum number of points to list in search of the remaining ones. */
const MAX_LISTED = 1_000_000;

/** The points that must not be chosen again, as canonical text. */
export type Taken = ReadonlySet<string>;

/** The earlier points; none in a space with a real parameter, where they do not repeat. */
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

/** The point whose parameter i is at the fraction `fraction(i)` of its axis, in [0, 1). */
export function pointAtFractions({ parameters }: Space, fraction: (parameter: number) => number): Point {
  let point: Point = {};
  for (const [i, parameter] of parameters.entries())
    if (exists(parameter, point))
      point = { ...point, [parameter.name]: valueAtFraction(parameter.distribution, fraction(i)) };
  return point;
}

/** All points of a finite space that may still be chosen, in the order of the grid. */
function allowedPoints(space: Space, taken: Taken): readonly Point[] {
  return [...gridPoints(space)].filter(point => isAllowed(space, taken, point));
}

/**
 * Draws each parameter from its distribution; undefined if a finite space has no points left.
 * `listed` is called if these are so few that draws miss them.
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
  if (pointsAtMost(space) > MAX_LISTED)
    throw usageError({
      code: 'sweep/nothing-left',
      message: `exclude leaves too little of the space: it rejected ${MAX_DRAWS} random points in a row`,
      expected: 'patterns that leave more points',
      got: JSON.stringify(space.exclude),
    });
  const left = listed();
  return left.length > 0 ? left[random.integer(left.length)] : undefined;
}

/** The points that may still be chosen: in a finite space those not chosen before, else all. */
export class Untried {
  private readonly taken = new Set<string>();
  /** The last few points, listed once and not for each of them. */
  private rest: readonly Point[] | undefined;

  constructor(private readonly space: Space) {}

  has(point: Point): boolean {
    return isAllowed(this.space, this.taken, point);
  }

  draw(random: RandomStream): Point | undefined {
    return drawPoint(this.space, this.taken, random, () => {
      this.rest = (this.rest ?? [...gridPoints(this.space)]).filter(point => this.has(point));
      return this.rest;
    });
  }

  take(point: Point): void {
    if (Number.isFinite(pointsAtMost(this.space))) this.taken.add(canonical(point));
  }
}
