/**
 * The view that the dashboard shows, kept in the address after `#`, so that views can be linked and
 * the back button works.
 */

/** The filter of the list. */
export interface Filter {
  readonly text: string;
  /** Empty for any. */
  readonly state: string;
  readonly experiment: string;
  /** What to group runs by; empty for no groups. */
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
  if (kind === 'compare') return { kind, paths: values.getAll('run') };
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
      return `#/compare?${new URLSearchParams(route.paths.map(path => ['run', path]))}`;
    default:
      return `#/${route.kind}/${encodePath(route.path)}`;
  }
}

/** Keeps slashes. */
export function encodePath(path: string): string {
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
