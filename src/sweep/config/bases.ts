/** The configs that trials start from: one, or one for each variant. */
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import type { MetricName } from '../../config/experiment.js';
import { type ConfigSource, openConfig } from '../../config/load.js';
import { measuredMetrics, metricsOf } from '../../config/rules/losses.js';
import { possibleMetrics, splitsOf } from '../../config/rules/splits.js';
import type { Place } from '../../config/yaml/source.js';
import { type MapNode, type Node, nodeAt } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import type { Base } from '../plan.js';
import type { FrozenBase } from '../sweep-directory.js';
import { VARIANT } from '../trial-runs.js';
import type { LocatedParameter } from './parameters.js';
import type { SweepSettings } from './settings.js';

/** The file of what stands on the command line. */
export const COMMAND_LINE = 'command line';

export interface LoadedBase extends FrozenBase {
  readonly source: ConfigSource;
}

interface NamedConfig {
  /** Within the sweep's `configs` folder. */
  readonly name: string;
  readonly node: Node;
}

export class Bases {
  private readonly configs: readonly NamedConfig[];

  /** @param tree valid against the schema */
  constructor(
    private readonly tree: MapNode,
    private readonly settings: Pick<SweepSettings, 'base' | 'variants'>,
  ) {
    const single = nodeAt(tree, ['base'])?.value;
    const several = nodeAt(tree, ['variants'])?.value;
    const nodes = single === undefined ? (several?.kind === 'list' ? several.items : []) : [single];
    this.configs = withNames(nodes);
  }

  /** The parameter that chooses the config; none where there is one base. */
  get parameter(): readonly LocatedParameter[] {
    const found = nodeAt(this.tree, ['variants']);
    if (this.settings.base !== undefined || found?.key === undefined) return [];
    const written = this.configs.map(({ name, node }) => ({ value: name, node }));
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

  /** Reads all; what is wrong with some comes beside the others. Each must be one that runs as it is. */
  open(set: readonly string[]): { bases: readonly LoadedBase[]; problems: readonly Diagnostic[] } {
    const bases: LoadedBase[] = [];
    const problems: Diagnostic[] = [];
    for (const { name, node } of this.configs) {
      try {
        bases.push(openBase(name, node, set));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        problems.push(...error.diagnostics);
      }
    }
    return { bases, problems };
  }
}

function openBase(name: string, node: Node, set: readonly string[]): LoadedBase {
  const { text } = node.place;
  const written = fileOf(node);
  const isArgument = text.file === COMMAND_LINE;
  const file = isAbsolute(written) || isArgument ? written : join(dirname(text.file), written);
  const source = openConfig(file, { set, ...(!isArgument && { asked: node.place }) });
  const { experiment, files, origin } = source.load();
  const origins = experiment.gates.map((_, i) => origin(`gates.${i}`));
  return fromSource(source, {
    name,
    file,
    ...(origins.length > 0 && { gate_origins: origins, config_files: files }),
  });
}

function fromSource(source: ConfigSource, base: Base): LoadedBase {
  return {
    ...base,
    source,
    get yaml() {
      return source.portableYaml;
    },
  };
}

/**
 * The base with `metric` among what its runs measure, as a gate would add it to its own run; the
 * base itself if they measure it already or cannot.
 * @param place what asks for the metric
 */
export function measuring(base: LoadedBase, metric: string, place: Place): LoadedBase {
  const { name, file, gate_origins, config_files, source } = base;
  const { loss, dataset, ...config } = source.judge().experiment;
  if (loss === undefined) return base;
  const measured = { ...config, loss };
  const isMeasured = metricsOf(measured, splitsOf(dataset)).includes(metric as MetricName);
  if (isMeasured || !possibleMetrics(loss, dataset).includes(metric as MetricName)) return base;
  const metrics = [...measuredMetrics(measured), metric.slice(metric.indexOf('.') + 1)];
  const items = metrics.map(value => ({ kind: 'scalar', value, written: value, place }) as const);
  const assignment = {
    key: 'training.metrics',
    keyPlace: place,
    value: { kind: 'list', items, place },
  } as const;
  return fromSource(source.with([assignment]), {
    name,
    file,
    ...(gate_origins !== undefined && { gate_origins }),
    ...(config_files !== undefined && { config_files }),
  });
}

/** Each config's own file name, told apart by a number where two have the same. */
function withNames(nodes: readonly Node[]): readonly NamedConfig[] {
  const taken = new Set<string>();
  return nodes.map(node => {
    const file = basename(fileOf(node));
    const stem = file.slice(0, file.length - extname(file).length);
    let name = `${stem}.yaml`;
    for (let n = 2; taken.has(name); n++) name = `${stem}-${n}.yaml`;
    taken.add(name);
    return { name, node };
  });
}

function fileOf(node: Node): string {
  return node.kind === 'scalar' ? String(node.value) : '';
}
