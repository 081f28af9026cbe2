/** Sequences are called what the data call them, wherever a reader meets one. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readEvaluation } from '../src/report/evaluation.js';
import { Workplace } from './support/cli.js';

const work = new Workplace();
t.teardown(() => work.remove());

/** `rec01` to `rec12` of two rows each. */
const TABLE = `recording,a,label,level\n${Array.from({ length: 24 }, (_, row) => {
  const recording = Math.floor(row / 2) + 1;
  return `rec${String(recording).padStart(2, '0')},${row % 3},${recording % 3 ? 'x' : 'y'},${recording}.5`;
}).join('\n')}\n`;

const config = (dataset: object, loss: string) => ({
  version: 1,
  name: 'named',
  dataset: {
    kind: 'csv',
    path: work.file('table.csv', TABLE),
    test_fraction: 0.25,
    features: ['a'],
    sequence: { group: 'recording' },
    normalize: 'none',
    ...dataset,
  },
  model: { cell: 'lstm', hidden_size: 2 },
  loss: { kind: loss },
  optimizer: { kind: 'adam', learning_rate: 0.01 },
  training: { num_epochs: 1, batch_size: 4 },
});

t.test('predictions, mistakes and worst values have the names of the groups', async t => {
  const classes = await work.train(config({ target: 'label', target_kind: 'class' }, 'cross_entropy'));
  const values = await work.train(config({ target: 'level', target_kind: 'value' }, 'mse'));
  const ids = async (directory: string, split: string): Promise<string[]> => {
    const { stdout } = await work.cellrun('predict', directory, '--split', split);
    return stdout
      .trim()
      .split('\n')
      .map(line => JSON.parse(line).id);
  };
  const { directory } = values.summary;
  const [train, test] = [await ids(directory, 'train'), await ids(directory, 'test')];
  t.equal(test.length, 3);
  t.same(
    [...train, ...test].sort(),
    Array.from({ length: 12 }, (_, i) => `rec${String(i + 1).padStart(2, '0')}`),
  );
  const lines = (await work.cellrun('predict', directory, '--format', 'csv')).stdout.split('\n');
  t.match(lines[0], /^index,id,predicted_0,target_0$/);
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
    readEvaluation(join(directory, 'evaluation.json'))?.values?.worst.map(({ id }) => id),
    worst.map(({ id }: { id: string }) => id),
  );
  const mistakes =
    readEvaluation(join(classes.summary.directory, 'evaluation.json'))?.classes?.mistakes ?? [];
  t.ok(mistakes.length > 0, 'an untrained model is wrong somewhere');
  for (const { id, index } of mistakes) t.equal(id, test[index]);
});

t.test('rows that are sequences have no name', async t => {
  const rows = config({ target: 'level', target_kind: 'value', sequence: undefined }, 'mse');
  const { summary } = await work.train(rows);
  const { stdout } = await work.cellrun('predict', summary.directory, '--format', 'csv');
  t.match(stdout, /^index,predicted_0,target_0\n/);
});
