/** Evaluates a checkpoint on its run's data: metrics, and backtests of forecasts. */
import type { Dataset, Split, SplitName } from '../data/index.js';
import { lossOf, targetSize } from '../math/losses/index.js';
import { absoluteError } from '../math/metrics/errors.js';
import type { Numbers } from '../math/metrics/metric.js';
import type { SplitBaselines } from '../run/summary.js';
import { naiveOutputs, trivialBaselines } from '../train/baselines.js';
import { type Evaluation, type EvaluationProgress, Evaluator } from '../train/evaluator.js';
import { type Prediction, Readout } from '../train/predictions.js';
import type { BackendOptions } from '../train/session.js';
import { usageError } from '../util/errors.js';
import { type OpenModelOptions, openModel, type SavedModel, withData } from './open.js';

/** An evaluation and, for a forecast, what the naive forecasts reach on the same split. */
export interface CheckpointEvaluation extends Evaluation {
  readonly naive?: SplitBaselines;
}

/**
 * Computes the metrics of `model` on a split of its experiment, exactly as the run does. `watch` is
 * called after each batch.
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

/** Errors of a forecast, in the units of the data. */
export interface ForecastErrors {
  /** Mean over the steps of the horizon. */
  readonly mean_absolute_error: number;
  /** Absent if the error of the naive forecast in training is unknown or 0. */
  readonly mase?: number;
}

/**
 * Errors of the model and of the naive forecasts; one is absent if the series is too short for it.
 */
export type ForecastsErrors = Readonly<{ model: ForecastErrors } & Partial<Record<Naive, ForecastErrors>>>;

const NAIVE = ['last_value', 'seasonal_naive'] as const;
type Naive = (typeof NAIVE)[number];

export interface Backtest {
  readonly saved: SavedModel;
  readonly horizon: number;
  /** In the order of the data, series by series. */
  readonly origins: readonly (ForecastsErrors & { readonly id: string })[];
  /** Means over the origins that have the respective forecast. */
  readonly mean: ForecastsErrors;
}

/**
 * Runs a rolling backtest of a forecasting model on a split: forecasts from successive origins one
 * horizon apart, so that each step of the split is forecast once. Weights do not change. The data
 * are those of the run in directory `path`.
 */
export function backtest(
  path: string,
  { split, set = [], ...options }: BackendOptions & OpenModelOptions & { readonly split: SplitName },
): Promise<Backtest> {
  const { dataset } = openModel(path, { ...options, set }).loaded.experiment;
  if (dataset.kind !== 'forecast') {
    throw usageError({
      code: 'cli/backtest',
      message: '--backtest needs a forecasting run',
      file: path,
      expected: 'a run of `dataset.kind: forecast`',
      got: dataset.kind,
    });
  }
  const { horizon } = dataset;
  const saved = openModel(path, { ...options, set: [...set, `dataset.stride=${horizon}`] });
  return withData(saved, options, async ({ run, pool, batchSize }, data) => {
    const windows = splitOf(data, split);
    const origins: (ForecastsErrors & { id: string })[] = [];
    const { targets, count, naive } = windows;
    const readout = new Readout(lossOf(run.loss), targets);
    const perWindow = targets.values.length / targetSize(run.loss, run.spec.outputSize) / count;
    await new Evaluator(pool, run, batchSize).evaluate(windows, {
      observe: ({ index, id = '', predictions }) => {
        const scored = predictions.filter(({ counts }) => counts);
        const errors = (pointOf: (prediction: Prediction, at: number) => Numbers | undefined) =>
          meanError(
            scored.map(prediction => {
              const at = index * perWindow + prediction.step;
              return [pointOf(prediction, at), readout.target(at)] as const;
            }),
            windows.errorScale?.(index),
          );
        const naiveErrors = NAIVE.flatMap(name => {
          const found = errors((_, at) => {
            const outputs = naiveOutputs(windows, name, at, run.spec.outputSize);
            return outputs && readout.point(outputs, at);
          });
          return naive?.[name] === undefined || found === undefined ? [] : [[name, found] as const];
        });
        const model = errors(({ point }) => point) as ForecastErrors;
        origins.push({ id, model, ...Object.fromEntries(naiveErrors) });
      },
    });
    return { saved, horizon, origins, mean: meanOf(origins) };
  });
}

function meanError(
  steps: readonly (readonly [point: Numbers | undefined, target: Numbers])[],
  scale: number | undefined,
): ForecastErrors | undefined {
  let sum = 0;
  for (const [point, target] of steps) {
    if (point === undefined) return undefined;
    sum += absoluteError({ point, target });
  }
  const error = sum / steps.length;
  return { mean_absolute_error: error, ...(scale !== undefined && { mase: error / scale }) };
}

function meanOf(origins: readonly ForecastsErrors[]): ForecastsErrors {
  const mean = (name: 'model' | Naive): ForecastErrors | undefined => {
    const all = origins.flatMap(({ [name]: errors }) => (errors === undefined ? [] : [errors]));
    const average = (values: readonly number[]) =>
      values.reduce((sum, value) => sum + value, 0) / values.length;
    const scaled = all.flatMap(({ mase }) => (mase === undefined ? [] : [mase]));
    if (all.length === 0) return undefined;
    return {
      mean_absolute_error: average(all.map(errors => errors.mean_absolute_error)),
      ...(scaled.length > 0 && { mase: average(scaled) }),
    };
  };
  const naive = NAIVE.flatMap(name => {
    const errors = mean(name);
    return errors === undefined ? [] : [[name, errors] as const];
  });
  return { model: mean('model') as ForecastErrors, ...Object.fromEntries(naive) };
}
