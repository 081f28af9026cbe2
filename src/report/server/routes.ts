/**
 * Addresses of the server: what each asks for. The parts of a path are looked up in the catalog,
 * never opened.
 */
import type { Subject } from './channels.js';

export type Route =
  | { readonly kind: 'asset'; readonly name: string }
  | { readonly kind: 'document'; readonly subject: Subject }
  /** Of 2 to `MAX_COMPARED` runs. */
  | { readonly kind: 'comparison'; readonly paths: readonly string[] }
  /**
   * `after`: the id of the last message that the page got; it can ask by `Last-Event-ID` as well.
   */
  | { readonly kind: 'events'; readonly subject: Subject; readonly after: string | undefined };

/** What the page is made of, by address. */
const ASSETS: ReadonlyMap<string, string> = new Map([
  ['/', 'index.html'],
  ['/dashboard.js', 'dashboard.js'],
  ['/dashboard.css', 'dashboard.css'],
]);

const EVENTS = '/events';
/** More curves are not told apart in one picture. */
const MAX_COMPARED = 12;

/**
 * `/api/comparison?run=PATH&run=PATH`; `/api/list`, `/api/runs/PATH`, `/api/sweeps/PATH`, each also
 * with `/events` after it. Undefined where there is nothing; throws URIError for what is no
 * address.
 * @param target as it stands in the request: a path, perhaps with a query
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
