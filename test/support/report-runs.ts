import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TaskReport } from '../../src/tasks/reports.js';
import type { RunReport } from '../../src/view/run-report.js';
import { floats, npz, type RunSummary, type Workplace } from './cli.js';
import { randomDataset } from './runs.js';
import { sweepInProcess } from './sweeps.js';

/** Text that breaks out of a page without escaping. */
export const HOSTILE = '</script><img src=x onerror=alert(1)><!-- & "\'';

/** Four classes; one gate passes and one fails. */
export function classesConfig(work: Workplace) {
  return {
    name: 'classes',
    description: HOSTILE,
    dataset: {
      kind: 'npz',
      path: work.file('classes.npz', randomDataset('test/report', { train: 60, test: 20, seed: 1 })),
    },
    model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' } },
    training: { num_epochs: 3, batch_size: 10, log_every: 1 },
    gates: [
      { metric: 'test.accuracy', min: 0 },
      { metric: 'test.loss', max: 0.001 },
    ],
  };
}

/** Two values per sequence. One batch is skipped, since its loss is not finite. */
export function valuesConfig(work: Workplace) {
  return {
    name: 'values',
    dataset: { kind: 'npz', path: work.file('values.npz', valuesDataset()) },
    model: { cell: 'lstm', hidden_size: 3, head: { from: 'last' } },
    loss: { kind: 'mse' },
    optimizer: { kind: 'sgd', learning_rate: 0.1 },
    training: { num_epochs: 2, batch_size: 10, log_every: 1, max_skipped_batches: 9 },
  };
}

/** Contains a target of 1e25, whose square is not finite in float32. */
function valuesDataset(): Uint8Array {
  const x = Array.from({ length: 160 }, (_, i) => Math.sin(i));
  const y = Array.from({ length: 80 }, (_, i) => (i === 35 ? 1e25 : Math.cos(i)));
  return npz({
    x: floats([40, 2, 2], x),
    y: floats([40, 2], y),
    x_test: floats([10, 2, 2], x.slice(0, 40)),
    y_test: floats([10, 2], y.slice(0, 20)),
  });
}

/** Trains into `output` and returns the run's directory. */
export async function trainInto(
  work: Workplace,
  output: string,
  config: object,
  ...flags: readonly string[]
): Promise<string> {
  const words = ['run', work.config(config), '--json', '--output', output, '--backend', 'webasm', ...flags];
  const { stdout, stderr } = await work.cellrun(...words);
  if (stdout === '') throw new Error(stderr);
  return (JSON.parse(stdout) as RunSummary).directory;
}

/** Runs a sweep of `trials` random points into `output`. Some of them are pruned. */
export function trainSweep(work: Workplace, output: string, trials: number): Promise<string> {
  const base = work.config({ ...classesConfig(work), name: 'trial', description: 'A base.', gates: [] });
  const sweep = work.sweep({
    name: 'searched',
    base,
    parameters: {
      'optimizer.learning_rate': { kind: 'log_uniform', low: 0.001, high: 0.1 },
      'model.hidden_size': { kind: 'int', low: 2, high: 6 },
      'optimizer.kind': ['adam', 'sgd'],
    },
    method: 'random',
    objective: { metric: 'test.loss', goal: 'minimize' },
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 3 },
    budget: { trials },
  });
  return sweepInProcess(work, sweep, output);
}

/**
 * An evaluation (schemas/evaluation.schema.json) of twenty sequences in four classes, one row per
 * true class, with two images of 2 x 2 pixels.
 */
export const EVALUATION = {
  version: 1,
  kind: 'class',
  split: 'test',
  epoch: 3,
  step: 15,
  predictions: 20,
  loss: 1.4,
  constant: false,
  accuracy: 0.5,
  classes: 4,
  class_names: null,
  confusion: [
    [4, 1, 0, 0],
    [1, 3, 1, 0],
    [0, 2, 2, 1],
    [1, 1, 2, 1],
  ],
  per_class: null,
  undecided: 0,
  mistakes: [
    {
      index: 7,
      label: 0,
      predicted: 1,
      loss: 3,
      probability: 0.9,
      label_probability: 0.05,
      image: Buffer.from([0, 85, 170, 255]).toString('base64'),
    },
    {
      index: 2,
      label: 2,
      predicted: 3,
      loss: 2,
      probability: 0.8,
      label_probability: 0.1,
      image: Buffer.from([255, 0, 0, 255]).toString('base64'),
    },
  ],
  images: { width: 2, height: 2, encoding: 'base64-uint8' },
};

/** An evaluation of three words with their sounds. */
export const SEQUENCES = {
  version: 1,
  kind: 'sequence',
  split: 'test',
  epoch: 3,
  step: 15,
  predictions: 3,
  loss: 0.4,
  constant: false,
  inputs: 3,
  token_error_rate: 2 / 7,
  sequence_accuracy: 1 / 3,
  symbols: 4,
  symbol_names: ['AE', 'B', ' ', 'IY'],
  edits: { substitutions: 1, insertions: 0, deletions: 1 },
  confusions: [
    { target: 0, predicted: 3, count: 1 },
    { target: 1, predicted: null, count: 1 },
  ],
  misread: [
    {
      index: 1,
      id: 'line 3',
      input: 'abbey',
      errors: 2,
      probability: 0.25,
      alignment: [
        { target: 0, predicted: 3 },
        { target: 1, predicted: null },
        { target: 2, predicted: 2 },
      ],
    },
  ],
  alignments: [
    {
      index: 1,
      id: 'line 3',
      steps: 3,
      input: ['a', ' ', 'y'],
      predicted: [3, 2],
      weights: Buffer.from([255, 0, 51, 0, 255, 102]).toString('base64'),
    },
    { index: 2, steps: 40, predicted: [1], weights: Buffer.alloc(40, 255).toString('base64') },
  ],
};

/** A copy of a run with another evaluation: one that contains images, unless it is given. */
export function withEvaluation(work: Workplace, directory: string, evaluation: object = EVALUATION): string {
  const copy = join(work.folder(), 'run');
  cpSync(directory, copy, { recursive: true });
  writeFileSync(join(copy, 'evaluation.json'), JSON.stringify(evaluation));
  return copy;
}

export function readJson<T>(...path: string[]): T {
  return JSON.parse(readFileSync(join(...path), 'utf8'));
}

/** What a report shows of the evaluation of a task. */
export function taskReportOf<K extends TaskReport['kind']>({ evaluation }: RunReport, kind: K) {
  if (evaluation?.task.kind !== kind) throw new Error(`the report has no evaluation of a ${kind}`);
  return evaluation.task as Extract<TaskReport, { readonly kind: K }>;
}
