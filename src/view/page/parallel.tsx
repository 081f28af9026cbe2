/**
 * Parallel coordinates: a vertical axis for each parameter and for the objective, a line for each
 * trial.
 */
import type { TrialReport } from '../document.js';
import { Scroll } from './base.js';
import { BrushedAxis, NO_VALUE_TOP, PARALLEL_HEIGHT, topOf } from './brushed-axis.js';
import { type Brushes, classOf, type SweepAxis, withBrush } from './brushes.js';
import type { SweepParts } from './sweep-view.js';
import { useWidth } from './use-width.js';
import { GapsNote, ofThemWithout } from './without-value.js';

/** Minimum distance of axes; wider charts scroll. */
const MIN_GAP = 104;
const MIN_EDGE = 60;
/** Half the width of a character in a title, at most. */
const HALF_CHARACTER = 4;

interface Props extends SweepParts {
  readonly brushes: Brushes;
  setBrushes(brushes: Brushes): void;
}

export function Parallel({ report, axes, chosen, stressed, onStress, brushes, setBrushes }: Props) {
  const { ref, width: room } = useWidth<HTMLDivElement>(640);
  // the titles of the outer axes are centered on them
  const outer = [axes[0], axes[axes.length - 1]].map(({ spec }) => HALF_CHARACTER * spec.title.length);
  const edge = Math.max(MIN_EDGE, ...outer);
  const width = Math.max(room, (axes.length - 1) * MIN_GAP + 2 * edge);
  const lefts = axes.map((_, i) =>
    axes.length === 1 ? width / 2 : edge + (i * (width - 2 * edge)) / (axes.length - 1),
  );
  const taken = new Set(chosen);
  // draws chosen trials above the others, the best and the highlighted one on top
  const height = (trial: TrialReport): number =>
    Number(taken.has(trial)) + 2 * Number(trial.trial === report.best) + 4 * Number(trial.trial === stressed);
  const order = report.trials.toReversed().sort((a, b) => height(a) - height(b));
  const hasGaps = axes.some(({ without }) => without.length > 0);
  const objective = axes[axes.length - 1];
  return (
    <>
      <GapsNote axes={axes} />
      <Scroll label="Parallel coordinates">
        <div ref={ref} class="parallel">
          <svg
            width={width}
            height={hasGaps ? NO_VALUE_TOP + 14 : PARALLEL_HEIGHT}
            role="group"
            aria-label={`Parallel coordinates of ${report.trials.length} trials${ofThemWithout(objective.without, objective.name)}; the table of trials has the same values`}
          >
            <g aria-hidden="true">
              {order.map(trial => (
                <path
                  key={trial.trial}
                  class={`trial ${classOf(trial, { report, stressed })}${taken.has(trial) ? '' : ' left-out'}`}
                  d={lineOf(trial, axes, lefts)}
                  onPointerEnter={() => onStress(trial.trial)}
                  onPointerLeave={() => onStress(null)}
                />
              ))}
            </g>
            {axes.map((axis, i) => (
              <BrushedAxis
                key={axis.name}
                axis={axis}
                left={lefts[i]}
                brush={brushes[axis.name] ?? null}
                setBrush={range => setBrushes(withBrush(brushes, axis.name, range))}
              />
            ))}
          </svg>
        </div>
      </Scroll>
    </>
  );
}

/** Below the axis if the trial has no value there. */
function lineOf(trial: TrialReport, axes: readonly SweepAxis[], lefts: readonly number[]): string {
  const points = axes.map((axis, i) => {
    const place = axis.scale.place(axis.valueOf(trial));
    return `${lefts[i].toFixed(1)} ${(place === undefined ? NO_VALUE_TOP : topOf(place)).toFixed(1)}`;
  });
  return `M${points.join('L')}`;
}
