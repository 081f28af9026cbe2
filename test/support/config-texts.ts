/**
 * Configs for tests, and the errors of wrong ones. Paths are relative to the package, as a user
 * would write them.
 */

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatDiagnostics } from '../../src/cli/terminal/diagnostics.js';
import type { Dataset, Split } from '../../src/data/core/dataset.js';
import type { Targets } from '../../src/data/core/targets.js';
import type { UserError } from '../../src/util/errors.js';

export const BROKEN_FOLDER = 'test/fixtures/configs/broken';
export const MISFIT_FOLDER = 'test/fixtures/configs/misfit';
export const VALID_FOLDER = 'test/fixtures/configs/valid';

export function told(error: UserError): string[] {
  return error.diagnostics.map(d => `${d.code.replace('config/', '')} ${d.line}:${d.column}`);
}

export function printed(error: UserError): string {
  return formatDiagnostics(error.diagnostics, { color: false });
}

export function writerIn(folder: string) {
  return (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };
}

/** A split without features. */
export function splitOf(count: number, targets: Targets): Split {
  return { count, targets, read: () => {} };
}

/** `count` labels, all of class 0 of `numClasses`. */
export function labelsOf(count: number, numClasses = 2) {
  return { kind: 'class', numClasses, perStep: false, values: new Int32Array(count) } as const;
}

/** Data of one number per step, with as many sequences in each split. */
export function classData(train: number, test: number, numClasses = 2): Dataset {
  return {
    input: { kind: 'number', size: 1 },
    sequenceLength: 1,
    train: splitOf(train, labelsOf(train, numClasses)),
    test: splitOf(test, labelsOf(test, numClasses)),
    digests: [],
  };
}

export const MINIMAL = `version: 1
name: minimal
dataset: { kind: npz, path: a.npz }
model: { cell: lstm, hidden_size: 8 }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 1, batch_size: 10 }
`;

/** The sample configs of experiments. Sweeps and variants are in separate folders. */
export const SAMPLES = readdirSync('configs').filter(name => name.endsWith('.yaml'));

export const SYNTHETIC = MINIMAL.replace(
  '{ kind: npz, path: a.npz }',
  '{ kind: synthetic, problem: copy_memory, delay: 2, train_size: 20, test_size: 10 }',
).replace('hidden_size: 8', 'hidden_size: 8, head: { from: every }');
