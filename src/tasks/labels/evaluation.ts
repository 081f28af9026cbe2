/** Collects the evaluation of labels: scores, and the predictions with the largest losses. */
import type { Dataset } from '../../data/core/dataset.js';
import { absoluteError } from '../../math/metrics/errors.js';
import { accumulator } from '../../math/metrics/index.js';
import { Counts } from '../../math/metrics/scores.js';
import { shortestDecimal } from '../../util/numbers.js';
import { MAX_SCORED, placeOf, type TaskCollector, worstValue } from '../core/collector.js';
import type { WorstValue } from '../core/document.js';
import type { TaskModel } from '../core/prediction.js';
import { Worst } from '../core/worst.js';
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
