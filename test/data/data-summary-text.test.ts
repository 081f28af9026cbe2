/** `data` as text: tables, bars and sparklines of data small enough to draw by hand. */
import t from 'tap';
import { summaryText } from '../../src/cli/verbs/data.js';
import { callInProcess } from '../support/in-process.js';
import { config as smallConfig } from '../support/prediction-cases.js';
import { work } from '../support/work.js';

const config = (dataset: object, loss = 'cross_entropy', model: object = {}) =>
  work.config(smallConfig(dataset, { kind: loss }, model, { batch_size: 1 }));

/** One group of rows `name,value,label` for each series. */
const groups = (series: Readonly<Record<string, readonly [label: string, ...values: number[]]>>) => {
  const rows = Object.entries(series).flatMap(([name, [label, ...values]]) =>
    values.map(value => `${name},${value},${label}\n`),
  );
  return `g,a,y\n${rows.join('')}`;
};

const table = (train: string, more: object = {}) =>
  config({
    kind: 'csv',
    path: work.file('train.csv', train),
    test_path: work.file('test.csv', groups({ w: ['down', 5] })),
    features: ['a'],
    target: 'y',
    target_kind: 'class',
    sequence: { group: 'g' },
    ...more,
  });

const records = (train: readonly object[], test: readonly object[], target_kind: 'class' | 'value') => {
  const lines = (of: readonly object[]) => of.map(record => `${JSON.stringify(record)}\n`).join('');
  const dataset = {
    kind: 'jsonl',
    path: work.file('train.jsonl', lines(train)),
    test_path: work.file('test.jsonl', lines(test)),
    input: 'x',
    input_kind: 'number',
    target: 'y',
    target_kind,
    per_step: true,
  };
  return config(dataset, target_kind === 'class' ? 'cross_entropy' : 'mse', { head: { from: 'every' } });
};

/** What a terminal in a locale of UTF-8 shows. */
async function shown(path: string): Promise<string> {
  const place = { ...work.place, env: { ...work.place.env, LANG: 'C.UTF-8' } };
  return (await callInProcess(['data', path], place)).stdout;
}

const SERIES = groups({
  ramp: ['up', 0, 1, 2, 3, 4, 5, 6, 7],
  p: ['up', 1],
  q: ['up', 1],
  wave: ['up', 0, 8, 4, 2],
  r: ['up', 1],
  s: ['down', 1],
  fall: ['down', 2, 0],
});

t.test('lengths, class balance, ranges, and three sequences', async t => {
  const path = table(SERIES, { normalize: 'min_max' });
  // 18 steps in 7 sequences; values: sum 48, sum of squares 232
  t.equal(
    await shown(path),
    `csv: sequences of up to 8 steps; each step is 1 feature

  split  sequences  steps  shortest   mean  longest
  train          7     18         1  2.571        8
  test           1      1         1      1        1

lengths (train)
  1  4  ██████████████████████████████
  2  1  ████████
  3  0
  4  1  ████████
  5  0
  6  0
  7  0
  8  1  ████████

  class (sequences)  train          test
  down                   2  28.6 %     1  100.0 %  ████████████
  up                     5  71.4 %     0    0.0 %  ██████████████████████████████

features (train)
  name  min   mean  max  deviation    scaled to
  a       0  2.667    8      2.404  (x - 0) / 8

ramp: 8 steps -> up
  a  ▁▂▃▄▅▆▇█  0 to 7

wave: 4 steps -> up
  a  ▁█▅▃  0 to 8

fall: 2 steps -> down
  a  █▁  0 to 2
`,
  );
  // without a locale of UTF-8
  const { stdout } = await work.cellrun('data', path);
  t.match(stdout, `\n  1  4  ${'#'.repeat(30)}\n  2  1  ${'#'.repeat(8)}\n  3  0\n`);
  t.match(stdout, `28.6 %     1  100.0 %  ${'#'.repeat(12)}\n`);
  t.match(stdout, '\n  a  _.-=+*#@  0 to 7\n');
  t.match(stdout, '\n  a  _@+-  0 to 8\n');
});

t.test('steps without a class', async t => {
  const train = [
    { x: [1, 2], y: ['a', null] },
    { x: [3, 4], y: ['b', 'b'] },
    { x: [5, 6], y: ['b', null] },
  ];
  const partly = await shown(records(train, [{ x: [1, 2], y: ['a', null] }], 'class'));
  t.notMatch(partly, 'lengths', 'all are equal');
  t.match(
    partly,
    `
  class (steps)  train          test
  a                  1  25.0 %     1  100.0 %  ██████████
  b                  3  75.0 %     0    0.0 %  ██████████████████████████████
  train: 2 steps without a target
  test: 1 step without a target
`,
  );
  t.match(partly, '\nline 1: 2 steps\n  x  ▁█  1 to 2\n');
  const without = await shown(records(train, [{ x: [1, 2], y: [-100, -100] }], 'class'));
  t.match(without, '\n  a                  1  25.0 %     0  -  ██████████\n');
});

t.test('names and symbols that could drive a terminal', async t => {
  const hostile = ['\u001b[2J', '\u009b', '\u202e', '\u2066', '\r', '\u0007'];
  const name = (what: string) => `${what}${hostile.join('')}`;
  const lengths = { min: 1, max: 1, mean: 1, histogram: [{ from: 1, to: 1, count: 1 }] };
  const column = { name: name('column'), min: 0, mean: 0, max: 0, deviation: 0 };
  const series_scaling = {
    method: 'standard',
    series: [{ name: name('series'), offset: 0, scale: 1 }],
  };
  const classes = [{ label: name('label'), count: 1 }];
  const largest = {
    series: name('gap'),
    missing: 1,
    after: name('after'),
    before: name('before'),
    step: '1',
  };
  const split = { sequences: 1, steps: 1, lengths, unknown_share: 0 };
  const histogram = lengths.histogram;
  const values = { kind: 'value' as const, per_step: false, columns: [{ ...column, histogram }], missing: 0 };
  const kinds = [{ kind: 'class' as const, per_step: false, classes, missing: 0 }, values];
  for (const targets of kinds) {
    const text = summaryText(
      'csv',
      {
        input: { kind: 'number', size: 1 },
        sequence_length: 1,
        splits: { train: { ...split, targets } },
        features: [{ ...column, series_scaling }],
        vocabulary: { level: 'character', size: 1, most_frequent: [{ symbol: name('symbol'), count: 1 }] },
        series: [name('series')],
        gaps: { count: 1, missing: 1, largest },
        examples: [
          { id: name('id'), steps: 1, values: [{ name: name('values'), values: [1] }] },
          { id: name('id'), steps: 1, symbols: ['one\n', name('two')], target: [name('target')] },
        ],
      },
      true,
    );
    t.notMatch(text, /(?!\n)\p{Cc}|[\u202a-\u202e\u2066-\u2069]/u, targets.kind);
    t.match(text, '\n  one\\ntwo\ufffd[2J', 'ends of lines are shown');
    t.match(text, 'series: 1 (series\ufffd[2J');
  }
});

t.test('symbols of targets are quoted, and an empty target is told', t => {
  const lengths = { min: 0, mean: 1, max: 2, histogram: [{ from: 0, to: 2, count: 2 }] };
  const classes = [' ', '\n'].map(label => ({ label, count: 1 }));
  const targets = { kind: 'sequence' as const, per_step: false as const, classes, lengths, missing: 0 };
  const text = summaryText(
    'jsonl',
    {
      input: { kind: 'symbol', count: 1 },
      sequence_length: 1,
      splits: { train: { sequences: 2, steps: 2, lengths, targets } },
      features: [],
      examples: [
        { steps: 1, symbols: ['a'], target: [' ', '\n'] },
        { steps: 1, symbols: ['a'], target: [] },
      ],
    },
    true,
  );
  t.match(text, /^ {2}" " +1 /m);
  t.match(text, /^ {2}"\\n" +1 /m);
  t.match(text, 'example: 1 step -> " ", "\\n"\n');
  t.match(text, 'example: 1 step -> no symbols\n');
  t.end();
});
