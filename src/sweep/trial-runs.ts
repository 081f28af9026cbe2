/** From a trial's point to the command line of its runs, and to what they cost. */
import { loadExperiment } from '../config/index.js';
import type { Base, SweepPlan } from './plan.js';
import { assignments, type Point, type Value } from './space.js';
import type { SweepDirectory } from './sweep-directory.js';

/** The parameter whose values are the names of base configs, where there are several. */
export const VARIANT = 'config';

/** The base of a point. Throws where the plan has none of that name: a defect of ours. */
export function baseOf({ bases }: Pick<SweepPlan, 'bases'>, point: Point): Base {
  const base = point[VARIANT] === undefined ? bases[0] : bases.find(({ name }) => name === point[VARIANT]);
  if (!base) throw new Error(`no base config ${JSON.stringify(point[VARIANT])}`);
  return base;
}

/** What a point sets in its base, as arguments of `--set`. JSON is YAML, and quotes keep a string one. */
export function overridesOf({ space }: Pick<SweepPlan, 'space'>, point: Point): readonly string[] {
  return assignments(space, point)
    .filter(([key]) => key !== VARIANT)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
}

/** The arguments of `run` that make the run of a point with one seed; without its place. */
export function trialArguments(
  plan: SweepPlan,
  directory: SweepDirectory,
  point: Point,
  seed: number,
): readonly string[] {
  const set = [...overridesOf(plan, point), `seed=${seed}`].flatMap(override => ['--set', override]);
  return ['run', directory.baseFile(baseOf(plan, point)), ...set];
}

/**
 * What an epoch of a point costs against an epoch of another: the weights of its recurrent layers, in which nearly all of a step's
 * multiplications are. It orders the ends of trials in virtual time (`schedule/`), so it must be the same everywhere, not exact.
 */
export function costModel(plan: SweepPlan, directory: SweepDirectory): (point: Point) => number {
  const models = new Map(
    plan.bases.map(base => [base.name, loadExperiment(directory.baseFile(base)).experiment.model]),
  );
  return point => {
    const model = models.get(baseOf(plan, point).name);
    if (!model) return 1;
    const size = numberAt(point['model.hidden_size'], model.hidden_size);
    const layers = numberAt(point['model.num_layers'], model.num_layers);
    return size * size * (2 * layers - 1);
  };
}

function numberAt(value: Value | undefined, otherwise: number): number {
  return typeof value === 'number' && value > 0 ? value : otherwise;
}
