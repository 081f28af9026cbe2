/**
 * Runs with a validation split: selection, when each split is read, early stopping, and that a
 * resumed run makes the same decisions.
 */
import { cpSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { earlyStop, type Measurement, MetricHistory } from '../../src/train/plan.js';
import { compareRuns } from '../../src/verify/resume.js';
import { buildRunReport } from '../../src/view/run-report.js';
import { floats, integers, type LogLine, npz, onlyIn, readLog } from '../support/cli.js';
import { resume, stopAt, train } from '../support/runs.js';
import { work } from '../support/work.js';

/** Six batches per epoch. */
const config = {
  dataset: {
    kind: 'synthetic',
    problem: 'adding',
    sequence_length: 4,
    train_size: 64,
    test_size: 12,
    validation: { count: 16 },
  },
  model: { cell: 'gru', hidden_size: 3, head: { from: 'last' } },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.02 },
  training: { num_epochs: 3, batch_size: 8, log_every: 1 },
  checkpoint: { keep: { last: 100, best: 1 } },
};

/** A learning rate so large that the loss soon gets worse. */
const stopping = {
  ...config,
  name: 'stopping',
  optimizer: { kind: 'adam', learning_rate: 0.2 },
  training: {
    ...config.training,
    num_epochs: 40,
    eval_batch_size: 7,
    evaluate_every: { steps: 4 },
    early_stopping: { patience: 3 },
  },
};

const evaluations = (log: readonly LogLine[], split: string) =>
  log.filter(line => line.event === 'eval' && line.split === split);

const history = (...values: number[]): Measurement[] =>
  values.map((value, index) => ({ update: 10 * (index + 1), value }));

t.test('patience counts consecutive evaluations without improvement', async t => {
  const loss = { metric: 'validation.loss', min_delta: 0, patience: 0 } as const;
  const cases = [
    [history(3, 2, 2, 2.5), loss, 2, 2],
    [history(3, 2, 2.5, 1), loss, 1, 0],
    [history(0.5, 0.75, 0.625), { ...loss, metric: 'test.accuracy' as const }, 0.75, 1],
    // an improvement of exactly min_delta does not count, but small ones add up
    [history(3, 2.75, 2.5), { ...loss, min_delta: 0.25 }, 2.5, 0],
    [history(Number.NaN, 3, Number.NaN, Number.POSITIVE_INFINITY), loss, 3, 2],
  ] as const;
  for (const [values, settings, best, patience] of cases)
    t.match(earlyStop(values, settings), { best, patience });
  const settings = { ...loss, patience: 2 };
  t.equal(earlyStop(history(1, 2), settings), undefined);
  t.same(earlyStop(history(1, 2, 3), settings), { metric: settings.metric, value: 3, best: 1, patience: 2 });
  t.match(earlyStop(history(Number.NaN, Number.NaN), settings), { best: Number.NaN }, 'never finite');
});

t.test('a history survives its checkpoint', async t => {
  const made = new MetricHistory(['validation.loss']);
  t.same(made.saved, {}, 'nothing to save before the first evaluation');
  made.add(4, () => 0.5);
  made.add(8, () => Number.NaN);
  made.add(12, () => undefined);
  const restored = new MetricHistory(['validation.loss', 'validation.accuracy']);
  restored.restore(JSON.parse(JSON.stringify(made.saved)));
  t.same(restored.of('validation.loss'), [
    { update: 4, value: 0.5 },
    { update: 8, value: Number.NaN },
    { update: 12, value: Number.NaN },
  ]);
  t.same(restored.of('validation.accuracy'), []);
});

t.test('selects by the validation split, and reads the test split once, at the end', async t => {
  const { summary } = await train(work, config);
  const log = readLog(summary.directory);
  t.match(
    log.find(({ event }) => event === 'data.ready'),
    {
      train_count: 48,
      validation_count: 16,
      test_count: 12,
    },
  );
  t.same(
    evaluations(log, 'validation').map(({ step, samples }) => [step, samples]),
    [
      [6, 16],
      [12, 16],
      [18, 16],
    ],
  );
  t.same(
    evaluations(log, 'test').map(({ step, samples }) => [step, samples]),
    [[18, 12]],
  );
  t.equal(summary.best?.metric, 'validation.loss');
  const losses = evaluations(log, 'validation').map(({ loss }) => Number(loss));
  t.equal(summary.best?.value, Math.min(...losses));
  t.equal(summary.metrics.validation?.loss, losses.at(-1));
  t.equal(summary.metrics.test.loss, evaluations(log, 'test')[0].loss);
  t.match(evaluationOf(summary.directory), { split: 'test', step: 18, predictions: 12 });
});

t.test('evaluations within an epoch are in addition to those after it', async t => {
  const { summary } = await train(work, {
    ...config,
    training: { ...config.training, evaluate_every: { steps: 4 } },
  });
  const log = readLog(summary.directory);
  t.same(
    evaluations(log, 'validation').map(({ step }) => step),
    [4, 6, 8, 12, 16, 18],
  );
  t.same(
    log.filter(({ event }) => event === 'train.epoch').map(({ step, samples }) => [step, samples]),
    [
      [6, 48],
      [12, 48],
      [18, 48],
    ],
    'the mean of an epoch is not cut by them',
  );
});

t.test('training stops early, and the final metrics are those of the best weights', async t => {
  const { summary } = await train(work, stopping);
  const log = readLog(summary.directory);
  const validation = evaluations(log, 'validation').map(({ step, loss }) => ({
    step: Number(step),
    loss: Number(loss),
  }));
  const last = validation.at(-1);
  const best = validation.reduce((a, b) => (b.loss < a.loss ? b : a));
  t.equal(summary.status, 'completed');
  t.ok(summary.steps < 240, 'before the last step');
  t.equal(validation.length - 1 - validation.indexOf(best), 3, 'three evaluations did not improve');
  t.match(summary, {
    steps: last?.step,
    stopped_early: { metric: 'validation.loss', patience: 3, best: best.loss },
    restored: { step: best.step },
    best: { step: best.step, value: best.loss },
    metrics: { validation: { loss: best.loss } },
  });
  t.match(
    log.filter(({ event }) => event === 'early_stop'),
    [{ step: last?.step, metric: 'validation.loss', value: last?.loss, best: best.loss, patience: 3 }],
  );
  t.match(evaluations(log, 'test'), [{ step: last?.step, restored_step: best.step }]);
  const evaluated = await work.cellrun('evaluate', summary.directory, '--json');
  t.match(JSON.parse(evaluated.stdout), { step: best.step, metrics: { test: summary.metrics.test } });
  const kept = await work.cellrun('evaluate', summary.directory, '--json', '--checkpoint', 'last');
  t.match(JSON.parse(kept.stdout), { step: last?.step });
});

t.test('an early stop is reported, and its last step is in the log', async t => {
  const output = work.folder();
  const config = { ...stopping, training: { ...stopping.training, log_every: 1000 } };
  const flags = ['--output', output, '--backend', 'webasm'];
  const run = await work.cellrun('run', work.config(config), ...flags);
  const directory = onlyIn(output, config.name);
  const { steps, restored } = summaryOf(directory);
  t.match(
    run.stdout,
    new RegExp(
      `with the weights of step ${restored.step} \\(best validation loss [\\d.]+\\), after ${steps} steps`,
    ),
  );
  t.match(
    run.stderr,
    /stopped early after epoch \d+, step \d+: validation.loss did not improve on [\d.]+ in 3 evaluations/,
  );
  const logged = readLog(directory).filter(({ event }) => event === 'train.step');
  t.equal(logged.at(-1)?.step, steps);
  const report = buildRunReport(directory);
  t.notOk('test.restored_step' in report.curves);
  t.match(
    report.ending,
    /training stopped early: validation.loss no longer improved; the weights are those of step \d+ \(best validation loss/,
  );
  t.match((await work.cellrun('review', directory)).stdout, report.ending ?? '');
  const other = await work.cellrun('resume', directory, '--set', 'dataset.validation.count=8');
  t.equal(other.code, 2);
  t.match(other.stderr, /its best checkpoint was selected on this validation split/);
});

t.test('a metric without a value on the split has no effect, with one warning', async t => {
  const { y, ...rest } = {
    x: floats([12, 2, 1], i => i / 24),
    y: integers([12], i => i % 2),
  };
  const path = work.file('one.npz', npz({ ...rest, y, x_test: rest.x, y_test: y }));
  const { summary } = await train(work, {
    ...config,
    dataset: { kind: 'npz', path, validation: { count: 1 } },
    loss: { kind: 'cross_entropy' },
    training: { ...config.training, early_stopping: { metric: 'validation.auroc', patience: 9 } },
  });
  const told = readLog(summary.directory).filter(({ code }) => code === 'eval/undefined');
  t.match(told, [
    { message: 'validation.auroc has no value on this split, so it cannot select a checkpoint' },
  ]);
  t.equal(told.length, 1);
});

t.test('`final: last` keeps the weights of the last step, also after an early stop', async t => {
  const { summary } = await train(work, { ...stopping, checkpoint: { final: 'last' } });
  t.equal(summary.restored, undefined);
  t.ok(summary.stopped_early);
  const log = readLog(summary.directory);
  t.equal(summary.metrics.validation?.loss, evaluations(log, 'validation').at(-1)?.loss);
});

/** Without early stopping; the best evaluation is not the last one. */
const worsening = {
  ...stopping,
  name: 'worsening',
  training: { ...stopping.training, num_epochs: 5, early_stopping: undefined },
};

t.test('a run with a validation split ends with its best checkpoint', async t => {
  const { summary } = await train(work, worsening);
  const { directory } = summary;
  const log = readLog(directory);
  const losses = evaluations(log, 'validation').map(({ step, loss }) => ({ step, loss: Number(loss) }));
  const best = losses.reduce((a, b) => (b.loss < a.loss ? b : a));
  t.not(best.step, 30, 'the last step is worse');
  t.match(summary, {
    steps: 30,
    restored: { step: best.step },
    metrics: { validation: { loss: best.loss } },
  });
  t.match(evaluations(log, 'test'), [{ step: 30, restored_step: best.step }]);
  for (const checkpoint of [[], ['--checkpoint', 'best']]) {
    const { stdout } = await work.cellrun('evaluate', directory, '--json', ...checkpoint);
    t.match(JSON.parse(stdout), { step: best.step, metrics: { test: summary.metrics.test } });
  }
  const predicted = (await work.cellrun('predict', directory)).stdout.trim().split('\n');
  const errors = predicted.map(line => {
    const {
      predicted: [value],
      target: [target],
    } = JSON.parse(line);
    return (value - target) ** 2;
  });
  const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
  t.ok(Math.abs(mean - (summary.metrics.test.loss ?? 0)) < 1e-5, 'predictions are those of the metrics');
  const last = await train(work, { ...worsening, checkpoint: { final: 'last' } });
  t.equal(last.summary.restored, undefined);
  t.equal(last.summary.metrics.validation?.loss, losses.at(-1)?.loss);
  t.not(last.summary.metrics.test.loss, summary.metrics.test.loss);
});

t.test('a resume may change `checkpoint.final`, and continues from the last step', async t => {
  const made = await train(work, worsening);
  const { directory } = made.summary;
  const kept = await resume(directory, { set: ['checkpoint.final=last'] });
  const last = await train(work, { ...worsening, checkpoint: { final: 'last' } });
  t.same(kept.summary.metrics, last.summary.metrics);
  t.equal(kept.summary.restored, undefined);
  const best = await resume(directory, { set: ['checkpoint.final=best'] });
  t.same(best.summary.metrics, made.summary.metrics);
  const longer = await resume(directory, { set: ['training.num_epochs=6'] });
  const straight = await train(work, { ...worsening, training: { ...worsening.training, num_epochs: 6 } });
  t.same(longer.summary.metrics, straight.summary.metrics);
  t.same(longer.summary.restored, straight.summary.restored);
  const refused = await work.cellrun('resume', directory, '--set', 'training.evaluate_every.steps=1');
  t.match(refused, { code: 2, stderr: /the run ends with the best of its evaluations/ });
});

/** The best checkpoint is selected on the test split, which is evaluated once more at the end. */
const endsOnTest = {
  ...worsening,
  name: 'ends-on-test',
  dataset: { ...config.dataset, validation: undefined },
  optimizer: { kind: 'adam', learning_rate: 0.5 },
  training: { ...worsening.training, max_steps: 30 },
  checkpoint: { final: 'best' },
};

const CRASHES = [
  { config: stopping, from: 0 },
  { config: worsening, from: 28 },
  { config: endsOnTest, from: 28 },
];

for (const { config, from } of CRASHES)
  t.test(`${config.name}: byte-identical with the same end after a crash or a stop anywhere`, async t => {
    const output = work.folder();
    const crashes = new Map<string, string>();
    const copyAs = (name: string) => {
      if (steps < from) return;
      const copy = join(work.folder(), 'copy');
      cpSync(onlyIn(output, config.name), copy, { recursive: true });
      // a crashed process would not be alive
      rmSync(join(copy, 'run.lock'));
      crashes.set(name, copy);
    };
    let steps = 0;
    const straight = await train(work, config, {
      output,
      observer: {
        step: ({ step }) => {
          steps = step;
          copyAs(`step ${step}`);
        },
        evaluating: ({ done, total }) => done < total && copyAs(`evaluation after step ${steps}`),
        evaluated: () => copyAs(`evaluated after step ${steps}`),
      },
    });
    t.ok(crashes.has(`evaluation after step ${straight.summary.steps}`));
    t.ok(straight.summary.restored, 'the last step is not the best');
    for (const [where, copy] of crashes) {
      if (crashes.size > 24 && /[13579]$/.test(where) && !where.endsWith(String(straight.summary.steps)))
        continue;
      const resumed = await resume(copy);
      const { steps, stopped_early, restored } = straight.summary;
      t.match(resumed.summary, { steps, stopped_early, restored }, where);
      t.same(compareRuns(straight.summary.directory, copy), [], where);
    }
    const { signal, observer } = stopAt(straight.summary.steps - 3);
    const stopped = await train(work, config, { signal, observer });
    t.match(stopped.summary, { status: 'interrupted' });
    t.equal((await resume(stopped.summary.directory)).summary.status, 'completed');
    t.same(compareRuns(straight.summary.directory, stopped.summary.directory), []);
  });

t.test('a longer run reads the test split again only at its new end', async t => {
  const short = await train(work, config);
  const longer = await resume(short.summary.directory, { set: ['training.num_epochs=4'] });
  const log = readLog(longer.summary.directory);
  t.same(
    evaluations(log, 'test').map(({ step }) => step),
    [24],
  );
  const straight = await train(work, { ...config, training: { ...config.training, num_epochs: 4 } });
  t.same(longer.summary.metrics, straight.summary.metrics);
});

/** Uses the test split to select its best checkpoint, a gate's value and its end. */
const onTest = {
  ...stopping,
  name: 'on-test',
  dataset: { ...config.dataset, validation: undefined },
  training: { ...stopping.training, early_stopping: { metric: 'test.loss', patience: 3 } },
  checkpoint: { metric: 'test.loss' },
  gates: [{ metric: 'test.loss', over: 'best', max: 10 }],
};

t.test('results selected by the test split are called optimistic everywhere', async t => {
  const words = 'selected on the test split: this value is optimistic';
  const validated = await work.cellrun('validate', work.config(onTest));
  t.equal(validated.code, 0);
  const places = validated.stderr.split('\n').filter(line => line.includes(words));
  t.match(places, [/the end of training is/, /the best checkpoint is/, /the value of a gate.* is/]);
  const quiet = await work.cellrun('validate', work.config(config));
  t.equal(quiet.stderr, '');

  const output = work.folder();
  const flags = ['--output', output, '--backend', 'webasm'];
  const run = await work.cellrun('run', work.config(onTest), ...flags);
  const closing = run.stderr.split('\n').filter(line => line.includes(words));
  t.match(closing, [
    /^warning: the end of training is selected/,
    /^warning: the best checkpoint \(step \d+, test.loss [\d.]+\) is selected/,
    /^warning: the value of a gate, the best test.loss is selected/,
  ]);
  const directory = onlyIn(output, onTest.name);
  for (const format of ['text', 'markdown', 'json', 'junit', 'github']) {
    const { stdout } = await work.cellrun('review', directory, '--format', format);
    t.equal(stdout.split(words).length - 1 >= 3, true, format);
  }
  t.match(buildRunReport(directory).cautions, { length: 3 });

  const clean = await train(work, { ...config, gates: [{ metric: 'test.loss', max: 10 }] });
  t.equal(clean.summary.selected_on_test, undefined);
  const last = await train(work, { ...onTest, training: { ...config.training, num_epochs: 1 }, gates: [] });
  t.equal(last.summary.selected_on_test, undefined, 'there was nothing to select from');
});

t.test('refuses metrics that a config cannot select by', async t => {
  const problems = async (changes: object) => {
    const { code, stderr } = await work.cellrun('validate', work.config({ ...stopping, ...changes }));
    return `${code} ${stderr}`;
  };
  const { training } = stopping;
  const withStopping = (settings: object) => ({
    training: { ...training, early_stopping: { ...training.early_stopping, ...settings } },
  });
  t.match(
    await problems(withStopping({ metric: 'test.loss' })),
    /^2[\s\S]*test.loss is not measured during training.*\n[\s\S]*did you mean validation.loss\?/,
  );
  t.match(
    await problems({ gates: [{ metric: 'test.loss', over: 'best', max: 1 }] }),
    /^2[\s\S]*test.loss is not measured during training/,
  );
  t.match(
    await problems({
      dataset: { ...config.dataset, validation: undefined },
      ...withStopping({ metric: 'validation.loss' }),
    }),
    /^2[\s\S]*validation.loss is not measured without a validation split\n/,
  );
  t.match(
    await problems({ checkpoint: { keep: { best: 0 }, final: 'best' } }),
    /^2[\s\S]*`final: best` needs a best checkpoint, but `keep.best` is 0/,
  );
  t.match(await problems({ checkpoint: { keep: { best: 0 } } }), /^0/, 'it ends with the last step');
  t.match(
    await problems(withStopping({ restore_best: false })),
    /^2[\s\S]*unknown key `restore_best`[\s\S]*did you mean checkpoint\.final\?/,
  );
});

t.test('evaluate and predict read any existing split', async t => {
  const { summary } = await train(work, config);
  for (const split of ['validation', 'test'] as const) {
    const { stdout } = await work.cellrun('evaluate', summary.directory, '--json', '--split', split);
    t.match(JSON.parse(stdout).metrics, { [split]: summary.metrics[split] });
  }
  const lines = (await work.cellrun('predict', summary.directory, '--split', 'validation')).stdout;
  t.equal(lines.trim().split('\n').length, 16);
  const without = await train(work, { ...config, dataset: { ...config.dataset, validation: undefined } });
  const missing = await work.cellrun('evaluate', without.summary.directory, '--split', 'validation');
  t.equal(missing.code, 2);
  t.match(missing.stderr, /this run has no validation split/);
});

t.test('a paused run has the evaluation of its validation split, which a report shows', async t => {
  const { summary } = await train(work, config, { pauseAfterEpoch: 1 });
  t.match(evaluationOf(summary.directory), { split: 'validation' });
  const page = join(work.folder(), 'page.html');
  t.match(await work.cellrun('report', summary.directory, '-o', page), { code: 0, stderr: '' });
});

function summaryOf(directory: string) {
  return JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));
}

function evaluationOf(directory: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(directory, 'evaluation.json'), 'utf8'));
}
