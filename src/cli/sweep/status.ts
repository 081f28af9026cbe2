/** `sweep status SWEEP` and `compare SWEEP`: how far a sweep is and what its trials reached, from its files alone. */

import { nearest } from '../../config/wording/suggest.js';
import {
  beatsBaseline,
  bestRow,
  betterEarlier,
  formatTable,
  importanceOf,
  objectiveBaseline,
  ranked,
  readSweepResults,
  type SweepResults,
  summaryOf,
  sweepCautions,
  type Table,
  type TableFormat,
  type TrialRow,
  trialTable,
  troubleOf,
} from '../../sweep/results/index.js';
import { EXIT, type ExitCode, usageError } from '../../util/errors.js';
import { counted } from '../../util/words.js';
import { quoted } from '../program-name.js';
import type { Io } from '../terminal/io.js';
import { formatDuration } from '../terminal/progress.js';
import { notesInWords } from '../verbs/tag.js';

/** Of the terminal, or enough for most tables where there is none. */
export function widthOf(io: Io): number {
  return Math.max(80, io.columns ?? 120);
}

/** Reads a sweep and says on stderr what of its journal is damaged. */
export function readTelling(path: string, io: Io): SweepResults {
  const results = readSweepResults(path);
  for (const sentence of results.damage) io.err(`warning: ${sentence}\n`);
  return results;
}

export function sweepStatus(path: string, { json }: { readonly json: boolean }, io: Io): ExitCode {
  const results = readTelling(path, io);
  if (json) io.out(`${JSON.stringify(summaryOf(results))}\n`);
  else {
    io.out(headline(results));
    const table = bestTable(results, 5);
    if (table.rows.length > 0) io.out(`\n${formatTable(table, 'text', widthOf(io))}`);
    io.out(weights(results));
    io.out(remarks(results));
  }
  return EXIT.done;
}

/** The best trials, with the parameters that differ between any of the sweep's. */
export function bestTable({ plan, records }: SweepResults, count: number): Table {
  const whole = trialTable(plan, ranked(plan, records.rows), { changed: true });
  const measured = whole.rows.filter(row => row[3] !== null);
  return { ...whole, rows: measured.slice(0, count) };
}

function headline({ plan, directory, state, records }: SweepResults): string {
  const { rows, running, epochsTrained, reason, seconds } = records;
  const most = plan.budget.trials;
  const tried = most === null ? counted(rows.length, 'trial') : `${rows.length} of ${counted(most, 'trial')}`;
  const under = new Set(running.map(({ trial }) => trial));
  const counts = new Map<string, number>();
  for (const row of rows) {
    // of a running trial none of whose segments is under way the next one, or a decision, is still to come
    const name = row.state === 'running' && !under.has(row.trial) ? 'waiting' : row.state;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const kinds = [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
  const best = bestRow(plan, records);
  const why = troubleOf(records)?.message ?? (reason === undefined ? undefined : (REASONS[reason] ?? reason));
  const lines = [
    `${plan.name} ${directory.id}: ${state}${why === undefined ? '' : ` (${why})`}`,
    `${tried}${kinds === '' ? '' : `: ${kinds}`}; ${counted(epochsTrained, 'epoch')}${seconds === undefined ? '' : ` in ${formatDuration(seconds)}`}`,
  ];
  if (best !== undefined && best.value !== null) {
    const spread = best.spread === null ? '' : ` ± ${Number(best.spread.toPrecision(2))}`;
    lines.push(
      `best ${plan.objective.metric} ${Number(best.value.toPrecision(5))}${spread}: trial ${best.trial} after ${best.epochs} of ${counted(plan.epochs, 'epoch')}`,
    );
  }
  const notes = directory.readNotes();
  if (notes.tags.length > 0 || notes.note !== null) lines.push(`tagged: ${notesInWords(notes)}`);
  if (state === 'running' && running.length > 0)
    lines.push(`running: ${running.map(({ trial, to }) => `trial ${trial} to epoch ${to}`).join(', ')}`);
  if (state === 'interrupted' || state === 'killed')
    lines.push(`go on with: cellrun sweep resume ${quoted(directory.path)}`);
  return lines.map(line => `${line}\n`).join('');
}

const REASONS: Readonly<Record<string, string>> = {
  exhausted: 'every point was tried',
  trials: 'the maximum number of trials was reached',
  time: 'the time limit was reached',
  target: 'the target was reached',
};

function weights({ plan, records }: SweepResults): string {
  const importance = importanceOf(plan, records.rows);
  if (importance === null || importance.length < 2) return '';
  const parts = importance
    .toSorted((a, b) => b.importance - a.importance)
    .map(({ name, importance: share }) => `${name} ${(100 * share).toFixed(0)} %`);
  return `\nimportance: ${parts.join(', ')}\n`;
}

/**
 * What the table of the best does not say: what limits the trust in it, a better value after fewer
 * epochs, and the trials that diverged or failed.
 */
export function remarks(results: SweepResults): string {
  const { plan, records } = results;
  const cautions = sweepCautions(plan, records.rows).map(caution => `warning: ${caution}`);
  const lines = [
    ...trivial(results),
    ...cautions,
    ...passedOver(results),
    ...divergences(results),
    ...failures(results),
  ];
  return block(lines);
}

/** Lines below something else; nothing without any. */
function block(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `\n${lines.map(line => `${line}\n`).join('')}`;
}

/** What answers reach that look at no input, and whether the best trial does better. */
function trivial({ plan, directory, records }: SweepResults): string[] {
  const baseline = objectiveBaseline(plan, directory, records);
  if (baseline === undefined) return [];
  const value = Number(baseline.value.toPrecision(5));
  const told = `trivial baseline: ${plan.objective.metric} ${value} (${baseline.name})`;
  return beatsBaseline(plan, bestRow(plan, records), baseline) === false
    ? [told, 'warning: the best trial is no better than the trivial baseline']
    : [told];
}

function passedOver({ plan, records }: SweepResults): string[] {
  const best = bestRow(plan, records);
  const better = betterEarlier(plan, records.rows, best);
  if (best === undefined || better === undefined) return [];
  const value = Number((better.value ?? Number.NaN).toPrecision(5));
  return [
    `trial ${better.trial} (${better.state}) had ${plan.objective.metric} ${value} after ${counted(better.epochs, 'epoch')}; the best is sought among those with the most, ${best.rung}`,
  ];
}

function divergences({ records }: SweepResults): string[] {
  const diverged = records.rows.filter(({ state }) => state === 'diverged');
  if (diverged.length === 0) return [];
  const shown = diverged.slice(0, 5).map(({ trial }) => `trial ${trial}`);
  const more = diverged.length > shown.length ? ', …' : '';
  return [
    `${diverged.length} of ${counted(records.rows.length, 'trial')} diverged: ${shown.join(', ')}${more}`,
  ];
}

/** Failures as a few lines; the runs' own logs say the rest. */
function failures({ records }: SweepResults): string[] {
  const failed = records.rows.filter(({ state }) => state === 'failed');
  if (failed.length === 0) return [];
  const shown = failed
    .slice(0, 5)
    .map(({ trial, message }) => `trial ${trial} failed: ${message ?? 'unknown'}`);
  const more = failed.length > shown.length ? [`and ${failed.length - shown.length} more failed`] : [];
  return [`${failed.length} of ${counted(records.rows.length, 'trial')} failed:`, ...shown, ...more];
}

export interface CompareOptions {
  /** A column's name, or the last words of one; with a hyphen before it the other way round. `undefined`: best first. */
  readonly sort: string | undefined;
  /** Bounds of the objective. */
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly top: number | undefined;
  readonly format: TableFormat;
  /** Also the parameters in which no two trials differ. */
  readonly all: boolean;
}

export function compareTrials(path: string, options: CompareOptions, io: Io): ExitCode {
  const { min, max } = options;
  if (min !== undefined && max !== undefined && min > max)
    throw usageError({
      code: 'compare/range',
      message: `no value is at least ${min} and at most ${max}`,
      file: '--min',
      expected: '--min below --max',
    });
  const results = readTelling(path, io);
  const { plan, records } = results;
  const within = ({ value }: TrialRow): boolean =>
    (min === undefined || (value !== null && value >= min)) &&
    (max === undefined || (value !== null && value <= max));
  const all = ranked(plan, records.rows);
  // the columns are those of the whole sweep, whichever of its rows are left
  const tableOf = (changed: boolean): Table => {
    const table = trialTable(plan, all, { changed });
    return { ...table, rows: table.rows.filter((_, i) => within(all[i])) };
  };
  const table = sorted(tableOf(!options.all), tableOf(false), options.sort);
  const top = { ...table, rows: table.rows.slice(0, options.top) };
  io.out(formatTable(top, options.format, widthOf(io)));
  if (options.format === 'text') io.out(block(trivial(results)));
  return EXIT.done;
}

/** @param whole the same rows with all columns, which may be sorted by too */
function sorted(table: Table, whole: Table, sort: string | undefined): Table {
  if (sort === undefined) return table;
  const isDescending = sort.startsWith('-');
  const wanted = isDescending ? sort.slice(1) : sort;
  const names = whole.columns.map(({ name }) => name);
  const at = whole.columns.findIndex(({ name, title }) => name === wanted || title === wanted);
  if (at < 0) {
    const words = [...names, ...whole.columns.flatMap(({ title }) => (title === undefined ? [] : [title]))];
    const suggestion = nearest(wanted, words);
    throw usageError({
      code: 'cli/sort',
      message: `there is no column '${wanted}'`,
      file: '--sort',
      expected: names.join(', '),
      ...(suggestion !== undefined && { suggestion }),
    });
  }
  const sign = isDescending ? -1 : 1;
  const order = whole.rows
    .map((row, i) => ({ cell: row[at], i }))
    .toSorted((a, b) => {
      // what has no value comes last, whichever way
      if (a.cell === null || b.cell === null) return Number(a.cell === null) - Number(b.cell === null);
      return sign * compareCells(a.cell, b.cell);
    });
  return { ...table, rows: order.map(({ i }) => table.rows[i]) };
}

function compareCells(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a) < String(b) ? -1 : Number(String(a) > String(b));
}
