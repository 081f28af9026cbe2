/** The batches that a run of a config trains on, from its first. */
import type { LoadedExperiment } from '../config/index.js';
import { BatchOrder } from '../data/index.js';
import type { Session } from '../training/session.js';

/** Throws UserError where the training split does not fill one batch. */
export function batchOrder({ experiment }: LoadedExperiment, { dataset }: Session): BatchOrder {
  const { training, seed } = experiment;
  return new BatchOrder({
    count: dataset.train.count,
    batchSize: training.batch_size,
    shuffle: training.shuffle,
    lastBatch: training.last_batch,
    seed,
  });
}

/** Optimizer steps of a whole run. */
export function stepsOf({ experiment }: LoadedExperiment, { batchesPerEpoch }: BatchOrder): number {
  const { max_steps, num_epochs } = experiment.training;
  return Math.min(max_steps ?? Number.POSITIVE_INFINITY, num_epochs * batchesPerEpoch);
}
