/** The classes and labels that outputs predict. */
import type { Counts } from './counts.js';
import type { Scored } from './metric.js';

/**
 * Returns the class with the largest logit (the first of equal ones); -1 if a logit is NaN, so that
 * the prediction never counts as correct.
 */
export function predictedClass(logits: ArrayLike<number>): number {
  let best = 0;
  for (let i = 0; i < logits.length; i++) {
    if (Number.isNaN(logits[i])) return -1;
    if (logits[i] > logits[best]) best = i;
  }
  return best;
}

/** A label applies if its target or probability is at least this. */
export const APPLIES = 0.5;

export function addLabels(counts: Counts, { point, target }: Pick<Scored, 'point' | 'target'>): void {
  for (let i = 0; i < target.length; i++) counts.addLabel(i, target[i] >= APPLIES, point[i] >= APPLIES);
}
