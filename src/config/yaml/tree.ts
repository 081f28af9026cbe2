/** A config as a tree of values with their positions. Layers of a config are merged as trees. */
import type { Diagnostic } from '../../util/errors.js';
import { diagnosticAt, type Place, positionOf } from './source.js';

export type Scalar = string | number | boolean | null;

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly value: Scalar;
  /** As written, such as `1e-3` or `"yes"`. */
  readonly written: string;
  readonly place: Place;
}

export interface ListNode {
  readonly kind: 'list';
  readonly items: readonly Node[];
  readonly place: Place;
}

export interface MapNode {
  readonly kind: 'map';
  readonly entries: ReadonlyMap<string, Entry>;
  readonly place: Place;
}

/** A value with a reported problem. No further problems are reported for it. */
export interface BrokenNode {
  readonly kind: 'broken';
  readonly place: Place;
}

export type Node = ScalarNode | ListNode | MapNode | BrokenNode;

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
    default:
      return node satisfies never;
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
export function keyPlace(root: Node, path: Path): Place {
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
    default:
      return node satisfies never;
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
