/**
 * The verbs that read a sweep from its files: `sweep status SWEEP` prints its progress and best
 * trials, `sweep replay SWEEP` repeats its decisions from its results.
 */

import { existsSync } from 'node:fs';
import { readNotes } from '../../run/notes.js';
import { costModel } from '../../sweep/directory.js';
import { importanceOf, type SweepResults, summaryOf } from '../../sweep/results.js';
import { replay as repeat, Scheduler } from '../../sweep/schedule/scheduler.js';
import { whyEnded } from '../../sweep/trials.js';
import { damagedError, EXIT } from '../../util/errors.js';
import { formatDuration } from '../../util/numbers.js';
import { formatTable } from '../../util/table.js';
import { counted, quoted } from '../../util/words.js';
import { defineVerb, json } from '../command/verb.js';
import { widthOf } from '../terminal/text.js';
import { bestMetrics, bestTable, readResults, remarks } from './compare-trials.js';
import { notesInWords } from './tag.js';

export const status = defineVerb({
  arguments: '<sweep>',
  options: { json: json('the summary') },
  action([path], { json }, { io }) {
    const results = readResults(path, io);
    if (json) io.data(`${JSON.stringify(summaryOf(results))}\n`);
    else {
      io.out(headline(results));
      const table = bestTable(results, 5);
      if (table.rows.length > 0) io.out(`\n${formatTable(table, 'text', widthOf(io))}`);
      io.out(bestMetrics(results, io));
      io.out(importances(results));
      io.out(remarks(results));
    }
    return EXIT.done;
  },
});

function headline({ plan, directory, state, records, best }: SweepResults): string {
  const { rows, running, epochsTrained, seconds } = records;
  const max = plan.budget.trials;
  const tried = max === null ? counted(rows.length, 'trial') : `${rows.length} of ${counted(max, 'trial')}`;
  const active = new Set(running.map(({ trial }) => trial));
  const counts = new Map<string, number>();
  for (const row of rows) {
    // waiting for its next segment or a decision
    const name = row.state === 'running' && !active.has(row.trial) ? 'waiting' : row.state;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const kinds = [...counts].map(([name, count]) => `${count} ${name}`).join(', ');
  const why = whyEnded(records);
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
  const notes = readNotes(directory.path);
  if (notes.tags.length > 0 || notes.note !== null) lines.push(`tagged: ${notesInWords(notes)}`);
  if (state === 'running' && running.length > 0)
    lines.push(`running: ${running.map(({ trial, to }) => `trial ${trial} to epoch ${to}`).join(', ')}`);
  if (state === 'interrupted' || state === 'killed')
    lines.push(`resume with: cellrun sweep resume ${quoted(directory.path)}`);
  return lines.map(line => `${line}\n`).join('');
}

function importances({ plan, records }: SweepResults): string {
  const importance = importanceOf(plan, records.rows);
  if (importance === null || importance.length < 2) return '';
  const parts = importance.map(parameter => `${parameter.name} ${(100 * parameter.importance).toFixed(0)} %`);
  return `\nimportance: ${parts.join(', ')}\n`;
}

export const replay = defineVerb({
  arguments: '<sweep>',
  options: { json: json('the result') },
  help: 'Exit codes: 0 the decisions are the same, 1 they differ, 5 there is no journal.',
  action([path], { json }, { io }) {
    const { directory, plan, journal } = readResults(path, io);
    const { journal: file } = directory.files;
    const message = 'the sweep has no journal: it has not started, or the file is missing';
    if (!existsSync(file)) throw damagedError('sweep/no-journal', message, { file });
    const { decisions, ...verdict } = repeat(new Scheduler(plan, costModel(directory)), journal);
    if (json) {
      const count = verdict.same && { decisions: decisions.length };
      io.data(`${JSON.stringify({ version: 1, ...verdict, ...count })}\n`);
    } else if (verdict.same) {
      const unwritten = verdict.unwritten === 0 ? '' : `; the journal lacks the last ${verdict.unwritten}`;
      io.out(`${decisions.length} decisions, byte-identical${unwritten}.\n`);
    } else {
      const { index, recorded, replayed = 'none' } = verdict;
      io.out(`Decision ${index} differs.\n  journal: ${recorded}\n  replay:  ${replayed}\n`);
    }
    return verdict.same ? EXIT.done : EXIT.unexpected;
  },
});
