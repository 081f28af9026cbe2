/** What is known of the dataset kind `synthetic`: problems that are generated from a seed. */
import * as key from '../../util/schema.js';
import { ARRAY_KIND } from '../arrays/facts.js';
import type { DatasetKind } from '../core/dataset.js';
import { kind, seedEffects, steps, validation } from '../core/settings.js';
import { jsonl } from '../jsonl/facts.js';
import { type RecordProblemName, recordProblems } from './records.js';

/** An alphabet of eight symbols and the blank; the delimiter is never a target. */
export const TARGET_CLASSES = 9;

const ofProblem = (...names: readonly string[]): key.JsonSchema => ({
  required: ['problem'],
  properties: { problem: { enum: names } },
});

const no = (name: string): key.JsonSchema => ({ properties: { [name]: false } });

const settings = key.section(
  {
    kind: kind('synthetic', 'A synthetic problem.'),
    problem: key.choice(['adding', 'copy_memory', 'dates', 'reverse', 'sort', 'melody'], {
      description:
        'adding: predict the sum of the two marked numbers of a sequence (a value). copy_memory: repeat ten symbols after a delay (a class per step). The others have sequences of symbols as targets. dates: rewrite a date, such as `Mon 5th March 2001`, as `2001-03-05`. reverse, sort: write letters in reverse or sorted order. melody: write the notes that three numbers describe, the first note, the interval and the number of notes.',
      examples: ['adding'],
      required: true,
    }),
    min_length: steps({
      description: 'Letters of the shortest input of reverse and sort. Default: `sequence_length`.',
      min: 1,
      examples: [5],
      aliases: ['min_len', 'shortest', 'min_steps'],
    }),
    sequence_length: steps({
      description:
        'Steps per sequence of the adding problem, or letters of the longest input of reverse and sort.',
      min: 2,
      examples: [100],
      aliases: ['seq_len', 'length', 'steps', 'time_steps'],
      resume: { never: 'its batches have this length' },
    }),
    delay: steps({
      description:
        'Blank steps between the symbols and their repetition in the copy-memory problem. A sequence has delay + 20 steps.',
      min: 1,
      examples: [50],
      aliases: ['lag', 'blank'],
    }),
    train_size: key.integer({
      description: 'Number of training sequences.',
      min: 1,
      max: 10000000,
      examples: [20000],
      aliases: ['num_train', 'train_count'],
      required: true,
    }),
    test_size: key.integer({
      description: 'Number of test sequences.',
      min: 1,
      max: 10000000,
      examples: [1000],
      aliases: ['num_test', 'test_count'],
      required: true,
    }),
    validation,
    seed: key.integer({
      description:
        "Seed of the generated data. Set it to keep the data fixed while the experiment's seed varies.",
      min: 0,
      max: Number.MAX_SAFE_INTEGER,
      defaultText: "the experiment's seed",
      examples: [1],
      effects: seedEffects,
    }),
  },
  {
    description:
      'Synthetic problems. adding and copy_memory, after Hochreiter and Schmidhuber (1997), test long-term memory; the others have outputs of another length than their inputs.',
    rules: {
      allOf: [
        key.when(
          ofProblem('adding', 'reverse', 'sort'),
          { required: ['sequence_length'] },
          no('sequence_length'),
        ),
        key.when(ofProblem('reverse', 'sort'), {}, no('min_length')),
        key.when(ofProblem('copy_memory'), { required: ['delay'] }, no('delay')),
      ],
    },
  },
);

export type SyntheticConfig = key.TypeOf<typeof settings>;

export const synthetic: DatasetKind<SyntheticConfig, typeof settings> = {
  ...ARRAY_KIND,
  settings,
  isGenerated: true,
  facts: ({ problem, train_size }) => ({
    ...(isOfRecords(problem) ? jsonl.facts(recordProblems[problem].config) : FACTS[problem]),
    trainCount: train_size,
  }),
};

const FACTS = {
  adding: { inputKind: 'number', targetKind: 'value', perStep: false },
  copy_memory: { inputKind: 'number', targetKind: 'class', perStep: true, numClasses: TARGET_CLASSES },
} as const;

export function isOfRecords(problem: SyntheticConfig['problem']): problem is RecordProblemName {
  return Object.hasOwn(recordProblems, problem);
}
