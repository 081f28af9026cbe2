/**
 * Which view the page shows: kept in the address behind `#`, so that views can be linked to, and
 * going back leads back.
 */

/** What of the list is shown. */
export interface Filter {
  readonly text: string;
  /** Empty: any. */
  readonly state: string;
  readonly experiment: string;
  /** What the runs are grouped by; empty: nothing. */
  readonly group: string;
}

export type Route =
  | { readonly kind: 'list'; readonly filter: Filter }
  | { readonly kind: 'run' | 'sweep'; readonly path: string }
  | { readonly kind: 'compare'; readonly paths: readonly string[] };

/** More curves are not told apart in one picture. */
export const MAX_COMPARED = 12;

export const NO_FILTER: Filter = { text: '', state: '', experiment: '', group: '' };

/** @param hash with its `#`; what is not known is the list */
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

/** Slashes stay. */
export function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function decoded(path: string): string {
  try {
    return path.split('/').map(decodeURIComponent).join('/');
  } catch {
    // somebody typed it
    return path;
  }
}
