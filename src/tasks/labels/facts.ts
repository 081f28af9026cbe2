/** What is known of labels without data, and their part of `evaluation.json`. */
import * as s from '../../util/schema.js';
import { common, confidence, fraction, names, scores, version, worst } from '../core/document.js';
import type { TaskFacts } from '../core/facts.js';

export const labelEvaluation = s.struct('The model predicts labels.', {
  version,
  kind: s.literal('label', 'The model predicts several labels; each one applies or does not.'),
  ...common,
  accuracy: fraction('Fraction of labels that are predicted correctly.'),
  reliability: confidence.reliability,
  target_names: names('The name of each label; null if the data have no names.'),
  per_label: s.nullable(
    s.list(scores, 'The scores of each label, in order; null if there are more than 1000 labels.'),
  ),
  worst: s.list(worst, {
    description:
      'Up to 24 predictions with the largest losses, largest first: targets and probabilities. NaN counts as the largest loss.',
    maxItems: 24,
  }),
});

/** Of labels that each apply or not; targets and predictions are probabilities. */
export type LabelEvaluation = s.TypeOf<typeof labelEvaluation>;

export const labels = {
  target: 'value',
  metrics: ['accuracy', 'f1'],
  selects: 'loss',
  usualLoss: 'binary_cross_entropy',
  fits: ['calibrate', 'threshold'],
  hasLabelTargets: true,
  activation: 'sigmoid',
} as const satisfies TaskFacts;
