/** `evaluate --input`: metrics of saved models on new data with targets. */
import { createReadStream, readFileSync, rmSync } from 'node:fs';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { evaluate as programEvaluate } from '../../src/library/predict.js';
import { floats, integers, npz } from '../support/cli.js';
import { config, crossEntropy, linesOf, noise, predictionCases, table } from '../support/prediction-cases.js';
import { copies, train } from '../support/runs.js';
import { work } from '../support/work.js';

const webasm = ['--backend', 'webasm', '--threads', '1'];

const { cases, csvTest } = predictionCases(work);

const evaluate = (run: string, ...args: string[]) => work.cellrun('evaluate', run, ...args, ...webasm);
const inputs = (...files: string[]) => files.flatMap(file => ['--input', file]);

// `--input` reads bytes and characters alike
const own = Object.entries(cases).filter(([name]) => !name.includes('byte level'));
for (const [name, { config, input, labelled = [input] }] of own) {
  t.test(`the test split as an input has its metrics, to the bit: ${name}`, async t => {
    const { summary } = await train(work, config);
    const split = await evaluate(summary.directory, '--json');
    const given = await evaluate(summary.directory, ...inputs(...labelled), '--json');
    // the Parquet cases have one table for both splits
    const stderr =
      /^(cellrun: warning: (left out: 6 steps without a target|30 of 30 sequences have the features .*)\n)?$/;
    t.match(given, { code: 0, stderr });
    const { metrics, baselines, ...want } = JSON.parse(split.stdout);
    t.same(JSON.parse(given.stdout), {
      ...want,
      metrics: { input: metrics.test },
      baselines: { input: baselines.test },
    });
    t.same(metrics.test, summary.metrics.test);
  });
}

/** Daily values of two shops from day `from` to 59. */
const days = (from: number): string => {
  const row = (shop: string, i: number) =>
    `${shop},${new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10)},${50 + 10 * noise(i * i + shop.length)},${i % 2}`;
  const rows = Array.from({ length: 60 - from }, (_, i) => [row('a', from + i), row('bb', from + i)]);
  return `${['shop,day,sold,holiday', ...rows.flat()].join('\n')}\n`;
};

const sales = {
  ...{ kind: 'forecast', path: work.file('sales.csv', days(0)), target: 'sold', series: 'shop' },
  ...{ time: 'day', input_steps: 6, horizon: 3, season: 3, test_fraction: 0.25 },
};
const measured = { metrics: ['mase', 'rmse', 'r2'] };
for (const [name, data, loss, model] of [
  ['a horizon at once', {}, { kind: 'mse' }, {}],
  [
    'step by step, relative to the season',
    { known: ['holiday'], calendar: ['day_of_week'], per_step: true, relative_to: 'season' },
    { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] },
    { head: { from: 'every' } },
  ],
] as const) {
  t.test(`the rows of a forecast's test split have its metrics: ${name}`, async t => {
    const { summary } = await train(work, config({ ...sales, ...data }, loss, model, measured));
    // the last quarter of the days, and the steps that its first window reads
    const file = work.file('last.csv', days(60 - 15 - 6));
    const given = await evaluate(summary.directory, ...inputs(file), '--json');
    t.match(given, { code: 0, stderr: '' });
    const { metrics, baselines } = JSON.parse(given.stdout);
    t.same(metrics.input, summary.metrics.test);
    // the line of a drift starts at the first row, which the file lacks
    const { drift: _, ...others } = summary.baselines?.test ?? {};
    t.match(baselines.input, others);
    t.match(others, { mean: {}, last_value: {}, seasonal_naive: {}, season_mean: {} });
  });
}

t.test('a file of the training data is warned of, also under another name', async t => {
  const { summary } = await train(work, config(sales, { kind: 'mse' }));
  for (const name of ['sales.csv', 'copy.csv']) {
    const warned = await evaluate(summary.directory, ...inputs(work.file(name, days(0))));
    t.match(warned, { code: 0, stderr: new RegExp(`${name}: warning: this file has training data`) });
  }
});

t.test('sequences of the training data among new ones are counted', async t => {
  const { summary } = await train(work, config({ ...sales, input_steps: 8 }, { kind: 'mse' }));
  const counted = async (from: number) => {
    const { code, stderr } = await evaluate(summary.directory, ...inputs(work.file('later.csv', days(from))));
    t.equal(code, 0);
    return /warning: (\d+) of (\d+) sequences have the features of training/.exec(stderr)?.slice(1);
  };
  // windows of 11 of the days 5 to 59, and of 5 to 44, which are those of training; two shops
  t.same(await counted(5), [2 * 30, 2 * 45].map(String));
  t.equal(await counted(45 - 8), undefined);
});

t.test('without the training data there are no baselines, which a warning says', async t => {
  const { config, input } = cases['jsonl, a tag for each word'];
  const { dataset } = config as { readonly dataset: { readonly path: string } };
  const path = work.file('moving.jsonl', readFileSync(dataset.path));
  const { summary } = await train(work, { ...config, dataset: { ...dataset, path } });
  rmSync(path);
  const given = await evaluate(summary.directory, ...inputs(input), '--json');
  t.match(given, {
    code: 0,
    stderr:
      /^cellrun: warning: no baselines, since the training data cannot be read: .*moving.jsonl: the file does not exist\n/,
  });
  const found = JSON.parse(given.stdout);
  t.same([found.metrics.input, found.baselines], [summary.metrics.test, undefined]);
  const moved = ['--set', `dataset.path=${dataset.path}`];
  const { stdout } = await evaluate(summary.directory, ...inputs(input), ...moved, '--json');
  t.same(JSON.parse(stdout).baselines, { input: summary.baselines?.test });
});

t.test('windows with bad cells, and series with bad times, are refused or skipped', async t => {
  const { summary } = await train(work, config(sales, { kind: 'mse' }));
  const lines = days(60 - 15 - 6).split('\n');
  // of the two first windows of shop a, the horizon of the second
  const at = 1 + 2 * 8;
  const file = work.file('bad.csv', lines.with(at + 2, lines[at + 2].replace(/,[\d.]+,/, ',x,')).join('\n'));
  const stopped = await evaluate(summary.directory, ...inputs(file));
  t.match(stopped, { code: 5, stdout: '', stderr: new RegExp(`bad\\.csv:${at + 3}:.*not a number`) });
  const skipped = await evaluate(summary.directory, ...inputs(file), '--on-error', 'skip', '--json');
  // windows of 9 rows: all that contain the row but for those before it
  t.match(skipped, { code: 0, stderr: /skipped 9 of 26 sequences/ });
  t.equal(JSON.parse(skipped.stdout).predictions, 17);
});

const runOfClasses = copies(work, () => train(work, cases['csv, a class for each step'].config));
const runOfTags = copies(work, () => train(work, cases['jsonl, a tag for each word'].config));
const runOfImages = copies(work, () => train(work, cases['idx, images'].config));
const runOfArrays = copies(work, () => train(work, cases['npz, two scaled values'].config));

t.test('what is wrong with an input is told with its place', async t => {
  const file = (name: string, content: string | Uint8Array) => work.file(name, content);
  const head = 'recording,t,a,b,step_label';
  const x = floats([2, 4, 3], noise);
  for (const [name, run, files, said] of [
    [
      'no target column',
      runOfClasses,
      [file('a.csv', 'recording,t,a,b\nr,0,1,2\n')],
      /a\.csv:1:1: there is no column "step_label", the target, which an evaluation needs/,
    ],
    [
      'an unknown class',
      runOfClasses,
      [file('b.csv', `${head}\nr,0,1,2,s1\nr,1,1,2,new\n`)],
      /b\.csv:3:9: .*does not know the class "new"[\s\S]*s0, s1, s2/,
    ],
    [
      'missing classes',
      runOfClasses,
      [file('c.csv', `${head}\nr,0,1,2,\n`)],
      /c\.csv: the input has no sequence with a target/,
    ],
    [
      'no field of targets',
      runOfTags,
      [file('d.jsonl', '{"x":["sea"]}\n')],
      /d\.jsonl:1:1: the record has no field "y"/,
    ],
    [
      'an unknown tag',
      runOfTags,
      [file('e.jsonl', '{"x":["sea"],"y":["q"]}\n')],
      /e\.jsonl:1:14: .*does not know the class "q"/,
    ],
    [
      'targets of another length',
      runOfTags,
      [file('f.jsonl', '{"x":["sea"],"y":["s","s"]}\n')],
      /f\.jsonl:1:14: .*[\s\S]*1 target/,
    ],
    ['no array of targets', runOfArrays, [file('g.npz', npz({ x }))], /g\.npz: there is no array y/],
    [
      'classes instead of values',
      runOfArrays,
      [file('h.npz', npz({ x, y: integers([2], () => 1) }))],
      /h\.npz: array y does not fit the model[\s\S]*floats \[2, 2\]/,
    ],
    [
      'an infinite value',
      runOfArrays,
      [file('i.npz', npz({ x, y: floats([2, 2], i => (i === 3 ? Infinity : 0)) }))],
      /i\.npz: y\[1, 1\] is not a finite/,
    ],
    ['images without labels', runOfImages, [cases['idx, images'].input], /there is no array y/],
    [
      'nothing',
      runOfClasses,
      [file('j.csv', `${head}\n`)],
      /j\.csv: the input has no sequence with a target/,
    ],
  ] as const) {
    const result = await evaluate(await run(), ...inputs(...files));
    t.match(result, { code: 5, stdout: '', stderr: said }, name);
  }
});

t.test('sequences without a step are counted in a warning', async t => {
  const good = ['{"x":["sea"],"y":["s"]}', '{"x":["sea","sea"],"y":["s","s"]}'];
  const empty = ['{"x":[],"y":[]}', '{"x":null,"y":[]}'];
  const tags = await evaluate(
    await runOfTags(),
    ...inputs(work.file('empty.jsonl', [empty[0], ...good, empty[1]].join('\n'))),
  );
  t.match(tags, {
    code: 0,
    stdout: /over 3 predictions/,
    stderr: /warning: left out: 2 sequences without a step/,
  });
  const step = '{"x":["sea","sea","sea"],"y":["s",null,null]}';
  const some = await evaluate(
    await runOfTags(),
    ...inputs(work.file('some.jsonl', [good[1], step].join('\n'))),
  );
  t.match(some, {
    code: 0,
    stdout: /over 3 predictions/,
    stderr: /warning: left out: 2 steps without a target/,
  });
  const { config } = cases['csv, texts'];
  const { summary } = await train(work, config);
  const [head, row] = readFileSync(cases['csv, texts'].input, 'utf8').split('\n');
  const target = row.slice(row.lastIndexOf(','));
  const file = work.file('empty.csv', `${head}\n${row}\n""${target}\n`);
  const texts = await evaluate(summary.directory, ...inputs(file));
  t.match(texts, {
    code: 0,
    stdout: /over 1 prediction\n/,
    stderr: /warning: left out: 1 sequence without a step/,
  });
});

t.test('rows of a recording with one target must have the same', async t => {
  const { summary } = await train(work, cases['csv, a class for each sequence'].config);
  const file = work.file('two.csv', 'recording,t,a,b,label\nr,0,1,2,up\nr,1,1,2,down\nq,0,1,2,up\n');
  const stopped = await evaluate(summary.directory, ...inputs(file));
  t.match(stopped, {
    code: 5,
    stderr: /two\.csv:3.*: the rows of group "r" have different targets[\s\S]*up, as in line 2/,
  });
  const skipped = await evaluate(summary.directory, ...inputs(file), '--on-error', 'skip');
  t.match(skipped, { code: 0, stdout: /over 1 prediction\n/, stderr: /skipped 1 of 2 sequences/ });
});

t.test('several files, compressed files and a stream are one input', async t => {
  const run = await runOfClasses();
  const [want, ...halves] = [table(100, 23), table(100, 9), table(109, 14)];
  const whole = await evaluate(run, ...inputs(work.file('whole.csv', want)), '--json');
  const files = halves.map((text, i) => work.file(`${i}.csv.gz`, gzipSync(text)));
  t.same(
    JSON.parse((await evaluate(run, ...inputs(...files), '--json')).stdout).predictions,
    JSON.parse(whole.stdout).predictions,
  );
  const tags = await runOfTags();
  const { input } = cases['jsonl, a tag for each word'];
  const { stdout } = await evaluate(tags, ...inputs(input), '--json');
  const { child, finished } = work.start('evaluate', tags, '--input', '-', '--json', ...webasm);
  child.stdin?.end(readFileSync(input));
  t.match(await finished, {
    code: 0,
    stdout,
    stderr: /^cellrun: warning: left out: 6 steps without a target\n$/,
  });
});

t.test('skipped sequences are not counted, and none is left is exit code 5', async t => {
  const run = await runOfClasses();
  const bad = csvTest.replace(/,s\d,/, ',new,');
  const [whole, skipped] = [
    await evaluate(run, ...inputs(work.file('t.csv', csvTest)), '--json'),
    await evaluate(run, ...inputs(work.file('u.csv', bad)), '--on-error', 'skip', '--json'),
  ].map(({ stdout }) => JSON.parse(stdout).predictions);
  const owner = bad
    .split('\n')
    .find(line => line.includes(',new,'))
    ?.split(',')[0];
  t.equal(whole - skipped, csvTest.split('\n').filter(line => line.startsWith(`${owner},`)).length);
  const none = await evaluate(
    run,
    ...inputs(work.file('v.csv', 'recording,t,a,b,step_label\nr,0,1,2,q\n')),
    ...['--on-error', 'skip'],
  );
  t.match(none, { code: 5, stdout: '', stderr: /does not know the class[\s\S]*skipped 1 of 1 sequence/ });
});

t.test('an unknown class is shown once, with its count', async t => {
  const run = await runOfClasses();
  // in all 23 recordings
  const bad = csvTest.replaceAll(/,s1(?=,)/g, ',new').replaceAll(/,s0(?=,)/g, ',other');
  const count = (name: string) => bad.split(name).length - 1;
  const { stderr } = await evaluate(run, ...inputs(work.file('w.csv', bad)), '--on-error', 'skip');
  t.equal(stderr.match(/does not know the class "new"\n/g)?.length, 1, stderr);
  t.match(stderr, `\nthe model does not know the class "new": ${count(',new')} times\n`);
  t.match(stderr, `\nthe model does not know the class "other": ${count(',other')} times\n`);
  t.match(stderr, /\nskipped 23 of 23 sequences\n/);
});

t.test('a new text: bits per character follow from the predicted probabilities', async t => {
  const path = work.file('plain.txt', 'the sea and the whale and the sea again. '.repeat(20));
  const dataset = { kind: 'text', path, test_fraction: 0.1, level: 'character', sequence_length: 10 };
  const model = { embedding: { size: 4 }, head: { from: 'every' } };
  const { summary } = await train(
    work,
    config(dataset, crossEntropy, model, { metrics: ['bits_per_symbol'] }),
  );
  const text = 'the whale sees the sea, again and again';
  const file = work.file('new.txt', text);
  const found = await evaluate(summary.directory, ...inputs(file), '--json');
  t.match(found, { code: 0, stderr: /1 of 38 symbols .*do not occur in the training split/ });
  // the comma is not learned, so that `predict` refuses it
  const known = work.file('known.txt', text.replace(',', ''));
  const predicted = linesOf(
    (await work.cellrun('predict', summary.directory, ...inputs(known), ...webasm)).stdout,
  );
  const { data } = JSON.parse(readFileSync(`${summary.directory}/manifest.json`, 'utf8'));
  const targets = [...text.replace(',', '')].slice(1).map(symbol => data.vocabulary.symbols.indexOf(symbol));
  const rows = predicted.flatMap(({ probabilities }) => probabilities as number[][]);
  const bits = rows.map((row, i) => -Math.log2(row[targets[i]]));
  const { metrics, predictions } = JSON.parse(
    (await evaluate(summary.directory, ...inputs(known), '--json')).stdout,
  );
  t.equal(predictions, 37);
  t.ok(Math.abs(metrics.input.bits_per_symbol - bits.reduce((a, b) => a + b) / bits.length) < 1e-6);
});

const WITHOUT = [{ code: 'predict/left-out', message: 'left out: 6 steps without a target' }];

t.test('programs evaluate files, lists of files and streams', async t => {
  const { input } = cases['jsonl, a tag for each word'];
  const run = await runOfTags();
  const options = { backend: 'webasm', threads: 1 } as const;
  const { split, ...want } = await programEvaluate(run, options);
  t.equal(split, 'test');
  t.same(await programEvaluate(run, { ...options, input }), { split: null, ...want, warnings: WITHOUT });
  t.same((await programEvaluate(run, { ...options, input: [input] })).metrics, want.metrics);
  const done: (number | null)[][] = [];
  const streamed = await programEvaluate(run, {
    ...options,
    input: createReadStream(input),
    onProgress: progress => done.push([progress.done, progress.total]),
  });
  t.same(streamed.metrics, want.metrics);
  t.match(done.at(-1), [readFileSync(input, 'utf8').trim().split('\n').length, null]);
  await t.rejects(programEvaluate(run, { input, split: 'test' }), {
    exitCode: 2,
    message: /exclude each other/,
  });
  await t.rejects(programEvaluate(run, { input: [] }), { exitCode: 2, message: /a path, a list of paths/ });
  const stop = new AbortController();
  const stopped = programEvaluate(run, { input, signal: stop.signal, onProgress: () => stop.abort() });
  await t.rejects(stopped, { name: 'AbortError' });
  const bad = work.file('bad.jsonl', '{"x":["sea"],"y":["q"]}\n{"x":["sea"],"y":["s"]}\n');
  await t.rejects(programEvaluate(run, { ...options, input: bad }), { message: /the class "q"/ });
  const rejected: number[] = [];
  const rest = await programEvaluate(run, {
    ...options,
    input: bad,
    onRejected: (_, index) => rejected.push(index),
  });
  t.match([rest.count, rejected], [1, [0]]);
});

t.test('an input is read only as far ahead as it is evaluated', async t => {
  const run = await runOfTags();
  const lines = 20_000;
  let [read, done, lead] = [0, 0, 0];
  const records = function* () {
    for (; read < lines; read++) {
      lead = Math.max(lead, read - done);
      yield Buffer.from('{"x":["sea"],"y":["s"]}\n');
    }
  };
  const { count } = await programEvaluate(run, {
    ...{ backend: 'webasm', threads: 1 },
    input: Readable.from(records(), { objectMode: false }),
    onProgress: progress => {
      done = progress.done;
    },
  });
  t.equal(count, lines);
  // the buffer of a stream, and the batches that are computed
  t.ok(lead < lines / 4, `${lead} records`);
});

t.test('sequences whose states pass on cannot be skipped, and an input has no split', async t => {
  const { summary } = await train(work, cases['npz, states that pass from batch to batch'].config);
  const [file] = cases['npz, states that pass from batch to batch'].labelled ?? [];
  const skip = await evaluate(summary.directory, ...inputs(file), '--on-error', 'skip');
  t.match(skip, { code: 2, stderr: /sequences cannot be skipped/ });
  for (const other of [['--split', 'test'], ['--backtest']])
    t.match(await evaluate(summary.directory, ...inputs(file), ...other), { code: 2 });
});
