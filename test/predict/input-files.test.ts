/** Inputs to predict of several files: folders, patterns and repeated options. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { loadModel } from '../../src/index.js';
import { config, crossEntropy, linesOf, predictionCases, unlabelled } from '../support/prediction-cases.js';
import { copies, train } from '../support/runs.js';
import { work } from '../support/work.js';

const webasm = ['--backend', 'webasm', '--threads', '1'];

const idsOf = (stdout: string) => linesOf(stdout).map(({ id }) => id);

/** Writes files by their paths in a new folder, and returns the folder. */
function folderOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const folder = work.folder();
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

/** Cuts a text at two places that no line end marks if the format allows it. */
function cut(kind: string, content: string): readonly string[] {
  if (kind === 'text') return [content.slice(0, 203), content.slice(203, 1500), content.slice(1500)];
  const lines = content.trimEnd().split('\n');
  const head = kind === 'csv' ? [lines.shift()] : [];
  const parts = [lines.slice(0, 5), lines.slice(5, 9), lines.slice(9)];
  return parts.map(part => `${[...head, ...part].join('\n')}\n`);
}

const { cases } = predictionCases(work);

const SEVERAL = [
  ...['csv, a class for each step', 'csv, rows that are sequences', 'jsonl, a tag for each word'],
  ...['text, character level, states that pass from batch to batch', 'text, word level'],
];

t.test("a run's own folder of test files is predicted as the run evaluates it, to the bit", async t => {
  for (const name of SEVERAL) {
    const { config: trained, input } = cases[name];
    const { dataset } = trained as { dataset: { kind: string } };
    const parts = cut(dataset.kind, readFileSync(input, 'utf8'));
    const files = Object.fromEntries(parts.map((part, i) => [`${i}.${dataset.kind}`, part]));
    const folder = folderOf({ ...files, [`1.${dataset.kind}`]: gzipSync(parts[1]) });
    const { summary } = await train(work, { ...trained, dataset: { ...dataset, test_path: folder } });
    const split = await work.cellrun('predict', summary.directory, ...webasm);
    const want = unlabelled(linesOf(split.stdout));
    t.ok(want.length >= 13, name);
    const each = parts.flatMap((_, i) => ['--input', join(folder, `${i}.${dataset.kind}`)]);
    for (const given of [['--input', folder], ['--input', `${folder}/*.${dataset.kind}`], each]) {
      const { code, stdout, stderr } = await work.cellrun('predict', summary.directory, ...given, ...webasm);
      t.same([code, stderr], [0, ''], name);
      t.same(unlabelled(linesOf(stdout)), want, `${name}: ${given[1]}`);
    }
    const model = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
    let index = 0;
    for await (const one of model.predictFile(folder)) t.equal(one.index, want[index++].index);
    t.equal(index, want.length);
    await model.close();
  }
});

t.test('lines of files with equal names are told apart by the folders', async t => {
  for (const name of ['csv, rows that are sequences', 'text, word level']) {
    const { config: trained, input } = cases[name];
    const { kind } = (trained as { dataset: { kind: string } }).dataset;
    const file = `a.${kind}`;
    const [content] = cut(kind, readFileSync(input, 'utf8'));
    const folder = folderOf({ [`p/${file}`]: content, [`q/${file}`]: content });
    const { summary } = await train(work, trained);
    const lines = kind === 'text' ? ['--lines'] : [];
    const given = ['p', 'q'].flatMap(part => ['--input', join(folder, part, file)]);
    const { stdout } = await work.cellrun('predict', summary.directory, ...given, ...lines, ...webasm);
    const ids = idsOf(stdout);
    t.match([ids[0], ids.at(-1)], [new RegExp(`^p/${file}:\\d+$`), new RegExp(`^q/${file}:\\d+$`)], name);
    t.equal(new Set(ids).size, ids.length);
  }
});

t.test('a list of texts that have been moved', async t => {
  const { config: trained, input } = cases['text, word level'];
  const { dataset } = trained as { dataset: object };
  const parts = cut('text', readFileSync(input, 'utf8'));
  const files = Object.fromEntries(parts.map((part, i) => [`${i}.txt`, part]));
  const [before, after] = [folderOf(files), folderOf(files)];
  const list = (folder: string) => [2, 0, 1].map(i => join(folder, `${i}.txt`));
  const { summary } = await train(work, { ...trained, dataset: { ...dataset, path: list(before) } });
  rmSync(before, { recursive: true });
  const evaluate = (...sets: string[]) =>
    work.cellrun('evaluate', summary.directory, ...sets.flatMap(set => ['--set', set]), ...webasm);
  const places = list(after).map((file, i) => `dataset.path.${i}=${file}`);
  t.match(await evaluate(...places), { code: 0, stderr: '' });
  t.match(await evaluate(`dataset.path=${JSON.stringify(list(after))}`), { code: 0, stderr: '' });
  t.match(await evaluate(`dataset.path=${after}`), { code: 5, stderr: /in a different order/ });
});

/** Recording `i`: a table of 3 to 6 rows. */
const recording = (i: number) => {
  const rows = Array.from(
    { length: 3 + (i % 4) },
    (_, row) => `${row},${(i * row) % 5},${i % 2 ? 'a' : 'b'}`,
  );
  return `s,x,activity\n${rows.reverse().join('\n')}\n`;
};
const recordings = (count: number, from = 0) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`rec${i}.csv`, recording(from + i)]));
const perFile = (test_path: string) => ({
  ...{ kind: 'csv', path: folderOf(recordings(8)), test_path, features: ['x'], target: 'activity' },
  ...{ target_kind: 'class', sequence: { per_file: true, order: 's' } },
});

const tested = folderOf(recordings(6, 3));
const runOfRecordings = copies(work, () => train(work, config(perFile(tested), crossEntropy)));

const predict = async (...args: string[]) =>
  work.cellrun('predict', await runOfRecordings(), ...args, ...webasm);

t.test('each file of the input is a recording', async t => {
  const want = unlabelled(linesOf((await predict()).stdout));
  const given = await predict('--input', `${tested}/rec*.csv`);
  t.same([given.code, given.stderr], [0, '']);
  t.same(unlabelled(linesOf(given.stdout)), want);
  t.same(
    want.map(({ index, id }) => [index, id]),
    Array.from({ length: 6 }, (_, i) => [i, `rec${i}.csv`]),
  );
});

t.test('a damaged recording is left out, and its file is named', async t => {
  const folder = folderOf({
    ...{ 'a.csv': recording(1), 'b.csv': '', 'c.csv': 's,x\n', 'd.csv': 's,x\n1,2\n2,y\n' },
    ...{ 'e.csv': 's,z\n1,2\n', 'f.csv': recording(2) },
  });
  const stopped = await predict('--input', folder);
  t.match(stopped, { code: 5, stderr: /b\.csv: the file is empty/ });
  t.same(idsOf(stopped.stdout), ['a.csv']);
  const skipped = await predict('--input', folder, '--on-error', 'skip');
  t.equal(skipped.code, 0);
  t.same(
    linesOf(skipped.stdout).map(({ index, id }) => [index, id]),
    [
      [0, 'a.csv'],
      [5, 'f.csv'],
    ],
  );
  t.match(skipped.stderr, /b\.csv: warning: the file is empty/);
  t.match(skipped.stderr, /c\.csv: warning: the file has a header but no rows/);
  t.match(skipped.stderr, /d\.csv:3:3: warning: the cell is not a number/);
  t.match(skipped.stderr, /e\.csv:1:1: warning: there is no column "x"/);
  t.match(skipped.stderr, /\nskipped 4 of 6 sequences\n/);
});

t.test('a file of a folder that is no table is one message', async t => {
  const columns = { features: ['x', 's'], target: 'activity', target_kind: 'class' };
  for (const [content, exit, message] of [
    ['   \n', 5, 'b\\.csv: the first line is blank, but names the columns'],
    ['# Recordings\n\nof 2024, walking\n', 2, 'b\\.csv has no column "x"'],
  ] as const) {
    const folder = folderOf({ 'a.csv': recording(1), 'b.csv': content });
    const dataset = { ...{ kind: 'csv', path: folder, test_fraction: 0.4 }, ...columns };
    const valid = await work.cellrun('validate', work.config(config(dataset, crossEntropy)));
    t.equal(valid.code, exit);
    t.match(valid.stderr, new RegExp(message));
    t.equal(valid.stderr.match(/b\.csv/g)?.length, 1, valid.stderr);
  }
});

t.test('an exact name is no pattern; what has no files, or a file twice, is refused', async t => {
  const folder = folderOf({ 'rec[1].csv': recording(1), 'rec1.csv': recording(2) });
  const exact = await predict('--input', join(folder, 'rec[1].csv'));
  t.same([exact.code, idsOf(exact.stdout)], [0, ['rec[1].csv']]);
  t.match(await predict('--input', join(folder, '*.txt')), { code: 2, stderr: /no file matches/ });
  t.match(await predict('--input', work.folder()), { code: 2, stderr: /the directory has no files/ });
  const one = join(folder, 'rec1.csv');
  t.match(await predict('--input', one, '--input', folder), {
    code: 2,
    stderr: /rec1\.csv: the file is read twice/,
  });
  t.match(await predict('--input', one, '--input', '-'), { code: 2, stderr: /^--input: standard input/ });
});

t.test('arrays are read from one file', async t => {
  const name = Object.keys(cases).find(one => one.startsWith('npz')) as string;
  const { config: trained, input } = cases[name];
  const { summary } = await train(work, trained);
  const given = (...flags: string[]) => work.cellrun('predict', summary.directory, ...flags, ...webasm);
  t.match(await given('--input', dirname(input)), { code: 2, stderr: /this is a directory/ });
  t.match(await given('--input', input, '--input', input), { code: 2, stdout: '', stderr: /is one file/ });
});

t.test('in large files, a group may continue in the next file, but not appear again later', async t => {
  const name = 'csv, a class for each sequence';
  const { summary } = await train(work, cases[name].config);
  const head = 'recording,t,a,b\n';
  const filler = '\n'.repeat(2 ** 24);
  const given = async (...parts: string[]) => {
    const folder = folderOf(Object.fromEntries(parts.map((part, i) => [`${i}.csv`, head + part])));
    return work.cellrun('predict', summary.directory, '--input', folder, ...webasm);
  };
  const rows = ['r1,0,1,2\nr2,0,1,2\n', 'r2,1,3,4\nr3,0,1,2\n'];
  const small = await given(...rows);
  t.same([small.code, idsOf(small.stdout)], [0, ['r1', 'r2', 'r3']]);
  const large = await given(rows[0] + filler, rows[1]);
  t.same([large.code, large.stdout], [0, small.stdout]);
  t.match(await given(rows[0] + filler, `${rows[1]}r1,5,1,1\n`), {
    code: 5,
    stderr: /1\.csv:4:1: group "r1" appears again after other groups/,
  });
});

t.test('a forecast reads the rows of all files', async t => {
  const rows = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${from + i},${(from + i) % 7}\n`).join('');
  const dataset = {
    ...{ kind: 'forecast', path: work.file('series.csv', `day,y\n${rows(0, 60)}`), target: 'y', time: 'day' },
    ...{ input_steps: 6, horizon: 2, normalize: 'standard', test_fraction: 0.2 },
  };
  const { summary } = await train(work, config(dataset, { kind: 'mse' }));
  const given = (input: string) => work.cellrun('predict', summary.directory, '--input', input, ...webasm);
  const whole = await given(work.file('all.csv', `day,y\n${rows(60, 70)}`));
  const swapped = rows(66, 70).replaceAll(/(.*),(.*)\n/g, '$2,$1\n');
  const parts = folderOf({ 'a.csv': `day,y\n${rows(60, 66)}`, 'b.csv': `y,day\n${swapped}` });
  t.equal(linesOf(whole.stdout).length, 1);
  t.same(await given(parts), whole);
  const broken = folderOf({ 'a.csv': `day,y\n${rows(60, 66)}`, 'b.csv': `day,y\n66,x\n67,1\n` });
  t.match(await given(broken), { code: 5, stderr: /b\.csv:2:1: column "y": the cell is not a number/ });
});

t.test('a symbol that a text model cannot read is located in its file', async t => {
  for (const carry_state of [false, true]) {
    const dataset = {
      ...{ kind: 'text', path: work.file('a.txt', 'ab\n'.repeat(200)), test_fraction: 0.2 },
      ...{ level: 'character', sequence_length: 4 },
    };
    const model = { embedding: { size: 2 }, head: { from: 'every' } };
    const training = { carry_state, shuffle: false, eval_batch_size: 8 };
    const { summary } = await train(work, config(dataset, crossEntropy, model, training));
    const folder = folderOf({ 'a.txt': 'ab\nab\na', 'b.txt': 'b\nab\nax\nab\n' });
    const { code, stderr } = await work.cellrun('predict', summary.directory, '--input', folder, ...webasm);
    t.equal(code, 5);
    t.match(stderr, /b\.txt:3:2: the symbol "x"/);
  }
});
