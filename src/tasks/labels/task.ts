/** Collects the evaluation of labels: scores, and the predictions with the largest losses. */
import type { Dataset } from '../../data/core/dataset.js';
import { type Targets, targetsOfKind, type ValueTargets } from '../../data/core/targets.js';
import { absoluteError } from '../../math/metrics/errors.js';
import { accumulator } from '../../math/metrics/index.js';
import { Counts } from '../../math/metrics/scores.js';
import { shortestDecimal } from '../../util/numbers.js';
import {
  type BaselineFit,
  constantScorer,
  isEach,
  LOG_OF_ZERO,
  lossOfNumbers,
  naiveScorers,
} from '../core/baselines.js';
import { MAX_SCORED, placeOf, type TaskCollector, Worst, worstValue } from '../core/collector.js';
import type { WorstValue } from '../core/document.js';
import { weightProblems } from '../core/label-checks.js';
import type { TaskModel } from '../core/prediction.js';
import type { CheckedTask, TaskChecks } from '../core/task.js';
import { ValueReadout } from '../values/readout.js';
import { valueOutputs } from '../values/task.js';
import type { LabelEvaluation } from './facts.js';

export function labelCollector(run: TaskModel, dataset: Dataset): TaskCollector<LabelEvaluation> {
  const accuracy = accumulator('labels', 'accuracy', 0);
  const counts = new Counts(run.spec.outputSize);
  const worst = new Worst<WorstValue>();
  return {
    kind: 'label',
    add(prediction, sequence) {
      accuracy.add(prediction);
      counts.addLabels(prediction);
      worst.offer(prediction.loss, () => {
        const [target, point] = [prediction.target, prediction.point].map(values =>
          Array.from(values, value => shortestDecimal(value)),
        );
        const place = placeOf(run, sequence, prediction);
        return { ...place, ...worstValue(target, point, absoluteError(prediction)) };
      });
    },
    fields: () => ({
      accuracy: accuracy.value ?? Number.NaN,
      target_names: dataset.targetNames ?? null,
      per_label: run.spec.outputSize <= MAX_SCORED ? counts.scores : null,
      worst: worst.items,
    }),
  };
}

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

export const labelChecks: TaskChecks = {
  outputs: valueOutputs,
  *problems(checked) {
    const { loss, outputSize, places } = checked;
    if (loss.kind === 'binary_cross_entropy')
      yield* weightProblems(places, 'positive_weights', loss.positive_weights, [outputSize, 'labels']);
    yield* rangeProblems(checked);
  },
  damage: () => [],
  warnings: () => [],
};

/** The first target that is no label. */
function* rangeProblems({ loss, splits, places }: CheckedTask) {
  for (const [name, { targets, count, id }] of Object.entries(splits)) {
    const { values, scaling } = targetsOfKind('value', targets);
    // steps with NaN are ignored
    const at = values.findIndex(value => value < 0 || value > 1);
    if (at < 0 && scaling === undefined) continue;
    const sequence = Math.floor((at * count) / values.length);
    const what = scaling
      ? '`dataset.normalize` scales them'
      : `a target of ${name} sequence ${id ? JSON.stringify(id(sequence)) : sequence} is ${values[at]}`;
    const message = `loss ${loss.kind} needs targets from 0 to 1, but ${what}`;
    const expected = 'targets from 0 to 1 without `normalize`, or another loss';
    yield places.atValue(['loss', 'kind'], 'config/label-targets', message, { expected });
    return;
  }
}
