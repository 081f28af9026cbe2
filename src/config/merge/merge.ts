/**
 * How layers of a config become one: mappings merge key by key, everything else replaces, null
 * removes. Where a later layer decides on another branch of a union (`optimizer.kind`, or
 * `model.layers` instead of `model.cell`), inherited keys that the new branch does not know go;
 * keys that both know stay. A key that excludes others (`count` of a validation split) takes the
 * place of an inherited one (`fraction`).
 */
import { decidedBranch, propertiesOf, schemaAt } from '../schema/walk.js';
import { type Entry, type MapNode, type Node, type Path, toPlain } from '../yaml/tree.js';

/** `above` wins. */
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

function excludedKeys(above: MapNode, path: Path): ReadonlySet<string> {
  const given = [...above.entries].filter(([, { value }]) => !isNull(value));
  return new Set(given.flatMap(([key]) => schemaAt([...path, key], undefined)?.['x-excludes'] ?? []));
}

function plainRecord(node: MapNode): Readonly<Record<string, unknown>> {
  return toPlain(node) as Readonly<Record<string, unknown>>;
}
