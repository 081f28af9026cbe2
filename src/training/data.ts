/** The data of an experiment, opened as its loss needs them. */
import { type Experiment, ignoredLabel, lossFacts } from '../config/index.js';
import { type DataScaling, type Dataset, openDataset } from '../data/index.js';

/**
 * @param scaling of the run that the data are opened for; absent: it is fitted
 * @throws UserError exit 2 or 5 if the data cannot be opened as the config says
 */
export function openData(
  { dataset, loss, seed }: Pick<Experiment, 'dataset' | 'loss' | 'seed'>,
  scaling?: DataScaling,
): Promise<Dataset> {
  const hasLabelTargets = lossFacts(loss).task === 'labels';
  return openDataset(dataset, { seed, scaling, hasLabelTargets, ignoredLabel: ignoredLabel(loss) });
}
