/** `evaluation.json`, where the run left one. */
import { validateAgainst } from '../config/schema.js';
import { damagedError } from '../errors.js';
import type { ClassEvaluation, SplitEvaluation, ValueEvaluation } from '../experiment/evaluation.js';
import { withFile } from '../experiment/opened-file.js';
import { isAbsent } from '../experiment/unreadable.js';
import type { ClassesReport, EvaluationReport, ValuesReport } from './document.js';

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
  const [wrong] = validateAgainst('evaluation', value);
  if (wrong) throw damaged(`this is not the evaluation of a run: ${wrong.instancePath} ${wrong.message}`);
  return reported(value as SplitEvaluation);
}

/** As it was written: a number that JSON lacks is null, with its name in a field beside it, or its name alone in a list; see experiment/json.ts. */
function reported(written: SplitEvaluation): EvaluationReport {
  const { split, step, epoch, predictions } = written;
  return { split, step, epoch, predictions, classes: null, values: null, ...detailsOf(written) };
}

type Details = Partial<Pick<EvaluationReport, 'classes' | 'values'>>;

/** By the kind of the targets; typed, so that none is forgotten. */
const DETAILS: {
  readonly [K in SplitEvaluation['kind']]: (written: Extract<SplitEvaluation, { kind: K }>) => Details;
} = {
  class: written => ({ classes: classesOf(written) }),
  value: written => ({ values: valuesOf(written) }),
};

function detailsOf<E extends SplitEvaluation>(written: E): Details {
  return (DETAILS[written.kind] as (written: E) => Details)(written);
}

function classesOf({
  classes,
  class_names: names,
  confusion,
  undecided,
  mistakes,
  pictures,
}: ClassEvaluation): ClassesReport {
  return {
    names: names ?? Array.from({ length: classes }, (_, i) => String(i)),
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

function valuesOf({ sample, worst }: ValueEvaluation): ValuesReport {
  return {
    pairs: (sample ?? [])
      .filter(({ prediction }) => Number.isFinite(prediction))
      .map(({ target, prediction }) => [target, prediction]),
    worst: worst.map(one => ({
      index: one.index,
      id: one.id ?? null,
      target: one.target,
      prediction: one.prediction,
      absolute_error: one.absolute_error ?? Reflect.get(one, 'absolute_error_nonfinite'),
    })),
  };
}
