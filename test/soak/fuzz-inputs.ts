/** Damaged inputs of `predict --input`: the files that training is given, read as new sequences. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import {
  type DataRecord,
  type Dataset,
  type DatasetConfig,
  inputWidth,
  isRejected,
  newSequences,
  openDataset,
  type ReadSequence,
  streamBytes,
} from '../../src/data/index.js';
import { UserError } from '../../src/util/errors.js';
import type { RandomStream } from '../../src/util/random.js';
import { asInput } from '../support/data-files.js';
import { onceIn } from '../support/mutations.js';
import { idxFiles, npzFiles } from './fuzz-data.js';
import { csvFiles } from './fuzz-tables.js';
import { ensure, type FuzzTarget } from './fuzz-target.js';

interface Case {
  readonly config: DatasetConfig;
  readonly data: DataRecord;
}

/** The files that `files` writes, read as `caseOf` says from the one called `name`. */
function inputs(
  files: FuzzTarget,
  name: string,
  caseOf: (path: string, random: RandomStream) => Case,
): FuzzTarget {
  return {
    name: `${files.name} input`,
    open: async folder => {
      const write = await files.open(folder);
      const path = join(folder, name);
      return random => {
        write(random);
        const given = caseOf(path, random);
        // bytes one by one, or in a few pieces
        const piece = onceIn(random, 4) ? 1 : 1 + random.integer(60);
        const isStream = onceIn(random, 2);
        return () => readSoundly(given, readFileSync(path), { piece, isStream });
      };
    },
  };
}

/** What is read is sound, whatever the pieces that it comes in. */
async function readSoundly(
  { config, data }: Case,
  bytes: Buffer,
  { piece, isStream }: { readonly piece: number; readonly isStream: boolean },
): Promise<void> {
  const size = isStream ? undefined : bytes.length;
  const whole = await attempt(() => read({ config, data }, [bytes], size));
  const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) =>
    bytes.subarray(i * piece, (i + 1) * piece),
  );
  const parted = await attempt(() => read({ config, data }, pieces, size));
  ensure(toText(parted) === toText(whole), 'the pieces of an input change nothing');
  if (whole instanceof UserError) throw whole;
  const width = inputWidth(data.input);
  for (const one of whole) {
    if (isRejected(one)) ensure(one.problems.length > 0, 'who refuses says why');
    else {
      ensure(one.length >= 1 && one.values.length === one.length * width, 'sizes fit');
      ensure(one.values.every(Number.isFinite), 'features are finite');
      ensure(one.times === undefined || one.times.length === one.length, 'each step has its time');
    }
  }
  // who reads a whole file knows whether it has a line feed anywhere
  const isMixed = /^[^\n\r]*\r[^\n]/.test(bytes.toString('latin1')) && bytes.includes('\n');
  if ((config.kind === 'csv' || config.kind === 'parquet') && !isStream && !isMixed)
    await checkAgainstTraining(config, whole);
}

/** A table that can be trained on gives the same sequences. */
async function checkAgainstTraining(
  config: Extract<DatasetConfig, { readonly kind: 'csv' | 'parquet' }>,
  read: readonly ReadSequence[],
): Promise<void> {
  const dataset = await attempt(() => openDataset({ ...config, test_path: config.path }, { seed: 0 }));
  if (dataset instanceof UserError) return;
  ensure(dataset.train.count === read.length, 'training has as many sequences');
  read.forEach((one, index) => {
    ensure(!isRejected(one) && sequenceText(dataset, index) === text(one), `training has sequence ${index}`);
  });
}

function text({ id, length, values }: Exclude<ReadSequence, { problems: unknown }>): string {
  return JSON.stringify([id, length, [...values]]);
}

function sequenceText({ train, sequenceLength, input }: Dataset, index: number): string {
  const width = inputWidth(input);
  const values = new Float32Array(sequenceLength * width);
  train.read(index, values, 0, width);
  const length = train.lengths?.[index] ?? sequenceLength;
  return JSON.stringify([train.id?.(index), length, [...values.subarray(0, length * width)]]);
}

async function read(
  { config, data }: Case,
  pieces: readonly Buffer[],
  size: number | undefined,
): Promise<ReadSequence[]> {
  const source = await streamBytes('input', Readable.from(pieces, { objectMode: false }), size);
  const found: ReadSequence[] = [];
  for await (const list of newSequences(config, data).read(asInput(source))) found.push(...list);
  return found;
}

async function attempt<T>(act: () => Promise<T>): Promise<T | UserError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

/** With what is wrong and where. */
function toText(read: readonly ReadSequence[] | UserError): string {
  // of a line that is wrong the end may not have come yet
  if (read instanceof UserError)
    return JSON.stringify(read.diagnostics.map(({ source, length, ...told }) => told));
  return JSON.stringify(
    read.map(one => (isRejected(one) ? one : { ...one, values: Array.from(one.values, String) })),
  );
}

const record = (size: number, more: Partial<DataRecord> = {}): DataRecord => ({
  input: { kind: 'number', size },
  sequence_length: 4,
  variable_length: true,
  output_size: 2,
  ...more,
});

export const csvInputs = inputs(csvFiles, 'data.csv', (path, random) => ({
  config: {
    kind: 'csv',
    path,
    features: ['a', 'b'],
    target: 'y',
    target_kind: 'class',
    ...(!onceIn(random, 3) && {
      sequence: { group: 'g', per_step: true, ...(onceIn(random, 2) && { order: 't' }) },
    }),
  },
  data: record(2),
}));

export const npzInputs = inputs(npzFiles, 'data.npz', path => ({
  config: { kind: 'npz', path },
  data: record(2),
}));

export const idxInputs = inputs(idxFiles, 'train_images', (path, random) => {
  const sequence = onceIn(random, 2) ? 'rows' : 'pixels';
  return {
    config: {
      kind: 'idx',
      train_images: path,
      train_labels: path,
      test_images: path,
      test_labels: path,
      sequence,
    },
    data: record(sequence === 'rows' ? 2 : 1, { image: { height: 3, width: 2 } }),
  };
});
