/** Curves as they are drawn: smoothed, and over steps, epochs or time. */
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { CurveBuilder, HistoryCollector } from '../../src/run/history.js';
import { packageRoot } from '../../src/util/root.js';
import {
  hasAxis,
  type Places,
  placesOf,
  placeText,
  smoothed,
  spacingOf,
  ticksOf,
  tickText,
  X_AXES,
} from '../../src/view/components/scales.js';

interface Case {
  readonly steps: readonly number[];
  readonly values: readonly number[];
  readonly weight: number;
  readonly spacing: number;
  readonly smoothed: readonly number[];
}

t.test('smoothing matches the weighted mean of NumPy', async t => {
  const file = join(packageRoot, 'test', 'fixtures', 'smoothing', 'averages.json');
  const cases: readonly Case[] = JSON.parse(readFileSync(file, 'utf8'));
  t.ok(cases.length >= 4);
  for (const { steps, values, weight, spacing, smoothed: expected } of cases) {
    const found = smoothed({ steps, values }, weight, spacing);
    t.equal(found.length, expected.length);
    for (const [i, value] of expected.entries())
      t.ok(Math.abs((found[i] ?? Number.NaN) - value) < 1e-12, `${weight} at ${steps[i]}`);
  }
});

t.test('smoothing keeps gaps and does not average over them', async t => {
  const [steps, values] = [
    [1, 2, 4],
    [1, null, 3],
  ];
  // at the last: (1 w^3 + 3) / (w^3 + 1)
  t.same(smoothed({ steps, values }, 0.5, 1), [1, null, 3.125 / 1.125]);
  t.same(smoothed({ steps, values }, 0, 1), values, 'without a weight nothing is smoothed');
  t.equal(spacingOf({ steps: [5], count: 1 }), Number.POSITIVE_INFINITY);
});

t.test('a reduced curve is smoothed like the full one', async t => {
  const whole = { steps: [] as number[], values: [] as number[] };
  const builder = new CurveBuilder(200);
  for (let step = 1; step <= 4000; step++) {
    const value = Math.cos(step / 400) + 0.3 * Math.sin(1.7 * step);
    whole.steps.push(step);
    whole.values.push(value);
    builder.add(step, value);
  }
  const { curve } = builder;
  t.ok(curve.steps.length < 500);
  t.equal(spacingOf(curve), 1, 'of the measurements, not of the points');
  const all = smoothed(whole, 0.99, 1);
  const some = smoothed(curve, 0.99, spacingOf(curve));
  const apart = curve.steps.map((step, i) => Math.abs(Number(some[i]) - Number(all[step - 1])));
  t.ok(Math.max(...apart.slice(10)) < 0.1, `${Math.max(...apart.slice(10))} apart`);
});

const places: Places = { steps_per_epoch: 4, elapsed: { steps: [2, 4, 8], values: [10, 12, 20] } };

t.test('positions on the axes', async t => {
  const steps = [1, 2, 3, 4, 6, 8, 9];
  t.same(placesOf(steps, 'step', places), steps);
  t.same(placesOf(steps, 'epoch', places), [0.25, 0.5, 0.75, 1, 1.5, 2, 2.25]);
  t.same(placesOf(steps, 'time', places), [10, 10, 11, 12, 16, 20, 20], 'linear between what is known');
  const none: Places = { steps_per_epoch: null, elapsed: { steps: [], values: [] } };
  t.same(
    X_AXES.map(axis => [hasAxis(places, axis), hasAxis(none, axis)]),
    [
      [true, true],
      [true, false],
      [true, false],
    ],
  );
});

t.test('labels of the axes', async t => {
  t.equal(tickText('step', 12_000), '12,000');
  t.equal(tickText('epoch', 1.5), '1.5');
  t.same(
    [0, 0.25, 2, 30, 90, 3600].map(seconds => tickText('time', seconds)),
    ['0.0 s', '0.25 s', '2 s', '30 s', '1:30 min', '1:00:00'],
  );
  t.equal(placeText('step', 8), 'step 8');
  t.equal(placeText('time', 90), '1:30 min');
  t.same(ticksOf('step', 1, 4), [1, 2, 3, 4], 'there is no half of a step');
  t.same(ticksOf('time', 0, 3), [0, 0.5, 1, 1.5, 2, 2.5, 3]);
  t.same(ticksOf('time', 50, 300), [60, 120, 180, 240, 300]);
  t.same(ticksOf('time', 0, 90_000), [0, 21_600, 43_200, 64_800, 86_400], 'quarters of a day');
});

t.test('the time of a run excludes the time between a stop and a resume', async t => {
  const collector = new HistoryCollector(100);
  const at = (second: number, event: string, step?: number) =>
    collector.add({
      event,
      time: new Date(Date.UTC(2026, 0, 31, 12, 0, second)).toISOString(),
      ...(step !== undefined && { step, epoch: 1, loss: 1 }),
    } as never);
  at(0, 'run.start');
  at(5, 'train.step', 1);
  at(7, 'train.step', 2);
  // of the same step as the one before
  at(9, 'train.epoch', 2);
  at(40, 'run.resume', 2);
  at(43, 'train.step', 3);
  // a clock that was put back
  at(42, 'train.step', 4);
  at(44, 'train.step', 5);
  t.same(collector.history.elapsed, { steps: [1, 2, 3, 4, 5], values: [5, 7, 12, 12, 14] });
});

t.test('each evaluated split has its own curve', async t => {
  const collector = new HistoryCollector(100);
  for (const split of ['train', 'validation', 'test'])
    collector.add({ event: 'eval', split, step: 1, epoch: 1, loss: split.length } as never);
  const { curves } = collector.history;
  t.same(
    Object.entries(curves).map(([name, { values }]) => [name, values]),
    [
      ['train_set.loss', [5]],
      ['validation.loss', [10]],
      ['test.loss', [4]],
    ],
  );
});
