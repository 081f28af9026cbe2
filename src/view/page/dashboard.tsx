/** The dashboard: shows the view that the address names, in a frame with the connection state. */
import './dashboard.css';
import './style.css';
import { type ComponentChildren, render } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComparisonReport, ListDocument, RunReport, SweepReport } from '../document.js';
import { eventsOf, hashOf, launcher, NO_FILTER, parseRoute, type Route } from './address.js';
import { Links } from './components.js';
import { ComparisonView } from './dashboard-compare.js';
import { ListView } from './dashboard-list.js';
import { Alert, type Connection, Connections, useLive, useTitle, Waiting } from './live.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

const WORDS: Readonly<Record<Connection, string>> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
};

function Frame({ route, children }: { readonly route: Route; readonly children: ComponentChildren }) {
  const [connection, setConnection] = useState<Connection>('connecting');
  const main = useRef<HTMLElement>(null);
  const view = route.kind === 'list' ? 'list' : hashOf(route);
  const shown = useRef(view);
  // moves the focus of keyboard and screen reader users to the new view
  useEffect(() => {
    if (shown.current === view) return;
    shown.current = view;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [view]);
  const folder = route.kind === 'sweep' ? `${route.path}/` : '';
  const links = {
    run: (path: string) => hashOf({ kind: 'run', path: folder + path }),
    sweep: (path: string) => hashOf({ kind: 'sweep', path }),
    comparison: (paths: readonly string[]) =>
      hashOf({ kind: 'compare', paths: paths.map(path => folder + path) }),
  };
  return (
    <Connections.Provider value={setConnection}>
      <Links.Provider value={links}>
        <button type="button" class="skip" onClick={() => main.current?.focus()}>
          Skip to the content
        </button>
        <nav
          class={route.kind === 'list' || route.kind === 'compare' ? 'top wide' : 'top'}
          aria-label="Dashboard"
        >
          <a
            href={hashOf({ kind: 'list', filter: NO_FILTER })}
            aria-current={route.kind === 'list' ? 'page' : undefined}
          >
            All runs
          </a>
          <p class={`connection ${connection}`} role="status" data-connection={connection}>
            <span aria-hidden="true">{connection === 'live' ? '●' : '○'}</span> {WORDS[connection]}
          </p>
        </nav>
        <main ref={main} tabIndex={-1}>
          {children}
        </main>
      </Links.Provider>
    </Connections.Provider>
  );
}

type Shown = ListDocument | RunReport | SweepReport | ComparisonReport;

function View({ route }: { readonly route: Route }) {
  const { document: report, trouble } = useLive<Shown>(eventsOf(route));
  const title = titleOf(route, report);
  useTitle(title);
  if (report === undefined) return <Waiting title={title} trouble={trouble} />;
  return (
    <>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <Content route={route} report={report} />
    </>
  );
}

function titleOf(route: Route, report: Shown | undefined): string {
  if (route.kind === 'list') {
    const runs = report !== undefined && 'exists' in report ? report.runs : [];
    const running = runs.filter(({ state }) => state === 'running').length;
    return running > 0 ? `(${running}) Experiments` : 'Experiments';
  }
  if (route.kind === 'compare') return `Comparison of ${route.paths.length} runs`;
  return report !== undefined && 'state' in report
    ? `${report.state}: ${report.name} ${report.id}`
    : route.path;
}

function Content({ route, report }: { readonly route: Route; readonly report: Shown }) {
  switch (route.kind) {
    case 'list':
      return <ListView list={report as ListDocument} filter={route.filter} />;
    case 'compare':
      return <ComparisonView report={report as ComparisonReport} />;
    case 'run':
      return <RunPage path={route.path} report={report as RunReport} />;
    case 'sweep':
      return <SweepPage report={report as SweepReport} />;
    default:
      return route satisfies never;
  }
}

function RunPage({ path, report }: { readonly path: string; readonly report: RunReport }) {
  const sweep = /^(.+)\/trials\/[^/]+$/.exec(path)?.[1];
  return (
    <>
      <p class="trail">
        {sweep === undefined ? (
          <a href={hashOf({ kind: 'list', filter: { ...NO_FILTER, experiment: report.name } })}>
            All runs of {report.name}
          </a>
        ) : (
          <a href={hashOf({ kind: 'sweep', path: sweep })}>The sweep of this trial</a>
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

function SweepPage({ report }: { readonly report: SweepReport }) {
  return (
    <>
      <SweepView report={report} />
      {report.trials.length === 0 && <p>No trial has begun yet; they appear here as they do.</p>}
    </>
  );
}

function Dashboard() {
  const [route, setRoute] = useState<Route>(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return (
    <Frame route={route}>
      <View key={eventsOf(route)} route={route} />
    </Frame>
  );
}

const place = document.querySelector('#page');
if (place !== null) {
  place.replaceChildren();
  render(<Dashboard />, place);
}
