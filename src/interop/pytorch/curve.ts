/** A picture of the learning curve as SVG: the loss of each split. */
import type { RunHistory } from '../../run/history.js';
import { formatTicks, linearTicks } from '../../util/numbers.js';

const CURVES = [
  { name: 'epoch.loss', label: 'training', color: '#888' },
  { name: 'validation.loss', label: 'validation', color: '#06c' },
  { name: 'test.loss', label: 'test', color: '#c50' },
] as const;

const [WIDTH, HEIGHT, LEFT, BOTTOM, MARGIN] = [640, 320, 64, 40, 16];

export function learningCurve({ curves }: Pick<RunHistory, 'curves'>): string {
  const lines = CURVES.flatMap(({ name, ...style }) => {
    const { steps = [], values = [] } = curves[name] ?? {};
    const points = steps.flatMap((step, i) => (values[i] === null ? [] : [{ step, value: values[i] }]));
    return points.length > 0 ? [{ ...style, points }] : [];
  });
  const all = lines.flatMap(({ points }) => points);
  const x = axisOf(
    all.map(({ step }) => step),
    LEFT,
    WIDTH - MARGIN,
  );
  const y = axisOf(
    all.map(({ value }) => value),
    HEIGHT - BOTTOM,
    MARGIN,
  );
  const text = (content: string, attributes: string) => `<text ${attributes}>${content}</text>`;
  const parts = [
    ...x.ticks.map(({ at, label }) =>
      text(label, `x="${at}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle"`),
    ),
    ...y.ticks.flatMap(({ at, label }) => [
      `<path d="M${LEFT} ${at}H${WIDTH - MARGIN}" stroke="#ddd"/>`,
      text(label, `x="${LEFT - 6}" y="${at}" text-anchor="end" dominant-baseline="middle"`),
    ]),
    ...lines.flatMap(({ points, color, label }, i) => [
      `<polyline fill="none" stroke="${color}" stroke-width="1.5" points="${points.map(({ step, value }) => `${x.place(step)},${y.place(value)}`).join(' ')}"/>`,
      // a curve may be a single point
      ...(points.length === 1
        ? [`<circle cx="${x.place(points[0].step)}" cy="${y.place(points[0].value)}" r="3" fill="${color}"/>`]
        : []),
      text(label, `x="${WIDTH - MARGIN - 6}" y="${MARGIN + 12 + 16 * i}" text-anchor="end" fill="${color}"`),
    ]),
    text('step', `x="${(LEFT + WIDTH) / 2}" y="${HEIGHT - 6}" text-anchor="middle"`),
    text('loss', `x="12" y="${HEIGHT / 2}" transform="rotate(-90 12 ${HEIGHT / 2})" text-anchor="middle"`),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">\n${parts.join('\n')}\n</svg>\n`;
}

/** Positions of values from `start` to `end`. */
function axisOf(values: readonly number[], start: number, end: number) {
  const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
  const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const width = high - low;
  const place = (value: number) =>
    Math.round(10 * (start + (width > 0 ? (value - low) / width : 0.5) * (end - start))) / 10;
  const ticks = values.length > 0 ? linearTicks(low, high) : [];
  const labels = formatTicks(ticks);
  return { place, ticks: ticks.map((tick, i) => ({ at: place(tick), label: labels[i] })) };
}
