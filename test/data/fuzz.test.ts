/**
 * Readers of hostile input: an answer or a user's error, soon, in little memory, and nothing
 * written outside. Long form: `npm run soak`.
 */

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { CsvPieces } from '../../src/data/formats/tables.js';
import { type DatasetConfig, openDataset } from '../../src/data/index.js';
import { UserError } from '../../src/util/errors.js';
import { boundedFuzz, TARGETS } from '../soak/fuzz.js';
import { HOSTILE, tryHostile } from '../soak/hostile.js';
import { StepCounter } from '../support/steps.js';
import { temporaryFolder } from '../support/temporary-folder.js';
import { zipArchive } from '../support/zip.js';

const steps = new StepCounter();
const folder = temporaryFolder();
t.teardown(() => rmSync(folder, { recursive: true }));

const CASES = 100;
/** Of a target that is costly. */
const FEW_CASES = 13;
const SEED = 1;

t.test('damaged input of every kind', { jobs: 2 }, async t => {
  for (const target of TARGETS) {
    const cases = target.isCostly ? FEW_CASES : CASES;
    t.test(target.name, async t => {
      const report = await boundedFuzz(target.name, SEED, cases);
      t.same(report.failures, [], `peak ${report.peakMb} MiB`);
      t.equal(report.accepted + report.refused, cases);
      t.ok(report.accepted > cases / 100, 'some of it is good enough to be read to its end');
    });
  }
});

t.test('names, paths and links that lead elsewhere', async t => {
  t.ok(HOSTILE.length >= 500, `${HOSTILE.length} of them`);
  const place = join(folder, 'hostile');
  mkdirSync(place);
  const { writes, failures } = await tryHostile(HOSTILE, place);
  t.same(failures, [], `${writes} writes`);
  t.ok(writes > 2000, 'and what may be written is');
});

interface Refusal {
  readonly said: string;
  readonly taken: number;
}

/** What `open` is refused with, and after how many steps. */
async function refusalOf(open: () => unknown): Promise<Refusal> {
  let said = 'not refused';
  const taken = await steps.of(async () => {
    try {
      await open();
    } catch (error) {
      said = error instanceof UserError ? error.message : String(error);
    }
  });
  return { said, taken };
}

/** What the dataset is refused with, where that takes `most` steps at most. */
async function refusal(config: DatasetConfig, most: number): Promise<string> {
  const { said, taken } = await refusalOf(() => openDataset(config, { seed: 0 }));
  return taken > most ? `took ${taken} steps` : said;
}

t.test('large files made to take long or much', async t => {
  const file = (name: string, content: string | Buffer): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
  const labels = file('labels', Buffer.from([0, 0, 8, 1, 0, 0, 0, 1, 0]));
  const images = (path: string): DatasetConfig => ({
    kind: 'idx',
    train_images: path,
    train_labels: labels,
    test_images: path,
    test_labels: labels,
    sequence: 'rows',
  });
  const one = Buffer.from([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 7]);
  const bomb = file('bomb.gz', gzipSync(Buffer.concat([one, Buffer.alloc(2 ** 28)]), { level: 1 }));
  t.match(await refusal(images(bomb), 100_000), 'bytes follow the last value');

  const count = 2 ** 14;
  const head = Buffer.from([0, 0, 8, 3, 0, 0, count >> 8, 0, 0, 0, 0, 28, 0, 0, 0, 28]);
  const values = Buffer.alloc(28 * 28 * count);
  for (let i = 0; i < values.length; i += 7) values[i] = (i * 2_654_435_761) >>> 24;
  const zipped = gzipSync(Buffer.concat([head, values]), { level: 1 });
  zipped[zipped.length >> 1] ^= 64;
  t.match(await refusal(images(file('large.gz', zipped)), 500_000), /the gzip stream is damaged/);

  const member = { name: 'x.npy', content: Buffer.alloc(1), method: 0 } as const;
  const many = file('many.npz', zipArchive(Array.from({ length: 4000 }, () => member)));
  t.match(await refusal({ kind: 'npz', path: many }, 500_000), 'the archive contains x.npy twice');

  const names = Array.from({ length: 20_000 }, (_, i) => `c${i}`);
  const row = (cell: string) => `${names.map(() => cell).join(',')},1\n`;
  const wide = file('wide.csv', `${names.join(',')},y\n${row('bad')}${row('1')}`);
  const csv = (features: readonly string[]): DatasetConfig => ({
    kind: 'csv',
    path: wide,
    test_fraction: 0.5,
    features,
    target: 'y',
    target_kind: 'class',
  });
  t.match(await refusal(csv(names), 20_000_000), 'the cell is not a number');
  t.match(await refusal(csv(names.map(name => `${name}x`)), 20_000_000), 'has no column "c0x"');

  const unknown = (count: number) => {
    const keys = Array.from({ length: count }, (_, i) => `k${i}: 1`);
    const path = file('unknown.yaml', keys.join('\n'));
    return refusalOf(() => loadExperiment(path));
  };
  // compiles the schema
  await unknown(1);
  const [few, fourTimes] = [await unknown(1500), await unknown(6000)];
  for (const { said } of [few, fourTimes]) t.match(said, 'more problems are not shown');
  // quadratic would be sixteen times
  t.ok(fourTimes.taken < 8 * few.taken, `1,500 unknown keys: ${few.taken} steps, 6,000: ${fourTimes.taken}`);
});

/** Bytes that `Buffer.concat` copies during `action`. */
function copied(action: () => void): number {
  const { concat } = Buffer;
  let bytes = 0;
  Buffer.concat = (list, length) => {
    const whole = concat(list, length);
    bytes += whole.length;
    return whole;
  };
  try {
    action();
    return bytes;
  } finally {
    Buffer.concat = concat;
  }
}

t.test('streams of rows without an end', async t => {
  // counting slows down all code
  steps.stop();
  const rows: string[] = [];
  const reader = () =>
    new CsvPieces('<stdin>', {
      header: () => {},
      add: record => rows.push(`${record.row.line}: ${record.fields.join()}`),
      ragged: () => {},
    });
  const PIECE = 2 ** 16;
  for (const [name, head] of Object.entries({ header: '', row: 'a,b\n' })) {
    const pieces = reader();
    pieces.push(Buffer.from(`${head}x`));
    const endless = () => {
      for (let i = 0; i < 64; i++) pieces.push(Buffer.alloc(PIECE, 'x'));
    };
    t.throws(endless, /the record is longer than 1048576 bytes/, `${name}: refused before 4 MiB`);
  }
  for (const mark of ['', '\uFEFF']) {
    const pieces = reader();
    pieces.push(Buffer.from(`${mark}\n`));
    const blank = () => {
      for (let i = 0; i < 64; i++) pieces.push(Buffer.alloc(PIECE, '\n'));
    };
    t.ok(copied(blank) < 2 * 64 * PIECE, 'empty lines are not kept');
    pieces.push(Buffer.from('a,b\n1,2\n'));
    pieces.end();
    t.same(rows.splice(0), [`${64 * PIECE + 3}: 1,2`]);
  }
  const empty = reader();
  empty.push(Buffer.from('\n\r\n'));
  t.throws(() => empty.end(), /the file is empty/, 'nothing but empty lines');
});
