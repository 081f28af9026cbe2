/**
 * What a run fits on its validation split: calibrated probabilities, thresholds, intervals. Held
 * against what the predictions say.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadModel } from '../../src/index.js';
import { cautionsOf } from '../../src/run/words.js';
import { RandomStream } from '../../src/util/random.js';
import { exportRun, lacksPython, PYTHON } from '../soak/exports.js';
import { floats, integers, jsonLines, npz } from '../support/cli.js';
import { copies, resume, seal, stopAt, train } from '../support/runs.js';

const [STEPS, FEATURES] = [4, 2];
type Targets = 'two' | 'three' | 'values' | 'labels' | 'noise';

/** Sequences whose sum tells the target, with noise. */
function sequences(targets: Targets, count: number, seed: number) {
  const random = RandomStream.of(seed, `test/confidence/${targets}`);
  const x = Array.from({ length: count * STEPS * FEATURES }, () => random.normal());
  const sums = Array.from({ length: count }, (_, i) => {
    const own = x.slice(i * STEPS * FEATURES, (i + 1) * STEPS * FEATURES);
    return own.reduce((a, b) => a + b, 0) / 3 + 0.7 * random.normal();
  });
  const y = {
    two: () =>
      integers(
        [count],
        sums.map(sum => Number(sum > 0.8)),
      ),
    three: () =>
      integers(
        [count],
        sums.map(sum => Number(sum > -0.4) + Number(sum > 0.4)),
      ),
    noise: () =>
      integers(
        [count],
        sums.map((_, i) => i % 3),
      ),
    values: () =>
      floats(
        [count, 1],
        sums.map(sum => 100 + 10 * sum),
      ),
    labels: () =>
      floats(
        [count, 2],
        sums.flatMap(sum => [Number(sum > 1), Number(sum < 0)]),
      ),
  }[targets]();
  const steps = Array.from({ length: count }, (_, i) =>
    Array.from({ length: STEPS }, (_, t) =>
      x.slice((i * STEPS + t) * FEATURES, (i * STEPS + t + 1) * FEATURES),
    ),
  );
  return { x: floats([count, STEPS, FEATURES], x), y, steps };
}

const data = (targets: Targets, testSeed = 2) => {
  const { x, y } = sequences(targets, 600, 1);
  const test = sequences(targets, 400, testSeed);
  return work.file(`${targets}-${testSeed}.npz`, npz({ x, y, x_test: test.x, y_test: test.y }));
};

const config = (targets: Targets, loss: object, more: object, testSeed?: number) => ({
  name: targets,
  dataset: {
    kind: 'npz',
    path: data(targets, testSeed),
    validation: { fraction: 0.4 },
    ...(targets === 'values' && { normalize: 'standard' }),
  },
  model: { cell: 'gru', hidden_size: 12 },
  loss,
  optimizer: { kind: 'adam', learning_rate: 0.03 },
  training: { num_epochs: 6, batch_size: 32 },
  ...more,
});

const ALL = { calibrate: true, threshold: { for: 'f1' }, intervals: { coverage: 0.8 } };
const CLASSES = { kind: 'cross_entropy' };
const two = copies(work, () => train(work, config('two', CLASSES, ALL)));

const read = (directory: string, file = 'confidence.json') =>
  JSON.parse(readFileSync(join(directory, file), 'utf8'));

async function lines(...args: string[]): Promise<readonly Record<string, never>[]> {
  const { stdout, stderr } = await work.cellrun('predict', ...args, '--backend', 'webasm', '--threads', '1');
  if (stdout === '') throw new Error(stderr);
  return jsonLines(stdout);
}

/** The metrics of a later evaluation are those of the summary. */
async function agrees(t: Test, directory: string): Promise<void> {
  const { metrics } = read(directory, 'summary.json');
  for (const split of ['validation', 'test']) {
    const { stdout } = await work.cellrun(
      'evaluate',
      directory,
      '--split',
      split,
      '--json',
      '--backend',
      'webasm',
      '--threads',
      '1',
    );
    t.same(JSON.parse(stdout).metrics[split], metrics[split], split);
  }
}

t.test('predictions of two classes have calibrated probabilities, a threshold and sets', async t => {
  const directory = await two();
  await agrees(t, directory);
  const { temperatures, thresholds, intervals } = read(directory);
  const answers = await lines(directory);
  // without the file, predictions are those of the weights as they were trained
  const plain = join(work.folder(), 'plain');
  cpSync(directory, plain, { recursive: true });
  rmSync(join(plain, 'confidence.json'));
  const before = await lines(plain);
  const { test } = read(directory, 'summary.json').metrics;
  let [right, covered, size, error] = [0, 0, 0, 0];
  answers.forEach((answer, i) => {
    const [p, q] = [answer, before[i]].map(({ probabilities }) => (probabilities as number[])[1]);
    const logit = Math.log(q / (1 - q)) / temperatures[0];
    t.ok(Math.abs(p - 1 / (1 + Math.exp(-logit))) < 1e-6, `${p} with temperature ${temperatures[0]} of ${q}`);
    t.equal(answer.predicted, Number(p >= thresholds[0]), 'the threshold decides');
    const label = Number(answer.label);
    const set = [1 - p, p].flatMap((likely, k) =>
      1 - likely <= intervals.quantiles[0][0] || likely > 0.5 ? [k] : [],
    );
    t.same(answer.set, set, 'the set has what the quantile does not exclude');
    right += Number(answer.predicted === label);
    covered += Number(set.includes(label));
    size += set.length;
    error += (p - label) ** 2;
  });
  const close = (name: string, value: number) =>
    t.ok(Math.abs(test[name] - value / answers.length) < 1e-9, `${name} ${test[name]} is that of the lines`);
  close('accuracy', right);
  close('coverage', covered);
  close('set_size', size);
  close('brier_score', error);
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  t.same([model.form.coverage, model.form.thresholds], [0.8, thresholds]);
  await model.close();
});

/** Symbols with noise, one for each step. */
function written() {
  const { x, y, steps } = sequences('three', 600, 3);
  const random = RandomStream.of(0, 'test/confidence/written');
  const symbols = steps.flat().map(([a, b]) => Number(a + b + random.normal() > 0));
  return work.file('written.npz', npz({ x, y: integers([y.shape[0], STEPS], symbols) }));
}

const SPLITS = { validation: { fraction: 0.4 }, test_fraction: 0.2 };

for (const kind of ['classes', 'symbols that a decoder writes']) {
  t.test(`calibration lowers the log loss of ${kind}, and no other temperature is better`, async t => {
    const isClass = kind === 'classes';
    const metric = isClass ? 'log_loss' : 'bits_per_symbol';
    const training = { num_epochs: isClass ? 25 : 6, batch_size: 32 };
    const decoder = { cell: 'gru', hidden_size: 6, embedding_size: 3, attention: 'dot' };
    const settings = (more: object) =>
      isClass
        ? config('three', CLASSES, { checkpoint: { final: 'last' }, ...more })
        : {
            ...config('three', { ...CLASSES, label_smoothing: 0.3 }, more),
            dataset: { kind: 'npz', path: written(), target_kind: 'sequence', ...SPLITS },
            model: { cell: 'gru', hidden_size: 6, decoder },
          };
    const measured = { ...training, metrics: [metric] };
    const plain = await train(work, settings({ training: measured }));
    const fitted = await train(work, settings({ training: isClass ? training : measured, calibrate: true }));
    const loss = ({ summary }: typeof plain) => Number(summary.metrics.validation?.[metric]);
    t.ok(loss(fitted) < loss(plain), `${loss(fitted)} instead of ${loss(plain)}`);
    const [temperature] = read(fitted.summary.directory).temperatures;
    const other = join(work.folder(), 'other');
    for (const factor of [0.97, 1.03]) {
      cpSync(fitted.summary.directory, other, { recursive: true });
      writeFileSync(
        join(other, 'confidence.json'),
        JSON.stringify({ ...read(other), temperatures: [temperature * factor] }),
      );
      seal(other);
      const { stdout } = await work.cellrun('evaluate', other, '--split', 'validation', '--json');
      t.ok(JSON.parse(stdout).metrics.validation[metric] > loss(fitted), `worse with ${factor} of it`);
    }
    await agrees(t, fitted.summary.directory);
  });
}

t.test('values have intervals, and those of a weighted average of weights too', async t => {
  const average = { training: { num_epochs: 4, batch_size: 32, average: { kind: 'ema', decay: 0.9 } } };
  for (const [loss, more] of [
    [{ kind: 'mse' }, {}],
    [{ kind: 'quantile', quantiles: [0.2, 0.5, 0.8] }, average],
  ] as const) {
    const { summary } = await train(work, config('values', loss, { intervals: { coverage: 0.8 }, ...more }));
    const { directory } = summary;
    await agrees(t, directory);
    const answers = await lines(directory);
    const covered = answers.filter(
      ({ lower, upper, target }) => lower[0] <= target[0] && target[0] <= upper[0],
    );
    t.ok(Math.abs(Number(summary.metrics.test.coverage) - covered.length / 400) < 1e-9, 'as the lines say');
    t.ok(covered.length / 400 > 0.7 && covered.length / 400 < 0.9, `${covered.length} of 400 covered`);
    t.equal(read(directory).intervals.method, loss.kind === 'mse' ? 'split' : 'quantile');
    const widths = new Set(answers.map(({ lower, upper }) => (upper[0] - lower[0]).toFixed(3)));
    t.equal(widths.size > 5, loss.kind === 'quantile', 'only quantiles depend on the input');
  }
});

t.test('labels have a temperature and a threshold each', async t => {
  const { summary } = await train(
    work,
    config(
      'labels',
      { kind: 'binary_cross_entropy' },
      { calibrate: true, threshold: { for: 'recall', precision: 0.6 } },
    ),
  );
  await agrees(t, summary.directory);
  const { temperatures, thresholds } = read(summary.directory);
  t.same([temperatures.length, thresholds.length], [2, 2]);
  for (const { predicted, applies } of await lines(summary.directory))
    t.same(
      applies,
      thresholds.map((threshold: number, i: number) => predicted[i] >= threshold),
    );
});

const IN_PYTORCH = `
import json, sys
sys.path.insert(0, sys.argv[1])
from modeling import load
print(json.dumps(load().predict(json.load(sys.stdin))))
`;

import { work } from '../support/work.js';

t.test('forecasts have an interval for each step of the horizon and each series', async t => {
  const random = RandomStream.of(4, 'test/confidence/series');
  const scales = { low: 10, high: 1000 };
  const rows = Array.from({ length: 300 }, (_, day) =>
    Object.entries(scales).map(
      ([shop, scale]) =>
        `${shop},${day},${scale * (5 + Math.sin((2 * Math.PI * day) / 7) + 0.3 * random.normal())}`,
    ),
  );
  const path = work.file('sales.csv', ['shop,day,sold', ...rows.flat()].join('\n'));
  for (const head of ['last', 'every'] as const) {
    const { summary } = await train(work, {
      dataset: {
        ...{
          kind: 'forecast',
          path,
          target: 'sold',
          series: 'shop',
          time: 'day',
          input_steps: 7,
          horizon: 3,
        },
        ...{ test_fraction: 0.3, validation: { fraction: 0.3 }, per_step: head === 'every' },
      },
      model: { cell: 'gru', hidden_size: 8, head: { from: head } },
      loss: { kind: 'mse' },
      optimizer: { kind: 'adam', learning_rate: 0.02 },
      training: { num_epochs: 4, batch_size: 32 },
      intervals: { coverage: 0.8 },
    });
    const { directory, metrics } = summary;
    await agrees(t, directory);
    const { quantiles } = read(directory).intervals;
    t.equal(quantiles.flat().length, 3, 'one for each step');
    const windows = await lines(directory, '--split', 'test');
    let [covered, count] = [0, 0];
    for (const { lower, upper, target } of windows as readonly Record<string, number[][]>[])
      target.forEach(([y], step) => {
        covered += Number(lower[step][0] <= y && y <= upper[step][0]);
        count++;
      });
    t.ok(Math.abs(Number(metrics.test.coverage) - covered / count) < 0.005, 'coverage is that of the lines');
    t.ok(covered / count > 0.72 && covered / count < 0.88, `${covered} of ${count} covered`);
    const groups = read(directory, 'evaluation.json').coverage as { group: string; width: number }[];
    const [low, high] = ['low', 'high'].map(name =>
      Number(groups.find(({ group }) => group === name)?.width),
    );
    t.ok(high / low > 50 && high / low < 200, `the widths ${low} and ${high} follow the series`);
    const future = await lines(directory);
    t.same([future.length, (future[0].lower as number[]).length], [2, 3], 'beyond the data');
  }
});

t.test('a module decides like predict, and so does PyTorch', { skip: lacksPython('pytorch') }, async t => {
  const quantiles = { kind: 'quantile', quantiles: [0.2, 0.5, 0.8] };
  const labels = { calibrate: true, threshold: { for: 'f1' } };
  for (const [targets, loss, more] of [
    ['two', CLASSES, ALL],
    ['values', quantiles, { intervals: { coverage: 0.8 } }],
    ['values', quantiles, { intervals: { coverage: 0.8, method: 'split' } }],
    ['labels', { kind: 'binary_cross_entropy' }, labels],
  ] as const) {
    const { summary } = await train(work, config(targets, loss, more));
    const module = await exportRun(work, summary.directory, 'js');
    t.match(
      module.stderr,
      /the predictions of 400 test sequences are equal/,
      'all of a prediction is compared',
    );
    const { folder } = await exportRun(work, summary.directory, 'pytorch');
    const input = JSON.stringify(sequences(targets, 400, 2).steps.slice(0, 40));
    const found = JSON.parse(execFileSync(PYTHON, ['-c', IN_PYTORCH, folder], { input }).toString());
    const expected = await lines(summary.directory, '--limit', '40');
    const near = (a: number, b: number) => Math.abs(a - b) < 1e-3;
    for (const [i, one] of found.entries()) {
      const { predicted, set, lower, upper, applies } = expected[i];
      if (set) t.same([one.class, one.set], [predicted, set]);
      if (applies) t.same(one.applies, applies);
      if (lower)
        t.ok(near(one.lower[0], lower[0]) && near(one.upper[0], upper[0]), `${one.lower} to ${one.upper}`);
    }
  }
});

t.test('the fit reads nothing of the test split', async t => {
  const fits = [];
  for (const seed of [2, 3]) {
    const { summary } = await train(work, config('two', CLASSES, ALL, seed));
    fits.push({
      fit: readFileSync(join(summary.directory, 'confidence.json'), 'utf8'),
      test: summary.metrics.test,
    });
  }
  t.not(fits[0].test.brier_score, fits[1].test.brier_score, 'other test data');
  t.equal(fits[0].fit, fits[1].fit);
});

t.test('a model that knows nothing predicts the base rate, and sets of almost all classes', async t => {
  const more = {
    calibrate: true,
    intervals: { coverage: 0.9 },
    training: { num_epochs: 20, batch_size: 32 },
    checkpoint: { final: 'last' },
  };
  const { summary } = await train(work, config('noise', CLASSES, more));
  const { test } = summary.metrics;
  t.ok(
    Number(test.log_loss) < Math.log(3) + 0.02,
    `log loss ${test.log_loss}: that of the base rate is ${Math.log(3)}`,
  );
  t.ok(Number(test.set_size) > 2.5, `${test.set_size} of 3 classes`);
});

t.test('a run that is stopped and resumed fits the same', async t => {
  const settings = config('two', CLASSES, ALL);
  const stopped = await train(work, settings, stopAt(20));
  await resume(stopped.summary.directory);
  t.same(read(stopped.summary.directory), read(await two()));
});

t.test('a changed file is found, and other weights have no fit', async t => {
  const directory = await two();
  const first = await lines(directory, '--checkpoint', 'last');
  const { step } = read(directory);
  const { steps } = read(directory, 'summary.json');
  t.equal('set' in first[0], step === steps, 'the last weights are others');
  const file = join(directory, 'confidence.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"thresholds": \[\s*0\.\d/, '$&9'));
  const { code, stderr } = await work.cellrun('predict', directory);
  t.equal(code, 5);
  t.match(stderr, /confidence\.json.*does not match its digest in summary\.json/s);
});

const HORIZON = 2;
/** Rows of two series whose noise grows, of 90 steps each. */
function growing(): string[] {
  const random = RandomStream.of(3, 'test/confidence/series');
  return ['a', 'b'].flatMap(series =>
    Array.from({ length: 90 }, (_, i) => {
      const noise = random.normal() * (i > 60 ? 9 : 1);
      return `${series},${i},${(10 + 5 * Math.sin(i / 3) + noise).toFixed(2)}`;
    }),
  );
}

const table = (name: string, rows: readonly string[]) =>
  work.file(name, ['series,step,value', ...rows].join('\n'));

const forecasts = (adapt: number | undefined, headFrom: 'every' | 'last') => {
  const path = table('growing.csv', growing());
  return {
    dataset: {
      ...{ kind: 'forecast', path, series: 'series', time: 'step', target: 'value' },
      ...{ input_steps: 6, horizon: HORIZON, per_step: headFrom === 'every' },
      ...{ validation: { count: 30 }, test: { count: 30 } },
    },
    model: { cell: 'gru', hidden_size: 4, head: { from: headFrom } },
    loss: { kind: 'mse' },
    training: { num_epochs: 2, batch_size: 32, metrics: ['mean_absolute_error'] },
    checkpoint: { final: 'last' },
    intervals: { coverage: 0.7, ...(adapt !== undefined && { adapt }) },
  };
};

for (const headFrom of ['every', 'last'] as const)
  t.test(`intervals of forecasts adapt along each series (head from ${headFrom})`, async t => {
    const adapt = 0.25;
    const { summary } = await train(work, forecasts(adapt, headFrom));
    const { directory } = summary;
    await agrees(t, directory);
    const { intervals } = read(directory);
    const windows = (await lines(directory, '--split', 'test')) as readonly Record<string, number[][]>[];
    // the intervals of one series, by the formula of the paper
    const { scale } = read(directory, 'manifest.json').data.series_scaling.series[1];
    const own = windows.filter(({ id }) => String(id).startsWith('b '));
    const ofStep = (h: number) => {
      const scores = headFrom === 'every' ? intervals.scores[h][0] : intervals.scores[0][h];
      let level = 0.3;
      const known: number[] = [...scores];
      const quantiles: number[] = [];
      const half = ({ lower, upper }: (typeof own)[number]) => (upper[h][0] - lower[h][0]) / 2 / scale[0];
      own.forEach((window, i) => {
        const past = own[i - 1 - h];
        if (past !== undefined) {
          const score = Math.abs(past.target[h][0] - past.predicted[h][0]) / scale[0];
          level += adapt * (0.3 - Number(score > quantiles[i - 1 - h]));
          level = Math.min(1 + adapt, Math.max(-adapt, level));
          known.push(score);
        }
        const rank = Math.ceil((known.length + 1) * (1 - level) - 1e-9);
        const sorted = known.toSorted((a, b) => a - b);
        quantiles.push(sorted[Math.min(Math.max(rank, 1), sorted.length) - 1]);
        t.ok(Math.abs(half(window) - quantiles[i]) < 1e-4, `step ${h} of window ${i}`);
      });
      t.ok(new Set(quantiles).size > 3, 'they change');
    };
    for (let h = 0; h < HORIZON; h++) ofStep(h);
    const isCovered = ({ lower, upper, target }: (typeof own)[number], h: number) =>
      Number(lower[h][0] <= target[h][0] && target[h][0] <= upper[h][0]);
    const covered = windows.map(one => (isCovered(one, 0) + isCovered(one, 1)) / HORIZON);
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    t.ok(Math.abs(mean(covered) - Number(summary.metrics.test.coverage)) < 1e-9);

    const back = await work.cellrun('evaluate', directory, '--backtest', '--json');
    const origins = windows.flatMap(({ id }, i) => (Number(String(id).split(' ')[1]) % 2 === 0 ? [i] : []));
    const { mean: found } = JSON.parse(back.stdout);
    t.ok(Math.abs(found.model.coverage - mean(origins.map(i => covered[i]))) < 1e-9, 'in a backtest');
    t.ok(found.last_value.interval_width > 0, 'naive forecasts have intervals');
    const { stdout } = await work.cellrun('evaluate', directory, '--backtest');
    t.match(stdout, /^origin.+ model width {2}last_value mae {2}last_value coverage {2}last_value width/);

    // new data: the rows that the first windows of the test split saw
    const at = 5;
    const input = table(
      'seen.csv',
      growing()
        .slice(90)
        .slice(54, 60 + at),
    );
    const [next] = (await lines(directory, '--input', input)) as readonly Record<string, number[][]>[];
    for (const key of ['predicted', 'lower', 'upper']) t.same(next[key], own[at][key], `${key} of new data`);
  });

t.test('naive forecasts of a backtest have the intervals of a model', async t => {
  const { summary } = await train(work, forecasts(undefined, 'last'));
  const { stdout } = await work.cellrun('evaluate', summary.directory, '--backtest', '--json');
  const { mean } = JSON.parse(stdout);
  const { series } = read(summary.directory, 'manifest.json').data.series_scaling;
  const rows = growing();
  const valueAt = (s: number, step: number) => Number(rows[s * 90 + step].split(',')[2]);
  const error = (s: number, origin: number, h: number) =>
    Math.abs(valueAt(s, origin + h) - valueAt(s, origin - 1));
  // the scores of both series together, each in its own scale
  const windows = Array.from({ length: 29 }, (_, i) => 30 + i);
  const widths = [0, 1].map(h => {
    const scores = [0, 1].flatMap(s => windows.map(origin => error(s, origin, h) / series[s].scale[0]));
    return 2 * scores.toSorted((a, b) => a - b)[Math.ceil((scores.length + 1) * 0.7) - 1];
  });
  const scale = (series[0].scale[0] + series[1].scale[0]) / 2;
  t.ok(Math.abs(mean.last_value.interval_width - (scale * (widths[0] + widths[1])) / 2) < 1e-3);
  const { coverage } = summary.metrics.test;
  const words = `contain ${(100 * Number(coverage)).toFixed(1)} % of the targets of the test split, but 7`;
  const caution = cautionsOf(summary).find(one => one.includes(words));
  t.match(caution, /`intervals\.adapt` follows a series/, 'the run says that they cover less');
  const { mean: ofTable = {} } = summary.baselines?.test ?? {};
  const table = cautionsOf({ ...summary, baselines: { test: { mean: ofTable } } });
  t.match(
    table.filter(one => one.includes(words)),
    [/smaller\. `dataset\.validation` should/],
    'of data without a series',
  );
});

t.test('configs that cannot be fitted are refused', async t => {
  const refused = async (settings: object, ...messages: RegExp[]) => {
    const { code, stderr } = await work.cellrun('validate', work.config(settings));
    t.equal(code, 2);
    for (const message of messages) t.match(stderr, message);
  };
  const { dataset, ...rest } = config('three', CLASSES, ALL);
  await refused(
    { ...rest, dataset: { ...dataset, validation: undefined } },
    /`calibrate` needs a validation split/,
    /`threshold` needs/,
    /`intervals` needs/,
  );
  await refused({ ...rest, dataset }, /a threshold decides between two classes, but the model has 3/);
  await refused(
    config('values', { kind: 'mse' }, { ...ALL, intervals: { method: 'quantile' } }),
    /`calibrate` calibrates probabilities, but loss mse predicts values[\s\S]*or with a decoder/,
    /`method: quantile` needs two predicted quantiles/,
  );
  await refused(
    config('two', CLASSES, { intervals: { coverage: 0.999 } }),
    /too small for this coverage/,
    /at least 999 sequences/,
  );
  await refused(
    config('values', { kind: 'mse' }, { intervals: { adapt: 0.1 } }),
    /`adapt` follows a series in time, but `dataset\.kind` is npz/,
  );
});
