/**
 * Dataset kind `synthetic`: problems that are generated from a seed.
 *
 * The problems of memory over many steps are from Hochreiter and Schmidhuber, "Long Short-Term
 * Memory", Neural Computation 9(8), 1997 (experiments 4 and 2), in the standard form of Arjovsky,
 * Shah and Bengio, "Unitary Evolution Recurrent Neural Networks", ICML 2016, sections 5.1 and 5.2.
 */

import { RandomStream } from '../../util/random.js';
import { arraySequences } from '../arrays/inputs.js';
import { sequenceLayout } from '../arrays/sequences.js';
import {
  type Dataset,
  type DatasetContext,
  type DatasetReaders,
  type Split,
  splitFiles,
} from '../core/dataset.js';
import { configError } from '../core/problems.js';
import { packedSplit, startsOf } from '../core/store.js';
import { IGNORED } from '../core/targets.js';
import { jsonl, openGenerated } from '../jsonl/readers.js';
import { MAX_ELEMENTS, sha256 } from '../reading/files.js';
import { isOfRecords, type SyntheticConfig, TARGET_CLASSES } from './facts.js';
import { type RecordProblem, type RecordProblemName, recordProblems } from './records.js';

export const synthetic: DatasetReaders<SyntheticConfig> = {
  open: async (config, context) => {
    const { problem } = config;
    return isOfRecords(problem) ? generatedRecords(config, problem, context) : generated(config, context);
  },
  newSequences: ({ problem }, data, options) =>
    isOfRecords(problem)
      ? jsonl.newSequences(recordProblems[problem].config, data, options)
      : arraySequences(data, sequenceLayout, options),
};

const ADDING_FEATURES = 2;
const SYMBOLS = 10;
const ALPHABET = 8;
const BLANK = 8;
const DELIMITER = 9;
const CATEGORIES = 10;

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
