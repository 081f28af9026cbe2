/** How the cost of a training step grows with each of its sizes, as a chart. */
import { type BenchCase, REFERENCE } from './cases.js';
import { OTHERS, OURS, TORCH_VARIANTS } from './contenders.js';
import type { Results, Row } from './results.js';

type Axis = keyof typeof REFERENCE;

const AXES: readonly { readonly axis: Axis; readonly title: string; readonly label: string }[] = [
  { axis: 'hidden_size', title: 'Hidden size', label: 'hidden units' },
  { axis: 'batch_size', title: 'Batch size', label: 'sequences in a batch' },
  { axis: 'sequence_length', title: 'Sequence length', label: 'time steps' },
  { axis: 'threads', title: 'Threads', label: 'threads' },
];

/** The SVG; undefined where no axis was measured at two points. */
export function scalingPlot(results: Results): string | undefined {
  const steps = results.rows.filter(row => row.case.benchmark === 'train_step' && row.case.model === 'lstm');
  // the variants would lie on top of each other
  const shown = ([OURS, ...OTHERS] as const).filter(
    name => !TORCH_VARIANTS.some(variant => variant === name),
  );
  const names = shown.filter(name => steps.some(row => row.timings[name]));
  const panels = AXES.flatMap(({ axis, title, label }): Panel[] => {
    const rows = steps.filter(({ case: one }) => isOn(axis, one, results.threads));
    if (new Set(rows.map(row => row.case[axis])).size < 2) return [];
    const series = names.map(name => ({ name, points: pointsOf(rows, axis, name) }));
    const drawn = series.filter(({ points }) => points.length > 0);
    return [{ title, xLabel: label, yLabel: 'ms per training step', series: drawn }];
  });
  if (panels.length === 0) return undefined;
  const { hidden_size, batch_size, sequence_length } = REFERENCE;
  const subtitle =
    `${hidden_size} units, batches of ${batch_size}, ${sequence_length} steps, ${results.threads} threads ` +
    `where not varied; ${results.machine.cpu}`;
  return chart('One training step of two LSTM layers', subtitle, panels, names);
}

/**
 * Whether `one` differs from the reference along `axis` alone; `threads` are all threads unless
 * they are the axis.
 */
function isOn(axis: Axis, one: BenchCase, threads: number): boolean {
  const reference = { ...REFERENCE, threads };
  return (Object.keys(reference) as Axis[]).every(key => key === axis || one[key] === reference[key]);
}

function pointsOf(rows: readonly Row[], axis: Axis, name: keyof Row['timings']) {
  return rows
    .flatMap(({ case: one, timings }) => {
      const timing = timings[name];
      return timing ? [[one[axis], timing.ms.median] as const] : [];
    })
    .sort(([a], [b]) => a - b);
}

/**
 * A chart of several panels as SVG, by hand: lines over logarithmic axes, readable on light and
 * dark pages.
 */

export interface Series {
  readonly name: string;
  /** x and y, both above 0, x ascending. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Panel {
  readonly title: string;
  /** With its unit. */
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
}

const PANEL = { width: 400, height: 280 };
const MARGIN = { left: 70, right: 16, top: 34, bottom: 44 };
const HEADER = 76;
const COLUMNS = 2;
/** Told apart by marker and dashes too, not by colour alone. */
const STYLES = [
  { light: '#0550ae', dark: '#79c0ff', dash: '', marker: 'circle' },
  { light: '#6e7781', dark: '#8b949e', dash: '2 4', marker: 'square' },
  { light: '#bc4c00', dark: '#ffa657', dash: '7 4', marker: 'diamond' },
  { light: '#8250df', dark: '#d2a8ff', dash: '1 3 6 3', marker: 'triangle' },
] as const;

/** `names` fixes the order of the legend, and with it who has which style. */
export function chart(
  title: string,
  subtitle: string,
  panels: readonly Panel[],
  names: readonly string[],
): string {
  const rows = Math.ceil(panels.length / COLUMNS);
  const width = COLUMNS * PANEL.width;
  const height = HEADER + rows * PANEL.height;
  const drawn = panels.map((panel, i) => {
    const x = (i % COLUMNS) * PANEL.width;
    const y = HEADER + Math.floor(i / COLUMNS) * PANEL.height;
    return group(`translate(${x} ${y})`, drawPanel(panel, names));
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escapeText(title)}">
<title>${escapeText(title)}</title>
<style>${styleSheet(names.length)}</style>
${text(16, 22, title, 'class="title"')}
${text(16, 41, subtitle, 'class="soft"')}
${legend(names)}
${drawn.join('\n')}
</svg>
`;
}

/**
 * Plain rules only: some viewers know neither variables nor media queries, and then show the light
 * page.
 */
function styleSheet(count: number): string {
  const styles = STYLES.slice(0, count);
  const page = (ink: string, soft: string, grid: string) =>
    `text{fill:${ink}}.soft{fill:${soft}}.axis{stroke:${soft}}.grid{stroke:${grid}}`;
  const lines = (shade: 'light' | 'dark') =>
    styles
      .map((style, i) => `.s${i} .line{stroke:${style[shade]}}.s${i} .mark{fill:${style[shade]}}`)
      .join('');
  const dashes = styles.map(({ dash }, i) => (dash ? `.s${i} .line{stroke-dasharray:${dash}}` : '')).join('');
  return [
    'text{font:12px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.line{fill:none;stroke-width:2}',
    page('#1f2328', '#59636e', '#d1d9e0'),
    lines('light'),
    dashes,
    `@media (prefers-color-scheme:dark){${page('#f0f6fc', '#9198a1', '#3d444d')}${lines('dark')}}`,
  ].join('');
}

function legend(names: readonly string[]): string {
  let x = 16;
  return names
    .map((name, i) => {
      const entry = `<path class="line" d="M${x} 62h28"/>${marker(i, x + 14, 62)}${text(x + 34, 66, name)}`;
      x += 56 + name.length * 8;
      return `<g class="s${i}">${entry}</g>`;
    })
    .join('\n');
}

function drawPanel({ title, xLabel, yLabel, series }: Panel, names: readonly string[]): string {
  const points = series.flatMap(one => one.points);
  const xs = [...new Set(points.map(([x]) => x))].sort((a, b) => a - b);
  const yTicks = logTicks(points.map(([, y]) => y));
  const left = MARGIN.left;
  const right = PANEL.width - MARGIN.right;
  const top = MARGIN.top;
  const bottom = PANEL.height - MARGIN.bottom;
  const padded = [xs[0] / 1.15, xs[xs.length - 1] * 1.15];
  const atX = logScale(padded[0], padded[1], left, right);
  const atY = logScale(yTicks[0], yTicks[yTicks.length - 1], bottom, top);
  const lines = series.map(({ name, points: own }) => {
    const i = names.indexOf(name);
    const places = own.map(([x, y]) => [round(atX(x)), round(atY(y))] as const);
    const path = places.map(([x, y], p) => `${p === 0 ? 'M' : 'L'}${x} ${y}`).join('');
    return `<g class="s${i}"><path class="line" d="${path}"/>${places.map(([x, y]) => marker(i, x, y)).join('')}</g>`;
  });
  return [
    text((left + right) / 2, 18, title, 'text-anchor="middle"'),
    ...yTicks.map(tick => {
      const y = round(atY(tick));
      const label = text(left - 8, y + 4, tickText(tick), 'text-anchor="end" class="soft"');
      return `<line class="grid" x1="${left}" x2="${right}" y1="${y}" y2="${y}"/>${label}`;
    }),
    ...xs.map(x => text(round(atX(x)), bottom + 17, tickText(x), 'text-anchor="middle" class="soft"')),
    `<line class="axis" x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>`,
    text((left + right) / 2, bottom + 36, xLabel, 'text-anchor="middle" class="soft"'),
    text(
      0,
      0,
      yLabel,
      `text-anchor="middle" class="soft" transform="translate(12 ${(top + bottom) / 2}) rotate(-90)"`,
    ),
    ...lines,
  ].join('\n');
}

/**
 * From 1, 2 or 5 times a power of ten below the least value to one above the greatest; fewer steps
 * over a wide range.
 */
export function logTicks(values: readonly number[]): number[] {
  const least = Math.min(...values);
  const most = Math.max(...values);
  const factors = most / least > 100 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(least)); power <= Math.ceil(Math.log10(most)); power++) {
    for (const factor of factors) ticks.push(power < 0 ? factor / 10 ** -power : factor * 10 ** power);
  }
  const first = ticks.findLastIndex(tick => tick <= least);
  const last = ticks.findIndex((tick, i) => tick >= most && i > first);
  return ticks.slice(first, last < 0 ? undefined : last + 1);
}

function logScale(from: number, to: number, at: number, until: number): (value: number) => number {
  return value => at + ((until - at) * Math.log(value / from)) / Math.log(to / from);
}

function marker(style: number, x: number, y: number): string {
  const r = 4;
  switch (STYLES[style].marker) {
    case 'circle':
      return `<circle class="mark" cx="${x}" cy="${y}" r="${r}"/>`;
    case 'square':
      return `<rect class="mark" x="${x - r}" y="${y - r}" width="${2 * r}" height="${2 * r}"/>`;
    case 'diamond':
      return `<path class="mark" d="M${x} ${y - r - 1}l5 5-5 5-5-5z"/>`;
    case 'triangle':
      return `<path class="mark" d="M${x} ${y - r - 1}l5 9h-10z"/>`;
  }
}

function group(transform: string, content: string): string {
  return `<g transform="${transform}">\n${content}\n</g>`;
}

function text(x: number, y: number, content: string, attributes = ''): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escapeText(content)}</text>`;
}

function escapeText(content: string): string {
  return content.replace(/[&<>"]/g, character => `&#${character.charCodeAt(0)};`);
}

function tickText(value: number): string {
  return value >= 1000 ? value.toLocaleString('en') : String(value);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
