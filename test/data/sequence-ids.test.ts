/** Sequences are called what the data call them, wherever a reader meets one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { Split } from '../../src/data/core/dataset.js';
import { buildRunReport } from '../../src/view/run-report.js';
import { floats, integers, jsonLines, npz } from '../support/cli.js';
import { complaints, fixture, open, sequence } from '../support/data-files.js';
import { config } from '../support/prediction-cases.js';
import { taskReportOf } from '../support/report-runs.js';
import { work } from '../support/work.js';

/** `rec01` to `rec12` of two rows each. */
const TABLE = `recording,a,label,level\n${Array.from({ length: 24 }, (_, row) => {
  const recording = Math.floor(row / 2) + 1;
  return `rec${String(recording).padStart(2, '0')},${row % 3},${recording % 3 ? 'x' : 'y'},${recording}.5`;
}).join('\n')}\n`;

const named = (dataset: object, kind: string) => {
  const table = { kind: 'csv', path: work.file('table.csv', TABLE), test_fraction: 0.25, features: ['a'] };
  return config({ ...table, sequence: { group: 'recording' }, normalize: 'none', ...dataset }, { kind });
};

t.test('predictions, mistakes and worst values have the names of the groups', async t => {
  const classes = await work.train(named({ target: 'label', target_kind: 'class' }, 'cross_entropy'));
  const values = await work.train(named({ target: 'level', target_kind: 'value' }, 'mse'));
  const ids = async (directory: string, split: string): Promise<string[]> => {
    const { stdout } = await work.cellrun('predict', directory, '--split', split);
    return jsonLines(stdout).map(line => line.id);
  };
  const { directory } = values.summary;
  const [train, test] = [await ids(directory, 'train'), await ids(directory, 'test')];
  t.equal(test.length, 3);
  t.same(
    [...train, ...test].sort(),
    Array.from({ length: 12 }, (_, i) => `rec${String(i + 1).padStart(2, '0')}`),
  );
  const lines = (await work.cellrun('predict', directory, '--format', 'csv')).stdout.split('\n');
  t.match(lines[0], /^index,id,predicted_level,target_level$/);
  // the target of recording 7 is 7.5
  t.same(
    lines
      .slice(1, 4)
      .map(line => line.split(','))
      .map(([, id, , target]) => `${id} ${target}`),
    test.map(id => `${id} ${Number(id.slice(3))}.5`),
  );
  const { worst, sample } = JSON.parse(readFileSync(join(directory, 'evaluation.json'), 'utf8'));
  for (const { id, target } of worst) t.equal(target[0], Number(id.slice(3)) + 0.5, id);
  t.same(
    sample.map(({ id }: { id: string }) => id),
    test,
  );
  t.same(
    taskReportOf(buildRunReport(directory), 'value').worst.map(({ id }) => id),
    worst.map(({ id }: { id: string }) => id),
  );
  const mistakes = taskReportOf(buildRunReport(classes.summary.directory), 'class').mistakes;
  t.ok(mistakes.length > 0, 'an untrained model is wrong somewhere');
  const stratified = await ids(classes.summary.directory, 'test');
  for (const { id, index } of mistakes) t.equal(id, stratified[index]);
});

t.test('groups of several columns have different names, also with the separator in values', async t => {
  const groups = [
    ['north', '17', 'north/17'],
    ['C:\\a', '"1"', 'C:\\a/"1"'],
    ['a/b', 'c', 'a\\/b/c'],
    ['a', 'b/c', 'a/b\\/c'],
    ['a\\/b', 'c', 'a\\\\\\/b/c'],
    ['a\\', 'b/c', 'a\\\\/b\\/c'],
    ['a\\/', 'c', 'a\\\\\\//c'],
    ['a', '/c', 'a/\\/c'],
  ];
  const names = groups.map(([, , name]) => name).sort();
  const cell = (text: string) => `"${text.replaceAll('"', '""')}"`;
  const rows = groups.flatMap(([one, two], i) =>
    [0, 1, 2, 3].map(day => `${cell(one)},${cell(two)},2024-01-0${day + 1},${i + day},${i % 2 ? 'x' : 'y'}`),
  );
  const path = work.file('places.csv', `clinic,patient,day,a,label\n${rows.join('\n')}\n`);
  const group = ['clinic', 'patient'];
  const table = { path, sequence: { group, order: 'day' }, target: 'label', target_kind: 'class' };
  const run = await work.train(
    named({ ...table, test_fraction: undefined, test: { fraction: 0.5, group } }, 'cross_entropy'),
  );
  t.equal(run.code, 0, run.finished.stderr);
  const predicted = async (...options: string[]) => {
    const { stdout } = await work.cellrun('predict', run.directory, ...options);
    return jsonLines(stdout).map(line => line.id);
  };
  const halves = await Promise.all(['train', 'test'].map(split => predicted('--split', split)));
  t.same(halves.flat().sort(), names);
  t.same((await predicted('--input', path)).sort(), names);
  const series = { kind: 'forecast', path, delimiter: ',', series: group, time: 'day', target: 'a' } as const;
  const steps = { input_steps: 1, horizon: 1, stride: 1, per_step: false, normalize: 'standard' } as const;
  const { train } = await open({ ...series, ...steps, test: { count: 1 } });
  const forecasts = Array.from({ length: train.count }, (_, i) => train.forecast?.(i).series);
  t.same([...new Set(forecasts)].sort(), names);
});

t.test('rows that are sequences have their lines', async t => {
  const rows = named({ target: 'level', target_kind: 'value', sequence: undefined }, 'mse');
  const { summary } = await work.train(rows);
  const { stdout } = await work.cellrun('predict', summary.directory, '--format', 'csv');
  const [head, ...lines] = stdout.trimEnd().split('\n');
  t.equal(head, 'index,id,predicted_level,target_level');
  t.equal(lines.length, 6);
  const levels = TABLE.split('\n').map(row => row.split(',')[3]);
  for (const line of lines) {
    const [, id, , target] = line.split(',');
    t.equal(target, levels[Number(/^line (\d+)$/.exec(id)?.[1]) - 1], id);
  }
});

t.test('a line is counted like an editor does, whatever fields hold', async t => {
  for (const [feature, text, lines] of [
    ['a', 'a,y\r\n1,"x"\r\n\r\n2,"two\r\nlines"\r\n3,z\r\n4,z\r\n', [2, 4, 6, 7]],
    ['a', 'a,y\r1,x\r2,x\r3,z\r4,z\n', [2, 3, 4, 5]],
    // the first line end outside quotes decides
    ['a\rb', '"a\rb",y\n1,x\n2,x\n3,z\n4,z\n', [2, 3, 4, 5]],
    ['a\nb', '"a\nb",y\r1,x\r2,x\r3,z\r4,z\r', [2, 3, 4, 5]],
  ] as const) {
    const { train, test } = await open({
      kind: 'csv',
      path: work.file('lines.csv', text),
      features: [feature],
      target: 'y',
      target_kind: 'class',
      test_fraction: 0.25,
    });
    const ids = [train, test].flatMap(({ count, id }) => Array.from({ length: count }, (_, i) => id?.(i)));
    t.same(
      ids.sort(),
      lines.map(line => `line ${line}`),
      JSON.stringify(text),
    );
  }
});

t.test('arrays name their sequences: texts and integers that NumPy wrote', async t => {
  const want = JSON.parse(readFileSync(fixture('ids.json'), 'utf8'));
  const path = fixture('ids.npz');
  const names = ({ count, id }: Split) => Array.from({ length: count }, (_, i) => id?.(i));
  const data = await open({ kind: 'npz', path, validation_arrays: true });
  t.same(names(data.train), want.ids);
  t.same(data.validation && names(data.validation), want.ids_validation);
  t.same(names(data.test), want.ids_test.map(String));
  const bytes = await open({ kind: 'npz', path: fixture('byte-ids.npz'), test_fraction: 0.5 });
  t.same([...names(bytes.train), ...names(bytes.test)].sort(), ['a', 'bc', 'd', 'ä']);

  const run = await work.train({
    ...named({}, 'cross_entropy'),
    dataset: { kind: 'npz', path, validation_arrays: true, normalize: 'none' },
  });
  t.equal(run.code, 0, run.finished.stderr);
  const { stdout } = await work.cellrun('predict', run.directory, '--format', 'csv', '--split', 'validation');
  t.same(
    stdout
      .trim()
      .split('\n')
      .slice(1)
      .map(line => line.split(',')[1]),
    want.ids_validation,
  );
});

t.test('without names, the rows of an archive have their place in it', async t => {
  const x = floats([8, 1, 1], [...Array(8).keys()]);
  const y = integers([8], [0, 1, 0, 1, 0, 1, 0, 1]);
  const path = work.file('rows.npz', npz({ x, y }));
  const data = await open({
    kind: 'npz',
    path,
    test_fraction: 0.25,
    validation: { count: 2, select: 'random' },
    limit: 3,
  });
  for (const split of [data.train, data.validation, data.test]) {
    if (split === undefined) throw new Error('a split is missing');
    // the feature of a row is its number
    const rows = Array.from({ length: split.count }, (_, i) => sequence(data, split, i)[0][0]);
    t.same(
      rows.map((_, i) => split.id?.(i)),
      rows.map(row => `x[${row}]`),
    );
  }
});

t.test('ids that cannot name sequences are told', async t => {
  const x = floats([2, 1, 1], [1, 2]);
  const y = integers([2], [0, 1]);
  const told = (ids: Parameters<typeof npz>[0][string]) =>
    complaints(5, () =>
      open({ kind: 'npz', path: work.file('ids.npz', npz({ x, y, ids })), test_fraction: 0.5 }),
    );
  t.match(await told(integers([3], [1, 2, 3])), [/array ids does not fit array x/]);
  t.match(await told(integers([2, 1], [1, 2])), [/array ids: the array has the wrong shape/]);
  t.match(await told(floats([2], [1, 2])), [/array ids: this type of values is not supported/]);
  const beyond = { descr: '<U1' as const, shape: [2], values: Uint32Array.of(65, 0x110000) };
  t.match(await told(beyond), [/array ids: item 1 is not text/]);
});
