/** Every single flipped bit and every length of a small checkpoint, and of the index beside it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  latestCheckpoint,
  loadCheckpoint,
  openCheckpoints,
  resolveCheckpoint,
} from '../../src/run/checkpoints.js';
import type { Tensor } from '../../src/run/safetensors.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import type { Figures } from './figures.js';

/** A fresh folder with two checkpoints; the newest is the better one. */
function checkpoints(folder: string): { first: string; newest: string } {
  const policy = { keep: { last: 2, best: 1 }, metric: 'test.accuracy', mode: 'max' } as const;
  const store = openCheckpoints(folder, policy);
  const [first, newest] = [100, 200].map(step => {
    const tensors = new Map<string, Tensor>([
      ['fc.bias', { dtype: 'F32', shape: [3], data: Float32Array.of(step, 0, -0.5) }],
      ['optimizer.step', { dtype: 'I64', shape: [], data: BigInt64Array.of(BigInt(step)) }],
    ]);
    return store.save({ step, epoch: 1, tensors, metadata: { at: step }, metric: step, temporary: false })
      .path;
  });
  return { first, newest };
}

/**
 * The newest of two: damage is said with exit 5, file and offset, and the run can go on from the
 * one before.
 */
export function flipCheckpoint(folder: string): Figures {
  const { newest } = checkpoints(folder);
  return flipAll('a checkpoint', newest, () => detection(newest) ?? fallback(folder));
}

function detection(path: string): string | undefined {
  try {
    loadCheckpoint(path);
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) return String(error);
    const [{ file, offset }] = error.diagnostics;
    return file === path && offset !== undefined ? undefined : `without a place: ${error}`;
  }
  return 'nothing was noticed';
}

function fallback(folder: string): string | undefined {
  try {
    latestCheckpoint(folder, { strict: true });
    return 'nothing was noticed when going on';
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) return String(error);
  }
  const { checkpoint, damaged } = latestCheckpoint(folder, { strict: false });
  return checkpoint?.step === 100 && damaged.length === 1 ? undefined : 'the one before was not taken';
}

/**
 * The index is never believed: each checkpoint is found as if it was not there, or said to be lost.
 */
export function flipIndex(folder: string): Figures {
  const { first, newest } = checkpoints(folder);
  const right: readonly (readonly [Which, string])[] = [
    ['last', newest],
    ['best', newest],
    [100, first],
    [200, newest],
  ];
  const check = (): string | undefined => {
    const wrong = right.find(([which, path]) => !isFoundOrLost(folder, which, path));
    if (wrong) return `${wrong[0]} is something else`;
    // it may say that one is lost, which is told, but changes nothing
    const { checkpoint } = latestCheckpoint(folder, { strict: false });
    return checkpoint?.step === 200 ? undefined : 'it changes the checkpoint to resume from';
  };
  return flipAll('index.json', join(folder, 'index.json'), check);
}

type Which = Parameters<typeof resolveCheckpoint>[1];

function isFoundOrLost(folder: string, which: Which, path: string): boolean {
  try {
    return resolveCheckpoint(folder, which) === path;
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== EXIT.damaged) return false;
    return error.diagnostics.every(({ file }) => file?.startsWith(folder));
  }
}

/** Each flipped bit, and each length, of the file at `path`. */
function flipAll(what: string, path: string, check: () => string | undefined): Figures {
  const whole = readFileSync(path);
  const failures: string[] = [];
  let slowestMs = 0;
  const attempt = (change: string, bytes: Buffer) => {
    writeFileSync(path, bytes);
    const began = process.cpuUsage();
    const complaint = check();
    const { user, system } = process.cpuUsage(began);
    slowestMs = Math.max(slowestMs, (user + system) / 1000);
    if (complaint !== undefined) failures.push(`${change}: ${complaint}`);
  };
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const bytes = Buffer.from(whole);
    bytes[bit >> 3] ^= 1 << (bit & 7);
    attempt(`bit ${bit}`, bytes);
  }
  for (let length = 0; length < whole.length; length++)
    attempt(`length ${length}`, whole.subarray(0, length));
  return { what, cases: whole.length * 9, failures, slowestMs };
}
