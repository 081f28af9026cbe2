/** A chart of curves: drawn by uPlot, described by a legend, a sentence and a table. */

import { useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import uPlot from 'uplot';
import type { Curve } from '../../run/curve.js';
import { counted, formatMetric, formatTicks, linearTicks, logTicks } from '../../util/numbers.js';
import { Table, useHeading, Value } from './components.js';
import {
  type Aligned,
  align,
  isolated,
  type Line,
  nearest,
  type Places,
  placeText,
  tickSteps,
  tickText,
  valueAt,
  type XAxis,
} from './curve-data.js';

export interface ChartSeries {
  /** Name of the curve, such as `test.loss`, or of the run in a chart of several runs. */
  readonly name: string;
  readonly label: string;
  /** A colour of the style sheet. */
  readonly color: 'train' | 'validation' | 'test' | 'other' | 'faint' | `run-${number}`;
  readonly isDashed?: boolean;
  readonly curve: Curve;
  /** Name of the run. */
  readonly places: Places;
}

/** A series as drawn. */
export interface DrawnSeries extends ChartSeries {
  readonly isHidden: boolean;
  readonly line: Line;
  /** Undefined without smoothing. */
  readonly smooth: Line | undefined;
}

/** State that all charts of a run share. */
export interface SharedPlace {
  readonly axis: XAxis;
  /** The position of the cursor on the axis. */
  readonly cursor: number | null;
  setCursor(place: number | null): void;
  /** The visible part of the axis. */
  readonly range: readonly [number, number];
  /** Null for all. */
  setRange(range: readonly [number, number] | null): void;
}

export interface ChartProps extends SharedPlace {
  readonly title: string;
  readonly series: readonly DrawnSeries[];
  readonly isShare: boolean;
  readonly isLog: boolean;
  /** Shows or hides a series in all charts. */
  toggle(name: string): void;
}

export function Chart(props: ChartProps) {
  const { title, series, isShare, isLog, axis, cursor, range } = props;
  const id = useId();
  const Heading = useHeading(2);
  const box = useRef<HTMLDivElement>(null);
  const data = useMemo(() => align(linesOf(series), isLog), [series, isLog]);
  const show = (value: number) => formatMetric(isShare ? 'accuracy' : series[0].name, value);
  usePlot(box, data, props);
  const reported = series.map(one => describeCurve(one, show)).join(' ');
  return (
    <figure class="chart" data-chart={title}>
      <figcaption>
        <Heading id={id}>{title}</Heading>
        <Legend {...props} show={show} />
      </figcaption>
      <div
        ref={box}
        class="plot"
        role="slider"
        tabIndex={0}
        aria-labelledby={id}
        aria-description={reported}
        aria-valuemin={range[0]}
        aria-valuemax={range[1]}
        aria-valuenow={Math.min(range[1], Math.max(range[0], cursor ?? range[1]))}
        aria-valuetext={valueText(series, axis, cursor, show)}
        onKeyDown={event => {
          if (!event.ctrlKey && !event.metaKey && !event.altKey && onKey(event.key, data[0], props))
            event.preventDefault();
        }}
        onBlur={() => props.setCursor(null)}
      />
      <ValuesTable title={title} series={series} isShare={isShare} />
    </figure>
  );
}

/** In the order of the plot: the curves, then their smoothed forms. */
function linesOf(series: readonly DrawnSeries[]): readonly Line[] {
  return [
    ...series.map(({ line }) => line),
    ...series.flatMap(({ smooth }) => (smooth === undefined ? [] : [smooth])),
  ];
}

/** Keeps a plot in `box` up to date with the properties. */
function usePlot(box: { readonly current: HTMLDivElement | null }, data: Aligned, props: ChartProps): void {
  const plot = useRef<uPlot | null>(null);
  // hooks of the long-lived plot must see the latest properties
  const current = useRef(props);
  current.current = props;
  // the plot itself reported this position: its cursor is already there
  const reported = useRef<number | null>(null);
  const { series, isLog, isShare, axis, range, cursor } = props;
  const kind = JSON.stringify([
    axis,
    isLog,
    isShare,
    series.map(({ name, isHidden, smooth }) => [name, isHidden, smooth !== undefined]),
  ]);
  // new data use `setData`, so that a zoom survives
  useLayoutEffect(() => {
    if (box.current === null) return;
    const created = createPlot(box.current, data, { series, isLog, isShare, axis }, current, reported);
    plot.current = created;
    return () => {
      created.destroy();
      plot.current = null;
    };
  }, [kind]);
  useLayoutEffect(() => {
    plot.current?.batch(() => {
      plot.current?.setData(data, false);
      plot.current?.setScale('x', { min: range[0], max: range[1] });
    });
  }, [data, range[0], range[1], kind]);
  useEffect(() => {
    if (cursor !== null && cursor === reported.current) return;
    reported.current = null;
    const left = cursor === null ? -10 : (plot.current?.valToPos(cursor, 'x') ?? -10);
    plot.current?.setCursor({ left, top: cursor === null ? -10 : 0 }, false);
  }, [cursor]);
}

function Legend({
  series,
  cursor,
  toggle,
  show,
}: Pick<ChartProps, 'series' | 'cursor' | 'toggle'> & { show(value: number): string }) {
  return (
    <ul class="legend">
      {series.map(({ name, label, color, isDashed = false, isHidden, line, smooth }) => {
        const value = valueUnder(line, cursor);
        return (
          <li key={name} data-series={name}>
            <button type="button" aria-pressed={!isHidden} onClick={() => toggle(name)}>
              <span class={`swatch ${color} ${isDashed ? 'dashed' : ''}`} aria-hidden="true" /> {label}
            </button>{' '}
            <data class="number" value={String(value ?? '')}>
              {textOf(value, show)}
            </data>
            {smooth !== undefined && (
              <span class="smooth"> smoothed {textOf(valueUnder(smooth, cursor), show)}</span>
            )}
          </li>
        );
      })}
    </ul>
  );
}

/** The last values if there is no cursor. */
function valueUnder(line: Line, cursor: number | null): number | null | undefined {
  return cursor === null ? line.values[line.values.length - 1] : valueAt(line, cursor);
}

function textOf(value: number | null | undefined, show: (value: number) => string): string {
  if (value === undefined) return '–';
  return value === null ? 'not finite' : show(value);
}

function valueText(
  series: ChartProps['series'],
  axis: XAxis,
  cursor: number | null,
  show: (value: number) => string,
): string {
  if (cursor === null) return `no ${axis} chosen`;
  const parts = series
    .filter(({ isHidden }) => !isHidden)
    .map(({ label, line }) => `${label} ${textOf(valueAt(line, cursor), show)}`);
  return `${placeText(axis, cursor)}: ${parts.join(', ')}`;
}

/** Returns whether the key was handled. */
function onKey(
  key: string,
  places: readonly number[],
  { axis, cursor, setCursor, range, setRange }: ChartProps,
): boolean {
  const shown = places.filter(place => place >= range[0] && place <= range[1]);
  if (shown.length === 0) return false;
  const at = cursor === null ? shown.length - 1 : nearest(shown, cursor);
  const move = (by: number): true => {
    // the first key shows the cursor at its position
    const to = cursor === null && Math.abs(by) === 1 ? at : at + by;
    setCursor(shown[Math.max(0, Math.min(shown.length - 1, to))]);
    return true;
  };
  const page = Math.max(2, Math.round(shown.length / 10));
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowDown':
      return move(-1);
    case 'ArrowRight':
    case 'ArrowUp':
      return move(1);
    case 'PageDown':
      return move(-page);
    case 'PageUp':
      return move(page);
    case 'Home':
      return move(-shown.length);
    case 'End':
      return move(shown.length);
    case '+':
    case '=':
      setRange(zoomed(range, cursor ?? (range[0] + range[1]) / 2, 0.5, axis));
      return true;
    case '-':
      setRange(zoomed(range, cursor ?? (range[0] + range[1]) / 2, 2, axis));
      return true;
    case '0':
    case 'Escape':
      setRange(null);
      setCursor(null);
      return true;
    default:
      return false;
  }
}

/** The range around `center`, which keeps its relative position; at least two steps. */
function zoomed(
  [min, max]: readonly [number, number],
  center: number,
  factor: number,
  axis: XAxis,
): readonly [number, number] {
  if (axis === 'step' && (max - min) * factor < 2) return [min, max];
  return [center - (center - min) * factor, center + (max - center) * factor];
}

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

const MAX_ROWS = 100;

export function ValuesTable({ title, series, isShare }: Pick<ChartProps, 'title' | 'series' | 'isShare'>) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="values" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        Table<span class="hidden"> of {title}</span>
      </summary>
      {isOpen && <Values title={title} series={series} isShare={isShare} />}
    </details>
  );
}

function Values({ title, series, isShare }: Pick<ChartProps, 'title' | 'series' | 'isShare'>) {
  const columns = series.map(({ name, label, curve }) => {
    const values = new Map(curve.steps.map((step, i) => [step, curve.values[i]]));
    return {
      name,
      title: label,
      show: (step: number) => <Cell metric={isShare ? 'accuracy' : name} value={values.get(step)} />,
    };
  });
  return (
    <Table
      label={`Values of ${title}`}
      columns={[{ name: 'step', show: step => step }, ...columns]}
      rows={rowsOf(series)}
      keyOf={step => step}
    />
  );
}

function Cell({ value, metric }: { readonly value: number | null | undefined; readonly metric: string }) {
  if (value === undefined) return null;
  return value === null ? 'not finite' : <Value metric={metric} value={value} />;
}

/** At most this many rows, evenly selected, including the last. */
function rowsOf(series: ChartProps['series']): readonly number[] {
  const kept = series.flatMap(({ curve: { steps } }) => {
    const every = Math.max(1, Math.ceil(steps.length / MAX_ROWS));
    return steps.filter((_, i) => (steps.length - 1 - i) % every === 0);
  });
  return [...new Set(kept)].sort((a, b) => a - b);
}

/** Lines of epochs are thicker, with points while these can be distinguished. */
const MAX_POINTS = 60;
const HEIGHT = 210;

/**
 * @param shared read on each event, since it changes while the plot exists
 * @param reported set to the position under the pointer
 */
export function createPlot(
  box: HTMLElement,
  data: Aligned,
  { series, isLog, isShare, axis: xAxis }: Pick<ChartProps, 'series' | 'isLog' | 'isShare' | 'axis'>,
  shared: { readonly current: SharedPlace },
  reported: { current: number | null },
): uPlot {
  const color = (name: string) => () => getComputedStyle(box).getPropertyValue(`--${name}`).trim();
  const axis: uPlot.Axis = {
    stroke: color('soft'),
    grid: { stroke: color('grid'), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, sans-serif',
  };
  const xText = (x: number | null | undefined): string =>
    x === null || x === undefined ? '' : tickText(xAxis, x);
  const plot = new uPlot(
    {
      width: Math.max(200, box.clientWidth),
      height: HEIGHT,
      // half of the last label extends beyond the plot
      padding: [8, ({ scales: { x } }) => Math.max(20, Math.ceil(widthOf(xText(x?.max)) / 2) + 2), 0, 0],
      legend: { show: false },
      cursor: {
        drag: { x: true, y: false, setScale: false },
        points: { size: 7 },
        y: false,
        bind: {
          dblclick: () => () => {
            shared.current.setRange(null);
            return null;
          },
        },
      },
      scales: {
        x: { time: false, auto: false },
        y: { distr: isLog ? 3 : 1, range: isLog ? logRange : linearRange },
      },
      axes: [
        {
          ...axis,
          incrs: tickSteps(xAxis),
          space: ({ scales: { x } }) => Math.max(50, widthOf(xText(x.max)) + 10),
          values: (_, ticks) => ticks.map(xText),
          size: 30,
        },
        {
          ...axis,
          size: (_, texts) => Math.max(62, ...(texts ?? []).map(text => widthOf(text) + 14)),
          // uPlot's own increments end at 1e16, and its axis disappears beyond; the ticks are ours,
          // so any increment works
          incrs: [Number.POSITIVE_INFINITY],
          splits: (_, __, min, max) => [...(isLog ? logTicks(min, max) : linearTicks(min, max))],
          filter: (_, ticks) => ticks,
          values: (_, ticks) => tickTexts(ticks, isShare),
        },
      ],
      series: [
        {},
        ...series.map(one => lineOf(one, color(one.color), one.smooth !== undefined)),
        ...series.flatMap(one => (one.smooth === undefined ? [] : [smoothLineOf(one, color(one.color))])),
      ],
      hooks: {
        setCursor: [
          ({ cursor: { idx, left = -1 }, data: [places] }) => {
            const place = left < 0 || idx === null || idx === undefined ? null : places[idx];
            reported.current = place;
            if (place !== shared.current.cursor) shared.current.setCursor(place);
          },
        ],
        setSelect: [made => select(made, shared.current)],
      },
    },
    data,
    box,
  );
  const observer = new ResizeObserver(() => {
    if (box.clientWidth > 0 && box.clientWidth !== plot.width)
      plot.setSize({ width: box.clientWidth, height: HEIGHT });
  });
  observer.observe(box);
  const redraw = () => plot.redraw(false, true);
  const medias = ['print', '(prefers-color-scheme: dark)'].map(query => matchMedia(query));
  for (const media of medias) media.addEventListener('change', redraw);
  plot.hooks.destroy = [
    () => {
      observer.disconnect();
      for (const media of medias) media.removeEventListener('change', redraw);
    },
  ];
  return plot;
}

/** Minimum width of digits in the axis font, in pixels. */
function widthOf(text: string): number {
  return 7.7 * text.length;
}

function tickTexts(ticks: readonly number[], isShare: boolean): string[] {
  const texts = formatTicks(isShare ? ticks.map(tick => 100 * tick) : ticks);
  return texts.map(text => `${text}${isShare ? ' %' : ''}`);
}

/** @param isBehind whether a smoothed curve is drawn over it */
function lineOf(
  { color, isDashed = false, isHidden }: DrawnSeries,
  stroke: () => string,
  isBehind: boolean,
): uPlot.Series {
  const isThin = color === 'faint' || isBehind;
  // evaluated at each drawing, since curves grow; isolated points would otherwise be invisible
  const filter = (plot: uPlot, i: number): number[] | null =>
    !isThin && hasFew(plot.data[i]) ? null : isolated(plot.data[i]);
  return {
    show: !isHidden,
    stroke,
    width: isThin ? 1 : 2,
    alpha: isBehind ? 0.35 : 1,
    ...(isDashed && { dash: [6, 4] }),
    points: { show: true, size: isThin ? 4 : 6, fill: stroke, stroke, filter },
  };
}

function smoothLineOf({ isDashed = false, isHidden }: DrawnSeries, stroke: () => string): uPlot.Series {
  return {
    show: !isHidden,
    stroke,
    width: 2,
    ...(isDashed && { dash: [6, 4] }),
    points: { show: true, size: 4, fill: stroke, stroke, filter: (plot, i) => isolated(plot.data[i]) },
  };
}

function hasFew(values: uPlot.AlignedData[number]): boolean {
  let count = 0;
  for (const value of values) if (value !== null && value !== undefined) count += 1;
  return count <= MAX_POINTS;
}

function select(plot: uPlot, shared: SharedPlace): void {
  const { left, width } = plot.select;
  if (width < 4) return;
  shared.setRange([plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')]);
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
}

/** Adds a margin of a tenth; a constant gets a margin as well. */
function linearRange(_: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1];
  const room = (max - min || Math.abs(max) || 1) * 0.06;
  return [min >= 0 && min - room < 0 ? 0 : min - room, max + room];
}

function logRange(_: uPlot, min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0.1, 1];
  // of the logarithms, since the ratio may overflow
  const room = Math.max(1.05, Math.exp((Math.log(max) - Math.log(min)) * 0.05));
  return [min / room, max * room];
}
