/** Warnings of `predict` and `evaluate` on inputs that say less than they seem to. */
import t from 'tap';
import { Workplace } from '../support/cli.js';
import { crossEntropy, linesOf } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';

const work = new Workplace();
t.teardown(() => work.remove());

/** Recordings of a label and values; null is a missing value. */
function table(recordings: Readonly<Record<string, readonly [string, ...(number | null)[]]>>): string {
  const rows = Object.entries(recordings).flatMap(([g, [label, ...values]]) =>
    values.map((value, i) => `${g},${i},${value ?? ''},${label}`),
  );
  return work.file('table.csv', `${['g,o,v,y', ...rows].join('\n')}\n`);
}

/** A model of recordings of which every `hole`-th value is missing. */
async function trained(hole: number): Promise<string> {
  let count = 0;
  const value = (label: number) => (++count % hole === 0 ? null : label + count / 100);
  const steps = [0, 1, 2, 3, 4];
  const recordings = Array.from({ length: 12 }, (_, i) => {
    return [`g${i}`, [`c${i % 2}`, ...steps.map(() => value(i % 2))]] as const;
  });
  const { summary } = await train(work, {
    ...{ version: 1, name: 'holes', model: { cell: 'gru', hidden_size: 3 } },
    dataset: {
      ...{ kind: 'csv', path: table(Object.fromEntries(recordings)), features: ['v'] },
      ...{ target: 'y', target_kind: 'class', sequence: { group: 'g', order: 'o' } },
      ...{ missing: { fill: 'forward' }, test: { fraction: 0.25, select: 'last' } },
    },
    ...{ loss: crossEntropy, optimizer: { kind: 'adam', learning_rate: 0.01 } },
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
    stderr: /table\.csv:11:1: warning: 1 of the 4 values .* filled; many are in 1 other sequence as well\n/,
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
    ...{ version: 1, name: 'hours', model: { cell: 'gru', hidden_size: 3 }, loss: { kind: 'mse' } },
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
    ...{ optimizer: { kind: 'adam', learning_rate: 0.01 }, training: { num_epochs: 1, batch_size: 32 } },
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
    stderr: /warning: 10 of the 24 values .* filled; many are in 8 other sequences as well/,
  });
});

t.test('rows without a label are counted', async t => {
  const run = await trained(10);
  const input = table({ a: ['c0', 1, 2], b: ['', 1, 2], c: ['c1', 1, 2], d: ['', 2, 1] });
  const told = /warning: left out: 2 sequences without a target\n/;
  for (const options of [[], ['--on-error', 'skip']])
    t.match(await work.cellrun('evaluate', run, '--input', input, ...options), {
      code: 0,
      stdout: /over 2 predictions/,
      stderr: told,
    });
});
