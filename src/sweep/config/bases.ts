/** The configs that trials start from: one, or one per variant. */
import { basename, dirname, extname, isAbsolute, join } from 'node:path';
import { type ConfigSource, openConfig } from '../../config/load.js';
import { type MapNode, type Node, nodeAt } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError } from '../../util/errors.js';
import type { Base } from '../plan.js';
import type { FrozenBase } from '../sweep-directory.js';
import { VARIANT } from '../trial-runs.js';
import type { LocatedParameter } from './parameters.js';

/** The pseudo file of everything on the command line. */
export const COMMAND_LINE = 'command line';

export function isCommandLine(tree: MapNode): boolean {
  return tree.place.text.file === COMMAND_LINE;
}

export interface LoadedBase extends FrozenBase {
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
  { name, file, gate_origins, config_files }: Base,
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
