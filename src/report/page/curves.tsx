/** The curves of a run: which charts there are, and what they share, cursor and zoom. */
import { useMemo, useState } from 'preact/hooks';
import type { Curve } from '../../review/curve.js';
import type { RunReport } from '../document.js';
import { Section } from './base.js';
import { Chart, type ChartSeries } from './chart.js';
import { isShare, words } from './format.js';

export interface ChartPlan {
  readonly title: string;
  readonly series: readonly ChartSeries[];
  readonly isShare: boolean;
}

/** In the order in which they are shown; the colour tells the split, in every chart. */
const LOSSES: readonly (readonly [curve: string, label: string, color: ChartSeries['color']])[] = [
  ['train.loss', 'train, each batch', 'faint'],
  ['epoch.loss', 'train, mean of the epoch', 'train'],
  ['train_set.loss', 'train set', 'other'],
  ['validation.loss', 'validation', 'other'],
  ['test.loss', 'test', 'test'],
];
/** Of metrics besides the loss. */
const SPLITS: readonly (readonly [split: string, label: string, color: ChartSeries['color']])[] = [
  ['epoch', 'train, mean of the epoch', 'train'],
  ['train_set', 'train set', 'other'],
  ['validation', 'validation', 'other'],
  ['test', 'test', 'test'],
];
const SINGLE: readonly (readonly [curve: string, title: string])[] = [
  ['learning_rate', 'Learning rate'],
  ['grad_norm', 'Gradient norm'],
  ['samples_per_s', 'Samples per second'],
];

export function Curves({ report }: { readonly report: Pick<RunReport, 'curves' | 'steps_per_epoch'> }) {
  const { curves, steps_per_epoch: perEpoch } = report;
  const plans = useMemo(() => plansOf(curves), [curves]);
  return <Charts plans={plans} perEpoch={perEpoch} />;
}

/** Charts that share cursor and zoom. @param perEpoch steps of every epoch, where all have as many */
export function Charts({
  plans,
  perEpoch,
}: {
  readonly plans: readonly ChartPlan[];
  readonly perEpoch: number | null;
}) {
  const [cursor, setCursor] = useState<number | null>(null);
  const [range, setRange] = useState<readonly [number, number] | null>(null);
  const [isLog, setLog] = useState(false);
  if (plans.length === 0) return null;
  const extent = extentOf(plans);
  const shared = {
    cursor,
    setCursor,
    range: range ?? extent,
    setRange: (to: typeof range) => setRange(within(to, extent)),
  };
  return (
    <Section title="Curves">
      <div class="toolbar">
        <label>
          <input type="checkbox" checked={isLog} onChange={event => setLog(event.currentTarget.checked)} />{' '}
          logarithmic
        </label>
        <button type="button" disabled={range === null} onClick={() => setRange(null)}>
          Show all steps
        </button>
        <output class="step" data-cursor={cursor ?? ''}>
          {placeOf(cursor, range, perEpoch)}
        </output>
      </div>
      <div class="charts">
        {plans.map(plan => (
          <Chart key={plan.title} {...plan} isLog={isLog} {...shared} />
        ))}
      </div>
      <p class="note screen">
        Drag over a chart to zoom in, double click to zoom out. By keyboard: arrow keys move the cursor, Page
        Up and Page Down by more, + and − zoom, 0 shows all.
      </p>
    </Section>
  );
}

/** The steps of all curves together, so that all charts have one axis. */
function extentOf(plans: readonly ChartPlan[]): readonly [number, number] {
  const curves = plans.flatMap(({ series }) => series.map(({ curve }) => curve.steps));
  const first = Math.min(...curves.map(steps => steps[0]));
  const last = Math.max(...curves.map(steps => steps[steps.length - 1]));
  return first === last ? [first - 1, last + 1] : [first, last];
}

/** What is as wide as everything is no zoom. */
function within(
  range: readonly [number, number] | null,
  [first, last]: readonly [number, number],
): readonly [number, number] | null {
  if (range === null || range[1] - range[0] >= last - first) return null;
  return [Math.max(first, range[0]), Math.min(last, range[1])];
}

function placeOf(
  cursor: number | null,
  range: readonly [number, number] | null,
  perEpoch: number | null,
): string {
  if (cursor !== null) {
    const epoch = perEpoch === null ? '' : `, epoch ${Math.max(1, Math.ceil(cursor / perEpoch))}`;
    return `step ${cursor}${epoch}`;
  }
  return range === null ? '' : `steps ${Math.ceil(range[0])} to ${Math.floor(range[1])}`;
}

function plansOf(curves: RunReport['curves']): readonly ChartPlan[] {
  const losses = LOSSES.flatMap(([name, label, color]): ChartSeries[] =>
    name in curves ? [seriesOf(name, label, color, curves[name])] : [],
  );
  const known = new Set([...LOSSES, ...SINGLE].map(([name]) => name));
  const measured = [
    ...new Set(
      Object.keys(curves)
        .filter(name => !known.has(name))
        .map(metricOf),
    ),
  ].sort();
  const metrics = measured.map((metric): ChartPlan => {
    const series = SPLITS.flatMap(([split, label, color]): ChartSeries[] => {
      const name = `${split}.${metric}`;
      return name in curves ? [seriesOf(name, label, color, curves[name])] : [];
    });
    return { title: capital(words(metric)), series, isShare: isShare(metric) };
  });
  const single = SINGLE.flatMap(([name, title]): ChartPlan[] =>
    name in curves
      ? [{ title, series: [seriesOf(name, title.toLowerCase(), 'train', curves[name])], isShare: false }]
      : [],
  );
  const all = [{ title: 'Loss', series: losses, isShare: false }, ...metrics, ...single];
  return all.filter(({ series }) => series.length > 0);
}

function seriesOf(name: string, label: string, color: ChartSeries['color'], curve: Curve): ChartSeries {
  return { name, label, color, curve };
}

function metricOf(name: string): string {
  return name.slice(name.indexOf('.') + 1);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
