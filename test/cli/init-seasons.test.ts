/** `init`: the season of a series, and the reasons for it. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { RandomStream } from '../../src/util/random.js';
import { callInProcess } from '../support/in-process.js';
import { work } from '../support/work.js';

/** Random values for `period` steps, which are repeated with noise. */
function repeated(period: number): (i: number) => number {
  const random = RandomStream.of(period, 'season');
  const values = Array.from({ length: period }, () => 9 * random.uniform());
  return i => values[i % period] + random.uniform();
}

/** The season that `init` chooses, and why. @param hours of each row, or between rows */
async function seasonOf(
  hours: number | ((i: number) => number),
  rows: number,
  valueAt: (i: number) => number,
) {
  const hourOf = typeof hours === 'number' ? (i: number) => hours * i : hours;
  const lines = Array.from({ length: rows }, (_, i) => {
    const time = new Date(Date.UTC(2020, 0, 1, 0, 60 * hourOf(i))).toISOString();
    return `${time},${valueAt(i).toFixed(3)}\n`;
  });
  const cwd = dirname(work.file('series.csv', `date,y\n${lines.join('')}`));
  const args = ['init', '--from', 'series.csv', '--force'];
  const { stdout } = await callInProcess(args, { ...work.place, cwd });
  const { dataset } = parse(readFileSync(join(cwd, 'series.cellrun.yaml'), 'utf8'));
  const [, why] = /^season +(.*)$/m.exec(stdout) ?? [];
  return { season: dataset.season, why };
}

t.test('the season is the usual one that training repeats best', async t => {
  const nearer = (best: number, first: number) =>
    new RegExp(
      `^${best} steps: in the training split, the values of ${best} steps before are nearer than those of ${first} steps before, by \\d+ %$`,
    );
  t.match(await seasonOf(1, 1000, repeated(168)), { season: 168, why: nearer(168, 24) });
  t.match(await seasonOf(1, 1000, repeated(24)), {
    season: 24,
    why: '24 steps: in the training split, the values of 168 steps before are no nearer',
  });
  t.match(await seasonOf(24, 1600, repeated(365)), { season: 365, why: nearer(365, 7) });
  t.match(await seasonOf(24, 1600, repeated(7)), { season: 7 });
  t.match(await seasonOf(168, 260, repeated(52)), { season: 52, why: '52 steps' });
  t.match(await seasonOf(0.25, 3000, repeated(672)), { season: 672, why: nearer(672, 96) });
  // the test split has no say: the last 15 % of the rows
  const [daily, weekly] = [repeated(24), repeated(168)];
  const late = (i: number) => (i < 850 ? daily(i) : 1000 * weekly(i));
  t.match(await seasonOf(1, 1000, late), { season: 24 });
  // ten hours of a working day; the first day is a Wednesday
  const open = (i: number) => {
    const day = 2 + Math.floor(i / 10);
    return 24 * (7 * Math.floor(day / 5) + (day % 5) - 2) + 8 + (i % 10);
  };
  t.match(await seasonOf(open, 600, repeated(50)), { season: 50, why: nearer(50, 10) });
  // too short for weeks
  t.match(await seasonOf(1, 500, repeated(168)), { season: 24, why: '24 steps' });
});

t.test('opening hours and missing steps', async t => {
  // from Wednesday, 1 January 2020: 9 to 18 on weekdays, 9 to 14 on Saturday
  const isOpen = (hour: number) => {
    const [day, of] = [(Math.floor(hour / 24) + 2) % 7, hour % 24];
    return day < 6 && of >= 9 && of < (day === 5 ? 14 : 18);
  };
  const all = Array.from({ length: 24 * 7 * 20 }, (_, hour) => hour);
  const open = all.filter(isOpen);
  const week = repeated(50);
  t.match(await seasonOf(i => open[i], open.length, week), { season: 50 }, 'rows of a week');
  const days = all.filter(hour => hour % 24 === 0 && (hour / 24 + 2) % 7 < 6);
  t.match(await seasonOf(i => days[i], days.length, repeated(6)), { season: 6 }, 'Monday to Saturday');
  const random = RandomStream.of(0, 'missing');
  const kept = all.slice(0, 2000).filter(() => random.uniform() > 0.05);
  const day = repeated(24);
  t.match(
    await seasonOf(
      i => kept[i],
      kept.length,
      i => day(kept[i]),
    ),
    { season: 24 },
    'always open',
  );
});

t.test('what is the same in all rows of a series is static, and known beside what changes', async t => {
  const rows = Array.from({ length: 400 }, (_, i) => {
    const [shop, day] = [i % 8, Math.floor(i / 8)];
    const date = new Date(Date.UTC(2023, 0, 1 + day)).toISOString().slice(0, 10);
    const sales = day < 46 ? (50 + 7 * shop + 9 * Math.sin(day * 0.9)).toFixed(1) : '';
    return `${date},shop${shop},${400 + shop * 57},${shop % 2 ? 'north' : 'south'},${(i * 7) % 3 === 0 ? 1 : 0},${sales}`;
  });
  const cwd = dirname(work.file('shops.csv', ['day,shop,surface,region,promo,sales', ...rows].join('\n')));
  const init = await callInProcess(['init', '--from', 'shops.csv'], { ...work.place, cwd });
  t.match(init, { code: 0, stdout: /^static +surface, region \(words\)\nknown +promo$/m });
  const { dataset } = parse(readFileSync(join(cwd, 'shops.cellrun.yaml'), 'utf8'));
  t.match(dataset, {
    known: ['promo'],
    static_features: ['surface', { column: 'region', encode: 'one_hot' }],
  });
  const valid = await callInProcess(['validate', 'shops.cellrun.yaml'], { ...work.place, cwd });
  t.match(valid, { code: 0 }, valid.stderr);
});
