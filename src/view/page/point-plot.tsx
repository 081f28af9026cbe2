/** A scatter plot as SVG. */
import { useMemo } from 'preact/hooks';
import { AxisX, AxisY, type Frame, frameOf } from './axes.js';
import { type AxisSpec, measuredAxis, scaleOf } from './scale.js';
import { useWidth } from './use-width.js';

export interface PlotPoint {
  readonly id: number;
  readonly x: number | string;
  /** Null if it has no value; it is drawn below the axis. */
  readonly y: number | null;
  /** Such as a trial's state; determines colour and shape. */
  readonly className: string;
}

interface Props {
  /** Description for screen readers. */
  readonly label: string;
  /** Bounds are those of the points if absent. */
  readonly x: AxisSpec;
  readonly y: AxisSpec;
  readonly points: readonly PlotPoint[];
  /** Whether to draw the diagonal; both axes then have the same bounds. */
  readonly diagonal?: boolean;
  /** The point to highlight. */
  readonly stressed?: number | null;
  onStress?(id: number | null): void;
}

/** Maximum distance of the pointer from a point. */
const REACH = 20;

export function PointPlot({ label, x, y, points, diagonal = false, stressed = null, onStress }: Props) {
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
  const find = (event: { offsetX: number; offsetY: number }): number | null => {
    const distance = ({ left, top }: { left: number; top: number }) =>
      Math.hypot(left - event.offsetX, top - event.offsetY);
    const [near] = [...placed].sort((a, b) => distance(a) - distance(b));
    return near !== undefined && distance(near) < REACH ? near.id : null;
  };
  return (
    <div ref={ref} class={diagonal ? 'point-plot square' : 'point-plot'}>
      <svg
        width={width}
        height={frame.height}
        role="img"
        aria-label={label}
        onPointerMove={event => onStress?.(find(event))}
        onPointerLeave={() => onStress?.(null)}
      >
        <AxisX frame={frame} scale={scaleX} title={x.title} />
        <AxisY frame={frame} scale={scaleY} title={y.title} />
        {diagonal && <Diagonal frame={frame} />}
        {placed.map(({ id, left, top, className }) => (
          <Mark
            key={id}
            left={left}
            top={top}
            className={`${className}${id === stressed ? ' stressed' : ''}`}
          />
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
