// Writes planted.csv beside this file: 6,000 sequences of 20 readings of six columns. Only `pressure`
// and `flow`, in readings 8 to 11, decide the class; `pressure` counts twice as much.
//   node configs/data/planted.mjs
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const COLUMNS = ['temperature', 'pressure', 'humidity', 'flow', 'vibration', 'voltage'];
const [SEQUENCES, READINGS, FIRST, LAST] = [6000, 20, 8, 11];

// Mulberry32, a public-domain generator: the same file everywhere
let state = 1;
function uniform() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
}
const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

const lines = [`sequence,reading,${COLUMNS.join(',')},label`];
for (let sequence = 0; sequence < SEQUENCES; sequence++) {
  const rows = Array.from({ length: READINGS }, () => COLUMNS.map(normal));
  const inWindow = rows.slice(FIRST, LAST + 1);
  const score = inWindow.reduce((sum, [, pressure, , flow]) => sum + 2 * pressure + flow, 0);
  const label = score > 0 ? 'high' : 'low';
  for (const [reading, row] of rows.entries())
    lines.push([sequence, reading, ...row.map(value => value.toFixed(3)), label].join());
}
writeFileSync(fileURLToPath(new URL('planted.csv', import.meta.url)), `${lines.join('\n')}\n`);
