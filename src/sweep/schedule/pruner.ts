import { object, type Shape, type TypeOf, tag } from '../../util/schema.js';

export interface Measured {
  readonly trial: number;
  readonly epochs: number;
  /** The value to minimize; null, if there is none, is worse than any number. */
  readonly value: number | null;
}

/** A paused trial waits and may be promoted later. */
export type Verdict = 'advance' | 'prune' | 'pause';

/** Decides which trials continue, in the order of virtual time: no clock, no randomness. */
export interface Pruning {
  /** Epochs after which the trial is measured, ascending; the last one is its last epoch. */
  rungs(trial: number): readonly number[];
  /** Called at each rung below the last; the verdict on a diverged trial is ignored. */
  judge(measured: Measured): Verdict;
  /** The trial's bracket, if there are brackets. */
  bracket?(trial: number): number;
  /** A trial was trained to its last epoch without diverging. */
  completed?(measured: Measured): void;
  /** The paused trial that the next free lane continues, if any. */
  promotable?(): number | undefined;
  /** A paused trial continues. */
  continued?(trial: number): void;
}

export interface PrunerKind<S extends Shape = Shape> {
  readonly settings: S;
  /** The setting that decides when a trial is first judged, and that epoch; absent if none is. */
  firstJudged?(settings: TypeOf<S>): readonly [setting: keyof TypeOf<S> & string, epoch: number];
  /** @param epochs of a trial that is not pruned */
  create(settings: TypeOf<S>, epochs: number): Pruning;
}

export const pruner = <S extends Shape>(kind: PrunerKind<S>): PrunerKind<S> => kind;

export const none = pruner({
  settings: object(
    { kind: tag('none', { description: 'Train every trial to the end.' }) },
    { title: 'NoPruner' },
  ),
  create: (_, epochs) => ({ rungs: () => [epochs], judge: () => 'advance' }),
});

/** Numbers before null, equal values by trial, so that ties are replayed equally. */
export function isBetter(a: Omit<Measured, 'epochs'>, b: Omit<Measured, 'epochs'>): boolean {
  if (a.value === b.value) return a.trial < b.trial;
  if (a.value === null || b.value === null) return b.value === null;
  return a.value < b.value;
}
