/** Frames and axes of the SVG charts. */
import type { Scale } from './scale.js';

export interface Frame {
  readonly width: number;
  readonly height: number;
  /** Pixels of a place in 0..1, from the left and from the top. */
  left(place: number): number;
  top(place: number): number;
}

const EDGE = { left: 56, right: 14, top: 26, bottom: 40 };

export function frameOf(width: number, height: number): Frame {
  return {
    width,
    height,
    left: place => EDGE.left + place * Math.max(0, width - EDGE.left - EDGE.right),
    top: place => height - EDGE.bottom - place * (height - EDGE.top - EDGE.bottom),
  };
}

interface AxisProps {
  readonly frame: Frame;
  readonly scale: Scale;
  readonly title: string;
}

/** A digit's width, about. */
const LETTER = 7;

export function AxisX({ frame, scale, title }: AxisProps) {
  const base = frame.top(0);
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
      {scale.ticks.map(({ place, text }) => (
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
      <text class="title" x={6} y={14}>
        {title}
      </text>
    </g>
  );
}

/** Labels that would run into the one before are left out. */
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
