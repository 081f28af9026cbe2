/** Merges a config file, the files that it extends and `--set` into one tree. */
import { dirname, isAbsolute, join, resolve } from '../host/index.js';
import { caught, type Diagnostic, UserError, usageError, usageErrors } from '../util/errors.js';
import { decidedBranch, decidingKeys, narrow, propertiesOf, type Schema, schemaAt } from './schema/schema.js';
import { parseConfig, parseText } from './yaml/parse.js';
import {
  describeValue,
  diagnosticAt,
  type Entry,
  formatPath,
  type MapNode,
  mapNode,
  type Node,
  nodeAt,
  type Path,
  type Place,
  PROTOTYPE_KEYS,
  readSource,
  SourceText,
  scalarNode,
  toPlain,
} from './yaml/tree.js';

/** More files than anyone needs. Bounds the cost of files that are extended several times. */
const MAX_FILES = 32;

/**
 * Reads `given`, a file or a text that is in no file, and everything it extends.
 * @param asked where the file is named, unless on the command line
 */
export function readLayers(given: string | SourceText, asked?: Place) {
  if (given === '') throw usageError('config/missing-file', 'the name of the config is empty');
  const path = typeof given === 'string' ? resolve(given) : join(given.folder, given.file);
  const source = typeof given === 'string' ? readSource(given, path, dirname(path), asked) : given;
  const problems: Diagnostic[] = [];
  const files: string[] = [];

  /** @param chain absolute paths from the config down to this file, which is the last */
  const read = (from: SourceText, chain: readonly string[]): MapNode | undefined => {
    const { root, problems: found } = parseConfig(from);
    // a base that is not a config may be any file of the machine: its content is not shown
    const isForeign = chain.length > 1 && root === undefined;
    problems.push(...(isForeign ? found.map(({ source: _, got: __, ...rest }) => rest) : found));
    const bases = root ? extendedFiles(root) : [];
    // the description of a base is not about this config
    const dropped = root?.entries.has('description') ? [] : ['description'];
    const trees = bases.map(base => without(readBase(from, base, chain), dropped));
    files.push(chain[chain.length - 1]);
    if (root === undefined) return undefined;
    // a malformed `extends` stays in the tree for the schema check
    const local = without(root, bases.length === 0 ? [] : ['extends']);
    return [...trees, local].reduce((below, tree) => below && tree && mergeTrees(below, tree));
  };
  const readBase = (from: SourceText, { file, place }: Base, chain: readonly string[]) => {
    const path = resolve(from.folder, file);
    const name = isAbsolute(file) ? file : join(dirname(from.file), file);
    const tree = caught(() => {
      if (chain.includes(path)) {
        const length = chain.length - chain.indexOf(path);
        const cycle = `\`extends\` forms a cycle of ${length} files back to ${name}`;
        const message = length === 1 ? 'the config extends itself' : cycle;
        throw usageErrors([diagnosticAt(place, 'config/extends-cycle', message)]);
      }
      if (files.length + chain.length > MAX_FILES) {
        const more = { expected: `at most ${MAX_FILES}` };
        const message = '`extends` includes too many files';
        throw usageErrors([diagnosticAt(place, 'config/extends-too-many', message, more)]);
      }
      return read(readSource(name, path, dirname(path), place), [...chain, path]);
    });
    if (!(tree instanceof UserError)) return tree;
    problems.push(...tree.diagnostics);
    return undefined;
  };
  const tree = read(source, [path]);
  /** `files`: every file read, the config itself last; absolute. `source`: the config as given. */
  return { tree, problems, files, source };
}

function without<T extends MapNode | undefined>(tree: T, keys: readonly string[]): T {
  if (tree === undefined) return tree;
  const entries = [...tree.entries].filter(([key]) => !keys.includes(key));
  return { ...tree, entries: new Map(entries) };
}

interface Base {
  readonly file: string;
  readonly place: Place;
}

/** The files in `extends`; empty if it is absent or malformed, which the schema check reports. */
function extendedFiles(root: MapNode): readonly Base[] {
  const value = root.entries.get('extends')?.value;
  const items = value?.kind === 'list' ? value.items : value === undefined ? [] : [value];
  const bases = items.flatMap((item): Base[] => {
    if (item.kind !== 'scalar' || typeof item.value !== 'string' || item.value === '') return [];
    return [{ file: item.value, place: item.place }];
  });
  return bases.length === items.length ? bases : [];
}

/**
 * Merges two layers; `above` wins. Mappings are merged key by key, null removes a key, and
 * everything else is replaced. Inherited keys that `above` excludes are removed, such as
 * `validation.fraction` if it sets `count`. If it chooses another branch of a union
 * (`optimizer.kind`, or `model.layers` instead of `model.cell`), so are those that the new branch
 * does not know.
 */
function mergeTrees(below: MapNode, above: MapNode, path: Path = []): MapNode {
  const given = [...above.entries].filter(([, { value }]) => !isNull(value));
  const excluded = given.flatMap(([key]) => schemaAt([...path, key], undefined)?.['x-excludes'] ?? []);
  const isKnown = keysAllowed(below, above, path);
  const inherited = [...below.entries].filter(([key]) => isKnown(key) && !excluded.includes(key));
  const entries = new Map<string, Entry>(inherited);
  for (const [key, { key: place, value }] of above.entries) {
    const before = entries.get(key)?.value;
    if (before && isNull(value)) entries.delete(key);
    else {
      const areMaps = before?.kind === 'map' && value.kind === 'map';
      entries.set(key, { key: place, value: areMaps ? mergeTrees(before, value, [...path, key]) : value });
    }
  }
  return { kind: 'map', entries, place: above.place };
}

function isNull(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** Whether the branch that `above` chooses has a key; true if `below` chooses the same. */
function keysAllowed(below: MapNode, above: MapNode, path: Path): (key: string) => boolean {
  const schema = schemaAt(path, undefined);
  if (schema?.oneOf === undefined) return () => true;
  const [was, becomes] = [below, above].map(tree => decidedBranch(schema, toPlain(tree)));
  if (becomes === undefined || becomes === was) return () => true;
  const known = propertiesOf(becomes);
  return key => known.has(key);
}

interface Step {
  readonly name: string;
  readonly place: Place;
}

/** A key and its value from another file, such as a sweep, set like `--set`. */
export interface Assignment {
  readonly key: string;
  readonly keyPlace: Place;
  readonly value: Node;
}

interface Change {
  readonly steps: readonly Step[];
  /** How a value is parsed depends on the schema of its key. */
  valueFor(schema: Schema | undefined): Node;
}

/**
 * Applies all overrides to a config, except those with problems.
 * @param folder absolute; paths in values are relative to it
 */
export function applyOverrides(tree: MapNode, set: readonly string[], folder: string) {
  const parsed = set.map(argument => caught(() => parseArgument(argument, folder)));
  const changes = parsed.flatMap(change => (change instanceof UserError ? [] : [change]));
  const unread = parsed.flatMap(change => (change instanceof UserError ? change.diagnostics : []));
  const applied = applyChanges(tree, changes);
  return { tree: applied.tree, problems: [...unread, ...applied.problems] };
}

/** Like `applyOverrides`, with values already parsed elsewhere; diagnostics point there. */
export function applyAssignments(tree: MapNode, assignments: readonly Assignment[]) {
  const changes = assignments.map(({ key, keyPlace, value }) => {
    const names = key.replaceAll(/\[(\d+)\]/g, '.$1').split('.');
    return { steps: names.map(name => ({ name, place: keyPlace })), valueFor: () => value };
  });
  return applyChanges(tree, changes);
}

const SELECTED = { stratified: 'stratified', random: 'random', group: 'random', time: 'last' } as const;

/**
 * The config with the first of its `folds` as the test split; unchanged without valid folds. Its
 * validation split has whole groups if the folds have, and is the latest part if they follow time.
 */
export function withFirstFold(tree: MapNode) {
  const found = nodeAt(tree, ['folds']);
  const plain = toPlain(tree) as Readonly<Record<string, unknown>>;
  const dataset = narrow(schemaAt(['dataset'], undefined) ?? {}, plain.dataset);
  const divided = propertiesOf((dataset && propertiesOf(dataset).get('test')) ?? {}).has('fold');
  if (found?.key === undefined || found.value.kind !== 'map' || !divided) return { tree, problems: [] };
  const { key: keyPlace, value: folds } = found;
  const file = nodeAt(tree, ['dataset', 'test_path']);
  if (file !== undefined) {
    const message = '`folds` divides the data of `path`, but the test split has a file of its own';
    const expected = 'no `test_path`, or all data in `path`';
    return { tree, problems: [diagnosticAt(file.value.place, 'config/folds', message, { expected })] };
  }
  const keyOf = (key: string): Node | undefined => folds.entries.get(key)?.value;
  const [by, group, count] = ['by', 'group', 'count'].map(keyOf);
  const select = by?.kind === 'scalar' ? SELECTED[by.value as keyof typeof SELECTED] : undefined;
  const fold = scalarNode(1, folds.place);
  const isSeries = Object(plain.dataset).kind === 'forecast';
  const selected = isSeries ? undefined : by && scalarNode(select ?? 'random', by.place);
  const value = mapNode(
    { fold, of: count, group: isSeries ? undefined : group, select: selected },
    folds.place,
  );
  const held = applyAssignments(tree, [{ key: 'dataset.test', keyPlace, value }]);
  const groups = group ?? nodeAt(held.tree, ['dataset', 'test', 'group'])?.value;
  const validation = nodeAt(held.tree, ['dataset', 'validation'])?.value;
  const keys = validation?.kind === 'map' ? [...validation.entries.keys()] : [];
  if (!keys.some(key => key === 'fraction' || key === 'count')) return held;
  const ofFolds = { group: groups, select: select === 'last' ? selected : undefined };
  const assigned = Object.entries(ofFolds).flatMap(([key, value]) =>
    value === undefined || keys.includes(key) ? [] : [{ key: `dataset.validation.${key}`, keyPlace, value }],
  );
  return applyAssignments(held.tree, assigned);
}

function applyChanges(tree: MapNode, changes: readonly Change[]) {
  const problems: Diagnostic[] = [];
  let result = tree;
  const decides = ({ steps }: Change) => isDeciding(steps.map(({ name }) => name));
  // a changed kind drops inherited keys: applied first, it never drops keys of another --set
  for (const change of changes.toSorted((a, b) => Number(decides(b)) - Number(decides(a)))) {
    const changed = caught(() => apply(result, change));
    if (changed instanceof UserError) problems.push(...changed.diagnostics);
    else result = changed;
  }
  return { tree: result, problems };
}

function fail(code: string, message: string, place: Place, expected?: string): UserError {
  return usageErrors([diagnosticAt(place, code, message, { expected })]);
}

const FORM = 'KEY.PATH=VALUE';

function parseArgument(argument: string, folder: string): Change {
  const source = new SourceText('--set', argument, folder);
  const equals = argument.indexOf('=');
  if (equals <= 0) {
    const message = equals === 0 ? 'the key before = is missing' : 'the value is missing';
    throw fail('config/set-syntax', message, source.place(0, argument.length), FORM);
  }
  const steps: Step[] = [];
  // `gates.0.min` and `gates[0].min` are the same path
  for (const match of argument.slice(0, equals).matchAll(/(^|\.|\[)([^.[\]]*)\]?/g)) {
    const start = match.index + match[1].length;
    const name = match[2].trim();
    const place = source.place(start, start + Math.max(1, match[2].length));
    if (name === '') throw fail('config/set-syntax', 'a part of the key is empty', place, FORM);
    if (PROTOTYPE_KEYS.has(name))
      throw fail('config/forbidden-key', `the key \`${name}\` is not allowed`, place);
    if (steps.length === 0 && name === 'extends')
      throw fail('config/set-extends', '`extends` cannot be set with --set', place);
    steps.push({ name, place });
  }
  return { steps, valueFor: schema => parseValue(source, equals + 1, schema) };
}

/** True if the key at `path` decides which other keys its mapping has. */
function isDeciding(path: Path): boolean {
  const around = schemaAt(path.slice(0, -1), undefined) ?? {};
  return decidingKeys(around).includes(String(path.at(-1)));
}

function apply(tree: MapNode, { steps, valueFor }: Change): MapNode {
  const names = steps.map(step => step.name);
  const schema = schemaAt(names, toPlain(tree));
  const value = valueFor(schema);
  const removes = value.kind === 'scalar' && value.value === null;
  // removing an absent key is allowed, so that null can be a value of a sweep's parameter
  if (removes && schema !== undefined && nodeAt(tree, names) === undefined) return tree;
  return put(tree, steps, value, []) as MapNode;
}

/** The tree with `value` at the path `steps`. Lists are indexed; missing mappings are created. */
function put(node: Node | undefined, steps: readonly Step[], value: Node, path: Path): Node {
  const [{ name, place }, ...rest] = steps;
  const isGiven = node !== undefined && !(node.kind === 'scalar' && node.value === null);
  const schema = schemaAt(path, undefined);
  const whole = formatPath(path);
  if (node?.kind === 'list' || (!isGiven && schema?.type === 'array')) {
    const items = node?.kind === 'list' ? node.items : [];
    const index = /^\d{1,6}$/.test(name) ? Number(name) : -1;
    const expected = `an index from 0 to ${items.length}`;
    if (index < 0 || index > items.length)
      throw fail('config/set-path', `\`${whole}\` has no item ${name}`, place, expected);
    const item = rest.length === 0 ? value : put(items[index], rest, value, [...path, index]);
    const changed = [...items.slice(0, index), item, ...items.slice(index + 1)];
    return { kind: 'list', items: changed, place: node?.place ?? place };
  }
  if (isGiven && node.kind !== 'map')
    throw fail('config/set-path', `\`${whole}\` is ${describeValue(node)} and has no key \`${name}\``, place);
  // an unknown path is reported elsewhere
  if (!isGiven && schema && schema.type !== 'object' && schema.oneOf === undefined)
    throw fail('config/set-path', `\`${whole}\` has no key \`${name}\``, place);
  const map: MapNode = node?.kind === 'map' ? node : { kind: 'map', entries: new Map(), place };
  if (rest.length === 0) {
    const above: MapNode = { kind: 'map', entries: new Map([[name, { key: place, value }]]), place };
    const merged = mergeTrees(map, above, path);
    // the mapping stays where it is written, unless another kind makes it another one
    return isDeciding([...path, name]) ? merged : { ...merged, place: map.place };
  }
  const entry = map.entries.get(name);
  const inner = put(entry?.value, rest, value, [...path, name]);
  return { ...map, entries: new Map(map.entries).set(name, { key: entry?.key ?? place, value: inner }) };
}

/**
 * Parses the value as YAML. If the schema requires a string, takes it literally, so that `name=1e3`
 * needs no quotes.
 */
function parseValue(source: SourceText, start: number, schema: Schema | undefined): Node {
  const text = source.text.slice(start);
  const place = source.place(start, Math.max(start + 1, source.text.length));
  if (isText(schema) && !/^\s*["']/.test(text) && text.trim() !== 'null') {
    // a shell takes `\t` more easily than a tab
    const meant = schema?.enum?.find(choice => JSON.stringify(choice) === `"${text}"`);
    return { kind: 'scalar', value: typeof meant === 'string' ? meant : text, written: text, place };
  }
  if (text.trim() === '') throw fail('config/set-syntax', 'the value is missing', place, FORM);
  // spaces instead of the key keep the offsets in the argument
  const { node, problems } = parseText(source, ' '.repeat(start) + text);
  if (problems.length > 0 || node === undefined) throw usageErrors(problems);
  return node;
}

function isText({ enum: choices, type, const: only }: Schema = {}): boolean {
  return choices
    ? choices.every(value => typeof value === 'string')
    : type === 'string' || typeof only === 'string';
}
