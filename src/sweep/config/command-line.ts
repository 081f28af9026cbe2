/** Sweeps without a file: configs, and values for their keys, on the command line. */
import { basename, dirname, resolve } from 'node:path';
import { openConfig } from '../../config/load.js';
import { parseText } from '../../config/yaml/parse.js';
import { positionOf, SourceText } from '../../config/yaml/source.js';
import type { Entry, MapNode, Node } from '../../config/yaml/tree.js';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import { COMMAND_LINE } from './bases.js';
import { fixedKey } from './parameter-checks.js';
import { mapping, orBroken, type SweepFlags, type SweepText, scalar, withFlags } from './read.js';

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
