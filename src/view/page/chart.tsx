/** A chart of curves, described by a legend and a table. */

import { useId, useMemo, useState } from 'preact/hooks';
import type { Curve } from '../../run/curve.js';
import { formatMetric, formatTicks, linearTicks, logTicks } from '../../util/numbers.js';
import { type Column, Details, Table, useHeading, Value } from './components.js';
import { type Line, type Places, placeText, ticksOf, tickText, valueAt, type XAxis } from './curve-data.js';
import { dotsOf, type Frame, Plot, pathOf, type Range, useDrag } from './plot.js';
import { distinct } from './run-list.js';
import { nearest, numeric, type Scale, withMargin } from './scales.js';

export interface ChartSeries {
  /** Name of the curve, such as `test.loss`, or of the run in a chart of several runs. */
  readonly name: string;
  readonly label: string;
  readonly color: 'train' | 'validation' | 'test' | 'other' | 'faint' | `run-${number}`;
  readonly isDashed?: boolean;
  readonly curve: Curve;
  readonly places: Places;
}

export interface DrawnSeries extends ChartSeries {
  readonly isHidden: boolean;
  readonly line: Line;
  readonly smooth: Line | undefined;
}

export interface SharedPlace {
  readonly axis: XAxis;
  readonly cursor: number | null;
  setCursor(place: number | null): void;
  readonly range: Range;
  setRange(range: Range | null): void;
}

interface ChartProps extends SharedPlace {
  readonly title: string;
  readonly series: readonly DrawnSeries[];
  readonly isShare: boolean;
  readonly isLog: boolean;
  toggle(name: string): void;
}

export function Chart(props: ChartProps) {
  const { title, series, isShare, isLog, axis, cursor, range } = props;
  const id = useId();
  const Heading = useHeading(2);
  const shown = useMemo(() => series.filter(({ isHidden }) => !isHidden), [series]);
  const x = useMemo(() => {
    const ticks = ticksOf(axis, ...range);
    const texts = ticks.map(tick => tickText(axis, tick));
    return numeric(...range, { ticks, texts });
  }, [axis, ...range]);
  const y = useMemo(() => yScale(shown, range, { isLog, isShare }), [shown, ...range, isLog, isShare]);
  const places = useMemo(() => {
    const all = shown.flatMap(({ line }) => line.places).filter(one => one >= range[0] && one <= range[1]);
    return distinct(all).toSorted((a, b) => a - b);
  }, [shown, ...range]);
  const show = (value: number) => formatMetric(isShare ? 'accuracy' : series[0].name, value);
  return (
    <figure class="chart" data-chart={title}>
      <figcaption>
        <Heading id={id}>{title}</Heading>
        <Legend {...props} show={show} />
      </figcaption>
      <div
        class="plot"
        role="slider"
        tabIndex={0}
        aria-labelledby={id}
        aria-valuemin={range[0]}
        aria-valuemax={range[1]}
        aria-valuenow={Math.min(range[1], Math.max(range[0], cursor ?? range[1]))}
        aria-valuetext={valueText(shown, axis, cursor, show)}
        onKeyDown={event => {
          if (!event.ctrlKey && !event.metaKey && !event.altKey && onKey(event.key, places, props))
            event.preventDefault();
        }}
        onBlur={() => props.setCursor(null)}
      >
        <Plot x={{ scale: x }} y={{ scale: y }} height={() => HEIGHT}>
          {frame => <Content {...props} series={shown} places={places} frame={frame} x={x} y={y} />}
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
        {() => <Values title={title} series={series} isShare={isShare} />}
      </Details>
    </figure>
  );
}

const HEIGHT = 210;

function yScale(
  series: readonly DrawnSeries[],
  [from, to]: Range,
  { isLog, isShare }: Pick<ChartProps, 'isLog' | 'isShare'>,
): Scale {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const { places, values } of series.flatMap(({ line, smooth = line }) => [line, smooth]))
    for (const [i, value] of values.entries()) {
      if (value === null || (isLog && value <= 0) || places[i] < from || places[i] > to) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  if (low > high) [low, high] = [0.1, 1];
  const bounds = withMargin(low, high, isLog);
  const ticks = (isLog ? logTicks : linearTicks)(...bounds);
  const percents = formatTicks(ticks.map(tick => 100 * tick)).map(text => `${text} %`);
  return numeric(...bounds, { isLog, ticks, ...(isShare && { texts: percents }) });
}

interface ContentProps extends Pick<ChartProps, 'series' | 'cursor' | 'setCursor' | 'setRange'> {
  readonly places: readonly number[];
  readonly frame: Frame;
  readonly x: Scale;
  readonly y: Scale;
}

function Content({ series, places, cursor, setCursor, setRange, frame, x, y }: ContentProps) {
  const [selection, setSelection] = useState<Range | null>(null);
  const drag = useDrag({
    onMove: place => setCursor(places[nearest(places, x.at(place))] ?? null),
    onDrag: (range, isDone) => {
      setSelection(isDone ? null : range);
      if (isDone) setRange([x.at(range[0]), x.at(range[1])]);
    },
  });
  const handlers = { ...drag, onPointerLeave: () => setCursor(null), onDblClick: () => setRange(null) };
  const { left, top, right, bottom } = frame;
  const [width, height] = [right - left, bottom - top];
  const points = ({ places, values }: Line) => values.map((value, i) => frame.at(places[i], value));
  const drawn = useMemo(
    () =>
      series.map(one => {
        const className = `curve ${one.color}${one.isDashed ? ' dashed' : ''}`;
        return (
          <g key={one.name}>
            <CurvePaths
              points={points(one.line)}
              className={one.smooth ? `${className} behind` : className}
            />
            {one.smooth && <CurvePaths points={points(one.smooth)} className={className} />}
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

interface CurveProps {
  readonly points: Parameters<typeof pathOf>[0];
  readonly className: string;
}

function CurvePaths({ points, className }: CurveProps) {
  const few = points.length <= MAX_DOTS && !/faint|behind/.test(className);
  const dots = points.filter((_, i) => few || (!points[i - 1] && !points[i + 1]));
  return (
    <>
      <path class={className} d={pathOf(points)} />
      <path class={`${className} dots`} d={dotsOf(dots)} />
    </>
  );
}

function Legend({
  series,
  cursor,
  toggle,
  show,
}: Pick<ChartProps, 'series' | 'cursor' | 'toggle'> & { show(value: number): string }) {
  const valueUnder = (line: Line) => valueAt(line, cursor ?? Number.POSITIVE_INFINITY);
  return (
    <ul class="legend">
      {series.map(({ name, label, color, isDashed = false, isHidden, line, smooth }) => (
        <li key={name} data-series={name}>
          <button type="button" aria-pressed={!isHidden} onClick={() => toggle(name)}>
            <span class={`swatch ${color} ${isDashed ? 'dashed' : ''}`} aria-hidden="true" /> {label}
          </button>{' '}
          <data class="number" value={String(valueUnder(line) ?? '')}>
            {textOf(valueUnder(line), show)}
          </data>
          {smooth !== undefined && <span class="smooth"> smoothed {textOf(valueUnder(smooth), show)}</span>}
        </li>
      ))}
    </ul>
  );
}

function textOf(value: number | null | undefined, show: (value: number) => string): string {
  if (value === undefined) return '–';
  return value === null ? 'not finite' : show(value);
}

function valueText(
  series: readonly DrawnSeries[],
  axis: XAxis,
  cursor: number | null,
  show: (value: number) => string,
): string {
  if (cursor === null) return `no ${axis} chosen`;
  const parts = series.map(({ label, line }) => `${label} ${textOf(valueAt(line, cursor), show)}`);
  return `${placeText(axis, cursor)}: ${parts.join(', ')}`;
}

/** @returns whether the key was handled */
function onKey(
  key: string,
  places: readonly number[],
  { axis, cursor, setCursor, range, setRange }: SharedPlace,
): boolean {
  const last = places.length - 1;
  if (last < 0) return false;
  const at = cursor === null ? last : nearest(places, cursor);
  // the first key shows the cursor at its position
  const step = cursor === null ? 0 : 1;
  const page = Math.max(2, Math.round(places.length / 10));
  const moves: Readonly<Record<string, number>> = {
    ArrowLeft: at - step,
    ArrowDown: at - step,
    ArrowRight: at + step,
    ArrowUp: at + step,
    PageDown: at - page,
    PageUp: at + page,
    Home: 0,
    End: last,
  };
  const factor = { '+': 0.5, '=': 0.5, '-': 2 }[key];
  if (key in moves) setCursor(places[Math.max(0, Math.min(last, moves[key]))]);
  else if (factor !== undefined) setRange(zoomed(range, cursor ?? (range[0] + range[1]) / 2, factor, axis));
  else if (key === '0' || key === 'Escape') {
    setRange(null);
    setCursor(null);
  } else return false;
  return true;
}

/** The range around `center`, which keeps its relative position; at least two steps. */
function zoomed([min, max]: Range, center: number, factor: number, axis: XAxis): Range {
  if (axis === 'step' && (max - min) * factor < 2) return [min, max];
  return [center - (center - min) * factor, center + (max - center) * factor];
}

function Values({ title, series, isShare }: Pick<ChartProps, 'title' | 'series' | 'isShare'>) {
  const columns = series.map(({ name, label, curve }): Column<number> => {
    const values = new Map(curve.steps.map((step, i) => [step, curve.values[i]]));
    return {
      name,
      title: label,
      show: step => {
        const value = values.get(step);
        if (value === undefined) return null;
        return value === null ? 'not finite' : <Value metric={isShare ? 'accuracy' : name} value={value} />;
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
