/** The data of an experiment, opened as its loss needs them. */
import { type Experiment, ignoredLabel, lossFacts } from '../../config/index.js';
import { type Dataset, type DatasetContext, openDataset } from '../../data/index.js';

/** What a run fitted on its training split; what is absent is fitted anew. */
export type Fitted = Pick<DatasetContext, 'scaling' | 'vocabulary'>;

/**
 * @param fitted by the run that the data are opened for
 * @throws UserError (exit 2) or 5 if the data cannot be opened as the config says
 */
export function openData(
  {
    dataset,
    loss,
    seed,
    training,
  }: Pick<Experiment, 'dataset' | 'loss' | 'seed'> & Partial<Pick<Experiment, 'training'>>,
  { scaling, vocabulary }: Fitted = {},
): Promise<Dataset> {
  const hasLabelTargets = lossFacts(loss).task === 'labels';
  return openDataset(dataset, {
    seed,
    streams: streamsOf(training),
    scaling,
    vocabulary,
    hasLabelTargets,
    ignoredLabel: ignoredLabel(loss),
  });
}

/** Rows that each continue the row of the batch before it. */
export function streamsOf(training: Experiment['training'] | undefined): number {
  return training?.carry_state ? training.batch_size : 1;
}
