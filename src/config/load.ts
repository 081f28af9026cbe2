/** The whole way of a config: files -> merged tree -> overrides -> schema -> defaults -> rules -> frozen. */
import { dirname, resolve } from 'node:path';
import { stringify } from 'yaml';
import { type Diagnostic, type UserError, usageError } from '../util/errors.js';
import type { Experiment, PartialExperiment } from './experiment.js';
import { hashExperiment } from './hash.js';
import { fillConstantDefaults, fillDefaults } from './merge/defaults.js';
import { type Layers, readLayers } from './merge/layers.js';
import { type Assignment, applyAssignments, applyOverrides } from './merge/overrides.js';
import { mapPaths } from './merge/paths.js';
import { crossCheck } from './rules/cross-checks.js';
import { type SchemaError, validateAgainst } from './schema/schema.js';
import { explainSchemaErrors } from './wording/complaints.js';
import { Locator } from './yaml/locator.js';
import type { Place } from './yaml/source.js';
import { type MapNode, nodeAt, toPlain } from './yaml/tree.js';

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
  /** The same of what defines a training step, but not how many there are; what checkpoints carry. */
  readonly stepHash: string;
  /** The config as the user named it. */
  readonly file: string;
  /** Every file read, absolute; the config itself is the last. */
  readonly files: readonly string[];
  /** Makes diagnostics that point into the files and arguments that the config came from. */
  readonly locator: Locator;
  /** Where the value at a key path such as `optimizer.betas.0` came from: `FILE:LINE:COL`, `--set` or `default`. */
  origin(keyPath: string): string;
}

export interface OpenOptions {
  /** Arguments `key.path=value`, merged last; relative paths in them start at the working directory. */
  readonly set?: readonly string[];
  /** Where the config stood when it was hashed first: the hash of a run's resolved config is then the run's. */
  readonly folder?: string;
  /** Where the file was asked for, when not on the command line. */
  readonly asked?: Place;
}

/** Loads, checks and resolves a config. Throws UserError (exit 2) with everything that is wrong. */
export function loadExperiment(file: string, options: OpenOptions = {}): LoadedExperiment {
  return openConfig(file, options).load();
}

/** Reads a config without judging what it says. Throws UserError (exit 2) where it cannot be read or is no YAML mapping. */
export function openConfig(file: string, options: OpenOptions = {}): ConfigSource {
  const layers = readLayers(file, options.asked);
  if (layers.tree === undefined) throw failed(layers.problems, file);
  const { tree, problems } = applyOverrides(layers.tree, options.set ?? [], resolve('.'));
  const folder = options.folder ?? dirname(resolve(file));
  return new ConfigSource(file, folder, layers, tree, [...layers.problems, ...problems]);
}

export interface Judgement {
  /** The sections that are valid by themselves, with every default: all of them where nothing is wrong. */
  readonly experiment: PartialExperiment;
  /** What cannot be read, or that the schema forbids. */
  readonly schemaProblems: readonly Diagnostic[];
  /** What contradicts something else. */
  readonly conflicts: readonly Diagnostic[];
}

/** A config that was read once and may be judged many times, each time with something else set in it. */
export class ConfigSource {
  constructor(
    readonly file: string,
    private readonly folder: string,
    private readonly layers: Layers,
    private readonly tree: MapNode,
    private readonly problems: readonly Diagnostic[],
  ) {}

  /** Makes diagnostics that point into the config as it was read. */
  get locator(): Locator {
    return new Locator(this.tree);
  }

  judge(assignments: readonly Assignment[] = []): Judgement {
    const { tree, problems } = this.changed(assignments);
    return judge(tree, problems);
  }

  /** The same with something else set in it. */
  with(assignments: readonly Assignment[]): ConfigSource {
    const { tree, problems } = this.changed(assignments);
    return new ConfigSource(this.file, this.folder, this.layers, tree, problems);
  }

  /** Throws UserError (exit 2) with everything that is wrong. */
  load(assignments: readonly Assignment[] = []): LoadedExperiment {
    const { tree, problems } = this.changed(assignments);
    const { experiment, schemaProblems, conflicts } = judge(tree, problems);
    const found = [...schemaProblems, ...conflicts];
    if (found.length > 0) throw failed(found, this.file);
    // No section was left out, for nothing was wrong with any.
    const whole = deepFreeze(experiment as Experiment);
    const locator = new Locator(tree);
    return {
      experiment: whole,
      resolvedYaml: stringify(whole, { lineWidth: 0 }),
      givenYaml: this.layers.source.text,
      ...hashExperiment(whole, this.folder),
      file: this.file,
      files: this.layers.files,
      locator,
      origin: keyPath => locator.origin(keyPath.split('.')),
    };
  }

  /**
   * The config as one file that says the same wherever it lies: what it extends and `--set` merged in, paths absolute, the
   * defaults that depend on nothing filled in. Those that follow other keys still do. Only where nothing is wrong.
   */
  get portableYaml(): string {
    return stringify(fillConstantDefaults(absolutePaths(toPlain(this.tree), this.tree)), { lineWidth: 0 });
  }

  private changed(assignments: readonly Assignment[]): { tree: MapNode; problems: readonly Diagnostic[] } {
    const { tree, problems } = applyAssignments(this.tree, assignments);
    return { tree, problems: [...this.problems, ...problems] };
  }
}

function judge(tree: MapNode, problems: readonly Diagnostic[]): Judgement {
  const plain = toPlain(tree) as Record<string, unknown>;
  const errors = validateAgainst('experiment', plain);
  const experiment = fillDefaults(absolutePaths(validSections(plain, errors), tree));
  return {
    experiment,
    schemaProblems: [...problems, ...explainSchemaErrors(errors, tree)],
    conflicts: crossCheck(experiment, new Locator(tree)),
  };
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
