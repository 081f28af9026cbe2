/** A sweep: its progress, charts of its parameters and epochs against the objective, its trials. */

import { useContext, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { counted, formatNumber, formatSeconds, formatTime, linearTicks, words } from '../../util/numbers.js';
import {
  Badge,
  type Column,
  Facts,
  field,
  Head,
  Linked,
  Links,
  Scroll,
  Section,
  Table,
  TableSection,
  useWidth,
  Value,
} from '../components/components.js';
import { LINE, Mark, Plot, pathOf, type Range, useDrag } from '../components/plot.js';
import { MAX_COMPARED } from '../components/run-list.js';
import {
  measuredScale,
  NO_VALUE,
  numeric,
  parameterScale,
  type Scale,
  spaced,
} from '../components/scales.js';
import type { SweepReport, TrialReport } from '../sweep-report.js';
import { GATES } from './run-view.js';

const STATES = ['completed', 'pruned', 'paused', 'running', 'stopped', 'diverged', 'failed'] as const;

export function SweepView({ report }: { readonly report: SweepReport }) {
  const [brushes, setBrushes] = useState<Brushes>({});
  const [stressed, setStressed] = useState<string>();
  const article = useRef<HTMLElement>(null);
  // the trial under the pointer, in all charts and the table
  useEffect(() => {
    const all = article.current?.querySelectorAll(`[data-trial="${stressed}"], [data-row="${stressed}"]`);
    for (const element of all ?? []) element.classList.add('stressed');
    return () => all?.forEach(element => void element.classList.remove('stressed'));
  }, [stressed]);
  const axes = useMemo(() => sweepAxes(report), [report]);
  const chosen = useMemo(
    () => report.trials.filter(trial => isChosen(trial, axes, brushes)),
    [report, axes, brushes],
  );
  const all = { report, axes, chosen };
  const total = STATES.reduce((sum, state) => sum + report.states[state], 0);
  const isPart = total > report.trials.length;
  // a config with several seeds has none
  const hasParameters = report.parameters.length > 0;
  return (
    <article
      ref={article}
      class="sweep"
      data-sweep={report.id}
      onPointerOver={({ target }) => {
        const over = (target as Element).closest<HTMLElement | SVGElement>('[data-trial], [data-row]');
        setStressed(over?.dataset.trial ?? over?.dataset.row);
      }}
    >
      <SweepHead report={report} total={total} />
      {isPart && (
        <p class="note">
          The charts and the table show {report.trials.length} of {total} trials: the best, and of the others
          as many evenly among them.
        </p>
      )}
      {report.trials.length === 0 ? (
        <p>No trial has begun yet.</p>
      ) : (
        <>
          <TableSection
            title={hasParameters ? 'Gates of the best trial' : 'Gates'}
            columns={GATES_OF_SEEDS}
            rows={report.gates}
          />
          <FinalMetrics
            title={hasParameters ? 'Final metrics of the best trial' : 'Final metrics'}
            metrics={report.metrics}
          />
          <FinalMetrics title="Metrics of all folds together" {...report.out_of_fold} />
          <Key report={report} />
          {hasParameters && (
            <Section
              title="Parameters and objective"
              note="Each line is a trial. Drag along an axis to choose trials; click it to choose all again."
            >
              <div class="toolbar">
                <output>{`${chosen.length} of ${counted(report.trials.length, 'trial')} chosen`}</output>
                <button
                  type="button"
                  disabled={Object.keys(brushes).length === 0}
                  onClick={() => setBrushes({})}
                >
                  Choose all
                </button>
              </div>
              <Parallel {...all} brushes={brushes} setBrushes={setBrushes} />
            </Section>
          )}
          <Section title="Trials">
            <CurvesOfTrials chosen={chosen} />
            <TrialTable {...all} />
          </Section>
          {hasParameters && (
            <Section title="Objective by parameter">
              <Scatter {...all} />
            </Section>
          )}
          <Section title="Objective over epochs" note="A cross is where a trial was stopped.">
            <Pruning {...all} />
          </Section>
          <Importance report={report} />
        </>
      )}
      <Facts title="Settings" facts={report.settings} />
    </article>
  );
}

const GATES_OF_SEEDS: readonly Column<SweepReport['gates'][number]>[] = [
  { name: 'run', isText: true, show: ({ seed, fold }) => (fold ? `fold ${fold}` : (seed ?? 'all')) },
  ...GATES,
];

function SweepHead({ report, total }: { readonly report: SweepReport; readonly total: number }) {
  const { reason, started, objective, best, trials, epochs, duration_s: seconds, baseline } = report;
  const { metric } = objective;
  const leader = trials.find(({ trial }) => trial === best);
  const counts = STATES.filter(key => report.states[key] > 0).map(one => `${report.states[one]} ${one}`);
  return (
    <Head
      kind="Sweep"
      report={report}
      tiles={[
        baseline && { ...baseline, name: 'baseline', title: 'trivial baseline', metric, more: baseline.name },
        leader && {
          ...{ name: 'best', title: `best ${words(metric)}`, metric, value: leader.value },
          more: `trial ${leader.trial}, ${leader.epochs} of ${counted(epochs, 'epoch')}`,
        },
        { name: 'trials', title: 'trials', metric: '', value: total, more: counts.join(', ') },
        {
          ...{ name: 'epochs', title: 'epochs trained', metric: '', value: report.epochs_trained },
          more: seconds === null ? null : `in ${formatSeconds(seconds)}`,
        },
      ]}
      notes={[
        [started === null ? '' : formatTime(started), reason ?? ''].filter(Boolean).join(' · '),
        ...report.cautions,
      ]}
    />
  );
}

type Metric = SweepReport['metrics'][number];

const BASELINE: Column<Metric> = {
  name: 'trivial baseline',
  show: ({ metric, baseline }) =>
    baseline && (
      <>
        <Value metric={metric} value={baseline.value} /> <small>{baseline.name}</small>
      </>
    ),
};

interface FinalMetricsProps {
  readonly title: string;
  readonly metrics: readonly Metric[];
  readonly over?: string;
}

/** Final metrics of the best trial, over its seeds or folds, or over what the title says. */
function FinalMetrics({ title, metrics, over }: FinalMetricsProps) {
  const unit = metrics[0]?.by_fold ? 'fold' : 'seed';
  const valuesOf = ({ by_fold, by_seed = by_fold ?? {} }: Metric) => by_seed;
  const numbers = metrics[0] ? Object.keys(valuesOf(metrics[0])) : [];
  const measured = (title: string, read: (row: Metric) => number | null | undefined): Column<Metric> => ({
    name: title,
    show: row => <Value metric={row.metric} value={read(row) ?? undefined} />,
  });
  const overSeeds: readonly Column<Metric>[] = [
    measured(over ?? `mean of ${numbers.length} ${unit}s`, ({ mean }) => mean),
    ...(over ? [] : [measured(`± over ${unit}s`, ({ spread }) => spread)]),
    ...(metrics.some(({ interval }) => interval !== null)
      ? [
          measured('95 % interval from', ({ interval }) => interval?.low),
          measured('to', ({ interval }) => interval?.high),
        ]
      : []),
  ];
  return (
    <TableSection
      title={title}
      columns={[
        { name: 'metric', isText: true, show: ({ metric }) => words(metric) },
        ...(numbers.length > 1 || over ? overSeeds : []),
        ...numbers.map(number => measured(`${unit} ${number}`, metric => valuesOf(metric)[number])),
        ...(metrics.some(({ baseline }) => baseline) ? [BASELINE] : []),
      ]}
      rows={metrics}
      keyOf={({ metric }) => metric}
    />
  );
}

function Key({ report: { best, states } }: { readonly report: SweepReport }) {
  const shown = STATES.filter(state => states[state] > 0);
  return (
    <ul class="legend key">
      {[...(best === null ? [] : ['best']), ...shown].map(state => (
        <li key={state}>
          <span class={`swatch ${state}`} aria-hidden="true" /> {state}
        </li>
      ))}
    </ul>
  );
}

/** The learning curves of the best of the chosen trials, where runs can be compared. */
function CurvesOfTrials({ chosen }: { readonly chosen: readonly TrialReport[] }) {
  const links = useContext(Links);
  const best = chosen.filter(({ runs }) => runs.length > 0).slice(0, MAX_COMPARED);
  if (best.length < 2 || links === undefined) return null;
  const which = best.length < chosen.length ? `the best ${best.length} of the chosen trials` : 'these trials';
  return (
    <p>
      <a href={links.comparison(best.map(({ runs: [{ path }] }) => path))}>Compare the curves of {which}</a>
    </p>
  );
}

function Importance({ report: { importance, parameters, objective } }: { readonly report: SweepReport }) {
  const titleOf = (name: string) => parameters.find(parameter => parameter.name === name)?.title ?? name;
  return (
    <TableSection
      title="Importance"
      note={`The fraction of the variance of ${objective.metric} that each parameter explains.`}
      columns={[
        { name: 'parameter', show: ({ name }) => titleOf(name) },
        {
          name: 'importance',
          isText: true,
          show: ({ importance: fraction }) => (
            <>
              <span class="bar" style={{ width: `${(20 * fraction).toFixed(1)}em` }} />{' '}
              <data value={String(fraction)}>{(100 * fraction).toFixed(0)} %</data>
            </>
          ),
        },
      ]}
      rows={importance !== null && importance.length > 1 ? importance : []}
      keyOf={({ name }) => name}
    />
  );
}

function TrialTable({ report, chosen }: SweepParts) {
  const links = useContext(Links);
  const { metric } = report.objective;
  const measured = (name: string, key: 'value' | 'spread', title = name) =>
    field<TrialReport>(key, { name, title, show: row => <Value metric={metric} value={row[key]} /> });
  const columns: readonly Column<TrialReport>[] = [
    field('trial', {
      show: ({ trial, runs }) => (
        <Linked href={runs.length === 1 ? links?.run(runs[0].path) : undefined}>{trial}</Linked>
      ),
    }),
    field('state', { isText: true, show: ({ state }) => <Badge of={state} /> }),
    field('epochs'),
    measured(metric, 'value'),
    ...(report.trials.some(({ spread }) => spread !== null)
      ? [measured('spread', 'spread', `± over ${report.folds === null ? 'seeds' : 'folds'}`)]
      : []),
    ...report.parameters.map(
      ({ name, title, scale, values }): Column<TrialReport> => ({
        name,
        title,
        isText: scale === 'category' && values.some(value => Number.isNaN(Number(value))),
        sortBy: ({ point }) => point[name],
        show: ({ point: { [name]: value = '–' } }) =>
          typeof value === 'number' ? <data value={String(value)}>{formatNumber(value)}</data> : value,
      }),
    ),
    field('seconds', { show: ({ seconds }) => seconds.toFixed(seconds < 10 ? 1 : 0) }),
    ...(report.trials.some(({ message }) => message !== null)
      ? [field<TrialReport>('message', { isText: true, show: ({ message }) => message })]
      : []),
  ];
  return (
    <Table
      label="Trials"
      columns={columns}
      rows={chosen}
      keyOf={row => row.trial}
      classOf={({ trial }) => (trial === report.best ? 'best' : '')}
      most={50}
    />
  );
}

type SweepAxis = ReturnType<typeof sweepAxes>[number];

/** Ranges of positions by axis name; an axis without a range accepts every trial. */
type Brushes = Readonly<Record<string, Range>>;

interface SweepParts {
  readonly report: SweepReport;
  readonly axes: readonly SweepAxis[];
  readonly chosen: readonly TrialReport[];
}

function sweepAxes({ parameters, objective, trials }: SweepReport) {
  type Value = number | string | null | undefined;
  const axisOf = (name: string, title: string, scale: Scale, valueIn: (trial: TrialReport) => Value) => {
    const placeOf = (trial: TrialReport) => scale.place(valueIn(trial));
    // diverged trials, or points without the parameter
    const without = trials.filter(trial => placeOf(trial) === undefined);
    return { name, title, scale, without, placeOf, valueIn };
  };
  const { metric } = objective;
  return [
    ...parameters.map(parameter => {
      const { name, title } = parameter;
      return axisOf(name, title, parameterScale(parameter), ({ point }) => point[name]);
    }),
    axisOf(metric, metric, measuredScale(trials.map(({ value }) => value)), ({ value }) => value),
  ];
}

function isChosen(trial: TrialReport, axes: readonly SweepAxis[], brushes: Brushes): boolean {
  return axes.every(({ name, placeOf }) => {
    const brush = brushes[name];
    if (brush === undefined) return true;
    const place = placeOf(trial);
    return place !== undefined && place >= brush[0] - 1e-9 && place <= brush[1] + 1e-9;
  });
}

function withBrush(brushes: Brushes, name: string, range: Range): Brushes {
  const { [name]: _, ...others } = brushes;
  const [low, high] = [Math.max(0, Math.min(...range)), Math.min(1, Math.max(...range))];
  return low <= 0 && high >= 1 ? others : { ...others, [name]: [low, high] };
}

const ALL: Range = [0, 1];

function classOf({ trial, state }: TrialReport, { best }: SweepReport): string {
  return trial === best ? `${state} best` : state;
}

const PARALLEL_HEIGHT = 340;
const NO_VALUE_TOP = PARALLEL_HEIGHT + 12;
const [TOP, BOTTOM] = [48, PARALLEL_HEIGHT - 26];
const REACH = 14;
const MIN_GAP = 104;
const MIN_EDGE = 60;
const HALF_CHARACTER = 4;

function topOf(place: number | undefined): number {
  return place === undefined ? NO_VALUE_TOP : BOTTOM - place * (BOTTOM - TOP);
}

interface ParallelProps extends SweepParts {
  readonly brushes: Brushes;
  setBrushes(brushes: Brushes): void;
}

function Parallel({ report, axes, chosen, brushes, setBrushes }: ParallelProps) {
  const { ref, width: room } = useWidth<HTMLDivElement>(640);
  // the titles of the outer axes are centered on them
  const outer = [axes[0], axes[axes.length - 1]].map(({ title }) => HALF_CHARACTER * title.length);
  const edge = Math.max(MIN_EDGE, ...outer);
  const width = Math.max(room, (axes.length - 1) * MIN_GAP + 2 * edge);
  const lefts = axes.map((_, i) =>
    axes.length === 1 ? width / 2 : edge + (i * (width - 2 * edge)) / (axes.length - 1),
  );
  const taken = new Set(chosen);
  // draws chosen trials above the others, the best on top
  const height = (trial: TrialReport): number =>
    Number(taken.has(trial)) + 2 * Number(trial.trial === report.best);
  const order = report.trials.toReversed().sort((a, b) => height(a) - height(b));
  const gaps = axes.filter(({ without }) => without.length > 0);
  return (
    <>
      {gaps.length > 0 && (
        <p class="note" data-note="no-value">
          Drawn to “{NO_VALUE}” below the axis:{' '}
          {gaps.map(({ name, without }) => `${counted(without.length, 'trial')} without ${name}`).join('; ')}.
        </p>
      )}
      <Scroll label="Parallel coordinates">
        <div ref={ref} class="parallel">
          <svg
            width={width}
            height={gaps.length > 0 ? NO_VALUE_TOP + 14 : PARALLEL_HEIGHT}
            role="img"
            aria-label={`Parallel coordinates of ${report.trials.length} trials; the table of trials has the same values`}
          >
            <g>
              {order.map(trial => (
                <path
                  key={trial.trial}
                  data-trial={trial.trial}
                  class={`trial ${classOf(trial, report)}${taken.has(trial) ? '' : ' left-out'}`}
                  d={pathOf(axes.map(({ placeOf }, i) => ({ left: lefts[i], top: topOf(placeOf(trial)) })))}
                >
                  <title>
                    {`trial ${trial.trial}: ${axes.map(({ title, valueIn }) => `${title} ${valueIn(trial) ?? NO_VALUE}`).join(', ')}`}
                  </title>
                </path>
              ))}
            </g>
            {axes.map((axis, i) => (
              <BrushedAxis
                key={axis.name}
                axis={axis}
                left={lefts[i]}
                brush={brushes[axis.name] ?? ALL}
                setBrush={range => setBrushes(withBrush(brushes, axis.name, range))}
              />
            ))}
          </svg>
        </div>
      </Scroll>
      <Ends axes={axes} brushes={brushes} setBrushes={setBrushes} />
    </>
  );
}

interface BrushedAxisProps {
  readonly axis: SweepAxis;
  readonly left: number;
  readonly brush: Range;
  setBrush(range: Range): void;
}

function BrushedAxis({ axis, left, brush, setBrush }: BrushedAxisProps) {
  const [low, high] = brush;
  const [top, bottom] = [topOf(1), topOf(0)];
  const drag = useDrag({ isVertical: true, onDrag: setBrush, onClick: () => setBrush(ALL) });
  return (
    <g class="brushed-axis" data-axis={axis.name} aria-hidden="true">
      <text class="title" x={left} y={16} text-anchor="middle">
        {axis.title}
      </text>
      <line class="base" x1={left} x2={left} y1={bottom} y2={top} />
      {spaced(axis.scale.ticks, () => LINE / (bottom - top)).map(({ place, text }) => (
        <text key={text} class="tick" x={left + 7} y={topOf(place) + 4}>
          {text}
        </text>
      ))}
      {axis.without.length > 0 && (
        <text class="tick no-value" x={left + 7} y={NO_VALUE_TOP + 4}>
          {NO_VALUE}
        </text>
      )}
      {brush !== ALL && (
        <rect
          class="brush"
          x={left - 7}
          width={14}
          y={topOf(high)}
          height={Math.max(2, topOf(low) - topOf(high))}
        />
      )}
      <rect class="catcher" x={left - REACH} width={2 * REACH} y={top} height={bottom - top} {...drag} />
    </g>
  );
}

function Ends({ axes, brushes, setBrushes }: Pick<ParallelProps, 'axes' | 'brushes' | 'setBrushes'>) {
  return (
    <details class="values">
      <summary>Choose with sliders</summary>
      <div class="facts">
        {axes.map(({ name, title, scale }) => {
          const brush = brushes[name] ?? ALL;
          const end = (which: 'lowest' | 'highest', at: number, rangeTo: (to: number) => Range) => (
            <label>
              {which} {title}{' '}
              <input
                type="range"
                min={0}
                max={1}
                step={0.01}
                value={at}
                aria-valuetext={scale.textAt(at)}
                onInput={event =>
                  setBrushes(withBrush(brushes, name, rangeTo(Number(event.currentTarget.value))))
                }
              />
              {scale.textAt(at)}
            </label>
          );
          return (
            <div key={name}>
              {end('lowest', brush[0], to => [Math.min(to, brush[1]), brush[1]])}
              {end('highest', brush[1], to => [brush[0], Math.max(to, brush[0])])}
            </div>
          );
        })}
      </div>
    </details>
  );
}

function Scatter({ report, axes, chosen }: SweepParts) {
  const objective = axes[axes.length - 1];
  return (
    <div class="multiples">
      {axes.slice(0, -1).map(axis => {
        // the best one above the others
        const shown = chosen.filter(trial => !axis.without.includes(trial)).toReversed();
        const points = shown.map(trial => ({
          id: trial.trial,
          x: axis.valueIn(trial) ?? '',
          y: trial.value,
          className: classOf(trial, report),
        }));
        return (
          <div key={axis.name}>
            <Plot
              label={`${objective.name} by ${axis.name} of ${counted(shown.length, 'trial')}; the table of trials has the values`}
              x={axis}
              y={objective}
              height={() => 220}
              points={points}
            />
            <LeftOut count={chosen.length - shown.length} without={axis.name} />
          </div>
        );
      })}
    </div>
  );
}

function LeftOut({ count, without }: { readonly count: number; readonly without: string }) {
  if (count === 0) return null;
  return (
    <p class="note" data-note="left-out">
      Not shown: {counted(count, 'trial')} without {without}.
    </p>
  );
}

function Pruning({ report, chosen }: SweepParts) {
  const { metric } = report.objective;
  const [x, y] = useMemo(() => {
    const longest = Math.max(report.epochs, ...report.trials.map(({ curve }) => curve.epochs.at(-1) ?? 0));
    const ticks = linearTicks(0, longest).filter(Number.isInteger);
    return [
      { title: 'epoch', scale: numeric(0, longest, { ticks, texts: ticks.map(String) }) },
      { title: metric, scale: measuredScale(report.trials.flatMap(({ curve }) => curve.values)) },
    ];
  }, [report, metric]);
  const drawn = chosen.filter(({ curve }) => curve.values.some(value => value !== null)).toReversed();
  return (
    <div class="pruning">
      <Plot
        x={x}
        y={y}
        height={() => 300}
        label={`${metric} of ${counted(drawn.length, 'trial')} after each of their epochs; the table of trials has the last values`}
      >
        {frame =>
          drawn.map(trial => {
            const points = trial.curve.epochs.map((epoch, i) => frame.at(epoch, trial.curve.values[i]));
            const last = points.findLast(point => point !== undefined);
            const className = classOf(trial, report);
            return (
              <g key={trial.trial} data-trial={trial.trial}>
                <path class={`trial ${className}`} d={pathOf(points)} />
                {last !== undefined && <Mark {...last} className={className} />}
              </g>
            );
          })
        }
      </Plot>
      <LeftOut count={chosen.length - drawn.length} without={`${metric} after any epoch`} />
    </div>
  );
}
