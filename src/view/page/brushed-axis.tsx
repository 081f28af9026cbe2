/** A vertical axis on which a range can be selected, by pointer or with its two ends as sliders. */
import { useRef } from 'preact/hooks';
import { LINE } from './axes.js';
import type { SweepAxis } from './brushes.js';
import { spaced } from './scale.js';
import { NO_VALUE } from './without-value.js';

export const PARALLEL_HEIGHT = 340;
/**
 * Pixels from the top for trials without a value: below each axis and its end's keyboard target.
 */
export const NO_VALUE_TOP = PARALLEL_HEIGHT + 12;
const TOP = 48;
const BOTTOM = 26;
/** Half of the width that reacts to the pointer. */
const REACH = 14;
/** A shorter drag is a click. */
const CLICK = 0.015;

type Range = readonly [low: number, high: number];

/** Pixels from the top for a position in 0..1. */
export function topOf(place: number): number {
  return PARALLEL_HEIGHT - BOTTOM - place * (PARALLEL_HEIGHT - TOP - BOTTOM);
}

interface Props {
  readonly axis: SweepAxis;
  readonly left: number;
  /** Null if everything is selected. */
  readonly brush: Range | null;
  setBrush(range: Range | null): void;
}

export function BrushedAxis({ axis, left, brush, setBrush }: Props) {
  const start = useRef<number | null>(null);
  const { title } = axis.spec;
  const [low, high] = brush ?? [0, 1];
  return (
    <g class="brushed-axis" data-axis={axis.name}>
      <text class="title" x={left} y={16} text-anchor="middle" aria-hidden="true">
        {title}
      </text>
      <g aria-hidden="true">
        <line class="base" x1={left} x2={left} y1={topOf(0)} y2={topOf(1)} />
        {spaced(axis.scale.ticks, LINE / (topOf(0) - topOf(1))).map(({ place, text }) => (
          <text key={text} class="tick" x={left + 7} y={topOf(place) + 4}>
            {text}
          </text>
        ))}
        {axis.without.length > 0 && (
          <text class="tick no-value" x={left + 7} y={NO_VALUE_TOP + 4}>
            {NO_VALUE}
          </text>
        )}
        {brush !== null && (
          <rect
            class="brush"
            x={left - 7}
            width={14}
            y={topOf(high)}
            height={Math.max(2, topOf(low) - topOf(high))}
          />
        )}
      </g>
      <rect
        class="catcher"
        aria-hidden="true"
        x={left - REACH}
        width={2 * REACH}
        y={topOf(1)}
        height={topOf(0) - topOf(1)}
        onPointerDown={event => {
          event.currentTarget.setPointerCapture(event.pointerId);
          start.current = placeOf(event);
        }}
        onPointerMove={event => {
          const [from, to] = [start.current, placeOf(event)];
          if (from !== null && Math.abs(to - from) > CLICK) setBrush([from, to]);
        }}
        onPointerUp={event => {
          if (start.current !== null && Math.abs(placeOf(event) - start.current) <= CLICK) setBrush(null);
          start.current = null;
        }}
        onPointerCancel={() => {
          start.current = null;
        }}
      />
      <End
        axis={axis}
        which="lowest"
        left={left}
        at={low}
        bounds={[0, high]}
        set={at => setBrush([at, high])}
        clear={() => setBrush(null)}
      />
      <End
        axis={axis}
        which="highest"
        left={left}
        at={high}
        bounds={[low, 1]}
        set={at => setBrush([low, at])}
        clear={() => setBrush(null)}
      />
    </g>
  );
}

function placeOf(event: { clientY: number; currentTarget: SVGRectElement }): number {
  const { top, height } = event.currentTarget.getBoundingClientRect();
  return Math.max(0, Math.min(1, 1 - (event.clientY - top) / height));
}

interface EndProps {
  readonly axis: SweepAxis;
  readonly which: 'lowest' | 'highest';
  readonly left: number;
  readonly at: number;
  readonly bounds: Range;
  set(at: number): void;
  clear(): void;
}

/** An end of the range: a slider for the keyboard. */
function End({ axis, which, left, at, bounds: [low, high], set, clear }: EndProps) {
  const move = (by: number) => set(Math.max(low, Math.min(high, at + by)));
  const step = axis.scale.keyStep;
  const keys: Readonly<Record<string, () => void>> = {
    ArrowUp: () => move(step),
    ArrowRight: () => move(step),
    ArrowDown: () => move(-step),
    ArrowLeft: () => move(-step),
    PageUp: () => move(4 * step),
    PageDown: () => move(-4 * step),
    Home: () => set(low),
    End: () => set(high),
    Escape: clear,
  };
  const y = topOf(at);
  const tip = which === 'lowest' ? 8 : -8;
  return (
    <g
      class="end"
      role="slider"
      tabindex={0}
      aria-orientation="vertical"
      aria-label={`${which} ${axis.spec.title} chosen`}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(100 * at)}
      aria-valuetext={axis.scale.textAt(at)}
      onKeyDown={event => {
        const act = keys[event.key];
        if (act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        act();
      }}
    >
      <rect class="target" x={left - 12} y={which === 'lowest' ? y : y - 24} width={24} height={24} />
      <path d={`M${left - 6} ${y + tip}h12l-6 ${-tip}z`} />
    </g>
  );
}
