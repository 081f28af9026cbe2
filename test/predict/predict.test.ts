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
import { validateAgainst } from '../../src/config/schema/schema.js';
import { SeenTexts } from '../../src/data/seen-texts.js';
import { loadModel, UserError } from '../../src/index.js';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, npz, Workplace } from '../support/cli.js';
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
import { copies, train } from '../support/runs.js';
import { comesTrue } from '../support/waiting.js';

const work = new Workplace();
t.teardown(() => work.remove());

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

t.test('a text with carried states is predicted alike from a file and from a stream', async t => {
  const name = 'text, character level, states that pass from batch to batch';
  const directory = await runOf[name]();
  const { input } = cases[name];
  const file = await work.cellrun('predict', directory, '--input', input, ...webasm);
  // a compressed file cannot be read by range, as a pipe cannot
  const zipped = work.file('book-test.txt.gz', gzipSync(readFileSync(input)));
  const stream = await work.cellrun('predict', directory, '--input', zipped, ...webasm);
  t.ok(linesOf(file.stdout).length > 8);
  t.same([stream.code, stream.stdout], [0, file.stdout]);

  if (process.platform !== 'linux') return;
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  for await (const _ of model.predictFile(input));
  await model.close();
  const opened = readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === input;
    } catch {
      return false;
    }
  });
  t.same(opened, [], 'the file is closed');
});

t.test('formats: all probabilities or the best, names, times and quantiles', async t => {
  const directory = await runOf[NAMED]();
  const predict = async (...flags: string[]) =>
    (await work.cellrun('predict', directory, '--input', csvTestPath, ...flags, ...webasm)).stdout;
  const lines = linesOf(await predict());
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

  const [top] = linesOf(await predict('--top', '1'));
  t.same(top.top, [{ class: first.predicted, name: first.predicted_name, probability: first.probability }]);
  t.notOk('probabilities' in top);
  const csv = (await predict('--format', 'csv')).split('\n');
  t.equal(csv[0], 'index,id,time,predicted,predicted_name,probability,probability_down,probability_up');
  t.equal(
    csv[1],
    [
      0,
      first.id,
      first.time,
      first.predicted,
      first.predicted_name,
      first.probability,
      ...probabilities,
    ].join(),
  );
  const best = (await predict('--format', 'csv', '--top', '9')).split('\n');
  t.match(best[0], /,probability,top_1,top_1_name,top_1_probability,top_2,top_2_name,top_2_probability$/);
  t.equal(best[1].split(',').length, best[0].split(',').length);
  t.equal(linesOf(await predict('--limit', '3')).length, 3);

  const stepwise = await runOf['csv, a class for each step']();
  const given = await work.cellrun('predict', stepwise, '--input', csvTestPath, ...webasm);
  const [every] = linesOf(given.stdout);
  t.same(
    every.time,
    Array.from({ length: steps }, (_, step) => String(step)),
  );
  const quantiles = await runOf['csv, quantiles, the mean of the outputs']();
  const values = await work.cellrun(
    'predict',
    quantiles,
    '--input',
    csvTestPath,
    '--format',
    'csv',
    ...webasm,
  );
  t.match(values.stdout, /^index,id,time,predicted_0,quantile_0\.1_0,quantile_0\.5_0,quantile_0\.9_0\n/);
  const several = await runOf['csv, several values with names']();
  const byName = await work.cellrun('predict', several, '--input', csvTestPath, '--limit', '1', ...webasm);
  const [one] = linesOf(byName.stdout);
  t.match(one, { id: 'line 2', predicted: { level: Number, t: Number } });
  t.same(one.predicted, (one.quantiles as Record<string, object>)['0.5']);
  const ranked = await work.cellrun('predict', quantiles, '--input', csvTestPath, '--top', '2', ...webasm);
  t.match(ranked, { code: 2, stderr: '--top: this model predicts values' });
});

t.test('symbols and series that are not in the training data', async t => {
  const texts = work.file('words.csv', `text,label\n${'a b,x\nb c,y\n'.repeat(20)}`);
  const dataset = {
    ...{ kind: 'csv', path: texts, features: ['text'], input_kind: 'text', level: 'word' },
    ...{ target: 'label', target_kind: 'class', test_fraction: 0.2 },
  };
  const given = work.file('new-words.csv', 'text\na b\nd a\ne f\n');
  const embedding = { embedding: { size: 2 } };
  const predicted = (directory: string, input: string, ...flags: string[]) =>
    work.cellrun('predict', directory, '--input', input, ...webasm, ...flags);
  const { summary: all } = await train(work, config(dataset, crossEntropy, embedding));
  const refused = await predicted(all.directory, given);
  t.equal(refused.code, 5);
  t.match(refused.stderr, /new-words\.csv:3:1: the symbol "d" does not occur in the training split\n/);
  const skipped = await predicted(all.directory, given, '--on-error', 'skip');
  t.match(skipped, { code: 0, stderr: /:3:1: .*:4:1: .*skipped 2 of 3 sequences/s });
  t.same(
    linesOf(skipped.stdout).map(({ id }) => id),
    ['line 2'],
  );
  const { summary: rare } = await train(work, config({ ...dataset, min_count: 25 }, crossEntropy, embedding));
  t.match(await predicted(rare.directory, given), { code: 0, stderr: /^$/ }, 'it has learned to read others');
  const { summary: none } = await train(work, config({ ...dataset, min_count: 2 }, crossEntropy, embedding));
  t.equal((await predicted(none.directory, given)).code, 5, 'its training has no rare symbol');

  const book = work.file('abc.txt', 'abc\n'.repeat(40));
  const text = { kind: 'text', path: book, level: 'character', sequence_length: 6, test_fraction: 0.2 };
  const every = { embedding: { size: 2 }, head: { from: 'every' } };
  const stream = work.file('stream.txt', 'abc\nabx\nabc\nay\n');
  const { summary: cut } = await train(work, config(text, crossEntropy, every));
  const parts = await predicted(cut.directory, stream, '--on-error', 'skip');
  t.match(parts, {
    code: 0,
    stderr: /:2:3: warning: the symbol "x" .*:4:2: .*"y".*skipped 2 of 3 sequences/s,
  });
  t.same(
    linesOf(parts.stdout).map(({ predicted }) => (predicted as number[]).length),
    [6],
  );
  const { summary: carried } = await train(
    work,
    config(text, crossEntropy, every, { carry_state: true, shuffle: false, eval_batch_size: 8 }),
  );
  t.match(await predicted(carried.directory, stream), { code: 5, stderr: /:2:3: .*"x"/ });

  const series = (name: string) => Array.from({ length: 30 }, (_, i) => `${name},${i % 7}\n`).join('');
  const sales = work.file('sales.csv', `shop,sold\n${series('north')}${series('south')}`);
  const forecast = {
    ...{ kind: 'forecast', path: sales, target: 'sold', series: 'shop', normalize: 'standard' },
    ...{ input_steps: 4, horizon: 1, stride: 1, test_fraction: 0.2 },
  };
  const { summary } = await train(work, config(forecast, { kind: 'mse' }));
  const shops = work.file('shops.csv', `shop,sold\n${series('north')}${series('west')}`);
  t.match(await predicted(summary.directory, shops), {
    code: 0,
    stderr: /shops\.csv:32:1?:? ?warning: the series "west" is not in the training data/,
  });
});

t.test('a model that carries states skips no sequence', async t => {
  const carry = ', states that pass from batch to batch';
  for (const name of [`npz${carry}`, `text, character level${carry}`]) {
    const directory = await runOf[name]();
    const flags = ['--input', cases[name].input, '--on-error', 'skip'];
    const refused = {
      code: 2,
      stdout: '',
      stderr: /: sequences cannot be skipped: this model has `carry_state`/,
    };
    t.match(await work.cellrun('predict', directory, ...flags, ...webasm), refused, name);
    const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
    const onRejected = () => {};
    const error = await model
      .predictFile(cases[name].input, { onRejected })
      .next()
      .catch(caught => caught);
    t.match(error, { exitCode: 2, message: /cannot be skipped/ }, name);
    await model.close();
  }
});

t.test('a stream that fails says why', async t => {
  const model = await loadModel(await runOf[NAMED](), { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  const cause = new Error('the upload was aborted');
  const stream = new Readable({ read: () => void stream.destroy(cause) });
  const error = await model
    .predictFile(stream)
    .next()
    .catch(caught => caught);
  t.match(error, {
    exitCode: 2,
    message: '<stream>: cannot read the file: the upload was aborted',
    cause,
  });
});

t.test('ids of the rows of a table are passed through', async t => {
  const rows = (from: number) =>
    Array.from({ length: 12 }, (_, i) => `${i % 2},no. ${from + i},${'ab'.repeat(1 + (i % 3))}\n`).join('');
  const given = (name: string, text: string) => work.file(name, `stars,id,text\n${text}`);
  const texts = {
    ...{ kind: 'csv', path: given('texts.csv', rows(0)), test_path: given('later.csv', rows(100)), id: 'id' },
    ...{ features: ['text'], input_kind: 'text', level: 'character', target: 'stars', target_kind: 'class' },
  };
  const { summary } = await train(work, config(texts, crossEntropy, { embedding: { size: 2 } }));
  const split = await work.cellrun('predict', summary.directory, ...webasm);
  t.same(
    linesOf(split.stdout).map(({ id }) => id),
    Array.from({ length: 12 }, (_, i) => `no. ${100 + i}`),
  );
  const input = work.file('new.csv', 'text,id\nab,"a, 7"\nba,\nxa,odd\n');
  const flags = ['--input', input, '--on-error', 'skip'];
  const { code, stdout, stderr } = await work.cellrun('predict', summary.directory, ...flags, ...webasm);
  t.match(stderr, /new\.csv:4:1: warning: the symbol "x"/);
  t.same(
    [code, linesOf(stdout).map(({ id }) => id)],
    [0, ['a, 7', 'line 3']],
    'a row without one has its line',
  );
  const unnamed = work.file('unnamed.csv', 'text\nab\nba\n');
  const lines = await work.cellrun('predict', summary.directory, '--input', unnamed, ...webasm);
  t.same(
    [lines.code, lines.stderr, linesOf(lines.stdout).map(({ id }) => id)],
    [0, '', ['line 2', 'line 3']],
    'a table without the column has the lines of its rows',
  );
  const grouped = { ...texts, input_kind: 'number', level: undefined, sequence: { group: 'stars' } };
  const refused = await work.cellrun('validate', work.config(config(grouped, crossEntropy)));
  t.match(refused, { code: 2, stderr: /the key `id` does not belong to `sequence`/ });
});

t.test('each file of a folder is a recording', async t => {
  const folders = ['train', 'test'].map(() => work.folder());
  const rows = (i: number) =>
    Array.from(
      { length: 3 + (i % 4) },
      (_, row) => `${row % 3},${(i * row) % 5},${i % 2 ? 'walk' : 'run'}\n`,
    );
  for (const [f, folder] of folders.entries())
    for (let i = 0; i < 8; i++)
      writeFileSync(
        join(folder, `${i}.csv`),
        `s,x,activity\n${rows(i + f)
          .reverse()
          .join('')}`,
      );
  const [path, test_path] = folders;
  const recordings = {
    ...{ kind: 'csv', path, test_path, features: ['x'], target: 'activity', target_kind: 'class' },
    sequence: { per_file: true },
  };
  const valid = await work.cellrun('validate', work.config(config(recordings, crossEntropy)));
  t.notMatch(valid.stderr, 'in both', 'folders number their files alike');
  const { summary } = await train(work, config(recordings, crossEntropy));
  const predict = (...flags: string[]) => work.cellrun('predict', summary.directory, ...flags, ...webasm);
  const all = linesOf((await predict()).stdout);
  t.same(
    all.map(({ id }) => id),
    Array.from({ length: 8 }, (_, i) => `${i}.csv`),
  );
  for (const line of all) {
    const [one, ...more] = linesOf((await predict('--input', join(test_path, line.id as string))).stdout);
    t.same(more, []);
    t.same(unlabelled([{ ...one, index: line.index }]), unlabelled([line]));
  }
  const cut = work.file('cut.csv', 's,x\n1,2\n1\n');
  t.match(await predict('--input', cut, '--on-error', 'skip'), {
    code: 5,
    stderr: /cut\.csv:3:1: .*too few/,
  });
  for (const sequence of [{ per_file: true, group: 's' }, { per_file: false }]) {
    const both = await work.cellrun(
      'validate',
      work.config(config({ ...recordings, sequence }, crossEntropy)),
    );
    t.match(both, { code: 2, stderr: /group/ });
  }
});

t.test('steps that are missing in the input of a forecast are warned of', async t => {
  const series = (name: string, without?: number) =>
    Array.from({ length: 30 }, (_, i) => (i === without ? '' : `${name},${i},${i % 7}\n`)).join('');
  const sales = work.file('timed.csv', `shop,day,sold\n${series('north')}${series('south')}`);
  const forecast = {
    ...{ kind: 'forecast', path: sales, target: 'sold', series: 'shop', time: 'day', normalize: 'standard' },
    ...{ input_steps: 4, horizon: 1, stride: 1, test_fraction: 0.2 },
  };
  const { summary } = await train(work, config(forecast, { kind: 'mse' }));
  const input = work.file('gap.csv', `shop,day,sold\n${series('north', 5)}${series('south', 27)}`);
  const { code, stdout, stderr } = await work.cellrun(
    ...['predict', summary.directory, '--input', input],
    ...webasm,
  );
  t.same([code, linesOf(stdout).length], [0, 2]);
  t.match(
    stderr,
    /^\S+gap\.csv:58:7: warning: 1 step is missing between 26 and 28 in series "south"\. .*\n +58 \| south,28,0\n.*\n +expected: .*\n$/,
  );
});

t.test('a run predicts without its data, and finds them where they have gone', async t => {
  const moved = work.file('table.csv', table(0, 40));
  const test = work.file('table.csv', csvTest);
  const { summary } = await train(work, config(csvData({ path: moved, test_path: test }), crossEntropy));
  const before = await work.cellrun('predict', summary.directory, ...webasm);
  const copy = join(work.folder(), 'copy');
  cpSync(summary.directory, copy, { recursive: true });
  rmSync(summary.directory, { recursive: true });
  const [elsewhere, testElsewhere] = [join(work.folder(), 'a.csv'), join(work.folder(), 'b.csv')];
  renameSync(moved, elsewhere);
  renameSync(test, testElsewhere);
  const given = await work.cellrun('predict', copy, '--input', testElsewhere, ...webasm);
  t.same(unlabelled(linesOf(given.stdout)), unlabelled(linesOf(before.stdout)));
  for (const verb of ['predict', 'evaluate']) {
    const lost = await work.cellrun(verb, copy, ...webasm);
    t.equal(lost.code, 2, verb);
    t.match(lost.stderr, /the file does not exist/);
    t.match(lost.stderr, /are: --set dataset\.path=FILE --set dataset\.test_path=FILE\n/);
  }
  const places = ['--set', `dataset.path=${elsewhere}`, '--set', `dataset.test_path=${testElsewhere}`];
  const found = await work.cellrun('predict', copy, ...places, ...webasm);
  t.equal(found.stdout, before.stdout);
  t.match(await work.cellrun('evaluate', copy, ...places, ...webasm), { code: 0 });
  writeFileSync(elsewhere, table(1, 40));
  t.match(await work.cellrun('evaluate', copy, ...places, ...webasm), {
    code: 5,
    stderr: /the data have changed since the run was trained/,
  });
  t.match(await work.cellrun('predict', copy, '--set', 'seed=2', ...webasm), {
    code: 2,
    stderr: /^--set: only the location of the data can change for a finished run/,
  });
  const swapped = ['--set', 'dataset.features=["b","a"]'];
  t.match(await work.cellrun('predict', copy, '--input', testElsewhere, ...swapped, ...webasm), {
    code: 2,
    stderr: /^--set: only the location of the data can change .*, not `dataset\.features`/,
  });
  const separated = work.file('semicolons.csv', readFileSync(testElsewhere, 'utf8').replaceAll(',', ';'));
  const read = (file: string, ...flags: string[]) =>
    work.cellrun('predict', copy, '--input', file, ...flags, ...webasm);
  t.match(await read(separated), {
    code: 5,
    stderr: /expected: fields separated by ",".*`predict --set 'dataset\.delimiter=;'` reads these\n/,
  });
  t.equal((await read(separated, '--set', 'dataset.delimiter=;')).stdout, (await read(testElsewhere)).stdout);
  const resolved = join(copy, 'config.resolved.yaml');
  const yaml = readFileSync(resolved, 'utf8');
  writeFileSync(resolved, yaml.replace('- a\n', '- x\n').replace('- b\n', '- a\n').replace('- x\n', '- b\n'));
  for (const verb of ['predict', 'evaluate'])
    t.match(
      await work.cellrun(verb, copy, ...places, ...webasm),
      { code: 5, stderr: /config\.resolved\.yaml: this file does not match its digest in manifest\.json/ },
      verb,
    );
  // a process was killed after the manifest had the new config's digest
  renameSync(resolved, `${resolved}.next`);
  writeFileSync(`${resolved}.next`, yaml);
  writeFileSync(resolved, yaml.replace(/seed: \d+/, 'seed: 12345'));
  t.match(await work.cellrun('predict', copy, '--input', testElsewhere, ...webasm), { code: 0 });

  const manifest = join(copy, 'manifest.json');
  const { data } = JSON.parse(readFileSync(manifest, 'utf8'));
  t.same(data, {
    input: { kind: 'number', size: 2 },
    sequence_length: 6,
    variable_length: true,
    output_size: 2,
    class_names: ['down', 'up'],
  });
  rmSync(manifest);
  t.match(await work.cellrun('predict', copy, '--input', testElsewhere, ...webasm), {
    code: 5,
    stderr:
      /this run cannot read new sequences: manifest\.json is missing\n {2}expected: a run with its manifest/,
  });
});

/** What `predict --input` says of `content`. */
async function predicted(content: string | Uint8Array, ...flags: string[]) {
  const directory = await runOf[NAMED]();
  const path = work.file('new.csv', content);
  const { code, stdout, stderr } = await work.cellrun(
    'predict',
    directory,
    '--input',
    path,
    ...flags,
    ...webasm,
  );
  return {
    code,
    ids: flags.includes('csv') ? [] : linesOf(stdout).map(({ id }) => id),
    said: stderr.replaceAll(path, 'FILE'),
    stdout,
  };
}

t.test('an input that is wrong is reported with its location, or left out', async t => {
  const head = 'recording,t,a,b\n';
  const good = 'r1,0,1,2\nr1,1,3,4\n';
  t.match(await predicted(`${head}${good}r2,0,1,x\nr3,0,1,1\n`), {
    code: 5,
    ids: ['r1'],
    said: 'FILE:4:8: the cell is not a number\n  4 | r2,0,1,x\n    |        ^\n',
  });
  const lines = `${head}r0,0,1\n${good}r2,0,1,x\nr3,0,1,1\nr3,0,2,2\n,1,1,1\nr4,0,1,1\nr4,1,1\nr5,0,1,1\n`;
  const skipped = await predicted(lines, '--on-error', 'skip');
  t.same([skipped.code, skipped.ids], [0, ['r1', 'r5']]);
  t.match(skipped.said, /FILE:2:6: warning: the row has too few fields/);
  t.match(skipped.said, /FILE:5:8: warning: the cell is not a number/);
  t.match(skipped.said, /FILE:7:1: warning: two rows of group "r3" have the same value/);
  t.match(skipped.said, /FILE:8:1: warning: the cell is empty/);
  t.match(skipped.said, /\nskipped 4 of 6 sequences: unreadable\n$/);
  const bad = Array.from({ length: 8 }, (_, i) => `b${i},0,1,x\n`).join('');
  const capped = await predicted(head + good + bad, '--on-error', 'skip');
  t.equal(capped.said.match(/the cell is not a number/g)?.length, 5);
  t.match(capped.said, /skipped 8 of 9 sequences: unreadable; the problems of 3 more are not shown\n$/);
  const between = await predicted(`${head}r1,0,1,2\n,3,1,1\nr2,0,1,1\nr3,0,1,1\n`, '--on-error', 'skip');
  t.same(
    [between.code, between.ids, between.said],
    [
      0,
      ['r3'],
      [
        'FILE:3:1: warning: the cell is empty; the row may belong to group "r1" or "r2"',
        '  3 | ,3,1,1',
        '    | ^',
        '  expected: a value in every row',
        'skipped 2 of 3 sequences: unreadable',
        '',
      ].join('\n'),
    ],
    'a row that may belong to either of two groups is reported once',
  );
  const again = await predicted(
    `${head}r2,1,1,1\nr1,0,1,2\n,3,1,1\nr2,0,1,1\n,5,1,1\n`,
    '--on-error',
    'skip',
  );
  t.match(again.said, /FILE:4:1: [^\n]* group "r1" or "r2"\n/, 'also if the group after it began before');
  t.match(again.said, /FILE:6:1: [^\n]* group "r2"\n/);
  t.match(again.said, /\nskipped 2 of 2 sequences/);
  const joined = await predicted(`${head}r1,0,1,2\n${head}r2,0,1,1\n`, '--on-error', 'skip');
  t.same(
    [joined.code, joined.ids, joined.said],
    [
      0,
      ['r1', 'r2'],
      [
        'FILE:3:1: warning: the header of line 1 appears again',
        '  3 | recording,t,a,b',
        '    | ^^^^^^^^^',
        '  expected: one header, or a file for each table',
        'skipped 1 of 3 sequences: unreadable',
        '',
      ].join('\n'),
    ],
    'two tables in one file',
  );
  const alone = await predicted(`${head},3,1,1\n`, '--on-error', 'skip');
  t.match(alone.said, /^FILE:2:1: warning: the cell is empty\n.*\nskipped 1 of 1 sequence:/s);
  t.match(
    await predicted(`${head}r2,0,1,x\n`, '--on-error', 'skip'),
    { code: 5, ids: [] },
    'nothing is left',
  );
  t.match(await predicted('recording,t,b\nr1,0,1\n'), {
    code: 5,
    said: /^FILE:1:1: there is no column "a", which the model reads\n/,
  });
  t.match(await predicted('recording,t,a,a,b\nr1,0,1,1,1\n'), {
    code: 5,
    said: /^FILE:1:15: two columns are named "a"/,
  });
  t.match(await predicted(`${head}r1,0,1,"2\n`, '--on-error', 'skip'), {
    code: 5,
    said: /^FILE:2:\d+: a quoted field of this record is never closed/,
  });
  t.match(await predicted(''), { code: 5, said: /^FILE: the file is empty/ });
  t.match(await predicted(Buffer.concat([Buffer.from(`${head}r1,0,1,2\nr`), Buffer.from([0xc3])])), {
    code: 5,
    said: /^FILE:3:2: the file is not UTF-8 text\n.*iconv.*\n {2}got: byte 0xc3 at offset 26/,
  });
  t.match(await predicted(gzipSync(head + good).subarray(0, 40)), {
    code: 5,
    said: /^FILE: the gzip stream ends too early/,
  });
  t.match(await work.cellrun('predict', await runOf[NAMED](), '--input', 'nowhere', ...webasm), {
    code: 2,
    stderr: /^nowhere: the file does not exist/,
  });
  t.match(await work.cellrun('predict', await runOf[NAMED](), '--input', '', ...webasm), {
    code: 2,
    stderr:
      /^--input: the path is empty\n {2}expected: a file, a folder or a pattern, or - for standard input\n/,
  });
  t.match(await work.cellrun('predict', await runOf[NAMED](), '--input', 'x', '--split', 'test'), {
    code: 2,
  });
});

t.test('an input without sequences is warned of, and generating needs a language model', async t => {
  const empty = work.file('header.csv', 'recording,t,a,b\n');
  for (const [format, stdout] of [
    ['jsonl', /^$/],
    ['csv', /^index,id,time,predicted/],
  ] as const)
    t.match(
      await work.cellrun('predict', await runOf[NAMED](), '--input', empty, '--format', format, ...webasm),
      { code: 0, stdout, stderr: /header\.csv: there are no sequences to predict\n$/ },
    );
  t.match(await work.cellrun('predict', await runOf[NAMED](), '--generate', '--prompt', 'a', ...webasm), {
    code: 2,
    stderr: /only language models can generate.*\n {2}expected: a model trained on `dataset\.kind: text`/,
  });
});

t.test('line ends, a byte order mark, a last line without its end, no sequence at all', async t => {
  const rows = ['recording,t,a,b', 'r1,0,1,2', 'r1,1,3,4', '"r 2",0,5,6'];
  const want = (await predicted(`${rows.join('\n')}\n`)).stdout;
  t.equal(linesOf(want).length, 2);
  for (const [name, content] of Object.entries({
    'no end': rows.join('\n'),
    CRLF: rows.join('\r\n'),
    CR: rows.join('\r'),
    'byte order mark': `\uFEFF${rows.join('\n')}`,
    'empty lines': `${rows.join('\n\n')}\n\n`,
    'other columns': rows
      .map((row, i) => `${i},${row},x`)
      .join('\n')
      .replace('0,', 'n,'),
    gzip: gzipSync(rows.join('\n')),
  })) {
    t.equal((await predicted(content)).stdout, want, name);
  }
  const mixed = table(0, 9);
  t.equal((await predicted(gzipSync(mixed))).stdout, (await predicted(mixed)).stdout, 'mixed groups in gzip');
  t.match(await predicted(gzipSync(mixed + '\n'.repeat(2 ** 24))), {
    code: 5,
    said: /appears again after other groups/,
  });
  t.match(await predicted(rows[0]), {
    code: 0,
    ids: [],
    said: 'warning: FILE: there are no sequences to predict\n',
  });
  t.match((await predicted(rows[0], '--format', 'csv')).stdout, /^index,id,time,[^\n]*\n$/);
});

t.test('other formats: what does not fit, and no sequence at all', async t => {
  const predict = async (name: string, file: string, content: Uint8Array, ...flags: string[]) => {
    const path = work.file(file, content);
    const given = await work.cellrun('predict', await runOf[name](), '--input', path, ...flags, ...webasm);
    return { ...given, stderr: given.stderr.replaceAll(path, 'FILE'), lines: linesOf(given.stdout).length };
  };
  const numbers = 'npz, two scaled values';
  const wide = npz({ x: floats([1, 2, 4], new Float32Array(8)) });
  t.match(await predict(numbers, 'x.npz', wide), {
    code: 5,
    stderr:
      /^FILE: array x does not fit the model\n {2}expected: numbers \[N, T, 3\]\n {2}got: <f4 \[1, 2, 4\]/,
  });
  t.match(await predict(numbers, 'x.npz', npz({ y: floats([1], [1]) })), {
    code: 5,
    stderr: /^FILE: the file has no array x/,
  });
  const holed = floats([2, 2, 3], [1, 2, 3, 4, Number.NaN, 6, 1, 2, 3, 4, 5, 6]);
  t.match(await predict(numbers, 'x.npz', npz({ x: holed })), {
    code: 5,
    lines: 0,
    stderr: /^FILE: x\[0, 1, 1\] is not a finite float32 number/,
  });
  t.match(await predict(numbers, 'x.npz', npz({ x: holed }), '--on-error', 'skip'), {
    code: 0,
    lines: 1,
    stderr: /skipped 1 of 2 sequences/,
  });
  t.match(await predict(numbers, 'x.npz', npz({ x: floats([0, 2, 3], []) })), {
    code: 0,
    stdout: '',
    stderr: /there are no sequences to predict\n$/,
  });
  t.match(await predict('npz, symbols', 'x.npz', npz({ x: integers([1, 2], [1, 7]) })), {
    code: 5,
    stderr: /^FILE: x\[0, 1\] is not a symbol of the model\n {2}expected: 0 to 6\n {2}got: 7/,
  });
  const long = npz({ x: floats([2, 40, 3], new Float32Array(240)), lengths: integers([2], [9, 41]) });
  t.match(await predict(numbers, 'x.npz', long, '--on-error', 'skip'), {
    code: 0,
    lines: 1,
    stderr: /lengths\[1\] is out of range/,
  });
  // one array alone, as numpy.save writes it
  const alone = Buffer.from(npz({ x: testX }));
  const from = alone.indexOf('\x93NUMPY', 'latin1');
  const array = alone.subarray(from, alone.indexOf('PK\x01\x02', from, 'latin1'));
  const whole = await predict(numbers, 'x.npz', npz({ x: testX }));
  t.equal((await predict(numbers, 'x.npy', array)).stdout, whole.stdout);
  const carried = 'npz, states that pass from batch to batch';
  t.match(await predict(carried, 'x.npz', npz({ x: floats([1, 5, 3], new Float32Array(15)) })), {
    code: 5,
    stderr: /the sequence is too long to predict\n {2}expected: at most 4 steps/,
  });
  const large = idx(8, [1, 4, 2], Buffer.alloc(8));
  t.match(await predict('idx, images', 'images', large), {
    code: 5,
    stderr: /^FILE: offset 8: the images differ in size/,
  });

  const parquet = Buffer.concat([Buffer.from('PAR1'), Buffer.of(0x15, 0x04, 0xff), Buffer.from('PAR1')]);
  const formats = {
    'a zip archive, such as .npz or .xlsx': npz({ x: testX }),
    'a NumPy array (.npy)': array,
    'a Parquet file': parquet,
    'a gzip file inside a gzip file': gzipSync(gzipSync('some text')),
  };
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
      const given = await predict(name, 'other', content, ...flags);
      const stderr = `FILE: the file is ${format}, not text\n  expected: UTF-8 text\n`;
      t.same([given.code, given.lines, given.stderr], [5, 0, stderr], `${name} ${flags}`);
    }
  }
});

t.test('standard input in pieces', async t => {
  const directory = await runOf[NAMED]();
  const sorted = csvTest.split('\n').slice(1, -1).sort();
  const content = `${[csvTest.split('\n')[0], ...sorted].join('\n')}`;
  const want = await work.cellrun(
    'predict',
    directory,
    '--input',
    work.file('sorted.csv', content),
    ...webasm,
  );
  const { child, finished } = work.start('predict', directory, '--input', '-', ...webasm);
  for (let at = 0; at < content.length; at += 50) child.stdin?.write(content.slice(at, at + 50));
  child.stdin?.end();
  const { code, stdout, stderr } = await finished;
  t.same([code, stderr], [0, '']);
  t.equal(stdout, want.stdout);
  // a stream is not kept: the rows of a group have to stand together
  for (const action of ['stop', 'skip']) {
    const apart = work.start('predict', directory, '--input', '-', '--on-error', action, ...webasm);
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

t.test('texts that have been seen, and no others', t => {
  const seen = new SeenTexts();
  const wrong: string[] = [];
  for (let i = 0; i < 20_000; i++) {
    const text = i % 2 ? `recording-${i}` : String.fromCodePoint(33 + (i % 999), 33 + Math.floor(i / 999));
    if (seen.has(text)) wrong.push(text);
    seen.add(text);
    if (!seen.has(text)) wrong.push(text);
  }
  for (let i = 1; i < 20_000; i += 2) if (!seen.has(`recording-${i}`)) wrong.push(String(i));
  t.same(wrong, []);
  t.end();
});

t.test('the library: the same predictions of values that a program hands over', async t => {
  const directory = await runOf[NAMED]();
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  t.same(model.input, { kind: 'number', size: 2 });
  t.match(inspect(model), /^Model \{\n? *form: \{[^}]*'up'[^}]*\},\s+input: \{[^}]*\}\s*\}$/);
  t.match(model.form, { kind: 'class', perStep: false, size: 2, classNames: ['down', 'up'] });
  const want = linesOf((await work.cellrun('predict', directory, '--input', csvTestPath, ...webasm)).stdout);
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
  t.same(reasons, ['1 number', undefined, '"x"', 'a']);
  t.same(
    good.map(one => (one as { index: number }).index),
    [0, 5],
  );
  t.same(problems, [
    '1: sequence 1, step 0 does not fit the model',
    '2: sequence 2 has no steps',
    '3: sequence 3, step 0: b is not a finite float32 number',
    '4: sequence 4, step 0 has no b',
  ]);
  const before: unknown[] = [];
  const stopped = async () => {
    for await (const one of model.predict(bad)) before.push(one);
  };
  await t.rejects(stopped(), UserError);
  t.equal(before.length, 1);
});

// that the guide shows this very text is checked with the documents
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
  await comesTrue(() =>
    readdirSync(`/proc/${stopped.child.pid}/fd`).some(fd => {
      try {
        return readlinkSync(`/proc/${stopped.child.pid}/fd/${fd}`) === pipe;
      } catch {
        return false;
      }
    }),
  );
  stopped.child.kill('SIGTERM');
  t.match(await stopped.finished, { code: 130, stderr: /SIGTERM: stopped/ });
});
