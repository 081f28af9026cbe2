/** Runs whose test split is a file, of every kind of dataset and prediction. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, npz, type Workplace } from './cli.js';
import { idx } from './data-files.js';

export interface Line {
  readonly index: number;
  readonly id?: string;
  readonly [field: string]: unknown;
}

export const linesOf = (text: string): Line[] =>
  text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line));

/** Without what only sequences of a split have, or only those of an input. */
export const unlabelled = (lines: readonly Line[]) =>
  lines.map(({ label, label_name, target, time, ...line }) => ({
    ...line,
    // an input has one array
    id: line.id?.replace('x_test[', 'x['),
  }));

/** A number that looks random; the same for the same `i`. */
export const noise = (i: number): number => ((i * 2_654_435_761) % 1009) / 1009 - 0.5;

/** Recordings of 1 to 6 steps, whose rows stand in between each other and in no order. */
export function table(from: number, count: number): string {
  const rows = Array.from({ length: count }, (_, i) => from + i).flatMap(recording =>
    Array.from({ length: 1 + ((recording * 5) % 6) }, (_, step) => {
      const at = recording * 7 + step;
      const [a, b] = [noise(at) * 20 + 100, noise(at + 5000)];
      const [label, step_label] = [recording % 3 ? 'up' : 'down', `s${(recording + step) % 3}`];
      return { at, row: [`r${recording}`, step, a, b, label, step_label, recording / 4] };
    }),
  );
  rows.sort((a, b) => noise(a.at + 77) - noise(b.at + 77));
  return `${['recording,t,a,b,label,step_label,level', ...rows.map(({ row }) => row.join())].join('\n')}\n`;
}

export const config = (dataset: object, loss: object, model: object = {}, training: object = {}) => ({
  version: 1,
  name: 'predicted',
  dataset,
  model: { cell: 'lstm', hidden_size: 5, ...model },
  loss,
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 1, batch_size: 8, eval_batch_size: 10, ...training },
});

export const crossEntropy = { kind: 'cross_entropy' };

const [N, T, F] = [21, 4, 3];
export const testX = floats([N, T, F], i => noise(i));
const testLengths = integers([N], i => 1 + (i % T));
const testSymbols = integers([N, T], i => (i * i) % 7);

function archive(y: (count: number) => object, symbols = false) {
  const arrays = (count: number) => ({
    x: symbols ? integers([count, T], i => (i * 3) % 7) : floats([count, T, F], i => noise(i + 999)),
    y: y(count),
  });
  const train = arrays(30);
  return npz({
    ...train,
    lengths: integers([30], i => 1 + (i % T)),
    x_test: symbols ? testSymbols : testX,
    y_test: y(N),
    lengths_test: testLengths,
  } as Parameters<typeof npz>[0]);
}

const classesOf = (count: number) => integers([count], i => i % 3);
const valuesOf = (count: number) => floats([count, 2], i => 50 + 10 * noise(i));

/** Language models of a text of several lines that is longer than the pieces it is read in. */
function textCases(work: Workplace) {
  const written = (from: number, words: number): string =>
    Array.from({ length: words }, (_, i) => {
      return `${pick(WORDS, from + i)}${i % 9 === 8 ? '\n' : ' '}`;
    }).join('');
  // its rare symbol teaches the models to read unknown ones
  const path = work.file('book.txt', `${written(0, 900)}q`);
  const test_path = work.file('book-test.txt', `\uFEFF${written(2000, 702)}end`);
  const cases = (['character', 'byte', 'word'] as const).flatMap(level =>
    [false, true].map(carry_state => {
      // steps fewer than rows: the last row can end batches before the others
      const sequence_length = carry_state ? 3 : 12;
      const dataset = { kind: 'text', path, test_path, level, sequence_length, min_count: 2 };
      const model = { embedding: { size: 4 }, head: { from: 'every' } };
      const training = { carry_state, shuffle: false, eval_batch_size: 8 };
      const name = `text, ${level} level${carry_state ? ', states that pass from batch to batch' : ''}`;
      return [name, { config: config(dataset, crossEntropy, model, training), input: test_path }] as const;
    }),
  );
  return Object.fromEntries(cases);
}

/** One of `items` that looks random; the same for the same `i`. */
const pick = <T>(items: readonly T[], i: number): T => items[Math.floor((noise(i) + 0.5) * items.length)];

const WORDS = ['sea', 'öl', 'the', 'whale', 'a'];

function recordCases(work: Workplace) {
  const split = (name: string, record: (i: number) => object, from: number, count: number) => {
    const lines = Array.from({ length: count }, (_, i) => JSON.stringify(record(from + i)));
    return work.file(name, `${lines.join('\n')}\n`);
  };
  const recordCase = (
    record: (i: number) => { x: unknown; y: unknown },
    dataset: object,
    loss: object,
    model: object,
  ) => {
    const named = (i: number) => ({ name: `record ${i}`, ...record(i) });
    const test_path = split('test.jsonl', named, 1000, 23);
    const path = split('train.jsonl', named, 0, 40);
    const data = { kind: 'jsonl', path, test_path, input: 'x', target: 'y', id: 'name', ...dataset };
    return { config: config(data, loss, model), input: test_path };
  };
  /** 1 to 6 of what `of` returns. */
  const list = <T>(i: number, of: (at: number) => T): T[] =>
    Array.from({ length: 1 + ((i * 5) % 6) }, (_, step) => of(i * 7 + step));
  const words = (i: number) => list(i, at => pick(WORDS, at));
  const features = (i: number) => list(i, at => [noise(at) * 20 + 100, noise(at + 5000)]);
  const embedding = { embedding: { size: 4 } };
  const every = { head: { from: 'every' } };
  return {
    'jsonl, a class for each text': recordCase(
      i => ({ x: words(i).join(' '), y: pick(['down', 'level', 'up'], i + 300) }),
      { input_kind: 'text', level: 'character', target_kind: 'class' },
      crossEntropy,
      embedding,
    ),
    // `sea` is rarer than the others, so that the model reads it as unknown; some tags are missing
    'jsonl, a tag for each word': recordCase(
      i => ({ x: words(i), y: words(i).map((word, k) => (i % 4 === 1 && k === 1 ? null : word[0])) }),
      { input_kind: 'symbol', min_count: 26, target_kind: 'class', per_step: true },
      crossEntropy,
      { ...embedding, ...every, bidirectional: true },
    ),
    'jsonl, scaled values': recordCase(
      i => ({ x: features(i), y: [50 + 10 * noise(i), i / 4] }),
      { input_kind: 'number', target_kind: 'value', normalize: 'standard' },
      { kind: 'mse' },
      {},
    ),
    'jsonl, values for each step': recordCase(
      i => ({ x: features(i), y: features(i).map(([a], k) => (i % 4 === 1 && k === 1 ? null : a)) }),
      { input_kind: 'number', target_kind: 'value', per_step: true, normalize: 'min_max' },
      { kind: 'huber' },
      every,
    ),
  };
}

function symbolTables(work: Workplace, csvData: (more: object) => object) {
  const texts = (from: number, count: number): string => {
    const rows = Array.from({ length: count }, (_, i) => from + i).map(i => {
      const words = Array.from({ length: 1 + (i % 4) }, (_, k) => pick(WORDS, i * 7 + k));
      return `"${words.join(', ')}",${pick(['down', 'up'], i + 300)}`;
    });
    return `${['text,label', ...rows].join('\n')}\n`;
  };
  const embedding = { embedding: { size: 4 } };
  const symbols = csvData({ features: ['step_label'], input_kind: 'symbol', normalize: 'none' });
  const test_path = work.file('texts-test.csv', texts(1000, 23));
  const words = {
    ...{ path: work.file('texts.csv', texts(0, 40)), test_path, sequence: undefined, normalize: 'none' },
    ...{ features: ['text'], input_kind: 'text', level: 'word' },
  };
  return {
    'csv, symbols': {
      config: config(symbols, crossEntropy, embedding),
      input: (symbols as { test_path: string }).test_path,
    },
    'csv, texts': { config: config(csvData(words), crossEntropy, embedding), input: test_path },
  };
}

/** Parquet tables; both splits have the same rows. */
function parquetCases() {
  const file = (compression: string): string =>
    join(packageRoot, `test/fixtures/parquet/readings-${compression}.parquet`);
  const dataset = {
    ...{ kind: 'parquet', path: file('plain'), test_path: file('snappy'), normalize: 'standard' },
    ...{ features: ['a', 'b', 'c'], sequence: { group: 'recording', order: 'time' } },
  };
  const cases = {
    'parquet, a class for each sequence': config(
      { ...dataset, target: 'label', target_kind: 'class' },
      crossEntropy,
    ),
    'parquet, scaled values': config({ ...dataset, target: 'score', target_kind: 'value' }, { kind: 'mse' }),
  };
  return Object.fromEntries(
    Object.entries(cases).map(([name, config]) => [name, { config, input: dataset.test_path }]),
  );
}

interface PredictionCase {
  readonly config: object;
  /** The test split as an input. */
  readonly input: string;
  /** The test split with its targets; absent: `input` has them. */
  readonly labelled?: readonly string[];
}

/** Configs with their test splits as inputs, and the data of some of them. */
export function predictionCases(work: Workplace) {
  const csvTest = table(100, 23);
  const csvTestPath = work.file('test.csv', csvTest);

  const csvData = (more: object) => ({
    kind: 'csv',
    path: work.file('train.csv', table(0, 40)),
    test_path: csvTestPath,
    features: ['a', 'b'],
    target: 'label',
    target_kind: 'class',
    sequence: { group: 'recording', order: 't' },
    normalize: 'standard',
    ...more,
  });

  function idxFiles() {
    const folder = work.folder();
    const blank = (count: number, from: number) =>
      idx(8, [count, 3, 2], Buffer.from(Array.from({ length: count * 6 }, (_, i) => (from + i * 37) % 256)));
    const labels = (count: number) =>
      idx(8, [count], Buffer.from(Array.from({ length: count }, (_, i) => i % 4)));
    const files = {
      train_images: blank(30, 1),
      train_labels: labels(30),
      test_images: blank(13, 7),
      test_labels: labels(13),
    };
    for (const [name, bytes] of Object.entries(files)) writeFileSync(join(folder, name), bytes);
    return Object.fromEntries(Object.keys(files).map(name => [name, join(folder, name)]));
  }

  const npzInput = (x: typeof testX | typeof testSymbols, y = classesOf(N)) => ({
    input: work.file('new.npz', npz({ x, lengths: testLengths })),
    labelled: [work.file('labelled.npz', npz({ x, y, lengths: testLengths }))],
  });
  const images = idxFiles();

  const cases: Readonly<Record<string, PredictionCase>> = {
    'csv, a class for each sequence': { config: config(csvData({}), crossEntropy), input: csvTestPath },
    'csv, a class for each step': {
      config: config(
        csvData({ target: 'step_label', sequence: { group: 'recording', order: 't', per_step: true } }),
        crossEntropy,
        { head: { from: 'every' } },
      ),
      input: csvTestPath,
    },
    'csv, scaled values, a bidirectional model': {
      config: config(
        csvData({ target: 'level', target_kind: 'value' }),
        { kind: 'mse' },
        { bidirectional: true, head: { from: 'final' } },
      ),
      input: csvTestPath,
    },
    'csv, quantiles, the mean of the outputs': {
      config: config(
        csvData({ target: 'level', target_kind: 'value', normalize: 'min_max' }),
        { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] },
        { cell: 'gru', head: { from: 'mean' } },
      ),
      input: csvTestPath,
    },
    'csv, rows that are sequences': {
      config: config(csvData({ sequence: undefined, target: 'step_label' }), crossEntropy),
      input: csvTestPath,
    },
    'csv, several values with names': {
      config: config(csvData({ sequence: undefined, target: ['level', 't'], target_kind: 'value' }), {
        kind: 'quantile',
        quantiles: [0.2, 0.5],
      }),
      input: csvTestPath,
    },
    'npz, classes with weights, the largest outputs': {
      config: config(
        { kind: 'npz', path: work.file('classes.npz', archive(classesOf)) },
        { kind: 'cross_entropy', class_weights: 'balanced' },
        { head: { from: 'max' }, num_layers: 2 },
      ),
      ...npzInput(testX),
    },
    'npz, two scaled values': {
      config: config(
        { kind: 'npz', path: work.file('values.npz', archive(valuesOf)), normalize: 'standard' },
        { kind: 'huber' },
      ),
      ...npzInput(testX, valuesOf(N)),
    },
    'npz, symbols': {
      config: config(
        { kind: 'npz', path: work.file('symbols.npz', archive(classesOf, true)) },
        crossEntropy,
        {
          embedding: { size: 4 },
        },
      ),
      ...npzInput(testSymbols),
    },
    'npz, states that pass from batch to batch': {
      config: config(
        { kind: 'npz', path: work.file('carried.npz', archive(classesOf)) },
        crossEntropy,
        {},
        { carry_state: true, shuffle: false, eval_batch_size: 8 },
      ),
      ...npzInput(testX),
    },
    ...symbolTables(work, csvData),
    ...recordCases(work),
    ...parquetCases(),
    ...textCases(work),
    'idx, images': {
      config: config({ kind: 'idx', ...images, sequence: 'rows' }, crossEntropy),
      input: images.test_images,
      labelled: [images.test_images, images.test_labels],
    },
  };

  return { cases, csvData, csvTest, csvTestPath, testX };
}

/** The largest distance of the numbers in two values, over the larger number or 1. */
export function distance(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number')
    return Math.abs(a - b) / Math.max(1, Math.abs(a), Math.abs(b));
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null)
    return a === b ? 0 : Number.POSITIVE_INFINITY;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Math.max(0, ...Array.from(keys, key => distance(Reflect.get(a, key), Reflect.get(b, key))));
}
