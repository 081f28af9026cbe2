/**
 * Shows the progress of a sweep on stderr: on a terminal a table of the running and the best
 * trials, else a line per result, fewer if the sweep is long. Warnings are printed at once. The
 * clock affects only what is shown.
 */

import { bestRow, ranked, TrialCollector, type TrialRow, trialTable } from '../../sweep/index.js';
import type { SweepObserver } from '../../sweep/orchestrator.js';
import type { SweepPlan } from '../../sweep/schedule/plan.js';
import type { Decision, JournalRecord } from '../../sweep/schedule/records.js';
import { describePoint } from '../../sweep/search/space.js';
import { formatDuration } from '../../util/numbers.js';
import { formatTable, type Table } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import { Block } from '../terminal/block.js';
import type { Io } from '../terminal/io.js';

/** Minimum and maximum milliseconds between two redraws. */
const REDRAW_MS = 250;
const TICK_MS = 1000;
/** Maximum number of running and of best trials in the table. */
const MAX_SHOWN = 5;

/**
 * Sweeps of more trials print, without a terminal, only new bests, failures and twenty lines of
 * progress: a log of thousands of lines hides what matters.
 */
const MAX_TRIAL_LINES = 100;
const PROGRESS_LINES = 20;

export interface SweepView extends Required<SweepObserver> {
  /** Adds the records of an earlier process of the sweep. */
  recall(records: readonly JournalRecord[]): void;
  /** Writes a line, above the table if there is one. */
  line(text: string): void;
  /** Clears the table; the last call. */
  end(): void;
}

/** Calls `action` regularly, until the returned function is called. */
type Ticking = (action: () => void) => () => void;

/** The timer does not keep the process alive. */
const everySecond: Ticking = action => {
  const timer = setInterval(action, TICK_MS).unref();
  return () => clearInterval(timer);
};

/** @param clock milliseconds since any fixed time */
export function createSweepView(
  io: Io,
  plan: SweepPlan,
  quiet: boolean,
  clock: () => number = () => performance.now(),
  ticking: Ticking = everySecond,
): SweepView {
  const trials = new TrialCollector();
  const block = !quiet && io.interactive ? new Block(io) : undefined;
  const began = clock();
  let drawn = Number.NEGATIVE_INFINITY;
  const redraw = (): void => {
    drawn = clock();
    block?.draw(liveTable(plan, trials, (drawn - began) / 1000, block.width));
  };
  const draw = (): void => {
    if (block !== undefined && clock() - drawn >= REDRAW_MS) redraw();
  };
  const stopTicking = block === undefined ? () => {} : ticking(redraw);
  const print = (text: string): void => (block === undefined ? io.err(`${text}\n`) : block.line(text));
  return {
    recall: records => {
      for (const record of records) trials.add(record);
    },
    decided: decision => {
      trials.add(decision);
      if (block === undefined && !quiet) {
        const describe = isLong(plan, decision) ? briefSentence : sentence;
        const text = describe(plan, decision, trials);
        if (text !== undefined) print(text);
      }
      draw();
    },
    started: (segment, attempt) => {
      const unknown = { directory: '', launcher: '', process: null };
      trials.add({ event: 'segment.start', time: '', attempt, ...unknown, ...segment });
      draw();
    },
    ended: ({ outcome, exitCode, message, epochs, trainSeconds }) => {
      const end = { exit_code: exitCode, message, epochs, train_s: trainSeconds };
      trials.add({ event: 'segment.end', time: '', attempt: 0, ...end, ...outcome });
      draw();
    },
    redecided: decisions => {
      for (const record of [REDECIDED, ...decisions]) trials.add(record);
      draw();
    },
    warning: text => print(`warning: ${printable(text)}`),
    line: print,
    end: () => {
      stopTicking();
      block?.clear();
    },
  };
}

const REDECIDED: JournalRecord = { event: 'sweep.redecided', time: '', retry_failed: false };

/** Describes a decision in a line, if there is no table; undefined for minor decisions. */
function sentence(plan: SweepPlan, decision: Decision, trials: TrialCollector): string | undefined {
  switch (decision.event) {
    case 'trial.chosen':
      return `trial ${decision.trial}: ${printable(describePoint(decision.point)) || 'the config as it is'}`;
    case 'trial.measured': {
      const { trial, value, spread, status } = decision;
      // fewer epochs than decided if training stopped early
      const { epochs } = trials.result.rows.find(row => row.trial === trial) ?? decision;
      if (status === 'diverged') return `trial ${trial}: diverged after ${counted(epochs, 'epoch')}`;
      const shown = value === null ? 'not finite' : String(Number(value.toPrecision(5)));
      const within = spread === null ? '' : ` ± ${Number(spread.toPrecision(2))}`;
      return `trial ${trial}: ${plan.objective.metric} ${shown}${within} after ${epochs}/${counted(plan.epochs, 'epoch')}`;
    }
    case 'trial.failed':
      return `trial ${decision.trial}: failed`;
    default:
      return undefined;
  }
}

/** A sweep without a limit on trials becomes long when it has many. */
function isLong({ budget }: SweepPlan, decision: Decision): boolean {
  if (budget.trials !== null) return budget.trials > MAX_TRIAL_LINES;
  return 'trial' in decision && decision.trial >= MAX_TRIAL_LINES;
}

/** Describes a decision of a long sweep; undefined for most. */
function briefSentence(plan: SweepPlan, decision: Decision, trials: TrialCollector): string | undefined {
  if (decision.event === 'trial.chosen') {
    const number = decision.trial + 1;
    const { trials: all } = plan.budget;
    const every = all === null ? MAX_TRIAL_LINES : Math.ceil(all / PROGRESS_LINES);
    if (number % every !== 0) return undefined;
    return [`trial ${number}${all === null ? '' : `/${all}`}`, ...bestSoFar(plan, trials)].join(', ');
  }
  if (decision.event !== 'trial.measured' || decision.status === 'diverged')
    return sentence(plan, decision, trials);
  const isBest = bestRow(plan, trials.result)?.trial === decision.trial;
  return isBest ? `${sentence(plan, decision, trials)}, the best so far` : undefined;
}

/** `best test.accuracy 0.7 (trial 0)`; empty before the first value. */
function bestSoFar(plan: SweepPlan, trials: TrialCollector): string[] {
  const best = bestRow(plan, trials.result);
  if (best === undefined || best.value === null) return [];
  return [`best ${plan.objective.metric} ${Number(best.value.toPrecision(5))} (trial ${best.trial})`];
}

function liveTable(plan: SweepPlan, trials: TrialCollector, seconds: number, width: number): string[] {
  const records = trials.result;
  const { rows, running } = records;
  const active = new Set(running.map(({ trial }) => trial));
  // a trial's segment can end while its decision waits for other trials
  const isActive = ({ trial, state }: TrialRow): boolean => state === 'running' || active.has(trial);
  const of = plan.budget.trials === null ? '' : `/${plan.budget.trials}`;
  const head = [
    plan.name,
    `trial ${rows.length}${of}`,
    counted(records.epochsTrained, 'epoch'),
    formatDuration(seconds),
    ...bestSoFar(plan, trials),
  ];
  const shown = [
    ...rows.filter(isActive).slice(0, MAX_SHOWN),
    ...ranked(plan, rows)
      .filter(row => row.value !== null && !isActive(row))
      .slice(0, MAX_SHOWN),
  ];
  const table = shown.length > 0 ? fitting(trialTable(plan, shown, { changed: false }), width) : [];
  return [...folded(head, width), ...table];
}

/** Drops the last columns if they do not fit. */
function fitting(table: Table, width: number): string[] {
  const lines = formatTable(table, 'text', width).trimEnd().split('\n');
  if (table.columns.length === 1 || lines.every(line => line.length <= width)) return lines;
  const columns = table.columns.slice(0, -1);
  return fitting({ columns, rows: table.rows.map(row => row.slice(0, -1)) }, width);
}

/** Wraps the parts into lines of `width`. */
function folded(parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const longer = lines.length === 0 ? part : `${lines.at(-1)}  ${part}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(part);
  }
  return lines;
}
