/**
 * Tables that nobody prepared (test/fixtures/tables), from `init` to predictions. What `init`
 * should conclude is written by hand, from what is known of each data set.
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { callInProcess } from '../support/in-process.js';
import { work } from '../support/work.js';

interface PreparedBy {
  readonly file: string;
  readonly flags?: readonly string[];
  /** Keys of `dataset`; null for keys that are not there. */
  readonly dataset: Readonly<Record<string, unknown>>;
  /** What `init` prints. */
  readonly says?: RegExp;
  /** The metric that must beat the trivial baseline, and by how much it does at least. */
  readonly beats: readonly [metric: string, ratio: number];
  /** How many predictions there are. */
  readonly predicts: number;
}

const TABLES: readonly PreparedBy[] = [
  {
    file: 'us-employment.csv', // total employment comes first; the other sectors are its parts
    dataset: { kind: 'forecast', target: 'nonfarm', time: 'month', series: null, season: 12 },
    beats: ['mean_absolute_error', 0.7],
    predicts: 1,
  },
  {
    file: 'employment-long.csv',
    dataset: {
      ...{ kind: 'forecast', target: 'employees', series: 'sector' },
      ...{ time: 'date', date_format: '%b %d %Y' },
    },
    says: /date starts again in each sector/,
    beats: ['mean_absolute_error', 0.8],
    predicts: 5,
  },
  {
    file: 'weather.csv', // rain and wind hardly depend on the day before, temperatures do
    dataset: { kind: 'forecast', target: 'temp_max', series: 'location', time: 'date' },
    says: /--target weather --as rows/,
    beats: ['mean_absolute_error', 1],
    predicts: 2,
  },
  {
    file: 'steel.csv', // UCI 851 predicts the usage, which is like that of the day before
    flags: ['--date-format', '%d/%m/%Y %H:%M'],
    dataset: {
      kind: 'forecast',
      target: 'Usage_kWh',
      time: 'date',
      date_format: '%d/%m/%Y %H:%M',
      season: 96,
    },
    beats: ['mean_absolute_error', 1],
    predicts: 1,
  },
  {
    file: 'air.csv', // the hours are 18.00.00, and -200 means a missing value
    dataset: {
      ...{ kind: 'forecast', delimiter: ';', decimal: ',', target: 'CO(GT)', season: 24 },
      ...{ time: ['Date', 'Time'], date_format: '%d/%m/%Y %H.%M.%S', resample: { every: '1h', by: 'mean' } },
      features: ['PT08.S1(CO)', 'NMHC(GT)', 'C6H6(GT)', 'T', 'RH', 'AH'],
      missing: { fill: 'forward', indicator: true, markers: ['-200'] },
    },
    says: /^order +Date Time \(`time: \[Date, Time\]`\)$/m,
    beats: ['mean_absolute_error', 1],
    predicts: 1,
  },
  {
    file: 'penguins-raw.csv',
    dataset: {
      kind: 'csv',
      target: 'Species',
      sequence: null,
      missing: { fill: 'median', indicator: true },
      features: [
        ...['studyName', 'Island', 'Clutch Completion'].map(column => ({ column, encode: 'one_hot' })),
        ...['Culmen Length (mm)', 'Culmen Depth (mm)', 'Flipper Length (mm)', 'Body Mass (g)'],
        { column: 'Sex', encode: 'one_hot' },
        ...['Delta 15 N (o/oo)', 'Delta 13 C (o/oo)'],
      ],
    },
    says: /^missing +46 cells in 7 columns(.*\n)+not used +Sample Number: it numbers the rows$/m,
    beats: ['accuracy', 1.8],
    predicts: 344,
  },
  {
    file: 'recordings.csv', // codes 1 to 4 are activities; subjects have several trials
    dataset: {
      sequence: { group: 'trial', order: 'time_ms' },
      features: ['acc_x', 'acc_y', 'acc_z', 'gyro_x', 'gyro_y', 'gyro_z'],
      missing: { fill: 'forward', indicator: true, markers: ['err'] },
      target: 'activity',
      target_kind: 'class',
      validation: { fraction: 0.2, group: 'subject' },
      test: { fraction: 0.2, group: 'subject' },
    },
    says: /^static +age, sex \(words\)$/m,
    beats: ['accuracy', 2],
    predicts: 96,
  },
  {
    file: 'stays', // Lactate and WBC are measured once or twice a day
    dataset: {
      path: 'stays',
      delimiter: '|',
      sequence: { per_file: true, order: 'ICULOS', per_step: true },
      features: ['HR', 'O2Sat', 'Temp', 'SBP', 'Resp', 'Lactate', 'WBC'],
      missing: { fill: 'forward', indicator: true },
      target: 'SepsisLabel',
    },
    beats: ['accuracy', 1.005],
    predicts: 60,
  },
  {
    file: 'tickets.jsonl', // some have no topic
    dataset: { kind: 'jsonl', input: 'text', level: 'word', target: 'topic' },
    says: /^not used +channel/m,
    beats: ['accuracy', 2],
    predicts: 420,
  },
  {
    file: 'digits.npz',
    dataset: { kind: 'npz' },
    says: /^target +y: 10 classes$/m,
    beats: ['accuracy', 5],
    predicts: 1000,
  },
  {
    file: 'motions.ts',
    dataset: {
      ...{ kind: 'ts', path: 'motions.ts', sequence: { group: 'case' }, target: 'class' },
      features: ['x1', 'x2', 'x3', 'x4', 'x5', 'x6'],
    },
    says: /^target +class \(4 classes\)$/m,
    beats: ['accuracy', 2],
    predicts: 72,
  },
  {
    file: 'sentences.conllu',
    dataset: {
      ...{ kind: 'conllu', sequence: { group: 'sentence', per_step: true }, target: 'upos' },
      features: [
        { column: 'form', encode: 'embedding', size: 16, min_count: 2, suffix: undefined },
        { column: 'form', encode: 'embedding', size: 16, min_count: 2, suffix: 3 },
      ],
    },
    says: /^features +form, and its last 3 characters$/m,
    beats: ['accuracy', 1.03],
    predicts: 160,
  },
];

const folder = work.folder();
cpSync('test/fixtures/tables', folder, { recursive: true });
cpSync(join(folder, 'motions.ts.txt'), join(folder, 'motions.ts'));
const cellrun = (...args: string[]) => callInProcess(args, { ...work.place, cwd: folder });

for (const { file, flags = [], dataset, says = /./, beats, predicts } of TABLES)
  t.test(file, async t => {
    const written = await cellrun('init', '--from', file, ...flags);
    t.match(written, { code: 0, stdout: says, stderr: '' }, written.stderr);
    const name = `${file.replace(/\.\w+$/, '')}.cellrun.yaml`;
    const config = parse(readFileSync(join(folder, name), 'utf8'));
    for (const [key, value] of Object.entries(dataset))
      if (value === null) t.notOk(key in config.dataset, key);
      else t.match(config.dataset[key], value, key);
    t.equal((await cellrun('validate', name)).code, 0);
    const ran = await cellrun(name, '--json');
    t.equal(ran.code, 0, ran.stderr);
    const { gates, metrics, directory } = JSON.parse(ran.stdout);
    const [metric, ratio] = beats;
    const gate = gates.find((one: { metric: string }) => one.metric === `test.${metric}`);
    const reached = metrics.test[metric] / gate.reference;
    t.ok(ratio > 1 ? reached >= ratio : reached <= ratio, `${metric}: ${reached} of the baseline`);
    const predicted = await cellrun('predict', directory, '--input', resolve(folder, config.dataset.path));
    t.equal(predicted.code, 0, predicted.stderr);
    t.equal(predicted.stdout.trim().split('\n').length, predicts);
  });

const REFUSED: readonly (readonly [file: string, code: number, stderr: RegExp])[] = [
  [
    'steel.csv',
    2,
    /the dates of date can be read in 2 ways\n {2}expected: --date-format "%d\/%m\/%Y %H:%M" or/,
  ],
];

for (const [file, code, stderr] of REFUSED)
  t.test(`${file} is refused with the reason`, async t => {
    const path = `${file}.yaml`;
    t.match(await cellrun('init', path, '--from', file), { code, stderr });
  });

/** Damaged or unusual files, by name and content. */
const DAMAGED: readonly (readonly [file: string, content: string, code: number, stderr: RegExp])[] = [
  ['x.conllu', '1\tthe\tDET\n', 5, /^x\.conllu:1:1: a word of CoNLL-U has 10 fields\n/],
  ['x.ts', '@classLabel true a b\n', 5, /^x\.ts: the file has no line @data\n/],
  ['w.ts', '@classLabel true a b\n1,2:a\n', 5, /^w\.ts:2:1: a line before @data does not start with @\n/],
  [
    'y.ts',
    '@timeStamps true\n@data\n(0,1):a\n',
    5,
    /^y\.ts:1:1: steps with times of their own cannot be read\n/,
  ],
  [
    'z.ts',
    '@classLabel true a b\n@data\n1,2:3:a\n',
    5,
    /^z\.ts:3:1: the dimensions of the case differ in length/,
  ],
  [
    'x.jsonl',
    '{"id":1}\n{"id":2}\n',
    2,
    /^x\.jsonl: .*\n {2}expected: a field with a text or a list.*\n {2}got: id\n/,
  ],
  ['x.npz', 'PK', 5, /^x\.npz: /],
];

for (const [file, content, code, stderr] of DAMAGED)
  t.test(`${file}: ${stderr}`, async t => {
    const cwd = work.folder();
    writeFileSync(join(cwd, file), content);
    t.match(await callInProcess(['init', '--from', file], { ...work.place, cwd }), { code, stderr });
    t.same(readdirSync(cwd), [file]);
  });

t.test('the files of a folder have the same columns', async t => {
  const cwd = work.folder();
  mkdirSync(join(cwd, 'rides'));
  for (const [name, header] of [
    ['a', 'x,y,label'],
    ['b', 'x,z,label'],
  ])
    writeFileSync(join(cwd, 'rides', `${name}.csv`), `${header}\n1,2,u\n`);
  const { code, stderr } = await callInProcess(['init', '--from', 'rides'], { ...work.place, cwd });
  t.match(
    { code, stderr },
    {
      code: 5,
      stderr:
        /^rides\/b\.csv: the files of this folder have different columns\n {2}expected: x, y, label, as in rides\/a\.csv\n {2}got: x, z, label\n/,
    },
  );
});

t.test('columns of the files of a folder may be in any order', async t => {
  const cwd = work.folder();
  mkdirSync(join(cwd, 'rides'));
  for (let ride = 0; ride < 12; ride++) {
    const label = ride % 3 ? 'hill' : 'flat';
    const rows = Array.from({ length: 9 }, (_, i) => [i, i * 0.5 + ride, label] as const);
    const isSame = ride % 2 === 0;
    const lines = rows.map(([t, speed, own]) => (isSame ? [t, speed, own] : [own, t, speed]).join());
    const header = isSame ? 't,speed,label' : 'label,t,speed';
    writeFileSync(join(cwd, 'rides', `${ride}.csv`), [header, ...lines].join('\n'));
  }
  t.match(await callInProcess(['init', '--from', 'rides'], { ...work.place, cwd }), {
    code: 0,
    stdout: /^target +label \(2 classes\)\nsequences +12, the rows of each file\norder +t\nfeatures +speed$/m,
  });
  t.match(await callInProcess(['validate', 'rides.cellrun.yaml'], { ...work.place, cwd }), { code: 0 });
});
