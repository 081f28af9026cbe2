/**
 * A program of its own, `memory-child.js FOLDER EARLY LATE`: trains a small model in two threads in
 * the empty folder FOLDER, and prints what memory it has after EARLY and after LATE steps, as JSON.
 */
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadExperiment } from '../../src/config/index.js';
import { runExperiment } from '../../src/train/resume.js';
import { randomDataset, silentObserver } from '../support/runs.js';
import type { MemorySample } from './memory.js';

/**
 * An epoch is 100 steps: there are evaluations and checkpoints before the first sample and after.
 */
const BATCH = 8;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const [folder, ...steps] = process.argv.slice(2);
const [early, late] = steps.map(Number);
const data = join(folder, 'data.npz');
writeFileSync(data, randomDataset('soak/memory', { train: 100 * BATCH, test: 50, seed: 1 }));
const config = join(folder, 'memory.yaml');
writeFileSync(
  config,
  JSON.stringify({
    version: 1,
    name: 'memory',
    dataset: { kind: 'npz', path: data },
    model: { cell: 'lstm', hidden_size: 16, num_layers: 2, head: { from: 'last' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.001 },
    training: {
      num_epochs: late,
      max_steps: late + 1,
      batch_size: BATCH,
      log_every: 100,
      evaluate_every: { steps: 500 },
    },
    checkpoint: { every: { steps: 500 }, keep: { last: 2, best: 1 } },
  }),
);

const samples: MemorySample[] = [];
await runExperiment(
  loadExperiment(config),
  {
    backend: 'webasm',
    threads: 2,
    output: join(folder, 'runs'),
    commandLine: [],
    started: new Date(),
    signal: new AbortController().signal,
  },
  {
    ...silentObserver,
    step: ({ step }) => {
      if (step === early || step === late) samples.push(sample(step));
    },
  },
);
process.stdout.write(JSON.stringify(samples));

function sample(step: number): MemorySample {
  collect();
  collect();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const files = existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
  return { step, heap: heapUsed, external, arrayBuffers, resident: process.memoryUsage.rss(), files };
}
