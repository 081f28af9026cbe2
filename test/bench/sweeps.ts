/** What a sweep costs besides its trainings, and what training several trials at once is worth. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { SweepDirectory } from '../../src/sweep/directory.js';
import type { JournalRecord } from '../../src/sweep/schedule/records.js';
import { createSampler } from '../../src/sweep/search/index.js';
import { readRecord, recordedProblems, search, TPE } from '../search-bench/comparison.js';
import { budgetOf, planOf } from '../support/schedules.js';
import { PLAN as TRIED } from '../support/sweep-stories.js';
import { inFolder, launcher, runProgram } from './programs.js';
import { type Figure, ratioOf, spreadOf } from './results.js';

const CONFIG = 'configs/mnist-lstm.yaml';
const OBJECTIVE = ['--objective', 'test.loss:min'];

const SHORT = ['dataset.limit=1000', 'model.hidden_size=32', 'training.num_epochs=1'];

/**
 * A sweep of one trial less the same run alone: the whole of what a sweep adds, its own start and
 * end included.
 */
export async function measureTrial(threads: number, rounds: number): Promise<Figure> {
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

const LONGER = ['dataset.limit=3000', 'training.num_epochs=1'];

/** Two trials of one thread each at the same time, and one after the other with two. */
export async function measureParallel(rounds: number): Promise<Figure> {
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

function secondsOf(
  verb: 'run' | 'sweep',
  words: readonly string[],
  settings: readonly string[],
  threads: number,
): Promise<number> {
  return inFolder(async output => {
    // the gate of the reference experiment is not for so short a training
    const set = [...settings, 'gates=[]'].flatMap(setting => ['--set', setting]);
    const args = [verb, CONFIG, ...words, ...set, '--threads', `${threads}`, '--output', output, '--quiet'];
    return (await runProgram(launcher, args)).seconds;
  });
}

const TRIALS = 10_000;
const FINISHED = 1_000;
const TIME = '2026-01-02T03:04:05.000Z';
const YAML = 'version: 1\nname: long\n';
const SHA256 = createHash('sha256').update(YAML).digest('hex');
const BASE = { name: 'base.yaml', file: 'base.yaml', sha256: SHA256 };

const PLAN = planOf({ ...TRIED, name: 'long', budget: budgetOf(TRIALS), bases: [BASE] });

/** A sweep whose trials are all paused at the first rung; gives its directory. */
export function writeLongSweep(folder: string): string {
  const directory = SweepDirectory.create(
    { plan: PLAN, givenYaml: null, bases: [{ ...BASE, yaml: YAML }] },
    folder,
    new Date(TIME),
  );
  const records: JournalRecord[] = [
    { event: 'sweep.start', time: TIME, id: 'x', plan: PLAN, backend: 'auto', version: '0' },
  ];
  for (let trial = 0; trial < TRIALS; trial++) records.push(...recordsOf(trial));
  const lines = records.map(
    (record, i) => `\n${JSON.stringify({ ...record, v: 1, writer: 'w', n: i + 1 })}\n`,
  );
  writeFileSync(directory.files.journal, lines.join(''));
  return directory.path;
}

function recordsOf(trial: number): JournalRecord[] {
  const value = ((trial * 7919) % 1000) / 1000;
  const part = { trial, seed: 0, from: 0, to: 1, time: TIME, attempt: 1 };
  const point = {
    'optimizer.learning_rate': 0.001 + trial / 1e6,
    'model.hidden_size': trial % 2 === 0 ? 4 : 8,
  };
  return [
    { event: 'trial.chosen', trial, point },
    { event: 'trial.advanced', trial, from: 0, to: 1 },
    { event: 'segment.start', ...part, directory: '/', launcher: 'local', process: null },
    {
      event: 'segment.end',
      ...part,
      status: 'done',
      value,
      exit_code: 0,
      message: null,
      epochs: 1,
      train_s: 1,
    },
    { event: 'trial.measured', trial, epochs: 1, value, spread: null, status: 'done' },
    { event: 'trial.paused', trial, epochs: 1 },
  ];
}

export function measureStatus(rounds: number): Promise<Figure> {
  return inFolder(async folder => {
    const sweep = writeLongSweep(folder);
    const seconds: number[] = [];
    for (let round = 0; round < rounds; round++)
      seconds.push((await runProgram(launcher, ['sweep', 'status', sweep])).seconds);
    const what = `./run sweep status, ${TRIALS.toLocaleString('en')} trials`;
    return { id: 'whole/status', what, unit: 's', ours: spreadOf(seconds) };
  });
}

/** Each suggestion is of the trial after the last, as in a sweep. */
export function measureSuggestion(rounds: number): Figure {
  const problem = recordedProblems(readRecord()).find(({ name }) => name === 'mixed');
  if (problem === undefined) throw new Error('the mixed space is not among the recorded problems');
  const finished = search(problem, createSampler(problem.space, { kind: 'random' }, 0), FINISHED);
  const sampler = createSampler(problem.space, TPE, 0);
  const milliseconds = Array.from({ length: rounds }, (_, round) => {
    const began = performance.now();
    sampler.suggest(FINISHED + round, finished, []);
    return performance.now() - began;
  });
  const what = `next suggestion of TPE, ${FINISHED.toLocaleString('en')} finished trials`;
  return { id: 'whole/suggestion', what, unit: 'ms', ours: spreadOf(milliseconds) };
}
