/** Predictions as lines of text. */
import { IGNORED } from '../data/index.js';
import { nonFiniteName, spellNonFinite } from '../experiment/json.js';
import { predictedClass } from '../metrics/classes.js';
import type { Numbers } from '../metrics/metric.js';
import type { PredictionForm } from '../training/evaluate.js';
import { type PredictedSequence, type Prediction, probabilityOf } from '../training/predictions.js';

/** Of one prediction, by the name of its column. */
type Fields = Readonly<Record<string, number | string | null>>;

/**
 * One JSON object for a sequence. Where the model answers at every step, and where it predicts values, its fields are lists; a number in
 * a list that is not finite is its name.
 */
export function jsonLine(form: PredictionForm, { index, id, predictions }: PredictedSequence): string {
  return `${JSON.stringify(spellNonFinite({ index, id, ...jsonFields(form, predictions) }))}\n`;
}

function jsonFields(form: PredictionForm, predictions: readonly Prediction[]): object {
  const { columns, fields, lists } = TARGETS[form.kind];
  const [first] = predictions;
  if (lists) return lists(form, first);
  if (!form.perStep) return fields(form, first);
  const steps = predictions.map(prediction => fields(form, prediction));
  return Object.fromEntries(columns(form).map(name => [name, steps.map(step => step[name])]));
}

/**
 * A line for each prediction: RFC 4180, but with newlines alone. Text that a spreadsheet would take for a formula begins with an
 * apostrophe, unless `isRaw`.
 */
export function csvLines(
  form: PredictionForm,
  { index, id, predictions }: PredictedSequence,
  isRaw = false,
): string {
  const { fields } = TARGETS[form.kind];
  return predictions
    .map(prediction =>
      csvLine(
        {
          index,
          ...(id !== undefined && { id }),
          ...(form.perStep && { step: prediction.step }),
          ...fields(form, prediction),
        },
        isRaw,
      ),
    )
    .join('');
}

export function csvHeader(form: PredictionForm, isRaw = false): string {
  const columns = TARGETS[form.kind].columns(form).map(name => csvField(name, isRaw));
  return `${['index', ...(form.named ? ['id'] : []), ...(form.perStep ? ['step'] : []), ...columns].join()}\n`;
}

/** How a prediction is told, by the kind of its target. */
interface PredictionColumns {
  columns(form: PredictionForm): readonly string[];
  /** One for each column. */
  fields(form: PredictionForm, prediction: Prediction): Fields;
  /** What a JSON line has instead, where a prediction is several numbers. */
  lists?(form: PredictionForm, prediction: Prediction): object;
}

/** Typed, so that no kind is forgotten. */
const TARGETS: Readonly<Record<PredictionForm['kind'], PredictionColumns>> = {
  class: {
    columns: ({ classNames }) =>
      classNames
        ? ['predicted', 'predicted_name', 'probability', 'label', 'label_name']
        : ['predicted', 'probability', 'label'],
    fields: classFields,
  },
  value: {
    columns: form =>
      ['predicted', ...form.quantiles.map(quantileColumn), 'target'].flatMap(name => columnsOf(name, form)),
    fields: (form, prediction) => {
      const numbers = (name: string, of: Numbers) => {
        const decimals = form.decimals(of);
        return columnsOf(name, form).map((key, i) => [key, decimals[i]] as const);
      };
      const quantiles = form.quantilesOf(prediction);
      return Object.fromEntries([
        ...numbers('predicted', prediction.point),
        ...form.quantiles.flatMap((level, k) => numbers(quantileColumn(level), quantiles[k])),
        ...numbers('target', prediction.target),
      ]);
    },
    lists: (form, prediction) => {
      const quantiles = form.quantilesOf(prediction);
      const levels = form.quantiles.map((level, k) => [String(level), listed(quantiles[k], form)] as const);
      return {
        predicted: listed(prediction.point, form),
        ...(levels.length > 0 && { quantiles: Object.fromEntries(levels) }),
        target: listed(prediction.target, form),
      };
    },
  },
};

function quantileColumn(level: number): string {
  return `quantile_${level}`;
}

/** One for each number of a value: `predicted_temperature`, or `predicted_0`. */
function columnsOf(name: string, { size, targetNames }: PredictionForm): string[] {
  return Array.from({ length: size }, (_, i) => `${name}_${targetNames?.[i] ?? i}`);
}

/** The numbers of a value: a list, or by the names of the targets. */
function listed(values: Numbers, { targetNames, decimals }: PredictionForm): object {
  const numbers = decimals(values);
  return targetNames ? Object.fromEntries(targetNames.map((name, i) => [name, numbers[i]])) : numbers;
}

/** A class that is not known is null. */
function classFields({ classNames }: PredictionForm, { outputs, target }: Prediction): Fields {
  const predicted = predictedClass(outputs);
  const [label] = target;
  const known = label !== IGNORED;
  return {
    predicted: predicted < 0 ? null : predicted,
    ...(classNames && { predicted_name: classNames[predicted] ?? null }),
    probability: predicted < 0 ? Number.NaN : probabilityOf(outputs, predicted),
    label: known ? label : null,
    ...(classNames && { label_name: known ? classNames[label] : null }),
  };
}

function csvLine(fields: Fields, isRaw: boolean): string {
  return `${Object.values(fields)
    .map(value => csvField(value, isRaw))
    .join()}\n`;
}

/** What spreadsheets take for a formula; numbers with a sign are none. */
const FORMULA = /^(?:[=@\t\r]|[+-](?!(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$))/;

function csvField(value: number | string | null, isRaw: boolean): string {
  if (value === null) return '';
  if (typeof value === 'number') return nonFiniteName(value) ?? String(value);
  const text = !isRaw && FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
