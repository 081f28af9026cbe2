/** The predictions of a saved model for a split of its run's data, or for an input. */
import { type ByteSource, newSequences, type SplitName } from '../data/index.js';
import type { BackendOptions } from '../training/run/session.js';
import type { AnswerForm, SequencePrediction } from './answers.js';
import { splitOf } from './evaluate.js';
import type { RejectionOptions } from './given-values.js';
import { openWithoutData, withData } from './open.js';
import { Predictor } from './predictor.js';
import type { SavedModel } from './saved-model.js';

/** What predictions are like, to be known before the first. */
export interface PredictionForm extends AnswerForm {
  /** Whether sequences may have an id. */
  readonly hasIds: boolean;
  /** Whether answers may have a time. */
  readonly hasTimes: boolean;
  /** Whether answers have the truth beside them. */
  readonly hasLabels: boolean;
}

/** Takes predictions batch by batch. */
type Use<T> = (form: PredictionForm, predictions: AsyncIterable<readonly SequencePrediction[]>) => Promise<T>;

/**
 * Predicts the first `limit` sequences of a split.
 * @throws UserError (exit 2) if there is no such split, or the data cannot be opened; (exit 5) if
 *   they are not those of the run
 */
export function predictSplit<T>(
  saved: SavedModel,
  { split, limit, ...options }: BackendOptions & { readonly split: SplitName; readonly limit: number },
  use: Use<T>,
): Promise<T> {
  return withData(saved, options, (model, dataset) => {
    const all = splitOf(dataset, split);
    const predictor = new Predictor(model);
    const form = { ...predictor.form, hasIds: all.id !== undefined, hasTimes: false, hasLabels: true };
    return use(form, predictor.split(all, limit));
  });
}

/**
 * Predicts the sequences of `source`, which has the format of the run's data; these need not be
 * there.
 * @throws UserError (exit 5) if the source is damaged, or the run does not remember what its data
 *   were like
 */
export async function predictInput<T>(
  saved: SavedModel,
  source: ByteSource,
  options: BackendOptions & RejectionOptions,
  use: Use<T>,
): Promise<T> {
  const model = await openWithoutData(saved, options);
  try {
    const predictor = new Predictor(model);
    const reader = newSequences(saved.loaded.experiment.dataset, model.data);
    const { hasIds, hasTimes } = reader;
    const form = { ...predictor.form, hasIds, hasTimes, hasLabels: false };
    return await use(form, predictor.sequences(reader.read(source), options));
  } finally {
    await model.close();
  }
}
