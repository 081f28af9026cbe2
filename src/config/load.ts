/** Loads configs: files -> merged tree -> overrides -> schema -> defaults -> rules -> frozen. */

import { stringify } from 'yaml';
import { kindOf } from '../data/kinds.js';
import { dirname, resolve } from '../host/index.js';
import { lossFor, outputsPerNumber, taskOf } from '../math/losses/index.js';
import { largerIsBetter } from '../math/metrics/index.js';
import { initialWeightsOf } from '../math/model/settings.js';
import { taskFacts } from '../tasks/facts.js';
import { type Diagnostic, type UserError, usageErrors } from '../util/errors.js';
import { crossCheck } from './cross-checks.js';
import { fileDigest, hashExperiment } from './key-facts.js';
import { type Assignment, applyAssignments, applyOverrides, readLayers, withFirstFold } from './layers.js';
import { hasTest, hasValidation } from './metrics.js';
import type { Experiment, MetricName, PartialExperiment } from './schema/experiment.js';
import {
  experimentSchema,
  isRecord,
  mapBySchema,
  mapPaths,
  type Schema,
  sweepSchema,
} from './schema/schema.js';
import { validateAgainst } from './schema/validate.js';
import { explainSchemaErrors } from './schema-errors.js';
import { parseConfig } from './yaml/parse.js';
import { Locator, type MapNode, nodeAt, type Place, readSource, SourceText, toPlain } from './yaml/tree.js';

/** Nobody reads more at once. The others appear once the first are fixed. */
const MAX_DIAGNOSTICS = 100;

const RUN_BY_SWEEP = { expected: 'a config; `cellrun sweep FILE` runs a sweep file' };

/** The key that shows that a file is a sweep rather than a config. */
export function sweepKey({ entries }: MapNode): string | undefined {
  if (entries.has('dataset') || entries.has('model')) return undefined;
  return ['base', 'variants', 'parameters', 'method'].find(key => entries.has(key));
}

export type LoadedExperiment = ReturnType<ConfigSource['load']>;

interface OpenOptions {
  /** Arguments `key.path=value`; paths in them are relative to the working directory. */
  readonly set?: readonly string[];
  /** Directory of the original config, so that a run's resolved config has the hash of the run. */
  readonly folder?: string;
  /** Digest of the initial weights that a run started from, whatever their file contains now. */
  readonly weights?: string | undefined;
  readonly asked?: Place;
}

/** Throws all problems of the config, which may be a file, a text or an object. */
export function loadExperiment(config: string | object, options: OpenOptions = {}): LoadedExperiment {
  return openConfig(config, options).load();
}

/** An object as YAML text, for messages. Its paths are relative to the working directory. */
export function objectText(value: object): SourceText {
  return new SourceText('<object>', stringify(value, { lineWidth: 0 }), resolve('.'));
}

export function openConfig(config: string | object, options: OpenOptions = {}): ConfigSource {
  const given = typeof config === 'string' || config instanceof SourceText ? config : objectText(config);
  const layers = readLayers(given, options.asked);
  if (layers.tree === undefined) throw failed(layers.problems, layers.source.file);
  const { tree, problems } = applyOverrides(layers.tree, options.set ?? [], resolve('.'));
  const folded = withFirstFold(tree);
  return new ConfigSource(layers, options, folded.tree, [
    ...layers.problems,
    ...problems,
    ...folded.problems,
  ]);
}

/** A config that is read once and can be checked many times with different values. */
export class ConfigSource {
  constructor(
    private readonly layers: ReturnType<typeof readLayers>,
    private readonly options: OpenOptions,
    private readonly tree: MapNode,
    private readonly unread: readonly Diagnostic[],
  ) {}

  /** A copy with `assignments` applied. */
  with(assignments: readonly Assignment[]): ConfigSource {
    const { tree, problems } = applyAssignments(this.tree, assignments);
    return new ConfigSource(this.layers, this.options, tree, [...this.unread, ...problems]);
  }

  /** All problems, and the sections that are valid by themselves, with all defaults. */
  check() {
    const { tree } = this;
    const plain = toPlain(tree) as Record<string, unknown>;
    const errors = validateAgainst('experiment', plain);
    // without sections that have schema errors, which rules would mostly repeat
    const broken = new Set(errors.map(error => error.instancePath.split('/')[1]));
    // only a valid model tells whether the loss is that of a decoder
    if (broken.has('model') && nodeAt(tree, ['model', 'decoder'])) broken.add('loss');
    const valid = Object.fromEntries(Object.entries(plain).filter(([section]) => !broken.has(section)));
    const experiment = fillDefaults(absolutePaths(valid, tree));
    const locator = new Locator(tree);
    const ofSweep = sweepKey(tree);
    const problems =
      ofSweep === undefined
        ? [...explainSchemaErrors(errors, tree), ...crossCheck(experiment, locator)]
        : [locator.atKey([ofSweep], 'config/sweep', 'this is a sweep file, not a config', RUN_BY_SWEEP)];
    return { experiment, problems: [...this.unread, ...problems] };
  }

  load() {
    const { experiment, problems } = this.check();
    const { options, layers } = this;
    const { file, text } = layers.source;
    if (problems.length > 0) throw failed(problems, file);
    // complete, since only sections with problems are left out
    const whole = deepFreeze(experiment as Experiment);
    const locator = new Locator(this.tree);
    const from = initialWeightsOf(whole.model);
    const weightsDigest = from && (options.weights ?? fileDigest(from.path));
    return {
      /** Validated, every default filled in, paths absolute, deeply frozen. */
      experiment: whole,
      resolvedYaml: stringify(whole, { lineWidth: 0 }),
      givenYaml: text,
      ...hashExperiment(whole, options.folder ?? dirname(resolve(file)), weightsDigest),
      /** SHA-256 (hex) of the weights of `model.init_from` (`fileDigest`), part of both hashes. */
      weightsDigest,
      file,
      /** Every file read, absolute; the config itself last. */
      files: layers.files,
      locator,
      /** Where the value at a key path came from: `FILE:LINE:COL`, `--set` or `default`. */
      origin: (keyPath: string) => locator.origin(keyPath.split('.')),
    } as const;
  }

  /**
   * The config as one file that does not depend on its location: `extends` and `--set` merged in,
   * paths absolute, constant defaults filled in. Defaults that depend on other keys are left out.
   * Only for a config without problems.
   */
  get portableYaml(): string {
    return stringify(fillConstantDefaults(absolutePaths(toPlain(this.tree), this.tree)), { lineWidth: 0 });
  }
}

function absolutePaths(config: unknown, tree: MapNode): unknown {
  return mapPaths(config, (path, at) => {
    const folder = nodeAt(tree, at)?.value.place.text.folder;
    return folder === undefined ? path : resolve(folder, path);
  });
}

/** Diagnostics in reading order, those of the config itself first; at most 100 are shown. */
export function failed(diagnostics: readonly Diagnostic[], file: string): UserError {
  const rank = (d: Diagnostic) => (d.file === file ? 0 : d.file === '--set' ? 2 : 1);
  const sorted = diagnostics.toSorted(
    (a, b) =>
      rank(a) - rank(b) ||
      (a.file ?? '').localeCompare(b.file ?? '', 'en') ||
      (a.line ?? 0) - (b.line ?? 0) ||
      (a.column ?? 0) - (b.column ?? 0),
  );
  const left = sorted.length - MAX_DIAGNOSTICS;
  if (left <= 0) return usageErrors(sorted);
  const message = `${left} more ${left === 1 ? 'problem is' : 'problems are'} not shown`;
  return usageErrors([...sorted.slice(0, MAX_DIAGNOSTICS), { code: 'config/more', message, file }]);
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  Object.values(value).forEach(deepFreeze);
  return Object.freeze(value);
}

/** Reads a resolved config of any version, as values, without the files that it extends. */
export function readPlainConfig(path: string): Readonly<Record<string, unknown>> {
  const absolute = resolve(path);
  const { root, problems } = parseConfig(readSource(path, absolute, dirname(absolute)));
  if (root === undefined || problems.length > 0) throw failed(problems, path);
  return toPlain(root) as Readonly<Record<string, unknown>>;
}

/** A deep copy, so that freezing it does not freeze the schema. */
export function fillDefaults(config: unknown): PartialExperiment {
  return fillDerived(fillConstantDefaults(config) as PartialExperiment);
}

/** The others still follow the keys that they depend on if these are overridden. */
function fillConstantDefaults(config: unknown): unknown {
  return fill(experimentSchema(), config);
}

export function fillSweepDefaults(sweep: unknown): unknown {
  return fill(sweepSchema(), sweep);
}

function fill(schema: Schema, whole: unknown): unknown {
  return mapBySchema(schema, whole, (part, value) => value ?? part.default ?? value);
}

/** Fills in the defaults that depend on other keys, which the schema describes in words. */
function fillDerived(config: PartialExperiment): PartialExperiment {
  const { training, checkpoint, loss, model, dataset, optimizer, intervals, seed = 0 } = config;
  const selects = loss ? taskFacts[taskOf(lossFor(loss, model))].selects : 'accuracy';
  const selecting: MetricName = hasValidation(dataset)
    ? `validation.${selects}`
    : hasTest(dataset)
      ? `test.${selects}`
      : 'train.loss';
  const best = checkpoint?.metric ?? training?.early_stopping?.metric ?? selecting;
  const selectsBest = hasValidation(dataset) || training?.early_stopping !== undefined;
  const derived = {
    'dataset.seed': dataset && kindOf(dataset).isGenerated ? seed : undefined,
    'training.early_stopping.metric': best,
    'checkpoint.metric': best,
    'checkpoint.mode': largerIsBetter(best) ? 'max' : 'min',
    'checkpoint.final': selectsBest && checkpoint?.keep.best !== 0 ? 'best' : 'last',
    'intervals.method': intervals && (loss && outputsPerNumber(loss) > 1 ? 'quantile' : 'split'),
    'optimizer.schedule.metric': optimizer?.schedule?.kind === 'plateau' ? best : undefined,
  };
  for (const [path, value] of Object.entries(derived)) fillKey(config, path.split('.'), value);
  return config;
}

function fillKey(within: unknown, [key, ...below]: readonly string[], value: unknown): void {
  if (!isRecord(within)) return;
  if (below.length > 0) fillKey(within[key], below, value);
  else if (value !== undefined) {
    const given = within[key] ?? value;
    // to the end, so that the keys have one order, whether they are given or not
    Reflect.deleteProperty(within, key);
    within[key] = given;
  }
}
