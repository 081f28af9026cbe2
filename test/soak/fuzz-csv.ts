/** Tables of comma-separated values. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetConfig } from '../../src/data/index.js';
import type { RandomStream } from '../../src/util/random.js';
import { mutateBytes, mutateText, onceIn, pick } from '../support/mutations.js';
import type { FuzzTarget } from './fuzz-target.js';
import { openSoundly } from './sound-dataset.js';

export const CSV_TOKENS = [
  ',',
  ',,',
  '"',
  '""',
  '\n',
  '\r\n',
  '\r',
  '\uFEFF',
  ';',
  '\t',
  ' ',
  '0',
  '-1',
  '1e999',
  'nan',
  'inf',
  '0x1',
  '1_0',
  '٣',
  '\0',
  '\u2028',
  'a',
  'g',
  '2024-01-01',
  '2024-02-31',
  '2024-01-01T25:00',
  '-100',
];

/** One that can be read whatever the config asks, mostly. */
function table(random: RandomStream): string {
  const isDated = onceIn(random, 2);
  const labels = pick(random, [
    ['up', 'down', '"a, b"'],
    ['1', '2', '-100'],
    ['0.5', '1.5', '2.5'],
  ]);
  const isSteady = !onceIn(random, 4);
  const rows = Array.from({ length: 4 + random.integer(12) }, (_, i) => [
    `s${i % 3}`,
    isDated ? `2024-01-${String(1 + i).padStart(2, '0')}` : i,
    random.integer(100) / 7,
    random.integer(100) - 50,
    isSteady ? labels[i % 3] : pick(random, labels),
  ]);
  return ['g,t,a,b,y', ...rows.map(row => row.join(','))].join(pick(random, ['\n', '\n', '\r\n', '\r']));
}

export const csvFiles: FuzzTarget = {
  name: 'csv',
  open: folder => {
    const [path, test] = [join(folder, 'data.csv'), join(folder, 'test.csv')];
    const text = (random: RandomStream): string | Buffer => {
      const mutated = onceIn(random, 3) ? table(random) : mutateText(table(random), random, CSV_TOKENS);
      return onceIn(random, 6) ? mutateBytes(Buffer.from(mutated), random) : mutated;
    };
    return random => {
      writeFileSync(path, text(random));
      const hasTest = onceIn(random, 2);
      if (hasTest) writeFileSync(test, text(random));
      const order = onceIn(random, 2) && { order: 't' };
      const perStep = onceIn(random, 2) && { per_step: true };
      const isGrouped = !onceIn(random, 3);
      const config: DatasetConfig = {
        kind: 'csv',
        path,
        ...(hasTest ? { test_path: test } : { test_fraction: 0.3 }),
        features: onceIn(random, 10) ? ['a', 'y'] : ['a', 'b'],
        target: onceIn(random, 10) ? 'b' : 'y',
        target_kind: pick(random, ['class', 'class', 'class', 'value']),
        ...(isGrouped && { sequence: { group: 'g', ...order, ...perStep } }),
      };
      return () => openSoundly(config);
    };
  },
};
