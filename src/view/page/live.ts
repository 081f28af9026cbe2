/** Documents that follow the files: they come as server-sent events, each whole. */

import { useEffect, useState } from 'preact/hooks';

/** `lost`, and reconnecting. */
export type Connection = 'connecting' | 'live' | 'lost';

interface Live<T> {
  readonly document: T | undefined;
  readonly trouble: string | undefined;
}

const NOTHING = { document: undefined, trouble: undefined };
const RETRY_MS = 1000;

/**
 * Follows the document whose events are at `address`. A hidden page holds no connection, since a
 * browser opens at most six to a server in all its windows; when visible again, it receives the
 * document anew.
 */
export function useLive<T>(address: string, setConnection: (state: Connection) => void): Live<T> {
  const [live, setLive] = useState<Live<T> & { address?: string }>(NOTHING);
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
      made.addEventListener('document', ({ data }) =>
        setLive({ address, document: JSON.parse(data) as T, trouble: undefined }),
      );
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
  }, [address, setConnection]);
  // of the previous address, until the new one has sent something
  return live.address === address ? live : NOTHING;
}
