/** Collects the forecasts of `evaluation.json`, to draw them. */
import type { Dataset, Split } from '../../data/core/dataset.js';
import { targetsOfKind } from '../../data/core/targets.js';
import { lossOf } from '../../math/losses/index.js';
import { absoluteError, scaledError } from '../../math/metrics/errors.js';
import type { Numbers } from '../../math/metrics/metric.js';
import { predictionsOf } from '../../math/model/inputs.js';
import { shortestDecimal } from '../../util/numbers.js';
import { Worst } from '../core/collector.js';
import type { PredictedSequence, Prediction, TaskModel } from '../core/prediction.js';
import type { ForecastEvaluation } from './facts.js';
import { ValueReadout } from './readout.js';

const MAX_SERIES = 4;
const MAX_STEPS = 400;
const MAX_TARGETS = 4;
const MAX_WINDOWS = 6;

type SeriesForecast = ForecastEvaluation['series'][number];
type WindowForecast = ForecastEvaluation['windows'][number];

/** Undefined for other data. */
export function forecastCollector(
  run: TaskModel,
  dataset: Dataset,
  { targets, forecast, history, errorScale }: Split,
) {
  if (dataset.seriesFacts === undefined || forecast === undefined) return undefined;
  const readout = new ValueReadout(run, targetsOfKind('value', targets));
  const steps = predictionsOf(run.spec, run.sequenceLength);
  const { firstPrediction = 0, columnNames } = dataset;
  const count = dataset.seriesFacts.targets;
  const names = dataset.targetNames ?? [columnNames?.features(0) ?? ''];
  const { quantiles = [] } = lossOf(run.loss);
  const levels = quantiles.map(({ level }) => level).toSorted((a, b) => a - b);
  const { coverage } = run.decisions?.intervals ?? {};
  /** The first step of each series after the windows so far, which do not overlap. */
  const next = new Map<string, number>();
  const series = new Map<string, readonly SeriesForecast[]>();
  const windows = new Worst<readonly WindowForecast[]>(MAX_WINDOWS);
  /** The numbers of each target. */
  const apart = (values: readonly number[]) =>
    names
      .slice(0, MAX_TARGETS)
      .map((_, k) =>
        values.filter((_, i) => i % count === k).map(value => (Number.isFinite(value) ? value : null)),
      );
  const add = ({ index, id = '', predictions }: PredictedSequence): void => {
    const { series: name, first, times } = forecast(index);
    if (first < (next.get(name) ?? 0)) return;
    next.set(name, first + times.length);
    const ahead = predictions.filter(({ step }) => step >= firstPrediction);
    const scored = ahead.filter(({ counts }) => counts);
    const linesOf = () => {
      const atOf = ({ step }: Prediction) => index * steps + step;
      const each = (valuesOf: (prediction: Prediction) => Numbers | undefined) =>
        apart(
          ahead.flatMap(prediction => {
            const values = valuesOf(prediction);
            return values ? readout.decimals(values, atOf(prediction)) : [];
          }),
        );
      const actual = apart(
        ahead.flatMap(prediction => readout.targetDecimals(atOf(prediction), prediction.target)),
      );
      const predicted = each(({ point }) => point);
      const [lower, upper] = [each(({ interval }) => interval?.[0]), each(({ interval }) => interval?.[1])];
      return actual.map((_, k) => ({
        ...{ target: names[k], times, actual: actual[k], predicted: predicted[k] },
        ...((levels.length > 1 || coverage) && { lower: lower[k], upper: upper[k] }),
      }));
    };
    const scale = errorScale?.(index);
    const errorOf = (prediction: Prediction) =>
      scale ? scaledError(prediction, scale) : absoluteError(prediction);
    windows.offer(scored.reduce((sum, prediction) => sum + errorOf(prediction), 0) / scored.length, () => {
      const past = apart(Array.from(history?.(index) ?? [], value => shortestDecimal(value)));
      return linesOf().map((line, k) => ({ id, history: past[k], ...line }));
    });
    const known = series.get(name);
    if (known ? known[0].times.length >= MAX_STEPS : series.size === MAX_SERIES) return;
    const added = linesOf().map(line => ({ series: name, ...line }));
    series.set(name, known?.map((line, k) => joined(line, added[k])) ?? added);
  };
  return {
    add,
    get document(): ForecastEvaluation {
      return {
        quantiles: levels.length > 1 && !coverage ? [levels[0], levels[levels.length - 1]] : null,
        ...(coverage && { coverage }),
        series: [...series.values()].flat(),
        windows: windows.items.flat(),
      };
    },
  };
}

/** The steps of a series, and those that follow. */
function joined(line: SeriesForecast, more: SeriesForecast): SeriesForecast {
  const list = (key: 'actual' | 'predicted' | 'lower' | 'upper') => [
    ...(line[key] ?? []),
    ...(more[key] ?? []),
  ];
  return {
    ...{ series: line.series, target: line.target, times: [...line.times, ...more.times] },
    ...{ actual: list('actual'), predicted: list('predicted') },
    ...(line.lower && { lower: list('lower'), upper: list('upper') }),
  };
}
