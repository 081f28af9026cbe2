/**
 * The small real problem of the recorded table: MNIST digits read row by row by one LSTM layer, and
 * what is searched.
 */
import type { Point, Space } from '../../src/sweep/search/space.js';

export const EPOCHS = 9;
/** Training sequences; the test split is its first TEST_COUNT. */
const TRAIN_COUNT = 2000;
export const TEST_COUNT = 1000;

export const problem = {
  version: 1,
  name: 'lstm-table',
  seed: 0,
  dataset: { kind: 'mnist', sequence: 'rows', limit: TRAIN_COUNT },
  model: { cell: 'lstm', hidden_size: 32 },
  loss: { kind: 'cross_entropy' },
  training: { num_epochs: EPOCHS, batch_size: 100, eval_batch_size: 200 },
} as const;

export const space: Space = {
  parameters: [
    {
      keys: ['model.hidden_size'],
      name: 'model.hidden_size',
      distribution: { kind: 'log_int', low: 8, high: 64, step: 1 },
    },
    {
      keys: ['optimizer.kind'],
      name: 'optimizer.kind',
      distribution: { kind: 'choice', values: ['adam', 'sgd'] },
    },
    {
      keys: ['optimizer.learning_rate'],
      name: 'optimizer.learning_rate',
      distribution: { kind: 'log_uniform', low: 1e-4, high: 1e-1 },
    },
    {
      keys: ['optimizer.momentum'],
      name: 'optimizer.momentum',
      distribution: { kind: 'uniform', low: 0, high: 0.95 },
      condition: { name: 'optimizer.kind', values: ['sgd'] },
    },
    {
      keys: ['training.batch_size'],
      name: 'training.batch_size',
      distribution: { kind: 'choice', values: [16, 32, 64, 128] },
    },
    {
      keys: ['training.gradient_clip_norm'],
      name: 'training.gradient_clip_norm',
      distribution: { kind: 'choice', values: [0.3, 1, 10] },
    },
  ],
  exclude: [],
};

export interface TableRow {
  readonly point: Point;
  /** `test.accuracy` after each epoch, rounded to 4 digits; shorter where training diverged. */
  readonly accuracy: readonly number[];
}

/** What `test/fixtures/schedule/lstm-table.json` holds. */
export interface LstmTable {
  /** Version of cellrun that trained. */
  readonly cellrun: string;
  readonly config: typeof problem;
  readonly space: Space;
  readonly trainings: readonly TableRow[];
}
