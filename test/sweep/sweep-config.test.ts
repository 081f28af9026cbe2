/** Sweep files: plans, and every complaint at its place. */
import { createHash } from 'node:crypto';
import '../support/quick.js';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { loadExperiment } from '../../src/config/index.js';
import { loadSweep } from '../../src/sweep/config/load.js';
import { overridesOf } from '../../src/sweep/directory.js';
import { packageRoot } from '../../src/util/root.js';
import { rejection } from '../support/failure.js';
import { BASE, GRID, printed, sweepFolder, sweepText } from '../support/sweep-texts.js';

process.chdir(packageRoot);
const scratch = t.testdir({});

const { write, load, told } = sweepFolder(scratch);

function fixture<T>(name: string): [string, T][] {
  return Object.entries(parse(readFileSync(join(packageRoot, 'test/fixtures/sweeps', name), 'utf8')));
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

t.test('a plan has all defaults filled in', async t => {
  const { plan, points, givenYaml, bases } = load(GRID);
  t.same(plan, {
    name: 'tried',
    seed: 0,
    seeds: [0],
    space: {
      parameters: [
        {
          keys: ['model.hidden_size'],
          name: 'model.hidden_size',
          distribution: { kind: 'choice', values: [4, 8] },
        },
      ],
      exclude: [],
    },
    method: { kind: 'grid' },
    pruner: { kind: 'none' },
    objective: { metric: 'test.accuracy', goal: 'maximize' },
    budget: { trials: null, seconds: null, target: null },
    epochs: 4,
    parallel: 1,
    trial_timeout: null,
    retries: 1,
    on_trial_error: 'continue',
    bases: [{ name: 'base.yaml', file: join(scratch, 'base.yaml'), sha256: digestOf(bases[0].yaml) }],
  });
  t.same(points, [{ 'model.hidden_size': 4 }, { 'model.hidden_size': 8 }]);
  t.equal(givenYaml, sweepText(GRID));
});

t.test('a plan contains everything in the sweep file', async t => {
  const { plan } = load(`
description: all of it
method: { kind: tpe, n_startup_trials: 3 }
seed: 7
seeds: [1, 2]
pruner: { kind: asha, min_epochs: 2, reduction_factor: 2 }
budget: { trials: 12, time: 1.5h, target: 0.9 }
parallel: 3
trial_timeout: 90
retries: 0
on_trial_error: stop
exclude:
  - { model.num_layers: 2, optimizer.kind: sgd }
parameters:
  optimizer.momentum: { kind: uniform, low: 0, high: 0.9, when: { optimizer.kind: sgd } }
  optimizer.kind: { kind: choice, values: [sgd, adam] }
  optimizer.learning_rate: { kind: log_uniform, low: 1e-4, high: 0.1 }
  model.hidden_size: { kind: log_int, low: 2, high: 9 }
  model.num_layers: { kind: int, low: 1, high: 2 }
  training.gradient_clip_norm: [null, 1]
  training.batch_size, training.last_batch: { kind: paired, values: [[5, train], [20, drop]] }
  optimizer.betas: { kind: choice, values: [[0.9, 0.99], [0.8, 0.9]], when: { optimizer.kind: [adam] } }
`);
  t.same(plan.method, { kind: 'tpe', n_startup_trials: 3, n_ei_candidates: 24 });
  t.same(plan.pruner, { kind: 'asha', min_epochs: 2, reduction_factor: 2 });
  t.same(plan.budget, { trials: 12, seconds: 5400, target: 0.9 });
  const { seed, seeds, parallel, trial_timeout, retries, on_trial_error } = plan;
  t.same(
    { seed, seeds, parallel, trial_timeout, retries, on_trial_error },
    {
      seed: 7,
      seeds: [1, 2],
      parallel: 3,
      trial_timeout: 90,
      retries: 0,
      on_trial_error: 'stop',
    },
  );
  t.same(plan.space.exclude, [{ 'model.num_layers': 2, 'optimizer.kind': 'sgd' }]);
  t.same(
    plan.space.parameters.map(({ name, distribution, condition }) => [name, distribution, condition]),
    [
      ['optimizer.kind', { kind: 'choice', values: ['sgd', 'adam'] }, undefined],
      [
        'optimizer.momentum',
        { kind: 'uniform', low: 0, high: 0.9 },
        { name: 'optimizer.kind', values: ['sgd'] },
      ],
      ['optimizer.learning_rate', { kind: 'log_uniform', low: 1e-4, high: 0.1 }, undefined],
      ['model.hidden_size', { kind: 'log_int', low: 2, high: 9, step: 1 }, undefined],
      ['model.num_layers', { kind: 'int', low: 1, high: 2, step: 1 }, undefined],
      ['training.gradient_clip_norm', { kind: 'choice', values: [null, 1] }, undefined],
      [
        'training.batch_size,training.last_batch',
        {
          kind: 'choice',
          values: [
            [5, 'train'],
            [20, 'drop'],
          ],
        },
        undefined,
      ],
      [
        'optimizer.betas',
        {
          kind: 'choice',
          values: [
            [0.9, 0.99],
            [0.8, 0.9],
          ],
        },
        { name: 'optimizer.kind', values: ['adam'] },
      ],
    ],
    'a parameter comes after the one that its condition names, the others as they are written',
  );
  t.same(plan.space.parameters[6].keys, ['training.batch_size', 'training.last_batch']);
});

interface Broken {
  /** The lines after the fourth. */
  readonly sweep: string;
  readonly reported: readonly string[];
  /** A pattern. */
  readonly message?: string;
}

t.test('broken sweeps: every problem is reported at its position', async t => {
  const file = join(scratch, 'broken.yaml');
  for (const [name, { sweep, reported, message }] of fixture<Broken>('broken.yaml')) {
    write('broken.yaml', sweepText(sweep));
    const error = await rejection(() => loadSweep(file));
    t.equal(error.exitCode, 2, name);
    t.same(told(error, file), reported, `${name}: ${printed(error)}`);
    if (message !== undefined) t.match(printed(error), new RegExp(message, 'm'), name);
  }
});

interface Staged extends Pick<Broken, 'sweep'> {
  /** What each stage reports, and the edits that mend it. */
  readonly stages: readonly (Pick<Broken, 'reported'> & {
    readonly fixes: Readonly<Record<string, string>>;
  })[];
}

t.test('broken sweeps: checking stops after the first stage with errors', async t => {
  const file = join(scratch, 'staged.yaml');
  for (const [name, { sweep, stages }] of fixture<Staged>('staged.yaml')) {
    let text = sweep;
    for (const { reported, fixes } of stages) {
      write('staged.yaml', sweepText(text));
      const error = await rejection(() => loadSweep(file));
      t.same(told(error, file).toSorted(), reported.toSorted(), `${name}: ${printed(error)}`);
      for (const [from, to] of Object.entries(fixes)) text = text.replace(from, to);
    }
    write('staged.yaml', sweepText(text));
    t.doesNotThrow(() => loadSweep(file), name);
  }
  write(
    'staged.yaml',
    'version: 1\nname: tried\nbase: absent.yaml\nmethod: grid\nparameters: { model.hidden_siz: [1] }\n',
  );
  const without = await rejection(() => loadSweep(file));
  t.same(told(without, file), ['config/missing-file 3:7', 'config/unknown-key 5:15']);
});

t.test('the objective must be a reported metric with the right goal', async t => {
  const attempt = (objective: string) =>
    rejection(() => loadSweep(write('objective.yaml', sweepText(GRID, `objective: ${objective}`))));
  const file = join(scratch, 'objective.yaml');
  const absent = await attempt('{ metric: test.mean_absolute_error, goal: minimize }');
  t.same(told(absent, file), ['sweep/metric 4:22']);
  t.match(printed(absent), /do not measure test\.mean_absolute_error$/m, 'of no point in particular');
  const asked = 'objective: { metric: test.f1, goal: maximize }';
  const path = write('objective.yaml', sweepText(GRID, asked));
  for (const [set, metrics] of [
    [[], ['accuracy', 'f1']],
    [['training.metrics=[recall]'], ['recall', 'accuracy', 'f1']],
    [['training.metrics=[f1, auroc]'], ['f1', 'auroc']],
  ] as const) {
    const { plan, bases, configAt, points } = loadSweep(path, { set: [...set] });
    t.equal(plan.objective.metric, 'test.f1');
    t.same(
      configAt(points[0]).experiment.training.metrics,
      metrics,
      'measured beside what the checkpoint goes by',
    );
    t.same(parse(bases[0].yaml).training.metrics, metrics, 'and frozen so');
  }
  const gated = loadSweep(path, { set: ['gates=[{ metric: test.f1, min: 0.1 }]'] });
  t.equal(parse(gated.bases[0].yaml).training.metrics, undefined, 'a gate has it measured already');
  const varied = 'method: grid\nparameters:\n  training.metrics: [[accuracy], [f1]]';
  const unmeasured = await rejection(() => loadSweep(write('objective.yaml', sweepText(varied, asked))));
  t.match(
    printed(unmeasured),
    /do not measure test\.f1; at training\.metrics=\["accuracy"\]$/m,
    'a sweep that varies the metrics must vary them so',
  );
  t.same(told(await attempt('{ metric: test.loss, goal: maximize }'), file), ['sweep/goal 4:39']);
  t.same(told(await attempt('{ metric: test.loss }'), file), ['config/missing-key 4:1']);
  t.same(told(await attempt('test.loss'), file), ['config/type 4:12']);
});

t.test('warns of an objective on different splits', async t => {
  const warning = (split: string) => `trials are compared by ${split}.loss on different ${split} splits`;
  const warningsOf = (parameter: string, metric: string) => {
    const set = parameter.startsWith('dataset.validation') ? [] : ['dataset.validation={fraction: 0.25}'];
    const objective = `objective: { metric: ${metric}, goal: minimize }`;
    const text = sweepText(`method: grid\nparameters:\n  ${parameter}`, objective);
    return loadSweep(write('split.yaml', text), { set }).warnings.map(d => d.message);
  };
  const fraction = 'dataset.validation.fraction: [0.1, 0.2]';
  t.same(warningsOf(fraction, 'validation.loss'), [warning('validation')]);
  t.same(warningsOf(fraction, 'train.loss'), []);
  t.same(warningsOf(fraction, 'test.loss'), [], 'the test split is the same');
  t.same(warningsOf('model.hidden_size: [4, 8]', 'validation.loss'), []);

  const variant = (name: string, dataset: string) =>
    write(name, BASE.replace(/^dataset: \{(.*)\}$/m, `dataset: {$1, ${dataset} }`));
  const ofVariants = (metric: string) => {
    const text = sweepText('method: grid', `objective: { metric: ${metric}, goal: minimize }`);
    const path = write('variants.yaml', text.replace('base: base.yaml', 'variants: [a.yaml, b.yaml]'));
    return loadSweep(path).warnings.map(d => d.message);
  };
  variant('a.yaml', 'validation: { fraction: 0.25 }');
  variant('b.yaml', 'validation: { fraction: 0.5 }');
  t.same(ofVariants('validation.loss'), [warning('validation')]);
  t.same(ofVariants('test.loss'), []);
  t.same(ofVariants('train.loss'), []);
});

t.test('problems of a base are located in the base', async t => {
  const file = write('sweep.yaml', sweepText(GRID).replace('base.yaml', 'absent.yaml'));
  const absent = await rejection(() => loadSweep(file));
  t.same(told(absent, file), ['config/missing-file 3:7'], 'a missing one where it is asked for');
  write('wrong.yaml', BASE.replace('num_epochs: 4', 'num_epochs: four'));
  const wrong = await rejection(() =>
    loadSweep(write('sweep.yaml', sweepText(GRID).replace('base.yaml', 'wrong.yaml'))),
  );
  t.same(told(wrong, file), ['config/type 7:25 wrong.yaml']);
});

t.test('points keep defaults that depend on other keys', async t => {
  const { configAt, bases } = load(
    'method: grid\nparameters:\n  training.batch_size: [5, 20]\n  optimizer.kind: [sgd, adam]',
  );
  const { experiment } = configAt({ 'training.batch_size': 5, 'optimizer.kind': 'sgd' }, 3);
  t.equal(experiment.seed, 3);
  t.match(experiment.dataset, { seed: 3 }, 'synthetic data follow the seed');
  t.same(
    experiment.optimizer,
    {
      kind: 'sgd',
      learning_rate: 0.01,
      momentum: 0,
      nesterov: false,
      weight_decay: 0,
      weight_decay_on: 'all',
    },
    'of the other optimizer stays only what both know',
  );
  t.notMatch(bases[0].yaml, /final:/, 'also in the config that is kept');
  t.match(bases[0].yaml, /weight_decay: 0/, 'which has the other defaults');
});

t.test('paths are relative to the file that contains them', async t => {
  mkdirSync(join(scratch, 'deep'), { recursive: true });
  const sweep = `version: 1
name: paths
base: ../base.yaml
objective: { metric: test.accuracy, goal: maximize }
method: grid
parameters:
  model.init_from: { kind: choice, values: [w/a.safetensors, null], when: { dataset: { kind: mnist, path: d } } }
  dataset: [{ kind: mnist, path: d }, { kind: mnist, path: e }]
  model.head.from: [last]
exclude: [{ dataset: { kind: mnist, path: e }, model.head.from: every }]
`;
  const file = write('deep/paths.yaml', sweep);
  const error = await rejection(() => loadSweep(file));
  t.same(told(error, file), ['sweep/impossible-value 10:65'], 'the excluded dataset is known by its path');
  const { plan, configAt, points } = loadSweep(
    write('deep/paths.yaml', sweep.replace('head.from: every', 'head.from: last')),
  );
  const [dataset, weights] = plan.space.parameters;
  const absolute = (name: string) => join(scratch, 'deep', name);
  t.same(dataset.distribution, {
    kind: 'choice',
    values: [
      { kind: 'mnist', path: absolute('d') },
      { kind: 'mnist', path: absolute('e') },
    ],
  });
  t.same(weights.distribution, { kind: 'choice', values: [absolute('w/a.safetensors'), null] });
  t.equal(points.length, 2, 'two values of init_from for one dataset, and the other is excluded');
  t.match(configAt(points[0]).experiment, {
    dataset: { path: absolute('d') },
    model: { init_from: absolute('w/a.safetensors') },
  });
  t.notOk('init_from' in configAt(points[1]).experiment.model, 'null leaves out what the base does not have');
});

t.test('the arguments of a trial give the config that was checked', async () => {
  const names = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
    .filter(text => !/\p{Cc}|\uFEFF/u.test(text));
  // what float32 takes for 0 is refused
  const share = fc.double({ min: 0, max: 0.999, noNaN: true }).map(value => (value < 1e-30 ? 0 : value));
  const space = fc.record({
    target: fc.uniqueArray(
      fc.oneof(names, fc.constantFrom('null', 'true', '1e3', '"q"', "'", 'a: b', '#', ' x ')),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    rate: fc.uniqueArray(fc.double({ min: 1e-30, max: 1000, noNaN: true }), { minLength: 1, maxLength: 3 }),
    betas: fc.array(fc.tuple(share, share), {
      minLength: 1,
      maxLength: 1,
    }),
    seed: fc.nat(1e6),
  });
  const base = `version: 1
name: base
dataset: { kind: csv, path: x.csv, test_fraction: 0.5, features: [a], target: b, target_kind: class }
model: { cell: lstm, hidden_size: 8 }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 1, batch_size: 1 }
`;
  write('csv.yaml', base);
  fc.assert(
    fc.property(space, ({ target, rate, betas, seed }) => {
      const kept = target.filter(name => name !== 'a');
      if (kept.length === 0) return;
      const text = stringify({
        version: 1,
        name: 'trial',
        base: 'csv.yaml',
        method: 'grid',
        objective: { metric: 'test.loss', goal: 'minimize' },
        parameters: { 'dataset.target': kept, 'optimizer.learning_rate': rate, 'optimizer.betas': betas },
      });
      const { plan, bases, points, configAt } = loadSweep(write('trial.yaml', text));
      const frozen = write('frozen.yaml', bases[0].yaml);
      for (const point of points) {
        const set = [...overridesOf(plan, point), `seed=${seed}`];
        const run = loadExperiment(frozen, { set }).resolvedYaml;
        if (run !== configAt(point, seed).resolvedYaml) throw new Error(`${set.join(' ')} leads elsewhere`);
      }
    }),
    { numRuns: 30, seed: 20261124 },
  );
});
