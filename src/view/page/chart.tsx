/** A chart of curves: drawn by uPlot, described by a legend, a sentence and a table. */
import { useEffect, useId, useLayoutEffect, useMemo, useRef } from 'preact/hooks';
import type uPlot from 'uplot';
import type { Curve } from '../../run/curve.js';
import { type Aligned, align, type Line, valueAt } from './align.js';
import { useHeading } from './base.js';
import { describeCurve } from './curve-words.js';
import { formatMetric } from './format.js';
import { createPlot } from './plot.js';
import { ValuesTable } from './values-table.js';
import { type Places, placeText, type XAxis } from './x-axis.js';

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
  const at = cursor === null ? shown.length - 1 : nearestIndex(shown, cursor);
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

export function nearestIndex(sorted: readonly number[], value: number): number {
  let best = 0;
  for (let i = 1; i < sorted.length; i++)
    if (Math.abs(sorted[i] - value) < Math.abs(sorted[best] - value)) best = i;
  return best;
}
