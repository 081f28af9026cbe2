/** Charts as SVG: axes, lines, points, curves within text. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { formatMetric } from '../../util/numbers.js';
import type { Sparkline as Line } from '../report.js';
import { useWidth } from './components.js';
import { extentOf, NO_VALUE, numeric, type Scale, spaced } from './scales.js';

export type Frame = ReturnType<typeof frameOf>;

export interface Axis {
  readonly title?: string;
  readonly scale: Scale;
}

const LETTER = 7.5;
export const LINE = 15;
const STRIP = 26;

interface PlotProps {
  readonly label?: string;
  readonly x: Axis;
  readonly y: Axis;
  height(width: number): number;
  readonly points?: readonly {
    readonly id: number;
    readonly x: number | string;
    readonly y: number | null;
    readonly className: string;
  }[];
  children?(frame: Frame): ComponentChildren;
}

export function Plot({ label, x, y, height, points = [], children }: PlotProps) {
  const { ref, width } = useWidth<HTMLDivElement>(300);
  const rows = spaced(y.scale.ticks, () => LINE / height(width));
  const hasNoValue = points.some(point => point.y === null);
  const strip = hasNoValue ? STRIP : 0;
  const longest = Math.max(...rows.map(({ text }) => text.length), hasNoValue ? NO_VALUE.length : 0);
  const half = (text: string) => (LETTER * text.length) / 2 + 2;
  const ends = Math.max(0, ...x.scale.ticks.map(({ text }) => half(text)));
  // a label at the beginning of the axis reaches beyond it
  const start = x.scale.ticks.find(({ place }) => place === 0);
  const left = Math.max(48, LETTER * longest + 12, half(start?.text ?? ''));
  const right = Math.max(left, width - Math.max(14, ends));
  const top = y.title === undefined ? 8 : 26;
  const bottom = height(width) - (x.title === undefined ? 24 : 40);
  const frame = frameOf({ left, right, top, bottom }, x.scale, y.scale);
  const columns = spaced(x.scale.ticks, ({ text }) => (LETTER * text.length + 8) / (right - left));
  return (
    <div ref={ref}>
      <svg
        width={width}
        height={height(width) + strip}
        role="img"
        aria-label={label}
        aria-hidden={label === undefined}
      >
        <g class="axis" aria-hidden="true">
          {rows.map(({ place, text }) => (
            <g key={text}>
              <line x1={left} x2={right} y1={frame.y(place)} y2={frame.y(place)} />
              <text x={left - 8} y={frame.y(place) + 4} text-anchor="end">
                {text}
              </text>
            </g>
          ))}
          {hasNoValue && (
            <>
              <line class="base" x1={left} x2={right} y1={bottom} y2={bottom} />
              <text class="no-value" x={left - 8} y={bottom + STRIP / 2 + 4} text-anchor="end">
                {NO_VALUE}
              </text>
            </>
          )}
          <line class="base" x1={left} x2={right} y1={bottom + strip} y2={bottom + strip} />
          {columns.map(({ place, text }) => (
            <text key={text} x={frame.x(place)} y={bottom + strip + 16} text-anchor="middle">
              {text}
            </text>
          ))}
          <text class="title" x={6} y={14}>
            {y.title}
          </text>
          <text class="title" x={frame.x(0.5)} y={bottom + strip + 34} text-anchor="middle">
            {x.title}
          </text>
        </g>
        {children?.(frame)}
        {points.map(({ id, x: valueX, y: valueY, className }) => (
          <Mark
            key={id}
            id={id}
            left={frame.x(x.scale.place(valueX) ?? 0)}
            top={valueY === null ? bottom + STRIP / 2 : frame.y(y.scale.place(valueY) ?? 0)}
            className={className}
          />
        ))}
      </svg>
    </div>
  );
}

interface Sides {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

function frameOf({ left, right, top, bottom }: Sides, scaleX: Scale, scaleY: Scale) {
  const x = (place: number) => left + place * (right - left);
  const y = (place: number) => bottom - place * (bottom - top);
  const at = (valueX: number | string, valueY: number | null): Point | undefined => {
    const [placeX, placeY] = [scaleX.place(valueX), scaleY.place(valueY)];
    return placeX === undefined || placeY === undefined ? undefined : { left: x(placeX), top: y(placeY) };
  };
  return { left, right, top, bottom, x, y, at };
}

type MarkProps = Point & { readonly id?: number; readonly className: string };

/** A circle for completed trials, a cross for others: colour is never the only difference. */
export function Mark({ id, left, top, className }: MarkProps) {
  return /pruned|failed|diverged/.test(className) ? (
    <path data-trial={id} class={`mark cross ${className}`} d={`M${left - 4} ${top - 4}l8 8m0 -8l-8 8`} />
  ) : (
    <circle data-trial={id} class={`mark ${className}`} cx={left} cy={top} r={4.5} />
  );
}

export interface Point {
  readonly left: number;
  readonly top: number;
}

export function pathOf(points: readonly (Point | undefined)[]): string {
  return points
    .map((point, i) => point && `${points[i - 1] === undefined ? 'M' : 'L'}${placeOf(point)}`)
    .join('');
}

export function dotsOf(points: readonly (Point | undefined)[]): string {
  return points.map(point => point && `M${placeOf(point)}h0`).join('');
}

function placeOf({ left, top }: Point): string {
  return `${left.toFixed(1)} ${top.toFixed(1)}`;
}

const SPARKLINE = { width: 96, height: 24, edge: 3 };

export function Sparkline({ of }: { readonly of: Line }) {
  const { width, height, edge } = SPARKLINE;
  const extent = extentOf(of.values);
  if (extent === undefined) return null;
  const finite = of.values.filter(value => value !== null);
  const sides = { left: edge, right: width - edge, top: edge, bottom: height - edge };
  const frame = frameOf(sides, numeric(of.steps[0], of.steps[of.steps.length - 1]), numeric(...extent));
  const points = of.values.map((value, i) => frame.at(of.steps[i], value));
  const described = `${of.metric}: from ${formatMetric(of.metric, finite[0])} to ${formatMetric(of.metric, finite[finite.length - 1])}`;
  return (
    <svg class="sparkline" width={width} height={height} role="img" aria-label={described}>
      <path d={pathOf(points)} />
      <path class="end" d={dotsOf([points.findLast(point => point !== undefined)])} />
    </svg>
  );
}

export type Range = readonly [low: number, high: number];

/** A shorter drag is a click. */
const CLICK = 0.015;

interface DragOptions {
  readonly isVertical?: boolean;
  onMove?(place: number): void;
  onDrag(range: Range, isDone: boolean): void;
  onClick?(): void;
}

type DragEvent = PointerEvent & { readonly currentTarget: SVGElement };

export function useDrag({ isVertical = false, onMove, onDrag, onClick }: DragOptions) {
  const [start, setStart] = useState<number | null>(null);
  const placeOf = (event: DragEvent): number => {
    const { left, bottom, width, height } = event.currentTarget.getBoundingClientRect();
    const place = isVertical ? (bottom - event.clientY) / height : (event.clientX - left) / width;
    return Math.max(0, Math.min(1, place));
  };
  const drag = (event: DragEvent, isDone: boolean): void => {
    const place = placeOf(event);
    onMove?.(place);
    if (start === null) return;
    if (Math.abs(place - start) > CLICK) onDrag([Math.min(start, place), Math.max(start, place)], isDone);
    else if (isDone) onClick?.();
    if (isDone) setStart(null);
  };
  return {
    onPointerDown: (event: DragEvent) => {
      event.currentTarget.setPointerCapture(event.pointerId);
      setStart(placeOf(event));
    },
    onPointerMove: (event: DragEvent) => drag(event, false),
    onPointerUp: (event: DragEvent) => drag(event, true),
    onPointerCancel: () => setStart(null),
  };
}
