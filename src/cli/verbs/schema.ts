/** `schema`: the JSON Schemas of everything that is read or written, for editors and other programs. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nearest } from '../../config/wording/suggest.js';
import { EXIT, type ExitCode, usageError } from '../../util/errors.js';
import { packageRoot } from '../../util/root.js';
import type { Io } from '../terminal/io.js';

const SUFFIX = '.schema.json';

/** Prints one schema by name, or with `list` every name with its title. Throws exit 2 for an unknown name. */
export function schema(name: string, options: { readonly list: boolean }, io: Io): ExitCode {
  const names = schemaNames();
  if (options.list) io.out(names.map(known => `${known.padEnd(14)}${titleOf(known)}\n`).join(''));
  else io.out(readSchema(name, names));
  return EXIT.done;
}

function readSchema(name: string, names: readonly string[]): string {
  if (names.includes(name)) return readFileSync(fileOf(name), 'utf8');
  const suggestion = nearest(name, names);
  throw usageError({
    code: 'cli/unknown-schema',
    message: `there is no schema '${name}'`,
    expected: names.join(', '),
    ...(suggestion !== undefined && { suggestion }),
  });
}

function schemaNames(): string[] {
  const files = readdirSync(join(packageRoot, 'schemas')).filter(file => file.endsWith(SUFFIX));
  return files.map(file => file.slice(0, -SUFFIX.length)).sort();
}

function titleOf(name: string): string {
  const { title }: { title?: unknown } = JSON.parse(readFileSync(fileOf(name), 'utf8'));
  return String(title);
}

function fileOf(name: string): string {
  return join(packageRoot, 'schemas', `${name}${SUFFIX}`);
}
