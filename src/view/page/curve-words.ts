/** Describes curves in words. */
import type { ChartSeries } from './chart.js';
import { counted } from './format.js';

/** A sentence about a curve for screen readers. */
export function describeCurve({ label, curve }: ChartSeries, show: (value: number) => string): string {
  const finite = curve.values.flatMap((value, i) =>
    value === null ? [] : [{ value, step: curve.steps[i] }],
  );
  if (finite.length === 0) return `${label}: no finite value.`;
  const [first, last] = [finite[0], finite[finite.length - 1]];
  if (finite.length === 1) return `${label}: ${show(first.value)} at step ${first.step}.`;
  const low = finite.reduce((a, b) => (b.value < a.value ? b : a));
  const high = finite.reduce((a, b) => (b.value > a.value ? b : a));
  const gaps = curve.values.length - finite.length;
  return `${label}: ${counted(curve.count, 'value')}, from ${show(first.value)} at step ${first.step} to ${show(last.value)} at step ${last.step}, lowest ${show(low.value)} at step ${low.step}, highest ${show(high.value)} at step ${high.step}${gaps > 0 ? ', with gaps where values were not finite' : ''}.`;
}
