/** Columns of tables that are not plain numbers. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import t from 'tap';
import { orderKey } from '../../src/data/core/cells.js';
import { inputWidth } from '../../src/data/core/dataset.js';
import { dateReader } from '../../src/data/formats/dates.js';
import { loadModel, type Prediction } from '../../src/index.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { RandomStream } from '../../src/util/random.js';
import { jsonLines } from '../support/cli.js';
import { complaints, fixture, open, sequence } from '../support/data-files.js';
import { modelOf } from '../support/models.js';
import { work } from '../support/work.js';

const expected = <T>(name: string): T =>
  JSON.parse(readFileSync(fixture(`../columns/${name}.json`), 'utf8')) as T;

t.test('dates in a format of their own are what strptime reads', async t => {
  const timeOf = orderKey(false);
  for (const [format, cell, iso] of expected<[string, string, string | null][]>('dates')) {
    const found = dateReader(format)(cell);
    const name = `${format} of "${cell}"`;
    if (iso === null) t.equal(found, undefined, name);
    // hours and fractions may be written in several ways
    else t.equal(timeOf(found ?? ''), timeOf(iso), name);
  }
});

t.test('weeks and quarters begin when Python and pandas say', async t => {
  // datetime.strptime(f'{cell}-1', '%G-W%V-%u'), and pandas.Period(cell).start_time
  for (const [format, cell, day] of [
    ['%G-W%V', '2012-W01', '2012-01-02'],
    ['%G-W%V', '2009-W01', '2008-12-29'],
    ['%G-W%V', '2020-W53', '2020-12-28'],
    ['%G-W%V', '2021-W53', undefined],
    ['%G-W%V', '2021-W54', undefined],
    ['%YQ%q', '2024Q3', '2024-07-01'],
    ['%Y-Q%q', '1975-Q1', '1975-01-01'],
    ['%Y-Q%q', '1975-Q5', undefined],
  ] as const)
    t.equal(dateReader(format)(cell), day, cell);
});

t.test('numbers with other marks are what pandas reads', async t => {
  const path = join(t.testdir(), 'data.csv');
  const rest = { kind: 'csv', path, features: ['b'], target: 'y', target_kind: 'class', test_fraction: 0.5 };
  // pandas.read_csv(path, sep=';', decimal=',', thousands='.'), and (path, thousands=',')
  const values = [0.5, -1234.5, 12345, 1234567.25, 7, 350];
  for (const [decimal, delimiter, cells] of [
    [',', ';', ['0,5', '-1.234,5', '12.345', '1.234.567,25', '7', '+3,5e2']],
    ['.', ',', ['0.5', '"-1,234.5"', '"12,345"', '"1,234,567.25"', '7', '3.5e2']],
  ] as const) {
    const rows = cells.map((cell, i) => `${cell}${delimiter}${'uv'[i % 2]}\n`);
    writeFileSync(path, `b${delimiter}y\n${rows.join('')}`);
    const data = await open({ ...rest, decimal, delimiter, seed: 1 } as never);
    const found = [data.train, data.test].flatMap(split =>
      split ? Array.from({ length: split.count }, (_, i) => sequence(data, split, i)[0][0]) : [],
    );
    const sorted = (list: readonly number[]) => list.toSorted((a, b) => a - b);
    t.same(sorted(found), sorted(values), decimal);
  }
});

t.test('an order column in a format of its own', async t => {
  const path = join(t.testdir(), 'data.csv');
  const config = (date_format?: string) =>
    ({
      kind: 'csv',
      path,
      features: ['v'],
      target: 'y',
      target_kind: 'class',
      test_fraction: 0.5,
      sequence: { group: 'g', order: 'at' },
      ...(date_format && { date_format }),
    }) as const;
  const write = (...dates: string[]) =>
    writeFileSync(path, `at,g,v,y\n${dates.map((at, i) => `${at},${i % 2},${i},a\n`).join('')}`);
  const orderOf = async (format: string) => {
    const data = await open(config(format));
    return [data.train, data.test].map(split => sequence(data, split, 0).flat()).toSorted();
  };
  write('05/01/2024', '05/01/2024', '01/12/2023', '02/12/2023', '01/02/2024', '01/02/2024');
  t.same(await orderOf('%d/%m/%Y'), [
    [2, 0, 4],
    [3, 1, 5],
  ]);
  t.same(await orderOf('%m/%d/%Y'), [
    [2, 4, 0],
    [3, 5, 1],
  ]);
  t.match(await complaints(5, () => open(config())), [
    /6 cells of column "at" are invalid/,
    /^data\/csv-order 2:.*which part is the month is not known .*`dataset.date_format`, such as "%d\/%m\/%Y" or "%m\/%d\/%Y" \| got "05\/01\/2024"/,
  ]);
  write('20240105', '20240105', '20231201', '20231302');
  t.match(await complaints(5, () => open(config('%Y%m%d'))), [
    /^data\/csv-date 5:.*does not match `date_format` .*"%Y%m%d" \| got "20231302"/,
  ]);
});

const FEATURES = [
  'speed',
  { column: 'place', encode: 'one_hot' },
  { column: 'code', encode: 'one_hot' },
  { column: 'wet', encode: 'one_hot' },
  { column: 'at', encode: 'calendar', calendar: ['hour', 'day_of_week'] },
  { column: 'at', encode: 'elapsed' },
  { column: 'second', encode: 'elapsed' },
] as const;
const table = (split: string) => fixture(`../columns/features-${split}.csv`);
const READINGS = {
  kind: 'csv',
  path: table('train'),
  test_path: table('test'),
  date_format: '%d.%m.%Y %H:%M',
  features: FEATURES,
  target: 'activity',
  target_kind: 'class',
  sequence: { group: 'recording', order: 'at' },
} as const;

interface Features {
  readonly names: readonly string[];
  readonly train: Readonly<Record<string, number[][]>>;
  readonly test: Readonly<Record<string, number[][]>>;
}

t.test('words, codes, truth values and dates become the features of scikit-learn', async t => {
  const want = expected<Features>('features');
  const data = await open(READINGS);
  t.same(data.input, { kind: 'number', size: want.names.length });
  t.same(
    want.names.map((_, i) => data.columnNames?.features(i)),
    want.names,
  );
  for (const name of ['train', 'test'] as const) {
    const split = data[name];
    t.equal(split.count, Object.keys(want[name]).length);
    for (let i = 0; i < split.count; i++) {
      const id = split.id?.(i) ?? '';
      const steps = want[name][id];
      const found = sequence(data, split, i).slice(0, steps.length);
      const rounded = (rows: number[][]) => rows.map(row => row.map(value => Number(value.toFixed(5))));
      t.same(rounded(found), rounded(steps), id);
    }
  }
  const scaled = await open({ ...READINGS, normalize: 'standard' });
  const flags = want.names.flatMap((name, i) => (/=|missing/.test(name) ? [i] : []));
  for (const i of flags)
    t.same([scaled.scaling?.features?.offset[i], scaled.scaling?.features?.scale[i]], [0, 1]);
  t.not(scaled.scaling?.features?.offset[0], 0);
});

t.test('a bad date is reported once, though it is a time and several features', async t => {
  const run = await work.train({
    ...{ dataset: READINGS, model: { cell: 'gru', hidden_size: 3 } },
    training: { num_epochs: 1, batch_size: 2 },
  });
  const lines = readFileSync(READINGS.test_path, 'utf8').split('\n');
  // another row of its recording has a good date
  const bad = lines
    .with(2, lines[2].replace(/\d\d\.\d\d\.\d{4} \d\d:\d\d/, '31.02.2022 10:00'))
    .with(3, lines[3].replace(/^\w+/, lines[2].split(',')[0]));
  const input = work.file('bad.csv', bad.join('\n'));
  const { code, stderr } = await work.cellrun('predict', run.directory, '--input', input);
  t.equal(code, 5);
  t.equal(stderr.match(/^\S*bad\.csv:3:.*date/gm)?.length, 1, stderr);
  t.notMatch(stderr, /have the same value/);
});

const EMBEDDED = [
  'speed',
  { column: 'place', encode: 'embedding', size: 3, min_count: 2 },
  { column: 'code', encode: 'embedding', size: 2 },
  ...FEATURES.slice(3),
] as const;

t.test('embedded columns are the numbers of their values, after all other features', async t => {
  const count = (values: readonly string[], value: string) => values.filter(one => one === value).length;
  const rowsOf = (name: string) =>
    parse(readFileSync(table(name), 'utf8'), { columns: true }) as Record<string, string>[];
  const words = rowsOf('train').map(({ place }) => place);
  const places = [...new Set(words)].filter(word => count(words, word) > 1).sort();
  const data = await open({ ...READINGS, features: EMBEDDED, normalize: 'standard' });
  const numbers = 9;
  t.same(data.input, {
    kind: 'number',
    size: numbers + 2,
    embedded: [
      { count: places.length + 1, size: 3 },
      { count: 4, size: 2 },
    ],
  });
  t.same(
    [numbers, numbers + 1].map(i => data.columnNames?.features(i)),
    ['place', 'code'],
  );
  t.equal(data.scaling?.features?.scale.length, numbers);
  const isoDate = dateReader(READINGS.date_format);
  for (const name of ['train', 'test'] as const) {
    const split = data[name];
    for (let i = 0; i < split.count; i++) {
      const own = rowsOf(name).filter(row => row.recording === split.id?.(i));
      const steps = own.toSorted((a, b) => (isoDate(a.at) ?? '').localeCompare(isoDate(b.at) ?? ''));
      t.same(
        sequence(data, split, i)
          .slice(0, steps.length)
          .map(row => row.slice(numbers)),
        steps.map(({ place, code }) => [places.indexOf(place) + 1, [1, 2, 10].indexOf(Number(code)) + 1]),
      );
    }
  }
});

for (const [name, features] of Object.entries({ FEATURES, EMBEDDED }))
  t.test(`a run reads such columns everywhere: ${name}`, async t => {
    const run = await work.train({
      dataset: { ...READINGS, features, normalize: 'standard' },
      model: { cell: 'gru', hidden_size: 5 },
      training: { num_epochs: 2, batch_size: 4 },
    });
    const predicted = async (...options: string[]) => {
      const { stdout } = await work.cellrun('predict', run.directory, '--format', 'jsonl', ...options);
      const all = jsonLines(stdout);
      return new Map(all.map(({ id, probabilities }) => [id, probabilities]));
    };
    const split = await predicted('--split', 'test');
    t.equal(split.size, 6);
    t.same(await predicted('--input', table('test')), split, 'new data are read as the test split');

    const model = await loadModel(run.directory);
    const rows = parse(readFileSync(table('test'), 'utf8'), { columns: true }) as Record<string, string>[];
    const isoDate = dateReader(READINGS.date_format);
    const timeOf = (row: Record<string, string>) => Date.parse(`${isoDate(row.at)}Z`);
    for (const [id, probabilities] of split) {
      const steps = rows.filter(row => row.recording === id).toSorted((a, b) => timeOf(a) - timeOf(b));
      const values = steps.map(row => ({
        ...row,
        speed: Number(row.speed),
        second: Number(row.second),
        wet: row.wet.toLowerCase() === 'true',
        // a word if it is embedded
        place: row.place === 'NA' && features === FEATURES ? null : row.place,
      }));
      const session = model.session();
      let last: Prediction | undefined;
      for (const step of values) last = await session.step(step);
      const found: (Prediction | undefined)[] = [last];
      for await (const prediction of model.predict([values])) found.push(...prediction.predictions);
      t.equal(found.length, 2);
      for (const prediction of found)
        if (prediction?.kind === 'class')
          for (const [i, p] of prediction.probabilities.entries())
            t.ok(Math.abs(p - probabilities[i]) < 1e-6, id);
    }
    const [header, first] = readFileSync(table('test'), 'utf8').split('\n');
    const other = join(t.testdir(), 'other.csv');
    writeFileSync(other, `${header}\n${first.replace(/,(true|false),/i, ',1,')}\n`);
    for (const verb of ['predict', 'evaluate'])
      t.match(await work.cellrun(verb, run.directory, '--input', other), {
        code: 0,
        stderr: /other\.csv:2:39: warning: the training split does not have this value/,
      });
    const wrong = model.session().step({ ...rows[0], speed: 1, second: 2, at: '2024-13-01' });
    await t.rejects(wrong, /step 0: at: the date does not match `date_format`/);
    await t.rejects(model.session().step([1, 2]), /does not fit the model/);
    await model.close();
  });

t.test('problems of such columns', async t => {
  const path = join(t.testdir(), 'data.csv');
  const config = { kind: 'csv', path, target: 'y', target_kind: 'class', test_fraction: 0.5 } as const;
  const date = { column: 'at', encode: 'calendar', calendar: ['hour'] } as const;
  const write = (...rows: string[]) => writeFileSync(path, `at,v,y\n${rows.join('\n')}\n`);
  write('2024-01-01,1,a', '03/04/2024,2,b', 'soon,3,a', ',4,b', '2024-02-30,5,a');
  const told = (await complaints(5, () => open({ ...config, features: ['v', date] }))).join('\n');
  for (const problem of [
    /data\/csv-date 3:1\+10 .*not in ISO 8601.*`dataset.date_format`/,
    /data\/csv-date 4:1\+4 .*is not a date.*got "soon"/,
    /data\/csv-missing-value 5:1/,
    /data\/csv-date 6:1\+10 .*does not exist/,
  ])
    t.match(told, problem);
  write('2024-01-01,1,a', '2024-01-02,2,b', ',4,b', '2024-01-04,5,a');
  const filled = await open({ ...config, features: ['v', date], missing: { fill: 'zero', indicator: true } });
  t.equal(inputWidth(filled.input), filled.columns?.features.length);
  const many = Array.from({ length: 3000 }, (_, i) => `w${i},1,${i % 2}`);
  write(...many);
  t.match(await complaints(2, () => open({ ...config, features: [{ column: 'at', encode: 'one_hot' }] })), [
    /^data\/categories .*too many values .*at most 1024 different values, or `encode: embedding` \| got 1500/,
  ]);
});

t.test('tagging with a word and its ending', async t => {
  const folder = t.testdir();
  const endings = ['s', 'ed', 'ing', 'ly'];
  // the tag of a word depends on the word before, so the most frequent one is sometimes wrong
  const rowsFrom = (first: number, sentences: number) =>
    Array.from({ length: sentences * 5 }, (_, i) => {
      const [sentence, step] = [first + Math.floor(i / 5), i % 5];
      const [stem, ending] = [(7 * sentence + 3 * step) % 11, (sentence * 5 + step * step) % 4];
      const tag = (ending + Number((stem + step) % 5 === 0)) % 4;
      const word = `w${stem}${endings[ending]}`;
      const last = word.slice(-2);
      return { sentence, step, word, ending: endings[ending], last, tag: `T${tag}` };
    });
  const [train, test] = [rowsFrom(0, 30), rowsFrom(30, 10)];
  const write = (name: string, rows: readonly object[]) => {
    const path = join(folder, name);
    const lines = [Object.keys(rows[0]), ...rows.map(row => Object.values(row))];
    writeFileSync(path, lines.map(line => `${line.join(',')}\n`).join(''));
    return path;
  };
  const [path, test_path] = [write('train.csv', train), write('test.csv', test)];
  const trained = (...features: object[]) =>
    work.train({
      dataset: {
        kind: 'csv',
        path,
        test_path,
        features: features.map(feature => ({ encode: 'embedding', size: 4, ...feature })),
        target: 'tag',
        target_kind: 'class',
        sequence: { group: 'sentence', order: 'step', per_step: true },
      },
      model: { cell: 'gru', hidden_size: 4, bidirectional: true, head: { from: 'every' } },
      training: { num_epochs: 1, batch_size: 10 },
    });
  const run = await trained({ column: 'word' }, { column: 'ending', size: 2 });
  const predict = async ({ directory }: { readonly directory: string }, ...options: string[]) => {
    const { stdout } = await work.cellrun('predict', directory, '--format', 'jsonl', ...options);
    return jsonLines(stdout);
  };
  const split = await predict(run, '--split', 'test');
  const input = await predict(run, '--input', test_path);
  // the model reads the end of a word as it would read a column with it
  const own = await predict(await trained({ column: 'word' }, { column: 'last' }), '--input', test_path);
  const cut = await trained({ column: 'word' }, { column: 'word', suffix: 2 });
  t.same(await predict(cut, '--input', test_path), own);
  t.same(
    input.map(({ probabilities }) => probabilities),
    split.map(({ probabilities }) => probabilities),
  );
  for (const found of [split, input])
    t.same(
      found.flatMap(({ symbol }) => symbol),
      test.map(({ word }) => word),
    );
  const counts = new Map<string, Map<string, number>>();
  for (const { word, tag } of train) {
    const own = counts.get(word) ?? new Map<string, number>();
    counts.set(word, own.set(tag, (own.get(tag) ?? 0) + 1));
  }
  const right = test.filter(({ word, tag }) => {
    const own = [...(counts.get(word) ?? [])].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
    return own[0]?.[0] === tag;
  });
  t.equal(run.summary.baselines.test.by_symbol.accuracy, right.length / test.length);
});

t.test('the time since the last value has the unit of the order', async t => {
  const path = join(t.testdir(), 'data.csv');
  // δ of GRU-D: 0; 2 after a value; 3 and 1 more while values are missing; then as after a value
  const [minutes, values] = [
    [0, 2, 5, 6, 10],
    [1, '', '', 4, 2],
  ];
  const delta = [0, 2, 5, 6, 4];
  const dataset = {
    kind: 'csv',
    path,
    features: ['v'],
    missing: { elapsed: true },
    target: 'y',
    target_kind: 'class',
    test_fraction: 0.5,
    sequence: { group: 'g', order: 'at' },
  } as const;
  const write = (timeOf: (minute: number) => unknown) => {
    const rows = ['a', 'b', 'c', 'd'].flatMap((g, i) =>
      minutes.map((minute, step) => `${g},${timeOf(minute)},${values[step]},${i % 2}\n`),
    );
    writeFileSync(path, `g,at,v,y\n${rows.toReversed().join('')}`);
  };
  const found = async (more: object = {}) => {
    const data = await open({ ...dataset, ...more });
    t.equal(data.columnNames?.features(1), 'v elapsed');
    return sequence(data, data.test, 0).map(([, elapsed]) => elapsed);
  };
  write(minute => minute / 2);
  t.same(
    await found(),
    delta.map(one => one / 2),
  );
  const dates = (minute: number) => `2024-03-01T10:${String(minute).padStart(2, '0')}`;
  write(dates);
  t.same(
    await found(),
    delta.map(one => one * 60),
  );
  write(minute => minutes.indexOf(minute));
  t.same(await found(), [0, 1, 2, 3, 1]);

  write(dates);
  const run = await work.train({
    dataset: { ...dataset, static_features: [{ column: 'g', encode: 'one_hot' }], normalize: 'standard' },
    model: { cell: 'gru', hidden_size: 3 },
    training: { num_epochs: 1, batch_size: 2 },
  });
  const { stdout } = await work.cellrun('predict', run.directory, '--input', path, '--format', 'jsonl');
  const [first] = stdout.split('\n').map(line => (line === '' ? undefined : JSON.parse(line)));
  const model = await loadModel(run.directory);
  const session = model.session();
  let last: Prediction | undefined;
  for (const [i, minute] of minutes.entries())
    last = await session.step({ v: values[i] === '' ? null : values[i], at: dates(minute), g: first.id });
  if (last?.kind === 'class')
    for (const [i, p] of last.probabilities.entries())
      t.ok(Math.abs(p - first.probabilities[i]) < 1e-6, `class ${i}`);
  await model.close();
});

t.test('the vector of an unknown value is zero until the model learns one', t => {
  const input = { kind: 'number', size: 3, embedded: [{ count: 4, size: 2 }] } as const;
  const layout = new ParameterLayout(modelOf({ cell: 'gru', hidden_size: 2 }, { input, outputSize: 1 }));
  const flat = new Float32Array(layout.size);
  layout.initialise(flat, RandomStream.of(0, 'model/init'));
  const [embedding] = layout.parameters;
  t.equal(embedding.name, 'embeddings.0.weight');
  const values = layout.read(embedding, flat.subarray(embedding.offset));
  t.same(
    Array.from(values, value => value !== 0),
    [false, false, true, true, true, true, true, true],
  );
  t.end();
});

/** Visits of four people, in any order; a date and a time of day have columns of their own. */
const visits = Array.from({ length: 24 }, (_, i) => {
  const at = new Date(Date.UTC(2024, 2, 30, 20, 37 * ((i * 5) % 24))).toISOString();
  return {
    day: at.slice(0, 10),
    clock: at.slice(11, 16),
    at: at.slice(0, 16),
    who: i % 4,
    v: i % 7,
    y: 'ab'[i % 2],
  };
});
const JOINED = {
  ...{ kind: 'csv', target: 'y', target_kind: 'class', test_fraction: 0.5, seed: 2, normalize: 'standard' },
  missing: { fill: 'forward', elapsed: true },
} as const;

t.test('a date and a time in two columns are one time', async t => {
  const folder = t.testdir();
  const csv = join(folder, 'data.csv');
  const names = ['day', 'clock', 'at', 'who', 'v', 'y'] as const;
  const write = (rows: readonly (typeof visits)[number][]) =>
    writeFileSync(
      csv,
      `${[names, ...rows.map(row => names.map(name => row[name]))].map(row => row.join()).join('\n')}\n,,,,,\n`,
    );
  const read = async (order: string | string[], more: object = {}) => {
    const named = [order].flat().join(' ');
    const features = [
      'v',
      { column: named, encode: 'elapsed' },
      { column: named, encode: 'calendar', calendar: ['hour'] },
    ];
    const data = await open({
      ...JOINED,
      path: csv,
      features,
      sequence: { group: 'who', order },
      ...more,
    } as never);
    return [data.train, data.test].map(split =>
      Array.from({ length: split.count }, (_, i) => [split.id?.(i), sequence(data, split, i)]),
    );
  };
  write(visits);
  const expected = await read('at');
  t.same(await read(['day', 'clock']), expected);
  t.same(await read(['day', 'clock'], { date_format: '%Y-%m-%d %H:%M' }), expected);
  t.match(await complaints(2, () => read(['day', 'clok'])), [/no column "clok"/]);
  write(visits.with(5, { ...visits[5], clock: '' }));
  t.match(await complaints(5, () => read(['day', 'clock'])), [
    /^data\/csv-missing-value 7:12\+1 \| the cell is empty/,
  ]);
  write(visits.with(5, { ...visits[5], clock: '25:00' }));
  t.match(await complaints(5, () => read(['day', 'clock'])), [
    /^data\/csv-date 7:1\+10 .*"2024-03-30 25:00"/,
  ]);
});
