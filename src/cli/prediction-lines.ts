/** Predictions as lines of text. */
import { IGNORED } from '../data/index.js';
import { nonFiniteName, spellNonFinite } from '../experiment/json.js';
import { predictedClass } from '../losses/loss.js';
import type { PredictionForm } from '../training/evaluate.js';
import { type PredictedSequence, type Prediction, probabilityOf } from '../training/predictions.js';

/** Of one prediction, by the name of its column. */
type Fields = Readonly<Record<string, number | string | null>>;

/**
 * One JSON object for a sequence. Where the model answers at every step, and where it predicts values, its fields are lists; a number in
 * a list that is not finite is its name.
 */
export function jsonLine(form: PredictionForm, { index, predictions }: PredictedSequence): string {
  return `${JSON.stringify(spellNonFinite({ index, ...jsonFields(form, predictions) }))}\n`;
}

function jsonFields(form: PredictionForm, predictions: readonly Prediction[]): object {
  const [first] = predictions;
  if (form.kind === 'value') return { predicted: [...first.values], target: [...first.target] };
  if (!form.perStep) return classFields(form, first);
  const steps = predictions.map(prediction => classFields(form, prediction));
  return Object.fromEntries(classColumns(form).map(name => [name, steps.map(fields => fields[name])]));
}

/** A line for each prediction: RFC 4180, but with newlines alone. */
export function csvLines(form: PredictionForm, { index, predictions }: PredictedSequence): string {
  return predictions
    .map(prediction => {
      const fields: Fields = form.kind === 'class' ? classFields(form, prediction) : valueFields(prediction);
      return csvLine({ index, ...(form.perStep && { step: prediction.step }), ...fields });
    })
    .join('');
}

export function csvHeader(form: PredictionForm): string {
  const numbers = (name: string) => Array.from({ length: form.size }, (_, i) => `${name}_${i}`);
  const columns =
    form.kind === 'class' ? classColumns(form) : [...numbers('predicted'), ...numbers('target')];
  return `${['index', ...(form.perStep ? ['step'] : []), ...columns].join()}\n`;
}

function classColumns({ classNames }: PredictionForm): string[] {
  return classNames
    ? ['predicted', 'predicted_name', 'probability', 'label', 'label_name']
    : ['predicted', 'probability', 'label'];
}

/** A class that is not known is null. */
function classFields({ classNames }: PredictionForm, { values, target }: Prediction): Fields {
  const predicted = predictedClass(values);
  const [label] = target;
  const known = label !== IGNORED;
  return {
    predicted: predicted < 0 ? null : predicted,
    ...(classNames && { predicted_name: classNames[predicted] ?? null }),
    probability: predicted < 0 ? Number.NaN : probabilityOf(values, predicted),
    label: known ? label : null,
    ...(classNames && { label_name: known ? classNames[label] : null }),
  };
}

function valueFields({ values, target }: Prediction): Fields {
  const numbers = (name: string, of: Float32Array) =>
    Array.from(of, (value, i): [string, number] => [`${name}_${i}`, value]);
  return Object.fromEntries([...numbers('predicted', values), ...numbers('target', target)]);
}

function csvLine(fields: Fields): string {
  return `${Object.values(fields).map(csvField).join()}\n`;
}

function csvField(value: number | string | null): string {
  if (value === null) return '';
  if (typeof value === 'number') return nonFiniteName(value) ?? String(value);
  return /[",\r\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
}
