/** Trains every trial to the last epoch. */
import { object } from '../../util/schema.js';
import { Pruning, pruner, prunerName } from './pruner.js';

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

export const none = pruner({
  settings: object({ kind: prunerName('none', 'Train every trial to the end.') }, { title: 'NoPruner' }),
  create: (_, epochs) => new NoPruning(epochs),
});
