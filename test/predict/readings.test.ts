/**
 * One table of cells (`cells.json`): all that reads cells reads them alike: files of `predict`, the
 * library, the JavaScript module, and the folder for PyTorch, which needs Debian's python3-torch.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import { loadModel, type SequencePrediction, type SequenceValues } from '../../src/index.js';
import { packageRoot } from '../../src/util/root.js';
import { exportRun, lacksPython, PYTHON } from '../soak/exports.js';
import { config, noise } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

type Value = number | string | boolean | null;
type Row = Readonly<Record<string, Value>>;
type Reading = { readonly as: Value } | 'missing' | 'unknown' | 'refused';

const fixtures = join(packageRoot, 'test/fixtures/exports');
const cells: Record<string, Record<string, [Value, Reading][]>> = JSON.parse(
  readFileSync(join(fixtures, 'cells.json'), 'utf8'),
);

/** Values of each column in training; null is missing. */
const VALUES: Readonly<Record<string, readonly Value[]>> = {
  code: [2, 2.5, 1e-7, '1e16', 0, 'x', null],
  flag: [true, false, null],
  word: ['a', 'None', 2, ''],
  ending: ['ng', '02', '12', 'ue', null],
};
const USUAL: Row = { x: 1, y: 1, code: 0, flag: false, word: 'a', ending: 'ng' };

/** Rows of training, with a target. */
const rowsOf = (columns: readonly string[], hasHoles: boolean) =>
  Array.from({ length: 60 }, (_, i) => {
    const own = columns.map((name, c) => {
      const of = VALUES[name];
      return [name, of ? of[(i + c) % of.length] : hasHoles && i % 5 === 0 ? null : 3 * noise(i + 70 * c)];
    });
    return Object.fromEntries([...own, ['target', 20 * noise(i * 7)]]) as Row;
  });
const csv = (rows: readonly Row[]) => {
  const names = Object.keys(rows[0]);
  const cell = (value: Value) => (value === null ? '' : `"${value}"`);
  return `${[names.join(), ...rows.map(row => names.map(name => cell(row[name])).join())].join('\n')}\n`;
};
const jsonl = (rows: readonly object[]) => rows.map(row => `${JSON.stringify(row)}\n`).join('');

const encoded = [
  { column: 'code', encode: 'one_hot' },
  { column: 'flag', encode: 'one_hot' },
  { column: 'word', encode: 'embedding', size: 3 },
];
const missing = { fill: 'zero', indicator: true, markers: [-999, 'unknown'] };
const target = { target: 'target', target_kind: 'value', test_fraction: 0.2 };
const table = (name: string, rows: readonly Row[], features: readonly unknown[], more: object = {}) => ({
  ...{ kind: 'csv', path: work.file(`${name}.csv`, csv(rows)), features, ...target, ...more },
});
/** The steps of all records. */
const steps = [[0.5], [-0.5]];

/** Of each part of the table of cells. */
const RUNS = {
  markers: table(
    'markers',
    rowsOf(['x', 'code', 'flag', 'word', 'ending'], true),
    ['x', ...encoded, { column: 'ending', encode: 'embedding', size: 2, suffix: 2 }],
    { missing },
  ),
  plain: table('plain', rowsOf(['x', 'code'], false), ['x', encoded[0]]),
  records: {
    ...{ kind: 'jsonl', input: 'steps', input_kind: 'number', ...target },
    path: work.file(
      'records.jsonl',
      jsonl(
        rowsOf(['x', 'y', 'code', 'flag', 'word'], false).map(({ x, ...row }, i) => ({
          ...{ steps: steps.map(([value]) => [value + noise(i)]), ...row },
          ...{ x: i % 5 === 0 ? null : x },
        })),
      ),
    ),
    static_features: [{ column: 'x', missing }, 'y', ...encoded],
  },
};

/** Predicts rows; undefined for one that is refused. */
type Reader = (rows: readonly Row[]) => Promise<(number | undefined)[]>;

const numberOf = ({ predictions: [one] }: Pick<SequencePrediction, 'predictions'>) =>
  one.kind === 'value' ? one.values[0] : undefined;

const refusable = async (predict: () => Promise<number | undefined>) => {
  try {
    return await predict();
  } catch (error) {
    if (!/sequence 0/.test((error as Error).message)) throw error;
    return undefined;
  }
};

async function trained(t: Test, name: keyof typeof RUNS) {
  const { directory } = (await train(work, config(RUNS[name], { kind: 'mse' }, { hidden_size: 8 }))).summary;
  const columns = Object.keys(cells[name]);
  const isTable = name !== 'records';
  const sequence = (row: Row): SequenceValues =>
    isTable ? [row] : steps.map(step => [...step, ...columns.map(column => row[column])]);
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  const { folder } = await exportRun(work, directory, 'js');
  const module = await import(pathToFileURL(join(folder, 'model.js')).href);
  const each =
    (predict: (row: Row) => Promise<number | undefined>): Reader =>
    async rows => {
      const found: (number | undefined)[] = [];
      for (const row of rows) found.push(await refusable(() => predict(row)));
      return found;
    };
  const readers: Readonly<Record<string, Reader>> = {
    library: each(async row => {
      for await (const one of model.predict([sequence(row)])) return numberOf(one);
      return undefined;
    }),
    module: each(async row => numberOf(await module.predict(sequence(row)))),
    async file(rows) {
      const file = isTable
        ? work.file('cells.csv', csv(rows))
        : work.file('cells.jsonl', jsonl(rows.map(row => ({ steps, ...row }))));
      const flags = ['--on-error', 'skip', '--backend', 'webasm', '--threads', '1'];
      const { code, stdout, stderr } = await work.cellrun('predict', directory, '--input', file, ...flags);
      if (code !== 0) throw new Error(stderr);
      const lines = stdout.split('\n').filter(line => line !== '');
      const found = new Map(
        lines.map(line => {
          const { index, ...fields } = JSON.parse(line);
          const [, value] = Object.entries(fields).find(([field]) => field.startsWith('predicted')) ?? [];
          return [index, [value].flat()[0] as number] as const;
        }),
      );
      return rows.map((_, i) => found.get(i));
    },
  };
  return { directory, columns, isTable, readers };
}

/** Whether a prediction is another one: PyTorch rounds differently. */
const differ = (a: number | undefined, b: number | undefined) =>
  a === undefined || b === undefined ? a !== b : Math.abs(a - b) > 1e-5 * Math.max(1, Math.abs(b));

for (const name of Object.keys(RUNS) as (keyof typeof RUNS)[]) {
  t.test(`all read the same cells: ${name}`, async t => {
    const { directory, columns, isTable, readers } = await trained(t, name);
    const usual = Object.fromEntries(columns.map(column => [column, USUAL[column]]));
    const cases = Object.entries(cells[name]).flatMap(([column, list]) =>
      list.map(([value, reading]) => ({ column, value, reading })),
    );
    /** A value that is read in a way beyond doubt. */
    const plainest = (reading: Exclude<Reading, 'refused'>) =>
      reading === 'missing' ? null : reading === 'unknown' ? 'never seen' : reading.as;
    const known = new Map<string, number | undefined>();
    for (const { column, reading } of cases) {
      if (reading === 'refused') continue;
      const key = JSON.stringify([column, reading]);
      if (!known.has(key))
        known.set(key, (await readers.library([{ ...usual, [column]: plainest(reading) }]))[0]);
    }
    for (const column of columns) {
      const all = [...known].filter(([key]) => key.startsWith(`["${column}"`));
      for (const [i, [key, value]] of all.entries())
        for (const [other, another] of all.slice(0, i))
          t.ok(differ(value, another), `${key} and ${other} can be told apart: ${value}`);
    }
    const expected = cases.map(({ column, reading }) => known.get(JSON.stringify([column, reading])));
    const problems = (found: readonly (number | undefined)[]) =>
      cases.flatMap((one, i) =>
        differ(found[i], expected[i]) ? `${JSON.stringify(one)}: ${found[i]}, not ${expected[i]}` : [],
      );
    const rows = cases.map(({ column, value }) => ({ ...usual, [column]: value }));
    for (const [reader, read] of Object.entries(readers)) t.same(problems(await read(rows)), [], reader);

    t.test('PyTorch', { skip: lacksPython('pytorch') }, async t => {
      const { folder, code, stderr } = await exportRun(work, directory, 'pytorch', '/usr/bin');
      t.match({ code, stderr }, { code: 0, stderr: /^Verified with PyTorch/m });
      const job = {
        ...{ folder, cases: rows.map((row, i) => [row, cases[i].column]) },
        ...(!isTable && { fixed: { steps } }),
      };
      const script = join(fixtures, 'cells.py');
      const run = spawnSync(PYTHON, [script, work.file('jobs.json', JSON.stringify([job]))], {
        encoding: 'utf8',
      });
      t.equal(run.status, 0, run.stderr);
      const [found]: (number | Record<string, number> | null)[][][] = JSON.parse(run.stdout);
      const value = (one: number | Record<string, number> | null) =>
        one === null ? undefined : typeof one === 'number' ? one : Object.values(one)[0];
      const longest = Math.max(...found.map(({ length }) => length));
      for (let form = 0; form < longest; form++)
        t.same(problems(found.map(forms => value(forms[form] ?? forms[0]))), [], `form ${form}`);
    });
  });
}

t.test('a column that is absent', async t => {
  const { readers } = await trained(t, 'records');
  const usual = { y: 1, code: 0, flag: false, word: 'a' };
  const [absent, given] = await readers.file([usual, { ...usual, x: null }]);
  t.equal(absent, given, 'records may lack what may be missing');
  const { y, ...others } = { ...usual, x: 1 };
  t.same(await readers.file([others, { ...others, y }]).then(([first]) => first), undefined);
});
