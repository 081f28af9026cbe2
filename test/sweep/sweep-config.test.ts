/** Sweep files: plans, and every complaint at its place. */
import { createHash } from 'node:crypto';
import '../support/quick.js';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parse, stringify } from 'yaml';
import { loadExperiment } from '../../src/config/index.js';
import { loadSweep } from '../../src/sweep/config/index.js';
import { overridesOf } from '../../src/sweep/trial-runs.js';
import { packageRoot } from '../../src/util/root.js';
import { BASE, failure, GRID, printed, sweepFolder, sweepText } from '../support/sweep-texts.js';

process.chdir(packageRoot);
const scratch = t.testdir({});

const { write, load, told } = sweepFolder(scratch);

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

/** Lines after the fourth, and what is told of them. */
const BROKEN: Readonly<Record<string, readonly [lines: string, told: readonly string[], message?: RegExp]>> =
  {
    'no method': [
      'parameters: { model.hidden_size: [4] }',
      ['config/missing-key 1:1'],
      /`method`: grid \| random/,
    ],
    'a method that is none': [
      'method: gird\nparameters: { model.hidden_size: [4] }',
      ['config/choice 5:9'],
      /did you mean grid\?/,
    ],
    'a method of a kind that is none': [
      'method: { kind: tpa }\nparameters: { model.hidden_size: [4] }',
      ['config/unknown-kind 5:17'],
      /grid \| random \| sobol \| tpe[\s\S]*did you mean tpe\?/,
    ],
    'an option of another method': [
      'method: { kind: random, n_startup_trials: 3 }\nparameters: { model.hidden_size: [4] }',
      ['config/unknown-key 5:25'],
      /belongs to `kind: tpe`, but `kind` is random here/,
    ],
    'a key by another name': [
      'method: grid\nspace: { model.hidden_size: [4] }',
      ['config/unknown-key 6:1'],
      /did you mean parameters\?/,
    ],
    'a key that a config lacks': [
      'method: grid\nparameters:\n  model.hiden_size: [4]\n  lr: [1]',
      ['config/unknown-key 7:3', 'config/unknown-key 8:3'],
      /did you mean model\.hidden_size\?/,
    ],
    'values that the config may not have': [
      'method: grid\nparameters:\n  model.hidden_size: [4, x, 0]\n  optimizer.kind: [adam, sdg]',
      ['config/type 7:26', 'config/range 7:29', 'config/unknown-kind 8:26'],
      /an integer from 1 to 16384[\s\S]*did you mean sgd\?/,
    ],
    'bounds that the config may not have': [
      'method: random\nbudget: { trials: 3 }\nparameters:\n  optimizer.learning_rate: { kind: uniform, low: 0, high: 2000 }',
      ['config/range 8:50', 'config/range 8:59'],
    ],
    'real values for whole numbers': [
      'method: random\nbudget: { trials: 3 }\nparameters:\n  model.hidden_size: { kind: uniform, low: 1.5, high: 8 }',
      ['config/type 8:44'],
    ],
    'a key that only another choice has': [
      'method: grid\nparameters:\n  optimizer.momentum: [0.5]',
      ['config/unknown-key 7:3'],
      /belongs to `kind: sgd` or `kind: rmsprop`, but `kind` is adam here/,
    ],
    'a key without its condition': [
      'method: grid\nparameters:\n  optimizer.kind: [sgd, adam]\n  optimizer.momentum: [0.5, 0.9]',
      ['config/unknown-key 8:3'],
      /but `kind` is adam here; at optimizer\.kind=adam, optimizer\.momentum=0\.5 and 1 more point$/m,
    ],
    'a point that contradicts itself': [
      'method: grid\nparameters:\n  training.last_batch: [train, drop]\n  training.batch_size: [10, 50]',
      ['config/batch-size 8:29'],
      /leaves no batch; at training\.last_batch=drop, training\.batch_size=50$/m,
    ],
    'a distribution that is none': [
      'method: grid\nparameters:\n  model.hidden_size: { kind: loguniform, low: 1, high: 2 }',
      ['config/unknown-kind 7:30'],
      /choice \| uniform \| log_uniform \| int \| log_int \| paired[\s\S]*did you mean log_uniform\?/,
    ],
    'no kind': [
      'method: grid\nparameters:\n  model.hidden_size: { low: 1, high: 2 }',
      ['config/missing-key 7:3'],
      /`kind`: choice \| uniform/,
    ],
    'a single value': [
      'method: grid\nparameters:\n  model.hidden_size: 4',
      ['config/type 7:22'],
      /a list of values, or a mapping with `kind`/,
    ],
    'bounds in the wrong order, and the same': [
      'method: random\nbudget: { trials: 3 }\nparameters:\n  model.hidden_size: { kind: int, low: 9, high: 2 }\n  model.num_layers: { kind: int, low: 2, high: 2 }',
      ['sweep/bounds 8:49', 'sweep/bounds 9:48'],
    ],
    'a bound that no step reaches': [
      'method: grid\nparameters:\n  model.hidden_size: { kind: int, low: 16, high: 60, step: 16 }',
      ['sweep/bounds 7:50'],
      /did you mean 48\?/,
    ],
    'a logarithm of nothing': [
      'method: random\nbudget: { trials: 3 }\nparameters:\n  optimizer.learning_rate: { kind: log_uniform, low: 0, high: 1 }',
      ['config/range 8:54'],
    ],
    'keys that are not to be varied': [
      'method: grid\nparameters:\n  seed: [1]\n  training.num_epochs: [1]\n  checkpoint.keep.last: [2]\n  name: [a]',
      ['sweep/fixed-key 7:3', 'sweep/fixed-key 8:3', 'sweep/fixed-key 9:3', 'sweep/fixed-key 10:3'],
      /list the seeds of each point in `seeds`/,
    ],
    'two parameters for one key': [
      'method: grid\nparameters:\n  optimizer: [{ kind: sgd, learning_rate: 1 }]\n  optimizer.learning_rate: [0.1]',
      ['sweep/overlap 8:3'],
      /is also set on line 7 as `optimizer`/,
    ],
    'several keys without pairs, and pairs of one': [
      'method: grid\nparameters:\n  model.hidden_size,model.num_layers: [1, 2]\n  training.batch_size: { kind: paired, values: [[1, 2]] }',
      ['sweep/paired 7:3', 'sweep/paired 8:3'],
    ],
    'pairs of the wrong length': [
      'method: grid\nparameters:\n  model.hidden_size,model.num_layers: { kind: paired, values: [[1, 2], [1, 2, 3]] }',
      ['sweep/paired 7:72'],
      /a list of 2[\s\S]*got: a list of 3/,
    ],
    'a value of a pair that the config may not have': [
      'method: grid\nparameters:\n  model.hidden_size,model.num_layers: { kind: paired, values: [[1, 2], [1, x]] }',
      ['config/type 7:76'],
    ],
    'a condition on nothing': [
      'method: grid\nparameters:\n  optimizer.kind: [sgd]\n  optimizer.momentum: { kind: choice, values: [0.5], when: { optimizer.kid: sgd } }',
      ['sweep/unknown-parameter 8:62'],
      /did you mean optimizer\.kind\?/,
    ],
    'a condition that never holds': [
      'method: grid\nparameters:\n  optimizer.kind: [sgd, adam]\n  optimizer.momentum: { kind: choice, values: [0.5], when: { optimizer.kind: [sgd, sdg] } }',
      ['sweep/impossible-value 8:84'],
      /"sgd" \| "adam"[\s\S]*did you mean sgd\?/,
    ],
    'a condition on a real number': [
      'method: random\nbudget: { trials: 3 }\nparameters:\n  optimizer.learning_rate: { kind: uniform, low: 0.1, high: 1 }\n  model.hidden_size: { kind: choice, values: [2], when: { optimizer.learning_rate: 0.5 } }',
      ['sweep/impossible-value 9:84'],
    ],
    'conditions in a circle': [
      'method: grid\nparameters:\n  model.hidden_size: { kind: choice, values: [2], when: { model.num_layers: 1 } }\n  model.num_layers: { kind: choice, values: [1], when: { model.hidden_size: 2 } }',
      ['sweep/condition-cycle 7:3', 'sweep/condition-cycle 8:3'],
    ],
    'an exclusion of nothing': [
      'method: grid\nparameters: { model.hidden_size: [2, 4] }\nexclude:\n  - { model.hidden_size: 3 }\n  - { model.size: 2 }',
      ['sweep/impossible-value 8:26', 'sweep/unknown-parameter 9:7'],
    ],
    'an exclusion of everything': [
      'method: grid\nparameters: { model.hidden_size: [2] }\nexclude: [{ model.hidden_size: 2 }]',
      ['sweep/nothing-left 7:1'],
    ],
    'a grid without end': [
      'method: grid\nparameters:\n  optimizer.learning_rate: { kind: uniform, low: 0.1, high: 1 }',
      ['sweep/endless-grid 7:3'],
    ],
    'a grid that nobody would wait for': [
      'method: grid\nparameters:\n  model.hidden_size: { kind: int, low: 1, high: 1000 }\n  training.batch_size: { kind: int, low: 1, high: 1000 }',
      ['sweep/large-grid 6:1'],
      /the grid has 1,000,000 points/,
    ],
    'a search without end': [
      'method: random\nparameters: { model.hidden_size: [2, 4] }\nbudget: { target: 0.9 }',
      ['sweep/endless 7:1'],
    ],
    'an accuracy in percent': [
      `${GRID}budget: { target: 97 }`,
      ['sweep/target 7:19'],
      /never above 1[\s\S]*did you mean 0\.97\?/,
    ],
    'a time without a unit that is one': [
      `${GRID}budget: { time: 10 minutes }`,
      ['config/pattern 7:17'],
      /a duration such as 90s/,
    ],
    'a time that is over': [
      `${GRID}budget: { time: 0s }\ntrial_timeout: 0`,
      ['config/pattern 7:17', 'config/range 8:16'],
    ],
    'a pruner that never judges': [
      `${GRID}pruner: { kind: asha, min_epochs: 4 }`,
      ['sweep/pruner-epochs 7:35'],
      /starts after epoch 4, and the last epoch is 4/,
    ],
    'a pruner that waits too long': [
      `${GRID}pruner: { kind: median, n_warmup_epochs: 3 }`,
      ['sweep/pruner-epochs 7:42'],
    ],
    'a pruner where steps end a training': [
      'method: grid\nparameters: { training.max_steps: [3, 4] }\npruner: asha',
      ['sweep/pruner-steps 7:9'],
    ],
    'no seeds, the same twice': [`${GRID}seeds: [1, 1]`, ['config/repeated-item 7:8']],
    'nothing varies': ['method: grid', ['sweep/nothing-varies 1:1']],
    'both base and variants': [`${GRID}variants: [base.yaml]`, ['sweep/base 7:1']],
  };

t.test('broken sweeps: every problem is reported at its position', async t => {
  const file = join(scratch, 'broken.yaml');
  for (const [name, [lines, expected, message]] of Object.entries(BROKEN)) {
    write('broken.yaml', sweepText(lines));
    const error = await failure(() => loadSweep(file));
    t.equal(error.exitCode, 2, name);
    t.same(told(error, file), expected, `${name}: ${printed(error)}`);
    if (message !== undefined) t.match(printed(error), message, name);
  }
});

/** Sweeps with errors of several stages: what each stage reports, and the edits that fix it. */
const STAGED: Readonly<
  Record<string, readonly [lines: string, ...stages: readonly [told: readonly string[], ...fixes: Fix[]][]]>
> = {
  'schema, names, values and points': [
    `method: gird
pruner: { kind: asha, min_epochs: 9 }
budget: { trials: many }
parameters:
  model.hidden_size: 4
  model.num_layers: [1, 0]
  optimizer.learning_rat: [0.1]
  training.last_batch: [train, drop]
  training.batch_size: [10, 50]
exclude: [{ model.hidden_size: 3, training.batch_size: 10 }]`,
    [
      ['config/choice 5:9', 'config/type 7:19', 'config/type 9:22'],
      ['gird', 'grid'],
      ['many', '3'],
      ['hidden_size: 4', 'hidden_size: [4]'],
    ],
    [
      ['config/unknown-key 11:3', 'sweep/impossible-value 14:32'],
      ['learning_rat:', 'learning_rate:'],
      ['hidden_size: 3', 'hidden_size: 4'],
    ],
    [['config/range 10:25'], ['[1, 0]', '[1, 2]']],
    [
      ['sweep/pruner-epochs 6:35', 'config/batch-size 13:29'],
      ['min_epochs: 9', 'min_epochs: 1'],
      ['[10, 50]', '[10, 20]'],
    ],
  ],
  'a kind that other parameters depend on': [
    `method: grid
parameters:
  optimizer.kind: sgd
  optimizer.momentum: [0.5]
  model.hidden_size: [0, 4]`,
    [['config/type 7:19'], ['optimizer.kind: sgd', 'optimizer.kind: [sgd]']],
    [['config/range 9:23'], ['[0, 4]', '[4]']],
  ],
  'a parameter that another one depends on': [
    `method: grid
parameters:
  model.num_layers: { kind: choice, valuez: [1, 2] }
  training.batch_size: { kind: choice, values: [x], when: { model.num_layers: 3 } }
  model.hidden_size: [0, 4]`,
    [['config/unknown-key 7:37'], ['valuez', 'values']],
    [['sweep/impossible-value 8:79'], ['num_layers: 3', 'num_layers: 2']],
    [
      ['config/type 8:49', 'config/range 9:23'],
      ['[x]', '[10]'],
      ['[0, 4]', '[4]'],
    ],
  ],
  'a loss that does not fit the data, beside a wrong cell': [
    `method: grid
parameters:
  model.cell: [lstm, lstn]
  loss.kind: [mse, cross_entropy]`,
    [['config/unknown-kind 7:22'], ['lstn', 'gru']],
    [
      ['config/loss-target 8:15', 'sweep/metric 4:22'],
      ['[mse, cross_entropy]', '[cross_entropy]'],
    ],
  ],
  'a misspelt key': [
    'method: grid\nparametres: { model.hidden_size: [4] }\npruner: { kind: asha, min_epochs: 4 }',
    [['config/unknown-key 6:1'], ['parametres', 'parameters']],
    [['sweep/pruner-epochs 7:35'], ['min_epochs: 4', 'min_epochs: 2']],
  ],
};

type Fix = readonly [from: string, to: string];

t.test('broken sweeps: checking stops after the first stage with errors', async t => {
  const file = join(scratch, 'staged.yaml');
  for (const [name, [lines, ...stages]] of Object.entries(STAGED)) {
    let text = lines;
    for (const [expected, ...fixes] of stages) {
      write('staged.yaml', sweepText(text));
      const error = await failure(() => loadSweep(file));
      t.same(told(error, file).toSorted(), [...expected].toSorted(), `${name}: ${printed(error)}`);
      text = fixes.reduce((now, [from, to]) => now.replace(from, to), text);
    }
    write('staged.yaml', sweepText(text));
    t.doesNotThrow(() => loadSweep(file), name);
  }
  write(
    'staged.yaml',
    'version: 1\nname: tried\nbase: absent.yaml\nmethod: grid\nparameters: { model.hidden_siz: [1] }\n',
  );
  const without = await failure(() => loadSweep(file));
  t.same(told(without, file), ['config/missing-file 3:7', 'config/unknown-key 5:15']);
});

t.test('the objective must be a reported metric with the right goal', async t => {
  const attempt = (objective: string) =>
    failure(() => loadSweep(write('objective.yaml', sweepText(GRID, `objective: ${objective}`))));
  const file = join(scratch, 'objective.yaml');
  const absent = await attempt('{ metric: test.mean_absolute_error, goal: minimize }');
  t.same(told(absent, file), ['sweep/metric 4:22']);
  t.match(printed(absent), /is not measured with loss cross_entropy$/m, 'of no point in particular');
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
  const unmeasured = await failure(() => loadSweep(write('objective.yaml', sweepText(varied, asked))));
  t.match(
    printed(unmeasured),
    /do not measure test\.f1: `training\.metrics` lacks f1; at training\.metrics=\["accuracy"\]$/m,
    'a sweep that varies the metrics must vary them so',
  );
  t.same(told(await attempt('{ metric: test.loss, goal: maximize }'), file), ['sweep/goal 4:39']);
  t.same(told(await attempt('{ metric: test.loss }'), file), ['config/missing-key 4:1']);
  t.same(told(await attempt('test.loss'), file), ['config/type 4:12']);
});

t.test('warns of an objective on a split that the sweep varies', async t => {
  const warningsOf = (parameter: string, metric: string) => {
    const set = parameter.startsWith('dataset.validation') ? [] : ['dataset.validation={fraction: 0.25}'];
    const lines = `method: grid\nparameters:\n  ${parameter}`;
    const objective = `objective: { metric: ${metric}, goal: minimize }`;
    return loadSweep(write('split.yaml', sweepText(lines, objective)), { set }).warnings;
  };
  const fraction = 'dataset.validation.fraction: [0.1, 0.2]';
  const [warning, ...more] = warningsOf(fraction, 'validation.loss');
  t.same(more, []);
  t.match(warning, {
    code: 'sweep/split',
    file: join(scratch, 'split.yaml'),
    message:
      'the sweep varies `dataset.validation.fraction`, so trials are compared by validation.loss on different validation splits',
  });
  t.same(warningsOf(fraction, 'train.loss'), []);
  t.same(warningsOf(fraction, 'test.loss'), [], 'the test split is the same');
  t.same(warningsOf('model.hidden_size: [4, 8]', 'validation.loss'), []);
});

t.test('warns of variants with different splits', async t => {
  const variant = (name: string, dataset: string) =>
    write(name, BASE.replace(/^dataset: \{(.*)\}$/m, `dataset: {$1, ${dataset} }`));
  const warningsOf = (metric: string) => {
    const text = sweepText('method: grid', `objective: { metric: ${metric}, goal: minimize }`);
    const path = write('variants.yaml', text.replace('base: base.yaml', 'variants: [a.yaml, b.yaml]'));
    return loadSweep(path).warnings.map(d => `${d.line}: ${d.message}`);
  };
  variant('a.yaml', 'validation: { fraction: 0.25 }');
  variant('b.yaml', 'validation: { fraction: 0.5 }');
  t.same(warningsOf('validation.loss'), [
    '3: the variants differ in `dataset.validation.fraction`, so trials are compared by validation.loss on different validation splits',
  ]);
  t.same(warningsOf('test.loss'), []);
  t.same(warningsOf('train.loss'), []);
  variant('b.yaml', 'validation: { count: 20 }');
  t.match(warningsOf('validation.loss'), [
    /differ in `dataset\.validation\.fraction`, `dataset\.validation\.count`,/,
  ]);
  variant('b.yaml', 'validation: { fraction: 0.25, select: random }');
  t.same(warningsOf('validation.loss'), [], 'a default is no difference');
});

t.test('problems of a base are located in the base', async t => {
  const file = write('sweep.yaml', sweepText(GRID).replace('base.yaml', 'absent.yaml'));
  const absent = await failure(() => loadSweep(file));
  t.same(told(absent, file), ['config/missing-file 3:7'], 'a missing one where it is asked for');
  write('wrong.yaml', BASE.replace('num_epochs: 4', 'num_epochs: four'));
  const wrong = await failure(() =>
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
  t.equal(experiment.training.eval_batch_size, 5, 'the default follows the batch size');
  t.match(experiment.dataset, { seed: 3 }, 'and synthetic data the seed');
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
  t.notMatch(bases[0].yaml, /eval_batch_size/, 'also in the config that is kept');
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
  const error = await failure(() => loadSweep(file));
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
