/** Merges a config file and the files that it extends into one tree. */
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Diagnostic, UserError, usageError } from '../util/errors.js';
import { decidedBranch, propertiesOf, schemaAt } from './schema/walk.js';
import { parseConfig } from './yaml/parse.js';
import { type Place, positionOf, readSource, type SourceText } from './yaml/source.js';
import { type Entry, type MapNode, type Node, type Path, toPlain } from './yaml/tree.js';

/** Maximum length of all files together. Bounds the time to check a config. */
const MAX_CHARACTERS = 262_144;
/** More files than anyone needs. Bounds the cost of files that are extended several times. */
const MAX_FILES = 32;

export interface Layers {
  readonly tree?: MapNode;
  readonly problems: readonly Diagnostic[];
  /** Every file read, the config itself last; absolute. */
  readonly files: readonly string[];
  /** The config itself, as given. */
  readonly source: SourceText;
}

/**
 * Reads `given`, a file or a text that is in no file, and everything it extends.
 * @param asked where the file is named, unless on the command line
 */
export function readLayers(given: string | SourceText, asked?: Place): Layers {
  if (given === '')
    throw usageError({ code: 'config/missing-file', message: 'the name of the config is empty' });
  const path = typeof given === 'string' ? resolve(given) : join(given.folder, given.file);
  const source = typeof given === 'string' ? readSource(given, path, dirname(path), asked) : given;
  const problems: Diagnostic[] = [];
  const files: string[] = [];
  let characters = 0;

  /** @param chain absolute paths from the config down to this file, which is the last */
  const read = (from: SourceText, chain: readonly string[]): MapNode | undefined => {
    characters += from.text.length;
    const parsed = parseConfig(from);
    const isBase = chain.length > 1 && parsed.root === undefined;
    problems.push(...(isBase ? parsed.problems.map(withoutContent) : parsed.problems));
    const bases = parsed.root ? extendedFiles(parsed.root) : [];
    const trees = bases.map(base => readBase(from, base, chain));
    files.push(chain[chain.length - 1]);
    if (parsed.root === undefined) return undefined;
    // a malformed `extends` stays in the tree for the schema check
    const entries = [...parsed.root.entries].filter(([key]) => bases.length === 0 || key !== 'extends');
    const own: MapNode = { ...parsed.root, entries: new Map(entries) };
    return [...trees, own].reduce((below, tree) => below && tree && mergeTrees(below, tree));
  };
  const readBase = (from: SourceText, base: Base, chain: readonly string[]): MapNode | undefined => {
    const path = resolve(from.folder, base.file);
    const file = isAbsolute(base.file) ? base.file : join(dirname(from.file), base.file);
    const refusal = (code: string, message: string, expected?: string) =>
      usageError({ code, message, ...positionOf(base.place), ...(expected !== undefined && { expected }) });
    try {
      if (chain.includes(path)) {
        const length = chain.length - chain.indexOf(path);
        const cycle = `\`extends\` forms a cycle of ${length} files back to ${file}`;
        throw refusal('config/extends-cycle', length === 1 ? 'the config extends itself' : cycle);
      }
      if (files.length + chain.length > MAX_FILES)
        throw refusal('config/extends-too-many', '`extends` includes too many files', `at most ${MAX_FILES}`);
      const next = readSource(file, path, dirname(path), base.place);
      if (characters + next.text.length > MAX_CHARACTERS) {
        const message = 'the config and the files that it extends are too large';
        throw refusal('config/extends-too-large', message, `at most ${MAX_CHARACTERS / 1024} KiB`);
      }
      return read(next, [...chain, path]);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      problems.push(...error.diagnostics);
      return undefined;
    }
  };
  const tree = read(source, [path]);
  return { ...(tree && { tree }), problems, files, source };
}

/**
 * An extended file that is not a config may be any file of the machine, so its content is not
 * shown.
 */
function withoutContent({ source: _source, got: _got, ...rest }: Diagnostic): Diagnostic {
  return rest;
}

interface Base {
  readonly file: string;
  readonly place: Place;
}

/** The files in `extends`; empty if it is absent or malformed, which the schema check reports. */
function extendedFiles(root: MapNode): readonly Base[] {
  const value = root.entries.get('extends')?.value;
  if (value === undefined) return [];
  const items: readonly Node[] = value.kind === 'list' ? value.items : [value];
  const bases: Base[] = [];
  for (const item of items) {
    if (item.kind !== 'scalar' || typeof item.value !== 'string' || item.value === '') return [];
    bases.push({ file: item.value, place: item.place });
  }
  return bases;
}

/**
 * Merges two layers; `above` wins. Mappings are merged key by key, null removes a key, and
 * everything else is replaced. If `above` chooses another branch of a union (`optimizer.kind`, or
 * `model.layers` instead of `model.cell`), inherited keys that the new branch does not know are
 * removed.
 */
export function mergeTrees(below: MapNode, above: MapNode, path: Path = []): MapNode {
  const excluded = excludedKeys(above, path);
  const inherited = [...inheritedEntries(below, above, path)].filter(([key]) => !excluded.has(key));
  const entries = new Map<string, Entry>(inherited);
  for (const [key, entry] of above.entries) {
    const before = entries.get(key);
    if (before === undefined) entries.set(key, entry);
    else if (isNull(entry.value)) entries.delete(key);
    else entries.set(key, { key: entry.key, value: mergeValues(before.value, entry.value, [...path, key]) });
  }
  return { kind: 'map', entries, place: above.place };
}

function mergeValues(below: Node, above: Node, path: Path): Node {
  return below.kind === 'map' && above.kind === 'map' ? mergeTrees(below, above, path) : above;
}

function isNull(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null;
}

function inheritedEntries(below: MapNode, above: MapNode, path: Path): ReadonlyMap<string, Entry> {
  const schema = schemaAt(path, undefined);
  if (schema?.oneOf === undefined) return below.entries;
  const [was, becomes] = [below, above].map(tree =>
    decidedBranch(schema, toPlain(tree) as Readonly<Record<string, unknown>>),
  );
  if (becomes === undefined || becomes === was) return below.entries;
  const known = propertiesOf(becomes);
  return new Map([...below.entries].filter(([key]) => known.has(key)));
}

/** Inherited keys that `above` excludes, such as `validation.fraction` if it sets `count`. */
function excludedKeys(above: MapNode, path: Path): ReadonlySet<string> {
  const given = [...above.entries].filter(([, { value }]) => !isNull(value));
  return new Set(given.flatMap(([key]) => schemaAt([...path, key], undefined)?.['x-excludes'] ?? []));
}
