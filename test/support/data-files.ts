/** Data files that tests write, and readers of datasets. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ByteSource,
  type Dataset,
  type DatasetConfig,
  type InputSource,
  inputWidth,
  openDataset,
  type Split,
} from '../../src/data/index.js';
import { type Diagnostic, UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';

/** `source` as an input to predict. */
export const asInput = (source: ByteSource): readonly InputSource[] => [
  { name: source.name, open: async () => source },
];

export const fixtures = join(packageRoot, 'test/fixtures/data');
export const fixture = (name: string): string => join(fixtures, name);
export const textFixture = (name: string): string => join(packageRoot, 'test/fixtures/text', name);
export const textExpectation = (name: string) => JSON.parse(readFileSync(textFixture(name), 'utf8'));
export const TEXT_LEVELS = ['character', 'byte', 'word'] as const;
export const open = (config: DatasetConfig, seed = 0): Promise<Dataset> => openDataset(config, { seed });

/**
 * The steps of one sequence, `[T][F]`. Reads with a stride that leaves a gap, and checks that the
 * gap stays untouched.
 */
export function sequence(data: Dataset, split: Split, index: number): number[][] {
  const stride = inputWidth(data.input) + 1;
  const out = new Float32Array(2 + data.sequenceLength * stride).fill(7);
  split.read(index, out, 2, stride);
  const untouched = (value: number | undefined): void => {
    if (value !== 7) throw new Error(`read() wrote ${value} where nothing of the sequence belongs`);
  };
  out.subarray(0, 2).forEach(untouched);
  return Array.from({ length: data.sequenceLength }, (_, step) => {
    const row = [...out.subarray(2 + step * stride, 2 + (step + 1) * stride)];
    untouched(row.pop());
    return row;
  });
}

/** The diagnostics of the `UserError` that `attempt` throws, one line each. */
export async function complaints(exitCode: number, attempt: () => unknown): Promise<string[]> {
  try {
    await attempt();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    if (error.exitCode !== exitCode) return [`exit code ${error.exitCode}, ${error.message}`];
    return error.diagnostics.map(line);
  }
  return ['no error'];
}

export function line(d: Diagnostic): string {
  const columns = d.column === undefined ? '' : `:${d.column}+${d.length}`;
  const place = d.line === undefined ? (d.offset ?? '') : `${d.line}${columns}`;
  const rest = [
    d.expected && `expected ${d.expected}`,
    d.got && `got ${d.got}`,
    d.suggestion && `try ${d.suggestion}`,
  ];
  return [`${d.code} ${place}`.trim(), d.message, ...rest.filter(Boolean)].join(' | ');
}

export const classes = (split: Split): number[] => [...split.targets.values];
export const sum = (values: number[][]): number => values.flat().reduce((a, b) => a + b, 0);
export const closeTo = (a: number, b: number, tolerance: number): boolean => Math.abs(a - b) <= tolerance;

/** An IDX file, written independently of the reader. */
export function idx(type: number, dims: number[], data: Buffer): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, type, dims.length]);
  dims.forEach((size, i) => {
    header.writeUInt32BE(size, 4 + 4 * i);
  });
  return Buffer.concat([header, data]);
}

export function idxFolder(folder: string, files: Record<string, Buffer>): DatasetConfig & { kind: 'idx' } {
  const images = idx(8, [2, 2, 3], Buffer.from([0, 51, 102, 153, 204, 255, 255, 0, 255, 0, 255, 0]));
  const given: Record<string, Buffer> = {
    train_images: images,
    train_labels: idx(8, [2], Buffer.from([1, 3])),
    test_images: images,
    test_labels: idx(8, [2], Buffer.from([0, 4])),
    ...files,
  };
  for (const [name, bytes] of Object.entries(given)) writeFileSync(join(folder, name), bytes);
  const path = (name: string): string => join(folder, name);
  return {
    kind: 'idx',
    train_images: path('train_images'),
    train_labels: path('train_labels'),
    test_images: path('test_images'),
    test_labels: path('test_labels'),
    sequence: 'rows',
  };
}

export function npy(descr: string, shape: string, data: NodeJS.ArrayBufferView, order = 'False'): Uint8Array {
  const dict = Buffer.from(`{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`);
  const start = Buffer.from([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, dict.length & 255, dict.length >> 8]);
  return Buffer.concat([start, dict, Buffer.from(data.buffer, data.byteOffset, data.byteLength)]);
}
