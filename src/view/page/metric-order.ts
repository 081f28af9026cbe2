/** The display order of metrics and curves. */

/** Held-out splits first. */
const SPLITS = ['test', 'validation', 'train_set', 'epoch', 'train'];

/**
 * Compares names such as `test.accuracy`: by split, then other metrics before the loss; names that
 * are not metrics come last.
 */
export function byImportance(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : Number(a > b));
}

function rank(name: string): number {
  const split = SPLITS.indexOf(name.split('.')[0]);
  return split < 0 ? 2 * SPLITS.length : 2 * split + Number(name.endsWith('.loss'));
}
