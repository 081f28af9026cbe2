/** Several columns of a table as targets, held against the same numbers in a NumPy archive. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RandomStream } from '../../src/util/random.js';
import { floats, jsonLines, npz, type TrainedRun } from '../support/cli.js';
import { config } from '../support/prediction-cases.js';
import { work } from '../support/work.js';

const random = RandomStream.of(5, 'test/csv-targets');
const STEPS = 3;
const NAMES = ['hot, cold', 'speed'];

interface Part {
  readonly x: number[];
  readonly y: number[];
}

/** @param isLabel whether the two targets are 0 or 1 */
function part(count: number, isLabel: boolean): Part {
  const x = Array.from({ length: count * STEPS }, () => Math.fround(20 + 4 * random.uniform()));
  const y = Array.from({ length: 2 * count }, (_, i) => {
    const value = random.uniform() - 0.5;
    return isLabel ? Number(value > 0) : Number((i % 2 ? 300 + 50 * value : value).toFixed(2));
  });
  return { x, y };
}

function table({ x, y }: Part): string {
  const rows = x.map((value, row) => {
    const group = Math.floor(row / STEPS);
    return `g${group},${value},${y[2 * group + 1]},${y[2 * group]}`;
  });
  return `group,a,${NAMES[1]},"${NAMES[0]}"\n${rows.join('\n')}\n`;
}

const arrays = ({ x, y }: Part, suffix: string) => ({
  [`x${suffix}`]: floats([x.length / STEPS, STEPS, 1], x),
  [`y${suffix}`]: floats([y.length / 2, 2], y),
});

const csv = (train: Part, test: Part, more: object = {}) => ({
  kind: 'csv',
  path: work.file('train.csv', table(train)),
  test_path: work.file('test.csv', table(test)),
  features: ['a'],
  target: NAMES,
  target_kind: 'value',
  sequence: { group: 'group' },
  ...more,
});

const train = (dataset: object, loss: object) => work.train(config(dataset, loss), '--backend', 'webasm');
const weights = (run: TrainedRun) =>
  [...run.checkpoint().tensors].map(([name, { data }]) => [name, [...(data as Float32Array)]]);

for (const loss of [
  { kind: 'mse' },
  { kind: 'mae' },
  { kind: 'huber' },
  { kind: 'quantile', quantiles: [0.1, 0.5] },
  { kind: 'binary_cross_entropy' },
]) {
  for (const normalize of ['none', 'standard']) {
    t.test(`${loss.kind}, normalize: ${normalize}`, async t => {
      const isLabel = loss.kind === 'binary_cross_entropy';
      const [seen, unseen] = [part(20, isLabel), part(6, isLabel)];
      const run = await train(csv(seen, unseen, { normalize }), loss);
      if (!t.equal(run.code, 0, run.finished.stderr)) return;
      const path = work.file('same.npz', npz({ ...arrays(seen, ''), ...arrays(unseen, '_test') }));
      const same = await train({ kind: 'npz', path, normalize }, loss);
      t.same(weights(run), weights(same));
      t.same(run.summary.metrics, same.summary.metrics);

      const predictions = await work.cellrun('predict', run.directory);
      const lines = jsonLines(predictions.stdout);
      t.same(
        lines.map(({ id, target }) => [id, target]),
        lines.map((_, i) => [`g${i}`, { [NAMES[0]]: unseen.y[2 * i], [NAMES[1]]: unseen.y[2 * i + 1] }]),
        'targets as they are written in the table',
      );
      const { stdout } = await work.cellrun('predict', run.directory, '--format', 'csv', '--limit', '1');
      const levels = 'quantiles' in loss ? ['quantile_0.1', 'quantile_0.5'] : [];
      const columns = ['predicted', ...levels, 'target'].flatMap(name => [
        `"${name}_${NAMES[0]}"`,
        `${name}_${NAMES[1]}`,
      ]);
      t.equal(stdout.split('\n')[0], `index,id,${columns}`);

      const written = JSON.parse(readFileSync(join(run.directory, 'evaluation.json'), 'utf8'));
      t.same(written.target_names, NAMES);
      if (isLabel) return;
      // mean over the sequences, of each column by itself
      for (const [k, name] of NAMES.entries()) {
        const errors = lines.map(({ predicted, target }) => Math.abs(predicted[name] - target[name]));
        const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
        t.ok(Math.abs(written.per_output[k].mean_absolute_error - mean) < 1e-5 * mean, name);
      }
    });
  }
}

t.test('what cannot be several targets is told at its place', async t => {
  const good = part(4, false);
  const told = async (more: object, loss: object = { kind: 'mse' }) =>
    (await train(csv(good, good, more), loss)).finished.stderr;
  t.match(await told({ target: ['speed', 'nothing'] }), /config\.yaml:13:7: [\s\S]*has no column "nothing"/);
  t.match(await told({ target: ['speed', 'a'] }), /the target column "a" is also a feature/);
  t.match(
    await told({ target_kind: 'class' }, { kind: 'cross_entropy' }),
    /`target_kind: class` needs a single target column[\s\S]*expected: the name of one column/,
  );
  const path = work.file('train.csv', 'group,a,u,v\ng0,1,1,1\ng0,2,1,2\ng1,3,1,1\n');
  const differing = await told({ path, test_path: undefined, test_fraction: 0.5, target: ['u', 'v'] });
  t.match(differing, /train\.csv:3:1: column "v": the rows of group "g0" have different targets/);
  t.match(differing, /expected: 1, as in line 2/);
  const words = work.file('train.csv', `group,a,u,v\n${'g0,1,1,word\n'.repeat(4)}`);
  t.match(
    await told({ path: words, test_path: undefined, test_fraction: 0.5, target: ['u', 'v'] }),
    /train\.csv:2:8: the cell is not a number/,
  );
});
