/** What is no longer as when the baseline was pinned, in words. */
import { movedWords } from './deciding.js';
import type { GroupReview } from './review.js';

const KINDS = ['config', 'data', 'code', 'backend'] as const;

/** A title and a line for each thing that moved, indented below it; empty where no baseline was given. */
export function movedLines({ comparison }: Pick<GroupReview, 'comparison'>): string[] {
  if (comparison === undefined) return [];
  const { moved, not_pinned, file } = comparison;
  const unknown = not_pinned.includes('data')
    ? [`data are drawn from the seed, and not pinned by ${file}`]
    : [];
  if (moved.length > 0)
    return [
      `moved since ${file}:`,
      ...moved.map(one => `  ${movedWords(one)}`),
      ...unknown.map(line => `  ${line}`),
    ];
  const known = KINDS.filter(kind => !not_pinned.some(one => one === kind));
  return [`${known.slice(0, -1).join(', ')} and ${known.at(-1)} are those of ${file}`, ...unknown];
}
