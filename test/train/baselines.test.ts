/**
 * Trivial baselines against scikit-learn's dummy estimators, and the messages of a run about them.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { gateSentence, judgeRun } from '../../src/run/gates.js';
import type { SplitBaselines } from '../../src/run/summary.js';
import { baselineWarnings } from '../../src/run/words.js';
import { Trigrams } from '../../src/tasks/classes/ngram.js';
import { trivialBaselines } from '../../src/tasks/index.js';
import { openSession } from '../../src/train/session.js';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, npz } from '../support/cli.js';
import { closeTo } from '../support/data-files.js';
import { work } from '../support/work.js';

const { classes, steps, values } = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/baselines/scikit-learn.json'), 'utf8'),
);

const { tagging, language } = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/baselines/symbols.json'), 'utf8'),
);

const CONFIG = { model: { cell: 'lstm', hidden_size: 2 }, training: { num_epochs: 1, batch_size: 8 } };

/** Sequences of one step with one feature, or of several steps if each step has a target. */
function dataset(
  train: number[] | number[][],
  test: typeof train,
  kind: 'class' | 'value',
  more: object = {},
) {
  const arrays = (suffix: string, targets: typeof train) => {
    const [first] = targets;
    const width = Array.isArray(first) ? [first.length] : [];
    const perStep = kind === 'class' && width.length > 0;
    const shape = [targets.length, ...(perStep ? width : [1]), 1];
    const numbers = targets.flat();
    const make = kind === 'class' ? integers : floats;
    return {
      [`x${suffix}`]: floats(shape, new Array(targets.length * (perStep ? width[0] : 1)).fill(0.5)),
      [`y${suffix}`]: make([targets.length, ...width], numbers),
    };
  };
  const path = work.file('data.npz', npz({ ...arrays('', train), ...arrays('_test', test) }));
  return { kind: 'npz', path, ...more };
}

async function baselinesOf(config: object): Promise<SplitBaselines> {
  const loaded = loadExperiment(work.config({ ...CONFIG, ...config }));
  const session = await openSession(loaded, { backend: 'cpu', threads: 1 });
  return trivialBaselines(session.run, session.dataset)(session.dataset.test);
}

const near = (got: number | undefined, want: number): boolean =>
  got !== undefined && closeTo(got, want, 1e-6 * Math.max(1, Math.abs(want)));

t.test('classes: the prior of the training split', async t => {
  const data = dataset(classes.train, classes.test, 'class');
  const training = { ...CONFIG.training, metrics: ['accuracy', 'f1', 'auroc'] };
  const { majority, ...others } = await baselinesOf({ dataset: data, training });
  t.same(others, {});
  for (const metric of ['loss', 'accuracy', 'f1']) t.ok(near(majority?.[metric], classes[metric]), metric);
  t.equal(majority?.auroc, 0.5, 'one answer to all ranks nothing');
});

t.test('a class or label that does not occur in training', async t => {
  const LOG = ['accuracy', 'perplexity', 'bits_per_symbol'];
  const training = { ...CONFIG.training, metrics: LOG };
  const model = { ...CONFIG.model, num_classes: 4 };
  const of = async (config: object) => (await baselinesOf({ model, training, ...config })).majority ?? {};
  const data = dataset(classes.train, classes.test, 'class');
  const unused = await of({ dataset: data });
  t.ok(near(unused.loss, classes.loss), 'it costs nothing if the split has none either');
  t.ok(near(unused.perplexity, Math.exp(classes.loss)));
  t.ok(near(unused.bits_per_symbol, classes.loss / Math.LN2));
  const loss = { kind: 'cross_entropy', label_smoothing: 0.1 };
  t.same(Object.keys(await of({ dataset: data, loss })), LOG, 'a smoothed target has a share in it');
  const used = await of({ dataset: dataset(classes.train, [...classes.test, 3], 'class') });
  t.same(Object.keys(used), ['accuracy'], 'what is infinite is left out, however the log of 0 is stored');

  const labels = (test: number[][]) => ({
    dataset: dataset(new Array(49).fill([1, 0]), test, 'value', { normalize: 'none' }),
    loss: { kind: 'binary_cross_entropy' },
    model: CONFIG.model,
    training: CONFIG.training,
  });
  t.equal((await of(labels([[1, 0]]))).loss, 0);
  t.notOk('loss' in (await of(labels([[1, 1]]))));
  t.notOk('loss' in (await of(labels([[0, 0]]))));
});

t.test('steps: the class of the previous step', async t => {
  const model = { ...CONFIG.model, head: { from: 'every' } };
  const { previous, majority } = await baselinesOf({
    dataset: dataset(steps.train, steps.test, 'class'),
    model,
  });
  t.ok(near(previous?.accuracy, steps.accuracy));
  t.ok((majority?.accuracy ?? 1) < steps.accuracy);
  const gap = [
    [0, -100, 0, 1],
    [1, 1, -100, -100],
  ];
  const known = await baselinesOf({ dataset: dataset([[0, 0, 0, 1]], gap, 'class'), model });
  // the majority, 0, at the first steps; then 0, 0 for targets 0, 1; then 1 for 1
  t.equal(known.previous?.accuracy, 3 / 5);
});

const embedded = { ...CONFIG.model, embedding: { size: 2 }, head: { from: 'every' } };

t.test('symbols with classes: the most frequent class of each symbol', async t => {
  const lines = (part: 'train' | 'test') =>
    tagging[part].map((sentence: object) => JSON.stringify(sentence)).join('\n');
  const [path, test_path] = (['train', 'test'] as const).map(part =>
    work.file(`${part}.jsonl`, `${lines(part)}\n`),
  );
  const data = { kind: 'jsonl', path, test_path, input: 'words', input_kind: 'symbol', target: 'tags' };
  for (const memory of [0, 64]) {
    const { by_symbol, majority, previous, ngram } = await baselinesOf({
      dataset: { ...data, target_kind: 'class', per_step: true, memory },
      model: embedded,
      training: { ...CONFIG.training, metrics: ['accuracy', 'f1', 'perplexity'] },
    });
    t.same(Object.keys(by_symbol ?? {}), ['accuracy', 'f1']);
    t.ok(near(by_symbol?.accuracy, tagging.accuracy) && near(by_symbol?.f1, tagging.f1));
    t.ok(Number(by_symbol?.accuracy) > Math.max(Number(majority?.accuracy), Number(previous?.accuracy)));
    t.equal(ngram, undefined);
  }
});

t.test('texts: an n-gram of order 3', async t => {
  const [path, test_path] = [work.file('a.txt', language.train), work.file('b.txt', language.test)];
  const { sequence_length, bits_per_symbol } = language;
  const METRICS = ['accuracy', 'perplexity', 'bits_per_symbol'];
  const of = async (loss: object, memory: number) =>
    baselinesOf({
      dataset: { kind: 'text', path, test_path, level: 'character', sequence_length, memory },
      model: embedded,
      loss: { kind: 'cross_entropy', ...loss },
      training: { ...CONFIG.training, metrics: METRICS },
    });
  for (const memory of [0, 64]) {
    const { ngram, by_symbol } = await of({}, memory);
    t.equal(by_symbol, undefined);
    t.same(Object.keys(ngram ?? {}), ['loss', ...METRICS]);
    t.ok(near(ngram?.accuracy, language.accuracy));
    t.ok(near(ngram?.bits_per_symbol, bits_per_symbol));
    t.ok(near(ngram?.loss, bits_per_symbol * Math.LN2));
    t.ok(near(ngram?.perplexity, 2 ** bits_per_symbol));
  }
  t.notOk('loss' in ((await of({ label_smoothing: 0.1 }, 64)).ngram ?? {}), 'another loss');
});

t.test('the probabilities of an n-gram sum to 1, and the predicted symbol has the largest', t => {
  const V = 4;
  const texts = fc.array(fc.array(fc.nat(V - 2), { minLength: 1, maxLength: 12 }), { maxLength: 4 });
  fc.assert(
    fc.property(texts, fc.option(fc.nat(V - 1), { nil: undefined }), fc.nat(V - 1), (all, before, last) => {
      const model = new Trigrams(V);
      for (const text of all) model.add(text.slice(0, -1), Int32Array.from(text.slice(1)));
      model.end();
      const p = Array.from({ length: V }, (_, symbol) => model.probability(before, last, symbol));
      t.ok(
        closeTo(
          p.reduce((a, b) => a + b),
          1,
          1e-12,
        ),
      );
      t.ok(
        p[model.predict(before, last)] >= Math.max(...p) - 1e-15,
        JSON.stringify({ all, before, last, p }),
      );
    }),
  );
  t.end();
});

t.test('values: mean, median and quantiles of the training targets, in data units', async t => {
  for (const normalize of ['none', 'standard']) {
    const data = dataset(values.train, values.test, 'value', { normalize });
    const training = { ...CONFIG.training, metrics: ['mean_absolute_error', 'r2'] };
    const of = (loss: object) => baselinesOf({ dataset: data, training, loss });
    const { mean, ...others } = await of({ kind: 'mse' });
    t.same(others, {});
    t.ok(near(mean?.mean_absolute_error, values.mean.mae), normalize);
    t.ok(near(mean?.r2, values.mean.r2));
    if (normalize === 'none') t.ok(near(mean?.loss, values.mean.mse));
    const { median } = await of({ kind: 'mae' });
    t.ok(near(median?.mean_absolute_error, values.median.mae));
    const { quantiles } = await of({ kind: 'quantile', quantiles: values.quantiles.quantiles });
    if (normalize === 'none') t.ok(near(quantiles?.loss, values.quantiles.loss));
    t.ok(near(quantiles?.mean_absolute_error, values.median.mae), 'the median among the quantiles');
  }
});

t.test('a run prints its baselines, and warns if it is no better', async t => {
  const noise = { dataset: dataset(classes.train, classes.test, 'class') };
  const run = await work.train({ ...CONFIG, ...noise });
  const { baselines, metrics } = JSON.parse(run.finished.stdout);
  t.ok(near(baselines.test.majority.accuracy, classes.accuracy));
  t.ok(metrics.test.accuracy <= baselines.test.majority.accuracy, 'inputs that are all alike teach nothing');
  t.match(run.finished.stderr, 'warning: the model makes the same prediction for every test input');
  t.match(run.finished.stderr, `baseline accuracy ${(100 * classes.accuracy).toFixed(2)} % (majority)`);
  t.equal(JSON.parse(run.finished.stdout).constant_outputs, true);
  const evaluation = JSON.parse(readFileSync(join(run.summary.directory, 'evaluation.json'), 'utf8'));
  t.equal(evaluation.constant, true);

  const sign = (count: number) => Array.from({ length: count }, (_, i) => (i % 3 === 0 ? 1 : 0));
  const learnable = work.file(
    'sign.npz',
    npz({
      x: floats(
        [60, 1, 1],
        sign(60).map(y => 4 * y - 2),
      ),
      y: integers([60], sign(60)),
      x_test: floats(
        [30, 1, 1],
        sign(30).map(y => 4 * y - 2),
      ),
      y_test: integers([30], sign(30)),
    }),
  );
  const config = {
    ...CONFIG,
    dataset: { kind: 'npz', path: learnable },
    optimizer: { kind: 'adam', learning_rate: 0.1 },
    training: { num_epochs: 5, batch_size: 8 },
  };
  const learned = await work.cellrun('run', work.config(config), '--output', work.folder());
  t.equal(learned.code, 0, learned.stderr);
  t.notMatch(learned.stderr, /no better|same prediction/);
  t.match(
    learned.stdout,
    /^Test accuracy 100\.00 % .*\nTrivial baseline: test accuracy 66\.67 % \(majority\)\.\n/,
  );
});

t.test('a gate can require more than a trivial baseline', async t => {
  const noise = dataset(classes.train, classes.test, 'class');
  const gates = [
    { metric: 'test.accuracy', beats: 'trivial' },
    { metric: 'test.accuracy', beats: 'trivial', by: 0.05 },
    { metric: 'test.f1', beats: 'trivial', over: 'seeds' },
  ];
  const run = await work.train({ ...CONFIG, dataset: noise, gates });
  t.equal(run.code, 3);
  const [plain, by, seeds] = JSON.parse(run.finished.stdout).gates;
  t.match(plain, { verdict: 'failed', beats: 'trivial' });
  t.ok(near(plain.reference, classes.accuracy) && near(plain.limit, classes.accuracy));
  t.match(by, { verdict: 'failed', by: 0.05 });
  t.ok(near(by.limit, classes.accuracy + 0.05));
  t.match(seeds, { verdict: 'inconclusive' });
  t.ok(near(seeds.reference, classes.f1));
  t.match(
    run.finished.stderr,
    ` < ${classes.accuracy + 0.05}, 0.05 above ${classes.accuracy} of the trivial baseline`,
  );
  const review = JSON.parse((await work.cellrun('review', run.directory, '--json')).stdout);
  const reviewed = review.runs[0].gates.filter(({ over }: { over: string }) => over === 'last');
  t.same(
    reviewed.map(({ verdict, limit }: { verdict: string; limit: number }) => [verdict, limit]),
    [plain, by].map(({ verdict, limit }) => [verdict, limit]),
    'a review judges alike',
  );
});

t.test('which values beat a trivial baseline', t => {
  const baselines = {
    test: { majority: { accuracy: 0.75 }, previous: { accuracy: 0.5, loss: 2, token_error_rate: 0 } },
  };
  const judged = (metric: string, value: number, by?: number) => {
    const gate = {
      metric,
      over: 'last',
      beats: 'trivial',
      origin: 'x',
      ...(by !== undefined && { by }),
    } as const;
    const [, name] = metric.split('.');
    const measured = {
      metrics: { train: {}, test: { [name]: value } },
      baselines,
      ms_per_step: null,
      step_ratio: null,
      peak_rss_mb: 1,
    };
    return judgeRun([gate], measured, () => undefined)[0];
  };
  const verdict = (...args: Parameters<typeof judged>) => judged(...args).verdict;
  t.equal(verdict('test.accuracy', 0.75), 'failed', 'as good is not better');
  t.equal(verdict('test.accuracy', 0.76), 'passed');
  t.equal(verdict('test.accuracy', 0.875, 0.125), 'passed', 'at least by so much');
  t.equal(verdict('test.accuracy', 0.87, 0.125), 'failed');
  t.equal(verdict('test.loss', 1.9), 'passed', 'the smaller, the better');
  t.equal(verdict('test.loss', 1.9, 0.2), 'failed');
  t.equal(verdict('test.f1', 1), 'inconclusive');
  t.equal(verdict('test.accuracy', 1, 0.5), 'passed', 'nothing is better');
  t.equal(
    gateSentence(judged('test.accuracy', 0.99, 0.5)),
    'Gate test.accuracy failed: 0.99 < 1, the best possible value, since the trivial baseline has 0.75 (x).',
  );
  t.equal(verdict('test.token_error_rate', 0), 'passed', 'a perfect baseline is reached');
  t.equal(verdict('test.token_error_rate', 0.01), 'failed');
  const warned = (name: string) =>
    baselineWarnings({
      status: 'completed',
      metrics: { train: {}, test: { mean_absolute_error: 2 } },
      baselines: { test: { [name]: { mean_absolute_error: 1 } } },
    }).join();
  t.match(
    warned('seasonal_naive'),
    /no better than .* \(seasonal_naive\); try `dataset\.relative_to: season` if/,
  );
  t.match(warned('last_value'), /\(last_value\); try `dataset\.relative_to: last_value` if/);
  t.match(warned('mean'), /\(mean\)$/);
  const wrong = (gate: object, dataset: object = { kind: 'npz', path: 'a.npz' }) => {
    const config = work.config({ ...CONFIG, dataset, gates: [gate] });
    try {
      loadExperiment(config);
    } catch (error) {
      return String(error);
    }
    return 'valid';
  };
  t.match(
    wrong({ metric: 'test.accuracy', beats: 'trivial', min: 0.5 }),
    'these keys of a gate do not belong together',
  );
  t.match(wrong({ metric: 'test.accuracy', min: 0.5, by: 0.1 }), 'do not belong together');
  const validated = { metric: 'validation.accuracy', min: 0.5 };
  t.match(wrong(validated), 'validation.accuracy is not measured without a validation split');
  const misplaced = { kind: 'npy', x: 'x.npy', y: 'y.npy', path: 'a.npy', validation: { fraction: 0.1 } };
  const told = wrong(validated, misplaced);
  t.match(told, 'unknown key `path`');
  t.notMatch(told, 'without a validation split', 'what an invalid dataset lacks is unknown');
  t.match(wrong({ metric: 'train.loss', beats: 'trivial' }), 'trivial baselines do not have train.loss');
  t.equal(wrong({ metric: 'test.accuracy', beats: 'trivial', by: 0 }), 'valid');
  t.end();
});

t.test("a gate over seeds requires more than the mean of its runs' trivial baselines", async t => {
  // 9 sequences of class 0 and 6 of class 1: each seed draws a test split with another mix
  const rows = Array.from({ length: 15 }, (_, i) => `${i},0.5,${i % 5 < 3 ? 'a' : 'b'}`);
  const path = work.file('drawn.csv', ['id,x,label', ...rows, ''].join('\n'));
  const data = {
    kind: 'csv',
    path,
    features: ['x'],
    target: 'label',
    target_kind: 'class',
    sequence: { group: 'id' },
    test: { fraction: 0.4, select: 'random' },
  };
  const gates = [{ metric: 'test.accuracy', beats: 'trivial', over: 'seeds' }];
  const directories: string[] = [];
  const own: number[] = [];
  for (const seed of [0, 1, 2]) {
    const { directory, finished } = await work.train({ ...CONFIG, dataset: data, gates, seed });
    directories.push(directory);
    own.push(JSON.parse(finished.stdout).baselines.test.majority.accuracy);
  }
  t.ok(new Set(own).size > 1, 'the splits differ');
  const mean = own.reduce((sum, value) => sum + value, 0) / own.length;
  const verdictOf = async (...order: number[]) => {
    const paths = order.map(at => directories[at]);
    const { stdout } = await work.cellrun('review', ...paths, '--json');
    // each run's config has another location of the gate
    const { origin: _, ...told } = JSON.parse(stdout).groups[0].gates[0];
    return told;
  };
  const forward = await verdictOf(0, 1, 2);
  t.ok(near(forward.reference, mean), 'the mean of all');
  t.same(await verdictOf(2, 1, 0), forward);
  t.same(await verdictOf(1, 0, 2), forward);
});
