/** Loads configs: files -> merged tree -> overrides -> schema -> defaults -> rules -> frozen. */
import { dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type Diagnostic, type UserError, usageError } from '../util/errors.js';
import { crossCheck } from './cross-checks.js';
import { fillConstantDefaults, fillDefaults } from './defaults.js';
import type { Experiment, PartialExperiment } from './experiment.js';
import { fileDigest, hashExperiment } from './hash.js';
import { type Layers, readLayers } from './layers.js';
import { type Assignment, applyAssignments, applyOverrides } from './overrides.js';
import { mapPaths } from './paths.js';
import { type SchemaError, validateAgainst } from './schema/schema.js';
import { explainSchemaErrors } from './schema-errors.js';
import { Locator } from './yaml/locator.js';
import { type Place, SourceText } from './yaml/source.js';
import { type MapNode, nodeAt, toPlain } from './yaml/tree.js';

/** Nobody reads more at once. The others appear once the first are fixed. */
const MAX_DIAGNOSTICS = 100;

export interface LoadedExperiment {
  /** Validated, every default filled in, paths absolute, deeply frozen. */
  readonly experiment: Experiment;
  /** The text of `config.resolved.yaml`. */
  readonly resolvedYaml: string;
  /** The config file as given. */
  readonly givenYaml: string;
  /** SHA-256 (hex) of everything that affects results. */
  readonly hash: string;
  /**
   * SHA-256 (hex) of everything that affects a training step, without the number of steps; stored
   * in checkpoints.
   */
  readonly stepHash: string;
  /**
   * SHA-256 (hex) of the file `model.init_from`, part of both hashes; undefined without the key or
   * if the file cannot be read.
   */
  readonly weightsDigest: string | undefined;
  /** The config as the user named it. */
  readonly file: string;
  /** Every file read, absolute; the config itself last. */
  readonly files: readonly string[];
  /** Makes diagnostics that point into the config's files and arguments. */
  readonly locator: Locator;
  /**
   * Where the value at a key path such as `optimizer.betas.0` came from: `FILE:LINE:COL`, `--set`
   * or `default`.
   */
  origin(keyPath: string): string;
}

export interface OpenOptions {
  /**
   * Arguments `key.path=value`, merged last. Paths in them are relative to the working directory.
   */
  readonly set?: readonly string[];
  /** Directory of the original config, so that a run's resolved config has the hash of the run. */
  readonly folder?: string;
  /** Digest of the initial weights that a run started from, whatever their file contains now. */
  readonly weights?: string | undefined;
  /** Where the file is named, unless on the command line. */
  readonly asked?: Place;
}

/**
 * Loads, checks and resolves a config, from a file, a text or an object.
 * @throws UserError (exit 2) with all problems of the config
 */
export function loadExperiment(config: string | object, options: OpenOptions = {}): LoadedExperiment {
  return openConfig(config, options).load();
}

/** The file name in messages about a config or sweep that is an object. */
const OBJECT = '<object>';

/** An object as YAML text, for messages. Its paths are relative to the working directory. */
export function objectText(value: object): SourceText {
  return new SourceText(OBJECT, stringify(value, { lineWidth: 0 }), resolve('.'));
}

/**
 * Reads a config without checking it.
 * @throws UserError (exit 2) if it cannot be read or is not a YAML mapping
 */
export function openConfig(config: string | object, options: OpenOptions = {}): ConfigSource {
  const given = typeof config === 'string' || config instanceof SourceText ? config : objectText(config);
  const layers = readLayers(given, options.asked);
  const { file } = layers.source;
  if (layers.tree === undefined) throw failed(layers.problems, file);
  const { tree, problems } = applyOverrides(layers.tree, options.set ?? [], resolve('.'));
  const folder = options.folder ?? dirname(resolve(file));
  return new ConfigSource({ file, folder, layers, weights: options.weights }, tree, [
    ...layers.problems,
    ...problems,
  ]);
}

export interface CheckedConfig {
  /** The sections that are valid by themselves, with all defaults. */
  readonly experiment: PartialExperiment;
  /** Problems of reading and schema errors. */
  readonly schemaProblems: readonly Diagnostic[];
  /** All problems: those above and violated rules between keys. */
  readonly problems: readonly Diagnostic[];
}

interface ConfigOrigin {
  readonly file: string;
  readonly folder: string;
  readonly layers: Layers;
  readonly weights: string | undefined;
}

/** A config that is read once and can be checked many times with different values. */
export class ConfigSource {
  constructor(
    private readonly origin: ConfigOrigin,
    private readonly tree: MapNode,
    private readonly problems: readonly Diagnostic[],
  ) {}

  get file(): string {
    return this.origin.file;
  }

  /** Makes diagnostics that point into the config as it was read. */
  get locator(): Locator {
    return new Locator(this.tree);
  }

  check(assignments: readonly Assignment[] = []): CheckedConfig {
    const { tree, problems } = this.changed(assignments);
    return check(tree, problems);
  }

  /** A copy with `assignments` applied. */
  with(assignments: readonly Assignment[]): ConfigSource {
    const { tree, problems } = this.changed(assignments);
    return new ConfigSource(this.origin, tree, problems);
  }

  /** @throws UserError (exit 2) with all problems of the config */
  load(assignments: readonly Assignment[] = []): LoadedExperiment {
    const { tree, problems } = this.changed(assignments);
    const { experiment, problems: found } = check(tree, problems);
    const { file, folder, layers, weights } = this.origin;
    if (found.length > 0) throw failed(found, file);
    // complete, since only sections with problems are left out
    const whole = deepFreeze(experiment as Experiment);
    const locator = new Locator(tree);
    const { init_from } = whole.model;
    const weightsDigest = init_from === undefined ? undefined : (weights ?? fileDigest(init_from));
    return {
      experiment: whole,
      resolvedYaml: stringify(whole, { lineWidth: 0 }),
      givenYaml: layers.source.text,
      ...hashExperiment(whole, folder, weightsDigest),
      weightsDigest,
      file,
      files: layers.files,
      locator,
      origin: keyPath => locator.origin(keyPath.split('.')),
    };
  }

  /**
   * The config as one file that does not depend on its location: `extends` and `--set` merged in,
   * paths absolute, constant defaults filled in. Defaults that depend on other keys are left out.
   * Only for a config without problems.
   */
  get portableYaml(): string {
    return stringify(fillConstantDefaults(absolutePaths(toPlain(this.tree), this.tree)), { lineWidth: 0 });
  }

  private changed(assignments: readonly Assignment[]): { tree: MapNode; problems: readonly Diagnostic[] } {
    const { tree, problems } = applyAssignments(this.tree, assignments);
    return { tree, problems: [...this.problems, ...problems] };
  }
}

function check(tree: MapNode, unread: readonly Diagnostic[]): CheckedConfig {
  const plain = toPlain(tree) as Record<string, unknown>;
  const errors = validateAgainst('experiment', plain);
  const experiment = fillDefaults(absolutePaths(validSections(plain, errors), tree));
  const schemaProblems = [...unread, ...explainSchemaErrors(errors, tree)];
  return {
    experiment,
    schemaProblems,
    problems: [...schemaProblems, ...crossCheck(experiment, new Locator(tree))],
  };
}

/** The config without sections that have schema errors, which rules would mostly repeat. */
function validSections(
  config: Record<string, unknown>,
  errors: readonly SchemaError[],
): Record<string, unknown> {
  const broken = new Set(errors.map(error => error.instancePath.split('/')[1]));
  const whole = Object.entries(config).filter(([section]) => !broken.has(section));
  return Object.fromEntries(whole);
}

/** Resolves each path against the directory of the text that contains it. */
function absolutePaths(config: unknown, tree: MapNode): unknown {
  return mapPaths(config, (path, at) => {
    const folder = nodeAt(tree, at)?.value.place.text.folder;
    return folder === undefined ? path : resolve(folder, path);
  });
}

/** Diagnostics in reading order, those of the config itself first; at most 100 are shown. */
export function failed(diagnostics: readonly Diagnostic[], file: string): UserError {
  const order = (d: Diagnostic): [number, string, number, number] => {
    const rank = d.file === file ? 0 : d.file === '--set' ? 2 : 1;
    return [rank, d.file ?? '', d.line ?? 0, d.column ?? 0];
  };
  const sorted = diagnostics.toSorted((a, b) => compare(order(a), order(b)));
  const left = sorted.length - MAX_DIAGNOSTICS;
  if (left <= 0) return usageError(...sorted);
  const more = {
    code: 'config/more',
    message: `${left} more ${left === 1 ? 'problem is' : 'problems are'} not shown`,
    file,
  };
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
