/** The configs that trials start from, one or one per variant, and the objective they measure. */
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import type { MetricName } from '../../config/experiment.js';
import { flatValues } from '../../config/flat.js';
import { type ConfigSource, openConfig } from '../../config/load.js';
import { type Measuring, measuredMetrics, metricsOf } from '../../config/losses.js';
import { possibleMetrics, splitsOf } from '../../config/splits.js';
import { Locator } from '../../config/yaml/locator.js';
import { type Place, positionOf } from '../../config/yaml/source.js';
import { type MapNode, type Node, nodeAt } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import type { FrozenBase } from '../directory.js';
import type { Base, Objective } from '../schedule/plan.js';
import { VARIANT } from '../trial-runs.js';
import type { LocatedParameter } from './parameters.js';
import type { PointRule } from './points.js';

/** The pseudo file of everything on the command line. */
export const COMMAND_LINE = 'command line';

export function isCommandLine(tree: MapNode): boolean {
  return tree.place.text.file === COMMAND_LINE;
}

export interface LoadedBase extends FrozenBase, Omit<Base, 'sha256'> {
  readonly source: ConfigSource;
}

interface NamedConfig {
  /** Within the sweep's `configs` directory. */
  readonly name: string;
  readonly node: Node;
  /** The config itself; absent if it is read from the file that `node` names. */
  readonly content?: object | undefined;
}

/**
 * The configs of `base` or `variants`, named by their files.
 * @param tree valid against the schema
 * @param contents the configs that are objects, at their places in `variants`
 */
export function baseConfigs(
  tree: MapNode,
  contents: readonly (object | undefined)[] = [],
): readonly NamedConfig[] {
  const variants = nodeAt(tree, ['variants'])?.value;
  const base = nodeAt(tree, ['base'])?.value;
  const nodes = base !== undefined ? [base] : variants?.kind === 'list' ? variants.items : [];
  const names = frozenNames(nodes.map(fileOf));
  return nodes.map((node, i) => ({ name: names[i], node, content: contents[i] }));
}

/** The names of config files within the sweep's `configs` directory; equal ones are numbered. */
export function frozenNames(files: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  for (const path of files) {
    const stem = basename(path, extname(path));
    let name = `${stem}.yaml`;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}.yaml`;
    taken.add(name);
  }
  return [...taken];
}

/** The parameter that chooses the config; empty for a sweep with one base. */
export function variantParameter(
  tree: MapNode,
  configs: readonly NamedConfig[],
): readonly LocatedParameter[] {
  const found = nodeAt(tree, ['variants']);
  if (nodeAt(tree, ['base']) !== undefined || found?.key === undefined) return [];
  const written = configs.map(({ name, node }) => ({ value: name, node }));
  return [
    {
      given: 'variants',
      keys: [VARIANT],
      name: VARIANT,
      distribution: { kind: 'choice', values: written.map(({ value }) => value) },
      keyPlace: found.key,
      node: found.value,
      written,
    },
  ];
}

/** Reads all configs; each must be valid by itself. */
export function openBases(
  configs: readonly NamedConfig[],
  set: readonly string[],
): { bases: readonly LoadedBase[]; problems: readonly Diagnostic[] } {
  const bases: LoadedBase[] = [];
  const problems: Diagnostic[] = [];
  for (const config of configs) {
    try {
      bases.push(openBase(config, set));
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.diagnostics);
    }
  }
  return { bases, problems };
}

function openBase({ name, node, content }: NamedConfig, set: readonly string[]): LoadedBase {
  const { text } = node.place;
  const written = fileOf(node);
  const isArgument = text.file === COMMAND_LINE;
  const file = isAbsolute(written) || isArgument ? written : join(dirname(text.file), written);
  const source = openConfig(content ?? file, { set, ...(!isArgument && { asked: node.place }) });
  const { experiment, files, origin } = source.load();
  const origins = experiment.gates.map((_, i) => origin(`gates.${i}`));
  return withSource(source, {
    name,
    file,
    ...(origins.length > 0 && { gate_origins: origins, config_files: files }),
  });
}

export function withSource(
  source: ConfigSource,
  { name, file, gate_origins, config_files }: Omit<Base, 'sha256'>,
): LoadedBase {
  return {
    name,
    file,
    ...(gate_origins !== undefined && { gate_origins }),
    ...(config_files !== undefined && { config_files }),
    source,
    get yaml() {
      return source.portableYaml;
    },
  };
}

function fileOf(node: Node): string {
  return node.kind === 'scalar' ? String(node.value) : '';
}

/** `checkpoint.metric` of the configs as an objective; undefined if they differ in it. */
export function commonObjective(bases: readonly LoadedBase[]): Objective | undefined {
  const declared = bases.map(({ source }) => source.load().experiment.checkpoint);
  const [first] = declared;
  if (first === undefined || declared.some(({ metric }) => metric !== first.metric)) return undefined;
  return { metric: first.metric, goal: first.mode === 'max' ? 'maximize' : 'minimize' };
}

export function noObjective(tree: MapNode): Diagnostic {
  const message = 'no objective: the configs differ in `checkpoint.metric`';
  const expected = isCommandLine(tree)
    ? '`--objective METRIC:min` or `METRIC:max`, such as validation.accuracy:max'
    : '`objective`, such as { metric: validation.accuracy, goal: maximize }';
  return new Locator(tree).atKey(['variants'], 'sweep/objective', message, { expected });
}

/**
 * The base with `metric` in `training.metrics`, as a gate would add it to its own run; the base
 * itself if it measures the metric already or cannot measure it.
 * @param place of the objective
 */
export function measuring(base: LoadedBase, metric: string, place: Place): LoadedBase {
  const { source } = base;
  const { experiment } = source.load();
  const { loss, dataset } = experiment;
  const isMeasured = metricsOf(experiment, splitsOf(dataset)).includes(metric as MetricName);
  if (isMeasured || !possibleMetrics(loss, dataset).includes(metric as MetricName)) return base;
  const metrics = [...measuredMetrics(experiment), metric.slice(metric.indexOf('.') + 1)];
  const items = metrics.map(value => ({ kind: 'scalar', value, written: value, place }) as const);
  const value = { kind: 'list', items, place } as const;
  return withSource(source.with([{ key: 'training.metrics', keyPlace: place, value }]), base);
}

/** Checks that a run of the config reports the metric of the objective. */
export function objectiveRule({ metric }: Objective, locator: Locator): PointRule {
  return ({ loss, dataset, ...config }) => {
    if (loss === undefined) return [];
    const reported = metricsOf({ ...config, loss }, splitsOf(dataset));
    if (reported.includes(metric as MetricName)) return [];
    const possible = possibleMetrics(loss, dataset);
    if (possible.includes(metric as MetricName)) return [unmeasured(metric, { ...config, loss }, locator)];
    const suggestion = nearest(metric, possible);
    const more = { expected: possible.join(' | '), ...(suggestion !== undefined && { suggestion }) };
    const message = `${metric} is not measured with loss ${loss.kind}`;
    return [locator.atValue(['objective', 'metric'], 'sweep/metric', message, more)];
  };
}

function unmeasured(metric: string, config: Measuring, locator: Locator): Diagnostic {
  const [, name] = metric.split('.');
  const metrics = [...measuredMetrics(config), name].join(', ');
  return locator.atValue(
    ['objective', 'metric'],
    'sweep/metric',
    `the trials do not measure ${metric}: \`training.metrics\` lacks ${name}`,
    { expected: `\`training.metrics: [${metrics}]\` in the config or with \`--set\`` },
  );
}

/**
 * Warns if the sweep varies the split of the objective: values on different sequences are not
 * comparable.
 */
export function splitWarnings(
  { metric }: Objective,
  parameters: readonly LocatedParameter[],
  bases: readonly LoadedBase[],
  locator: Locator,
): Diagnostic[] {
  const [split] = metric.split('.');
  if (split === 'train') return [];
  // the test split is drawn first, the validation split from the rest
  const splitKeys = split === 'validation' ? /^dataset\.(validation|test_fraction\b)/ : /^dataset\.test/;
  const consequence = `trials are compared by ${metric} on different ${split} splits`;
  const varied = parameters
    .filter(({ keys }) => keys.some(key => splitKeys.test(key)))
    .map(({ given, keyPlace }) => ({
      code: 'sweep/split',
      message: `the sweep varies \`${given}\`, so ${consequence}`,
      ...positionOf(keyPlace),
    }));
  const differing = differingKeys(bases, splitKeys);
  if (differing.length === 0) return varied;
  const message = `the variants differ in ${differing.map(key => `\`${key}\``).join(', ')}, so ${consequence}`;
  return [...varied, locator.atKey(['variants'], 'sweep/split', message)];
}

/** Keys that match `pattern` and differ between the configs. */
function differingKeys(bases: readonly LoadedBase[], pattern: RegExp): readonly string[] {
  const configs = bases.map(({ source }) => {
    const { dataset } = source.load().experiment;
    return new Map(
      flatValues({ dataset })
        .filter(([key]) => pattern.test(key))
        .map(([key, value]) => [key, JSON.stringify(value)]),
    );
  });
  const keys = new Set(configs.flatMap(config => [...config.keys()]));
  return [...keys].filter(key => new Set(configs.map(config => config.get(key))).size > 1);
}
