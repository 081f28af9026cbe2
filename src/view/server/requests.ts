/**
 * The requests that the server accepts, and what they ask for. A page of another origin can make a
 * browser send requests to this server. It must learn nothing from them: CORS is never granted, its
 * origin is rejected, and so is a host name that it has pointed at this machine's address (DNS
 * rebinding), which shows in the `Host` header. Paths are looked up in the catalog, never opened.
 */

import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';

interface Refusal {
  readonly status: 403 | 405 | 421;
  readonly message: string;
}

/** @param host what the server listens on, as the user named it */
export function refusalOf(
  method: string | undefined,
  headers: IncomingHttpHeaders,
  host: string,
): Refusal | undefined {
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

export type Subject =
  | { readonly kind: 'list' }
  | { readonly kind: 'run' | 'sweep'; readonly path: string }
  /** 2 to `MAX_COMPARED` runs. */
  | { readonly kind: 'comparison'; readonly paths: readonly string[] };

/** More curves cannot be distinguished in one chart. */
const MAX_COMPARED = 12;

/**
 * Parses `/api/list`, `/api/runs/PATH`, `/api/sweeps/PATH` and
 * `/api/comparison?run=PATH&run=PATH`, each also with `/events` at the end of its path. Throws a
 * URIError if it is malformed.
 */
export function subjectOf(address: string): { readonly subject: Subject; isStream: boolean } | undefined {
  const [, what, events, query] = /^\/api\/([^?]+?)(\/events)?(?:\?(.*))?$/.exec(address) ?? [];
  const isStream = events !== undefined;
  if (what === 'list') return { subject: { kind: 'list' }, isStream };
  if (what === 'comparison') {
    const paths = [...new Set(new URLSearchParams(query).getAll('run'))];
    const isPossible = paths.length >= 2 && paths.length <= MAX_COMPARED;
    return isPossible ? { subject: { kind: 'comparison', paths }, isStream } : undefined;
  }
  const [, kind, path] = /^(run|sweep)s\/(.+)$/.exec(what ?? '') ?? [];
  if (path === undefined) return undefined;
  const decoded = path.split('/').map(decodeURIComponent).join('/');
  return { subject: { kind: kind as 'run' | 'sweep', path: decoded }, isStream };
}
