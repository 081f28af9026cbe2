/** A small curve within text. */
import type { RunRow } from '../document.js';
import { formatMetric } from './format.js';

const [WIDTH, HEIGHT, EDGE] = [96, 24, 3];

export function Sparkline({ of }: { readonly of: NonNullable<RunRow['sparkline']> }) {
  const finite = of.values.filter(value => value !== null);
  if (finite.length === 0) return null;
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const [first, last] = [of.steps[0], of.steps[of.steps.length - 1]];
  const points = of.values.map((value, i) => {
    if (value === null) return undefined;
    const left = last === first ? 0.5 : (of.steps[i] - first) / (last - first);
    const top = high === low ? 0.5 : 1 - (value - low) / (high - low);
    return `${(EDGE + left * (WIDTH - 2 * EDGE)).toFixed(1)} ${(EDGE + top * (HEIGHT - 2 * EDGE)).toFixed(1)}`;
  });
  const path = points
    .map((point, i) => (point === undefined ? '' : `${points[i - 1] === undefined ? 'M' : 'L'}${point}`))
    .join('');
  const end = points.findLast(point => point !== undefined)?.split(' ') ?? [];
  const described = `${of.metric}: from ${formatMetric(of.metric, finite[0])} to ${formatMetric(of.metric, finite[finite.length - 1])}`;
  return (
    <svg class="sparkline" width={WIDTH} height={HEIGHT} role="img" aria-label={described}>
      <path d={path} />
      <circle cx={end[0]} cy={end[1]} r={2.5} />
    </svg>
  );
}
