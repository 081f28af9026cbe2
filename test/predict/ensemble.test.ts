/** Several models that predict together: the mean of their predictions, and its metrics. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadModel } from '../../src/index.js';
import { onlyIn } from '../support/cli.js';
import { type Line, linesOf } from '../support/prediction-cases.js';
import { work } from '../support/work.js';

const rows = Array.from({ length: 30 }, (_, i) =>
  [0, 1, 2].map(
    step =>
      `q${i},${step},${Math.sin(9 * i + step) + (i % 3)},${['x', 'y', 'z'][i % 3]},${Math.cos(i)},${i % 2},${Number(i % 3 > 0)}`,
  ),
).flat();
const header = 'id,t,a,label,value,even,third';
const path = work.file('rows.csv', `${header}\n${rows.join('\n')}\n`);
const sequence = { group: 'id', order: 't' };
const dataset = { kind: 'csv', path, features: ['a'], sequence, normalize: 'standard', test_fraction: 0.4 };
const classes = {
  name: 'members',
  seed: 1,
  dataset: { ...dataset, seed: 9, target: 'label', target_kind: 'class' },
  model: { cell: 'gru', hidden_size: 3 },
  optimizer: { kind: 'adam', learning_rate: 0.05 },
  training: { num_epochs: 2, batch_size: 8, metrics: ['accuracy', 'perplexity', 'auroc'] },
};
const training = { num_epochs: 2, batch_size: 8 };
const values = {
  ...classes,
  dataset: { ...dataset, seed: 9, target: 'value', target_kind: 'value' },
  loss: { kind: 'mse' },
  training,
};
const labels = {
  ...classes,
  dataset: { ...dataset, seed: 9, target: ['even', 'third'], target_kind: 'value' },
  loss: { kind: 'binary_cross_entropy' },
  training: { ...training, metrics: ['accuracy', 'f1', 'average_precision'] },
};
const quantiles = { ...values, loss: { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] } };

async function trained(config: object, ...set: string[]): Promise<string> {
  const flags = set.flatMap(one => ['--set', one]);
  const { stdout, stderr } = await work.cellrun('run', work.config(config), '--json', ...flags);
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout).directory;
}
const seeds = (config: object) =>
  Promise.all(['seed=1', 'seed=2', 'seed=3'].map(set => trained(config, set)));
const mean = (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0) / numbers.length;
const entropy = (p: readonly number[]) => -mean(p.map(one => one * Math.log(one))) * p.length;
const lines = async (...args: string[]): Promise<Line[]> =>
  linesOf((await work.cellrun('predict', ...args)).stdout);
const close = (t: Test, found: unknown, wanted: number, what: string, tolerance = 1e-6) =>
  t.ok(Math.abs((found as number) - wanted) <= tolerance, `${what}: ${found} is ${wanted}`);

t.test('classes: the mean of the probabilities, its metrics and the disagreement', async t => {
  const runs = await seeds(classes);
  const own = await Promise.all(runs.map(run => lines(run)));
  const found = await lines(...runs);
  t.equal(found.length, 12);
  const all = found.map((line, i) => {
    const lists = own.map(one => one[i].probabilities as number[]);
    const wanted = [0, 1, 2].map(k => mean(lists.map(list => list[k])));
    for (const k of [0, 1, 2]) close(t, (line.probabilities as number[])[k], wanted[k], 'probability', 1e-12);
    t.equal(line.predicted, wanted.indexOf(Math.max(...wanted)));
    t.equal(line.label, own[0][i].label);
    close(t, line.disagreement, entropy(wanted) - mean(lists.map(entropy)), 'disagreement', 1e-12);
    return { wanted, label: line.label as number };
  });
  const { stdout } = await work.cellrun('evaluate', ...runs, '--json');
  const { metrics, members, predictions } = JSON.parse(stdout);
  t.equal(predictions, 12);
  const right = all.filter(({ wanted, label }) => wanted[label] === Math.max(...wanted)).length / 12;
  close(t, metrics.test.accuracy, right, 'accuracy');
  const surprise = mean(all.map(({ wanted, label }) => -Math.log(wanted[label])));
  close(t, metrics.test.perplexity, Math.exp(surprise), 'perplexity');
  t.notOk('loss' in metrics.test);
  for (const [i, run] of runs.entries()) {
    const alone = JSON.parse((await work.cellrun('evaluate', run, '--json')).stdout);
    t.same(members[i], {
      run,
      checkpoint: alone.checkpoint,
      step: alone.step,
      epoch: alone.epoch,
      metrics: alone.metrics,
    });
  }
  const text = (await work.cellrun('evaluate', ...runs)).stdout;
  t.match(text, /^3 models together: test accuracy .* over 12 predictions\n/);
});

t.test('values, labels and quantiles: the mean, with the deviation between the models', async t => {
  for (const config of [values, labels, quantiles]) {
    const runs = await seeds(config);
    const own = await Promise.all(runs.map(run => lines(run)));
    const numbers = (line: Line, key: string) => Object.values(line[key] as object) as number[];
    const found = await lines(...runs);
    const errors = found.flatMap((line, i) => {
      const lists = own.map(one => numbers(one[i], 'predicted'));
      return numbers(line, 'predicted').map((value, k) => {
        const each = lists.map(list => list[k]);
        const centre = mean(each);
        close(t, value, centre, 'value');
        const spread = Math.sqrt(each.reduce((sum, one) => sum + (one - centre) ** 2, 0) / 2);
        close(t, numbers(line, 'disagreement')[k], spread, 'disagreement');
        return Math.abs(centre - numbers(line, 'target')[k]);
      });
    });
    const { metrics } = JSON.parse((await work.cellrun('evaluate', ...runs, '--json')).stdout);
    if (config !== labels) close(t, metrics.test.mean_absolute_error, mean(errors), 'error');
    else
      close(t, metrics.test.accuracy, errors.filter(error => error < 0.5).length / errors.length, 'accuracy');
    if (config !== quantiles) continue;
    const covered = found.filter((line, i) => {
      const bound = (level: string) =>
        mean(own.map(one => (one[i].quantiles as Record<string, number[]>)[level][0]));
      const [target] = numbers(line, 'target');
      return bound('0.1') <= target && target <= bound('0.9');
    });
    close(t, metrics.test.coverage, covered.length / found.length, 'coverage');
  }
});

t.test('a file, standard input and a program lead to the same predictions', async t => {
  const runs = await seeds(classes);
  const wanted = await lines(...runs, '--input', path);
  t.equal(wanted.length, 30);
  const fromStdin = (...args: string[]) => {
    const { child, finished } = work.start(...args, '--input', '-');
    child.stdin?.end(readFileSync(path));
    return finished;
  };
  const piped = await fromStdin('predict', ...runs);
  t.same(linesOf(piped.stdout), wanted);
  const evaluated = await fromStdin('evaluate', ...runs, '--json');
  t.equal(JSON.parse(evaluated.stdout).predictions, 30);
  const csv = (await work.cellrun('predict', ...runs, '--input', path, '--format', 'csv')).stdout.split('\n');
  t.equal(
    csv[0],
    'index,id,time,predicted,predicted_name,probability,disagreement,probability_x,probability_y,probability_z',
  );
  const model = await loadModel(runs);
  const given = async function* () {
    for (let i = 0; i < 30; i++) yield [0, 1, 2].map(step => [Math.sin(9 * i + step) + (i % 3)]);
  };
  let at = 0;
  for await (const { predictions } of model.predict(given()))
    close(
      t,
      (predictions[0] as { probability: number }).probability,
      wanted[at++].probability as number,
      'program',
    );
  t.equal(at, 30);
  t.throws(() => model.session(), { message: /several models predict whole sequences/ });
  await model.close();
});

t.test('a sequence that one model cannot read is told once', async t => {
  const runs = await seeds(classes);
  const bad = work.file('bad.csv', `${header}\nq1,0,1,x,0,0,0\nq2,0,much,x,0,0,0\nq3,0,2,x,0,0,0\n`);
  const { stdout, stderr, code } = await work.cellrun(
    'predict',
    ...runs,
    '--input',
    bad,
    '--on-error',
    'skip',
  );
  t.equal(code, 0);
  t.same(
    linesOf(stdout).map(({ id }) => id),
    ['q1', 'q3'],
  );
  t.match(stderr, /skipped 1 of 3 sequences\n/);
  t.equal(stderr.match(/got: "much"/g)?.length, 1);
});

t.test('the runs of a cross-validation predict new data together, and not their own splits', async t => {
  const output = work.folder();
  await work.cellrun('run', work.config(classes), '--folds', '3', '--output', output);
  const sweep = onlyIn(output, 'sweeps', 'members');
  const runs = [1, 2, 3].map(fold => join(sweep, 'trials', `t0000-f${fold}`));
  t.same(await lines(sweep, '--input', path), await lines(...runs, '--input', path));
  const { code, stderr } = await work.cellrun('evaluate', sweep);
  t.equal(code, 2);
  t.match(
    stderr,
    /its test split has other sequences than that of .*t0000-f1, which may have been trained on them/,
  );
});

t.test('models that do not predict the same are refused', async t => {
  const [run, other] = await seeds(classes);
  const cases: [runs: string[], message: RegExp][] = [
    [[run, await trained(values)], /`task` is not that of .*\n? *.*expected: "classes"/],
    [[run, await trained(classes, 'dataset.seed=1')], /its test split has other sequences/],
    [[run, run], /this model is given twice/],
    [[run, other, '--generate'], /only language models can generate/],
    [[run, other, '--backtest'], /a backtest is of one model/],
  ];
  for (const [given, message] of cases) {
    const verb = given.includes('--backtest') ? 'evaluate' : 'predict';
    const { code, stderr } = await work.cellrun(verb, ...given);
    t.equal(code, 2, stderr);
    t.match(stderr, message);
  }
});

t.test('one module has several models, and predicts as they do together', async t => {
  for (const config of [classes, quantiles]) {
    const runs = await seeds(config);
    const output = work.folder();
    const { code, stdout, stderr } = await work.cellrun(
      ...['export', ...runs, '--format', 'js', '--ensemble', '--output', output, '--json'],
    );
    t.equal(code, 0, stderr);
    t.same(JSON.parse(stdout).exports[0].run, runs);
    const model = await import(join(output, 'model.js'));
    const given = rows.map(row => row.split(',')).filter(([id]) => Number(id.slice(1)) < 5);
    const ids = [...new Set(given.map(([id]) => id))];
    const stepsOf = (id: string) => given.filter(([one]) => one === id).map(row => [Number(row[2])]);
    const input = work.file('given.csv', ['id,t,a', ...given.map(row => row.slice(0, 3).join())].join('\n'));
    const together = await lines(...runs, '--input', input, '--backend', 'webasm');
    const predictions = [];
    for await (const one of model.predictMany(ids.map(stepsOf))) predictions.push(one);
    t.same(
      predictions.map(({ index }) => index),
      [0, 1, 2, 3, 4],
    );
    for (const [i, { predictions: own }] of predictions.entries()) {
      const [one] = (await model.predict(stepsOf(ids[i]))).predictions;
      t.same(own, [one]);
      const line = together[i];
      if (config === classes) t.same([...one.probabilities], line.probabilities);
      else t.same([...one.values], Object.values(line.predicted as object).flat());
      t.same(
        [one.disagreement].flatMap(value => (typeof value === 'number' ? value : [...value])),
        [line.disagreement].flat(2),
      );
    }
    t.throws(() => model.session(), /several models together predict whole sequences only/);
  }
  const [run] = await seeds(classes);
  const other = await trained(values);
  for (const [args, message] of [
    [[run, other, '--format', 'js', '--output', work.folder()], /`task` is not that of/],
    [[run, '--format', 'onnx', '--output', work.folder()], /the format onnx has one model in each file/],
    [[run, '--format', 'js'], /--output/],
  ] as const) {
    const { code, stderr } = await work.cellrun('export', ...args, '--ensemble');
    t.equal(code, 2, stderr);
    t.match(stderr, message);
  }
});
