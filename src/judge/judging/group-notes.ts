/**
 * Notes on a group: runs that do not count, and changes since the baseline was pinned.
 */

import type { GroupReview } from '../review.js';
import { movedWords } from './deciding.js';

const KINDS = ['config', 'data', 'code', 'backend'] as const;

/** One line per note. */
export function groupNotes(group: GroupReview): string[] {
  return [
    ...group.left_out.map(({ run_id, reason }) => `left out: ${run_id}: ${reason}`),
    ...movedLines(group),
  ];
}

/**
 * A title and an indented line for each change; empty without a baseline.
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
