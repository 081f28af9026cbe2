/** Frames and axes of the SVG charts. */
import { type Scale, spaced } from './scale.js';
import { NO_VALUE } from './without-value.js';

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
