/**
 * Holds what comparisons, hashes and `resume` say of a key of the config against training: draws
 * pairs of configs that differ in this key alone, and trains both. Each key is drawn.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { onResume } from '../../src/config/key-facts.js';
import { allKeys, flatValues, type Schema } from '../../src/config/schema/schema.js';
import { comparisonOf } from '../../src/judge/comparison/compare.js';
import { reviewedRun } from '../../src/judge/judging/run-facts.js';
import { listCheckpoints } from '../../src/run/checkpoints.js';
import { Run } from '../../src/run/run.js';
import { readSafetensors, type Tensor, writeSafetensors } from '../../src/run/safetensors.js';
import { RandomStream } from '../../src/util/random.js';
import { floats, integers, npz } from '../support/cli.js';
import { idx, npy } from '../support/data-files.js';
import { train } from '../support/runs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

type Values = Readonly<Record<string, unknown>>;

const random = RandomStream.of(1, 'test/key-effects');

// data

const N = 12;
const T = 4;
const uniform = (count: number) => Array.from({ length: count }, () => random.uniform() - 0.5);
const labels = (count: number) => Array.from({ length: count }, (_, i) => (i < 3 ? i : random.integer(3)));
/** Sequences whose last step tells the class. */
const arrays = () => {
  const x = uniform(N * T * 2);
  const y = Array.from({ length: N }, (_, i) => Math.min(2, Math.floor(3 * (x[(i * T + T - 1) * 2] + 0.5))));
  return { x: floats([N, T, 2], x), y: integers([N], y) };
};
const split = (name: string, { x, y }: ReturnType<typeof arrays>) => ({ [`x_${name}`]: x, [`y_${name}`]: y });
const archive = (more: Parameters<typeof npz>[0] = {}) =>
  work.file('data.npz', npz({ ...arrays(), ...split('test', arrays()), ...more }));
const npyFloats = (...shape: number[]) =>
  work.file(
    'x.npy',
    npy('<f4', `(${shape.join(', ')},)`, Float32Array.from(uniform(shape.reduce((a, b) => a * b)))),
  );
const npyIntegers = (values: number[]) =>
  work.file('y.npy', npy('<i8', `(${values.length},)`, BigInt64Array.from(values.map(BigInt))));
const images = () =>
  work.file(
    'images',
    idx(8, [N, T, 3], Buffer.from(Array.from({ length: N * T * 3 }, () => random.integer(256)))),
  );
const imageLabels = () => work.file('labels', idx(8, [N], Buffer.from(labels(N))));
const word = () => 'abcd'[random.integer(4)];
/** Groups of four rows. */
const table = (separator = ',') => {
  const rows = Array.from({ length: N * T }, (_, i) => {
    const group = Math.floor(i / T);
    const [a, b] = uniform(2).map(value => value.toFixed(4));
    return [`g${group}`, T - (i % T), a, b, word(), group % 3, (i % 5) / 5, i % 3];
  });
  const lines = [['g', 'o', 'a', 'b', 'w', 'class', 'value', 'step'], ...rows];
  return lines.map(line => line.join(separator)).join('\n');
};
const csv = () => work.file('table.csv', table());
const records = () =>
  work.file(
    'records.jsonl',
    Array.from({ length: N }, (_, i) =>
      JSON.stringify({
        a: uniform(T),
        b: uniform(T),
        t: `${word()}${word()} ${word()}`,
        c: i % 3,
        v: i / N,
        id: `r${i}`,
        s: [0, 1, 2, i % 3],
        p: `p${i % 4}`,
        h: i % 2,
      }),
    ).join('\n'),
  );
const prose = () =>
  work.file('text.txt', Array.from({ length: 160 }, () => (random.integer(4) === 0 ? ' ' : word())).join(''));
const recordings = (rate = 8000): string => {
  const path = work.folder();
  for (let i = 0; i < N; i++) {
    const [left, right] = [200 + 400 * (i % 3), 90 * i].map(hertz => tone(hertz, 60 + i, rate));
    const samples = left.flatMap((sample, at) => [sample, right[at]]);
    writeFileSync(join(path, `${i % 3}_${i % 2}_${i}.wav`), wav(samples, { rate, channels: 2 }));
  }
  return path;
};
const series = () =>
  work.file(
    'series.csv',
    [
      's,t,v,f,k,u',
      ...Array.from(
        { length: 60 },
        (_, i) =>
          `${i % 2},2024-01-${String(1 + Math.floor(i / 2)).padStart(2, '0')},${uniform(1)[0].toFixed(3)},${uniform(1)[0].toFixed(3)},${i % 7},${60 - i}`,
      ),
    ].join('\n'),
  );

// configs

const set = (config: Values, key: string, value: unknown): Values => {
  const [first, ...rest] = key.split('.');
  if (Array.isArray(config))
    return config.map((item, i) =>
      i === Number(first) ? set(item, rest.join('.'), value) : item,
    ) as unknown as Values;
  if (rest.length === 0) {
    const { [first]: _, ...others } = config;
    return value === undefined ? others : { ...config, [first]: value };
  }
  if (value === undefined && config[first] === undefined) return config;
  return { ...config, [first]: set((config[first] ?? {}) as Values, rest.join('.'), value) };
};
const sets = (config: Values, values: Values): Values =>
  Object.entries(values).reduce((made, [key, value]) => set(made, key, value), config);

const CLASSES: Values = {
  version: 1,
  name: 'drawn',
  dataset: { kind: 'npz', path: archive() },
  model: { cell: 'rnn', hidden_size: 3 },
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'sgd', learning_rate: 0.5 },
  training: { num_epochs: 2, batch_size: 4 },
};
const VALUES = sets(CLASSES, {
  loss: { kind: 'mse' },
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: T, train_size: N, test_size: 6 },
});
const NPY = set(CLASSES, 'dataset', {
  kind: 'npy',
  x: npyFloats(N, T, 2),
  y: npyIntegers(labels(N)),
  x_test: npyFloats(N, T, 2),
  y_test: npyIntegers(labels(N)),
});
const NPY_VALIDATED = sets(NPY, {
  'dataset.x_validation': npyFloats(N, T, 2),
  'dataset.y_validation': npyIntegers(labels(N)),
});
const IDX = set(CLASSES, 'dataset', {
  kind: 'idx',
  train_images: images(),
  train_labels: imageLabels(),
  test_images: images(),
  test_labels: imageLabels(),
});
const IDX_VALIDATED = sets(IDX, {
  'dataset.validation_images': images(),
  'dataset.validation_labels': imageLabels(),
});
const TABLE = set(CLASSES, 'dataset', {
  kind: 'csv',
  path: csv(),
  test_path: csv(),
  features: ['a', 'b'],
  target: 'class',
  target_kind: 'class',
  sequence: { group: 'g' },
});
/** The table without its line of names. */
const rowsAlone = () => work.file('rows.csv', table().replace(/^.*\n/, ''));
/** The table with a blank line after every five. */
const blocks = () => work.file('blocks.csv', table().replace(/(?:.+\n){5}/g, '$&\n'));
const HEADLESS = sets(TABLE, { 'dataset.path': rowsAlone(), 'dataset.test_path': rowsAlone() });
const NAMES = ['g', 'o', 'a', 'b', 'w', 'class', 'value', 'step'];
const holes = () =>
  work.file(
    'holes.csv',
    table()
      .replace(/-?\d\.\d{3}[15]\b/g, 'NA')
      .replace(/-?\d\.\d{3}[37]\b/g, '-999'),
  );
const MISSING = { fill: 'mean', indicator: false, elapsed: false, markers: ['NA'] };
const HOLES = sets(TABLE, {
  'dataset.path': holes(),
  'dataset.test_path': holes(),
  'dataset.missing': MISSING,
  'dataset.features': [{ column: 'a', missing: MISSING }, 'b'],
});
const EMBEDDED = set(TABLE, 'dataset.features', [{ column: 'w', encode: 'embedding', size: 2 }, 'a']);
/** Each group has a number, which some lack, another one, and a date. */
const facts = () =>
  work.file(
    'facts.csv',
    table()
      .split('\n')
      .map((line, i) => {
        const group = Number(/^g(\d+)/.exec(line)?.[1]);
        const f = ['NA', -999, group][group % 3];
        return i === 0 ? `${line},f,v,d` : `${line},${f},${group % 4},2024-0${1 + (group % 9)}-03`;
      })
      .join('\n'),
  );
const FACTS = sets(TABLE, {
  'dataset.path': facts(),
  'dataset.test_path': facts(),
  'dataset.static_features': [{ column: 'f', missing: { fill: 'mean', indicator: false, markers: ['NA'] } }],
});
const EMBEDDED_FACTS = set(FACTS, 'dataset.static_features', [{ column: 'v', encode: 'embedding', size: 2 }]);
/** Dates whose order depends on which part is the month. */
const DATES = ['02/01/2024', '01/02/2024', '04/03/2024', '03/04/2024'];
const dated = () =>
  work.file(
    'dated.csv',
    table().replace(/^(g\d+),(\d)/gm, (_, group, step) => `${group},${DATES[Number(step) - 1]}`),
  );
const CODED = sets(TABLE, {
  'dataset.path': dated(),
  'dataset.test_path': dated(),
  'dataset.date_format': '%d/%m/%Y',
  'dataset.features': [{ column: 'o', encode: 'calendar', calendar: ['month'] }, 'a'],
});
const TABLE_RESAMPLED = set(TABLE, 'dataset.sequence', {
  group: 'g',
  order: 'o',
  resample: { every: 2, by: 'mean' },
});
const WORDS = sets(TABLE, {
  'dataset.features': ['w'],
  'dataset.input_kind': 'text',
  'dataset.sequence': undefined,
  'dataset.level': 'character',
  'model.embedding': { size: 2 },
});
const RECORDS = set(CLASSES, 'dataset', {
  kind: 'jsonl',
  path: records(),
  test_path: records(),
  input: 'a',
  input_kind: 'number',
  target: 'c',
  target_kind: 'class',
});
/** Targets that are texts, for CTC. */
const SYMBOLS = sets(RECORDS, {
  'dataset.target': 't',
  'dataset.target_kind': 'sequence',
  'dataset.target_level': 'word',
  'model.head': { from: 'every' },
  // some texts have more characters than steps
  loss: { kind: 'ctc', on_impossible: 'skip' },
});
const DECODED = sets(SYMBOLS, {
  'model.head': undefined,
  'model.decoder': { hidden_size: 3, embedding_size: 2 },
  loss: { kind: 'cross_entropy' },
});
const REVERSED = { kind: 'synthetic', problem: 'reverse', sequence_length: T, train_size: N, test_size: 6 };
const HELD_OUT = set(RECORDS, 'dataset.test_path', undefined);
const TEXT = sets(CLASSES, {
  dataset: { kind: 'text', path: prose(), test_path: prose(), level: 'character', sequence_length: 8 },
  'model.embedding': { size: 2 },
  'model.head': { from: 'every' },
});
const FORECAST = sets(VALUES, {
  dataset: {
    kind: 'forecast',
    path: series(),
    series: 's',
    time: 't',
    target: 'v',
    input_steps: 3,
    horizon: 2,
    test_fraction: 0.3,
  },
});
/** Some of the values of `k` are missing. */
const FORECAST_HOLES = sets(FORECAST, {
  'dataset.path': work.file(
    'holes-of-series.csv',
    readFileSync(series(), 'utf8')
      .replace(/,3,(\d+)$/gm, ',NA,$1')
      .replace(/,5,(\d+)$/gm, ',-999,$1'),
  ),
  'dataset.known': [{ column: 'k', missing: MISSING }],
});
const FORECAST_RESAMPLED = set(FORECAST, 'dataset.resample', { every: '2d', by: 'mean' });
const scheduled = (schedule: Values) => set(CLASSES, 'optimizer.schedule', schedule);
const RECORDINGS = set(CLASSES, 'dataset', {
  kind: 'audio',
  path: recordings(),
  test_path: recordings(),
  pattern: '{class}_{half}_{number}',
  target: 'class',
  target_kind: 'class',
  features: { kind: 'log_mel', window: 4, hop: 2, bands: 3 },
});
const listed = () => {
  const folder = recordings();
  const rows = Array.from({ length: N }, (_, i) => [
    `${i % 3}_${i % 2}_${i}.wav`,
    `${(i + 1) % 3}_${(i + 1) % 2}_${i < N - 1 ? i + 1 : 0}.wav`,
    i % 3,
    0.001,
    0.005,
  ]);
  const path = join(folder, 'table.csv');
  writeFileSync(path, [['file', 'other', 'class', 'from', 'to'], ...rows].map(row => row.join()).join('\n'));
  return path;
};
const LISTED = sets(RECORDINGS, {
  'dataset.path': listed(),
  'dataset.test_path': listed(),
  'dataset.pattern': undefined,
  'dataset.path_column': 'file',
});
const MASKED = set(RECORDINGS, 'dataset.augment', {
  time_masks: { count: 2, width: 3 },
  frequency_masks: { count: 2, width: 3 },
});
const WARPED = set(RECORDINGS, 'dataset.augment', { warp: 0.1 });
const NOISY = set(RECORDINGS, 'dataset.augment', { noise: { path: recordings(), ratio: [0, 10] } });
const CEPSTRAL = set(RECORDINGS, 'dataset.features.kind', 'mfcc');
const optimized = (optimizer: Values) => sets(CLASSES, { optimizer: { learning_rate: 0.05, ...optimizer } });
const PLATEAU: Values = { kind: 'plateau', factor: 0.5, patience: 0, min_delta: 10 };
const STOPPING: Values = { patience: 2, min_delta: 10 };
const plateau = scheduled(PLATEAU);
/** Its loss gets worse after the first epochs. */
const DIVERGING = sets(CLASSES, { 'optimizer.learning_rate': 3, 'training.num_epochs': 3 });
const stopping = sets(CLASSES, { 'training.early_stopping': STOPPING, 'training.num_epochs': 4 });

const COPY: Values = {
  'dataset.sequence_length': undefined,
  'dataset.delay': 1,
  'model.head': { from: 'every' },
  loss: { kind: 'cross_entropy' },
};
/** The loss falls at each evaluation. */
const SLOW: Values = { 'optimizer.learning_rate': 0.05, 'training.num_epochs': 6 };
const EVERY: Values = { 'model.head': { from: 'every' } };
const VALIDATED = set(CLASSES, 'dataset.validation', { count: 5 });
const TWO = sets(RECORDS, { 'dataset.target': 'h', 'dataset.validation': { count: 5 } });
const COSTS = [
  [0, 1],
  [9, 0],
];
const gated = set(CLASSES, 'gates', [{ metric: 'test.loss', max: 100 }]);
// one label is written in two ways
const spelled = () => work.file('spelled.csv', 'a,class\n1,0\n2,1\n3,01\n4,1.0\n5,0\n6,1\n');
const semicolons = () => work.file('semicolons.csv', table(';'));

const thousands = () => work.file('thousands.csv', table().replaceAll(/(?<=[,\n])-?0?\.\d+/g, '1.234'));

/**
 * A config and two values of the key; undefined: not set. If a key cannot change alone, `more` are
 * the values that change with the second.
 */
type Pair = readonly [config: Values, a: unknown, b: unknown, more?: Values];

const parent = async (config: Values, seed: number): Promise<string> => {
  const { summary } = await train(work, sets(config, { seed, 'training.num_epochs': 1 }));
  return summary.directory;
};
const weights = async (seed: number): Promise<string> => {
  const directory = await parent(CLASSES, seed);
  return listCheckpoints(join(directory, 'checkpoints'))[0].path;
};
/** Starts from the weights of a run with the same config. */
const FROM_RUN = set(CLASSES, 'model.init_from', { path: await parent(CLASSES, 5) });
/** Starts from one bias of a file with other names. */
const renamedFile = () => {
  const path = join(work.folder(), 'biases.safetensors');
  const bias = (value: number): Tensor => ({
    dtype: 'F32',
    shape: [3],
    data: new Float32Array([0, value, 1]),
  });
  writeSafetensors(
    path,
    new Map([
      ['a', bias(0.1)],
      ['b', bias(0.2)],
    ]),
    {},
  );
  return path;
};
const RENAMED = set(CLASSES, 'model.init_from', {
  path: renamedFile(),
  only: ['fc.bias'],
  rename: [{ from: 'a', to: 'fc.bias' }],
});
/** Start from runs on other texts, and on data of another scale. */
const FROM_TEXT = sets(TEXT, {
  'dataset.path': work.file('more.txt', 'abcd x abcd y '.repeat(20)),
  'model.init_from': { path: await parent(TEXT, 5), skip: ['fc.*', 'embedding.*'] },
});
const SCALED = set(CLASSES, 'dataset.normalize', 'standard');
const FROM_SCALED = sets(SCALED, {
  'dataset.path': archive(),
  'model.init_from': { path: await parent(SCALED, 5) },
});
const GROUPED = set(CLASSES, 'optimizer.parameter_groups', [{ parameters: ['fc.*'], learning_rate: 0.01 }]);
const floatsFile = () => npyFloats(N, T, 2);
const ages = () => npyFloats(N, 1);
const classesFile = () => npyIntegers(labels(N));
const short = () => npyIntegers(Array.from({ length: N }, () => 2));
const halves = () => npyIntegers(Array.from({ length: N }, (_, i) => Math.floor(i / 2)));
const thirds = () => npyIntegers(Array.from({ length: N }, (_, i) => Math.floor(i / 3)));
const ids = () => npyIntegers(Array.from({ length: N }, (_, i) => i));

/** Pairs for the keys of missing values; the column `b` has the settings of all, `a` its own. */
const ofMissing = (path: string, holes = HOLES): Readonly<Record<string, readonly Pair[]>> => {
  const base = path === 'dataset.missing' ? set(holes, 'dataset.features', ['a', 'b']) : holes;
  return { ...ofFilled(path, base), [`${path}.elapsed`]: [[base, false, true]] };
};
const ofFilled = (path: string, base: Values): Readonly<Record<string, readonly Pair[]>> => ({
  [`${path}.fill`]: [[base, 'mean', 'zero']],
  [`${path}.indicator`]: [[base, false, true]],
  [`${path}.markers`]: [[base, ['NA'], ['NA', -999]]],
});

const PAIRS: Readonly<Record<string, readonly Pair[]>> = {
  name: [[CLASSES, 'one', 'two']],
  description: [[CLASSES, 'one', 'two']],
  seed: [
    [CLASSES, 0, 1],
    [set(VALUES, 'dataset.seed', 3), 0, 1],
  ],

  'dataset.kind': [
    [TABLE, 'csv', 'parquet'],
    [TABLE, 'conllu', 'ts'],
  ],
  'dataset.sequence': [[IDX, 'rows', 'pixels']],
  'dataset.path': [
    [CLASSES, archive(), archive()],
    [TEXT, prose(), prose()],
  ],
  'dataset.limit': [[CLASSES, 4, 8]],
  'dataset.memory': [
    [CLASSES, 0, 1000],
    [TEXT, 0, 1000],
  ],
  'dataset.obtain': [[CLASSES, 'one', 'two']],
  'dataset.validation.fraction': [[CLASSES, 0.2, 0.4]],
  'dataset.validation.count': [[CLASSES, 2, 5]],
  'dataset.validation.select': [[set(CLASSES, 'dataset.validation', { count: 3 }), 'random', 'last']],
  'dataset.validation.group': [[set(RECORDS, 'dataset.validation', { fraction: 0.3 }), undefined, 'p']],
  'dataset.validation.column': [[set(RECORDS, 'dataset.validation', { is: 1 }), 'c', 'h']],
  'dataset.validation.is': [[set(RECORDS, 'dataset.validation', { group: 'p' }), 'p0', ['p1', 'p2']]],
  'dataset.validation_arrays': [
    [set(CLASSES, 'dataset.path', archive(split('validation', arrays()))), true, false],
  ],
  'dataset.train_images': [[IDX, images(), images()]],
  'dataset.train_labels': [[IDX, imageLabels(), imageLabels()]],
  'dataset.validation_images': [[IDX_VALIDATED, images(), images()]],
  'dataset.validation_labels': [[IDX_VALIDATED, imageLabels(), imageLabels()]],
  'dataset.test_images': [[IDX, images(), images()]],
  'dataset.test_labels': [[IDX, imageLabels(), imageLabels()]],
  'dataset.test_fraction': [[set(CLASSES, 'dataset.path', work.file('one.npz', npz(arrays()))), 0.2, 0.5]],
  'dataset.test.fraction': [[HELD_OUT, 0.2, 0.5]],
  'dataset.test.count': [[HELD_OUT, 2, 5]],
  'dataset.test.select': [[set(HELD_OUT, 'dataset.test', { count: 3 }), 'random', 'last']],
  'dataset.test.group': [[set(HELD_OUT, 'dataset.test', { fraction: 0.3 }), undefined, 'p']],
  'dataset.test.column': [[set(HELD_OUT, 'dataset.test', { is: 1 }), 'c', 'h']],
  'dataset.test.is': [[set(HELD_OUT, 'dataset.test', { column: 'p' }), 'p0', ['p1', 'p2']]],
  'dataset.test.fold': [[set(HELD_OUT, 'dataset.test', { of: 3 }), 1, 2]],
  'dataset.test.of': [[set(HELD_OUT, 'dataset.test', { fold: 1 }), 3, 4]],
  'folds.count': [[set(HELD_OUT, 'folds', { by: 'random' }), 3, 4]],
  'folds.by': [[set(HELD_OUT, 'folds', { count: 3 }), 'stratified', 'random']],
  'folds.group': [[set(HELD_OUT, 'folds', { count: 3 }), undefined, 'p']],
  'folds.final': [[set(HELD_OUT, 'folds', { count: 3 }), false, true]],
  'dataset.normalize': [[CLASSES, 'standard', 'none']],
  ...ofMissing('dataset.missing'),
  'dataset.column_names': [[HEADLESS, NAMES, NAMES.map(name => ({ a: 'b', b: 'a' })[name] ?? name)]],
  'dataset.features.0.column': [[HOLES, 'a', 'value']],
  'dataset.features.0.encode': [[set(CODED, 'dataset.features.0.calendar', undefined), 'one_hot', 'elapsed']],
  'dataset.features.0.size': [[EMBEDDED, 1, 2]],
  'dataset.features.0.min_count': [[EMBEDDED, 1, 1000]],
  'dataset.features.0.suffix': [[set(EMBEDDED, 'dataset.features.0.column', 'a'), undefined, 1]],
  'dataset.features.0.calendar': [[CODED, ['month'], ['day_of_month']]],
  ...ofMissing('dataset.features.0.missing'),
  'dataset.known.0.column': [[FORECAST_HOLES, 'k', 'u']],
  ...ofMissing('dataset.known.0.missing', FORECAST_HOLES),
  'dataset.static_features': [[FACTS, undefined, ['v']]],
  'dataset.static_features.0.column': [[FACTS, 'f', 'v']],
  'dataset.static_features.0.encode': [
    [set(FACTS, 'dataset.static_features', [{ column: 'v' }]), undefined, 'one_hot'],
  ],
  'dataset.static_features.0.size': [[EMBEDDED_FACTS, 1, 2]],
  'dataset.static_features.0.min_count': [[EMBEDDED_FACTS, 1, 1000]],
  'dataset.static_features.0.suffix': [
    [set(EMBEDDED_FACTS, 'dataset.static_features.0.column', 'd'), undefined, 1],
  ],
  'dataset.static_features.0.calendar': [
    [
      set(FACTS, 'dataset.static_features', [{ column: 'd', encode: 'calendar' }]),
      ['month'],
      ['day_of_week'],
    ],
  ],
  ...ofFilled('dataset.static_features.0.missing', FACTS),
  'dataset.x': [[NPY, floatsFile(), floatsFile()]],
  'dataset.y': [[NPY, classesFile(), classesFile()]],
  'dataset.lengths': [[NPY, undefined, short(), { 'dataset.lengths_test': short() }]],
  'dataset.ids': [[NPY, undefined, ids(), { 'dataset.ids_test': ids() }]],
  'dataset.groups': [
    [
      sets(NPY, { 'dataset.groups': ids(), 'dataset.validation': { count: 3, group: 'groups' } }),
      halves(),
      thirds(),
    ],
  ],
  'dataset.static': [[NPY, undefined, ages(), { 'dataset.static_test': ages() }]],
  'dataset.static_validation': [
    [sets(NPY_VALIDATED, { 'dataset.static': ages(), 'dataset.static_test': ages() }), ages(), ages()],
  ],
  'dataset.static_test': [[set(NPY, 'dataset.static', ages()), ages(), ages()]],
  'dataset.groups_validation': [[NPY_VALIDATED, undefined, ids(), { 'dataset.groups': ids() }]],
  'dataset.groups_test': [[NPY, undefined, ids(), { 'dataset.groups': ids() }]],
  'dataset.x_validation': [[NPY_VALIDATED, floatsFile(), floatsFile()]],
  'dataset.y_validation': [[NPY_VALIDATED, classesFile(), classesFile()]],
  'dataset.lengths_validation': [[set(NPY_VALIDATED, 'dataset.lengths', short()), undefined, short()]],
  'dataset.ids_validation': [[set(NPY_VALIDATED, 'dataset.ids', ids()), undefined, ids()]],
  'dataset.x_test': [[NPY, floatsFile(), floatsFile()]],
  'dataset.y_test': [[NPY, classesFile(), classesFile()]],
  'dataset.lengths_test': [[set(NPY, 'dataset.lengths', short()), undefined, short()]],
  'dataset.ids_test': [[set(NPY, 'dataset.ids', ids()), undefined, ids()]],
  'dataset.delimiter': [
    [TABLE, ',', ';', { 'dataset.path': semicolons(), 'dataset.test_path': semicolons() }],
  ],
  'dataset.decimal': [[TABLE, '.', ',', { 'dataset.path': thousands(), 'dataset.test_path': thousands() }]],
  'dataset.date_format': [
    [TABLE, '%d/%m/%Y', '%m/%d/%Y', { 'dataset.path': dated(), 'dataset.test_path': dated() }],
  ],
  'dataset.validation_path': [[TABLE, csv(), csv()]],
  'dataset.test_path': [[TABLE, csv(), csv()]],
  'dataset.features': [[TABLE, ['a', 'b'], ['b', 'a']]],
  'dataset.features.kind': [[RECORDINGS, 'log_mel', 'mfcc']],
  'dataset.features.window': [[RECORDINGS, 4, 5]],
  'dataset.features.hop': [[RECORDINGS, 2, 3]],
  'dataset.features.fft_size': [[RECORDINGS, 64, 128]],
  'dataset.features.bands': [[RECORDINGS, 2, 3]],
  'dataset.features.min_frequency': [[RECORDINGS, 0, 100]],
  'dataset.features.max_frequency': [[RECORDINGS, 3000, 4000]],
  'dataset.features.scale': [[RECORDINGS, 'htk', 'slaney']],
  'dataset.features.floor': [[RECORDINGS, 1e-10, 10]],
  'dataset.features.deltas': [[RECORDINGS, 1, 2]],
  'dataset.features.coefficients': [[CEPSTRAL, 2, 3]],
  'dataset.features.lifter': [[CEPSTRAL, 0, 22]],
  'dataset.path_column': [[LISTED, 'file', 'other']],
  'dataset.start': [[LISTED, undefined, 'from']],
  'dataset.end': [[LISTED, undefined, 'to']],
  'dataset.pattern': [[RECORDINGS, '{class}_{half}_{number}', '{number}_{class}_{half}']],
  'dataset.rate': [[RECORDINGS, undefined, 6000]],
  'dataset.channel': [[RECORDINGS, 'mix', 1]],
  'dataset.normalize_per': [[set(RECORDINGS, 'dataset.normalize', 'standard'), undefined, 'recording']],
  'dataset.augment.shift': [[RECORDINGS, 1, 2]],
  'dataset.augment.gain': [[RECORDINGS, 1, 2]],
  'dataset.augment.noise.path': [[NOISY, recordings(), recordings(6000)]],
  'dataset.augment.noise.ratio': [[NOISY, [5, 5], [5, 6]]],
  'dataset.augment.warp': [[WARPED, 0.1, 0.2]],
  'dataset.augment.time_masks.count': [[MASKED, 1, 2]],
  'dataset.augment.time_masks.width': [[MASKED, 2, 3]],
  'dataset.augment.time_masks.fraction': [[MASKED, 0.5, 1]],
  'dataset.augment.frequency_masks.count': [[MASKED, 1, 2]],
  'dataset.augment.frequency_masks.width': [[MASKED, 2, 3]],
  'dataset.input_kind': [
    [WORDS, 'text', 'symbol', { 'dataset.level': undefined, 'dataset.sequence': { group: 'g' } }],
  ],
  'dataset.target': [[FORECAST, 'v', 'f']],
  'dataset.target_kind': [[TABLE, 'class', 'value', { loss: { kind: 'mse' } }]],
  'dataset.target_level': [[SYMBOLS, 'word', 'character']],
  'dataset.labels_as_text': [
    [
      sets(TABLE, {
        'dataset.path': spelled(),
        'dataset.test_path': spelled(),
        'dataset.features': ['a'],
        'dataset.sequence': undefined,
      }),
      false,
      true,
    ],
  ],
  'dataset.level': [[TEXT, 'character', 'word']],
  'dataset.min_count': [[TEXT, 1, 30]],
  'dataset.sequence.per_file': [
    [
      sets(TABLE, { 'dataset.sequence': undefined, 'dataset.target': 'step' }),
      undefined,
      true,
      { ...EVERY, 'dataset.sequence.per_step': true },
    ],
  ],
  'dataset.sequence.group': [[TABLE, 'g', 'class']],
  'dataset.sequence.blank_lines': [
    [
      sets(TABLE, {
        'dataset.path': blocks(),
        'dataset.test_path': blocks(),
        'dataset.sequence': undefined,
        'dataset.target': 'step',
      }),
      undefined,
      true,
      { ...EVERY, 'dataset.sequence.per_step': true },
    ],
  ],
  'dataset.sequence.order': [[TABLE, undefined, 'o']],
  'dataset.sequence.per_step': [[TABLE, false, true, EVERY]],
  'dataset.sequence.resample.every': [[TABLE_RESAMPLED, 1, 2]],
  'dataset.sequence.resample.by': [[TABLE_RESAMPLED, 'mean', 'max']],
  'dataset.resample.every': [[FORECAST_RESAMPLED, '1d', '2d']],
  'dataset.resample.by': [[FORECAST_RESAMPLED, 'mean', 'max']],
  'dataset.id': [[RECORDS, undefined, 'id']],
  'dataset.input': [[RECORDS, 'a', 'b']],
  'dataset.per_step': [[FORECAST, false, true, EVERY]],
  'dataset.sequence_length': [
    [TEXT, 6, 10],
    [VALUES, 4, 6],
  ],
  'dataset.series': [[set(FORECAST, 'dataset.time', undefined), 's', undefined]],
  'dataset.time': [[FORECAST, 't', 'u']],
  'dataset.known': [[FORECAST, undefined, ['k']]],
  'dataset.calendar': [[FORECAST, undefined, ['day_of_week']]],
  'dataset.input_steps': [[FORECAST, 3, 4]],
  'dataset.horizon': [[FORECAST, 1, 2]],
  'dataset.stride': [[FORECAST, 1, 2]],
  'dataset.season': [[set(FORECAST, 'dataset.relative_to', 'season'), 2, 3]],
  'dataset.relative_to': [[FORECAST, undefined, 'last_value']],
  'dataset.transform': [[set(FORECAST, 'dataset.target', 'u'), undefined, 'log']],
  'dataset.problem': [[VALUES, 'adding', 'copy_memory', COPY]],
  'dataset.delay': [[sets(VALUES, { ...COPY, 'dataset.problem': 'copy_memory' }), 1, 2]],
  'dataset.min_length': [[sets(DECODED, { dataset: REVERSED, 'model.embedding': { size: 2 } }), 2, 4]],
  'dataset.train_size': [[VALUES, 8, N]],
  'dataset.test_size': [[VALUES, 6, 8]],
  'dataset.seed': [[VALUES, 1, 2]],

  'model.cell': [[CLASSES, 'rnn', 'min_gru']],
  'model.hidden_size': [[CLASSES, 2, 3]],
  'model.num_layers': [[CLASSES, 1, 2]],
  'model.bidirectional': [[CLASSES, false, true]],
  'model.projection_size': [[set(CLASSES, 'model.cell', 'lstm'), undefined, 2]],
  'model.layer_norm': [[set(CLASSES, 'model.cell', 'lstm'), false, true]],
  'model.nonlinearity': [[CLASSES, 'tanh', 'relu']],
  'model.dropout': [[set(CLASSES, 'model.num_layers', 2), 0.2, 0.4]],
  'model.steps.stack': [[set(CLASSES, 'model.steps', { stack: 1 }), 1, 2]],
  'model.steps.repeat': [[set(CLASSES, 'model.steps', { repeat: 1 }), 1, 2]],
  'model.embedding.size': [[TEXT, 2, 3]],
  'model.embedding.num_symbols': [[TEXT, undefined, 9]],
  'model.decoder.cell': [[DECODED, 'gru', 'rnn']],
  'model.decoder.hidden_size': [[DECODED, 2, 3]],
  'model.decoder.num_layers': [[DECODED, 1, 2]],
  'model.decoder.embedding_size': [[DECODED, 2, 3]],
  'model.decoder.attention': [[DECODED, 'additive', 'none']],
  'model.decoder.dropout': [[set(DECODED, 'model.decoder.num_layers', 2), 0.2, 0.6]],
  'model.head.from': [[CLASSES, 'last', 'mean']],
  'model.head.hidden_sizes': [[CLASSES, [2], [3]]],
  'model.head.activation': [[set(CLASSES, 'model.head.hidden_sizes', [3]), 'relu', 'tanh']],
  'model.head.dropout': [[set(CLASSES, 'model.head.hidden_sizes', [3]), 0.2, 0.6]],
  'model.num_classes': [[CLASSES, undefined, 4]],
  'model.init_from': [[CLASSES, await weights(5), await weights(6)]],
  'model.init_from.path': [[FROM_RUN, await weights(5), await weights(6)]],
  'model.init_from.rename.0.from': [[RENAMED, 'a', 'b']],
  'model.init_from.rename.0.to': [
    [set(RENAMED, 'model.init_from.only', ['rnn.bias_*']), 'rnn.bias_ih_l0', 'rnn.bias_hh_l0'],
  ],
  'model.init_from.vocabulary': [[FROM_TEXT, 'keep', 'extend']],
  'model.init_from.scaling': [[FROM_SCALED, undefined, 'keep']],
  'model.init_from.only': [[FROM_RUN, undefined, ['fc.*']]],
  'model.init_from.skip': [[FROM_RUN, undefined, ['fc.*']]],
  'model.layers': [
    [set(CLASSES, 'model', {}), [{ cell: 'rnn', hidden_size: 2 }], [{ cell: 'rnn', hidden_size: 3 }]],
  ],

  'loss.kind': [[VALUES, 'mse', 'mae']],
  'loss.class_weights': [[CLASSES, [1, 2, 3], 'balanced']],
  'loss.label_smoothing': [[CLASSES, 0, 0.1]],
  'loss.ignored_index': [[CLASSES, 1, 2]],
  'loss.positive_weights': [
    [
      sets(TABLE, {
        loss: { kind: 'binary_cross_entropy' },
        'dataset.target': 'value',
        'dataset.target_kind': 'value',
        'dataset.sequence': undefined,
      }),
      undefined,
      [2],
    ],
  ],
  'loss.delta': [[set(VALUES, 'loss.kind', 'huber'), 0.1, 1]],
  'loss.quantiles': [[set(VALUES, 'loss.kind', 'quantile'), [0.5], [0.2]]],

  'loss.on_impossible': [[SYMBOLS, 'error', 'skip']],
  'decode.beam': [[sets(SYMBOLS, { 'training.num_epochs': 4, 'dataset.target_level': 'character' }), 1, 20]],
  'decode.limit': [
    [sets(DECODED, { 'training.num_epochs': 20, optimizer: { kind: 'adam', learning_rate: 0.1 } }), 1, 9],
  ],

  'optimizer.kind': [[CLASSES, 'sgd', 'adam']],
  'optimizer.learning_rate': [[CLASSES, 0.5, 0.25]],
  'optimizer.momentum': [[CLASSES, 0, 0.5]],
  'optimizer.nesterov': [[set(CLASSES, 'optimizer.momentum', 0.5), false, true]],
  'optimizer.weight_decay': [[CLASSES, 0, 0.1]],
  'optimizer.weight_decay_on': [[set(CLASSES, 'optimizer.weight_decay', 0.5), 'all', 'weights']],
  'optimizer.parameter_groups.0.parameters': [[GROUPED, ['fc.*'], ['*']]],
  'optimizer.parameter_groups.0.learning_rate': [[GROUPED, 0.01, 0.02]],
  'optimizer.betas': [[optimized({ kind: 'adam' }), [0.9, 0.999], [0.8, 0.9]]],
  'optimizer.eps': [[optimized({ kind: 'adam' }), 1e-8, 0.1]],
  'optimizer.amsgrad': [[optimized({ kind: 'adam', betas: [0.9, 0.1] }), false, true]],
  'optimizer.alpha': [[optimized({ kind: 'rmsprop' }), 0.9, 0.5]],
  'optimizer.centered': [[optimized({ kind: 'rmsprop' }), false, true]],
  'optimizer.momentum_decay': [[optimized({ kind: 'nadam' }), 0.004, 0.5]],
  'optimizer.learning_rate_decay': [[optimized({ kind: 'adagrad' }), 0, 0.5]],
  'optimizer.schedule.kind': [[scheduled({}), 'cosine', 'linear']],
  'optimizer.schedule.every.steps': [[scheduled({ kind: 'step' }), 1, 2]],
  'optimizer.schedule.every.epochs': [[scheduled({ kind: 'step' }), 1, 2]],
  'optimizer.schedule.length.steps': [[scheduled({ kind: 'linear' }), 3, 5]],
  'optimizer.schedule.length.epochs': [[scheduled({ kind: 'linear' }), 1, 2]],
  'optimizer.schedule.factor': [[scheduled({ kind: 'step', every: { steps: 1 } }), 0.5, 0.9]],
  'optimizer.schedule.min_learning_rate': [[scheduled({ kind: 'cosine' }), 0, 0.1]],
  'optimizer.schedule.end_factor': [[scheduled({ kind: 'linear' }), 0, 0.5]],
  'optimizer.schedule.start_factor': [[scheduled({ kind: 'one_cycle' }), 0.1, 0.5]],
  'optimizer.schedule.warmup_fraction': [[scheduled({ kind: 'one_cycle' }), 0.3, 0.7]],
  'optimizer.schedule.warmup.steps': [[scheduled({ kind: 'constant' }), 2, 3]],
  'optimizer.schedule.warmup.epochs': [
    [set(scheduled({ kind: 'constant' }), 'training.num_epochs', 3), 1, 2],
  ],
  'optimizer.schedule.warmup.start_factor': [[scheduled({ kind: 'constant', warmup: { steps: 2 } }), 0, 0.5]],
  'optimizer.schedule.metric': [
    [sets(plateau, { ...SLOW, 'optimizer.schedule.min_delta': 0 }), 'test.loss', 'test.accuracy'],
  ],
  'optimizer.schedule.patience': [[set(plateau, 'training.num_epochs', 4), 0, 1]],
  'optimizer.schedule.min_delta': [
    [sets(plateau, { ...SLOW, 'optimizer.schedule.metric': 'test.loss' }), 0, 10],
  ],
  'optimizer.schedule.cooldown': [[set(plateau, 'training.num_epochs', 4), 0, 1]],

  'training.num_epochs': [
    [CLASSES, 1, 2],
    [scheduled({ kind: 'cosine' }), 1, 2],
    [plateau, 1, 2],
  ],
  'training.max_steps': [
    [CLASSES, 4, 5],
    [scheduled({ kind: 'one_cycle' }), 4, 5],
    [plateau, 4, 5],
  ],
  'training.batch_size': [[CLASSES, 3, 4]],
  'training.shuffle': [[CLASSES, true, false]],
  'training.last_batch': [[set(CLASSES, 'training.batch_size', 5), 'train', 'drop']],
  'training.bucket_by_length': [
    [set(NPY, 'dataset.lengths', npyIntegers(Array.from({ length: N }, (_, i) => 1 + (i % T)))), false, true],
  ],
  'training.carry_state': [[sets(TEXT, { 'training.shuffle': false }), false, true]],
  'training.log_every': [[CLASSES, 1, 2]],
  repeat: [[CLASSES, 2, 3]],
  'training.gradient_clip_norm': [[CLASSES, 0.1, 0.2]],
  'training.max_skipped_batches': [[CLASSES, 0, 1]],
  'training.metrics': [[CLASSES, ['accuracy'], ['accuracy', 'top_3_accuracy']]],
  'training.freeze': [[CLASSES, undefined, ['fc.*']]],
  'training.average.kind': [[CLASSES, undefined, 'ema', { 'training.average.decay': 0.5 }]],
  'training.average.decay': [[set(CLASSES, 'training.average.kind', 'ema'), 0.5, 0.9]],
  'training.eval_batch_size': [[CLASSES, 1, 5]],
  'training.evaluate_every.steps': [
    [DIVERGING, 1, undefined],
    [set(DIVERGING, 'checkpoint.final', 'best'), 1, undefined],
    [plateau, 1, undefined],
    [stopping, 1, undefined],
    [set(stopping, 'training.num_epochs', 2), 1, 2],
  ],
  'training.early_stopping.metric': [
    [
      sets(stopping, {
        ...SLOW,
        'training.early_stopping': { patience: 1, min_delta: 0 },
        'checkpoint.final': 'last',
      }),
      'test.loss',
      'test.accuracy',
    ],
  ],
  'training.early_stopping.patience': [[stopping, 1, 2]],
  'training.early_stopping.min_delta': [
    [sets(stopping, { ...SLOW, 'training.early_stopping.metric': 'test.loss' }), 0, 10],
  ],

  'checkpoint.every': [[CLASSES, 'epoch', { steps: 2 }]],
  'checkpoint.every.steps': [
    [CLASSES, 1, 3],
    [stopping, 1, 3],
  ],
  'checkpoint.every.seconds': [[CLASSES, 1, 100]],
  'checkpoint.keep.last': [
    [CLASSES, 3, 20],
    [stopping, 1, 20],
  ],
  'checkpoint.keep.best': [
    [CLASSES, 0, 2],
    [stopping, 1, 2],
  ],
  'checkpoint.metric': [
    [CLASSES, 'test.loss', 'test.accuracy'],
    [set(DIVERGING, 'checkpoint.final', 'best'), 'test.loss', 'train.loss'],
  ],
  'checkpoint.final': [
    [stopping, 'best', 'last'],
    [DIVERGING, 'best', 'last'],
  ],
  calibrate: [[VALIDATED, undefined, true]],
  'threshold.for': [[TWO, 'f1', 'cost', { 'threshold.costs': COSTS }]],
  'threshold.precision': [[set(TWO, 'threshold', { for: 'recall' }), 0.1, 0.9]],
  'threshold.recall': [[set(TWO, 'threshold', { for: 'precision' }), 0.1, 1]],
  'threshold.costs': [[set(TWO, 'threshold', { for: 'cost' }), COSTS, COSTS.toReversed()]],
  'intervals.coverage': [[VALIDATED, 0.3, 0.7]],
  'intervals.adapt': [
    [sets(FORECAST, { 'dataset.validation': { fraction: 0.3 }, 'intervals.coverage': 0.5 }), 0.1, 0.9],
  ],
  'intervals.method': [
    [
      sets(VALUES, {
        'dataset.validation': { count: 5 },
        loss: { kind: 'quantile' },
        'intervals.coverage': 0.5,
      }),
      'split',
      'quantile',
    ],
  ],
  'gates.0.metric': [[gated, 'test.loss', 'test.accuracy']],
  'gates.0.over': [[gated, 'last', 'best']],
  'gates.0.min': [[gated, undefined, 0]],
  'gates.0.max': [[gated, 100, 200]],
};

/** Keys with one valid value. */
const FIXED = ['version', 'checkpoint.mode'];
/** Keys of gates that compare with a baseline or another run, after training. */
const OF_BASELINES = ['gates.baseline', 'gates.max_drop', 'gates.max_regress', 'gates.beats', 'gates.by'];

/** Keys that may leave weights and metrics as they are. */
const RARE = [
  // the accuracy of few predictions
  /^threshold\./,
  // the split that selects checkpoints
  /^dataset\.validation_arrays$/,
  // names of sequences
  /^dataset\.id/,
  // one value refuses the data for which they differ
  /^loss\.on_impossible$/,
  // only checked
  /^dataset\.groups_/,
  // the same data in another form
  /^dataset\.(kind|delimiter)$/,
  // batches whose loss is not finite
  /^training\.max_skipped_batches$/,
];

interface Outcome {
  readonly directory: string;
  /** The weights after each step, as far as they were saved. */
  readonly weights: ReadonlyMap<number, string>;
  readonly steps: number;
  /** The step whose weights the run ends with. */
  readonly kept: number;
  readonly metrics: ReadonlyMap<string, unknown>;
  /** The best test loss of all evaluations, which a gate over the best value judges. */
  readonly best: number | undefined;
  readonly bestCheckpoint: string;
}

const trained = new Map<string, Promise<Outcome>>();

function outcomeOf(config: Values): Promise<Outcome> {
  const text = JSON.stringify(config);
  const known = trained.get(text) ?? train(work, config).then(({ summary }) => outcome(summary));
  trained.set(text, known);
  return known;
}

function outcome(summary: Awaited<ReturnType<typeof train>>['summary']): Outcome {
  const { directory, steps, restored, metrics, best, checkpoints } = summary;
  const saved = listCheckpoints(join(directory, 'checkpoints'));
  return {
    directory,
    weights: new Map(saved.map(({ path, step }) => [step, weightsDigest(path)])),
    steps,
    kept: restored?.step ?? steps,
    metrics: new Map(flatValues(metrics)),
    best: reviewedRun(directory).best('test.loss'),
    bestCheckpoint: `${best?.metric} ${best?.step} ${checkpoints.best}`,
  };
}

function weightsDigest(path: string): string {
  const hash = createHash('sha256');
  for (const [name, { data }] of readSafetensors(path).tensors)
    if (!/^(optimizer|carried)\./.test(name)) hash.update(`${name} ${[...data]}`);
  return hash.digest('hex');
}

async function holds(t: Test, key: string, [config, a, b, more = {}]: Pair): Promise<void> {
  const saved = key.startsWith('checkpoint.')
    ? config
    : sets(config, { checkpoint: { every: { steps: 1 }, keep: { last: 50 } } });
  const configs = [set(saved, key, a), sets(set(saved, key, b), more)];
  const loaded = configs.map(one => loadExperiment(work.config(one)));
  const [one, two] = [await outcomeOf(configs[0]), await outcomeOf(configs[1])];

  const otherWeights = [...one.weights].some(
    ([step, digest]) => (two.weights.get(step) ?? digest) !== digest,
  );
  const otherEnd = one.steps !== two.steps || one.kept !== two.kept;
  const otherMetrics = [...one.metrics].some(
    ([name, value]) => two.metrics.has(name) && two.metrics.get(name) !== value,
  );

  const { comparison } = comparisonOf(
    [one, two].map(({ directory }) => ({ argument: directory, runs: [Run.read(directory)] })),
  );
  const differing = comparison.config.filter(({ differs }) => differs);
  const plain = (path: string) => path.replace(/\.\d+/g, '');
  t.ok(
    differing.some(found => plain(found.key).startsWith(plain(key))),
    'the key differs',
  );
  const effects = differing.flatMap(({ changes }) => changes);
  const isSafe = differing.every(found => {
    const [from, to] = loaded.map(({ experiment }) => new Map(flatValues(experiment)).get(found.key) ?? null);
    return (
      onResume(found.key, { from, to }, loaded[1].experiment) === 'safe' &&
      onResume(found.key, { from: to, to: from }, loaded[0].experiment) === 'safe'
    );
  });
  const changesSteps = effects.some(effect => !['length', 'evaluations', 'selection'].includes(effect));
  const changesResults = effects.some(effect => effect !== 'selection');

  t.equal(loaded[0].hash !== loaded[1].hash, changesResults, 'the hash has what changes results');
  if (otherWeights) {
    t.ok(changesSteps, 'other weights: more than the length changes');
    t.not(loaded[0].stepHash, loaded[1].stepHash, 'other weights: another hash of the steps');
    t.notOk(isSafe, 'other weights: resume asks');
  }
  const otherBest = one.best !== two.best;
  const otherCheckpoint = one.bestCheckpoint !== two.bestCheckpoint;
  if (otherEnd || otherMetrics || otherBest)
    t.ok(changesResults, 'another end or value: the key changes results');
  if (otherCheckpoint) t.ok(effects.length > 0, 'another best checkpoint: the key has effects');
  if (effects.length > 0 && !RARE.some(rare => rare.test(key)))
    t.ok(
      otherWeights || otherEnd || otherMetrics || otherBest || otherCheckpoint,
      'effects: something differs',
    );
}

t.test('every key of the schema is drawn', async t => {
  const leaf = (schema: Schema): boolean =>
    schema.oneOf?.some(leaf) ?? (schema.items ? leaf(schema.items) : schema.properties === undefined);
  const drawn = new Set(Object.keys(PAIRS).map(key => key.replace(/\.\d+/g, '')));
  const keys = allKeys().filter(({ path, schema }) => leaf(schema) && path[0] !== 'extends');
  const left = new Set(keys.map(({ path }) => path.join('.').replace('model.layers.', 'model.')));
  const isDrawn = (key: string) => [drawn, new Set(FIXED), new Set(OF_BASELINES)].some(set => set.has(key));
  t.same(
    [...left].filter(key => !isDrawn(key)),
    [],
  );
});

for (const [key, pairs] of Object.entries(PAIRS))
  t.test(key, async t => {
    for (const pair of pairs) await holds(t, key, pair);
  });
