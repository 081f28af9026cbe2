/** Formats predictions as lines of JSON or CSV. */

import type { OutputForm } from '../../predict/model.js';
import {
  type ClassPrediction,
  type Prediction,
  type SequencePrediction,
  topClasses,
  type ValuePrediction,
} from '../../predict/predictions.js';
import { spellNonFinite } from '../../run/json.js';

type Fields = Readonly<Record<string, number | string | null>>;

export interface PredictionStyle extends OutputForm {
  readonly top: number | undefined;
}

const MAX_PROBABILITIES = 100;

/**
 * One JSON object for a sequence. Its fields are lists if the model predicts values or every step.
 * Non-finite numbers are strings.
 */
export function jsonLine(style: PredictionStyle, { index, id, predictions }: SequencePrediction): string {
  const steps = predictions.map(prediction => ({
    ...(prediction.time !== undefined && { time: prediction.time }),
    ...predictionFields(prediction, style),
  }));
  const [first] = steps;
  const fields = style.perStep ? listed(first ?? {}, steps) : first;
  return `${JSON.stringify(spellNonFinite({ index, id, ...fields }))}\n`;
}

function known(target: number): number | null {
  return Number.isNaN(target) ? null : target;
}

function listed(first: object, steps: readonly object[]): object {
  return Object.fromEntries(Object.keys(first).map(key => [key, steps.map(step => Reflect.get(step, key))]));
}

function predictionFields(prediction: Prediction, style: PredictionStyle): object {
  if (prediction.kind === 'class') {
    const { top } = style;
    const isShort = prediction.probabilities.length <= MAX_PROBABILITIES;
    return {
      ...classFields(prediction, style),
      ...(top !== undefined && { top: topClasses(prediction, top, style.classNames) }),
      ...(top === undefined && isShort && { probabilities: [...prediction.probabilities] }),
    };
  }
  const { values, quantiles, target } = prediction;
  const levels = style.quantiles.map((level, k) => [String(level), named(quantiles[k], style)] as const);
  return {
    predicted: named(values, style),
    ...(levels.length > 0 && { quantiles: Object.fromEntries(levels) }),
    ...(target && { target: named(Array.from(target, known), style) }),
  };
}

/** The numbers of a value: a list, or an object by target name. */
function named(values: ArrayLike<number | null>, { targetNames }: PredictionStyle): object {
  return targetNames
    ? Object.fromEntries(targetNames.map((name, i) => [name, values[i]]))
    : Array.from(values);
}

/** One record for each step. All have the same columns. */
export function csvRecords(style: PredictionStyle, { index, id, predictions }: SequencePrediction): Fields[] {
  return predictions.map(prediction => ({
    index,
    ...(style.hasIds && { id: id ?? null }),
    ...(style.perStep && { step: prediction.step }),
    ...(style.hasTimes && { time: prediction.time ?? null }),
    ...(prediction.kind === 'class' ? classColumns(prediction, style) : valueColumns(prediction, style)),
  }));
}

function classColumns(prediction: ClassPrediction, style: PredictionStyle): Fields {
  const { top, classNames, size } = style;
  const fields: Record<string, number | string | null> = { ...classFields(prediction, style) };
  if (top !== undefined) {
    const ranked = topClasses(prediction, top, classNames);
    for (let rank = 1; rank <= Math.min(top, size); rank++) {
      const one = ranked.at(rank - 1);
      fields[`top_${rank}`] = one?.class ?? null;
      if (classNames) fields[`top_${rank}_name`] = one?.name ?? null;
      fields[`top_${rank}_probability`] = one?.probability ?? Number.NaN;
    }
  } else if (size <= MAX_PROBABILITIES) {
    for (const [k, probability] of prediction.probabilities.entries())
      fields[`probability_${classNames?.[k] ?? k}`] = probability;
  }
  return fields;
}

function valueColumns({ values, quantiles, target }: ValuePrediction, style: PredictionStyle): Fields {
  const numbers = (name: string, of: ArrayLike<number | null>) =>
    Array.from(of, (value, i) => [`${name}_${style.targetNames?.[i] ?? i}`, value] as const);
  return Object.fromEntries([
    ...numbers('predicted', values),
    ...style.quantiles.flatMap((level, k) => numbers(`quantile_${level}`, quantiles[k])),
    ...(target ? numbers('target', Array.from(target, known)) : []),
  ]);
}

function classFields(
  { predicted, probability, label }: ClassPrediction,
  { classNames }: PredictionStyle,
): Fields {
  const nameOf = (k: number | null) => (k === null ? null : (classNames?.[k] ?? null));
  return {
    predicted,
    ...(classNames && { predicted_name: nameOf(predicted) }),
    probability,
    ...(label !== undefined && { label }),
    ...(label !== undefined && classNames && { label_name: nameOf(label) }),
  };
}
