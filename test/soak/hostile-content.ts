/** What the inside of a file names: checkpoints in an index, members of an archive. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDataset } from '../../src/data/index.js';
import { loadCheckpoint, resolveCheckpoint } from '../../src/run/checkpoint-files.js';
import { CheckpointStore } from '../../src/run/checkpoints.js';
import { latestCheckpoint } from '../../src/run/latest-checkpoint.js';
import type { Tensor } from '../../src/run/safetensors.js';
import { zipArchive } from '../support/zip.js';
import type { HostileCase } from './hostile.js';

const LEADING_OUT = [
  '../../x',
  '../outside/file',
  '../../outside/file',
  '../../outside/folder/step-00000009.safetensors',
  'step-00000001.safetensors/../../../outside/file',
  '/etc/passwd',
  '/tmp/cellrun-hostile',
  './step-00000001.safetensors',
  '',
  '.',
  '..',
  '__proto__',
  'step-00000001.safetensors\u0000',
  'step-1.safetensors',
  'step-99999999999999999999.safetensors',
  '..\\..\\outside\\file',
];

/** `latest` keeps one, so that each save removes what it takes for an older one. */
function savedSteps(folder: string, ...steps: readonly number[]): void {
  const store = CheckpointStore.open(folder, { keep: { last: 1, best: 0 }, metric: 'm', mode: 'max' });
  for (const step of steps) {
    const tensors = new Map<string, Tensor>([
      ['w', { dtype: 'F32', shape: [1], data: Float32Array.of(step) }],
    ]);
    store.save({ step, epoch: 0, tensors, metadata: {}, metric: null, temporary: false });
  }
}

/** An index that names what lies elsewhere is neither read by nor cleaned up by. */
export function indexCases(): HostileCase[] {
  const fields = ['last', 'best', 'file', 'all'] as const;
  return LEADING_OUT.flatMap(entry =>
    fields.map(
      (field): HostileCase => ({
        name: `index.json, ${field}: ${JSON.stringify(entry)}`,
        prepare: ({ root }) => {
          savedSteps(root, 1);
          const path = join(root, 'index.json');
          const index = JSON.parse(readFileSync(path, 'utf8'));
          if (field !== 'file') index.last = field === 'best' ? index.last : entry;
          if (field === 'best' || field === 'all') index.best = entry;
          if (field === 'file' || field === 'all') index.checkpoints[0].file = entry;
          writeFileSync(path, JSON.stringify(index));
        },
        act: ({ root }) => {
          latestCheckpoint(root, { strict: false });
          loadCheckpoint(resolveCheckpoint(root, 'last'));
          savedSteps(root, 2, 3);
        },
      }),
    ),
  );
}

/** Nothing is unpacked to the disk, whatever a member is called. */
export function zipCases(): HostileCase[] {
  return LEADING_OUT.flatMap(name =>
    [0, 8].map(
      (method): HostileCase => ({
        name: `npz with a member ${JSON.stringify(name)}`,
        prepare: ({ root }) => {
          const member = { name: `${name}.npy`, content: Buffer.from('\x93NUMPY'), method: method as 0 | 8 };
          writeFileSync(
            join(root, 'data.npz'),
            zipArchive([member, { ...member, name }, { ...member, name: 'x.npy' }]),
          );
        },
        act: ({ root }) => openDataset({ kind: 'npz', path: join(root, 'data.npz') }, { seed: 0 }),
      }),
    ),
  );
}
