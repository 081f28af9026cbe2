/** Small runs of every kind that matters to a resume, each with one that nothing ever stopped. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Summary } from '../../src/run/summary.js';
import { finish, isDone } from '../../src/verify/resume.js';
import { callInProcess } from '../support/in-process.js';
import { randomDataset } from '../support/runs.js';
import { PROGRAM } from './moments.js';

export interface Killable {
  readonly name: string;
  /** Of a new run, up to `--output` and `--threads`. */
  readonly args: readonly string[];
  readonly straight: Summary;
}

interface Variant {
  readonly backend: 'cpu' | 'webasm';
  readonly model?: object;
  readonly optimizer?: object;
  readonly training?: object;
  readonly checkpoint?: object;
  readonly gates?: readonly object[];
}

const adam = { kind: 'adam', learning_rate: 0.02 };
const momentum = { kind: 'sgd', learning_rate: 0.1, momentum: 0.9, nesterov: true };

/** A hundred sequences in batches of 8: twelve steps an epoch, four sequences dropped. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  'two layers, Adam': { backend: 'webasm', gates: [{ metric: 'test.accuracy', min: 0 }] },
  'sgd on cpu, ending within an epoch': {
    backend: 'cpu',
    model: { num_layers: 1 },
    optimizer: momentum,
    training: { last_batch: 'train', max_steps: 90 },
    gates: [{ metric: 'test.accuracy', min: 1 }],
  },
  'every step saved': {
    backend: 'webasm',
    model: { num_layers: 1 },
    optimizer: momentum,
    training: { num_epochs: 4 },
    checkpoint: { every: { steps: 1 }, keep: { last: 2, best: 1 } },
  },
  'every epoch saved': { backend: 'cpu', checkpoint: { every: 'epoch', keep: { last: 1, best: 2 } } },
  'dropout and both directions': { backend: 'webasm', model: { bidirectional: true, dropout: 0.3 } },
  'dropout and carried states': {
    backend: 'webasm',
    model: { cell: 'gru', dropout: 0.3 },
    training: { last_batch: 'train', shuffle: false, carry_state: true, eval_batch_size: 8 },
  },
  'a plateau, a warm-up, an average and early stopping': {
    backend: 'webasm',
    model: { cell: 'gru', num_layers: 1 },
    optimizer: {
      kind: 'adamw',
      learning_rate: 0.05,
      schedule: { kind: 'plateau', metric: 'test.loss', factor: 0.5, patience: 0, warmup: { steps: 15 } },
    },
    training: {
      average: { kind: 'ema', decay: 0.9 },
      evaluate_every: { steps: 9 },
      early_stopping: { metric: 'test.loss', patience: 3 },
    },
    checkpoint: { metric: 'test.loss' },
  },
};

/** Trains it in `folder`. */
export async function killable(folder: string, name: string, more: object = {}): Promise<Killable> {
  const { backend, gates = [], ...variant } = VARIANTS[name];
  mkdirSync(folder, { recursive: true });
  const data = join(folder, 'data.npz');
  writeFileSync(data, randomDataset('soak/kills', { train: 100, test: 120, seed: 1 }));
  const training = {
    num_epochs: 8,
    batch_size: 8,
    last_batch: 'drop',
    shuffle: true,
    gradient_clip_norm: 0.5,
    eval_batch_size: 1,
    log_every: 1,
    ...variant.training,
    ...more,
  };
  const config = {
    version: 1,
    name: 'killed',
    seed: 3,
    dataset: { kind: 'npz', path: data },
    model: { cell: 'lstm', hidden_size: 6, num_layers: 2, head: { from: 'last' }, ...variant.model },
    loss: { kind: 'cross_entropy' },
    optimizer: variant.optimizer ?? adam,
    training,
    checkpoint: {
      every: { steps: 5 },
      keep: { last: 3, best: 1 },
      metric: 'test.accuracy',
      ...variant.checkpoint,
    },
    gates,
  };
  const file = join(folder, 'config.yaml');
  writeFileSync(file, JSON.stringify(config));
  const args = ['run', file, '--backend', backend];
  const straight = await inThisProcess([...args, '--threads', '1', '--output', join(folder, 'straight')]);
  return { name, args, straight };
}

/** Runs `cellrun ARGS` to its end. Throws if it fails. */
export type Finish = (args: readonly string[]) => Promise<Summary>;

export const inOwnProcess: Finish = args => finish(PROGRAM, args);

/** Without the start of a process, which takes longer than such a run: for many short runs. */
export const inThisProcess: Finish = async args => {
  const { code, stdout, stderr } = await callInProcess([...args, '--json', '--quiet'], {
    cwd: process.cwd(),
    env: process.env,
  });
  if (!isDone({ code })) throw new Error(`exit ${code}: ${stderr}`);
  return JSON.parse(stdout) as Summary;
};
