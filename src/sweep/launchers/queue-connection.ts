/**
 * Connects to the Redis server of a queue. BullMQ and ioredis are optional packages, loaded on use.
 */
import type { Redis } from 'ioredis';
import { type UserError, usageError } from '../../util/errors.js';
import { codeOf } from '../../util/system-errors.js';

/** Required by BullMQ. */
const MIN_REDIS = [6, 2] as const;
const CONNECT_MS = 5_000;
const QUEUE = 'cellrun';

export interface QueueAddress {
  /** For ioredis, including the password. */
  readonly url: string;
  /** Name of the queue on the server. */
  readonly name: string;
  /** For messages, without the password. */
  readonly shown: string;
  /** The value of `--queue` for messages, without the password. */
  readonly argument: string;
}

/** BullMQ, and a function that opens a connection. */
export type QueueLibrary = typeof import('bullmq') & {
  connect(address: QueueAddress): Redis;
};

/**
 * Reads `redis://[user:password@]host[:port][/database][?queue=NAME]`, or `rediss://` for TLS.
 * @throws UserError (exit 2) for anything else
 */
export function parseQueue(text: string): QueueAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const name = url?.searchParams.get('queue') ?? QUEUE;
  const isKnown = url !== undefined && /^rediss?:$/.test(url.protocol) && url.hostname !== '';
  if (!isKnown || !/^[A-Za-z0-9._-]+$/.test(name) || !/^\/?\d*$/.test(url.pathname)) {
    throw usageError({
      code: 'queue/address',
      message: 'invalid queue address',
      expected: 'redis://host:6379, rediss://user:password@host:6379/0?queue=name',
      got: text.replace(/\/\/[^@/]*@/, '//…@'),
    });
  }
  url.searchParams.delete('queue');
  const shown = new URL(url);
  shown.password = '';
  const argument = name === QUEUE ? shown.href : `${shown.href}?queue=${name}`;
  return { url: url.href, name, shown: `${shown.href} (queue ${name})`, argument };
}

/**
 * @throws UserError (exit 2) if the packages are not installed, or if the server is unreachable,
 *   too old or rejects the login
 */
export async function openQueue(address: QueueAddress): Promise<QueueLibrary> {
  const library = await loadLibrary();
  await checkServer(library, address);
  return library;
}

async function loadLibrary(): Promise<QueueLibrary> {
  try {
    const [bullmq, ioredis] = await Promise.all([import('bullmq'), import('ioredis')]);
    // BullMQ requires a client that waits for the server without a limit
    const options = { maxRetriesPerRequest: null, connectTimeout: CONNECT_MS, lazyConnect: true };
    return { ...bullmq, connect: ({ url }) => new ioredis.Redis(url, options) };
  } catch (error) {
    if (codeOf(error) !== 'ERR_MODULE_NOT_FOUND') throw error;
    throw usageError({
      code: 'queue/not-installed',
      message: 'queues need the packages bullmq and ioredis, which are not installed',
      expected: '`npm install --include=optional` in the folder of this program',
    });
  }
}

/** Connects once, without retries. */
async function checkServer(library: QueueLibrary, address: QueueAddress): Promise<void> {
  const client = library.connect(address);
  client.options.retryStrategy = () => null;
  // `connect` rejects only with "connection is closed"; the event has the reason
  let reason: Error | undefined;
  client.on('error', error => {
    reason = error;
  });
  try {
    await client.connect();
    checkVersion(await client.info('server'), address);
  } catch (error) {
    throw unreachable(address, reason ?? error);
  } finally {
    client.disconnect();
  }
}

function checkVersion(info: string, { shown }: QueueAddress): void {
  const version = /^redis_version:(.*)$/m.exec(info)?.[1].trim() ?? 'unknown';
  const [major, minor] = version.split('.').map(Number);
  if (major > MIN_REDIS[0] || (major === MIN_REDIS[0] && minor >= MIN_REDIS[1])) return;
  throw usageError({
    code: 'queue/too-old',
    message: `the Redis server of ${shown} is too old`,
    expected: `Redis ${MIN_REDIS.join('.')} or later`,
    got: version,
  });
}

function unreachable({ shown }: QueueAddress, error: unknown): unknown {
  if (!(error instanceof Error) || error.name === 'UserError') return error;
  return unreachableError(shown, error.message);
}

/** The server is unreachable. */
export function unreachableError(shown: string, reason: string): UserError {
  return usageError({ code: 'queue/unreachable', message: `cannot reach ${shown}: ${reason}` });
}
