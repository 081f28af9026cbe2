/**
 * The list of runs: what a search finds, which columns tell the runs apart, what a group of runs
 * is.
 */
import '../support/quick.js';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import type { RunLine } from '../../src/view/components/run-list.js';
import {
  differingKeys,
  distinguishingKeys,
  groupRows,
  searchFor,
  summarize,
  titleOf,
} from '../../src/view/components/run-list.js';
import { Catalog } from '../../src/view/server/catalog.js';
import { makeRun } from '../support/dashboard.js';
import { work } from '../support/work.js';

type Config = Readonly<Record<string, string>>;

function run(id: string, config: Config, more: Partial<RunLine> = {}): RunLine {
  return {
    id,
    name: 'adding',
    path: `adding/${id}`,
    state: 'completed',
    shortfalls: [],
    main: null,
    started: null,
    seed: 0,
    steps: 100,
    epochs: 2,
    tags: [],
    note: null,
    config,
    metrics: [],
    gates: null,
    duration_s: null,
    sparkline: null,
    ...more,
  };
}

const LSTM = { 'model.cell': 'lstm', 'model.layer_norm': 'false', 'optimizer.kind': 'adam' };
const GRU = { 'model.cell': 'gru', 'optimizer.kind': 'adam' };

t.test('a search', async t => {
  const common = { 'dataset.kind': 'synthetic', 'training.batch_size': '20' };
  const rows = [
    run(
      'a',
      { ...common, ...LSTM, 'optimizer.learning_rate': '0.01' },
      {
        tags: ['baseline', 'paper'],
        metrics: [{ name: 'test.accuracy', value: 0.975 }],
        started: '2026-01-31T12:00:00.000Z',
      },
    ),
    run(
      'b',
      { ...common, ...GRU, 'optimizer.learning_rate': '1e-3' },
      {
        state: 'failed',
        note: 'Too hot',
        metrics: [{ name: 'test.accuracy', value: 0.5 }],
        started: '2026-02-01T00:00:00.000Z',
      },
    ),
    run(
      'c',
      { ...common, ...LSTM, 'optimizer.learning_rate': '0.1' },
      {
        name: 'copying',
        seed: 7,
        metrics: [{ name: 'test.accuracy', value: 'nan' }],
      },
    ),
    run('d', {}, { config: null, state: 'damaged' }),
  ];
  const found = (text: string): string => [...searchFor(text, rows).found].map(({ id }) => id).join('');
  for (const [text, ids] of [
    ['', 'abcd'],
    ['lr=0.01', 'a'],
    ['lr=1e-2', 'a'],
    ['LR=.01', 'a'],
    ['optimizer.learning_rate=0.001', 'b'],
    ['learning_rate>=0.01', 'ac'],
    ['learning_rate<0.01', 'b'],
    ['status:failed', 'b'],
    ['state=fail', ''],
    ['state:fail', 'b'],
    ['state!=failed', 'acd'],
    ['-state:failed', 'acd'],
    ['tag:paper', 'a'],
    ['tag=pap', ''],
    ['note:hot', 'b'],
    ['"too hot"', 'b'],
    ['-"too hot" lstm', 'ac'],
    ['gru', 'b'],
    ['GRU failed', 'b'],
    ['gru lstm', ''],
    ['batch_size=20', 'abc'],
    ['synthetic', 'abc'],
    ['20', 'abc'],
    ['2', ''],
    ['0.1', 'c'],
    ['accuracy>97%', 'a'],
    ['accuracy<=0.5', 'b'],
    ['accuracy=nan', 'c'],
    ['seed=7', 'c'],
    ['experiment:copy', 'c'],
    ['started>2026-01-31', 'b'],
    ['started>=2026-01-31', 'ab'],
    ['started:2026-01', 'a'],
    // several keys end in it: dataset.kind and optimizer.kind
    ['kind=adam', 'abc'],
    ['kind=synthetic', 'abc'],
    // not typed to its end
    ['lr=', 'abcd'],
    ['-', 'abcd'],
    ['lr=0.01 -', 'a'],
    ['"', 'abcd'],
    ['nothing:here', ''],
    ['lr=abc', ''],
    ['adding/a', 'a'],
  ] as const)
    t.equal(found(text), ids, text);
  const failed = [run('a', {}, { shortfalls: ['gate failed'] }), run('b', {})];
  for (const text of ['"gate failed"', 'state:"gate failed"', 'status:gate', 'state:failed'])
    t.same([...searchFor(text, failed).found], [failed[0]], text);
  t.equal(searchFor('state=completed', failed).found.size, 2);
  t.same(searchFor('nothing:here lr=1 text nothing<2 kind=x', rows).unknown, ['nothing']);
});

t.test('keys that distinguish runs', async t => {
  const rows = [
    run('a', { ...LSTM, 'dataset.seed': '0', 'optimizer.learning_rate': '0.01' }),
    run(
      'b',
      { ...GRU, 'dataset.seed': '1', 'optimizer.learning_rate': '0.1', 'training.clip': '5' },
      { seed: 1 },
    ),
    run('c', { ...LSTM, 'dataset.seed': '2', 'optimizer.learning_rate': '0.1' }, { seed: 2 }),
    run('d', {}, { config: null }),
  ];
  t.same(
    differingKeys(rows),
    ['model.cell', 'model.layer_norm', 'dataset.seed', 'optimizer.learning_rate', 'training.clip'],
    'one that a run lacks differs, too',
  );
  t.same(
    distinguishingKeys(rows),
    ['model.cell', 'optimizer.learning_rate', 'training.clip'],
    'not seeds, nor what follows from the cell',
  );
  t.same(distinguishingKeys(rows.slice(0, 1)), []);
  const other = run(
    'e',
    { 'dataset.path': 'x.csv', 'loss.kind': 'mse', 'optimizer.kind': 'adam' },
    { name: 'other' },
  );
  t.same(
    distinguishingKeys([...rows, other]),
    ['model.cell', 'optimizer.learning_rate', 'training.clip'],
    'not those that differ between experiments alone',
  );
  const alone = ['16', '32'].map((size, i) =>
    run(size, { 'dataset.path': size, 'model.hidden_size': size, ...(i === 0 && LSTM) }, { name: size }),
  );
  t.same(distinguishingKeys(alone), ['model.hidden_size'], 'of single runs, what all of them have');
  const aside = ['0', '1'].map(value => run(value, { gates: value, 'checkpoint.every': value }));
  t.same(differingKeys(aside), ['gates', 'checkpoint.every']);
  t.same(distinguishingKeys(aside), [], 'not what has no part in the results');
});

t.test('keys that depend on a kind are hidden', async t => {
  const rows = ['adam', 'lion', 'adam', 'lion'].map((kind, i) =>
    run(String(i), {
      'optimizer.kind': kind,
      'optimizer.learning_rate': String(i),
      ...(kind === 'adam' && { 'optimizer.eps': '1e-8' }),
    }),
  );
  const telling = ['optimizer.learning_rate', 'optimizer.kind'];
  t.same(distinguishingKeys(rows), telling);
  const tuned = run('4', { 'optimizer.kind': 'adam', 'optimizer.learning_rate': '4', 'optimizer.eps': '1' });
  t.same(distinguishingKeys([...rows, tuned]).toSorted(), [...telling, 'optimizer.eps'].toSorted(), 'chosen');
});

t.test('short titles of keys', async t => {
  const titles = (...keys: readonly string[]) => keys.map(key => titleOf(key, keys));
  t.same(titles('optimizer.learning_rate', 'model.cell'), ['learning_rate', 'cell']);
  t.same(titles('model.dropout', 'model.head.dropout'), ['model.dropout', 'model.head.dropout']);
  t.same(titles('optimizer.kind'), ['optimizer.kind'], 'a kind of what?');
  t.same(titles('training.epochs'), ['training.epochs'], 'the title of another column');
});

t.test('groups', async t => {
  const rate = (id: string, value: string, more: Partial<RunLine> = {}) =>
    run(id, { 'optimizer.learning_rate': value, 'dataset.seed': String(more.seed ?? 0) }, more);
  const rows = [
    rate('a', '0.1', { tags: ['x'] }),
    rate('b', '0.01', { seed: 1, state: 'failed' }),
    rate('c', '0.1', { seed: 1, tags: ['x', 'y'] }),
    rate('d', '1e-3'),
    run('e', {}, { name: 'other' }),
  ];
  const groups = (by: string) =>
    groupRows(rows, by).map(({ label, rows: members }) => [label, members.map(({ id }) => id).join('')]);
  t.same(groups('optimizer.learning_rate'), [
    ['0.1', 'ac'],
    ['0.01', 'b'],
    ['1e-3', 'd'],
    ['not set', 'e'],
  ]);
  t.same(groups('experiment'), [
    ['adding', 'abcd'],
    ['other', 'e'],
  ]);
  t.same(groups('state'), [
    ['completed', 'acde'],
    ['failed', 'b'],
  ]);
  t.same(groups('tag'), [
    ['x', 'a'],
    ['no tags', 'bde'],
    ['x · y', 'c'],
  ]);
  t.same(
    groups('config'),
    [
      ['adding · 0.1', 'ac'],
      ['adding · 0.01', 'b'],
      ['adding · 1e-3', 'd'],
      ['other · –', 'e'],
    ],
    'the seeds of one setting together',
  );
});

t.test('mean and spread', async t => {
  // numpy.std([2, 4, 4, 4, 5, 5, 7, 9], ddof=1)
  const told = summarize([2, 4, 4, 4, 5, 5, 7, 9]);
  t.same(told && { ...told, spread: told.spread?.toFixed(12) }, {
    count: 8,
    mean: 5,
    spread: '2.138089935299',
  });
  t.same(summarize([3, null, 'nan', undefined]), { count: 1, mean: 3, spread: null });
  t.equal(summarize([null, 'inf']), undefined);
});

t.test('the list has common config values once, and follows changes', async t => {
  const root = work.folder();
  const id = (number: number) => `20260101T${String(number).padStart(6, '0')}Z-00000000`;
  const put = (number: number, learningRate: number, name = 'a') =>
    makeRun(root, { name, id: id(number), status: 'completed', learningRate });
  put(1, 0.01);
  const catalog = new Catalog(root);
  const rates = async () => {
    await catalog.refresh();
    return catalog.list.runs.map(({ config }) => config?.['optimizer.learning_rate']);
  };
  t.same(await rates(), [undefined]);
  t.equal(catalog.list.common_config['optimizer.learning_rate'], '0.01', 'of one run everything');
  t.match(catalog.list.common_config, { 'model.head.from': 'last', 'model.hidden_size': '16' });
  const second = put(2, 0.02);
  t.same(await rates(), ['0.01', '0.02']);
  t.notOk('optimizer.learning_rate' in catalog.list.common_config);
  // a resume may change the config
  put(2, 0.03);
  t.same(await rates(), ['0.01', '0.03']);
  writeFileSync(join(second, 'config.resolved.yaml'), '{');
  await catalog.refresh();
  t.equal(catalog.list.runs[1].config, null, 'it cannot be read');
  t.equal(catalog.list.common_config['optimizer.learning_rate'], '0.01');
  writeFileSync(join(second, 'notes.json'), '{"version":1,"tags":["x"],"note":"y"}');
  await catalog.refresh();
  t.match(catalog.list.runs[1], { tags: ['x'], note: 'y', state: 'completed' });
  put(3, 0.02, 'b');
  rmSync(second, { recursive: true });
  await catalog.refresh();
  t.same(
    catalog.list.runs.map(({ path }) => path),
    [`a/${id(1)}`, `b/${id(3)}`],
  );
});

t.test('the list reads the newest configs first', async t => {
  const root = work.folder();
  const id = (number: number) => `20260101T${String(number).padStart(6, '0')}Z-00000000`;
  for (let number = 0; number < 130; number++)
    makeRun(root, { name: 'a', id: id(number), status: 'completed', learningRate: number + 1, log: [] });
  const catalog = new Catalog(root);
  const unread = () => catalog.list.runs.filter(({ config }) => config === null).map(run => run.id);
  await catalog.refresh();
  t.same(
    unread(),
    Array.from({ length: 30 }, (_, number) => id(number)),
  );
  await catalog.refresh();
  t.same(unread(), []);
});
