/** What datasets and readers of new sequences promise, held against what damaged files give. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { CsvConfig } from '../../src/data/csv/facts.js';
import {
  type DataRecord,
  type Dataset,
  type DatasetConfig,
  inputWidth,
  isRejected,
  newSequences,
  openDataset,
  type ReadSequence,
  type Split,
  streamBytes,
} from '../../src/data/index.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import type { RandomStream } from '../../src/util/random.js';
import { asInput } from '../support/data-files.js';
import { onceIn } from '../support/mutations.js';
import { ensure, type FuzzTarget } from './fuzz-target.js';

const SEED = 7;

async function attempt<T>(act: () => Promise<T>): Promise<T | UserError> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
}

/** What was opened keeps what its types promise, and is the same if it stays on the disk. */
export async function openSoundly(config: DatasetConfig): Promise<void> {
  const opened = await attempt(() => openDataset(config, { seed: SEED }));
  if (['npz', 'npy', 'idx', 'jsonl', 'text'].includes(config.kind)) {
    const onDisk = { ...config, memory: 0 } as DatasetConfig;
    checkSame(opened, await attempt(() => openDataset(onDisk, { seed: SEED })));
  }
  if (opened instanceof UserError) throw opened;
  ensure(inputWidth(opened.input) >= 1 && opened.sequenceLength >= 1, 'sizes are positive');
  checkSplit(opened, opened.train);
  checkSplit(opened, opened.test);
}

/** Arrays in Fortran order are read whole or not at all. */
const ON_DISK_ONLY = 'data/npy-order';

function checkSame(inMemory: Dataset | UserError, onDisk: Dataset | UserError): void {
  if (onDisk instanceof UserError) {
    const { diagnostics, exitCode } = onDisk;
    const isPlaced = exitCode !== EXIT.damaged || diagnostics.every(({ file }) => file);
    ensure(isPlaced, 'damage is told with its file');
    if (diagnostics.some(({ code }) => code === ON_DISK_ONLY)) return;
    // what is found first may differ
    const got = inMemory instanceof UserError ? inMemory.exitCode : EXIT.done;
    ensure(got === exitCode, `exit code ${got} in memory, ${exitCode} on the disk: ${onDisk.message}`);
    return;
  }
  for (const name of ['train', 'test'] as const) {
    const isSame = !(inMemory instanceof UserError) && contentOf(onDisk, name) === contentOf(inMemory, name);
    ensure(isSame, `${name} is the same on the disk`);
  }
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
  const width = inputWidth(data.input);
  ensure(Number.isSafeInteger(count) && count >= 1, 'a split has sequences');
  ensure(lengths === undefined || lengths.length === count, 'each sequence has a length');
  ensure(lengths?.every(length => length >= 1 && length <= sequenceLength) ?? true, 'lengths are in range');
  const { values, perStep = false } = targets;
  const predictions = count * (perStep ? sequenceLength : 1);
  if (targets.kind === 'class') {
    ensure(values.length === predictions, 'each has its class');
    const isClass = (value: number) => value === -100 || (value >= 0 && value < targets.numClasses);
    ensure([...values].every(isClass), 'classes are in range');
  } else {
    const { size } = targets;
    ensure(values.length === predictions * size, 'each has its targets');
    const isIgnored = (at: number) =>
      perStep && values.subarray(at - (at % size), at - (at % size) + size).every(Number.isNaN);
    ensure(
      [...values].every((value, at) => Number.isFinite(value) || isIgnored(at)),
      'targets are finite, or those of a step are ignored',
    );
  }
  const out = new Float32Array(sequenceLength * width);
  for (let i = 0; i < Math.min(count, 50); i++) {
    read(i, out, 0, width);
    ensure(out.every(Number.isFinite), 'features are finite');
  }
}

/** Reads `bytes` as new sequences to predict, in pieces as `random` says; gives what to read. */
export function predictFrom(
  path: string,
  config: DatasetConfig,
  record: Partial<DataRecord>,
  random: RandomStream,
): () => Promise<readonly ReadSequence[]> {
  const data: DataRecord = {
    input: { kind: 'number', size: 1 },
    sequence_length: 4,
    variable_length: true,
    output_size: 2,
    ...record,
  };
  const isCompared = ['csv', 'npz', 'idx'].includes(config.kind);
  // bytes one by one, or in a few pieces
  const piece = isCompared && onceIn(random, 4) ? 1 : 8 + random.integer(60);
  const isStream = onceIn(random, 2);
  return async () => {
    const bytes = readFileSync(path);
    const pieces = Array.from({ length: Math.ceil(bytes.length / piece) }, (_, i) =>
      bytes.subarray(i * piece, (i + 1) * piece),
    );
    const parted = await attempt(() => read(config, data, pieces, !isStream));
    if (isCompared) {
      const whole = await attempt(() => read(config, data, [bytes], !isStream));
      ensure(toText(parted) === toText(whole), 'the pieces of an input change nothing');
    }
    if (parted instanceof UserError) throw parted;
    checkSequences(parted, config, data);
    // who reads a whole file knows whether it has a line feed anywhere
    const isMixed = /^[^\n\r]*\r[^\n]/.test(bytes.toString('latin1')) && bytes.includes('\n');
    if (config.kind === 'csv' && !isStream && !isMixed) await checkAgainstTraining(config, parted);
    return parted;
  };
}

function checkSequences(read: readonly ReadSequence[], config: DatasetConfig, record: DataRecord): void {
  // windows of a forecast have the width and the times that its config says
  const [data, horizon] = config.kind === 'forecast' ? [undefined, config.horizon] : [record, undefined];
  for (const one of read) {
    if (isRejected(one)) {
      ensure(one.problems.length > 0, 'who refuses says why');
      continue;
    }
    const width = data ? inputWidth(data.input) : one.values.length / one.length;
    ensure(one.length >= 1 && one.values.length === one.length * width, 'sizes fit');
    ensure(one.values.every(Number.isFinite), 'features are finite');
    ensure(
      one.times === undefined || one.times.length === (horizon ?? one.length),
      'each step that is predicted has its time',
    );
    if (data?.input.kind === 'symbol') {
      const { count } = data.input;
      ensure(
        one.values.every(value => value < count),
        'all are known',
      );
    }
  }
}

/** A table that can be trained on gives the same sequences. */
async function checkAgainstTraining(config: CsvConfig, read: readonly ReadSequence[]): Promise<void> {
  const dataset = await attempt(() => openDataset({ ...config, test_path: config.path }, { seed: 0 }));
  if (dataset instanceof UserError) return;
  const { train, sequenceLength, input } = dataset;
  ensure(train.count === read.length, 'training has as many sequences');
  read.forEach((one, index) => {
    const width = inputWidth(input);
    const values = new Float32Array(sequenceLength * width);
    train.read(index, values, 0, width);
    const length = train.lengths?.[index] ?? sequenceLength;
    const trained = JSON.stringify([train.id?.(index), length, [...values.subarray(0, length * width)]]);
    const isSame = !isRejected(one) && JSON.stringify([one.id, one.length, [...one.values]]) === trained;
    ensure(isSame, `training has sequence ${index}`);
  });
}

async function read(
  config: DatasetConfig,
  data: DataRecord,
  pieces: readonly Buffer[],
  isFile: boolean,
): Promise<ReadSequence[]> {
  const stream = Readable.from(pieces, { objectMode: false });
  const source = { ...(await streamBytes('input', stream)), isFile };
  const found: ReadSequence[] = [];
  for await (const list of newSequences(config, data).read(asInput(source))) found.push(...list);
  return found;
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

/** The file `name` of those that `files` writes, read as new sequences. */
export function inputs(
  files: FuzzTarget,
  name: string,
  caseOf: (path: string, random: RandomStream) => readonly [DatasetConfig, Partial<DataRecord>],
): FuzzTarget {
  return {
    name: `${files.name} input`,
    open: async folder => {
      const write = await files.open(folder);
      const path = join(folder, name);
      return random => {
        write(random);
        return predictFrom(path, ...caseOf(path, random), random);
      };
    },
  };
}
