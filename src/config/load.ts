/** The whole way of a config: files -> merged tree -> overrides -> schema -> defaults -> rules -> frozen. */
import { dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type Diagnostic, type UserError, usageError } from '../errors.js';
import { explainSchemaErrors } from './complaints.js';
import { crossCheck } from './cross-checks.js';
import { fillDefaults } from './defaults.js';
import type { Experiment } from './experiment.js';
import { hashExperiment } from './hash.js';
import { readLayers } from './layers.js';
import { Locator } from './locator.js';
import { applyOverrides } from './overrides.js';
import { mapPaths } from './paths.js';
import { type SchemaError, validateAgainst } from './schema.js';
import { type MapNode, nodeAt, toPlain } from './tree.js';

/** More than anyone reads at once; what is left shows after the first are repaired. */
const MAX_DIAGNOSTICS = 100;

export interface LoadedExperiment {
  /** Validated, every default filled in, paths absolute, deeply frozen. */
  readonly experiment: Experiment;
  /** The text of `config.resolved.yaml`. */
  readonly resolvedYaml: string;
  /** The config file as given. */
  readonly givenYaml: string;
  /** SHA-256 in hex of what defines the results. */
  readonly hash: string;
  /** The config as the user named it. */
  readonly file: string;
  /** Every file read, absolute; the config itself is the last. */
  readonly files: readonly string[];
  /** Makes diagnostics that point into the files and arguments that the config came from. */
  readonly locator: Locator;
  /** Where the value at a key path such as `optimizer.betas.0` came from: `FILE:LINE:COL`, `--set` or `default`. */
  origin(keyPath: string): string;
}

/**
 * Loads, checks and resolves a config.
 * @param options.set arguments `key.path=value`, merged last; relative paths in them start at the working directory
 * @param options.folder where the config stood when it was hashed first: the hash of a run's resolved config is then the run's
 * @throws UserError (exit 2) with everything that is wrong
 */
export function loadExperiment(
  file: string,
  options: { readonly set?: readonly string[]; readonly folder?: string } = {},
): LoadedExperiment {
  const { tree, problems, files, source } = readLayers(file);
  if (tree === undefined) throw failed(problems, file);
  const overridden = applyOverrides(tree, options.set ?? [], resolve('.'));
  const found = [...problems, ...overridden.problems];
  const locator = new Locator(overridden.tree);
  const experiment = check(overridden.tree, locator, found, file);
  const keyed = (keyPath: string): string[] => keyPath.split('.');
  return {
    experiment: deepFreeze(experiment),
    resolvedYaml: stringify(experiment, { lineWidth: 0 }),
    givenYaml: source.text,
    hash: hashExperiment(experiment, options.folder ?? dirname(resolve(file))),
    file,
    files,
    locator,
    origin: keyPath => locator.origin(keyed(keyPath)),
  };
}

function check(tree: MapNode, locator: Locator, problems: readonly Diagnostic[], file: string): Experiment {
  const plain = toPlain(tree) as Record<string, unknown>;
  const errors = validateAgainst('experiment', plain);
  const partial = fillDefaults(absolutePaths(validSections(plain, errors), tree));
  const found = [...problems, ...explainSchemaErrors(errors, tree), ...crossCheck(partial, locator)];
  if (found.length > 0) throw failed(found, file);
  // No section was left out, for nothing was wrong with any.
  return partial as Experiment;
}

/** The config without the sections that the schema complains about: rules on these would mostly echo it. */
function validSections(
  config: Record<string, unknown>,
  errors: readonly SchemaError[],
): Record<string, unknown> {
  const broken = new Set(errors.map(error => error.instancePath.split('/')[1]));
  const whole = Object.entries(config).filter(([section]) => !broken.has(section));
  return Object.fromEntries(whole);
}

/** Each path starts at the folder of the text that states it. */
function absolutePaths(config: unknown, tree: MapNode): unknown {
  return mapPaths(config, (path, at) => {
    const folder = nodeAt(tree, at)?.value.place.text.folder;
    return folder === undefined ? path : resolve(folder, path);
  });
}

/** In reading order, the config's own first; a long tail is cut. */
function failed(diagnostics: readonly Diagnostic[], file: string): UserError {
  const order = (d: Diagnostic): [number, string, number, number] => {
    const rank = d.file === file ? 0 : d.file === '--set' ? 2 : 1;
    return [rank, d.file ?? '', d.line ?? 0, d.column ?? 0];
  };
  const sorted = diagnostics.toSorted((a, b) => compare(order(a), order(b)));
  const left = sorted.length - MAX_DIAGNOSTICS;
  if (left <= 0) return usageError(...sorted);
  const more = { code: 'config/more', message: `${left} more problems are not shown`, file };
  return usageError(...sorted.slice(0, MAX_DIAGNOSTICS), more);
}

function compare(a: readonly (number | string)[], b: readonly (number | string)[]): number {
  const at = a.findIndex((part, index) => part !== b[index]);
  if (at < 0) return 0;
  return a[at] < b[at] ? -1 : 1;
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}
