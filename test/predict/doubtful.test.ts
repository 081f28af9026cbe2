/** Warnings of `predict` and `evaluate` on inputs that say less than they seem to. */
import t from 'tap';
import { linesOf } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

/** Recordings of a label and values; null is a missing value. */
function table(recordings: Readonly<Record<string, readonly [string, ...(number | null)[]]>>): string {
  const rows = Object.entries(recordings).flatMap(([g, [label, ...values]]) =>
    values.map((value, i) => `${g},${i},${value ?? ''},${label}`),
  );
  return work.file('table.csv', `${['g,o,v,y', ...rows].join('\n')}\n`);
}

/** A model of recordings in which every `hole`-th value is missing. */
async function trained(hole: number): Promise<string> {
  let count = 0;
  const value = (label: number) => (++count % hole === 0 ? null : label + count / 100);
  const steps = [0, 1, 2, 3, 4];
  const recordings = Array.from({ length: 12 }, (_, i) => {
    return [`g${i}`, [`c${i % 2}`, ...steps.map(() => value(i % 2))]] as const;
  });
  const { summary } = await train(work, {
    model: { cell: 'gru', hidden_size: 3 },
    dataset: {
      ...{ kind: 'csv', path: table(Object.fromEntries(recordings)), features: ['v'] },
      ...{ target: 'y', target_kind: 'class', sequence: { group: 'g', order: 'o' } },
      ...{ missing: { fill: 'forward' }, test: { fraction: 0.25, select: 'last' } },
    },
    training: { num_epochs: 1, batch_size: 4 },
  });
  return summary.directory;
}

const HOLES = table({
  whole: ['c0', 1, 1, 1, 1],
  few: ['c0', 1, 1, null, 1, 1],
  many: ['c1', 1, null, 1, 1],
  most: ['c1', null, null, null, 1],
});

t.test('a large fraction of filled values is warned of', async t => {
  const run = await trained(10);
  const { code, stdout, stderr } = await work.cellrun('predict', run, '--input', HOLES);
  t.equal(code, 0, stderr);
  t.equal(linesOf(stdout).length, 4);
  const told = stderr.match(/warning: \d+ of the \d+ values/g);
  t.same(told, ['warning: 1 of the 4 values', 'warning: 3 of the 4 values']);
  t.match(
    stderr,
    /table\.csv:11:1: warning: 1 of the 4 values that the prediction reads are missing and filled/,
  );
  // 4 or 5 of the 45 training values
  t.match(stderr, /expected: about (8\.9|11\.1) %, as in the training split/);
  const evaluated = await work.cellrun('evaluate', run, '--input', HOLES);
  t.match(evaluated, {
    code: 0,
    stderr: /table\.csv:11:1: warning: 1 of the 4 values .* filled; likewise in 1 other sequence\n/,
  });
});

t.test('what is often missing in training is not', async t => {
  // a third of the training values
  const run = await trained(3);
  const { code, stderr } = await work.cellrun('predict', run, '--input', HOLES);
  t.equal(code, 0);
  t.same(stderr.match(/warning: \d+ of the \d+ values/g), ['warning: 3 of the 4 values']);
});

t.test('a forecast that reads across a gap, which resampling and filling hide', async t => {
  const hours = (missing: (hour: number) => boolean) =>
    Array.from({ length: 240 }, (_, i) => i)
      .filter(i => !missing(i))
      .map(i => `${new Date(Date.UTC(2024, 0, 1, i)).toISOString().slice(0, 16)},${50 + (i % 24)}`);
  const series = (missing: (hour: number) => boolean) =>
    work.file('hours.csv', `${['t,v', ...hours(missing)].join('\n')}\n`);
  const { summary } = await train(work, {
    ...{ model: { cell: 'gru', hidden_size: 3 }, loss: { kind: 'mse' } },
    dataset: {
      ...{
        kind: 'forecast',
        path: series(i => i === 40),
        target: 'v',
        time: 't',
        input_steps: 24,
        horizon: 2,
      },
      ...{ resample: { every: '1h' }, missing: { fill: 'forward' }, test_fraction: 0.2 },
    },
    training: { num_epochs: 1, batch_size: 32 },
  });
  t.match(await work.cellrun('predict', summary.directory), { code: 0, stderr: '' });
  const gap = series(i => i >= 220 && i < 230);
  t.match(await work.cellrun('predict', summary.directory, '--input', gap), {
    code: 0,
    stderr: /hours\.csv:\d+:1: warning: 10 of the 24 values that the prediction reads are missing and filled/,
  });
  // of the windows that end after the gap, since those with missing targets are left out
  t.match(await work.cellrun('evaluate', summary.directory, '--input', gap), {
    code: 0,
    stderr: /warning: 10 of the 24 values .* filled; likewise in 8 other sequences/,
  });
});

/** Recordings of a number, a static number and a label. */
function people(recordings: readonly (readonly [v: number, age: number | null, label?: number])[]): string {
  const rows = recordings.flatMap(([v, age, label = 0], g) =>
    [0, 1, 2].map(i => `g${g},${i},${v + i},${age ?? ''},c${label}`),
  );
  return work.file('people.csv', `${['g,o,v,age,y', ...rows].join('\n')}\n`);
}

t.test('a column that is wholly filled or far from that of training is told once', async t => {
  // of v: mean 7, in the range from 0 to 14
  const recordings = Array.from({ length: 12 }, (_, i) => [i + (i % 2), 30 + i, i % 2] as const);
  for (const normalize of ['standard', 'min_max']) {
    const { summary } = await train(work, {
      model: { cell: 'gru', hidden_size: 3 },
      dataset: {
        ...{ kind: 'csv', path: people(recordings), features: ['v'], static_features: ['age'] },
        ...{ target: 'y', target_kind: 'class', sequence: { group: 'g', order: 'o' }, normalize },
        ...{ missing: { fill: 'forward' }, test: { fraction: 0.25, select: 'last' } },
      },
      training: { num_epochs: 1, batch_size: 4 },
    });
    const told = async (recordings: Parameters<typeof people>[0]) => {
      const input = people(recordings);
      const given = await Promise.all(
        ['predict', 'evaluate'].map(verb => work.cellrun(verb, summary.directory, '--input', input)),
      );
      const [first, second] = given.map(({ stderr }) => stderr);
      t.equal(first, second, 'predict and evaluate say the same');
      return first.replaceAll(/^.*people/gm, 'people');
    };
    // an age that is missing in training, and numbers at the end of a wide range
    t.equal(
      await told([
        [7, 35],
        [70, 100],
      ]),
      '',
    );
    t.equal(
      await told([
        [7, 35],
        [7, null],
        [7, null],
        [7, null],
      ]),
      `people.csv:5:1: warning: all values of age are missing and filled; likewise in 2 other sequences
  expected: none, as in the training split
`,
    );
    t.match(
      await told([
        [7, 35],
        [-9999, 35],
        [7000, 35],
      ]),
      /^people.csv:5:1: warning: values of v are far from those of training; likewise in 1 other sequence\n {2}expected: .*\n {2}got: -9999\n$/,
    );
    // a usual marker is told that is less far
    for (const [v, message] of [
      [-99, /^people.csv:5:1: warning: values of v are far from those of training\n.*\n {2}got: -99\n$/],
      [-90, /^$/],
    ] as const)
      t.match(
        await told([
          [7, 35],
          [v, 35],
        ]),
        message,
      );
  }
});

t.test('values known in advance that are missing', async t => {
  const day = (i: number) => new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10);
  const days = (price: (i: number) => number | string, end = 60) =>
    work.file(
      'shop.csv',
      `t,v,p\n${Array.from({ length: 60 }, (_, i) => `${day(i)},${i < end ? i % 7 : ''},${price(i)}\n`).join('')}`,
    );
  const { summary } = await train(work, {
    ...{ model: { cell: 'gru', hidden_size: 3 }, loss: { kind: 'mse' } },
    dataset: {
      ...{ kind: 'forecast', path: days(i => i % 5), target: 'v', time: 't', known: ['p'] },
      ...{ input_steps: 7, horizon: 3, missing: { fill: 'forward' }, test_fraction: 0.2 },
      normalize: 'standard',
    },
    training: { num_epochs: 1, batch_size: 32 },
  });
  for (const [price, warning] of [
    [(i: number) => i % 5, /^$/],
    [
      (i: number) => (i === 58 ? '' : i % 5),
      /shop\.csv:59:1: warning: values of p in the horizon are missing/,
    ],
    [(i: number) => (i < 57 ? 1 : ''), /shop\.csv:59:1: warning: all values of p in the horizon are missing/],
    [(i: number) => (i === 59 ? 1e6 : 1), /shop\.csv:59:1: warning: values of p in the horizon are far/],
  ] as const)
    t.match(await work.cellrun('predict', summary.directory, '--input', days(price, 57)), {
      code: 0,
      stderr: warning,
    });
});

t.test('values of a series that is read as differences are not compared with these', async t => {
  const levels = Array.from({ length: 60 }, (_, i) => `${i},${1000 + Math.sin(i)}\n`).join('');
  const path = work.file('levels.csv', `t,v\n${levels}`);
  const { summary } = await train(work, {
    ...{ model: { cell: 'gru', hidden_size: 3 }, loss: { kind: 'mse' } },
    dataset: {
      ...{ kind: 'forecast', path, target: 'v', time: 't', input_steps: 7, horizon: 3 },
      ...{ relative_to: 'last_value', normalize: 'standard', test_fraction: 0.2 },
    },
    training: { num_epochs: 1, batch_size: 32 },
  });
  t.match(await work.cellrun('predict', summary.directory, '--input', path), { code: 0, stderr: /^$/ });
});

t.test('rows without a label are counted, also as a usual marker that training did not have', async t => {
  const run = await trained(10);
  const input = table({ a: ['c0', 1, 2], b: ['', 1, 2], c: ['c1', 1, 2], d: ['NA', 2, 1] });
  const told = /warning: left out: 2 sequences without a target\n/;
  for (const options of [[], ['--on-error', 'skip']])
    t.match(await work.cellrun('evaluate', run, '--input', input, ...options), {
      code: 0,
      stdout: /over 2 predictions/,
      stderr: told,
    });
});
