/** A sweep: its progress, its parameters against the objective, and its trials. */

import { useContext, useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { counted, formatNumber, formatSeconds, formatTime, words } from '../../util/numbers.js';
import type { SweepReport, TrialReport } from '../sweep-report.js';
import {
  Badge,
  type Column,
  Facts,
  field,
  Head,
  Linked,
  Links,
  Section,
  Table,
  TableSection,
  Value,
} from './components.js';
import { MAX_COMPARED } from './run-list.js';
import {
  type Brushes,
  isChosen,
  Parallel,
  Pruning,
  Scatter,
  type SweepParts,
  sweepAxes,
} from './sweep-charts.js';

const STATES = ['completed', 'pruned', 'paused', 'running', 'stopped', 'diverged', 'failed'] as const;

export function SweepView({ report }: { readonly report: SweepReport }) {
  const [brushes, setBrushes] = useState<Brushes>({});
  const [stressed, setStressed] = useState<string>();
  const article = useRef<HTMLElement>(null);
  // the trial under the pointer, in all charts and the table
  useEffect(() => {
    const all = article.current?.querySelectorAll(`[data-trial="${stressed}"], [data-row="${stressed}"]`);
    for (const one of all ?? []) one.classList.add('stressed');
    return () => all?.forEach(one => void one.classList.remove('stressed'));
  }, [stressed]);
  const axes = useMemo(() => sweepAxes(report), [report]);
  const chosen = useMemo(
    () => report.trials.filter(trial => isChosen(trial, axes, brushes)),
    [report, axes, brushes],
  );
  const all = { report, axes, chosen };
  const total = STATES.reduce((sum, state) => sum + report.states[state], 0);
  const isPart = total > report.trials.length;
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
          <Key report={report} />
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
          <Section title="Trials">
            <CurvesOfTrials chosen={chosen} />
            <TrialTable {...all} />
          </Section>
          <Section title="Objective by parameter">
            <Scatter {...all} />
          </Section>
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

function SweepHead({ report, total }: { readonly report: SweepReport; readonly total: number }) {
  const { reason, started, objective, best, trials, epochs, duration_s: seconds, baseline } = report;
  const { metric } = objective;
  const leader = trials.find(({ trial }) => trial === best);
  const counts = STATES.filter(one => report.states[one] > 0).map(one => `${report.states[one]} ${one}`);
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
      note={`The share of the variance of ${objective.metric} that each parameter explains.`}
      columns={[
        { name: 'parameter', show: ({ name }) => titleOf(name) },
        {
          name: 'share',
          isText: true,
          show: ({ share }) => (
            <>
              <span class="bar" style={{ width: `${(20 * share).toFixed(1)}em` }} />{' '}
              <data value={String(share)}>{(100 * share).toFixed(0)} %</data>
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
      ? [measured('spread', 'spread', '± over seeds')]
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
