/** Charts of a forecast: the series that the model read, the forecast, and its interval. */
import type { PredictionForm, SequencePrediction, ValuePrediction } from '../../predict/predictions.js';
import type { Block, ChartLine } from '../../view/blocks.js';

interface NamedLine extends ChartLine {
  readonly name: string;
}

type Form = Pick<PredictionForm, 'quantiles' | 'coverage' | 'size' | 'targetNames'>;

export function forecastCharts(sequence: SequencePrediction, form: Form): Block[] {
  return Array.from({ length: form.size }, (_, target) => chartOf(sequence, form, target));
}

/** Steps are counted from the last one that the model read. */
function chartOf(
  { id, history = new Float64Array(), predictions }: SequencePrediction,
  { quantiles, coverage, size, targetNames }: Form,
  target: number,
): Block {
  const steps = predictions.filter((one): one is ValuePrediction => one.kind === 'value');
  const line = (
    label: string,
    name: string,
    of: (step: ValuePrediction) => ArrayLike<number> | undefined,
  ): NamedLine => {
    const points = steps.map((step, i) => ({ x: i + 1, y: of(step)?.[target] ?? Number.NaN }));
    return { label, name, points: points.filter(({ y }) => Number.isFinite(y)) };
  };
  const levels = [...quantiles.keys()].sort((a, b) => quantiles[a] - quantiles[b]);
  const bounds = levels.length > 1 && !coverage ? [levels[0], levels[levels.length - 1]] : [];
  const ends = coverage ? (['lower', 'upper'] as const) : [];
  const length = history.length / size;
  const past = Array.from({ length }, (_, i) => ({ x: i + 1 - length, y: history[i * size + target] }));
  const drawn = [
    { label: 'y', name: 'series', points: past.filter(({ y }) => Number.isFinite(y)) },
    ...bounds.map((k, i) => line('lu'[i], `quantile ${quantiles[k]}`, step => step.quantiles[k])),
    ...ends.map(end => line(end[0], `${end} end`, step => step.interval?.[end])),
    line('t', 'target', step => step.target),
    line('f', 'forecast', step => step.values),
  ].filter(({ points }) => points.length > 0);
  const [first, last] = [steps[0]?.time, steps[steps.length - 1]?.time];
  const of = targetNames && size > 1 ? ` of ${targetNames[target]}` : '';
  const what = `forecast${of}${first === undefined ? '' : ` from ${first} to ${last}`}`;
  const legend = drawn.map(({ label, name }) => `${label} ${name}`).join(', ');
  const title = `${id === undefined ? '' : `${id}: `}${what} (${legend})`;
  return { kind: 'chart', title, axis: 'steps', lines: drawn };
}
