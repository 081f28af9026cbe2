import { isAbsolute } from 'node:path';
import { RunDirectory } from '../run/directory.js';
import { OPTIMISTIC } from '../run/words.js';
import { type Diagnostic, EXIT } from '../util/errors.js';
import { sumOf } from '../util/numbers.js';
import { count } from '../util/schema.js';
import { counted } from '../util/words.js';
import { manifestOf, type SweepDirectory } from './directory.js';
import { type Replicate, replicatesOf, replicateWords, type SweepPlan, signOf } from './schedule/plan.js';
import {
  type Decision,
  decisionsOf,
  type EndReason,
  type JournalRecord,
  type RunOfTrial,
  type Segment,
  segmentKey,
  segmentOf,
} from './schedule/records.js';
import type { Point } from './search/space.js';

export const trialStates = {
  running: count('Running.'),
  stopped: count('Were running when the sweep ended, was stopped or was killed.'),
  paused: count('Waiting at a rung.'),
  pruned: count('Ended before their last epoch.'),
  completed: count('Trained for all epochs.'),
  diverged: count('Loss, gradient or parameters were not finite.'),
  failed: count('Failed after all retries.'),
};

export type TrialState = keyof typeof trialStates;

export const TRIAL_STATES = Object.keys(trialStates) as readonly TrialState[];

export interface SeedResult extends Replicate {
  /** Trained epochs: fewer if it diverged or ended early. */
  readonly epochs: number;
  readonly value: number | null;
}

export interface TrialRow {
  readonly trial: number;
  readonly point: Point;
  readonly state: TrialState;
  /** Epochs that the scheduler counts at the last measurement; trials are ranked by them. */
  readonly rung: number;
  /** Trained epochs until then, the largest over its seeds: fewer if it diverged or ended early. */
  readonly epochs: number;
  /** Mean of the objective over the seeds at the last measurement; null if there is none. */
  readonly value: number | null;
  /** Sample standard deviation over the seeds; null for a single seed. */
  readonly spread: number | null;
  readonly seeds: readonly SeedResult[];
  /** How its runs with the seeds of `repeat_best` ended, if it is the best. */
  readonly repeats: readonly (SeedResult & Pick<SegmentEnd, 'status' | 'message'>)[];
  /** How its run on all data ended. */
  readonly final?: TrialRow['repeats'];
  /** Seconds of training steps, summed over `seeds`. */
  readonly seconds: number;
  readonly message: string | null;
}

/** All runs that a trial may have. */
export function allReplicates(
  plan: Pick<SweepPlan, 'seeds' | 'repeat_best' | 'folds' | 'final'>,
): readonly Replicate[] {
  const { seeds, repeat_best = [], final } = plan;
  return [...replicatesOf(plan, [...seeds, ...repeat_best]), ...(final ? [{ seed: seeds[0], fold: 0 }] : [])];
}

export function isRunOf(plan: Parameters<typeof allReplicates>[0], { seed, fold }: Replicate): boolean {
  return allReplicates(plan).some(replicate => replicate.seed === seed && replicate.fold === fold);
}

/** What the records of a sweep say, which is not whether a process is still working on it. */
export type SweepRecords = ReturnType<typeof recordsOf>;

/** The winner, or the current leader by the same rule. */
export function bestRow(
  plan: Pick<SweepPlan, 'objective'>,
  { rows, winner }: Pick<SweepRecords, 'rows' | 'winner'>,
): TrialRow | undefined {
  const decided = winner === undefined ? undefined : rows.find(({ trial }) => trial === winner);
  return decided ?? ranked(plan, rows).find(({ value, state }) => value !== null && state !== 'failed');
}

/** The best trial with fewer epochs but a better value than `best`. */
export function betterEarlier(
  { objective }: Pick<SweepPlan, 'objective'>,
  rows: readonly TrialRow[],
  best: TrialRow | undefined,
): TrialRow | undefined {
  const merit = ({ value, state }: TrialRow): number =>
    value === null || state === 'failed' ? Number.POSITIVE_INFINITY : signOf(objective) * value;
  const [first] = rows.toSorted((a, b) => Math.sign(merit(a) - merit(b)) || 0);
  return best !== undefined && best.value !== null && merit(first) < merit(best) ? first : undefined;
}

/** Best first: by epochs, since other values are not comparable, then by value. */
export function ranked({ objective }: Pick<SweepPlan, 'objective'>, rows: readonly TrialRow[]): TrialRow[] {
  const sign = signOf(objective);
  return rows.toSorted((a, b) => {
    if (a.value === null || b.value === null)
      return Number(a.value === null) - Number(b.value === null) || b.epochs - a.epochs || a.trial - b.trial;
    return b.rung - a.rung || sign * (a.value - b.value) || a.trial - b.trial;
  });
}

type SegmentEnd = Extract<JournalRecord, { event: 'segment.end' }>;

/** @param records in the order of the journal */
export function recordsOf(
  records: readonly JournalRecord[],
  { repeat_best = [] }: Pick<SweepPlan, 'repeat_best'> = {},
) {
  const decisions = decisionsOf(records);
  const running = new Map<string, Segment>();
  const ends = new Map<number, SegmentEnd[]>();
  // by segment: its end may be recorded twice after a kill
  const epochsTrained = new Map<string, number>();
  for (const record of records) {
    if (record.event !== 'segment.start' && record.event !== 'segment.end') continue;
    const key = segmentKey(record);
    const { trial, from } = record;
    if (record.event === 'segment.start') running.set(key, segmentOf(record));
    else {
      running.delete(key);
      ends.set(trial, [...(ends.get(trial) ?? []), record]);
      if (record.status !== 'failed') epochsTrained.set(key, Math.max(0, epochsAt(record) - from));
    }
  }
  const end = decisions.find(decision => decision.event === 'sweep.decided');
  const last = records.at(-1)?.event;
  return {
    rows: decidedRows(decisions).map(row =>
      rowOf(row, ends.get(row.trial) ?? [], repeat_best),
    ) as readonly TrialRow[],
    /** Why no more trials start; undefined while trials may still start. */
    reason: end?.reason,
    winner: end?.best?.trial,
    started: records.find(record => record.event === 'sweep.start')?.time,
    epochsTrained: sumOf(epochsTrained.values()),
    isComplete: last === 'sweep.end',
    isStopped: last === 'sweep.stop',
    /** Seconds of all processes of the sweep, if it ended normally. */
    seconds: records.findLast(record => record.event === 'sweep.stop' || record.event === 'sweep.end')
      ?.seconds,
    /** Segments running at the last record. */
    running: [...running.values()],
  };
}

type DecidedRow = Omit<TrialRow, 'epochs' | 'seeds' | 'repeats' | 'final' | 'seconds' | 'message'>;

const STATES = {
  'trial.advanced': 'running',
  'trial.paused': 'paused',
  'trial.pruned': 'pruned',
  'trial.completed': 'completed',
  'trial.failed': 'failed',
} as const;

function decidedRows(decisions: readonly Decision[]): readonly DecidedRow[] {
  const rows = new Map<number, DecidedRow>();
  for (const decision of decisions) {
    if (decision.event === 'sweep.decided') continue;
    const { trial } = decision;
    if (decision.event === 'trial.chosen') {
      const { point } = decision;
      rows.set(trial, { trial, point, state: 'running', rung: 0, value: null, spread: null });
      continue;
    }
    const row = rows.get(trial);
    // a damaged journal may lack the choice
    if (row === undefined) continue;
    if (decision.event === 'trial.measured') {
      const { epochs: rung, value, spread, status } = decision;
      rows.set(trial, { ...row, rung, value, spread, ...(status === 'diverged' && { state: status }) });
    } else if (row.state !== 'diverged' || decision.event !== 'trial.pruned') {
      // a diverged trial is also pruned, but `diverged` is more specific
      rows.set(trial, { ...row, state: STATES[decision.event] });
    }
  }
  return [...rows.values()].toSorted((a, b) => a.trial - b.trial);
}

function rowOf(row: DecidedRow, all: readonly SegmentEnd[], repeated: readonly number[]): TrialRow {
  const folds = all.filter(({ fold }) => fold !== 0);
  const ends = folds.filter(({ seed }) => !repeated.includes(seed));
  // a run's summary counts from its start, so the last one is the total
  const seconds = new Map(
    ends.flatMap(end => (end.train_s === null ? [] : [[replicateWords(end), end.train_s]])),
  );
  const seeds = lastOfSeeds(ends.filter(({ status }) => status !== 'failed')).map(
    ({ seed, fold, epochs, value }) => ({ seed, ...(fold !== undefined && { fold }), epochs, value }),
  );
  const epochs = seeds.length === 0 ? row.rung : Math.max(...seeds.map(seed => seed.epochs));
  return {
    ...row,
    epochs: Math.min(row.rung, epochs),
    seeds,
    repeats: lastOfSeeds(folds.filter(({ seed }) => repeated.includes(seed))),
    final: lastOfSeeds(all.filter(({ fold }) => fold === 0)),
    seconds: sumOf(seconds.values()),
    message:
      row.state === 'failed' ? (ends.findLast(({ message }) => message !== null)?.message ?? null) : null,
  };
}

/** By seed, or by fold. */
function lastOfSeeds(ends: readonly SegmentEnd[]) {
  const last = [...new Map(ends.map(end => [replicateWords(end), end])).values()];
  const places = ({ seed, fold = seed }: Replicate): number => fold;
  return last.map(end => ({ ...end, epochs: epochsAt(end) })).toSorted((a, b) => places(a) - places(b));
}

function epochsAt({ to, epochs }: SegmentEnd): number {
  return Math.min(to, epochs ?? to);
}

/**
 * Why a finished sweep counts as failed, in one line: a failed trial stopped it (exit 1), no trial
 * has a value of the objective, or the best trial failed with a seed of `repeat_best` (exit 4 if
 * all diverged, or this one, otherwise exit 1). Undefined if it did not fail or is not finished.
 */
export function troubleOf({ rows, reason, winner }: SweepRecords) {
  const { repeats = [], final = [] } = rows.find(({ trial }) => trial === winner) ?? {};
  const ended = [...repeats, ...final].find(({ status }) => status !== 'done');
  if (ended !== undefined) {
    const { status, message } = ended;
    return {
      exitCode: status === 'diverged' ? EXIT.diverged : EXIT.unexpected,
      message: `the best trial ${status} ${ended.fold === 0 ? 'on' : 'with'} ${replicateWords(ended)}${message === null ? '' : `: ${message}`}`,
    };
  }
  if (reason === 'trial_error') {
    const failed = rows.find(({ state }) => state === 'failed');
    const message = `stopped: trial ${failed?.trial} failed: ${failed?.message ?? 'unknown'}`;
    return { exitCode: EXIT.unexpected, message };
  }
  if (reason === undefined || winner !== undefined) return undefined;
  const kinds = (['failed', 'diverged'] as const)
    .map(state => ({ state, count: rows.filter(row => row.state === state).length }))
    .filter(({ count }) => count > 0);
  const allDiverged = rows.length > 0 && rows.every(({ state }) => state === 'diverged');
  const listed = kinds.map(({ state, count }) => `${count} ${state}`).join(', ');
  return {
    exitCode: allDiverged ? EXIT.diverged : EXIT.unexpected,
    message: `none of ${counted(rows.length, 'trial')} has a value of the objective${listed && `: ${listed}`}`,
  };
}

const REASONS: Readonly<Record<EndReason, string>> = {
  exhausted: 'every point was tried',
  trials: 'the maximum number of trials was reached',
  time: 'the time limit was reached',
  target: 'the target was reached',
  trial_error: 'a trial failed',
};

/** Why a sweep ended; undefined while trials may still start. */
export function whyEnded(records: SweepRecords): string | undefined {
  const { reason } = records;
  return troubleOf(records)?.message ?? (reason && REASONS[reason]);
}

/** Selections by the test split: the best of several trials, or nothing. */
export function selectedOnTest(
  { objective }: Pick<SweepPlan, 'objective'>,
  rows: readonly TrialRow[],
): string[] {
  const measured = rows.filter(({ value }) => value !== null);
  return objective.metric.startsWith('test.') && measured.length > 1 ? ['the best trial'] : [];
}

/** Cautions about the best trial's value, as sentences. */
export function sweepCautions(plan: Pick<SweepPlan, 'objective'>, rows: readonly TrialRow[]): string[] {
  return selectedOnTest(plan, rows).map(what => `${what} is ${OPTIMISTIC}`);
}

/** The runs that have a result in the journal, but no directory. */
export function missingRuns(directory: SweepDirectory, { rows }: Pick<SweepRecords, 'rows'>): Diagnostic[] {
  return rows.flatMap(({ trial, seeds, repeats, final = [] }) =>
    [...seeds, ...[...repeats, ...final].filter(({ status }) => status !== 'failed')].flatMap(run => {
      const file = directory.runPath({ ...run, trial });
      if (RunDirectory.isOne(file)) return [];
      const message = `the run of trial ${trial}, ${replicateWords(run)} is missing, but the journal has its result`;
      return [{ code: 'sweep/run-missing', message, file }];
    }),
  );
}

/**
 * Compares the files that the runs of a sweep were trained with: the same for all of them. The
 * function that it returns adds a run, and returns its differences from those before.
 */
export function trialFiles(directory: SweepDirectory) {
  /** By path: the digest, and the first run with it. */
  const known = new Map<string, { readonly sha256: string; readonly run: string }>();
  return (runOfTrial: RunOfTrial): Diagnostic[] => {
    const run = `trial ${runOfTrial.trial}, ${replicateWords(runOfTrial)}`;
    const { datasets = [], initial_weights } = manifestOf(directory.runPath(runOfTrial)) ?? {};
    const files = [...datasets, ...(initial_weights ? [initial_weights] : [])];
    return files.flatMap(({ name, sha256, ...source }) => {
      // generated data have names that are no paths, and can differ between trials
      if (!isAbsolute(name)) return [];
      // the digest of a folder is that of one split, which depends on the seed and the fold
      const key = 'files' in source ? `${name} ${replicateWords(runOfTrial)}` : name;
      const first = known.get(key) ?? { sha256, run };
      known.set(key, first);
      if (first.sha256 === sha256) return [];
      const message = `the file of ${run} is not the one that ${first.run} was trained with`;
      return [
        { code: 'sweep/file-changed', message, file: name, expected: `SHA-256 ${first.sha256}`, got: sha256 },
      ];
    });
  };
}

/** Files that changed between the trials of a sweep. */
export function changedFiles(directory: SweepDirectory, { rows }: Pick<SweepRecords, 'rows'>): Diagnostic[] {
  const changes = trialFiles(directory);
  const runs = allReplicates(directory.plan);
  return rows.flatMap(({ trial }) => runs.flatMap(run => changes({ trial, ...run })));
}
