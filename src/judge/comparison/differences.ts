/** Differences between sides other than results: configs, data, code, versions and machines. */
import { effectsOf, isInputPath } from '../../config/key-facts.js';
import { flatValues, schemaAt } from '../../config/schema/schema.js';
import type { Json } from '../../run/json.js';
import type { Manifest } from '../../run/manifest.js';
import type { RunRecord } from '../../run/run.js';
import { earlierValues, portable } from '../deciding.js';
import type { ConfigDifference, FactDifference } from './document.js';
import { distinguishingRuns, type Side } from './sides.js';

export function configDifferences(sides: readonly Side[], all: boolean): ConfigDifference[] {
  const sameData = sameEverywhere(sides, manifest => manifest.datasets.map(({ sha256 }) => sha256));
  const sameWeights = sameEverywhere(sides, manifest => manifest.initial_weights?.sha256 ?? null);
  const records = sides.flatMap(side => distinguishingRuns(side).map(({ record }) => record));
  const drawn = records.some(({ config }) => Object(config.dataset).test_fraction !== undefined);
  const effects = (key: string) => {
    // the same bytes under another path
    if (isInputPath(key) && (key.startsWith('dataset.') ? sameData : sameWeights)) return [];
    const found = records.flatMap(({ config }) => effectsOf(key, config));
    // the seed determines the test split
    return [...new Set([...found, ...(key === 'seed' && drawn ? (['data'] as const) : [])])];
  };
  return valuesBySide(sides, portableValues)
    .map(({ key, values }) => {
      // sides that lack a key whose default the run chooses do not count
      const isChosenByRun = schemaAt(key.split('.'), undefined)?.['x-run-default'] === true;
      const counted = isChosenByRun ? values.filter(of => of.length > 0) : values;
      return { key, values, differs: differs(counted), changes: effects(key) };
    })
    .filter(difference => all || difference.differs);
}

/** The values of each key that a run of any side has; none for a side without the key. */
function valuesBySide(sides: readonly Side[], valuesOf: (run: RunRecord) => ReadonlyMap<string, Json>) {
  const known = sides.map(side => distinguishingRuns(side).map(({ record }) => valuesOf(record)));
  const keys = [...new Set(known.flat().flatMap(values => [...values.keys()]))];
  return keys.map(key => ({
    key,
    values: known.map(side => distinct(side.flatMap(of => (of.has(key) ? [of.get(key) as Json] : [])))),
  }));
}

const GATES_BASELINE = /^gates\.\d+\.baseline$/;

/** With earlier values; baselines of gates relative to the config, which may have moved. */
function portableValues(record: RunRecord): ReadonlyMap<string, Json> {
  const { config, manifest } = record;
  const values = [...flatValues(config), ...earlierValues(config, manifest)] as [string, Json][];
  return new Map(
    values.map(([key, value]) => [
      key,
      GATES_BASELINE.test(key) && typeof value === 'string' ? portable(record, value) : value,
    ]),
  );
}

/**
 * Threads, cores and memory do not change results (src/README.md). Node's version may, since it
 * computes the exponentials on the cpu backend. The processor affects results only through
 * `backend.arithmetic`.
 */
const CHANGING = [
  'parameters',
  'versions.cellrun',
  'versions.gpu.js',
  'versions.node',
  'git.revision',
  'git.dirty',
  'backend.name',
  'backend.executor',
  'backend.arithmetic',
  'backend.adapter',
];
const OTHERS = [
  'backend.threads',
  ...['platform', 'arch', 'cpu', 'cores', 'memory_mb'].map(name => `machine.${name}`),
];

export function factDifferences(sides: readonly Side[], all: boolean): FactDifference[] {
  return [...valuesBySide(sides, inputFacts), ...valuesBySide(sides, otherFacts)]
    .map(({ key, values: known }) => {
      const hasManifest = (i: number) => manifestsOf(sides[i]).length > 0;
      const values = known.map((of, i) => (of.length === 0 && hasManifest(i) ? [null] : of));
      return { key, values, differs: differs(values), changes_results: !OTHERS.includes(key) };
    })
    .filter(difference => all || difference.differs);
}

/** Facts that differ within a side, and uncommitted changes on several sides. */
export function factNotes(sides: readonly Side[]): string[] {
  const mixed = sides.flatMap(side => {
    const found = valuesBySide([side], otherFacts).filter(({ values: [own] }) => own.length > 1);
    const keys = found.map(({ key }) => key).filter(key => CHANGING.includes(key));
    return keys.length === 0 ? [] : [`the runs of ${side.id} differ in ${keys.join(', ')}`];
  });
  const dirty = sides.filter(side => manifestsOf(side).some(({ git }) => git?.dirty === true));
  if (dirty.length < 2) return mixed;
  const names = dirty.map(({ id }) => id).join(', ');
  return [
    ...mixed,
    `${names} ran with uncommitted changes, so their code may differ although the revision is the same`,
  ];
}

/** Digests of the data, by base names, since directories differ between machines. */
function inputFacts({ manifest }: RunRecord): ReadonlyMap<string, Json> {
  const facts = new Map<string, string>();
  for (const { name, sha256 } of manifest?.datasets ?? []) {
    const key = `data ${name.split(/[\\/]/).at(-1)}`;
    const others = facts.get(key);
    facts.set(key, others === undefined ? sha256 : `${others} ${sha256}`);
  }
  const weights = manifest?.initial_weights;
  return weights ? facts.set('initial weights', weights.sha256) : facts;
}

function otherFacts({ manifest }: RunRecord): ReadonlyMap<string, Json> {
  if (manifest === undefined) return new Map();
  const values = new Map(flatValues(manifest)) as ReadonlyMap<string, Json>;
  return new Map([...CHANGING, ...OTHERS].map(key => [key, values.get(key) ?? null]));
}

function sameEverywhere(sides: readonly Side[], of: (manifest: Manifest) => Json): boolean {
  const values = sides.map(side => distinct(manifestsOf(side).map(of)));
  return values.every(list => list.length === 1) && !differs(values);
}

function manifestsOf(side: Side): Manifest[] {
  return distinguishingRuns(side).flatMap(({ record }) => record.manifest ?? []);
}

/** Sorted without duplicates: numbers by value, others by their JSON text. */
function distinct(values: readonly Json[]): Json[] {
  const byText = new Map(values.map(value => [JSON.stringify(value), value]));
  return [...byText.values()].sort((a, b) => {
    if (typeof a === 'number' && typeof b === 'number') return a - b;
    const [x, y] = [JSON.stringify(a), JSON.stringify(b)];
    return x < y ? -1 : Number(x > y);
  });
}

function differs(values: readonly (readonly Json[])[]): boolean {
  return new Set(values.map(value => JSON.stringify(value))).size > 1;
}
