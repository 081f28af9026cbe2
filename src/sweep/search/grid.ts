/** What search methods are, and the points of a space: listed, drawn at random, not tried yet. */

import { usageError } from '../../util/errors.js';
import { RandomStream } from '../../util/random.js';
import { type Shape, section, type TypeOf, tag } from '../../util/schema.js';
import {
  canonical,
  countOf,
  exists,
  isExcluded,
  type Point,
  type Space,
  valueAt,
  valueAtFraction,
} from './space.js';

export interface Observation {
  readonly trial: number;
  readonly point: Point;
  /** Epochs after which `value` was measured. */
  readonly epochs: number;
  /** `pruned` includes trials that are paused at a rung: they have not seen all epochs. */
  readonly state: 'complete' | 'pruned' | 'failed';
  /** The value to minimize; null, if there is none, is worse than any number. */
  readonly value: number | null;
}

export interface Sampler {
  /**
   * The point of trial `trial`, requested in the order 0, 1, 2, …. It depends only on the sweep's
   * seed and these arguments, not on the order of observations, so that a replay chooses the same.
   * Undefined if every point of a finite space was chosen.
   * @param pending points of trials without a result
   */
  suggest(trial: number, finished: readonly Observation[], pending: readonly Point[]): Point | undefined;
}

export interface SearchMethod<S extends Shape = Shape> {
  readonly settings: S;
  /** Whether it lists all points, which ends it, and is impossible with a real parameter. */
  readonly isExhaustive?: true;
  /** Number of first trials that are chosen without results; absent if all are. */
  blindTrials?(settings: TypeOf<S>): number;
  create(space: Space, settings: TypeOf<S>, seed: number): Sampler;
}

export const searchMethod = <S extends Shape>(method: SearchMethod<S>): SearchMethod<S> => method;

/** The points that `next` returns, one for each trial, regardless of results. */
export function listingSampler(next: (trial: number) => Point | undefined): Sampler {
  const listed: Point[] = [];
  return {
    suggest(trial) {
      while (listed.length <= trial) {
        const point = next(listed.length);
        if (point === undefined) return undefined;
        listed.push(point);
      }
      return listed[trial];
    },
  };
}

/** Consecutive draws that `exclude` may reject before the remaining points are listed. */
export const MAX_DRAWS = 1000;
/** Maximum number of points to list in search of the remaining ones. */
const MAX_LISTED = 1_000_000;
/** More points are not counted: listing them would take seconds. */
const MAX_COUNTED = 200_000;

/** An upper bound of the number of points, without conditions and `exclude`. */
function pointsAtMost({ parameters }: Space): number {
  return parameters.reduce((product, { distribution }) => product * countOf(distribution), 1);
}

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

/** The last parameter changes fastest. */
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

/** The point whose parameter i is at the fraction `fraction(i)` of its axis, in [0, 1). */
export function pointAtFractions({ parameters }: Space, fraction: (parameter: number) => number): Point {
  let point: Point = {};
  for (const [i, parameter] of parameters.entries())
    if (exists(parameter, point))
      point = { ...point, [parameter.name]: valueAtFraction(parameter.distribution, fraction(i)) };
  return point;
}

/** The points that may still be chosen: in a finite space those not taken before, else all. */
export class Untried {
  private readonly taken = new Set<string>();
  private readonly isFinite: boolean;
  /** The last few points, listed once and not for each of them. */
  private rest: readonly Point[] | undefined;

  constructor(
    private readonly space: Space,
    taken: readonly Point[] = [],
  ) {
    this.isFinite = Number.isFinite(pointsAtMost(space));
    taken.forEach(this.take, this);
  }

  has(point: Point): boolean {
    return !isExcluded(this.space, point) && !(this.taken.size > 0 && this.taken.has(canonical(point)));
  }

  /** Draws each parameter from its distribution; undefined if a finite space has no points left. */
  draw(random: RandomStream): Point | undefined {
    for (let draw = 0; draw < MAX_DRAWS; draw++) {
      const point = pointAtFractions(this.space, () => random.uniform());
      if (this.has(point)) return point;
    }
    if (pointsAtMost(this.space) > MAX_LISTED)
      throw usageError(
        'sweep/nothing-left',
        `exclude leaves too little of the space: it rejected ${MAX_DRAWS} random points in a row`,
        { expected: 'patterns that leave more points', got: JSON.stringify(this.space.exclude) },
      );
    this.rest = (this.rest ?? [...gridPoints(this.space)]).filter(point => this.has(point));
    return this.rest.length > 0 ? this.rest[random.integer(this.rest.length)] : undefined;
  }

  take(point: Point): void {
    if (this.isFinite) this.taken.add(canonical(point));
  }
}

export const grid = searchMethod({
  settings: section(
    { kind: tag('grid', { description: 'Every point; the last parameter varies fastest.' }) },
    {},
  ),
  isExhaustive: true,
  create(space) {
    const points = gridPoints(space);
    return listingSampler(() => points.next().value ?? undefined);
  },
});

/** Random search: Bergstra and Bengio, JMLR 13 (2012). */
export const random = searchMethod({
  settings: section({ kind: tag('random', { description: 'Random points.' }) }, {}),
  /** Each trial draws from its own random stream. Points of a finite space do not repeat. */
  create(space, _, seed) {
    const untried = new Untried(space);
    return listingSampler(trial => {
      const point = untried.draw(RandomStream.of(seed, `sweep/random/${trial}`));
      if (point) untried.take(point);
      return point;
    });
  },
});
