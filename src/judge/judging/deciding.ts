/** What determines a run's results, read from its files: config, data, code and backend. */
import { dirname, isAbsolute, relative, sep } from 'node:path';
import { flatValues } from '../../config/flat.js';
import { changesResults, effectsOf, isEarlier, isInputPath } from '../../config/key-facts.js';
import { mapPaths } from '../../config/paths.js';
import type { Json } from '../../run/json.js';
import type { Manifest } from '../../run/manifest.js';
import type { RunRecord } from '../../run/run.js';

export type FlatConfig = Readonly<Record<string, Json>>;

export interface Deciding {
  readonly config: FlatConfig;
  readonly datasets: Manifest['datasets'];
  readonly versions: Readonly<Record<string, string>>;
  readonly backend: Pick<Manifest['backend'], 'name' | 'executor' | 'arithmetic' | 'adapter'>;
}

export function decidingOf({ config, manifest, directory }: RunRecord): Deciding | undefined {
  if (manifest === undefined) return undefined;
  const folder = dirname(manifest.config_files.at(-1) ?? directory.path);
  const fromConfig = (path: string) =>
    isAbsolute(path) ? relative(folder, path).split(sep).join('/') : path;
  const portable = mapPaths(config, fromConfig);
  const isMade = followsSeed(config);
  const { initial_weights: weights } = manifest;
  const values = [...flatValues(portable), ...earlierValues(config, manifest)].map(
    ([key, value]) => [key, key === 'model.init_from' && weights ? weights.sha256 : value] as const,
  );
  const kept = values.filter(([key]) => !isLeftOut(key, config) && !(isMade && key === 'dataset.seed'));
  const { name, executor, arithmetic, adapter } = manifest.backend;
  return {
    config: sorted(Object.fromEntries(kept)) as FlatConfig,
    // data generated from the seed differ with it
    datasets: isMade ? [] : manifest.datasets.map(one => ({ ...one, name: fromConfig(one.name) })),
    versions: sorted({ ...manifest.versions }),
    backend: { name, executor, arithmetic, adapter },
  };
}

/** True if the data are drawn with the experiment's seed. */
export function followsSeed({ seed, dataset }: RunRecord['config']): boolean {
  const made = typeof dataset === 'object' && dataset !== null ? (dataset as Record<string, unknown>) : {};
  return made.seed === seed;
}

function isLeftOut(key: string, config: object): boolean {
  return key === 'seed' || !changesResults(key, config);
}

export function sorted<T>(record: Readonly<Record<string, T>>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : Number(a > b))));
}

export interface Moved {
  readonly what: 'config' | 'data' | 'code' | 'backend';
  readonly key: string;
  readonly from: Json;
  readonly to: Json;
}

export function movedBetween(before: Deciding, after: Deciding): Moved[] {
  const digests = ({ datasets }: Deciding) =>
    Object.fromEntries(datasets.map(({ name, sha256 }) => [name, sha256]));
  return [
    ...differences('config', before.config, after.config),
    ...differences('data', digests(before), digests(after)),
    ...differences('code', before.versions, after.versions),
    ...differences('backend', before.backend, after.backend),
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
  const own = datasets.filter(({ split }) => split === 'test');
  return own.length > 0 ? own : datasets.filter(({ split }) => split === 'train');
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

/** `config model.hidden_size: 64 -> 128` */
export function movedWords({ what, key, from, to }: Moved): string {
  return `${what} ${key}: ${JSON.stringify(from)} -> ${JSON.stringify(to)}`;
}

/**
 * Keys such as `optimizer.learning_rate until step 36` with their earlier values. Only for keys
 * that change results, and values with which at least one step was made.
 */
export function earlierValues(config: object, manifest: Manifest | undefined): [key: string, value: Json][] {
  return (manifest?.changes ?? [])
    .filter(({ key, step }) => step > 0 && changesResults(key, config))
    .filter(({ key }) => effectsOf(key, config).some(effect => effect !== 'length'))
    .map(({ key, step, from }) => [`${key} until step ${step}`, from]);
}
