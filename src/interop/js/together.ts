/**
 * Several exported models as one. The build bundles this file for every host, like `runtime`, so
 * that a module of one model does without it.
 */
import { formOfMean, joinedSequence } from '../../predict/mean.js';
import type { SequencePrediction } from '../../predict/predictions.js';
import type { SequenceValues } from '../../predict/steps.js';
import { usageError } from '../../util/errors.js';
import type { ExportedModel, OpenedModule } from './runtime.js';

/**
 * Several models that predict together, as `predict` does with several runs: the mean of their
 * probabilities or values.
 * @param thresholds of the mean
 */
export function together(members: readonly OpenedModule[], thresholds?: readonly number[]): ExportedModel {
  const form = formOfMean(members[0].model.form, thresholds);
  const predict = async (sequence: SequenceValues): Promise<SequencePrediction> =>
    joinedSequence(form, await Promise.all(members.map(member => member.predict(sequence))));
  const refuse = (): never => {
    throw usageError('model/members', 'several models together predict whole sequences only', {
      expected: '`predict` or `predictMany`',
    });
  };
  return {
    predict,
    async *predictMany(sequences) {
      let index = 0;
      for await (const sequence of sequences) yield { ...(await predict(sequence)), index: index++ };
    },
    transcribe: refuse,
    session: refuse,
    generate: refuse,
  };
}
