/**
 * One connection for server-sent events: lost, it comes again by itself and goes on where it was.
 */
import type { Hello, Trouble } from '../../server/documents.js';

export type Connection =
  | 'connecting'
  | 'live'
  /** Lost; tried again all the time. */
  | 'lost';

export interface LiveHandlers {
  connection(state: Connection): void;
  /** The server is another one than before: it was started again. */
  restarted(): void;
  document(data: unknown): void;
  change(data: unknown): void;
  /** What keeps the document from being given. */
  trouble(message: string): void;
}

/** The server says something at least every ten seconds. */
const SILENCE_MS = 25_000;
const RETRY_MS = 1000;

/**
 * Watches `url` until the function that it gives is called. A page that nobody sees holds no
 * connection, since a browser opens six to a server in all its windows; seen again, it is told what
 * it missed.
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
    // by ourselves, since a browser gives up where the answer is no stream, and knows `after` only
    // as it was
    made.onerror = () => {
      close();
      handlers.connection('lost');
      retry(RETRY_MS);
    };
    // an address that is never answered
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
