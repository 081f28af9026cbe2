/** Features of sequences, of tables, records and arrays. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import t from 'tap';
import type { ForecastConfig } from '../../src/data/forecast/facts.js';
import type { DatasetConfig } from '../../src/data/index.js';
import { loadModel, type Prediction } from '../../src/index.js';
import { floats, integers, jsonLines, npz } from '../support/cli.js';
import { complaints, fixture, open, sequence } from '../support/data-files.js';
import { work } from '../support/work.js';

interface Recording {
  readonly id: string;
  readonly speed: readonly number[];
  readonly age: number | null;
  readonly sex: string;
  readonly label: number;
}

const table = (split: string) => fixture(`../columns/static-${split}.csv`);

/** One row of a recording with its age is enough. */
function recordingsOf(split: string): Recording[] {
  const rows: Record<string, string>[] = parse(readFileSync(table(split), 'utf8'), { columns: true });
  return [...new Set(rows.map(({ recording }) => recording))].map(id => {
    const own = rows.filter(({ recording }) => recording === id);
    const age = own.find(row => row.age !== '')?.age;
    return {
      id,
      speed: own.map(({ speed }) => Number(speed)),
      age: age === undefined ? null : Number(age),
      sex: own[0].sex,
      label: Number(own[0].label),
    };
  });
}

const records = (split: string) =>
  work.file(
    `${split}.jsonl`,
    recordingsOf(split)
      .map(one => JSON.stringify(one))
      .join('\n'),
  );

/** `sex` is a text, so arrays do not have it. */
function arraysOf(split: string, suffix = '') {
  const all = recordingsOf(split);
  const steps = Math.max(...all.map(({ speed }) => speed.length));
  const arrays = {
    x: floats(
      [all.length, steps, 1],
      all.flatMap(({ speed }) => Array.from({ length: steps }, (_, i) => speed[i] ?? 0)),
    ),
    y: integers(
      [all.length],
      all.map(({ label }) => label),
    ),
    lengths: integers(
      [all.length],
      all.map(({ speed }) => speed.length),
    ),
    static: floats(
      [all.length, 1],
      all.map(({ age }) => age ?? Number.NaN),
    ),
  };
  return Object.fromEntries(Object.entries(arrays).map(([name, content]) => [name + suffix, content]));
}

const AGE = { column: 'age', missing: { fill: 'median', indicator: true } } as const;
const COMMON = {
  static_features: [AGE, { column: 'sex', encode: 'one_hot' }],
  target: 'label',
  target_kind: 'class',
  normalize: 'standard',
} as const;
const CSV = {
  ...COMMON,
  kind: 'csv',
  path: table('train'),
  test_path: table('test'),
  features: ['speed'],
  sequence: { group: 'recording', order: 'second' },
} as const;
const JSONL = {
  ...COMMON,
  kind: 'jsonl',
  path: records('train'),
  test_path: records('test'),
  input: 'speed',
  input_kind: 'number',
  id: 'id',
} as const;
const NPZ = {
  kind: 'npz',
  path: work.file('both.npz', npz({ ...arraysOf('train'), ...arraysOf('test', '_test') })),
  missing: { fill: 'median', indicator: true },
  normalize: 'standard',
} as const;

interface Case {
  readonly dataset: Parameters<typeof open>[0];
  /** The features of the fixture that it has, and their names. */
  readonly columns: readonly number[];
  readonly names?: readonly string[];
  /** The test split as a file of its own. */
  readonly input: string;
  /** A step for programs; only the first needs the static features. */
  step(of: Recording, step: number): readonly (number | null)[] | Record<string, string | number | null>;
}

const named: Case['step'] = ({ speed, age, sex }, step) => ({
  speed: speed[step],
  ...(step === 0 && { age, sex }),
});
const CASES: Readonly<Record<string, Case>> = {
  csv: { dataset: CSV, columns: [0, 1, 2, 3, 4, 5], input: CSV.test_path, step: named },
  jsonl: { dataset: JSONL, columns: [0, 1, 2, 3, 4, 5], input: JSONL.test_path, step: named },
  'jsonl on disk': {
    dataset: { ...JSONL, memory: 0 },
    columns: [0, 1, 2, 3, 4, 5],
    input: JSONL.test_path,
    step: named,
  },
  npz: {
    dataset: NPZ,
    columns: [0, 1, 5],
    names: ['x[:, :, 0]', 'static[:, 0]', 'static[:, 0] missing'],
    input: work.file('test.npz', npz(arraysOf('test'))),
    step: ({ speed, age }, step) => (step === 0 ? [speed[0], age] : { 'x[:, :, 0]': speed[step] }),
  },
};

const want: {
  readonly names: readonly string[];
  readonly train: Readonly<Record<string, number[][]>>;
  readonly test: Readonly<Record<string, number[][]>>;
} = JSON.parse(readFileSync(fixture('../columns/static.json'), 'utf8'));

for (const [name, { dataset, columns, names }] of Object.entries(CASES))
  t.test(`${name}: static features are prepared once per sequence, as by scikit-learn`, async t => {
    const data = await open(dataset);
    t.same(data.input, { kind: 'number', size: columns.length, static: columns.length - 1 });
    t.same(
      columns.map((_, i) => data.columnNames?.features(i)),
      names ?? want.names,
    );
    for (const split of ['train', 'test'] as const) {
      const all = Object.values(want[split]);
      t.equal(data[split].count, all.length);
      for (const [i, steps] of all.entries()) {
        const found = sequence(data, data[split], i).slice(0, steps.length).flat();
        const expected = steps.flatMap(step => columns.map(column => step[column]));
        t.same(
          expected.filter((value, at) => Math.abs(value - found[at]) > 1e-5),
          [],
          `${split} ${i}`,
        );
      }
    }
  });

const EMBEDDED: Case = {
  ...CASES.csv,
  dataset: { ...CSV, static_features: [AGE, { column: 'sex', encode: 'embedding', size: 2, min_count: 2 }] },
};

for (const [name, { dataset, input, step }] of Object.entries({ ...CASES, 'embedded csv': EMBEDDED }))
  t.test(`${name}: a run reads static features everywhere`, async t => {
    const config = {
      dataset,
      model: { cell: 'gru', hidden_size: 4, head: { from: 'mean', hidden_sizes: [3] } },
      training: { num_epochs: 2, batch_size: 4 },
    };
    const run = await work.train(config);
    const predict = async (...options: string[]): Promise<number[][]> => {
      const { stdout } = await work.cellrun('predict', run.directory, '--format', 'jsonl', ...options);
      const lines = stdout.trim().split('\n');
      return lines.map(line => JSON.parse(line).probabilities);
    };
    const split = await predict('--split', 'test');
    t.same(await predict('--input', input), split);
    const evaluate = async (...options: string[]) =>
      JSON.parse((await work.cellrun('evaluate', run.directory, '--json', ...options)).stdout).metrics;
    t.same((await evaluate('--input', input)).input, (await evaluate('--split', 'test')).test);

    const { stdout } = await work.cellrun('data', work.config(config), '--json');
    const { missing } = JSON.parse(stdout);
    const holes = (of: string) => recordingsOf(of).filter(({ age }) => age === null).length;
    const age = missing.find(({ name }: { name: string }) => /age|static/.test(name));
    t.same(age.counts, { train: holes('train'), test: holes('test') }, 'once for each sequence');

    const model = await loadModel(run.directory);
    for (const [i, recording] of recordingsOf('test').entries()) {
      const steps = recording.speed.map((_, at) => step(recording, at));
      const session = model.session();
      let last: Prediction | undefined;
      for (const one of steps) last = await session.step(one);
      const found: (Prediction | undefined)[] = [last];
      for await (const prediction of model.predict([steps])) found.push(...prediction.predictions);
      t.equal(found.length, 2);
      for (const prediction of found)
        if (prediction?.kind === 'class')
          for (const [k, p] of prediction.probabilities.entries())
            t.ok(Math.abs(p - split[i][k]) < 1e-6, `${recording.id}, class ${k}`);
    }
    await model.close();
  });

t.test('a session and a table with several static values of a sequence', async t => {
  const run = await work.train({
    ...{ dataset: CSV, model: { cell: 'gru', hidden_size: 2 } },
    training: { num_epochs: 1, batch_size: 4 },
  });
  const model = await loadModel(run.directory);
  const session = model.session();
  await session.step({ speed: 1, age: 40, sex: 'f' });
  await t.rejects(session.step({ speed: 1, age: 41 }), /step 1: age changes/);
  session.reset();
  await session.step({ speed: 1, age: 41, sex: 'f' });
  await t.rejects(model.session().step({ speed: 1, age: 40 }), /step 0 does not fit the model/);

  // a value in one row counts for the sequence, also of a column whose words are all known
  const whole = ['f', 'm'].map((sex, i) => [1, 2, 3].map(speed => ({ speed: speed + i, age: 40, sex })));
  const holes = whole.map(steps =>
    steps.map((step, i) => (i === 1 ? step : { ...step, age: null, sex: null })),
  );
  const predictions = async (sequences: Parameters<typeof model.predict>[0]) => {
    const found: (readonly Prediction[])[] = [];
    for await (const sequence of model.predict(sequences)) found.push(sequence.predictions);
    return found;
  };
  const wanted = await predictions(whole);
  t.strictSame(await predictions(holes), wanted);
  await model.close();
  const sparse = work.file(
    'sparse.csv',
    `recording,second,speed,age,sex\n${holes.flatMap((steps, i) => steps.map((step, second) => [i, second, step.speed, step.age, step.sex].join())).join('\n')}\nz,0,1,40,\n`,
  );
  const sparseRun = await work.cellrun('predict', run.directory, '--input', sparse);
  t.match(sparseRun, { code: 0, stderr: /sparse\.csv:8\b[\s\S]*does not have this value/ });
  t.equal(sparseRun.stderr.match(/does not have this value/g)?.length, 1);
  const lines = jsonLines(sparseRun.stdout);
  t.strictSame(
    lines.slice(0, 2).map(({ probabilities }) => probabilities),
    wanted.map(([one]) => one.kind === 'class' && [...one.probabilities]),
  );

  const two = join(t.testdir(), 'two.csv');
  const changed = 'recording,second,speed,age,sex\nx,1,1,40,f\nx,2,1,,f\nx,3,1,41,f\ny,1,1,30,m\n';
  writeFileSync(two, changed);
  t.match(await work.cellrun('predict', run.directory, '--input', two, '--on-error', 'skip'), {
    code: 0,
    stdout: /^\{[^\n]*"id":"y"[^\n]*\}\n$/,
    stderr: /two\.csv:4:7?.*the rows of group "x" have different values of a static feature/,
  });
  const train = { ...CSV, path: two, test_path: two };
  writeFileSync(two, changed.replace(/$/gm, ',0').replace('sex,0', 'sex,label').replace(/\n,0$/, '\n'));
  t.match(await complaints(5, () => open(train)), [
    /^data\/csv-static 4.*group "x" have different values of a static feature.*the value in line 2/,
  ]);
  writeFileSync(two, 'recording,second,speed,age,sex,label\nx,1,1,,f,0\ny,2,1,,f,1\n');
  t.match(
    await complaints(2, () => open({ ...train, static_features: ['age'], missing: { fill: 'mean' } })),
    [/^data\/no-values.*all values of age are missing/],
  );
});

t.test('problems of static fields and arrays', async t => {
  const path = join(t.testdir(), 'data.jsonl');
  const config = { ...JSONL, path, test_path: path, static_features: ['age'] } as const;
  const write = (...ages: unknown[]) =>
    writeFileSync(path, ages.map(age => JSON.stringify({ id: 'a', speed: [1], age, label: 1 })).join('\n'));
  write(40, null, 'x', [1]);
  t.match(await complaints(5, () => open(config)), [
    /^data\/csv-missing-value 2:.*field "age" .*expected a value, or `dataset.missing.* \| got null/,
    /^data\/not-finite 3:.*field "age" .*expected a finite number \| got "x"/,
    /^data\/jsonl-value 4:.*field "age" .*a number, a text, a boolean or null \| got \[1\]/,
  ]);
  write(40, undefined);
  t.match(await complaints(5, () => open(config)), [/2:.*the record has no field "age"/]);
  t.match(await complaints(2, () => open({ ...config, static_features: ['agee'] })), [/has no field "agee"/]);
  const openWith = (column: object) =>
    open({ ...config, static_features: [{ column: 'age', ...column }] } as DatasetConfig);
  // an absent field is read like null, also that of the first record
  for (const column of [{ missing: { fill: -7 } }, { encode: 'one_hot' }]) {
    write(undefined, 40, 50);
    const absent = await openWith(column);
    write(null, 40, 50);
    const empty = await openWith(column);
    for (const i of [0, 1, 2])
      t.same(sequence(absent, absent.train, i), sequence(empty, empty.train, i), JSON.stringify(column));
  }
  write(undefined, 40);
  t.match(await complaints(5, () => openWith({})), [/1:.*the record has no field "age"/]);
  const given = {
    ...config,
    static_features: [{ column: 'age', encode: 'calendar', calendar: ['month'] }],
  } as const;
  write('2024-02-01', '2024-02-31');
  t.match(await complaints(5, () => open(given)), [/^data\/csv-date 2:.*field "age".*got "2024-02-31"/]);

  const x = floats([4, 2, 1], i => i);
  const [y, wrong] = [integers([4], [0, 1, 0, 1]), floats([3, 1], i => i)];
  const archive = (arrays: Parameters<typeof npz>[0]) =>
    ({ kind: 'npz', path: work.file('bad.npz', npz({ x, y, ...arrays })), test_fraction: 0.5 }) as const;
  const cases: readonly [Parameters<typeof npz>[0], RegExp][] = [
    [{ static: wrong }, /^data\/shape-mismatch .*array static has the wrong shape.*numbers \[4, S\]/],
    [
      { static: floats([4, 1], [1, Number.NaN, 2, 3]) },
      /^data\/not-finite .*static\[1, 0\] .*dataset.missing/,
    ],
    [{ x: integers([4, 2], i => i), static: floats([4, 1], i => i) }, /only numbers have static features/],
  ];
  for (const [arrays, problem] of cases) t.match(await complaints(5, () => open(archive(arrays))), [problem]);
  const lacking = {
    ...{ kind: 'npz', missing: { fill: 'mean' } },
    path: work.file('lacking.npz', npz({ ...arraysOf('train'), x_test: x, y_test: y })),
  };
  t.match(await complaints(5, () => open(lacking as typeof NPZ)), [
    /^data\/shape-mismatch .*array static has no counterpart beside x_test.*\[N, 1\] \| got no such array/,
  ]);
  const run = await work.train({
    ...{ dataset: NPZ, model: { cell: 'gru', hidden_size: 2 } },
    training: { num_epochs: 1, batch_size: 4 },
  });
  const input = work.file('alone.npz', npz({ x }));
  t.match(await work.cellrun('predict', run.directory, '--input', input), {
    code: 5,
    stderr: /the model reads static features\n.*numbers \[4, 1\] in an array static/s,
  });
});

t.test('a category of a record that training did not have is warned of', async t => {
  const run = await work.train({
    ...{ dataset: JSONL, model: { cell: 'gru', hidden_size: 2 } },
    training: { num_epochs: 1, batch_size: 4 },
  });
  const input = work.file('other.jsonl', JSON.stringify({ speed: [1, 2], age: 3, sex: 'q' }));
  t.match(await work.cellrun('predict', run.directory, '--input', input), {
    code: 0,
    stderr: /other\.jsonl:1:\d+: warning: the training split does not have this value.*got: "q"/s,
  });
});

/** Daily sales of four shops, whose sizes and kinds differ. */
function shops(from: number, more: readonly string[] = []): string {
  const sizes = [10, 20, 40, 80];
  const rows = sizes.flatMap((size, i) =>
    Array.from({ length: 40 - from }, (_, step) => {
      const day = new Date(Date.UTC(2024, 0, 1 + from + step)).toISOString().slice(0, 10);
      // one row with the size is enough
      return `s${i},${day},${size + ((3 * (from + step) + i) % 7)},${step % 2 === 0 ? size : ''},${'abac'[i]}`;
    }),
  );
  return work.file('shops.csv', `${['shop,day,sold,size,kind', ...rows, ...more].join('\n')}\n`);
}

const SHOPS: ForecastConfig = {
  ...{ kind: 'forecast', path: shops(0), target: 'sold', series: 'shop', time: 'day' },
  ...{ input_steps: 6, horizon: 3, test_fraction: 0.25, calendar: ['day_of_week'] },
  ...{ normalize: 'standard', delimiter: ',', stride: 1, per_step: false },
  static_features: ['size', { column: 'kind', encode: 'one_hot' }],
};
const model = { cell: 'gru', hidden_size: 3 };

t.test('a forecast: each series has static features, scaled over all windows', async t => {
  const data = await open(SHOPS);
  // sold, two of the calendar, the flag; then size and the kinds
  t.same(data.input, { kind: 'number', size: 8, static: 4 });
  t.same(
    [4, 5, 6, 7].map(i => data.columnNames?.features(i)),
    ['size', 'kind = a', 'kind = b', 'kind = c'],
  );
  const sizes = [10, 20, 40, 80];
  const mean = 37.5;
  const deviation = Math.sqrt(sizes.reduce((sum, size) => sum + (size - mean) ** 2, 0) / 4);
  const plain = await open({ ...SHOPS, static_features: undefined });
  for (const split of ['train', 'test'] as const)
    for (let i = 0; i < data[split].count; i++) {
      const shop = Number(data[split].id?.(i)[1]);
      const own = [
        (sizes[shop] - mean) / deviation,
        ...['a', 'b', 'c'].map(kind => Number(kind === 'abac'[shop])),
      ];
      for (const [step, row] of sequence(data, data[split], i).entries()) {
        t.same(
          row.slice(0, 4),
          sequence(plain, plain[split], i)[step],
          'the other features are as without them',
        );
        t.ok(own.every((value, k) => Math.abs(value - row[4 + k]) < 1e-6));
      }
    }
});

t.test('a forecast with static features reads them in new data', async t => {
  for (const kind of [{ encode: 'one_hot' }, { encode: 'embedding', size: 2 }]) {
    const run = await work.train({
      ...{ model, loss: { kind: 'mse' }, training: { num_epochs: 2, batch_size: 16 } },
      dataset: {
        ...SHOPS,
        static_features: [
          { column: 'size', missing: { indicator: true } },
          { column: 'kind', ...kind },
        ],
      },
    });
    const evaluate = async (...options: string[]) =>
      JSON.parse((await work.cellrun('evaluate', run.directory, '--json', ...options)).stdout).metrics;
    // the test split begins at day 30, and its first window reads 6 days before
    t.same((await evaluate('--input', shops(24))).input, (await evaluate('--split', 'test')).test);
    const future = await work.cellrun('predict', run.directory);
    t.match(await work.cellrun('predict', run.directory, '--input', shops(20)), {
      code: 0,
      stdout: future.stdout,
      stderr: '',
    });
    const other = ['s0,2024-02-10,50,11,a', 's3,2024-02-10,80,80,a', 'new,2024-02-10,1,,q'];
    const { stderr } = await work.cellrun(
      'predict',
      run.directory,
      '--input',
      shops(20, other),
      '--on-error',
      'skip',
    );
    t.match(stderr, /the rows of series "s0" have different values of a static feature/);
    t.match(stderr, /the rows of series "s3" have different values of a static feature/);
  }
});

t.test('what static features of a forecast may not be', async t => {
  const config = (more: object) => ({ model, loss: { kind: 'mse' }, dataset: { ...SHOPS, ...more } });
  const cases: readonly [object, RegExp][] = [
    [{ series: undefined }, /`static_features` needs|series/],
    [{ static_features: ['sold'] }, /the target column "sold" is also a feature|"sold"/],
  ];
  for (const [more, problem] of cases)
    t.match(await work.train(config(more)), { finished: { stderr: problem } });
});
