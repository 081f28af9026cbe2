/** `explain`: what the predictions of a run rest on. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { loadModel } from '../../src/index.js';
import type { PredictionExplanation } from '../../src/predict/predictions.js';
import type { Explanation } from '../../src/run/explanation.js';
import { formatMetric, meanOf, sumOf } from '../../src/util/numbers.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { buildReport, renderPage } from '../../src/view/report.js';
import {
  attributes,
  cellsOf,
  checkLooks,
  chromiumMissing,
  openPage,
  part,
  startChromium,
} from '../support/browser.js';
import { jsonLines } from '../support/cli.js';
import { linesOf, predictionCases } from '../support/prediction-cases.js';
import { copies, train } from '../support/runs.js';
import { work } from '../support/work.js';

const webasm = ['--backend', 'webasm', '--threads', '1', '--quiet'];

async function explained(run: string, ...args: string[]) {
  const { code, stdout, stderr } = await work.cellrun('explain', run, '--json', ...args, ...webasm);
  if (code !== 0) throw new Error(stderr);
  const explanation: Explanation = JSON.parse(stdout);
  const written = JSON.parse(readFileSync(join(run, 'explanation.json'), 'utf8'));
  return { explanation, written, stderr };
}

/** Three columns over eight readings; `b` and, half as much, `c` decide in readings 4 and 5. */
const COLUMNS = ['a', 'b', 'c'];
const random = RandomStream.of(1, 'planted');
const sequences = Array.from({ length: 800 }, () => {
  const rows = Array.from({ length: 8 }, () => COLUMNS.map(() => Math.fround(random.normal())));
  const score = rows.slice(4, 6).reduce((sum, [, b, c]) => sum + 2 * b + c, 0);
  return { rows, label: score > 0 ? 'high' : 'low' };
});
const planted = sequences.flatMap(({ rows, label }, i) =>
  // an empty cell: `a` is not always known
  rows.map(([a, b, c], step) => `s${i},${step},${(i + step) % 9 === 0 ? '' : a},${b},${c},${label}`),
);
const config = {
  seed: 3,
  dataset: {
    kind: 'csv',
    path: work.file('planted.csv', `id,step,${COLUMNS.join()},label\n${planted.join('\n')}\n`),
    features: ['a', 'b', 'c'],
    missing: { fill: 'mean', indicator: true },
    target: 'label',
    target_kind: 'class',
    sequence: { group: 'id', order: 'step' },
    normalize: 'standard',
    test_fraction: 0.25,
  },
  model: { cell: 'gru', hidden_size: 8 },
  optimizer: { kind: 'adam', learning_rate: 0.02 },
  training: { num_epochs: 12, batch_size: 40 },
};
const trained = copies(work, () => train(work, config));

const changeOf = (
  { scores }: Explanation['features'][number] | Explanation['parts'][number],
  score = 'loss',
) => scores.find(one => one.score === score)?.change as number;

t.test('planted truth is found: the features in order, and the window', async t => {
  const run = await trained();
  const { explanation, written, stderr } = await explained(run);
  t.same(written, explanation, 'the file is what is printed');
  t.same(validateAgainst('explanation', written), []);
  t.equal(stderr, '', 'two features decide: no warning');
  const { features, parts, sequences: count, scores } = explanation;
  t.equal(count, 200);
  t.same(
    features.map(({ name }) => name),
    ['b', 'c', 'a'],
  );
  t.same(
    features.find(({ name }) => name === 'a')?.inputs.length,
    2,
    'a value and its indicator are one feature',
  );
  for (const {
    name,
    scores: [{ change, low, floor }],
  } of features)
    t.equal(
      (low as number) > 0 && (change as number) > (floor as number),
      name !== 'a',
      `${name} is told from chance`,
    );
  const largest = parts.toSorted((x, y) => changeOf(y) - changeOf(x)).slice(0, 2);
  t.same(new Set(largest.map(({ name }) => name)), new Set(['step 4', 'step 5']));
  for (const one of parts) if (!largest.includes(one)) t.ok(changeOf(one) < 0.2 * changeOf(largest[1]));
  const summary = JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8'));
  t.same(
    scores.map(({ score, value }) => [score, value]),
    Object.entries(summary.metrics.test).filter(([name]) => ['loss', 'accuracy'].includes(name)),
    'the scores are those of the run',
  );
});

t.test('the importance is the mean over all pairs of sequences', async t => {
  const run = await trained();
  const [COUNT, REPEATS] = [10, 400];
  const { explanation } = await explained(run, '--limit', String(COUNT), '--repeats', String(REPEATS));
  const model = await loadModel(run, { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  const { stdout } = await work.cellrun('predict', run, '--split', 'test', ...webasm.slice(0, 4));
  const test: { id: string; label: number }[] = jsonLines(stdout);
  const chosen = Array.from({ length: COUNT }, (_, i) => test[Math.floor((i * test.length) / COUNT)]);
  const rowsOf = ({ id }: { readonly id: string }) => {
    const i = Number(id.slice(1));
    return sequences[i].rows.map(([a, b, c], step) => [(i + step) % 9 === 0 ? Number.NaN : a, b, c]);
  };
  /** `[i][j]`: the loss of sequence i with a column of sequence j; without a column, its own. */
  const losses = async (column?: number) => {
    const mixed = chosen.flatMap(one =>
      chosen.map(donor =>
        rowsOf(one).map((row, step) =>
          row.with(column ?? 0, rowsOf(column === undefined ? one : donor)[step][column ?? 0]),
        ),
      ),
    );
    const all: number[] = [];
    for await (const { index, predictions } of model.predict(mixed)) {
      const [one] = predictions;
      if (one.kind !== 'class') throw new Error(one.kind);
      all.push(-Math.log(one.probabilities[chosen[Math.floor(index / COUNT)].label]));
    }
    return chosen.map((_, i) => all.slice(i * COUNT, (i + 1) * COUNT));
  };
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const base = mean((await losses()).flat());
  for (const [column, name] of COLUMNS.entries()) {
    const matrix = await losses(column);
    const total = mean(matrix.flat());
    // the variance of a sum over a random permutation: Hoeffding, "A combinatorial central limit
    // theorem" (1951), theorem 2
    const centred = matrix.flatMap((row, i) =>
      row.map((loss, j) => loss - mean(matrix[i]) - mean(matrix.map(other => other[j])) + total),
    );
    const variance = centred.reduce((sum, d) => sum + d * d, 0) / (COUNT - 1) / COUNT ** 2;
    const error = Math.sqrt(variance / REPEATS);
    const feature = explanation.features.find(one => one.name === name)!;
    t.ok(
      Math.abs(changeOf(feature) - (total - base)) < 4 * error,
      `${name}: ${changeOf(feature)}, ${total - base} ± ${error}`,
    );
    t.ok(name === 'a' || 10 * error < total - base, 'the expectation says something');
    const norm = (values: readonly number[]) => Math.sqrt(sumOf(values.map(value => value ** 2)));
    const spreads = matrix.map(row => norm(row.map(loss => loss - mean(row))) / Math.sqrt(COUNT * REPEATS));
    // the 1 - 0.05 / 3 quantile of the normal distribution, by SciPy
    const scale = 2.1280452342 / COUNT;
    const floor = scale * norm(matrix.map((row, i) => mean(row) - row[i]));
    const found = feature.scores[0].floor as number;
    // the norm of a sum is at most the sum of the norms
    const most = 2 * scale * norm(spreads);
    t.ok(Math.abs(found - floor) < most, `${name}: chance reaches ${found}, ${floor} ± ${most}`);
    t.ok(name === 'a' || most < 0.15 * floor, 'the expectation says something');
  }
});

t.test('a feature that carries the model is warned of', async t => {
  const leaking = {
    ...config,
    dataset: { ...config.dataset, features: ['a', 'b'], missing: { fill: 'mean' } },
  };
  const { summary } = await train(work, leaking);
  const { stderr, explanation } = await explained(summary.directory);
  const [b, a] = explanation.features.map(one => changeOf(one));
  const share = (100 * b) / (b + Math.max(0, a));
  t.match(stderr, `the feature b carries the model: ${share.toFixed(1)} % of the importance`);
});

/** `strong` in step 2 and, by its factor less, `weak` in step 4 decide; `noise` says nothing. */
const WEIGHTS = { strong: 3, weak: 0.6, noise: 0 };
const valueAt = (name: string) => (name === 'strong' ? 2 : 4);
const steps = Array.from({ length: 900 }, () =>
  Array.from({ length: 6 }, () => Object.keys(WEIGHTS).map(() => Math.fround(random.normal()))),
);

for (const [group, weights] of [
  [false, WEIGHTS],
  [true, { ...WEIGHTS, strong: 1 }],
] as const) {
  const of = group ? 'three groups' : 'sequences';
  t.test(`a good model of values: weak features are more than chance, over ${of}`, async t => {
    const names = Object.keys(weights);
    const targetOf = (rows: readonly (readonly number[])[]) =>
      sumOf(Object.values(weights).map((weight, f) => weight * rows[valueAt(names[f])][f]));
    const lines = steps.flatMap((rows, i) =>
      rows.map((row, step) => `s${i},p${i % 15},${step},${row.join()},${targetOf(rows)}`),
    );
    const { summary } = await train(work, {
      name: `values-${group}`,
      seed: 1,
      dataset: {
        kind: 'csv',
        path: work.file(`values-${group}.csv`, `id,person,step,${names},y\n${lines.join('\n')}\n`),
        ...{ features: names, target: 'y', target_kind: 'value', normalize: 'standard' },
        sequence: { group: 'id', order: 'step' },
        test: { fraction: 0.2, ...(group && { group: 'person' }) },
      },
      model: { cell: 'gru', hidden_size: 12 },
      loss: { kind: 'mse' },
      optimizer: { kind: 'adam', learning_rate: 0.02 },
      training: { num_epochs: 12, batch_size: 16 },
    });
    const { explanation, stderr } = await explained(summary.directory, '--sequences', '40');
    const { features, attributions } = explanation;
    t.same(
      features.map(one => [one.name, changeOf(one) > (one.scores[0].floor as number)]),
      [
        ['strong', true],
        ['weak', true],
        ['noise', false],
      ],
    );
    const shares = features.map(one => changeOf(one) / sumOf(features.map(of => Math.max(0, changeOf(of)))));
    // of squared errors, a feature has the share of the variance: 0.96, 0.04 and 0.74, 0.26
    const variance = sumOf(Object.values(weights).map(weight => weight ** 2));
    for (const [f, { name }] of features.entries())
      t.ok(Math.abs(shares[f] - weights[name as keyof typeof weights] ** 2 / variance) < 0.1, `${shares}`);
    const carries = `the feature strong carries the model: ${(100 * shares[0]).toFixed(1)} % of`;
    if (group) t.equal(stderr, '', 'no warning of 100 %');
    else t.match(stderr, carries);
    t.equal(attributions.of, 'value');
    const text = await work.cellrun('explain', summary.directory, '--sequences', '1', ...webasm);
    t.match(text.stdout, 'contribution to the value (in the units of the data) of a prediction');
    // the mean step is near 0
    for (const { name, contribution, occlusion } of attributions.features.filter(
      one => one.name !== 'noise',
    )) {
      const f = names.indexOf(name);
      const expected = meanOf(
        attributions.sequences.map(({ id }) => {
          const own = steps[Number(id?.slice(1))][valueAt(name)][f];
          return Math.abs(weights[name as keyof typeof weights] * own);
        }),
      );
      for (const found of [contribution, occlusion])
        t.ok(Math.abs(found / expected - 1) < 0.15, `${name}: ${found}, ${expected}`);
    }
  });
}

t.test('predict --explain says the same of a split and of new sequences', async t => {
  const run = await trained();
  const predict = (...args: string[]) =>
    work.cellrun('predict', run, '--explain', ...args, ...webasm.slice(0, 4));
  t.match(await predict(), { code: 2, stderr: /with what `explain` has measured\n.*first: explain / });
  const { explanation } = await explained(run, '--repeats', '1', '--sequences', '200');
  const ofLines = (text: string): { id: string; explanation: PredictionExplanation }[] =>
    linesOf(text) as never;
  const ofSplit = ofLines((await predict('--split', 'test')).stdout);
  const rows = planted.filter(row => ofSplit.slice(0, 9).some(({ id }) => row.startsWith(`${id},`)));
  // one that is longer than those of training
  const longer = Array.from(
    { length: 20 },
    (_, step) => `long,${step},${Math.sin(step)},${Math.cos(step)},0.5,`,
  );
  const file = work.file('new.csv', `id,step,${COLUMNS.join()},label\n${[...rows, ...longer].join('\n')}\n`);
  const ofFile = ofLines((await predict('--input', file)).stdout);
  t.same(
    ofFile.slice(0, 9).map(({ id }) => id),
    ofSplit.slice(0, 9).map(({ id }) => id),
  );
  const { sequences: known, groups } = explanation.attributions;
  for (const { id, explanation: own } of [...ofSplit, ...ofFile.slice(0, 9)]) {
    const { output, contributions } = known.find(one => one.id === id)!;
    t.ok(Math.abs(own.output - output) < 1e-5 * Math.max(1, Math.abs(output)), `output of ${id}`);
    for (const [g, name] of groups.entries()) {
      const sum = contributions[g].reduce((total, value) => total + value, 0);
      // those of steps have five digits
      const size = Math.max(...contributions.flat().map(Math.abs));
      t.ok(Math.abs(own.features[name] - sum) < 2e-4 * size, `${name} of ${id}`);
    }
  }
  const last = ofFile.at(-1)?.explanation;
  t.equal(last?.steps.length, 20);
  const sum = last?.steps.reduce((total, value) => total + value, 0) ?? 0;
  t.ok(Math.abs(sum - (last!.output - last!.reference)) < 0.011 * Math.abs(sum), 'of a longer sequence too');
  t.match(await work.cellrun('predict', run, run, '--explain'), {
    code: 2,
    stderr: /several models together/,
  });
});

t.test('the report shows it', { skip: chromiumMissing() ?? false, timeout: 300_000 }, async t => {
  const run = await trained();
  const { explanation } = await explained(run, '--repeats', '1', '--sequences', '3');
  const browser = await startChromium();
  t.teardown(() => browser.close());
  const file = work.file('report.html', renderPage(buildReport(run)));
  const { page, said, requested } = await openPage(browser, pathToFileURL(file).href);
  const rows = await cellsOf(part(page, 'Importance of features').locator('tbody tr'));
  t.same(
    rows.map(([name, loss]) => [name, loss]),
    explanation.features.map(one => [one.name, formatMetric('test.loss', changeOf(one))]),
  );
  const parts = await cellsOf(part(page, 'Importance of parts of the sequence').locator('tbody tr'));
  t.same(
    parts.map(([name]) => name),
    explanation.parts.map(({ name }) => name),
  );
  const figures = part(page, 'Contributions to predictions').locator('figure');
  const { sequences, groups } = explanation.attributions;
  t.same(
    await attributes(figures, 'data-explained'),
    sequences.map(({ id }) => id),
  );
  // the strongest color is that of the largest contribution
  const [{ contributions }] = sequences;
  const most = Math.max(...contributions.flat().map(Math.abs));
  const g = contributions.findIndex(values => values.some(value => Math.abs(value) === most));
  const step = contributions[g].findIndex(value => Math.abs(value) === most);
  const labels = await figures.first().locator('.symbol').allInnerTexts();
  const canvas = contributions[g][step] < 0 ? '.against' : 'canvas:not(.against)';
  const place = `${step}, ${labels.indexOf(groups[g])}`;
  const alpha = await page.evaluate(
    `document.querySelector('[data-explained] ${canvas}').getContext('2d').getImageData(${place}, 1, 1).data[3]`,
  );
  t.equal(alpha, 255);
  await checkLooks(t, page, 'explanation');
  t.same([said, requested], [[], []]);
});

const fixtures = join(packageRoot, 'test', 'fixtures', 'explanations');
interface Expected {
  readonly name: string;
  readonly model: object;
  readonly loss: string;
  readonly reference: readonly number[];
  readonly sequences: readonly {
    readonly output: number;
    readonly reference: number;
    readonly contributions: readonly (readonly number[])[];
  }[];
}
const expected: Expected[] = JSON.parse(readFileSync(join(fixtures, 'expected.json'), 'utf8'));

for (const { name, model, loss, reference, sequences } of expected) {
  t.test(`contributions are the integrated gradients of PyTorch: ${name}`, async t => {
    const init_from = join(fixtures, `${name}.safetensors`);
    const { summary } = await train(work, {
      name,
      dataset: { kind: 'npz', path: join(fixtures, `${name}.npz`) },
      model: { ...model, init_from },
      loss: { kind: loss },
      // too small to change a weight
      optimizer: { kind: 'sgd', learning_rate: 1e-30 },
      training: { num_epochs: 1, batch_size: 12 },
    });
    const { attributions } = (await explained(summary.directory, '--repeats', '1')).explanation;
    const near = (found: readonly number[], wanted: readonly number[], what: string) => {
      const size = Math.max(...wanted.map(Math.abs));
      t.equal(found.length, wanted.length, what);
      found.forEach((value, i) =>
        t.ok(Math.abs(value - wanted[i]) < 2e-4 * size, `${what}: ${value}, ${wanted[i]}`),
      );
    };
    near(attributions.reference, reference, 'reference');
    t.equal(attributions.sequences.length, sequences.length);
    for (const [i, wanted] of sequences.entries()) {
      const found = attributions.sequences[i];
      t.ok(found.error < 0.01, 'the contributions sum to the difference');
      near([found.output, found.reference], [wanted.output, wanted.reference], 'outputs');
      near(found.contributions.flat(), wanted.contributions.flat(), `contributions of sequence ${i}`);
    }
  });
}

type States = NonNullable<Explanation['attributions']['sequences'][number]['states']>;

/** Of the equations of the cells (torch.nn.LSTM, GRU), between states and gates of three digits. */
function largestError(states: States): number {
  const errors = [0];
  for (const { layer, reverse } of states.filter(({ name }) => name === 'h')) {
    const own = states.filter(one => one.layer === layer && one.reverse === reverse);
    const of = Object.fromEntries(own.map(({ name, values }) => [name, values]));
    for (const [unit, { length }] of of.h.entries()) {
      for (let t = 1; t < length; t++) {
        const [at, before] = reverse ? [t - 1, t] : [t, t - 1];
        const now = (name: string) => of[name][unit][at];
        const old = (name: string) => of[name][unit][before];
        if (of.o) {
          errors.push(now('h') - now('o') * Math.tanh(now('c')));
          errors.push(now('c') - now('f') * old('c') - now('i') * now('g'));
        } else if (of.r) errors.push(now('h') - (1 - now('z')) * now('n') - now('z') * old('h'));
      }
    }
  }
  return Math.max(...errors.map(Math.abs));
}

const reversed = {
  dataset: { kind: 'synthetic', problem: 'reverse', sequence_length: 5, train_size: 40, test_size: 6 },
  training: { num_epochs: 1, batch_size: 8 },
};
const symbols = { cell: 'gru', hidden_size: 6, embedding: { size: 4 } };
const decoder = { cell: 'gru', hidden_size: 6, embedding_size: 4, attention: 'general' };
const ofSequences = {
  'a decoder with attention': {
    config: { ...reversed, model: { ...symbols, decoder }, loss: { kind: 'cross_entropy' } },
  },
  'ctc, several steps of the model for one of the data': {
    config: {
      ...reversed,
      model: { ...symbols, steps: { repeat: 2 }, head: { from: 'every' } },
      loss: { kind: 'ctc' },
    },
  },
};

for (const [name, { config }] of Object.entries({ ...predictionCases(work).cases, ...ofSequences })) {
  t.test(`every kind of model is explained: ${name}`, async t => {
    const { summary } = await train(work, config);
    const { written, explanation } = await explained(
      summary.directory,
      ...['--repeats', '1', '--limit', '6', '--sequences', '4'],
    );
    t.same(validateAgainst('explanation', written), []);
    const { sequences, agreement, groups, features } = explanation.attributions;
    t.ok(sequences.length > 0 && sequences.length <= 4);
    for (const { name, contribution } of features) {
      const sums = sequences.map(one => sumOf(one.contributions[groups.indexOf(name)]));
      const mean = meanOf(sums.map(Math.abs));
      // contributions have five digits, and may cancel each other
      const most = Math.max(...sequences.flatMap(one => one.contributions.flat().map(Math.abs)));
      t.ok(Math.abs(contribution - mean) < 1e-3 * most, `one unit: ${name}, ${contribution}, ${mean}`);
    }
    for (const { output, reference, contributions, error } of sequences) {
      const sum = contributions.flat().reduce((total, value) => total + value, 0);
      t.ok(
        Math.abs(sum - (output - reference)) <= 0.011 * Math.abs(output - reference),
        `${sum}, ${output - reference}`,
      );
      t.ok(error <= 0.01);
    }
    t.ok(agreement === null || agreement > 0.9, `contributions and occlusion agree: ${agreement}`);
    for (const { states = [] } of sequences) {
      t.ok(states.some(({ name }) => name === 'h'));
      t.ok(largestError(states) < 0.005, `the states follow from the gates: ${largestError(states)}`);
    }
    const { attention = 'none' } = Object(Object(Object(config).model).decoder);
    for (const { attention: weights = [] } of sequences) {
      const sum = weights.reduce((total, weight) => total + weight, 0);
      t.ok(attention === 'none' ? sum === 0 : Math.abs(sum - 1) < 0.1, `weights of the attention: ${sum}`);
    }
  });
}
