/** What is known of the dataset kind `jsonl`: records of JSON Lines. */

import * as key from '../../util/schema.js';
import type { DatasetKind } from '../core/dataset.js';
import { missing, staticColumns } from '../core/feature-keys.js';
import { featureLeaks, staticsOf } from '../core/features.js';
import type { ConfigDiagnostic } from '../core/problems.js';
import * as keys from '../core/settings.js';
import { RECORDS_NAME } from '../reading/facts.js';

const settings = key.section(
  {
    kind: keys.kind('jsonl', 'JSON Lines.'),
    path: keys.givenFiles('The records', 'data/*.jsonl', 'data/sentences.jsonl'),
    ...keys.otherFiles('File', 'split', split => `data/sentences-${split}.jsonl`),
    test_fraction: keys.testFraction,
    test: keys.heldOut.test,
    input: keys.column({
      description: 'Field that contains the sequence.',
      examples: ['words'],
      aliases: ['features', 'sequence', 'field', 'text', 'tokens'],
      required: true,
    }),
    input_kind: key.choice(['number', 'symbol', 'text'], {
      description:
        'Kind of the input. number: a list of numbers, or of lists of F numbers. symbol: a list of strings. text: a string, split into symbols by `level`.',
      examples: ['symbol'],
      aliases: ['input_type'],
      required: true,
    }),
    level: keys.textLevel,
    min_count: keys.minCount,
    target: keys.column({
      description: 'Field to predict.',
      examples: ['tags'],
      aliases: ['label', 'labels', 'output', 'tags'],
      required: true,
    }),
    target_kind: keys.targetKind('Whether the target is a class, or one or more numbers.'),
    target_level: keys.targetLevel(' Without this key, the target is a list of symbols.'),
    labels_as_text: keys.labelsAsText,
    per_step: key.boolean({
      description:
        'Whether the target is a list with an entry for each step (a class, or numbers), for a head with an output at every step. null entries are ignored.',
      default: false,
      examples: [true],
    }),
    id: keys.column({
      description: 'Field that names the sequence in predictions.',
      examples: ['id'],
      aliases: ['name', 'key'],
    }),
    static_features: staticColumns('Fields with one value per record'),
    missing,
    normalize: keys.normalize,
    validation: keys.heldOut.validation,
    seed: keys.splitSeed,
    ...keys.stored,
  },
  {
    description:
      'JSON Lines: each line is a JSON object with a sequence of numbers, symbols or text, and its target.',
    rules: {
      allOf: [
        key.when(
          { required: ['input_kind'], properties: { input_kind: { const: 'text' } } },
          { required: ['level'] },
          { properties: { level: false } },
        ),
        key.when(
          { properties: { input_kind: { enum: ['symbol', 'text'] } } },
          { properties: { missing: false, static_features: false } },
        ),
        key.when(
          { required: ['target_kind'], properties: { target_kind: { const: 'sequence' } } },
          { properties: { per_step: { const: false }, labels_as_text: false } },
          { properties: { target_level: false } },
        ),
      ],
    },
  },
);

export type JsonlConfig = keys.WithDefaults<key.TypeOf<typeof settings>, 'min_count' | 'per_step'>;

export const jsonl: DatasetKind<JsonlConfig, typeof settings> = {
  settings,
  facts: ({ input_kind, target_kind, target_level, per_step = false }) => ({
    inputKind: input_kind === 'number' ? 'number' : 'symbol',
    targetKind: target_kind,
    targetLevel: target_level,
    ...(target_kind !== 'sequence' && { perStep: per_step }),
  }),
  leaks,
  symbols: null,
  dividesItself: false,
  fileNames: RECORDS_NAME,
};

function leaks({ input, target, static_features, missing }: JsonlConfig): ConfigDiagnostic[] {
  const found = featureLeaks(staticsOf(static_features, missing), [target], 'field');
  if (input !== target) return found;
  const message = `the target field "${target}" is also the input`;
  return [{ code: 'config/target-leak', message, keyPath: ['dataset', 'input'] }, ...found];
}
