/** The evaluation of values: true and predicted ones, and forecasts as curves. */
import { formatMetric, type Measured } from '../../util/numbers.js';
import { Section, Table, useHeading, Value } from '../../view/components/components.js';
import { Square } from '../../view/components/measured.js';
import { type Frame, Plot, type Point, pathOf } from '../../view/components/plot.js';
import { measuredScale, numeric } from '../../view/components/scales.js';
import type { ValueReport } from './report.js';

type ForecastReport = NonNullable<ValueReport['forecasts']>;

interface Props {
  readonly report: ValueReport;
  readonly place: string;
}

export function ValueView({ report, place }: Props) {
  const { forecasts, ...values } = report;
  if (forecasts === null) return <TrueAndPredicted values={values} place={place} />;
  return (
    <>
      <Forecasts forecasts={forecasts} place={place} />
      {/* the worst forecasts are drawn */}
      <TrueAndPredicted values={{ ...values, worst: [] }} place={place} />
    </>
  );
}

interface TrueAndPredictedProps {
  readonly values: Pick<ValueReport, 'names' | 'pairs' | 'worst'>;
  readonly place: string;
}

export function TrueAndPredicted({ values, place }: TrueAndPredictedProps) {
  const { names, pairs, worst } = values;
  const titles = pairs.map((_, k) => names?.[k] ?? (pairs.length > 1 ? `target ${k}` : ''));
  const suffix = (k: number) => (titles[k] === '' ? '' : `, ${titles[k]}`);
  const each = pairs.length > 1 ? ` of each of the first ${pairs.length} targets` : '';
  const note = pairs.length === 0 ? '' : `${pairs[0].length} pairs${each}; on the line both are equal; `;
  const order = names === null || names.length < 2 ? '' : ` (${names.join(', ')})`;
  return (
    <Section title="True and predicted" note={`${note}${place}.`}>
      {pairs.map((ofTarget, k) => {
        const scale = measuredScale(ofTarget.flat());
        return (
          <Square
            key={titles[k]}
            label={`${ofTarget.length} pairs of a true value and its prediction${suffix(k)}`}
            x={{ title: `true${suffix(k)}`, scale }}
            y={{ title: `predicted${suffix(k)}`, scale }}
            points={ofTarget.map(([x, y]) => ({ x, y }))}
          />
        );
      })}
      {worst.length > 0 && (
        <Table
          label="Worst predictions, a table"
          caption={<caption>Furthest apart</caption>}
          columns={[
            { name: 'sequence', show: ({ index, id }) => id ?? index },
            { name: 'true', title: `true${order}`, show: ({ target }) => listed(target) },
            { name: 'predicted', title: `predicted${order}`, show: ({ prediction }) => listed(prediction) },
            {
              name: 'absolute error',
              show: ({ absolute_error: error }) => <Value metric="error" value={error} />,
            },
          ]}
          rows={worst}
        />
      )}
    </Section>
  );
}

function listed(values: readonly Measured[]): string {
  return values.map(value => formatMetric('value', value)).join(', ');
}

type Steps = Omit<ForecastReport['series'][number], 'series'>;

interface ForecastsProps {
  readonly forecasts: ForecastReport;
  readonly place: string;
}

function Forecasts({ forecasts, place }: ForecastsProps) {
  const { quantiles, coverage, series, windows } = forecasts;
  const Heading = useHeading(2);
  const [lowest, highest] = quantiles ?? [];
  const levels = quantiles === null ? '' : ` The band is from quantile ${lowest} to ${highest}.`;
  const band = coverage ? ` The band is the interval with coverage ${coverage}.` : levels;
  return (
    <Section title="Forecasts" note={`Each step is forecast once; ${place}.${band}`}>
      <ul class="legend">
        {Object.entries({ train: 'series', test: 'forecast' }).map(([color, label]) => (
          <li key={color}>
            <span class={`swatch ${color}`} aria-hidden="true" /> {label}
          </li>
        ))}
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
