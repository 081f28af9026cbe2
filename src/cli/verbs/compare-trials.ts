/** The trials of a sweep as a table, with remarks, from the sweep's files only. */

import { relative } from 'node:path';
import { Run } from '../../run/run.js';
import {
  finalMetrics,
  finalRun,
  metricsTable,
  objectiveBaseline,
  outOfFoldMetrics,
  readOutOfFold,
  readSweepResults,
  type SweepResults,
  splitsSentence,
  trialTable,
  trivialSentence,
} from '../../sweep/results.js';
import { betterEarlier, missingRuns, ranked, sweepCautions, type TrialRow } from '../../sweep/trials.js';
import { confidenceSentence } from '../../tasks/core/confidence.js';
import { usageError } from '../../util/errors.js';
import { MIN_VALUES } from '../../util/statistics.js';
import { formatTable, type Table, type TableFormat } from '../../util/table.js';
import { counted, printable } from '../../util/words.js';
import { count, number, text, type Values } from '../command/verb.js';
import type { Io } from '../terminal/io.js';
import { widthOf } from '../terminal/text.js';

/** Reads a sweep and warns about damage in its journal and about runs that are missing. */
export function readResults(path: string, io: Io): SweepResults {
  const results = readSweepResults(path);
  const missing = missingRuns(results.directory, results.records).map(
    ({ message, file = '' }) => `${relative(results.directory.path, file)}: ${message}`,
  );
  for (const sentence of [...results.damage, ...missing]) io.err(`warning: ${printable(sentence)}\n`);
  return results;
}

/** The best trials, with the parameters that differ within the sweep. */
export function bestTable({ plan, records }: SweepResults, count: number): Table {
  const whole = trialTable(plan, ranked(plan, records.rows), { changed: true });
  const measured = whole.rows.filter(row => row[3] !== null);
  return { ...whole, rows: measured.slice(0, count) };
}

/**
 * Remarks on the table of the best trials: baselines, cautions, better values after fewer epochs,
 * and trials that diverged or failed.
 */
export function remarks(results: SweepResults): string {
  const { plan, records } = results;
  return paragraph([
    ...baselines(results),
    ...sweepCautions(plan, records.rows).map(caution => `warning: ${caution}`),
    ...betterWithFewerEpochs(results),
    ...unsuccessful(results),
  ]);
}

/** The final metrics of the best trial, with those of the test split; empty until completed. */
export function bestMetrics(results: SweepResults, io: Io): string {
  const metrics = finalMetrics(results);
  if (metrics.length === 0) return '';
  const { seeds, repeat_best, folds } = results.plan;
  const head = repeat_best ? `The best trial with ${counted(repeat_best.length, 'new seed')}:\n` : '';
  const count = folds ?? (repeat_best ?? seeds).length;
  const isFew = folds === undefined && count < MIN_VALUES;
  const few = isFew ? `A 95 % interval needs at least ${MIN_VALUES} seeds.` : '';
  const notes = count > 1 ? [splitsSentence(results), few].filter(Boolean) : [];
  const table = formatTable(metricsTable(metrics), 'text', widthOf(io));
  return `\n${head}${table}${notes.map(note => `${note}\n`).join('')}`;
}

/** The metrics over the sequences of all folds together; empty without them. */
export function outOfFoldTable(results: SweepResults, io: Io): string {
  const { over, metrics } = outOfFoldMetrics(results);
  if (metrics.length === 0) return '';
  const { thresholds } = readOutOfFold(results) ?? {};
  const fitted = thresholds && `Fitted for the folds together: ${confidenceSentence({ thresholds })}.\n`;
  return `\n${formatTable(metricsTable(metrics, over), 'text', widthOf(io))}${fitted ?? ''}`;
}

/** Where the model on all data is, and what to expect of it; empty without one. */
export function finalSentence(results: SweepResults): string {
  const path = finalRun(results);
  if (path === undefined) return '';
  const { summary } = Run.open(path);
  return `\nThe final model is trained on all data for ${counted(summary?.steps ?? 0, 'step')}, the median of the folds.\nIts expected metrics are those of the folds: ${printable(path)}\n`;
}

function paragraph(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `\n${lines.map(line => `${line}\n`).join('')}`;
}

/** The trivial baseline, unless it is beside the final metrics; a warning if no trial is better. */
function baselines(results: SweepResults): string[] {
  const { metric } = results.plan.objective;
  const baseline = objectiveBaseline(results);
  if (baseline === undefined) return [];
  const isShown = finalMetrics(results).some(final => final.metric === metric && final.baseline);
  const value = Number(baseline.value.toPrecision(5));
  const trivial = trivialSentence(results, baseline);
  return [
    ...(isShown ? [] : [`trivial baseline: ${metric} ${value} (${baseline.name})`]),
    ...(trivial === undefined ? [] : [`warning: ${trivial}`]),
  ];
}

function betterWithFewerEpochs({ plan, records, best }: SweepResults): string[] {
  const better = betterEarlier(plan, records.rows, best);
  if (best === undefined || better === undefined) return [];
  const value = Number((better.value ?? Number.NaN).toPrecision(5));
  return [
    `trial ${better.trial} (${better.state}) had ${plan.objective.metric} ${value} after ${counted(better.epochs, 'epoch')}; only trials with the most epochs (${best.rung}) can be the best`,
  ];
}

/** The first trials that diverged or failed. The logs of the runs have all. */
function unsuccessful({ records: { rows } }: SweepResults): string[] {
  const outOf = counted(rows.length, 'trial');
  return (['diverged', 'failed'] as const).flatMap(state => {
    const found = rows.filter(row => row.state === state);
    const shown = found
      .slice(0, 5)
      .map(
        ({ trial, message }) => `trial ${trial} ${state}${message === null ? '' : `: ${printable(message)}`}`,
      );
    const more = found.length > shown.length ? [`and ${found.length - shown.length} more`] : [];
    return found.length === 0 ? [] : [`${found.length} of ${outOf} ${state}:`, ...shown, ...more];
  });
}

export const trialOptions = {
  sort: text(
    '<column>',
    'sort trials by this column, in descending order with a hyphen before it (default: best first)',
  ),
  min: number('<value>', 'list only trials with an objective of at least this value'),
  max: number('<value>', 'list only trials with an objective of at most this value'),
  top: count('<n>', 'list only the first n trials'),
};

export type TrialTableOptions = Values<typeof trialOptions> & {
  readonly format: TableFormat;
  readonly all: boolean;
};

export function compareTrials(path: string, options: TrialTableOptions, io: Io): void {
  const { min, max } = options;
  if (min !== undefined && max !== undefined && min > max)
    throw usageError('compare/range', `--min ${min} is greater than --max ${max}`, { file: '--min' });
  const results = readResults(path, io);
  const { plan, records } = results;
  const within = ({ value }: TrialRow): boolean =>
    (min === undefined || (value !== null && value >= min)) &&
    (max === undefined || (value !== null && value <= max));
  const all = ranked(plan, records.rows);
  // columns are chosen from all trials, not only from those shown
  const tableOf = (changed: boolean): Table => {
    const table = trialTable(plan, all, { changed });
    return { ...table, rows: table.rows.filter((_, i) => within(all[i])) };
  };
  const table = sorted(tableOf(!options.all), tableOf(false), options.sort);
  const top = { ...table, rows: table.rows.slice(0, options.top) };
  if (options.format !== 'text') io.data(formatTable(top, options.format));
  else
    io.out(formatTable(top, 'text', widthOf(io)) + bestMetrics(results, io) + paragraph(baselines(results)));
}

/** @param whole the same rows with all columns, any of which can be the sort key */
function sorted(table: Table, whole: Table, sort: string | undefined): Table {
  if (sort === undefined) return table;
  const key = sort.replace(/^-/, '');
  const sign = sort === key ? 1 : -1;
  const at = whole.columns.findIndex(({ name, title }) => name === key || title === key);
  if (at < 0)
    throw usageError('cli/sort', `there is no column '${key}'`, {
      file: '--sort',
      expected: whole.columns.map(({ name }) => name).join(', '),
    });
  const order = whole.rows
    .map((row, i) => ({ cell: row[at], i }))
    .toSorted(({ cell: a }, { cell: b }) => {
      // empty cells come last in both orders
      if (a === null || b === null) return Number(a === null) - Number(b === null);
      if (typeof a === 'number' && typeof b === 'number') return sign * (a - b);
      return sign * (String(a) < String(b) ? -1 : Number(String(a) > String(b)));
    });
  return { ...table, rows: order.map(({ i }) => table.rows[i]) };
}
