/** Documents that follow the files: they come as server-sent events, whole again after a break. */

import { type ComponentChildren, createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Hello, Trouble } from '../document.js';

export type Connection =
  | 'connecting'
  | 'live'
  /** Lost, and reconnecting. */
  | 'lost';

interface LiveHandlers extends ConnectionState {
  document(data: unknown): void;
  change(data: unknown): void;
  /** Why the document is unavailable. */
  trouble(message: string): void;
}

/** The server sends something at least every ten seconds. */
const SILENCE_MS = 25_000;
const RETRY_MS = 1000;

/**
 * Watches `url`; returns a function that stops. A hidden page holds no connection, since a browser
 * opens at most six to a server in all its windows; when visible again, it receives the document
 * anew.
 */
function watch(url: string, handlers: LiveHandlers): () => void {
  let source: EventSource | undefined;
  let server: string | undefined;
  let timer: number | undefined;

  const close = (): void => {
    source?.close();
    source = undefined;
    clearTimeout(timer);
  };
  const retry = (afterMs: number): void => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      handlers.set('lost');
      open();
    }, afterMs);
  };
  const alive = (): void => {
    handlers.set('live');
    retry(SILENCE_MS);
  };
  const open = (): void => {
    close();
    const made = new EventSource(url);
    source = made;
    const on = (event: string, take: (data: unknown) => void): void =>
      made.addEventListener(event, message => {
        take(JSON.parse(message.data));
        alive();
      });
    on('hello', data => {
      const { server: name } = data as Hello;
      if (server !== undefined && server !== name) handlers.restarted();
      server = name;
    });
    on('beat', () => {});
    on('document', data => handlers.document(data));
    on('change', data => handlers.change(data));
    on('trouble', data => handlers.trouble((data as Trouble).message));
    // reconnects here: the browser stops trying if the response is not a stream
    made.onerror = () => {
      close();
      handlers.set('lost');
      retry(RETRY_MS);
    };
    // an address that never responds
    retry(SILENCE_MS);
  };
  const onVisibility = (): void => {
    if (document.hidden) close();
    else if (source === undefined) open();
  };
  document.addEventListener('visibilitychange', onVisibility);
  if (!document.hidden) open();
  return () => {
    document.removeEventListener('visibilitychange', onVisibility);
    close();
  };
}

/** Receives the connection state of views. */
export interface ConnectionState {
  set(state: Connection): void;
  restarted(): void;
}

export const Connections = createContext<ConnectionState>({ set: () => {}, restarted: () => {} });

export interface Live<T> {
  /** Undefined until the first one arrives. */
  readonly document: T | undefined;
  /** Why it is not up to date, except for the connection. */
  readonly trouble: string | undefined;
}

/**
 * @param address of the document; its events are below it
 * @param apply applies a change to a document
 */
export function useLive<T>(address: string, apply: (document: T, change: never) => T): Live<T> {
  const [live, setLive] = useState<Live<T> & { address: string }>({
    address,
    document: undefined,
    trouble: undefined,
  });
  const { set, restarted } = useContext(Connections);
  useEffect(
    () =>
      watch(`${address}/events`, {
        set,
        restarted,
        document: data => setLive({ address, document: data as T, trouble: undefined }),
        change: change =>
          setLive(old =>
            old.document === undefined ? old : { ...old, document: apply(old.document, change as never) },
          ),
        trouble: trouble => setLive(old => ({ ...old, address, trouble })),
      }),
    [address, apply, set, restarted],
  );
  // of the previous address, until the new one has sent something
  return live.address === address ? live : { document: undefined, trouble: undefined };
}

/** The page's title with the state, visible in a row of tabs. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title;
  }, [title]);
}

/** Placeholder for a document that is missing or cannot be shown. */
export function Waiting({
  title,
  trouble,
}: {
  readonly title: string;
  readonly trouble: string | undefined;
}) {
  return (
    <article>
      <h1>{title}</h1>
      {trouble === undefined ? <p class="note">Reading the files …</p> : <Alert>{trouble}</Alert>}
    </article>
  );
}

export function Alert({ children }: { readonly children: ComponentChildren }) {
  return (
    <p class="alert" role="alert">
      {children}
    </p>
  );
}
