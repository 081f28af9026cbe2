/** A config as plain values, for those who only tell what it says. */
import { existsSync } from 'node:fs';
import { readLayers } from './layers.js';
import { failed } from './load.js';
import { positionOf } from './source.js';
import { nodeAt, type Path, toPlain } from './tree.js';

/**
 * What the file at `path` says, together with what it extends; not checked against the schema, so that a run of another version can be looked
 * at too. Throws UserError (exit 2) where it cannot be read or is no YAML mapping.
 */
export function readPlainConfig(path: string): Readonly<Record<string, unknown>> {
  const { tree, problems } = readLayers(path);
  if (tree === undefined || problems.length > 0) throw failed(problems, path);
  return toPlain(tree) as Readonly<Record<string, unknown>>;
}

/** The 1-based line on which the file at `path` says the value at `key`; undefined where it does not, or cannot be read. */
export function lineOf(path: string, key: Path): number | undefined {
  const found = existsSync(path) ? readLayers(path).tree : undefined;
  const entry = found && nodeAt(found, key);
  return entry && positionOf(entry.value.place).line;
}
