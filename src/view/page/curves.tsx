/** The charts of one or several runs, and their shared axis, cursor, zoom and smoothing. */
import { useMemo, useState } from 'preact/hooks';
import type { Curve } from '../../run/curve.js';
import { capital, isShare, words } from '../../util/numbers.js';
import type { RunReport } from '../run-report.js';
import { Chart, type ChartSeries, type DrawnSeries } from './chart.js';
import { Section, Toggle } from './components.js';
import {
  hasAxis,
  type Places,
  placesOf,
  placeText,
  smoothed,
  spacingOf,
  X_AXES,
  type XAxis,
} from './curve-data.js';

export interface ChartPlan {
  readonly title: string;
  readonly series: readonly ChartSeries[];
  readonly isShare: boolean;
}

interface Settings {
  readonly axis: XAxis;
  readonly isLog: boolean;
  readonly weight: number;
  readonly hidden: readonly string[];
  readonly cursor: number | null;
  /** The visible part of the axis; null for all. */
  readonly range: readonly [number, number] | null;
}

const AT_FIRST: Settings = { axis: 'step', isLog: false, weight: 0, hidden: [], cursor: null, range: null };
const AXIS_WORDS: Readonly<Record<XAxis, string>> = { step: 'steps', epoch: 'epochs', time: 'time' };

export function Charts({ plans }: { readonly plans: readonly ChartPlan[] }) {
  const [settings, setSettings] = useState<Settings>(AT_FIRST);
  const { axis, isLog, weight, hidden, cursor, range } = settings;
  const drawn = useMemo(() => drawnPlans(plans, settings), [plans, axis, weight, hidden]);
  if (plans.length === 0) return null;
  const change = (changes: Partial<Settings>) => setSettings(old => ({ ...old, ...changes }));
  const [first, last] = extentOf(drawn);
  const runs = plans.flatMap(({ series }) => series.map(({ places }) => places));
  const shared = {
    axis,
    isLog,
    cursor,
    setCursor: (to: number | null) => change({ cursor: to }),
    range: range ?? ([first, last] as const),
    setRange: (to: Settings['range']) => {
      // a range as wide as the data is not a zoom
      const isZoom = to !== null && to[1] - to[0] < last - first;
      change({ range: isZoom ? [Math.max(first, to[0]), Math.min(last, to[1])] : null });
    },
    toggle: (name: string) =>
      change({ hidden: hidden.includes(name) ? hidden.filter(one => one !== name) : [...hidden, name] }),
  };
  return (
    <Section title="Curves">
      <div class="toolbar">
        <label>
          over{' '}
          <select
            value={axis}
            onChange={event =>
              change({ axis: event.currentTarget.value as XAxis, range: null, cursor: null })
            }
          >
            {X_AXES.map(one => (
              <option key={one} value={one} disabled={!runs.every(places => hasAxis(places, one))}>
                {AXIS_WORDS[one]}
              </option>
            ))}
          </select>
        </label>
        <label>
          smoothing{' '}
          <input
            type="range"
            min={0}
            max={0.999}
            step={0.001}
            value={weight}
            onInput={event => change({ weight: Number(event.currentTarget.value) })}
          />
          <span class="amount">{weight === 0 ? 'off' : weight}</span>
        </label>
        <Toggle isOn={isLog} set={on => change({ isLog: on })}>
          logarithmic
        </Toggle>
        <button type="button" disabled={range === null} onClick={() => change({ range: null })}>
          Show all {AXIS_WORDS[axis]}
        </button>
        <output class="step" data-cursor={cursor ?? ''}>
          {cursor !== null && placeText(axis, cursor) + epochText(axis, cursor, runs)}
        </output>
      </div>
      <div class="charts">
        {drawn.map(plan => (
          <Chart key={plan.title} {...plan} {...shared} />
        ))}
      </div>
      <p class="note screen">
        Drag over a chart to zoom in, double click to zoom out; click a name to hide its curve. By keyboard:
        arrow keys move the cursor, Page Up and Page Down by more, + and − zoom, 0 shows all.
        {weight > 0 && ' Smoothed curves are exponential moving averages; the measurements are behind them.'}
      </p>
    </Section>
  );
}

function epochText(axis: XAxis, cursor: number, runs: readonly Places[]): string {
  const each = runs[0].steps_per_epoch;
  const isKnown = axis === 'step' && each !== null && runs.every(run => run.steps_per_epoch === each);
  return isKnown ? `, epoch ${Math.max(1, Math.ceil(cursor / each))}` : '';
}

/** If less than this fraction of the previous measurement remains, smoothing is invisible. */
const MIN_SMOOTHING = 0.02;

/** All curves are smoothed over the same number of steps: of the most frequent measurements. */
function drawnPlans(plans: readonly ChartPlan[], { axis, weight, hidden }: Settings) {
  const spacing = Math.min(...plans.flatMap(({ series }) => series.map(({ curve }) => spacingOf(curve))));
  const drawnSeries = (series: ChartSeries): DrawnSeries => {
    const { curve, name } = series;
    const places = placesOf(curve.steps, axis, series.places);
    const isSmooth = weight > 0 && weight ** (spacingOf(curve) / spacing) > MIN_SMOOTHING;
    return {
      ...series,
      isHidden: hidden.includes(name),
      line: { places, values: curve.values },
      smooth: isSmooth ? { places, values: smoothed(curve, weight, spacing) } : undefined,
    };
  };
  return plans.map(plan => ({ ...plan, series: plan.series.map(drawnSeries) }));
}

function extentOf(plans: readonly { readonly series: readonly DrawnSeries[] }[]): readonly [number, number] {
  const all = plans.flatMap(({ series }) => series.map(({ line: { places } }) => places));
  const first = Math.min(...all.map(places => places[0]));
  const last = Math.max(...all.map(places => places[places.length - 1]));
  return first === last ? [first - 1, last + 1] : [first, last];
}

export function isConstant({ values: [first, ...others] }: Curve): boolean {
  return first !== null && others.every(value => value === first);
}

type Named = readonly [name: string, label: string, color: ChartSeries['color']];

/** In display order; the colour shows the split, in every chart. */
const SPLITS: readonly Named[] = [
  ['epoch', 'train, mean of the epoch', 'train'],
  ['train_set', 'train set', 'other'],
  ['validation', 'validation', 'validation'],
  ['test', 'test', 'test'],
];
const BATCHES: Named = ['train', 'train, each batch', 'faint'];
const SINGLE: readonly (readonly [curve: string, title: string])[] = [
  ['learning_rate', 'Learning rate'],
  ['grad_norm', 'Gradient norm'],
  ['samples_per_s', 'Samples per second'],
];

export function Curves({ report: { curves, steps_per_epoch, elapsed } }: { readonly report: RunReport }) {
  const plans = useMemo(
    () => plansOf(curves, { steps_per_epoch, elapsed }),
    [curves, steps_per_epoch, elapsed],
  );
  return <Charts plans={plans} />;
}

function plansOf(curves: RunReport['curves'], places: Places): readonly ChartPlan[] {
  const planOf = (title: string, named: readonly Named[], isShare = false): ChartPlan => ({
    title,
    isShare,
    series: named.flatMap(([name, label, color]) => {
      const curve = curves[name];
      return curve === undefined ? [] : [{ name, label, color, curve, places }];
    }),
  });
  const measured = Object.keys(curves)
    .filter(name => name.includes('.'))
    .map(name => name.slice(name.indexOf('.') + 1));
  const metrics = [...new Set(['loss', ...measured.sort()])].map(metric => {
    const splits = metric === 'loss' ? [BATCHES, ...SPLITS] : SPLITS;
    const named = splits.map(([split, label, color]): Named => [`${split}.${metric}`, label, color]);
    return planOf(capital(words(metric)), named, isShare(metric));
  });
  const single = SINGLE.filter(
    ([name]) => !(name === 'learning_rate' && name in curves && isConstant(curves[name])),
  ).map(([name, title]) => planOf(title, [[name, title.toLowerCase(), 'train']]));
  return [...metrics, ...single].filter(({ series }) => series.length > 0);
}
