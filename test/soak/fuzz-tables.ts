/** What a dataset promises, held against one that was opened from damaged files. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Dataset,
  type DatasetConfig,
  inputWidth,
  isRejected,
  newSequences,
  openDataset,
  type Split,
} from '../../src/data/index.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import type { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { asInput } from '../support/data-files.js';
import { mutateBytes, mutateText, onceIn, pick } from '../support/mutations.js';
import { ensure, type FuzzTarget } from './fuzz-target.js';

const SEED = 7;

/** What was opened keeps what its types promise, and is the same if it stays on the disk. */
export async function openSoundly(config: DatasetConfig): Promise<void> {
  const opened = await attempt(config);
  if (hasMemory(config)) checkSame(opened, await attempt({ ...config, memory: 0 }));
  if (opened instanceof UserError) throw opened;
  ensure(inputWidth(opened.input) >= 1 && opened.sequenceLength >= 1, 'sizes are positive');
  checkSplit(opened, opened.train);
  checkSplit(opened, opened.test);
}

async function attempt(config: DatasetConfig): Promise<Dataset | UserError> {
  try {
    return await openDataset(config, { seed: SEED });
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

function hasMemory(config: DatasetConfig): config is Extract<DatasetConfig, { readonly memory?: number }> {
  return ['npz', 'npy', 'idx', 'jsonl', 'text'].includes(config.kind);
}

/** Arrays in Fortran order are read whole or not at all. */
const ON_DISK_ONLY = 'data/npy-order';

function checkSame(inMemory: Dataset | UserError, onDisk: Dataset | UserError): void {
  if (onDisk instanceof UserError) {
    const { diagnostics, exitCode } = onDisk;
    ensure(
      exitCode !== EXIT.damaged || diagnostics.every(({ file }) => file),
      'damage is told with its file',
    );
    if (diagnostics.some(({ code }) => code === ON_DISK_ONLY)) return;
    // what is found first may differ
    const got = inMemory instanceof UserError ? inMemory.exitCode : EXIT.done;
    ensure(got === exitCode, `exit code ${got} in memory, ${exitCode} on the disk: ${onDisk.message}`);
    return;
  }
  ensure(!(inMemory instanceof UserError), 'what is refused in memory is refused on the disk');
  for (const name of ['train', 'test'] as const)
    ensure(
      contentOf(onDisk, name) === contentOf(inMemory as Dataset, name),
      `${name} is the same on the disk`,
    );
}

/** All that a model sees of a split, and what its sequences are called. */
function contentOf(data: Dataset, name: 'train' | 'test'): string {
  const { count, lengths, targets, read, id } = data[name];
  const width = inputWidth(data.input);
  const row = new Float32Array(data.sequenceLength * width);
  const sequences = Array.from({ length: count }, (_, index) => {
    read(index, row, 0, width);
    return [id?.(index), lengths?.[index], Array.from(row, String)];
  });
  return JSON.stringify([targets.kind, sequences, Array.from(targets.values, String), data.vocabulary]);
}

function checkSplit(data: Dataset, { count, lengths, targets, read }: Split): void {
  const { sequenceLength } = data;
  const inputSize = inputWidth(data.input);
  ensure(Number.isSafeInteger(count) && count >= 1, 'a split has sequences');
  ensure(lengths?.length === undefined || lengths.length === count, 'each sequence has a length');
  ensure(lengths?.every(length => length >= 1 && length <= sequenceLength) ?? true, 'lengths are in range');
  if (targets.kind === 'class') {
    ensure(targets.values.length === count * (targets.perStep ? sequenceLength : 1), 'each has its class');
    const isClass = (value: number) => value === -100 || (value >= 0 && value < targets.numClasses);
    ensure([...targets.values].every(isClass), 'classes are in range');
  } else {
    const { size, values, perStep = false } = targets;
    ensure(values.length === count * size * (perStep ? sequenceLength : 1), 'each has its targets');
    const isStep = (at: number) =>
      values.subarray(at - (at % size), at - (at % size) + size).every(Number.isNaN);
    ensure(
      values.every((value, at) => Number.isFinite(value) || (perStep && isStep(at))),
      'targets are finite, or those of a step are ignored',
    );
  }
  const out = new Float32Array(sequenceLength * inputSize);
  for (let i = 0; i < Math.min(count, 50); i++) {
    read(i, out, 0, inputSize);
    ensure(out.every(Number.isFinite), 'features are finite');
  }
}

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
      const config: DatasetConfig = {
        kind: 'parquet',
        path,
        test_fraction: 0.3,
        features: onceIn(random, 2) ? ['a', 'b', 'c'] : ['c'],
        target: onceIn(random, 2) ? 'label' : 'score',
        target_kind: 'class',
        ...(!onceIn(random, 3) && { sequence: { group: 'recording', order: 'time', per_step: true } }),
      };
      return onceIn(random, 3) ? () => readToPredict(config, damaged) : () => openSoundly(config);
    };
  },
};

/** Puts a large number where a count may stand: of a run, a list, or the values of a page. */
function putCount(bytes: Buffer, random: RandomStream): void {
  const count = Buffer.from([pick(random, [0xfe, 0xff]), 0xff, 0xff, 0xff, pick(random, [0x07, 0x0f])]);
  if (bytes.length > count.length) bytes.set(count, random.integer(bytes.length - count.length));
}

async function readToPredict(
  config: DatasetConfig & { kind: 'csv' | 'parquet' },
  bytes: Buffer,
): Promise<void> {
  const size = config.features.length;
  const reader = newSequences(config, {
    input: { kind: 'number', size },
    sequence_length: 12,
    variable_length: false,
    output_size: 3,
  });
  const chunks = async function* () {
    yield bytes;
  };
  for await (const sequences of reader.read(asInput({ name: 'x', size: bytes.length, chunks: chunks() }))) {
    for (const one of sequences) {
      if (isRejected(one)) ensure(one.problems.length > 0, 'what is rejected has a reason');
      else ensure(one.values.length === size * one.length && one.values.every(Number.isFinite), 'sizes fit');
    }
  }
}
