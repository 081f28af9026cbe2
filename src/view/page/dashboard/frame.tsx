/** The frame around every view: breadcrumbs and the connection state. */
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { CompareLinks, Links } from '../links.js';
import type { Connection } from './live.js';
import { hashOf, NO_FILTER, type Route } from './route.js';
import { Connections } from './use-live.js';

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
      <Links.Provider value={linkFrom(route)}>
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
        <CompareLinks.Provider value={compareLinkFrom(route)}>
          <main ref={main} tabIndex={-1}>
            {children}
          </main>
        </CompareLinks.Provider>
      </Links.Provider>
    </Connections.Provider>
  );
}

/** The address of a run, relative to the list or sweep that is shown. */
function linkFrom(route: Route): (path: string) => string {
  return path => hashOf({ kind: 'run', path: folderOf(route) + path });
}

function compareLinkFrom(route: Route): (paths: readonly string[]) => string {
  return paths => hashOf({ kind: 'compare', paths: paths.map(path => folderOf(route) + path) });
}

function folderOf(route: Route): string {
  return route.kind === 'sweep' ? `${route.path}/` : '';
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
