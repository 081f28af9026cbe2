/** Evaluates a checkpoint on its run's data. */
import type { Dataset, Split, SplitName } from '../data/index.js';
import type { SplitBaselines } from '../run/summary.js';
import { trivialBaselines } from '../train/baselines.js';
import { type Evaluation, type EvaluationProgress, Evaluator } from '../train/evaluator.js';
import type { BackendOptions } from '../train/session.js';
import { usageError } from '../util/errors.js';
import { withData } from './open.js';
import type { SavedModel } from './saved-model.js';

/** An evaluation and, for a forecast, what the naive forecasts reach on the same split. */
export interface CheckpointEvaluation extends Evaluation {
  readonly naive?: SplitBaselines;
}

/**
 * Computes the metrics of `model` on a split of its experiment, exactly as the run does. `watch` is
 * called after each batch.
 * @throws UserError (exit 2) if there is no such split
 * @throws UserError (exit 5) if the data have changed since the run
 */
export function evaluateCheckpoint(
  model: SavedModel,
  { split, ...options }: BackendOptions & { readonly split: SplitName },
  watch: (progress: EvaluationProgress) => void,
): Promise<CheckpointEvaluation> {
  return withData(model, options, async ({ run, pool, batchSize }, dataset) => {
    const evaluator = new Evaluator(pool, run, batchSize);
    const of = splitOf(dataset, split);
    const evaluation = (await evaluator.evaluate(of, { progress: watch })) as Evaluation;
    if (of.naive === undefined) return evaluation;
    const { last_value, seasonal_naive } = trivialBaselines(run, dataset, of);
    return {
      ...evaluation,
      naive: { ...(last_value && { last_value }), ...(seasonal_naive && { seasonal_naive }) },
    };
  });
}

/** @throws UserError (exit 2) if there is no such split */
export function splitOf(dataset: Dataset, name: SplitName): Split {
  const split = dataset[name];
  if (split) return split;
  throw usageError({
    code: 'data/no-split',
    message: `this run has no ${name} split`,
    file: '--split',
    expected: (['train', 'validation', 'test'] as const).filter(one => dataset[one]).join(' | '),
    got: name,
  });
}
