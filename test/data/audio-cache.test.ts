/** The file that keeps the features of recordings: the same data without it, or if damaged. */

import { createHash } from 'node:crypto';
import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FeatureThreads } from '../../src/data/audio/threads.js';
import { type Dataset, type DatasetConfig, openDataset } from '../../src/data/index.js';
import { sha256 } from '../../src/data/reading/files.js';
import { complaints, open, sequence } from '../support/data-files.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

/** Recordings; two of them are equal. */
function folder(count = 5): string {
  const path = work.folder();
  for (let i = 0; i < count; i++) record(path, i);
  return path;
}

const record = (path: string, i: number) =>
  writeFileSync(join(path, `${'ab'[i % 2]}_${i}.wav`), wav(tone(200 + 100 * (i % 4), 80 + 40 * (i % 4))));

const config = (path: string, memory: number | undefined): DatasetConfig =>
  ({
    ...{ kind: 'audio', path, pattern: '{label}_{take}', target: 'label', target_kind: 'class' },
    features: {
      ...{ kind: 'log_mel', window: 4, hop: 2, bands: 3, scale: 'htk' },
      ...{ min_frequency: 0, floor: 1e-10, deltas: 0 },
    },
    ...{ test_path: path, memory },
  }) as DatasetConfig;

const kept = (path: string) => join(path, '.cellrun');
const cacheOf = (path: string): string => {
  const names = readdirSync(kept(path)).filter(name => name !== '.gitignore');
  if (names.length !== 1) throw new Error(`found ${names.join(', ')}`);
  return join(kept(path), names[0]);
};

async function valuesOf(path: string, memory?: number): Promise<number[][][]> {
  const data = await open(config(path, memory));
  const all = Uint32Array.from({ length: data.train.count }, (_, i) => i);
  const loaded = await data.train.load?.(all);
  t.equal(loaded !== undefined, memory === 0);
  const read = Array.from(all, i => sequence(data, data.train, i));
  if (loaded)
    t.same(
      Array.from(all, i => sequence(data, loaded, i)),
      read,
    );
  return read;
}

/** What may happen to the file, which has `size` bytes. */
const FATES: Readonly<Record<string, (file: string, bytes: Buffer) => void>> = {
  'left alone': () => {},
  deleted: file => rmSync(file),
  'deleted with its folder': file => rmSync(join(file, '..'), { recursive: true }),
  'cut in the features': (file, bytes) => writeFileSync(file, bytes.subarray(0, 60)),
  'cut in the index': (file, bytes) => writeFileSync(file, bytes.subarray(0, -50)),
  empty: file => writeFileSync(file, ''),
  'wrong in a feature': (file, bytes) => writeFileSync(file, flipped(bytes, 101)),
  'wrong in the index': (file, bytes) => writeFileSync(file, flipped(bytes, bytes.length - 40)),
  'wrong in its size': (file, bytes) => writeFileSync(file, flipped(bytes, bytes.length - 1)),
  'another file': file => writeFileSync(file, Buffer.alloc(5000, 7)),
};

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] ^= 0x55;
  return copy;
}

for (const memory of [undefined, 0]) {
  t.test(`a cache that is damaged or missing is written again, memory: ${memory}`, async t => {
    const path = folder();
    const want = await valuesOf(path, memory);
    const file = cacheOf(path);
    const bytes = readFileSync(file);
    for (const [fate, happen] of Object.entries(FATES)) {
      happen(file, bytes);
      t.same(await valuesOf(path, memory), want, fate);
      t.ok(readFileSync(cacheOf(path)).equals(bytes), `${fate}: the same file`);
    }
    const { ino } = statSync(file);
    await valuesOf(path, memory);
    t.equal(statSync(file).ino, ino, 'an intact file is not written');
  });
}

t.test('features come from the file, whatever recordings are added or removed', async t => {
  const path = folder();
  const want = await valuesOf(path);
  const file = cacheOf(path);
  const bytes = readFileSync(file);
  // the first feature becomes 5, and all digests are right
  const sha256 = (part: Buffer) => createHash('sha256').update(part).digest();
  const index = bytes.subarray(-36 - 5 * 68, -36);
  const first = bytes.subarray(0, 4 * index.readUInt32LE(64));
  first.writeFloatLE(5);
  sha256(first).copy(index, 32);
  sha256(index).copy(bytes, bytes.length - 36);
  writeFileSync(file, bytes);
  const forged = structuredClone(want);
  forged[0][0][0] = 5;
  t.same(await valuesOf(path, 0), forged);
  // 8 is equal to 0 and 4
  for (const i of [7, 8]) record(path, i);
  rmSync(join(path, 'b_3.wav'));
  const added = await valuesOf(path);
  rmSync(kept(path), { recursive: true });
  const fresh = await valuesOf(path);
  fresh[0][0][0] = 5;
  t.same(added, fresh);
});

t.test('each of several runs of one table reads its own recordings', async t => {
  const path = folder(6);
  const rows = Array.from({ length: 6 }, (_, i) => {
    const target = 'xy'[i % 2];
    return `${'ab'[i % 2]}_${i}.wav,${target},${i < 3 ? '' : target},${i % 3 ? target : ''}`;
  });
  const table = join(path, 'table.csv');
  writeFileSync(table, `file,all,later,some\n${rows.join('\n')}\n`);
  const opened = (target: string, memory?: number) => {
    const more = { path: table, path_column: 'file', pattern: undefined, test_path: undefined };
    return open({ ...config(path, memory), ...more, target, test_fraction: 0.34 } as DatasetConfig);
  };
  const valuesIn = async (data: Dataset) => {
    const { train } = data;
    const loaded = await train.load?.(Uint32Array.from({ length: train.count }, (_, i) => i));
    return Array.from({ length: train.count }, (_, i) => sequence(data, loaded ?? train, i));
  };
  const targets = ['all', 'later', 'some', 'all'];
  const want: number[][][][] = [];
  for (const target of targets) want.push(await valuesIn(await opened(target)));
  rmSync(kept(path), { recursive: true });
  const begun: Dataset[] = [];
  for (const target of targets) begun.push(await opened(target, 0));
  for (const [i, data] of begun.entries()) t.same(await valuesIn(data), want[i], targets[i]);
});

t.test('a folder that cannot be written', { skip: process.getuid?.() === 0 }, async t => {
  const path = folder();
  const want = await valuesOf(folder());
  chmodSync(path, 0o555);
  t.teardown(() => chmodSync(path, 0o755));
  t.same(await valuesOf(path), want);
  t.match(await complaints(2, () => open(config(path, 0))), [/the file cannot be written/]);
});

t.test('a file where the folder of the cache would be', async t => {
  const path = folder();
  const want = await valuesOf(folder());
  writeFileSync(kept(path), '');
  t.same(await valuesOf(path), want);
  t.match(await complaints(2, () => open(config(path, 0))), [
    /^file\/unwritable | the file cannot be written: .* | expected a folder that can be written, or `dataset.memory` for all recordings$/,
  ]);
});

t.test('a recording that cannot be read leaves nothing behind', async t => {
  const path = folder();
  writeFileSync(join(path, 'b_9.wav'), 'no recording');
  t.match(await complaints(5, () => open(config(path, 0))), [/not a WAV recording/]);
  t.same(readdirSync(kept(path)), ['.gitignore']);
});

t.test('features of any number of threads, converted to another rate', async t => {
  const path = work.folder();
  // enough samples for threads to start
  for (let i = 0; i < 24; i++)
    writeFileSync(join(path, `${'ab'[i % 2]}_${i}.wav`), wav(tone(200 + 10 * i, 100_000)));
  const given = config(path, undefined) as Extract<DatasetConfig, { kind: 'audio' }>;
  const data = { ...given, rate: 6000, normalize: 'standard', normalize_per: 'recording' } as const;
  const { start } = FeatureThreads.prototype;
  const ahead = new Set<number>();
  FeatureThreads.prototype.start = function (...recording) {
    ahead.add(this.ahead);
    return start.apply(this, recording);
  };
  t.teardown(() => {
    FeatureThreads.prototype.start = start;
  });
  let want: string | undefined;
  for (const threads of [1, 2, 3]) {
    await openDataset(data, { seed: 0, threads });
    const found = sha256(readFileSync(cacheOf(path)));
    want ??= found;
    t.equal(found, want, `${threads} threads`);
    t.equal(Math.max(...ahead) > 0, threads > 1);
    rmSync(kept(path), { recursive: true });
  }
});
