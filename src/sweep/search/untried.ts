/**
 * Tracks the points that may still be chosen: in a finite space those not chosen before, in others
 * all.
 */
import type { RandomStream } from '../../util/random.js';
import { canonical, type Point, type Space } from '../space.js';
import { allowedPoints, drawPoint, isAllowed } from './draw.js';
import { pointsAtMost } from './grid.js';

export class Untried {
  private readonly taken = new Set<string>();
  private readonly isFinite: boolean;
  /**
   * The last few points by canonical text, in the order of the grid; undefined until they need to
   * be listed.
   */
  private rest: Map<string, Point> | undefined;

  constructor(private readonly space: Space) {
    this.isFinite = Number.isFinite(pointsAtMost(space));
  }

  has(point: Point): boolean {
    return isAllowed(this.space, this.taken, point);
  }

  /**
   * A random one; undefined if there is none.
   * @throws UserError (exit 2) if `exclude` leaves (almost) no points
   */
  draw(random: RandomStream): Point | undefined {
    return drawPoint(this.space, this.taken, random, () => this.listed());
  }

  take(point: Point): void {
    if (!this.isFinite) return;
    const key = canonical(point);
    this.taken.add(key);
    this.rest?.delete(key);
  }

  /** lists the whole space once, not for each of the last points */
  private listed(): readonly Point[] {
    this.rest ??= new Map(allowedPoints(this.space, this.taken).map(point => [canonical(point), point]));
    return [...this.rest.values()];
  }
}
