/** Validates a config without training, including its data. */
import { type LoadedExperiment, loadExperiment } from '../config/index.js';
import { OPTIMISTIC, testSelections } from '../config/metrics.js';
import type { SplitName } from '../data/index.js';
import { checkArgument, checkOptions, overrides } from '../util/arguments.js';
import { type Diagnostic, EXIT, type ExitCode, UserError } from '../util/errors.js';
import { checkedData } from './checked-data.js';
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
export function validateFile(file: string, set: readonly string[]): Promise<Validation> {
  return reported(() => checkFile(file, set));
}

/** Like `validate`, for a config that `load` reads; what it throws becomes the result. */
export function validateLoaded(load: () => LoadedExperiment): Promise<Validation> {
  return reported(async () => checkWithData(load()));
}

async function checkFile(file: string, set: readonly string[]): Promise<Found> {
  const { isSweepFile } = await import('../sweep/config/read.js');
  if (!isSweepFile(file)) return checkWithData(loadExperiment(file, { set }));
  const { loadSweep } = await import('../sweep/config/load.js');
  const { SweepModels } = await import('./checked-data.js');
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
  const expected = 'a validation split to select by, such as dataset.validation: { fraction: 0.1 }';
  return testSelections(experiment).map(({ path, what }) => {
    // a default has no position in the file
    const place = locator.isGiven(path) ? path : ['dataset'];
    return locator.atValue(place, 'config/selected-on-test', `${what} is ${OPTIMISTIC}`, { expected });
  });
}
