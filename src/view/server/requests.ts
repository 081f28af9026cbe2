/**
 * The requests that the server accepts, and what they ask for. A page of another origin can make a
 * browser send requests to this server. It must learn nothing from them: CORS is never granted, its
 * origin is rejected, and so is a host name that it has pointed at this machine's address (DNS
 * rebinding), which shows in the `Host` header. Paths are looked up in the catalog, never opened.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { Subject } from './channels.js';

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

/** Addresses of the page, its script and its style sheet. */
const ASSETS = ['/', '/dashboard.js', '/dashboard.css'] as const;
export type Asset = (typeof ASSETS)[number];

export type Route =
  | { readonly kind: 'asset'; readonly address: Asset }
  | { readonly kind: 'document'; readonly subject: Subject }
  /** 2 to `MAX_COMPARED` runs. */
  | { readonly kind: 'comparison'; readonly paths: readonly string[] }
  | { readonly kind: 'events'; readonly subject: Subject };

const EVENTS = '/events';
/** More curves cannot be distinguished in one chart. */
const MAX_COMPARED = 12;

/**
 * Parses `/api/comparison?run=PATH&run=PATH` and `/api/list`, `/api/runs/PATH`, `/api/sweeps/PATH`,
 * each of these also followed by `/events`. Undefined for an unknown route.
 * @param target of the request: a path, possibly with a query
 * @throws URIError if it is malformed
 */
export function routeOf(target: string): Route | undefined {
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  const address = ASSETS.find(one => one === path);
  if (address !== undefined) return { kind: 'asset', address };
  if (path === '/api/comparison') {
    const paths = new URLSearchParams(target.slice(path.length)).getAll('run');
    return paths.length >= 2 && paths.length <= MAX_COMPARED ? { kind: 'comparison', paths } : undefined;
  }
  const isEvents = path.endsWith(EVENTS);
  const subject = subjectOf(isEvents ? path.slice(0, -EVENTS.length) : path);
  return subject && { kind: isEvents ? 'events' : 'document', subject };
}

function subjectOf(path: string): Subject | undefined {
  if (path === '/api/list') return { kind: 'list' };
  const [, kind, rest] = /^\/api\/(runs|sweeps)\/(.+)$/.exec(path) ?? [];
  if (rest === undefined) return undefined;
  return { kind: kind === 'runs' ? 'run' : 'sweep', path: rest.split('/').map(decodeURIComponent).join('/') };
}
