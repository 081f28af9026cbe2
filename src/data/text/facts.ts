/** What is known of the dataset kind `text`: text for a language model. */
import * as key from '../../util/schema.js';
import type { DatasetKind } from '../core/dataset.js';
import * as keys from '../core/settings.js';
import { ANY_NAME } from '../reading/facts.js';

const settings = key.section(
  {
    kind: keys.kind('text', 'Text for a language model.'),
    path: key.oneOrMore(key.text({ minLength: 1, maxLength: 4096, path: true }), {
      description:
        'The text: a file, a directory, a pattern such as data/*.txt, or a list of them, concatenated. Gzip files are decompressed.',
      minLength: 1,
      maxLength: 4096,
      minItems: 1,
      maxItems: 65536,
      examples: ['data/book.txt', ['data/1.txt', 'data/2.txt']],
      aliases: ['file', 'files', 'paths'],
      path: true,
      required: true,
    }),
    ...keys.otherFiles('File', 'text', split => `data/${split}.txt`),
    test_fraction: keys.heldFraction({
      description:
        'Fraction of the symbols held out as the test split: the short form of `test: { fraction: … }`.',
      examples: [0.1],
      excludes: ['test_path', 'test'],
    }),
    test: keys.testAtEnd(
      'The end of the text, held out for the final result',
      ['Number of sequences.', 50],
      ['test_path'],
    ),
    level: key.required(keys.textLevel),
    min_count: keys.minCount,
    sequence_length: keys.steps({
      description:
        'Steps per sequence. With `training.carry_state` the state carries over to the next sequence; gradients reach back this many steps.',
      min: 1,
      examples: [100],
      aliases: ['seq_len', 'bptt', 'block_size', 'context_length', 'window'],
      required: true,
      resume: { never: 'its batches have this length' },
    }),
    validation: keys.validationAtEnd(
      'The end of the training text, held out for model selection: a `fraction` of its symbols or a `count` of sequences.',
      'Fraction of the symbols outside the test split.',
      ['Number of sequences.', 50],
    ),
    ...keys.stored,
  },
  {
    description: 'Text for a language model: the target of each step is the next symbol.',
  },
);

export type TextConfig = key.TypeOf<typeof settings>;

export const text: DatasetKind<TextConfig, typeof settings> = {
  settings,
  facts: () => ({ inputKind: 'symbol', targetKind: 'class', perStep: true }),
  leaks: () => [],
  symbols: null,
  dividesItself: true,
  fileNames: ANY_NAME,
};
