/** The configs that trials start from, one or one per variant, and the objective they measure. */
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import type { MetricName } from '../../config/experiment.js';
import { type ConfigSource, openConfig } from '../../config/load.js';
import { measuredMetrics, metricsOf, possibleMetrics, splitsOf } from '../../config/metrics.js';
import type { Place } from '../../config/yaml/source.js';
import { type Locator, type MapNode, type Node, nodeAt } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import type { FrozenBase } from '../directory.js';
import type { Base, Objective } from '../schedule/plan.js';
import { VARIANT } from '../trial-runs.js';
import type { LocatedParameter } from './parameters.js';
import type { PointRule } from './points.js';

export const COMMAND_LINE = 'command line';

export function isCommandLine(tree: MapNode): boolean {
  return tree.place.text.file === COMMAND_LINE;
}

export interface LoadedBase extends FrozenBase, Omit<Base, 'sha256'> {
  readonly source: ConfigSource;
}

interface NamedConfig {
  readonly name: string;
  readonly node: Node;
  /** The config itself; absent if it is read from the file that `node` names. */
  readonly content?: object | undefined;
}

/** The configs of `base` or `variants`; `contents` are those that are objects. */
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
  const distribution = { kind: 'choice' as const, values: configs.map(({ name }) => name) };
  const places = { keyPlace: found.key, node: found.value, written };
  return [{ given: 'variants', keys: [VARIANT], name: VARIANT, distribution, ...places }];
}

/** Reads all configs; each must be valid by itself. */
export function openBases(
  configs: readonly NamedConfig[],
  set: readonly string[],
): { bases: readonly LoadedBase[]; problems: readonly Diagnostic[] } {
  const bases: LoadedBase[] = [];
  const problems: Diagnostic[] = [];
  for (const { name, node, content } of configs) {
    const { text } = node.place;
    const written = fileOf(node);
    const isArgument = text.file === COMMAND_LINE;
    const file = isAbsolute(written) || isArgument ? written : join(dirname(text.file), written);
    try {
      const source = openConfig(content ?? file, { set, ...(!isArgument && { asked: node.place }) });
      const { experiment, files, origin } = source.load();
      const origins = experiment.gates.map((_, i) => origin(`gates.${i}`));
      const ofGates = origins.length > 0 && { gate_origins: origins, config_files: files };
      bases.push({ name, file, ...ofGates, source, yaml: source.portableYaml });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.diagnostics);
    }
  }
  return { bases, problems };
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

/** The base with `metric` in `training.metrics`, if it can measure it and does not. */
export function measuring(base: LoadedBase, metric: string, place: Place): LoadedBase {
  const { experiment } = base.source.load();
  const { loss, dataset } = experiment;
  const isMeasured = metricsOf(experiment, splitsOf(dataset)).includes(metric as MetricName);
  if (isMeasured || !possibleMetrics(loss, dataset).includes(metric as MetricName)) return base;
  const metrics = [...measuredMetrics(experiment), metric.slice(metric.indexOf('.') + 1)];
  const items = metrics.map(value => ({ kind: 'scalar', value, written: value, place }) as const);
  const value = { kind: 'list', items, place } as const;
  const source = base.source.with([{ key: 'training.metrics', keyPlace: place, value }]);
  return { ...base, source, yaml: source.portableYaml };
}

export function objectiveRule({ metric }: Objective, locator: Locator): PointRule {
  return ({ loss, dataset, ...config }) => {
    if (loss === undefined) return [];
    const reported: readonly string[] = metricsOf({ ...config, loss }, splitsOf(dataset));
    if (reported.includes(metric)) return [];
    const suggestion = nearest(metric, reported);
    const more = { expected: reported.join(' | '), ...(suggestion !== undefined && { suggestion }) };
    const message = `the trials do not measure ${metric}`;
    return [locator.atValue(['objective', 'metric'], 'sweep/metric', message, more)];
  };
}
