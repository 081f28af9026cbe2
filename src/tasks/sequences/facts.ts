/** What is known of sequences without data, and their part of `evaluation.json`. */
import * as s from '../../util/schema.js';
import { common, error, fraction, names, place, recording, version } from '../core/document.js';
import type { TaskFacts } from '../core/facts.js';

const symbol = (description: string) => s.nullable(s.integer({}), { description });
const pairOfSymbols = {
  target: symbol('Symbol of the target; null for an insertion.'),
  predicted: symbol('Symbol of the prediction; null for a deletion.'),
};

const misread = s.namedStruct('misread', 'A sequence that was predicted with errors.', {
  index: place.index,
  id: place.id,
  input: s.optional(s.text('Start of the input; absent if steps are numbers.')),
  recording: s.optional(recording),
  errors: s.count('Insertions, deletions and substitutions.', 1),
  probability: fraction('Probability of the prediction; null if not finite.'),
  alignment: s.list(
    s.struct('Symbols at the same position.', pairOfSymbols),
    'The target and the prediction with the fewest edits; the first 200 positions.',
  ),
});

const alignedSequence = s.namedStruct(
  'aligned_sequence',
  'A predicted sequence, and the steps of the input that each symbol was read from.',
  {
    index: place.index,
    id: place.id,
    steps: s.count('Steps of the input.', 1),
    input: s.optional(s.list(s.text({}), 'The symbol of each step; absent if steps are numbers.')),
    recording: s.optional(recording),
    predicted: s.list(s.count('A symbol.'), 'The predicted symbols.'),
    weights: s.text(
      'Base64 of one unsigned byte per predicted symbol and step, symbol by symbol: 255 times the weight of the step in the attention of the decoder; with loss ctc, 255 times the probability that the symbol is read at the step, given the prediction.',
    ),
  },
);

export const sequenceEvaluation = s.struct('The model predicts sequences of symbols.', {
  version,
  kind: s.literal('sequence', 'The model predicts sequences of symbols.'),
  ...common,
  inputs: s.count('Number of different inputs; of those with several targets, the nearest counts.'),
  token_error_rate: error(
    'Insertions, deletions and substitutions, divided by the symbols of the targets; null if not finite.',
  ),
  sequence_accuracy: fraction('Fraction of inputs that are predicted without an error; null if not finite.'),
  symbols: s.count('Number of different symbols.'),
  symbol_names: names('The text of each symbol; null if the data have no names.'),
  edits: s.struct('Number of errors of each kind.', {
    substitutions: s.count('Symbols that were predicted as another one.'),
    insertions: s.count('Predicted symbols that the target does not have.'),
    deletions: s.count('Symbols of the target that were not predicted.'),
  }),
  confusions: s.list(
    s.struct('An error.', { ...pairOfSymbols, count: s.count('How often it was made.', 1) }),
    { description: 'Up to 50 of the most frequent errors, most frequent first.', maxItems: 50 },
  ),
  misread: s.list(misread, {
    description: 'Up to 24 sequences with the most errors, most first; ties in the order of the data.',
    maxItems: 24,
  }),
  alignments: s.optional(
    s.list(alignedSequence, {
      description:
        'Up to 8 predictions, evenly spaced in the split, and up to 4 others of `misread`, most errors first; without those that are empty or have more than 16,384 weights. Absent for a decoder without attention.',
      maxItems: 12,
    }),
  ),
});

export type SequenceEvaluation = s.TypeOf<typeof sequenceEvaluation>;
export type MisreadSequence = s.TypeOf<typeof misread>;
export type AlignedSequence = s.TypeOf<typeof alignedSequence>;

export const sequences = {
  target: 'sequence',
  metrics: ['token_error_rate', 'sequence_accuracy'],
  selects: 'token_error_rate',
  usualLoss: 'ctc',
  fits: [],
  isDecoded: true,
  activation: 'softmax',
} as const satisfies TaskFacts;
