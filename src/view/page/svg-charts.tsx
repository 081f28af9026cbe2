/** Charts as SVG: scales, axes, scatter plots, curves within text. */

import { useMemo } from 'preact/hooks';
import { formatMetric, formatNumber, formatTicks, linearTicks, logTicks } from '../../util/numbers.js';
import type { ParameterReport, RunRow } from '../document.js';
import { useWidth } from './components.js';
import { nearest } from './curve-data.js';

/** The label of the position at which points without a value are drawn. */
export const NO_VALUE = 'no value';

export interface AxisSpec {
  readonly title: string;
  readonly scale: ParameterReport['scale'];
  /** Bounds of a number; `low` is above zero if the scale is logarithmic. */
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly string[];
}

export interface Scale {
  /** 0 at the low end, 1 at the high one; undefined for values outside of the scale. */
  place(value: number | string | null | undefined): number | undefined;
  /** Text for the value at a position. */
  textAt(place: number): string;
  readonly ticks: readonly { readonly place: number; readonly text: string }[];
  /** Step of the arrow keys. */
  readonly keyStep: number;
}

export function scaleOf(spec: AxisSpec): Scale {
  if (spec.scale === 'category') return categories(spec.values ?? []);
  const { low = 0, high = 1 } = spec;
  if (spec.scale === 'log' && low > 0) return logarithmic(low, high);
  return linear(low, high);
}

function categories(values: readonly string[]): Scale {
  const places = values.map((_, i) => (values.length === 1 ? 0.5 : 0.04 + (0.92 * i) / (values.length - 1)));
  return {
    place: value => places[values.indexOf(String(value))],
    textAt: place => values[nearest(places, place)] ?? NO_VALUE,
    ticks: values.map((text, i) => ({ place: places[i], text })),
    keyStep: 1 / Math.max(1, values.length),
  };
}

function linear(low: number, high: number): Scale {
  const width = high - low;
  const place = (value: number) => (width === 0 ? 0.5 : (value - low) / width);
  return numeric(place, at => low + at * width, linearTicks(low, high));
}

function logarithmic(low: number, high: number): Scale {
  const width = Math.log(high / low);
  const place = (value: number) => (width === 0 ? 0.5 : Math.log(value / low) / width);
  return numeric(place, at => low * Math.exp(at * width), logTicks(low, high));
}

function numeric(
  place: (value: number) => number,
  at: (place: number) => number,
  ticks: readonly number[],
): Scale {
  return {
    place: value => (typeof value === 'number' && Number.isFinite(place(value)) ? place(value) : undefined),
    textAt: where => formatNumber(at(where), 3),
    ticks: formatTicks(ticks).map((text, i) => ({ place: place(ticks[i]), text })),
    keyStep: 0.05,
  };
}

/** The ticks without those closer than `least` to the one before, as a fraction of the axis. */
export function spaced(ticks: Scale['ticks'], least: number): Scale['ticks'] {
  let before = Number.NEGATIVE_INFINITY;
  return ticks.filter(({ place }) => {
    if (place - before < least) return false;
    before = place;
    return true;
  });
}

/**
 * Bounds of measured values with a margin; logarithmic if they span more than two powers of ten.
 */
export function measuredAxis(title: string, values: readonly (number | null)[]): AxisSpec {
  const finite = values.filter(value => value !== null);
  // an axis without values has no labels
  if (finite.length === 0) return { title, scale: 'category', values: [] };
  const low = finite.reduce((a, b) => Math.min(a, b));
  const high = finite.reduce((a, b) => Math.max(a, b));
  if (low > 0 && high / low > 100) return { title, scale: 'log', low: low / 1.1, high: high * 1.1 };
  const room = (high - low || Math.abs(high) || 1) * 0.04;
  return { title, scale: 'linear', low: low - room, high: high + room };
}

export interface Frame {
  readonly width: number;
  readonly height: number;
  /** Pixels for a position in 0..1, from the left and from the top. */
  left(place: number): number;
  top(place: number): number;
  /** Pixels from the top to the baseline of the x axis. */
  readonly base: number;
  /**
   * Pixels from the top for points without a value on the y axis, between its low end and the
   * baseline; undefined if there are none.
   */
  readonly noValue: number | undefined;
}

const EDGE = { left: 64, right: 14, top: 26, bottom: 40 };

/** Height of the strip for points without a value. */
const STRIP = 26;

/** @param hasNoValue whether points lack a y value; the frame is then higher */
export function frameOf(width: number, height: number, hasNoValue = false): Frame {
  const strip = hasNoValue ? STRIP : 0;
  return {
    width,
    height: height + strip,
    left: place => EDGE.left + place * Math.max(0, width - EDGE.left - EDGE.right),
    top: place => height - EDGE.bottom - place * (height - EDGE.top - EDGE.bottom),
    base: height + strip - EDGE.bottom,
    noValue: hasNoValue ? height - EDGE.bottom + STRIP / 2 : undefined,
  };
}

interface AxisProps {
  readonly frame: Frame;
  readonly scale: Scale;
  readonly title: string;
}

/** Approximate width of a digit, and height of a line. */
const LETTER = 7;
export const LINE = 15;

export function AxisX({ frame, scale, title }: AxisProps) {
  const { base } = frame;
  return (
    <g class="axis" aria-hidden="true">
      <line class="base" x1={frame.left(0)} x2={frame.left(1)} y1={base} y2={base} />
      {withRoom(scale.ticks, frame).map(({ place, text }) => (
        <text key={text} x={frame.left(place)} y={base + 16} text-anchor="middle">
          {text}
        </text>
      ))}
      <text class="title" x={frame.left(0.5)} y={base + 34} text-anchor="middle">
        {title}
      </text>
    </g>
  );
}

export function AxisY({ frame, scale, title }: AxisProps) {
  return (
    <g class="axis" aria-hidden="true">
      {spaced(scale.ticks, LINE / (frame.top(0) - frame.top(1))).map(({ place, text }) => (
        <g key={text}>
          <line
            class="grid"
            x1={frame.left(0)}
            x2={frame.left(1)}
            y1={frame.top(place)}
            y2={frame.top(place)}
          />
          <text x={frame.left(0) - 8} y={frame.top(place) + 4} text-anchor="end">
            {text}
          </text>
        </g>
      ))}
      {frame.noValue !== undefined && (
        <>
          <line class="base" x1={frame.left(0)} x2={frame.left(1)} y1={frame.top(0)} y2={frame.top(0)} />
          <text class="no-value" x={frame.left(0) - 8} y={frame.noValue + 4} text-anchor="end">
            {NO_VALUE}
          </text>
        </>
      )}
      <text class="title" x={6} y={14}>
        {title}
      </text>
    </g>
  );
}

/** Omits labels that would overlap the previous one. */
function withRoom(ticks: Scale['ticks'], frame: Frame): Scale['ticks'] {
  let end = Number.NEGATIVE_INFINITY;
  return ticks.filter(({ place, text }) => {
    const half = (text.length * LETTER) / 2;
    const at = frame.left(place);
    if (at - half < end + 6) return false;
    end = at + half;
    return true;
  });
}

export interface PlotPoint {
  readonly id: number;
  readonly x: number | string;
  /** Null if it has no value; it is drawn below the axis. */
  readonly y: number | null;
  /** Such as a trial's state; determines colour and shape. */
  readonly className: string;
}

interface PointPlotProps {
  /** Description for screen readers. */
  readonly label: string;
  /** Bounds are those of the points if absent. */
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  readonly points: readonly PlotPoint[];
  /** Whether to draw the diagonal; both axes then have the same bounds. */
  readonly diagonal?: boolean;
}

export function PointPlot({ label, x, y, points, diagonal = false }: PointPlotProps) {
  const { ref, width } = useWidth<HTMLDivElement>(300);
  const hasNoValue = points.some(point => point.y === null);
  const frame = frameOf(width, diagonal ? Math.min(width, 420) : 220, hasNoValue);
  const [scaleX, scaleY] = useMemo(() => {
    const [xs, ys] = [points.map(point => point.x), points.map(point => point.y).filter(y => y !== null)];
    const both = [...xs.filter(value => typeof value === 'number'), ...ys];
    const bounded = (axis: AxisSpec, values: readonly (number | string)[]) =>
      axis.low === undefined && axis.scale === 'linear'
        ? {
            ...measuredAxis(axis.title, diagonal ? both : values.filter(value => typeof value === 'number')),
            title: axis.title,
          }
        : axis;
    return [scaleOf(bounded(x, xs)), scaleOf(bounded(y, ys))];
  }, [x, y, points, diagonal]);
  const placed = points.flatMap(point => {
    const [atX, atY] = [scaleX.place(point.x), scaleY.place(point.y)];
    const top = point.y === null ? frame.noValue : atY && frame.top(atY);
    return atX === undefined || top === undefined ? [] : [{ ...point, left: frame.left(atX), top }];
  });
  return (
    <div ref={ref} class={diagonal ? 'point-plot square' : 'point-plot'}>
      <svg width={width} height={frame.height} role="img" aria-label={label}>
        <AxisX frame={frame} scale={scaleX} title={x.title} />
        <AxisY frame={frame} scale={scaleY} title={y.title} />
        {diagonal && <Diagonal frame={frame} />}
        {placed.map(({ id, left, top, className }) => (
          <g key={id} data-trial={id}>
            <Mark left={left} top={top} className={className} />
          </g>
        ))}
      </svg>
    </div>
  );
}

function Diagonal({ frame }: { readonly frame: Frame }) {
  return <line class="diagonal" x1={frame.left(0)} y1={frame.top(0)} x2={frame.left(1)} y2={frame.top(1)} />;
}

/** A circle for completed trials, a cross for others: colour is never the only difference. */
export function Mark({
  left,
  top,
  className,
}: {
  readonly left: number;
  readonly top: number;
  readonly className: string;
}) {
  const isCross = /pruned|failed|diverged/.test(className);
  return isCross ? (
    <path class={`mark cross ${className}`} d={`M${left - 4} ${top - 4}l8 8m0 -8l-8 8`} />
  ) : (
    <circle class={`mark ${className}`} cx={left} cy={top} r={4.5} />
  );
}

/** With gaps where the value was not finite. */
export function pathOf(points: readonly ({ left: number; top: number } | undefined)[]): string {
  return points
    .map((point, i) =>
      point === undefined
        ? ''
        : `${points[i - 1] === undefined ? 'M' : 'L'}${point.left.toFixed(1)} ${point.top.toFixed(1)}`,
    )
    .join('');
}

const SPARKLINE = { width: 96, height: 24, edge: 3 };

export function Sparkline({ of }: { readonly of: NonNullable<RunRow['sparkline']> }) {
  const { width, height, edge } = SPARKLINE;
  const finite = of.values.filter(value => value !== null);
  if (finite.length === 0) return null;
  const [low, high] = [Math.min(...finite), Math.max(...finite)];
  const [first, last] = [of.steps[0], of.steps[of.steps.length - 1]];
  const points = of.values.map((value, i) => {
    if (value === null) return undefined;
    const left = last === first ? 0.5 : (of.steps[i] - first) / (last - first);
    const top = high === low ? 0.5 : 1 - (value - low) / (high - low);
    return { left: edge + left * (width - 2 * edge), top: edge + top * (height - 2 * edge) };
  });
  const end = points.findLast(point => point !== undefined);
  const described = `${of.metric}: from ${formatMetric(of.metric, finite[0])} to ${formatMetric(of.metric, finite[finite.length - 1])}`;
  return (
    <svg class="sparkline" width={width} height={height} role="img" aria-label={described}>
      <path d={pathOf(points)} />
      <circle cx={end?.left.toFixed(1)} cy={end?.top.toFixed(1)} r={2.5} />
    </svg>
  );
}
