/** Differences between sides other than results: configs, data, code, versions and machines. */
import { effectsOf, isInputPath } from '../../config/key-facts.js';
import { flatValues, schemaAt } from '../../config/schema/walk.js';
import type { Json } from '../../run/json.js';
import type { Manifest } from '../../run/manifest.js';
import type { RunRecord } from '../../run/run.js';
import { earlierValues, portable } from '../deciding.js';
import type { ConfigDifference, FactDifference } from './document.js';
import { distinguishingRuns, type Side } from './sides.js';

export function configDifferences(sides: readonly Side[], all: boolean): ConfigDifference[] {
  const configs = sides.map(side => distinguishingRuns(side).map(({ record }) => portableValues(record)));
  const keys = [...new Set(configs.flat().flatMap(values => [...values.keys()]))];
  const sameData = sameEverywhere(sides, manifest => manifest.datasets.map(({ sha256 }) => sha256));
  const sameWeights = sameEverywhere(sides, manifest => manifest.initial_weights?.sha256 ?? null);
  const drawn = configs.flat().some(values => values.has('dataset.test_fraction'));
  const effects = (key: string) => {
    // the same bytes under another path
    if (isInputPath(key) && (key.startsWith('dataset.') ? sameData : sameWeights)) return [];
    const found = sides.flatMap(side =>
      distinguishingRuns(side).flatMap(({ record }) => effectsOf(key, record.config)),
    );
    // the seed determines the test split
    return [...new Set([...found, ...(key === 'seed' && drawn ? (['data'] as const) : [])])];
  };
  return keys
    .map(key => {
      const values = configs.map(side =>
        distinct(side.flatMap(one => (one.has(key) ? [one.get(key) as Json] : []))),
      );
      return {
        key,
        values,
        differs: isDifference(key, values),
        changes: effects(key),
      };
    })
    .filter(difference => all || difference.differs);
}

const GATES_BASELINE = /^gates\.\d+\.baseline$/;

/** With earlier values; baselines of gates relative to the config, which may have moved. */
function portableValues(record: RunRecord): ReadonlyMap<string, unknown> {
  const { config, manifest } = record;
  const values = [...flatValues(config), ...earlierValues(config, manifest)];
  return new Map(
    values.map(([key, value]) => [
      key,
      GATES_BASELINE.test(key) && typeof value === 'string' ? portable(record, value) : value,
    ]),
  );
}

interface Fact {
  readonly key: string;
  readonly changesResults: boolean;
  of(manifest: Manifest): Json;
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
const OTHERS = ['backend.threads', 'machine.platform', 'machine.arch', 'machine.cpu', 'machine.cores'];

const FACTS: readonly Fact[] = [...CHANGING, ...OTHERS, 'machine.memory_mb'].map(key => ({
  key,
  changesResults: CHANGING.includes(key),
  of: manifest => (new Map(flatValues(manifest)).get(key) ?? null) as Json,
}));

export function factDifferences(sides: readonly Side[], all: boolean): FactDifference[] {
  return [...inputFacts(sides), ...FACTS]
    .map(({ key, changesResults, of }) => {
      const values = sides.map(side => distinct(manifestsOf(side).map(of)));
      return { key, values, differs: differs(values), changes_results: changesResults };
    })
    .filter(difference => all || difference.differs);
}

/** Facts that differ within a side, and uncommitted changes on several sides. */
export function factNotes(sides: readonly Side[]): string[] {
  const mixed = sides.flatMap(side => {
    const keys = FACTS.filter(
      ({ changesResults, of }) => changesResults && distinct(manifestsOf(side).map(of)).length > 1,
    );
    if (keys.length === 0) return [];
    return [`the runs of ${side.id} differ in ${keys.map(({ key }) => key).join(', ')}`];
  });
  const dirty = sides.filter(side => manifestsOf(side).some(({ git }) => git?.dirty === true));
  if (dirty.length < 2) return mixed;
  const names = dirty.map(({ id }) => id).join(', ');
  return [
    ...mixed,
    `${names} ran with uncommitted changes, so their code may differ although the revision is the same`,
  ];
}

/** By base names, since directories differ between machines. */
function inputFacts(sides: readonly Side[]): Fact[] {
  const names = new Set(
    sides.flatMap(side =>
      manifestsOf(side).flatMap(({ datasets }) => datasets.map(({ name }) => lastName(name))),
    ),
  );
  const data = [...names].map(name => ({
    key: `data ${name}`,
    changesResults: true,
    of: ({ datasets }: Manifest) => {
      const digests = datasets.filter(file => lastName(file.name) === name).map(({ sha256 }) => sha256);
      return digests.length > 0 ? digests.join(' ') : null;
    },
  }));
  const weights = {
    key: 'initial weights',
    changesResults: true,
    of: ({ initial_weights }: Manifest) => initial_weights?.sha256 ?? null,
  };
  const haveWeights = sides.some(side => manifestsOf(side).some(weights.of));
  return [...data, ...(haveWeights ? [weights] : [])];
}

function lastName(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path;
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

/** Ignores sides that lack a key whose default the run chooses. */
function isDifference(key: string, values: readonly (readonly Json[])[]): boolean {
  const isChosenByRun = schemaAt(key.split('.'), undefined)?.['x-run-default'] === true;
  return differs(values) && differs(isChosenByRun ? values.filter(of => of.length > 0) : values);
}

function differs(values: readonly (readonly Json[])[]): boolean {
  return new Set(values.map(value => JSON.stringify(value))).size > 1;
}
