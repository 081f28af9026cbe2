/** What became of each trial of a sweep, from its plan and its journal alone. */
import type { SweepPlan } from '../plan.js';
import type { JournalRecord, Outcome } from '../records.js';
import type { Point } from '../space.js';

/** `stopped`: under way when the sweep came to its end, was stopped or killed. */
export type TrialState = 'running' | 'stopped' | 'paused' | 'pruned' | 'completed' | 'diverged' | 'failed';

/** The last result of a trial's run with one of the seeds. */
export interface SeedResult {
  readonly seed: number;
  /** That the scheduler counts it for. */
  readonly rung: number;
  /** That it trained: fewer if it diverged or ended early. */
  readonly epochs: number;
  readonly value: number | null;
}

export interface TrialRow {
  readonly trial: number;
  readonly point: Point;
  readonly state: TrialState;
  /** That the scheduler counts it for, at the last measurement: what trials are ranked by. */
  readonly rung: number;
  /** That it trained until then: fewer if it diverged or ended early, the most of its seeds. */
  readonly epochs: number;
  /**
   * Mean of the objective over the seeds at the last measurement; null where there is none or it is
   * not finite.
   */
  readonly value: number | null;
  /** Sample standard deviation over the seeds; null for one. */
  readonly spread: number | null;
  readonly seeds: readonly SeedResult[];
  /** Seconds of training steps, all seeds together. */
  readonly seconds: number;
  /** Why it failed. */
  readonly message: string | null;
}

/** How far a sweep is, by its own records; whether a process still works on it they can't tell. */
export interface SweepRecords {
  readonly rows: readonly TrialRow[];
  /** Why no more trials begin; undefined as long as that is not decided. */
  readonly reason: string | undefined;
  /** The trial that was decided to be the best. */
  readonly winner: number | undefined;
  readonly started: string | undefined;
  /** Whether the sweep came to its end. */
  readonly isComplete: boolean;
  /** Whether it was stopped in order. */
  readonly isStopped: boolean;
  /** Epochs trained, all seeds together. */
  readonly epochsTrained: number;
  /** Seconds of all processes of the sweep together, where it ended in order. */
  readonly seconds: number | undefined;
  /** Segments under way when the last record was written. */
  readonly running: readonly { readonly trial: number; readonly seed: number; readonly to: number }[];
}

/**
 * The winner; as long as none is decided, by the same rule: among the trials that saw the most
 * epochs the best value, of equal ones the oldest.
 */
export function bestRow(
  plan: Pick<SweepPlan, 'objective'>,
  { rows, winner }: Pick<SweepRecords, 'rows' | 'winner'>,
): TrialRow | undefined {
  const decided = winner === undefined ? undefined : rows.find(({ trial }) => trial === winner);
  return decided ?? ranked(plan, rows).find(({ value, state }) => value !== null && state !== 'failed');
}

/**
 * The best of those trials whose value is better than that of `best`, though they saw fewer epochs:
 * what the rule above passes over.
 */
export function betterEarlier(
  { objective }: Pick<SweepPlan, 'objective'>,
  rows: readonly TrialRow[],
  best: TrialRow | undefined,
): TrialRow | undefined {
  if (best === undefined || best.value === null) return undefined;
  const sign = objective.goal === 'maximize' ? -1 : 1;
  let better: { row: TrialRow; value: number } = { row: best, value: sign * best.value };
  for (const row of rows) {
    if (row.value !== null && row.state !== 'failed' && sign * row.value < better.value)
      better = { row, value: sign * row.value };
  }
  return better.row === best ? undefined : better.row;
}

/**
 * Best first: more epochs before fewer, since fewer are another measure; then by value; those
 * without one last.
 */
export function ranked({ objective }: Pick<SweepPlan, 'objective'>, rows: readonly TrialRow[]): TrialRow[] {
  const sign = objective.goal === 'maximize' ? -1 : 1;
  const rank = ({ value, rung, epochs, trial }: TrialRow): readonly number[] =>
    value === null ? [1, -epochs, 0, trial] : [0, -rung, sign * value, trial];
  return rows.toSorted((a, b) => compareLists(rank(a), rank(b)));
}

function compareLists(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((part, i) => part !== b[i]);
  return at < 0 ? 0 : a[at] - b[at];
}

/** The same where no process works on the sweep any more: what was under way is stopped. */
export function withoutProcess(records: SweepRecords): SweepRecords {
  const rows = records.rows.map(row =>
    row.state === 'running' ? { ...row, state: 'stopped' as const } : row,
  );
  return { ...records, rows };
}

/** @param records in the order of the journal */
export function recordsOf(records: Iterable<JournalRecord>): SweepRecords {
  const collected = new TrialCollector();
  for (const record of records) collected.add(record);
  return collected.result;
}

interface Building {
  readonly trial: number;
  readonly point: Point;
  state: TrialState;
  rung: number;
  value: number | null;
  spread: number | null;
}

/** The same, record by record, for whoever watches a sweep. */
export class TrialCollector {
  private readonly trials = new Map<number, Building>();
  /** By trial and seed; the journal may tell of a run before its trial is decided. */
  private readonly runs = new Map<number, Map<number, SeedResult>>();
  private readonly seconds = new Map<number, number>();
  private readonly secondsOfRun = new Map<string, number>();
  private readonly messages = new Map<number, string>();
  private readonly running = new Map<string, SweepRecords['running'][number]>();
  private readonly trained = new Set<string>();
  private epochsTrained = 0;
  private last: JournalRecord | undefined;
  private started: string | undefined;
  private reason: string | undefined;
  private winner: number | undefined;
  private spent: number | undefined;

  add(record: JournalRecord): void {
    this.last = record;
    switch (record.event) {
      case 'sweep.start':
        this.started = record.time;
        return;
      case 'trial.chosen': {
        const { trial, point } = record;
        this.trials.set(trial, { trial, point, state: 'running', rung: 0, value: null, spread: null });
        return;
      }
      case 'trial.advanced':
        this.change(record.trial, { state: 'running' });
        return;
      case 'trial.measured': {
        const { epochs: rung, value, spread, status } = record;
        this.change(record.trial, {
          rung,
          value,
          spread,
          ...(status === 'diverged' && { state: 'diverged' }),
        });
        return;
      }
      case 'trial.paused':
        this.change(record.trial, { state: 'paused' });
        return;
      case 'trial.pruned':
        // a diverged trial is pruned as well; that it diverged says more
        if (this.trials.get(record.trial)?.state !== 'diverged')
          this.change(record.trial, { state: 'pruned' });
        return;
      case 'trial.completed':
        this.change(record.trial, { state: 'completed' });
        return;
      case 'trial.failed':
        this.change(record.trial, { state: 'failed' });
        return;
      case 'segment.start':
        this.running.set(keyOf(record), { trial: record.trial, seed: record.seed, to: record.to });
        return;
      case 'segment.end':
        this.addEnd(record);
        return;
      case 'sweep.decided':
        this.reason = record.reason;
        this.winner = record.best?.trial;
        return;
      case 'sweep.stop':
      case 'sweep.end':
        this.spent = record.seconds;
        return;
      case 'sweep.redecided':
        this.trials.clear();
        this.reason = undefined;
        this.winner = undefined;
        return;
      case 'sweep.resume':
      case 'budget.time':
        return;
      default:
        record satisfies never;
    }
  }

  get result(): SweepRecords {
    const rows = [...this.trials.values()].map(built => ({
      ...built,
      epochs: Math.min(built.rung, this.mostEpochs(built.trial) ?? built.rung),
      seeds: [...(this.runs.get(built.trial)?.values() ?? [])].toSorted((a, b) => a.seed - b.seed),
      seconds: this.seconds.get(built.trial) ?? 0,
      message: built.state === 'failed' ? (this.messages.get(built.trial) ?? null) : null,
    }));
    return {
      rows: rows.toSorted((a, b) => a.trial - b.trial),
      reason: this.reason,
      winner: this.winner,
      started: this.started,
      isComplete: this.last?.event === 'sweep.end',
      isStopped: this.last?.event === 'sweep.stop',
      epochsTrained: this.epochsTrained,
      seconds: this.spent,
      running: [...this.running.values()],
    };
  }

  private change(trial: number, changes: Partial<Building>): void {
    const known = this.trials.get(trial);
    if (known !== undefined) Object.assign(known, changes);
  }

  private addEnd(record: Extract<JournalRecord, { event: 'segment.end' }>): void {
    const { trial, seed, from, to, value, status, train_s: trained, message } = record;
    this.running.delete(keyOf(record));
    const runs = this.runs.get(trial) ?? new Map<number, SeedResult>();
    this.runs.set(trial, runs);
    // a run's summary counts from its beginning, so that the last one has all
    if (trained !== null) this.addSeconds(trial, seed, trained);
    if (message !== null) this.messages.set(trial, message);
    if (status === 'failed') return;
    const epochs = Math.min(to, record.epochs ?? to);
    runs.set(seed, { seed, rung: to, epochs, value });
    // a kill may have the end of a segment told twice
    if (!this.trained.has(keyOf(record))) this.epochsTrained += Math.max(0, epochs - from);
    this.trained.add(keyOf(record));
  }

  /** Of a trial's runs; undefined where none has ended. */
  private mostEpochs(trial: number): number | undefined {
    const runs = [...(this.runs.get(trial)?.values() ?? [])];
    return runs.length === 0 ? undefined : Math.max(...runs.map(({ epochs }) => epochs));
  }

  private addSeconds(trial: number, seed: number, trained: number): void {
    const key = `${trial}/${seed}`;
    const before = this.secondsOfRun.get(key) ?? 0;
    this.secondsOfRun.set(key, trained);
    this.seconds.set(trial, (this.seconds.get(trial) ?? 0) + trained - before);
  }
}

function keyOf({ trial, seed, to }: Pick<Outcome, 'trial' | 'seed' | 'to'>): string {
  return `${trial}/${seed}/${to}`;
}
