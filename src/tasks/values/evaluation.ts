/** Collects the evaluation of values: errors, the worst predictions, forecasts to draw. */
import type { Dataset, Split, SplitName } from '../../data/core/dataset.js';
import { targetsOfKind } from '../../data/core/targets.js';
import { targetSize } from '../../math/losses/index.js';
import { absoluteError, Errors } from '../../math/metrics/errors.js';
import { meanOf } from '../../math/metrics/metric.js';
import { predictionsOf } from '../../math/model/inputs.js';
import { evenlySpaced, placeOf, type TaskCollector, worstValue } from '../core/collector.js';
import type { WorstValue } from '../core/document.js';
import type { TaskModel } from '../core/prediction.js';
import { Worst } from '../core/worst.js';
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
          : errors.outputs.map(({ r2, ...one }) => ({ ...one, ...(r2 !== undefined && { r2 }) })),
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
