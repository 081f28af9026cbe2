/** The config keys that distinguish the listed runs, and their column titles. */
import type { CommonConfig } from '../../document.js';
import { configValue, type RunLine } from './line.js';

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
