/** The plan of a run: the order of its batches, its steps, learning rates and log interval. */
import type { Experiment, LoadedExperiment } from '../config/index.js';
import { BatchOrder, type BatchOrderState } from '../data/index.js';
import { rateOf } from '../math/schedules/index.js';
import type { MetricHistory } from './early-stopping.js';
import type { Session } from './session.js';

/** From the start or from `state`. */
export function batchOrder(
  { experiment }: LoadedExperiment,
  { dataset }: Session,
  state?: BatchOrderState,
): BatchOrder {
  const { training, seed } = experiment;
  const options = {
    count: dataset.train.count,
    batchSize: training.batch_size,
    shuffle: training.shuffle,
    lastBatch: training.last_batch,
    seed,
    lengths: dataset.train.lengths,
    bucketByLength: training.bucket_by_length,
  };
  return state ? BatchOrder.restore(options, state) : new BatchOrder(options);
}

/** Of the whole run, which has completed `done`. Earlier epochs may have had other batches. */
export function totalSteps({ experiment }: LoadedExperiment, order: BatchOrder, done = 0): number {
  const { max_steps, num_epochs } = experiment.training;
  const left = (num_epochs - order.epoch) * order.batchesPerEpoch - order.position;
  return Math.min(max_steps ?? Number.POSITIVE_INFINITY, done + left);
}

/** Minimum number of logged steps, if the run has that many. */
const MIN_LOGGED = 200;

/** Default interval between logged steps: 1, 2 or 5 times a power of ten. */
export function defaultLogEvery(totalSteps: number): number {
  const most = totalSteps / MIN_LOGGED;
  if (!(most >= 1)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [5, 2, 1].map(digit => digit * power).find(every => every <= most) ?? power;
}

export interface RunLength {
  readonly totalSteps: number;
  readonly batchesPerEpoch: number;
}

/** `metrics` is the history of the watched metrics; none outside a run. */
export function learningRates(
  { optimizer }: Pick<Experiment, 'optimizer'>,
  { totalSteps, batchesPerEpoch }: RunLength,
  metrics?: MetricHistory,
): (update: number) => number {
  const { learning_rate, schedule } = optimizer;
  const history = () => (schedule?.kind === 'plateau' && metrics ? metrics.of(schedule.metric) : []);
  return update =>
    rateOf(learning_rate, schedule, {
      update,
      totalUpdates: totalSteps,
      updatesPerEpoch: batchesPerEpoch,
      history,
    });
}
