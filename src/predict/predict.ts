/** Predicts a split of a run's data, or an input, with a saved model. */
import type { InputSource, NewSequencesOptions, SplitName } from '../data/index.js';
import type { BackendOptions } from '../train/session.js';
import type { AnswerForm, SequencePrediction } from './answers.js';
import { splitOf } from './evaluate.js';
import type { RejectionOptions } from './given-values.js';
import { openWithoutData, readerFor, withData } from './open.js';
import { Predictor } from './predictor.js';
import type { SavedModel } from './saved-model.js';

/** Form of the predictions, known before the first one. */
export interface PredictionForm extends AnswerForm {
  /** True if sequences may have an id. */
  readonly hasIds: boolean;
  /** True if answers may have a time. */
  readonly hasTimes: boolean;
  /** True if answers include the true label or values. */
  readonly hasLabels: boolean;
}

/** Consumes predictions, batch by batch. */
type Use<T> = (form: PredictionForm, predictions: AsyncIterable<readonly SequencePrediction[]>) => Promise<T>;

/**
 * Predicts the first `limit` sequences of a split.
 * @throws UserError (exit 2) if there is no such split, or the data cannot be opened
 * @throws UserError (exit 5) if the data have changed since the run
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
 * Predicts the sequences of `sources`, which have the format of the run's data. The data themselves
 * are not needed.
 * @throws UserError (exit 2) if a source cannot be opened
 * @throws UserError (exit 5) if one is damaged, or the run did not record its data format
 */
export async function predictInput<T>(
  saved: SavedModel,
  sources: readonly InputSource[],
  options: BackendOptions & RejectionOptions & Pick<NewSequencesOptions, 'lines'>,
  use: Use<T>,
): Promise<T> {
  const model = await openWithoutData(saved, options);
  try {
    const { reader, model: reading } = readerFor(saved, model, options);
    const predictor = new Predictor(reading);
    const { hasIds, hasTimes } = reader;
    const form = { ...predictor.form, hasIds, hasTimes, hasLabels: false };
    return await use(form, predictor.sequences(reader.read(sources), options));
  } finally {
    await model.close();
  }
}
