/** A review as text for a terminal. */

import { counted } from '../../util/words.js';
import { groupNotes } from '../judging/group-notes.js';
import type { RunReview } from '../judging/judge-run.js';
import type { Review } from '../review.js';
import { costWords, metricsOfRun, placeWords } from './run-words.js';
import { closingSentence, groupName, sweepSentences, verdictGroups } from './verdict-lines.js';

/**
 * The lines of a review, without line ends. Text from the runs is not escaped.
 * @param nameOf the name to print for a run's directory
 */
export function textLines(review: Review, nameOf: (directory: string) => string): string[] {
  const lines: string[] = [];
  const verdicts = verdictGroups(review);
  for (const run of review.runs) {
    const own = verdicts.find(group => group.run === run)?.lines ?? [];
    lines.push(
      ...runLines(run, nameOf),
      ...(run.not_judged === null
        ? [...own.slice(1).map(({ sentence }) => `  ${sentence}`), ...oddities(run)]
        : []),
    );
  }
  for (const { directory, message } of review.damaged)
    lines.push(`${nameOf(directory)}: damaged: ${message}`);
  for (const group of review.groups) {
    const own = verdicts.find(one => one.group === group)?.lines ?? [];
    if (own.length > 0 || group.comparison)
      lines.push(groupName(group), ...groupNotes(group).map(line => `  ${line}`));
    lines.push(...own.map(({ sentence }) => `  ${sentence}`));
  }
  lines.push(...sweepSentences(review).map(sentence => `warning: ${sentence}`));
  if (review.pinned !== null) lines.push(`Pinned: ${review.pinned}`);
  return [...lines, closingSentence(review)];
}

function runLines(run: RunReview, nameOf: (directory: string) => string): string[] {
  const seed = run.seed === null ? '' : `, seed ${run.seed}`;
  const head = `${nameOf(run.directory)}${seed}: ${run.completed.reason ?? 'completed'}`;
  if (run.not_judged !== null) return [head];
  const metrics = metricsOfRun(run).map(([name, value]) => `${name} ${value}`);
  const place = placeWords(run);
  return [
    head,
    ...(place === '' ? [] : [`  ${place}`]),
    ...(metrics.length === 0 ? [] : [`  ${metrics.join(', ')}`]),
    ...(run.steps === null ? [] : [`  ${costWords(run).join(', ')}`]),
    ...(run.ending === null ? [] : [`  ${run.ending}`]),
    ...(run.completed.verdict === 'passed' && run.gates.length === 0 ? ['  no gates in its config'] : []),
  ];
}

const MAX_WARNINGS = 5;

/** Cautions, warnings and damaged lines of a run, indented. */
export function oddities({ warnings, damaged_lines, cautions }: RunReview): string[] {
  const shown = warnings.first.slice(0, MAX_WARNINGS);
  const left = warnings.count - shown.length;
  return [
    ...cautions.map(caution => `  warning: ${caution}`),
    ...shown.map(({ code, message }) => `  warning: ${code}: ${message}`),
    ...(left > 0 ? [`  ${counted(left, 'more warning')}`] : []),
    ...(damaged_lines > 0
      ? [
          `  warning: ${counted(damaged_lines, 'line')} of the log ${damaged_lines === 1 ? 'is not an event' : 'are not events'}`,
        ]
      : []),
  ];
}
