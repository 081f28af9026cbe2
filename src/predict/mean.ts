/** The mean of the predictions of several models, and how they disagree. */
import { decidedLabel, type Numbers } from '../math/metrics/metric.js';
import { damagedError } from '../util/errors.js';
import { momentsOf, shortestDecimal } from '../util/numbers.js';
import {
  type ClassPrediction,
  classPrediction,
  float64,
  type Prediction,
  type PredictionForm,
  type SequencePrediction,
  type ValuePrediction,
} from './predictions.js';

/** The form of the mean of models with this form; their own thresholds do not hold for it. */
export function formOfMean(
  { thresholds: _, ...form }: PredictionForm,
  thresholds: readonly number[] | undefined,
): PredictionForm {
  return { ...form, ...(thresholds && { thresholds }) };
}

/**
 * The mean of what several models predict of a sequence.
 * @param form of the mean
 */
export function joinedSequence(form: PredictionForm, all: readonly SequencePrediction[]): SequencePrediction {
  const [first] = all;
  refuseOthers(all.map(({ id, predictions }) => ({ id, length: predictions.length })));
  const warnings = all.flatMap(one => one.warnings ?? []);
  const different = new Map(warnings.map(one => [`${one.code} ${one.message} ${one.file} ${one.line}`, one]));
  return {
    ...first,
    predictions: first.predictions.map((_, i) =>
      meanOf(
        form,
        all.map(one => one.predictions[i]),
      ),
    ),
    ...(different.size > 0 && { warnings: [...different.values()] }),
  };
}

/** The models may have read other sequences under the same index. */
export function refuseOthers(
  sequences: readonly { readonly id: string | undefined; readonly length: number }[],
): void {
  const [first, ...others] = sequences;
  const other = others.find(({ id, length }) => id !== first.id || length !== first.length);
  if (other === undefined) return;
  throw damagedError('predict/members', 'the models do not read the same sequences', {
    expected: `${first.id ?? 'a sequence'} of ${first.length} predictions`,
    got: `${other.id ?? 'a sequence'} of ${other.length}`,
  });
}

function meanOf(form: PredictionForm, all: readonly Prediction[]): Prediction {
  const [first] = all;
  if (first.kind === 'class') {
    const own = all.map(one => (one as ClassPrediction).probabilities);
    const mean = float64(averaged(own));
    const logits = Float32Array.from(mean, Math.log);
    // sets are those of one model
    const { predicted, name, probability, top, set, ...rest } = first;
    const disagreement = Math.max(0, entropy(mean) - momentsOf(own.map(entropy)).mean);
    return { ...rest, ...classPrediction(form, mean, logits, form.thresholds), disagreement };
  }
  const own = all as readonly ValuePrediction[];
  const { length } = own[0].values;
  const decimals = (lists: readonly Float64Array[]) =>
    float64(Array.from(averaged(lists), value => shortestDecimal(Math.fround(value))));
  const spreads = Array.from({ length }, (_, k) => momentsOf(own.map(({ values }) => values[k])).spread ?? 0);
  const { applies, interval, ...rest } = own[0];
  const point = averaged(own.map(({ values }) => values));
  const { thresholds } = form;
  const ends = (end: 'lower' | 'upper') => decimals(own.flatMap(one => one.interval?.[end] ?? []));
  return {
    ...rest,
    ...(own.every(one => one.interval) && { interval: { lower: ends('lower'), upper: ends('upper') } }),
    values: decimals(own.map(({ values }) => values)),
    ...(thresholds && {
      applies: Array.from(point, (_, i) => decidedLabel({ point, thresholds }, i) ?? null),
    }),
    quantiles: own[0].quantiles.map((_, level) => decimals(own.map(({ quantiles }) => quantiles[level]))),
    disagreement: float64(spreads),
  };
}

function averaged(lists: readonly Numbers[]): Float64Array {
  const sums = new Float64Array(lists[0].length);
  for (const list of lists) addTo(sums, list);
  return sums.map(sum => sum / lists.length);
}

export function addTo(sums: Float64Array, values: Numbers): void {
  for (let k = 0; k < sums.length; k++) sums[k] += values[k];
}

/** Nats. */
function entropy(of: Float64Array): number {
  return of.reduce((sum, p) => (p === 0 ? sum : sum - p * Math.log(p)), 0);
}
