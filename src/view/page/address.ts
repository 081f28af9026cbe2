/**
 * The view that the dashboard shows, kept in the address after `#`, so that views can be linked and
 * the back button works.
 */

/** The filter of the list; empty texts filter nothing. */
export interface Filter {
  readonly text: string;
  readonly state: string;
  readonly experiment: string;
  /** What to group runs by; see `groupRows`. */
  readonly group: string;
}

export type Route =
  | { readonly kind: 'list'; readonly filter: Filter }
  | { readonly kind: 'run' | 'sweep'; readonly path: string }
  | { readonly kind: 'compare'; readonly paths: readonly string[] };

/** More curves cannot be distinguished in one chart. */
export const MAX_COMPARED = 12;

export const NO_FILTER: Filter = { text: '', state: '', experiment: '', group: '' };

/** @param hash with its `#`; an unknown one shows the list */
export function parseRoute(hash: string): Route {
  const [, kind, path, query = ''] = /^#\/(run|sweep|compare|list)?\/?([^?]*)\??(.*)$/.exec(hash) ?? [];
  const values = new URLSearchParams(query);
  if ((kind === 'run' || kind === 'sweep') && path !== '') return { kind, path: decoded(path) };
  const paths = [...new Set(values.getAll('run'))].slice(0, MAX_COMPARED);
  if (kind === 'compare' && paths.length > 1) return { kind, paths };
  const of = (name: string): string => values.get(name) ?? '';
  return {
    kind: 'list',
    filter: { text: of('find'), state: of('state'), experiment: of('experiment'), group: of('group') },
  };
}

export function hashOf(route: Route): string {
  switch (route.kind) {
    case 'list': {
      const { text, state, experiment, group } = route.filter;
      const set = Object.entries({ find: text, state, experiment, group }).filter(
        ([, value]) => value !== '',
      );
      return set.length === 0 ? '#/' : `#/list?${new URLSearchParams(set)}`;
    }
    case 'compare':
      return `#/compare?${queryOf(route.paths)}`;
    default:
      return `#/${route.kind}/${encodePath(route.path)}`;
  }
}

/** The events of what a view shows. */
export function eventsOf(route: Route): string {
  switch (route.kind) {
    case 'list':
      return '/api/list/events';
    case 'compare':
      return `/api/comparison/events?${queryOf(route.paths)}`;
    default:
      return `/api/${route.kind}s/${encodePath(route.path)}/events`;
  }
}

function queryOf(paths: readonly string[]): string {
  return String(new URLSearchParams(paths.map(path => ['run', path])));
}

/** Keeps slashes. */
function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function decoded(path: string): string {
  try {
    return path.split('/').map(decodeURIComponent).join('/');
  } catch {
    // typed by hand
    return path;
  }
}

export const launcher = document.documentElement.dataset.launcher ?? './run';

/** The folder of the sample configs, seen from where users call the program. */
export const configs = launcher === './run' ? 'configs' : 'node_modules/cellrun/configs';
