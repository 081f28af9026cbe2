/** The command lines of a trial's runs, and their relative cost. */
import { loadExperiment } from '../config/index.js';
import type { SweepDirectory } from './directory.js';
import type { Base, SweepPlan } from './schedule/plan.js';
import type { JournalRecord } from './schedule/records.js';
import { assignments, type Point, type Value } from './search/space.js';
import { manifestOf } from './trials.js';

/** The parameter whose values are the names of the base configs, if there are several. */
export const VARIANT = 'config';

/** The base of a point. */
export function baseOf<B extends Pick<Base, 'name'>>(
  { bases }: { readonly bases: readonly B[] },
  point: Point,
): B {
  const base = point[VARIANT] === undefined ? bases[0] : bases.find(({ name }) => name === point[VARIANT]);
  if (!base) throw new Error(`no base config ${JSON.stringify(point[VARIANT])}`);
  return base;
}

/** Arguments of `--set`. JSON is YAML, and its quotes keep strings strings. */
export function overridesOf({ space }: Pick<SweepPlan, 'space'>, point: Point): readonly string[] {
  return assignments(space, point)
    .filter(([key]) => key !== VARIANT)
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`);
}

/** The arguments of `run` for a point and a seed, without those of `placeArguments`. */
export function trialArguments(
  plan: SweepPlan,
  directory: SweepDirectory,
  point: Point,
  seed: number,
): readonly string[] {
  const set = [...overridesOf(plan, point), `seed=${seed}`].flatMap(override => ['--set', override]);
  return ['run', directory.baseFile(baseOf(plan, point)), ...set];
}

/** The flags for a run's directory and for the end of its segment. */
export function placeArguments(path: string, to: number, threads: number): readonly string[] {
  return ['--directory', path, '--pause-after-epoch', String(to), '--threads', String(threads), '--quiet'];
}

/** The last backend of the trials; undefined before the first trial. */
export function backendOf(records: readonly JournalRecord[]): string | undefined {
  const last = records.findLast(({ event }) => event === 'sweep.start' || event === 'sweep.resume');
  return last !== undefined && 'backend' in last ? last.backend : undefined;
}

/** The backend of a run that has started; undefined if it has not, or did not record it. */
export function backendOfRun(path: string): string | undefined {
  return manifestOf(path)?.backend.name;
}

/**
 * The relative cost of an epoch: the number of recurrent weights. It determines the order in which
 * trials end in virtual time; if the real order differs, a trial waits for another. So it must be
 * reproducible rather than exact.
 */
export function costModel(plan: SweepPlan, directory: SweepDirectory): (point: Point) => number {
  const models = new Map(
    plan.bases.map(base => [base.name, loadExperiment(directory.baseFile(base)).experiment.model]),
  );
  return point => {
    const base = models.get(baseOf(plan, point).name);
    if (!base) return 1;
    // as with `--set`: a key of the model, or the whole model; the last one wins
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

/** A model with one of its keys set. Setting `cell` replaces listed layers, as in a config. */
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
