/** A rolling backtest of forecasts: their errors from each origin, beside those of naive ones. */

import type { NaiveForecast } from '../data/core/dataset.js';
import { type Dataset, NAIVE_FORECASTS, type Split, type SplitName } from '../data/index.js';
import { adaptationOf } from '../math/confidence/adaptive.js';
import { targetSize } from '../math/losses/index.js';
import { absoluteError, scaledError } from '../math/metrics/errors.js';
import { accumulators } from '../math/metrics/index.js';
import type { Scored } from '../math/metrics/metric.js';
import { predictionsOf } from '../math/model/inputs.js';
import type { SplitMetrics } from '../run/summary.js';
import { naiveOutputs } from '../tasks/core/baselines.js';
import type { Prediction } from '../tasks/core/prediction.js';
import { Readouts } from '../tasks/readouts.js';
import { DecisionFit } from '../train/confidence.js';
import { Evaluator, evaluationRows } from '../train/evaluator.js';
import type { BackendOptions } from '../train/session.js';
import type { ModelRun } from '../train/shards.js';
import { usageError } from '../util/errors.js';
import { meanOf } from '../util/numbers.js';
import { type OpenModelOptions, openModel, openWithData, splitOf } from './open.js';

/** Errors of a forecast, in the units of the data. */
export interface ForecastErrors {
  /** Mean over the steps of the horizon. */
  readonly mean_absolute_error: number;
  /** Absent if the error of the naive forecast in training is unknown or 0. */
  readonly mase?: number;
  /**
   * With `intervals`, which naive forecasts have as if they were the model; else of a model that
   * predicts quantiles.
   */
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
  // windows a horizon apart, and those between them, along which intervals adapt
  const stride = greatestDivisor(dataset.stride, horizon);
  const saved = openModel(path, { ...options, set: [...set, `dataset.stride=${stride}`] });
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

/** Euclid's algorithm. */
function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

async function originsOf(
  { run, pool, experiment, dataset }: Awaited<ReturnType<typeof openWithData>>,
  windows: Split,
) {
  const origins: (ForecastsErrors & { readonly id: string })[] = [];
  const { count, forecast } = windows;
  const size = targetSize(run.loss, run.spec.outputSize);
  const forecasters = NAIVE_FORECASTS.map(name => [name, new NaiveForecaster(run, dataset, name)] as const);
  const naive = new Map<string, NaiveForecaster>(forecasters);
  /** The first step of each series after the origins so far. */
  const next = new Map<string, number>();
  await new Evaluator(pool, run, evaluationRows(run, experiment.training, count)).evaluate(windows, {
    observe: ({ index, id = '', predictions }) => {
      const scored = predictions.filter(({ counts }) => counts);
      const scale = windows.errorScale?.(index);
      const errors = eachForecast(name => {
        const steps = naive.get(name)?.of(windows, index, scored) ?? scored;
        if (steps.length < scored.length) return undefined;
        return {
          mean_absolute_error: meanOf(steps.map(absoluteError)),
          ...(scale && { mase: meanOf(steps.map(step => scaledError(step, scale))) }),
          ...intervalScores(steps, size),
        };
      });
      const window = forecast?.(index);
      if (window === undefined || window.first < (next.get(window.series) ?? 0)) return;
      next.set(window.series, window.first + window.times.length);
      origins.push({ id, ...errors });
    },
  });
  return origins;
}

/** A naive forecast, with intervals as if it were the model: calibrated on the validation split. */
class NaiveForecaster {
  private readonly readouts: Readouts;
  private readonly hasIntervals: boolean;

  constructor(
    private readonly run: ModelRun,
    { validation, firstPrediction = 0 }: Dataset,
    private readonly name: NaiveForecast,
  ) {
    const { loss, spec, decisions: { intervals } = {} } = run;
    this.readouts = new Readouts({ loss });
    this.hasIntervals = intervals !== undefined && validation?.naive?.[name] !== undefined;
    if (!intervals || !validation || !this.hasIntervals) return;
    const method = 'split' as const;
    const fit = new DecisionFit(run, { intervals: { ...intervals, method } }, intervals.first_step);
    const steps = Array.from({ length: predictionsOf(spec, run.sequenceLength) }, (_, step) => ({ step }));
    for (let index = 0; index < validation.count; index++)
      fit.add({ predictions: this.of(validation, index, steps.slice(firstPrediction), method) });
    const decisions = { intervals: fit.decisions.intervals };
    this.readouts = new Readouts({ loss, decisions }, adaptationOf(decisions.intervals));
  }

  /** Of steps of a window with known targets; those that it cannot forecast are left out. */
  of(split: Split, index: number, steps: readonly Pick<Prediction, 'step'>[], conformity?: 'split') {
    const { loss, spec } = this.run;
    const perWindow = split.targets.values.length / targetSize(loss, spec.outputSize) / split.count;
    const readout = this.readouts.of(split, split.forecast?.(index));
    return steps.flatMap(({ step }) => {
      const at = index * perWindow + step;
      const outputs = naiveOutputs(split, this.name, at, spec.outputSize);
      if (outputs === undefined) return [];
      const scored = readout.scored(outputs, at, step);
      const scores = conformity && readout.conformityScores(outputs, at, conformity);
      const counts = scored.target.every(Number.isFinite);
      return [{ ...scored, step, counts, ...(scores && { scores }) }];
    });
  }
}

/** Empty without intervals. */
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
