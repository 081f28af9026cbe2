/** Opens the data of an experiment for its loss. */
import { type Experiment, ignoredLabel, keysOfFiles, lossFacts } from '../../config/index.js';
import { type Dataset, type DatasetContext, openDataset } from '../../data/index.js';

/** Values that a run fitted on its training split; fitted again if absent. */
export type Fitted = Pick<DatasetContext, 'scaling' | 'vocabulary'>;

/**
 * The last parameter has the values that the run fitted earlier.
 * @throws UserError (exit 2) if the data do not fit the config or cannot be read, or splits share a
 *   file
 * @throws UserError (exit 5) if the data are damaged
 */
export async function openData(
  {
    dataset,
    loss,
    seed,
    training,
  }: Pick<Experiment, 'dataset' | 'loss' | 'seed'> & Partial<Pick<Experiment, 'training'>>,
  { scaling, vocabulary }: Fitted = {},
): Promise<Dataset> {
  const keys = await keysOfFiles(dataset);
  const hasLabelTargets = lossFacts(loss).task === 'labels';
  const opened = await openDataset(dataset, {
    seed,
    streams: streamsOf(training),
    scaling,
    vocabulary,
    hasLabelTargets,
    ignoredLabel: ignoredLabel(loss),
  });
  return { ...opened, keysOfFiles: keys };
}

/**
 * Number of parallel sequences: with carried state, each row continues that row of the previous
 * batch.
 */
export function streamsOf(training: Experiment['training'] | undefined): number {
  return training?.carry_state ? training.batch_size : 1;
}
