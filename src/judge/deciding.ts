/** What determines a run's results, read from its files: config, data, code and backend. */

import stableStringify from 'safe-stable-stringify';
import { changesResults, effectsOf, isEarlier, isInputPath, isWeightsPath } from '../config/key-facts.js';
import { flatValues, mapPaths } from '../config/schema/schema.js';
import { dirname, isAbsolute, relative, sep } from '../host/index.js';
import type { Baseline } from '../run/baseline.js';
import type { Json } from '../run/json.js';
import type { Manifest } from '../run/manifest.js';
import type { RunRecord } from '../run/run.js';
import { anything, choice, optional, struct, type TypeOf, text } from '../util/schema.js';

/** A baseline has the same fields. */
export type Deciding = Pick<Baseline, 'config' | 'datasets' | 'versions'> & {
  readonly backend: Omit<Baseline['backend'], 'threads'>;
};

export function decidingOf(record: RunRecord): Deciding | undefined {
  const { config, manifest } = record;
  if (manifest === undefined) return undefined;
  const isMade = followsSeed(config);
  const values = decidingValues(record).filter(([key]) => !(isMade && key === DATASET_SEED));
  return {
    config: sorted(Object.fromEntries(values)),
    // data generated from the seed differ with it
    datasets: isMade
      ? []
      : manifest.datasets.map(({ name, sha256, split }) => ({
          name: portable(record, name),
          sha256,
          split,
        })),
    versions: sorted({ ...manifest.versions }),
    backend: withoutThreads(manifest.backend),
  };
}

function withoutThreads({ name, executor, arithmetic, adapter }: Deciding['backend']): Deciding['backend'] {
  return { name, executor, arithmetic, adapter };
}

/**
 * The values of the config that determine the results, without the seed, or of a fold without its
 * number, and those that a resume changed. Paths are relative to the config; initial weights have
 * their digest.
 */
function decidingValues(record: RunRecord): (readonly [key: string, value: Json])[] {
  const { config, manifest } = record;
  const values = flatValues(mapPaths(config, path => portable(record, path))) as [string, Json][];
  return [...values, ...earlierValues(config, manifest)]
    .filter(([key]) => key !== (foldOf(record) === null ? 'seed' : FOLD) && changesResults(key, config))
    .map(([key, value]) => [key, isWeightsPath(key) ? (manifest?.initial_weights?.sha256 ?? value) : value]);
}

/** An absolute path, relative to the config: checkouts differ between machines. */
export function portable({ manifest, directory }: RunRecord, path: string): string {
  const folder = dirname(manifest?.config_files.at(-1) ?? directory.path);
  return isAbsolute(path) ? relative(folder, path).split(sep).join('/') : path;
}

const DATASET_SEED = 'dataset.seed';
const FOLD = 'dataset.test.fold';

/** True if the data are generated with the experiment's seed. */
function followsSeed({ seed, dataset }: RunRecord['config']): boolean {
  const data = Object(dataset);
  return data.kind === 'synthetic' && data.seed === seed;
}

export function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : Number(a > b))));
}

export const moved = struct('Something that has changed since the baseline was pinned.', {
  what: choice(['config', 'data', 'code', 'backend'], 'What it is part of.'),
  key: text('Key path, file, or package.'),
  from: anything<Json>('The old value; null if it was absent.'),
  to: anything<Json>('The new value.'),
  now: optional(text('Where the file with this digest is now; absent unless it has moved.')),
});

export type Moved = TypeOf<typeof moved>;

export function movedBetween(before: Deciding, after: Deciding): Moved[] {
  const digests = ({ datasets }: Deciding) =>
    Object.fromEntries(datasets.map(({ name, sha256 }) => [name, sha256]));
  const data = withMoves(differences('data', digests(before), digests(after)));
  const config = differences('config', before.config, after.config);
  const isPath = ({ key }: Moved) => key.startsWith('dataset.') && isInputPath(key);
  const haveMoved = data.length > 0 && data.every(({ now }) => now !== undefined);
  return [
    // the files tell what their paths would
    ...config.filter(entry => !(haveMoved && isPath(entry))),
    ...data,
    ...differences('code', before.versions, after.versions),
    ...differences('backend', withoutThreads(before.backend), withoutThreads(after.backend)),
  ];
}

/** Another loss, test data, or other keys of the dataset; training data and paths may differ. */
export function otherTask(before: Deciding, after: Deciding): Moved[] {
  const [tested, now] = [before, after].map(({ datasets }) => testedFiles(datasets));
  const sums = (digests: Deciding['datasets']) => digests.map(({ sha256 }) => sha256).join();
  const sameTest = sums(tested) === sums(now);
  const names = new Set([...tested, ...now].map(({ name }) => name));
  return movedBetween(before, after).filter(({ what, key }) => {
    if (what === 'data') return !sameTest && names.has(key);
    // the test split is that of the final config
    if (what !== 'config' || isEarlier(key)) return false;
    if (key.startsWith('dataset.') && isInputPath(key)) return !sameTest;
    return key === 'loss.kind' || (key.startsWith('dataset.') && !DIVIDES_TRAINING.test(key));
  });
}

function testedFiles(datasets: Deciding['datasets']): Deciding['datasets'] {
  const tested = datasets.filter(({ split }) => split === 'test');
  return tested.length > 0 ? tested : datasets.filter(({ split }) => split === 'train');
}

/** Keys that only select training sequences. */
const DIVIDES_TRAINING = /^dataset\.(?:limit$|validation\.)/;

function differences(
  what: Moved['what'],
  before: Readonly<Record<string, Json>>,
  after: Readonly<Record<string, Json>>,
): Moved[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
  return keys
    .map(key => ({ what, key, from: before[key] ?? null, to: after[key] ?? null }))
    .filter(({ from, to }) => JSON.stringify(from) !== JSON.stringify(to));
}

/** A file with the same bytes at another path is one difference. */
function withMoves(data: readonly Moved[]): Moved[] {
  const [gone, others] = [data.filter(({ to }) => to === null), data.filter(({ to }) => to !== null)];
  return [
    ...gone.map(change => {
      const at = others.findIndex(({ from, to }) => from === null && to === change.from);
      return at < 0 ? change : { ...change, to: change.from, now: others.splice(at, 1)[0].key };
    }),
    ...others,
  ];
}

/** `config model.hidden_size: 64 -> 128`, or `data a.csv: moved to b.csv, same digest` */
export function movedWords({ what, key, from, to, now }: Moved): string {
  if (now !== undefined) return `${what} ${key}: moved to ${now}, same digest`;
  return `${what} ${key}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

/**
 * Keys such as `optimizer.learning_rate until step 36` with their earlier values. Only for keys
 * that change results, and values with which at least one step was made.
 */
export function earlierValues(config: object, manifest: Manifest | undefined): [key: string, value: Json][] {
  return (manifest?.changes ?? [])
    .filter(({ key, step }) => step > 0 && changesResults(key, config))
    .filter(({ key }) => effectsOf(key, config).some(effect => effect !== 'length' && effect !== 'final'))
    .map(({ key, step, from }) => [`${key} until step ${step}`, from]);
}

type Values = ReadonlyMap<string, Json>;

/** Runs that differ at most in their seed, or in their fold. */
export interface Replicates<R> {
  /** The values that determine their results. */
  readonly values: Values;
  readonly runs: readonly R[];
}

export function replicatesOf<R extends { readonly record: RunRecord }>(runs: readonly R[]): Replicates<R>[] {
  const valued = runs.map(run => ({ run, values: decisiveValues(run.record) }));
  return groupBy(valued, ({ values }) => withoutDataSeed(values)).flatMap(alike => {
    // data that follow the experiment's seed do not distinguish runs
    const follows = alike.every(({ run }) => followsSeed(run.record.config));
    const parts = follows ? [alike] : groupBy(alike, ({ values }) => values);
    return parts.map(part => ({
      values: follows ? withoutDataSeed(part[0].values) : part[0].values,
      runs: part.map(({ run }) => run),
    }));
  });
}

/** The keys in which they differ. */
export function keysApart(parts: readonly Replicates<unknown>[]): string[] {
  const keys = new Set(parts.flatMap(({ values }) => [...values.keys()]));
  return [...keys].filter(
    key => new Set(parts.map(({ values }) => JSON.stringify(values.get(key)))).size > 1,
  );
}

/** The deciding values, with the digests of the data files instead of their paths. */
function decisiveValues(record: RunRecord): Values {
  const digests = record.manifest?.datasets.map(({ sha256 }) => sha256.slice(0, 8)).join(' ');
  const values = decidingValues(record).filter(([key]) => digests === undefined || !isInputPath(key));
  // generated data have a different digest for each seed
  const isGenerated = Object(record.config.dataset).kind === 'synthetic';
  return new Map(digests === undefined || isGenerated ? values : [...values, ['data', digests]]);
}

function withoutDataSeed(values: Values): Values {
  return new Map([...values].filter(([key]) => key !== DATASET_SEED));
}

function groupBy<R>(runs: readonly R[], valuesOf: (run: R) => Values): R[][] {
  const groups = new Map<string, R[]>();
  for (const run of runs) {
    const key = String(stableStringify(Object.fromEntries(valuesOf(run))));
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

export function seedOf({ config, manifest }: RunRecord): number | null {
  return typeof config.seed === 'number' ? config.seed : (manifest?.seeds.experiment ?? null);
}

/** The number of the fold that a run tests; null if its test split is no fold. */
export function foldOf({ config }: Pick<RunRecord, 'config'>): number | null {
  const { fold } = Object(Object(config.dataset).test);
  return typeof fold === 'number' ? fold : null;
}

/**
 * Of runs with one seed or fold only the newest counts: results are the same, unless code changed.
 * Returns why the others do not count.
 */
export function replacedRuns(runs: readonly RunRecord[]): ReadonlyMap<RunRecord, string> {
  const newest = new Map<number | null, RunRecord>();
  const numberOf = (run: RunRecord) => foldOf(run) ?? seedOf(run);
  for (const run of runs.toSorted((a, b) => (ageOf(a) < ageOf(b) ? -1 : 1))) newest.set(numberOf(run), run);
  return new Map(
    runs.flatMap(run => {
      const number = numberOf(run);
      const counted = newest.get(number);
      if (number === null || counted === undefined || counted === run) return [];
      const what = foldOf(run) === null ? 'seed' : 'fold';
      return [[run, `replaced by ${counted.id} with the same ${what} ${number}`] as const];
    }),
  );
}

/** Sorts by age: an id starts with the time. */
function ageOf({ manifest, id, directory }: RunRecord): string {
  return `${manifest?.started ?? ''}\n${id}\n${directory.path}`;
}

/** Sorted without duplicates. */
export function distinct<T extends Json>(values: readonly T[]): T[] {
  const byText = new Map(values.map(value => [JSON.stringify(value), value]));
  return [...byText.values()].sort(compareValues);
}

/** Numbers by value, others by their JSON text; a missing value comes first. */
export function compareValues(a: Json | undefined, b: Json | undefined): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [x, y] = [JSON.stringify(a) ?? '', JSON.stringify(b) ?? ''];
  return x < y ? -1 : Number(x > y);
}
