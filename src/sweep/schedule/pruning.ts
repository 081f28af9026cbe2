/**
 * The interface of pruners, which decide which trials continue. They only keep records, in the
 * order of virtual time: no clock, no randomness.
 */

export interface Measured {
  readonly trial: number;
  readonly epochs: number;
  /**
   * The value to minimize; null if the trial diverged or the value is not finite, which is worse
   * than any number.
   */
  readonly value: number | null;
}

/** A paused trial waits and may be promoted later. */
export type Verdict = 'advance' | 'prune' | 'pause';

export interface Pruning {
  /** Epochs after which the trial is measured, ascending; the last one is its last epoch. */
  rungs(trial: number): readonly number[];
  /** The trial's bracket; undefined for pruners without brackets. */
  bracket(trial: number): number | undefined;
  /**
   * Records that a trial has reached a rung below its last. A diverged trial counts, but its
   * verdict is ignored.
   */
  judge(measured: Measured): Verdict;
  /** Records that a trial was trained to its last epoch without diverging. */
  completed(measured: Measured): void;
  /**
   * The paused trial that the next free lane continues; undefined if the lane takes a new one. Has
   * no side effects.
   */
  promotable(): number | undefined;
  /** Records that the trial that `promotable` returned continues. */
  promoted(trial: number): void;
  /** Records that a paused trial continues although it is not promotable. */
  withdrawn(trial: number): void;
}

/**
 * Orders numbers before null, and equal values by trial: a total order, so that ties are replayed
 * equally.
 */
export function isBetter(a: Omit<Measured, 'epochs'>, b: Omit<Measured, 'epochs'>): boolean {
  if (a.value === b.value) return a.trial < b.trial;
  if (a.value === null || b.value === null) return b.value === null;
  return a.value < b.value;
}
