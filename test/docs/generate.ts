/**
 * Development tool: writes the generated pages of docs/reference; with `--check` only compares
 * (exit 1).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { referencePages } from './reference.js';

const folder = join(packageRoot, 'docs', 'reference');
const isCheck = process.argv.includes('--check');

for (const [name, text] of Object.entries(referencePages())) {
  const path = join(folder, name);
  if (!isCheck) writeFileSync(path, text);
  else if (!existsSync(path) || readFileSync(path, 'utf8') !== text) {
    console.error(`docs/reference/${name} is out of date; run \`node dist/test/docs/generate.js\``);
    process.exitCode = 1;
  }
}
