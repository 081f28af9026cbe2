import { named, type TypeOf, union } from '../../util/schema.js';
import { asha } from './asha.js';
import { hyperband } from './hyperband.js';
import { median } from './median.js';
import { none } from './none.js';
import type { PrunerKind, Pruning } from './pruner.js';

export const pruners = { none, median, asha, hyperband };

export const prunerSettings = union(
  'kind',
  Object.entries(pruners).map(([kind, { settings }]) =>
    named(kind === 'none' ? 'no_pruner' : kind, settings),
  ),
  {},
);

/** Pruners count epochs. A rung is an epoch after which a trial is judged. */
export type Pruner = TypeOf<typeof prunerSettings>;

export function prunerOf({ kind }: Pruner): PrunerKind {
  return pruners[kind] as PrunerKind;
}

/** @param plan.epochs of a trial that is not pruned */
export function createPruning({
  pruner,
  epochs,
}: {
  readonly pruner: Pruner;
  readonly epochs: number;
}): Pruning {
  return prunerOf(pruner).create(pruner, epochs);
}
