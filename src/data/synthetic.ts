/**
 * Dataset kind `synthetic`: problems that are generated from a seed.
 *
 * The problems of memory over many steps are from Hochreiter and Schmidhuber, "Long Short-Term
 * Memory", Neural Computation 9(8), 1997 (experiments 4 and 2), in the standard form of Arjovsky,
 * Shah and Bengio, "Unitary Evolution Recurrent Neural Networks", ICML 2016, sections 5.1 and 5.2.
 */

import { RandomStream } from '../util/random.js';
import * as key from '../util/schema.js';
import { ARRAY_KIND } from './array-dataset.js';
import { arraySequences } from './array-inputs.js';
import { sequenceLayout } from './array-sequences.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetKind,
  IGNORED,
  type Split,
  splitFiles,
} from './core/dataset.js';
import { configError } from './core/problems.js';
import { kind, seedEffects, steps, validation } from './core/settings.js';
import { packedSplit, startsOf } from './core/store.js';
import { jsonl, openGenerated } from './jsonl.js';
import { MAX_ELEMENTS, sha256 } from './reading/files.js';
import { type RecordProblem, type RecordProblemName, recordProblems } from './synthetic-records.js';

const ADDING_FEATURES = 2;
const SYMBOLS = 10;
const ALPHABET = 8;
const BLANK = 8;
const DELIMITER = 9;
const CATEGORIES = 10;
/** The alphabet and the blank; the delimiter is never a target. */
const TARGET_CLASSES = ALPHABET + 1;

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
  open: async (config, context) => {
    const { problem } = config;
    return isOfRecords(problem) ? generatedRecords(config, problem, context) : generated(config, context);
  },
  facts: ({ problem, train_size }) => ({
    ...(isOfRecords(problem) ? jsonl.facts(recordProblems[problem].config) : FACTS[problem]),
    trainCount: train_size,
  }),
  newSequences: ({ problem }, data, options) =>
    isOfRecords(problem)
      ? jsonl.newSequences(recordProblems[problem].config, data, options)
      : arraySequences(data, sequenceLayout, options),
};

const FACTS = {
  adding: { inputKind: 'number', targetKind: 'value', perStep: false },
  copy_memory: { inputKind: 'number', targetKind: 'class', perStep: true, numClasses: TARGET_CLASSES },
} as const;

function isOfRecords(problem: SyntheticConfig['problem']): problem is RecordProblemName {
  return Object.hasOwn(recordProblems, problem);
}

/** Draws each split from its own random stream, as {@link generated} does. */
function generatedRecords(
  config: SyntheticConfig,
  problem: RecordProblemName,
  context: DatasetContext,
): Promise<Dataset> {
  const { train_size, test_size, sequence_length: longest = 1, min_length: shortest = longest } = config;
  if (shortest > longest) {
    const message = '`min_length` must not exceed `sequence_length`';
    const sizes = { expected: `at most ${longest}`, got: String(shortest) };
    throw configError({ code: 'data/length-range', keyPath: ['dataset', 'min_length'], message, ...sizes });
  }
  const { config: form, draw, longestRecord = 2 * longest }: RecordProblem = recordProblems[problem];
  checkSize(config, longestRecord);
  const [path, test_path] = [`synthetic/${problem}/train`, `synthetic/${problem}/test`];
  return openGenerated({ ...form, path, test_path }, context, function* (name) {
    const isTest = name === test_path;
    const stream = RandomStream.of(config.seed, `data/${problem}/${isTest ? 'test' : 'train'}`);
    for (let i = isTest ? test_size : train_size; i > 0; i--)
      yield draw(stream, { shortest, longest, isTest });
  });
}

/**
 * Generates both splits, each from its own random stream: the first sequences do not depend on the
 * number of sequences.
 */
function generated(config: SyntheticConfig, { ignoredLabel }: DatasetContext): Dataset {
  const { problem, sequence_length = 0, delay = 0 } = config;
  const adding = problem === 'adding';
  const steps = adding ? sequence_length : delay + 2 * SYMBOLS;
  checkSize(config, steps * (adding ? ADDING_FEATURES : 1));
  const part = (name: 'train' | 'test', count: number) => {
    const stream = RandomStream.of(config.seed, `data/${problem}/${name}`);
    const generate = adding ? addingProblem : copyMemoryProblem;
    const { split, sha256 } = generate(stream, count, steps);
    return { split: without(ignoredLabel, split), files: [{ name: `synthetic/${problem}/${name}`, sha256 }] };
  };
  const [train, test] = [part('train', config.train_size), part('test', config.test_size)];
  return {
    input: { kind: 'number', size: adding ? ADDING_FEATURES : CATEGORIES },
    sequenceLength: steps,
    train: train.split,
    test: test.split,
    digests: splitFiles({ train: train.files, test: test.files }),
  };
}

function without(label: number | undefined, split: Split): Split {
  const { targets } = split;
  if (label === undefined || targets.kind !== 'class') return split;
  const values = Int32Array.from(targets.values, value => (value === label ? IGNORED : value));
  return { ...split, targets: { ...targets, values } };
}

/**
 * The adding problem: T steps of two features, a value uniform in [0, 1) and a marker. The marker
 * is 1 at one step drawn uniformly from the first floor(T/2) steps and at one drawn from the
 * others, else 0. The target is the sum of the two marked values. Predicting 1 always has a mean
 * squared error of 1/6.
 */
function addingProblem(stream: RandomStream, count: number, steps: number) {
  const half = Math.floor(steps / 2);
  const features = new Float32Array(count * steps * ADDING_FEATURES);
  const sums = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const base = i * steps;
    for (let step = 0; step < steps; step++) features[(base + step) * ADDING_FEATURES] = stream.uniform();
    const marked = [stream.integer(half), half + stream.integer(steps - half)];
    for (const step of marked) {
      const at = (base + step) * ADDING_FEATURES;
      features[at + 1] = 1;
      sums[i] += features[at];
    }
  }
  const lengths = new Int32Array(count).fill(steps);
  const starts = startsOf(lengths);
  const targets = { kind: 'value', size: 1, values: sums } as const;
  const split = packedSplit({ features, inputSize: ADDING_FEATURES, starts, lengths, targets }, steps);
  return { split, sha256: sha256(features, sums) };
}

/**
 * The copy-memory problem: one-hot steps of ten categories. Ten symbols uniform in 0..7, then
 * delay-1 blanks (8), the delimiter (9) and ten blanks; T = delay + 20. The target of each step is
 * a class: blank for the first delay+10 steps, then the ten symbols in order. There are nine
 * classes, since the delimiter is never a target. The best cross-entropy without memory is 10 ln 8
 * / T.
 */
function copyMemoryProblem(stream: RandomStream, count: number, steps: number) {
  const inputs = new Uint8Array(count * steps).fill(BLANK);
  const classes = new Int32Array(count * steps).fill(BLANK);
  for (let i = 0; i < count; i++) {
    const base = i * steps;
    const recall = base + steps - SYMBOLS;
    for (let s = 0; s < SYMBOLS; s++) {
      const symbol = stream.integer(ALPHABET);
      inputs[base + s] = symbol;
      classes[recall + s] = symbol;
    }
    inputs[recall - 1] = DELIMITER;
  }
  const read: Split['read'] = (index, out, offset, stepStride) => {
    for (let step = 0; step < steps; step++) {
      const to = offset + step * stepStride;
      out.fill(0, to, to + CATEGORIES);
      out[to + inputs[index * steps + step]] = 1;
    }
  };
  const targets = { kind: 'class', numClasses: TARGET_CLASSES, values: classes, perStep: true } as const;
  return { split: { count, targets, read }, sha256: sha256(inputs, classes) };
}

function checkSize(config: SyntheticConfig, width: number): void {
  const key = config.train_size >= config.test_size ? 'train_size' : 'test_size';
  const count = config[key];
  if (count * width <= MAX_ELEMENTS) return;
  throw configError({
    code: 'data/too-large',
    keyPath: ['dataset', key],
    message: `the synthetic dataset is too large: a sequence has ${width} values`,
    expected: `at most ${Math.floor(MAX_ELEMENTS / width)} sequences of this length (${MAX_ELEMENTS} values a split)`,
    got: `${count}`,
  });
}
