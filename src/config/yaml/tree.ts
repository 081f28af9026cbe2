/** A config as a tree of located values: what was written, and where. Later layers are merged as trees. */
import type { Place } from './source.js';

export type Scalar = string | number | boolean | null;

export interface ScalarNode {
  readonly kind: 'scalar';
  readonly value: Scalar;
  /** As it was written, such as `1e-3` or `"yes"`. */
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

/** A value that was already complained about; nothing more is said about it. */
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

/** Keys that would reach an object's prototype; refused everywhere, so that plain objects are safe to build. */
export const PROTOTYPE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** The plain value of a tree; a broken node becomes null. */
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

/**
 * What `toPlain` gives, made as far as it is looked at: for a question that needs a few values of a large tree. Only to be read by
 * key or index; it does not list its keys.
 */
export function plainView(node: Node): unknown {
  if (node.kind !== 'map' && node.kind !== 'list') return toPlain(node);
  return new Proxy<object>(node.kind === 'list' ? [] : {}, {
    get(_, key) {
      const child = typeof key === 'string' ? childOf(node, key) : undefined;
      return child && plainView(child.value);
    },
  });
}

/** What stands at a path: the value and, in a mapping, its key. Undefined where the path leads nowhere. */
export function nodeAt(root: Node, path: Path): { key?: Place; value: Node } | undefined {
  let found: { key?: Place; value: Node } = { value: root };
  for (const step of path) {
    const next = childOf(found.value, step);
    if (next === undefined) return undefined;
    found = next;
  }
  return found;
}

function childOf(node: Node, step: string | number): { key?: Place; value: Node } | undefined {
  if (node.kind === 'map') return node.entries.get(String(step));
  if (node.kind === 'list') {
    const item = node.items[Number(step)];
    return item === undefined ? undefined : { value: item };
  }
  return undefined;
}

/** Whether a value at or above the path was already complained about. */
export function isBroken(root: Node, path: Path): boolean {
  const prefixes = [...path.map((_, length) => path.slice(0, length)), path];
  return prefixes.some(prefix => nodeAt(root, prefix)?.value.kind === 'broken');
}

/** Where the value at a path stands; for a value that is not there, the nearest key above it. */
export function valuePlace(root: Node, path: Path): Place {
  const found = nodeAt(root, path);
  if (found !== undefined && path.length > 0) return found.value.place;
  return keyPlace(root, path);
}

/** Where the key at a path stands; for a key that is not there, the nearest one above it; at last the first key. */
export function keyPlace(root: Node, path: Path): Place {
  for (let length = path.length; length > 0; length--) {
    const found = nodeAt(root, path.slice(0, length));
    if (found !== undefined) return found.key ?? found.value.place;
  }
  const first = root.kind === 'map' ? root.entries.values().next().value : undefined;
  return first?.key ?? root.place;
}

/** `optimizer.betas.0` */
export function formatPath(path: Path): string {
  return path.join('.');
}

/** What a value is, for a message: `the string "adam"`, `the number 3`, `a mapping`. */
export function describeValue(node: Node): string {
  switch (node.kind) {
    case 'scalar':
      return describeScalar(node.value);
    case 'list':
      return node.items.length === 0 ? 'an empty list' : `a list of ${node.items.length}`;
    case 'map':
      return node.entries.size === 0 ? 'an empty mapping' : 'a mapping';
    case 'broken':
      return 'something unreadable';
    default:
      return node satisfies never;
  }
}

function describeScalar(value: Scalar): string {
  if (value === null) return 'nothing (null)';
  if (typeof value === 'string')
    return `the string ${JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}...` : value)}`;
  return typeof value === 'number' ? `the number ${value}` : String(value);
}
