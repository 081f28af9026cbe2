/** Reads the runs that the arguments of `compare` name, and groups replicates to sides. */
import stableStringify from 'safe-stable-stringify';
import { flatValues } from '../../config/flat.js';
import { changesResults, isInputPath } from '../../config/key-facts.js';
import { kindOf, runsAt } from '../../run/find.js';
import { Run, type RunRecord } from '../../run/run.js';
import { bestRow, readSweepResults } from '../../sweep/index.js';
import { type Diagnostic, EXIT, UserError } from '../../util/errors.js';
import { earlierValues, followsSeed } from '../judging/deciding.js';
import type { Comparison } from './document.js';

export interface Group {
  readonly argument: string;
  readonly runs: readonly RunRecord[];
  /** Directories of the runs that come first: for a sweep, those of its best trial. */
  readonly first?: ReadonlySet<string>;
}

export interface Side {
  readonly id: string;
  readonly name: string;
  readonly runs: readonly PlacedRun[];
}

export interface PlacedRun {
  readonly record: RunRecord;
  readonly seed: number | null;
  readonly leftOut: string | null;
}

export function countedRuns({ runs }: Side): PlacedRun[] {
  return runs.filter(({ leftOut }) => leftOut === null);
}

/** The runs that describe a side: those that count, or all if none does. */
export function distinguishingRuns(side: Side): readonly PlacedRun[] {
  const counted = countedRuns(side);
  return counted.length > 0 ? counted : side.runs;
}

/** The best trial comes first, then sides with runs that count, by the values that differ. */
export function sidesOf(groups: readonly Group[]): { readonly sides: Side[]; readonly notes: string[] } {
  const notes: string[] = [];
  const sides: Side[] = [];
  for (const { argument, runs, first = NONE } of groups) {
    const parts = split(runs);
    const keys = keysApart(parts);
    const ranked = parts.toSorted((a, b) => rankOf(a, first) - rankOf(b, first) || compareParts(a, b, keys));
    if (parts.length > 1)
      notes.push(
        `${argument} has runs of ${parts.length} configs, which differ in ${keys.join(', ')}; each is compared as its own side${orderOf(ranked, first)}`,
      );
    for (const part of ranked)
      sides.push({ id: idOf(sides.length), name: nameOf(argument, part, keys), runs: place(part.runs) });
  }
  return { sides, notes };
}

interface Part {
  readonly values: ConfigValues;
  readonly runs: readonly RunRecord[];
}

const NONE: ReadonlySet<string> = new Set();

const DATASET_SEED = 'dataset.seed';

function split(runs: readonly RunRecord[]): Part[] {
  const byConfig = groupBy(runs, run => without(decisiveValues(run), DATASET_SEED));
  return byConfig.flatMap(alike => {
    // data that follow the experiment's seed do not distinguish sides
    const follows = alike.every(run => followsSeed(run.config));
    const parts = follows ? [alike] : groupBy(alike, decisiveValues);
    return parts.map(part => {
      const values = decisiveValues(part[0]);
      return { values: follows ? without(values, DATASET_SEED) : values, runs: part };
    });
  });
}

function groupBy(runs: readonly RunRecord[], valuesOf: (run: RunRecord) => ConfigValues): RunRecord[][] {
  const groups = new Map<string, RunRecord[]>();
  for (const run of runs) {
    const key = String(stableStringify(Object.fromEntries(valuesOf(run))));
    groups.set(key, [...(groups.get(key) ?? []), run]);
  }
  return [...groups.values()];
}

function without(values: ConfigValues, key: string): ConfigValues {
  return new Map([...values].filter(([one]) => one !== key));
}

function keysApart(parts: readonly Part[]): string[] {
  const keys = new Set(parts.flatMap(({ values }) => [...values.keys()]));
  return [...keys].filter(key => new Set(parts.map(part => JSON.stringify(part.values.get(key)))).size > 1);
}

function nameOf(argument: string, { values }: Part, keys: readonly string[]): string {
  const words = keys.map(key => {
    const value = values.get(key);
    // a digest, shortened to 8 digits
    if (key === DATA) return `${key} ${String(value).slice(0, 8)}`;
    return `${key}=${value === undefined ? 'not set' : typeof value === 'string' ? value : JSON.stringify(value)}`;
  });
  return words.length === 0 ? argument : `${argument} [${words.join(', ')}]`;
}

function rankOf({ runs }: Part, first: ReadonlySet<string>): number {
  if (runs.some(({ directory }) => first.has(directory.path))) return 0;
  return runs.some(run => reasonToLeaveOut(run) === null) ? 1 : 2;
}

function orderOf(ranked: readonly Part[], first: ReadonlySet<string>): string {
  const ranks = ranked.map(part => rankOf(part, first));
  if (ranks[0] === 0) return ", the best trial's the first";
  return ranks[0] < ranks[ranks.length - 1] ? ', sides without usable runs last' : '';
}

function compareParts(a: Part, b: Part, keys: readonly string[]): number {
  for (const key of keys) {
    const [x, y] = [a.values.get(key), b.values.get(key)];
    if (typeof x === 'number' && typeof y === 'number' && x !== y) return x - y;
    const [left, right] = [JSON.stringify(x) ?? '', JSON.stringify(y) ?? ''];
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}

/** Of runs with one seed only the newest counts: results are the same, unless code changed. */
function place(runs: readonly RunRecord[]): PlacedRun[] {
  const placed = runs.map(record => ({ record, seed: seedOf(record), leftOut: reasonToLeaveOut(record) }));
  const newest = new Map<number | null, PlacedRun>();
  for (const run of placed.filter(({ leftOut }) => leftOut === null)) {
    const known = newest.get(run.seed);
    if (known === undefined || compareIds(known, run) < 0) newest.set(run.seed, run);
  }
  return placed
    .map(run => {
      const counted = newest.get(run.seed);
      if (run.leftOut !== null || counted === run) return run;
      return { ...run, leftOut: `replaced by ${counted?.record.id} with the same seed ${run.seed}` };
    })
    .toSorted((a, b) => (a.seed ?? -1) - (b.seed ?? -1) || compareIds(a, b));
}

function seedOf({ config, manifest }: RunRecord): number | null {
  if (typeof config.seed === 'number') return config.seed;
  return manifest?.seeds.experiment ?? null;
}

function reasonToLeaveOut({ state, summary }: RunRecord): string | null {
  if (state === 'completed') return summary === undefined ? 'it has no summary' : null;
  const place = summary === undefined ? '' : ` after step ${summary.steps}`;
  const REASONS: Readonly<Record<Exclude<typeof state, 'completed'>, string>> = {
    running: 'it is still running',
    killed: 'its process ended without an exit status',
    interrupted: `it was interrupted${place}`,
    diverged: `it diverged${place}`,
    failed: `it failed${place}`,
  };
  return REASONS[state];
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

export type ConfigValues = ReadonlyMap<string, unknown>;

/** The values of a config by key paths such as `gates.0.min`, in the config's order. */
export function valuesOf(config: RunRecord['config']): ConfigValues {
  return new Map(flatValues(config));
}

/**
 * The values that determine the results, except the seed, including values that a resume changed.
 * Runs with equal values are replicates of each other. Data files and initial weights are compared
 * by their digests if the manifest has them.
 */
export function decisiveValues({ config, manifest }: RunRecord): ConfigValues {
  const digests = manifest?.datasets.map(({ sha256 }) => sha256).join(' ');
  const decisive = new Map<string, unknown>();
  for (const [key, value] of [...valuesOf(config), ...earlierValues(config, manifest)]) {
    if (key === 'seed' || !changesResults(key, config)) continue;
    if (key === 'model.init_from') decisive.set(key, manifest?.initial_weights?.sha256 ?? value);
    else if (digests === undefined || !isInputPath(key)) decisive.set(key, value);
  }
  // generated data have a different digest for each seed
  if (digests !== undefined && !decisive.has('dataset.seed')) decisive.set(DATA, digests);
  return decisive;
}

/** Key of the data's digests in `decisiveValues`; not a key of a config. */
export const DATA = 'data';

export interface ReadGroups {
  readonly groups: readonly Group[];
  readonly leftOut: Comparison['left_out'];
  readonly warnings: readonly Diagnostic[];
  readonly error: UserError | undefined;
}

export function readGroups(paths: readonly string[]): ReadGroups {
  const wrong: UserError[] = [];
  const found = paths.map(path => ({ path, runs: tried(() => runsAt(path), wrong) ?? [] }));
  const refused = joined(wrong);
  if (refused !== undefined) throw refused;
  const leftOut: Comparison['left_out'][number][] = [];
  const errors: UserError[] = [];
  const groups = found.map(({ path, runs }) => {
    const records: RunRecord[] = [];
    for (const { path: run } of runs) {
      const read = tried(() => Run.read(run), errors);
      if (read === undefined) leftOut.push({ run, reason: 'it cannot be read' });
      // killed before it wrote a manifest
      else if (read.manifest === undefined && read.summary === undefined)
        leftOut.push({ run, reason: 'it ended before training started' });
      else records.push(read);
    }
    return { argument: path, runs: records, first: bestRuns(path) };
  });
  return {
    groups: groups.filter(({ runs }) => runs.length > 0),
    leftOut,
    warnings: errors.flatMap(({ diagnostics }) => diagnostics),
    error: joined(errors),
  };
}

/** One per seed; empty if `path` is no sweep, or has no best trial yet. */
function bestRuns(path: string): ReadonlySet<string> {
  if (kindOf(path) !== 'sweep') return new Set();
  const { directory, plan, records } = readSweepResults(path);
  const best = bestRow(plan, records);
  if (best === undefined) return new Set();
  return new Set(plan.seeds.map(seed => directory.runPath({ trial: best.trial, seed })));
}

function tried<T>(action: () => T, errors: UserError[]): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    errors.push(error);
    return undefined;
  }
}

/** One error with all diagnostics; exit 5 if any of them is about damage, else exit 2. */
function joined(errors: readonly UserError[]): UserError | undefined {
  if (errors.length === 0) return undefined;
  const isDamage = errors.some(({ exitCode }) => exitCode === EXIT.damaged);
  return new UserError(
    isDamage ? EXIT.damaged : EXIT.usage,
    errors.flatMap(({ diagnostics }) => diagnostics),
  );
}
