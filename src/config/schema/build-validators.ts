/**
 * Development tool, a step of the build: compiles every schema to a module in `validators/` beside
 * this file's compiled form.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../util/root.js';
import { quickValidatorSource, validatorSource } from './compiler.js';
import { readSchema, schemaHash, schemaToValidate, validatorFile } from './schema.js';

const ENDING = '.schema.json';
const names = readdirSync(join(packageRoot, 'schemas')).flatMap(file =>
  file.endsWith(ENDING) ? [file.slice(0, -ENDING.length)] : [],
);

for (const name of names) {
  write(name, 'complete', validatorSource(schemaToValidate(name)));
  write(name, 'quick', quickValidatorSource(readSchema(name)));
}

function write(name: string, form: 'complete' | 'quick', source: string): void {
  const file = validatorFile(name, form);
  mkdirSync(dirname(file), { recursive: true });
  const exported = `module.exports = { validate: module.exports, schemaHash: '${schemaHash(name)}' };`;
  writeFileSync(file, `${source}\n${exported}\n`);
}
