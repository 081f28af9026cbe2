/**
 * What no model of a kind can do. An exported module whose model is of such a kind lacks the code
 * of sessions or of generation, so these checks are not beside it.
 */
import { usageError } from '../util/errors.js';
import type { LoadedModel } from './sequence-predictor.js';

export const WHOLE = '`predict` with whole sequences';

/** @throws UserError (exit 2) if the model forecasts or has a decoder: it reads whole sequences */
export function refuseSteps({ series, run }: LoadedModel): void {
  if (series) {
    const message = 'a forecasting model reads windows of a series, so it cannot run step by step';
    throw usageError('model/forecast', message, { expected: '`predict` with the last steps of a series' });
  }
  if (run.spec.decoder) {
    const message = 'a decoder reads the whole sequence first, so the model cannot run step by step';
    throw usageError('model/decoder', message, { expected: WHOLE });
  }
}

/**
 * The number of symbols of a language model.
 * @throws UserError (exit 2) if the model does not predict the next symbol at each step
 */
export function symbolsOf({ data: { input }, form }: Pick<LoadedModel, 'data' | 'form'>): number {
  if (input.kind === 'symbol' && form.kind === 'class' && form.size === input.count) return input.count;
  throw usageError(
    'model/not-generative',
    'only language models can generate: their classes are their input symbols',
    { expected: 'a model trained on `dataset.kind: text`; this one predicts: call it without generating' },
  );
}
