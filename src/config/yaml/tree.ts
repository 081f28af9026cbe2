/** A config as a tree of values with their places in texts. Its layers are merged as trees. */

import { LineCounter } from 'yaml';
import { fs, isUtf8 } from '../../host/index.js';
import { type Diagnostic, usageError, usageErrors } from '../../util/errors.js';
import { nearestFile } from '../../util/nearest.js';
import { codeOf } from '../../util/system-errors.js';

/** Larger files are not configs but mistakes, such as a data file. */
const MAX_BYTES = 65_536;

/** Standard input, or a pipe from a shell's `<(…)`. */
const STREAM = /^\/(dev\/(stdin|fd\/\d+)|proc\/[^/]+\/fd\/\d+)$/;

/** A range of a text: `start` inclusive, `end` exclusive, in UTF-16 code units. */
export interface Place {
  readonly text: SourceText;
  readonly start: number;
  readonly end: number;
}

/** A named text whose offsets can be converted to lines and columns. */
export class SourceText {
  private readonly lines = new LineCounter();

  constructor(
    /** The file as the user named it, or a pseudo file such as `--set`. */
    readonly file: string,
    readonly text: string,
    /** Directory that paths in this text are relative to; absolute. */
    readonly folder: string,
  ) {
    this.lines.addNewLine(0);
    for (const { index } of text.matchAll(/\n/g)) this.lines.addNewLine(index + 1);
  }

  place(start: number, end: number = start + 1): Place {
    return { text: this, start, end };
  }

  lineAt(offset: number): number {
    return this.lines.linePos(offset).line;
  }

  locate(offset: number): { line: number; column: number; source: string } {
    const { line, col: column } = this.lines.linePos(offset);
    const end = this.lines.lineStarts[line] ?? this.text.length;
    const source = this.text.slice(offset - column + 1, end).replace(/\r?\n$|\r$/, '');
    return { line, column, source };
  }
}

/** A place that spans lines is underlined to the end of its first line. */
export function positionOf(place: Place): Pick<Diagnostic, 'file' | 'line' | 'column' | 'length' | 'source'> {
  const { line, column, source } = place.text.locate(place.start);
  const rest = Math.max(1, source.trimEnd().length - column + 1);
  const length = Math.max(1, Math.min(place.end - place.start, rest));
  return { file: place.text.file, line, column, length, source };
}

export function diagnosticAt(
  place: Place,
  code: string,
  message: string,
  more: Partial<Diagnostic> = {},
): Diagnostic {
  return { code, message, ...positionOf(place), ...more };
}

/**
 * Reads a config file as UTF-8 text and drops a byte order mark.
 * @param file as the user named it, for messages; `path` and `folder`, which paths in the file are
 *   relative to, are absolute
 * @param asked where the file is named, unless on the command line
 */
export function readSource(file: string, path: string, folder: string, asked?: Place): SourceText {
  const bytes = readBytes(file, path, asked);
  const source = new SourceText(file, new TextDecoder().decode(bytes), folder);
  const isText = isUtf8(bytes);
  const at = source.text.search(isText ? /(?![\t\n\r])\p{Cc}|\uFEFF/u : /\uFFFD/);
  if (at < 0) return source;
  const code = source.text.charCodeAt(at).toString(16).toUpperCase().padStart(4, '0');
  const place = source.place(at);
  throw usageErrors([
    isText
      ? diagnosticAt(place, 'config/control-character', `control character U+${code} is not allowed`)
      : diagnosticAt(place, 'config/encoding', 'not valid UTF-8', { expected: 'UTF-8' }),
  ]);
}

function readBytes(file: string, path: string, asked: Place | undefined): Buffer {
  const refusal = (code: string, message: string, more: Partial<Diagnostic> = {}) => {
    // a diagnostic that points to the file already has its name
    const [where, what] = asked ? [positionOf(asked), file] : [{ file }, 'the file'];
    return usageError(`config/${code}`, `${what} ${message}`, { ...where, ...more });
  };
  try {
    // checked before opening, which would block on a pipe without a writer
    const stats = fs.statSync(path);
    if (!stats.isFile() || STREAM.test(path))
      throw refusal('not-a-file', 'is not a regular file', { expected: 'a YAML file' });
    const expected = `at most ${MAX_BYTES / 1024} KiB`;
    if (stats.size > MAX_BYTES) throw refusal('too-large', 'is too large for a config', { expected });
    return fs.readFileSync(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === undefined) throw error;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw refusal('unreadable', `cannot be read (${code})`);
    throw refusal('missing-file', 'does not exist', { suggestion: nearestFile(file) });
  }
}

export type Scalar = string | number | boolean | null;

export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
  readonly place: Place;
}

export type Node =
  /** `written`: as in the file, such as `1e-3` or `"yes"`. */
  | { readonly kind: 'scalar'; readonly value: Scalar; readonly written: string; readonly place: Place }
  | { readonly kind: 'list'; readonly items: readonly Node[]; readonly place: Place }
  | MapNode
  /** A value with a reported problem. No further problems are reported for it. */
  | { readonly kind: 'broken'; readonly place: Place };

export function scalarNode(value: string | number | null, place: Place): Node {
  return { kind: 'scalar', value, written: String(value), place };
}

/** A mapping without the undefined values; the places of its keys are those of their values. */
export function mapNode(values: Readonly<Record<string, Node | undefined>>, place: Place): MapNode {
  const given = Object.entries(values).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, { key: value.place, value }] as const],
  );
  return { kind: 'map', entries: new Map(given), place };
}

export interface Entry {
  readonly key: Place;
  readonly value: Node;
}

/** Keys from the root: strings in mappings, numbers in lists. */
export type Path = readonly (string | number)[];

/** Keys that would reach an object's prototype are rejected everywhere. */
export const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

export function toPlain(node: Node): unknown {
  switch (node.kind) {
    case 'scalar':
      return node.value;
    case 'list':
      return node.items.map(toPlain);
    case 'map':
      return Object.fromEntries([...node.entries].map(([key, entry]) => [key, toPlain(entry.value)]));
    case 'broken':
      return null;
  }
}

/** The value at a path and, in a mapping, the place of its key. Undefined if there is none. */
export function nodeAt(root: Node, path: Path): { key?: Place; value: Node } | undefined {
  let found: { key?: Place; value: Node } | undefined = { value: root };
  for (const step of path) {
    const node: Node = found.value;
    const item: Node | undefined = node.kind === 'list' ? node.items[Number(step)] : undefined;
    found = node.kind === 'map' ? node.entries.get(String(step)) : item && { value: item };
    if (found === undefined) return undefined;
  }
  return found;
}

/** True if a value at or above the path is broken. */
export function isBroken(root: Node, path: Path): boolean {
  return [...path, ''].some((_, length) => nodeAt(root, path.slice(0, length))?.value.kind === 'broken');
}

/** Place of the value at a path, or of the nearest key above if there is none. */
export function valuePlace(root: Node, path: Path): Place {
  return (path.length > 0 && nodeAt(root, path)?.value.place) || keyPlace(root, path);
}

/** Of the nearest key above if there is none; of the first key for the root. */
function keyPlace(root: Node, path: Path): Place {
  for (let length = path.length; length > 0; length--) {
    const found = nodeAt(root, path.slice(0, length));
    if (found !== undefined) return found.key ?? found.value.place;
  }
  const first = root.kind === 'map' ? root.entries.values().next().value : undefined;
  return first?.key ?? root.place;
}

export function formatPath(path: Path): string {
  return path.join('.');
}

/** Describes a value in a message: `the string "adam"`, `the number 3`, `a mapping`. */
export function describeValue(node: Node): string {
  switch (node.kind) {
    case 'scalar': {
      const { value } = node;
      if (typeof value === 'number') return `the number ${value}`;
      if (typeof value !== 'string') return String(value);
      return `the string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)}`;
    }
    case 'list':
      return node.items.length === 0 ? 'an empty list' : `a list of ${node.items.length}`;
    case 'map':
      return node.entries.size === 0 ? 'an empty mapping' : 'a mapping';
    case 'broken':
      return 'an unreadable value';
  }
}

/** Makes diagnostics about keys of a merged config that point into its files and arguments. */
export class Locator {
  constructor(private readonly tree: MapNode) {}

  /** A diagnostic at the value of `path`, or at the nearest key above if the value is a default. */
  atValue(path: Path, code: string, message: string, more: Partial<Diagnostic> = {}): Diagnostic {
    return diagnosticAt(valuePlace(this.tree, path), code, message, more);
  }

  atKey(path: Path, code: string, message: string, more: Partial<Diagnostic> = {}): Diagnostic {
    return diagnosticAt(keyPlace(this.tree, path), code, message, more);
  }

  /** A diagnostic at the key of `path`, which excludes the key `other` beside it. */
  atBoth(path: Path, code: string, other: string): Diagnostic {
    return this.atKey(path, code, `\`${other}\` and \`${path.at(-1)}\` cannot be combined`);
  }

  isGiven(path: Path): boolean {
    return nodeAt(this.tree, path) !== undefined;
  }

  /** `FILE:LINE:COL` of the value, `--set`, or `default`. */
  origin(path: Path): string {
    const found = nodeAt(this.tree, path);
    if (found === undefined) return 'default';
    const { file, line, column } = positionOf(found.value.place);
    return file === '--set' ? file : `${file}:${line}:${column}`;
  }
}
