/** `explanation.json`: what the predictions of a run rest on, as `explain` has measured it. */
import * as s from '../util/schema.js';

/** JSON lacks other numbers. */
const finite = (description: string) => s.nullable(s.number({ description }));

const score = s.namedStruct('score', 'How much a score becomes worse.', {
  score: s.text('`loss`, or a metric of the run.'),
  change: finite(
    'The score with the permuted values, a mean over the repeats, minus that of the data; the opposite if larger is better. Positive: the model needs what was permuted. Null if not finite.',
  ),
  low: finite(
    'Lower end of its 95 % interval over sequences, or over groups if the split has whole groups (Student, of a ratio of sums); null for fewer than two.',
  ),
  high: finite('Upper end of the interval.'),
  floor: finite(
    'What chance reaches. If the features (or parts) say nothing, the difference that a permutation makes in a sequence has a random sign; the mean difference is then above this for any of them in at most one of 20 splits. Null if not finite.',
  ),
});

const scores = s.list(score, 'The loss, then the metrics that are means over predictions.');

const feature = s.namedStruct('feature', 'A feature of the data.', {
  name: s.text('Name of the column, or number of the feature.'),
  inputs: s.list(
    s.count('A number.'),
    'The numbers of the inputs of the model that are made from it: its value, its categories, whether it is missing, the parts of a date.',
  ),
  is_static: s.boolean('Whether it has one value per sequence.'),
  scores,
});

const part = s.namedStruct('part', 'A part of the sequence.', {
  name: s.text('Its steps, from 0, if all sequences are equally long; else percent of the sequence.'),
  from: s.number('Its start, as a fraction of the sequence.'),
  to: s.number('Its end.'),
  scores,
});

const contribution = s.struct('Contributions to single predictions, over all sequences that are explained.', {
  name: s.text('Its name.'),
  contribution: s.number('Mean size of its contribution to the output of a sequence.'),
  occlusion: s.number('Mean size of the change of the output if its values are those of the reference.'),
});

const state = s.struct('A state or gate of a layer.', {
  layer: s.count('The layer, from 0.'),
  reverse: s.boolean('Whether it is that of the reverse direction.'),
  name: s.text("The cell's name of the state (`h`, `c`) or gate (`i`, `f`, `g`, `o`; `r`, `z`, `n`)."),
  values: s.list(s.list(s.number({}), 'Of each step.'), 'Of each unit.'),
});

const sequence = s.namedStruct('sequence', 'A sequence whose prediction is explained.', {
  index: s.count('Its position among those that are explained.'),
  id: s.optional(s.text('Its name in the data.')),
  predicted: s.text('What is predicted.'),
  output: s.number('The output that is explained.'),
  reference: s.number('That of the reference.'),
  error: s.number(
    'Difference of the sum of the contributions from that of the outputs, as a fraction of it.',
  ),
  contributions: s.list(
    s.list(s.number({}), 'Of each step; one number if the feature is static.'),
    'Of each feature in the order of `groups`. Their sum is `output` minus `reference`.',
  ),
  attention: s.optional(
    s.list(
      s.number({}),
      'Mean weight of each step of the model in the attention over the predicted symbols; present if the model has one.',
    ),
  ),
  states: s.optional(
    s.list(state, 'What the recurrent layers compute; absent if these are more than 20,000 numbers.'),
  ),
  symbols: s.optional(s.list(s.text({}), 'The symbol of each step; absent if steps are numbers.')),
});

export const explanation = s.document(
  'Explanation',
  'explanation.json of a run: what its predictions rest on, as `explain` has measured on a split.',
  {
    version: s.literal(1, 'Version of this format.'),
    checkpoint: s.text('File of the weights.'),
    step: s.count('Its training step.'),
    split: s.choice(['train', 'validation', 'test'], 'The split that was measured.'),
    sequences: s.count('Sequences of the split that were measured.'),
    repeats: s.count('Permutations of each feature and part.', 1),
    seed: s.count('Seed of the permutations.'),
    scores: s.list(
      s.struct('A score of the split as it is.', {
        score: s.text('`loss`, or a metric.'),
        value: finite('Its value; null if not finite.'),
      }),
      'The loss, then the metrics that are means over predictions.',
    ),
    features: s.list(
      feature,
      'Permutation importance of each feature: its values in a sequence are replaced by those of another sequence, all steps together. The largest change of the loss first.',
    ),
    parts: s.list(
      part,
      'Permutation importance of each part of the sequence, in order: its steps are replaced by those of another sequence, all features together. Empty for sequences of one step.',
    ),
    attributions: s.struct(
      'What contributes to single predictions, by integrated gradients: the difference of an output from that of a reference, divided among the values of the sequence.',
      {
        of: s.choice(
          ['logit', 'log_probability', 'value', 'scaled_value'],
          'What is explained. `logit`: the logit of the predicted class minus the mean of those of the others (for two classes, its log odds), or the logit of the likeliest label, a mean over steps. `log_probability`: the natural logarithm of the probability of the classes of all steps, or of the symbols of the sequence. `value`: the mean of the predicted values, in the units of the data. `scaled_value`: the same as the model computes them, for targets with several scales. Contributions and occlusion are in the same unit.',
        ),
        reference: s.list(
          s.number({}),
          'The reference in each step: the mean of what the model reads, over the steps of up to 1,000 training sequences. Numbers are scaled; a symbol is its vector.',
        ),
        agreement: finite(
          'Correlation of contributions with the changes by occlusion, an independent measure, over the features and parts of all sequences; null if one of them does not vary.',
        ),
        groups: s.list(s.text({}), 'The names of the features, in the order of their contributions.'),
        features: s.list(contribution, 'Of each feature, the largest contribution first.'),
        parts: s.list(contribution, 'Of each part of the sequence, in order.'),
        sequences: s.list(sequence, 'Sequences of the split, evenly spaced.'),
      },
    ),
  },
);

export type Explanation = s.TypeOf<typeof explanation>;
export type ScoreChange = s.TypeOf<typeof score>;
export type ExplainedSequence = Explanation['attributions']['sequences'][number];

/** Whether a change is more than what chance reaches. */
export function exceedsChance({ change, floor }: ScoreChange): boolean {
  return change !== null && change > (floor ?? 0);
}

/** What is explained, with its unit. */
export const OUTPUT_NAMES: Readonly<Record<Explanation['attributions']['of'], string>> = {
  logit: 'logit',
  log_probability: 'log probability',
  value: 'value (in the units of the data)',
  scaled_value: 'mean value (scaled, since the targets have several scales)',
};
