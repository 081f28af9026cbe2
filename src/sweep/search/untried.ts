/**
 * The points of a space that can still be given out: of a finite one those that were not before, of
 * any other all.
 */
import type { RandomStream } from '../../util/random.js';
import { canonical, type Point, type Space } from '../space.js';
import { allowedPoints, drawPoint, isAllowed } from './draw.js';
import { pointsAtMost } from './grid.js';

export class Untried {
  private readonly taken = new Set<string>();
  private readonly isFinite: boolean;
  /**
   * The last few, by canonical text, in the order of the grid; undefined as long as they need not
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
   * One of them at random; undefined where there is none. Throws UserError (exit 2) where `exclude`
   * leaves next to nothing.
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

  /** The whole space is gone through once, not for each of the last points. */
  private listed(): readonly Point[] {
    this.rest ??= new Map(allowedPoints(this.space, this.taken).map(point => [canonical(point), point]));
    return [...this.rest.values()];
  }
}
