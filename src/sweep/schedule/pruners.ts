/** Pruners by their kind in the plan. */
import type { Pruner, SweepPlan } from '../plan.js';
import { Asha } from './asha.js';
import { Hyperband } from './hyperband.js';
import { MedianPruning } from './median.js';
import { NoPruning } from './none.js';
import type { Pruning } from './pruning.js';
import { rungEpochs } from './rungs.js';

type PruningOf<P> = (pruner: P, epochs: number) => Pruning;

type PrunerTable = { readonly [K in Pruner['kind']]: PruningOf<Extract<Pruner, { kind: K }>> };

const pruners: PrunerTable = {
  none: (_, epochs) => new NoPruning(epochs),
  median: (options, epochs) => new MedianPruning(options, epochs),
  asha: (options, epochs) => new Asha(rungEpochs(options, epochs), options.reduction_factor),
  hyperband: (options, epochs) => new Hyperband(rungEpochs(options, epochs), options.reduction_factor),
};

export function createPruning({ pruner, epochs }: Pick<SweepPlan, 'pruner' | 'epochs'>): Pruning {
  return prunerOf(pruner)(pruner, epochs);
}

/** The entry for a pruner; the table's type guarantees that the entry accepts it. */
function prunerOf<P extends Pruner>(pruner: P): PruningOf<P> {
  return pruners[pruner.kind] as PruningOf<P>;
}
