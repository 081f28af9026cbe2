// Writes co2.csv beside this file: carbon dioxide at Mauna Loa by month, in parts per million.
//   npm install --no-save vega-datasets && node configs/data/co2.mjs
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
// the package's entry points are bundles: its data are read by their place
const source = join(here, '../../node_modules/vega-datasets/data/co2-concentration.csv');
const [, ...lines] = readFileSync(source, 'utf8').trim().split(/\r?\n/);
const known = new Map(
  lines.map(line => {
    const [date, value] = line.split(',');
    const [year, month] = date.split('-').map(Number);
    return [12 * year + month - 1, Number(value)];
  }),
);
const first = Math.min(...known.keys());
const last = Math.max(...known.keys());
const rows = [];
let filled = 0;
for (let month = first; month <= last; month++) {
  let value = known.get(month);
  if (value === undefined) {
    // a month without a reading: on the line between its neighbours
    let [before, after] = [month, month];
    while (!known.has(before)) before--;
    while (!known.has(after)) after++;
    value = known.get(before) + ((known.get(after) - known.get(before)) * (month - before)) / (after - before);
    filled++;
  }
  const name = `${Math.floor(month / 12)}-${String((month % 12) + 1).padStart(2, '0')}-01`;
  rows.push(`${name},${Number(value.toFixed(2))}`);
}
const path = join(here, 'co2.csv');
writeFileSync(path, `${['month,co2', ...rows].join('\n')}\n`);
console.log(`${path}: ${rows.length} months, ${filled} of them filled in`);
