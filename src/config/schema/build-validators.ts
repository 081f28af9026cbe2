/**
 * Step of the build: compiles every schema to a module in `validators/`, next to this compiled
 * file.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../util/root.js';
import { validatorSource } from './compiler.js';
import { schemaHash, schemaToValidate, validatorFile } from './schema.js';

const ENDING = '.schema.json';
const names = readdirSync(join(packageRoot, 'schemas')).flatMap(file =>
  file.endsWith(ENDING) ? [file.slice(0, -ENDING.length)] : [],
);

for (const name of names) {
  const file = validatorFile(name);
  mkdirSync(dirname(file), { recursive: true });
  const exported = `module.exports = { validate: module.exports, schemaHash: '${schemaHash(name)}' };`;
  writeFileSync(file, `${validatorSource(schemaToValidate(name))}\n${exported}\n`);
}
