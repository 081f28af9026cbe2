import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { Ajv } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import fc from 'fast-check';
import t from 'tap';
import { parseDocument } from 'yaml';
import { configDiff, configExplain, configShow } from '../src/cli/config.js';
import { formatDiagnostics } from '../src/cli/diagnostics.js';
import type { Io } from '../src/cli/io.js';
import { validate } from '../src/cli/validate.js';
import { typesAreCurrent } from '../src/config/generate.js';
import {
  checkAgainstData,
  type DataShape,
  type LoadedExperiment,
  loadExperiment,
  locateInConfig,
} from '../src/config/index.js';
import { compileSchema, readSchema, validateAgainst } from '../src/config/schema.js';
import { allKeys, experimentSchema } from '../src/config/schema-walk.js';
import { nearest } from '../src/config/suggest.js';
import { type FileLabels, labelFacts } from '../src/data/labels.js';
import { configError } from '../src/data/problems.js';
import { UserError } from '../src/errors.js';
import { packageRoot } from '../src/root.js';
import { BROKEN, MISFIT } from './support/config-expected.js';
import { isClosed, unexplained } from './support/schemas.js';

// Fixtures are named relative to the package, as a user would, so that messages are the same everywhere.
process.chdir(packageRoot);
const BROKEN_FOLDER = 'test/fixtures/configs/broken';
const MISFIT_FOLDER = 'test/fixtures/configs/misfit';
const VALID_FOLDER = 'test/fixtures/configs/valid';
const scratch = t.testdir({});

function failure(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was wrong');
}

function told(error: UserError): string[] {
  return error.diagnostics.map(d => `${d.code.replace('config/', '')} ${d.line}:${d.column}`);
}

function printed(error: UserError): string {
  return formatDiagnostics(error.diagnostics, { color: false });
}

/** A file in the scratch folder; returns its path. */
function write(name: string, content: string | Uint8Array): string {
  const path = join(scratch, name);
  writeFileSync(path, content);
  return path;
}

const MINIMAL = `version: 1
name: minimal
dataset: { kind: npz, path: a.npz }
model: { cell: lstm, hidden_size: 8 }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 1, batch_size: 10 }
`;

/** Those of experiments; sweeps and variants have folders of their own. */
const SAMPLES = readdirSync('configs').filter(name => name.endsWith('.yaml'));

t.test('broken configs: every complaint at its place, every message as committed', async t => {
  const files = readdirSync(BROKEN_FOLDER).filter(name => !name.endsWith('.txt'));
  t.same(files.sort(), Object.keys(BROKEN).sort(), 'each fixture has its expectation');
  t.ok(files.length >= 100);
  for (const name of files) {
    const file = join(BROKEN_FOLDER, name);
    const error = failure(() => loadExperiment(file));
    t.equal(error.exitCode, 2, `${name}: exit code`);
    t.same(told(error), BROKEN[name], `${name}: codes and places`);
    const golden = file.replace(/\.\w+$/, '.txt');
    if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, printed(error));
    t.equal(printed(error), readFileSync(golden, 'utf8'), `${name}: message`);
    t.notMatch(printed(error), /^\s+at .*\.js/m, `${name}: no stack`);
  }
});

t.test('configs that do not fit their data: located where they can be mended', async t => {
  const files = readdirSync(MISFIT_FOLDER).filter(name => name.endsWith('.yaml'));
  t.same(files.sort(), Object.keys(MISFIT).sort(), 'each fixture has its expectation');
  for (const name of files) {
    const file = join(MISFIT_FOLDER, name);
    const [text, json] = [recorder(), recorder()];
    const code = await validate([file], { format: 'text', set: [] }, text);
    await validate([file], { format: 'json', set: [] }, json);
    const [{ diagnostics, warnings }] = JSON.parse(json.outText()).configs;
    const told = [...diagnostics, ...warnings].map(
      d => `${code} ${basename(d.file)}:${d.line}:${d.column} ${d.code}`,
    );
    t.same(told, MISFIT[name], `${name}: codes and places`);
    const message = text.errText().replaceAll(`${packageRoot}/`, '');
    const golden = file.replace(/\.\w+$/, '.txt');
    if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, message);
    t.equal(message, readFileSync(golden, 'utf8'), `${name}: message`);
  }
});

t.test('a complaint about a value of the config is moved to it', async t => {
  const loaded = loadExperiment(write('mnist.yaml', MINIMAL.replace('npz, path: a.npz', 'mnist')));
  const missing = configError({
    code: 'data/mnist-missing',
    message: 'not there',
    keyPath: ['dataset', 'kind'],
  });
  t.same(locateInConfig(missing, loaded).diagnostics, [
    {
      code: 'data/mnist-missing',
      message: 'not there',
      file: join(scratch, 'mnist.yaml'),
      line: 3,
      column: 18,
      length: 5,
      source: 'dataset: { kind: mnist }',
    },
  ]);
  const set = loadExperiment(write('set.yaml', MINIMAL), { set: ['dataset.test_fraction=0.5'] });
  const few = configError({ code: 'x', message: 'few', keyPath: ['dataset', 'test_fraction'] });
  t.match(locateInConfig(few, set).diagnostics, [{ file: '--set', line: 1, column: 23 }]);
});

t.test('files that are no config', async t => {
  t.match(
    printed(failure(() => loadExperiment('nowhere/x.yaml'))),
    /^nowhere\/x\.yaml: the file does not exist\n$/,
  );
  t.equal(printed(failure(() => loadExperiment(''))), "cellrun: the config's name is empty\n");
  t.match(printed(failure(() => loadExperiment('configs'))), /^configs: this is a directory/);
  t.match(printed(failure(() => loadExperiment('package.json/x.yaml'))), /does not exist/);
  t.match(printed(failure(() => loadExperiment('a\0b.yaml'))), /cannot be read/);
  t.match(printed(failure(() => loadExperiment('/dev/null'))), /is not a regular file/);
  const large = write('large.yaml', `${MINIMAL}# ${'x'.repeat(70_000)}\n`);
  t.match(
    printed(failure(() => loadExperiment(large))),
    /too large for a config\n {2}expected: at most 64 KiB/,
  );
  execFileSync('sh', ['-c', 'mkfifo "$0"', join(scratch, 'pipe.yaml')]);
  t.match(printed(failure(() => loadExperiment(join(scratch, 'pipe.yaml')))), /is not a regular file/);
});

t.test('encodings and line ends that are fine', async t => {
  for (const [name, text] of Object.entries({
    'bom.yaml': `\uFEFF${MINIMAL}`,
    'crlf.yaml': MINIMAL.replaceAll('\n', '\r\n'),
    'unicode.yaml': `${MINIMAL}description: 数字 \uFFFD 🙂\n`,
    'end.yaml': `---\n${MINIMAL}...\n`,
  })) {
    t.equal(loadExperiment(write(name, text)).experiment.name, 'minimal', name);
  }
  const crlf = write('crlf-broken.yaml', MINIMAL.replace('0.01', 'fast').replaceAll('\n', '\r\n'));
  t.match(printed(failure(() => loadExperiment(crlf))), /:6:41: .*\n {2}6 \| optimizer: .* fast }\n/);
  const bom = write('bom-broken.yaml', `\uFEFF${MINIMAL.replace('version', 'vresion')}`);
  t.same(told(failure(() => loadExperiment(bom))), ['unknown-key 1:1']);
});

t.test('defaults are filled in and everything is frozen', async t => {
  const { experiment } = loadExperiment(write('minimal.yaml', MINIMAL));
  t.same(experiment, {
    version: 1,
    name: 'minimal',
    seed: 0,
    dataset: { kind: 'npz', path: join(scratch, 'a.npz') },
    model: {
      cell: 'lstm',
      hidden_size: 8,
      layer_norm: false,
      bidirectional: false,
      num_layers: 1,
      dropout: 0,
      head: { from: 'last', hidden_sizes: [], activation: 'relu', dropout: 0 },
    },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
    training: {
      num_epochs: 1,
      batch_size: 10,
      shuffle: true,
      last_batch: 'train',
      bucket_by_length: false,
      carry_state: false,
      log_every: 100,
      max_skipped_batches: 0,
      eval_batch_size: 10,
    },
    checkpoint: { every: 'epoch', keep: { last: 1, best: 1 }, metric: 'test.accuracy', mode: 'max' },
    gates: [],
  });
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(frozen));
  t.ok(frozen(experiment));
  // Defaults must be copies: a second config never sees what a first one holds.
  const again = loadExperiment(write('minimal.yaml', MINIMAL)).experiment;
  t.not(again.optimizer, experiment.optimizer);
  t.not(again.gates, experiment.gates);
});

t.test('the reference config says what the design fixes', async t => {
  const { experiment } = loadExperiment('configs/mnist-lstm.yaml');
  t.match(experiment, {
    name: 'mnist-lstm',
    seed: 0,
    dataset: { kind: 'mnist', sequence: 'rows' },
    model: { cell: 'lstm', hidden_size: 128, num_layers: 2, head: { from: 'last' } },
    loss: { kind: 'cross_entropy' },
    optimizer: { kind: 'adam', learning_rate: 0.01 },
    training: { num_epochs: 2, batch_size: 100, shuffle: true, log_every: 100 },
    checkpoint: { every: 'epoch', keep: { last: 1, best: 1 }, metric: 'test.accuracy' },
    gates: [{ metric: 'test.accuracy', over: 'last', min: 0.96 }],
  });
});

t.test('sample configs load, name their schema, and are named after their file', async t => {
  for (const name of SAMPLES) {
    const loaded = loadExperiment(join('configs', name));
    t.equal(loaded.experiment.name, basename(name, '.yaml'));
    t.match(
      loaded.givenYaml,
      /^# yaml-language-server: \$schema=\.\.\/schemas\/experiment\.schema\.json\n/,
      name,
    );
    t.ok(loaded.experiment.description, `${name} says what it is`);
  }
});

t.test('a file that is no config is not shown by what extends it', async t => {
  write('secret.txt', 'root:x:0:0\n');
  const file = write('extends-secret.yaml', 'extends: secret.txt\n');
  const error: unknown = await Promise.resolve()
    .then(() => loadExperiment(file))
    .catch((thrown: unknown) => thrown);
  t.match(error, { exitCode: 2, diagnostics: [{ code: 'config/not-a-mapping' }] });
  t.notMatch(JSON.stringify(error), 'root:x');
});

t.test(
  'extends: later wins, mappings merge, lists replace, null removes, paths stay with their file',
  async t => {
    const loaded = loadExperiment(`${VALID_FOLDER}/nested/derived.yaml`);
    const { model, training, gates, dataset, seed, name } = loaded.experiment;
    t.match(model, { hidden_size: 64, num_layers: 3, cell: 'lstm' });
    t.match(training, { num_epochs: 3, batch_size: 30 });
    t.notOk('gradient_clip_norm' in training, 'null removes');
    t.same(gates, [{ metric: 'test.loss', over: 'last', max: 1 }], 'lists replace');
    t.same(dataset, { kind: 'npz', path: join(packageRoot, VALID_FOLDER, 'nested/b.npz') });
    t.same([seed, name], [7, 'derived']);
    t.same(
      loaded.files,
      ['base.yaml', 'large.yaml', 'nested/derived.yaml'].map(f => join(packageRoot, VALID_FOLDER, f)),
    );
    t.equal(loaded.origin('model.num_layers'), `${VALID_FOLDER}/large.yaml:2:39`);
    t.equal(loaded.origin('seed'), `${VALID_FOLDER}/base.yaml:3:7`);
    t.equal(loaded.origin('training.batch_size'), `${VALID_FOLDER}/nested/derived.yaml:5:25`);
    t.equal(loaded.origin('training.shuffle'), 'default');
  },
);

t.test('a changed kind keeps shared keys and drops the inherited ones of the old kind', async t => {
  const { optimizer } = loadExperiment(`${VALID_FOLDER}/nested/derived.yaml`).experiment;
  t.same(optimizer, { kind: 'sgd', learning_rate: 0.001, momentum: 0.5, nesterov: false, weight_decay: 0 });
  const set = ['optimizer.betas=[0.1, 0.2]', 'optimizer.kind=sgd'];
  t.same(
    told(failure(() => loadExperiment(`${VALID_FOLDER}/base.yaml`, { set }))),
    ['unknown-key 1:11'],
    'never silently',
  );
});

t.test('--set is typed by the schema', async t => {
  const file = write('set.yaml', MINIMAL);
  const load = (...set: string[]): LoadedExperiment['experiment'] => loadExperiment(file, { set }).experiment;
  t.equal(load('optimizer.learning_rate=1e-3').optimizer.learning_rate, 0.001);
  t.equal(load('name=1e3').name, '1e3', 'a string needs no quotes');
  t.equal(load('name=true').name, 'true');
  t.equal(load('name="quoted"').name, 'quoted');
  t.equal(load('description=a: b, [c').description, 'a: b, [c');
  t.equal(load('training.shuffle=false').training.shuffle, false);
  t.same(load('optimizer.betas=[0.5, 0.6]').optimizer, { ...load().optimizer, betas: [0.5, 0.6] });
  t.same(load('optimizer.betas=[0.5, 0.6]', 'optimizer.betas.1=0.7').optimizer, {
    ...load().optimizer,
    betas: [0.5, 0.7],
  });
  t.same(load('gates.0={metric: test.loss, max: 1}', 'gates[0].max=2').gates, [
    { metric: 'test.loss', over: 'last', max: 2 },
  ]);
  t.same(load('checkpoint.every={steps: 5}').checkpoint.every, { steps: 5 });
  t.equal(load('seed=1', 'seed=2').seed, 2, 'the last one wins');
  t.match(load('model={hidden_size: 9}').model, { cell: 'lstm', hidden_size: 9 }, 'a mapping merges');
  t.same(load('optimizer.kind=sgd', 'optimizer.momentum=0.9').optimizer.kind, 'sgd');
  t.equal(load('model.init_from=w.safetensors').model.init_from, join(packageRoot, 'w.safetensors'));
  const clipped = write('clipped.yaml', MINIMAL.replace('batch_size', 'gradient_clip_norm: 1, batch_size'));
  t.notOk(
    'gradient_clip_norm' in
      loadExperiment(clipped, { set: ['training.gradient_clip_norm=null'] }).experiment.training,
  );
  t.equal(loadExperiment(file, { set: ['seed=3'] }).origin('seed'), '--set');
});

t.test('--set that is wrong is shown in the argument', async t => {
  const file = write('set.yaml', MINIMAL);
  const complaints: Record<string, string> = {
    seed: 'set-syntax 1:1',
    '=3': 'set-syntax 1:1',
    'seed=': 'set-syntax 1:6',
    'a..b=1': 'set-syntax 1:3',
    'sed=1': 'unknown-key 1:1',
    'training.lr=1': 'unknown-key 1:10',
    'training.batch_size=big': 'type 1:21',
    'optimizer.learning_rate=-1': 'range 1:25',
    'optimizer.betas=[0.5, 2]': 'range 1:23',
    'optimizer.kind=addam': 'unknown-kind 1:16',
    'seed.x=1': 'set-path 1:6',
    'gates.3.min=1': 'set-path 1:7',
    'gates.first.min=1': 'set-path 1:7',
    'optimizer.betas=[0.5': 'syntax 1:17',
    'extends=x.yaml': 'set-extends 1:1',
    '__proto__.x=1': 'forbidden-key 1:1',
    'model.constructor.prototype.x=1': 'forbidden-key 1:7',
    'model={__proto__: {x: 1}}': 'forbidden-key 1:8',
    'seed=.inf': 'not-finite 1:6',
  };
  for (const [argument, complaint] of Object.entries(complaints)) {
    const error = failure(() => loadExperiment(file, { set: [argument] }));
    t.same(told(error), [complaint], argument);
    t.same([error.diagnostics[0].file, error.diagnostics[0].source], ['--set', argument]);
  }
  t.equal(
    printed(failure(() => loadExperiment(file, { set: ['optimizer.lr=1', 'training.batch_size=1O'] }))),
    `--set:1:11: unknown key \`lr\` in \`optimizer\`
  1 | optimizer.lr=1
    |           ^^
  expected: kind, learning_rate, betas, eps, weight_decay
  did you mean learning_rate?

--set:1:21: \`training.batch_size\` has the wrong type
  1 | training.batch_size=1O
    |                     ^^
  expected: a whole number from 1 to 65536
  got: the string "1O"
`,
  );
  t.equal(Object.hasOwn(Object.prototype, 'x'), false, 'no prototype was touched');
});

t.test('names of inherited object members are ordinary words', async t => {
  const file = write('members.yaml', MINIMAL);
  const complaints = printed(
    failure(() => loadExperiment(file, { set: ['optimizer.toString=1', 'training.shuffle=valueOf'] })),
  );
  t.match(complaints, /unknown key `toString` in `optimizer`\n/);
  t.match(complaints, /got: the string "valueOf"\n$/);
  const shuffle = write('shuffle.yaml', MINIMAL.replace('batch_size', 'shuffle: constructor, batch_size'));
  t.match(printed(failure(() => loadExperiment(shuffle))), /got: the string "constructor"\n$/);
});

t.test('errors of files, bases and --set come together', async t => {
  write('bad-base.yaml', MINIMAL.replace('lstm', 'lsmt'));
  const file = write('bad-top.yaml', 'extends: bad-base.yaml\nseed: -1\n');
  const error = failure(() => loadExperiment(file, { set: ['training.batch_size=0'] }));
  t.same(
    error.diagnostics.map(d => `${basename(d.file ?? '')} ${d.line}:${d.column}`),
    ['bad-top.yaml 2:7', 'bad-base.yaml 4:16', '--set 1:21'],
  );
});

t.test('a long list of errors is cut, and says so', async t => {
  const many = Array.from({ length: 150 }, (_, i) => `zzz_${i}: 1`).join('\n');
  const error = failure(() => loadExperiment(write('many.yaml', `${MINIMAL}${many}\n`)));
  t.equal(error.diagnostics.length, 101);
  t.match(error.diagnostics[100].message, /^50 more problems/);
});

t.test('the hash names what defines results', async t => {
  const hash = (text: string, set: string[] = []): string =>
    loadExperiment(write('hash.yaml', text), { set }).hash;
  const reference = hash(MINIMAL);
  t.match(reference, /^[0-9a-f]{64}$/);
  const reordered = `# a comment\n${MINIMAL.trim().split('\n').reverse().join('\n\n')}\n`;
  t.equal(hash(reordered), reference, 'order, comments and blank lines');
  t.equal(hash(MINIMAL.replace('0.01', '1e-2').replace('a.npz', '"./a.npz"')), reference, 'spelling');
  for (const set of [
    'name=other',
    'description=text',
    'training.log_every=1',
    'training.shuffle=true',
    'checkpoint.every={seconds: 9}',
    'checkpoint.metric=test.loss',
    'gates=[{metric: test.loss, max: 9}]',
    'optimizer.eps=1e-8',
  ]) {
    t.equal(hash(MINIMAL, [set]), reference, `${set} changes no result`);
  }
  for (const set of [
    'seed=1',
    `dataset.path=${join(scratch, 'b.npz')}`,
    'dataset.limit=5',
    'model.hidden_size=9',
    'model.num_classes=3',
    'optimizer.learning_rate=0.02',
    'optimizer.kind=sgd',
    'training.num_epochs=2',
    'training.max_steps=5',
    'training.batch_size=9',
    'training.shuffle=false',
    'training.last_batch=drop',
    'training.gradient_clip_norm=1',
    'training.max_skipped_batches=1',
    'training.eval_batch_size=3',
    'model.head.from=every',
  ]) {
    t.not(hash(MINIMAL, [set]), reference, `${set} changes results`);
  }
  t.equal(
    loadExperiment(`${VALID_FOLDER}/same-as-base.json`).hash,
    loadExperiment(`${VALID_FOLDER}/base.yaml`).hash,
  );
  mkdirSync(join(scratch, 'elsewhere'), { recursive: true });
  t.equal(loadExperiment(write('elsewhere/hash.yaml', MINIMAL)).hash, reference, 'another checkout');
});

t.test('the resolved config loads again as the same experiment', async t => {
  for (const name of SAMPLES) {
    const first = loadExperiment(join('configs', name));
    const second = loadExperiment(write(name, first.resolvedYaml));
    t.same(second.experiment, first.experiment);
    t.equal(second.hash, first.hash);
    t.equal(second.resolvedYaml, first.resolvedYaml);
  }
});

t.test('anchors and aliases are plain values', async t => {
  const { dataset, training } = loadExperiment(`${VALID_FOLDER}/anchors.yaml`).experiment;
  t.match(dataset, { features: ['a', 'b'] });
  t.equal(training.batch_size, 8);
});

t.test('a config against its data', async t => {
  const file = write('data.yaml', MINIMAL);
  const shape = (targets: DataShape['train']['targets'], count = 100): DataShape => ({
    input: { kind: 'number', size: 3 } as const,
    sequenceLength: 5,
    train: { count, targets },
    test: { count: 10, targets },
  });
  const classes = { kind: 'class', numClasses: 4, perStep: false } as const;
  const check = (data: DataShape, ...set: string[]): string[] =>
    checkAgainstData(loadExperiment(file, { set }), data).diagnostics.map(
      d => `${d.code} ${d.file === '--set' ? '--set' : 'file'} ${d.line}:${d.column}`,
    );
  t.same(checkAgainstData(loadExperiment(file), shape(classes)), {
    diagnostics: [],
    warnings: [],
    sizes: { input: { kind: 'number', size: 3 }, sequenceLength: 5, outputSize: 4 },
  });
  const unevenClasses = { ...shape(classes), test: { count: 1, targets: { ...classes, numClasses: 6 } } };
  t.equal(checkAgainstData(loadExperiment(file), unevenClasses).sizes.outputSize, 6);
  const wider = loadExperiment(file, { set: ['model.num_classes=9'] });
  t.equal(checkAgainstData(wider, shape(classes)).sizes.outputSize, 9);
  t.same(check(shape(classes), 'model.num_classes=3'), ['config/num-classes --set 1:19']);
  t.same(check(shape(classes), 'model.num_classes=4'), []);
  t.same(check(shape({ kind: 'value', size: 2 })), ['config/loss-target file 5:15']);
  t.same(check(shape(classes), 'loss.kind=mse'), ['config/loss-target --set 1:11']);
  t.same(check(shape({ ...classes, perStep: true })), ['config/head-target file 4:1']);
  t.same(check(shape(classes), 'model.head.from=every'), ['config/head-target --set 1:17']);
  t.same(check(shape(classes, 9), 'training.last_batch=drop'), ['config/batch-size file 7:40']);
  t.same(check(shape(classes, 9)), [], 'a partial batch may be trained on');
  const mixed = { ...shape(classes), test: { count: 1, targets: { kind: 'value', size: 1 } as const } };
  t.same(check(mixed), ['config/split-targets file 3:1']);
  const values = loadExperiment(file, { set: ['loss.kind=mse'] });
  t.equal(checkAgainstData(values, shape({ kind: 'value', size: 2 })).sizes.outputSize, 2);
});

t.test('labels that would silently enlarge the model', async t => {
  const file = write('labels.yaml', MINIMAL);
  const train = (values: number[]): FileLabels => ({
    values: Int32Array.from(values),
    at: index => ({ name: `y[${index}]`, value: String(values[index]), place: { file: 'a.npz' } }),
  });
  const judge = (labels: number[], test: number[], ...set: string[]) => {
    const facts = labelFacts(train(labels), train(test));
    const numClasses = Math.max(...labels, ...test) + 1;
    const split = { count: 9, targets: { kind: 'class', numClasses, perStep: false } } as const;
    const data = {
      input: { kind: 'number', size: 1 } as const,
      sequenceLength: 1,
      train: split,
      test: split,
      labels: facts,
    };
    try {
      const { diagnostics, warnings, sizes } = checkAgainstData(loadExperiment(file, { set }), data);
      return [
        ...diagnostics.map(d => d.message),
        ...warnings.map(d => `warning: ${d.message}`),
        sizes.outputSize,
      ];
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.diagnostics.map(d => `${error.exitCode} ${d.file}: ${d.message} | ${d.expected}`);
    }
  };
  t.same(judge([2, 0, 1, -100], [0, 2]), [3], 'nothing to say');
  t.same(judge([3, 0, 1], [0]), [
    'warning: 1 of 4 classes never occur in the training labels (2); `model.num_classes: 4` says that this is meant',
    4,
  ]);
  t.same(judge([0, 7, 1, 2, 3, 255, 4], [0, 255]), [
    '5 a.npz: y[5] is 255, and 249 of the 256 classes up to it never occur in the training labels | labels that count from 0, or `model.num_classes: 256` if it is meant',
  ]);
  t.match(judge([0, 3], [0]), [/^warning: 2 of 4 classes/, 4], 'half of the classes is not yet absurd');
  t.match(judge([0, 4], [0]), [/^5 .*y\[1\] is 4, and 3 of the 5 classes/], 'more than half is');
  t.same(judge([0, 1], [1, 2, 3, 0]), [
    '5 a.npz: y[1] is 2, which is no class of the training labels | one of the 2 classes of the training labels, or `model.num_classes: 4` if it is meant',
  ]);
  t.match(judge([0, 9], [12]), [/y\[1\] is 9/, /y\[0\] is 12/], 'both at once');
  t.same(judge([0, 9], [12], 'model.num_classes=20'), [20], 'a number that is given settles it');
  t.match(judge([0, 1], [0, 255], 'model.num_classes=5'), [
    /^the labels need 256 classes: y\[1\] in a\.npz is 255$/,
    5,
  ]);
  t.match(
    judge([0, 9], [0], 'loss.kind=mse'),
    [/^loss mse needs value targets/, 10],
    'no label matters to mse',
  );
});

t.test('a limit beyond the data is told', async t => {
  const file = write('limit.yaml', MINIMAL.replace('a.npz }', 'a.npz, limit: 11 }'));
  const split = { count: 11, targets: { kind: 'class', numClasses: 2, perStep: false } } as const;
  const data = { input: { kind: 'number', size: 1 } as const, sequenceLength: 1, train: split, test: split };
  const warnings = (count: number) =>
    checkAgainstData(loadExperiment(file), { ...data, train: { ...split, count } }).warnings;
  t.same(warnings(11), []);
  t.match(warnings(10), [
    {
      code: 'data/limit',
      message: 'dataset.limit is 11, but there are only 10 training sequences; all are used',
      line: 3,
      column: 43,
    },
  ]);
});

t.test('near names', async t => {
  const near: [string, string[], string | undefined][] = [
    ['nmae', ['name', 'seed'], 'name'],
    ['sede', ['seed'], 'seed'],
    ['lstm', ['gru', 'lstm'], 'lstm'],
    ['lsmt', ['gru', 'lstm'], 'lstm'],
    ['emna', ['name'], undefined],
    ['learning_raet', ['learning_rate'], 'learning_rate'],
    ['ab', ['ba'], 'ba'],
    ['a', ['b'], undefined],
  ];
  for (const [word, candidates, wanted] of near) t.equal(nearest(word, candidates), wanted, word);
});

t.test('the schema explains itself', async t => {
  const keys = allKeys();
  t.ok(keys.length > 10);
  t.same(keys.flatMap(unexplained), []);
  t.ok(isClosed(experimentSchema()), 'every object is closed');
});

t.test('every schema is one, and compiles', async t => {
  const drafts = [new Ajv(), new Ajv2019()];
  const files = readdirSync(join(packageRoot, 'schemas')).filter(file => file.endsWith('.schema.json'));
  const names = files.map(file => file.replace('.schema.json', ''));
  t.ok(names.length > 5);
  for (const name of names) {
    // the validator that the program makes takes schemas as they are
    const schema = readSchema(name) as { readonly $schema: string };
    const metaSchema = drafts[schema.$schema.includes('2019-09') ? 1 : 0];
    t.ok(metaSchema.validateSchema(schema), metaSchema.errorsText());
    t.equal(typeof compileSchema(name), 'function', name);
  }
  for (const metaSchema of drafts) t.notOk(metaSchema.validateSchema({ type: 'number', minimum: 'x' }));
});

t.test("the schema's own examples are valid", async t => {
  for (const { path, schema } of allKeys()) {
    if (path.length !== 1 || path[0] === 'extends') continue;
    for (const example of schema.examples ?? []) {
      const base = parseDocument(MINIMAL).toJS() as Record<string, unknown>;
      t.same(validateAgainst('experiment', { ...base, [path[0]]: example }), [], path[0]);
    }
  }
});

t.test('generated types are current', async t => {
  t.ok(await typesAreCurrent(), 'else run `node dist/src/cli/generate-types.js`');
});

t.test('whatever happens to a config, a UserError or a result within a second', async () => {
  const texts = [
    ...SAMPLES.map(name => readFileSync(join('configs', name), 'utf8')),
    readFileSync(`${VALID_FOLDER}/anchors.yaml`, 'utf8'),
    readFileSync(`${VALID_FOLDER}/same-as-base.json`, 'utf8'),
  ];
  const pieces = [
    '[',
    ']',
    '{',
    '}',
    ':',
    ': ',
    '- ',
    '? ',
    '"',
    "'",
    '|',
    '>',
    '#',
    '\n',
    '\t',
    '  ',
    '&a ',
    '*a',
    '!t ',
    '%',
    '---\n',
    '<<: ',
    '...',
    '\0',
    '\uFEFF',
    'null',
    '1e999',
    '-1',
    '"__proto__": ',
    ',',
  ];
  const edit = fc.record({
    at: fc.nat(1500),
    remove: fc.nat(12),
    insert: fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 6, unit: 'binary' })),
    times: fc.integer({ min: 1, max: 40 }),
  });
  const mutated = fc
    .tuple(fc.constantFrom(...texts), fc.array(edit, { minLength: 1, maxLength: 6 }))
    .map(([text, edits]) =>
      edits.reduce((now, { at, remove, insert, times }) => {
        const from = at % (now.length + 1);
        return now.slice(0, from) + insert.repeat(times) + now.slice(from + remove);
      }, text),
    );
  loadExperiment('configs/mnist-lstm.yaml');
  fc.assert(
    fc.property(mutated, text => {
      const file = write('mutated.yaml', text);
      const begun = process.cpuUsage();
      try {
        loadExperiment(file);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        if (error.exitCode !== 2 || error.diagnostics.length === 0) throw new Error('an empty error');
        printed(error);
      }
      const used = process.cpuUsage(begun);
      return used.user + used.system < 1e6;
    }),
    { numRuns: 600, seed: 20260101 },
  );
});

t.test('any --set gives a UserError or a result', async () => {
  const file = write('set.yaml', MINIMAL);
  const keys = allKeys().map(({ path }) => path.join('.'));
  const value = fc.oneof(
    fc.constantFrom('1', 'x', '[1]', '{a: 1}', 'null', '.nan', '', '*a', '&a 1'),
    fc.string(),
  );
  const key = fc.oneof(fc.constantFrom(...keys), fc.string());
  fc.assert(
    fc.property(
      fc.array(
        fc.tuple(key, value).map(([k, v]) => `${k}=${v}`),
        { maxLength: 4 },
      ),
      set => {
        try {
          loadExperiment(file, { set });
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
        }
      },
    ),
    { numRuns: 600, seed: 20260102 },
  );
});

t.test('hostile files of the largest size take less than a second', async t => {
  const size = 65_000;
  const fill = (piece: string): string => piece.repeat(Math.floor(size / piece.length));
  for (const [name, text] of Object.entries({
    brackets: fill('['),
    closers: fill(']'),
    commas: `a: [${fill(',')}`,
    quotes: fill("''\n"),
    aliases: fill('*a '),
    anchors: fill('&a '),
    directives: fill('%a\n'),
    tags: `a: ${fill('!a ')}`,
    colons: fill(':\n'),
    'one key': fill('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'),
    'many keys': Array.from({ length: 12_000 }, (_, i) => `${i.toString(36)}:`).join('\n'),
    'replacement characters': fill('# \uFFFD\n').slice(0, size / 2),
  })) {
    const file = write('hostile.yaml', text);
    const begun = process.cpuUsage();
    t.equal(failure(() => loadExperiment(file)).exitCode, 2, name);
    const used = process.cpuUsage(begun);
    t.ok(used.user + used.system < 1e6, `${name}: ${Math.round((used.user + used.system) / 1000)} ms`);
  }
  const wide = Array.from({ length: 31 }, () => 'wide.yaml').join(', ');
  const file = write('wide-top.yaml', `extends: [${wide}]\n`);
  write('wide.yaml', `extends: [wide-leaf.yaml, wide-leaf.yaml]\n`);
  write('wide-leaf.yaml', 'seed: 1\n');
  t.match(printed(failure(() => loadExperiment(file))), /leads to too many files/);
});

function recorder(): Io & { outText: () => string; errText: () => string } {
  const text = { out: '', err: '' };
  return {
    out: part => {
      text.out += part;
    },
    err: part => {
      text.err += part;
    },
    color: { out: false, err: false },
    interactive: false,
    columns: 80,
    outText: () => text.out,
    errText: () => text.err,
  };
}

const SYNTHETIC = MINIMAL.replace(
  '{ kind: npz, path: a.npz }',
  '{ kind: synthetic, problem: copy_memory, delay: 2, train_size: 20, test_size: 10 }',
).replace('hidden_size: 8', 'hidden_size: 8, head: { from: every }');

t.test('validate', async t => {
  const good = write('good.yaml', SYNTHETIC);
  const bad = `${BROKEN_FOLDER}/many-at-once.yaml`;
  await t.test('text', async t => {
    const io = recorder();
    t.equal(await validate([good, bad], { format: 'text', set: [] }, io), 2);
    t.equal(io.outText(), `${good}: valid\n${bad}: 5 problems\n`);
    t.match(io.errText(), /many-at-once\.yaml:8:3: unknown key `lr` in `optimizer`\n {2}8 \| {3}lr: fast\n/);
  });
  await t.test('json', async t => {
    const io = recorder();
    t.equal(await validate([good, bad], { format: 'json', set: [] }, io), 2);
    const report = JSON.parse(io.outText());
    t.match(report, {
      valid: false,
      configs: [
        { file: good, valid: true, diagnostics: [] },
        { file: bad, valid: false },
      ],
    });
    t.match(report.configs[1].diagnostics[2], {
      code: 'config/unknown-key',
      line: 8,
      column: 3,
      suggestion: 'learning_rate',
    });
    t.equal(io.errText(), '');
  });
  await t.test('github', async t => {
    const io = recorder();
    t.equal(await validate([good, bad], { format: 'github', set: [] }, io), 2);
    const lines = io.outText().trimEnd().split('\n');
    t.equal(lines.length, 5);
    t.equal(
      lines[2],
      `::error file=${bad},line=8,col=3,endColumn=5,title=config/unknown-key::unknown key \`lr\` in \`optimizer\`%0Aexpected: kind, learning_rate, momentum, nesterov, weight_decay%0Adid you mean learning_rate?`,
    );
    const set = recorder();
    t.equal(await validate([good], { format: 'github', set: ['seed=-1'] }, set), 2);
    t.match(
      set.outText(),
      `::error file=${good},title=config/range::--set seed=-1: \`seed\` must be at least 0%0A`,
    );
  });
  await t.test('warnings', async t => {
    const limit = `${MISFIT_FOLDER}/limit.yaml`;
    const [json, github] = [recorder(), recorder()];
    t.equal(await validate([limit], { format: 'json', set: [] }, json), 0);
    t.match(JSON.parse(json.outText()), {
      valid: true,
      configs: [{ valid: true, diagnostics: [], warnings: [{ code: 'data/limit', line: 11 }] }],
    });
    t.equal(await validate([limit], { format: 'github', set: [] }, github), 0);
    t.match(
      github.outText(),
      `::warning file=${limit},line=11,col=10,endColumn=14,title=data/limit::dataset.limit`,
    );
  });
  await t.test('data that are not there', async t => {
    const io = recorder();
    const code = await validate([write('minimal.yaml', MINIMAL)], { format: 'text', set: [] }, io);
    t.equal(code, 2);
    t.match(
      io.errText(),
      /minimal\.yaml:3:29: .*a\.npz: .*no such file.*\n {2}3 \| dataset: .*\n {4}\| {29}\^{5}\n/,
    );
  });
  await t.test('a config that does not fit its data', async t => {
    const io = recorder();
    const set = ['training.last_batch=drop', 'training.batch_size=21'];
    t.equal(await validate([good], { format: 'text', set }, io), 2);
    t.match(io.errText(), /--set:1:21: no batch is ever full/);
  });
});

t.test('config show and explain', async t => {
  const file = write('shown.yaml', SYNTHETIC);
  const yaml = recorder();
  t.equal(await configShow(file, { set: ['seed=5'], json: false }, yaml), 0);
  t.equal(yaml.outText(), loadExperiment(file, { set: ['seed=5'] }).resolvedYaml);
  const json = recorder();
  await configShow(file, { set: ['seed=5'], json: true }, json);
  t.match(JSON.parse(json.outText()), { seed: 5, dataset: { seed: 5 }, training: { eval_batch_size: 10 } });
  const all = recorder();
  t.equal(await configExplain(file, undefined, { set: ['seed=5'], json: false }, all), 0);
  t.match(all.outText(), /^seed = 5 +--set$/m);
  t.match(all.outText(), /^training\.shuffle = true +default$/m);
  t.match(all.outText(), new RegExp(`^model\\.head\\.from = "every" +${file}:4:52$`, 'm'));
  t.match(all.outText(), /^optimizer\.betas = \[0\.9,0\.999\] +default$/m);
  const one = recorder();
  await configExplain(file, 'training.eval_batch_size', { set: [], json: false }, one);
  t.equal(
    one.outText(),
    `training.eval_batch_size
  Sequences per batch of an evaluation.
  expected: a whole number from 1 to 65536
  default:  training.batch_size
  example:  500

training.eval_batch_size = 10  default
`,
  );
  const absent = recorder();
  await configExplain(file, 'training.max_steps', { set: [], json: true }, absent);
  t.match(JSON.parse(absent.outText()), { key: 'training.max_steps', values: [] });
  const mapping = recorder();
  await configExplain(file, 'model', { set: [], json: true }, mapping);
  t.equal(JSON.parse(mapping.outText()).values.length, 10);
  await t.rejects(
    configExplain(file, 'optimizer.lr', { set: [], json: false }, recorder()),
    /no key `optimizer\.lr`/,
  );
  const lost = await configExplain(file, 'learning_rate', { set: [], json: false }, recorder()).catch(
    error => error,
  );
  t.match(lost, { exitCode: 2, diagnostics: [{ suggestion: 'optimizer.learning_rate' }] });
  await t.rejects(configExplain(file, 'toString', { set: [], json: false }, recorder()), UserError);
});

t.test('config diff', async t => {
  const a = write('a.yaml', MINIMAL);
  const b = write(
    'b.yaml',
    `description: other\n${MINIMAL.replace('0.01', '1e-2').replace('num_epochs: 1', 'num_epochs: 2')}`,
  );
  const text = recorder();
  t.equal(await configDiff([a, b], { set: [], json: false }, text), 0);
  t.equal(
    text.outText(),
    `--- ${a}\n+++ ${b}\ndescription: not set -> "other"\ntraining.num_epochs: 1 -> 2\n`,
    'values, not spellings',
  );
  const json = recorder();
  t.equal(await configDiff([a, b], { set: [], json: true }, json), 0);
  t.same(JSON.parse(json.outText()), {
    version: 1,
    a,
    b,
    equal: false,
    differences: [
      { key: 'description', b: { value: 'other', origin: `${b}:1:14` } },
      {
        key: 'training.num_epochs',
        a: { value: 1, origin: `${a}:7:25` },
        b: { value: 2, origin: `${b}:8:25` },
      },
    ],
  });
  const same = recorder();
  t.equal(await configDiff([a, a], { set: [], json: false }, same), 0);
  t.equal(same.outText(), `${a} and ${a} say the same.\n`);
  const gate = write('gate.yaml', `${MINIMAL}gates: [{ metric: test.loss, max: 1 }]\n`);
  const gates = recorder();
  await configDiff([a, gate], { set: [], json: false }, gates);
  t.equal(
    gates.outText(),
    `--- ${a}\n+++ ${gate}\ngates.0.max: not set -> 1\ngates.0.metric: not set -> "test.loss"\ngates.0.over: not set -> "last"\n`,
    'an empty list is not told beside items',
  );
  await t.rejects(
    configDiff([a, join(scratch, 'none.yaml')], { set: [], json: false }, recorder()),
    UserError,
  );
});
