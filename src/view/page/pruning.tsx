/** The objective of each trial over its epochs; lines of stopped trials end early. */
import { useMemo } from 'preact/hooks';
import { AxisX, AxisY, frameOf } from './axes.js';
import { classOf } from './brushes.js';
import { counted } from './format.js';
import { Mark } from './point-plot.js';
import { measuredAxis, type Scale, scaleOf } from './scale.js';
import type { SweepParts } from './sweep-view.js';
import { useWidth } from './use-width.js';

export function Pruning({ report, chosen, stressed, onStress }: SweepParts) {
  const { ref, width } = useWidth<HTMLDivElement>(640);
  const frame = frameOf(width, 300);
  const { metric } = report.objective;
  const [x, y] = useMemo(() => {
    const values = report.trials.flatMap(({ curve }) => curve.values);
    const longest = Math.max(report.epochs, ...report.trials.map(({ curve }) => curve.epochs.at(-1) ?? 0));
    return [
      wholeOnly(scaleOf({ title: 'epoch', scale: 'linear', low: 0, high: longest })),
      scaleOf(measuredAxis(metric, values)),
    ];
  }, [report, metric]);
  const drawn = chosen.filter(({ curve }) => curve.values.some(value => value !== null)).toReversed();
  const leftOut = chosen.length - drawn.length;
  return (
    <div ref={ref} class="pruning">
      <svg
        width={width}
        height={frame.height}
        role="img"
        aria-label={`${metric} of ${counted(drawn.length, 'trial')} after each of their epochs; the table of trials has the last values`}
      >
        <AxisX frame={frame} scale={x} title="epoch" />
        <AxisY frame={frame} scale={y} title={metric} />
        {drawn.map(trial => {
          const points = trial.curve.epochs.map((epoch, i) => {
            const [atX, atY] = [x.place(epoch), y.place(trial.curve.values[i])];
            return atX === undefined || atY === undefined
              ? undefined
              : { left: frame.left(atX), top: frame.top(atY) };
          });
          const last = points.findLast(point => point !== undefined);
          const className = classOf(trial, { report, stressed });
          return (
            <g
              key={trial.trial}
              data-trial={trial.trial}
              onPointerEnter={() => onStress(trial.trial)}
              onPointerLeave={() => onStress(null)}
            >
              <path class={`trial ${className}`} d={pathOf(points)} />
              {last !== undefined && <Mark {...last} className={className} />}
            </g>
          );
        })}
      </svg>
      {leftOut > 0 && (
        <p class="note" data-note="left-out">
          Not shown: {counted(leftOut, 'trial')} without {metric} after any epoch.
        </p>
      )}
    </div>
  );
}

/** Epochs are integers. */
function wholeOnly(scale: Scale): Scale {
  const ticks = scale.ticks.map(({ place, text }) => ({ place, text: String(Number(text)) }));
  return { ...scale, ticks: ticks.filter(({ text }) => Number.isInteger(Number(text))) };
}

/** With gaps where the value was not finite. */
function pathOf(points: readonly ({ left: number; top: number } | undefined)[]): string {
  return points
    .map((point, i) =>
      point === undefined
        ? ''
        : `${points[i - 1] === undefined ? 'M' : 'L'}${point.left.toFixed(1)} ${point.top.toFixed(1)}`,
    )
    .join('');
}
