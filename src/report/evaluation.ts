/** `evaluation.json`, where the run left one. */
import { isRecord } from '../config/schema-walk.js';
import { damagedError } from '../errors.js';
import { withFile } from '../experiment/opened-file.js';
import { isAbsent } from '../experiment/unreadable.js';
import type { ClassesReport, EvaluationReport, Measured, MistakeReport, ValuesReport } from './document.js';

/** Null where there is none. Throws exit 5 where the file is none, exit 2 where it cannot be read. */
export function readEvaluation(path: string): EvaluationReport | null {
  if (isAbsent(path)) return null;
  const text = withFile(path, file => file.read(0, file.bytes)).toString('utf8');
  const damaged = (message: string) => damagedError({ code: 'run/damaged', message, file: path });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(`this is not JSON: ${(error as SyntaxError).message}`);
  }
  if (!isRecord(value)) throw damaged('this is not the evaluation of a run');
  return {
    split: String(value.split),
    step: numberOf(value.step),
    epoch: numberOf(value.epoch),
    predictions: numberOf(value.predictions) ?? 0,
    classes: value.kind === 'class' ? classesOf(value) : null,
    values: value.kind === 'value' ? valuesOf(value) : null,
  };
}

type Given = Readonly<Record<string, unknown>>;

function classesOf({
  classes,
  class_names: names,
  confusion,
  undecided,
  mistakes,
  pictures,
}: Given): ClassesReport {
  const count = numberOf(classes) ?? 0;
  const { width, height } = isRecord(pictures) ? pictures : {};
  return {
    names: Array.isArray(names) ? names.map(String) : Array.from({ length: count }, (_, i) => String(i)),
    confusion: Array.isArray(confusion) ? confusion : null,
    undecided: numberOf(undecided) ?? 0,
    mistakes: recordsOf(mistakes).map(mistakeOf),
    pictures: typeof width === 'number' && typeof height === 'number' ? { width, height } : null,
  };
}

function mistakeOf(given: Given): MistakeReport {
  return {
    index: numberOf(given.index) ?? 0,
    step_in_sequence: numberOf(given.step_in_sequence),
    label: numberOf(given.label) ?? 0,
    predicted: numberOf(given.predicted),
    probability: numberOf(given.probability),
    label_probability: numberOf(given.label_probability),
    picture: typeof given.picture === 'string' ? given.picture : null,
  };
}

function valuesOf({ sample, worst }: Given): ValuesReport {
  return {
    pairs: recordsOf(sample).flatMap(({ target, prediction }) =>
      typeof target === 'number' && typeof prediction === 'number' ? [[target, prediction] as const] : [],
    ),
    worst: recordsOf(worst).map(given => ({
      index: numberOf(given.index) ?? 0,
      target: listOf(given.target),
      prediction: listOf(given.prediction),
      absolute_error: measured(given.absolute_error ?? given.absolute_error_nonfinite),
    })),
  };
}

function recordsOf(value: unknown): readonly Given[] {
  return Array.isArray(value) ? value.filter(isRecord) : [];
}

function listOf(value: unknown): readonly Measured[] {
  return Array.isArray(value) ? value.map(measured) : [];
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

function measured(value: unknown): Measured {
  return typeof value === 'number' || value === 'nan' || value === 'inf' || value === '-inf' ? value : null;
}
