/** Checks that configs and the points of sweeps are valid and fit their data, without training. */

import { checkAgainstData } from '../config/data-check.js';
import { type LoadedExperiment, loadExperiment, locateInConfig } from '../config/index.js';
import { testSelections } from '../config/metrics.js';
import type { Experiment } from '../config/schema/experiment.js';
import type { Dataset, Split, SplitName } from '../data/index.js';
import { ParameterLayout } from '../math/model/parameters.js';
import type { ModelSpec } from '../math/model/spec.js';
import { checkName } from '../run/directory.js';
import { OPTIMISTIC } from '../run/words.js';
import { type LoadedSweep, loadSweep } from '../sweep/config/load.js';
import { PointDiagnostics } from '../sweep/config/points.js';
import { isSweepFile } from '../sweep/config/read.js';
import { VARIANT } from '../sweep/directory.js';
import type { Point } from '../sweep/search/space.js';
import { initialWeights } from '../train/initial-weights.js';
import { modelSpec, openData, readGates, streamsOf } from '../train/session.js';
import { checkArgument, checkOptions, overrides } from '../util/arguments.js';
import { type Diagnostic, EXIT, type ExitCode, UserError, usageErrors } from '../util/errors.js';
import { assignments, type Config, config as configKind, loadConfig, type Overrides } from './config.js';

export interface ValidateOptions {
  /** Overrides of the config. */
  readonly set?: Overrides;
}

export interface Validation {
  readonly valid: boolean;
  /** Exit code of a run of this config: 0, 2 (the config is invalid) or 5 (data are damaged). */
  readonly exitCode: ExitCode;
  /** Problems with their positions. */
  readonly diagnostics: readonly Diagnostic[];
  /** Behavior of the run that the user may not expect. */
  readonly warnings: readonly Diagnostic[];
  /** Number of sequences of each split; absent if the data could not be read. */
  readonly sequences?: Readonly<Partial<Record<SplitName, number>>>;
}

/**
 * Validates a config: keys, values, rules between them, and that it fits its data, which are read.
 * If it is the path of a sweep file, validates the sweep and the configs of its points. Problems
 * are returned, not thrown.
 *
 * @example
 * const { valid, diagnostics } = await validate('config.yaml');
 * for (const { code, file, line, message } of diagnostics) console.log(code, file, line, message);
 */
export async function validate(config: Config, options: ValidateOptions = {}): Promise<Validation> {
  return reported(async () => {
    checkArgument('validate', 'config', config, configKind);
    checkOptions<ValidateOptions>('validate', options, { set: overrides });
    if (typeof config === 'string') return checkFile(config, assignments(options.set));
    return checkWithData(loadConfig(config, options.set));
  });
}

/**
 * Like `validate`, for the file of a config or a sweep.
 * @param set arguments `key.path=value`
 */
export const validateFile = (file: string, set: readonly string[]) => reported(() => checkFile(file, set));

/** Like `validate`, for a config that `load` reads; what it throws becomes the result. */
export const validateLoaded = (load: () => LoadedExperiment) => reported(async () => checkWithData(load()));

async function checkFile(file: string, set: readonly string[]): Promise<Found> {
  if (!isSweepFile(file)) return checkWithData(loadExperiment(file, { set }));
  const sweep = loadSweep(file, { set });
  return { diagnostics: [], warnings: [...sweep.warnings, ...(await new SweepModels(sweep).check())] };
}

type Found = Pick<Validation, 'diagnostics' | 'warnings' | 'sequences'>;

/** @param check may throw a UserError, which becomes the result */
async function reported(check: () => Promise<Found>): Promise<Validation> {
  try {
    const found = await check();
    const valid = found.diagnostics.length === 0;
    return { valid, exitCode: valid ? EXIT.done : EXIT.usage, ...found };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { valid: false, exitCode: error.exitCode, diagnostics: error.diagnostics, warnings: [] };
  }
}

async function checkWithData(loaded: LoadedExperiment): Promise<Found> {
  const { data, diagnostics, warnings } = await checkedData(loaded);
  const { train, validation, test } = data;
  const counts = { train: train.count, ...(validation && { validation: validation.count }) };
  const all = [...selectionWarnings(loaded), ...warnings];
  return { diagnostics, warnings: all, sequences: { ...counts, test: test.count } };
}

function selectionWarnings({ experiment, locator }: LoadedExperiment): Diagnostic[] {
  const expected = 'a validation split for selection, such as dataset.validation: { fraction: 0.1 }';
  return testSelections(experiment).map(({ path, what }) => {
    // a default has no position in the file
    const place = locator.isGiven(path) ? path : ['dataset'];
    return locator.atValue(place, 'config/selected-on-test', `${what} is ${OPTIMISTIC}`, { expected });
  });
}

/**
 * Opens the data of a config, and returns problems and warnings about both; `spec` if there are no
 * problems.
 * @throws UserError (exit 2 or 5) if the data cannot be opened or are damaged
 */
export async function checkedData(loaded: LoadedExperiment, open = () => openData(loaded.experiment)) {
  const { experiment } = loaded;
  try {
    checkName(experiment.name, loaded.locator.atValue(['name'], 'run/name', ''));
    const data = await open();
    const { diagnostics, warnings, sizes } = checkAgainstData(loaded, data);
    readGates(loaded);
    const spec = diagnostics.length > 0 ? undefined : modelSpec(loaded, sizes);
    if (spec) initialWeights(loaded, spec, data.vocabulary);
    return { data, diagnostics, warnings, spec };
  } catch (error) {
    throw error instanceof UserError ? locateInConfig(error, loaded) : error;
  }
}

const MAX_FOLDS = 1000;

function groupsOf({ count, valueIn }: Split, group: string): string[] {
  return Array.from({ length: count }, (_, index) => valueIn?.(group, index) ?? '');
}

/** Keys that determine whether a config fits its data, and the size of the model. */
const DECISIVE = [
  ...[VARIANT, 'dataset', 'model', 'loss', 'training.batch_size', 'training.last_batch'],
  ...['training.freeze', 'optimizer.parameter_groups'],
];

export class SweepModels {
  private readonly datasets = new Map<string, Promise<Dataset>>();

  constructor(private readonly sweep: LoadedSweep) {}

  /** Checks the points against their data, and returns warnings. */
  async check(): Promise<readonly Diagnostic[]> {
    checkName(this.sweep.plan.name);
    const problems = new PointDiagnostics();
    const warnings = new Map<string, Diagnostic>();
    for (const point of this.distinct()) {
      let found: readonly Diagnostic[] = [];
      try {
        for (const warning of (await this.open(point)).warnings) warnings.set(warning.message, warning);
      } catch (error) {
        if (!(error instanceof UserError) || error.exitCode !== EXIT.usage) throw error;
        found = error.diagnostics;
      }
      problems.add(found, decisive(point));
    }
    if (problems.diagnostics.length > 0) throw usageErrors(problems.diagnostics);
    return [...warnings.values()];
  }

  /** The sweep with the number of folds, which only the data tell for `leave_one_out`. */
  async withFolds(): Promise<LoadedSweep> {
    const { sweep } = this;
    if (sweep.plan.folds !== 0) return sweep;
    const { experiment, locator } = sweep.configAt(sweep.points[0]);
    const dataset = { ...experiment.dataset, limit: undefined } as Experiment['dataset'];
    const { train, validation, test } = await openData({ ...experiment, dataset });
    const splits = [train, validation ?? [], test].flat();
    const { group } = Object(experiment.dataset).test;
    const folds =
      group === undefined
        ? splits.reduce((sum, { count }) => sum + count, 0)
        : new Set(splits.flatMap(split => groupsOf(split, group))).size;
    if (folds <= MAX_FOLDS) return { ...sweep, plan: { ...sweep.plan, folds } };
    const message = `\`leave_one_out\` would train on ${folds.toLocaleString('en')} folds`;
    const expected = `at most ${MAX_FOLDS} sequences or groups; or a \`count\` of folds`;
    throw usageErrors([locator.atKey(['dataset', 'test'], 'sweep/folds', message, { expected })]);
  }

  /** The number of parameters of the point's model. */
  async parametersAt(point: Point): Promise<number> {
    const { spec } = await this.open(point);
    return new ParameterLayout(spec).size;
  }

  /** Returns one point of each group with equal decisive keys. */
  private distinct(): readonly Point[] {
    const points = new Map<string, Point>();
    for (const point of this.sweep.points) {
      const key = JSON.stringify(decisive(point));
      if (!points.has(key)) points.set(key, point);
    }
    return [...points.values()];
  }

  private async open(point: Point): Promise<{ spec: ModelSpec; warnings: readonly Diagnostic[] }> {
    const loaded = this.sweep.configAt(point);
    const { diagnostics, warnings, spec } = await checkedData(loaded, () => this.dataset(loaded));
    if (spec === undefined) throw usageErrors(diagnostics);
    return { spec, warnings };
  }

  private dataset({ experiment }: LoadedExperiment): Promise<Dataset> {
    const { dataset, seed, loss, training } = experiment;
    const key = JSON.stringify([dataset, seed, loss.kind, streamsOf(training)]);
    const known = this.datasets.get(key) ?? openData(experiment);
    this.datasets.set(key, known);
    return known;
  }
}

/** The decisive keys of a point. */
function decisive(point: Point): Point {
  const kept = Object.entries(point).filter(([name]) =>
    name.split(',').some(key => DECISIVE.some(one => key === one || key.startsWith(`${one}.`))),
  );
  return Object.fromEntries(kept);
}
