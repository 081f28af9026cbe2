/** The dashboard: shows the view that the address names, in a frame with the connection state. */
import './dashboard.css';
import './style.css';
import { render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { RunReport } from '../run-report.js';
import type { ListDocument } from '../server/catalog.js';
import type { ComparisonReport } from '../server/sources.js';
import type { SweepReport } from '../sweep-report.js';
import { comparisonHash, type Filter, listHash, parseRoute, pathHash, type Route } from './address.js';
import { Links } from './components.js';
import { ComparisonView } from './dashboard-compare.js';
import { RunLists } from './run-lists.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

const CONNECTIONS = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
};

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
  const folder = kind === 'sweep' ? `${path}/` : '';
  const links = {
    run: (path: string) => pathHash('run', folder + path),
    sweep: (path: string) => pathHash('sweep', path),
    comparison: (paths: readonly string[]) => comparisonHash(paths.map(path => folder + path)),
  };
  return (
    <Links.Provider value={links}>
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
        {report === undefined ? <h1>{title}</h1> : <View key={events} route={route} report={report} />}
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

type Shown = ListDocument | RunReport | SweepReport | ComparisonReport;

function titleOf({ kind, path }: Route, report: Shown | undefined): string {
  if (kind === 'compare') return 'Comparison';
  if (report !== undefined && 'state' in report) return `${report.state}: ${report.name} ${report.id}`;
  if (kind !== 'list') return path;
  const runs = report !== undefined && 'exists' in report ? report.runs : [];
  const running = runs.filter(({ state }) => state === 'running').length;
  return running > 0 ? `(${running}) Experiments` : 'Experiments';
}

function View({ route: { kind, path, filter }, report }: { readonly route: Route; readonly report: Shown }) {
  switch (kind) {
    case 'list':
      return <ListView list={report as ListDocument} filter={filter} />;
    case 'compare':
      return <ComparisonView report={report as ComparisonReport} />;
    case 'run':
      return <RunPage path={path} report={report as RunReport} />;
    case 'sweep':
      return <SweepView report={report as SweepReport} />;
    default:
      return kind satisfies never;
  }
}

const launcher = document.documentElement.dataset.launcher ?? './run';
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

const place = document.querySelector('#page');
if (place !== null) {
  place.replaceChildren();
  render(<Dashboard />, place);
}
