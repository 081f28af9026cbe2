/** Addresses of the server: what each asks for. The parts of a path are looked up in the catalog, never opened. */
import type { Subject } from './channels.js';

export type Route =
  | { readonly kind: 'asset'; readonly name: string }
  | { readonly kind: 'document' | 'events'; readonly subject: Subject }
  /** Folders of runs relative to the root. */
  | { readonly kind: 'comparison'; readonly paths: readonly string[] };

/** What the page is made of, by address. */
const ASSETS: ReadonlyMap<string, string> = new Map([
  ['/', 'index.html'],
  ['/page.js', 'page.js'],
  ['/page.css', 'page.css'],
]);

const EVENTS = '/events';
/** More curves are not told apart in one picture. */
export const MOST_COMPARED = 20;

/**
 * `/api/list`, `/api/runs/PATH`, `/api/sweeps/PATH`, each also with `/events` after it; `/api/comparison?run=PATH&run=PATH`. Undefined where there is nothing; throws URIError
 * for what is no address.
 * @param target as it stands in the request: a path, perhaps with a query
 */
export function routeOf(target: string): Route | undefined {
  const at = target.indexOf('?');
  const path = at < 0 ? target : target.slice(0, at);
  const asset = ASSETS.get(path);
  if (asset !== undefined) return { kind: 'asset', name: asset };
  if (path === '/api/comparison') {
    const paths = new URLSearchParams(target.slice(path.length)).getAll('run');
    return { kind: 'comparison', paths: [...new Set(paths)] };
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
