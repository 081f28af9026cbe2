/** Documents that follow the files: they come as server-sent events, each whole. */

import { type ComponentChildren, createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Trouble } from '../document.js';

export type Connection =
  | 'connecting'
  | 'live'
  /** Lost, and reconnecting. */
  | 'lost';

/** Receives the connection state of views. */
export const Connections = createContext<(state: Connection) => void>(() => {});

export interface Live<T> {
  /** Undefined until the first one arrives. */
  readonly document: T | undefined;
  /** Why it is not up to date, except for the connection. */
  readonly trouble: string | undefined;
}

const RETRY_MS = 1000;

/**
 * Follows the document at `address`. A hidden page holds no connection, since a browser opens at
 * most six to a server in all its windows; when visible again, it receives the document anew.
 */
export function useLive<T>(address: string): Live<T> {
  const [live, setLive] = useState<Live<T> & { address?: string }>({
    document: undefined,
    trouble: undefined,
  });
  const setConnection = useContext(Connections);
  useEffect(() => {
    let source: EventSource | undefined;
    let timer: number | undefined;
    const close = (): void => {
      clearTimeout(timer);
      source?.close();
      source = undefined;
    };
    const open = (): void => {
      const made = new EventSource(address);
      source = made;
      made.onopen = () => setConnection('live');
      made.addEventListener('document', ({ data }) =>
        setLive({ address, document: JSON.parse(data) as T, trouble: undefined }),
      );
      made.addEventListener('trouble', ({ data }) => {
        const { message: trouble } = JSON.parse(data) as Trouble;
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
  }, [address, setConnection]);
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
