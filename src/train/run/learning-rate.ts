/** Computes the learning rate of each update of a run. */
import type { Experiment } from '../../config/index.js';
import { rateOf } from '../../math/schedules/index.js';
import type { MetricHistory } from './early-stopping.js';

/** The length of a run. */
export interface RunLength {
  readonly totalSteps: number;
  readonly batchesPerEpoch: number;
}

/**
 * The learning rate as a function of the update, from 1.
 * @param metrics history of the watched metrics at the time of each call; none outside a run
 */
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
