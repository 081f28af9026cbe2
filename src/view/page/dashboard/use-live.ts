/** A document that follows the files. */
import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import { type Connection, watch } from './live.js';

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
  // of the previous address, until the new one has sent something
  return live.address === address ? live : { document: undefined, trouble: undefined };
}
