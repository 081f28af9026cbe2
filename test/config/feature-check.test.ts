/** Warnings about features that tell the target, number the sequences, are constant, or move. */
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { checkedData } from '../../src/library/validate.js';
import { RandomStream } from '../../src/util/random.js';
import { config, crossEntropy } from '../support/prediction-cases.js';
import { work } from '../support/work.js';

const random = RandomStream.of(0, 'test/feature-check');
const noise = () => random.normal().toFixed(4);
const COUNT = 120;

/** A table of recordings of two rows; each column is a function of the recording. */
const table = (
  columns: Readonly<Record<string, (recording: number, step: number) => unknown>>,
  count = COUNT,
  first = 0,
) => {
  const names = Object.keys(columns);
  const rows = Array.from({ length: 2 * count }, (_, row) => {
    const recording = first + Math.floor(row / 2);
    return [`r${recording}`, row % 2, ...names.map(name => columns[name](recording, row % 2))].join();
  });
  return work.file('table.csv', `rec,second,${names.join()}\n${rows.join('\n')}\n`);
};
const label = (recording: number) => 'abc'[recording % 3];
const CSV = {
  kind: 'csv',
  target: 'label',
  target_kind: 'class',
  sequence: { group: 'rec', order: 'second' },
  test_fraction: 0.3,
  normalize: 'standard',
};

const FEATURE = /data\/(deciding-feature|identifier-feature|shifted-feature|constant-column)/;
const warned = async (dataset: object, loss: object = crossEntropy): Promise<string[]> => {
  const head = 'target_kind' in dataset ? { head: { from: 'every' } } : {};
  const path = work.config(config({ ...CSV, ...dataset }, loss, head));
  const { warnings } = await checkedData(loadExperiment(path));
  const found = warnings.filter(({ code }) => FEATURE.test(code));
  return found.map(({ code, message }) => `${code.slice('data/'.length)}: ${message}`);
};

t.test('a feature that tells the class alone', async t => {
  // as 10 ± 1, 20 ± 1 and 30 ± 1, in no order of the names
  const told = (recording: number) => 10 * (1 + (recording % 3)) + random.uniform();
  const path = table({ label, a: noise, told });
  const message = 'a feature alone nearly decides the target: told (AUROC 1)';
  const dataset = { path, features: ['a', 'told'] };
  t.same(await warned(dataset), [`deciding-feature: ${message}`]);
  const file = work.config(config({ ...CSV, ...dataset }, crossEntropy));
  for (const verb of ['validate', 'data'])
    t.match((await work.cellrun(verb, file)).stderr, `warning: ${message}`);
  const near = (recording: number) => 0.5 * (recording % 3) + random.uniform();
  t.same(await warned({ path: table({ label, near }), features: ['near'] }), [], 'classes overlap');
  const half = (recording: number) => (recording % 3 === 2 ? 9 + random.uniform() : random.uniform());
  t.same(await warned({ path: table({ label, half }), features: ['half'] }), [], 'it does not tell a from b');
});

t.test('a feature that is the target in another unit', async t => {
  let celsius = 0;
  const columns = {
    label: () => {
      celsius = 20 + 5 * random.normal();
      return celsius;
    },
    fahrenheit: () => 1.8 * celsius + 32,
    related: () => celsius + random.normal(),
  };
  const rows = { path: table(columns), target_kind: 'value', features: ['fahrenheit', 'related'] };
  const each = { ...rows, sequence: { group: 'rec', per_step: true } };
  const found = await warned(each, { kind: 'mse' });
  t.same(found, ['deciding-feature: a feature alone nearly decides the target: fahrenheit (correlation 1)']);
});

t.test('a feature that decides by its trend alone is the signal, unless it has few values', async t => {
  const trend = (recording: number, step: number) => 90 * (recording % 3) * step + random.normal();
  const flag = (recording: number, step: number) => (step > 0 ? recording % 3 : 0);
  const path = table({ label, trend, flag });
  const told = 'deciding-feature: a feature alone nearly decides the target: flag (AUROC 1)';
  t.same(await warned({ path, features: ['trend', 'flag'] }), [told]);
  const charge = (_: number, step: number) => 100 - step + 0.001 * random.normal();
  const each = { path: table({ label: charge, elapsed: (_, step) => step }), features: ['elapsed'] };
  const perStep = { ...each, target_kind: 'value', sequence: { group: 'rec', per_step: true } };
  t.same(await warned(perStep, { kind: 'mse' }), []);
});

t.test('a feature that numbers the sequences', async t => {
  const path = table({
    label,
    a: noise,
    number: recording => 1000 + recording,
    level: recording => recording ** 2,
  });
  t.same(await warned({ path, features: ['number', 'a', 'level'] }), [
    'identifier-feature: a feature numbers the sequences, so it says nothing about new ones: number',
  ]);
});

t.test('constant features, scaled or not', async t => {
  const path = table({ label, a: noise, same: () => 0.5 });
  const features = ['a', 'same'];
  for (const normalize of ['standard', undefined])
    t.same(await warned({ path, features, normalize }), [
      'constant-column: columns are constant in the training split, so there is nothing to learn from them: same (0.5)',
    ]);
});

t.test('numbers that look like markers of missing values', async t => {
  const count = (recording: number) => 500 + ((recording * 97) % 4000);
  const path = table({
    label,
    among: recording => (recording % 40 === 7 ? -999 : count(recording)),
    above: recording => (recording % 30 === 8 ? 9999 : recording % 50),
    below: recording => (recording % 30 === 9 ? -99 : (recording % 70) - 30),
    whole: recording => (recording % 40 === 7 ? 9999 : count(recording) * 2),
    inside: recording => (recording % 30 === 9 ? -99 : (recording % 200) - 110),
  });
  const features = ['among', 'above', 'below', 'whole', 'inside'];
  const of = async (dataset: object) => {
    const file = work.config(config({ ...CSV, path, features, ...dataset }, crossEntropy));
    const { warnings } = await checkedData(loadExperiment(file));
    return warnings.flatMap(({ code, message, expected }) =>
      code === 'data/marker' ? [`${message}; ${expected}`] : [],
    );
  };
  t.same(await of({}), [
    'columns have numbers far from all others, which look like missing values: among (-999), above (9999), below (-99); `missing: { markers: [-999, 9999, -99] }` in `dataset` if they mean missing values',
  ]);
  t.same(await of({ missing: { markers: [-999, 9999, -99] } }), []);
  // the fill of the user's choice is no marker
  t.same(await of({ missing: { markers: [-999, 9999, -99], fill: -999 } }), []);
});

t.test('features that differ between training and test', async t => {
  const drift = (recording: number) => recording / 10 + random.normal();
  const columns = { label, a: noise, drift };
  const path = table(columns);
  const features = ['a', 'drift'];
  t.same(await warned({ path, features }), [], 'a random split has both');
  const last = { path, features, test_fraction: undefined, test: { fraction: 0.3, select: 'last' } };
  const [told, ...others] = await warned(last);
  t.match(
    told,
    /^shifted-feature: .* split: drift \(Kolmogorov-Smirnov distance of the means (1|0\.9\d*)\)$/,
  );
  t.same(others, []);
  const people = { test_fraction: undefined, test: { fraction: 0.3, group: 'person' } };
  const level = (recording: number) => 50 * (recording % 3) + random.normal();
  const ofPeople = table({
    label: recording => 'ab'[recording % 2],
    person: recording => recording % 3,
    level,
  });
  t.same(await warned({ path: ofPeople, features: ['level'], ...people }), [], 'unknown people differ');
  const own = table(columns, 40, 200);
  t.equal((await warned({ path, features, test_fraction: undefined, test_path: own })).length, 1);
});

t.test('no alarm without a cause', async t => {
  const names = Array.from({ length: 30 }, (_, i) => `x${i}`);
  for (const count of [20, 60, 200]) {
    const path = table({ label, ...Object.fromEntries(names.map(name => [name, noise])) }, count);
    t.same(await warned({ path, features: names }), [], `${count} recordings`);
  }
});
