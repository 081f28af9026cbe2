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
  /**
   * The merged tree without `extends`; undefined if a file cannot be read or is not a YAML mapping.
   */
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
 * @throws UserError (exit 2) if the config itself cannot be read
 */
export function readLayers(given: string | SourceText, asked?: Place): Layers {
  if (given === '')
    throw usageError({ code: 'config/missing-file', message: 'the name of the config is empty' });
  const path = typeof given === 'string' ? resolve(given) : join(given.folder, given.file);
  const source = typeof given === 'string' ? readSource(given, path, dirname(path), asked) : given;
  const reader = new LayerReader();
  const tree = reader.read(source, [path]);
  return { ...(tree === undefined ? {} : { tree }), problems: reader.problems, files: reader.files, source };
}

class LayerReader {
  readonly problems: Diagnostic[] = [];
  readonly files: string[] = [];
  private characters = 0;

  /** @param chain absolute paths from the config down to this file, which is the last */
  read(source: SourceText, chain: readonly string[]): MapNode | undefined {
    this.characters += source.text.length;
    const { root, problems } = parseConfig(source);
    this.problems.push(...(chain.length > 1 && root === undefined ? problems.map(withoutContent) : problems));
    if (root === undefined) {
      this.files.push(chain[chain.length - 1]);
      return undefined;
    }
    let whole = true;
    let below: MapNode | undefined;
    for (const base of extendedFiles(root)) {
      const tree = this.readBase(source, base, chain);
      if (tree === undefined) whole = false;
      else below = below === undefined ? tree : mergeTrees(below, tree);
    }
    this.files.push(chain[chain.length - 1]);
    if (!whole) return undefined;
    const own = withoutExtends(root);
    return below === undefined ? own : mergeTrees(below, own);
  }

  private readBase(from: SourceText, base: Base, chain: readonly string[]): MapNode | undefined {
    const path = resolve(from.folder, base.file);
    const file = isAbsolute(base.file) ? base.file : join(dirname(from.file), base.file);
    try {
      if (chain.includes(path)) throw cycle(file, base.place, chain.length - chain.indexOf(path));
      if (this.files.length + chain.length > MAX_FILES) throw tooMany(base.place);
      const source = readSource(file, path, dirname(path), base.place);
      if (this.characters + source.text.length > MAX_CHARACTERS) throw tooMuch(base.place);
      return this.read(source, [...chain, path]);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.problems.push(...error.diagnostics);
      return undefined;
    }
  }
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

/** A malformed `extends` stays in the tree for the schema check. */
function withoutExtends(root: MapNode): MapNode {
  if (extendedFiles(root).length === 0) return root;
  return { ...root, entries: new Map([...root.entries].filter(([key]) => key !== 'extends')) };
}

function cycle(file: string, place: Place, length: number): UserError {
  const message =
    length === 1
      ? 'the config extends itself'
      : `\`extends\` forms a cycle of ${length} files back to ${file}`;
  return usageError({ code: 'config/extends-cycle', message, ...positionOf(place) });
}

function tooMany(place: Place): UserError {
  return usageError({
    code: 'config/extends-too-many',
    message: '`extends` includes too many files',
    ...positionOf(place),
    expected: `at most ${MAX_FILES}`,
  });
}

function tooMuch(place: Place): UserError {
  return usageError({
    code: 'config/extends-too-large',
    message: 'the config and the files that it extends are too large',
    ...positionOf(place),
    expected: `at most ${MAX_CHARACTERS / 1024} KiB`,
  });
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
  const becomes = decidedBranch(schema, plainRecord(above));
  if (becomes === undefined || becomes === decidedBranch(schema, plainRecord(below))) return below.entries;
  const known = propertiesOf(becomes);
  return new Map([...below.entries].filter(([key]) => known.has(key)));
}

/** Inherited keys that `above` excludes, such as `validation.fraction` if it sets `count`. */
function excludedKeys(above: MapNode, path: Path): ReadonlySet<string> {
  const given = [...above.entries].filter(([, { value }]) => !isNull(value));
  return new Set(given.flatMap(([key]) => schemaAt([...path, key], undefined)?.['x-excludes'] ?? []));
}

function plainRecord(node: MapNode): Readonly<Record<string, unknown>> {
  return toPlain(node) as Readonly<Record<string, unknown>>;
}
