/** The chart of a forecast: the series that the model read, the forecast, and its interval. */
import type { PredictionForm, SequencePrediction, ValuePrediction } from '../../predict/predictor.js';
import type { Block, ChartLine } from '../../view/blocks.js';

interface NamedLine extends ChartLine {
  readonly name: string;
}

/** Steps are counted from the last one that the model read. */
export function forecastChart(
  { id, history = new Float64Array(), predictions }: SequencePrediction,
  { quantiles }: Pick<PredictionForm, 'quantiles'>,
): Block {
  const steps = predictions.filter((one): one is ValuePrediction => one.kind === 'value');
  const line = (
    label: string,
    name: string,
    of: (step: ValuePrediction) => ArrayLike<number> | undefined,
  ): NamedLine => {
    const points = steps.map((step, i) => ({ x: i + 1, y: of(step)?.[0] ?? Number.NaN }));
    return { label, name, points: points.filter(({ y }) => Number.isFinite(y)) };
  };
  const levels = [...quantiles.keys()].sort((a, b) => quantiles[a] - quantiles[b]);
  const bounds = levels.length > 1 ? [levels[0], levels[levels.length - 1]] : [];
  const past = Array.from(history, (y, i) => ({ x: i + 1 - history.length, y }));
  const drawn = [
    { label: 'y', name: 'series', points: past.filter(({ y }) => Number.isFinite(y)) },
    ...bounds.map((k, i) => line('lu'[i], `quantile ${quantiles[k]}`, step => step.quantiles[k])),
    line('t', 'target', step => step.target),
    line('f', 'forecast', step => step.values),
  ].filter(({ points }) => points.length > 0);
  const [first, last] = [steps[0]?.time, steps[steps.length - 1]?.time];
  const what = first === undefined ? 'forecast' : `forecast from ${first} to ${last}`;
  const legend = drawn.map(({ label, name }) => `${label} ${name}`).join(', ');
  const title = `${id === undefined ? '' : `${id}: `}${what} (${legend})`;
  return { kind: 'chart', title, axis: 'steps', lines: drawn };
}
