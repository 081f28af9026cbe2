/** Predictions as lines of text. */
import { nonFiniteName, spellNonFinite } from '../../experiment/files/json.js';
import {
  type Answer,
  type ClassAnswer,
  type SequencePrediction,
  topClasses,
  type ValueAnswer,
} from '../../prediction/answers.js';
import type { PredictionForm } from '../../prediction/predict.js';

/** Of one answer, by the name of its column. */
type Fields = Readonly<Record<string, number | string | null>>;

/** How predictions are told. */
export interface PredictionStyle extends PredictionForm {
  /** The most probable classes that are told; undefined: the probabilities of all. */
  readonly top: number | undefined;
  /** csv: text that a spreadsheet would take for a formula is printed as it is. */
  readonly raw: boolean;
}

/**
 * Of more classes the probabilities are told only by `top`: a line for each step would be a page.
 */
const MAX_PROBABILITIES = 100;

/**
 * One JSON object for a sequence. If the model answers at every step, and if it predicts values,
 * its fields are lists; a number in a list that is not finite is its name.
 */
export function jsonLine(style: PredictionStyle, { index, id, answers }: SequencePrediction): string {
  const steps = answers.map(answer => ({
    ...(answer.time !== undefined && { time: answer.time }),
    ...answerFields(answer, style),
  }));
  const [first] = steps;
  const fields = style.perStep ? listed(first ?? {}, steps) : first;
  return `${JSON.stringify(spellNonFinite({ index, id, ...fields }))}\n`;
}

/** A step without a target has none. */
function known(target: number): number | null {
  return Number.isNaN(target) ? null : target;
}

/** By field the list of its values. */
function listed(first: object, steps: readonly object[]): object {
  return Object.fromEntries(Object.keys(first).map(key => [key, steps.map(step => Reflect.get(step, key))]));
}

function answerFields(answer: Answer, style: PredictionStyle): object {
  if (answer.kind === 'class') {
    const { top } = style;
    const isShort = answer.probabilities.length <= MAX_PROBABILITIES;
    return {
      ...classFields(answer, style),
      ...(top !== undefined && { top: topClasses(answer, top, style.classNames) }),
      ...(top === undefined && isShort && { probabilities: [...answer.probabilities] }),
    };
  }
  const { values, quantiles, target } = answer;
  const levels = style.quantiles.map((level, k) => [String(level), named(quantiles[k], style)] as const);
  return {
    predicted: named(values, style),
    ...(levels.length > 0 && { quantiles: Object.fromEntries(levels) }),
    ...(target && { target: named(Array.from(target, known), style) }),
  };
}

/** The numbers of a value: a list, or by the names of the targets. */
function named(values: ArrayLike<number | null>, { targetNames }: PredictionStyle): object {
  return targetNames
    ? Object.fromEntries(targetNames.map((name, i) => [name, values[i]]))
    : Array.from(values);
}

/**
 * A line for each answer: RFC 4180, but with newlines alone. Text that a spreadsheet would take for
 * a formula begins with an apostrophe, unless `raw`.
 */
export function csvLines(style: PredictionStyle, { index, id, answers }: SequencePrediction): string {
  return answers
    .map(answer =>
      csvLine(
        {
          index,
          ...(style.hasIds && { id: id ?? null }),
          ...(style.perStep && { step: answer.step }),
          ...(style.hasTimes && { time: answer.time ?? null }),
          ...(answer.kind === 'class' ? classColumns(answer, style) : valueColumns(answer, style)),
        },
        style,
      ),
    )
    .join('');
}

export function csvHeader(style: PredictionStyle): string {
  const columns = [
    'index',
    ...(style.hasIds ? ['id'] : []),
    ...(style.perStep ? ['step'] : []),
    ...(style.hasTimes ? ['time'] : []),
    // the columns of an answer do not depend on what it says
    ...Object.keys(
      style.kind === 'class' ? classColumns(noClass(style), style) : valueColumns(noValue(style), style),
    ),
  ];
  return csvText(columns, style);
}

function noClass({ size, hasLabels }: PredictionStyle): ClassAnswer {
  const probabilities = new Float64Array(size);
  const [step, probability, logits] = [0, Number.NaN, new Float32Array(size)];
  return {
    kind: 'class',
    step,
    predicted: null,
    probability,
    probabilities,
    logits,
    ...(hasLabels && { label: null }),
  };
}

function noValue({ size, quantiles, hasLabels }: PredictionStyle): ValueAnswer {
  const values = new Float64Array(size);
  const alike = quantiles.map(() => values);
  return { kind: 'value', step: 0, values, quantiles: alike, ...(hasLabels && { target: values }) };
}

function classColumns(answer: ClassAnswer, style: PredictionStyle): Fields {
  const { top, classNames, size } = style;
  const fields: Record<string, number | string | null> = { ...classFields(answer, style) };
  if (top !== undefined) {
    const ranked = topClasses(answer, top, classNames);
    for (let rank = 1; rank <= Math.min(top, size); rank++) {
      const one = ranked.at(rank - 1);
      fields[`top_${rank}`] = one?.class ?? null;
      if (classNames) fields[`top_${rank}_name`] = one?.name ?? null;
      fields[`top_${rank}_probability`] = one?.probability ?? Number.NaN;
    }
  } else if (size <= MAX_PROBABILITIES) {
    for (const [k, probability] of answer.probabilities.entries())
      fields[`probability_${classNames?.[k] ?? k}`] = probability;
  }
  return fields;
}

function valueColumns({ values, quantiles, target }: ValueAnswer, style: PredictionStyle): Fields {
  const numbers = (name: string, of: ArrayLike<number | null>) =>
    Array.from(of, (value, i) => [`${name}_${style.targetNames?.[i] ?? i}`, value] as const);
  return Object.fromEntries([
    ...numbers('predicted', values),
    ...style.quantiles.flatMap((level, k) => numbers(`quantile_${level}`, quantiles[k])),
    ...(target ? numbers('target', Array.from(target, known)) : []),
  ]);
}

/** A class that is not known is null. */
function classFields(
  { predicted, probability, label }: ClassAnswer,
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

function csvLine(fields: Fields, style: PredictionStyle): string {
  return csvText(Object.values(fields), style);
}

function csvText(values: readonly (number | string | null)[], { raw }: PredictionStyle): string {
  return `${values.map(value => csvField(value, raw)).join()}\n`;
}

/** What spreadsheets take for a formula; numbers with a sign are none. */
const FORMULA = /^(?:[=@\t\r]|[+-](?!(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$))/;

function csvField(value: number | string | null, isRaw: boolean): string {
  if (value === null) return '';
  if (typeof value === 'number') return nonFiniteName(value) ?? String(value);
  const text = !isRaw && FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
