/** Trains every trial to the last epoch. */
import { type PrunerKind, Pruning } from './pruner.js';

class NoPruning extends Pruning {
  constructor(private readonly epochs: number) {
    super();
  }

  rungs(): readonly number[] {
    return [this.epochs];
  }

  judge(): 'advance' {
    return 'advance';
  }
}

export const none: PrunerKind<{ readonly kind: 'none' }> = {
  create: (_, epochs) => new NoPruning(epochs),
};
