import './support/quick.js';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { stringify } from 'yaml';
import { formatDiagnostics } from '../src/cli/diagnostics.js';
import { SweepModels } from '../src/cli/sweep-models.js';
import { loadExperiment } from '../src/config/index.js';
import { validateAgainst } from '../src/config/schema.js';
import { allKeys, type Schema, sweepSchema } from '../src/config/schema-walk.js';
import { UserError } from '../src/errors.js';
import { packageRoot } from '../src/root.js';
import {
  fromCommandLine,
  isSweepFile,
  type LoadedSweep,
  loadSweep,
  prunerOf,
} from '../src/sweep/config/index.js';
import { overridesOf } from '../src/sweep/trial-runs.js';
import { isClosed, unexplained } from './support/schemas.js';

process.chdir(packageRoot);
const scratch = t.testdir({});

function write(name: string, content: string): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

async function failure(action: () => unknown): Promise<UserError> {
  try {
    await action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

/** `code line:column`, those of other files with the file's last name. */
function told(error: UserError, file = ''): string[] {
  return error.diagnostics.map(d => {
    const other = d.file === file || d.file === undefined ? '' : ` ${d.file.replace(`${scratch}/`, '')}`;
    return `${d.code} ${d.line}:${d.column}${other}`;
  });
}

function printed(error: UserError): string {
  return formatDiagnostics(error.diagnostics, { color: false });
}

const BASE = `version: 1
name: base
dataset: { kind: synthetic, problem: copy_memory, delay: 5, train_size: 40, test_size: 10 }
model: { cell: lstm, hidden_size: 8, head: { from: every } }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 4, batch_size: 10 }
`;
write('base.yaml', BASE);

/** A sweep over the base with these lines after the first four. */
function sweepText(
  lines: string,
  objective = 'objective: { metric: test.accuracy, goal: maximize }',
): string {
  return `version: 1\nname: tried\nbase: base.yaml\n${objective}\n${lines}`;
}

function load(lines: string): LoadedSweep {
  return loadSweep(write('sweep.yaml', sweepText(lines)));
}

const GRID = 'method: grid\nparameters: { model.hidden_size: [4, 8] }\n';

t.test('a plan has every default filled in', async t => {
  const { plan, judged, givenYaml } = load(GRID);
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
    bases: [{ name: 'base.yaml', file: join(scratch, 'base.yaml') }],
  });
  t.same(judged, [{ 'model.hidden_size': 4 }, { 'model.hidden_size': 8 }]);
  t.equal(givenYaml, sweepText(GRID));
});

t.test('everything that a sweep may say arrives in its plan', async t => {
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
      /belongs to `kind: tpe`, here it is random/,
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
      /a whole number from 1 to 16384[\s\S]*did you mean sgd\?/,
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
      /belongs to `kind: sgd`, here it is adam/,
    ],
    'a key without its condition': [
      'method: grid\nparameters:\n  optimizer.kind: [sgd, adam]\n  optimizer.momentum: [0.5, 0.9]',
      ['config/unknown-key 8:3'],
      /here it is adam; at optimizer\.kind=adam, optimizer\.momentum=0\.5 and 1 more point$/m,
    ],
    'a point that contradicts itself': [
      'method: grid\nparameters:\n  training.last_batch: [train, drop]\n  training.batch_size: [10, 50]',
      ['config/batch-size 8:29'],
      /drops the one that is not; at training\.last_batch=drop, training\.batch_size=50$/m,
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
      /`seeds` lists the seeds/,
    ],
    'two parameters for one key': [
      'method: grid\nparameters:\n  optimizer: [{ kind: sgd, learning_rate: 1 }]\n  optimizer.learning_rate: [0.1]',
      ['sweep/overlap 8:3'],
      /also by line 7 as `optimizer`/,
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
    'an accuracy in per cent': [
      `${GRID}budget: { target: 97 }`,
      ['sweep/target 7:19'],
      /never above 1[\s\S]*did you mean 0\.97\?/,
    ],
    'a time without a unit that is one': [
      `${GRID}budget: { time: 10 minutes }`,
      ['config/pattern 7:17'],
      /a time such as 90s/,
    ],
    'a time that is over': [
      `${GRID}budget: { time: 0s }\ntrial_timeout: 0`,
      ['config/pattern 7:17', 'config/range 8:16'],
    ],
    'a pruner that never judges': [
      `${GRID}pruner: { kind: asha, min_epochs: 4 }`,
      ['sweep/pruner-epochs 7:35'],
      /first epoch to judge is 4, the last is 4/,
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

t.test('broken sweeps: every complaint at its place', async t => {
  const file = join(scratch, 'broken.yaml');
  for (const [name, [lines, expected, message]] of Object.entries(BROKEN)) {
    write('broken.yaml', sweepText(lines));
    const error = await failure(() => loadSweep(file));
    t.equal(error.exitCode, 2, name);
    t.same(told(error, file), expected, `${name}: ${printed(error)}`);
    if (message !== undefined) t.match(printed(error), message, name);
  }
});

/** Mistakes of different kinds in one sweep: each hid the next. */
const MIXED: Readonly<Record<string, readonly [lines: string, told: readonly string[]]>> = {
  'shapes, names, values, pruner and points': [
    `method: gird
pruner: { kind: asha, min_epochs: 9 }
budget: { trials: many }
parameters:
  model.hidden_size: 4
  model.num_layers: [1, 0]
  optimizer.learning_rat: [0.1]
  training.last_batch: [train, drop]
  training.batch_size: [10, 50]
exclude: [{ model.hidden_size: 4, training.batch_size: 10 }]`,
    [
      'config/choice 5:9',
      'sweep/pruner-epochs 6:35',
      'config/type 7:19',
      'config/type 9:22',
      'config/range 10:25',
      'config/unknown-key 11:3',
      'config/batch-size 13:29',
    ],
  ],
  'what one that is refused decides is not judged': [
    `method: grid
parameters:
  optimizer.kind: sgd
  optimizer.momentum: [0.5]
  model.hidden_size: [0, 4]`,
    ['config/type 7:19', 'config/range 9:23'],
  ],
  'nor what exists only by it': [
    `method: grid
parameters:
  model.num_layers: { kind: choice, valuez: [1, 2] }
  training.batch_size: { kind: choice, values: [x], when: { model.num_layers: 3 } }
  model.hidden_size: [0, 4]`,
    ['config/unknown-key 7:37', 'config/range 9:23'],
  ],
  'a loss that the data do not fit, beside a wrong cell': [
    `method: grid
parameters:
  model.cell: [lstm, lstn]
  loss.kind: [mse, cross_entropy]`,
    ['config/unknown-kind 7:22', 'config/loss-target 8:15', 'sweep/metric 4:22'],
  ],
  'a key that may be meant for one that is missing': [
    'method: grid\nparametres: { model.hidden_size: [4] }\npruner: { kind: asha, min_epochs: 4 }',
    ['config/unknown-key 6:1', 'sweep/pruner-epochs 7:35'],
  ],
};

t.test('broken sweeps: mistakes that do not depend on each other are told together', async t => {
  const file = join(scratch, 'mixed.yaml');
  for (const [name, [lines, expected]] of Object.entries(MIXED)) {
    write('mixed.yaml', sweepText(lines));
    const error = await failure(() => loadSweep(file));
    t.same(told(error, file).toSorted(), [...expected].toSorted(), `${name}: ${printed(error)}`);
  }
  write(
    'mixed.yaml',
    'version: 1\nname: tried\nbase: absent.yaml\nmethod: grid\nparameters: { model.hidden_siz: [1] }\n',
  );
  const without = await failure(() => loadSweep(file));
  t.same(told(without, file), [
    'config/missing-key 1:1',
    'config/missing-file 3:7',
    'config/unknown-key 5:15',
  ]);
  t.match(printed(without), /a mapping with `metric` and `goal`/);
});

t.test('the objective is one that the config reports, and its goal the sensible one', async t => {
  const attempt = (objective: string) =>
    failure(() => loadSweep(write('objective.yaml', sweepText(GRID, `objective: ${objective}`))));
  const file = join(scratch, 'objective.yaml');
  const absent = await attempt('{ metric: test.mean_absolute_error, goal: minimize }');
  t.same(told(absent, file), ['sweep/metric 4:22']);
  t.match(printed(absent), /is not reported with loss cross_entropy$/m, 'of no point in particular');
  t.same(told(await attempt('{ metric: test.loss, goal: maximize }'), file), ['sweep/goal 4:39']);
  t.same(told(await attempt('{ metric: test.loss }'), file), ['config/missing-key 4:1']);
  t.same(told(await attempt('test.loss'), file), ['config/type 4:12']);
});

t.test('what is wrong with a base stands in the base', async t => {
  const file = write('sweep.yaml', sweepText(GRID).replace('base.yaml', 'absent.yaml'));
  const absent = await failure(() => loadSweep(file));
  t.same(told(absent, file), ['config/missing-file 3:7'], 'a missing one where it is asked for');
  write('wrong.yaml', BASE.replace('num_epochs: 4', 'num_epochs: four'));
  const wrong = await failure(() =>
    loadSweep(write('sweep.yaml', sweepText(GRID).replace('base.yaml', 'wrong.yaml'))),
  );
  t.same(told(wrong, file), ['config/type 7:25 wrong.yaml']);
});

t.test('points keep what follows other keys', async t => {
  const { configAt, bases } = load(
    'method: grid\nparameters:\n  training.batch_size: [5, 20]\n  optimizer.kind: [sgd, adam]',
  );
  const { experiment } = configAt({ 'training.batch_size': 5, 'optimizer.kind': 'sgd' }, 3);
  t.equal(experiment.seed, 3);
  t.equal(experiment.training.eval_batch_size, 5, 'the default follows the batch size');
  t.match(experiment.dataset, { seed: 3 }, 'and synthetic data the seed');
  t.same(
    experiment.optimizer,
    { kind: 'sgd', learning_rate: 0.01, momentum: 0, nesterov: false, weight_decay: 0 },
    'of the other optimizer stays only what both know',
  );
  t.notMatch(bases[0].yaml, /eval_batch_size/, 'also in the config that is kept');
  t.match(bases[0].yaml, /weight_decay: 0/, 'which has the other defaults');
});

t.test('paths start at the file that states them', async t => {
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
  const { plan, configAt, judged } = loadSweep(
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
  t.equal(judged.length, 2, 'two values of init_from for one dataset, and the other is excluded');
  t.match(configAt(judged[0]).experiment, {
    dataset: { path: absolute('d') },
    model: { init_from: absolute('w/a.safetensors') },
  });
  t.notOk('init_from' in configAt(judged[1]).experiment.model, 'null leaves out what the base does not have');
});

t.test('the arguments of a trial lead to the config that was judged', async () => {
  const names = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 8 })
    .filter(text => !/\p{Cc}|\uFEFF/u.test(text));
  const share = fc.double({ min: 0, max: 0.999, noNaN: true });
  const space = fc.record({
    target: fc.uniqueArray(
      fc.oneof(names, fc.constantFrom('null', 'true', '1e3', '"q"', "'", 'a: b', '#', ' x ')),
      {
        minLength: 1,
        maxLength: 4,
      },
    ),
    rate: fc.uniqueArray(fc.double({ min: 1e-300, max: 1000, noNaN: true }), { minLength: 1, maxLength: 3 }),
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
      const { plan, bases, judged, configAt } = loadSweep(write('trial.yaml', text));
      const frozen = write('frozen.yaml', bases[0].yaml);
      for (const point of judged) {
        const set = [...overridesOf(plan, point), `seed=${seed}`];
        const run = loadExperiment(frozen, { set }).resolvedYaml;
        if (run !== configAt(point, seed).resolvedYaml) throw new Error(`${set.join(' ')} leads elsewhere`);
      }
    }),
    { numRuns: 30, seed: 20261124 },
  );
});

t.test('the command line is a sweep too', async t => {
  const base = join(scratch, 'base.yaml');
  const flags = { objective: 'test.loss:min' };
  const { plan, givenYaml } = fromCommandLine(
    [base],
    ['optimizer.learning_rate=1e-3,1e-2', 'optimizer.kind=sgd,adam'],
    { flags },
  );
  t.equal(givenYaml, null);
  t.match(plan, {
    name: 'base',
    method: { kind: 'grid' },
    objective: { metric: 'test.loss', goal: 'minimize' },
  });
  t.same(
    plan.space.parameters.map(({ distribution }) => distribution),
    [
      { kind: 'choice', values: [0.001, 0.01] },
      { kind: 'choice', values: ['sgd', 'adam'] },
    ],
  );
  const searched = fromCommandLine(
    [base],
    [
      'optimizer.learning_rate=log_uniform(1e-4,1e-1)',
      'model.hidden_size=int(16,64,16)',
      'optimizer.betas=[0.9,0.99],[0.5,0.6]',
    ],
    {
      flags: {
        ...flags,
        method: 'tpe',
        trials: '9',
        time: '10m',
        target: '0.5',
        seeds: '1,2',
        pruner: '{ kind: median, n_warmup_epochs: 1 }',
        parallel: '2',
      },
    },
  ).plan;
  t.same(
    searched.space.parameters.map(({ distribution }) => distribution),
    [
      { kind: 'log_uniform', low: 1e-4, high: 0.1 },
      { kind: 'int', low: 16, high: 64, step: 16 },
      {
        kind: 'choice',
        values: [
          [0.9, 0.99],
          [0.5, 0.6],
        ],
      },
    ],
  );
  t.match(searched, {
    method: { kind: 'tpe' },
    budget: { trials: 9, seconds: 600, target: 0.5 },
    seeds: [1, 2],
    pruner: { kind: 'median', n_startup_trials: 5, n_warmup_epochs: 1, interval_epochs: 1 },
    parallel: 2,
  });
});

t.test('the objective of a command line is what the configs declare', async t => {
  const declared = fromCommandLine(['configs/mnist-lstm.yaml'], ['model.hidden_size=8,16']).plan.objective;
  t.same(declared, { metric: 'test.accuracy', goal: 'maximize' });
  const base = join(scratch, 'base.yaml');
  const silent = await failure(() => fromCommandLine([base], ['model.hidden_size=8,16']));
  t.same(told(silent), ['sweep/objective 1:1 command line'], 'and a default declares nothing');
  t.match(printed(silent), /`--objective METRIC:min` .*; or `checkpoint\.metric` in each config/);
  const also = await failure(() =>
    fromCommandLine([base], ['model.hidden=8,16', 'model.num_layers=[1', 'optimizer.learning_rate=x,1'], {
      flags: { trials: '0', method: '[', pruner: '' },
    }),
  );
  t.same(
    told(also).map(line => line.split(' ')[0]),
    [
      'sweep/objective',
      'config/unknown-key',
      'config/syntax',
      'config/type',
      'config/syntax',
      'sweep/flag',
      'config/range',
    ],
    'what else is wrong is told as well',
  );
  write('vague.yaml', `${BASE}checkpoint: { metric: test.los }\n`);
  const vague = await failure(() =>
    fromCommandLine([join(scratch, 'vague.yaml')], ['model.hidden_size=8,16']),
  );
  t.same(told(vague), ['config/choice 8:23 vague.yaml'], 'one that is misspelt was declared');
  const absent = await failure(() => fromCommandLine([join(scratch, 'none.yaml')], ['model.hidden=8']));
  t.same(
    absent.diagnostics.map(({ code }) => code),
    ['config/unknown-key', 'config/missing-file'],
  );
});

t.test('a broken command line is shown with its place', async t => {
  const words =
    (assignments: string[], flags = {}) =>
    async () => {
      const error = await failure(() =>
        fromCommandLine(['configs/mnist-lstm.yaml'], assignments, {
          flags: { objective: 'test.loss:min', ...flags },
        }),
      );
      return told(error);
    };
  // configs/mnist-lstm.yaml and a blank are 24 characters
  t.same(await words(['model.hidden_size=8,x'])(), ['config/type 1:45 command line']);
  t.same(await words(['model.hidden=8'])(), ['config/unknown-key 1:25 command line']);
  t.same(await words(['model.hidden_size=8', 'model.num_layers=[1'])(), ['config/syntax 1:62 command line']);
  t.same(await words(['model.hidden_size='])(), ['sweep/argument 1:42 command line']);
  t.same(await words(['model.hidden_size=int(4)'])(), ['sweep/argument 1:43 command line']);
  t.same(await words(['model.hidden_size=8', 'model.hidden_size=9'])(), ['sweep/overlap 1:45 command line']);
  t.same(await words(['optimizer.learning_rate=uniform(1,2)'])(), ['sweep/endless-grid 1:25 command line']);
  t.match(
    printed(
      await failure(() =>
        fromCommandLine(['configs/mnist-lstm.yaml'], ['optimizer.learning_rate=uniform(1,2)']),
      ),
    ),
    /or `--method random`/,
    'in the words of a command line',
  );
  const endless = ['optimizer.learning_rate=uniform(1e-3,1e-2)'];
  const search = () => fromCommandLine(['configs/mnist-lstm.yaml'], endless, { flags: { method: 'random' } });
  t.match(printed(await failure(search)), /expected: `--trials`, `--time` or both/);
  t.same(await words([])(), ['sweep/nothing-varies 1:1 command line']);
  t.same(await words(['model.hidden_size=8'], { objective: 'test.loss' })(), [
    'sweep/objective 1:1 --objective',
  ]);
  t.same(await words(['model.hidden_size=8'], { objective: 'test.los:min' })(), [
    'config/choice 1:1 --objective',
  ]);
  t.same(
    await words(['model.hidden_size=8'], {
      trials: '0',
      time: 'soon',
      pruner: 'asah',
      seeds: '1,x',
      target: '',
    })(),
    [
      'config/choice 1:1 --pruner',
      'config/type 1:4 --seeds',
      'sweep/flag 1:1 --target',
      'config/pattern 1:1 --time',
      'config/range 1:1 --trials',
    ],
  );
  t.same(
    await words(['model.hidden_size=8'], { trials: '0', time: 'soon', pruner: 'asah', seeds: '1,x' })(),
    [
      'config/choice 1:1 --pruner',
      'config/type 1:4 --seeds',
      'config/pattern 1:1 --time',
      'config/range 1:1 --trials',
    ],
  );
});

t.test('a long command line is no nesting', async t => {
  const sizes = Array.from({ length: 200 }, (_, i) => i + 1);
  const words = [`model.hidden_size=${sizes.join(',')}`, 'model.num_layers=1,2'];
  const { judged } = fromCommandLine(['configs/mnist-lstm.yaml'], words);
  t.equal(judged.length, 400);
});

t.test('several configs are variants', async t => {
  write('wide.yaml', 'version: 1\nextends: base.yaml\nname: wide\nmodel: { hidden_size: 32 }\n');
  const [base, wide] = [join(scratch, 'base.yaml'), join(scratch, 'wide.yaml')];
  const flags = { objective: 'test.loss:min' };
  const { plan, configAt, judged } = fromCommandLine([base, wide], ['optimizer.learning_rate=0.1,0.2'], {
    flags,
  });
  t.same(
    plan.bases.map(({ name }) => name),
    ['base.yaml', 'wide.yaml'],
  );
  t.same(plan.space.parameters[0], {
    keys: ['config'],
    name: 'config',
    distribution: { kind: 'choice', values: ['base.yaml', 'wide.yaml'] },
  });
  t.equal(judged.length, 4);
  t.match(configAt({ config: 'wide.yaml', 'optimizer.learning_rate': 0.2 }).experiment, {
    model: { hidden_size: 32 },
    optimizer: { learning_rate: 0.2 },
  });
  t.same(overridesOf(plan, judged[0]), ['optimizer.learning_rate=0.1'], 'the config is no key of a config');

  mkdirSync(join(scratch, 'other'), { recursive: true });
  const twin = write('other/wide.yaml', 'version: 1\nextends: ../base.yaml\nname: twin\n');
  const named = fromCommandLine([wide, twin], [], { flags }).plan;
  t.same(
    named.bases.map(({ name }) => name),
    ['wide.yaml', 'wide-2.yaml'],
    'two of a name are told apart',
  );

  const long = write(
    'long.yaml',
    'version: 1\nextends: base.yaml\nname: long\nseed: 5\ntraining: { num_epochs: 9 }\n',
  );
  const uneven = await failure(() => fromCommandLine([base, long], [], { flags }));
  t.same(told(uneven), ['sweep/epochs 1:1 command line', 'sweep/seeds 1:1 command line']);
  t.match(printed(uneven), /4 in .*base\.yaml, 9 in .*long\.yaml/);
  const evened = fromCommandLine([base, long], [], {
    flags: { ...flags, seeds: '0' },
    set: ['training.num_epochs=2'],
  });
  t.equal(evened.plan.epochs, 2, '--set goes for each');

  const conditioned = loadSweep(
    write(
      'variants.yaml',
      'version: 1\nname: v\nvariants: [base.yaml, wide.yaml]\nmethod: grid\nobjective: { metric: test.loss, goal: minimize }\nparameters:\n  model.num_layers: { kind: choice, values: [1, 2], when: { config: wide.yaml } }\n',
    ),
  );
  t.same(conditioned.judged, [
    { config: 'base.yaml' },
    { config: 'wide.yaml', 'model.num_layers': 1 },
    { config: 'wide.yaml', 'model.num_layers': 2 },
  ]);
});

t.test('flags win over a sweep file, and --set goes to its config', async t => {
  const file = write('sweep.yaml', sweepText(`${GRID}budget: { trials: 3, target: 0.5 }\nparallel: 2\n`));
  const { plan } = loadSweep(file, {
    set: ['training.num_epochs=7'],
    flags: { trials: '5', parallel: '4', method: 'random', seeds: '8,9' },
  });
  t.match(plan, {
    epochs: 7,
    budget: { trials: 5, seconds: null, target: 0.5 },
    parallel: 4,
    method: { kind: 'random' },
    seeds: [8, 9],
  });
  const wrong = await failure(() => loadSweep(file, { set: ['training.num_epochs=x'] }));
  t.same(told(wrong, file), ['config/type 1:21 --set']);

  const setting = (set: string[], more = '') =>
    failure(() => loadSweep(write('set.yaml', sweepText(`${GRID}${more}`)), { set }));
  const idle = await setting(['training.num_epochs=2', 'model.hidden_size=16']);
  t.same(told(idle), ['sweep/set 1:1 --set']);
  t.match(printed(idle), /the sweep varies `model\.hidden_size`, so that --set has no effect on it/);
  t.same(told(await setting(['seed=1'], 'seeds: [2, 3]\n')), ['sweep/set 1:1 --set']);
  const chosen = 'method: grid\nparameters:\n  optimizer.kind: [sgd, adam]\n';
  const momentum = '  optimizer.momentum: { kind: choice, values: [0.5], when: { optimizer.kind: sgd } }\n';
  const conditional = write('set.yaml', sweepText(chosen + momentum));
  t.doesNotThrow(() => loadSweep(conditional, { set: ['seed=1'] }));
  const elsewhere = await failure(() => loadSweep(conditional, { set: ['optimizer.momentum=0.9'] }));
  t.notOk(told(elsewhere).includes('sweep/set 1:1 --set'), 'of other points it goes for');
});

t.test('points against their data', async t => {
  const rows = ['a,b', ...Array.from({ length: 12 }, (_, i) => `${i},${i % 3}`)];
  write('rows.csv', `${rows.join('\n')}\n`);
  write(
    'csv.yaml',
    `version: 1
name: csv
dataset: { kind: csv, path: rows.csv, test_fraction: 0.25, features: [a], target: b, target_kind: class }
model: { cell: lstm, hidden_size: 8 }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 1, batch_size: 4, last_batch: drop }
`,
  );
  const file = write(
    'data.yaml',
    sweepText(
      'method: grid\nparameters:\n  training.batch_size: [4, 10]\n  model.num_classes: [2, 3]\n  optimizer.learning_rate: [0.1, 0.2]\n',
    ).replace('base.yaml', 'csv.yaml'),
  );
  const error = await failure(() => new SweepModels(loadSweep(file)).check());
  t.equal(error.exitCode, 2);
  t.same(told(error, file), ['config/num-classes 8:23', 'config/batch-size 7:28']);
  t.match(printed(error), /at most 9, the number of training sequences/);
  t.match(printed(error), /at training\.batch_size=4, model\.num_classes=2 and 1 more point/);
  t.notMatch(printed(error), /learning_rate/, 'what decides nothing here is not named');
  const large = await failure(() =>
    new SweepModels(
      load('method: grid\nparameters: { model.hidden_size: [8, 16384], model.num_layers: [1, 64] }\n'),
    ).check(),
  );
  t.same(told(large, join(scratch, 'sweep.yaml')), ['config/model-size 6:15']);
  t.match(printed(large), /at model\.hidden_size=16384, model\.num_layers=1 and 1 more point/);
  t.same(await new SweepModels(load(GRID)).check(), []);
});

t.test('of spaces that cannot be listed corners and a sample are judged', async t => {
  const lines =
    'method: random\nbudget: { trials: 3 }\nparameters:\n  optimizer.learning_rate: { kind: log_uniform, low: 1e-4, high: 0.1 }\n  model.hidden_size: { kind: int, low: 1, high: 16 }\n';
  const { judged } = load(lines);
  const corners = judged.slice(0, 4).map(point => Object.values(point));
  t.same(corners, [
    [1e-4, 1],
    [1e-4, 16],
    [0.1, 1],
    [0.1, 16],
  ]);
  t.ok(judged.length >= 100 && judged.slice(4).every(point => point['model.hidden_size'] !== undefined));
  t.same(load(lines).judged, judged, 'the same each time');
});

t.test('a pruner by itself', async t => {
  const plan = { name: 'x', objective: { metric: 'test.loss', goal: 'minimize' }, epochs: 4 } as const;
  t.same(prunerOf('what-if', 'asha', plan), { kind: 'asha', min_epochs: 1, reduction_factor: 4 });
  t.same(prunerOf('what-if', '{ kind: hyperband, min_epochs: 2 }', plan), {
    kind: 'hyperband',
    min_epochs: 2,
    reduction_factor: 3,
  });
  t.same(prunerOf('what-if', 'none', plan), { kind: 'none' });
  t.same(told(await failure(() => prunerOf('what-if', '{ kind: asha, min_epochs: 4 }', plan))), [
    'sweep/pruner-epochs 1:27 --what-if',
  ]);
  t.same(told(await failure(() => prunerOf('what-if', 'ahsa', plan))), ['config/choice 1:1 --what-if']);
});

t.test('sweep files and configs are told apart', async t => {
  t.ok(isSweepFile('configs/sweeps/mnist-lstm.yaml'));
  t.notOk(isSweepFile('configs/mnist-lstm.yaml'));
  t.notOk(isSweepFile('configs/mnist-lstm-quick.yaml'));
});

t.test('the committed sweeps and variants load', async t => {
  for (const name of readdirSync('configs/sweeps')) {
    const { plan } = loadSweep(join('configs/sweeps', name));
    t.equal(`${plan.name}.yaml`, name);
    t.match(
      readFileSync(join('configs/sweeps', name), 'utf8'),
      /^# yaml-language-server: \$schema=\.\.\/\.\.\/schemas\/sweep\.schema\.json/,
    );
  }
  const variants = readdirSync('configs/variants').map(name => join('configs/variants', name));
  t.ok(variants.length >= 2);
  const { plan } = fromCommandLine(variants, []);
  t.equal(plan.name, 'variants');
  t.equal(plan.space.parameters.length, 1);
});

t.test('the schema explains itself', async t => {
  const keys = allKeys(sweepSchema());
  t.ok(keys.length > 10);
  t.same(keys.flatMap(unexplained), []);
  const { parameters, ...others } = sweepSchema().properties ?? {};
  t.ok(isClosed(others) && isClosed((parameters as Schema).additionalProperties), 'every object is closed');
});

t.test("the schema's own examples are valid", async t => {
  const minimal = {
    version: 1,
    name: 'x',
    method: 'grid',
    objective: { metric: 'test.loss', goal: 'minimize' },
  };
  t.same(validateAgainst('sweep', minimal), []);
  for (const { path, schema } of allKeys(sweepSchema())) {
    if (path.length !== 1) continue;
    for (const example of schema.examples ?? [])
      t.same(validateAgainst('sweep', { ...minimal, [path[0]]: example }), [], path[0]);
  }
});

t.test('whatever happens to a sweep, a UserError or a plan', async () => {
  const text = sweepText(
    'method: tpe\nbudget: { trials: 3 }\nparameters:\n  optimizer.kind: [sgd, adam]\n  optimizer.momentum: { kind: uniform, low: 0, high: 0.9, when: { optimizer.kind: sgd } }\n  model.hidden_size,model.num_layers: { kind: paired, values: [[1, 2], [2, 1]] }\nexclude: [{ optimizer.kind: sgd }]\npruner: { kind: asha, min_epochs: 2 }\n',
  );
  const pieces = [
    '[',
    ']',
    '{',
    '}',
    ': ',
    '- ',
    ',',
    '"',
    '#',
    '*a',
    '&a ',
    'null',
    '-1',
    '0',
    '1e999',
    '.',
    'kind',
    'paired',
    'config',
    'when',
    'low',
    '__proto__',
    '\n',
    ' ',
  ];
  const edit = fc.record({
    at: fc.nat(600),
    remove: fc.nat(10),
    insert: fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 5 })),
  });
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), edits => {
      const mutated = edits.reduce((now, { at, remove, insert }) => {
        const from = at % (now.length + 1);
        return now.slice(0, from) + insert + now.slice(from + remove);
      }, text);
      try {
        loadSweep(write('mutated.yaml', mutated));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        if (error.exitCode !== 2 || error.diagnostics.length === 0) throw new Error('an empty error');
        printed(error);
      }
    }),
    { numRuns: 250, seed: 20261124 },
  );
});

t.test('any words on the command line give a UserError or a plan', async () => {
  const keys = allKeys().map(({ path }) => path.join('.'));
  const value = fc.oneof(
    fc.constantFrom(
      '1',
      '1,2',
      'x',
      '[1],[2]',
      '{a: 1}',
      'null',
      '.nan',
      '',
      '*a',
      '&a 1',
      'int(1,2)',
      'uniform(1',
      'log_int(,)',
    ),
    fc.string({ maxLength: 8 }),
  );
  const word = fc
    .tuple(fc.oneof(fc.constantFrom(...keys), fc.string({ maxLength: 8 })), value)
    .map(([k, v]) => `${k}=${v}`);
  const flag = fc.option(
    fc.oneof(fc.constantFrom('1', 'tpe', 'asha', '10m', 'test.loss:min'), fc.string({ maxLength: 8 })),
    { nil: undefined },
  );
  const flags = fc.record({
    objective: flag,
    method: flag,
    trials: flag,
    time: flag,
    target: flag,
    seeds: flag,
    pruner: flag,
    parallel: flag,
  });
  fc.assert(
    fc.property(fc.array(word, { maxLength: 3 }), flags, (words, given) => {
      const kept = Object.fromEntries(Object.entries(given).filter(([, text]) => text !== undefined));
      try {
        fromCommandLine([join(scratch, 'base.yaml')], words, { flags: kept });
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        printed(error);
      }
    }),
    { numRuns: 250, seed: 20261124 },
  );
});
