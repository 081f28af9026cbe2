/**
 * How layers of a config become one: mappings merge key by key, everything else replaces, null removes.
 * Where a later layer changes the tag of a union (`optimizer.kind`), inherited keys that the new branch does not
 * know go; keys that both know stay.
 */
import { branchesOf, propertiesOf, type Schema, schemaAt } from './schema-walk.js';
import type { Entry, MapNode, Node, Path } from './tree.js';

/** `above` wins. */
export function mergeTrees(below: MapNode, above: MapNode, path: Path = []): MapNode {
  const entries = new Map<string, Entry>(inheritedEntries(below, above, path));
  for (const [key, entry] of above.entries) {
    const inherited = entries.get(key);
    if (inherited === undefined) entries.set(key, entry);
    else if (isNull(entry.value)) entries.delete(key);
    else
      entries.set(key, { key: entry.key, value: mergeValues(inherited.value, entry.value, [...path, key]) });
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
  const union = schema === undefined ? undefined : branchesOf(schema);
  if (union === undefined) return below.entries;
  const was = scalarOf(below, union.key);
  const becomes = scalarOf(above, union.key);
  const branch = union.branches.find(({ tag }) => tag === becomes);
  if (becomes === undefined || becomes === was || branch === undefined) return below.entries;
  return new Map([...below.entries].filter(([key]) => keyStays(branch.schema, key)));
}

function keyStays(branch: Schema, key: string): boolean {
  return propertiesOf(branch).has(key);
}

function scalarOf(node: MapNode, key: string): unknown {
  const value = node.entries.get(key)?.value;
  return value?.kind === 'scalar' ? value.value : undefined;
}
