/** Charts of curves with one axis, cursor, zoom and smoothing; each has a legend and a table. */

import { useId, useMemo, useState } from 'preact/hooks';
import type { Curve } from '../../run/history.js';
import { formatMetric, formatTicks, linearTicks, logTicks, titleOf, words } from '../../util/numbers.js';
import {
  type Column,
  Details,
  Parts,
  Section,
  Select,
  Table,
  Toggle,
  useHeading,
  Value,
} from '../components/components.js';
import { dotsOf, type Frame, Plot, pathOf, type Range, useDrag } from '../components/plot.js';
import { distinct } from '../components/run-list.js';
import {
  extentOf,
  hasAxis,
  type Line,
  nearest,
  numeric,
  type Places,
  placesOf,
  placeText,
  type Scale,
  smoothed,
  spacingOf,
  ticksOf,
  tickText,
  valueAt,
  withMargin,
  X_AXES,
  type XAxis,
} from '../components/scales.js';

export interface ChartPlan {
  readonly title: string;
  readonly series: readonly ChartSeries[];
  readonly isFraction: boolean;
}

export interface ChartSeries {
  /** Name of the curve, such as `test.loss`, or of the run in a chart of several runs. */
  readonly name: string;
  readonly label: string;
  readonly color: 'train' | 'validation' | 'test' | 'other' | 'faint' | `run-${number}`;
  readonly isDashed?: boolean;
  readonly curve: Curve;
  readonly places: Places;
}

const TITLES: Readonly<Record<string, string>> = {
  'train.loss': 'Train loss, each batch',
  grad_norm: 'Gradient norm',
  samples_per_s: 'Samples per second',
};

export function curveTitle(name: string): string {
  const [, metric] = /^epoch\.(.+)$/.exec(name) ?? [];
  return TITLES[name] ?? (metric ? `Train ${words(metric)}, mean of the epoch` : titleOf(name));
}

interface Settings {
  readonly axis: XAxis;
  readonly isLog: boolean;
  readonly weight: number;
  readonly hidden: readonly string[];
  readonly cursor: number | null;
  /** The visible part of the axis; null for all. */
  readonly range: Range | null;
}

const AT_FIRST: Settings = { axis: 'step', isLog: false, weight: 0, hidden: [], cursor: null, range: null };
const AXIS_WORDS: Readonly<Record<XAxis, string>> = { step: 'steps', epoch: 'epochs', time: 'time' };

/** What all charts show alike. */
interface View extends Settings {
  readonly range: Range;
  change(changes: Partial<Settings>): void;
}

export function Charts({ plans }: { readonly plans: readonly ChartPlan[] }) {
  const [settings, setSettings] = useState<Settings>(AT_FIRST);
  const { axis, isLog, weight, hidden, cursor, range } = settings;
  const drawn = useMemo(() => drawnPlans(plans, settings), [plans, axis, weight, hidden]);
  if (plans.length === 0) return null;
  const [first, last] = extentOfAll(drawn);
  const change = ({ range: to, ...changes }: Partial<Settings>) => {
    // a range as wide as the data is not a zoom
    const isZoom = to && to[1] - to[0] < last - first;
    const zoom = isZoom ? ([Math.max(first, to[0]), Math.min(last, to[1])] as const) : null;
    setSettings(old => ({ ...old, ...changes, ...(to !== undefined && { range: zoom }) }));
  };
  const view = { ...settings, range: range ?? ([first, last] as const), change };
  const runs = plans.flatMap(({ series }) => series.map(({ places }) => places));
  return (
    <Section title="Curves">
      <div class="toolbar">
        <Select
          label="over"
          value={axis}
          options={X_AXES.map(one => [one, AXIS_WORDS[one], !runs.every(places => hasAxis(places, one))])}
          change={value => change({ axis: value as XAxis, range: null, cursor: null })}
        />
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
        <Parts>
          {drawn.map(plan => (
            <Chart key={plan.title} plan={plan} view={view} />
          ))}
        </Parts>
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

/** The weight of an earlier measurement below which a curve looks the same smoothed. */
const MIN_SMOOTHING = 0.02;

type Drawn = ReturnType<typeof drawnPlans>[number];
type Series = Drawn['series'][number];

/** All curves are smoothed over the same number of steps: of the most frequent measurements. */
function drawnPlans(plans: readonly ChartPlan[], { axis, weight, hidden }: Settings) {
  const spacing = Math.min(...plans.flatMap(({ series }) => series.map(({ curve }) => spacingOf(curve))));
  const drawnSeries = (series: ChartSeries) => {
    const { curve, name } = series;
    const places = placesOf(curve.steps, axis, series.places);
    const isSmooth = weight > 0 && weight ** (spacingOf(curve) / spacing) > MIN_SMOOTHING;
    const line: Line = { places, values: curve.values };
    const smooth: Line | undefined = isSmooth
      ? { places, values: smoothed(curve, weight, spacing) }
      : undefined;
    return { ...series, isHidden: hidden.includes(name), line, smooth };
  };
  return plans.map(plan => ({ ...plan, series: plan.series.map(drawnSeries) }));
}

function extentOfAll(plans: readonly Drawn[]): Range {
  const ends = plans.flatMap(({ series }) =>
    series.flatMap(({ line: { places } }) => extentOf(places) ?? []),
  );
  const [first, last] = extentOf(ends) ?? [0, 0];
  return first === last ? [first - 1, last + 1] : [first, last];
}

interface ChartProps {
  readonly plan: Drawn;
  readonly view: View;
}

function Chart({ plan, view }: ChartProps) {
  const { title, series, isFraction } = plan;
  const { axis, isLog, cursor, range, change } = view;
  const id = useId();
  const Heading = useHeading(2);
  const { shown, x, y, places } = useMemo(() => {
    const shown = series.filter(({ isHidden }) => !isHidden);
    const ticks = ticksOf(axis, ...range);
    const all = shown
      .flatMap(({ line }) => line.places)
      .filter(point => point >= range[0] && point <= range[1]);
    return {
      shown,
      x: numeric(...range, { ticks, texts: ticks.map(tick => tickText(axis, tick)) }),
      y: yScale(shown, range, isLog, isFraction),
      places: distinct(all).toSorted((a, b) => a - b),
    };
  }, [series, axis, ...range, isLog, isFraction]);
  const show = (value: number | null | undefined) => {
    if (value === undefined) return '–';
    return value === null ? 'not finite' : formatMetric(isFraction ? 'accuracy' : series[0].name, value);
  };
  const said = shown.map(
    ({ label, line }) => `${label} ${cursor === null ? '' : show(valueAt(line, cursor))}`,
  );
  return (
    <figure class="chart" data-chart={title}>
      <figcaption>
        <Heading id={id}>{title}</Heading>
        <Legend plan={plan} view={view} show={show} />
      </figcaption>
      <div
        class="plot"
        role="slider"
        tabIndex={0}
        aria-labelledby={id}
        aria-valuemin={range[0]}
        aria-valuemax={range[1]}
        aria-valuenow={Math.min(range[1], Math.max(range[0], cursor ?? range[1]))}
        aria-valuetext={
          cursor === null ? `no ${axis} chosen` : `${placeText(axis, cursor)}: ${said.join(', ')}`
        }
        onKeyDown={event => {
          const changes =
            event.ctrlKey || event.metaKey || event.altKey ? undefined : changesOf(event.key, places, view);
          if (changes === undefined) return;
          change(changes);
          event.preventDefault();
        }}
        onBlur={() => change({ cursor: null })}
      >
        <Plot x={{ scale: x }} y={{ scale: y }} height={() => HEIGHT}>
          {frame => <Content series={shown} view={view} places={places} frame={frame} x={x} y={y} />}
        </Plot>
      </div>
      <Details
        kind="values"
        summary={
          <>
            Table<span class="hidden"> of {title}</span>
          </>
        }
      >
        {() => <Values plan={plan} />}
      </Details>
    </figure>
  );
}

const HEIGHT = 210;

function yScale(series: readonly Series[], [from, to]: Range, isLog: boolean, isFraction: boolean): Scale {
  const values = series
    .flatMap(({ line, smooth = line }) => [line, smooth])
    .flatMap(({ places, values }) => values.filter((_, i) => places[i] >= from && places[i] <= to))
    .filter(value => !isLog || Number(value) > 0);
  const bounds = withMargin(...(extentOf(values) ?? [0.1, 1]), isLog);
  const ticks = (isLog ? logTicks : linearTicks)(...bounds);
  const percents = formatTicks(ticks.map(tick => 100 * tick)).map(text => `${text} %`);
  return numeric(...bounds, { isLog, ticks, ...(isFraction && { texts: percents }) });
}

interface ContentProps {
  readonly series: readonly Series[];
  readonly view: View;
  readonly places: readonly number[];
  readonly frame: Frame;
  readonly x: Scale;
  readonly y: Scale;
}

function Content({ series, view: { cursor, change }, places, frame, x, y }: ContentProps) {
  const [selection, setSelection] = useState<Range | null>(null);
  const drag = useDrag({
    onMove: place => change({ cursor: places[nearest(places, x.at(place))] ?? null }),
    onDrag: (range, isDone) => {
      setSelection(isDone ? null : range);
      if (isDone) change({ range: [x.at(range[0]), x.at(range[1])] });
    },
  });
  const handlers = {
    ...drag,
    onPointerLeave: () => change({ cursor: null }),
    onDblClick: () => change({ range: null }),
  };
  const { left, top, right, bottom } = frame;
  const [width, height] = [right - left, bottom - top];
  const drawn = useMemo(
    () =>
      series.map(({ name, color, isDashed, line, smooth }) => {
        const className = `curve ${color}${isDashed ? ' dashed' : ''}`;
        return (
          <g key={name}>
            {curvePaths(line, frame, smooth ? `${className} behind` : className)}
            {smooth && curvePaths(smooth, frame, className)}
          </g>
        );
      }),
    [series, x, y, left, width],
  );
  const at = cursor === null ? undefined : x.place(cursor);
  return (
    <>
      <svg
        aria-hidden="true"
        x={left}
        y={top}
        width={width}
        height={height}
        viewBox={`${left} ${top} ${width} ${height}`}
      >
        {drawn}
        {at !== undefined && <line class="cursor" x1={frame.x(at)} x2={frame.x(at)} y1={top} y2={bottom} />}
        {selection && (
          <rect
            class="selection"
            x={frame.x(selection[0])}
            y={top}
            width={frame.x(selection[1]) - frame.x(selection[0])}
            height={height}
          />
        )}
      </svg>
      <rect class="over" aria-hidden="true" x={left} y={top} width={width} height={height} {...handlers} />
    </>
  );
}

/** Curves with more points have none drawn, unless no line leads to them. */
const MAX_DOTS = 60;

function curvePaths({ places, values }: Line, frame: Frame, className: string) {
  const points = values.map((value, i) => frame.at(places[i], value));
  const few = points.length <= MAX_DOTS && !/faint|behind/.test(className);
  const dots = points.filter((_, i) => few || (!points[i - 1] && !points[i + 1]));
  return (
    <>
      <path class={className} d={pathOf(points)} />
      <path class={`${className} dots`} d={dotsOf(dots)} />
    </>
  );
}

type LegendProps = ChartProps & { show(value: number | null | undefined): string };

function Legend({ plan: { series }, view: { cursor, hidden, change }, show }: LegendProps) {
  const valueUnder = (line: Line) => valueAt(line, cursor ?? Number.POSITIVE_INFINITY);
  return (
    <ul class="legend">
      {series.map(({ name, label, color, isDashed = false, isHidden, line, smooth }) => (
        <li key={name} data-series={name}>
          <button
            type="button"
            aria-pressed={!isHidden}
            onClick={() =>
              change({ hidden: isHidden ? hidden.filter(shown => shown !== name) : [...hidden, name] })
            }
          >
            <span class={`swatch ${color} ${isDashed ? 'dashed' : ''}`} aria-hidden="true" /> {label}
          </button>{' '}
          <data class="number" value={String(valueUnder(line) ?? '')}>
            {show(valueUnder(line))}
          </data>
          {smooth !== undefined && <span class="smooth"> smoothed {show(valueUnder(smooth))}</span>}
        </li>
      ))}
    </ul>
  );
}

function changesOf(key: string, places: readonly number[], view: View): Partial<Settings> | undefined {
  const { axis, cursor, range } = view;
  const count = places.length;
  if (count === 0) return undefined;
  const page = Math.max(2, Math.round(count / 10));
  const move = {
    ...{ ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 },
    ...{ PageDown: -page, PageUp: page, Home: -count, End: count },
  }[key];
  if (move !== undefined) {
    // the first arrow leads to the last place
    const at = move + (cursor === null ? count : nearest(places, cursor));
    return { cursor: places[Math.max(0, Math.min(count - 1, at))] };
  }
  const factor = { '+': 0.5, '=': 0.5, '-': 2 }[key];
  if (factor !== undefined)
    return { range: zoomed(range, cursor ?? (range[0] + range[1]) / 2, factor, axis) };
  return key === '0' || key === 'Escape' ? { range: null, cursor: null } : undefined;
}

/** The range around `center`, which keeps its relative position; at least two steps. */
function zoomed([min, max]: Range, center: number, factor: number, axis: XAxis): Range {
  if (axis === 'step' && (max - min) * factor < 2) return [min, max];
  return [center - (center - min) * factor, center + (max - center) * factor];
}

function Values({ plan: { title, series, isFraction } }: Pick<ChartProps, 'plan'>) {
  const columns = series.map(({ name, label, curve }): Column<number> => {
    const values = new Map(curve.steps.map((step, i) => [step, curve.values[i]]));
    return {
      name,
      title: label,
      show: step => {
        const value = values.get(step);
        if (value === undefined) return null;
        return value === null ? (
          'not finite'
        ) : (
          <Value metric={isFraction ? 'accuracy' : name} value={value} />
        );
      },
    };
  });
  return (
    <Table
      label={`Values of ${title}`}
      columns={[{ name: 'step', show: step => step }, ...columns]}
      rows={distinct(series.flatMap(({ curve }) => curve.steps)).toSorted((a, b) => a - b)}
      keyOf={step => step}
      most={100}
    />
  );
}
