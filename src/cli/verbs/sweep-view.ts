/**
 * Shows the progress of a sweep on stderr: on a terminal a table of the running and the best
 * trials, else a line per result, fewer if the sweep is long. Warnings are printed at once. The
 * clock affects only what is shown.
 */

import { isRepetition, trialTable } from '../../sweep/results.js';
import { type Replicate, replicateWords, type SweepPlan } from '../../sweep/schedule/plan.js';
import type { Decision, JournalRecord } from '../../sweep/schedule/records.js';
import { describePoint } from '../../sweep/search/space.js';
import { bestRow, ranked, recordsOf, type TrialRow } from '../../sweep/trials.js';
import { formatDuration } from '../../util/numbers.js';
import { formatTable, type Table } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import type { Io } from '../terminal/io.js';
import { Block } from '../terminal/progress.js';

const REDRAW_MS = 250;
const TICK_MS = 1000;
const MAX_SHOWN = 5;

/**
 * Sweeps of more trials print, without a terminal, only new bests, failures and twenty lines of
 * progress: a log of thousands of lines hides what matters.
 */
const MAX_TRIAL_LINES = 100;
const PROGRESS_LINES = 20;

/** Calls `action` until the returned function is called. Does not keep the process alive. */
const everySecond = (action: () => void): (() => void) => {
  const timer = setInterval(action, TICK_MS).unref();
  return () => clearInterval(timer);
};

/**
 * @param earlier records of earlier processes of the sweep
 * @param clock milliseconds since any fixed time
 */
export function createSweepView(
  io: Io,
  plan: SweepPlan,
  quiet: boolean,
  earlier: readonly JournalRecord[] = [],
  clock: () => number = () => performance.now(),
  ticking = everySecond,
) {
  const records = [...earlier];
  const block = !quiet && io.interactive ? new Block(io) : undefined;
  const began = clock();
  let drawn = Number.NEGATIVE_INFINITY;
  const redraw = (): void => {
    drawn = clock();
    block?.draw(liveTable(plan, records, (drawn - began) / 1000, block.width));
  };
  const stopTicking = block === undefined ? () => {} : ticking(redraw);
  const print = (text: string): void => (block === undefined ? io.err(`${text}\n`) : block.line(text));
  return {
    recorded: (record: JournalRecord): void => {
      records.push(record);
      const text = block === undefined && !quiet ? sentence(plan, record, records) : undefined;
      if (text !== undefined) print(text);
      if (block !== undefined && clock() - drawn >= REDRAW_MS) redraw();
    },
    warning: (text: string): void => print(`warning: ${printable(text)}`),
    /** Writes a line, above the table if there is one. */
    line: print,
    end: (): void => {
      stopTicking();
      block?.clear();
    },
  };
}

/** Describes a record in a line, if there is no table; undefined for minor ones. */
function sentence(
  plan: SweepPlan,
  record: JournalRecord,
  records: readonly JournalRecord[],
): string | undefined {
  if (record.event === 'segment.end') {
    const { seed, to } = record;
    const which = replicateWords(record);
    const isRepeat = plan.repeat_best?.includes(seed) === true;
    if (!isRepeat && !isRepetition(plan)) return undefined;
    const epochs = record.epochs ?? to;
    return `${isRepeat ? 'best trial, ' : ''}${which}: ${resultText(plan, { ...record, epochs })}`;
  }
  if (record.event === 'sweep.decided') {
    const { repeat_best = [] } = plan;
    if (repeat_best.length === 0 || record.best === null) return undefined;
    return `trial ${record.best.trial} is the best; training it with ${counted(repeat_best.length, 'new seed')}`;
  }
  if (record.event === 'trial.failed') return `trial ${record.trial}: failed`;
  if (record.event === 'trial.chosen') {
    const { trial, point } = record;
    if (isRepetition(plan) && plan.folds !== undefined) return `training on ${plan.folds} folds`;
    if (isRepetition(plan)) return `training with the seeds ${plan.seeds.join(', ')}`;
    if (!isLong(plan, trial))
      return `trial ${trial}: ${printable(describePoint(point)) || 'the config as it is'}`;
    const { trials: all } = plan.budget;
    const every = all === null ? MAX_TRIAL_LINES : Math.ceil(all / PROGRESS_LINES);
    if ((trial + 1) % every !== 0) return undefined;
    return [`trial ${trial + 1}${all === null ? '' : `/${all}`}`, ...bestSoFar(plan, records)].join(', ');
  }
  // the line of each seed is printed already, and the final table has the means
  if (record.event !== 'trial.measured' || isRepetition(plan)) return undefined;
  const { trial, status } = record;
  const found = recordsOf(records, plan);
  // fewer epochs than decided if training stopped early
  const row = found.rows.find(row => row.trial === trial);
  const { epochs } = row ?? record;
  const [folds, trained = 0] = [plan.folds ?? 0, row?.seeds.length];
  if (plan.pruner.kind === 'folds' && status === 'done' && trained < folds)
    return `trial ${trial}: stopped after ${trained} of ${counted(folds, 'fold')}`;
  const text = `trial ${trial}: ${resultText(plan, { ...record, epochs })}`;
  if (status === 'diverged' || !isLong(plan, trial)) return text;
  return bestRow(plan, found)?.trial === trial ? `${text}, the best so far` : undefined;
}

type Measured = Pick<
  Extract<Decision, { event: 'trial.measured' }>,
  'status' | 'value' | 'spread' | 'epochs'
>;

function resultText(
  { objective, epochs: all }: SweepPlan,
  { status, value, epochs, spread = null, fold }: Omit<Measured, 'spread'> & Partial<Measured & Replicate>,
): string {
  if (status === 'failed') return 'failed';
  if (status === 'diverged') return `diverged after ${counted(epochs, 'epoch')}`;
  // the final model has no test or validation split to measure
  if (fold === 0 && value === null) return `trained for ${counted(epochs, 'epoch')}`;
  const shown = value === null ? 'not finite' : String(Number(value.toPrecision(5)));
  const within = spread === null ? '' : ` ± ${Number(spread.toPrecision(2))}`;
  return `${objective.metric} ${shown}${within} after ${epochs}/${counted(all, 'epoch')}`;
}

/** A sweep without a limit on trials becomes long when it has many. */
function isLong({ budget }: SweepPlan, trial: number): boolean {
  return budget.trials === null ? trial >= MAX_TRIAL_LINES : budget.trials > MAX_TRIAL_LINES;
}

/** `best test.accuracy 0.7 (trial 0)`; empty before the first value. */
function bestSoFar(plan: SweepPlan, records: readonly JournalRecord[]): string[] {
  const best = bestRow(plan, recordsOf(records, plan));
  if (best === undefined || best.value === null) return [];
  return [`best ${plan.objective.metric} ${Number(best.value.toPrecision(5))} (trial ${best.trial})`];
}

function liveTable(
  plan: SweepPlan,
  records: readonly JournalRecord[],
  seconds: number,
  width: number,
): string[] {
  const found = recordsOf(records, plan);
  const { rows, running, epochsTrained } = found;
  const active = new Set(running.map(({ trial }) => trial));
  // a trial's segment can end while its decision waits for other trials
  const isActive = ({ trial, state }: TrialRow): boolean => state === 'running' || active.has(trial);
  const outOf = plan.budget.trials === null ? '' : `/${plan.budget.trials}`;
  const epochs = counted(epochsTrained, 'epoch');
  const trained = isRepetition(plan)
    ? `${rows[0]?.seeds.length ?? 0} of ${plan.folds === undefined ? counted(plan.seeds.length, 'seed') : counted(plan.folds, 'fold')}`
    : `trial ${rows.length}${outOf}`;
  const { repeat_best = [] } = plan;
  const winner = rows.find(({ trial }) => trial === found.winner);
  const repeated =
    winner && repeat_best.length > 0
      ? [`best trial: ${winner.repeats.length} of ${counted(repeat_best.length, 'new seed')}`]
      : [];
  const head = [plan.name, trained, ...repeated, epochs, formatDuration(seconds)].join('  ');
  const shown = [
    ...rows.filter(isActive).slice(0, MAX_SHOWN),
    ...ranked(plan, rows)
      .filter(row => row.value !== null && !isActive(row))
      .slice(0, MAX_SHOWN),
  ];
  const table = shown.length > 0 ? fitting(trialTable(plan, shown, { changed: false }), width) : [];
  return [head, ...bestSoFar(plan, records), ...table];
}

/** Drops the last columns if they do not fit. */
function fitting(table: Table, width: number): string[] {
  const lines = formatTable(table, 'text', width).trimEnd().split('\n');
  if (table.columns.length === 1 || lines.every(line => line.length <= width)) return lines;
  const columns = table.columns.slice(0, -1);
  return fitting({ columns, rows: table.rows.map(row => row.slice(0, -1)) }, width);
}
