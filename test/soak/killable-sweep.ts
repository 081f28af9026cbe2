/**
 * A small sweep that takes everything which can go wrong with it along: TPE, rungs, two trials at a
 * time, checkpoints of every epoch.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { randomDataset } from '../support/small-run.js';
import { PROGRAM } from './moments.js';
import { endOfSweep, sweepOutcome, sweepStanding } from './sweep-process.js';

export interface KillableSweep {
  readonly trials: number;
  /** Arguments of a new sweep, up to `--output`. */
  readonly args: readonly string[];
  /** The directory of the sweep that was never killed. */
  readonly straight: string;
  /** Segments that it trained. */
  readonly segments: number;
}

/**
 * Conducts it in `folder`, never killed; those to be killed go to folders beside it. Throws where
 * it does not come to its end.
 */
export async function killableSweep(folder: string, trials: number, epochs = 8): Promise<KillableSweep> {
  mkdirSync(folder, { recursive: true });
  const set = ['--set', `training.num_epochs=${epochs}`];
  const args = ['sweep', writeSweep(folder, trials), ...set, '--backend', 'webasm', '--threads', '2'];
  // as far from the data as those that are killed: checkpoints have the way there in the hash of
  // their config
  const output = join(folder, 'straight', 'output');
  const outcome = await sweepOutcome(PROGRAM, [...args, '--output', output]);
  const straight = endOfSweep(outcome).directory;
  return { trials, args, straight, segments: sweepStanding(straight).ended };
}

/** Writes the sweep's file, its base config and its data; gives the path of the file. */
export function writeSweep(folder: string, trials: number, more: object = {}): string {
  const data = join(folder, 'data.npz');
  writeFileSync(data, randomDataset('soak/sweeps', { train: 200, test: 40, seed: 1 }));
  const base = {
    version: 1,
    name: 'killed',
    dataset: { kind: 'npz', path: data },
    model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
    // every step is told, so that one that is made twice can be seen
    training: { num_epochs: 8, batch_size: 10, log_every: 1 },
  };
  writeFileSync(join(folder, 'base.yaml'), JSON.stringify(base));
  const sweep = {
    version: 1,
    name: 'killed',
    seed: 3,
    base: 'base.yaml',
    parameters: {
      'optimizer.learning_rate': { kind: 'log_uniform', low: 0.001, high: 0.1 },
      'model.hidden_size': [4, 8],
    },
    method: { kind: 'tpe', n_startup_trials: Math.ceil(trials / 3) },
    objective: { metric: 'test.loss', goal: 'minimize' },
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
    budget: { trials },
    parallel: 2,
    ...more,
  };
  const file = join(folder, 'sweep.yaml');
  writeFileSync(file, JSON.stringify(sweep));
  return file;
}
