/** The command lines of a trial's runs, and their relative cost. */
import type { PartialExperiment } from '../config/experiment.js';
import { openConfig } from '../config/load.js';
import type { SweepDirectory } from './directory.js';
import type { Base, SweepPlan } from './schedule/plan.js';
import type { JournalRecord, Segment } from './schedule/records.js';
import { assignments, type Point } from './search/space.js';
import { manifestOf } from './trials.js';

/** The parameter whose values are the names of the base configs, if there are several. */
export const VARIANT = 'config';

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

export interface TrialSettings {
  /** Of runs that have not started. */
  readonly backend: string;
  readonly width?: number | undefined;
  readonly threads: number;
}

/** The arguments of the process that trains a segment of the trial at `point`. */
export function trialArguments(
  plan: SweepPlan,
  directory: SweepDirectory,
  point: Point,
  segment: Omit<Segment, 'from'>,
  { backend, width, threads }: TrialSettings,
): readonly string[] {
  const path = directory.runPath(segment);
  const set = [...overridesOf(plan, point), `seed=${segment.seed}`];
  return [
    ...['run', directory.baseFile(baseOf(plan, point))],
    ...set.flatMap(override => ['--set', override]),
    // a run keeps its backend, since only there it stays byte-identical
    ...['--backend', manifestOf(path)?.backend.name ?? backend],
    ...(width === undefined ? [] : ['--width', String(width)]),
    ...['--directory', path, '--pause-after-epoch', String(segment.to)],
    ...['--threads', String(threads), '--quiet'],
  ];
}

/** The last backend of the trials; undefined before the first trial. */
export function backendOf(records: readonly JournalRecord[]): string | undefined {
  const last = records.findLast(({ event }) => event === 'sweep.start' || event === 'sweep.resume');
  return last !== undefined && 'backend' in last ? last.backend : undefined;
}

/**
 * The relative cost of an epoch: the number of recurrent weights. It determines the order in which
 * trials end in virtual time; if the real order differs, a trial waits for another. So it must be
 * reproducible rather than exact.
 */
export function costModel(plan: SweepPlan, directory: SweepDirectory): (point: Point) => number {
  const known = new Map<string, number>();
  return point => {
    const base = baseOf(plan, point);
    const set = overridesOf(plan, point).filter(override => /^model[.=]/.test(override));
    const key = [base.name, ...set].join('\n');
    const cost = known.get(key) ?? costOf(openConfig(directory.baseFile(base), { set }).check().experiment);
    known.set(key, cost);
    return cost;
  };
}

function costOf({ model }: PartialExperiment): number {
  const {
    layers,
    num_layers = 1,
    ...one
  } = (model ?? {}) as Partial<LayerSizes> & {
    readonly layers?: readonly Partial<LayerSizes>[];
    readonly num_layers?: number;
  };
  let below = 0;
  let cost = 0;
  for (const { hidden_size = 1, bidirectional } of layers ?? Array(num_layers).fill(one)) {
    const directions = bidirectional ? 2 : 1;
    cost += directions * hidden_size * (hidden_size + below);
    below = directions * hidden_size;
  }
  return cost;
}

interface LayerSizes {
  readonly hidden_size: number;
  readonly bidirectional: boolean;
}
