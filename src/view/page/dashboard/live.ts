/** A connection for server-sent events that reconnects and continues where it was. */
import type { Hello, Trouble } from '../../server/documents.js';

export type Connection =
  | 'connecting'
  | 'live'
  /** Lost, and reconnecting. */
  | 'lost';

export interface LiveHandlers {
  connection(state: Connection): void;
  /** The server was restarted. */
  restarted(): void;
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
 * opens at most six to a server in all its windows; when visible again, it receives what it missed.
 */
export function watch(url: string, handlers: LiveHandlers): () => void {
  let source: EventSource | undefined;
  let last: string | undefined;
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
      handlers.connection('lost');
      open();
    }, afterMs);
  };
  const alive = (): void => {
    handlers.connection('live');
    retry(SILENCE_MS);
  };
  const open = (): void => {
    close();
    const made = new EventSource(last === undefined ? url : `${url}?after=${encodeURIComponent(last)}`);
    source = made;
    const on = (event: string, take: (data: unknown) => void): void =>
      made.addEventListener(event, message => {
        if (message.lastEventId !== '') last = message.lastEventId;
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
    // reconnects here: the browser stops trying if the response is not a stream, and it sends the
    // initial `after`
    made.onerror = () => {
      close();
      handlers.connection('lost');
      retry(RETRY_MS);
    };
    // an address that never answers
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
