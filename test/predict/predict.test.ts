/**
 * Predictions of sequences that no split holds: the same as an evaluation's, from every format,
 * streamed.
 */

import { execFile, execFileSync, spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { inspect, promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { loadModel, UserError } from '../../src/index.js';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, npz } from '../support/cli.js';
import { idx } from '../support/data-files.js';
import {
  config,
  crossEntropy,
  type Line,
  linesOf,
  predictionCases,
  table,
  unlabelled,
} from '../support/prediction-cases.js';
import { comesTrue } from '../support/programs.js';
import { copies, train } from '../support/runs.js';
import { work } from '../support/work.js';

const execute = promisify(execFile);

const webasm = ['--backend', 'webasm', '--threads', '1'];

/** A number, null, or these by place or by name. */
type Numbers = number | null | readonly Numbers[] | { readonly [name: string]: Numbers };

function numbersIn(value: Numbers): readonly (number | null)[] {
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersIn) : [value];
}

/**
 * The test metric of a run from its predictions of an input and the labels or targets of the same
 * sequences in a split, with how far rounding of printed numbers may move it.
 * @param offsets of the scaling of targets, one per target
 */
function metricOf(predictions: readonly Line[], labelled: readonly Line[], offsets: readonly number[]) {
  const isClass = 'label' in labelled[0];
  const answers = predictions.flatMap(({ predicted }) => numbersIn(predicted as Numbers));
  const wanted = labelled.flatMap(line => numbersIn((isClass ? line.label : line.target) as Numbers));
  const scores = answers.flatMap((answer, i) => {
    const want = wanted[i];
    if (answer === null || want === null) return [];
    if (isClass) return [{ score: Number(answer === want), error: 0 }];
    // printed is a short decimal that float32 does not distinguish, neither scaled nor in the data
    const offset = offsets[i % offsets.length];
    const error = [answer, want].reduce((sum, v) => sum + 2 ** -24 * (Math.abs(v) + Math.abs(v - offset)), 0);
    return [{ score: Math.abs(answer - want), error }];
  });
  const mean = (of: 'score' | 'error') => scores.reduce((sum, one) => sum + one[of], 0) / scores.length;
  return {
    name: isClass ? 'accuracy' : 'mean_absolute_error',
    value: mean('score'),
    tolerance: mean('error'),
    isPaired: answers.length === wanted.length,
  };
}

const { cases, csvData, csvTest, csvTestPath, testX } = predictionCases(work);

t.test("a run's own test file is predicted as the run evaluates it, to the bit", async t => {
  for (const [name, { config: trained, input }] of Object.entries(cases)) {
    const { summary } = await train(work, trained);
    const { directory } = summary;
    const split = await work.cellrun('predict', directory, ...webasm);
    const given = await work.cellrun('predict', directory, '--input', input, ...webasm);
    t.same([given.code, given.stderr], [0, ''], name);
    const [want, got] = [linesOf(split.stdout), linesOf(given.stdout)];
    t.ok(want.length >= 13, name);
    t.same(unlabelled(got), unlabelled(want), name);
    t.ok(
      got.every(line => !('label' in line) && !('target' in line)),
      name,
    );
    const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
    const metric = metricOf(got, want, manifest.scaling?.targets?.offset ?? [0]);
    const evaluated = summary.metrics?.test[metric.name] ?? Number.NaN;
    t.ok(metric.isPaired, name);
    t.ok(Math.abs(metric.value - evaluated) <= metric.tolerance, `${name}: ${metric.value} is ${evaluated}`);
    t.same(validateAgainst('manifest', manifest), [], name);
  }
});

const NAMED = 'csv, a class for each sequence';
/** A copy of a run each time it is called. */
const runOf = Object.fromEntries(
  Object.entries(cases).map(([name, one]) => [name, copies(work, () => train(work, one.config))]),
);
const CARRIED = 'text, character level, states that pass from batch to batch';

/** `predict` with the run in `directory`. */
const predictWith =
  (directory: string, verb = 'predict') =>
  async (input?: string | Uint8Array | { readonly path: string }, ...flags: string[]) => {
    const isFile = typeof input === 'object' && 'path' in input;
    const path = input === undefined || isFile ? input?.path : work.file('new.csv', input);
    const given = path === undefined ? [] : ['--input', path];
    const { code, stdout, stderr } = await work.cellrun(verb, directory, ...given, ...flags, ...webasm);
    const lines = /^\{/.test(stdout) ? linesOf(stdout) : [];
    const said = path === undefined ? stderr : stderr.replaceAll(path, 'FILE');
    return { code, stdout, lines, ids: lines.map(({ id }) => id), said };
  };

/** `predict` with a new run. */
const predictAfter = async (...trained: Parameters<typeof config>) =>
  predictWith((await train(work, config(...trained))).summary.directory);

/** `predict` with the run of a case. */
const predict = async (name: string, ...args: Parameters<ReturnType<typeof predictWith>>) =>
  predictWith(await runOf[name]())(...args);

const SKIP = ['--on-error', 'skip'];

const open = async (name: string) => loadModel(await runOf[name](), { backend: 'webasm', threads: 1 });

/** Files that this process has opened, as /proc lists them. */
const openFiles = (pid: string | number | undefined) =>
  readdirSync(`/proc/${pid}/fd`).map(fd => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });

t.test('a text with carried states is predicted alike from a file and from a stream', async t => {
  const { input: path } = cases[CARRIED];
  const file = await predict(CARRIED, { path });
  t.ok(file.lines.length > 8);
  t.ok(
    file.lines.some(({ index }, i) => index !== i),
    'a row that ended leaves gaps',
  );
  // a compressed file cannot be read by range, as a pipe cannot
  t.match(await predict(CARRIED, gzipSync(readFileSync(path))), { code: 0, stdout: file.stdout });
  if (process.platform !== 'linux') return;
  const model = await open(CARRIED);
  for await (const _ of model.predictFile(path));
  await model.close();
  t.notOk(openFiles('self').includes(path), 'the file is closed');
});

t.test('formats: all probabilities or the best, names, times and quantiles', async t => {
  const given = (...flags: string[]) => predict(NAMED, { path: csvTestPath }, ...flags);
  const { lines } = await given();
  const [first] = lines;
  t.equal(lines.length, 23);
  // the first row of the file names the first sequence
  t.equal(first.id, csvTest.split('\n')[1].split(',')[0]);
  const steps = csvTest.split('\n').filter(line => line.startsWith(`${first.id},`)).length;
  t.equal(first.time, String(steps - 1), 'the time of the last step');
  const probabilities = first.probabilities as number[];
  t.ok(Math.abs(probabilities[0] + probabilities[1] - 1) < 1e-12);
  t.equal(first.probability, Math.max(...probabilities));
  t.equal(first.predicted_name, ['down', 'up'][first.predicted as number]);
  const { lines: best } = await given('--top', '1');
  const { predicted, predicted_name: name, probability } = first;
  t.same(best[0].top, [{ class: predicted, name, probability }]);
  t.notOk('probabilities' in best[0]);
  const csv = (await given('--format', 'csv')).stdout.split('\n');
  t.equal(csv[0], 'index,id,time,predicted,predicted_name,probability,probability_down,probability_up');
  t.equal(csv[1], [0, first.id, first.time, predicted, name, probability, ...probabilities].join());
  const ranked = (await given('--format', 'csv', '--top', '9')).stdout.split('\n');
  t.match(ranked[0], /,probability,top_1,top_1_name,top_1_probability,top_2,top_2_name,top_2_probability$/);
  t.equal(ranked[1].split(',').length, ranked[0].split(',').length);
  t.equal((await given('--limit', '3')).lines.length, 3);

  const path = csvTestPath;
  const stepwise = await predict('csv, a class for each step', { path });
  t.same(
    stepwise.lines[0].time,
    Array.from({ length: steps }, (_, step) => String(step)),
  );
  const QUANTILES = 'csv, quantiles, the mean of the outputs';
  t.match(
    (await predict(QUANTILES, { path }, '--format', 'csv')).stdout,
    /^index,id,time,predicted_level,quantile_0\.1_level,quantile_0\.5_level,quantile_0\.9_level\n/,
  );
  t.match(await predict(QUANTILES, { path }, '--top', '2'), {
    code: 2,
    said: '--top: this model predicts values',
  });
  const [one] = (await predict('csv, several values with names', { path }, '--limit', '1')).lines;
  t.match(one, { id: 'line 2', predicted: { level: Number, t: Number } });
  t.same(one.predicted, (one.quantiles as Record<string, object>)['0.5']);
});

t.test('symbols and series that are not in the training data', async t => {
  const texts = work.file('words.csv', `text,label\n${'a b,x\nb c,y\n'.repeat(20)}`);
  const dataset = {
    ...{ kind: 'csv', path: texts, features: ['text'], input_kind: 'text', level: 'word' },
    ...{ target: 'label', target_kind: 'class', test_fraction: 0.2 },
  };
  const given = 'text\na b\nd a\ne f\n';
  const embedding = { embedding: { size: 2 } };
  const all = await predictAfter(dataset, crossEntropy, embedding);
  t.match(await all(given), {
    code: 5,
    said: /FILE:3:1: the symbol "d" does not occur in the training split\n/,
  });
  t.match(await all(given, ...SKIP), {
    code: 0,
    ids: ['line 2'],
    said: /:3:1: .*:4:1: .*skipped 2 of 3 sequences/s,
  });
  const rare = await predictAfter({ ...dataset, min_count: 25 }, crossEntropy, embedding);
  t.match(await rare(given), { code: 0, said: /^$/ }, 'it has learned to read others');
  const none = await predictAfter({ ...dataset, min_count: 2 }, crossEntropy, embedding);
  t.match(await none(given), { code: 5 }, 'its training has no rare symbol');

  const book = work.file('abc.txt', 'abc\n'.repeat(40));
  const text = { kind: 'text', path: book, level: 'character', sequence_length: 6, test_fraction: 0.2 };
  const every = { embedding: { size: 2 }, head: { from: 'every' } };
  const stream = 'abc\nabx\nabc\nay\n';
  const parts = await (await predictAfter(text, crossEntropy, every))(stream, ...SKIP);
  const said = /:2:3: warning: the symbol "x" .*:4:2: .*"y".*skipped 2 of 3 sequences/s;
  t.match(parts, { code: 0, said, lines: [{ predicted: { length: 6 } }] });
  t.equal(parts.lines.length, 1);
  const carrying = { carry_state: true, shuffle: false, eval_batch_size: 8 };
  const carried = await predictAfter(text, crossEntropy, every, carrying);
  t.match(await carried(stream), { code: 5, said: /:2:3: .*"x"/ });

  const series = (name: string) => Array.from({ length: 30 }, (_, i) => `${name},${i % 7}\n`).join('');
  const sales = work.file('sales.csv', `shop,sold\n${series('north')}${series('south')}`);
  const forecast = await predictAfter(
    {
      ...{ kind: 'forecast', path: sales, target: 'sold', series: 'shop', normalize: 'standard' },
      ...{ input_steps: 4, horizon: 1, stride: 1, test_fraction: 0.2 },
    },
    { kind: 'mse' },
  );
  t.match(await forecast(`shop,sold\n${series('north')}${series('west')}`), {
    code: 0,
    said: /FILE:32:1?:? ?warning: the series "west" is not in the training data/,
  });
});

t.test('a model that carries states skips no sequence', async t => {
  for (const name of ['npz, states that pass from batch to batch', CARRIED]) {
    const { input: path } = cases[name];
    const said = /: sequences cannot be skipped: this model has `carry_state`/;
    t.match(await predict(name, { path }, ...SKIP), { code: 2, stdout: '', said }, name);
    const model = await open(name);
    const error = await model
      .predictFile(path, { onRejected: () => {} })
      .next()
      .catch(caught => caught);
    t.match(error, { exitCode: 2, message: /cannot be skipped/ }, name);
    await model.close();
  }
});

t.test('a stream that fails says why', async t => {
  const model = await open(NAMED);
  t.teardown(() => model.close());
  const cause = new Error('the upload was aborted');
  const stream = new Readable({ read: () => void stream.destroy(cause) });
  const error = await model
    .predictFile(stream)
    .next()
    .catch(caught => caught);
  const message = '<stream>: cannot read the file: the upload was aborted';
  t.match(error, { exitCode: 2, message, cause });
});

t.test('ids of the rows of a table are passed through', async t => {
  const rows = (from: number) =>
    Array.from({ length: 12 }, (_, i) => `${i % 2},no. ${from + i},${'ab'.repeat(1 + (i % 3))}\n`).join('');
  const given = (name: string, text: string) => work.file(name, `stars,id,text\n${text}`);
  const texts = {
    ...{ kind: 'csv', path: given('texts.csv', rows(0)), test_path: given('later.csv', rows(100)), id: 'id' },
    ...{ features: ['text'], input_kind: 'text', level: 'character', target: 'stars', target_kind: 'class' },
  };
  const predict = await predictAfter(texts, crossEntropy, { embedding: { size: 2 } });
  t.same(
    (await predict()).ids,
    Array.from({ length: 12 }, (_, i) => `no. ${100 + i}`),
  );
  t.match(
    await predict('text,id\nab,"a, 7"\nba,\nxa,odd\n', ...SKIP),
    { code: 0, ids: ['a, 7', 'line 3'], said: /FILE:4:1: warning: the symbol "x"/ },
    'a row without one has its line',
  );
  t.match(
    await predict('text\nab\nba\n'),
    { code: 0, said: /^$/, ids: ['line 2', 'line 3'] },
    'a table without the column has the lines of its rows',
  );
  const grouped = { ...texts, input_kind: 'number', level: undefined, sequence: { group: 'stars' } };
  const refused = await work.cellrun('validate', work.config(config(grouped, crossEntropy)));
  t.match(refused, { code: 2, stderr: /the key `id` cannot be combined with `sequence`/ });
});

t.test('a run predicts without its data, and finds them where they have gone', async t => {
  const moved = work.file('table.csv', table(0, 40));
  const test = work.file('table.csv', csvTest);
  const { summary } = await train(work, config(csvData({ path: moved, test_path: test }), crossEntropy));
  const before = await predictWith(summary.directory)();
  const copy = join(work.folder(), 'copy');
  cpSync(summary.directory, copy, { recursive: true });
  rmSync(summary.directory, { recursive: true });
  const [elsewhere, path] = [join(work.folder(), 'a.csv'), join(work.folder(), 'b.csv')];
  renameSync(moved, elsewhere);
  renameSync(test, path);
  const [predict, evaluate] = [predictWith(copy), predictWith(copy, 'evaluate')];
  t.same(unlabelled((await predict({ path })).lines), unlabelled(before.lines));
  for (const verb of [predict, evaluate]) {
    const lost = await verb();
    t.match(lost, { code: 2, said: /the file does not exist/ });
    t.match(lost.said, /are: --set dataset\.path=FILE/);
  }
  const places = ['--set', `dataset.path=${elsewhere}`, '--set', `dataset.test_path=${path}`];
  t.equal((await predict(undefined, ...places)).stdout, before.stdout);
  t.match(await evaluate(undefined, ...places), { code: 0 });
  writeFileSync(elsewhere, table(1, 40));
  const changed = /the data have changed since the run was trained/;
  t.match(await evaluate(undefined, ...places), { code: 5, said: changed });
  const only = /^--set: only the location of the data and `decode` can change for a finished run/;
  t.match(await predict(undefined, '--set', 'seed=2'), { code: 2, said: only });
  const swapped = await predict({ path }, '--set', 'dataset.features=["b","a"]');
  t.match(swapped, { code: 2, said: /^--set: only the location .*, not `dataset\.features`/ });
  const separated = readFileSync(path, 'utf8').replaceAll(',', ';');
  t.match(await predict(separated), {
    code: 5,
    said: /separated by ";", not by ","\n[\s\S]*`--set 'dataset\.delimiter=;'`\n/,
  });
  const { stdout } = await predict(separated, '--set', 'dataset.delimiter=;');
  t.equal(stdout, (await predict({ path })).stdout);
  const resolved = join(copy, 'config.resolved.yaml');
  const yaml = readFileSync(resolved, 'utf8');
  writeFileSync(resolved, yaml.replace('- a\n', '- x\n').replace('- b\n', '- a\n').replace('- x\n', '- b\n'));
  const edited = /config\.resolved\.yaml: this file does not match its digest in manifest\.json/;
  for (const verb of [predict, evaluate])
    t.match(await verb(undefined, ...places), { code: 5, said: edited });
  // a process was killed after the manifest had the new config's digest
  renameSync(resolved, `${resolved}.next`);
  writeFileSync(`${resolved}.next`, yaml);
  writeFileSync(resolved, yaml.replace(/seed: \d+/, 'seed: 12345'));
  t.match(await predict({ path }), { code: 0 });

  const manifest = join(copy, 'manifest.json');
  t.same(JSON.parse(readFileSync(manifest, 'utf8')).data, {
    input: { kind: 'number', size: 2 },
    sequence_length: 6,
    variable_length: true,
    output_size: 2,
    class_names: ['down', 'up'],
  });
  rmSync(manifest);
  const missing =
    /this run cannot read new sequences: manifest\.json is missing\n {2}expected: a run with its manifest/;
  t.match(await predict({ path }), { code: 5, said: missing });
});

t.test('an input that is wrong is reported with its location, or left out', async t => {
  const head = 'recording,t,a,b\n';
  const good = 'r1,0,1,2\nr1,1,3,4\n';
  const bad = Array.from({ length: 8 }, (_, i) => `b${i},0,1,x\n`).join('');
  const warned = (...lines: string[]) => `FILE:3:1: warning: ${[...lines, ''].join('\n')}`;
  const notText = Buffer.concat([Buffer.from(`${head}r1,0,1,2\nr`), Buffer.from([0xc3])]);
  type Expected = readonly [code: number, ids: readonly string[], ...said: (string | RegExp)[]];
  const stopped: readonly (readonly [string | Uint8Array, ...Expected])[] = [
    [
      ...([`${head}${good}r2,0,1,x\nr3,0,1,1\n`, 5, ['r1']] as const),
      'FILE:4:8: the cell is not a number\n  4 | r2,0,1,x\n    |        ^\n  expected: a finite number\n  got: "x"\nTo leave out what cannot be read: --on-error skip\n',
    ],
    [
      ...([`${head}r2,0,1,x\nr3,0,1,1\n`, 5, []] as const),
      /^FILE:2:8: the cell is not a number\n(.*\n)*To leave out what cannot be read: --on-error skip\n$/,
    ],
    // nothing would be left
    [`${head}r2,0,1,x\n`, 5, [], /^FILE:2:8: the cell is not a number\n(.*\n)* {2}got: "x"\n$/],
    ['recording,t,b\nr1,0,1\n', 5, [], /^FILE:1:1: there is no column "a", which the model reads\n/],
    ['recording,t,a,a,b\nr1,0,1,1,1\n', 5, [], /^FILE:1:15: two columns are named "a"/],
    ['', 5, [], /^FILE: the file is empty/],
    [notText, 5, [], /^FILE:3:2: the file is not UTF-8 text\n.*iconv.*\n {2}got: byte 0xc3 at offset 26/],
    [gzipSync(head + good).subarray(0, 40), 5, [], /^FILE: the gzip stream ends too early/],
  ];
  const skipped: readonly (readonly [string | Uint8Array, ...Expected])[] = [
    [
      `${head}r0,0,1\n${good}r2,0,1,x\nr3,0,1,1\nr3,0,2,2\n,1,1,1\nr4,0,1,1\nr4,1,1\nr5,0,1,1\n`,
      ...([0, ['r1', 'r5'], /FILE:2:6: warning: the row has too few fields/] as const),
      ...[/FILE:5:8: warning: the cell is not a number/, /FILE:8:1: warning: the cell is empty/],
      ...[/FILE:7:1: warning: two rows of group "r3" have the same value/],
      /\nskipped 4 of 6 sequences\n$/,
    ],
    [
      ...([
        head + good + bad,
        0,
        ['r1'],
        /^(?:(?!not a number).|\n)*(?:(?:not a number)(?:(?!not a number).|\n)*){5}$/,
      ] as const),
      /skipped 8 of 9 sequences; the problems of 3 of them are not shown\n$/,
    ],
    // a row that may belong to either of two groups is reported once
    [
      ...([`${head}r1,0,1,2\n,3,1,1\nr2,0,1,1\nr3,0,1,1\n`, 0, ['r3']] as const),
      warned(
        'the cell is empty',
        ...['  3 | ,3,1,1', '    | ^', '  expected: a value in every row'],
        'skipped 2 of 3 sequences',
      ),
    ],
    // also if the group after it began before
    [
      ...([`${head}r2,1,1,1\nr1,0,1,2\n,3,1,1\nr2,0,1,1\n,5,1,1\n`, 5, []] as const),
      ...[/FILE:4:1: /, /FILE:6:1: /],
      /\nskipped 2 of 2 sequences/,
    ],
    // two tables in one file
    [
      ...([`${head}r1,0,1,2\n${head}r2,0,1,1\n`, 0, ['r1', 'r2']] as const),
      warned(
        'the header of line 1 appears again',
        ...['  3 | recording,t,a,b', '    | ^^^^^^^^^', '  expected: one header, or a file for each table'],
        'skipped 1 of 3 sequences',
      ),
    ],
    [`${head},3,1,1\n`, 5, [], /^FILE:2:1: warning: the cell is empty\n.*\nskipped 1 of 1 sequence\n$/s],
    // nothing is left
    [`${head}r2,0,1,x\n`, 5, []],
    [`${head}r1,0,1,"2\n`, 5, [], /^FILE:2:\d+: a quoted field of this record is never closed/],
  ];
  for (const [flags, inputs] of [
    [[], stopped],
    [SKIP, skipped],
  ] as const) {
    for (const [content, code, ids, ...said] of inputs) {
      const given = await predict(NAMED, content, ...flags);
      t.same([given.code, given.ids], [code, ids], String(content));
      for (const one of said) typeof one === 'string' ? t.equal(given.said, one) : t.match(given.said, one);
    }
  }
  const refused = (path: string, ...flags: string[]) => predict(NAMED, { path }, ...flags);
  t.match(await refused('nowhere'), { code: 2, said: /^FILE: the file does not exist/ });
  t.match(await work.cellrun('predict', await runOf[NAMED](), '--input', '', ...webasm), {
    code: 2,
    stderr:
      /^--input: the path is empty\n {2}expected: files, folders and patterns, or - alone for standard input\n/,
  });
  t.match(await refused('x', '--split', 'test'), { code: 2 });
});

t.test('an input without sequences is warned of, and generating needs a language model', async t => {
  // with and without the line end of the header
  for (const empty of ['recording,t,a,b\n', 'recording,t,a,b']) {
    const said = 'warning: FILE: there are no sequences to predict\n';
    t.match(await predict(NAMED, empty), { code: 0, stdout: /^$/, said });
  }
  t.match(await predict(NAMED, undefined, '--generate', '--prompt', 'a'), {
    code: 2,
    said: /only language models can generate.*\n {2}expected: a model trained on `dataset\.kind: text`/,
  });
});

t.test('other formats: what does not fit, and no sequence at all', async t => {
  const numbers = 'npz, two scaled values';
  const holed = npz({ x: floats([2, 2, 3], [1, 2, 3, 4, Number.NaN, 6, 1, 2, 3, 4, 5, 6]) });
  const long = npz({ x: floats([2, 40, 3], new Float32Array(240)), lengths: integers([2], [9, 41]) });
  const unfit = 'FILE: array x does not fit the model\n  expected: numbers [N, T, 3]\n  got: <f4 [1, 2, 4]\n';
  for (const [name, content, flags, code, lines, said] of [
    [numbers, npz({ x: floats([1, 2, 4], new Float32Array(8)) }), [], 5, 0, unfit],
    [numbers, npz({ y: floats([1], [1]) }), [], 5, 0, 'FILE: the file has no array x'],
    [numbers, holed, [], 5, 0, 'FILE: x[0, 1, 1] is not a finite float32 number'],
    [numbers, holed, SKIP, 0, 1, 'skipped 1 of 2 sequences'],
    [numbers, npz({ x: floats([0, 2, 3], []) }), [], 0, 0, 'there are no sequences to predict\n'],
    [
      ...(['npz, symbols', npz({ x: integers([1, 2], [1, 7]) }), [], 5, 0] as const),
      'FILE: x[0, 1] is not a symbol of the model\n  expected: 0 to 6\n  got: 7\n',
    ],
    [numbers, long, SKIP, 0, 1, 'lengths[1] is out of range'],
    [
      'npz, states that pass from batch to batch',
      ...([npz({ x: floats([1, 5, 3], new Float32Array(15)) }), [], 5, 0] as const),
      'the sequence is too long to predict\n  expected: at most 4 steps',
    ],
    [
      ...(['idx, images', idx(8, [1, 4, 2], Buffer.alloc(8)), [], 5, 0] as const),
      'FILE: array x does not fit the model\n  expected: [N, 3, 2]',
    ],
  ] as const) {
    const given = await predict(name, content, ...flags);
    t.same([given.code, given.lines.length], [code, lines], said);
    t.ok(given.said.includes(said), given.said);
  }
  // one array alone, as numpy.save writes it
  const alone = Buffer.from(npz({ x: testX }));
  const from = alone.indexOf('\x93NUMPY', 'latin1');
  const array = alone.subarray(from, alone.indexOf('PK\x01\x02', from, 'latin1'));
  t.equal((await predict(numbers, array)).stdout, (await predict(numbers, npz({ x: testX }))).stdout);

  const parquet = Buffer.concat([Buffer.from('PAR1'), Buffer.of(0x15, 0x04, 0xff), Buffer.from('PAR1')]);
  const formats = {
    'a zip archive, such as .npz or .xlsx': npz({ x: testX }),
    'a NumPy array (.npy)': array,
    'a Parquet file': parquet,
    'a gzip file inside a gzip file': gzipSync(gzipSync('some text')),
  };
  const quoted = Buffer.from('PK\x03\x04a"\xff\xff\xff\xff', 'latin1');
  t.match((await predict(NAMED, quoted)).said, /the file is a zip archive/, 'not a quote in a field');
  const headed = Buffer.from('PK\x03\x04a,b\n\xff', 'latin1');
  t.match((await predict(NAMED, headed)).said, /the file is a zip archive/, 'not a header');
  const readers: [name: string, ...flags: string[]][] = [
    [NAMED],
    ['text, character level'],
    ['text, word level, states that pass from batch to batch'],
    ['text, character level', '--lines'],
  ];
  for (const [name, ...flags] of readers) {
    for (const [format, content] of Object.entries(formats)) {
      // tables are read from Parquet too
      if (name === NAMED && content === parquet) continue;
      const given = await predict(name, content, ...flags);
      const said = `FILE: the file is ${format}, not text\n  expected: UTF-8 text\n`;
      t.match(given, { code: 5, stdout: '', said }, `${name} ${flags}`);
    }
  }
});

t.test('standard input in pieces', async t => {
  const directory = await runOf[NAMED]();
  const [head, ...rows] = csvTest.split('\n').slice(0, -1);
  const content = [head, ...rows.sort()].join('\n');
  const started = (...flags: string[]) =>
    work.start('predict', directory, '--input', '-', ...flags, ...webasm);
  const { child, finished } = started();
  for (let at = 0; at < content.length; at += 50) child.stdin?.write(content.slice(at, at + 50));
  child.stdin?.end();
  t.match(await finished, { code: 0, stderr: '', stdout: (await predict(NAMED, content)).stdout });
  // a stream is not kept: the rows of a group have to stand together
  for (const action of ['stop', 'skip']) {
    const apart = started('--on-error', action);
    apart.child.stdin?.end('recording,t,a,b\nr1,0,1,1\nr2,0,1,1\nr1,1,1,1\nr3,0,1,1\n');
    const { code, stdout, stderr } = await apart.finished;
    t.equal(code, 5, 'not a group to skip: its prediction is already printed');
    t.same(
      linesOf(stdout).map(({ id }) => id),
      ['r1', 'r2'],
    );
    t.match(
      stderr,
      /^<stdin>:4:1: group "r1" appears again after other groups, so a prediction already made/,
    );
    t.match(stderr, /expected: rows sorted by group, or files of up to 16 MiB in total instead of a stream/);
  }
});

t.test('the library: the same predictions of values that a program hands over', async t => {
  const model = await open(NAMED);
  t.teardown(() => model.close());
  t.same(model.input, { kind: 'number', size: 2 });
  t.match(inspect(model), /^Model \{\n? *form: \{[^}]*'up'[^}]*\},\s+input: \{[^}]*\}\s*\}$/);
  t.match(model.form, { kind: 'class', perStep: false, size: 2, classNames: ['down', 'up'] });
  const { lines: want } = await predict(NAMED, { path: csvTestPath });
  const fromFile = [];
  for await (const one of model.predictFile(csvTestPath)) fromFile.push(one);
  const recordings = new Map<string, { t: number; steps: { a: number; b: number } }[]>();
  for (const line of csvTest.split('\n').slice(1, -1)) {
    const [id, time, a, b] = line.split(',');
    const rows = recordings.get(id) ?? [];
    rows.push({ t: Number(time), steps: { a: Number(a), b: Number(b) } });
    recordings.set(id, rows);
  }
  const sequences = Array.from(recordings, ([id, rows]) => ({
    id,
    steps: rows.sort((x, y) => x.t - y.t).map(({ steps }) => steps),
    times: rows.map(({ t }) => String(t)),
  }));
  const given = [];
  for await (const one of model.predict(sequences)) given.push(one);
  t.same(given, fromFile);
  const [{ predictions: read }] = JSON.parse(JSON.stringify(given));
  t.same(read[0].probabilities, want[0].probabilities, 'as JSON');
  t.equal(read[0].logits.length, 2);
  t.match(inspect(given[0].predictions[0]), /probabilities: Float64Array\(2\) \[ /);
  t.same(
    given.map(({ index, id, predictions: [prediction] }) =>
      prediction.kind === 'class'
        ? [index, id, prediction.time, prediction.predicted, prediction.name, [...prediction.probabilities]]
        : [],
    ),
    want.map(({ index, id, time, predicted, predicted_name, probabilities }) => [
      index,
      id,
      time,
      predicted,
      predicted_name,
      probabilities,
    ]),
  );
  // at the same time, from a stream, and one that stops listening
  const all = async (source: AsyncIterable<unknown>) => {
    const found = [];
    for await (const one of source) found.push(one);
    return found;
  };
  const [a, b] = await Promise.all([
    all(model.predict(sequences)),
    all(model.predict(Readable.from(sequences.toReversed()))),
  ]);
  t.same(a, given);
  t.same(
    b.map(one => (one as { id: string }).id),
    given.map(({ id }) => id).reverse(),
  );
  for await (const one of model.predict(sequences)) {
    t.equal(one.index, 0);
    break;
  }
  t.same(await all(model.predict(sequences)), given);

  // a caller that waits for a prediction before it goes on gets it
  let answered = () => {};
  async function* waiting() {
    yield sequences[0];
    await new Promise<void>(resolve => {
      answered = resolve;
    });
    yield sequences[1];
  }
  const turns = [];
  for await (const one of model.predict(waiting())) {
    turns.push(one);
    answered();
  }
  t.same(turns, given.slice(0, 2));

  const bad = [sequences[0], [[1]], [], [[1, 'x']], [{ a: 1 }], sequences[1]] as typeof sequences;
  const problems: string[] = [];
  const reasons: (string | undefined)[] = [];
  const good = await all(
    model.predict(bad, {
      onRejected([{ message, got }], index) {
        problems.push(`${index}: ${message}`);
        reasons.push(got);
      },
    }),
  );
  t.same(reasons, ['1 number', undefined, '"x"', 'an object']);
  t.same(
    good.map(one => (one as { index: number }).index),
    [0, 5],
  );
  t.same(problems, [
    '1: sequence 1, step 0 does not fit the model',
    '2: sequence 2 has no steps',
    '3: sequence 3, step 0: b is not a finite float32 number',
    '4: sequence 4, step 0 does not fit the model',
  ]);
  const before: unknown[] = [];
  const stopped = async () => {
    for await (const one of model.predict(bad)) before.push(one);
  };
  await t.rejects(stopped(), UserError);
  t.equal(before.length, 1);
});

// that the guide shows this very text is checked with the documents
t.test('the library reads the markers of missing values as tables do', async t => {
  const rows = Array.from({ length: 60 }, (_, i) => `${i % 7 ? i : -999},${i % 5},${i % 2 ? 'up' : 'down'}`);
  const dataset = {
    ...{ kind: 'csv', path: work.file('markers.csv', ['a,b,kind', ...rows].join('\n')), target: 'kind' },
    ...{ features: ['a', 'b'], target_kind: 'class', test_fraction: 0.2 },
    missing: { fill: 'mean', markers: [-999] },
  };
  const settings = config(dataset, { kind: 'cross_entropy' }, { cell: 'gru', hidden_size: 3 });
  const model = await loadModel((await train(work, settings)).summary.directory, { backend: 'webasm' });
  t.teardown(() => model.close());
  const found = [];
  const sequences = [null, -999, '-999', 999].map(a => [{ a, b: 2 }]);
  for await (const { predictions } of model.predict(sequences)) found.push(predictions[0]);
  t.same(found[1], found[0]);
  t.same(found[2], found[0]);
  t.notSame(found[3], found[0]);
});

t.test('the example of the guide runs', async t => {
  const example = join(packageRoot, 'dist/test/examples/predict.js');
  const named = (text: string): string => text.replace(',a,b,', ',speed,heart_rate,');
  const data = csvData({
    path: work.file('named.csv', named(table(0, 40))),
    test_path: work.file('named-test.csv', named(csvTest)),
    features: ['speed', 'heart_rate'],
  });
  const { directory } = await work.train(config(data, crossEntropy), ...webasm);
  const ran = await execute(process.execPath, [example, directory]);
  t.match(ran.stdout, /^0 monday \{\n {2}kind: 'class',.*\n1 undefined \{.*\n {2}step: 1,/s);
  t.equal(ran.stderr, '');
});

const linuxOnly =
  process.platform === 'linux' ? false : 'other systems report the end of a pipe without a writer';

t.test('a named pipe is waited for, and the wait can be stopped', { skip: linuxOnly }, async t => {
  const { summary } = await train(work, config(csvData({}), crossEntropy));
  // a stream has the rows of a group together
  const [header, ...rows] = csvTest.trimEnd().split('\n');
  const input = work.file('sorted.csv', `${[header, ...rows.sort()].join('\n')}\n`);
  const pipe = join(work.folder(), 'pipe');
  execFileSync('sh', ['-c', 'mkfifo "$0"', pipe]);
  const waiting = work.start('predict', summary.directory, '--input', pipe, ...webasm);
  const expected = await work.cellrun('predict', summary.directory, '--input', input, ...webasm);
  const writer = spawn('sh', ['-c', 'cat "$0" > "$1"', input, pipe]);
  t.match(await waiting.finished, { code: 0, stderr: '', stdout: expected.stdout });
  writer.kill();

  const stopped = work.start('predict', summary.directory, '--input', pipe, ...webasm);
  await comesTrue(() => openFiles(stopped.child.pid).includes(pipe));
  stopped.child.kill('SIGTERM');
  t.match(await stopped.finished, { code: 130, stderr: /SIGTERM: stopped/ });
});
