/**
 * Reads a sweep as a tree, with the values of flags merged in: from a file, or from configs and
 * values for their keys on the command line.
 */
import { basename, dirname, resolve } from 'node:path';
import { objectText, openConfig } from '../../config/load.js';
import { parseConfig, parseText } from '../../config/yaml/parse.js';
import { type Place, positionOf, readSource, SourceText } from '../../config/yaml/source.js';
import type { Entry, MapNode, Node } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import { COMMAND_LINE } from './bases.js';
import { fixedKey } from './checks.js';

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
 * Whether a file is a sweep or a config; undefined if it has keys of neither.
 * @throws UserError (exit 2) if it cannot be read
 */
export function kindOfFile(file: string): 'sweep' | 'config' | undefined {
  const path = resolve(file);
  const { root } = parseConfig(readSource(file, path, dirname(path)));
  const has = (key: string): boolean => root?.entries.has(key) === true;
  if (has('dataset') || has('model')) return 'config';
  if (SWEEP_KEYS.some(has)) return 'sweep';
  return has('extends') ? 'config' : undefined;
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

/**
 * `configs/a.yaml model.hidden_size=64,128`: a grid, unless a flag sets another method. Several
 * configs are variants. A single value for a key that cannot be varied overrides it in every trial.
 * @param assignments `key=value,value…`, or `key=log_uniform(LOW,HIGH)`, and likewise `uniform`,
 * `int` and `log_int`
 */
export function sweepOfArguments(
  configs: readonly string[],
  assignments: readonly string[],
  given: readonly string[],
  flags: SweepFlags,
): SweepText {
  const source = new SourceText(COMMAND_LINE, [...configs, ...assignments].join(' '), resolve('.'));
  let at = 0;
  const next = (word: string): number => {
    const start = at;
    at += word.length + 1;
    return start;
  };
  const files = configs.map(file => {
    const start = next(file);
    return scalar(file, source, start, start + file.length);
  });
  const problems: Diagnostic[] = [];
  const words = assignments.map(word => ({ word, start: next(word) }));
  const overrides = words.filter(word => isOverride(source, word));
  const parameters = parametersOf(
    source,
    words.filter(word => !overrides.includes(word)),
    problems,
  );
  const set = [...given, ...overrides.map(({ word }) => word)];
  const entries: Record<string, Node> = {
    version: scalar(1, source, 0, 1),
    name: scalar(nameOf(configs, set), source, 0, configs[0].length),
    ...(files.length === 1
      ? { base: files[0] }
      : { variants: { kind: 'list', items: files, place: source.place(0, source.text.length) } }),
    method: scalar('grid', source, 0, 1),
    ...(parameters.entries.size > 0 && { parameters }),
  };
  const { tree, problems: ofFlags } = withFlags(mapping(entries, source), flags);
  return { file: COMMAND_LINE, tree, givenYaml: null, set, problems: [...problems, ...ofFlags] };
}

interface Word {
  readonly word: string;
  /** Where it starts in the source. */
  readonly start: number;
}

/** Whether `word` has one value for a key that cannot be varied. */
function isOverride(source: SourceText, { word, start }: Word): boolean {
  const equals = word.indexOf('=');
  const text = word.slice(equals + 1);
  if (fixedKey(word.slice(0, equals)) === undefined || DISTRIBUTION.test(text)) return false;
  const { node, problems } = parseValues(source, text, start + equals + 1);
  return problems.length === 0 && node?.kind === 'list' && node.items.length === 1;
}

function parametersOf(source: SourceText, words: readonly Word[], problems: Diagnostic[]): MapNode {
  const entries = new Map<string, Entry>();
  for (const { word, start } of words) {
    const equals = word.indexOf('=');
    const key = word.slice(0, equals);
    const place = source.place(start, start + equals);
    if (entries.has(key)) {
      problems.push({ code: 'sweep/overlap', message: `\`${key}\` is set twice`, ...positionOf(place) });
      continue;
    }
    const values = (): Node => valuesOf(source, word.slice(equals + 1), start + equals + 1);
    entries.set(key, { key: place, value: orBroken(place, problems, values) });
  }
  return { kind: 'map', entries, place: source.place(words[0]?.start ?? 0) };
}

const DISTRIBUTION = /^(uniform|log_uniform|int|log_int)\((.*)\)$/s;

/** @param start of `text` in the source, right after = */
function valuesOf(source: SourceText, text: string, start: number): Node {
  const distribution = DISTRIBUTION.exec(text);
  if (distribution !== null) return distributionOf(source, distribution, start);
  const place = source.place(start - 1, Math.max(start, start + text.length));
  const list = parseList(source, text, start);
  if (list.length === 0)
    throw usageError({
      code: 'sweep/argument',
      message: 'the values are missing',
      ...positionOf(place),
      expected: 'KEY=VALUE,VALUE…',
    });
  return { kind: 'list', items: list, place };
}

function distributionOf(source: SourceText, [text, kind, inside]: RegExpExecArray, start: number): Node {
  const place = source.place(start, start + text.length);
  const bounds = parseList(source, inside, start + kind.length + 1);
  const names = kind === 'int' ? ['low', 'high', 'step'] : ['low', 'high'];
  if (bounds.length < 2 || bounds.length > names.length)
    throw usageError({
      code: 'sweep/argument',
      message: `${kind} takes ${kind === 'int' ? '2 or 3 numbers' : '2 numbers'}`,
      ...positionOf(place),
      expected: kind === 'int' ? 'int(LOW,HIGH) or int(LOW,HIGH,STEP)' : `${kind}(LOW,HIGH)`,
    });
  const named = Object.fromEntries(bounds.map((bound, i) => [names[i], bound]));
  return { ...mapping({ kind: scalar(kind, source, start, start + kind.length), ...named }, source), place };
}

/** The added bracket comes first, since spaces before it would count as nesting. */
function parseValues(source: SourceText, text: string, start: number) {
  return parseText(source, `[${' '.repeat(start - 1)}${text}]`);
}

/** Items separated by commas, as in a YAML list. */
function parseList(source: SourceText, text: string, start: number): readonly Node[] {
  const { node, problems } = parseValues(source, text, start);
  if (node === undefined || problems.length > 0)
    throw usageError(...problems.map(unclosed(source, text, start)));
  return node.kind === 'list' ? node.items : [];
}

/** An unclosed bracket or quote is reported at the added bracket, which the user did not write. */
function unclosed(source: SourceText, text: string, start: number): (problem: Diagnostic) => Diagnostic {
  const around = positionOf(source.place(0));
  return problem => {
    if (problem.line !== around.line || problem.column !== around.column) return problem;
    const message = 'a bracket or quote in the values is not closed';
    return { code: problem.code, message, ...positionOf(source.place(start, start + text.length)) };
  };
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
  try {
    return openConfig(file, { set }).check().experiment.name;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}
