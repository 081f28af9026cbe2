/** `data`: figures of data small enough to count by hand. */
import t from 'tap';
import { timeGaps } from '../../src/data/forecast/gaps.js';
import { floats, integers, npz } from '../support/cli.js';
import { work } from '../support/work.js';

const model = { cell: 'rnn', hidden_size: 2 };
const common = { training: { num_epochs: 1, batch_size: 1 }, model };
const perStep = { ...model, head: { from: 'every' } };

/** What `data --json` prints. */
const summaryOf = async (config: string, ...flags: string[]) =>
  JSON.parse((await work.cellrun('data', config, '--json', ...flags)).stdout);

const text = (train: string, test: string, more: object = {}) =>
  work.config({
    ...common,
    dataset: {
      ...{ kind: 'text', path: work.file('train.txt', train), test_path: work.file('test.txt', test) },
      ...{ level: 'character', sequence_length: 4, ...more },
    },
    model: { ...perStep, embedding: { size: 2 } },
  });

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

t.test('values: their distribution, and those that are missing', async t => {
  const lines = [
    { x: [1, 2], y: [0, null] },
    { x: [1], y: [10] },
  ].map(line => JSON.stringify(line));
  const dataset = {
    ...{ kind: 'jsonl', input: 'x', input_kind: 'number', target: 'y', target_kind: 'value', per_step: true },
    path: work.file('train.jsonl', lines.join('\n')),
    test_path: work.file('test.jsonl', '{"x":[1],"y":[1]}'),
  };
  const config = work.config({ ...common, dataset, model: perStep, loss: { kind: 'mse' } });
  const { targets } = (await summaryOf(config)).splits.train;
  t.match(targets, { kind: 'value', per_step: true, missing: 1, columns: [{ min: 0, mean: 5, max: 10 }] });
  const { histogram } = targets.columns[0];
  t.equal(histogram.length, 10);
  t.strictSame([histogram[0].count, histogram[9].count], [1, 1], 'the upper bound belongs to the last range');
});

t.test('text: vocabulary, unknown symbols and an example as text', async t => {
  const config = text('abab\u0007abc', 'abz', { min_count: 2 });
  const { vocabulary, splits } = await summaryOf(config);
  t.equal(vocabulary.size, 3, 'a, b and the symbol of unknown ones');
  t.equal(splits.train.unknown_share, 2 / 8);
  t.equal(splits.test.unknown_share, 1 / 3);
  const { stdout } = await work.cellrun('data', config);
  t.match(stdout, 'vocabulary: 3 symbols (character)\n');
  t.notMatch(stdout, '\u0007', 'nothing that controls a terminal');
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

/** Rows `name,day,value` of one series. */
const daily = (name: string, days: readonly number[], valueAt: (day: number) => number | ''): string =>
  days
    .map(
      day => `${name},${new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10)},${valueAt(day)}\n`,
    )
    .join('');

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

const forecastOf = (rows: string, more: object = {}, training: object = {}) => ({
  ...common,
  dataset: {
    kind: 'forecast',
    path: work.file(`series-${rows.length}.csv`, `s,day,v\n${rows}`),
    target: 'v',
    series: 's',
    time: 'day',
    input_steps: 2,
    horizon: 1,
    normalize: 'standard',
    test_fraction: 0.25,
    ...more,
  },
  loss: { kind: 'mse' },
  training: { ...common.training, ...training },
});

t.test('targets of a forecast per step, in the units of each series', async t => {
  const rows = `${daily('low', upTo(9), day => day + 1)}${daily('high', upTo(9), day => 500 + 10 * day)}`;
  const windows = { horizon: 2, relative_to: 'last_value', per_step: true };
  const config = work.config({ ...forecastOf(rows, windows), model: perStep });
  const { columns } = (await summaryOf(config)).splits.test.targets;
  // the windows of the test split forecast the last two days
  t.match(columns, [{ min: 8, max: 580, mean: (8 + 9 + 570 + 580) / 4 }]);
});

t.test('windows of a forecast with missing targets', async t => {
  // training: the windows from day 2 to 12 lack a value if they begin on day 6, 7, 8 or 12;
  // those from day 13 and 14 reach into the test split, which has the windows from day 15 to 17
  const rows = daily('one', upTo(20), day => (day === 8 || day === 14 ? '' : day));
  const whole = work.config(forecastOf(rows, { horizon: 3, missing: { fill: 'forward' } }));
  const { warnings } = await summaryOf(whole);
  t.match(warnings, [{ code: 'data/left-out-windows', message: /^4 of 14 windows are left out/ }]);
  const perStepConfig = { horizon: 3, missing: { fill: 'forward' }, per_step: true };
  const steps = await summaryOf(work.config({ ...forecastOf(rows, perStepConfig), model: perStep }));
  t.same(steps.warnings, []);
});

t.test('sequences that are left out', async t => {
  const rows = [
    ['ab', 'x'],
    ['ab', null],
    ['abc', 'xx'],
    ['ab', 'xx'],
    ['a', null],
    ['ab', 'x y'],
  ];
  const records = rows.map(([word, sound]) => `${JSON.stringify({ word, sound })}\n`).join('');
  const dataset = {
    ...{
      kind: 'jsonl',
      path: work.file('words.jsonl', records),
      test_path: work.file('held.jsonl', records),
    },
    ...{ input: 'word', input_kind: 'text', level: 'character' },
    ...{ target: 'sound', target_kind: 'sequence', target_level: 'character' },
  };
  const loss = { kind: 'ctc', on_impossible: 'skip' };
  const config = work.config({ ...common, dataset, loss, model: { ...perStep, embedding: { size: 2 } } });
  const { warnings } = await summaryOf(config);
  // `xx` needs 3 steps; each file has the same sequences
  t.match(warnings, [
    { code: 'data/left-out', message: 'left out: 4 sequences without a target: "line 2" and 3 more' },
    { message: 'left out: 4 sequences with too few steps for the target: "line 4" and 3 more' },
  ]);
  const table = 'word,sound\nab,x\nb,\n';
  const csv = { ...dataset, kind: 'csv', input: undefined, features: ['word'] };
  const files = {
    path: work.file('words.csv', table),
    test_path: work.file('held.csv', 'word,sound\nab,x\n'),
  };
  const decoder = { hidden_size: 2, embedding_size: 2, attention: 'none' };
  const written = { model: { ...model, embedding: { size: 2 }, decoder }, dataset: { ...csv, ...files } };
  const ofTable = await summaryOf(work.config({ ...common, ...written }));
  t.match(ofTable.warnings, [{ message: 'left out: 1 sequence without a target: "line 3"' }]);
});

t.test('symbols of targets in arrays are numbered from 0, as classes are', async t => {
  const decoder = { hidden_size: 2, embedding_size: 2, attention: 'none' };
  const checked = (y: number[], y_test: number[], num_classes?: number) => {
    const arrays = { x: floats([2, 2, 1], i => i / 4), x_test: floats([2, 2, 1], i => i / 4 - 1.1) };
    const targets = { y: integers([2, 2], y), y_test: integers([2, 2], y_test) };
    const dataset = { kind: 'npz', path: work.file('pairs.npz', npz({ ...arrays, ...targets })) };
    const written = { ...dataset, target_kind: 'sequence' };
    return work.cellrun(
      'validate',
      work.config({ ...common, dataset: written, model: { ...model, decoder, num_classes } }),
    );
  };
  for (const [y, y_test, told] of [
    [[0, 900, 1, -100], [0, 1, 1, 0], /y\[0, 1\] is 900, but 898 of the classes 0 to 900 have no training/],
    [
      [0, 1, 1, -100],
      [0, 1, 1_000_000, 0],
      /y_test\[1, 0\] is 1000000, which is not a class of the training/,
    ],
  ] as const) {
    const { code, stderr } = await checked([...y], [...y_test]);
    t.equal(code, 5);
    t.match(stderr, told);
  }
  const intended = await checked([0, 900, 1, -100], [0, 1, 1, 0], 901);
  t.same([intended.code, intended.stderr], [0, '']);
  const one = await checked([0, 0, 0, -100], [0, 0, 0, -100]);
  t.same([one.code, one.stderr], [0, ''], 'sequences of one symbol differ in length');
});

t.test('steps that are missing in a forecast', async t => {
  // lacks the 9 days from 2024-01-11 to 2024-01-19, and one day
  const days = upTo(40).filter(day => (day < 10 || day > 18) && day !== 25);
  const rows = `${daily('whole', upTo(40), day => day)}${daily('cut', days, day => day)}`;
  const config = work.config(forecastOf(rows));
  const json = await work.cellrun('data', config, '--json');
  t.equal(json.code, 0, json.stdout);
  const { gaps, warnings } = JSON.parse(json.stdout);
  const largest = {
    series: 'cut',
    missing: 9,
    after: '2024-01-10',
    before: '2024-01-20',
    step: '1 day',
    every: '1d',
  };
  t.strictSame(gaps, { count: 2, missing: 10, largest });
  t.match(warnings, [
    { code: 'data/time-gaps', line: Number, expected: /or `resample: \{ every: 1d, by: mean \}`/ },
  ]);
  const text = await work.cellrun('data', config);
  t.match(
    text.stdout,
    'gaps: 2 (10 missing steps); the largest: 9 steps of 1 day, from 2024-01-10 to 2024-01-20 in cut\n',
  );
  t.match(
    text.stderr,
    'warning: 10 steps are missing, in 2 gaps; the largest lacks 9 between 2024-01-10 and 2024-01-20 in series "cut"',
  );
  const { stderr } = await work.cellrun(config, '--set', 'training.max_steps=1');
  t.match(stderr, 'warning: 10 steps are missing, in 2 gaps', 'training warns, too');
});

t.test('input steps of a forecast lack no targets', async t => {
  const rows = daily('a', upTo(40), day => day);
  const config = work.config({ ...forecastOf(rows, { per_step: true }), model: perStep });
  t.equal((await summaryOf(config)).splits.train.targets.missing, 0);
});

t.test('what is a gap', async t => {
  const found = (cells: readonly string[]): string => {
    const isNumeric = !cells[0].includes('-');
    const keys = Float64Array.from(cells, cell => (isNumeric ? Number(cell) : Date.parse(cell)));
    const gaps = timeGaps([{ name: '', rows: [...cells.keys()] }], { keys, order: cells });
    return gaps ? `${gaps.missing} of ${gaps.largest.step}` : 'none';
  };
  const dates = (count: number, at: (i: number) => number): string[] =>
    upTo(count).map(i => new Date(at(i)).toISOString().slice(0, 10));
  const firsts = dates(30, i => Date.UTC(2023, i, 1));
  const lasts = dates(30, i => Date.UTC(2023, i + 1, 0));
  const workdays = dates(60, i => Date.UTC(2024, 0, 1 + i)).filter(day => new Date(day).getUTCDay() % 6 > 0);
  t.equal(found(firsts), 'none', 'months have 28 to 31 days');
  t.equal(found(lasts), 'none', 'the last days of months');
  t.equal(found(firsts.toSpliced(5, 3)), '3 of 1 month');
  const months = firsts.map(day => day.slice(0, 'YYYY-MM'.length));
  t.equal(found(months), 'none');
  t.equal(found(months.toSpliced(5, 3)), '3 of 1 month');
  t.equal(found(firsts.filter((_, i) => i % 3 === 0)), 'none', 'quarters');
  t.equal(found(firsts.filter((_, i) => i % 3 === 0).toSpliced(4, 1)), '1 of 3 months');
  t.equal(found(workdays), 'none', 'no weekends');
  t.equal(found(workdays.toSpliced(9, 2)), '2 of 1 workday', 'a Friday and a Monday');
  t.equal(found(dates(9, i => Date.UTC(2024, 0, 1 + 28 * i))), 'none', 'four weeks');
  t.equal(
    found(
      ['2024-03-29', '2024-03-30', '2024-03-31']
        .map(day => `${day}T00:00+01:00`)
        .concat('2024-04-01T00:00+02:00'),
    ),
    'none',
    'a day of 23 hours',
  );
  const tenths = upTo(30).map(i => String(i / 10));
  t.equal(found(tenths), 'none');
  t.equal(found(tenths.toSpliced(10, 4)), '4 of 0.1');
  t.equal(found(upTo(30).map(i => String(i ** 2))), 'none', 'irregular times have no usual step');
  t.equal(found(['1', '40']), 'none');
});

t.test('features of a forecast in the units of the file, with the scaling of each series', async t => {
  const high = (day: number): number => (day % 2 === 0 ? 90 : 110);
  const low = (day: number): number => (day % 2 === 0 ? 1 : 3);
  const days = upTo(16);
  // 12 days train; half of them have each value
  const two = work.config(forecastOf(`${daily('low', days, low)}${daily('high', days, high)}`));
  const { features, examples } = await summaryOf(two);
  t.match(features, [
    {
      name: 'v',
      min: 1,
      mean: (1 + 3 + 90 + 110) / 4,
      max: 110,
      series_scaling: {
        method: 'standard',
        series: [
          { name: 'low', offset: 2, scale: 1 },
          { name: 'high', offset: 100, scale: 10 },
        ],
      },
    },
  ]);
  t.strictSame(examples[0].values, [{ name: 'v', values: [1, 3] }]);
  t.strictSame(examples.at(-1).values, [{ name: 'v', values: [110, 90] }]);
  const text = await work.cellrun('data', two);
  t.match(text.stdout, / v +1 +51 +110 /);
  t.match(text.stdout, / v +1 +51 +110 .*\(x - 2\.\.100\) \/ 1\.\.10 by series\n/);
  const alone = daily('low', days, low);
  const one = await work.cellrun('data', work.config(forecastOf(alone)));
  t.match(one.stdout, / v +1 +2 +3 +1 +\(x - 2\) \/ 1\n/);
  const relative = await work.cellrun('data', work.config(forecastOf(alone, { relative_to: 'last_value' })));
  // its changes are 2 and -2, and there is one more of 2
  t.match(relative.stdout, / v +1 +2 +3 +1 +\(x - last value\) \/ 1\.99\d+\n/);
  const many = upTo(6).map(i =>
    daily(`s${i}`, days, day => (i === 5 ? 500 + 2 * low(day) : 100 * i + low(day))),
  );
  const ranges = await work.cellrun('data', work.config(forecastOf(many.join(''))));
  t.match(ranges.stdout, / v +1 +252\.3 +506 .*\(x - 2\.\.504\) \/ 1\.\.2 by series\n/);
});

t.test('MASE that cannot be computed', async t => {
  const rows = daily('a', upTo(16), day => day % 5);
  const config = work.config(forecastOf(rows, { season: 12 }, { metrics: ['mase'] }));
  const { code, stderr } = await work.cellrun('data', config);
  t.equal(code, 0);
  t.match(
    stderr,
    'mase cannot be computed on the test split: it needs a forecast with a season that is shorter',
  );
  const fits = await work.cellrun('data', config, '--set', 'dataset.season=11');
  t.notMatch(fits.stderr, 'mase');
  const out = work.folder();
  const run = await work.cellrun(config, '--output', out, '--json');
  t.match(run.stderr, 'warning: mase cannot be computed on the test split');
  const evaluated = await work.cellrun('evaluate', JSON.parse(run.stdout).directory);
  t.match(evaluated.stderr, 'warning: mase cannot be computed on the test split\n');
  const five = daily('a', upTo(16), () => 5);
  const constant = work.config(forecastOf(five, {}, { metrics: ['mase'] }));
  t.match((await work.cellrun('data', constant)).stderr, 'mase cannot be computed on the test split');
});

t.test('padding of a text is not part of it', async t => {
  // 8 symbols have 7 targets: sequences of 4 and 3 steps
  const { splits, vocabulary, examples } = await summaryOf(text('abcabcab', 'abc'));
  t.match(splits.train, { sequences: 2, steps: 7, lengths: { min: 3, max: 4 }, targets: { missing: 0 } });
  t.match(splits.test, { sequences: 1, steps: 2 });
  t.strictSame(
    vocabulary.most_frequent.find(({ symbol }: { symbol: string }) => symbol === '<unk>')?.count,
    0,
  );
  t.match(examples.at(-1), { steps: 3, symbols: ['b', 'c', 'a'] });
});

const records = (lines: readonly object[], more: object = {}) =>
  work.config({
    ...common,
    dataset: {
      kind: 'jsonl',
      path: work.file(`records-${lines.length}.jsonl`, lines.map(line => JSON.stringify(line)).join('\n')),
      input: 'x',
      input_kind: 'number',
      target: 'y',
      target_kind: 'class',
      test_fraction: 0.25,
      ...more,
    },
  });

t.test('records that are in two splits, by their lines', async t => {
  const lines = upTo(20).flatMap(i => [1, 1].map(() => ({ x: [i, 0.5], y: `${i % 2}` })));
  const { code, stderr } = await work.cellrun('data', records(lines));
  t.equal(code, 0);
  const [, of, among] =
    /of the test split are also in the training split, with the same target: line (\d+) equals line (\d+)/.exec(
      stderr,
    ) ?? [];
  // records 1 and 2 are equal, 3 and 4, …
  t.equal(Math.ceil(Number(of) / 2), Math.ceil(Number(among) / 2), stderr);
  t.not(of, among);
});

t.test('a class that training never sees', async t => {
  const lines = upTo(8).map(i => ({ x: [i], y: i === 7 ? 'only' : `${i % 2}` }));
  const config = records(lines, { validation: { count: 1, select: 'last' } });
  const json = await summaryOf(config);
  const { splits } = json;
  const count = (split: string) =>
    splits[split].targets.classes.find(({ label }: { label: string }) => label === 'only').count;
  const holder = ['validation', 'test'].find(split => count(split) === 1);
  t.equal(count('train'), 0);
  t.match(
    json.warnings.map(({ message }: { message: string }) => message),
    [`1 class of the ${holder} split never occurs in the training split: "only"`],
  );
});

t.test('large numbers that differ by little', async t => {
  const rows = (values: readonly number[]): string =>
    `a,y\n${values.map((v, i) => `${v},${i % 2 ? 'up' : 'down'}\n`).join('')}`;
  const shown = (values: readonly number[]) =>
    work.cellrun(
      'data',
      work.config(
        table(rows(values), {
          sequence: undefined,
          normalize: 'standard',
          test_path: work.file('large.csv', 'a,y\n7,up\n'),
        }),
      ),
    );
  // multiples of 64 are float32 numbers
  const { stdout } = await shown([1e9, 1e9 + 64]);
  t.match(stdout, / a +1000000000 +1000000032 +1000000064 +32 +\(x - 1000000032\) \/ 32\n/);
  const { stderr } = await shown([1e9, 1e9 + 3]);
  t.match(stderr, 'cannot distinguish nearby values of these columns: a (steps of 64 near 1000000000)');
  t.notMatch((await shown([1, 2])).stderr, 'float32');
});
