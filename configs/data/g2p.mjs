// Writes g2p-train.jsonl and g2p-test.jsonl beside this file: words with their sounds, of the split of the CMU Pronouncing
// Dictionary that papers use, from the files g014b2b.train.gz and g014b2b.test.gz in FOLDER.
//   node configs/data/g2p.mjs FOLDER
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('usage: node configs/data/g2p.mjs FOLDER, the folder with g014b2b.train.gz and g014b2b.test.gz');
  process.exit(2);
}
for (const split of ['train', 'test']) {
  const text = gunzipSync(readFileSync(join(folder, `g014b2b.${split}.gz`))).toString('utf8');
  // a word with several pronunciations has several lines: `WORD<tab>PH ON EM ES`
  const records = text.trimEnd().split('\n').map(line => line.split('\t')).map(([word, sounds]) => ({ word, sounds }));
  const path = join(dirname(fileURLToPath(import.meta.url)), `g2p-${split}.jsonl`);
  writeFileSync(path, `${records.map(record => JSON.stringify(record)).join('\n')}\n`);
  console.log(`${path}: ${records.length} pronunciations of ${new Set(records.map(({ word }) => word)).size} words`);
}
