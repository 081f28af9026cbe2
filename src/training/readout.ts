/** What the outputs of a model and the targets of a split mean, in the units of the data. */
import { inDataUnits, type Targets } from '../data/index.js';
import type { Loss } from '../losses/loss.js';
import type { Numbers } from '../metrics/metric.js';

export class Readout {
  constructor(
    private readonly loss: Loss,
    private readonly targets: Targets,
  ) {}

  /** The prediction that `outputs` make: a view of them unless they have to be changed. */
  point(outputs: Float32Array): Numbers {
    const { loss, targets } = this;
    const point = loss.point?.(outputs) ?? outputs;
    return targets.kind === 'value' ? inDataUnits(point, targets.scaling) : point;
  }

  /** The target of prediction `at` of a split, counted over all its sequences and steps. */
  target(at: number): Numbers {
    const { targets } = this;
    if (targets.kind === 'class') return targets.values.subarray(at, at + 1);
    const { size, values, scaling } = targets;
    return inDataUnits(values.subarray(at * size, (at + 1) * size), scaling);
  }
}
