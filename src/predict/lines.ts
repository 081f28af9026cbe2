/** Predictions as lines of JSON, which `predict` prints and a service returns. */
import { spellNonFinite } from '../run/json.js';
import type { OutputForm } from './model.js';
import type { ClassPrediction, Prediction, SequencePrediction, SymbolsPrediction } from './predictions.js';

export type Fields = Readonly<Record<string, number | string | null>>;

export interface PredictionStyle extends OutputForm {
  /** True to show where the symbols of sequences are read. */
  readonly showsAlignment?: boolean;
}

export const MAX_PROBABILITIES = 100;

/**
 * One JSON object for a sequence. Its fields are lists if the model predicts values or every step.
 * Non-finite numbers are strings.
 * @param more further fields
 */
export function jsonLine(
  style: PredictionStyle,
  { index, id, predictions, explanation }: SequencePrediction,
  more: object = {},
): string {
  const steps = predictions.map(prediction => stepFields(prediction, style));
  const [first] = steps;
  const fields = style.perStep ? listed(first ?? {}, steps) : first;
  return `${JSON.stringify(spellNonFinite({ index, id, ...fields, ...(explanation && { explanation }), ...more }))}\n`;
}

export function known(target: number): number | null {
  return Number.isNaN(target) ? null : target;
}

function listed(first: object, steps: readonly object[]): object {
  return Object.fromEntries(Object.keys(first).map(key => [key, steps.map(step => Reflect.get(step, key))]));
}

/** The fields of one step. */
export function stepFields(prediction: Prediction, style: PredictionStyle): object {
  const { time, symbol } = prediction;
  return {
    ...(time !== undefined && { time }),
    ...(symbol !== undefined && { symbol }),
    ...predictionFields(prediction, style),
  };
}

function predictionFields(prediction: Prediction, style: PredictionStyle): object {
  if (prediction.kind === 'class') {
    const { top } = prediction;
    const isShort = prediction.probabilities.length <= MAX_PROBABILITIES;
    return {
      ...classFields(prediction, style),
      ...setFields(prediction, style),
      ...(top && { top }),
      ...(top === undefined && isShort && { probabilities: [...prediction.probabilities] }),
    };
  }
  if (prediction.kind === 'sequence') return symbolFields(prediction, style);
  const { values, quantiles, interval, applies, target, disagreement } = prediction;
  const levels = style.quantiles.map((level, k) => [String(level), named(quantiles[k], style)] as const);
  return {
    predicted: named(values, style),
    ...(levels.length > 0 && { quantiles: Object.fromEntries(levels) }),
    ...(interval && { lower: named(interval.lower, style), upper: named(interval.upper, style) }),
    ...(applies && { applies: named(applies, style) }),
    ...(disagreement && { disagreement: named(disagreement, style) }),
    ...(target && { target: named(Array.from(target, known), style) }),
  };
}

function symbolFields(
  { symbols, text, probability, top, alignment, target }: SymbolsPrediction,
  { top: count, showsAlignment }: PredictionStyle,
): object {
  return {
    symbols,
    text,
    probability,
    ...(showsAlignment && { alignment: alignment ?? null }),
    ...(target && { target }),
    ...(count !== undefined && { top: top.slice(0, count) }),
  };
}

/** The numbers of a value: a list, or an object by the names of several targets. */
function named(values: ArrayLike<number | boolean | null>, { targetNames }: PredictionStyle): object {
  return targetNames && targetNames.length > 1
    ? Object.fromEntries(targetNames.map((name, i) => [name, values[i]]))
    : Array.from(values);
}

/** The classes of the set of conformal prediction, if there is one. */
function setFields({ set }: ClassPrediction, { classNames }: PredictionStyle): object {
  return { ...(set && { set }), ...(set && classNames && { set_names: set.map(k => classNames[k]) }) };
}

export function classFields(
  { predicted, probability, disagreement, label }: ClassPrediction,
  { classNames }: PredictionStyle,
): Fields {
  const nameOf = (k: number | null) => (k === null ? null : (classNames?.[k] ?? null));
  return {
    predicted,
    ...(classNames && { predicted_name: nameOf(predicted) }),
    probability,
    ...(disagreement !== undefined && { disagreement }),
    ...(label !== undefined && { label }),
    ...(label !== undefined && classNames && { label_name: nameOf(label) }),
  };
}
