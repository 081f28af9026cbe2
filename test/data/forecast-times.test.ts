import '../support/quick.js';
/** The times that continue a series are those of Python. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { orderKey } from '../../src/data/core/cells.js';
import { timeGaps } from '../../src/data/forecast/gaps.js';
import { intervalOf, timesAfter } from '../../src/data/forecast/times.js';
import { packageRoot } from '../../src/util/root.js';

const cases: Readonly<Record<string, { readonly given: string[]; readonly next: string[] }>> = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/forecast/times.json'), 'utf8'),
);

const interval = (order: readonly string[]) => {
  const keys = order.map(orderKey(!order[0]?.includes('-', 1)));
  return intervalOf([...order.keys()], { order, keys });
};

t.test('regular times continue', async t => {
  for (const [name, { given, next }] of Object.entries(cases)) {
    const { order, keys } = timesAfter(given.at(-1)!, interval(given)!, next.length);
    const isNumeric = interval(given)?.unit === 'number';
    // trailing zeros of decimals are not written
    t.same(isNumeric ? order.map(Number) : order, isNumeric ? next.map(Number) : next, name);
    t.same(keys, next.map(orderKey(isNumeric)), `${name}: the keys of these times`);
  }
});

t.test('a gap changes nothing, and a time of day is added if it is needed', async t => {
  const { given, next } = cases.workdays;
  t.same(timesAfter(given.at(-1)!, interval(given.toSpliced(3, 4))!, 5).order, next);
  t.same(timesAfter('2024-01-01', { unit: 'millisecond', count: 43_200_000 }, 3).order, [
    '2024-01-01T12:00',
    '2024-01-02',
    '2024-01-02T12:00',
  ]);
});

t.test('irregular times have no interval', async t => {
  t.equal(interval(['2024-01-01', '2024-01-05']), undefined);
  t.equal(interval(['1', '2', '4', '8', '16']), undefined);
  t.equal(interval([]), undefined);
});

t.test('a few days have the opening hours of the training data', async t => {
  const { given } = cases['opening hours from Monday to Saturday'];
  const gapsIn = (order: readonly string[], known?: ReturnType<typeof interval>) =>
    timeGaps([{ name: '', rows: [...order.keys()] }], { order, keys: order.map(orderKey(false)) }, known);
  const days = given.slice(-25);
  t.match(gapsIn(days), { count: 3 }, 'nights are gaps if nothing else is known');
  t.equal(gapsIn(days, interval(given)), undefined);
  t.match(gapsIn(days.toSpliced(12, 1), interval(given)), { missing: 1, largest: { step: '1 hour' } });
});
