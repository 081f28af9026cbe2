/** Reading, merging, overriding and checking of config files. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { type LoadedExperiment, loadExperiment, locateInConfig } from '../../src/config/index.js';
import { configError } from '../../src/data/core/problems.js';
import { packageRoot } from '../../src/util/root.js';
import {
  BROKEN_FOLDER,
  MINIMAL,
  MISFIT_FOLDER,
  printed,
  SAMPLES,
  told,
  VALID_FOLDER,
  writerIn,
} from '../support/config-texts.js';
import { failure } from '../support/failure.js';
import { callWith, recorder } from '../support/in-process.js';

process.chdir(packageRoot);
const scratch = t.testdir({});
const write = writerIn(scratch);

/** The text beside `config` has codes and places of its problems, then the messages. */
function checkGolden(t: Test, config: string, text: string): void {
  const golden = config.replace(/\.\w+$/, '.txt');
  if (process.env.UPDATE_GOLDENS === '1') writeFileSync(golden, text);
  t.equal(text, readFileSync(golden, 'utf8'), config);
}

t.test('broken configs: every problem at its place, with the committed message', async t => {
  const files = readdirSync(BROKEN_FOLDER).filter(name => !name.endsWith('.txt'));
  t.ok(files.length >= 100);
  for (const name of files) {
    const file = join(BROKEN_FOLDER, name);
    const error = failure(() => loadExperiment(file));
    t.equal(error.exitCode, 2, `${name}: exit code`);
    checkGolden(t, file, [...told(error), printed(error)].join('\n'));
    t.notMatch(printed(error), /^\s+at .*\.js/m, `${name}: no stack`);
  }
});

t.test('configs that do not fit their data: errors at the place to fix', async t => {
  const files = readdirSync(MISFIT_FOLDER).filter(name => name.endsWith('.yaml'));
  for (const name of files) {
    const file = join(MISFIT_FOLDER, name);
    const [text, json] = [recorder(), recorder()];
    const code = await callWith(text, 'validate', file);
    await callWith(json, 'validate', file, '--format', 'json');
    const [{ diagnostics, warnings }] = JSON.parse(json.text.out).configs;
    const told = [...diagnostics, ...warnings].map(
      d => `${code} ${basename(d.file)}:${d.line}:${d.column} ${d.code}`,
    );
    checkGolden(t, file, [...told, text.text.err.replaceAll(`${packageRoot}/`, '')].join('\n'));
  }
});

t.test('a problem with a value of the config is moved to its place', async t => {
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

t.test('files that are not configs', async t => {
  t.match(
    printed(failure(() => loadExperiment('nowhere/x.yaml'))),
    /^nowhere\/x\.yaml: the file does not exist\n$/,
  );
  t.equal(printed(failure(() => loadExperiment(''))), 'cellrun: the name of the config is empty\n');
  t.match(printed(failure(() => loadExperiment('configs'))), /is not a regular file/);
  t.match(printed(failure(() => loadExperiment('package.json/x.yaml'))), /does not exist/);
  t.match(printed(failure(() => loadExperiment('a\0b.yaml'))), /cannot be read/);
  t.match(printed(failure(() => loadExperiment('/dev/null'))), /is not a regular file/);
  // Linux reports an error when its first bytes are read
  if (existsSync('/proc/self/mem'))
    t.match(
      printed(failure(() => loadExperiment('/proc/self/mem'))),
      /^\/proc\/self\/mem: the file cannot be read \(EIO\)/m,
    );
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
  t.match(experiment, {
    seed: 0,
    dataset: { kind: 'npz', path: join(scratch, 'a.npz') },
    model: { num_layers: 1, head: { from: 'last', hidden_sizes: [] } },
    optimizer: { betas: [0.9, 0.999], eps: 1e-8 },
    training: { shuffle: true },
    checkpoint: { every: 'epoch', keep: { last: 1, best: 1 }, metric: 'test.accuracy', mode: 'max' },
    gates: [],
  });
  for (const key of ['log_every', 'eval_batch_size'])
    t.notOk(key in experiment.training, `the run chooses ${key}`);
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' ||
    value === null ||
    (Object.isFrozen(value) && Object.values(value).every(frozen));
  t.ok(frozen(experiment));
  // Defaults must be copies: two configs share no objects.
  const again = loadExperiment(write('minimal.yaml', MINIMAL)).experiment;
  t.not(again.optimizer, experiment.optimizer);
  t.not(again.gates, experiment.gates);
});

t.test('errors do not show the content of an extended file that is not a config', async t => {
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

t.test('a description is not inherited', async t => {
  const base = write(
    'described.yaml',
    `extends: ${join(packageRoot, VALID_FOLDER, 'base.yaml')}\ndescription: The base.\n`,
  );
  const descriptionOf = (line: string): unknown => {
    const file = write('describing.yaml', `extends: ${base}\nname: derived\n${line}`);
    return loadExperiment(file).experiment.description;
  };
  t.equal(loadExperiment(base).experiment.description, 'The base.');
  t.equal(descriptionOf(''), undefined);
  t.equal(descriptionOf('description: Its own.\n'), 'Its own.');
  t.equal(descriptionOf('description: null\n'), undefined);
});

t.test('changing a kind keeps shared keys and drops inherited keys of the old kind', async t => {
  const { optimizer } = loadExperiment(`${VALID_FOLDER}/nested/derived.yaml`).experiment;
  t.same(optimizer, {
    kind: 'sgd',
    learning_rate: 0.001,
    momentum: 0.5,
    nesterov: false,
    weight_decay: 0,
    weight_decay_on: 'all',
  });
  const set = ['optimizer.betas=[0.1, 0.2]', 'optimizer.kind=sgd'];
  t.same(
    told(failure(() => loadExperiment(`${VALID_FOLDER}/base.yaml`, { set }))),
    ['unknown-key 1:11'],
    'never silently',
  );
});

t.test('a key takes the place of an inherited one that it excludes', async t => {
  write('excluded.yaml', MINIMAL.replace('a.npz', 'a.npz, validation: { fraction: 0.1 }'));
  const validation = (name: string, content: object, ...set: string[]) => {
    const path = write(name, JSON.stringify({ extends: 'excluded.yaml', dataset: content }));
    const { dataset } = loadExperiment(path, { set }).experiment;
    return 'validation' in dataset ? dataset.validation : undefined;
  };
  t.match(validation('a.yaml', {}), { fraction: 0.1 });
  const counted = { count: 3, fraction: undefined };
  t.match(validation('b.yaml', { validation: { count: 3 } }), counted, 'in a file');
  t.match(validation('c.yaml', {}, 'dataset.validation.count=3'), counted, 'by --set');
  t.match(validation('d.yaml', {}, 'dataset.validation={ count: 3 }'), counted, 'by a mapping');
  t.throws(
    () => validation('e.yaml', { validation: { count: 3, fraction: 0.5 } }),
    /`fraction` and `count` cannot be combined/,
    'not where both are given at once',
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

t.test('errors in --set are located in the argument', async t => {
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
  expected: kind, learning_rate, schedule, betas, eps, amsgrad, weight_decay, weight_decay_on, parameter_groups
  did you mean learning_rate?

--set:1:21: \`training.batch_size\` has the wrong type
  1 | training.batch_size=1O
    |                     ^^
  expected: an integer from 1 to 65536
  got: the string "1O"
`,
  );
  t.equal(Object.hasOwn(Object.prototype, 'x'), false, 'no prototype was touched');
});

t.test('names of inherited object members are ordinary keys', async t => {
  const file = write('members.yaml', MINIMAL);
  const complaints = printed(
    failure(() => loadExperiment(file, { set: ['optimizer.toString=1', 'training.shuffle=valueOf'] })),
  );
  t.match(complaints, /unknown key `toString` in `optimizer`\n/);
  t.match(complaints, /got: the string "valueOf"\n$/);
  const shuffle = write('shuffle.yaml', MINIMAL.replace('batch_size', 'shuffle: constructor, batch_size'));
  t.match(printed(failure(() => loadExperiment(shuffle))), /got: the string "constructor"\n$/);
});

t.test('errors of files, bases and --set are reported together', async t => {
  write('bad-base.yaml', MINIMAL.replace('lstm', 'lsmt'));
  const file = write('bad-top.yaml', 'extends: bad-base.yaml\nseed: -1\n');
  const error = failure(() => loadExperiment(file, { set: ['training.batch_size=0'] }));
  t.same(
    error.diagnostics.map(d => `${basename(d.file ?? '')} ${d.line}:${d.column}`),
    ['bad-top.yaml 2:7', 'bad-base.yaml 4:16', '--set 1:21'],
  );
});

t.test('a long list of errors is truncated with a note', async t => {
  const many = Array.from({ length: 150 }, (_, i) => `zzz_${i}: 1`).join('\n');
  const error = failure(() => loadExperiment(write('many.yaml', `${MINIMAL}${many}\n`)));
  t.equal(error.diagnostics.length, 101);
  t.match(error.diagnostics[100].message, /^50 more problems/);
});

// `key-effects` compares the hashes of configs that differ in one key
t.test('the hash is that of the values, wherever and however they are written', async t => {
  const hash = (text: string): string => loadExperiment(write('hash.yaml', text)).hash;
  const reference = hash(MINIMAL);
  t.match(reference, /^[0-9a-f]{64}$/);
  const reordered = `# a comment\n${MINIMAL.trim().split('\n').reverse().join('\n\n')}\n`;
  t.equal(hash(reordered), reference, 'order, comments and blank lines');
  t.equal(hash(MINIMAL.replace('0.01', '1e-2').replace('a.npz', '"./a.npz"')), reference, 'spelling');
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
    const second = loadExperiment(write(name, first.resolvedYaml), { folder: resolve('configs') });
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
