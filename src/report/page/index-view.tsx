/** All runs and sweeps of a directory. */
import { useState } from 'preact/hooks';
import type { IndexReport, RunReport, RunRow, SweepRow } from '../document.js';
import { Badge, Level, Section, Value } from './base.js';
import { counted, formatSeconds, formatTime, words } from './format.js';
import { type Link, useLink } from './links.js';
import { RunView } from './run-view.js';
import { type SortableColumn, SortableTable } from './sortable-table.js';
import { Sparkline } from './sparkline.js';

export function IndexView({ report }: { readonly report: IndexReport }) {
  const [sought, setSought] = useState('');
  const matches = ({ name, id, state }: RunRow | SweepRow) =>
    `${name} ${id} ${state}`.includes(sought.trim());
  const runs = report.runs.filter(matches);
  const sweeps = report.sweeps.filter(matches);
  return (
    <article class="index">
      <header>
        <p class="eyebrow">Experiments</p>
        <h1>{report.title}</h1>
        <p class="note">
          {counted(report.runs.length, 'run')}, {counted(report.sweeps.length, 'sweep')}
        </p>
      </header>
      <div class="toolbar">
        <label>
          Find{' '}
          <input
            type="search"
            value={sought}
            onInput={event => setSought(event.currentTarget.value)}
            placeholder="name, id or state"
          />
        </label>
        <output>{sought.trim() === '' ? '' : `${runs.length + sweeps.length} found`}</output>
      </div>
      {report.runs.length > 0 && (
        <Section title="Runs">
          <RunTable rows={runs} />
        </Section>
      )}
      {report.sweeps.length > 0 && (
        <Section title="Sweeps">
          <SweepTable rows={sweeps} />
        </Section>
      )}
      {report.unreadable.length > 0 && (
        <Section title="Not readable">
          <ul class="warnings">
            {report.unreadable.map(({ path, message }) => (
              <li key={path}>
                <code>{path}</code> {message}
              </li>
            ))}
          </ul>
        </Section>
      )}
      {report.details.length > 0 && (
        <Section title="Each run">
          {report.details.map(run => (
            <Detail key={`${run.name}/${run.id}`} run={run} />
          ))}
        </Section>
      )}
    </article>
  );
}

/** Made only where someone opens it. */
function Detail({ run }: { readonly run: RunReport }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <details class="detail" onToggle={event => setOpen(event.currentTarget.open)}>
      <summary>
        {run.name} <span class="id">{run.id}</span> <Badge of={run.state} />
      </summary>
      {isOpen && (
        <Level.Provider value={3}>
          <RunView report={run} />
        </Level.Provider>
      )}
    </details>
  );
}

export function RunTable({ rows }: { readonly rows: readonly RunRow[] }) {
  const columns = runColumns(rows, useLink());
  return <SortableTable label="Runs" columns={columns} rows={rows} keyOf={row => row.path} most={100} />;
}

/** What the columns need of a run; lists of other makings have states of their own. */
type RunLine = Omit<RunRow, 'state'> & { readonly state: string };

/** The name first. Columns of the metrics that any row has; of the curve where any has one. */
export function runColumns<Row extends RunLine>(
  rows: readonly Row[],
  link: Link,
): readonly SortableColumn<Row>[] {
  const metrics = [...new Set(rows.flatMap(row => row.metrics.map(({ name }) => name)))].sort();
  const metricOf = (row: Row, metric: string) => row.metrics.find(({ name }) => name === metric)?.value;
  return [
    ...leadingColumns<Row>(link, { name: 'experiment', id: 'run' }),
    {
      name: 'gates',
      title: 'gates',
      isText: true,
      sortBy: row => row.gates,
      show: row => (row.gates === null ? '–' : <Badge of={row.gates} />),
    },
    ...metrics.map(
      (metric): SortableColumn<Row> => ({
        name: metric,
        title: words(metric),
        sortBy: row => {
          const value = metricOf(row, metric);
          return typeof value === 'number' ? value : null;
        },
        show: row => <Value metric={metric} value={metricOf(row, metric)} />,
      }),
    ),
    ...(rows.some(row => row.sparkline !== null) ? [curveColumn<Row>()] : []),
    { name: 'epochs', title: 'epochs', sortBy: row => row.epochs, show: row => row.epochs },
    { name: 'steps', title: 'steps', sortBy: row => row.steps, show: row => row.steps },
    { name: 'seed', title: 'seed', sortBy: row => row.seed, show: row => row.seed ?? '–' },
    ...timeColumns<Row>(),
  ];
}

/** What runs and sweeps begin with: the name, the id with its link, the state. */
function leadingColumns<Row extends Pick<RunLine, 'name' | 'id' | 'path' | 'state'>>(
  link: Link,
  titles: { readonly name: string; readonly id: string },
): readonly SortableColumn<Row>[] {
  return [
    { name: 'name', title: titles.name, isText: true, sortBy: row => row.name, show: row => row.name },
    {
      name: 'id',
      title: titles.id,
      isText: true,
      sortBy: row => row.id,
      show: row => {
        const href = link(row.path);
        return href === undefined ? (
          <span class="id">{row.id}</span>
        ) : (
          <a class="id" href={href}>
            {row.id}
          </a>
        );
      },
    },
    {
      name: 'state',
      title: 'state',
      isText: true,
      sortBy: row => row.state,
      show: row => <Badge of={row.state} />,
    },
  ];
}

/** How long, and when. */
function timeColumns<Row extends Pick<RunLine, 'duration_s' | 'started'>>(): readonly SortableColumn<Row>[] {
  return [
    {
      name: 'duration',
      title: 'time',
      sortBy: row => row.duration_s,
      show: row => (row.duration_s === null ? '–' : formatSeconds(row.duration_s)),
    },
    {
      name: 'started',
      title: 'started',
      isText: true,
      sortBy: row => row.started,
      show: row => (row.started === null ? '–' : formatTime(row.started)),
    },
  ];
}

function curveColumn<Row extends RunLine>(): SortableColumn<Row> {
  return {
    name: 'curve',
    title: 'curve',
    isText: true,
    sortBy: row => row.sparkline?.metric,
    show: row => (row.sparkline === null ? '–' : <Sparkline of={row.sparkline} />),
  };
}

export function SweepTable({ rows }: { readonly rows: readonly SweepRow[] }) {
  const columns = sweepColumns<SweepRow>(useLink());
  return <SortableTable label="Sweeps" columns={columns} rows={rows} keyOf={row => row.path} most={100} />;
}

/** What the columns need of a sweep. */
type SweepLine = Omit<SweepRow, 'state' | 'states' | 'goal'> & { readonly state: string };

/** The name first. */
export function sweepColumns<Row extends SweepLine>(link: Link): readonly SortableColumn<Row>[] {
  return [
    ...leadingColumns<Row>(link, { name: 'sweep', id: 'id' }),
    { name: 'trials', title: 'trials', sortBy: row => row.trials, show: row => row.trials },
    { name: 'metric', title: 'objective', isText: true, sortBy: row => row.metric, show: row => row.metric },
    {
      name: 'best',
      title: 'best',
      sortBy: row => row.best?.value,
      show: row => <Value metric={row.metric} value={row.best?.value ?? null} />,
    },
    ...timeColumns<Row>(),
  ];
}
