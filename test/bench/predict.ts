/**
 * How long `predict --input` takes for a gigabyte of csv, as a whole process, and how much memory.
 */
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { peakMemory, runProgram } from './programs.js';
import type { Figure } from './results.js';
import { spreadOf } from './statistics.js';

const launcher = join(packageRoot, 'run');
const BYTES = 2 ** 30;
/** Recordings that are written at once. */
const BLOCK = 1000;
/** Of a small table that the model is trained on. */
const TRAINED_BLOCKS = 2;
/** A run takes minutes, and its memory hardly differs from that of another one. */
const ROUNDS = 1;

export async function measurePredict(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-bench-'));
  try {
    const run = await trainedRun(folder);
    const input = join(folder, 'input.csv');
    writeTable(input, size => size < BYTES);
    const seconds: number[] = [];
    const megabytes: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      let peak = 0;
      const watch = (pid: number) => {
        peak = Math.max(peak, peakMemory(pid));
      };
      const args = ['predict', run, '--input', input, '--format', 'csv'];
      seconds.push((await runProgram(launcher, args, { watch, keepsOutput: false })).seconds);
      megabytes.push(peak);
    }
    const what = './run predict --input of 1 GiB of csv, a small LSTM';
    return [
      { id: 'whole/predict', what, unit: 's', ours: spreadOf(seconds) },
      { id: 'whole/predict-rss', what: 'peak RSS of that prediction', unit: 'MB', ours: spreadOf(megabytes) },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The directory of a run that reads tables as `writeTable` writes them. */
async function trainedRun(folder: string): Promise<string> {
  const path = join(folder, 'train.csv');
  let blocks = 0;
  writeTable(path, () => blocks++ < TRAINED_BLOCKS);
  const config = {
    version: 1,
    name: 'predict',
    dataset: {
      kind: 'csv',
      path,
      test_fraction: 0.2,
      features: ['a', 'b'],
      target: 'label',
      target_kind: 'class',
      sequence: { group: 'recording', order: 't' },
      normalize: 'standard',
    },
    model: { cell: 'lstm', hidden_size: 8 },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
    training: { num_epochs: 1, batch_size: 64 },
  };
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  const { stdout } = await runProgram(launcher, ['run', file, '--json', '--output', join(folder, 'runs')]);
  return JSON.parse(stdout).directory;
}

/** Recordings of 5 to 24 rows, as long as `wantsMore` of the bytes so far. */
function writeTable(path: string, wantsMore: (size: number) => boolean): void {
  const file = openSync(path, 'w');
  try {
    let size = writeSync(file, 'recording,t,a,b,label\n');
    for (let block = 0; wantsMore(size); block++) {
      const recordings = Array.from({ length: BLOCK }, (_, i) => recording(block * BLOCK + i));
      size += writeSync(file, recordings.join(''));
    }
  } finally {
    closeSync(file);
  }
}

function recording(index: number): string {
  const label = index % 3 === 0 ? 'down' : 'up';
  return Array.from({ length: 5 + (index % 20) }, (_, t) => {
    const [a, b] = [90 + ((index * 31 + t * 17) % 1000) / 50, ((index * 7 + t * 13) % 997) / 997];
    return `recording-${index},${t},${a.toFixed(6)},${b.toFixed(6)},${label}\n`;
  }).join('');
}
