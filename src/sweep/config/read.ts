/** A sweep file as a tree, with what flags say in its place. */
import { dirname, resolve } from 'node:path';
import { parseConfig, parseText } from '../../config/yaml/parse.js';
import { type Place, positionOf, readSource, SourceText } from '../../config/yaml/source.js';
import type { MapNode, Node } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import type { SweepText } from './load.js';

/** What flags say, as text; each wins over what the sweep says. */
export interface SweepFlags {
  /** `METRIC:GOAL`, the goal being `min` or `max`. */
  readonly objective?: string;
  readonly method?: string;
  readonly trials?: string;
  readonly time?: string;
  readonly target?: string;
  /** With commas between. */
  readonly seeds?: string;
  readonly pruner?: string;
  readonly parallel?: string;
}

/** @throws UserError (exit 2) where the file is no YAML mapping */
export function readSweep(file: string, set: readonly string[], flags: SweepFlags): SweepText {
  const path = resolve(file);
  const source = readSource(file, path, dirname(path));
  const { root, problems } = parseConfig(source);
  if (root === undefined || problems.length > 0) throw usageError(...problems);
  return { file, ...withFlags(root, flags), givenYaml: source.text, set };
}

/** Keys that a config can't have: a file with one is a sweep. */
const MARKS: readonly string[] = [
  'base',
  'variants',
  'parameters',
  'method',
  'objective',
  'pruner',
  'budget',
  'seeds',
];

/** Whether the file at `path` is a sweep and no config; true where it is neither, for a sweep may be what it was to be. */
export function isSweepFile(file: string): boolean {
  const path = resolve(file);
  const { root } = parseConfig(readSource(file, path, dirname(path)));
  if (root === undefined) return true;
  return (
    MARKS.some(key => root.entries.has(key)) ||
    !['dataset', 'model', 'extends'].some(key => root.entries.has(key))
  );
}

/** What was read: a node that could not be is broken, and among the problems. */
export type ReadTree = Pick<SweepText, 'tree' | 'problems'>;

/** The tree with what flags say in the place of what it says. */
export function withFlags(tree: MapNode, flags: SweepFlags): ReadTree {
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

/** What `read` gives; a broken node where it throws, of which `problems` tell then. */
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

/** A flag's value as YAML, so that the schema judges it as it would in a file. */
export function flagNode(name: string, text: string): Node {
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
      message: 'an objective is a metric and its goal',
      ...positionOf(source.place(0, text.length)),
      expected: 'METRIC:min or METRIC:max, such as test.accuracy:max',
      got: text,
    });
  }
  const metric = scalar(text.slice(0, colon), source, 0, colon);
  return mapping({ metric, goal: scalar(goal, source, colon + 1, text.length) }, source);
}

/** A scalar that stands for a piece of a source. */
export function scalar(value: string | number, source: SourceText, start: number, end: number): Node {
  return { kind: 'scalar', value, written: String(value), place: source.place(start, end) };
}

/** A mapping of such; its keys stand where the values do. */
export function mapping(values: Readonly<Record<string, Node>>, source: SourceText): MapNode {
  const entries = Object.entries(values).map(([key, value]) => [key, { key: value.place, value }] as const);
  return { kind: 'map', entries: new Map(entries), place: source.place(0, source.text.length) };
}
