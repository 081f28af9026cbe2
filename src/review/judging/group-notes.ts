/**
 * What is to be known of a group besides its verdicts, in words: which of its runs count, and what
 * is no longer as when the baseline was pinned.
 */

import type { GroupReview } from '../review.js';
import { movedWords } from './deciding.js';

const KINDS = ['config', 'data', 'code', 'backend'] as const;

/** A line each; empty where there is nothing to say. */
export function groupNotes(group: GroupReview): string[] {
  return [
    ...group.left_out.map(({ run_id, reason }) => `left out: ${run_id}: ${reason}`),
    ...movedLines(group),
  ];
}

/**
 * A title and a line for each thing that moved, indented below it; empty where no baseline was
 * given.
 */
function movedLines({ comparison }: Pick<GroupReview, 'comparison'>): string[] {
  if (comparison === undefined) return [];
  const { moved, not_pinned, file } = comparison;
  const unknown = not_pinned.includes('data')
    ? [`data are drawn from the seed, and not pinned by ${file}`]
    : [];
  if (moved.length > 0)
    return [
      `changed since ${file}:`,
      ...moved.map(one => `  ${movedWords(one)}`),
      ...unknown.map(line => `  ${line}`),
    ];
  const known = KINDS.filter(kind => !not_pinned.some(one => one === kind));
  return [`${known.slice(0, -1).join(', ')} and ${known.at(-1)} are those of ${file}`, ...unknown];
}
