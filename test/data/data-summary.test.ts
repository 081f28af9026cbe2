/** `data`: figures of data small enough to count by hand. */
import t from 'tap';
import { Workplace } from '../support/cli.js';

const work = new Workplace();
t.teardown(() => work.remove());

const model = { cell: 'rnn', hidden_size: 2 };
const common = { version: 1, name: 'look', training: { num_epochs: 1, batch_size: 1 } };

/** Groups of 1, 2 and 4 rows; the last two train if the first tests. */
const ROWS = 'g,a,y\nx,1,up\ny,2,up\ny,4,up\nz,0,down\nz,6,down\nz,3,down\nz,3,down\n';
const TEST = 'g,a,y\nw,5,down\n';

const table = (rows: string, more: object = {}) => ({
  ...common,
  dataset: {
    kind: 'csv',
    path: work.file('train.csv', rows),
    test_path: work.file('test.csv', TEST),
    features: ['a'],
    target: 'y',
    target_kind: 'class',
    sequence: { group: 'g' },
    ...more,
  },
  model,
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
});

t.test('lengths, classes, features and their scaling', async t => {
  const config = work.config(table(ROWS, { normalize: 'min_max' }));
  const { code, stdout } = await work.cellrun('data', config, '--json');
  t.equal(code, 0);
  const { splits, features, examples, valid } = JSON.parse(stdout);
  t.equal(valid, true);
  t.match(splits.train, { sequences: 3, steps: 7, lengths: { min: 1, max: 4, mean: 7 / 3 } });
  t.strictSame(
    splits.train.lengths.histogram.map(({ from, count }: { from: number; count: number }) => [from, count]),
    [
      [1, 1],
      [2, 1],
      [3, 0],
      [4, 1],
    ],
  );
  t.strictSame(splits.train.targets, {
    kind: 'class',
    per_step: false,
    classes: [
      { label: 'down', count: 1 },
      { label: 'up', count: 2 },
    ],
    missing: 0,
  });
  t.strictSame(splits.test.targets.classes, [
    { label: 'down', count: 1 },
    { label: 'up', count: 0 },
  ]);
  const mean = (1 + 2 + 4 + 0 + 6 + 3 + 3) / 7;
  t.match(features[0], { name: 'a', min: 0, max: 6, scaling: { method: 'min_max', offset: 0, scale: 6 } });
  t.ok(Math.abs(features[0].mean - mean) < 1e-12);
  t.strictSame(
    examples.map(({ id, target }: { id: string; target: string[] }) => [id, ...target]),
    [
      ['x', 'up'],
      ['y', 'up'],
      ['z', 'down'],
    ],
  );
  t.strictSame(
    examples[2].values[0].values.map((value: number) => Math.round(value * 1e6) / 1e6),
    [0, 6, 3, 3],
    'in the units of the data',
  );
});

t.test('as text', async t => {
  const { code, stdout } = await work.cellrun('data', work.config(table(ROWS, { normalize: 'standard' })));
  t.equal(code, 0);
  t.match(stdout, /train +3 +7 +1 +2\.333 +4\n/);
  t.match(stdout, /class \(sequences\) +train +test\n +down +1 +33\.3 % +1 +100\.0 %/);
  t.match(stdout, /\n +a +0 +2\.714 +6 +1\.829 +\(x - 2\.714\) \/ 1\.829\n/);
  t.match(stdout, 'z: 4 steps -> down\n');
});

t.test('values: their distribution, and those that are missing', async t => {
  const lines = [
    { x: [1, 2], y: [0, null] },
    { x: [1], y: [10] },
  ].map(line => JSON.stringify(line));
  const { code, stdout } = await work.cellrun(
    'data',
    work.config({
      ...common,
      dataset: {
        kind: 'jsonl',
        path: work.file('train.jsonl', lines.join('\n')),
        test_path: work.file('test.jsonl', '{"x":[1],"y":[1]}'),
        input: 'x',
        input_kind: 'number',
        target: 'y',
        target_kind: 'value',
        per_step: true,
      },
      model: { ...model, head: { from: 'every' } },
      loss: { kind: 'mse' },
      optimizer: { kind: 'adam', learning_rate: 0.01 },
    }),
    '--json',
  );
  t.equal(code, 0);
  const { targets } = JSON.parse(stdout).splits.train;
  t.match(targets, { kind: 'value', per_step: true, missing: 1, columns: [{ min: 0, mean: 5, max: 10 }] });
  const { histogram } = targets.columns[0];
  t.equal(histogram.length, 10);
  t.strictSame([histogram[0].count, histogram[9].count], [1, 1], 'the upper bound belongs to the last range');
});

t.test('text: vocabulary, unknown symbols and an example as text', async t => {
  const config = work.config({
    ...common,
    dataset: {
      kind: 'text',
      path: work.file('train.txt', 'abab\u0007abc'),
      test_path: work.file('test.txt', 'abz'),
      level: 'character',
      sequence_length: 4,
      min_count: 2,
    },
    model: { ...model, embedding: { size: 2 }, head: { from: 'every' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
  });
  const { stdout } = await work.cellrun('data', config, '--json');
  const { vocabulary, splits } = JSON.parse(stdout);
  t.equal(vocabulary.size, 3, 'a, b and the symbol of unknown ones');
  t.equal(splits.train.unknown_share, 2 / 8);
  t.equal(splits.test.unknown_share, 1 / 3);
  const text = await work.cellrun('data', config);
  t.match(text.stdout, 'vocabulary: 3 symbols (character)\n');
  t.notMatch(text.stdout, '\u0007', 'nothing that controls a terminal');
});

t.test('damaged data', async t => {
  const config = work.config(table(`${ROWS}z,,down\n`));
  const { code, stderr } = await work.cellrun('data', config);
  t.equal(code, 5);
  t.match(stderr, /train\.csv:9:3: the cell is empty/);
  const json = await work.cellrun('data', config, '--json');
  t.equal(json.code, 5);
  t.match(JSON.parse(json.stdout), {
    valid: false,
    diagnostics: [{ code: 'data/csv-missing-value', line: 9 }],
  });
});

t.test('a config that does not fit, and a split that leaks', async t => {
  const misfit = await work.cellrun('data', work.config({ ...table(ROWS), loss: { kind: 'mse' } }), '--json');
  t.equal(misfit.code, 2);
  const rows = 'a,y\n1,up\n2,down\n5,down\n';
  const leak = await work.cellrun(
    'data',
    work.config(
      table(rows, { sequence: undefined, test_path: work.file('same.csv', 'a,y\n5,down\n7,up\n') }),
    ),
  );
  t.equal(leak.code, 0);
  t.match(leak.stderr, 'warning: 1 sequence of the test split is also in the training split');
});

t.test('targets of a forecast per step, in the units of each series', async t => {
  const series = (name: string, values: readonly number[]) =>
    values.map((value, day) => `${name},2024-01-${String(day + 1).padStart(2, '0')},${value}\n`).join('');
  const path = work.file(
    'series.csv',
    `s,day,v\n${series('low', [1, 2, 3, 4, 5, 6, 7, 8, 9])}${series('high', [500, 510, 520, 530, 540, 550, 560, 570, 580])}`,
  );
  const dataset = {
    kind: 'forecast',
    path,
    target: 'v',
    series: 's',
    time: 'day',
    input_steps: 2,
    horizon: 2,
    normalize: 'standard',
    relative_to: 'last_value',
    per_step: true,
    test_fraction: 0.25,
  };
  const config = work.config({
    ...common,
    dataset,
    model: { ...model, head: { from: 'every' } },
    loss: { kind: 'mse' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
  });
  const { code, stdout } = await work.cellrun('data', config, '--json');
  t.equal(code, 0, stdout);
  const { columns } = JSON.parse(stdout).splits.test.targets;
  // the windows of the test split forecast the last two days
  t.match(columns, [{ min: 8, max: 580, mean: (8 + 9 + 570 + 580) / 4 }]);
});
