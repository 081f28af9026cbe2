/**
 * Lists of runs as data: fields, search and groups, and the config keys that distinguish the runs.
 */
import type { CommonConfig, RunRow } from '../document.js';

export type RunLine = Omit<RunRow, 'state'> & { readonly state: string };

/** The value of a config key, common or not; undefined if the run has none. */
export function configValue(row: RunLine, common: CommonConfig, key: string): string | undefined {
  if (row.config === null) return undefined;
  return row.config[key] ?? common[key];
}

/** The number that a text represents, as in configs; undefined for other texts. */
export function numberIn(text: string): number | undefined {
  return /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text) ? Number(text) : undefined;
}

export type FieldValue = number | string | readonly string[] | null;

type Reader = (row: RunLine) => FieldValue;

/** By each of its names. */
const OWN: readonly (readonly [names: readonly string[], read: Reader])[] = [
  [['name', 'experiment'], row => row.name],
  [['id', 'run'], row => row.id],
  [['state', 'status'], row => row.state],
  [['tag', 'tags'], row => row.tags],
  [['note'], row => row.note],
  [['gates', 'gate'], row => row.gates],
  [['seed'], row => row.seed],
  [['epochs', 'epoch'], row => row.epochs],
  [['steps', 'step'], row => row.steps],
  [['time', 'duration'], row => row.duration_s],
  [['started', 'date'], row => row.started],
];
const OWN_READERS: ReadonlyMap<string, Reader> = new Map(
  OWN.flatMap(([names, read]) => names.map(name => [name, read] as const)),
);

export class Fields {
  private readonly metrics: readonly string[];
  private readonly keys: readonly string[];
  private readonly resolved = new Map<string, readonly Reader[]>();

  constructor(
    rows: readonly RunLine[],
    private readonly common: CommonConfig,
  ) {
    this.metrics = [...new Set(rows.flatMap(row => row.metrics.map(({ name }) => name)))];
    this.keys = [...new Set([...rows.flatMap(row => Object.keys(row.config ?? {})), ...Object.keys(common)])];
  }

  /**
   * Resolves `name`: a fact of the run, otherwise metrics and config keys by their full name, their
   * last words (`accuracy`, `learning_rate`) or the initials of the last word (`lr`), whichever
   * matches first. Several if it is ambiguous, none if it is unknown.
   */
  resolve(name: string): readonly Reader[] {
    const wanted = name.toLowerCase();
    const known = this.resolved.get(wanted);
    if (known !== undefined) return known;
    const found = this.find(wanted);
    this.resolved.set(wanted, found);
    return found;
  }

  private find(wanted: string): readonly Reader[] {
    const own = OWN_READERS.get(wanted);
    if (own !== undefined) return [own];
    for (const matches of MATCHES) {
      const metrics = this.metrics.filter(name => matches(name, wanted));
      const keys = this.keys.filter(key => matches(key, wanted));
      if (metrics.length + keys.length > 0)
        return [
          ...metrics.map(
            (name): Reader =>
              row =>
                metricOf(row, name),
          ),
          ...keys.map(
            (key): Reader =>
              row =>
                configValue(row, this.common, key) ?? null,
          ),
        ];
    }
    return [];
  }
}

type Matches = (name: string, wanted: string) => boolean;

const MATCHES: readonly Matches[] = [
  (name, wanted) => name === wanted,
  (name, wanted) => name.endsWith(`.${wanted}`),
  (name, wanted) => wanted.length > 1 && initialsOf(name) === wanted,
];

/** `lr` of `optimizer.learning_rate`. */
function initialsOf(name: string): string {
  return name
    .slice(name.lastIndexOf('.') + 1)
    .split('_')
    .map(word => word.charAt(0))
    .join('');
}

export function metricOf(row: RunLine, metric: string): number | string | null {
  return row.metrics.find(({ name }) => name === metric)?.value ?? null;
}

export type Operator = '=' | '!=' | ':' | '<' | '<=' | '>' | '>=';

export type Term = { readonly isNegated: boolean } & (
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'field';
      readonly field: string;
      readonly operator: Operator;
      readonly value: string;
    }
);

const TERM = /(-?)(?:([A-Za-z][\w.]*)(!=|<=|>=|[=:<>]))?(?:"([^"]*)"?|(\S*))/y;

/** Ignores incomplete terms, such as `lr=`. */
export function parseSearch(text: string): readonly Term[] {
  const terms: Term[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text[at])) {
      at += 1;
      continue;
    }
    TERM.lastIndex = at;
    const [whole, minus, field, operator, quoted, bare] = TERM.exec(text) as unknown as [
      string,
      ...(string | undefined)[],
    ];
    at += Math.max(1, whole.length);
    const value = quoted ?? bare ?? '';
    const isNegated = minus === '-';
    if (value === '') continue;
    if (field === undefined) terms.push({ kind: 'text', isNegated, text: value });
    else terms.push({ kind: 'field', isNegated, field, operator: operator as Operator, value });
  }
  return terms;
}

/** Names of unknown fields. */
export function unknownFields(terms: readonly Term[], fields: Fields): readonly string[] {
  const asked = terms.flatMap(term => (term.kind === 'field' ? [term.field] : []));
  return [...new Set(asked)].filter(field => fields.resolve(field).length === 0);
}

export function matchesSearch(
  row: RunLine,
  terms: readonly Term[],
  fields: Fields,
  common: CommonConfig,
): boolean {
  return terms.every(term => {
    const isMatch = term.kind === 'text' ? hasText(row, term.text, common) : hasValue(row, term, fields);
    return isMatch !== term.isNegated;
  });
}

function hasText(row: RunLine, text: string, common: CommonConfig): boolean {
  const wanted = text.toLowerCase();
  const said = [row.path, row.name, row.state, ...row.tags, row.note ?? ''];
  if (said.some(one => one.toLowerCase().includes(wanted))) return true;
  // a part of a number is not a word
  const number = numberIn(text);
  const configs = [...Object.values(row.config ?? {}), ...(row.config === null ? [] : Object.values(common))];
  return configs.some(value =>
    number === undefined ? value.toLowerCase().includes(wanted) : numberIn(value) === number,
  );
}

function hasValue(row: RunLine, term: Extract<Term, { kind: 'field' }>, fields: Fields): boolean {
  const { operator, value } = term;
  const values = fields
    .resolve(term.field)
    .flatMap(read => flat(read(row)))
    .filter(one => one !== null);
  if (fields.resolve(term.field).length === 0) return false;
  // a run without the field has another value
  if (operator === '!=') return !values.some(one => compares(one, '=', value));
  return values.some(one => compares(one, operator, value));
}

function flat(value: FieldValue): readonly (number | string | null)[] {
  return typeof value === 'object' && value !== null ? value : [value];
}

function compares(found: number | string, operator: Exclude<Operator, '!='>, wanted: string): boolean {
  const [a, b] = [typeof found === 'number' ? found : numberIn(found), amountIn(wanted)];
  const areNumbers = a !== undefined && b !== undefined;
  const [text, other] = [String(found).toLowerCase(), wanted.toLowerCase()];
  switch (operator) {
    case '=':
      return areNumbers ? a === b : text === other;
    case ':':
      return areNumbers ? a === b : text.includes(other);
    default: {
      const order = areNumbers ? a - b : dateOrder(text, other);
      if (order === undefined) return false;
      if (operator.startsWith('<') ? order < 0 : order > 0) return true;
      return operator.endsWith('=') && order === 0;
    }
  }
}

/** A number, or a fraction as a percentage. */
function amountIn(text: string): number | undefined {
  if (!text.endsWith('%')) return numberIn(text);
  const percent = numberIn(text.slice(0, -1));
  return percent === undefined ? undefined : percent / 100;
}

/** Compares ISO dates up to the length of the shorter one. */
function dateOrder(found: string, wanted: string): number | undefined {
  const isDate = (text: string) => /^\d{4}-\d\d/.test(text);
  if (!isDate(found) || !isDate(wanted)) return undefined;
  const part = found.slice(0, wanted.length);
  return part < wanted ? -1 : Number(part > wanted);
}

/** Keys that other columns show, and keys without effect on training. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(['version', 'name', 'description', 'seed']);
/** Key names too generic for a title. */
const VAGUE: ReadonlySet<string> = new Set([
  'kind',
  'from',
  'every',
  'path',
  'metric',
  'mode',
  'min',
  'max',
  'fraction',
  'count',
  'last',
  'best',
  'seed',
  'limit',
]);

export function isSetting(key: string): boolean {
  return !NOT_SETTINGS.has(key);
}

/**
 * Keys whose values differ between rows with a known config, in the order of the configs; a missing
 * key counts as a value.
 */
export function differingKeys(rows: readonly RunLine[], common: CommonConfig): readonly string[] {
  const read = rows.filter(({ config }) => config !== null);
  const keys = new Set(read.flatMap(({ config }) => Object.keys(config ?? {})));
  return [...keys].filter(key => {
    if (!isSetting(key)) return false;
    const [first, ...others] = read.map(row => configValue(row, common, key));
    return others.some(value => value !== first);
  });
}

/** Keys without effect on results, shown only on request. */
const ASIDE = /^(gates$|checkpoint\.|training\.(log_every|eval_batch_size)$)/;
/** The parts of a config, most often varied first. */
const PARTS = ['model', 'optimizer', 'loss', 'training', 'dataset'];

/**
 * Selects from the differing keys for a table of limited width: first those that differ between
 * runs of one experiment, then some of the others, since runs of different experiments differ in
 * nearly everything. Omits keys that only repeat the seed, and keys that some runs lack only
 * because they are of another kind.
 */
export function distinguishingKeys(
  rows: readonly RunLine[],
  common: CommonConfig,
  { few, max }: { readonly few: number; readonly max: number },
): readonly string[] {
  const keys = differingKeys(rows, common).filter(
    key => !ASIDE.test(key) && !repeatsSeed(key, rows, common) && !followsKind(key, rows, common),
  );
  const names = [...new Set(rows.map(({ name }) => name))];
  const rowsOf = (name: string) => rows.filter(row => row.name === name);
  const ordered = keys
    .map(key => ({
      key,
      within: names.reduce((sum, name) => sum + deviating(rowsOf(name), common, key), 0),
      overall: deviating(rows, common, key),
    }))
    .toSorted((a, b) => b.within - a.within || b.overall - a.overall || partOf(a.key) - partOf(b.key));
  const first = ordered.filter(({ within }) => within > 0).slice(0, max);
  const others = ordered.filter(({ within }) => within === 0).slice(0, Math.max(0, few - first.length));
  return [...first, ...others].map(({ key }) => key);
}

/** Number of runs whose value is not the most common one. */
function deviating(rows: readonly RunLine[], common: CommonConfig, key: string): number {
  const counts = new Map<string | undefined, number>();
  const read = rows.filter(({ config }) => config !== null);
  for (const row of read) {
    const value = configValue(row, common, key);
    counts.set(value, (counts.get(value) ?? 0) + 1);
  }
  return read.length - Math.max(0, ...counts.values());
}

function partOf(key: string): number {
  const part = PARTS.indexOf(key.split('.')[0]);
  return part < 0 ? PARTS.length : part;
}

function repeatsSeed(key: string, rows: readonly RunLine[], common: CommonConfig): boolean {
  if (!key.endsWith('.seed')) return false;
  return rows.every(row => {
    const value = configValue(row, common, key);
    return value === undefined || value === String(row.seed);
  });
}

/** Names of the keys that determine which other keys an object has. */
const KINDS = ['kind', 'cell', 'problem'] as const;

/**
 * Whether some runs lack the key because of a kind beside it: such as the betas of an optimizer,
 * which only some kinds have, each with its own default.
 */
function followsKind(key: string, rows: readonly RunLine[], common: CommonConfig): boolean {
  const read = rows.filter(({ config }) => config !== null);
  const values = read.map(row => configValue(row, common, key));
  if (!values.includes(undefined)) return false;
  const parents = key.split('.').map((_, i, words) => words.slice(0, i).join('.'));
  const kindKeys = parents.slice(1).flatMap(parent => KINDS.map(name => `${parent}.${name}`));
  return kindKeys
    .filter(kindKey => kindKey !== key)
    .some(kindKey => {
      const known = new Map<string | undefined, string | undefined>();
      const kinds = read.map(row => configValue(row, common, kindKey));
      if (new Set(kinds).size < 2) return false;
      return kinds.every((kind, i) => {
        if (!known.has(kind)) known.set(kind, values[i]);
        return known.get(kind) === values[i];
      });
    });
}

/**
 * The shortest unique suffix of each key, in words.
 * @param taken titles of other columns
 */
export function shortTitles(
  keys: readonly string[],
  taken: readonly string[] = [],
): ReadonlyMap<string, string> {
  return new Map(
    keys.map(key => {
      const words = key.split('.');
      for (let count = VAGUE.has(words[words.length - 1]) ? 2 : 1; count < words.length; count++) {
        const title = words.slice(-count).join('.');
        const isUnique = keys.every(other => other === key || !`.${other}`.endsWith(`.${title}`));
        if (isUnique && !taken.includes(title)) return [key, title];
      }
      return [key, key];
    }),
  );
}

export interface Group<Row> {
  readonly key: string;
  /** Such as `0.01`, or `gru · 0.01` for several values. */
  readonly label: string;
  readonly rows: readonly Row[];
}

/**
 * @param by `experiment`, `state`, `tag`, `config` or a config key. `config` means everything
 *   except the seed, so that a group is one setting with its seeds. A run with several tags is in
 *   the group of their combination, so that each run counts once.
 */
export function groupRows<Row extends RunLine>(
  rows: readonly Row[],
  by: string,
  common: CommonConfig,
): readonly Group<Row>[] {
  const read = partsOf(rows, by, common);
  const groups = new Map<string, { parts: readonly string[]; rows: Row[] }>();
  for (const row of rows) {
    const { key, parts } = read(row);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { parts, rows: [row] });
    else group.rows.push(row);
  }
  return [...groups]
    .sort(([, a], [, b]) => compareParts(a.parts, b.parts))
    .map(([key, { parts, rows: members }]) => ({ key, label: parts.join(' · '), rows: members }));
}

interface Place {
  /** Equal for rows of one group. */
  readonly key: string;
  /** The value to show and sort by. */
  readonly parts: readonly string[];
}

function partsOf(rows: readonly RunLine[], by: string, common: CommonConfig): (row: RunLine) => Place {
  if (by === 'config') return settingOf(rows, common);
  const read = readerOf(by, common);
  return row => {
    const parts = read(row);
    return { key: JSON.stringify(parts), parts };
  };
}

function readerOf(by: string, common: CommonConfig): (row: RunLine) => readonly string[] {
  switch (by) {
    case 'experiment':
      return row => [row.name];
    case 'state':
      return row => [row.state];
    case 'tag':
      return row => (row.tags.length === 0 ? ['no tags'] : row.tags);
    default:
      return row => [configValue(row, common, by) ?? 'not set'];
  }
}

/** See `distinguishingKeys`; other columns show the rest. */
const LABEL_PARTS = { few: 3, max: 4 };

/** Groups by everything except the seeds, and shows what distinguishes the groups. */
function settingOf(rows: readonly RunLine[], common: CommonConfig): (row: RunLine) => Place {
  const isNoSeed = (key: string) => !key.endsWith('.seed');
  const keys = differingKeys(rows, common).filter(isNoSeed);
  const shown = distinguishingKeys(rows, common, LABEL_PARTS).filter(isNoSeed);
  return row => ({
    key: JSON.stringify([row.name, ...keys.map(key => configValue(row, common, key) ?? null)]),
    parts: [row.name, ...shown.flatMap(key => configValue(row, common, key) ?? [])],
  });
}

/** Numbers by value, before texts. */
function compareParts(a: readonly string[], b: readonly string[]): number {
  for (let i = 0; i < Math.min(a.length, b.length); i++) {
    const [x, y] = [numberIn(a[i]), numberIn(b[i])];
    if (x !== undefined && y !== undefined && x !== y) return x - y;
    if ((x === undefined) !== (y === undefined)) return x === undefined ? 1 : -1;
    if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return a.length - b.length;
}

export interface Summary {
  readonly count: number;
  readonly mean: number;
  /** The sample standard deviation; null for a single value. */
  readonly spread: number | null;
}

/** The mean of the finite values; undefined if there are none. */
export function summarize(values: readonly unknown[]): Summary | undefined {
  const finite = values.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value),
  );
  if (finite.length === 0) return undefined;
  const mean = finite.reduce((sum, value) => sum + value, 0) / finite.length;
  if (finite.length === 1) return { count: 1, mean, spread: null };
  const squares = finite.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count: finite.length, mean, spread: Math.sqrt(squares / (finite.length - 1)) };
}
