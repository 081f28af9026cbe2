/** Journals of sweeps written by hand, and outputs of verbs about them. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { SweepDirectory } from '../../src/sweep/directory.js';
import { openJournal } from '../../src/sweep/journal.js';
import type { SweepPlan } from '../../src/sweep/schedule/plan.js';
import type { JournalRecord, SegmentStatus } from '../../src/sweep/schedule/records.js';
import { budgetOf, planOf } from './schedules.js';

export const BASE = `version: 1
name: base
description: A base.
dataset: { kind: synthetic, problem: copy_memory, delay: 2, train_size: 40, test_size: 10 }
model: { cell: lstm, hidden_size: 8, head: { from: every } }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 9, batch_size: 10 }
`;

export const PLAN = planOf({
  name: 'tried',
  space: {
    parameters: [
      {
        keys: ['optimizer.learning_rate'],
        name: 'optimizer.learning_rate',
        distribution: { kind: 'log_uniform', low: 0.001, high: 0.1 },
      },
      {
        keys: ['model.hidden_size'],
        name: 'model.hidden_size',
        distribution: { kind: 'choice', values: [4, 8] },
      },
    ],
    exclude: [],
  },
  objective: { metric: 'test.accuracy', goal: 'maximize' },
  budget: budgetOf(4),
  retries: 1,
  bases: [{ name: 'base.yaml', file: 'base.yaml', sha256: createHash('sha256').update(BASE).digest('hex') }],
});

export class SweepStories {
  readonly directories: string[] = [];

  constructor(private readonly folder: string) {}

  directoryOf(records: readonly JournalRecord[], plan: SweepPlan = PLAN): SweepDirectory {
    const directory = SweepDirectory.create(
      { plan, givenYaml: null, bases: [{ name: 'base.yaml', yaml: BASE }] },
      join(this.folder, String(this.directories.length + 1)),
      new Date(Date.UTC(2026, 0, 2, 3, 4, 5)),
    );
    const journal = openJournal(directory.files.journal, 'writer');
    journal.append(...records);
    journal.close();
    this.directories.push(directory.path);
    return directory;
  }
}

export const TIME = '2026-01-02T03:04:05.000Z';

export function begun(plan = PLAN): JournalRecord {
  return { event: 'sweep.start', time: TIME, id: 'x', plan, backend: 'auto', version: '0' };
}

export function chosen(trial: number, learning_rate: number, hidden_size: number): JournalRecord {
  return {
    event: 'trial.chosen',
    trial,
    point: { 'optimizer.learning_rate': learning_rate, 'model.hidden_size': hidden_size },
  };
}

/** Records of a segment with one seed, from its start to its measurement. */
export function segment(
  trial: number,
  [from, to]: readonly [number, number],
  value: number | null,
  {
    seed = 0,
    status = 'done',
    trained = to,
    epochs = trained,
    message = null,
  }: {
    seed?: number;
    status?: SegmentStatus;
    trained?: number | null;
    epochs?: number | null;
    message?: string | null;
  } = {},
): JournalRecord[] {
  const part = { trial, seed, from, to, time: TIME, attempt: 1 };
  return [
    { event: 'segment.start', ...part, directory: '/', launcher: 'local', process: null },
    { event: 'segment.end', ...part, status, value, exit_code: 0, message, epochs, train_s: trained },
  ];
}

export function measured(
  trial: number,
  epochs: number,
  value: number | null,
  status: SegmentStatus = 'done',
  spread: number | null = null,
): JournalRecord {
  return { event: 'trial.measured', trial, epochs, value, spread, status };
}

export function advanced(trial: number, from: number, to: number): JournalRecord {
  return { event: 'trial.advanced', trial, from, to };
}

/** Trial 0 completed, 1 was pruned at epoch 3 though it was better there, 2 diverged, 3 failed. */
export const STORY: readonly JournalRecord[] = [
  begun(),
  chosen(0, 0.01, 4),
  advanced(0, 0, 1),
  ...segment(0, [0, 1], 0.5),
  measured(0, 1, 0.5),
  advanced(0, 1, 3),
  ...segment(0, [1, 3], 0.6),
  measured(0, 3, 0.6),
  advanced(0, 3, 9),
  ...segment(0, [3, 9], 0.7),
  measured(0, 9, 0.7),
  { event: 'trial.completed', trial: 0, epochs: 9 },
  chosen(1, 0.05, 8),
  advanced(1, 0, 3),
  ...segment(1, [0, 3], 0.8),
  measured(1, 3, 0.8),
  { event: 'trial.paused', trial: 1, epochs: 3 },
  chosen(2, 0.1, 8),
  advanced(2, 0, 1),
  ...segment(2, [0, 1], null, { status: 'diverged' }),
  measured(2, 1, null, 'diverged'),
  { event: 'trial.pruned', trial: 2, epochs: 1 },
  chosen(3, 0.02, 4),
  advanced(3, 0, 1),
  ...segment(3, [0, 1], null, { status: 'failed', trained: null, message: 'killed by SIGKILL' }),
  { event: 'trial.failed', trial: 3 },
  { event: 'trial.pruned', trial: 1, epochs: 3 },
  {
    event: 'sweep.decided',
    reason: 'trials',
    best: { trial: 0, value: 0.7, spread: null },
  },
  { event: 'sweep.end', time: TIME, seconds: 75 },
];
