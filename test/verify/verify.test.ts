/**
 * Checks of gradients and backends: what holds, and that an error planted into the program is found
 * where it is.
 */
import { cpSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import {
  type BackendsResults,
  compareStandings,
  isBeyond,
  type Standing,
  worstByTensor,
} from '../../src/verify/backends.js';
import { differentiateAtZero, type GradientsResults, spread } from '../../src/verify/gradients.js';
import { type Finished, floats, integers, npz } from '../support/cli.js';
import { callInProcess, type ProgramModules } from '../support/in-process.js';
import { work } from '../support/work.js';

/**
 * 60 random sequences of `steps` steps of 3 features in 4 classes; training labels where `label`
 * does not say otherwise.
 */
function sequences(steps: number, label: (i: number) => number | undefined = () => undefined): string {
  const random = RandomStream.of(1, 'test/verify');
  const x = (count: number) => {
    const values = Array.from({ length: count * steps * 3 }, () => random.uniform() - 0.5);
    return floats([count, steps, 3], values);
  };
  const classes = Array.from({ length: 60 }, () => random.integer(4));
  const y = classes.map((known, i) => label(i) ?? known);
  const content = { x: x(60), y: integers([60], y), x_test: x(4), y_test: integers([4], [0, 1, 2, 3]) };
  return work.file('data.npz', npz(content));
}

const config = {
  dataset: { kind: 'npz', path: sequences(5) },
  model: { cell: 'lstm', hidden_size: 6, num_layers: 2, head: { from: 'last' } },
  optimizer: { kind: 'sgd', learning_rate: 0.5 },
  training: { num_epochs: 2, batch_size: 20, shuffle: false },
};
/** Learns to write 2 to 12 letters in reverse; a batch rarely has the longest. */
const reversing = (model: object) => ({
  ...config,
  dataset: {
    ...{ kind: 'synthetic', problem: 'reverse', min_length: 2, sequence_length: 12 },
    ...{ train_size: 40, test_size: 5 },
  },
  model: { embedding: { size: 4 }, ...model },
  training: { ...config.training, batch_size: 9 },
});
const PARAMETERS = ['weight_ih', 'weight_hh', 'bias_ih', 'bias_hh'].flatMap(name =>
  [0, 1].map(layer => `lstm.${name}_l${layer}`),
);

/** Runs `verify`, and checks that the results on the disk are what stdout says. */
async function verified<P>(
  t: Test,
  what: 'gradients' | 'backends',
  content: object,
  flags: readonly string[],
  start = (args: readonly string[]): Promise<Finished> => work.cellrun(...args),
): Promise<{ readonly code: number | null; readonly results: P }> {
  const output = work.folder();
  const done = await start([
    ...['verify', what, work.config(content), '--json', '--output', output],
    ...flags,
  ]);
  if (!done.stdout) throw new Error(`no results: ${done.stderr}`);
  const results = JSON.parse(done.stdout);
  const stamp = results.time.replace(/\.\d+Z$/, 'Z').replaceAll(/[-:]/g, '');
  const file = join(output, 'verify', `${stamp}-${what}.json`);
  t.same(JSON.parse(readFileSync(file, 'utf8')), results, 'the results are on the disk');
  return { code: done.code, results };
}

t.test('differences: the derivative of a sine, as sure as they say', async () => {
  const range = (most: number) => fc.double({ min: -most, max: most, noNaN: true });
  await fc.assert(
    fc.asyncProperty(range(30), range(3), range(100), async (a, b, c) => {
      const { value, uncertainty } = await differentiateAtZero(async x => c * Math.sin(a * x + b) + 1, 1e-9);
      const error = Math.abs(value - c * a * Math.cos(b));
      return error <= uncertainty && uncertainty < 1e-8 * (1 + Math.abs(c * a));
    }),
  );
});

t.test('differences: steps become small enough for a kink nearby', async t => {
  for (const kink of [-1e-2, -1e-4, -1e-5, 1e-5]) {
    const { value, uncertainty } = await differentiateAtZero(async x => Math.max(x, kink) + x, 1e-7);
    t.ok(Math.abs(value - (kink < 0 ? 2 : 1)) <= uncertainty && uncertainty < 1e-7, `${kink}: ${value}`);
  }
  const { uncertainty } = await differentiateAtZero(async x => Math.max(x, -1e-7) + x, 1e-7);
  t.ok(uncertainty > 1e-5, 'or it is told');
});

t.test('rows are spread over the batch', async t => {
  t.same(spread([3, 4, 5, 6, 9], 3), [3, 5, 9]);
  t.same(spread([3, 4, 5], 1), [3]);
  t.same(spread([3, 4], 7), [3, 4]);
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 50 }), fc.integer({ min: 2, max: 60 }), (candidates, count) => {
      const all = Array.from({ length: candidates }, (_, i) => i);
      const rows = spread(all, count);
      return (
        rows.length === Math.min(count, candidates) &&
        new Set(rows).size === rows.length &&
        rows[0] === 0 &&
        rows.at(-1) === candidates - 1
      );
    }),
  );
});

t.test('how far two backends are apart', async t => {
  const parameters = [
    { name: 'w', offset: 0, size: 2 },
    { name: 'b', offset: 2, size: 1 },
  ];
  const initial = Float32Array.of(1, 1, 1);
  const standing = (backend: string, values: number[], loss: number, updated = true): Standing => ({
    backend,
    result: { loss, gradientNorm: 2, updated },
    parameters: Float32Array.from(values),
  });
  const compare = (step: number, a: Standing, b: Standing) =>
    compareStandings(step, [a, b], parameters, initial);
  const a = standing('cpu', [4, 5, 1], 10);
  const b = standing('webasm', [4, 5.5, 1], 10.005);
  const first = compare(1, a, b);
  const [loss, norm, w, bias] = first;
  t.match(loss, { tensor: 'loss', backends: ['cpu', 'webasm'], tolerance: 1e-5 });
  t.ok(Math.abs(loss.difference - 0.005 / 10.005) < 1e-12);
  t.match(norm, { tensor: 'gradient_norm', difference: 0 });
  t.ok(Math.abs(w.difference - 0.5 / Math.hypot(3, 4.5)) < 1e-12, 'to the longer way');
  t.match(bias, { tensor: 'b', difference: 0 }, 'neither has moved');
  t.same(first.filter(isBeyond), [loss, w]);
  t.same(
    compare(2, a, b)
      .filter(isBeyond)
      .map(({ tensor }) => tensor),
    ['w'],
    'later, a loss may be further apart',
  );
  const stuck = compare(2, a, standing('webasm', [4, 5, 1], Number.NaN, false));
  t.same(
    stuck.filter(isBeyond).map(({ tensor }) => tensor),
    ['loss', 'update'],
    'not a number is beyond any tolerance',
  );
  t.same(
    worstByTensor([...compare(1, a, a), ...first, ...compare(2, a, b)])
      .filter(isBeyond)
      .map(({ tensor, tolerance }) => [tensor, tolerance]),
    [
      ['loss', 1e-5],
      ['w', 1e-3],
    ],
  );
});

t.test('verify gradients: what it prints', async t => {
  const output = work.folder();
  const flags = ['--rows', '3', '--output', output, '--backend', 'webasm'];
  // a process of its own, as users start it
  const { code, stdout, stderr } = await work.start('verify', 'gradients', work.config(config), ...flags)
    .finished;
  t.equal(code, 0, stderr);
  t.match(stdout, /^webasm: 3 of 20 sequences of the first batch, 5 steps each\n/);
  for (const name of [...PARAMETERS, 'fc.weight', 'fc.bias'])
    t.match(stdout, new RegExp(`^${name} +\\[.*\\](?: +\\d\\.\\de-\\d+){3}$`, 'm'));
  t.match(stdout, /\nAll gradients are within tolerance\.\nResults: .*-gradients\.json\n$/);
  t.match(stderr, /^webasm: the gradient of 3 of 20 sequences\n/);
  t.match(stderr, /differences: fc\.bias \(10 of 10(, about \d+ s left)?\)\n$/);
});

const gradientCases: readonly [name: string, content: object, flags: readonly string[], rows: number[]][] = [
  [
    'two layers, two shards',
    { ...config, training: { num_epochs: 1, batch_size: 33 } },
    ['--rows', '3'],
    [0, 16, 32],
  ],
  [
    'a head at every step and a partial batch',
    {
      ...config,
      dataset: { kind: 'synthetic', problem: 'copy_memory', delay: 3, train_size: 5, test_size: 5 },
      model: { ...config.model, head: { from: 'every' } },
    },
    [],
    [0, 1, 3, 4],
  ],
  [
    'ignored labels',
    { ...config, dataset: { kind: 'npz', path: sequences(4, i => (i % 3 === 0 ? undefined : -100)) } },
    ['--rows', '2'],
    [0, 18],
  ],
  [
    'a decoder with attention, and targets of several lengths',
    reversing({
      cell: 'gru',
      hidden_size: 5,
      bidirectional: true,
      decoder: { cell: 'lstm', hidden_size: 4, embedding_size: 3, attention: 'additive' },
    }),
    [],
    [0, 3, 5, 8],
  ],
  [
    'the loss ctc',
    {
      ...reversing({ cell: 'gru', hidden_size: 5, steps: { repeat: 2 }, head: { from: 'every' } }),
      loss: { kind: 'ctc' },
    },
    [],
    [0, 3, 5, 8],
  ],
];
for (const [name, content, flags, rows] of gradientCases) {
  t.test(`verify gradients: ${name}`, async t => {
    const { code, results } = await verified<GradientsResults>(t, 'gradients', content, flags);
    t.match(results, { version: 1, what: 'gradients', holds: true });
    t.equal(code, 0);
    t.same(results.rows, rows);
    for (const tensor of results.tensors)
      t.ok(
        tensor.holds && tensor.resolved && tensor.kernel_error < 1e-5 && tensor.difference_error < 1e-7,
        `${tensor.name} ${tensor.kernel_error} ${tensor.difference_error}`,
      );
  });
}

t.test('verify gradients: one that vanishes in float32', async t => {
  const count = 10;
  const x = floats(
    [count, 250, 1],
    Float32Array.from({ length: count * 250 }, (_, i) => (i % 250 === 0 ? 1 : 0)),
  );
  const y = integers([count], [0, 1, 1, 0, 1, 0, 0, 1, 0, 1]);
  const path = work.file('vanishing.npz', npz({ x, y, x_test: x, y_test: y }));
  const file = work.config({
    ...config,
    dataset: { kind: 'npz', path },
    model: { ...config.model, num_layers: 1 },
  });
  const flags = ['--rows', '1', '--backend', 'webasm', '--output', work.folder()];
  const { code, stdout } = await work.cellrun('verify', 'gradients', file, ...flags);
  t.equal(code, 0);
  t.match(stdout, /^lstm\.weight_ih_l0 +\[24, 1\] +\d\.\de-[3-9]\d .* small$/m, 'its input was long ago');
  t.match(stdout, /\nsmall: the gradient is too small/);
  t.match(stdout, /^lstm\.weight_hh_l0 +\[24, 6\](?: +\d\.\de-\d+){3}$/m);
});

t.test('verify gradients: nothing that counts', async t => {
  const path = sequences(4, i => (i < 20 ? -100 : undefined));
  const file = work.config({ ...config, dataset: { kind: 'npz', path } });
  const { code, stderr } = await work.cellrun('verify', 'gradients', file, '--quiet');
  t.equal(code, 2);
  t.match(stderr, /config\.yaml: no prediction of the first training batch counts in the loss\n/);
});

t.test('a folder for results that cannot be created is reported before any check runs', async t => {
  const file = work.file('file', '');
  // /proc is there on Linux alone; elsewhere it cannot be made either
  for (const what of ['gradients', 'backends', 'resume'])
    for (const output of [file, join('/proc', 'x')]) {
      const words = ['verify', what, work.config(config), '--output', output];
      const { code, stdout, stderr } = await work.cellrun(...words);
      t.match({ code, stdout }, { code: 2, stdout: '' }, stderr);
      t.match(stderr, `${output}: the output directory cannot be created: `);
      t.notMatch(stderr, /killed|update|differences: /, 'nothing was begun');
    }
});

t.test('verify backends: what it prints', async t => {
  const output = work.folder();
  const flags = ['--steps', '4', '--output', output, '--backends', 'webasm,cpu'];
  const { code, stdout, stderr } = await work.cellrun('verify', 'backends', work.config(config), ...flags);
  t.equal(code, 0, stderr);
  for (const name of ['loss', 'gradient_norm', ...PARAMETERS, 'fc.weight', 'fc.bias'])
    t.match(stdout, new RegExp(`^${name} +\\S+ +1\\.0e-\\d +[1-4]  webasm and cpu$`, 'm'));
  t.match(stdout, /\nwebasm, cpu agree within tolerance in all 4 steps\.\nResults: .*-backends\.json\n$/);
  t.match(stderr, /^step 4 of 4: largest difference \S+ \(\S+, webasm and cpu\)$/m);
});

t.test('verify backends: no more steps than the config makes', async t => {
  const { code, results } = await verified<BackendsResults>(t, 'backends', config, [
    ...['--threads', '1'],
    ...['--backends', 'cpu,webasm'],
  ]);
  t.match(results, { version: 1, what: 'backends', holds: true, first_beyond: null });
  t.equal(code, 0);
  t.equal(results.steps.length, 6, 'two epochs of three batches');
  t.match(
    results.backends.map(({ name }) => name),
    ['cpu', 'webasm'],
  );
  t.match(
    results.backends.map(({ executor }) => executor),
    ['generic', 'linked'],
    'each ran as itself',
  );
  const { cpu, webasm } = results.steps[0].loss;
  t.ok(cpu !== webasm && cpu > 1, 'they do round differently');
});

t.test('verify backends: the same divergence everywhere is no difference', async t => {
  const [x, y] = [Array.from({ length: 60 }, (_, i) => i / 60), Array.from({ length: 20 }, () => 1e25)];
  const split = { x: floats([20, 3, 1], x), y: floats([20, 1], y) };
  const path = work.file('huge.npz', npz({ ...split, x_test: split.x, y_test: split.y }));
  const file = work.config({ ...config, dataset: { kind: 'npz', path }, loss: { kind: 'mse' } });
  const { code, stderr } = await work.cellrun('verify', 'backends', file, '--output', work.folder());
  t.equal(code, 4);
  t.match(stderr, /config\.yaml: the config diverges at step 1 on every backend/);
});

t.test('verify backends: one backend is not enough', async t => {
  for (const names of ['cpu', 'cpu,cpu', 'cpu,gpu', 'auto,cpu', '']) {
    const { code, stderr } = await work.cellrun('verify', 'backends', 'x.yaml', '--backends', names);
    t.equal(code, 2, names);
    t.match(stderr, 'expected: two or more of webgpu, webasm, cpu, gpu.js, separated by commas');
  }
});

/**
 * How to run a copy of the compiled program, beside links to all that it reads, with an error
 * planted into it.
 */
async function brokenProgram(file: string, find: string, replace: string) {
  const folder = work.folder();
  const build = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const copy = join(folder, 'dist', 'src');
  mkdirSync(dirname(copy));
  cpSync(join(build, 'src'), copy, {
    recursive: true,
    filter: path => !path.endsWith('.map') && !path.includes(`${sep}.`),
  });
  for (const name of ['node_modules', 'package.json', 'schemas'])
    symlinkSync(join(packageRoot, name), join(folder, name));
  const path = join(copy, `${file}.js`);
  const before = readFileSync(path, 'utf8');
  if (before.split(find).length !== 2) throw new Error(`${file} has '${find}' not exactly once`);
  writeFileSync(path, before.replace(find, replace));
  const modules = await Promise.all(
    ['cli/call.js', 'util/thread.js'].map(name => import(pathToFileURL(join(copy, name)).href)),
  );
  const program: ProgramModules = Object.assign({}, ...modules);
  return (args: readonly string[]) => callInProcess(args, work.place, program);
}

t.test('planted errors', async t => {
  const WEBASM = ['--backend', 'webasm'];
  const CPU_AND_WEBASM = ['--backends', 'cpu,webasm'];

  await t.test('in a gradient: differences say so, and the kernels agree with the graph', async t => {
    const start = await brokenProgram('math/ops/elementwise', 'slope: [1, 0, -1]', 'slope: [1, 0, -1.001]');
    const { code, results } = await verified<GradientsResults>(t, 'gradients', config, WEBASM, start);
    t.equal(code, 1);
    t.notOk(results.holds);
    const errors = new Map(results.tensors.map(tensor => [tensor.name, tensor]));
    t.ok(results.tensors.every(({ kernel_error }) => kernel_error < 1e-5));
    for (const name of PARAMETERS) t.match(errors.get(name), { holds: false }, name);
    for (const name of ['fc.weight', 'fc.bias'])
      t.match(errors.get(name), { holds: true }, `${name} is above the error`);
  });

  await t.test('in a kernel: float64 says so, and differences agree with the graph', async t => {
    const start = await brokenProgram('math/ops/elementwise', 'Math.exp(-$', 'Math.exp(-2 * $');
    const [{ code, results }, words] = await Promise.all([
      verified<GradientsResults>(t, 'gradients', config, WEBASM, start),
      start(['verify', 'gradients', work.config(config), ...WEBASM, '--output', work.folder()]),
    ]);
    t.equal(code, 1);
    t.ok(results.loss.kernel_error > 1e-4);
    t.ok(results.tensors.every(({ difference_error }) => difference_error < 1e-6));
    t.notOk(results.tensors.some(({ holds }) => holds));
    t.match(words.stdout, /^lstm\.weight_ih_l0 .* WRONG$/m);
    t.match(words.stdout, /\nNOT within tolerance: loss, lstm\.weight_ih_l0, .*, fc\.bias\.\n/);
  });

  await t.test('in one update of one backend: that step, that tensor', async t => {
    const scale = 'const { scale } = clipping;';
    const wrong = `const scale = clipping.scale * (update === 3 && this.options.backend === 'webasm' ? 1.02 : 1);`;
    const start = await brokenProgram('train/trainer', scale, wrong);
    const [{ code, results }, words] = await Promise.all([
      verified<BackendsResults>(t, 'backends', config, CPU_AND_WEBASM, start),
      start(['verify', 'backends', work.config(config), ...CPU_AND_WEBASM, '--output', work.folder()]),
    ]);
    t.equal(code, 1);
    t.match(results.first_beyond, { step: 3, tensor: 'lstm.weight_ih_l0', backends: ['cpu', 'webasm'] });
    t.ok(results.steps[1].largest.difference < 1e-4, 'and not before');
    t.match(
      words.stdout,
      /\ncpu and webasm differ from step 3 on: lstm\.weight_ih_l0 by \S+ > 1\.0e-3 \(largest difference one step before: .*; at step 1: .*\)\.\n/,
    );
  });
});
