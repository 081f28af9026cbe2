/** The HTTP server of the dashboard, over the catalog and its channels. It only reads files. */

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, isIPv6, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { UserError, usageError } from '../../util/errors.js';
import { launcher, programFile } from '../../util/root.js';
import type { Hello } from '../document.js';
import { Catalog } from './catalog.js';
import { type Channel, Channels, type Message, type Subject, type Subscriber, troubled } from './channels.js';
import { type Asset, type Route, refusalOf, routeOf } from './requests.js';

export { isLoopback } from './requests.js';

interface DashboardOptions {
  /** A folder of experiments, a run or a sweep. */
  readonly root: string;
  /** The address or name of this machine to listen on. */
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /**
   * Called with errors that neither a user nor a file caused: the request fails, the server
   * continues.
   */
  readonly onBug: (error: unknown) => void;
  /**
   * Milliseconds between polls of the files. Default: a second or less, depending on what is
   * watched.
   */
  readonly pollMs?: number;
  /**
   * Time that a client may take to send a request header, and may stay silent. Default: ten
   * seconds, a minute.
   */
  readonly timeouts?: { readonly headers: number; readonly idle: number };
}

export interface Dashboard {
  /** Such as `http://127.0.0.1:7420/`. */
  readonly url: string;
  /** Stops the server and closes all connections. */
  close(): Promise<void>;
}

/** A browser opens at most six connections to a server. */
const MAX_CONNECTIONS = 256;
const MAX_STREAMS = 64;
const TIMEOUTS = { headers: 10_000, idle: 60_000 };
/** Node's default is 30 s. */
const CHECK_EVERY_MS = 1_000;
/** Time to read an error response. */
const REFUSED_MS = 1_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 5_000;
/** Milliseconds between checks whether a missing run or sweep exists. */
const RETRY_MS = 3_000;
let started = 0;

/** @throws UserError (exit 2) if the root cannot be read, or the address or port cannot be used */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const catalog = new Catalog(options.root);
  await catalog.refresh();
  started += 1;
  const name = `${process.pid.toString(36)}-${Date.now().toString(36)}-${started}`;
  const channels = new Channels(catalog, options);
  const { timeouts = TIMEOUTS } = options;
  const handler = new Handler(options, name, channels);
  const server = createServer(
    {
      headersTimeout: timeouts.headers,
      requestTimeout: Math.max(REQUEST_TIMEOUT_MS, timeouts.headers),
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(CHECK_EVERY_MS, timeouts.headers),
    },
    (request, response) => void handler.handle(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  // the heartbeats of an event stream count as activity
  server.timeout = timeouts.idle;
  server.on('clientError', (error, socket) => refuseSocket(error, socket as Socket));
  // unsupported; Node would wait for a handler to take the socket
  server.on('upgrade', (_request, socket) => socket.destroy());
  server.on('connect', (_request, socket) => socket.destroy());
  try {
    await listening(server, options);
  } catch (error) {
    channels.close();
    throw error;
  }
  return {
    url: urlOf(server.address() as AddressInfo, options.host),
    close: async () => {
      channels.close();
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

class Handler {
  private streams = 0;

  constructor(
    private readonly options: Pick<DashboardOptions, 'host' | 'onBug' | 'pollMs'>,
    private readonly name: string,
    private readonly channels: Channels,
  ) {}

  /** Handles a request. Never throws: errors become responses. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [key, value] of Object.entries(HEADERS)) response.setHeader(key, value);
    const refusal = refusalOf(request, this.options.host);
    if (refusal !== undefined) {
      // the rest of a body would be read as the next request
      response.setHeader('Connection', 'close');
      refuse(response, refusal.status, refusal.message);
      return;
    }
    try {
      const route = routeOf(request.url ?? '');
      if (route === undefined) refuse(response, 404, 'nothing is at this address');
      else await this.respond(route, request, response);
    } catch (error) {
      this.fail(error, response);
    }
  }

  private async respond(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (route.kind) {
      case 'asset':
        respond(response, 200, TYPES[route.address], assetAt(route.address));
        return;
      case 'document': {
        const channel = await this.channels.of(route.subject);
        if (channel === undefined) refuse(response, 404, missing(route.subject));
        else answerJson(response, await channel.current());
        return;
      }
      case 'comparison': {
        const document = await this.channels.comparison(route.paths);
        if (document === undefined) refuse(response, 404, 'one of these runs does not exist');
        else answerJson(response, document);
        return;
      }
      case 'events':
        await this.stream(route, request, response);
        return;
      default:
        route satisfies never;
    }
  }

  private async stream(
    { subject }: Extract<Route, { kind: 'events' }>,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    if (this.streams >= MAX_STREAMS) {
      refuse(response, 503, 'too many pages are open');
      return;
    }
    this.streams += 1;
    response.on('close', () => {
      this.streams -= 1;
    });
    let channel = await this.channels.of(subject);
    if (request.method === 'HEAD') {
      if (channel === undefined) refuse(response, 404, missing(subject));
      else respond(response, 200, 'application/json', '');
      return;
    }
    const stream: EventStream = new EventStream(response, this.name, () => channel?.leave(stream));
    if (channel === undefined) {
      stream.send(troubled(`${missing(subject)}; this page will show it once it exists`));
      channel = await this.waitFor(stream, subject);
    }
    await channel?.join(stream);
  }

  /**
   * Waits until a missing run or sweep exists. If the stream were refused, the page would request
   * it again and again, with an error on the browser's console each time. Undefined once the page
   * is closed.
   */
  private async waitFor(stream: EventStream, subject: Subject): Promise<Channel | undefined> {
    while (stream.isOpen) {
      // must not keep the program running
      await setTimeout(this.options.pollMs ?? RETRY_MS, undefined, { ref: false });
      const channel = stream.isOpen ? await this.channels.of(subject) : undefined;
      if (channel !== undefined) return channel;
    }
    return undefined;
  }

  private fail(error: unknown, response: ServerResponse): void {
    const isExpected = error instanceof URIError || error instanceof UserError;
    if (!isExpected) this.options.onBug(error);
    if (response.headersSent) response.destroy();
    else if (error instanceof URIError) refuse(response, 400, 'the address is malformed');
    // damaged files
    else if (error instanceof UserError) refuse(response, 409, error.message);
    else refuse(response, 500, 'internal error; see the output of the server');
  }
}

function missing(subject: Subject): string {
  return subject.kind === 'list'
    ? 'the list does not exist yet'
    : `there is no ${subject.kind} '${subject.path.slice(0, 200)}'`;
}

/** Rejects requests that are not HTTP, or whose header is too large. */
function refuseSocket(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = {
    HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
    ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  }[error.code ?? ''];
  // after writing: a client that does not close its end would keep the socket open
  socket.end(
    `HTTP/1.1 ${status ?? '400 Bad Request'}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    () => socket.destroy(),
  );
  socket.setTimeout(REFUSED_MS, () => socket.destroy());
}

function listening(server: Server, { host, port }: Pick<DashboardOptions, 'host' | 'port'>): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(refusedAddress(error, host, port)));
    server.listen({ host, port }, resolve);
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'not an address of this machine',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'the host name cannot be resolved',
};

function refusedAddress(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const reason = REASONS[error.code ?? ''];
  if (reason === undefined) return error;
  return usageError({
    code: error.code === 'EADDRINUSE' ? PORT_TAKEN : 'serve/address',
    message: `cannot listen on ${host}:${port}: ${reason}`,
    file: error.code === 'EADDRINUSE' || error.code === 'EACCES' ? '--port' : '--host',
  });
}

/** Code of the diagnostic if another program uses the port. */
export const PORT_TAKEN = 'serve/port-taken';

/** The URL to open; `localhost` if the server listens on all addresses. */
function urlOf({ address, port }: AddressInfo, host: string): string {
  const isAny = address === '0.0.0.0' || address === '::';
  const name = isAny ? 'localhost' : host;
  return `http://${isIPv6(name) ? `[${name}]` : name}:${port}/`;
}

export type Status = 200 | 400 | 403 | 404 | 405 | 409 | 413 | 414 | 421 | 500 | 503;

/**
 * Sent with every response. The page uses only its own script and style (uPlot sets styles through
 * the DOM, which the policy allows), cannot be framed and sends no referrer.
 */
export const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Cache-Control': 'no-store',
};

/** Node omits the body of responses to HEAD. */
export function respond(
  response: ServerResponse,
  status: Status,
  type: 'text/html' | 'text/css' | 'text/javascript' | 'application/json',
  body: string | Uint8Array,
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Length': bytes.length,
    ...(status === 405 && { Allow: 'GET, HEAD' }),
    ...(status === 503 && { 'Retry-After': '2' }),
  });
  response.end(bytes);
}

export function answerJson(response: ServerResponse, value: object): void {
  respond(response, 200, 'application/json', JSON.stringify(value));
}

/** Sends an error as `{"error": …}`. */
export function refuse(response: ServerResponse, status: Exclude<Status, 200>, message: string): void {
  respond(response, status, 'application/json', JSON.stringify({ error: message }));
}

const PAGE = `<!DOCTYPE html>
<html lang="en" data-launcher="${launcher}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="cellrun">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/dashboard.css">
<title>Experiments</title>
<script src="/dashboard.js" defer></script>
</head>
<body>
<div id="page">
<main>
<h1>Experiments</h1>
<noscript><p>The dashboard needs JavaScript. Without it, <code>${launcher} report DIR</code> writes a page that shows the same.</p></noscript>
</main>
</div>
</body>
</html>
`;

const TYPES = {
  '/': 'text/html',
  '/dashboard.js': 'text/javascript',
  '/dashboard.css': 'text/css',
} as const;

const assets = new Map<Asset, string | Uint8Array>([['/', PAGE]]);

/** The page, or a file that the build writes next to the assets of reports; read once. */
function assetAt(address: Asset): string | Uint8Array {
  const content = assets.get(address) ?? readFileSync(programFile(`view${address}`));
  assets.set(address, content);
  return content;
}

/**
 * Maximum unread bytes of a page; beyond it the connection is closed, and the page reconnects for
 * the whole document.
 */
const MAX_WAITING_BYTES = 32 << 20;
/** Interval of heartbeats, shorter than the timeouts of proxies and pages. */
const BEAT_MS = 10_000;
/** Delay before a browser reconnects. */
const RECONNECT_MS = 1000;

export class EventStream implements Subscriber {
  private readonly beat: NodeJS.Timeout;

  /**
   * Writes the response header.
   * @param server see `Hello`
   */
  constructor(
    private readonly response: ServerResponse,
    server: string,
    closed: () => void,
  ) {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    this.write(
      `retry: ${RECONNECT_MS}\nevent: hello\ndata: ${JSON.stringify({ server } satisfies Hello)}\n\n`,
    );
    this.beat = setInterval(() => this.write('event: beat\ndata: {}\n\n'), BEAT_MS);
    response.on('close', () => {
      clearInterval(this.beat);
      closed();
    });
  }

  get isOpen(): boolean {
    return !this.response.destroyed && !this.response.writableEnded;
  }

  send({ event, data }: Message): void {
    this.write(`event: ${event}\ndata: ${data}\n\n`);
  }

  end(): void {
    this.response.end();
  }

  private write(text: string): void {
    if (!this.isOpen) return;
    if (this.response.writableLength > MAX_WAITING_BYTES) this.response.destroy();
    else this.response.write(text);
  }
}
