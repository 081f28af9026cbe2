/** `--set key.path=value`: typed by the schema, merged last, with positions in the argument. */
import type { Diagnostic } from '../util/errors.js';
import { mergeTrees } from './layers.js';
import { decidingKeys, type Schema, schemaAt } from './schema/walk.js';
import { parseText } from './yaml/parse.js';
import { type Place, positionOf, SourceText } from './yaml/source.js';
import {
  describeValue,
  type Entry,
  formatPath,
  type MapNode,
  type Node,
  nodeAt,
  type Path,
  PROTOTYPE_KEYS,
  plainView,
} from './yaml/tree.js';

interface Step {
  readonly name: string;
  readonly place: Place;
}

/** An argument with a parsed key. How its value is parsed depends on the schema of the key. */
interface Override {
  readonly steps: readonly Step[];
  readonly source: SourceText;
  /** Offset of the value in the argument. */
  readonly valueAt: number;
}

/** A key and its value from another file, such as a sweep, set like `--set`. */
export interface Assignment {
  /** Dotted. */
  readonly key: string;
  readonly keyPlace: Place;
  readonly value: Node;
}

interface Change {
  readonly steps: readonly Step[];
  valueFor(schema: Schema | undefined): Node;
}

/**
 * Applies all overrides to a config, except those with problems.
 * @param folder absolute; paths in values are relative to it
 */
export function applyOverrides(
  tree: MapNode,
  set: readonly string[],
  folder: string,
): { tree: MapNode; problems: readonly Diagnostic[] } {
  const parsed = set.map(argument => collect(() => [parseArgument(argument, folder)], []));
  const changes = parsed
    .flatMap(({ value }) => value)
    .map(override => ({
      steps: override.steps,
      valueFor: (schema: Schema | undefined) => parseValue(override, schema),
    }));
  const applied = applyChanges(tree, changes);
  return { tree: applied.tree, problems: [...parsed.flatMap(one => one.problems), ...applied.problems] };
}

/** Like `applyOverrides`, with values already parsed elsewhere; diagnostics point there. */
export function applyAssignments(
  tree: MapNode,
  assignments: readonly Assignment[],
): { tree: MapNode; problems: readonly Diagnostic[] } {
  const changes = assignments.map(({ key, keyPlace, value }) => ({
    steps: key
      .replaceAll(/\[(\d+)\]/g, '.$1')
      .split('.')
      .map(name => ({ name, place: keyPlace })),
    valueFor: () => value,
  }));
  return applyChanges(tree, changes);
}

function applyChanges(
  tree: MapNode,
  changes: readonly Change[],
): { tree: MapNode; problems: readonly Diagnostic[] } {
  const problems: Diagnostic[] = [];
  let result = tree;
  // a changed kind drops inherited keys: applied first, it never drops keys of another --set
  for (const change of [...changes.filter(setsTag), ...changes.filter(change => !setsTag(change))]) {
    const outcome = collect(() => apply(result, change), result);
    problems.push(...outcome.problems);
    result = outcome.value;
  }
  return { tree: result, problems };
}

/** Abandons an override. Thrown and caught only in this file. */
class OverrideProblem extends Error {
  constructor(readonly diagnostics: readonly Diagnostic[]) {
    super('override');
  }
}

function collect<T>(action: () => T, otherwise: T): { value: T; problems: readonly Diagnostic[] } {
  try {
    return { value: action(), problems: [] };
  } catch (error) {
    if (error instanceof OverrideProblem) return { value: otherwise, problems: error.diagnostics };
    throw error;
  }
}

function fail(code: string, message: string, place: Place, more: Partial<Diagnostic> = {}): OverrideProblem {
  return new OverrideProblem([{ code, message, ...positionOf(place), ...more }]);
}

function parseArgument(argument: string, folder: string): Override {
  const source = new SourceText('--set', argument, folder);
  const equals = argument.indexOf('=');
  if (equals <= 0) {
    const message = equals === 0 ? 'the key before = is missing' : 'the value is missing';
    throw fail('config/set-syntax', message, source.place(0, argument.length), {
      expected: equals === 0 ? 'KEY.PATH=VALUE' : `${argument}=VALUE`,
    });
  }
  return { steps: splitPath(source, equals), source, valueAt: equals + 1 };
}

/** `gates.0.min` and `gates[0].min` are the same path. */
function splitPath(source: SourceText, end: number): Step[] {
  const text = source.text.slice(0, end);
  const steps: Step[] = [];
  for (const match of text.matchAll(/(^|\.|\[)([^.[\]]*)\]?/g)) {
    const start = match.index + match[1].length;
    const name = match[2].trim();
    const place = source.place(start, start + Math.max(1, match[2].length));
    if (name === '') {
      throw fail('config/set-syntax', 'a part of the key is empty', place, { expected: 'KEY.PATH=VALUE' });
    }
    if (PROTOTYPE_KEYS.has(name)) {
      throw fail('config/forbidden-key', `the key \`${name}\` is not allowed`, place);
    }
    steps.push({ name, place });
  }
  if (steps[0].name === 'extends') {
    throw fail('config/set-extends', '`extends` cannot be set with --set', steps[0].place, {
      expected: 'the path of another config as the argument',
    });
  }
  return steps;
}

function setsTag({ steps }: Pick<Change, 'steps'>): boolean {
  const path = steps.slice(0, -1).map(step => step.name);
  return isDeciding(path, steps[steps.length - 1].name);
}

/** True if the key `name` of the mapping at `path` decides which other keys it has. */
function isDeciding(path: Path, name: string): boolean {
  const parent = schemaAt(path, undefined);
  return parent !== undefined && decidingKeys(parent).includes(name);
}

function apply(tree: MapNode, { steps, valueFor }: Change): MapNode {
  const names = steps.map(step => step.name);
  const schema = schemaAt(names, plainView(tree));
  const value = valueFor(schema);
  const removes = value.kind === 'scalar' && value.value === null;
  // removing an absent key is allowed, so that null can be a value of a sweep's parameter
  if (removes && schema !== undefined && nodeAt(tree, names) === undefined) return tree;
  const changed = put(tree, steps, value, []);
  if (changed.kind !== 'map') throw new Error('an override replaced the whole config');
  return changed;
}

/** The tree with `value` at the path `steps`. Lists are indexed; missing mappings are created. */
function put(node: Node | undefined, steps: readonly Step[], value: Node, path: Path): Node {
  const [step, ...rest] = steps;
  if (node?.kind === 'list') return putInList(node.items, node.place, steps, value, path);
  if (node !== undefined && node.kind !== 'map' && !(node.kind === 'scalar' && node.value === null)) {
    const message = `\`${formatPath(path)}\` is ${describeValue(node)} and has no key \`${step.name}\``;
    throw fail('config/set-path', message, step.place);
  }
  if (node?.kind !== 'map' && isListPath(path)) return putInList([], step.place, steps, value, path);
  if (node?.kind !== 'map' && !isMapPath(path)) {
    throw fail('config/set-path', `\`${formatPath(path)}\` has no key \`${step.name}\``, step.place);
  }
  const map: MapNode = node?.kind === 'map' ? node : { kind: 'map', entries: new Map(), place: step.place };
  if (rest.length === 0) {
    const merged = mergeTrees(map, single(step, value), path);
    // the mapping stays where it is written, unless another kind makes it another one
    return isDeciding(path, step.name) ? merged : { ...merged, place: map.place };
  }
  const inner = put(map.entries.get(step.name)?.value, rest, value, [...path, step.name]);
  const entry: Entry = { key: map.entries.get(step.name)?.key ?? step.place, value: inner };
  return { ...map, entries: new Map(map.entries).set(step.name, entry) };
}

/** True if the schema has a list at a path. */
function isListPath(path: Path): boolean {
  return schemaAt(path, undefined)?.type === 'array';
}

/**
 * True if the schema allows a mapping at a path, or if the path is unknown, which is reported
 * elsewhere.
 */
function isMapPath(path: Path): boolean {
  const schema = schemaAt(path, undefined);
  return schema === undefined || schema.type === 'object' || schema.oneOf !== undefined;
}

function putInList(
  items: readonly Node[],
  place: Place,
  steps: readonly Step[],
  value: Node,
  path: Path,
): Node {
  const [step, ...rest] = steps;
  const index = /^\d{1,6}$/.test(step.name) ? Number(step.name) : -1;
  if (index < 0 || index > items.length) {
    const expected =
      items.length === 0
        ? '0, to add the first item'
        : `0 to ${items.length - 1}, or ${items.length} to add one`;
    throw fail('config/set-path', `\`${formatPath(path)}\` has no item ${step.name}`, step.place, {
      expected,
    });
  }
  const item = rest.length === 0 ? value : put(items[index], rest, value, [...path, index]);
  return { kind: 'list', items: [...items.slice(0, index), item, ...items.slice(index + 1)], place };
}

function single(step: Step, value: Node): MapNode {
  return { kind: 'map', entries: new Map([[step.name, { key: step.place, value }]]), place: step.place };
}

/**
 * Parses the value as YAML. If the schema requires a string, takes it literally, so that `name=1e3`
 * needs no quotes.
 */
function parseValue({ source, valueAt }: Override, schema: Schema | undefined): Node {
  const text = source.text.slice(valueAt);
  const place = source.place(valueAt, Math.max(valueAt + 1, source.text.length));
  const plain = isStringSchema(schema) && !/^\s*["']/.test(text) && text.trim() !== 'null';
  if (plain) return { kind: 'scalar', value: choiceOf(text, schema), written: text, place };
  if (text.trim() === '') {
    throw fail('config/set-syntax', 'the value is missing', place, { expected: 'KEY.PATH=VALUE' });
  }
  // spaces instead of the key keep the offsets in the argument
  const { node, problems } = parseText(source, ' '.repeat(valueAt) + text);
  if (problems.length > 0 || node === undefined) throw new OverrideProblem(problems);
  return node;
}

/** The choice that `text` is an escape of: a shell takes `\t` more easily than a tab. */
function choiceOf(text: string, { enum: choices = [] }: Schema = {}): string {
  const meant = choices.find(choice => JSON.stringify(choice) === `"${text}"`);
  return typeof meant === 'string' ? meant : text;
}

function isStringSchema(schema: Schema | undefined): boolean {
  if (schema === undefined) return false;
  if (schema.enum !== undefined) return schema.enum.every(value => typeof value === 'string');
  return schema.type === 'string' || typeof schema.const === 'string';
}
