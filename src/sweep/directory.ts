/** The directory of a sweep: its plan, frozen configs and journal, and its trials' runs. */
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { openConfig } from '../config/load.js';
import type { PartialExperiment } from '../config/schema/experiment.js';
import { layersOf } from '../math/model/settings.js';
import { checkName, createStamped, RunDirectory } from '../run/directory.js';
import { readText, sha256, writeAtomic, writeJsonAtomic } from '../run/files.js';
import { parseValid } from '../run/json.js';
import type { Manifest } from '../run/manifest.js';
import { Run } from '../run/run.js';
import { caught, damagedError, UserError, usageError } from '../util/errors.js';
import { now } from './journal.js';
import { type Base, replicatesOf, type SweepPlan } from './schedule/plan.js';
import { middleOf } from './schedule/pruners.js';
import { type JournalRecord, type RunOfTrial, runName, type Segment } from './schedule/records.js';
import { assignments, type Point } from './search/space.js';

/** A resolved base config: paths absolute, all defaults filled in. */
export interface FrozenBase extends Pick<Base, 'name'> {
  readonly yaml: string;
}

export class SweepDirectory {
  private knownPlan: SweepPlan | undefined;

  private constructor(readonly path: string) {}

  get id(): string {
    return basename(this.path);
  }

  /** The output root: of `<outputRoot>/sweeps/<name>/<id>`. */
  get outputRoot(): string {
    return resolve(this.path, '..', '..', '..');
  }

  get files() {
    const at = (name: string): string => join(this.path, name);
    return {
      plan: at('plan.json'),
      given: at('sweep.yaml'),
      journal: at('journal.jsonl'),
      configs: at('configs'),
      trials: at('trials'),
      lock: at('sweep.lock'),
      summary: at('summary.json'),
      table: at('trials.csv'),
      best: at('best.yaml'),
      predictions: at('predictions.jsonl'),
      outOfFold: at('out_of_fold.json'),
    };
  }

  /** Creates `<outputRoot>/sweeps/<name>/<UTC time>/`. A directory without a plan never started. */
  static create(
    { plan, givenYaml, bases }: { plan: SweepPlan; givenYaml: string | null; bases: readonly FrozenBase[] },
    outputRoot: string,
    started = now(),
  ): SweepDirectory {
    checkName(plan.name);
    const path = createStamped(join(resolve(outputRoot), 'sweeps', plan.name), started, outputRoot);
    const directory = new SweepDirectory(path);
    const { configs, trials, given, plan: planFile } = directory.files;
    mkdirSync(configs);
    mkdirSync(trials);
    for (const { name, yaml } of bases) writeAtomic(join(configs, name), [yaml]);
    if (givenYaml !== null) writeAtomic(given, [givenYaml]);
    writeJsonAtomic(planFile, plan);
    return directory;
  }

  static isAt(path: string): boolean {
    return existsSync(new SweepDirectory(resolve(path)).files.plan);
  }

  static open(path: string): SweepDirectory {
    const directory = new SweepDirectory(resolve(path));
    const fail = (message: string) => usageError('sweep/not-a-sweep', message, { file: path });
    if (!statSync(directory.path, { throwIfNoEntry: false })?.isDirectory())
      throw fail('the sweep directory does not exist');
    if (!existsSync(directory.files.plan)) throw fail('not a sweep directory: it has no plan.json');
    return directory;
  }

  /** @throws UserError (exit 5) if its file is damaged */
  get plan(): SweepPlan {
    if (this.knownPlan !== undefined) return this.knownPlan;
    const { plan: file } = this.files;
    this.knownPlan = parseValid<SweepPlan>(file, readText(file, { follow: false }), 'sweep-plan');
    return this.knownPlan;
  }

  /** Path of a base config. An edited one is refused: later trials would differ. */
  baseFile({ name, sha256: expected }: Base): string {
    const file = join(this.files.configs, name);
    const text = readText(file, { follow: false });
    if (sha256(text) === expected) return file;
    throw damagedError('sweep/base-changed', 'this config was changed after the sweep began', {
      file,
      expected: 'the unchanged config; start a new sweep to use another one',
    });
  }

  /** The final model is apart from the trials: it has no test metrics to compare. */
  runPath(run: RunOfTrial): string {
    return join(run.fold === 0 ? this.path : this.files.trials, runName(run));
  }

  write(file: 'summary' | 'table' | 'best', text: string): void {
    writeAtomic(this.files[file], [text]);
  }
}

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

/**
 * The arguments of the process that trains a segment of the trial at `point`.
 * @param settings.backend of runs that have not started
 */
export function trialArguments(
  directory: SweepDirectory,
  point: Point,
  segment: Omit<Segment, 'from'>,
  settings: { readonly backend: string; readonly width?: number | undefined; readonly threads: number },
): readonly string[] {
  const { plan } = directory;
  const { backend, width, threads } = settings;
  const path = directory.runPath(segment);
  const { seed, fold } = segment;
  const ofFold = fold === undefined ? [] : [`dataset.test.fold=${fold}`];
  const ofAll = fold === 0 ? onAllData(directory, segment) : [];
  const set = [...overridesOf(plan, point), `seed=${seed}`, ...ofFold, ...ofAll];
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

/**
 * The overrides of the final model. Nothing selects its weights: it is trained for the median of
 * the steps that the kept weights of the folds had. Its learning rates span these steps.
 */
function onAllData(directory: SweepDirectory, { trial, seed }: Pick<Segment, 'trial' | 'seed'>): string[] {
  const kept = replicatesOf(directory.plan, [seed]).map(replicate => {
    const { summary } = Run.open(directory.runPath({ trial, ...replicate }));
    return summary?.restored?.step ?? summary?.steps ?? 1;
  });
  const steps = Math.round(middleOf(kept));
  return [
    'dataset.validation=null',
    'training.early_stopping=null',
    `training.max_steps=${Math.max(1, steps)}`,
    'checkpoint.metric=null',
    'checkpoint.mode=null',
    'checkpoint.final=last',
    'checkpoint.keep.best=0',
    'gates=[]',
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
export function costModel(directory: SweepDirectory): (point: Point) => number {
  const { plan } = directory;
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
  // not checked before, and invalid
  if (model === undefined) return 1;
  let below = 0;
  let cost = 0;
  for (const { hidden_size, bidirectional } of layersOf(model)) {
    const directions = bidirectional ? 2 : 1;
    cost += directions * hidden_size * (hidden_size + below);
    below = directions * hidden_size;
  }
  return cost;
}

/** The manifest of a run that has started; undefined if it has not, or if it is damaged. */
export function manifestOf(path: string): Manifest | undefined {
  if (!RunDirectory.hasBegun(path)) return undefined;
  const manifest = caught(() => Run.open(path).manifest);
  // the run reports problems of its own files
  return manifest instanceof UserError ? undefined : manifest;
}
