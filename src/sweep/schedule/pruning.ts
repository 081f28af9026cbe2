/**
 * What decides which trials go on. Everything here is pure bookkeeping in the order of virtual
 * time: no clock, no randomness.
 */

export interface Measured {
  readonly trial: number;
  readonly epochs: number;
  /** To be minimised. Null: diverged or not finite, worse than any number. */
  readonly value: number | null;
}

/** `pause`: it waits, and may be promoted later. */
export type Verdict = 'advance' | 'prune' | 'pause';

export interface Pruning {
  /** The epochs after which the trial is measured, ascending; the last are all of them. */
  rungs(trial: number): readonly number[];
  /** Told where a pruner has several kinds of trials. */
  bracket(trial: number): number | undefined;
  /**
   * A trial has reached a rung below its last. Where it diverged it counts, and the verdict
   * doesn't.
   */
  judge(measured: Measured): Verdict;
  /** A trial has been trained with all epochs, and did not diverge. */
  completed(measured: Measured): void;
  /**
   * The paused trial that a free lane is to go on with rather than with a new one; undefined: none.
   * Changes nothing.
   */
  promotable(): number | undefined;
  /** What `promotable` gave goes on. */
  promoted(trial: number): void;
  /** A paused trial goes on though it is not promotable. */
  withdrawn(trial: number): void;
}

/**
 * Numbers before null, then the older trial first: a total order, so that equal values cannot make
 * a replay differ.
 */
export function isBetter(a: Omit<Measured, 'epochs'>, b: Omit<Measured, 'epochs'>): boolean {
  if (a.value === b.value) return a.trial < b.trial;
  if (a.value === null || b.value === null) return b.value === null;
  return a.value < b.value;
}
