/**
 * Lists of runs as data: fields, search and groups, and the config keys that distinguish the runs.
 */

import type { Measured } from '../../util/numbers.js';
import { momentsOf } from '../../util/numbers.js';
import type { RunRow } from '../report.js';

/** What sweeps lack. */
type OfRuns = 'seed' | 'steps' | 'epochs' | 'main' | 'gates' | 'sparkline';

/** A run with its whole config, or a sweep. */
export interface RunLine extends Omit<RunRow, 'state' | OfRuns>, Partial<Pick<RunRow, OfRuns>> {
  readonly state: string;
  readonly message?: string | null;
  readonly trials?: number;
  readonly objective?: string;
}

export type Standing = Pick<RunLine, 'state' | 'shortfalls'>;

/** The state of a run or a sweep, or what a completed one fell short of. */
export function statusOf({ state, shortfalls }: Standing): readonly string[] {
  return shortfalls.length > 0 ? shortfalls : [state];
}

/** The number that a text represents, as in configs; undefined for other texts. */
export function numberIn(text: string): number | undefined {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

const ALIASES: Readonly<Record<string, string>> = {
  experiment: 'name',
  run: 'id',
  status: 'state',
  tags: 'tag',
  gate: 'gates',
  epoch: 'epochs',
  step: 'steps',
  duration: 'time',
  date: 'started',
};

type FieldValue = number | string | readonly string[] | null | undefined;

/** What a search can name: the facts of a run, its metrics, and the keys of its config. */
function fieldsOf(row: RunLine): Readonly<Record<string, FieldValue>> {
  const { name, id, tags: tag, note, gates, seed, epochs, steps, duration_s: time, started } = row;
  const state = [row.state, ...row.shortfalls];
  const metrics = row.metrics.map(metric => [metric.name, metric.value]);
  const facts = { name, id, state, tag, note, gates, seed, epochs, steps, time, started };
  return { ...row.config, ...Object.fromEntries(metrics), ...facts };
}

const MATCHES: readonly ((name: string, wanted: string) => boolean)[] = [
  (name, wanted) => name === wanted,
  (name, wanted) => name.endsWith(`.${wanted}`),
  // `lr` of `optimizer.learning_rate`
  (name, wanted) =>
    wanted.length > 1 &&
    name
      .slice(name.lastIndexOf('.') + 1)
      .split('_')
      .map(word => word.charAt(0))
      .join('') === wanted,
];

/**
 * The fields of a name: its full name, its last words (`accuracy`, `learning_rate`) or the initials
 * of the last word (`lr`), whichever matches first. Several if it is ambiguous, none if it is
 * unknown.
 */
function resolve(name: string, fields: readonly string[]): readonly string[] {
  const wanted = ALIASES[name.toLowerCase()] ?? name.toLowerCase();
  const found = MATCHES.map(matches => fields.filter(field => matches(field, wanted)));
  return found.find(some => some.length > 0) ?? [];
}

export function distinct<T>(values: readonly T[]): readonly T[] {
  return [...new Set(values)];
}

export function metricOf(row: RunLine, metric: string): Measured {
  return row.metrics.find(({ name }) => name === metric)?.value ?? null;
}

type Operator = '=' | '!=' | ':' | '<' | '<=' | '>' | '>=';

const TERM = /(-?)(?:([A-Za-z][\w.]*)(!=|<=|>=|[=:<>]))?(?:"([^"]*)"?|(\S*))/g;

/** Ignores incomplete terms, such as `lr=`. */
export function searchFor(text: string, rows: readonly RunLine[]) {
  const unknown: string[] = [];
  const records = rows.map(row => ({ row, fields: fieldsOf(row) }));
  const known = distinct(records.flatMap(({ fields }) => Object.keys(fields)));
  let left: readonly (typeof records)[number][] = records;
  for (const [, minus, field, operator, quoted, bare] of text.matchAll(TERM)) {
    const value = quoted ?? bare ?? '';
    if (value === '') continue;
    const names = field === undefined ? undefined : resolve(field, known);
    if (names?.length === 0) unknown.push(field);
    left = left.filter(({ row, fields }) => {
      const values = names?.flatMap(name => fields[name] ?? []);
      const isMatch = values ? hasValue(values, operator as Operator, value) : hasText(row, value);
      return (isMatch && names?.length !== 0) !== (minus === '-');
    });
  }
  return { found: new Set(left.map(({ row }) => row)), unknown: distinct(unknown) };
}

function hasText(row: RunLine, text: string): boolean {
  const wanted = text.toLowerCase();
  const said = [row.path, row.name, row.state, ...row.shortfalls, ...row.tags, row.note ?? ''];
  if (said.some(one => one.toLowerCase().includes(wanted))) return true;
  // a part of a number is not a word
  const number = numberIn(text);
  return Object.values(row.config ?? {}).some(value =>
    number === undefined ? value.toLowerCase().includes(wanted) : numberIn(value) === number,
  );
}

function hasValue(values: readonly (number | string)[], operator: Operator, wanted: string): boolean {
  // a run without the field has another value
  return operator === '!='
    ? !values.some(value => compares(value, '=', wanted))
    : values.some(value => compares(value, operator, wanted));
}

function compares(found: number | string, operator: Operator, wanted: string): boolean {
  const [a, b] = [numberIn(String(found)), amountIn(wanted)];
  const areNumbers = a !== undefined && b !== undefined;
  const [text, other] = [String(found).toLowerCase(), wanted.toLowerCase()];
  if (operator === ':' && !areNumbers) return text.includes(other);
  if (operator === '=' && !areNumbers) return text === other;
  // of ISO dates as much as is wanted
  const part = text.slice(0, other.length);
  if (!areNumbers && (a !== undefined || b !== undefined)) return false;
  const order = areNumbers ? a - b : part < other ? -1 : Number(part > other);
  const isStrict = { '<': order < 0, '>': order > 0 }[operator.charAt(0)] ?? false;
  return isStrict || (!/^[<>]$/.test(operator) && order === 0);
}

/** A number, or a fraction as a percentage. */
function amountIn(text: string): number | undefined {
  if (!text.endsWith('%')) return numberIn(text);
  const percent = numberIn(text.slice(0, -1));
  return percent === undefined ? undefined : percent / 100;
}

/** Keys that other columns show, and keys without effect on training. */
const NOT_SETTINGS = ['version', 'name', 'description', 'seed'];

/**
 * Keys whose values differ between rows with a known config, in the order of the configs; a missing
 * key counts as a value.
 */
export function differingKeys(rows: readonly RunLine[]): readonly string[] {
  const configs = rows.flatMap(({ config }) => (config === null ? [] : [config]));
  return settingsOf(rows).filter(key => configs.some(config => config[key] !== configs[0][key]));
}

export function settingsOf(rows: readonly RunLine[]): readonly string[] {
  return distinct(rows.flatMap(({ config }) => Object.keys(config ?? {}))).filter(
    key => !NOT_SETTINGS.includes(key),
  );
}

const ASIDE = /^(gates$|checkpoint\.|training\.(log_every|eval_batch_size)$)|\.seed$/;
/** The parts of a config, most often varied first. */
const PARTS = ['dataset', 'training', 'loss', 'optimizer', 'model'];

/**
 * The keys that differ within an experiment, those with most values first. If there are none, the
 * keys of models and training that all runs have: their data differ with the name of the
 * experiment. Omits keys that some runs lack only because they are of another kind.
 */
export function distinguishingKeys(rows: readonly RunLine[]): readonly string[] {
  const read = rows.filter(({ config }) => config !== null);
  const names = distinct(read.map(({ name }) => name));
  const rank = (key: string): readonly number[] => {
    const others = (some: readonly RunLine[]) => new Set(some.map(({ config }) => config?.[key])).size - 1;
    const within = names.reduce((sum, name) => sum + others(read.filter(row => row.name === name)), 0);
    return [within, others(read), PARTS.indexOf(key.split('.')[0])];
  };
  const keys = differingKeys(read)
    .filter(key => !ASIDE.test(key) && !followsKind(key, read))
    .map(key => ({ key, rank: rank(key) }))
    .sort((a, b) => a.rank.map((value, i) => b.rank[i] - value).find(order => order !== 0) ?? 0);
  const within = keys.filter(({ rank: [differing] }) => differing > 0);
  const isInAll = ({ key }: (typeof keys)[number]) =>
    !key.startsWith('dataset.') && read.every(({ config }) => config?.[key] !== undefined);
  return (within.length > 0 ? within : keys.filter(isInAll)).map(({ key }) => key);
}

/**
 * Whether some runs lack the key because of a kind beside it: such as the betas of an optimizer,
 * which only some kinds have, each with its own default.
 */
function followsKind(key: string, rows: readonly RunLine[]): boolean {
  const count = (...keys: readonly string[]) =>
    new Set(rows.map(({ config }) => JSON.stringify(keys.map(one => config?.[one])))).size;
  if (rows.every(({ config }) => config?.[key] !== undefined)) return false;
  const parents = key.split('.').map((_, i, words) => words.slice(0, i + 1).join('.'));
  return parents
    .flatMap(parent => ['kind', 'cell', 'problem'].map(name => `${parent}.${name}`))
    .some(kind => kind !== key && count(kind) > 1 && count(kind, key) === count(kind));
}

/** Last words of keys that say too little alone. */
const VAGUE =
  'kind from every path metric mode min max fraction count last best seed limit run state epochs steps time'.split(
    ' ',
  );

/** The last word of a key, if that is unique; otherwise the key. */
export function titleOf(key: string, keys: readonly string[]): string {
  const lastOf = (one: string) => one.slice(one.lastIndexOf('.') + 1);
  const title = lastOf(key);
  const isUnique = keys.every(other => other === key || lastOf(other) !== title);
  return isUnique && !VAGUE.includes(title) ? title : key;
}

export interface Group<Row> {
  /** Such as `0.01`, or `adding · gru · 0.01`. */
  readonly label: string;
  readonly rows: readonly Row[];
}

/**
 * In the order of their first rows.
 * @param by `experiment`, `state`, `tag`, `config` or a config key. `config` means everything
 *   except the seeds, so that a group is one setting. A run with several tags is in the group of
 *   their combination, so that each run counts once.
 */
export function groupRows(rows: readonly RunLine[], by: string): readonly Group<RunLine>[] {
  const labelOf = labels(rows, by);
  const groups = new Map<string, RunLine[]>();
  for (const row of rows) {
    const label = labelOf(row);
    if (!groups.has(label)) groups.set(label, []);
    groups.get(label)?.push(row);
  }
  return [...groups].map(([label, members]) => ({ label, rows: members }));
}

function labels(rows: readonly RunLine[], by: string): (row: RunLine) => string {
  switch (by) {
    case 'config': {
      const keys = distinguishingKeys(rows);
      return ({ name, config }) => [name, ...keys.map(key => config?.[key] ?? '–')].join(' · ');
    }
    case 'experiment':
      return ({ name }) => name;
    case 'state':
      return row => statusOf(row).join(' · ');
    case 'tag':
      return ({ tags }) => (tags.length === 0 ? 'no tags' : tags.join(' · '));
    default:
      return ({ config }) => config?.[by] ?? 'not set';
  }
}

export type Summary = NonNullable<ReturnType<typeof summarize>>;

/** Undefined if none of the values is a finite number. */
export function summarize(values: readonly unknown[]) {
  const finite = values.filter((value): value is number => Number.isFinite(value));
  return finite.length === 0 ? undefined : { count: finite.length, ...momentsOf(finite) };
}

const SPLITS = ['test', 'validation', 'train_set', 'epoch', 'train'];

/**
 * Compares names such as `test.accuracy`: the main metric first, then by split, and other metrics
 * before the loss; names that are not metrics come last.
 */
export function byImportance(a: string, b: string, main: string | null = null): number {
  return Number(b === main) - Number(a === main) || rank(a) - rank(b) || (a < b ? -1 : Number(a > b));
}

function rank(name: string): number {
  const split = SPLITS.indexOf(name.split('.')[0]);
  return split < 0 ? 2 * SPLITS.length : 2 * split + Number(name.endsWith('.loss'));
}

/**
 * The view that the dashboard shows is kept in the address after `#`, so that views can be linked
 * and the back button works.
 */
export interface Route {
  readonly kind: 'list' | 'run' | 'sweep' | 'compare';
  readonly path: string;
  readonly filter: Filter;
  readonly events: string;
}

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

export function pathHash(kind: 'run' | 'sweep', path: string): string {
  return `#/${kind}/${path.split('/').map(encodeURIComponent).join('/')}`;
}

/** Addresses of views, by paths relative to `folder`. */
export function linksFrom(folder: string) {
  return {
    run: (path: string) => pathHash('run', folder + path),
    sweep: (path: string) => pathHash('sweep', path),
    comparison: (paths: readonly string[]) =>
      `#/compare?${new URLSearchParams(paths.map((path): [string, string] => ['run', folder + path]))}`,
  };
}
