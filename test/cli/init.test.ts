/** `init`: its configs are valid and describe the table. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { floats, integers, npz } from '../support/cli.js';
import { callInProcess } from '../support/in-process.js';
import { work } from '../support/work.js';

/** Runs the program in `cwd`. */
const cellrun = (cwd: string, ...args: string[]) => callInProcess(args, { ...work.place, cwd });

/** The config that `init` writes for a table, and its output. */
async function from(csv: string, ...flags: string[]) {
  const file = work.file('data.csv', csv);
  const cwd = dirname(file);
  const { code, stdout, stderr } = await cellrun(cwd, 'init', '--from', 'data.csv', ...flags);
  const path = join(cwd, 'data.cellrun.yaml');
  if (!existsSync(path)) return { code, stdout, stderr, config: undefined, found: 'no config' };
  const valid = await cellrun(cwd, 'validate', 'data.cellrun.yaml');
  const found = `exit ${valid.code}${valid.stderr}`;
  return { code, stdout, stderr, config: parse(readFileSync(path, 'utf8')), found };
}

function table(header: string, rows: number, row: (i: number) => string): string {
  return `${header}\n${Array.from({ length: rows }, (_, i) => row(i)).join('\n')}\n`;
}

for (const template of ['csv', 'text', 'forecast', 'pronounce', 'voice', 'mnist'])
  t.test(`the template ${template} is valid, and nothing is overwritten`, async t => {
    const cwd = work.folder();
    const written = await cellrun(cwd, 'init', 'mine.yaml', '--template', template);
    t.match(
      written,
      { code: 0, stdout: /^Wrote mine\.yaml(.| and .*)*\n\nNext: .* mine\.yaml\n$/m },
      written.stderr,
    );
    const valid = await cellrun(cwd, 'validate', 'mine.yaml');
    t.match(valid, { code: 0, stdout: /^mine\.yaml: valid \(/, stderr: '' }, valid.stdout);
    const text = readFileSync(join(cwd, 'mine.yaml'), 'utf8');
    writeFileSync(join(cwd, 'mine.yaml'), 'kept');
    const again = await cellrun(cwd, 'init', 'mine.yaml', '--template', template);
    t.match(again, { code: 2, stderr: /^mine\.yaml: this file exists\n.*--force/ });
    t.equal(readFileSync(join(cwd, 'mine.yaml'), 'utf8'), 'kept');
    t.equal((await cellrun(cwd, 'init', 'mine.yaml', '--template', template, '--force')).code, 0);
    t.equal(readFileSync(join(cwd, 'mine.yaml'), 'utf8'), text);
  });

t.test('the sample of waves trains to better than its baseline', async t => {
  const cwd = work.folder();
  await cellrun(cwd, 'init', '--template', 'csv');
  const fast = ['--set', 'training.num_epochs=5', '--set', 'model.hidden_size=16', '--backend', 'webasm'];
  const ran = await cellrun(cwd, 'waves.cellrun.yaml', ...fast, '--json');
  t.equal(ran.code, 0, ran.stderr);
  const { gates, baselines, metrics } = JSON.parse(ran.stdout);
  t.match(gates, [{ metric: 'test.accuracy', verdict: 'passed' }]);
  t.ok(metrics.test.accuracy > baselines.test.majority.accuracy);
});

const day = (i: number) => new Date(Date.UTC(2024, 0, 1) + i * 86_400_000).toISOString().slice(0, 10);
/** Words with their tags. */
const TAGGED = ['the,DET', 'dog,NOUN', 'run,NOUN', 'run,VERB', 'NA,X', '.,PUNCT'] as const;

/** Tables, and what their configs say; `null` for keys that are not there. */
const GUESSES: readonly {
  readonly what: string;
  readonly csv: string;
  readonly flags?: readonly string[];
  readonly config?: object;
  readonly dataset: Readonly<Record<string, unknown>>;
  readonly stdout?: RegExp;
}[] = [
  {
    what: 'rows of a group with one label are a sequence',
    csv: table('session,t,x,y z,mood', 200, i => {
      const session = Math.floor(i / 5);
      return `${session},${i % 5},${Math.sin(i)},${i % 7},${session % 2 ? 'glad' : 'sad'}`;
    }),
    config: {
      name: 'data',
      loss: { kind: 'cross_entropy' },
      gates: [{ metric: 'test.accuracy', beats: 'trivial' }],
    },
    dataset: {
      kind: 'csv',
      path: 'data.csv',
      sequence: { group: 'session', order: 't' },
      features: ['x', 'y z'],
      target: 'mood',
      target_kind: 'class',
      normalize: 'standard',
      validation: { fraction: 0.2 },
    },
    stdout:
      /^target +mood \(2 classes\)\nsequences +40, the rows of each session\norder +t\nfeatures +x, y z\n/m,
  },
  {
    what: 'targets of steps',
    csv: table('id,value,label', 300, i => `s${Math.floor(i / 10)},${(i * i) % 97},${i % 3 ? 'up' : 'down'}`),
    config: { model: { head: { from: 'every' } } },
    dataset: { sequence: { group: 'id', per_step: true } },
  },
  {
    what: 'symbols',
    csv: table('word_id,letter,language', 400, i => {
      const word = Math.floor(i / 4);
      return `${word},${'abcdefg'[(i * 3) % 7]},${word % 2 ? 'old' : 'new'}`;
    }),
    config: { model: { embedding: { size: 16 } } },
    dataset: { features: ['letter'], input_kind: 'symbol', target: 'language' },
  },
  {
    what: 'texts',
    csv: table(
      'who,review,stars',
      60,
      i => `p${i},"${['a good film', 'a bad, bad film'][i % 2]} ${i}",${i % 2}`,
    ),
    config: { model: { embedding: { size: 16 } } },
    dataset: {
      features: ['review'],
      input_kind: 'text',
      level: 'word',
      target: 'stars',
      target_kind: 'class',
      sequence: null,
    },
  },
  {
    what: 'a number over time is forecast',
    csv: table('date,price,sales', 200, i => `${day(i)},${i % 5},${100 + ((i * 13) % 31)}`),
    config: { gates: [{ metric: 'test.mean_absolute_error', beats: 'trivial' }] },
    dataset: {
      kind: 'forecast',
      target: 'sales',
      time: 'date',
      features: ['price'],
      calendar: ['day_of_week', 'day_of_year'],
      horizon: 7,
      season: 7,
    },
  },
  {
    what: 'a forecast is of a measure, not of a flag or an identifier',
    csv: table(
      'date,sales,holiday,store_id',
      120,
      i => `${day(i)},${(i * 37) % 101}.5,${Number(i % 7 === 0)},4`,
    ),
    dataset: { kind: 'forecast', target: 'sales', features: ['holiday'] },
    stdout:
      /^forecast +sales\norder +date\n(.*\n)*because +sales is a usual name of what is forecast; date has dates$/m,
  },
  {
    what: 'a group named by the user',
    csv: table('a,b,c', 60, i => `${Math.floor(i / 3)},${i % 4},${(i * 5) % 17}`),
    flags: ['--target', 'b', '--group', 'a'],
    dataset: { sequence: { group: 'a' }, features: ['c'], target: 'b', target_kind: 'class' },
  },
  {
    what: 'dates in several columns are one time',
    csv: table('year,month,date_of_month,day_of_week,births', 200, i => {
      const [year, month, date] = day(i).split('-').map(Number);
      return `${year},${month},${date},${new Date(day(i)).getUTCDay() || 7},${8000 + ((i * 37) % 101)}`;
    }),
    dataset: {
      kind: 'forecast',
      target: 'births',
      known: null,
      season: 7,
      time: ['year', 'month', 'date_of_month'],
      date_format: '%Y %m %d',
      features: null,
      calendar: ['day_of_week', 'day_of_year'],
    },
  },
  ...(
    [
      ['Date;Time', '%d/%m/%Y %H.%M.%S', (i: number) => `${27 + Math.floor(i / 24)}/01/2024;${i % 24}.00.00`],
      ['day;at', undefined, (i: number) => `${day(i / 24)};${String(i % 24).padStart(2, '0')}:00`],
      [
        'day;at',
        '%Y-%m-%d %I:%M %p',
        (i: number) => `${day(i / 24)};${i % 12 || 12}:00 ${i % 24 < 12 ? 'AM' : 'PM'}`,
      ],
      ['day;hr', '%Y-%m-%d %H', (i: number) => `${day(i / 24)};${i % 24}`],
    ] as const
  ).map(([names, date_format, at]) => ({
    what: `a date and a time of day in columns of their own: ${at(13)}`,
    csv: `${table(`${names};T;pace`, 110, i => `${at(i)};${20 + ((i * 37) % 101) / 10};00:${10 + (i % 40)}`)}${';;;\n'.repeat(9)}`,
    dataset: {
      ...{ kind: 'forecast', target: 'T', time: names.split(';'), season: 24 },
      ...{ date_format: date_format ?? null, calendar: ['hour', 'day_of_week'] },
    },
    stdout: /^rows +110$/m,
  })),
  ...[
    ['%d.%m.%Y', (i: number) => day(i).split('-').reverse().join('.')] as const,
    ['%m/%d/%Y', (i: number) => day(i).replace(/(\d+)-(\d+)-(\d+)/, '$2/$3/$1')] as const,
  ].map(([date_format, form]) => ({
    what: `dates like ${form(40)} are read in their format`,
    csv: table('Datum,Wert', 120, i => `${form(i)},${(i * 37) % 101}`),
    dataset: { kind: 'forecast', target: 'Wert', season: 7, time: 'Datum', date_format },
  })),
  {
    what: 'a column that repeats a part of the date under any name',
    csv: table('dteday,mnth,wkday,cnt', 200, i => {
      const [, month] = day(i).split('-').map(Number);
      return `${day(i)},${month},${(i + 3) % 7},${8000 + ((i * 37) % 101)}`;
    }),
    dataset: { kind: 'forecast', target: 'cnt', time: 'dteday', features: null, known: null },
    stdout: /^not used +mnth: a part of dteday\nnot used +wkday: a part of dteday$/m,
  },
  {
    what: 'months by name',
    csv: table('year,month,sold', 100, i => {
      const month = new Intl.DateTimeFormat('en', { month: 'long' }).format(new Date(2020, i % 12));
      return `${1949 + Math.floor(i / 12)},${month},${(i * 37) % 101}`;
    }),
    dataset: { kind: 'forecast', target: 'sold', time: ['year', 'month'], date_format: '%Y %B', season: 12 },
    stdout: /^order +year month \(`time: \[year, month\]`\)$/m,
  },
  ...['smoker,pulse,length_of_stay', 'length_of_stay,smoker,pulse'].map(columns => ({
    what: `an outcome is a target rather than a fact: ${columns}`,
    csv: table(`patient,day,${columns}`, 240, i => {
      const patient = Math.floor(i / 6);
      const facts = {
        smoker: patient % 3 ? 'no' : 'yes',
        pulse: 60 + ((i * 37) % 41) / 10,
        length_of_stay: 3 + ((patient * 7) % 11),
      };
      return `P${patient},${i % 6},${columns.split(',').map(name => facts[name as keyof typeof facts])}`;
    }),
    dataset: { target: 'length_of_stay', target_kind: 'value', sequence: { group: 'patient', order: 'day' } },
  })),
  ...['act', 'akt'].map(act => ({
    what: `who speaks is a target rather than the ${act}`,
    csv: table(`${act},speaker,line`, 200, i => {
      const speaker = ['HAMLET', 'OPHELIA', 'KING'][(i * i) % 3 || i % 2];
      return `${'I'.repeat(1 + Math.floor(i / 70))},${speaker},${speaker} says word${(i * 7) % 31} and word${(i * 13) % 29}`;
    }),
    dataset: { target: 'speaker', input_kind: 'text', features: ['line'] },
  })),
  {
    what: 'facts of someone are no targets',
    csv: table('patient,sex,age,rate,dose', 240, i => {
      const patient = Math.floor(i / 8);
      return `${patient},${patient % 2},${20 + ((7 * patient) % 50)},${(i * 37) % 101}.5,${(i * 13) % 31}.5`;
    }),
    dataset: {
      ...{ features: ['rate'], static_features: ['sex', 'age'], target: 'dose' },
      sequence: { group: 'patient', per_step: true },
    },
    stdout: /^static +sex, age$/m,
  },
  {
    what: 'texts before numbers',
    csv: table(
      'review,votes,stars',
      60,
      i => `${['a good film', 'a bad, bad film'][i % 2].replace(',', '')} ${i},${i % 7},${i % 2}`,
    ),
    dataset: { features: ['review'], input_kind: 'text', target: 'stars' },
  },
  {
    what: 'dates that descend are sorted',
    csv: table('Datum,Wert,Art', 60, i => {
      const date = day(100 - i)
        .split('-')
        .reverse()
        .join('.');
      return `${date},${i}.5,${'ab'[i % 2]}`;
    }),
    dataset: { kind: 'forecast', target: 'Wert', time: 'Datum', date_format: '%d.%m.%Y' },
  },
  {
    what: 'texts of few kinds are classes, wherever their column is',
    csv: table('kind,a,b', 90, i => `${'xyz'[i % 3]},${(i * 7) % 23}.5,${(i * 5) % 31}.5`),
    dataset: { target: 'kind', target_kind: 'class', features: ['a', 'b'] },
    stdout:
      /^Other readings:\n {2}.* init --from data\.csv --force --target b --as rows {2}# number b of each row$/m,
  },
  {
    what: 'few bad cells are missing values',
    csv: table('id,a,b,kind', 60, i => {
      const group = i >> 2;
      return `s${group},${i === 20 ? '?' : i},${i % 9},${group % 2 ? 'u' : 'v'}`;
    }),
    dataset: { target: 'kind', features: ['a', 'b'], missing: { fill: 'forward', indicator: true } },
    stdout: /^missing +1 cell in 1 column: filled with the value of the step before/m,
  },
  {
    what: 'words of few kinds are features beside numbers, unless they are the target in other words',
    csv: table('id,place,alive,dose,x,label', 160, i => {
      const group = i >> 2;
      return `${group},${'abc'[i % 3]},${i % 2 ? 'yes' : 'no'},${i % 5} mg,${(i * 7) % 31},${i % 2}`;
    }),
    dataset: { features: [{ column: 'place', encode: 'one_hot' }, 'x'], target: 'label' },
    stdout:
      /^not used +alive: each of its words has one value of label.*\nnot used +dose: numbers with "mg", which/m,
  },
  {
    what: 'missing classes are not counted',
    csv: table(
      'id,a,kind',
      120,
      i => `${i >> 2},${(i * 7) % 31},${i % 40 < 4 ? 'NA' : (i >> 2) % 2 ? 'u' : 'v'}`,
    ),
    dataset: { target: 'kind', missing: { markers: ['NA'] } },
    stdout:
      /^target +kind \(2 classes\): no value in 12 rows, first in line 2, which is not counted\n(.*\n)+note +NA taken as a missing kind; without it in `missing.markers`, it is a class$/m,
  },
  {
    what: 'a missing class is not a rare one',
    csv: table('id,a,kind', 240, i => `${i >> 2},${(i * 7) % 31},${i < 4 ? '' : (i >> 2) % 2 ? 'u' : 'v'}`),
    dataset: { target: 'kind' },
    stdout: /^(?!(.*\n)*.*fewer than 5)/,
  },
  {
    what: 'words and numbers that mean missing values are listed, but for the usual ones',
    csv: table('id,a,b,kind', 90, i => {
      const group = Math.floor(i / 6);
      const [a, b] = [i % 40 ? (i * 7) % 31 : 'broken', i % 30 === 7 ? -999 : (i * 5) % 17];
      return `s${group},${i === 5 ? 'NA' : a},${b},${group % 2 ? 'u' : 'v'}`;
    }),
    dataset: { features: ['a', 'b'], missing: { markers: ['broken', '-999'] } },
    stdout: /^missing +7 cells in 2 columns \(also broken, -999\)/m,
  },
  {
    what: 'gaps in a series are filled, and rows without a target at its end are its future',
    csv: table('date,price,promo,sales', 314, i => {
      const sales = 100 + 10 * Math.sin((i * 2 * Math.PI) / 7) + ((i * 37) % 11);
      return `${day(i)},${i > 299 ? '' : (i * 13) % 7},${Number(i % 5 === 0)},${i === 100 || i > 299 ? '' : sales}`;
    }),
    dataset: {
      ...{ kind: 'forecast', target: 'sales', features: ['price'], known: ['promo'] },
      ...{ missing: { fill: 'forward', indicator: true }, horizon: 14, season: 7, per_step: true },
    },
    config: { model: { head: { from: 'every' } } },
    stdout:
      /^features +price\nmissing +1 cell in 1 column: .*\nknown +promo\nfuture +14 rows after the last sales$/m,
  },
  {
    what: 'negative numbers among counts mean missing values, also in the future',
    csv: table('date,visitors,price,sales', 214, i => {
      const visitors = i % 50 === 7 || i > 199 ? -999 : 500 + ((i * 977) % 4000);
      const sales = 100 + 10 * Math.sin((i * 2 * Math.PI) / 7) + ((i * 37) % 11);
      return `${day(i)},${visitors},${i === 205 ? '' : (i * 13) % 7},${i > 199 ? '' : sales}`;
    }),
    dataset: {
      ...{ kind: 'forecast', target: 'sales', features: ['visitors'], known: ['price'] },
      missing: { fill: 'forward', indicator: true, markers: ['-999'] },
    },
    stdout:
      /^missing +5 cells in 2 columns \(also -999\): (.*\n)+note +price has no value in 1 of the 14 rows after the last sales, first in line 207, which are filled$/m,
  },
  {
    what: 'columns with few values in the future are not known in advance',
    csv: table('date,promo,sales', 214, i => {
      const sales = 100 + 10 * Math.sin((i * 2 * Math.PI) / 7) + ((i * 37) % 11);
      return `${day(i)},${i > 203 ? '' : (i * 13) % 7},${i > 199 ? '' : sales}`;
    }),
    dataset: { features: ['promo'], known: null, missing: null },
    stdout:
      /^note +promo has no value in 10 of the 14 rows .*, first in line 206, so it is not known in adv/m,
  },
  {
    what: 'facts that differ in few rows by mistake are named',
    csv: table('trial,subject,age,x,mood', 480, i => {
      const trial = i >> 3;
      const [subject, age] = [
        i === 9 ? 's0' : `s${9 - (trial >> 2)}`,
        i === 82 ? 99 : 30 + ((trial * 7) % 13),
      ];
      return `${trial},${subject},${age},${(i * 7) % 31},${trial % 2 ? 'up' : 'down'}`;
    }),
    dataset: { features: ['age', 'x'], static_features: null, test: null, target: 'mood' },
    stdout:
      /^note +subject is the same in all rows of each trial except 1 \("s9" in line 10, "s0" in line 11\): without that, no subject would be in two splits\nnote +age is the same in all rows of each trial except 10 \("35" in line 82, "99" in line 84\): without/m,
  },
  {
    what: 'an event in few sequences is no mistake',
    csv: table('patient,hour,pulse,ill', 400, i => {
      const patient = Math.floor(i / 10);
      return `${patient},${i % 10},${60 + ((i * 7) % 31)},${Number(patient === 7 && i % 10 > 6)}`;
    }),
    dataset: { target: 'ill', sequence: { per_step: true } },
  },
  {
    what: 'the time since the step before is a feature if times are uneven',
    csv: table('id,second,x,mood', 320, i => {
      const id = i >> 3;
      return `${id},${(i % 8) * 10 + (i % 3 ? 0 : 6)},${(i * 7) % 31},${id % 2 ? 'up' : 'down'}`;
    }),
    dataset: { features: ['x', { column: 'second', encode: 'elapsed' }], sequence: { order: 'second' } },
    stdout: /^features +x, time since the step before \(second is uneven\)$/m,
  },
  {
    what: 'a series of workdays',
    csv: table('date,month,rate', 150, i => {
      const date = day(7 * Math.floor(i / 5) + (i % 5));
      return `${date},${Number(date.slice(5, 7))},${(i * 37) % 101}`;
    }),
    dataset: { kind: 'forecast', season: 5, features: null, per_step: null },
    stdout: /^not used +month: a part of date$/m,
  },
  {
    what: 'rows of a kind that are in no order are no sequence',
    csv: table('person_id,blood_group,dose,result', 240, i => {
      return `p${i},${'AB0'[(i * 7) % 3]},${(i * 37) % 101}.5,${i % 2 ? 'good' : 'bad'}`;
    }),
    dataset: { sequence: null, features: [{ column: 'blood_group', encode: 'one_hot' }, 'dose'] },
    stdout: /^id +person_id$/m,
  },
  ...[0, 1000].flatMap(first =>
    [0.01, 5].map(noise => ({
      what: `numbers from ${first} that tell equal dates apart name series, whose values differ by ${noise}`,
      csv: table('Datum,Zaehler,Stand', 1600, i => {
        const [time, meter] = [Math.floor(i / 8), i % 25];
        const noisy = noise * Math.sin(i * i);
        return `${day(3 * time + (time % 2))},${first + meter},${(10 * ((meter * 7) % 25) + noisy).toFixed(2)}`;
      }),
      dataset: { kind: 'forecast', series: 'Zaehler', time: 'Datum', target: 'Stand', features: null },
    })),
  ),
  {
    what: 'numbered parts of a day name no series',
    csv: table('date,period,load', 24 * 60, i => {
      return `${day(Math.floor(i / 24))},${1 + (i % 24)},${(50 + 20 * Math.sin(i / 4) + Math.sin(i * i)).toFixed(1)}`;
    }),
    dataset: { kind: 'csv', features: ['period'] },
  },
  {
    what: 'machines whose values are alike have series of their own, though no two rows have one time',
    csv: table('time,machine_id,level', 900, i => {
      const time = new Date(Date.UTC(2024, 0, 1) + 60_000 * i + 7000 * (i % 3)).toISOString();
      return `${time.slice(0, 19)},${(i * i) % 7},${(20 * ((i * i) % 7) + Math.sin(i / 20)).toFixed(2)}`;
    }),
    dataset: { kind: 'forecast', series: 'machine_id', target: 'level' },
    stdout: /^note +time is uneven: each row is a step, /m,
  },
  {
    what: 'seconds since 1970 are an order, which could be dates',
    csv: table('timestamp,visitors', 400, i => `${1_704_067_200 + 3600 * i},${(i * i) % 83}`),
    dataset: { kind: 'forecast', time: 'timestamp' },
    stdout: /^note +timestamp seems to count from 1970: it orders the steps, but only dates/m,
  },
  {
    what: 'the hour that a clock is set back is one step, and the one that it skips is filled',
    csv: table('time,MWh', 24 * 250, i => {
      // of UTC from March 1 to November 5, as clocks in Berlin show it
      const hours = Date.UTC(2024, 2, 1) + 3_600_000 * i;
      const isSummer = hours >= Date.UTC(2024, 2, 31, 1) && hours < Date.UTC(2024, 9, 27, 1);
      const local = new Date(hours + 3_600_000 * (isSummer ? 2 : 1)).toISOString();
      return `${local.slice(0, 16)},${(50 + 20 * Math.sin(i / 4) + Math.sin(i * i)).toFixed(1)}`;
    }),
    dataset: { kind: 'forecast', time: 'time', resample: { every: '1h', by: 'mean' } },
    stdout:
      /^note +1 row has the time of the row before, first line \d+ after line \d+: "2024-10-27T02:00": `resample` takes the mean of such rows$/m,
  },
  {
    what: 'quarters are dates',
    csv: table('quarter,gdp', 190, i => {
      return `${1975 + (i >> 2)}-Q${1 + (i % 4)},${(100 + i / 2 + 5 * (i % 4) + Math.sin(i * i)).toFixed(2)}`;
    }),
    dataset: { kind: 'forecast', time: 'quarter', date_format: '%Y-Q%q', season: 4 },
  },
  {
    what: 'times say their offset from UTC in part, and it changes',
    csv: table('time,price', 24 * 60, i => {
      const [offset, zone] = i < 700 ? [2, '+02:00'] : i < 1400 ? [1, '+01:00'] : [0, ''];
      const local = new Date(Date.UTC(2024, 9, 1, offset) + 3_600_000 * i).toISOString();
      return `${local.slice(0, 16)}${zone},${(50 + 20 * Math.sin(i / 4) + Math.sin(i * i)).toFixed(1)}`;
    }),
    dataset: { kind: 'forecast', target: 'price' },
    stdout:
      /^note +40 of 1440 times in time have no offset from UTC and are taken as UTC\nnote +times in time have different offsets from UTC \(\+02:00, \+01:00\): hours of the day are those of UTC$/m,
  },
  {
    what: 'few bad cells drop no column, whatever words they have',
    csv: table('a,b,c,kind', 800, i => {
      const a = i % 90 === 5 ? `word ${i}` : (i * 7) % 61;
      const b = i % 12 === 3 ? `none ${Math.floor(i / 12) % 8}` : (i * 5) % 47;
      const c = i % 100 === 8 ? '<1' : i % 20 === 3 ? 'lost' : (i * 11) % 43;
      return `${a},${b},${c},${i % 3 ? 'up' : 'down'}`;
    }),
    dataset: { features: ['a', 'c'] },
    stdout:
      /^missing +57 cells in 2 columns \(also word 5, .* and 1 more\): .*\nnot used +b: not a number in 67 rows, first in line 5\nnote +c has 8 cells such as "<1", which are taken as missing: a number /m,
  },
  {
    what: 'words that mean missing values in other columns do so anywhere',
    csv: table('a,b,kind', 800, i => {
      const word = i % 12 === 3 ? `none ${Math.floor(i / 12) % 8}` : undefined;
      return `${word ?? (i * 7) % 61},${i % 90 === 5 ? `none ${i % 8}` : (i * 5) % 47},${i % 3 ? 'up' : 'down'}`;
    }),
    dataset: { features: ['a', 'b'] },
  },
  {
    what: 'a number that is often measured is asked about',
    csv: table('a,b,kind', 240, i => {
      const b = i % 50 === 3 ? 999 : 100 + ((i * 5) % 47);
      return `${(i * 7) % 61},${b},${i % 3 ? 'up' : 'down'}`;
    }),
    dataset: { features: ['a', 'b'], missing: null },
    stdout: /^note +columns have numbers far from all others, .*: b \(999\) \(expected: /m,
  },
  {
    what: 'a column without a name, as pandas writes it',
    csv: table(',a,kind', 240, i => `${i},${(i * 7) % 61},${i % 3 ? 'up' : 'down'}`),
    dataset: { features: ['a'] },
    stdout: /^not used +a column without a name: it numbers the rows$/m,
  },
  {
    what: 'times without a date keep the order of the file',
    csv: table('clock,run,x,mood', 400, i => {
      const [run, second] = [Math.floor(i / 8), i % 8];
      return `00:00:0${second},r${run},${(i * 37) % 101}.5,${run % 3 ? 'up' : 'down'}`;
    }),
    dataset: { sequence: { group: 'run' }, features: ['x'], target: 'mood' },
    stdout: /^not used +clock: times without a date: .*\n(.*\n)?because .*; clock starts again in each run$/m,
  },
  {
    what: 'texts have names, and rare words are unknown',
    csv: table('review_id,review,stars', 300, i => {
      const words = ['good', 'bad', 'fine', 'warm', i % 37 ? 'cold' : 'odd'].map(
        (_, k, all) => all[(i + k) % 5],
      );
      return `r${i},${words.join(' ')} place ${'abc'[i % 3]},${i % 2 ? 'many' : 'few'}`;
    }),
    dataset: { features: ['review'], id: 'review_id', min_count: 10, target: 'stars' },
    stdout: /^(?!(.*\n)*.*--target review_id)/,
  },
  {
    what: 'facts of sequences are read with them, unless they name, number or decide something',
    csv: table('trial,site,nurse,seat,dose,tier,x,mood', 320, i => {
      const trial = Math.floor(i / 8);
      const facts = [`n${trial}`, 100 + trial, 2 * ((trial * 7) % 13), trial % 2 ? 5 : 3];
      return `${trial},${'uvw'[(trial * 5) % 3]},${facts.join()},${(i * 7) % 31}.5,${trial % 2 ? 'up' : 'down'}`;
    }),
    dataset: { static_features: [{ column: 'site', encode: 'one_hot' }, 'dose'], features: ['x'] },
    stdout:
      /^not used +nurse: the same .*a name of it\nnot used +seat: it numbers each trial\nnot used +tier: each of its numbers has one value of mood/m,
  },
  {
    what: 'a word that means a missing value in one column is a class in another',
    csv: table('kind,size,x', 240, i => {
      return `${i % 20 ? 'old' : 'new'},${i % 20 ? (i * 7) % 61 : 'new'},${(i * 37) % 101}.5`;
    }),
    dataset: {
      target: 'kind',
      features: [{ column: 'size', missing: { markers: ['new'] } }, 'x'],
      missing: { fill: 'median', indicator: true, markers: undefined },
    },
  },
  {
    what: 'some series may be short, and a date of birth orders nothing',
    csv: table('country,dob,year,value', 260, i => {
      const value = i > 250 ? '' : (100 * Math.sin(i / 9)).toFixed(1);
      return `c${Math.floor(i / 50)},${day(i)},${1950 + (i % 50)},${value}`;
    }),
    dataset: { kind: 'forecast', series: 'country', time: 'year', target: 'value' },
  },
  {
    what: 'words of many kinds that repeat are features with learned vectors',
    csv: table('town,size,price', 200, i => `town ${(i * 7) % 31},${(i * 37) % 101}.5,${(i * 13) % 89}.5`),
    dataset: {
      features: [{ column: 'town', encode: 'embedding', size: 8, min_count: 2 }, 'size'],
      target: 'price',
    },
  },
  {
    what: 'such words of a sequence as a whole have vectors, too',
    csv: table('trial,subject,town,x,mood', 480, i => {
      const trial = i >> 3;
      return `${trial},s${trial % 12},town ${(trial * 7) % 25},${(i * 37) % 101}.5,${trial % 2 ? 'up' : 'down'}`;
    }),
    dataset: { features: ['x'], static_features: [{ column: 'town', encode: 'embedding', size: 8 }] },
  },
  {
    what: 'years order a series',
    csv: table(
      'year,wheat,rye',
      90,
      i => `${1900 + i},${100 + i + ((i * 7) % 5)}.5,${80 + ((i * 11) % 13)}.5`,
    ),
    dataset: { kind: 'forecast', target: 'wheat', time: 'year', features: ['rye'] },
  },
  {
    what: 'names are read letter by letter',
    csv: table('name,gender', 90, i => `${'abcdefg'[i % 7]}n${'xyz'[(i * 5) % 3]}${i},${'fm'[i % 2]}`),
    dataset: { features: ['name'], input_kind: 'text', level: 'character', target: 'gender' },
  },
  {
    what: 'two columns of different texts are a text to read and one to write',
    csv: table('word,sounds', 120, i => {
      const letters = [...String(i % 100)].map(digit => 'abcdefghij'[Number(digit)]);
      return `${letters.join('')},${letters.map(letter => letter.toUpperCase()).join(' ')} ${i < 100 ? 'X' : 'Y'}`;
    }),
    config: {
      model: { bidirectional: true, decoder: { attention: 'general' }, head: undefined },
      gates: [{ metric: 'test.token_error_rate', beats: 'trivial' }],
    },
    dataset: {
      ...{ features: ['word'], input_kind: 'text', level: 'character', normalize: null },
      ...{ target: 'sounds', target_kind: 'sequence', target_level: 'word' },
      ...{ validation: { fraction: 0.2, group: 'word' }, test: { fraction: 0.2, group: 'word' } },
    },
    stdout:
      /^target +sounds \(a sequence of words\)\n(.*\n)+ {2}.* --target word --as pairs {2}# the sequence word of each row$/m,
  },
  ...[
    {
      csv: table('0.5,2,u', 90, i => `${(i * 7) % 23},${(i * 5) % 31},${'uvw'[i % 3]}`),
      dataset: { features: ['c1', 'c2'], target: 'c3', column_names: ['c1', 'c2', 'c3'] },
    },
    {
      csv: table('aab,AH AH B', 90, i => {
        const bits = [...i.toString(2)].map(Number);
        return `${bits.map(bit => 'ab'[bit]).join('')},${bits.map(bit => ['AH', 'B'][bit]).join(' ')}`;
      }),
      dataset: { features: ['c1'], target: 'c2', column_names: ['c1', 'c2'], target_level: 'word' },
    },
  ].map(one => ({
    ...one,
    what: `a table without a line of names: ${one.csv.slice(0, 11)}`,
    stdout: /^header +none: the columns are called c1, c2/m,
  })),
  {
    what: 'texts to write from numbers are read if asked for',
    csv: table('x,y,drawing', 120, i => `${(i * 7) % 31},${(i * 5) % 23},${'ud'.repeat(1 + (i % 40))}`),
    flags: ['--as', 'pairs'],
    dataset: {
      ...{ features: ['x', 'y'], target: 'drawing', target_kind: 'sequence', target_level: 'character' },
      ...{ normalize: 'standard', input_kind: null, test_fraction: 0.2 },
    },
  },
  {
    what: 'dates are written in another form',
    csv: table('written,iso', 120, i => {
      const [year, month, date] = day(i).split('-');
      return `${Number(date)}. ${['Jan', 'Feb', 'Mar', 'Apr'][Number(month) - 1]} ${year},${day(i)}`;
    }),
    dataset: { features: ['written'], target: 'iso', target_kind: 'sequence', target_level: 'character' },
  },
  {
    what: 'words that several sequences share are subjects, whatever their name; few of them are kinds',
    csv: table('walk,dog,breed,i,a,gait', 768, i => {
      const walk = i >> 3;
      const dog = walk % 12;
      return `w${walk},D${dog},${dog % 3 ? 'collie' : 'beagle'},${i % 8},${(i * 37) % 101}.5,${['walk', 'trot'][(walk >> 2) % 2]}`;
    }),
    dataset: {
      ...{ features: ['a'], static_features: [{ column: 'breed', encode: 'one_hot' }], target: 'gait' },
      ...{ test: { fraction: 0.2, group: 'dog' }, validation: { fraction: 0.2, group: 'dog' } },
    },
    stdout:
      /^splits +the rows of each dog are in one split \(`group: dog`\), so metrics are for a dog that training has not seen$/m,
  },
  {
    what: 'so are whole numbers side by side, but not a number that is a fact of them',
    csv: table('k0,k1,k2,t,x,k9', 768, i => {
      const [sequence, subject] = [i >> 3, Math.floor(i / 64)];
      return `R${sequence},${100 + subject},${20 + ((subject * 7) % 10)},${i % 8},${(i * 37) % 101}.5,${sequence % 3 ? 'run' : 'sit'}`;
    }),
    dataset: { features: ['x'], static_features: ['k2'], target: 'k9', test: { group: 'k1' } },
  },
  {
    what: 'other whole numbers may be subjects',
    csv: table('k0,k1,t,x,k9', 768, i => {
      const sequence = i >> 3;
      return `R${sequence},${(sequence * sequence) % 23},${i % 8},${(i * 37) % 101}.5,${sequence % 3 ? 'run' : 'sit'}`;
    }),
    dataset: { features: ['x'], static_features: ['k1'], target: 'k9', test: null },
    stdout: /^note +k1 is taken as a number: if it says who or what was recorded, `group: k1` in `test` and/m,
  },
  {
    what: 'classes of sequences are no subjects of themselves',
    csv: table('take,t,x,word,digit', 960, i => {
      const digit = (i >> 3) % 10;
      return `T${i >> 3},${i % 8},${(i * 37) % 101}.5,w${digit},${digit}`;
    }),
    flags: ['--target', 'digit'],
    dataset: { target: 'digit', test: null, test_fraction: 0.2 },
  },
  {
    what: 'days without a row become steps without a value',
    csv: table('shop,date,sales', 400, i => {
      const [shop, step] = [Math.floor(i / 200), i % 200];
      const gap = step < 50 ? 0 : step < 120 ? 1 : 3;
      return `s${shop},${day(step + gap)},${100 + 10 * Math.sin((step + gap) * 0.9)}`;
    }),
    dataset: {
      ...{ kind: 'forecast', series: 'shop', resample: { every: '1d', by: 'mean' } },
      ...{ missing: { fill: 'forward', indicator: true }, per_step: true, season: 7 },
    },
    stdout: /^steps +every 1d: 6 steps without a row are filled$/m,
  },
  {
    what: 'so do months',
    csv: table('month,sales', 120, i => {
      const month = i < 70 ? i : i + 1;
      const date = new Date(Date.UTC(2010, month)).toISOString().slice(0, 10);
      return `${date},${100 + 10 * Math.sin(month * 0.5)}`;
    }),
    dataset: { kind: 'forecast', resample: { every: '1 month', by: 'mean' } },
    stdout: /^steps +every 1 month: 1 step without a row is filled$/m,
  },
  {
    what: 'weekends and holidays of workdays are no steps',
    csv: table('date,sales', 200, i => {
      const workday = i < 90 ? i : i + 1;
      return `${day(7 * Math.floor(workday / 5) + (workday % 5))},${100 + 10 * Math.sin(workday * 0.9)}`;
    }),
    dataset: { kind: 'forecast', resample: null, missing: null },
  },
  {
    what: 'missing words are counted, too',
    csv: table('id,a,posture,label', 400, i => {
      const posture = i % 40 === 7 ? 'NA' : ['sits', 'lies', 'stands'][(i * 7) % 3];
      return `s${i >> 3},${i % 100 === 5 ? '' : `${(i * 37) % 101}.5`},${posture},${(i >> 3) % 2 ? 'up' : 'down'}`;
    }),
    dataset: { features: ['a', { column: 'posture', encode: 'one_hot' }] },
    stdout: /^missing +14 cells in 2 columns: filled with .*; of posture, a value of its own$/m,
  },
  {
    what: 'a subject with gaps cannot keep its recordings in one split',
    csv: table('trial,subject,t,x,label', 240, i => {
      const trial = i >> 3;
      return `${trial},${i === 9 ? '' : `s${trial >> 2}`},${i % 8},${(i * 7) % 31},${trial % 2}`;
    }),
    dataset: { sequence: { group: 'trial' }, features: ['x'], test: null, test_fraction: 0.2 },
    stdout:
      /^note +subject has no value in 1 row, first in line 11: without that, no subject would be in two/m,
  },
  {
    what: 'texts with gaps',
    csv: table('review,stars', 60, i => `${i === 7 ? '' : `a ${i % 2 ? 'good' : 'bad'} film ${i}`},${i % 2}`),
    dataset: { features: ['review'], input_kind: 'text', missing: null },
    stdout: /^left out +1 row without a text, first in line 9$/m,
  },
  {
    what: 'words such as NA are no missing texts',
    csv: table('text,stars', 60, i => `${i % 9 ? `a ${i % 2 ? 'good' : 'bad'} film ${i}` : 'NA'},${i % 2}`),
    dataset: { features: ['text'], input_kind: 'text' },
    stdout: /^(?!(.*\n)*left out)/,
  },
  {
    what: 'None is a class among others, and a rare one is none',
    csv: table(
      'x,colour,grade',
      90,
      i => `${i % 7},${i % 9 ? ['red', 'blue'][i % 2] : 'None'},${['None', 'low', 'high'][i % 3]}`,
    ),
    dataset: { features: ['x', { column: 'colour', encode: 'one_hot' }], target: 'grade', missing: null },
    stdout:
      /^target +grade \(3 classes\)\n(.*\n)+note +None taken as a class of grade: rows without a class/m,
  },
  {
    what: 'numbers of classes in the last column count more than words',
    csv: table(
      'x,colour,width,Befund',
      90,
      i => `${i % 7},${['red', 'blue'][i % 2]},${i % 11},${i % 5 ? 0 : 1}`,
    ),
    dataset: { target: 'Befund', target_kind: 'class' },
  },
  {
    what: 'decimal commas, and points between thousands',
    csv: table(
      'breite;preis;art',
      90,
      i => `${i % 7},5;${1 + (i % 9)}.${100 + i},25;${['rot', 'blau'][i % 2]}`,
    ),
    dataset: { delimiter: ';', decimal: ',', features: ['breite', 'preis'], target: 'art' },
  },
  {
    what: 'commas between thousands',
    csv: table('width,price,kind', 90, i => `${i % 7}.5,"${1 + (i % 9)},${100 + i}.25",${'uv'[i % 2]}`),
    dataset: { decimal: '.', features: ['width', 'price'], target: 'kind' },
  },
  {
    what: 'a text has no list of missing classes',
    csv: table(
      'text,kind',
      60,
      i => `a ${i % 2 ? 'good' : 'bad'} film ${i},${['None', 'up', 'down'][i % 3]}`,
    ),
    dataset: { features: ['text'], target: 'kind', missing: null },
    stdout:
      /^target +kind \(3 classes\)\n(.*\n)+note +None taken as a class of kind: rows without a class have/m,
  },
  ...(
    [
      ['names of sentences', (i: number) => `s${i}`, ['sent', 'pos', 'word', 'tag']],
      ['numbers of sentences', (i: number) => i, ['sent', 'pos', 'word', 'tag']],
      ['names of sentences without a line of names', (i: number) => `s${i}`, ['c1', 'c2', 'c3', 'c4']],
      ['numbers of sentences without a line of names', (i: number) => i, ['c1', 'c2', 'c3', 'c4']],
    ] as const
  ).map(([what, name, [group, order, word, target]]) => ({
    what: `words are tagged, also unknown ones: ${what}`,
    csv: table(group === 'c1' ? `${name(0)},0,the,DET` : 'sent,pos,word,tag', 240, i => {
      const at = (i * 7 + (i >> 4)) % 6;
      const [sentence, step] = [(i >> 2) + Number(group === 'c1'), i % 4];
      return `${name(sentence)},${step},${TAGGED[at]}`;
    }),
    dataset: {
      ...{ sequence: { group, order, per_step: true }, target, input_kind: null, missing: null },
      features: [{ column: word, encode: 'embedding', size: 16, min_count: 2, suffix: undefined }],
    },
  })),
  {
    what: 'numbers of sentences alone order nothing',
    csv: table('0,the,DET', 240, i => `${1 + (i >> 2)},${TAGGED[(i * 7 + (i >> 4)) % 6]}`),
    dataset: { sequence: { group: 'c1', order: undefined, per_step: true }, features: [{ column: 'c2' }] },
  },
  {
    what: 'names of sentences are no texts of rows',
    csv: table('sent,pos,word,tag', 240, i => `the sentence ${i >> 2},${i % 4},${TAGGED[(i * 7) % 6]}`),
    flags: ['--as', 'rows'],
    dataset: { features: ['word'], target: 'tag' },
  },
  {
    what: 'missing tags of words are listed',
    csv: table('sent,pos,word,tag', 240, i => `s${i >> 2},${i % 4},${TAGGED[(i * 7 + (i >> 4)) % 6]}`),
    flags: ['--target', 'word', '--as', 'steps'],
    dataset: { features: [{ column: 'tag' }], target: 'word', missing: { markers: ['NA'] } },
  },
  {
    what: 'unused columns are reported',
    csv: table(
      'x,y,z,note,label',
      80,
      i => `${i % 6},${i % 27 ? '' : i},${i % 7 ? i : 'none'},hello ${i},${i % 2}`,
    ),
    dataset: { features: ['x'] },
    stdout:
      /^not used +y: no value in 77 rows, first in line 3: too few values\nnot used +z: not a number in 12 rows, first in line 2\nnot used +note: not numbers$/m,
  },
];

for (const { what, csv, flags = [], config = {}, dataset, stdout = /./ } of GUESSES)
  t.test(what, async t => {
    const written = await from(csv, ...flags);
    t.match(written, { code: 0, config, found: 'exit 0', stdout });
    for (const [key, value] of Object.entries(dataset))
      if (value === null) t.notOk(key in written.config.dataset, key);
      else t.match(written.config.dataset[key], value, key);
  });

t.test('a series that moves is measured from its level', async t => {
  /** Uniform from -0.5 to 0.5, but the same in each run. */
  const noise = (i: number) => ((i * 2_654_435_761) % 1009) / 1009 - 0.5;
  const weekly = (i: number) => 5 * Math.sin((2 * Math.PI * i) / 7);
  const moving = (valueAt: (i: number) => number) =>
    from(table('date,y', 300, i => `${day(i)},${valueAt(i).toFixed(3)}`));
  const seasonal = await moving(i => 0.1 * i + weekly(i) + noise(i));
  t.match(seasonal.config, {
    dataset: { season: 7, relative_to: 'season' },
    training: { metrics: ['mean_absolute_error', 'rmse', 'mase'] },
    gates: [{ metric: 'test.mase', max: 1 }],
  });
  t.equal(seasonal.found, 'exit 0');
  const still = await moving(i => weekly(i) + noise(i));
  t.notOk('relative_to' in still.config.dataset);
  // differences within a season that grow with the level are learned from logarithms
  const growing = await moving(i => 1.02 ** i * (10 + weekly(i) + noise(i)));
  t.match(growing.config.dataset, { transform: 'log' });
  t.notOk('transform' in seasonal.config.dataset);
  // the test split has no say: the last 15 % of the rows
  const late = await moving(i => (i < 255 ? 0 : 0.5 * i) + weekly(i) + noise(i));
  t.notOk('relative_to' in late.config.dataset);
  // rows are in the order of their times, series by series
  const rows = Array.from({ length: 300 }, (_, i) =>
    ['A', 'B'].map(
      name => `${name},${day(i)},${((name === 'A' ? 1 : 1000) * (0.1 * i + weekly(i))).toFixed(3)}`,
    ),
  ).flat();
  const shuffled = rows.map((_, i) => rows[(i * 7) % rows.length]);
  const several = await from(`store,date,y\n${shuffled.join('\n')}\n`);
  t.match(several.config.dataset, { series: 'store', relative_to: 'season' });
  t.equal(several.found, 'exit 0');
});

t.test('a file called train has the other splits next to it', async t => {
  const cwd = work.folder();
  const cases = (n: number) =>
    table(
      'id,t,x,label',
      n,
      i => `${Math.floor(i / 5)},${i % 5},${Math.sin(i)},${Math.floor(i / 5) % 2 ? 'a' : 'b'}`,
    );
  for (const [split, rows] of [
    ['train', 200],
    ['dev', 50],
    ['test', 45],
  ] as const)
    writeFileSync(join(cwd, `waves-${split}.csv`), cases(rows));
  const { stdout, code } = await cellrun(cwd, 'init', '--from', 'waves-train.csv');
  t.match({ stdout, code }, { code: 0, stdout: /^validation +waves-dev\.csv\ntest +waves-test\.csv$/m });
  const valid = await cellrun(cwd, 'validate', 'waves-train.cellrun.yaml');
  t.match(valid.stdout, /valid \(40 training, 10 validation, 9 test sequences\)/, valid.stderr);
});

t.test('files of other splits are read like the table', async t => {
  const cwd = work.folder();
  const cases = (hole: string, target: string) =>
    table(`id,t,x${target && ',label'}`, 100, i => {
      const [id, t] = [Math.floor(i / 5), i % 5];
      return `${id},${t},${i === 7 ? hole : Math.sin(i)}${target && `,${id % 2 ? 'a' : 'b'}`}`;
    });
  writeFileSync(join(cwd, 'null-train.csv'), cases('0', 'label'));
  writeFileSync(join(cwd, 'null-val.csv'), cases('', 'label'));
  writeFileSync(join(cwd, 'null-test.csv'), cases('9', ''));
  const { stdout, code } = await cellrun(cwd, 'init', 'null.yaml', '--from', 'null-train.csv');
  t.match(
    { stdout, code },
    { code: 0, stdout: /^validation +null-val\.csv\nnot used +null-test\.csv: it has no label$/m },
  );
  const { dataset } = parse(readFileSync(join(cwd, 'null.yaml'), 'utf8'));
  t.match(dataset, { missing: { fill: 'forward', indicator: true }, test_fraction: 0.2 });
  t.equal((await cellrun(cwd, 'validate', 'null.yaml')).code, 0);
  writeFileSync(join(cwd, 'null-val.csv'), cases('1', 'label').replace('19,4', '19,3'));
  t.match(await cellrun(cwd, 'init', 'other.yaml', '--from', 'null-train.csv'), {
    code: 5,
    stderr: /^null-val\.csv:101:1: two rows of group "19" have the same value in column "t"\n/,
  });
});

t.test('arrays: groups, missing numbers', async t => {
  const cwd = work.folder();
  const written = async (x: (i: number) => number, groups: object) => {
    const arrays = { x: floats([60, 4, 2], x), y: integers([60], i => i % 2), ...groups };
    writeFileSync(join(cwd, 'a.npz'), npz(arrays));
    t.equal((await cellrun(cwd, 'init', '--force', '--from', 'a.npz')).code, 0);
    t.equal((await cellrun(cwd, 'validate', 'a.cellrun.yaml')).code, 0);
    return parse(readFileSync(join(cwd, 'a.cellrun.yaml'), 'utf8')).dataset;
  };
  const grouped = await written(i => Math.sin(i), { groups: integers([60], i => i % 12) });
  const split = { fraction: 0.2, group: 'groups' };
  t.match(grouped, { test: split, validation: split, missing: undefined, test_fraction: undefined });
  const holes = await written(i => (i === 100 ? Number.NaN : Math.sin(i)), {});
  t.match(holes, { missing: { fill: 'forward', indicator: true }, test: undefined, test_fraction: 0.2 });
  const facts = floats([60, 2], i => (i === 9 ? Number.NaN : i % 7));
  t.match(await written(i => Math.sin(i), { static: facts }), { missing: { fill: 'forward' } });
  const column = await written(i => Math.sin(i), { y: integers([60, 1], i => i % 2) });
  t.match(column, { target_kind: undefined });
  const ran = await cellrun(cwd, 'a.cellrun.yaml', '--set', 'training.num_epochs=1', '--json');
  const { directory, metrics } = JSON.parse(ran.stdout);
  t.type(metrics.test.accuracy, 'number');
  const predicted = await cellrun(cwd, 'predict', directory, '--input', 'a.npz');
  t.match(predicted, { code: 0, stdout: /^\{"index":0,"id":"x\[0\]","predicted":[01],"probability":/ });
  t.equal(predicted.stdout.trim().split('\n').length, 60);
  t.match(await cellrun(cwd, 'evaluate', directory, '--input', 'a.npz'), { code: 0 });
});

t.test('records: missing numbers, empty texts, classes that mean nothing', async t => {
  const cwd = work.folder();
  const written = async (name: string, record: (i: number) => object) => {
    const lines = Array.from({ length: 120 }, (_, i) => `${JSON.stringify(record(i))}\n`);
    writeFileSync(join(cwd, `${name}.jsonl`), lines.join(''));
    const { stdout, stderr } = await cellrun(cwd, 'init', '--from', `${name}.jsonl`);
    const config = stderr === '' ? parse(readFileSync(join(cwd, `${name}.cellrun.yaml`), 'utf8')) : undefined;
    return { stdout, stderr, config };
  };
  const numbers = await written('true', i => ({
    x: i === 7 ? null : [[i, 1], i % 40 ? [2, i] : [null, i]],
    y: i % 3,
  }));
  t.match(numbers, {
    stderr: '',
    stdout:
      /^left out +1 record without x\nmissing +values in 3 records: filled with the value of the step before/m,
    config: { name: 'true', dataset: { input: 'x', missing: { fill: 'forward', indicator: true } } },
  });
  const texts = await written('texts', i => ({
    text: i === 7 ? '' : `a ${i % 2 ? 'good' : 'bad'} film ${i % 50}`,
    topic: i % 9 ? ['good', 'bad'][i % 2] : 'None',
  }));
  t.match(texts, { stderr: '', stdout: /^note +"None" is a class: no topic is null$/m });
});

const PLANS = ['free', 'pro', 'team'];
const ACTIONS = ['view', 'cart', 'search', 'pay', 'help'];
const date = (i: number) => `${day(i % 300)}T${String(i % 24).padStart(2, '0')}:00:00Z`;
const visit = (i: number) => ({
  ...{ session: `s${1000 + i}`, customer: `c${i % 60}` },
  ...{ plan: PLANS[(i >> 1) % 3], age: 20 + ((7 * i) % 40) },
});
const list = <T>(i: number, one: (k: number) => T) => Array.from({ length: 4 + (i % 5) }, (_, k) => one(k));
const group = { fraction: 0.2, group: 'customer' };

/** Records that people have, the config that is wanted, and what `init` says. */
const RECORDS: Readonly<
  Record<string, { record: (i: number) => object; dataset: Record<string, unknown>; says?: RegExp }>
> = {
  values: {
    record: i => ({ ...visit(i), values: list(i, k => Math.sin(i + k)), converted: i % 3 === 0 }),
    dataset: {
      ...{ input: 'values', target: 'converted', id: 'session', validation: group, test: group },
      static_features: [{ column: 'plan', encode: 'one_hot' }, 'age'],
    },
    says: /^static +plan, age$/m,
  },
  actions: {
    record: i => ({ ...visit(i), actions: list(i, k => ACTIONS[(i + k * k) % 5]), converted: i % 3 === 0 }),
    dataset: { input: 'actions', target: 'converted', id: 'session', validation: group, test: group },
    says: /^not used +plan: neither input nor target\nnot used +age/m,
  },
  // the boolean is not the last field, and some facts are absent
  absent: {
    record: i => ({
      ...{ converted: i % 3 === 0, customer: visit(i).customer },
      ...(i % 9 > 0 && { age: visit(i).age }),
      ...(i % 7 > 0 && { plan: visit(i).plan }),
      x: list(i, k => Math.cos(i + k)),
    }),
    dataset: {
      ...{ target: 'converted', missing: { fill: 'forward', indicator: true }, validation: group },
      static_features: ['age', { column: 'plan', encode: 'one_hot' }],
    },
    says: /^missing +values in 27 records/m,
  },
  tickets: {
    record: i => ({
      ...{ id: 5000 + 3 * i, created: date(i), opened: 1.7e9 + 977 * i },
      text: `my ${ACTIONS[i % 5]} is ${PLANS[i % 3]} since ${i % 9} days`,
      ...(i % 20 > 0 && { priority: ['low', 'mid', 'high'][i % 3] }),
    }),
    dataset: { input: 'text', target: 'priority', target_kind: 'class', id: 'id' },
    says: /^not used +created: a time\nnot used +opened: a time\n(.*\n)*note +left out: 12 sequences/m,
  },
  devices: {
    record: i => ({
      ...{ device: `dev-${i % 12}`, readings: list(i, k => [i % 7, k]), faulty: Number(i % 5 === 0) },
    }),
    dataset: { target: 'faulty', target_kind: 'class', test: { fraction: 0.2, group: 'device' } },
  },
  two: {
    record: i => ({
      run: `r${i}`,
      speed: list(i, k => i + k / 3),
      load: list(i, k => i / 7 + k),
      wear: i / 9,
    }),
    dataset: { input: 'speed', target: 'wear', target_kind: 'value', per_step: undefined },
    says: /^not used +load: one list is read: \[\[speed, load\], …\]/m,
  },
  tagged: {
    record: i => ({
      ...{ tokens: list(i, k => ACTIONS[(i + k) % 5]), ner_tags: list(i, k => (i + k) % 3) },
      source: PLANS[i % 2],
    }),
    dataset: { input: 'tokens', target: 'ner_tags', target_kind: 'class', per_step: true },
  },
  steps: {
    record: i => ({ run: `r${i}`, speed: list(i, k => i + k / 3), load: list(i, k => i / 7 + k) }),
    dataset: { input: 'speed', target: 'load', target_kind: 'value', per_step: true, id: 'run' },
  },
};

for (const [name, { record, dataset, says = /./ }] of Object.entries(RECORDS))
  t.test(`records: ${name}`, async t => {
    const cwd = work.folder();
    const lines = Array.from({ length: 240 }, (_, i) => `${JSON.stringify(record(i))}\n`);
    writeFileSync(join(cwd, `${name}.jsonl`), lines.join(''));
    const config = `${name}.cellrun.yaml`;
    t.match(await cellrun(cwd, 'init', '--from', `${name}.jsonl`), { code: 0, stdout: says, stderr: '' });
    const found = parse(readFileSync(join(cwd, config), 'utf8')).dataset;
    for (const [key, value] of Object.entries(dataset)) t.same(found[key], value, key);
    t.equal((await cellrun(cwd, 'validate', config)).code, 0);
    const ran = await cellrun(cwd, config, '--set', 'training.num_epochs=1', '--json');
    t.match(ran, { code: /^[03]$/ }, ran.stderr);
    const { directory } = JSON.parse(ran.stdout);
    const predicted = await cellrun(cwd, 'predict', directory, '--input', `${name}.jsonl`);
    t.equal(predicted.code, 0, predicted.stderr);
    t.equal(predicted.stdout.trim().split('\n').length, 240);
    t.equal((await cellrun(cwd, 'evaluate', directory, '--input', `${name}.jsonl`)).code, 0);
  });

t.test('records that are nested, or rows of sequences, are refused with what helps', async t => {
  const cwd = work.folder();
  const refused = async (record: (i: number) => object, stderr: RegExp) => {
    const lines = Array.from({ length: 240 }, (_, i) => `${JSON.stringify(record(i))}\n`);
    writeFileSync(join(cwd, 'x.jsonl'), lines.join(''));
    t.match(await cellrun(cwd, 'init', '--from', 'x.jsonl'), { code: 2, stderr });
    t.notOk(existsSync(join(cwd, 'x.cellrun.yaml')));
  };
  const events = (i: number) => list(i, k => ({ action: ACTIONS[k % 5], value: k }));
  await refused(
    i => ({ session: `s${i}`, user: { plan: PLANS[i % 3] }, events: events(i), converted: i % 3 === 0 }),
    /: user and events are nested, .*\n.*a list with the numbers of each step, .*; can be read: session, converted\n/,
  );
  const step = (i: number) => ({
    session: `s${i >> 2}`,
    time: date(i),
    action: ACTIONS[i % 5],
    value: i % 7,
  });
  await refused(
    i => ({ width: i / 7, height: i % 9, kind: PLANS[i % 3] }),
    /each is a row of a table, .*\n.*expected: a table, .*to_csv/,
  );
  await refused(
    i => ({ ...step(i), plan: PLANS[(i >> 2) % 3] }),
    /each is one step of a session, .*\n.*one record for each session, with lists; or a table.*to_csv/,
  );
});

t.test('records and arrays whose targets are sequences', async t => {
  const cwd = work.folder();
  const records = (record: (word: string, i: number) => object) =>
    Array.from({ length: 130 }, (_, i) => {
      const word = [...String(i)].map(digit => 'abcdefghij'[Number(digit)]).join('');
      return `${JSON.stringify(record(word, i))}\n`;
    }).join('');
  const sounds = (word: string) => [...`${word}j`].map(letter => letter.toUpperCase());
  writeFileSync(
    join(cwd, 'text.jsonl'),
    records(word => ({ word, sounds: sounds(word).join(' ') })),
  );
  writeFileSync(
    join(cwd, 'list.jsonl'),
    records(word => ({ word, sounds: sounds(word) })),
  );
  writeFileSync(
    join(cwd, 'steps.jsonl'),
    records(word => ({ word: [...word], sounds: sounds(word).slice(1) })),
  );
  const labels = (steps: number) => integers([60, steps], i => (i % steps < 2 ? i % 7 : -100));
  writeFileSync(join(cwd, 'other.npz'), npz({ x: floats([60, 4, 2], Math.sin), y: labels(3) }));
  // two equal symbols need three steps
  const twice = integers([60, 2], i => (i < 118 ? i % 7 : 0));
  writeFileSync(join(cwd, 'dense.npz'), npz({ x: floats([60, 2, 2], Math.sin), y: twice }));
  writeFileSync(
    join(cwd, 'strokes.jsonl'),
    records(word => ({ strokes: Array.from({ length: 9 }, (_, i) => [i, word.charCodeAt(0)]), word })),
  );
  writeFileSync(join(cwd, 'equal.npz'), npz({ x: floats([60, 4, 2], Math.sin), y: labels(4) }));
  const written = async (file: string, ...flags: string[]) => {
    const config = `${file}.yaml`;
    const { stdout, stderr, code } = await cellrun(cwd, 'init', config, '--force', '--from', file, ...flags);
    t.equal(code, 0, stderr);
    t.equal((await cellrun(cwd, 'validate', config)).code, 0, file);
    return { stdout, ...parse(readFileSync(join(cwd, config), 'utf8')) };
  };
  const target = { input: 'word', target: 'sounds', target_kind: 'sequence' };
  const inverse = /--target word --as pairs {2}# the sequence word of each record$/m;
  t.match(await written('text.jsonl'), {
    dataset: { ...target, target_level: 'word', level: 'character' },
    model: { decoder: { attention: 'general' } },
    stdout: inverse,
  });
  t.match(await written('text.jsonl', '--target', 'sounds', '--as', 'texts'), {
    dataset: { target_kind: 'class' },
  });
  t.match(await written('list.jsonl'), { dataset: { ...target, target_level: undefined } });
  const tags = await written('steps.jsonl');
  t.match(tags, { dataset: { target_kind: 'class', per_step: true } });
  t.match(tags.stdout, /--target sounds --as pairs {2}# the sequence sounds of each record$/m);
  const other = await written('other.npz');
  t.match(other, {
    dataset: { target_kind: 'sequence' },
    model: { bidirectional: true, head: { from: 'every' } },
    loss: { kind: 'ctc' },
    stdout: /^target +y: sequences of 7 symbols$/m,
  });
  t.match(await written('strokes.jsonl'), { dataset: { target: 'word' }, loss: { kind: 'ctc' } });
  t.match(await written('dense.npz', '--as', 'pairs'), {
    model: { decoder: { cell: 'lstm' } },
    loss: { kind: 'cross_entropy' },
  });
  t.match(await cellrun(cwd, 'init', 'x.yaml', '--from', 'text.jsonl', '--target', 'Sounds'), {
    code: 2,
    stderr: /^--target: text\.jsonl has no column "Sounds"\n.*\n {2}did you mean sounds\?/,
  });
  const equal = await written('equal.npz');
  t.match(equal, { dataset: { target_kind: undefined }, model: { head: { from: 'every' } } });
  t.match(equal.stdout, /--as pairs {2}# y has sequences with lengths of their own$/m);
  t.match(await written('equal.npz', '--as', 'pairs'), { dataset: { target_kind: 'sequence' } });
  const refused = await cellrun(cwd, 'init', 'x.yaml', '--from', 'other.npz', '--as', 'series');
  t.match(refused, { code: 2, stderr: /^--as: y is \[60, 3\] integers, .* series\n {2}expected: pairs\n/ });
  const useless = ['--group', 'word', '--date-format', '%Y'];
  t.match(await cellrun(cwd, 'init', 'x.yaml', '--from', 'text.jsonl', ...useless), {
    code: 2,
    stderr: /^--group: this option is not for data such as text\.jsonl\n\n--date-format: this option/,
  });
});

t.test('other delimiters than the comma are found', async t => {
  const commas = await from(table('id,x,label', 80, i => `${i % 20},${i / 2},${i % 20 < 7}`));
  for (const delimiter of [';', '\t', '|']) {
    const text = table('id,x,label', 80, i => `${i % 20},${i / 2},${i % 20 < 7}`);
    const other = await from(text.replaceAll(',', delimiter));
    t.equal(other.found, 'exit 0');
    const { path, ...dataset } = commas.config.dataset;
    t.same(other.config.dataset, { path, delimiter, ...dataset });
  }
  t.equal(commas.found, 'exit 0');
  t.notOk('delimiter' in commas.config.dataset);
});

t.test('a comma before three decimals is told from one between thousands, or asked for', async t => {
  /** Numbers from 1,100, or with a first one of another form. */
  const csv = (delimiter: string, first = '"1,100"') =>
    table(
      'x;y;label',
      60,
      i => `${i === 9 ? first : `"${1 + (i % 9)},${100 + i}"`};${i};${i % 3 ? 'a' : 'b'}`,
    )
      .replaceAll(';', delimiter)
      .replaceAll('"', delimiter === ',' ? '"' : '');
  for (const [text, decimal, isTold, ...flags] of [
    [csv(',', '"0,844"'), ',', true],
    [csv(',', '"-0,844"'), ',', true],
    [csv(';'), ',', true],
    [csv('\t'), ',', true],
    [csv(';'), '.', false, '--decimal', '.'],
    [csv(','), ',', false, '--decimal', ','],
    [csv(';', '1,5'), ',', false], // these are sure
    [csv(';', '1,100.5'), '.', false],
  ] as const) {
    const { found, config, stdout, stderr } = await from(text, ...flags);
    t.equal(found, 'exit 0', stderr);
    t.equal(config.dataset.decimal, decimal, text.slice(0, 40));
    t.same(config.dataset.features, ['x']);
    const note = text.includes('0,844')
      ? /^note +numbers such as -?0,844 have a decimal comma$/m
      : /^note +numbers such as 1,100 have a decimal comma; with --decimal \., it is between thousands$/m;
    t.equal(note.test(stdout), isTold, stdout);
  }
  // these contradict each other
  for (const first of ['1.5', '5.123'])
    t.match(await from(csv(';', first)), {
      code: 5,
      stderr: /has a comma\n.*`--decimal ,`, or `--decimal \.`/,
    });
});

t.test('points between thousands are told from decimal ones by numbers that need neither', async t => {
  const guests = (i: number) => 870 + ((37 * i) % 900);
  const csv = (written: (guests: number) => string, more = 'day') =>
    table(`month;${more};guests`, 120, i => `${day(31 * i).slice(0, 7)};${i % 9};${written(guests(i))}`);
  const german = (n: number) => (n < 1000 ? `${n}` : `1.${String(n).slice(1)}`);
  for (const [text, decimal, ...flags] of [
    [csv(german), ','],
    [csv(german), '.', '--decimal', '.'],
    // of these, each may be a decimal number: none ends with a 0 that no one would write
    [csv(n => String(n / 1000)), undefined],
    [csv(n => (n / 1000).toFixed(3)), undefined],
  ] as const) {
    const { found, config, stdout, stderr } = await from(text, ...flags);
    t.equal(found, 'exit 0', stderr);
    t.equal(config.dataset.decimal, decimal);
    const note = /^note +numbers such as 1\.\d{3} have a point between thousands; with --decimal \.,/m;
    t.equal(note.test(stdout), decimal === ',', stdout);
  }
});

/** A table of measurements. */
const MEASURED = table('lot;pressure;temp;purity;mass', 60, i =>
  [`L${i}`, (i * 7) % 31, (i * i) % 37, (i * 5) % 23, 100 + ((i * 11) % 13)].join(';'),
);

t.test('the last and first rows of measurements and of names remain', async t => {
  for (const [text, ...flags] of [
    [MEASURED],
    [
      `${table(
        'name,height,team',
        60,
        i => `${'abcdefghij'[i % 10]}nna${'xyzuvw'[i % 6]},${i % 7},${i % 3 ? 'u' : 'v'}`,
      )}Zoe,33,\n`,
    ],
    [MEASURED.replace('L0;0;0;0', 'L0;err;0;0')],
    [
      table('region,year,x,label', 60, i => `${['Total', 'north'][i % 2]},${i},${(i * i) % 37},${i % 3}`) +
        'Total,60,1,\n',
    ],
  ] as const)
    t.match(await from(text, ...flags), { code: 0 }, text.slice(-60));
});

/** Tables that `init` refuses: exit code and message. */
const REFUSED: readonly (readonly [csv: string, code: number, stderr: RegExp, ...flags: string[]])[] = [
  [table('date,sales', 30, i => `${day(i)},${i}`), 2, /its series have 30 steps/],
  [
    table('a;b;label', 20, i => `${i};${i % 3 ? '1,5' : '1.5'};${i % 2}`),
    5,
    /^data\.csv:3:1: column "b": the number has a comma\n {2}expected: a decimal point/,
  ],
  [table('x,label', 20, i => `"1,${100 + i}",${i % 2}`), 5, /has a comma(?:.|\n)*`--decimal ,`/],
  [
    table('recording,x,label', 240, i => {
      const label = i === 21 ? 'yess' : ['yes', 'no'][(i >> 3) % 2];
      return `${i >> 3},${(i * 7) % 31},${label}`;
    }),
    2,
    /: label is the same in all rows of each recording except 2 \("yes" in line 18, "yess" in line 23\)/,
  ],
  [
    table('width,price', 60, i => `${i % 7},${i}.25 €`),
    2,
    /its target price has invalid cells: numbers with "€", which have to be numbers alone/,
    ...['--target', 'price'],
  ],
  [
    `${table('id,kind', 20, i => `p${i},${'uv'[i % 2]}`)}id,kind\n`,
    5,
    /^data\.csv:22:1: the header of line 1 appears again\n/,
  ],
  ['a,b\n', 5, /the table has no rows/],
  ...['Gesamt;;;;9059,0', 'Mittelwert;20,1;5,2;;', 'Total (kg);1;2;3;4', 'Alles;;;;9059'].map(
    last =>
      [
        `${MEASURED}${last}\n`,
        5,
        new RegExp(
          `^data\\.csv:62:1: this row seems to sum up .*\\n.*\\n +got: ${last.split(';')[0].replace('(', '\\(').replace(')', '\\)')}`,
        ),
      ] as const,
  ),
  [
    `${MEASURED}Summe;;;;9\nMean;1;2;3;4\n`,
    5,
    /^data\.csv:62:1: this row seems to sum up .*\n.*\n +got: Summe\n/,
  ],
  ...[';bar;°C;-;kg', '[-];[bar];[°C];[g];[kg]'].map(
    units =>
      [
        MEASURED.replace('\n', `\n${units}\n`),
        5,
        /^data\.csv:2:1: the row below the names has words for numbers, such as units\n.*\n +got: \[?bar\]?, /,
      ] as const,
  ),
  [table('a,a,b', 20, i => `${i % 7},1,${i % 2}`), 5, /^data\.csv:1:3: two columns are named "a"\n/],
  [
    table('text,label', 40, i => `hello,${i % 2 ? 'a' : 'b'}`),
    2,
    /cannot write a config for this table: no column has a number or a text in every row/,
  ],
  [table('x,label', 20, i => `${i},1`), 2, /label has the same value everywhere/],
  [table('date,y', 60, i => `${day(i)},3`), 2, /its target y has the same value everywhere/],
  [
    table('date,y', 60, i => `0${1 + (i % 9)}/0${1 + Math.floor(i / 9)}/2024,${(i * 7) % 31}`),
    2,
    /^data\.csv: the dates of date can be read in 2 ways\n {2}expected: --date-format "%d\/%m\/%Y" or --date-format "%m\/%d\/%Y"/,
  ],
  [
    table(
      'trial,age,x,label',
      90,
      i => `${i >> 3},${20 + (i >> 3)},${i % 7 ? `${i}.5` : 'broken'},${(i >> 3) % 2}`,
    ),
    5,
    /^data\.csv: none of the columns of numbers can be used\n.*x: not a number in \d+ rows/,
  ],
  ...[
    ['the rows of each subject belong together, and it has no value in 1 row, first in line 7', 0] as const,
    ['t orders the rows, and it has no value in 1 row, first in line 7', 1] as const,
  ].map(
    ([message, column]) =>
      [
        table('subject,t,x,label', 120, i => {
          const cells = [`s${i >> 3}`, i % 8, (i * 7) % 31, (i >> 3) % 2];
          return cells.map((cell, k) => (i === 5 && k === column ? '' : cell)).join();
        }),
        2,
        new RegExp(`${message}\\n.*another reading: --target label --as rows`),
      ] as const,
  ),
  [
    table('patient,x,label', 240, i => {
      const patient = Math.floor(i / 8);
      return `${patient},${(i * 7) % 31},${i === 21 ? 'well' : ['ill', 'well'][patient % 2]}`;
    }),
    2,
    /: label is the same in all rows of each patient except 2 \("ill" in line 18, "well" in line 23\)\n.*another reading: --target label --as steps/,
  ],
  [
    table('recording,date,x,label', 120, i => `${i >> 3},${day(i >> 3)},${(i * 7) % 31},${(i >> 3) % 2}`),
    2,
    /^--time: date has the same value in several rows of one recording, so it cannot order them\n/,
    ...['--time', 'date'],
  ],
  [
    table('shop,date,y', 160, i => `${'uv'[i % 2]},${i === 20 ? '2024-02-30' : day(i >> 1)},${(i * 7) % 31}`),
    2,
    /: date orders the rows, and it has no date in 1 row, first in line 22: "2024-02-30"\n/,
  ],
  [
    table(
      'date,y',
      60,
      i => `${i === 9 ? '31/02/2024' : `${10 + (i % 20)}/0${1 + Math.floor(i / 20)}/2024`},${i}`,
    ),
    2,
    /: date orders the rows, and it has no date in 1 row, first in line 11: "31\/02\/2024"\n/,
    ...['--time', 'date', '--target', 'y', '--as', 'series'],
  ],
  [
    table('shop,date,y', 160, i => `${'uv'[i % 2]},${day((i === 20 ? 18 : i) >> 1)},${(i * 7) % 31}`),
    2,
    /: 1 row has the date of the row before in its shop, first line 22 after line 20: "2024-01-10"; .*`resample`\n/,
  ],
  [
    table('word,x,label', 20, i => `w${i},${i % 7},${i % 2}`),
    2,
    /^--time: word has neither dates nor numbers, so it cannot order rows\n/,
    ...['--time', 'word'],
  ],
  [
    table('a,b,c', 9, i => `${i},1,2`),
    2,
    /^--target: data\.csv has no column "d"\n.*a, b, c/,
    '--target',
    'd',
  ],
  [
    table('a,b,c', 9, i => `${i},1,2`),
    2,
    /--target, --group and --time are equal/,
    ...['--target', 'b', '--group', 'b'],
  ],
  [
    table('id,x,label', 4, i => `${i >> 1},${(i * i) % 7},${i >> 1 ? 'up' : 'down'}`),
    2,
    /^data\.csv: cannot write a config for these data: validation needs at least two sequences/,
  ],
];

/** A sentence of each word, with blank lines between. */
const sentences = (between: string) =>
  Array.from({ length: 40 }, (_, i) => {
    const rows = TAGGED.slice(i % 3).map(row => row.replace(',', between));
    return `${rows.join('\n')}\n`;
  }).join('\n');

t.test('blank lines and titles in a table of measurements', async t => {
  const rows = Array.from({ length: 200 }, (_, i) => {
    const row = `r${Math.floor(i / 10)},${i % 10},${(i * i) % 37}.5,${i % 20 < 10 ? 'low' : 'high'}`;
    return i % 23 === 22 ? `${row}\n` : row;
  });
  const names = 'rec,t,force,label';
  const cwd = dirname(work.file('blank.csv', [names, ...rows].join('\n')));
  t.match(await cellrun(cwd, 'init', '--from', 'blank.csv'), {
    code: 0,
    stdout: /^target +label \(2 classes\)\nsequences +20, the rows of each rec$/m,
  });
  for (const title of ['Export of 2024-03-01', 'Device 7,,,\n,,,']) {
    writeFileSync(join(cwd, 'title.csv'), [title, '', names, ...rows].join('\n'));
    t.match(await cellrun(cwd, 'init', '--from', 'title.csv'), {
      code: 5,
      stderr:
        /^title\.csv:1:1: the first line does not have .*\n +expected: .* remove the lines above them\n$/,
    });
  }
});

for (const [name, text, names] of [
  ['words.tsv', sentences('\t'), '[word, tag]'],
  ['words.txt', sentences('\t'), '[word, tag]'],
  ['words.conll', sentences(' '), '[word, tag]'],
  ['wide.txt', sentences(' X  '), '[word, column2, tag]'],
  [
    'notes.txt',
    `-DOCSTART- O\n\n# new\n${sentences(' ').replaceAll('\n\n', '\n\n# text = a b c\n')}`,
    '[word, tag]',
  ],
  ['words.csv', `word,tag\n${sentences(',')}`, undefined],
] as const)
  t.test(`blank lines between sentences are read: ${name}`, async t => {
    const cwd = dirname(work.file(name, text));
    const written = await cellrun(cwd, 'init', '--from', name);
    t.match(written, {
      code: 0,
      stdout: /^sequences +40, the rows of each block of lines \(`blank_lines`\)$/m,
    });
    const made = /^Wrote (.*)$/m.exec(written.stdout)?.[1] ?? '';
    const config = readFileSync(join(cwd, made), 'utf8');
    t.match(config, '  sequence: { blank_lines: true, per_step: true }\n');
    t.equal(/column_names: (.*\])/.exec(config)?.[1], names);
    const run = await cellrun(cwd, made, '--output', 'out', '--set', 'training.num_epochs=1');
    t.match(run, { code: /^[03]$/ }, run.stderr);
    // new sentences, with their tags or without
    const between = /^.*?(\W+)\w+\n/m.exec(sentences(' '))?.[1] ?? ' ';
    writeFileSync(
      join(cwd, 'new.txt'),
      names ? `the${between}\ncat\n\ndog\n`.replace(' \n', '\n') : 'word\nthe\ncat\n\ndog\n',
    );
    if (name === 'wide.txt') return;
    const directory = /^Run directory: (.*)$/m.exec(run.stderr + run.stdout)?.[1] ?? '';
    const predicted = await cellrun(cwd, 'predict', directory, '--input', 'new.txt');
    t.match(
      predicted,
      { code: 0, stdout: /"symbol":\["the","cat"\](?:.*\n)*.*"symbol":\["dog"\]/ },
      predicted.stderr,
    );
    t.match(await cellrun(cwd, 'evaluate', directory, '--input', name), { code: 0 });
  });

t.test('records of one person are in one split', async t => {
  const lines = Array.from({ length: 60 }, (_, i) =>
    JSON.stringify({ steps: [i % 7, i % 5, 1], person: `p${i % 12}`, label: i % 3 ? 'a' : 'b' }),
  );
  const cwd = dirname(work.file('people.jsonl', `${lines.join('\n')}\n`));
  const written = await cellrun(cwd, 'init', '--from', 'people.jsonl');
  t.match(written, { code: 0, stdout: /^splits +the records of each person are in one split/m });
  t.match(await cellrun(cwd, 'data', 'people.cellrun.yaml'), {
    code: 0,
    stdout: /^groups of person: .*; none in two splits$/m,
  });
});

t.test('no word of a small vocabulary is unknown', async t => {
  const words = ['good', 'bad', 'fine', 'poor', 'the', 'food', 'was', 'it'];
  const rows = Array.from({ length: 300 }, (_, i) =>
    [`${words[i % 4]} ${words[4 + (i % 4)]} ${words[(i * i) % 8]}`, i % 2 ? 'yes' : 'no'].join(),
  );
  const cwd = dirname(work.file('small.csv', `review,liked\n${rows.join('\n')}\n`));
  t.match(await cellrun(cwd, 'init', '--from', 'small.csv'), { code: 0 });
  t.notMatch(readFileSync(join(cwd, 'small.cellrun.yaml'), 'utf8'), 'min_count');
});

t.test('spaces within fields between commas', async t => {
  const cwd = dirname(work.file('places.csv', sentences(',').replaceAll('the,', 'New York,')));
  t.match(await cellrun(cwd, 'init', '--from', 'places.csv'), {
    code: 2,
    stderr: /^places\.csv: blank lines seem to separate the sequences\n +expected: fields separated by tabs/,
  });
});

t.test('blank lines say nothing more than a column with their number, and separate no verses', async t => {
  const numbered = table('sent,word,tag', 160, i => `s${i >> 2},${TAGGED[i % 6]}${i % 4 === 3 ? '\n' : ''}`);
  t.match(await from(numbered), { code: 0, found: 'exit 0' });
  const verses = 'the dog runs\nand the cat sees it\n\n'.repeat(60);
  const cwd = dirname(work.file('verses.txt', verses));
  t.match(await cellrun(cwd, 'init', '--from', 'verses.txt'), {
    code: 0,
    stderr: '',
    stdout: /^read as +a text, \d+ bytes: the model predicts its next character$/m,
  });
});

t.test('treebanks may number their sentences alike', async t => {
  const bank = (first: number, ids: (i: number) => string) =>
    Array.from({ length: 20 }, (_, i) => {
      const words = [0, 1, 2].map(k => {
        const [word, tag] = TAGGED[(i * (k + first)) % 6].split(',');
        return `${k + 1}\t${word}${k + first}\t_\t${tag}${'\t_'.repeat(6)}\n`;
      });
      return `# sent_id = ${ids(i)}\n${words.join('')}\n`;
    }).join('');
  const cwd = work.folder();
  const init = async (ids: (i: number) => string) => {
    writeFileSync(join(cwd, 'en-train.conllu'), bank(1, ids));
    writeFileSync(join(cwd, 'en-test.conllu'), bank(5, ids));
    return cellrun(cwd, 'init', '--force', '--from', 'en-train.conllu');
  };
  const counted = await init(i => String(i + 1));
  t.match(counted, { code: 0, stderr: '' });
  t.notMatch(counted.stdout, /are in both/);
  t.match(await init(i => `news-${i}`), {
    code: 0,
    stdout: /^note +\d+ groups are in both the training and/m,
  });
});

t.test('unusable tables are refused', async t => {
  for (const [csv, code, stderr, ...flags] of REFUSED)
    t.match(await from(csv, ...flags), { code, stderr, found: 'no config' }, String(stderr));
});

t.test('paths, texts and wrong arguments', async t => {
  const cwd = work.folder();
  const deeper = await cellrun(cwd, 'init', 'a/new/folder/x.yaml', '--template', 'csv');
  t.match(deeper, { code: 0, stdout: /a\/new\/folder\/x\.yaml/ });
  t.match(await cellrun(cwd, 'init'), {
    code: 2,
    stderr: /--template mnist \| csv \| text \| forecast \| pronounce \| voice/,
  });
  t.match(await cellrun(cwd, 'init', '--from', 'none.csv'), { code: 2, stderr: /^none\.csv: / });
  writeFileSync(join(cwd, 'empty.txt'), '');
  t.match(await cellrun(cwd, 'init', '--from', 'empty.txt'), {
    code: 5,
    stderr: /^empty\.txt: the file is empty\n/,
  });
  t.notOk(existsSync(join(cwd, 'empty.cellrun.yaml')));
  writeFileSync(join(cwd, 'two.txt'), 'ab');
  t.match(await cellrun(cwd, 'init', '--from', 'two.txt'), {
    code: 2,
    stderr: /^two\.txt: cannot write a config for these data: the training split has too little text\n/,
  });
  writeFileSync(join(cwd, 'latin.txt'), Buffer.from('un caf\xe9, s.v.p. '.repeat(20), 'latin1'));
  t.match(await cellrun(cwd, 'init', '--from', 'latin.txt'), {
    code: 5,
    stderr: /^latin\.txt:1:7: the file is not UTF-8 text\n/,
  });
  t.notOk(existsSync(join(cwd, 'two.cellrun.yaml')) || existsSync(join(cwd, 'latin.cellrun.yaml')));
  t.match(await cellrun(cwd, 'init', '--from', 'data.xlsx'), { code: 2, stderr: /ends in \.csv/ });
  t.match(await cellrun(cwd, 'init', 'x.txt', '--template', 'csv'), {
    code: 2,
    stderr: /^x\.txt: a config is a YAML file/,
  });
});

t.test('a table of labels leads to the recordings that it names', async t => {
  for (const name of ['rec', 'recs/rec']) {
    const labels = table('file,age,label', 60, i => `${name}${i},${20 + (i % 7)},${i % 2 ? 'up' : 'down'}`);
    const file = work.file('labels.csv', labels);
    const cwd = dirname(file);
    const init = (...options: string[]) =>
      cellrun(cwd, 'init', '--from', 'labels.csv', '--force', ...options);
    t.notMatch(await init(), { stdout: /names files/ });
    rmSync(join(cwd, 'labels.cellrun.yaml'));
    mkdirSync(join(cwd, 'recs'));
    const write = (ending: string) => {
      for (let i = 0; i < 60; i++) writeFileSync(join(cwd, 'recs', `rec${i}.${ending}`), 't,x\n0,1\n');
    };
    write('log');
    t.match(await init(), {
      code: 2,
      stderr: /^labels\.csv: file names files in recs, which are not read: /,
    });
    write('csv');
    const refused = await init();
    t.match(refused, { code: 2, stdout: '', stderr: /^recs: .*: label of labels\.csv, whose column file / });
    t.same(await cellrun(cwd, 'init', '--from', 'recs'), refused, 'as from the folder');
    t.notOk(existsSync(join(cwd, 'labels.cellrun.yaml')));
    t.match(await init('--as', 'rows'), { code: 0, stdout: /^note +file names files in recs, /m });
  }
});

t.test('events at the time of another are no group of several columns', async t => {
  const events = table('user,time,event,value', 400, i => {
    const [user, step] = [Math.floor(i / 20), i % 20];
    return `u${user},${step === 7 ? 6 : step},${step % 2 ? 'tap' : 'swipe'},${(i * i) % 13}.5`;
  });
  const cwd = dirname(work.file('events.csv', events));
  t.match(await cellrun(cwd, 'init', '--from', 'events.csv'), { code: 0, stdout: /rows of each user$/m });
});

/** Recordings in two classes without labels, and a table of these. */
const UNLABELLED = [
  {
    title: 'beside a folder',
    from: 'runs',
    labels: 'labels.csv',
    name: (i: number) => `r${i}`,
    says: /^runs: the target seems to be in another table: kind of labels\.csv, whose column id names these files\n/,
    merged:
      /the rows of all files, with their id, and the kind of labels\.csv .*on="id"\)` .* --group id --target kind;/,
  },
  {
    title: 'in their folder, by whole names',
    from: 'runs',
    labels: 'runs/labels.csv',
    name: (i: number) => `r${i}.csv`,
    says: /^runs: .* kind of runs\/labels\.csv, /,
    merged: / and the kind of runs\/labels\.csv /,
  },
  {
    title: 'by paths',
    from: 'runs',
    labels: 'labels.csv',
    name: (i: number) => `runs/r${i}`,
    says: /^runs: .* names these files\n/,
    merged: / --group id --target kind;/,
  },
  {
    title: 'of a table',
    from: 'runs.csv',
    labels: 'labels.csv',
    name: (i: number) => `r${i}`,
    says: /^runs\.csv: .* kind of labels\.csv, whose column id has the values of recording\n/,
    merged:
      /its rows and the kind of labels\.csv \(`pd\.merge\(rows, labels, left_on="recording", right_on="id"\)` of pandas\), with --group recording --target kind;/,
  },
] as const;

for (const { title, from, labels, name, says, merged } of UNLABELLED)
  t.test(`labels in another table are no guess: ${title}`, async t => {
    const steps = (i: number) => Array.from({ length: 4 }, (_, k) => `${k},${Math.sin(i + k)},${i * k}`);
    const all = Array.from({ length: 20 }, (_, i) => steps(i));
    const cwd = work.folder();
    mkdirSync(join(cwd, 'runs'));
    for (const [i, rows] of all.entries())
      writeFileSync(join(cwd, 'runs', `r${i}.csv`), `t,x,z\n${rows.join('\n')}\n`);
    const joined = all.flatMap((rows, i) => rows.map(row => `r${i},${row}`));
    writeFileSync(join(cwd, 'runs.csv'), `recording,t,x,z\n${joined.join('\n')}\n`);
    writeFileSync(
      join(cwd, labels),
      table('id,age,kind', 20, i => `${name(i)},${i % 7},${i % 2 ? 'a' : 'b'}`),
    );
    const init = (...options: string[]) => cellrun(cwd, 'init', '--from', from, '--force', ...options);
    const refused = await init();
    t.match(refused, { code: 2, stdout: '', stderr: says });
    t.match(refused.stderr, merged);
    if (!labels.startsWith('runs/'))
      t.match(await init('--target', 'x'), { code: 0, stdout: /^target +x \(a number at every step\)$/m });
    if (labels === 'labels.csv') {
      const some = table('id,label', 15, i => `${name(i)},${i % 3}`);
      writeFileSync(join(cwd, 'a.csv'), some);
      t.match(await init(), { stderr: /: kind of labels\.csv, whose .*; a\.csv: only some of them\n/ });
      writeFileSync(join(cwd, 'labels.csv'), readFileSync(join(cwd, labels), 'utf8').replace(/.*\n$/, ''));
      const both = await init();
      const message = /^.*: the target may be in several tables: label of a\.csv, kind of labels\.csv\n/;
      t.match(both, { code: 2, stderr: message });
      rmSync(join(cwd, 'a.csv'));
    }
    rmSync(join(cwd, labels));
    t.match(await init(), { code: 0, stdout: /^target +z /m });
  });

t.test('a folder may have a README, but no table with other columns', async t => {
  const cwd = work.folder();
  mkdirSync(join(cwd, 'runs'));
  for (let i = 0; i < 20; i++)
    writeFileSync(
      join(cwd, 'runs', `r${i}.csv`),
      table('x,label', 5, k => `${Math.sin(i + k)},${i % 2}`),
    );
  for (const name of ['README.md', 'LICENSE']) writeFileSync(join(cwd, 'runs', name), 'words\n');
  const init = () => cellrun(cwd, 'init', '--from', 'runs', '--force');
  t.match(await init(), { code: 0, stdout: /^not used +LICENSE, README\.md: no ending of tables$/m });
  t.match(await cellrun(cwd, 'validate', 'runs.cellrun.yaml'), { code: 0 });
  writeFileSync(join(cwd, 'runs', 'other.csv'), 'a,b\n1,2\n');
  t.match(await init(), {
    code: 5,
    stderr: /^runs\/other\.csv: this file has other columns than the other files of its folder\n/,
  });
});

t.test('of nested subjects, the outermost is kept in one split', async t => {
  /** Three patients of each site, three visits of each patient, three steps of each visit. */
  const row = (i: number) => {
    const [patient, visit] = [Math.floor(i / 9), Math.floor(i / 3)];
    const names = `c${Math.floor(patient / 3)},p${patient},v${visit}`;
    return `${names},${i % 3},${Math.sin(i)},${visit % 2 ? 'up' : 'down'}`;
  };
  const plan = async (sites: number) => {
    const file = work.file('visits.csv', table('site,patient,visit,t,x,label', sites * 27, row));
    return cellrun(dirname(file), 'init', '--from', 'visits.csv', '--force');
  };
  t.match(await plan(8), {
    code: 0,
    stdout:
      /^splits +the rows of each site are in one split[\s\S]*^because .*; each patient has one site, which is kept in one split/m,
  });
  t.match(await plan(4), { code: 0, stdout: /^splits +the rows of each patient are in one split/m });
});

t.test('words whose names no line has are tagged, and predicted without their tags', async t => {
  const cwd = work.folder();
  const words = ['run', 'run', 'dog', 'cat', 'see', 'big', 'red'];
  // the first row appears again
  const at = (i: number) => words[(i * i + (i >> 2)) % words.length];
  const rows = Array.from({ length: 160 }, (_, i) => `s${i >> 2},${at(i)},${at(i).length + at(i)[0]}`);
  writeFileSync(join(cwd, 'tags.csv'), `${rows.join('\n')}\n`);
  const init = await cellrun(cwd, 'init', '--from', 'tags.csv');
  t.match(init, { code: 0, stdout: /^features +c2$/m });
  t.match(init.stdout, /^note +each c2 has one c3, so a list of them is as good as a model/m);
  const short = ['--set', 'training.num_epochs=1', '--set', 'gates=[]', '--json'];
  const { stdout } = await cellrun(cwd, 'run', 'tags.cellrun.yaml', ...short);
  const { directory } = JSON.parse(stdout);
  const predict = async (text: string) => {
    writeFileSync(join(cwd, 'new.csv'), text);
    return cellrun(cwd, 'predict', directory, '--input', 'new.csv');
  };
  const whole = await predict('q,dog,3d\nq,see,3s\n');
  t.match(JSON.parse(whole.stdout), { id: 'q', symbol: ['dog', 'see'] });
  for (const text of ['q,dog\nq,see\n', 'c2,c1\ndog,q\nsee,q\n'])
    t.same(await predict(text), whole, 'without the target');
  t.match(await predict('dog\n'), {
    code: 5,
    stderr:
      /^new\.csv:1:1: .*\n.*\n.*\n {2}expected: 3, as in `dataset\.column_names`, or a first line with the names/,
  });
});
