/** Trains every trial to the last epoch. */
import type { Pruning } from './pruning.js';

export class NoPruning implements Pruning {
  constructor(private readonly epochs: number) {}

  rungs(): readonly number[] {
    return [this.epochs];
  }

  bracket(): undefined {
    return undefined;
  }

  judge(): 'advance' {
    return 'advance';
  }

  completed(): void {}

  promotable(): undefined {
    return undefined;
  }

  promoted(): void {}

  withdrawn(): void {}
}
