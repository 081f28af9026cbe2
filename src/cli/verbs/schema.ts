/** `schema`: prints the JSON Schemas of all files that cellrun reads or writes. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, usageError } from '../../util/errors.js';
import { nearest } from '../../util/nearest.js';
import { packageRoot } from '../../util/root.js';
import { defineVerb, flag } from '../command/verb.js';

const SUFFIX = '.schema.json';

export const verb = defineVerb({
  arguments: '[name]',
  options: { list: flag('list the names of all schemas') },
  help: 'Without a name, prints the schema of configs (experiment).',
  action([name = 'experiment'], { list }, { io }) {
    const folder = join(packageRoot, 'schemas');
    const files = readdirSync(folder).filter(file => file.endsWith(SUFFIX));
    const names = files.map(file => file.slice(0, -SUFFIX.length)).sort();
    const textOf = (known: string) => readFileSync(join(folder, `${known}${SUFFIX}`), 'utf8');
    if (list) io.out(names.map(known => `${known.padEnd(14)}${JSON.parse(textOf(known)).title}\n`).join(''));
    else if (names.includes(name)) io.data(textOf(name));
    else
      throw usageError({
        code: 'cli/unknown-schema',
        message: `there is no schema '${name}'`,
        expected: names.join(', '),
        suggestion: nearest(name, names),
      });
    return EXIT.done;
  },
});
