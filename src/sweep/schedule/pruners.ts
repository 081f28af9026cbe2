/** The pruners by their kind in the plan. */
import { asha } from './asha.js';
import { hyperband } from './hyperband.js';
import { median } from './median.js';
import { none } from './none.js';
import type { Pruner, SweepPlan } from './plan.js';
import type { PrunerKind, Pruning } from './pruner.js';

const pruners: { readonly [K in Pruner['kind']]: PrunerKind<Extract<Pruner, { kind: K }>> } = {
  none,
  median,
  asha,
  hyperband,
};

/** The facts about a pruner; the table's type guarantees that they accept its settings. */
export function prunerOf<P extends Pruner>({ kind }: P): PrunerKind<P> {
  return pruners[kind] as PrunerKind<P>;
}

export function createPruning({ pruner, epochs }: Pick<SweepPlan, 'pruner' | 'epochs'>): Pruning {
  return prunerOf(pruner).create(pruner, epochs);
}
