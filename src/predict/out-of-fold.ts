/** Predicts each sequence of a cross-validation with the run that did not see it. */
import { measuredMetrics } from '../config/index.js';
import { targetSize, taskOf } from '../math/losses/index.js';
import { accumulators } from '../math/metrics/index.js';
import type { Scored } from '../math/metrics/metric.js';
import type { SplitMetrics } from '../run/summary.js';
import type { OutOfFold } from '../sweep/results.js';
import type { Prediction } from '../tasks/core/prediction.js';
import { DecisionFit } from '../train/confidence.js';
import { Evaluator, evaluationRows, groupsOf } from '../train/evaluator.js';
import type { BackendOptions } from '../train/session.js';
import { RandomStream } from '../util/random.js';
import { RESAMPLES_OF_SEQUENCES, resampled } from '../util/statistics.js';
import { Model, type OutputForm } from './model.js';
import { openModel, openWithData, splitOf } from './open.js';
import type { SequencePrediction } from './predictions.js';

interface FoldRun {
  readonly fold: number;
  /** The run directory. */
  readonly path: string;
}

/** Beyond, resampling would take minutes. */
const MAX_ADDED = 2e7;

/**
 * @param tell called with the predictions of the test split of each run, in their order
 * @returns the content of the file, and the labels whose aim no threshold reaches
 */
export async function predictFolds(
  runs: readonly FoldRun[],
  options: BackendOptions,
  tell: (fold: number, form: OutputForm, predictions: readonly SequencePrediction[]) => void,
): Promise<{ readonly outOfFold: OutOfFold; readonly missed: readonly number[] }> {
  /** The predictions of each sequence, or of each group. */
  const units = new Map<string, Scored[]>();
  let make: (() => ReturnType<typeof accumulators>) | undefined;
  let fit: DecisionFit | undefined;
  let [sequences, count, overlaps] = [0, 0, false];
  for (const { fold, path } of runs) {
    const opened = await openWithData(openModel(path), options);
    const model = new Model(opened);
    try {
      const { run, pool, dataset, experiment } = opened;
      const test = splitOf(dataset, 'test');
      const { group } = Object(Object(experiment.dataset).test);
      const { form, batches } = model.ofSplit('test');
      for await (const predictions of batches) tell(fold, form, predictions);
      const { threshold } = experiment;
      if (threshold) fit ??= new DecisionFit(run, { threshold }, undefined);
      await new Evaluator(pool, run, evaluationRows(run, experiment.training, test.count)).evaluate(test, {
        groupOf: groupsOf(dataset, test),
        observe: ({ index, predictions }) => {
          fit?.add({ predictions });
          const unit = group === undefined ? `${fold}/${index}` : String(test.valueIn?.(group, index));
          const own = predictions.filter(({ counts }) => counts).map(kept);
          units.set(unit, [...(units.get(unit) ?? []), ...own]);
          count += own.length;
        },
      });
      sequences += test.count;
      overlaps ||= test.forecast !== undefined;
      const size = targetSize(run.loss, run.spec.outputSize);
      make ??= () => accumulators(taskOf(run.loss), measuredMetrics(experiment), size);
    } finally {
      await model.close();
    }
  }
  if (make === undefined) throw new Error('a cross-validation without folds');
  const create = make;
  const all = [...units.values()];
  const valuesOf = (picked: readonly (readonly Scored[])[]): SplitMetrics => {
    const metrics = create();
    for (const predictions of picked) for (const prediction of predictions) metrics.add(prediction);
    return metrics.values;
  };
  const isMany = count * RESAMPLES_OF_SEQUENCES > MAX_ADDED;
  const intervals = isMany || overlaps ? {} : resampled(all, valuesOf, RandomStream.of(0, 'out of fold'));
  const metrics = Object.entries(valuesOf(all)).map(([name, value]) => ({
    metric: `test.${name}`,
    value,
    interval: intervals[name] ?? null,
  }));
  const { thresholds, missed = [] } = fit?.decisions ?? {};
  return { outOfFold: { version: 1, sequences, metrics, ...(thresholds && { thresholds }) }, missed };
}

/** A copy: the arrays of a prediction are views. */
function kept(prediction: Prediction): Scored {
  const { outputs, point, target, input, interval, errorScale, thresholds, set, group } = prediction;
  return {
    outputs: outputs.slice(),
    point: point.slice(),
    target: target.slice(),
    ...(input !== undefined && { input }),
    ...(interval && { interval: [interval[0].slice(), interval[1].slice()] }),
    ...{ errorScale, thresholds, set, group },
  };
}
