/** Evaluates a checkpoint on its run's data: metrics, and backtests of forecasts. */
import type { Dataset, Split, SplitName } from '../data/index.js';
import { lossOf, targetSize } from '../math/losses/index.js';
import { absoluteError } from '../math/metrics/errors.js';
import type { SplitBaselines } from '../run/summary.js';
import { naiveOutputs, trivialBaselines } from '../train/baselines.js';
import { type Evaluation, type EvaluationProgress, Evaluator } from '../train/evaluator.js';
import { Readout } from '../train/predictions.js';
import type { BackendOptions } from '../train/session.js';
import { usageError } from '../util/errors.js';
import { type OpenedModel, type OpenModelOptions, openModel, openWithData, type SavedModel } from './open.js';

/** An evaluation and, for a forecast, what the naive forecasts reach on the same split. */
export interface CheckpointEvaluation extends Evaluation {
  readonly naive?: SplitBaselines;
}

/**
 * Computes the metrics of `model` on a split of its experiment, exactly as the run does. `watch` is
 * called after each batch.
 */
export async function evaluateCheckpoint(
  saved: SavedModel,
  { split, ...options }: BackendOptions & { readonly split: SplitName },
  watch: (progress: EvaluationProgress) => void,
): Promise<CheckpointEvaluation> {
  const model = await openWithData(saved, options);
  try {
    const { run, pool, batchSize, dataset } = model;
    const of = splitOf(dataset, split);
    const evaluator = new Evaluator(pool, run, batchSize);
    const evaluation = (await evaluator.evaluate(of, { progress: watch })) as Evaluation;
    if (of.naive === undefined) return evaluation;
    const { last_value, seasonal_naive } = trivialBaselines(run, dataset, of);
    return {
      ...evaluation,
      naive: { ...(last_value && { last_value }), ...(seasonal_naive && { seasonal_naive }) },
    };
  } finally {
    await model.pool.close();
  }
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

const FORECASTS = ['model', 'last_value', 'seasonal_naive'] as const;

/** A naive forecast is absent if the series is too short for it. */
export type ForecastsErrors = Readonly<Partial<Record<(typeof FORECASTS)[number], ForecastErrors>>>;

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
export async function backtest(
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
  const model = await openWithData(saved, options);
  try {
    const windows = splitOf(model.dataset, split);
    const origins = await originsOf(model, windows);
    const mean = eachForecast(name => meanOf(origins.flatMap(({ [name]: errors }) => errors ?? [])));
    return { saved, horizon, origins, mean };
  } finally {
    await model.pool.close();
  }
}

async function originsOf(
  { run, pool, batchSize }: OpenedModel,
  windows: Split,
): Promise<Backtest['origins']> {
  const origins: Backtest['origins'][number][] = [];
  const { targets, count, naive } = windows;
  const readout = new Readout(lossOf(run.loss), targets);
  const perWindow = targets.values.length / targetSize(run.loss, run.spec.outputSize) / count;
  await new Evaluator(pool, run, batchSize).evaluate(windows, {
    observe: ({ index, id = '', predictions }) => {
      const scored = predictions.filter(({ counts }) => counts);
      const scale = windows.errorScale?.(index);
      const errors = eachForecast(name => {
        if (name !== 'model' && naive?.[name] === undefined) return undefined;
        const steps = scored.flatMap(({ step, point }) => {
          const at = index * perWindow + step;
          const outputs = name === 'model' ? undefined : naiveOutputs(windows, name, at, run.spec.outputSize);
          const forecast = name === 'model' ? point : outputs && readout.point(outputs, at);
          return forecast ? [absoluteError({ point: forecast, target: readout.target(at) })] : [];
        });
        if (steps.length < scored.length) return undefined;
        const error = average(steps);
        return { mean_absolute_error: error, ...(scale !== undefined && { mase: error / scale }) };
      });
      origins.push({ id, ...errors });
    },
  });
  return origins;
}

function eachForecast(
  errorsOf: (name: (typeof FORECASTS)[number]) => ForecastErrors | undefined,
): ForecastsErrors {
  const found = FORECASTS.map(name => [name, errorsOf(name)] as const);
  return Object.fromEntries(found.filter(([, errors]) => errors !== undefined));
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function meanOf(all: readonly ForecastErrors[]): ForecastErrors | undefined {
  if (all.length === 0) return undefined;
  const scaled = all.flatMap(({ mase }) => mase ?? []);
  return {
    mean_absolute_error: average(all.map(errors => errors.mean_absolute_error)),
    ...(scaled.length > 0 && { mase: average(scaled) }),
  };
}
