/** A document that stays as the files are. */
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import { type Connection, watch } from './live.js';

/** Where views say how their connection is. */
export interface ConnectionState {
  set(state: Connection): void;
  restarted(): void;
}

export const Connections = createContext<ConnectionState>({ set: () => {}, restarted: () => {} });

export interface Live<T> {
  /** Undefined before the first came. */
  readonly document: T | undefined;
  /** What keeps it from being up to date, besides the connection. */
  readonly trouble: string | undefined;
}

/**
 * @param address of the document; its events are below it
 * @param apply puts a change into a document
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
        connection: set,
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
  // of the address before, as long as the new one has said nothing
  return live.address === address ? live : { document: undefined, trouble: undefined };
}
