/**
 * The page: of a report, whose document it contains, or of the dashboard, which shows the view that
 * the address names, in a frame with the connection state.
 */
import './style.css';
import { render } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { isFraction } from '../../util/numbers.js';
import type { Cell } from '../../util/table.js';
import type { Block } from '../blocks.js';
import {
  Breakable,
  type Column,
  Details,
  Level,
  Links,
  Section,
  Status,
  TableSection,
  Value,
} from '../components/components.js';
import {
  byImportance,
  distinct,
  type Filter,
  linksFrom,
  listHash,
  NO_FILTER,
  parseRoute,
  pathHash,
  type Route,
  statusOf,
} from '../components/run-list.js';
import { isConstantRate } from '../components/scales.js';
import type { IndexReport, Report } from '../report.js';
import type { RunReport } from '../run-report.js';
import type { ListDocument } from '../server/catalog.js';
import type { ComparisonReport } from '../server/dashboard.js';
import { type ChartPlan, type ChartSeries, Charts, curveTitle } from './chart.js';
import { RunLists } from './run-lists.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

const CONNECTIONS = { connecting: 'connecting', live: 'live', lost: 'connection lost, trying again' };

function Dashboard() {
  const [route, setRoute] = useState<Route>(() => parseRoute(location.hash));
  useEffect(() => addEventListener('hashchange', () => setRoute(parseRoute(location.hash))), []);
  const { kind, path, events } = route;
  const { connection, document: report, trouble } = useLive(events);
  const main = useRef<HTMLElement>(null);
  const shown = useRef(events);
  // moves the focus of keyboard and screen reader users to the new view
  useEffect(() => {
    if (shown.current === events) return;
    shown.current = events;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [events]);
  const title = titleOf(route, report);
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <Links.Provider value={linksFrom(kind === 'sweep' ? `${path}/` : '')}>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        Skip to the content
      </button>
      <nav class={kind === 'list' || kind === 'compare' ? 'top wide' : 'top'} aria-label="Dashboard">
        <a href={listHash()} aria-current={kind === 'list' ? 'page' : undefined}>
          All runs
        </a>
        <p class={`connection ${connection}`} role="status" data-connection={connection}>
          <span aria-hidden="true">{connection === 'live' ? '●' : '○'}</span> {CONNECTIONS[connection]}
        </p>
      </nav>
      <main ref={main} tabIndex={-1}>
        {trouble !== undefined && (
          <p class="alert" role="alert">
            {trouble}
          </p>
        )}
        {report === undefined ? <h1>{title}</h1> : <View key={events} route={route} shown={report} />}
        {report === undefined && trouble === undefined && <p class="note">Reading the files …</p>}
      </main>
    </Links.Provider>
  );
}

interface Live {
  readonly address?: string;
  readonly document?: Shown | undefined;
  readonly trouble?: string;
}

const RETRY_MS = 1000;

/**
 * Follows the document whose server-sent events, each with all of it, are at `address`. A hidden
 * page holds no connection, since a browser opens at most six to a server in all its windows; when
 * visible again, it receives the document anew.
 */
function useLive(address: string) {
  const [connection, setConnection] = useState<keyof typeof CONNECTIONS>('connecting');
  const [live, setLive] = useState<Live>({});
  useEffect(() => {
    let source: EventSource | undefined;
    let timer: number | undefined;
    const close = (): void => {
      clearTimeout(timer);
      source?.close();
    };
    const open = (): void => {
      const made = new EventSource(address);
      source = made;
      made.onopen = () => setConnection('live');
      made.addEventListener('document', ({ data }) => setLive({ address, document: JSON.parse(data) }));
      made.addEventListener('trouble', ({ data }) => {
        const { message: trouble } = JSON.parse(data);
        setLive(old => ({ document: old.address === address ? old.document : undefined, address, trouble }));
      });
      // reconnects here: the browser stops trying if the response is not a stream
      made.onerror = () => {
        close();
        setConnection('lost');
        timer = window.setTimeout(open, RETRY_MS);
      };
    };
    const onVisibility = (): void => {
      close();
      if (!document.hidden) open();
    };
    document.addEventListener('visibilitychange', onVisibility);
    onVisibility();
    return () => {
      document.removeEventListener('visibilitychange', onVisibility);
      close();
    };
  }, [address]);
  // of the previous address, until the new one has sent something
  return { connection, ...(live.address === address && live) };
}

type Shown = Report | ListDocument | ComparisonReport;

function titleOf({ kind, path }: Route, shown: Shown | undefined): string {
  if (kind === 'compare') return 'Comparison';
  if (shown?.kind === 'run' || shown?.kind === 'sweep')
    return `${statusOf(shown).join(', ')}: ${shown.name} ${shown.id}`;
  if (kind !== 'list') return path;
  const runs = shown?.kind === 'list' ? shown.runs : [];
  const running = runs.filter(({ state }) => state === 'running').length;
  return running > 0 ? `(${running}) Experiments` : 'Experiments';
}

interface ViewProps {
  readonly shown: Shown;
  /** Absent in a report. */
  readonly route?: Route;
}

function View({ shown, route }: ViewProps) {
  switch (shown.kind) {
    case 'run':
      return route ? <RunPage path={route.path} report={shown} /> : <RunView report={shown} />;
    case 'sweep':
      return <SweepView report={shown} />;
    case 'index':
      return <IndexView report={shown} />;
    case 'list':
      return <ListView list={shown} filter={route?.filter ?? NO_FILTER} />;
    case 'comparison':
      return <ComparisonView report={shown} />;
  }
}

function IndexView({ report }: { readonly report: IndexReport }) {
  const [filter, setFilter] = useState(NO_FILTER);
  return (
    <article class="index">
      <header>
        <p class="eyebrow">Experiments</p>
        <h1>{report.title}</h1>
      </header>
      <RunLists list={report} filter={filter} change={setFilter} />
      {report.details.length > 0 && (
        <Section title="Each run">
          {report.details.map(run => (
            <Details
              key={`${run.name}/${run.id}`}
              kind="detail"
              summary={
                <>
                  {run.name} <span class="id">{run.id}</span> <Status of={run} />
                </>
              }
            >
              {() => (
                <Level.Provider value={3}>
                  <RunView report={run} />
                </Level.Provider>
              )}
            </Details>
          ))}
        </Section>
      )}
    </article>
  );
}

const launcher = document.querySelector<HTMLElement>('#page')?.dataset.launcher ?? './run';
const configs = launcher === './run' ? 'configs' : 'node_modules/cellrun/configs';

function RunPage({ path, report }: { readonly path: string; readonly report: RunReport }) {
  const sweep = /^(.+)\/trials\/[^/]+$/.exec(path)?.[1];
  return (
    <>
      <p class="trail">
        {sweep === undefined ? (
          <a href={listHash({ experiment: report.name })}>All runs of {report.name}</a>
        ) : (
          <a href={pathHash('sweep', sweep)}>The sweep of this trial</a>
        )}
      </p>
      <RunView report={report} />
      {(report.state === 'interrupted' || report.state === 'killed') && (
        <p class="note">
          Resume with: <code>{`${launcher} resume ${path}`}</code> in the directory of the experiments.
        </p>
      )}
    </>
  );
}

function ListView({ list, filter }: { readonly list: ListDocument; readonly filter: Filter }) {
  const change = (filter: Filter): void => {
    // each letter would otherwise add a history entry
    history.replaceState(null, '', listHash(filter));
    dispatchEvent(new HashChangeEvent('hashchange'));
  };
  const { root, exists, deeper } = list;
  const isEmpty = list.runs.length + list.sweeps.length + list.unreadable.length === 0;
  return (
    <article class="list wide">
      <header>
        <p class="eyebrow">{root}</p>
        <h1>{isEmpty ? 'No runs yet' : 'Experiments'}</h1>
      </header>
      {deeper !== null && (
        <p class="note">
          Runs deeper than {list.depth} folders are not looked for.{' '}
          <code>{`${launcher} serve ${root}/${deeper}`}</code> shows some that are there.
        </p>
      )}
      {isEmpty ? (
        <p>
          {exists ? 'This directory has no runs and no sweeps.' : 'This directory does not exist yet.'} Start
          one, and it appears here by itself: <code>{`${launcher} ${configs}/mnist-lstm.yaml`}</code> trains
          once, <code>{`${launcher} sweep ${configs}/sweeps/mnist-lstm.yaml`}</code> trains many variants.
        </p>
      ) : (
        <RunLists list={list} filter={filter} change={change} />
      )}
    </article>
  );
}

type Compared = ComparisonReport['runs'][number];

function ComparisonView({ report }: { readonly report: ComparisonReport }) {
  const { runs, blocks } = report;
  const plans = useMemo(() => comparedCurves(runs), [runs]);
  return (
    <article class="comparison wide">
      <header>
        <h1>Comparison of {runs.length} runs</h1>
      </header>
      <Runs runs={runs} />
      <Charts plans={plans} />
      {blocks.map((block, i) => (
        <BlockView key={String(i)} block={block} />
      ))}
    </article>
  );
}

function Runs({ runs }: { readonly runs: readonly Compared[] }) {
  const names = distinct(runs.flatMap(({ report }) => report.metrics.map(({ name }) => name)));
  return (
    <TableSection
      title="Runs"
      kind="numbers compared"
      columns={[
        {
          name: 'run',
          isText: true,
          show: ({ path, report }, i) => (
            <>
              <span class={swatchOf(i)} aria-hidden="true" /> {report.name}{' '}
              <a class="id" href={pathHash('run', path)}>
                {report.id}
              </a>
            </>
          ),
        },
        { name: 'side', isText: true, show: ({ side }) => side },
        { name: 'state', isText: true, show: ({ report }) => <Status of={report} /> },
        ...names.toSorted(byImportance).map(
          (name): Column<Compared> => ({
            name,
            show: ({ report }) => (
              <Value metric={name} value={report.metrics.find(metric => metric.name === name)?.value} />
            ),
          }),
        ),
        { name: 'epochs', show: ({ report }) => report.epochs },
        { name: 'seed', show: ({ report }) => report.seed ?? '–' },
      ]}
      rows={runs}
      keyOf={({ path }) => path}
    />
  );
}

function BlockView({ block }: { readonly block: Block }) {
  switch (block.kind) {
    case 'paragraph':
      return <p>{block.text}</p>;
    case 'list':
      return (
        <ul class="note sentences">
          {block.items.map(item => (
            <li key={item}>{item}</li>
          ))}
        </ul>
      );
    case 'table': {
      const { title = 'Sides', table } = block;
      const columns = table.columns.map(
        ({ name }, i): Column<readonly Cell[]> => ({
          name,
          show: (row, k) => (i === 0 ? <Breakable text={nameOf(table.rows, k)} /> : (row[i] ?? '–')),
        }),
      );
      return <TableSection title={title} kind="differences" columns={columns} rows={table.rows} />;
    }
    default:
      return null;
  }
}

function nameOf(rows: readonly (readonly Cell[])[], at: number): string {
  return String(rows.slice(0, at + 1).findLast(([name]) => name !== '')?.[0]);
}

/** Number of colours in the style sheet; further runs are dashed. */
const COLORS = 6;

function colorOf(number: number): Pick<ChartSeries, 'color' | 'isDashed'> {
  return { color: `run-${(number % COLORS) + 1}`, isDashed: number >= COLORS };
}

function swatchOf(number: number): string {
  const { color, isDashed } = colorOf(number);
  return `swatch ${color} ${isDashed ? 'dashed' : ''}`;
}

/**
 * One chart per curve with one line per run; none for values that were measured once, which a table
 * shows.
 */
function comparedCurves(compared: readonly Compared[]): readonly ChartPlan[] {
  const isOneName = new Set(compared.map(({ report }) => report.name)).size === 1;
  const isTelling = (name: string) =>
    compared.some(({ report: { curves } }) => {
      const curve = curves[name];
      return curve && curve.steps.length > 1 && !isConstantRate(name, curve);
    });
  return distinct(compared.flatMap(({ report }) => Object.keys(report.curves)))
    .filter(isTelling)
    .sort(byImportance)
    .map(name => ({
      title: curveTitle(name),
      isFraction: isFraction(name),
      series: compared.flatMap(({ path, report }, i): ChartSeries[] => {
        const curve = report.curves[name];
        const label = isOneName ? report.id : `${report.name} ${report.id}`;
        return curve ? [{ name: path, label, curve, places: report, ...colorOf(i) }] : [];
      }),
    }));
}

const report = document.querySelector('#report')?.textContent;
const place = document.querySelector(report ? 'main' : '#page');
if (place !== null) {
  place.replaceChildren();
  render(report ? <View shown={JSON.parse(report)} /> : <Dashboard />, place);
}
