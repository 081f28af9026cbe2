/**
 * What waits for a sweep that has many trials: its status as a whole process, and the next
 * suggestion of TPE.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SweepDirectory } from '../../src/sweep/directory.js';
import type { JournalRecord } from '../../src/sweep/schedule/records.js';
import { createSampler } from '../../src/sweep/search/index.js';
import { packageRoot } from '../../src/util/root.js';
import { readRecord, recordedProblems, search, TPE } from '../search-bench/comparison.js';
import { budgetOf, planOf } from '../support/schedules.js';
import { PLAN as TRIED } from '../support/sweep-stories.js';
import { runProgram } from './programs.js';
import type { Figure } from './results.js';
import { spreadOf } from './statistics.js';

const TRIALS = 10_000;
const FINISHED = 1_000;
const TIME = '2026-01-02T03:04:05.000Z';
const YAML = 'version: 1\nname: long\n';
const SHA256 = createHash('sha256').update(YAML).digest('hex');
const BASE = { name: 'base.yaml', file: 'base.yaml', sha256: SHA256 };

const PLAN = planOf({ ...TRIED, name: 'long', budget: budgetOf(TRIALS), bases: [BASE] });

/** A sweep whose trials are all paused at the first rung; gives its directory. */
export function writeLongSweep(folder: string): string {
  const directory = SweepDirectory.create(PLAN, {
    outputRoot: folder,
    started: new Date(TIME),
    givenYaml: null,
    bases: [{ ...BASE, yaml: YAML }],
  });
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

export async function measureStatus(rounds: number): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'cellrun-bench-'));
  try {
    const sweep = writeLongSweep(folder);
    const seconds: number[] = [];
    for (let round = 0; round < rounds; round++)
      seconds.push((await runProgram(join(packageRoot, 'run'), ['sweep', 'status', sweep])).seconds);
    const what = `./run sweep status, ${TRIALS.toLocaleString('en')} trials`;
    return { id: 'whole/status', what, unit: 's', ours: spreadOf(seconds) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
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
