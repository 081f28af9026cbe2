/** Sweeps from command lines, variants and flags; points against their data; damaged sweeps. */
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { allKeys, sweepSchema } from '../../src/config/schema/schema.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { SweepModels } from '../../src/library/validate.js';
import { fromCommandLine, loadSweep } from '../../src/sweep/config/load.js';
import { overridesOf } from '../../src/sweep/directory.js';
import { UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { rejection } from '../support/failure.js';
import { BASE, GRID, printed, sweepFolder, sweepText } from '../support/sweep-texts.js';

process.chdir(packageRoot);
const scratch = t.testdir({});

const { write, load, told } = sweepFolder(scratch);

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

t.test('the default objective is checkpoint.metric of the configs', async t => {
  const objectiveOf = (configs: string[], set: string[] = []) =>
    fromCommandLine(configs, ['model.hidden_size=8,16'], { set }).plan.objective;
  t.same(objectiveOf(['configs/mnist-lstm.yaml']), { metric: 'test.accuracy', goal: 'maximize' });
  const base = join(scratch, 'base.yaml');
  const accuracy = { metric: 'test.accuracy', goal: 'maximize' };
  t.same(objectiveOf([base]), accuracy, 'the default of checkpoint.metric');
  const validation = ['dataset.validation={ fraction: 0.2 }'];
  t.same(objectiveOf([base], validation), { ...accuracy, metric: 'validation.accuracy' });
  const declared = ['checkpoint.metric=train.loss'];
  t.same(objectiveOf([base], declared), { metric: 'train.loss', goal: 'minimize' });

  const other = write('other.yaml', `${BASE}checkpoint: { metric: test.loss }\n`);
  const differ = await rejection(() => objectiveOf([base, other]));
  t.same(told(differ), ['sweep/objective 1:1 command line']);
  t.match(printed(differ), /differ in `checkpoint\.metric`.*expected: `objective`.*--objective/s);

  const file = (text: string) => loadSweep(write('silent.yaml', text));
  const head = 'version: 1\nname: silent\nmethod: grid\nparameters: { model.hidden_size: [4] }\n';
  t.same(file(`${head}base: base.yaml\n`).plan.objective, accuracy);
  const variants = await rejection(() => file(`${head}variants: [base.yaml, other.yaml]\n`));
  t.match(told(variants, join(scratch, 'silent.yaml')), ['sweep/objective 5:1']);
  t.match(printed(variants), /expected: `objective`/);

  const words = (parameters: string[], flags = {}) =>
    rejection(() => fromCommandLine([base], parameters, { flags })).then(error =>
      told(error).map(line => line.split(' ')[0]),
    );
  t.same(
    await words(['model.hidden=8,16', 'model.num_layers=[1', 'optimizer.learning_rate=x,1'], {
      trials: '0',
      method: '[',
      pruner: '',
    }),
    ['config/syntax', 'config/syntax', 'config/type', 'config/range'],
    'problems of words and flags are reported together',
  );
  t.same(await words(['model.hidden=8,16', 'optimizer.learning_rate=x,1']), ['config/unknown-key']);
  t.same(await words(['optimizer.learning_rate=x,1']), ['config/type']);
  const overridden = fromCommandLine(
    [base],
    ['model.hidden_size=8,16', 'training.num_epochs=7', 'gates=[]', 'name=other'],
    {},
  );
  t.match(overridden.plan, { name: 'other', epochs: 7 });
  t.same(
    overridden.plan.space.parameters.map(({ name }) => name),
    ['model.hidden_size'],
    'one value for a key that cannot be varied is an override',
  );
  t.match(
    printed(await rejection(() => fromCommandLine([base], ['training.num_epochs=1,2'], {}))),
    /`training\.num_epochs` cannot be varied/,
  );
  write('vague.yaml', `${BASE}checkpoint: { metric: test.los }\n`);
  const vague = await rejection(() =>
    fromCommandLine([join(scratch, 'vague.yaml')], ['model.hidden_size=8,16']),
  );
  t.same(told(vague), ['config/choice 8:23 vague.yaml'], 'one that is misspelt was declared');
  const absent = await rejection(() => fromCommandLine([join(scratch, 'none.yaml')], ['model.hidden=8']));
  t.same(
    absent.diagnostics.map(({ code }) => code),
    ['config/unknown-key', 'config/missing-file'],
  );
});

t.test('errors in a command line have their position in it', async t => {
  const file = 'configs/mnist-lstm.yaml';
  const error = (words: readonly string[], flags = {}) =>
    rejection(() => fromCommandLine([file], words, { flags: { objective: 'test.loss:min', ...flags } }));
  const cases: readonly (readonly [words: readonly string[], reported: string])[] = [
    [['model.hidden_size=8,x'], 'config/type 1:21'],
    [['model.hidden=8'], 'config/unknown-key 1:1'],
    [['model.hidden_size=8', 'model.num_layers=[1'], 'config/syntax 1:1'],
    [['model.hidden_size='], 'config/length 1:19'],
    [['model.hidden_size=int(4)'], 'config/missing-key 1:1'],
    [['model.hidden_size=8', 'model.hidden_size=9'], 'sweep/overlap 1:1'],
    [['optimizer.learning_rate=uniform(1,2)'], 'sweep/endless-grid 1:1'],
    [[], 'sweep/nothing-varies 1:1'],
  ];
  for (const [words, reported] of cases)
    t.same(told(await error(words)), [`${reported} command line`], words.join(' '));
  const endless = await error(['optimizer.learning_rate=uniform(1e-3,1e-2)'], { method: 'random' });
  t.match(printed(endless), /expected: `budget` with `trials` \(--trials\)/);
  const varied = ['model.hidden_size=8'];
  const wrong = { trials: '0', time: 'soon', pruner: 'asah', seeds: '1,x' };
  const reported = [
    'config/choice 1:1 --pruner',
    'config/type 1:4 --seeds',
    'config/pattern 1:1 --time',
    'config/range 1:1 --trials',
  ];
  t.same(told(await error(varied, wrong)), reported);
  t.same(
    told(await error(varied, { ...wrong, target: '' })),
    reported.toSpliced(2, 0, 'config/type 1:1 --target'),
  );
  t.same(told(await error(varied, { objective: 'test.loss' })), ['sweep/objective 1:1 --objective']);
  t.same(told(await error(varied, { objective: 'test.los:min' })), ['config/choice 1:1 --objective']);
});

t.test('several configs are variants', async t => {
  write('wide.yaml', 'version: 1\nextends: base.yaml\nname: wide\nmodel: { hidden_size: 32 }\n');
  const [base, wide] = [join(scratch, 'base.yaml'), join(scratch, 'wide.yaml')];
  const flags = { objective: 'test.loss:min' };
  const { plan, configAt, points } = fromCommandLine([base, wide], ['optimizer.learning_rate=0.1,0.2'], {
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
  t.equal(points.length, 4);
  t.match(configAt({ config: 'wide.yaml', 'optimizer.learning_rate': 0.2 }).experiment, {
    model: { hidden_size: 32 },
    optimizer: { learning_rate: 0.2 },
  });
  t.same(overridesOf(plan, points[0]), ['optimizer.learning_rate=0.1'], 'the config is no key of a config');

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
  const uneven = await rejection(() => fromCommandLine([base, long], [], { flags }));
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
  t.same(conditioned.points, [
    { config: 'base.yaml' },
    { config: 'wide.yaml', 'model.num_layers': 1 },
    { config: 'wide.yaml', 'model.num_layers': 2 },
  ]);
});

t.test('flags override a sweep file, and --set applies to its config', async t => {
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
  const wrong = await rejection(() => loadSweep(file, { set: ['training.num_epochs=x'] }));
  t.same(told(wrong, file), ['config/type 1:21 --set']);

  const setting = (set: string[], more = '') =>
    rejection(() => loadSweep(write('set.yaml', sweepText(`${GRID}${more}`)), { set }));
  const idle = await setting(['training.num_epochs=2', 'model.hidden_size=16']);
  t.same(told(idle), ['sweep/set 1:1 --set']);
  t.match(printed(idle), /the sweep varies `model\.hidden_size`, so --set has no effect on it/);
  t.same(told(await setting(['seed=1'], 'seeds: [2, 3]\n')), ['sweep/set 1:1 --set']);
  const chosen = 'method: grid\nparameters:\n  optimizer.kind: [sgd, adam]\n';
  const momentum = '  optimizer.momentum: { kind: choice, values: [0.5], when: { optimizer.kind: sgd } }\n';
  const conditional = write('set.yaml', sweepText(chosen + momentum));
  t.doesNotThrow(() => loadSweep(conditional, { set: ['seed=1'] }));
  const elsewhere = await rejection(() => loadSweep(conditional, { set: ['optimizer.momentum=0.9'] }));
  t.notOk(told(elsewhere).includes('sweep/set 1:1 --set'), 'of other points it goes for');
});

t.test('points are checked against their data', async t => {
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
  const error = await rejection(() => new SweepModels(loadSweep(file)).check());
  t.equal(error.exitCode, 2);
  t.same(told(error, file), ['config/num-classes 8:23', 'config/batch-size 7:28']);
  t.match(printed(error), /at most 9, the number of training sequences/);
  t.match(printed(error), /at training\.batch_size=4, model\.num_classes=2 and 1 more point/);
  t.notMatch(printed(error), /learning_rate/, 'what decides nothing here is not named');
  const large = await rejection(() =>
    new SweepModels(
      load('method: grid\nparameters: { model.hidden_size: [8, 16384], model.num_layers: [1, 64] }\n'),
    ).check(),
  );
  t.same(told(large, join(scratch, 'sweep.yaml')), ['config/model-size 6:15']);
  t.match(printed(large), /at model\.hidden_size=16384, model\.num_layers=1 and 1 more point/);
  t.same(await new SweepModels(load(GRID)).check(), []);
});

t.test('corners and a sample of infinite spaces are checked', async t => {
  const lines =
    'method: random\nbudget: { trials: 3 }\nparameters:\n  optimizer.learning_rate: { kind: log_uniform, low: 1e-4, high: 0.1 }\n  model.hidden_size: { kind: int, low: 1, high: 16 }\n';
  const { points } = load(lines);
  const corners = points.slice(0, 4).map(point => Object.values(point));
  t.same(corners, [
    [1e-4, 1],
    [1e-4, 16],
    [0.1, 1],
    [0.1, 16],
  ]);
  t.ok(points.length >= 100 && points.slice(4).every(point => point['model.hidden_size'] !== undefined));
  t.same(load(lines).points, points, 'the same each time');
});

t.test('the sample sweeps and variants are valid', async t => {
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

t.test('a command line yields a plan or a UserError', async () => {
  const keys = allKeys().map(({ path }) => path.join('.'));
  const values = '1|1,2|x|[1],[2]|{a: 1}|null|.nan||*a|&a 1|int(1,2)|uniform(1|log_int(,)'.split('|');
  const value = fc.oneof(fc.constantFrom(...values), fc.string({ maxLength: 8 }));
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
