/** `schema`: prints the JSON Schemas of all files that cellrun reads or writes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, usageError } from '../../util/errors.js';
import { packageRoot } from '../../util/root.js';
import { defineVerb, flag } from '../command/verb.js';

const SUFFIX = '.schema.json';

export const verb = defineVerb({
  arguments: '[name]',
  options: { list: flag('list the names of all schemas') },
  help: 'Without a name, prints the schema of configs (experiment).',
  async action([name = 'experiment'], { list }, { io }) {
    const names = schemaNames();
    if (list) io.out(names.map(known => `${known.padEnd(14)}${titleOf(known)}\n`).join(''));
    else if (names.includes(name)) io.data(readFileSync(fileOf(name), 'utf8'));
    else throw await unknownSchema(name, names);
    return EXIT.done;
  },
});

async function unknownSchema(name: string, names: readonly string[]): Promise<Error> {
  const { nearest } = await import('../../util/nearest.js');
  const suggestion = nearest(name, names);
  return usageError({
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
