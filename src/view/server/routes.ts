/** Routes of the server. Path segments are looked up in the catalog and never opened. */
import type { Subject } from './channels.js';

export type Route =
  | { readonly kind: 'asset'; readonly name: string }
  | { readonly kind: 'document'; readonly subject: Subject }
  /** 2 to `MAX_COMPARED` runs. */
  | { readonly kind: 'comparison'; readonly paths: readonly string[] }
  /** `after`: ID of the last message that the page received; it can also use `Last-Event-ID`. */
  | { readonly kind: 'events'; readonly subject: Subject; readonly after: string | undefined };

/** Assets by address. */
const ASSETS: ReadonlyMap<string, string> = new Map([
  ['/', 'index.html'],
  ['/dashboard.js', 'dashboard.js'],
  ['/dashboard.css', 'dashboard.css'],
]);

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
  const asset = ASSETS.get(path);
  if (asset !== undefined) return { kind: 'asset', name: asset };
  if (path === '/api/comparison') {
    const paths = new URLSearchParams(target.slice(path.length)).getAll('run');
    return paths.length >= 2 && paths.length <= MAX_COMPARED ? { kind: 'comparison', paths } : undefined;
  }
  const isEvents = path.endsWith(EVENTS);
  const subject = subjectOf(isEvents ? path.slice(0, -EVENTS.length) : path);
  if (subject === undefined || !isEvents) return subject && { kind: 'document', subject };
  const after = new URLSearchParams(target.slice(path.length)).get('after');
  return { kind: 'events', subject, after: after ?? undefined };
}

function subjectOf(path: string): Subject | undefined {
  if (path === '/api/list') return { kind: 'list' };
  const [, kind, rest] = /^\/api\/(runs|sweeps)\/(.+)$/.exec(path) ?? [];
  if (rest === undefined) return undefined;
  return { kind: kind === 'runs' ? 'run' : 'sweep', path: rest.split('/').map(decodeURIComponent).join('/') };
}
