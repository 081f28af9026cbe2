/**
 * Reads a sweep as a tree, with the values of flags merged in: from a file, or from configs and
 * values for their keys on the command line.
 */
import { basename, dirname, resolve } from 'node:path';
import { objectText, openConfig, sweepKey } from '../../config/load.js';
import { parseConfig, parseText } from '../../config/yaml/parse.js';
import {
  type Entry,
  type MapNode,
  mapNode,
  type Node,
  positionOf,
  readSource,
  SourceText,
  scalarNode,
} from '../../config/yaml/tree.js';
import { caught, type Diagnostic, UserError, usageErrors } from '../../util/errors.js';
import { fixedKey } from './checks.js';
import { COMMAND_LINE } from './points.js';

export type SweepText = ReturnType<typeof readSweep> | ReturnType<typeof sweepOfArguments>;

const FLAGS = {
  objective: ['objective'],
  method: ['method'],
  trials: ['budget', 'trials'],
  time: ['budget', 'time'],
  target: ['budget', 'target'],
  seeds: ['seeds'],
  repeatBest: ['repeat_best'],
  pruner: ['pruner'],
  parallel: ['parallel'],
} as const;

/** The values of flags as text. Each overrides the sweep file. */
export type SweepFlags = { readonly [K in keyof typeof FLAGS]?: string | undefined };

export function readSweep(sweep: string | object, set: readonly string[], flags: SweepFlags) {
  const source =
    typeof sweep === 'string'
      ? readSource(sweep, resolve(sweep), dirname(resolve(sweep)))
      : objectText(sweep);
  const { root, problems } = parseConfig(source);
  if (root === undefined || problems.length > 0) throw usageErrors(problems);
  const ofFlags: Diagnostic[] = [];
  const tree = withFlags(root, flags, ofFlags);
  return { file: source.file, tree, givenYaml: source.text, set, problems: ofFlags };
}

export function isSweepFile(file: string): boolean {
  const path = resolve(file);
  const { root } = parseConfig(readSource(file, path, dirname(path)));
  return root !== undefined && sweepKey(root) !== undefined;
}

function withFlags(tree: MapNode, flags: SweepFlags, problems: Diagnostic[]): MapNode {
  let changed = tree;
  for (const flag of Object.keys(FLAGS) as (keyof SweepFlags)[]) {
    const text = flags[flag];
    if (text !== undefined) changed = withValue(changed, FLAGS[flag], flagNode(flag, text, problems));
  }
  return changed;
}

function withValue(map: MapNode, [key, ...rest]: readonly string[], value: Node): MapNode {
  const { place } = value;
  const known = map.entries.get(key);
  const within: MapNode =
    known?.value.kind === 'map' ? known.value : { kind: 'map', entries: new Map(), place };
  const entry: Entry =
    rest.length === 0
      ? { key: place, value }
      : { key: known?.key ?? place, value: withValue(within, rest, value) };
  return { ...map, entries: new Map(map.entries).set(key, entry) };
}

/** A flag's value as YAML, so that the schema applies to it as in a file. */
function flagNode(flag: keyof SweepFlags, text: string, problems: Diagnostic[]): Node {
  const option = flag === 'repeatBest' ? 'repeat-best' : flag;
  const source = new SourceText(`--${option}`, text, resolve('.'));
  if (flag === 'seeds') return parsed(source, `[${text}]`, problems);
  if (flag !== 'objective') return parsed(source, text.trim() === '' ? 'null' : text, problems);
  const place = source.place(0, text.length);
  const [, metric, goal] = /^(.+):(min|max)(?:imize)?$/.exec(text) ?? [];
  if (goal !== undefined)
    return mapNode({ metric: scalarNode(metric, place), goal: scalarNode(`${goal}imize`, place) }, place);
  problems.push({
    code: 'sweep/objective',
    message: 'an objective needs a metric and a goal',
    ...positionOf(place),
    expected: 'METRIC:min or METRIC:max, such as test.accuracy:max',
    got: text,
  });
  return { kind: 'broken', place };
}

/** @param text at the same offsets as in the source */
function parsed(source: SourceText, text: string, problems: Diagnostic[]): Node {
  const { node, problems: found } = parseText(source, text);
  problems.push(...found);
  if (node !== undefined && found.length === 0) return node;
  return { kind: 'broken', place: source.place(0, source.text.length) };
}

/**
 * `configs/a.yaml model.hidden_size=64,128`: a grid, unless a flag sets another method. Several
 * configs are variants. One value for a key that cannot be varied overrides it in every trial.
 */
export function sweepOfArguments(
  configs: readonly string[],
  assignments: readonly string[],
  given: readonly string[],
  flags: SweepFlags,
) {
  const sourceOf = (word: string): SourceText => new SourceText(COMMAND_LINE, word, resolve('.'));
  const place = sourceOf([...configs, ...assignments].join(' ')).place(0);
  const problems: Diagnostic[] = [];
  const parameters = new Map<string, Entry>();
  const set = [...given];
  for (const word of assignments) {
    const source = sourceOf(word);
    const equals = word.indexOf('=');
    const key = word.slice(0, equals);
    const value = wordValue(source, equals + 1, problems);
    const at = source.place(0, equals);
    if (fixedKey(key) !== undefined && value.kind === 'list' && value.items.length === 1) set.push(word);
    else if (!parameters.has(key)) parameters.set(key, { key: at, value });
    else problems.push({ code: 'sweep/overlap', message: `\`${key}\` is set twice`, ...positionOf(at) });
  }
  const files = configs.map(file => scalarNode(file, sourceOf(file).place(0, file.length)));
  const written = mapNode(
    {
      version: scalarNode(1, place),
      name: scalarNode(nameOf(configs, set), place),
      ...(files.length === 1 ? { base: files[0] } : { variants: { kind: 'list', items: files, place } }),
      method: scalarNode('grid', place),
      ...(parameters.size > 0 && { parameters: { kind: 'map', entries: parameters, place } }),
    },
    place,
  );
  const tree = withFlags(written, flags, problems);
  return { file: COMMAND_LINE, tree, givenYaml: null, set, problems };
}

/** A list of values, or a distribution with its bounds, from `start` on. */
function wordValue(source: SourceText, start: number, problems: Diagnostic[]): Node {
  const text = source.text.slice(start);
  const [, kind, inside] = /^(uniform|log_uniform|int|log_int)\((.*)\)$/s.exec(text) ?? [];
  const at = kind === undefined ? start : start + kind.length + 1;
  // the bracket comes first, since spaces before it would count as nesting
  const list = parsed(source, `[${' '.repeat(at - 1)}${inside ?? text}]`, problems);
  if (list.kind !== 'list') return list;
  const place = source.place(start, source.text.length);
  if (kind === undefined) return { ...list, place };
  const bounds = list.items.map((item, i) => [['low', 'high', 'step'][i] ?? `value ${i + 1}`, item]);
  return mapNode({ kind: scalarNode(kind, place), ...Object.fromEntries(bounds) }, place);
}

/** The name of a single config, or of the directory of several. */
function nameOf(configs: readonly string[], set: readonly string[]): string {
  if (configs.length === 1) return nameIn(configs[0], set) ?? 'sweep';
  const directories = new Set(configs.map(file => dirname(resolve(file))));
  const [directory] = directories;
  const name = basename(directory);
  return directories.size === 1 && /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(name)
    ? name
    : 'variants';
}

/** Undefined if the config cannot be read, which is reported when the sweep opens it. */
function nameIn(file: string, set: readonly string[]): string | undefined {
  const name = caught(() => openConfig(file, { set }).check().experiment.name);
  return name instanceof UserError ? undefined : name;
}
