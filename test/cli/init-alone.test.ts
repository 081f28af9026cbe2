/** `init`: rows and texts that stand alone although they have dates, and equal times. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { RandomStream } from '../../src/util/random.js';
import { callInProcess } from '../support/in-process.js';
import { work } from '../support/work.js';

/** What `init` makes of a table whose rows are made from random numbers of 0 up to a limit. */
async function read(
  header: string,
  rows: number,
  row: (i: number, random: (limit: number) => number) => unknown[],
  ...flags: string[]
) {
  const stream = RandomStream.of(rows, header);
  const lines = Array.from({ length: rows }, (_, i) => row(i, limit => stream.integer(limit)).join());
  const cwd = dirname(work.file('data.csv', `${[header, ...lines].join('\n')}\n`));
  const call = (...args: string[]) => callInProcess(args, { ...work.place, cwd });
  const result = await call('init', '--from', 'data.csv', ...flags);
  const path = join(cwd, 'data.cellrun.yaml');
  if (!existsSync(path)) return { ...result, dataset: {}, isValid: false };
  const { code } = await call('validate', 'data.cellrun.yaml');
  return { ...result, dataset: parse(readFileSync(path, 'utf8')).dataset, isValid: code === 0 };
}

const time = (minutes: number) => new Date(Date.UTC(2024, 0, 1, 0, minutes)).toISOString().slice(0, 16);
const day = (i: number) => time(24 * 60 * i).slice(0, 10);
/** One, three or five days after that of the row before. */
const unevenDay = (i: number) => day(3 * i + ((i * i * 7) % 5 > 2 ? 2 : 0));
const WORDS = 'the parcel invoice password screen arrived charged again today broken since help'.split(' ');
const message = (random: (limit: number) => number, words: number) =>
  Array.from({ length: words }, () => WORDS[random(WORDS.length)]).join(' ');

t.test('free text is read as texts, whatever else repeats, and a code names each', async t => {
  const ticket = (i: number, random: (limit: number) => number) => [
    `T-${1000 + i}`,
    `C${random(60)}`,
    // two pairs of equal times, which columns of few words tell apart by chance
    time(31 * (i - Number(i === 7 || i === 90))),
    ['mail', 'chat', 'phone'][random(3)],
    `agent ${i % 11}`,
    i === 8 || i === 99 ? 'hello is anyone there' : message(random, 5 + random(5)),
    ['billing', 'login', 'delivery'][random(3)],
  ];
  const header = 'ticket,customer,opened_at,channel,handled_by,message,category';
  const all = header.split(',');
  const columns = [
    all,
    all.filter(name => name !== 'customer'),
    ['ticket', 'customer', 'message', 'category'],
    ['ticket', 'handled_by', 'opened_at', 'message', 'category'],
  ];
  for (const names of columns) {
    const found = await read(names.join(), 300, (i, random) => {
      const cells = ticket(i, random);
      return names.map(name => cells[all.indexOf(name)]);
    });
    t.match(found, { code: 0, isValid: true, stdout: /^id +ticket$/m }, names.join());
    const { dataset } = found;
    t.match(dataset, { target: 'category', features: ['message'], input_kind: 'text', id: 'ticket' });
    t.notOk('sequence' in dataset);
  }
});

t.test('a sentence is no symbol of a sequence', async t => {
  const found = await read(
    'customer_id,message,category',
    300,
    (i, random) => [
      `C${i % 40}`,
      i < 2 ? 'one two three' : message(random, 6),
      ['billing', 'login'][random(2)],
    ],
    ...['--target', 'category', '--as', 'steps'],
  );
  t.match(found, { code: 2, stderr: /no column has a number or a text in every row\n/ });
});

t.test('rows at irregular dates are read alone if they do not depend on each other', async t => {
  const loans = await read('application_date,income,amount,employment,approved', 400, (i, random) => {
    const [income, amount] = [2000 + random(3000), 1000 + random(20_000)];
    const approved = 5 * income > amount ? 'yes' : 'no';
    return [unevenDay(i), income, amount, ['salaried', 'retired', 'self'][random(3)], approved];
  });
  t.match(loans, { code: 0, isValid: true, dataset: { target: 'approved', target_kind: 'class' } });
  t.match(loans.dataset.features, ['income', 'amount', { column: 'employment', encode: 'one_hot' }]);
  t.match(loans.stdout, /^note +application_date has irregular times, so each row is read alone; /m);
  const car = (i: number, random: (limit: number) => number) => {
    const year = 2005 + random(19);
    const km = (2024 - year) * 12_000 + random(9000);
    return [unevenDay(i), ['VW', 'Opel', 'Ford'][random(3)], km, year, 30_000 - km / 10 + random(900)];
  };
  const cars = await read('listed,make,km,year,price', 400, car);
  t.match(cars.dataset, { kind: 'csv', target: 'price', target_kind: 'value' });
  t.match(cars.dataset.features, [{ column: 'make' }, 'km', 'year']);
  // as a series, too, the year is that of the car
  const series = await read('listed,make,km,year,price', 400, car, '--target', 'price', '--as', 'series');
  t.match(series.dataset, { kind: 'forecast', target: 'price', features: ['km', 'year'] });
  const claims = await read('start,age,value,claim', 400, (i, random) => {
    const age = 18 + random(60);
    return [day(i), age, 900 + random(9000), age < 40 ? 'Y' : 'N'];
  });
  t.match(claims.dataset, { target: 'claim', features: ['age', 'value'] }, 'a class of regular days');
  t.notOk('sequence' in claims.dataset);
  // dates that repeat by chance have no ages as groups
  const policies = await read('inception,age,premium,risk', 1500, (_, random) => {
    return [day(random(2400)), 18 + random(62), 100 + random(900), ['low', 'high'][random(2)]];
  });
  t.match(policies.dataset, { target: 'risk', features: ['age', 'premium'] });
});

t.test('values that depend on those before are a series, at any times', async t => {
  let level = 50;
  const gauge = await read('time,level,rain', 400, (i, random) => {
    level += random(9) - 4;
    return [unevenDay(i), level, random(30)];
  });
  t.match(gauge.dataset, { kind: 'forecast', target: 'level', features: ['rain'] });
});

t.test('events with equal times keep their group and the order of the file', async t => {
  const names = 'user_id,timestamp,event,amount,churned';
  /** Nine events of each user; the third and fourth one of some have the same time. */
  const event =
    (tied: number, from = (i: number) => i) =>
    (row: number, random: (limit: number) => number) => {
      const [user, step] = [Math.floor(from(row) / 9), from(row) % 9];
      const at = 977 * (user % 50) + 13 * user + 61 * (step - Number(step === 3 && user % tied === 1));
      return [`u${user}`, time(at), ['view', 'click', 'buy'][random(3)], random(50), ((user * user) % 3) % 2];
    };
  for (const [tied, flags] of [
    [200, []],
    [5, []],
    [200, ['--group', 'user_id']],
  ] as const) {
    const found = await read(names, 900, event(tied), ...flags);
    const [count, has, its] = tied === 200 ? ['1 row', 'has', 'its'] : ['20 rows', 'have', 'their'];
    t.match(found, {
      ...{ code: 0, isValid: true },
      dataset: { target: 'churned', sequence: { group: 'user_id' } },
      stdout: new RegExp(
        `^note +${count} ${has} the timestamp of the row before in ${its} user_id, first line 14 after line 13: .*: rows keep the order of the file$`,
        'm',
      ),
    });
    t.notOk('order' in found.dataset.sequence);
  }
  const mixed = await read(
    names,
    900,
    event(200, i => (i * 7) % 900),
    '--group',
    'user_id',
  );
  t.match(mixed, {
    code: 2,
    stderr: /: 1 row has the timestamp .* in its user_id, .*; sort the file by time/,
  });
});

t.test('a column without values in the last rows, where others have them, is forecast', async t => {
  for (const names of ['time,price,load_fc,wind', 'time,load_fc,wind,price']) {
    const found = await read(names, 600, (i, random) => {
      const load = 50 + Math.round(20 * Math.sin(i / 4)) + random(5);
      const cells = [time(60 * i), i < 576 ? 2 * load + random(9) : '', load, random(20)];
      return names.startsWith('time,price') ? cells : [0, 2, 3, 1].map(at => cells[at]);
    });
    t.match(found.dataset, { target: 'price', known: ['load_fc', 'wind'] });
    t.match(found.stdout, /^because +price has no value in the last 24 rows, and load_fc has; /m);
  }
});

t.test('a table with a column for each date has to be turned', async t => {
  const months = Array.from(
    { length: 36 },
    (_, i) => `${2018 + Math.floor(i / 12)}-${String(1 + (i % 12)).padStart(2, '0')}`,
  );
  const years = months.map((_, i) => String(1980 + i));
  const short = months.map(month => `${month.slice(5)}/${month.slice(0, 4)}`);
  for (const names of [months, years, short]) {
    const found = await read(`district,${names.join()}`, 30, (i, random) => [
      `D${i}`,
      ...names.map(() => random(20)),
    ]);
    t.match(found, {
      code: 5,
      stderr: `data.csv: the table is wide: 36 of its 37 columns are dates, ${names[0]} to ${names[35]}\n`,
    });
    t.match(found.stderr, /`table\.melt\(\["district"\], var_name="date"\)` of pandas/);
  }
  const labelled = await read(`${months.join()},crop`, 60, (i, random) => [
    ...months.map(() => random(20)),
    i % 2 ? 'rye' : 'oats',
  ]);
  t.match(labelled, { code: 0, dataset: { target: 'crop' } });
});
