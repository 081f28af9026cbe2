/** The dashboard: shows the view that the address names, in a frame with the connection state. */
import './dashboard.css';
import './style.css';
import 'uplot/dist/uPlot.min.css';
import { type ComponentChildren, render } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import type { RunReport, SweepReport } from '../document.js';
import { encodePath, hashOf, launcher, NO_FILTER, parseRoute, type Route } from './address.js';
import { applyRunChange } from './changes.js';
import { Links } from './components.js';
import { ComparePage } from './dashboard-compare.js';
import { ListPage } from './dashboard-list.js';
import { Alert, type Connection, Connections, useLive, useTitle, Waiting } from './live.js';
import { RunView } from './run-view.js';
import { SweepView } from './sweep-view.js';

const WORDS: Readonly<Record<Connection, string>> = {
  connecting: 'connecting',
  live: 'live',
  lost: 'connection lost, trying again',
};

export function Frame({ route, children }: { readonly route: Route; readonly children: ComponentChildren }) {
  const [connection, setConnection] = useState<Connection>('connecting');
  const [wasRestarted, setRestarted] = useState(false);
  const state = useMemo(() => ({ set: setConnection, restarted: () => setRestarted(true) }), []);
  const isWide = route.kind === 'list' || route.kind === 'compare';
  const main = useRef<HTMLElement>(null);
  const view = route.kind === 'list' ? 'list' : hashOf(route);
  useFocusOnChange(main, view);
  return (
    <Connections.Provider value={state}>
      <Links.Provider value={linksFrom(route)}>
        <button type="button" class="skip" onClick={() => main.current?.focus()}>
          Skip to the content
        </button>
        <nav class={isWide ? 'top wide' : 'top'} aria-label="Dashboard">
          <a
            href={hashOf({ kind: 'list', filter: NO_FILTER })}
            aria-current={route.kind === 'list' ? 'page' : undefined}
          >
            All runs
          </a>
          <p class={`connection ${connection}`} role="status" data-connection={connection}>
            <span aria-hidden="true">{connection === 'live' ? '●' : '○'}</span> {WORDS[connection]}
            {wasRestarted && connection === 'live' && '; the server was restarted'}
          </p>
        </nav>
        <main ref={main} tabIndex={-1}>
          {children}
        </main>
      </Links.Provider>
    </Connections.Provider>
  );
}

function linksFrom(route: Route) {
  const folder = route.kind === 'sweep' ? `${route.path}/` : '';
  return {
    run: (path: string) => hashOf({ kind: 'run', path: folder + path }),
    comparison: (paths: readonly string[]) =>
      hashOf({ kind: 'compare', paths: paths.map(path => folder + path) }),
  };
}

/** Moves the focus of keyboard and screen reader users to the new view. */
function useFocusOnChange(main: { readonly current: HTMLElement | null }, view: string): void {
  const shown = useRef(view);
  useEffect(() => {
    if (shown.current === view) return;
    shown.current = view;
    window.scrollTo(0, 0);
    main.current?.focus({ preventScroll: true });
  }, [view, main]);
}

export function RunPage({ path }: { readonly path: string }) {
  const { document: report, trouble } = useLive<RunReport>(`/api/runs/${encodePath(path)}`, applyRunChange);
  useTitle(report === undefined ? path : `${report.state}: ${report.name} ${report.id}`);
  if (report === undefined) return <Waiting title={path} trouble={trouble} />;
  const sweep = /^(.+)\/trials\/[^/]+$/.exec(path)?.[1];
  return (
    <>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
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
      {report.state === 'interrupted' || report.state === 'killed' ? (
        <p class="note">
          Resume with: <code>{`${launcher} resume ${path}`}</code> in the directory of the experiments.
        </p>
      ) : null}
    </>
  );
}

export function SweepPage({ path }: { readonly path: string }) {
  const { document: report, trouble } = useLive<SweepReport>(`/api/sweeps/${encodePath(path)}`, keep);
  useTitle(report === undefined ? path : `${report.state}: ${report.name} ${report.id}`);
  if (report === undefined) return <Waiting title={path} trouble={trouble} />;
  return (
    <>
      {trouble !== undefined && <Alert>{trouble}</Alert>}
      <SweepView report={report} />
      {report.trials.length === 0 && <p>No trial has begun yet; they appear here as they do.</p>}
    </>
  );
}

/** Sweeps are sent whole. */
function keep(report: SweepReport): SweepReport {
  return report;
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
      <View route={route} />
    </Frame>
  );
}

function View({ route }: { readonly route: Route }) {
  switch (route.kind) {
    case 'list':
      return <ListPage filter={route.filter} />;
    case 'run':
      return <RunPage key={route.path} path={route.path} />;
    case 'sweep':
      return <SweepPage key={route.path} path={route.path} />;
    case 'compare':
      return <ComparePage paths={route.paths} />;
    default:
      return route satisfies never;
  }
}

const place = document.querySelector('#page');
if (place !== null) {
  place.replaceChildren();
  render(<Dashboard />, place);
}
