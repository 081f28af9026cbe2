/**
 * The dashboard's server: HTTP over the catalog and its channels. It reads files and writes none.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { isIPv6 } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { UserError, usageError } from '../../util/errors.js';
import { answer, answerJson, HEADERS, refuse } from './answers.js';
import { type Assets, typeOf } from './assets.js';
import { Catalog } from './catalog.js';
import { type Channel, troubled } from './channel.js';
import { Channels, type Reports, type Subject } from './channels.js';
import { EventStream } from './event-stream.js';
import { refusalOf } from './guard.js';
import { type Route, routeOf } from './routes.js';

export interface DashboardOptions {
  /** A folder of experiments, or one run, or one sweep. */
  readonly root: string;
  /** What to listen on: an address or a name of this machine. */
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  readonly assets: Assets;
  readonly reports: Reports;
  /** Told of what is no user's fault: the request fails, the server goes on. */
  readonly defect: (error: unknown) => void;
  /**
   * Time between two looks at the files. Default: a second or less, depending on what is watched.
   */
  readonly lookEveryMs?: number;
  /**
   * How long a client may take for the head of a request, and say or read nothing. Default: ten
   * seconds, a minute.
   */
  readonly timeouts?: { readonly headers: number; readonly idle: number };
}

export interface Dashboard {
  /** Such as `http://127.0.0.1:7420/`. */
  readonly url: string;
  /** Ends all connections. */
  close(): Promise<void>;
}

/** A browser opens six to a server at most. */
const MAX_CONNECTIONS = 256;
const MAX_STREAMS = 64;
const TIMEOUTS = { headers: 10_000, idle: 60_000 };
/** Node looks every 30 s by itself. */
const CHECK_EVERY_MS = 1_000;
/** For a refusal to be read. */
const REFUSED_MS = 1_000;
const REQUEST_TIMEOUT_MS = 15_000;
const KEEP_ALIVE_MS = 5_000;
/** After what is not there yet. */
const LOOK_AGAIN_MS = 3_000;
let started = 0;

/**
 * @throws UserError (exit 2) if the root cannot be read, or the port or the host is not to be had
 */
export async function startDashboard(options: DashboardOptions): Promise<Dashboard> {
  const catalog = new Catalog(options.root);
  await catalog.refresh();
  started += 1;
  const name = `${process.pid.toString(36)}-${Date.now().toString(36)}-${started}`;
  const channels = new Channels(name, catalog, options);
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
  // of a stream of events, its beats are activity enough
  server.timeout = timeouts.idle;
  server.on('clientError', (error, socket) => refuseSocket(error, socket as Socket));
  // neither is offered, and Node would wait for somebody to take the socket
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
    private readonly options: Pick<DashboardOptions, 'host' | 'assets' | 'defect' | 'lookEveryMs'>,
    private readonly name: string,
    private readonly channels: Channels,
  ) {}

  /** Never throws: what goes wrong with a request is its answer. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [key, value] of Object.entries(HEADERS)) response.setHeader(key, value);
    const refusal = refusalOf(request, this.options.host);
    if (refusal !== undefined) {
      // what is left of a body would be taken for the next request
      response.setHeader('Connection', 'close');
      refuse(response, refusal.status, refusal.message);
      return;
    }
    try {
      const route = routeOf(request.url ?? '');
      if (route === undefined) refuse(response, 404, 'there is nothing at this address');
      else await this.answer(route, request, response);
    } catch (error) {
      this.fail(error, response);
    }
  }

  private async answer(route: Route, request: IncomingMessage, response: ServerResponse): Promise<void> {
    switch (route.kind) {
      case 'asset':
        answer(response, 200, typeOf(route.name), this.options.assets.read(route.name));
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
    { subject, after }: Extract<Route, { kind: 'events' }>,
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
      else answer(response, 200, 'application/json', '');
      return;
    }
    const stream: EventStream = new EventStream(response, this.name, () => channel?.leave(stream));
    if (channel === undefined) {
      stream.send(troubled(`${missing(subject)}; this page shows it as soon as it exists`));
      channel = await this.comingInto(stream, subject);
    }
    await channel?.join(stream, headerOf(request, 'last-event-id') ?? after);
  }

  /**
   * Who asks for a run or sweep that is not there waits until it is: a refused stream would be
   * asked for again and again, with an error on the browser's console each time. Undefined once the
   * page is gone.
   */
  private async comingInto(stream: EventStream, subject: Subject): Promise<Channel | undefined> {
    while (stream.isOpen) {
      // nothing that the end of the program has to wait for
      await setTimeout(this.options.lookEveryMs ?? LOOK_AGAIN_MS, undefined, { ref: false });
      const channel = stream.isOpen ? await this.channels.of(subject) : undefined;
      if (channel !== undefined) return channel;
    }
    return undefined;
  }

  private fail(error: unknown, response: ServerResponse): void {
    const isExpected = error instanceof URIError || error instanceof UserError;
    if (!isExpected) this.options.defect(error);
    if (response.headersSent) response.destroy();
    else if (error instanceof URIError) refuse(response, 400, 'the address is not well formed');
    // damaged files, too many watchers
    else if (error instanceof UserError) refuse(response, 409, error.message);
    else refuse(response, 500, 'the server failed unexpectedly; its output says more');
  }
}

function missing(subject: Subject): string {
  return subject.kind === 'list'
    ? 'the list does not exist yet'
    : `there is no ${subject.kind} '${subject.path.slice(0, 200)}'`;
}

function headerOf(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** What is no HTTP, or too large a head of it. */
function refuseSocket(error: Error & { code?: string }, socket: Socket): void {
  if (!socket.writable || error.code === 'ECONNRESET') {
    socket.destroy();
    return;
  }
  const status = {
    HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
    ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  }[error.code ?? ''];
  // once it is written: a client that does not close its own end would keep the socket
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
  EADDRNOTAVAIL: 'this is not an address of this machine',
  ENOTFOUND: 'there is no such host',
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

/** Code of the diagnostic where another program has the port. */
export const PORT_TAKEN = 'serve/port-taken';

/** A server that listens on all addresses is named by one that every browser knows. */
function urlOf({ address, port }: AddressInfo, host: string): string {
  const isAny = address === '0.0.0.0' || address === '::';
  const name = isAny ? 'localhost' : host;
  return `http://${isIPv6(name) ? `[${name}]` : name}:${port}/`;
}
