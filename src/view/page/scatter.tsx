/** The objective by each parameter, side by side. */
import { useMemo } from 'preact/hooks';
import type { TrialReport } from '../document.js';
import { classOf, type SweepAxis } from './brushes.js';
import { counted } from './format.js';
import { PointPlot } from './point-plot.js';
import type { SweepParts } from './sweep-view.js';
import { ofThemWithout } from './without-value.js';

export function Scatter({ axes, chosen, ...parts }: SweepParts) {
  // draws the best one above the others
  const trials = useMemo(() => chosen.toReversed(), [chosen]);
  return (
    <div class="multiples">
      {axes.slice(0, -1).map(axis => (
        <ByParameter
          key={axis.name}
          {...parts}
          axis={axis}
          objective={axes[axes.length - 1]}
          trials={trials}
        />
      ))}
    </div>
  );
}

interface Props extends Pick<SweepParts, 'report' | 'stressed' | 'onStress'> {
  readonly axis: SweepAxis;
  readonly objective: SweepAxis;
  readonly trials: readonly TrialReport[];
}

/**
 * Draws a trial without the objective below the axis; omits trials without the parameter, and says
 * so.
 */
function ByParameter({ report, axis, objective, trials, stressed, onStress }: Props) {
  const shown = trials.filter(trial => !axis.without.includes(trial));
  const missing = shown.filter(trial => objective.without.includes(trial));
  const points = shown.map(trial => ({
    id: trial.trial,
    x: axis.valueOf(trial) ?? '',
    y: trial.value,
    className: classOf(trial, { report, stressed: null }),
  }));
  const leftOut = trials.length - shown.length;
  return (
    <div>
      <PointPlot
        label={`${objective.name} by ${axis.name} of ${counted(shown.length, 'trial')}${ofThemWithout(missing, objective.name)}; the table of trials has the values`}
        x={axis.spec}
        y={objective.spec}
        points={points}
        stressed={stressed}
        onStress={onStress}
      />
      {leftOut > 0 && (
        <p class="note" data-note="left-out">
          Not shown: {counted(leftOut, 'trial')} without {axis.name}.
        </p>
      )}
    </div>
  );
}
