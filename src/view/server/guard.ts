/**
 * Rejects unsafe requests. A page of another origin can make a browser send requests to this
 * server. It must learn nothing from them: CORS is never granted, its origin is rejected, and so is
 * a host name that it has pointed at this machine's address (DNS rebinding), which shows in the
 * `Host` header.
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
  /** Alternating names and values. */
  readonly rawHeaders: readonly string[];
}

/** Longer than any address of the dashboard, including a comparison of twenty runs. */
const MAX_URL = 8192;

/**
 * The reason to reject a request; undefined if it is allowed.
 * @param host what the server listens on, as the user named it
 */
export function refusalOf(asked: Asked, host: string): Refusal | undefined {
  const { method = '', url = '', headers, rawHeaders } = asked;
  // Node uses the first, a proxy may use another (RFC 9112, 3.2)
  if (rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'host').length > 1)
    return { status: 400, message: 'the request has several Host headers' };
  if (!isOwnHost(headers.host, host))
    return { status: 421, message: `this server rejects the host name '${shown(headers.host)}'` };
  if (!isOwnOrigin(headers)) return { status: 403, message: 'requests from other origins are refused' };
  if (method !== 'GET' && method !== 'HEAD') return { status: 405, message: 'only GET and HEAD are allowed' };
  if (url.length > MAX_URL) return { status: 414, message: 'the address is too long' };
  if (!url.startsWith('/')) return { status: 400, message: 'the address must start with a slash' };
  if (hasBody(headers)) return { status: 413, message: 'requests must not have a body' };
  return undefined;
}

/**
 * A name can resolve to any machine, an address cannot. Only names that certainly mean this machine
 * are allowed.
 */
function isOwnHost(given: string | undefined, host: string): boolean {
  const name = nameOf(given);
  if (name === undefined) return false;
  if (isIP(name) > 0 || name === 'localhost') return true;
  return !isLoopback(host) && [host.toLowerCase(), hostname().toLowerCase()].includes(name);
}

/** The name in a `Host` header, without port and brackets; undefined if invalid. */
function nameOf(given: string | undefined): string | undefined {
  const [, bracketed, plain] =
    /^(?:\[([0-9a-f:.]+)\]|([^:[\]/?#@\s]+))(?::\d{1,5})?$/i.exec(given ?? '') ?? [];
  return (bracketed ?? plain)?.toLowerCase();
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

function hasBody(headers: IncomingHttpHeaders): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

function shown(text: string | undefined): string {
  return (text ?? '').slice(0, 80).replaceAll(/[^\x20-\x7e]/g, '?');
}
