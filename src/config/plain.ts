/** Reads resolved configs of any version, as values, without the files that they extend. */
import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { UserError } from '../util/errors.js';
import { failed } from './load.js';
import { parseConfig } from './yaml/parse.js';
import { positionOf, readSource } from './yaml/source.js';
import { type MapNode, nodeAt, type Path, toPlain } from './yaml/tree.js';

export function readPlainConfig(path: string): Readonly<Record<string, unknown>> {
  const { root, problems } = parsed(path);
  if (root === undefined || problems.length > 0) throw failed(problems, path);
  return toPlain(root) as Readonly<Record<string, unknown>>;
}

/** Undefined if there is no such value or file. */
export function lineOf(path: string, key: Path): number | undefined {
  const found = existsSync(path) ? parsed(path).root : undefined;
  const entry = found && nodeAt(found, key);
  return entry && positionOf(entry.value.place).line;
}

/** With their 1-based places; empty if there is no list or the file cannot be read. */
export function itemsAt(path: string, key: Path): { line: number; column: number; value: unknown }[] {
  const root = rootOf(path);
  const list = root && nodeAt(root, key)?.value;
  if (list?.kind !== 'list') return [];
  return list.items.flatMap(item => {
    const { line, column } = positionOf(item.place);
    return line === undefined || column === undefined ? [] : [{ line, column, value: toPlain(item) }];
  });
}

function rootOf(path: string): MapNode | undefined {
  try {
    return parsed(path).root;
  } catch (error) {
    if (error instanceof UserError) return undefined;
    throw error;
  }
}

function parsed(path: string) {
  const absolute = resolve(path);
  return parseConfig(readSource(path, absolute, dirname(absolute)));
}
