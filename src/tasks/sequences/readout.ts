/** Sequences of symbols are decoded from the outputs of all steps: only their targets are read. */
import { type SequenceTargets, symbolsOfTarget } from '../../data/core/targets.js';
import type { Numbers } from '../../math/metrics/metric.js';
import { Readout, type ReadoutModel } from '../core/readout.js';

export class SequenceReadout extends Readout {
  constructor(
    run: ReadoutModel,
    private readonly targets: SequenceTargets,
  ) {
    super(run);
  }

  target(at: number): Numbers {
    return symbolsOfTarget(this.targets, at);
  }

  conformityScores(): never {
    throw new Error('sequences of symbols have no intervals');
  }
}
