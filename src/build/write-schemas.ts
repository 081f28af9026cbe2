/**
 * Development tool: writes the schemas that are defined in TypeScript to `schemas/`. With
 * `--check`, only compares them and exits with 1 if one is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { experiment } from '../config/schema/experiment.js';
import { packageRoot } from '../util/root.js';
import { schemaText } from '../util/schema.js';

const HEADING = {
  $schema: 'https://json-schema.org/draft/2019-09/schema',
  $id: 'https://unpkg.com/cellrun/schemas/experiment.schema.json',
};

const TEXTS = { experiment: schemaText(HEADING, experiment) };

for (const [name, text] of Object.entries(TEXTS)) {
  const file = join(packageRoot, 'schemas', `${name}.schema.json`);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${file} is out of date; run \`npm run generate\`\n`);
    process.exitCode = 1;
  }
}
