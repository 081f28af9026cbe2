/** In which order metrics and curves are shown. */

/** What was held back from training first. */
const SPLITS = ['test', 'validation', 'train_set', 'epoch', 'train'];

/**
 * Compares names such as `test.accuracy`: by split, the loss after what is measured beside it; what
 * is no metric comes last.
 */
export function byImportance(a: string, b: string): number {
  return rank(a) - rank(b) || (a < b ? -1 : Number(a > b));
}

function rank(name: string): number {
  const split = SPLITS.indexOf(name.split('.')[0]);
  return split < 0 ? 2 * SPLITS.length : 2 * split + Number(name.endsWith('.loss'));
}
