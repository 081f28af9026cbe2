/** Merges a config file and the files that it extends into one tree. */
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { caught, type Diagnostic, UserError, usageError } from '../util/errors.js';
import { decidedBranch, propertiesOf, schemaAt } from './schema/walk.js';
import { parseConfig } from './yaml/parse.js';
import { diagnosticAt, type Place, readSource, type SourceText } from './yaml/source.js';
import { type Entry, type MapNode, type Node, type Path, toPlain } from './yaml/tree.js';

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

  /** @param chain absolute paths from the config down to this file, which is the last */
  const read = (from: SourceText, chain: readonly string[]): MapNode | undefined => {
    const { root, problems: found } = parseConfig(from);
    // a base that is not a config may be any file of the machine: its content is not shown
    const isForeign = chain.length > 1 && root === undefined;
    problems.push(...(isForeign ? found.map(({ source: _, got: __, ...rest }) => rest) : found));
    const bases = root ? extendedFiles(root) : [];
    const trees = bases.map(base => readBase(from, base, chain));
    files.push(chain[chain.length - 1]);
    if (root === undefined) return undefined;
    // a malformed `extends` stays in the tree for the schema check
    const entries = [...root.entries].filter(([key]) => bases.length === 0 || key !== 'extends');
    const own: MapNode = { ...root, entries: new Map(entries) };
    return [...trees, own].reduce((below, tree) => below && tree && mergeTrees(below, tree));
  };
  const readBase = (from: SourceText, { file, place }: Base, chain: readonly string[]) => {
    const path = resolve(from.folder, file);
    const name = isAbsolute(file) ? file : join(dirname(from.file), file);
    const tree = caught(() => {
      if (chain.includes(path)) {
        const length = chain.length - chain.indexOf(path);
        const cycle = `\`extends\` forms a cycle of ${length} files back to ${name}`;
        const message = length === 1 ? 'the config extends itself' : cycle;
        throw usageError(diagnosticAt(place, 'config/extends-cycle', message));
      }
      if (files.length + chain.length > MAX_FILES) {
        const more = { expected: `at most ${MAX_FILES}` };
        const message = '`extends` includes too many files';
        throw usageError(diagnosticAt(place, 'config/extends-too-many', message, more));
      }
      return read(readSource(name, path, dirname(path), place), [...chain, path]);
    });
    if (!(tree instanceof UserError)) return tree;
    problems.push(...tree.diagnostics);
    return undefined;
  };
  const tree = read(source, [path]);
  return { ...(tree && { tree }), problems, files, source };
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
export function mergeTrees(below: MapNode, above: MapNode, path: Path = []): MapNode {
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
