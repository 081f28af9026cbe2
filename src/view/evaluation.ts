/** Reads `evaluation.json` of a run, if there is one. */
import { validateAgainst } from '../config/schema/schema.js';
import type {
  ClassEvaluation,
  LabelEvaluation,
  SplitEvaluation,
  ValueEvaluation,
} from '../run/evaluation.js';
import { isAbsent, readText } from '../run/files.js';
import { damagedError } from '../util/errors.js';
import type { ClassesReport, EvaluationReport, ScoresReport, ValuesReport } from './document.js';

/**
 * Null if there is none.
 * @throws UserError (exit 5) if the file is damaged, (exit 2) if it cannot be read
 */
export function readEvaluation(path: string): EvaluationReport | null {
  if (isAbsent(path)) return null;
  const text = readText(path);
  const damaged = (message: string) => damagedError({ code: 'run/damaged', message, file: path });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged(`this is not JSON: ${(error as SyntaxError).message}`);
  }
  const [wrong] = validateAgainst('evaluation', value);
  if (wrong) throw damaged(`not the evaluation of a run: ${wrong.instancePath} ${wrong.message}`);
  return reported(value as SplitEvaluation);
}

/**
 * Restores numbers that JSON lacks: they are written as null with their name in a field next to it,
 * or as their name in a list; see run/json.ts.
 */
function reported(written: SplitEvaluation): EvaluationReport {
  const { split, step, epoch, predictions } = written;
  const nothing = { classes: null, values: null, scores: null };
  return { split, step, epoch, predictions, ...nothing, ...detailsOf(written) };
}

type Details = Partial<Pick<EvaluationReport, 'classes' | 'values' | 'scores'>>;

/** By the kind of the targets; the type requires all kinds. */
const DETAILS: {
  readonly [K in SplitEvaluation['kind']]: (written: Extract<SplitEvaluation, { kind: K }>) => Details;
} = {
  class: written => ({
    classes: classesOf(written),
    scores: scoresOf('class', CLASS_SCORES, written.per_class, namesOf(written)),
  }),
  value: written => ({
    values: valuesOf(written, pairsOf(written.sample ?? [])),
    scores: scoresOf('target', OUTPUT_SCORES, written.per_output, written.target_names),
  }),
  label: written => ({
    values: valuesOf(written, []),
    scores: scoresOf('label', CLASS_SCORES, written.per_label, written.target_names),
  }),
};

const CLASS_SCORES = ['precision', 'recall', 'f1', 'support'] as const;
const OUTPUT_SCORES = ['mean_absolute_error', 'rmse', 'r2'] as const;

function valuesOf(
  { target_names: names = null, worst }: ValueEvaluation | LabelEvaluation,
  pairs: ValuesReport['pairs'],
): ValuesReport {
  return { names, pairs, worst: worstOf(worst) };
}

/**
 * Null if there are none.
 * @param names of the rows; their numbers if absent
 */
function scoresOf<C extends string>(
  of: ScoresReport['of'],
  columns: readonly C[],
  rows: readonly { readonly [K in C]?: number }[] | null | undefined,
  names?: readonly string[] | null,
): ScoresReport | null {
  if (!rows) return null;
  return {
    of,
    columns,
    rows: rows.map((row, i) => ({
      name: names?.[i] ?? String(i),
      values: columns.map(column => row[column] ?? Reflect.get(row, `${column}_nonfinite`) ?? null),
    })),
  };
}

function namesOf({ class_names: names, classes }: ClassEvaluation): readonly string[] {
  return names ?? Array.from({ length: classes }, (_, i) => String(i));
}

function detailsOf<E extends SplitEvaluation>(written: E): Details {
  return (DETAILS[written.kind] as (written: E) => Details)(written);
}

function classesOf(written: ClassEvaluation): ClassesReport {
  const { confusion, undecided, mistakes, pictures } = written;
  return {
    names: namesOf(written),
    confusion,
    undecided,
    mistakes: mistakes.map(
      ({
        index,
        id = null,
        step_in_sequence = null,
        label,
        predicted,
        probability,
        label_probability,
        picture = null,
      }) => ({
        index,
        id,
        step_in_sequence,
        label,
        predicted,
        probability,
        label_probability,
        picture,
      }),
    ),
    pictures: pictures && { width: pictures.width, height: pictures.height },
  };
}

/** By target, without values that are not finite, which are spelled out. */
function pairsOf(sample: NonNullable<ValueEvaluation['sample']>): ValuesReport['pairs'] {
  const numbers = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [value]);
  const targets = Math.max(0, ...sample.map(({ target }) => numbers(target).length));
  return Array.from({ length: targets }, (_, k) =>
    sample.flatMap(({ target, prediction }): (readonly [number, number])[] => {
      const [y, z] = [numbers(target)[k], numbers(prediction)[k]];
      return typeof y === 'number' && typeof z === 'number' ? [[y, z]] : [];
    }),
  );
}

function worstOf(worst: ValueEvaluation['worst']): ValuesReport['worst'] {
  return worst.map(one => ({
    index: one.index,
    id: one.id ?? null,
    target: one.target,
    prediction: one.prediction,
    absolute_error: one.absolute_error ?? Reflect.get(one, 'absolute_error_nonfinite'),
  }));
}
