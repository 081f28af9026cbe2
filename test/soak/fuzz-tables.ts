/** Tables: CSV and Parquet. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DatasetConfig } from '../../src/data/index.js';
import type { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { mutateBytes, mutateText, onceIn, pick } from '../support/mutations.js';
import { inputs, openSoundly, predictFrom } from './fuzz-sound.js';
import type { FuzzTarget } from './fuzz-target.js';

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
      const mutated = onceIn(random, 3) ? table(random) : mutateText(table(random), random);
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

export const csvInputs = inputs(csvFiles, 'data.csv', (path, random) => [
  {
    kind: 'csv',
    path,
    features: ['a', 'b'],
    target: 'y',
    target_kind: 'class',
    ...(!onceIn(random, 3) && {
      sequence: { group: 'g', per_step: true, ...(onceIn(random, 2) && { order: 't' }) },
    }),
  },
  { input: { kind: 'number', size: 2 } },
]);

const FORMS = ['snappy', 'gzip', 'brotli', 'plain', 'arrow-delta', 'arrow-dictionary'];

export const parquetFiles: FuzzTarget = {
  name: 'parquet',
  open: folder => {
    const path = join(folder, 'data.parquet');
    const files = FORMS.map(form =>
      readFileSync(join(packageRoot, `test/fixtures/parquet/readings-${form}.parquet`)),
    );
    return random => {
      const bytes = pick(random, files);
      const isMutated = onceIn(random, 2);
      const damaged = isMutated ? mutateBytes(bytes, random, pick(random, files)) : Buffer.from(bytes);
      if (!isMutated || onceIn(random, 4)) putCount(damaged, random);
      // the magic decides who reads the file
      if (damaged.length >= 4) bytes.copy(damaged, 0, 0, 4);
      writeFileSync(path, damaged);
      const config = {
        kind: 'parquet',
        path,
        test_fraction: 0.3,
        features: onceIn(random, 2) ? ['a', 'b', 'c'] : ['c'],
        target: onceIn(random, 2) ? 'label' : 'score',
        target_kind: 'class',
        ...(!onceIn(random, 3) && { sequence: { group: 'recording', order: 'time', per_step: true } }),
      } as const;
      const size = config.features.length;
      return onceIn(random, 3)
        ? predictFrom(path, config, { input: { kind: 'number', size }, sequence_length: 12 }, random)
        : () => openSoundly(config);
    };
  },
};

/** Puts a large number where a count may stand: of a run, a list, or the values of a page. */
function putCount(bytes: Buffer, random: RandomStream): void {
  const count = Buffer.from([pick(random, [0xfe, 0xff]), 0xff, 0xff, 0xff, pick(random, [0x07, 0x0f])]);
  if (bytes.length > count.length) bytes.set(count, random.integer(bytes.length - count.length));
}
