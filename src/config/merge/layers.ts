/** A config file and the files it extends, merged into one tree. */
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Diagnostic, UserError, usageError } from '../../util/errors.js';
import { parseConfig } from '../yaml/parse.js';
import { type Place, positionOf, readSource, type SourceText } from '../yaml/source.js';
import type { MapNode, Node } from '../yaml/tree.js';
import { mergeTrees } from './merge.js';

/** Of all files together: no one writes so much, and whatever is wrong in it is to be found in a moment. */
const MAX_CHARACTERS = 262_144;
/** More files than a person would split a config into; bounds what a diamond of `extends` can cost. */
const MAX_FILES = 32;

export interface Layers {
  /** The merged tree without `extends`; undefined where a file could not be read or is no YAML mapping. */
  readonly tree?: MapNode;
  readonly problems: readonly Diagnostic[];
  /** Every file read, the config itself last; absolute. */
  readonly files: readonly string[];
  /** The config itself, as given. */
  readonly source: SourceText;
}

/**
 * Reads `file` and everything it extends.
 * @param asked where the file was asked for, when not on the command line
 * @throws UserError (exit 2) where the config itself cannot be read
 */
export function readLayers(file: string, asked?: Place): Layers {
  if (file === '') throw usageError({ code: 'config/missing-file', message: "the config's name is empty" });
  const path = resolve(file);
  const source = readSource(file, path, dirname(path), asked);
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

/** A file that `extends` names and that is no config may be anything of the machine: it is not for a log to show. */
function withoutContent({ source: _source, got: _got, ...rest }: Diagnostic): Diagnostic {
  return rest;
}

interface Base {
  readonly file: string;
  readonly place: Place;
}

/** The files named by `extends`; empty where it is absent or malformed, which the schema complains about. */
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

/** A malformed `extends` stays in the tree, for the schema to complain about. */
function withoutExtends(root: MapNode): MapNode {
  if (extendedFiles(root).length === 0) return root;
  return { ...root, entries: new Map([...root.entries].filter(([key]) => key !== 'extends')) };
}

function cycle(file: string, place: Place, length: number): UserError {
  const message =
    length === 1 ? 'the config extends itself' : `\`extends\` leads back to ${file}, through ${length} files`;
  return usageError({ code: 'config/extends-cycle', message, ...positionOf(place) });
}

function tooMany(place: Place): UserError {
  return usageError({
    code: 'config/extends-too-many',
    message: '`extends` leads to too many files',
    ...positionOf(place),
    expected: `at most ${MAX_FILES}`,
  });
}

function tooMuch(place: Place): UserError {
  return usageError({
    code: 'config/extends-too-large',
    message: 'the files that `extends` leads to are too large together',
    ...positionOf(place),
    expected: `at most ${MAX_CHARACTERS / 1024} KiB`,
  });
}
