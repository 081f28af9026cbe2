/** `confidence.json`: what a run fitted on its validation split after training. */
import { formatNumber } from '../../util/numbers.js';
import * as s from '../../util/schema.js';
import { listed } from '../../util/words.js';

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

/** Such as `temperature 1.31; threshold 0.27; intervals of coverage 90 %`. */
export function confidenceSentence({ temperatures, thresholds, intervals }: Partial<Confidence>): string {
  const listed = (name: string, values: readonly number[]) =>
    `${name}${values.length > 1 ? 's' : ''} ${values
      .slice(0, 5)
      .map(value => formatNumber(value))
      .join(', ')}${values.length > 5 ? ', …' : ''}`;
  const parts = [
    temperatures && listed('temperature', temperatures),
    thresholds && listed('threshold', thresholds),
    intervals && `intervals with coverage ${intervals.coverage}`,
  ];
  return parts.filter(Boolean).join('; ');
}

/**
 * A warning of an aim that is missed.
 * @param missed labels whose aim no threshold reaches
 */
export function missedSentence(missed: readonly number[], thresholds: readonly number[] = missed): string {
  return `no threshold${ofLabels(missed, thresholds)} reaches what \`threshold\` asks for; the one that comes nearest is used`;
}

/** Such as ` of labels 0 and 2`; empty if there is one label, or none. */
export function ofLabels(labels: readonly number[], { length }: readonly number[] = labels): string {
  return length === 1 ? '' : ` of ${labels.length === 1 ? 'label' : 'labels'} ${listed(labels.map(String))}`;
}
