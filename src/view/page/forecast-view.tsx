/** Forecasts: series over time with the forecast of each step, and the worst windows. */
import type { RunReport } from '../run-report.js';
import { Section, useHeading } from './components.js';
import { type Frame, Plot, type Point, pathOf } from './plot.js';
import { measuredScale, numeric } from './scales.js';

type Forecast = NonNullable<NonNullable<RunReport['evaluation']>['forecasts']>;
type Steps = Omit<Forecast['series'][number], 'series'>;

interface ForecastsProps {
  readonly forecasts: Forecast;
  readonly place: string;
}

export function Forecasts({ forecasts: { quantiles, series, windows }, place }: ForecastsProps) {
  const Heading = useHeading(2);
  const [lowest, highest] = quantiles ?? [];
  const band = quantiles === null ? '' : ` The band is from quantile ${lowest} to ${highest}.`;
  return (
    <Section title="Forecasts" note={`Each step is forecast once; ${place}.${band}`}>
      <ul class="legend">
        <Key color="train" label="series" />
        <Key color="test" label="forecast" />
      </ul>
      <div class="charts">
        {series.map(({ series: name, ...steps }) => (
          <ForecastPlot key={`${name} ${steps.target}`} name={name} steps={steps} />
        ))}
      </div>
      <Heading>Worst windows</Heading>
      <div class="multiples">
        {windows.map(({ id, history, ...steps }) => (
          <ForecastPlot key={`${id} ${steps.target}`} name={id} steps={steps} history={history} />
        ))}
      </div>
    </Section>
  );
}

function Key({ color, label }: { readonly color: string; readonly label: string }) {
  return (
    <li>
      <span class={`swatch ${color}`} aria-hidden="true" /> {label}
    </li>
  );
}

const HEIGHT = 210;
const MAX_TICKS = 5;

interface ForecastPlotProps {
  readonly name: string;
  readonly steps: Steps;
  readonly history?: readonly (number | null)[];
}

/** Steps are counted from the first forecast, which is 0. */
function ForecastPlot({ name, steps, history = [] }: ForecastPlotProps) {
  const { target, times, actual, predicted, lower = [], upper = [] } = steps;
  const last = times.length - 1;
  const count = Math.min(MAX_TICKS, times.length);
  const ticks = Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * last) / (count - 1)),
  );
  const x = numeric(-history.length, last, { ticks, texts: ticks.map(tick => times[tick]) });
  const y = measuredScale([...history, ...actual, ...predicted, ...lower, ...upper]);
  const title = name === '' ? target : `${name}: ${target}`;
  const pointsOf = (frame: Frame, values: readonly (number | null)[], first = 0) =>
    values.map((value, i) => frame.at(first + i, value));
  return (
    <figure class="chart" data-forecast={title}>
      <figcaption>{title}</figcaption>
      <Plot
        label={`Forecast of ${title}, from ${times[0]} to ${times[last]}`}
        x={{ scale: x }}
        y={{ scale: y }}
        height={() => HEIGHT}
      >
        {frame => (
          <>
            <path class="band test" d={bandOf(pointsOf(frame, lower), pointsOf(frame, upper))} />
            <path class="curve train" d={pathOf(pointsOf(frame, [...history, ...actual], -history.length))} />
            <path class="curve test" d={pathOf(pointsOf(frame, predicted))} />
          </>
        )}
      </Plot>
    </figure>
  );
}

/** The area between two lines, without the steps that lack a bound. */
function bandOf(lower: readonly (Point | undefined)[], upper: readonly (Point | undefined)[]): string {
  const pieces: number[][] = [];
  for (const [i, point] of lower.entries()) {
    if (point === undefined || upper[i] === undefined) continue;
    const piece = pieces[pieces.length - 1];
    if (piece?.[piece.length - 1] === i - 1) piece.push(i);
    else pieces.push([i]);
  }
  return pieces
    .map(piece => `${pathOf([...piece.map(i => lower[i]), ...piece.toReversed().map(i => upper[i])])}Z`)
    .join('');
}
