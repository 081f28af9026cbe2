/** From a trial's point to the command line of its runs, and to what they cost. */
import { loadExperiment } from '../config/index.js';
import { RunDirectory } from '../experiment/run-directory.js';
import { UserError } from '../util/errors.js';
import type { Base, SweepPlan } from './plan.js';
import type { JournalRecord } from './records.js';
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

/**
 * What a point sets in its base, as arguments of `--set`. JSON is YAML, and quotes keep a string
 * one.
 */
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

/** The flags that put a run of a sweep into its place, and end it at its segment's. */
export function placeArguments(path: string, to: number, threads: number): readonly string[] {
  return ['--directory', path, '--pause-after-epoch', String(to), '--threads', String(threads), '--quiet'];
}

/**
 * What the trials were last told to run on; undefined before the first, and in journals that do not
 * say it.
 */
export function backendOf(records: readonly JournalRecord[]): string | undefined {
  const last = records.findLast(({ event }) => event === 'sweep.start' || event === 'sweep.resume');
  return last !== undefined && 'backend' in last ? last.backend : undefined;
}

/** The backend of a run that has begun; undefined where it has not, or does not say it. */
export function beganOn(path: string): string | undefined {
  if (!RunDirectory.hasBegun(path)) return undefined;
  try {
    return RunDirectory.open(path).readManifest()?.backend.name;
  } catch (error) {
    // the run itself says what is wrong with its files
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

/**
 * What an epoch of a point costs against an epoch of another: the weights of its recurrent layers,
 * in which nearly all of a step's multiplications are. It orders the ends of trials in virtual time
 * (`schedule/`): where that is not the real order, a trial waits for another, and nothing else
 * follows. So it must be the same everywhere, not exact, and leaves out what would have to be
 * measured or looked up: the batch size, since an epoch has the same sequences in whatever batches;
 * the data, which all trials of most sweeps share, and which would have to be opened; the factor
 * that one kind of cell has over another; embedding and head.
 */
export function costModel(plan: SweepPlan, directory: SweepDirectory): (point: Point) => number {
  const models = new Map(
    plan.bases.map(base => [base.name, loadExperiment(directory.baseFile(base)).experiment.model]),
  );
  return point => {
    const base = models.get(baseOf(plan, point).name);
    if (!base) return 1;
    // as `--set` does: a key of the model, or all of it; what is set later wins
    const set = assignments(plan.space, point).flatMap(([key, value]) =>
      key === 'model' && isMapping(value)
        ? Object.entries(value)
        : key.startsWith(MODEL)
          ? [[key.slice(MODEL.length), value] as const]
          : [],
    );
    return costOf(set.reduce(changed, base as unknown as Mapping));
  };
}

const MODEL = 'model.';

type Mapping = Readonly<Record<string, Value>>;

/**
 * A config's model with one of its keys set. Equal layers take the place of listed ones, as in a
 * config.
 */
function changed(model: Mapping, [key, value]: readonly [key: string, value: Value]): Mapping {
  const { layers, ...rest } = model;
  return key === 'cell' ? { ...rest, cell: value } : (withValue(model, key.split('.'), value) as Mapping);
}

function withValue(value: Value | undefined, [step, ...rest]: readonly string[], set: Value): Value {
  if (step === undefined) return set;
  if (Array.isArray(value))
    return value.toSpliced(Number(step), 1, withValue(value[Number(step)], rest, set));
  const mapping = isMapping(value) ? value : {};
  return { ...mapping, [step]: withValue(mapping[step], rest, set) };
}

function costOf(model: Mapping): number {
  const { layers, num_layers } = model;
  const all = Array.isArray(layers) ? layers : new Array<Value>(numberAt(num_layers, 1)).fill(model);
  let below = 0;
  let cost = 0;
  for (const layer of all.filter(isMapping)) {
    const size = numberAt(layer.hidden_size, 1);
    const directions = layer.bidirectional === true ? 2 : 1;
    cost += directions * size * (size + below);
    below = directions * size;
  }
  return cost;
}

function isMapping(value: Value | undefined): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function numberAt(value: Value | undefined, otherwise: number): number {
  return typeof value === 'number' && value > 0 ? value : otherwise;
}
