/** The learning rate of each update of a run. */
import type { Experiment } from '../config/index.js';
import { type Observation, rateOf } from '../schedules/index.js';

/** How long a run is. */
export interface RunLength {
  readonly totalSteps: number;
  readonly batchesPerEpoch: number;
}

/**
 * The learning rate as a function of the update, from 1.
 * @param history values of the metric that `optimizer.schedule` follows, in order
 */
export function learningRates(
  { optimizer }: Pick<Experiment, 'optimizer'>,
  { totalSteps, batchesPerEpoch }: RunLength,
  history: () => readonly Observation[],
): (update: number) => number {
  const { learning_rate, schedule } = optimizer;
  return update =>
    rateOf(learning_rate, schedule, {
      update,
      totalUpdates: totalSteps,
      updatesPerEpoch: batchesPerEpoch,
      history,
    });
}
