/**
 * Which requests are answered at all. A page of another origin can make a browser send requests to
 * this server; it must get nothing from that, neither directly (CORS is never granted, and its
 * origin is refused) nor by a name of its own that it has made lead to this machine's address (DNS
 * rebinding), which the `Host` that the browser sends then tells.
 */
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

export interface Refusal {
  readonly status: 400 | 403 | 405 | 413 | 414 | 421;
  readonly message: string;
}

interface Asked {
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turns. */
  readonly rawHeaders: readonly string[];
}

/** No address of ours is nearly as long, a comparison of twenty runs included. */
const MAX_URL = 8192;

/**
 * Why a request is refused; undefined where it is not. @param host what the server listens on, as
 * the user named it
 */
export function refusalOf(asked: Asked, host: string): Refusal | undefined {
  const { method = '', url = '', headers, rawHeaders } = asked;
  // Node takes the first; whatever stands between may take another (RFC 9112, 3.2)
  if (rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length > 1)
    return { status: 400, message: 'there is more than one Host' };
  if (!isOwnHost(headers.host, host))
    return { status: 421, message: `this server does not answer to the name '${shown(headers.host)}'` };
  if (!isOwnOrigin(headers)) return { status: 403, message: 'requests from other origins are refused' };
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, message: 'only GET and HEAD are allowed' };
  if (url.length > MAX_URL) return { status: 414, message: 'the address is too long' };
  if (!url.startsWith('/')) return { status: 400, message: 'the address must begin with a slash' };
  if (hasBody(headers)) return { status: 413, message: 'requests must not have a body' };
  return undefined;
}

/**
 * A name can be made to lead anywhere, an address cannot; of names those count that are this
 * machine's for certain.
 */
function isOwnHost(given: string | undefined, host: string): boolean {
  const name = nameOf(given);
  if (name === undefined) return false;
  if (isIP(name) > 0 || name === 'localhost') return true;
  return !isLoopback(host) && [host.toLowerCase(), hostname().toLowerCase()].includes(name);
}

/** The name in a `Host` header, without port and brackets; undefined where it is none. */
function nameOf(given: string | undefined): string | undefined {
  const [, bracketed, plain] =
    /^(?:\[([0-9a-f:.]+)\]|([^:[\]/?#@\s]+))(?::\d{1,5})?$/i.exec(given ?? '') ?? [];
  return (bracketed ?? plain)?.toLowerCase();
}

/**
 * Browsers send `Origin` with whatever is not a plain visit, and `Sec-Fetch-Site` with everything.
 */
function isOwnOrigin(headers: IncomingHttpHeaders): boolean {
  const { origin, host, 'sec-fetch-site': site, 'sec-fetch-mode': mode, 'sec-fetch-dest': dest } = headers;
  // what speaks TLS to the browser in our place keeps the name
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) return false;
  if (site === undefined || site === 'same-origin' || site === 'none') return true;
  // somebody follows a link to here; the page that has the link cannot see what comes
  return mode === 'navigate' && dest === 'document';
}

function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function shown(text: string | undefined): string {
  return (text ?? '').slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
}
