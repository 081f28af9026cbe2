/** Collects the evaluation of values: errors, the worst predictions, forecasts to draw. */
import type { Dataset, Split, SplitName } from '../../data/core/dataset.js';
import { type Targets, targetsOfKind, type ValueTargets } from '../../data/core/targets.js';
import { lossKind, lossOf, outputsPerNumber, targetSize } from '../../math/losses/index.js';
import { absoluteError, Errors } from '../../math/metrics/errors.js';
import { meanOf } from '../../math/metrics/metric.js';
import { predictionsOf } from '../../math/model/inputs.js';
import { meanOf as averageOf } from '../../util/numbers.js';
import {
  type BaselineFit,
  type BaselineSubject,
  constantScorer,
  lossOfNumbers,
  naiveScorers,
} from '../core/baselines.js';
import { evenlySpaced, placeOf, type TaskCollector, Worst, worstValue } from '../core/collector.js';
import type { WorstValue } from '../core/document.js';
import type { BaselineName } from '../core/facts.js';
import type { TaskModel } from '../core/prediction.js';
import type { TaskChecks } from '../core/task.js';
import type { ValueEvaluation, ValuePair } from './facts.js';
import { forecastCollector } from './forecasts.js';
import { ValueReadout } from './readout.js';

const MAX_PAIRS = 200;
/** Numbers of a target in each pair: as many as are plotted. */
const MAX_PLOTTED = 4;
const MAX_OUTPUTS = 100;

export function valueCollector(
  run: TaskModel,
  dataset: Dataset,
  split: SplitName,
): TaskCollector<ValueEvaluation> {
  const size = targetSize(run.loss, run.spec.outputSize);
  const data = dataset[split] ?? dataset.test;
  const readout = new ValueReadout(run, targetsOfKind('value', data.targets));
  const steps = predictionsOf(run.spec, run.sequenceLength);
  const error = meanOf(absoluteError);
  const errors = new Errors(size);
  const worst = new Worst<WorstValue>();
  const sample: ValuePair[] = [];
  const known = countedPredictions(data);
  const sampled = evenlySpaced(known, MAX_PAIRS);
  let counted = 0;
  const forecasts = forecastCollector(run, dataset, data);
  return {
    kind: 'value',
    ...(forecasts && { addSequence: forecasts.add }),
    add(prediction, sequence) {
      error.add(prediction);
      errors.add(prediction);
      const place = placeOf(run, sequence, prediction);
      const at = sequence.index * steps + prediction.step;
      const point = () => readout.decimals(prediction.point, at);
      const target = () => readout.targetDecimals(at, prediction.target);
      const badness = absoluteError(prediction);
      worst.offer(badness, () => ({ ...place, ...worstValue(target(), point(), badness) }));
      if (!sampled.has(counted++)) return;
      const plotted = (values: readonly number[]) => (size === 1 ? values[0] : values.slice(0, MAX_PLOTTED));
      sample.push({ ...place, target: plotted(target()), prediction: plotted(point()) });
    },
    fields: () => ({
      mean_absolute_error: error.value ?? Number.NaN,
      worst: worst.items,
      target_names: targetNamesOf(dataset, size),
      per_output:
        size > MAX_OUTPUTS
          ? null
          : errors.outputs.map(({ r2, ...errorsOfOutput }) => ({
              ...errorsOfOutput,
              ...(r2 !== undefined && { r2 }),
            })),
      sample,
      ...(forecasts && { forecasts: forecasts.document }),
    }),
  };
}

/** The name of each number of a target: of a forecast, with the number of the step. */
function targetNamesOf({ targetNames, columnNames, seriesFacts }: Dataset, size: number) {
  if (seriesFacts === undefined) return targetNames ?? null;
  return Array.from({ length: size }, (_, i) => columnNames?.targets(i) ?? String(i));
}

function countedPredictions({ targets, count, lengths }: Split): number {
  const { values, size, perStep = false } = targetsOfKind('value', targets);
  const predictions = values.length / size / count;
  let counted = 0;
  for (let index = 0; index < count; index++) {
    const steps = perStep ? (lengths?.[index] ?? predictions) : 1;
    for (let step = 0; step < steps; step++) {
      if (!Number.isNaN(values[(index * predictions + step) * size])) counted++;
    }
  }
  return counted;
}

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
  const found: [BaselineName, Float32Array][] = [['mean', outputs(averageOf)]];
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

export const valueOutputs: TaskChecks['outputs'] = (loss, targets) =>
  targetsOfKind('value', targets).size * outputsPerNumber(loss);

export const valueChecks: TaskChecks = {
  outputs: valueOutputs,
  problems: () => [],
  damage: () => [],
  *warnings({ loss, places }) {
    if (loss.kind !== 'quantile' || loss.quantiles.includes(0.5)) return;
    const nearest = loss.quantiles.reduce((a, b) => (Math.abs(b - 0.5) < Math.abs(a - 0.5) ? b : a));
    const message = `without quantile 0.5, predicted values and their metrics are those of quantile ${nearest}`;
    yield places.atValue(['loss', 'quantiles'], 'config/no-median', message, { expected: '0.5 among them' });
  },
};
