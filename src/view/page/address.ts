/**
 * The view that the dashboard shows, kept in the address after `#`, so that views can be linked and
 * the back button works.
 */

export interface Filter {
  readonly find: string;
  readonly state: string;
  readonly experiment: string;
  /** What to group runs by; see `groupRows`. */
  readonly group: string;
}

export const NO_FILTER: Filter = { find: '', state: '', experiment: '', group: '' };

/** More curves cannot be distinguished in one chart. */
export const MAX_COMPARED = 12;

export interface Route {
  readonly kind: 'list' | 'run' | 'sweep' | 'compare';
  readonly path: string;
  readonly filter: Filter;
  readonly events: string;
}

/** @param hash with its `#`; an unknown one shows the list */
export function parseRoute(hash: string): Route {
  const [, kind, encoded, query = ''] = /^#\/(run|sweep|compare|list)?\/?([^?]*)\??(.*)$/.exec(hash) ?? [];
  const filter = { ...NO_FILTER, ...Object.fromEntries(new URLSearchParams(query)) };
  if ((kind === 'run' || kind === 'sweep') && encoded !== '') {
    const path = encoded.split('/').map(decodeURIComponent).join('/');
    return { kind, path, filter, events: `/api/${kind}s/${encoded}/events` };
  }
  return kind === 'compare'
    ? { kind, path: '', filter, events: `/api/comparison/events?${query}` }
    : { kind: 'list', path: '', filter, events: '/api/list/events' };
}

export function listHash(filter: Partial<Filter> = {}): string {
  const set = Object.entries(filter).filter(([, value]) => value !== '');
  return set.length === 0 ? '#/' : `#/list?${new URLSearchParams(set)}`;
}

export function comparisonHash(paths: readonly string[]): string {
  return `#/compare?${new URLSearchParams(paths.map(path => ['run', path]))}`;
}

export function pathHash(kind: 'run' | 'sweep', path: string): string {
  return `#/${kind}/${path.split('/').map(encodeURIComponent).join('/')}`;
}
