/** Reads resolved configs of any version, as values, without the files that they extend. */
import { dirname, resolve } from 'node:path';
import { failed } from './load.js';
import { parseConfig } from './yaml/parse.js';
import { readSource } from './yaml/source.js';
import { toPlain } from './yaml/tree.js';

export function readPlainConfig(path: string): Readonly<Record<string, unknown>> {
  const absolute = resolve(path);
  const { root, problems } = parseConfig(readSource(path, absolute, dirname(absolute)));
  if (root === undefined || problems.length > 0) throw failed(problems, path);
  return toPlain(root) as Readonly<Record<string, unknown>>;
}
