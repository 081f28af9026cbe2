/** Trivial baselines of values: the best constants, and naive forecasts. */
import { type Targets, targetsOfKind, type ValueTargets } from '../../data/core/targets.js';
import { lossKind, lossOf } from '../../math/losses/index.js';
import { meanOf } from '../../util/numbers.js';
import type { BaselineName } from '../core/baseline-names.js';
import {
  type BaselineFit,
  type BaselineSubject,
  constantScorer,
  lossOfNumbers,
  naiveScorers,
} from '../core/baselines.js';
import { ValueReadout } from './readout.js';

const valuesIn = (targets: Targets) => targetsOfKind('value', targets);

export const valueBaselines: BaselineFit = (run, { train }) => {
  const { loss } = run;
  const fitted = constants(run, valuesIn(train.targets));
  const readoutOf = (targets: Targets) => new ValueReadout({ loss }, valuesIn(targets));
  return () => [
    ...fitted.map(([name, outputs]) => {
      const constant = { name, outputs, loss: lossOfNumbers(loss, outputs) };
      return [name, constantScorer(run, constant, readoutOf)] as const;
    }),
    ...naiveScorers(run, readoutOf),
  ];
};

/** Constant predictions [C], in the model's units. */
function constants(
  { loss, spec: { outputSize } }: BaselineSubject,
  { values, size }: ValueTargets,
): [BaselineName, Float32Array][] {
  const columns = Array.from({ length: size }, (_, i) =>
    values.filter((value, at) => at % size === i && !Number.isNaN(value)),
  );
  const perTarget = outputSize / size;
  const outputs = (best: (column: Float32Array, which: number) => number) =>
    Float32Array.from({ length: outputSize }, (_, i) =>
      best(columns[Math.floor(i / perTarget)], i % perTarget),
    );
  const { bestConstant } = lossKind(loss);
  const { quantiles: predicted = [] } = lossOf(loss);
  const found: [BaselineName, Float32Array][] = [['mean', outputs(meanOf)]];
  if (bestConstant === 'median') found.push(['median', outputs(column => quantileOf(column, 0.5))]);
  if (bestConstant === 'quantiles')
    found.push(['quantiles', outputs((column, which) => quantileOf(column, predicted[which].level))]);
  return found;
}

/** Interpolates linearly between the two nearest values, like NumPy's default. */
function quantileOf(values: Float32Array, quantile: number): number {
  const sorted = values.toSorted();
  const at = quantile * (sorted.length - 1);
  const below = Math.floor(at);
  const above = sorted[Math.min(below + 1, sorted.length - 1)];
  return sorted[below] + (at - below) * (above - sorted[below]);
}
