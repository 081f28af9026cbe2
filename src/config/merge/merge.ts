/**
 * How layers of a config become one: mappings merge key by key, everything else replaces, null
 * removes. Where a later layer decides on another branch of a union (`optimizer.kind`, or
 * `model.layers` instead of `model.cell`), inherited keys that the new branch does not know go;
 * keys that both know stay.
 */
import { decidedBranch, propertiesOf, schemaAt } from '../schema/walk.js';
import { type Entry, type MapNode, type Node, type Path, toPlain } from '../yaml/tree.js';

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
  if (schema?.oneOf === undefined) return below.entries;
  const becomes = decidedBranch(schema, plainRecord(above));
  if (becomes === undefined || becomes === decidedBranch(schema, plainRecord(below))) return below.entries;
  const known = propertiesOf(becomes);
  return new Map([...below.entries].filter(([key]) => known.has(key)));
}

function plainRecord(node: MapNode): Readonly<Record<string, unknown>> {
  return toPlain(node) as Readonly<Record<string, unknown>>;
}
