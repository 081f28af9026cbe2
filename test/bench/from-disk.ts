/**
 * Training on gigabytes that stay on the disk: memory, and the time of a step compared with the
 * same model on data in memory.
 */
import { closeSync, openSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { RandomStream } from '../../src/util/random.js';
import { inFolder, launcher, runProgram } from './programs.js';
import type { Figure } from './results.js';
import { ratioOf, spreadOf } from './results.js';

const [STEPS, FEATURES] = [32, 64];
const SEQUENCE_BYTES = STEPS * FEATURES * 4;
/** Of the data in memory; enough that a batch is rarely in the processor's cache. */
const IN_MEMORY_BYTES = 5e8;
/** Sequences that are generated at once; they repeat, rotated. */
const BLOCK = 1024;
/** Numbers by which each block is rotated; odd, so that no sequences of 2048 blocks are equal. */
const ROTATION = 449;
const TRAINED_STEPS = 1000;
const HIDDEN = 128;

interface Measured {
  readonly ms_per_step: number;
  readonly peak_rss_mb: number;
}

export function measureFromDisk(gigabytes: number, rounds: number): Promise<Figure[]> {
  return inFolder(async folder => {
    const [large, small] = [
      writeArrays(folder, 'large', gigabytes * 1e9),
      writeArrays(folder, 'small', IN_MEMORY_BYTES),
    ];
    const disk: Measured[] = [];
    const memory: Measured[] = [];
    for (let round = 0; round < rounds; round++) {
      disk.push(await train(folder, { ...large, memory: 256 }));
      memory.push(await train(folder, { ...small, memory: 4096 }));
    }
    const perStep = (all: readonly Measured[]) => all.map(({ ms_per_step }) => ms_per_step);
    return [
      {
        id: 'disk/step',
        what: `a training step on ${gigabytes} GB on the disk, a GRU of ${HIDDEN} units`,
        unit: 'ms',
        ours: spreadOf(perStep(disk)),
        other: { name: 'in memory', value: spreadOf(perStep(memory)) },
        ratio: ratioOf(perStep(disk), perStep(memory)),
      },
      {
        id: 'disk/rss',
        what: 'peak RSS of that training',
        unit: 'MB',
        ours: spreadOf(disk.map(({ peak_rss_mb }) => peak_rss_mb)),
      },
    ];
  });
}

async function train(folder: string, files: object): Promise<Measured> {
  const config = {
    version: 1,
    name: 'from-disk',
    dataset: { kind: 'npy', ...files, test_fraction: 0.001 },
    model: { cell: 'gru', hidden_size: HIDDEN },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.001 },
    training: { num_epochs: 1, batch_size: 64, max_steps: TRAINED_STEPS },
  };
  const file = join(folder, 'config.json');
  writeFileSync(file, JSON.stringify(config));
  const args = ['run', file, '--json', '--quiet', '--output', join(folder, 'runs')];
  return JSON.parse((await runProgram(launcher, args)).stdout);
}

/** Arrays of about `bytes`, as .npy files. */
function writeArrays(
  folder: string,
  name: string,
  bytes: number,
): { readonly x: string; readonly y: string } {
  const blocks = Math.ceil(bytes / SEQUENCE_BYTES / BLOCK);
  const random = RandomStream.of(0, 'bench/from-disk');
  const block = Float32Array.from({ length: BLOCK * STEPS * FEATURES }, () => random.uniform() - 0.5);
  const [x, y] = [join(folder, `${name}-x.npy`), join(folder, `${name}-y.npy`)];
  const file = openSync(x, 'w');
  try {
    writeSync(file, header('<f4', `${blocks * BLOCK}, ${STEPS}, ${FEATURES}`));
    for (let i = 0; i < blocks; i++) {
      const at = (i * ROTATION) % block.length;
      writeSync(file, block.subarray(at));
      writeSync(file, block.subarray(0, at));
    }
  } finally {
    closeSync(file);
  }
  const labels = Buffer.from({ length: blocks * BLOCK }).map(() => Math.floor(random.uniform() * 4));
  writeFileSync(y, Buffer.concat([header('|i1', `${labels.length},`), labels]));
  return { x, y };
}

/** Of version 1 of the .npy format (NumPy Enhancement Proposal 1). */
function header(descr: string, shape: string): Buffer {
  const dict = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const text = `${dict.padEnd(117)}\n`;
  return Buffer.concat([Buffer.from('\x93NUMPY\x01\x00\x76\x00', 'latin1'), Buffer.from(text, 'latin1')]);
}
