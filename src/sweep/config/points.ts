/** Which points of a space are judged before the first trial starts. */
import { RandomStream } from '../../util/random.js';
import { drawPoint } from '../search/draw.js';
import { gridPoints, gridSize, pointsAtMost } from '../search/grid.js';
import type { Distribution, Point, Space } from '../space.js';

/** A grid with more has no end that anyone would wait for, and judging its points would take longer than a minute. */
export const MAX_GRID = 100_000;
/** A finite space with more points, which no trial number will reach, is judged as one without end. */
const MAX_LISTED = 20_000;
const MAX_CORNERS = 4_096;
const SAMPLES = 256;

/**
 * All points where they can be listed. Else the corners, which are all combinations of listed values and bounds, and a sample; of
 * the corners, the first few thousand.
 */
export function pointsToJudge(space: Space, seed: number): readonly Point[] {
  if (pointsAtMost(space) <= MAX_LISTED || (gridSize(space) ?? Number.POSITIVE_INFINITY) <= MAX_LISTED)
    return [...gridPoints(space)];
  const corners = [...take(gridPoints(cornersOf(space)), MAX_CORNERS)];
  const random = RandomStream.of(seed, 'sweep/judged');
  const sample = Array.from({ length: SAMPLES }, () => drawPoint(space, new Set(), random));
  return [...corners, ...sample.filter(point => point !== undefined)];
}

function cornersOf(space: Space): Space {
  const parameters = space.parameters.map(parameter => ({
    ...parameter,
    distribution: boundsOf(parameter.distribution),
  }));
  return { ...space, parameters };
}

function boundsOf(distribution: Distribution): Distribution {
  if (distribution.kind === 'choice') return distribution;
  return { kind: 'choice', values: [distribution.low, distribution.high] };
}

function* take<T>(items: Iterable<T>, count: number): Generator<T, void, undefined> {
  let left = count;
  for (const item of items) {
    if (left-- <= 0) return;
    yield item;
  }
}
