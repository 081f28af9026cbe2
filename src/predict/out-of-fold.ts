/** Predicts each sequence of a cross-validation with the run that did not see it. */
import { measuredMetrics } from '../config/index.js';
import { targetSize, taskOf } from '../math/losses/index.js';
import { accumulators } from '../math/metrics/index.js';
import type { Scored } from '../math/metrics/metric.js';
import type { SplitMetrics } from '../run/summary.js';
import { Evaluator, evaluationRows, groupsOf, type Prediction } from '../train/evaluator.js';
import type { BackendOptions } from '../train/session.js';
import { RandomStream } from '../util/random.js';
import * as s from '../util/schema.js';
import { RESAMPLES_OF_SEQUENCES, resampled } from '../util/statistics.js';
import { Model, type OutputForm } from './model.js';
import { openModel, openWithData, splitOf } from './open.js';
import type { SequencePrediction } from './predictions.js';

export const outOfFold = s.document(
  'Out-of-fold metrics',
  'out_of_fold.json of a cross-validation: metrics over all sequences together, each predicted by the run of the fold that it is in. Their predictions are in predictions.jsonl.',
  {
    version: s.literal(1, 'Version of this format.'),
    sequences: s.count('Number of sequences.'),
    metrics: s.list(
      s.struct('A metric of the test splits together.', {
        metric: s.text('Such as test.accuracy.'),
        value: s.number('Its value.'),
        interval: s.nullable(
          s.struct(
            '95 % interval by the percentiles of 1,000 bootstrap resamples of the sequences, or of the groups if the folds have whole groups; null for fewer than five, for many predictions, and for forecasts, whose windows overlap. It leaves out how much models differ with their training data.',
            { low: s.number('Lower end.'), high: s.number('Upper end.') },
          ),
        ),
      }),
      'The metrics of the test split, without the loss.',
    ),
  },
);

export type OutOfFold = s.TypeOf<typeof outOfFold>;

interface FoldRun {
  readonly fold: number;
  /** The run directory. */
  readonly path: string;
}

/** Beyond, resampling would take minutes. */
const MAX_ADDED = 2e7;

/** @param tell called with the predictions of the test split of each run, in their order */
export async function predictFolds(
  runs: readonly FoldRun[],
  options: BackendOptions,
  tell: (fold: number, form: OutputForm, predictions: readonly SequencePrediction[]) => void,
): Promise<OutOfFold> {
  /** The predictions of each sequence, or of each group. */
  const units = new Map<string, Scored[]>();
  let make: (() => ReturnType<typeof accumulators>) | undefined;
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
      await new Evaluator(pool, run, evaluationRows(run, experiment.training, test.count)).evaluate(test, {
        groupOf: groupsOf(dataset, test),
        observe: ({ index, predictions }) => {
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
  return { version: 1, sequences, metrics };
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
