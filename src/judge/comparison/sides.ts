/**
 * The sides of a comparison: reads the runs that the arguments of `compare` name, groups replicates
 * to sides, and lists in what the sides differ besides results.
 */

import { effectsOf, isInputPath } from '../../config/key-facts.js';
import { flatValues, schemaAt } from '../../config/schema/schema.js';
import { relative, resolve } from '../../host/index.js';
import { type Found, kindOf, runsAt, sweepFolder } from '../../run/find.js';
import type { Json } from '../../run/json.js';
import type { Manifest } from '../../run/manifest.js';
import { Run, type RunRecord, STATE_WORDS } from '../../run/run.js';
import { readSweepResults, runsOfResult } from '../../sweep/results.js';
import { caught, forAll, UserError, usageError } from '../../util/errors.js';
import {
  compareValues,
  distinct,
  earlierValues,
  foldOf,
  keysApart,
  portable,
  type Replicates,
  replacedRuns,
  replicatesOf,
  seedOf,
} from '../deciding.js';
import type { Comparison, ConfigDifference, FactDifference } from './document.js';

export interface Group {
  readonly argument: string;
  readonly runs: readonly RunRecord[];
}

export interface Side {
  readonly id: string;
  readonly name: string;
  readonly runs: readonly PlacedRun[];
}

type PlacedRun = ReturnType<typeof placed>;

export function countedRuns({ runs }: Side): PlacedRun[] {
  return runs.filter(({ leftOut }) => leftOut === null);
}

/** The runs that describe a side: those that count, or all if none does. */
export function distinguishingRuns(side: Side): readonly PlacedRun[] {
  const counted = countedRuns(side);
  return counted.length > 0 ? counted : side.runs;
}

/** Sides with runs that count come first, by the values that differ. */
export function sidesOf(groups: readonly Group[]): { readonly sides: Side[]; readonly notes: string[] } {
  const notes: string[] = [];
  const sides: Side[] = [];
  for (const { argument, runs } of groups) {
    const parts = replicatesOf(runs.map(placed));
    const keys = keysApart(parts);
    const ranked = parts.toSorted((a, b) => rankOf(a) - rankOf(b) || compareParts(a, b, keys));
    if (parts.length > 1)
      notes.push(
        `${argument} has runs of ${parts.length} configs, which differ in ${keys.join(', ')}; each is compared as its own side${orderOf(ranked)}`,
      );
    for (const part of ranked)
      sides.push({ id: idOf(sides.length), name: nameOf(argument, part, keys), runs: counting(part.runs) });
  }
  return { sides, notes };
}

type Part = Replicates<PlacedRun>;

function nameOf(argument: string, { values }: Part, keys: readonly string[]): string {
  const words = keys.map(key => `${key}=${wordOf(values.get(key))}`);
  return words.length === 0 ? argument : `${argument} [${words.join(', ')}]`;
}

function wordOf(value: Json | undefined): string {
  if (value === undefined) return 'not set';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function rankOf({ runs }: Part): number {
  return runs.some(({ leftOut }) => leftOut === null) ? 0 : 1;
}

function orderOf(ranked: readonly Part[]): string {
  return rankOf(ranked[0]) < rankOf(ranked[ranked.length - 1]) ? ', sides without usable runs last' : '';
}

function compareParts(a: Part, b: Part, keys: readonly string[]): number {
  const orders = keys.map(key => compareValues(a.values.get(key), b.values.get(key)));
  return orders.find(order => order !== 0) ?? 0;
}

function placed(record: RunRecord) {
  return { record, seed: seedOf(record), fold: foldOf(record), leftOut: reasonToLeaveOut(record) };
}

/** By seed or fold; of runs with the same one only the newest counts. */
function counting(runs: readonly PlacedRun[]): PlacedRun[] {
  const replaced = replacedRuns(runs.filter(({ leftOut }) => leftOut === null).map(({ record }) => record));
  return runs
    .map(run => ({ ...run, leftOut: run.leftOut ?? replaced.get(run.record) ?? null }))
    .toSorted((a, b) => numberOf(a) - numberOf(b) || compareIds(a, b));
}

function numberOf({ seed, fold }: Pick<PlacedRun, 'seed' | 'fold'>): number {
  return fold ?? seed ?? -1;
}

function reasonToLeaveOut({ state, summary }: RunRecord): string | null {
  if (state === 'completed') return summary === undefined ? 'it has no summary' : null;
  const hasEnded = state !== 'running' && state !== 'killed' && summary !== undefined;
  return `it ${STATE_WORDS[state]}${hasEnded ? ` after step ${summary.steps}` : ''}`;
}

function compareIds(a: PlacedRun, b: PlacedRun): number {
  const [x, y] = [`${a.record.id}\n${a.record.directory.path}`, `${b.record.id}\n${b.record.directory.path}`];
  return x < y ? -1 : Number(x > y);
}

/** `A` to `Z`, then `AA` and so on. */
function idOf(index: number): string {
  const letter = String.fromCharCode(65 + (index % 26));
  return index < 26 ? letter : idOf(Math.floor(index / 26) - 1) + letter;
}

/** Of runs that cannot be read, it returns the errors. */
export function readGroups(paths: readonly string[]) {
  const leftOut: Comparison['left_out'][number][] = [];
  const errors: UserError[] = [];
  const groups = forAll(paths, named).map(({ argument, found }) => {
    const runs: RunRecord[] = [];
    for (const { path: run } of found) {
      const read = caught(() => Run.read(run));
      if (read instanceof UserError) {
        errors.push(read);
        leftOut.push({ run, reason: 'it cannot be read' });
      }
      // killed before it wrote a manifest
      else if (read.manifest === undefined && read.summary === undefined)
        leftOut.push({ run, reason: 'it ended before training started' });
      else runs.push(read);
    }
    return { argument, runs };
  });
  const whole = groups.filter(({ runs }) => runs.length > 0);
  return { groups: withTrialsTogether(whole), leftOut, errors };
}

/**
 * Trials of one sweep, named one by one, as a group, so that seeds of one trial are replicates. If
 * they are seeds of a single trial, these are what the user compares.
 */
function withTrialsTogether(groups: readonly Group[]): Group[] {
  const sweeps = groups.map(({ argument }) => sweepFolder(resolve(argument)));
  return groups.flatMap((group, i): Group[] => {
    const sweep = sweeps[i];
    if (sweep === undefined) return [group];
    if (sweeps.indexOf(sweep) < i) return [];
    const runs = groups.filter((_, other) => sweeps[other] === sweep).flatMap(member => member.runs);
    const isOneTrial = replicatesOf(runs.map(placed)).length === 1;
    return isOneTrial
      ? groups.filter((_, other) => sweeps[other] === sweep)
      : [{ argument: relative('.', sweep) || '.', runs }];
  });
}

/** The runs that `path` names; of a sweep, those that its result is measured on. */
function named(path: string): { readonly argument: string; readonly found: readonly Found[] } {
  const found = runsAt(path);
  if (kindOf(path) !== 'sweep') return { argument: path, found };
  const results = readSweepResults(path);
  const ofResult = new Set(runsOfResult(results));
  const counted = found.filter(run => ofResult.has(run.path));
  const which = results.records.rows.length > 1 ? ` (trial ${results.best?.trial})` : '';
  if (counted.length > 0) return { argument: `${path}${which}`, found: counted };
  const expected = 'a sweep with a result, or runs of its trials';
  throw usageError('compare/no-result', 'this sweep has no best trial yet', { file: path, expected });
}

export function configDifferences(sides: readonly Side[], all: boolean): ConfigDifference[] {
  const sameData = sameEverywhere(sides, manifest => manifest.datasets.map(({ sha256 }) => sha256));
  const sameWeights = sameEverywhere(sides, manifest => manifest.initial_weights?.sha256 ?? null);
  const records = sides.flatMap(side => distinguishingRuns(side).map(({ record }) => record));
  const drawn = records.some(({ config }) => drawsTest(Object(config.dataset)));
  const effects = (key: string) => {
    // the same bytes under another path
    if (isInputPath(key) && (key.startsWith('dataset.') ? sameData : sameWeights)) return [];
    const found = records.flatMap(({ config }) => effectsOf(key, config));
    return [...new Set([...found, ...(key === 'seed' && drawn ? (['data'] as const) : [])])];
  };
  // without `dataset.seed`, the experiment's seed draws the splits
  const isPinned = records.some(({ config }) => Object(config.dataset).seed !== undefined);
  const valuesOf = (record: RunRecord) => {
    const values = portableValues(record);
    const seed = isPinned && values.get('seed');
    return typeof seed === 'number' ? new Map<string, Json>([['dataset.seed', seed], ...values]) : values;
  };
  return valuesBySide(sides, valuesOf)
    .map(({ key, values }) => {
      // sides that lack a key whose default the run chooses do not count
      const isChosenByRun = schemaAt(key.split('.'), undefined)?.['x-run-default'] === true;
      const counted = isChosenByRun ? values.filter(value => value.length > 0) : values;
      return { key, values, differs: differs(counted), changes: effects(key) };
    })
    .filter(difference => all || difference.differs);
}

/** True if the seed determines the test split. */
function drawsTest({ seed, test_fraction, test }: Readonly<Record<string, Json>>): boolean {
  const { fraction, count, fold, select } = Object(test);
  if (typeof seed === 'number') return false;
  return test_fraction !== undefined || (select !== 'last' && (fraction ?? count ?? fold) !== undefined);
}

/** The values of each key that a run of any side has; none for a side without the key. */
function valuesBySide(sides: readonly Side[], valuesOf: (run: RunRecord) => ReadonlyMap<string, Json>) {
  const known = sides.map(side => distinguishingRuns(side).map(({ record }) => valuesOf(record)));
  const keys = [...new Set(known.flat().flatMap(values => [...values.keys()]))];
  return keys.map(key => ({
    key,
    values: known.map(side =>
      distinct(side.flatMap(facts => (facts.has(key) ? [facts.get(key) as Json] : []))),
    ),
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
  const named = dataNames(sides);
  return [...valuesBySide(sides, record => inputFacts(record, named)), ...valuesBySide(sides, otherFacts)]
    .map(({ key, values: known }) => {
      const hasManifest = (i: number) => manifestsOf(sides[i]).length > 0;
      const values = known.map((list, i) => (list.length === 0 && hasManifest(i) ? [null] : list));
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

const baseName = (file: string) => String(file.split(/[\\/]/).at(-1));

/** The digests of the data files of the first side, if there is one, and their base names. */
function dataNames(sides: readonly Side[]): ReadonlyMap<string, string> {
  const files = sides
    .slice(0, 1)
    .flatMap(manifestsOf)
    .flatMap(({ datasets }) => datasets);
  return new Map(files.map(({ name, sha256 }) => [sha256, baseName(name)]));
}

/**
 * Digests of the data, by base names, since directories differ between machines.
 * @param named names by digest, which a renamed file keeps
 */
function inputFacts({ manifest }: RunRecord, named: ReadonlyMap<string, string>): ReadonlyMap<string, Json> {
  const facts = new Map<string, string>();
  const kept = new Set(named.values());
  for (const { name, sha256 } of manifest?.datasets ?? []) {
    const base = baseName(name);
    const key = `data ${kept.has(base) ? base : (named.get(sha256) ?? base)}`;
    const others = facts.get(key);
    facts.set(key, others === undefined ? sha256 : `${others} ${sha256}`);
  }
  const weights = manifest?.initial_weights;
  if (weights === undefined) return facts;
  const { sha256, run_id, run_step } = weights;
  return facts.set('initial weights', run_id === undefined ? sha256 : `${run_id}, step ${run_step}`);
}

function otherFacts({ manifest }: RunRecord): ReadonlyMap<string, Json> {
  if (manifest === undefined) return new Map();
  const values = new Map(flatValues(manifest)) as ReadonlyMap<string, Json>;
  return new Map([...CHANGING, ...OTHERS].map(key => [key, values.get(key) ?? null]));
}

function sameEverywhere(sides: readonly Side[], read: (manifest: Manifest) => Json): boolean {
  const values = sides.map(side => distinct(manifestsOf(side).map(read)));
  return values.every(list => list.length === 1) && !differs(values);
}

function manifestsOf(side: Side): Manifest[] {
  return distinguishingRuns(side).flatMap(({ record }) => record.manifest ?? []);
}

function differs(values: readonly (readonly Json[])[]): boolean {
  return new Set(values.map(value => JSON.stringify(value))).size > 1;
}
