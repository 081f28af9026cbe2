/** What a sweep costs besides its trainings, and what training several trials at once is worth. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { runProgram } from './programs.js';
import type { Figure } from './results.js';
import { ratioOf, spreadOf } from './statistics.js';

const launcher = join(packageRoot, 'run');
const CONFIG = 'configs/mnist-lstm.yaml';
const OBJECTIVE = ['--objective', 'test.loss:min'];

export interface SweepBenchOptions {
  readonly threads: number;
  readonly rounds: number;
}

/** A second or two of training, so that its own scatter does not hide the difference. */
const SHORT = ['dataset.limit=1000', 'model.hidden_size=32', 'training.num_epochs=1'];

/**
 * A sweep of one trial less the same run alone: the whole of what a sweep adds, its own start and
 * end included.
 */
export async function measureTrial({ threads, rounds }: SweepBenchOptions): Promise<Figure> {
  const [alone, within]: number[][] = [[], []];
  const run = async () => void alone.push(await secondsOf('run', [], SHORT, threads));
  const sweep = async () =>
    void within.push(
      await secondsOf('sweep', ['optimizer.learning_rate=0.01', ...OBJECTIVE], SHORT, threads),
    );
  await inTurns(rounds, run, sweep);
  return {
    id: 'whole/trial',
    what: 'a sweep of one trial, less the same run alone',
    unit: 's',
    ours: spreadOf(within.map((seconds, round) => seconds - alone[round])),
    other: { name: 'that run', value: spreadOf(alone) },
  };
}

/** Some seconds of training of the reference model. */
const LONGER = ['dataset.limit=3000', 'training.num_epochs=1'];

/** Two trials of one thread each at the same time, and one after the other with two. */
export async function measureParallel({ rounds }: Pick<SweepBenchOptions, 'rounds'>): Promise<Figure> {
  const [both, each]: number[][] = [[], []];
  const of = (times: number[], parallel: string) => async () => {
    const words = ['optimizer.learning_rate=0.01,0.005', ...OBJECTIVE, '--parallel', parallel];
    times.push(await secondsOf('sweep', words, LONGER, 2));
  };
  await inTurns(rounds, of(both, '2'), of(each, '1'));
  return {
    id: 'whole/parallel-trials',
    what: 'two trials of one thread at a time',
    unit: 's',
    ours: spreadOf(both),
    other: { name: 'one after the other with two', value: spreadOf(each) },
    ratio: ratioOf(both, each),
  };
}

/** Whoever is first in a round is second in the next. */
async function inTurns(rounds: number, ...turns: (() => Promise<void>)[]): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
  }
}

/** Of one command on the reference config, in a folder that is gone afterwards. */
async function secondsOf(
  verb: 'run' | 'sweep',
  words: readonly string[],
  settings: readonly string[],
  threads: number,
): Promise<number> {
  const output = mkdtempSync(join(tmpdir(), 'cellrun-bench-'));
  try {
    // the gate of the reference experiment is not for so short a training
    const set = [...settings, 'gates=[]'].flatMap(setting => ['--set', setting]);
    const args = [verb, CONFIG, ...words, ...set, '--threads', `${threads}`, '--output', output, '--quiet'];
    return (await runProgram(launcher, args)).seconds;
  } finally {
    rmSync(output, { recursive: true, force: true });
  }
}
