/** `confidence.json`: what a run fitted on its validation split after training. */
import * as s from '../util/schema.js';

export const confidence = s.document(
  'Confidence',
  'confidence.json of a run: what it fitted on the validation split for its final weights, after training. Predictions, evaluations and exports of these weights use it.',
  {
    version: s.literal(1, 'Version of this format.'),
    step: s.count('The step of the weights.'),
    predictions: s.count('Predictions of the validation split that it was fitted on.'),
    temperatures: s.optional(
      s.list(
        s.number({ above: 0 }),
        'Divisor of the logits: one for all classes, or one for each label. Absent without `calibrate`.',
      ),
    ),
    thresholds: s.optional(
      s.list(
        s.number({ min: 0, max: 1 }),
        'Probability from which the second class, or each label, is predicted. Absent without `threshold`.',
      ),
    ),
    intervals: s.optional(
      s.struct('Of conformal prediction. Absent without `intervals`.', {
        coverage: s.number('The fraction of targets to cover.'),
        method: s.choice(['split', 'quantile'], 'How scores are computed.'),
        first_step: s.optional(
          s.count('The step of a sequence that the first list of `quantiles` is for. Absent: all steps.'),
        ),
        quantiles: s.list(
          s.list(
            s.nullable(s.number({})),
            'The quantile of each value, or that of the classes, as the model scales its targets; null if it is infinite.',
          ),
          'One list, or one for each step of the horizon of forecasts with a prediction at each step.',
        ),
        adapt: s.optional(s.number('The step size of adaptive intervals. Absent: they do not adapt.')),
        scores: s.optional(
          s.list(
            s.list(s.list(s.number({}), 'In the order of the split.'), 'Of each value of a step.'),
            'The scores that adaptive intervals start from, laid out like `quantiles`; at most 500 of each value, evenly spaced in the split.',
          ),
        ),
      }),
    ),
  },
);

export type Confidence = s.TypeOf<typeof confidence>;

/** What turns outputs into decisions. Temperatures are in the weights instead. */
export type Decisions = Pick<Confidence, 'thresholds' | 'intervals'>;
