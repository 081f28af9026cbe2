/** The trivial baseline of labels: how often each applies. */
import { type Targets, targetsOfKind, type ValueTargets } from '../../data/core/targets.js';
import {
  type BaselineFit,
  constantScorer,
  isEach,
  LOG_OF_ZERO,
  lossOfNumbers,
  naiveScorers,
} from '../core/baselines.js';
import { ValueReadout } from '../values/readout.js';

const labelsIn = (targets: Targets) => targetsOfKind('value', targets);

export const labelBaselines: BaselineFit = (run, { train }) => {
  const { loss } = run;
  const outputs = labelPrior(labelsIn(train.targets));
  const readoutOf = (targets: Targets) => new ValueReadout({ loss }, labelsIn(targets));
  const hasProbability = (targets: Targets) => {
    const { values, size } = labelsIn(targets);
    return isEach(values, (label, at) => {
      const logit = outputs[at % size];
      return !(logit === LOG_OF_ZERO && label > 0) && !(logit === -LOG_OF_ZERO && label < 1);
    });
  };
  return () => {
    const majority = {
      name: 'majority',
      outputs,
      loss: lossOfNumbers(loss, outputs),
      hasProbability,
    } as const;
    return [['majority', constantScorer(run, majority, readoutOf)], ...naiveScorers(run, readoutOf)];
  };
};

function labelPrior({ values: all, size }: ValueTargets): Float32Array {
  const values = all.filter(value => !Number.isNaN(value));
  const sums = new Float64Array(size);
  values.forEach((label, at) => {
    sums[at % size] += label;
  });
  // divide last, so that a label that is always 1 has a fraction of exactly 1
  const fractions = sums.map(sum => (sum * size) / values.length);
  const logit = (fraction: number) =>
    Math.max(LOG_OF_ZERO, Math.min(-LOG_OF_ZERO, Math.log(fraction / (1 - fraction))));
  return Float32Array.from(fractions, logit);
}
