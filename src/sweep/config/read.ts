/** Reads a sweep file as a tree, with the values of flags merged in. */
import { dirname, resolve } from 'node:path';
import { objectText } from '../../config/load.js';
import { parseConfig, parseText } from '../../config/yaml/parse.js';
import { type Place, positionOf, readSource, SourceText } from '../../config/yaml/source.js';
import type { MapNode, Node } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';

/** A sweep that has been read but not checked. */
export interface SweepText {
  /** As the user named it; diagnostics about it come first. */
  readonly file: string;
  readonly tree: MapNode;
  readonly givenYaml: string | null;
  /** Arguments `key.path=value` for every config. */
  readonly set: readonly string[];
  /** Problems of single nodes, which are broken in the tree. */
  readonly problems: readonly Diagnostic[];
}

/** The values of flags as text. Each overrides the sweep file. */
export interface SweepFlags {
  /** `METRIC:min` or `METRIC:max`. */
  readonly objective?: string;
  readonly method?: string;
  readonly trials?: string;
  readonly time?: string;
  readonly target?: string;
  /** Separated by commas. */
  readonly seeds?: string;
  readonly pruner?: string;
  readonly parallel?: string;
}

/**
 * @param sweep the path of a file, or its content as an object
 * @throws UserError (exit 2) if the file is not a YAML mapping
 */
export function readSweep(sweep: string | object, set: readonly string[], flags: SweepFlags): SweepText {
  const source =
    typeof sweep === 'string'
      ? readSource(sweep, resolve(sweep), dirname(resolve(sweep)))
      : objectText(sweep);
  const { root, problems } = parseConfig(source);
  if (root === undefined || problems.length > 0) throw usageError(...problems);
  return { file: source.file, ...withFlags(root, flags), givenYaml: source.text, set };
}

/** Keys that only sweeps have. */
const SWEEP_KEYS: readonly string[] = [
  'base',
  'variants',
  'parameters',
  'method',
  'objective',
  'pruner',
  'budget',
  'seeds',
];

/**
 * Whether a file is a sweep rather than a config; true if it is neither, since it may be a broken
 * sweep.
 */
export function isSweepFile(file: string): boolean {
  const path = resolve(file);
  const { root } = parseConfig(readSource(file, path, dirname(path)));
  if (root === undefined) return true;
  return (
    SWEEP_KEYS.some(key => root.entries.has(key)) ||
    !['dataset', 'model', 'extends'].some(key => root.entries.has(key))
  );
}

/** The tree with the values of flags in place of its own. */
export function withFlags(tree: MapNode, flags: SweepFlags): Pick<SweepText, 'tree' | 'problems'> {
  const problems: Diagnostic[] = [];
  const changed = new Map(tree.entries);
  const put = (key: string, value: Node | undefined): void => {
    if (value !== undefined) changed.set(key, { key: value.place, value });
  };
  const node = (
    key: keyof SweepFlags,
    text = flags[key],
    read = (given: string) => flagNode(key, given),
  ): Node | undefined =>
    text === undefined
      ? undefined
      : orBroken(flagSource(key, text).place(0, text.length), problems, () => read(text));
  put('objective', node('objective', flags.objective, objectiveNode));
  for (const key of ['method', 'pruner', 'parallel'] as const) put(key, node(key));
  put('seeds', flags.seeds === undefined ? undefined : node('seeds', `[${flags.seeds}]`));
  const budget = tree.entries.get('budget');
  const limits = budget?.value.kind === 'map' ? new Map(budget.value.entries) : new Map();
  for (const key of ['trials', 'time', 'target'] as const) {
    const value = node(key);
    if (value !== undefined) limits.set(key, { key: value.place, value });
  }
  const [first] = limits.values();
  if (first !== undefined && (budget === undefined || budget.value.kind === 'map')) {
    const place = budget?.value.place ?? first.key;
    changed.set('budget', { key: budget?.key ?? place, value: { kind: 'map', entries: limits, place } });
  }
  return { tree: { ...tree, entries: changed }, problems };
}

/**
 * The node that `read` returns; if it throws, a broken node, with its diagnostics added to
 * `problems`.
 */
export function orBroken(place: Place, problems: Diagnostic[], read: () => Node): Node {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    problems.push(...error.diagnostics);
    return { kind: 'broken', place };
  }
}

function flagSource(name: string, text: string): SourceText {
  return new SourceText(`--${name}`, text, resolve('.'));
}

/** A flag's value as YAML, so that the schema applies to it as in a file. */
function flagNode(name: string, text: string): Node {
  const source = flagSource(name, text);
  if (text.trim() === '') {
    const problem = { code: 'sweep/flag', message: 'the value is missing', ...positionOf(source.place(0)) };
    throw usageError(problem);
  }
  const { node, problems } = parseText(source);
  if (node === undefined || problems.length > 0) throw usageError(...problems);
  return node;
}

const GOALS: Readonly<Record<string, string>> = {
  min: 'minimize',
  max: 'maximize',
  minimize: 'minimize',
  maximize: 'maximize',
};

function objectiveNode(text: string): Node {
  const source = flagSource('objective', text);
  const colon = text.lastIndexOf(':');
  const goal = colon < 0 ? undefined : GOALS[text.slice(colon + 1)];
  if (goal === undefined || colon === 0) {
    throw usageError({
      code: 'sweep/objective',
      message: 'an objective needs a metric and a goal',
      ...positionOf(source.place(0, text.length)),
      expected: 'METRIC:min or METRIC:max, such as test.accuracy:max',
      got: text,
    });
  }
  const metric = scalar(text.slice(0, colon), source, 0, colon);
  return mapping({ metric, goal: scalar(goal, source, colon + 1, text.length) }, source);
}

/** A scalar for a part of a source. */
export function scalar(value: string | number, source: SourceText, start: number, end: number): Node {
  return { kind: 'scalar', value, written: String(value), place: source.place(start, end) };
}

/** A mapping of such scalars; the places of its keys are those of the values. */
export function mapping(values: Readonly<Record<string, Node>>, source: SourceText): MapNode {
  const entries = Object.entries(values).map(([key, value]) => [key, { key: value.place, value }] as const);
  return { kind: 'map', entries: new Map(entries), place: source.place(0, source.text.length) };
}
