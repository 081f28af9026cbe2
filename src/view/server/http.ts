/**
 * What the servers of the program share: who may ask, and how they answer. A page of another origin
 * can make a browser send requests to them. It must learn nothing from them: CORS is never granted,
 * its origin is rejected, and so is a host name that it has pointed at this machine's address (DNS
 * rebinding), which shows in the `Host` header.
 */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http';
import { type AddressInfo, isIP, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import type { Logger } from '../../host/index.js';
import { usageError } from '../../util/errors.js';
import { systemReason } from '../../util/system-errors.js';

export interface Address {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
}

/** @returns the server, and its URL, such as `http://127.0.0.1:7420/` */
export async function listen(
  address: Address,
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
  options: ServerOptions = {},
): Promise<{ server: Server; url: string }> {
  const server = createServer(options, (request, response) => {
    for (const [key, value] of Object.entries(HEADERS)) response.setHeader(key, value);
    void handle(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', error => reject(refusedAddress(error, address)));
    server.listen({ host: address.host, port: address.port }, resolve);
  });
  return { server, url: urlOf(server.address() as AddressInfo, address.host) };
}

/** The status in logs and measurements if a client did not wait for the end of its response. */
export const GONE = 499;

/**
 * Logs a request when its response ends: with the fields of pino-http, which tools for logs know,
 * at the level `debug` if it only reads, since pages and monitors do so all the time.
 * @param url as it may be logged: without a query, and without what only the client may know
 */
export function logRequest(
  log: Logger,
  { method = '', socket }: IncomingMessage,
  response: ServerResponse,
  url: string,
): void {
  const began = performance.now();
  const { remoteAddress } = socket;
  response.once('close', () => {
    const { writableFinished, statusCode } = response;
    const status = writableFinished ? statusCode : GONE;
    const reads = method === 'GET' || method === 'HEAD';
    const level = statusCode >= 500 ? 'error' : reads ? 'debug' : statusCode >= 400 ? 'warn' : 'info';
    const responseTime = Math.round(performance.now() - began);
    log[level](
      { req: { method, url, remoteAddress }, res: { statusCode: status }, responseTime },
      `${method} ${url} ${status}`,
    );
  });
}

export interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * @param host what the server listens on, as the user named it
 * @param names other host names of the server
 */
export function refusalOf(
  method: string | undefined,
  headers: IncomingHttpHeaders,
  host: string,
  methods: readonly string[] = ['GET', 'HEAD'],
  names: readonly string[] = [],
): Refusal | undefined {
  if (!isOwnHost(headers.host, host, names))
    return { status: 421, message: 'this server does not have the host name of the request' };
  if (!isOwnOrigin(headers)) return { status: 403, message: 'requests from other origins are refused' };
  if (methods.includes(method ?? '')) return undefined;
  const message = `only ${methods.join(' and ')} ${methods.length > 1 ? 'are' : 'is'} allowed`;
  return { status: 405, message, headers: { Allow: methods.join(', ') } };
}

/**
 * A name can resolve to any machine, an address cannot. Only names that certainly mean this machine
 * are allowed.
 */
function isOwnHost(given: string | undefined, host: string, names: readonly string[]): boolean {
  const [, bracketed, plain] =
    /^(?:\[([0-9a-f:.]+)\]|([^:[\]/?#@\s]+))(?::\d{1,5})?$/i.exec(given ?? '') ?? [];
  const name = (bracketed ?? plain)?.toLowerCase();
  if (name === undefined) return false;
  if (isIP(name) > 0 || name === 'localhost' || names.includes(name)) return true;
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

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is already in use',
  EADDRNOTAVAIL: 'not an address of this machine',
  ENOTFOUND: 'host not found',
  EAI_AGAIN: 'the host name cannot be resolved',
};

function refusedAddress(error: NodeJS.ErrnoException, { host, port }: Address): Error {
  const reason = systemReason(error, REASONS);
  if (reason === undefined) return error;
  return usageError(
    error.code === 'EADDRINUSE' ? PORT_TAKEN : 'serve/address',
    `cannot listen on ${host}:${port}: ${reason}`,
    { file: error.code === 'EADDRINUSE' || error.code === 'EACCES' ? '--port' : '--host' },
  );
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
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), geolocation=(), microphone=()',
  'Cache-Control': 'no-store',
};

export function respond(
  response: ServerResponse,
  status: number,
  type: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, {
    'Content-Type': typeof body === 'string' ? `${type}; charset=utf-8` : type,
    'Content-Length': Buffer.byteLength(body),
    ...headers,
  });
  endResponse(response, body);
}

/** Time to read the response, for a client whose body is not read to its end. */
const LINGER_MS = 1000;

/**
 * Ends a response, with what remains of it. A client that still sends its body has time to read it:
 * Node.js closes many connections at the end of a response, and a connection that is closed with
 * unread bytes in it loses the response.
 */
export function endResponse(response: ServerResponse, rest: string | Buffer = ''): void {
  const { req } = response;
  const hasBody = 'content-length' in req.headers || 'transfer-encoding' in req.headers;
  if (req.complete || !hasBody) return void response.end(rest);
  response.write(rest);
  const late = setTimeout(() => response.end(() => req.socket.destroySoon()), LINGER_MS).unref();
  req.once('end', () => {
    clearTimeout(late);
    response.end();
  });
  req.resume();
}

export function refuse(response: ServerResponse, { status, message, headers }: Refusal): void {
  respond(response, status, 'application/json', JSON.stringify({ error: message }), headers);
}

export const NOWHERE: Refusal = { status: 404, message: 'nothing is at this address' };
