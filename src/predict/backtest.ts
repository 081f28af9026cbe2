/** A rolling backtest of forecasts: their errors from each origin, beside those of naive ones. */
import { NAIVE_FORECASTS, type Split, type SplitName } from '../data/index.js';
import { targetSize } from '../math/losses/index.js';
import { absoluteError, scaledError } from '../math/metrics/errors.js';
import { accumulators } from '../math/metrics/index.js';
import type { Scored } from '../math/metrics/metric.js';
import type { SplitMetrics } from '../run/summary.js';
import { naiveOutputs } from '../train/baselines.js';
import { Evaluator, evaluationRows } from '../train/evaluator.js';
import { Readout } from '../train/readout.js';
import type { BackendOptions } from '../train/session.js';
import { usageError } from '../util/errors.js';
import { meanOf } from '../util/numbers.js';
import { type OpenedModel, type OpenModelOptions, openModel, openWithData, splitOf } from './open.js';

/** Errors of a forecast, in the units of the data. */
export interface ForecastErrors {
  /** Mean over the steps of the horizon. */
  readonly mean_absolute_error: number;
  /** Absent if the error of the naive forecast in training is unknown or 0. */
  readonly mase?: number;
  /** Of the model, if it predicts quantiles. */
  readonly coverage?: number;
  readonly interval_width?: number;
}

const INTERVALS = ['coverage', 'interval_width'] as const;

/** In the order of their columns. */
const FORECASTS = ['model', ...NAIVE_FORECASTS] as const;

/** A naive forecast is absent if the series is too short for it. */
export type ForecastsErrors = Readonly<Partial<Record<(typeof FORECASTS)[number], ForecastErrors>>>;

/**
 * Runs a rolling backtest of a forecasting model on a split: forecasts from successive origins one
 * horizon apart, so that each step of the split is forecast once. Weights do not change. The data
 * are those of the run in directory `path`. Returns the errors of each origin, series by series,
 * and their means over the origins that have the respective forecast.
 */
export async function backtest(
  path: string,
  { split, set = [], ...options }: BackendOptions & OpenModelOptions & { readonly split: SplitName },
) {
  const { dataset } = openModel(path, { ...options, set }).loaded.experiment;
  if (dataset.kind !== 'forecast') {
    throw usageError('cli/backtest', '--backtest needs a forecasting run', {
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
    const mean = eachForecast(name => meanErrors(origins.flatMap(({ [name]: errors }) => errors ?? [])));
    return { saved, horizon, origins, mean };
  } finally {
    await model.pool.close();
  }
}

async function originsOf({ run, pool, experiment }: OpenedModel, windows: Split) {
  const origins: (ForecastsErrors & { readonly id: string })[] = [];
  const { targets, count, naive } = windows;
  const readout = new Readout(run, targets);
  const size = targetSize(run.loss, run.spec.outputSize);
  const perWindow = targets.values.length / size / count;
  await new Evaluator(pool, run, evaluationRows(run, experiment.training, count)).evaluate(windows, {
    observe: ({ index, id = '', predictions }) => {
      const scored = predictions.filter(({ counts }) => counts);
      const scale = windows.errorScale?.(index);
      const errors = eachForecast(name => {
        if (name !== 'model' && naive?.[name] === undefined) return undefined;
        const steps = scored.flatMap(({ step, point }) => {
          const at = index * perWindow + step;
          const outputs = name === 'model' ? undefined : naiveOutputs(windows, name, at, run.spec.outputSize);
          const forecast = name === 'model' ? point : outputs && readout.point(outputs, at);
          return forecast ? [{ point: forecast, target: readout.target(at) }] : [];
        });
        if (steps.length < scored.length) return undefined;
        const intervals = name === 'model' && intervalScores(scored, size);
        return {
          mean_absolute_error: meanOf(steps.map(absoluteError)),
          ...(scale && { mase: meanOf(steps.map(step => scaledError(step, scale))) }),
          ...intervals,
        };
      });
      origins.push({ id, ...errors });
    },
  });
  return origins;
}

/** Empty if the model predicts no quantiles. */
function intervalScores(scored: readonly Scored[], size: number): SplitMetrics {
  const metrics = accumulators('values', INTERVALS, size);
  for (const prediction of scored) metrics.add(prediction);
  return metrics.values;
}

function eachForecast(
  errorsOf: (name: (typeof FORECASTS)[number]) => ForecastErrors | undefined,
): ForecastsErrors {
  const found = FORECASTS.map(name => [name, errorsOf(name)] as const);
  return Object.fromEntries(found.filter(([, errors]) => errors !== undefined));
}

function meanErrors(all: readonly ForecastErrors[]): ForecastErrors | undefined {
  if (all.length === 0) return undefined;
  const known = (['mean_absolute_error', 'mase', ...INTERVALS] as const).flatMap(name => {
    const values = all.flatMap(errors => errors[name] ?? []);
    return values.length === 0 ? [] : [[name, meanOf(values)] as const];
  });
  return Object.fromEntries(known) as unknown as ForecastErrors;
}
