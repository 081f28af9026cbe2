/** The objective by each parameter, side by side. */
import { useMemo } from 'preact/hooks';
import { classOf } from './brushes.js';
import { PointPlot } from './point-plot.js';
import type { SweepParts } from './sweep-view.js';

export function Scatter({ report, axes, chosen, stressed, onStress }: SweepParts) {
  const objective = axes[axes.length - 1];
  const parameters = axes.slice(0, -1);
  const measured = useMemo(() => chosen.filter(({ value }) => value !== null).toReversed(), [chosen]);
  return (
    <div class="multiples">
      {parameters.map(axis => (
        <PointPlot
          key={axis.name}
          label={`${report.objective.metric} of ${measured.length} trials by ${axis.name}; the table of trials has the values`}
          x={axis.spec}
          y={objective.spec}
          points={measured.flatMap(trial => {
            const x = axis.valueOf(trial);
            return x === undefined || x === null
              ? []
              : [
                  {
                    id: trial.trial,
                    x,
                    y: trial.value ?? 0,
                    className: classOf(trial, { report, stressed: null }),
                  },
                ];
          })}
          stressed={stressed}
          onStress={onStress}
        />
      ))}
    </div>
  );
}
