/** What a dataset promises, held against one that was opened from damaged files. */
import {
  type Dataset,
  type DatasetConfig,
  inputWidth,
  openDataset,
  type Split,
} from '../../src/data/index.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import { ensure } from './fuzz-target.js';

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
