/**
 * Development tool: writes what the documents have from schemas, command line and measurements;
 * with `--check` only compares (exit 1).
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { generatedPages } from './generated.js';

const isCheck = process.argv.includes('--check');

for (const [path, text] of Object.entries(generatedPages())) {
  const file = join(packageRoot, path);
  if (!isCheck) writeFileSync(file, text);
  else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
    console.error(`${path} is out of date; run \`node dist/test/docs/generate.js\``);
    process.exitCode = 1;
  }
}
