/** Reads the runs that the arguments of `compare` name, and groups replicates to sides. */
import { kindOf, runsAt } from '../../run/find.js';
import type { Json } from '../../run/json.js';
import { Run, type RunRecord, STATE_WORDS } from '../../run/run.js';
import { readSweepResults } from '../../sweep/results.js';
import { bestRow } from '../../sweep/trials.js';
import { caught, forAll, UserError } from '../../util/errors.js';
import { keysApart, type Replicates, replacedRuns, replicatesOf, seedOf } from '../deciding.js';
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
    const parts = replicatesOf(runs.map(placed));
    const keys = keysApart(parts);
    const ranked = parts.toSorted((a, b) => rankOf(a, first) - rankOf(b, first) || compareParts(a, b, keys));
    if (parts.length > 1)
      notes.push(
        `${argument} has runs of ${parts.length} configs, which differ in ${keys.join(', ')}; each is compared as its own side${orderOf(ranked, first)}`,
      );
    for (const part of ranked)
      sides.push({ id: idOf(sides.length), name: nameOf(argument, part, keys), runs: counting(part.runs) });
  }
  return { sides, notes };
}

type Part = Replicates<PlacedRun>;

const NONE: ReadonlySet<string> = new Set();

function nameOf(argument: string, { values }: Part, keys: readonly string[]): string {
  const words = keys.map(key => `${key}=${wordOf(values.get(key))}`);
  return words.length === 0 ? argument : `${argument} [${words.join(', ')}]`;
}

function wordOf(value: Json | undefined): string {
  if (value === undefined) return 'not set';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function rankOf({ runs }: Part, first: ReadonlySet<string>): number {
  if (runs.some(({ record }) => first.has(record.directory.path))) return 0;
  return runs.some(({ leftOut }) => leftOut === null) ? 1 : 2;
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

function placed(record: RunRecord): PlacedRun {
  return { record, seed: seedOf(record), leftOut: reasonToLeaveOut(record) };
}

/** By seed; of runs with one seed only the newest counts. */
function counting(runs: readonly PlacedRun[]): PlacedRun[] {
  const replaced = replacedRuns(runs.filter(({ leftOut }) => leftOut === null).map(({ record }) => record));
  return runs
    .map(run => ({ ...run, leftOut: run.leftOut ?? replaced.get(run.record) ?? null }))
    .toSorted((a, b) => (a.seed ?? -1) - (b.seed ?? -1) || compareIds(a, b));
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
  const found = forAll(paths, runsAt);
  const leftOut: Comparison['left_out'][number][] = [];
  const errors: UserError[] = [];
  const groups = paths.map((argument, i) => {
    const runs: RunRecord[] = [];
    for (const { path: run } of found[i]) {
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
    return { argument, runs, first: bestRuns(argument) };
  });
  return { groups: groups.filter(({ runs }) => runs.length > 0), leftOut, errors };
}

/** One per seed; empty if `path` is no sweep, or has no best trial yet. */
function bestRuns(path: string): ReadonlySet<string> {
  if (kindOf(path) !== 'sweep') return new Set();
  const { directory, plan, records } = readSweepResults(path);
  const best = bestRow(plan, records);
  if (best === undefined) return new Set();
  return new Set(plan.seeds.map(seed => directory.runPath({ trial: best.trial, seed })));
}
