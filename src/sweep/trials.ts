import { isAbsolute } from 'node:path';
import { OPTIMISTIC } from '../config/metrics.js';
import { RunDirectory } from '../run/directory.js';
import type { Manifest } from '../run/manifest.js';
import { Run } from '../run/run.js';
import { type Diagnostic, EXIT, UserError } from '../util/errors.js';
import { counted } from '../util/words.js';
import type { SweepDirectory } from './directory.js';
import { type SweepPlan, signOf } from './schedule/plan.js';
import { type EndReason, type JournalRecord, type Segment, segmentKey } from './schedule/records.js';
import type { Point } from './search/space.js';

/** `stopped`: running when the sweep ended, was stopped or was killed. */
export const TRIAL_STATES = [
  'running',
  'stopped',
  'paused',
  'pruned',
  'completed',
  'diverged',
  'failed',
] as const;

export type TrialState = (typeof TRIAL_STATES)[number];

export interface SeedResult {
  readonly seed: number;
  /** Epochs that the scheduler counts. */
  readonly rung: number;
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
  /** Seconds of training steps, summed over all seeds. */
  readonly seconds: number;
  readonly message: string | null;
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

type DecidedRow = Omit<TrialRow, 'epochs' | 'seeds' | 'seconds' | 'message'>;

/** What became of a trial's runs, by seed. */
interface Training {
  readonly results: Map<number, SeedResult>;
  readonly seconds: Map<number, number>;
  message: string | null;
}

/** @param records in the order of the journal */
export function recordsOf(records: readonly JournalRecord[]) {
  const decided = new Map<number, DecidedRow>();
  const trainings = new Map<number, Training>();
  const running = new Map<string, Pick<Segment, 'trial' | 'seed' | 'to'>>();
  const trained = new Set<string>();
  let [started, spent]: [string | undefined, number | undefined] = [undefined, undefined];
  let [reason, winner]: [EndReason | undefined, number | undefined] = [undefined, undefined];
  let epochsTrained = 0;
  const change = (trial: number, changes: Partial<DecidedRow>): void => {
    const row = decided.get(trial);
    if (row !== undefined) decided.set(trial, { ...row, ...changes });
  };
  for (const record of records)
    switch (record.event) {
      case 'sweep.start':
        started = record.time;
        break;
      case 'sweep.stop':
      case 'sweep.end':
        spent = record.seconds;
        break;
      case 'sweep.redecided':
        decided.clear();
        [reason, winner] = [undefined, undefined];
        break;
      case 'segment.start': {
        const { trial, seed, to } = record;
        running.set(segmentKey(record), { trial, seed, to });
        break;
      }
      case 'segment.end': {
        const { trial, seed, from, to, status, value, train_s: seconds, message } = record;
        const key = segmentKey(record);
        running.delete(key);
        const training = trainings.get(trial) ?? { results: new Map(), seconds: new Map(), message: null };
        trainings.set(trial, training);
        // a run's summary counts from its start, so the last one is the total
        if (seconds !== null) training.seconds.set(seed, seconds);
        training.message = message ?? training.message;
        if (status === 'failed') break;
        const epochs = Math.min(to, record.epochs ?? to);
        training.results.set(seed, { seed, rung: to, epochs, value });
        // a segment's end may be recorded twice after a kill
        if (!trained.has(key)) epochsTrained += Math.max(0, epochs - from);
        trained.add(key);
        break;
      }
      case 'trial.chosen': {
        const { trial, point } = record;
        decided.set(trial, { trial, point, state: 'running', rung: 0, value: null, spread: null });
        break;
      }
      case 'trial.measured': {
        const { trial, epochs: rung, value, spread, status } = record;
        change(trial, { rung, value, spread, ...(status === 'diverged' && { state: 'diverged' }) });
        break;
      }
      case 'sweep.decided':
        [reason, winner] = [record.reason, record.best?.trial];
        break;
      case 'trial.pruned':
        // a diverged trial is also pruned, but `diverged` is more specific
        if (decided.get(record.trial)?.state !== 'diverged') change(record.trial, { state: 'pruned' });
        break;
      case 'trial.advanced':
        change(record.trial, { state: 'running' });
        break;
      case 'trial.paused':
        change(record.trial, { state: 'paused' });
        break;
      case 'trial.completed':
        change(record.trial, { state: 'completed' });
        break;
      case 'trial.failed':
        change(record.trial, { state: 'failed' });
        break;
      default:
    }
  const last = records.at(-1)?.event;
  const rows = [...decided.values()].map(row => rowOf(row, trainings.get(row.trial)));
  return {
    rows: rows.toSorted((a, b) => a.trial - b.trial) as readonly TrialRow[],
    /** Why no more trials start; undefined while trials may still start. */
    reason,
    ...{ winner, started, epochsTrained },
    isComplete: last === 'sweep.end',
    isStopped: last === 'sweep.stop',
    /** Seconds of all processes of the sweep, if it ended normally. */
    seconds: spent,
    /** Segments running at the last record. */
    running: [...running.values()],
  };
}

function rowOf(row: DecidedRow, training: Training | undefined): TrialRow {
  const seeds = [...(training?.results.values() ?? [])].toSorted((a, b) => a.seed - b.seed);
  const epochs = seeds.length === 0 ? row.rung : Math.max(...seeds.map(seed => seed.epochs));
  return {
    ...row,
    epochs: Math.min(row.rung, epochs),
    seeds,
    seconds: [...(training?.seconds.values() ?? [])].reduce((sum, one) => sum + one, 0),
    message: row.state === 'failed' ? (training?.message ?? null) : null,
  };
}

/**
 * Why a finished sweep counts as failed, in one line: a failed trial stopped it (exit 1), or no
 * trial has a value of the objective (exit 4 if all diverged, otherwise exit 1). Undefined if it
 * did not fail or is not finished.
 */
export function troubleOf({ rows, reason, winner }: SweepRecords) {
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
  return rows.flatMap(({ trial, seeds }) =>
    seeds.flatMap(({ seed }) => {
      const file = directory.runPath({ trial, seed });
      if (RunDirectory.isOne(file)) return [];
      const message = `the run of trial ${trial}, seed ${seed} is missing, but the journal has its result`;
      return [{ code: 'sweep/run-missing', message, file }];
    }),
  );
}

/** The files that the runs of a sweep were trained with: the same for all of them. */
export class TrialFiles {
  /** By path: the digest, and the first trial with it. */
  private readonly known = new Map<string, { readonly sha256: string; readonly trial: number }>();

  constructor(private readonly directory: SweepDirectory) {}

  /** Adds a run, and returns its differences from those before. */
  add({ trial, seed }: Pick<Segment, 'trial' | 'seed'>): Diagnostic[] {
    return filesOf(this.directory.runPath({ trial, seed })).flatMap(({ name, sha256 }) => {
      const first = this.known.get(name) ?? { sha256, trial };
      this.known.set(name, first);
      if (first.sha256 === sha256) return [];
      const message = `the file of trial ${trial}, seed ${seed} is not the one that trial ${first.trial} was trained with`;
      return [
        { code: 'sweep/file-changed', message, file: name, expected: `SHA-256 ${first.sha256}`, got: sha256 },
      ];
    });
  }
}

/** Generated data have names that are no paths, and can differ between trials. */
function filesOf(path: string): readonly { readonly name: string; readonly sha256: string }[] {
  const manifest = manifestOf(path);
  const { datasets = [], initial_weights } = manifest ?? {};
  return [...datasets, ...(initial_weights ? [initial_weights] : [])].filter(({ name }) => isAbsolute(name));
}

/** The manifest of a run that has started; undefined if it has not, or if it is damaged. */
export function manifestOf(path: string): Manifest | undefined {
  if (!RunDirectory.hasBegun(path)) return undefined;
  const manifest = Run.open(path).read('manifest');
  // the run reports problems of its own files
  return manifest instanceof UserError ? undefined : manifest;
}

/** Files that changed between the trials of a sweep. */
export function changedFiles(directory: SweepDirectory, { rows }: Pick<SweepRecords, 'rows'>): Diagnostic[] {
  const files = new TrialFiles(directory);
  return rows.flatMap(({ trial }) => directory.plan.seeds.flatMap(seed => files.add({ trial, seed })));
}
