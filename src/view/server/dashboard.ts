/**
 * The HTTP server of the dashboard, over the catalog. It only reads files. A page of another origin
 * can make a browser send requests to this server. It must learn nothing from them: CORS is never
 * granted, its origin is rejected, and so is a host name that it has pointed at this machine's
 * address (DNS rebinding), which shows in the `Host` header.
 */

import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, isIP, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { usageError } from '../../util/errors.js';
import { launcher } from '../../util/root.js';
import { systemReason } from '../../util/system-errors.js';
import { readPageAssets } from '../html.js';
import { Catalog, isFileProblem } from './catalog.js';
import { type Source, type Subject, sourceOf, subjectOf } from './sources.js';

interface DashboardOptions {
  readonly root: string;
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Called with errors that neither a user nor a file caused. */
  readonly onBug: (error: unknown) => void;
  readonly pollMs?: number;
}

export type Dashboard = Awaited<ReturnType<typeof startDashboard>>;

/** @returns its URL, such as `http://127.0.0.1:7420/`, and how to close it */
export async function startDashboard(options: DashboardOptions) {
  const catalog = new Catalog(options.root);
  await catalog.refresh();
  const handler = new Handler(options, catalog);
  const server = createServer((request, response) => void handler.handle(request, response));
  await listening(server, options);
  return {
    url: urlOf(server.address() as AddressInfo, options.host),
    close: async () => {
      const closed = new Promise(resolve => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}

const POLL_MS = 1000;
/** Idle time after a poll, as a multiple of its duration. */
const IDLE_FACTOR = 5;
/** Shorter than the timeouts of proxies. */
const BEAT_MS = 10_000;

class Handler {
  constructor(
    private readonly options: DashboardOptions,
    private readonly catalog: Catalog,
  ) {}

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    for (const [key, value] of Object.entries(HEADERS)) response.setHeader(key, value);
    const { method, headers, url = '' } = request;
    const refusal = refusalOf(method, headers, this.options.host);
    if (refusal !== undefined) return refuse(response, refusal.status, refusal.message);
    const asset = ASSETS[url.split('?', 1)[0]];
    if (asset !== undefined) return respond(response, 200, asset.type, asset.read());
    try {
      const subject = subjectOf(url);
      if (subject === undefined) refuse(response, 404, 'nothing is at this address');
      else if (subject.isStream && method === 'GET') await this.follow(subject, response);
      else await this.answer(subject, response);
    } catch (error) {
      if (error instanceof URIError) refuse(response, 400, 'the address is malformed');
      else refuse(response, isFileProblem(error) ? 409 : 500, this.reasonOf(error));
    }
  }

  private async answer(subject: Subject, response: ServerResponse): Promise<void> {
    const source = await sourceOf(subject, this.catalog);
    if (source === undefined) return refuse(response, 404, missing(subject));
    try {
      await source.version();
      respond(response, 200, 'application/json', JSON.stringify(await source.document()));
    } finally {
      source.close();
    }
  }

  /**
   * Sends the document, and again after each change, until the page is closed. If a missing run
   * were refused, the page would request it again and again, with an error on the console.
   */
  private async follow(subject: Subject, response: ServerResponse): Promise<void> {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' });
    const beat = setInterval(() => response.write(':\n\n'), BEAT_MS);
    let source: Source | undefined;
    let version: string | undefined;
    let sent: string | undefined;
    const send = (event: 'document' | 'trouble', document: object): void => {
      const message = `event: ${event}\ndata: ${JSON.stringify(document)}\n\n`;
      if (message !== sent) response.write(message);
      sent = message;
    };
    const look = async (): Promise<void> => {
      try {
        source ??= await sourceOf(subject, this.catalog);
        const now = await source?.version();
        if (source === undefined)
          send('trouble', { message: `${missing(subject)}; this page will show it once it exists` });
        else if (now !== version) send('document', await source.document());
        version = now;
      } catch (error) {
        version = undefined;
        send('trouble', { message: this.reasonOf(error) });
      }
    };
    while (!response.destroyed) {
      const began = performance.now();
      // a page that reads nothing gets nothing more
      if (!response.writableNeedDrain) await look();
      const { pollMs = POLL_MS } = this.options;
      // must not keep the program running
      const pause = Math.max(pollMs, IDLE_FACTOR * (performance.now() - began));
      await setTimeout(pause, undefined, { ref: false });
    }
    clearInterval(beat);
    source?.close();
  }

  private reasonOf(error: unknown): string {
    if (isFileProblem(error)) return error.message;
    this.options.onBug(error);
    return 'internal error; see the output of the server';
  }
}

function missing({ kind, paths }: Subject): string {
  return kind === 'comparison'
    ? 'one of these runs does not exist'
    : `there is no ${kind} '${paths[0].slice(0, 200)}'`;
}

/** @param host what the server listens on, as the user named it */
export function refusalOf(method: string | undefined, headers: IncomingHttpHeaders, host: string) {
  if (!isOwnHost(headers.host, host))
    return { status: 421, message: 'this server does not have the host name of the request' };
  if (!isOwnOrigin(headers)) return { status: 403, message: 'requests from other origins are refused' };
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, message: 'only GET and HEAD are allowed' };
  return undefined;
}

/**
 * A name can resolve to any machine, an address cannot. Only names that certainly mean this machine
 * are allowed.
 */
function isOwnHost(given: string | undefined, host: string): boolean {
  const [, bracketed, plain] =
    /^(?:\[([0-9a-f:.]+)\]|([^:[\]/?#@\s]+))(?::\d{1,5})?$/i.exec(given ?? '') ?? [];
  const name = (bracketed ?? plain)?.toLowerCase();
  if (name === undefined) return false;
  if (isIP(name) > 0 || name === 'localhost') return true;
  return !isLoopback(host) && [host.toLowerCase(), hostname().toLowerCase()].includes(name);
}

/** Browsers send `Origin` with everything except plain navigation, and `Sec-Fetch-Site` always. */
function isOwnOrigin(headers: IncomingHttpHeaders): boolean {
  const { origin, host, 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest } = headers;
  // a proxy that terminates TLS keeps the host name
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) return false;
  if (site === undefined || site === 'same-origin' || site === 'none') return true;
  // somebody follows a link to here; the page that has the link cannot see what comes
  return mode === 'navigate' && dest === 'document';
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function listening(server: Server, { host, port }: Pick<DashboardOptions, 'host' | 'port'>): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(refusedAddress(error, host, port)));
    server.listen({ host, port }, resolve);
  });
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use',
  EADDRNOTAVAIL: 'not an address of this machine',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'the host name cannot be resolved',
};

function refusedAddress(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const reason = systemReason(error, REASONS);
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

/** The page uses only its own script and style, cannot be framed and sends no referrer. */
const HEADERS: Readonly<Record<string, string>> = {
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

function respond(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, {
    'Content-Type': `${type}; charset=utf-8`,
    'Content-Length': Buffer.byteLength(body),
    ...(status === 405 && { Allow: 'GET, HEAD' }),
  });
  response.end(body);
}

function refuse(response: ServerResponse, status: number, message: string): void {
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
<link rel="stylesheet" href="/page.css">
<title>Experiments</title>
<script src="/page.js" defer></script>
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

const ASSETS: Readonly<Record<string, { readonly type: string; read(): string } | undefined>> = {
  '/': { type: 'text/html', read: () => PAGE },
  '/page.js': { type: 'text/javascript', read: () => readPageAssets().script },
  '/page.css': { type: 'text/css', read: () => readPageAssets().style },
};
