/**
 * The schedules' rates against PyTorch's: goldens/breadth/schedules.json and
 * fixtures/schedules/schedules.json, which have their generators beside them.
 */
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { ScheduleConfig } from '../../src/config/index.js';
import { fillDefaults } from '../../src/config/load.js';
import { rateOf, schedules } from '../../src/math/schedules/index.js';
import { packageRoot } from '../../src/util/root.js';

interface Case {
  readonly schedule: Record<string, unknown> & { readonly kind: ScheduleConfig['kind'] };
  readonly updates: number;
  readonly updates_per_epoch: number;
  readonly rates: readonly number[];
  /** After each epoch; null for NaN. */
  readonly metric?: readonly (number | null)[];
}

function fixture(path: string): Record<string, unknown> & { learning_rate: number; cases: Case[] } {
  return JSON.parse(readFileSync(join(packageRoot, 'test/fixtures', path), 'utf8'));
}

/** A schedule with its defaults, as a config resolves it. */
function resolved(schedule: Case['schedule']): ScheduleConfig {
  const { optimizer } = fillDefaults({ optimizer: { kind: 'sgd', learning_rate: 0.1, schedule } });
  return optimizer?.schedule as ScheduleConfig;
}

function checkRates(t: Test, base: number, one: Case): void {
  const settings = resolved(one.schedule);
  const { updates_per_epoch: updatesPerEpoch, updates: totalUpdates, metric = [] } = one;
  const all = metric.map((value, epoch) => ({
    update: (epoch + 1) * updatesPerEpoch,
    value: value ?? Number.NaN,
  }));
  const rateAt = (update: number, history = all) =>
    rateOf(base, settings, { update, totalUpdates, updatesPerEpoch, history: () => history });
  const rates = one.rates.map((_, i) => rateAt(i + 1));
  const worst = Math.max(...rates.map((rate, i) => Math.abs(rate - one.rates[i])));
  t.ok(worst <= 1e-9, `${JSON.stringify(one.schedule)}: ${worst}`);
  // whoever resumes asks for the rates in another order, and has not measured what comes later
  const resumed = [...one.rates.keys()]
    .reverse()
    .map(i =>
      rateAt(
        i + 1,
        all.filter(({ update }) => update <= i),
      ),
    )
    .reverse();
  t.strictSame(resumed, rates, 'the same from any starting point');
}

t.test("PyTorch's rates, as shared with other programs", t => {
  const { learning_rate, updates, cases } = fixture('goldens/breadth/schedules.json');
  for (const one of cases)
    checkRates(t, learning_rate, {
      ...one,
      updates: one.metric?.length ?? (updates as number),
      updates_per_epoch: 1,
    });
  t.end();
});

t.test("PyTorch's rates with warm-up, in epochs and at the edges", t => {
  const { learning_rate, cases } = fixture('schedules/schedules.json');
  for (const one of cases) checkRates(t, learning_rate, one);
  const kinds = new Set(cases.map(({ schedule }) => schedule.kind));
  t.strictSame([...kinds].sort(), Object.keys(schedules).sort(), 'every kind has a case');
  t.end();
});

t.test("without a schedule, the learning rate is exactly the optimizer's", t => {
  const place = { update: 7, totalUpdates: 9, updatesPerEpoch: 3, history: () => [] };
  for (const base of [0.1, 1 / 3, 1e-9]) t.equal(rateOf(base, undefined, place), base);
  t.end();
});

t.test('a schedule with a length keeps its last value until training ends', t => {
  for (const [schedule, end] of [
    [{ kind: 'cosine', min_learning_rate: 0.01, length: { steps: 10 } }, 0.01],
    [{ kind: 'linear', end_factor: 0.5, length: { epochs: 2 } }, 0.05],
  ] as const) {
    const settings = resolved(schedule);
    const rateAt = (update: number, totalUpdates: number) =>
      rateOf(0.1, settings, { update, totalUpdates, updatesPerEpoch: 5, history: () => [] });
    for (const update of [1, 4, 10, 11, 200]) t.equal(rateAt(update, 200), rateAt(update, 1000));
    t.ok(Math.abs(rateAt(11, 200) - end) < 1e-15);
    t.equal(rateAt(200, 200), rateAt(11, 200));
  }
  t.end();
});

t.test('a warmup of one update and a training of one update have a learning rate', t => {
  const settings = resolved({ kind: 'one_cycle', warmup_fraction: 0.1, start_factor: 0.1, end_factor: 0.01 });
  const rate = (update: number, totalUpdates: number) =>
    rateOf(1, settings, { update, totalUpdates, updatesPerEpoch: 5, history: () => [] });
  t.equal(rate(1, 10), 1, 'the top is at the first update');
  t.ok(Math.abs(rate(1, 1) - 0.01) < 1e-15, 'the end is at the only update');
  t.end();
});
