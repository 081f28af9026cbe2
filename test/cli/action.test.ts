/** The GitHub action, run like on GitHub; advice of `doctor`; URLs of schemas. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { fasterBy, type Speed } from '../../src/cli/verbs/doctor.js';
import { packageRoot } from '../../src/util/root.js';
import { execute } from '../support/programs.js';
import { work } from '../support/work.js';

interface Step {
  readonly name?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the action's scripts in a folder with `inputs`; returns the exit code of each. */
async function runAction(cwd: string, inputs: Readonly<Record<string, string>>) {
  const action = parse(readFileSync(join(packageRoot, 'action.yml'), 'utf8'));
  const all: Record<string, string> = { ...inputs };
  for (const [name, { default: value }] of Object.entries<{ default?: string }>(action.inputs))
    all[name] ??= value ?? '';
  const filled = (text: string) =>
    text.replaceAll(/\$\{\{ inputs\.([\w-]+) \}\}/g, (_, name: string) => all[name]);
  const ended = [];
  for (const { name, run, env = {} } of action.runs.steps as readonly Step[]) {
    if (run === undefined) continue;
    const own = Object.entries(env).map(([key, value]) => [key, filled(value)]);
    // like `shell: bash`
    const done = await execute('bash', ['--noprofile', '--norc', '-eo', 'pipefail', '-c', run], {
      cwd,
      env: {
        ...{ PATH: process.env.PATH, HOME: cwd, GITHUB_ACTION_PATH: packageRoot },
        ...Object.fromEntries(own),
      },
    });
    ended.push({ name, ...done });
    if (done?.code !== 0) break;
  }
  return ended;
}

const config = {
  name: 'acted',
  dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 4, train_size: 8, test_size: 4 },
  model: { cell: 'rnn', hidden_size: 2, head: { from: 'last' } },
  loss: { kind: 'mse' },
  optimizer: { kind: 'sgd', learning_rate: 0.01 },
  training: { num_epochs: 2, batch_size: 4 },
  gates: [{ metric: 'test.loss', max: 100 }],
};

t.test('the action validates, trains each seed and reviews', async t => {
  const cwd = work.folder();
  const inputs = {
    config: work.config(config),
    seeds: '0 1',
    set: 'training.num_epochs=1 model.hidden_size=3',
  };
  const ended = await runAction(cwd, inputs);
  t.same(
    ended.map(({ name, code }) => [name, code]),
    [
      ['Validate', 0],
      ['Train', 0],
      ['Review', 0],
    ],
    JSON.stringify(ended),
  );
  t.equal(readdirSync(join(cwd, 'cellrun-output', 'acted')).length, 2);
  const strict = { ...config, gates: [{ metric: 'test.loss', max: 0 }] };
  const failing = await runAction(cwd, {
    ...inputs,
    command: `${process.execPath} ${join(packageRoot, 'dist/bundle/cli/main.js')}`,
    config: work.config(strict),
    seeds: '0',
    output: 'other',
  });
  t.same(
    failing.map(({ name, code }) => [name, code]),
    [
      ['Validate', 0],
      ['Train', 0],
      ['Review', 3],
    ],
  );
  t.match(failing[2].stdout, /^::error file=.*Gate|gate/m);
});

t.test('doctor gives advice on faster training', async t => {
  const best: Speed = {
    node: '24.1.0',
    arch: 'x64',
    cpu: 'AMD EPYC',
    cores: 4,
    usable: 4,
    width: 256,
    missingFor512: undefined,
    hasGpu: false,
    hasPackage: false,
    hasAdapter: false,
  };
  t.same(fasterBy(best), []);
  t.match(fasterBy({ ...best, node: '20.20.2', width: 128 }), [
    /^Node\.js 24 or later .* this is 20\.20\.2$/,
  ]);
  t.same(fasterBy({ ...best, node: '20.20.2', width: 128, arch: 'arm64' }), []);
  t.same(fasterBy({ ...best, missingFor512: 'they are slow' }), [
    'this processor has 512-bit vectors, but they are slow',
  ]);
  t.match(fasterBy({ ...best, cpu: 'Apple M2', node: '20.1.0', width: 128 }), [/emulated/]);
  t.match(fasterBy({ ...best, usable: 2 }), [/2 of 4 cores/]);
  t.match(fasterBy({ ...best, hasGpu: true }), [/npm install webgpu/]);
  t.match(fasterBy({ ...best, hasGpu: true, hasPackage: true }), [/Vulkan/]);
  t.same(fasterBy({ ...best, hasGpu: true, hasPackage: true, hasAdapter: true }), []);
  const { stdout } = await work.cellrun('doctor', '--json');
  t.ok(Array.isArray(JSON.parse(stdout).faster_by));
});

t.test('each schema has its own URL, and the catalogue lists the schemas for users', async t => {
  const folder = join(packageRoot, 'schemas');
  const files = readdirSync(folder).filter(name => name.endsWith('.schema.json'));
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8'));
  const urlOf = (file = '') => `https://unpkg.com/cellrun@${version}/schemas/${file}`;
  for (const file of files) t.equal(JSON.parse(readFileSync(join(folder, file), 'utf8')).$id, urlOf(file));
  const { schemas } = JSON.parse(readFileSync(join(folder, 'catalog.json'), 'utf8'));
  t.same(
    schemas.map(({ url }: { url: string }) => url),
    ['experiment.schema.json', 'sweep.schema.json'].map(urlOf),
  );
  for (const { url } of schemas) t.ok(existsSync(join(folder, url.split('/').at(-1))));
});
