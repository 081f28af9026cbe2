/**
 * A sweep under way, on stderr: on a terminal a table that is redrawn, with what runs and what leads; elsewhere a line for each
 * result. What goes wrong is told when it happens. The clock here feeds only what is shown.
 */
import { describePoint } from '../sweep/config/index.js';
import type { SweepObserver } from '../sweep/orchestrator.js';
import type { SweepPlan } from '../sweep/plan.js';
import type { Decision, JournalRecord } from '../sweep/records.js';
import {
  bestRow,
  formatTable,
  ranked,
  TrialCollector,
  type TrialRow,
  trialTable,
} from '../sweep/results/index.js';
import { counted } from '../words.js';
import type { Io } from './io.js';
import { formatDuration } from './progress.js';

const REDRAW_MS = 250;
/** Trials of each kind that the table has at most. */
const SHOWN = 5;

export interface SweepView extends SweepObserver {
  /** What an earlier process of the sweep recorded. */
  recall(records: readonly JournalRecord[]): void;
  /** Takes the table away; nothing else may follow. */
  end(): void;
}

export function createSweepView(
  io: Io,
  plan: SweepPlan,
  quiet: boolean,
  clock: () => number = () => performance.now(),
): SweepView {
  const trials = new TrialCollector();
  const block = !quiet && io.interactive ? new Block(io) : undefined;
  const began = clock();
  let drawn = Number.NEGATIVE_INFINITY;
  const draw = (): void => {
    if (block === undefined || clock() - drawn < REDRAW_MS) return;
    drawn = clock();
    block.draw(liveTable(plan, trials, (drawn - began) / 1000, (io.columns ?? 80) - 1));
  };
  const tell = (text: string): void => (block === undefined ? io.err(`${text}\n`) : block.line(text));
  return {
    recall: records => {
      for (const record of records) trials.add(record);
    },
    decided: decision => {
      trials.add(decision);
      const text = sentence(plan, decision);
      if (text !== undefined && block === undefined && !quiet) tell(text);
      draw();
    },
    started: (segment, attempt) => {
      const place = { directory: '', launcher: '', process: null };
      trials.add({ event: 'segment.start', time: '', attempt, ...place, ...segment });
      draw();
    },
    ended: ({ outcome, exitCode, message, trainSeconds }) => {
      const told = { exit_code: exitCode, message, train_s: trainSeconds };
      trials.add({ event: 'segment.end', time: '', attempt: 0, ...told, ...outcome });
      draw();
    },
    warning: text => tell(`warning: ${text}`),
    end: () => block?.clear(),
  };
}

/** What a decision means to a reader who sees no table; undefined where nothing is to be told. */
function sentence(plan: SweepPlan, decision: Decision): string | undefined {
  switch (decision.event) {
    case 'trial.chosen':
      return `trial ${decision.trial}: ${describePoint(decision.point) || 'the config as it is'}`;
    case 'trial.measured': {
      const { trial, epochs, value, spread, status } = decision;
      if (status === 'diverged') return `trial ${trial}: diverged within ${counted(epochs, 'epoch')}`;
      const shown = value === null ? 'not finite' : String(Number(value.toPrecision(5)));
      const within = spread === null ? '' : ` ± ${Number(spread.toPrecision(2))}`;
      return `trial ${trial}: ${plan.objective.metric} ${shown}${within} after ${epochs}/${plan.epochs} epochs`;
    }
    case 'trial.failed':
      return `trial ${decision.trial}: failed`;
    default:
      return undefined;
  }
}

function liveTable(plan: SweepPlan, trials: TrialCollector, seconds: number, width: number): string[] {
  const records = trials.result;
  const { rows, running } = records;
  const under = new Set(running.map(({ trial }) => trial));
  const best = bestRow(plan, records);
  const of = plan.budget.trials === null ? '' : `/${plan.budget.trials}`;
  const lead =
    best === undefined || best.value === null
      ? ''
      : `  best ${plan.objective.metric} ${Number(best.value.toPrecision(5))} (trial ${best.trial})`;
  const head = `${plan.name}  trial ${rows.length}${of}  ${counted(records.epochsTrained, 'epoch')}  ${formatDuration(seconds)}${lead}`;
  const shown = [
    ...rows.filter(({ trial }) => under.has(trial)).slice(0, SHOWN),
    ...ranked(plan, rows)
      .filter((row: TrialRow) => row.value !== null && !under.has(row.trial))
      .slice(0, SHOWN),
  ];
  const table = formatTable(trialTable(plan, shown, { changed: false }), 'text', width);
  return [head, ...(shown.length > 0 ? table.trimEnd().split('\n') : [])].map(line => line.slice(0, width));
}

/** Lines at the end of a terminal that are drawn over and over. */
class Block {
  private height = 0;

  constructor(private readonly io: Io) {}

  draw(lines: readonly string[]): void {
    this.clear();
    this.io.err(lines.map(line => `${line}\n`).join(''));
    this.height = lines.length;
  }

  /** A whole line above; the block comes back with the next drawing. */
  line(text: string): void {
    this.clear();
    this.io.err(`${text}\n`);
  }

  clear(): void {
    // up to the block's first line, and everything from there on away
    if (this.height > 0) this.io.err(`\u001b[${this.height}A\r\u001b[J`);
    this.height = 0;
  }
}
