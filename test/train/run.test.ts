/** The program from outside: configs in, run directories out, on the command line. */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { ParameterLayout } from '../../src/math/model/parameters.js';
import { type Tensor, type Tensors, writeSafetensors } from '../../src/run/safetensors.js';
import type { StepProfile } from '../../src/train/costs.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { growth, sampleMemory } from '../soak/memory.js';
import { type Finished, floats, integers, npz, readLog, TrainedRun } from '../support/cli.js';
import { modelOf } from '../support/models.js';
import { work } from '../support/work.js';

const finite = (tensors: Tensors): boolean =>
  [...tensors.values()].every(({ data }) =>
    Array.from<number | bigint>(data).map(Number).every(Number.isFinite),
  );

function floatsOf(tensors: Tensors, name: string): Float32Array {
  const tensor = tensors.get(name);
  if (tensor?.dtype !== 'F32') throw new Error(`no F32 tensor ${name}`);
  return tensor.data;
}

/** Random sequences with random classes, so that the test loss rises once the model overfits. */
function randomData(trainCount: number, testCount: number): string {
  const random = RandomStream.of(7, 'test/run');
  const draw = (count: number) => ({
    x: floats([count, 5, 3], () => random.uniform() - 0.5),
    y: integers([count], () => random.integer(4)),
  });
  const [train, test] = [draw(trainCount), draw(testCount)];
  return work.file('random.npz', npz({ ...train, x_test: test.x, y_test: test.y }));
}

const data = randomData(70, 30);

/** 70 sequences in batches of 32: two shards each, the last batch partial. */
const small = {
  version: 1,
  name: 'small',
  dataset: { kind: 'npz', path: data },
  model: { cell: 'lstm', hidden_size: 6, num_layers: 2, head: { from: 'last' } },
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.05 },
  training: { num_epochs: 3, batch_size: 32, log_every: 1 },
  checkpoint: { every: 'epoch', keep: { last: 10 }, metric: 'test.loss' },
};
const webasm = ['--backend', 'webasm'];

t.test('the same seed is byte-identical on any number of threads', async t => {
  const run = await work.train(small, ...webasm, '--threads', '2');
  t.equal(run.code, 0, run.finished.stderr);
  const losses = ({ events }: TrainedRun) =>
    events
      .filter(({ event }) => ['train.step', 'train.epoch', 'eval'].includes(event))
      .map(({ event, step, loss, grad_norm, accuracy }) => ({ event, step, loss, grad_norm, accuracy }));
  t.equal(losses(run).length, 9 + 3 + 3);
  for (const threads of ['2', '1']) {
    // a process, which uses worker threads even for one thread
    const output = work.folder();
    const args = ['run', work.config(small), '--json', '--output', output, ...webasm, '--threads', threads];
    const again = new TrainedRun(await work.start(...args).finished, output);
    t.equal(again.code, 0, again.finished.stderr);
    t.not(again.directory, run.directory);
    for (const step of [3, 6, 9]) {
      t.ok(again.bytes(step).equals(run.bytes(step)), `checkpoint ${step}, ${threads} threads`);
    }
    t.same(again.summary.metrics, run.summary.metrics);
    t.same(again.summary.best, run.summary.best);
    t.same(losses(again), losses(run), `${threads} threads`);
  }
  const other = await work.train(small, ...webasm, '--set', 'seed=1');
  t.not(other.summary.metrics.test.loss, run.summary.metrics.test.loss, 'another seed');
  const weights = (of: TrainedRun) => floatsOf(of.checkpoint().tensors, 'lstm.weight_hh_l0');
  t.notSame(weights(other), weights(run));
});

t.test('a last partial batch is trained on, or dropped with a warning', async t => {
  const [trained, dropped] = await Promise.all([
    work.train(small, ...webasm),
    work.train(small, ...webasm, '--set', 'training.last_batch=drop'),
  ]);
  const samples = ({ events }: TrainedRun) =>
    events.filter(({ event }) => event === 'train.epoch').map(event => event.samples);
  const warnings = ({ events }: TrainedRun) =>
    events.filter(({ event, code }) => event === 'warning' && String(code).startsWith('data/'));
  t.same([trained.summary.steps, trained.summary.epochs], [9, 3]);
  t.same(samples(trained), [70, 70, 70]);
  t.same(warnings(trained), []);
  t.same([dropped.summary.steps, dropped.summary.epochs], [6, 3]);
  t.same(samples(dropped), [64, 64, 64]);
  t.match(warnings(dropped), [{ level: 'warn', code: 'data/dropped', message: /drops 6 sequences/ }]);
  t.match(dropped.finished.stderr, /^warning: each epoch drops 6 sequences/m);
});

t.test('files of a run, which evaluate confirms', async t => {
  const config = { ...small, checkpoint: { ...small.checkpoint, keep: { last: 1, best: 1 } } };
  const long = { ...config, training: { ...small.training, num_epochs: 12 } };
  const run = await work.train(long, ...webasm);
  t.equal(run.code, 0, run.finished.stderr);
  const { summary, directory, events } = run;
  t.same(readdirSync(directory).sort(), [
    'checkpoints',
    'config.resolved.yaml',
    'config.yaml',
    'evaluation.json',
    'log.jsonl',
    'manifest.json',
    'summary.json',
  ]);
  t.match(basename(directory), /^\d{8}T\d{6}Z-[0-9a-f]{8}$/);
  t.equal(directory, join(run.output, 'small', summary.run_id));
  const json = (name: string) => JSON.parse(readFileSync(join(directory, name), 'utf8'));
  t.same(summary, json('summary.json'), '--json prints the summary');
  t.equal(run.finished.stdout.trimEnd().split('\n').length, 1, 'and nothing else');
  t.same(validateAgainst('summary', summary), []);
  t.same(validateAgainst('manifest', json('manifest.json')), []);
  t.same(validateAgainst('evaluation', json('evaluation.json')), []);
  t.same(validateAgainst('checkpoints', json('checkpoints/index.json')), []);
  t.same(JSON.parse(readFileSync(join(directory, 'config.yaml'), 'utf8')), long, 'the config as given');
  const sha256 = createHash('sha256').update(readFileSync(data)).digest('hex');
  t.match(json('manifest.json'), {
    datasets: [{ sha256 }],
    backend: { name: 'webasm' },
    parameters: summary.parameters,
    seeds: { experiment: 0 },
  });

  t.same(
    events.slice(0, 4).map(({ event }) => event),
    ['run.start', 'data.ready', 'graph.compiled', 'train.step'],
  );
  t.match(events.at(-1), { event: 'run.end', status: 'completed', exit_code: 0, steps: 36, epochs: 12 });
  t.equal(events.filter(({ event }) => event === 'run.end').length, 1);
  t.match(events[1], { train_count: 70, test_count: 30, input_size: 3, sequence_length: 5, num_classes: 4 });
  const evals = events.filter(({ event }) => event === 'eval');
  t.equal(evals.length, 12);
  t.match(summary.metrics.test, { loss: evals.at(-1)?.loss, accuracy: evals.at(-1)?.accuracy });

  const { best } = summary;
  if (!best) throw new Error('no best checkpoint');
  t.ok(best.step < summary.steps, `the best one, of step ${best.step}, is not the last`);
  t.equal(best.value, Math.min(...evals.map(({ loss }) => Number(loss))));
  t.same(readdirSync(join(directory, 'checkpoints')).length, 3, 'last, best and their index');
  for (const [which, step] of [
    ['last', summary.steps],
    ['best', best.step],
    [String(best.step), best.step],
  ] as const) {
    const evaluated = await work.cellrun('evaluate', directory, '--checkpoint', which, '--json', ...webasm);
    t.equal(evaluated.code, 0, evaluated.stderr);
    const then = evals.find(event => event.step === step);
    t.match(JSON.parse(evaluated.stdout), {
      step,
      metrics: { test: { loss: then?.loss, accuracy: then?.accuracy } },
    });
  }
  t.same(json('summary.json'), summary, 'evaluating changes nothing');
});

t.test('runs that start at the same time never share a directory', async t => {
  const output = work.folder();
  const config = work.config({ ...small, training: { ...small.training, num_epochs: 1 } });
  const finished = await Promise.all(
    Array.from(
      { length: 4 },
      () => work.start('run', config, '--json', '--output', output, ...webasm, '--threads', '1').finished,
    ),
  );
  const runs = finished.map(each => new TrainedRun(each, output));
  t.equal(new Set(runs.map(run => run.directory)).size, 4);
  t.same(readdirSync(join(output, 'small')).sort(), runs.map(run => run.summary.run_id).sort());
  for (const { code, events, summary } of runs) {
    t.equal(code, 0);
    t.equal(events.filter(({ event }) => event === 'run.start').length, 1);
    t.match(events[0], { event: 'run.start', run_id: summary.run_id });
    t.equal(events.at(-1)?.event, 'run.end');
  }
});

t.test('a failed gate is named and exits with 3', async t => {
  const gates = [
    { metric: 'test.accuracy', min: 0.99 },
    { metric: 'test.loss', max: 1e6 },
    { metric: 'train.loss', max: 1e-6 },
  ];
  const output = work.folder();
  const config = work.config({ ...small, gates });
  const { code, stdout, stderr } = await work.cellrun('run', config, '--output', output, '--backend', 'cpu');
  t.equal(code, 3, stderr);
  t.match(stdout, /^Gate test\.accuracy failed: [\d.]+ < 0\.99 \(.*config\.yaml:\d+:5\)\.$/m);
  t.match(stdout, /^Gate train\.loss failed: [\d.]+ > 0\.000001 \(.*config\.yaml:\d+:5\)\.$/m);
  t.match(stdout, /^Gate test\.loss passed: /m);
  const directory = /^Run directory: (.*)$/m.exec(stdout)?.[1] ?? '';
  const verdicts = readLog(directory)
    .filter(({ event }) => event === 'gate')
    .map(({ metric, verdict }) => [metric, verdict]);
  t.same(verdicts, [
    ['test.accuracy', 'failed'],
    ['test.loss', 'passed'],
    ['train.loss', 'failed'],
  ]);
  const summary = JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));
  t.match(summary, { status: 'completed', exit_code: 3, gates: [{ verdict: 'failed' }, {}, {}] });
  t.same(validateAgainst('summary', summary), []);
});

t.test('diverged training exits with 4, and all checkpoints are finite', async t => {
  // the decay multiplies the weights by a million per step, until they overflow float32
  const config = {
    ...small,
    optimizer: { kind: 'sgd', learning_rate: 1000, weight_decay: 1000 },
    training: { ...small.training, num_epochs: 20 },
    checkpoint: { every: { steps: 1 }, keep: { last: 100 } },
  };
  const run = await work.train(config, '--backend', 'cpu');
  t.equal(run.code, 4, run.finished.stderr);
  t.match(run.summary, {
    status: 'diverged',
    exit_code: 4,
    message:
      /^training diverged at step \d+: the (loss|gradient norm|update) .*; optimizer\.learning_rate is \S+ \((\S+:\d+:\d+|--set)\), training\.gradient_clip_norm is not set$/,
  });
  t.match(
    run.finished.stderr,
    /^cellrun: training diverged .*; try a smaller optimizer\.learning_rate, or training\.gradient_clip_norm$/m,
  );
  t.match(run.events.at(-1), { event: 'run.end', status: 'diverged', level: 'error' });
  t.same(validateAgainst('summary', run.summary), []);
  const saved = run.events.filter(({ event }) => event === 'checkpoint.saved');
  t.ok(saved.length > 0, 'it went well for some steps');
  for (const { step } of saved) {
    t.ok(finite(run.checkpoint(Number(step)).tensors), `checkpoint of step ${step} is finite`);
  }
  for (const event of run.events.filter(({ event }) => event === 'train.step')) {
    t.ok(event.loss !== null || typeof event.loss_nonfinite === 'string', 'never silent');
  }
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(`${signal} leaves an intact, resumable run`, async t => {
    const output = work.folder();
    const endless = work.config({ ...small, training: { ...small.training, num_epochs: 1_000_000 } });
    const running = work.start('run', endless, '--json', '--output', output, ...webasm);
    await running.logged(5, output);
    running.child.kill(signal);
    const run = new TrainedRun(await running.finished, output);
    t.equal(run.code, 130, run.finished.stderr);
    const { steps, status } = run.summary;
    t.equal(status, 'interrupted');
    t.ok(steps >= 5);
    t.same(validateAgainst('summary', run.summary), []);
    t.match(run.events.at(-1), { event: 'run.end', status: 'interrupted', exit_code: 130, steps });
    t.equal(run.checkpoint('last').step, steps, 'the checkpoint is that of the last step');
    t.ok(finite(run.checkpoint('last').tensors));
    const left = readdirSync(join(run.directory, 'checkpoints'));
    t.same(
      left.filter(name => !/^(step-\d{8}\.safetensors|index\.json)$/.test(name)),
      [],
    );
  });
}

const expectedShape = { cell: 'lstm', hidden_size: 6, num_layers: 2, head: { from: 'last' } };

function initialWeights(change: (tensors: Map<string, Tensor>) => void): string {
  const path = join(work.folder(), 'weights.safetensors');
  const spec = modelOf({ cell: 'lstm', hidden_size: 6, num_layers: 2 }, { inputSize: 3, outputSize: 4 });
  const tensors = new Map(
    new ParameterLayout(spec).parameters.map(({ name, shape, size }): [string, Tensor] => [
      name,
      { dtype: 'F32', shape, data: new Float32Array(size).fill(0.1) },
    ]),
  );
  change(tensors);
  writeSafetensors(path, tensors, {});
  return path;
}

const whole = initialWeights(() => {});
/** The error in the input, the changed sections, the exit code, and the expected message. */
const bad: [what: string, sections: object, code: number, told: RegExp][] = [
  [
    'no dataset',
    { dataset: { kind: 'npz', path: '/nowhere/data.npz' } },
    2,
    /\/nowhere\/data\.npz: .*the file does not exist/,
  ],
  [
    'no initial weights',
    { model: { ...expectedShape, init_from: '/nowhere/w.safetensors' } },
    2,
    /\/nowhere\/w\.safetensors: the file does not exist/,
  ],
  [
    'a missing tensor',
    {
      model: {
        ...expectedShape,
        init_from: initialWeights(tensors => tensors.delete('lstm.bias_hh_l1')),
      },
    },
    2,
    /weights\.safetensors: the tensor 'lstm\.bias_hh_l1' does not fit the model/,
  ],
  [
    'weights of a layer that the model lacks',
    { model: { ...expectedShape, num_layers: 1, init_from: whole } },
    2,
    /weights\.safetensors: the file has weights that the model does not have: lstm\.bias_hh_l1, lstm\.bias_ih_l1, /,
  ],
  [
    'weights of another size',
    { model: { ...expectedShape, hidden_size: 7, init_from: whole } },
    2,
    /'lstm\.weight_ih_l0' does not fit the model(.|\n)*'fc\.weight' does not fit/,
  ],
  [
    'a weight that is not a number',
    {
      model: {
        ...expectedShape,
        init_from: initialWeights(tensors => {
          (tensors.get('fc.bias')?.data as Float32Array)[1] = Number.NaN;
        }),
      },
    },
    5,
    /weights\.safetensors: the weight 'fc\.bias' has a value that is not finite/,
  ],
  [
    'a flipped bit in the weights',
    {
      model: {
        ...expectedShape,
        init_from: work.file(
          'flipped.safetensors',
          readFileSync(whole).map((byte, at, all) => (at === all.length - 2 ? byte ^ 1 : byte)),
        ),
      },
    },
    5,
    /flipped\.safetensors: .*digest/,
  ],
];

for (const [what, sections, code, told] of bad) {
  t.test(`${what}: one located message, exit ${code}`, async t => {
    const run = await work.train({ ...small, ...sections }, '--backend', 'cpu');
    const { stdout, stderr } = run.finished;
    t.equal(run.code, code, stderr);
    t.match(stderr, told);
    t.notMatch(stderr, /^\s+at |unexpected failure|defect/m, 'no stack trace');
    t.equal(stdout, '', 'nothing is said on stdout');
    const experiment = join(run.output, 'small');
    for (const id of existsSync(experiment) ? readdirSync(experiment) : []) {
      const directory = join(experiment, id);
      t.match(readLog(directory).at(-1), { event: 'run.end', status: 'failed', exit_code: code });
      const summary = JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));
      t.match(summary, { status: 'failed', exit_code: code });
      t.ok(stderr.includes(summary.message), 'the summary says it too');
      t.same(validateAgainst('summary', summary), []);
      t.same(readdirSync(join(directory, 'checkpoints')), [], 'no checkpoint');
    }
  });
}

t.test('memory use is constant over 2,000 steps', async t => {
  const [early, late] = await sampleMemory(work.folder(), 500, 2_500);
  t.ok(early.heap > 1_000_000, `${early.heap} bytes`);
  // pages of compiled code and of files come late on a busy machine: `npm run soak` looks at them
  t.same(
    growth([
      { ...early, resident: 0 },
      { ...late, resident: 0 },
    ]),
    [],
  );
});

t.test('graph --profile shows where the time of a step goes', async t => {
  const quick = join(packageRoot, 'configs/mnist-lstm-small.yaml');
  const graph = (...flags: string[]) =>
    work.cellrun('graph', quick, '--set', 'training.batch_size=20', ...flags);
  const { code, stdout, stderr } = await graph(...webasm, '--profile', '--json', '--width', '128');
  t.equal(code, 0, stderr);
  const profile = JSON.parse(stdout) as StepProfile;
  const { kernels, other } = profile;
  t.match(profile, { version: 1, width: 128 });
  const shares = kernels.reduce((sum, { share }) => sum + share, other.share);
  t.ok(shares > 0.99 && shares < 1.5, `parts make the whole, the fastest of each less: ${shares}`);
  const counted = JSON.parse((await graph(...webasm, '--json')).stdout);
  const own = kernels.filter(({ program }) => !program.endsWith('update'));
  const flops = own.reduce((sum, { flops_per_s, ms }) => sum + (flops_per_s * ms) / 1000, 0);
  t.ok(Math.abs(flops / counted.flops_per_step - 1) < 1e-9, 'every kernel of the step, as often as it runs');
  t.equal(
    own.reduce((sum, { calls }) => sum + calls, 0),
    counted.kernels_per_step,
  );
  t.ok(kernels.some(({ program }) => program.endsWith('update')));
  const text = await graph(...webasm, '--profile');
  t.match(text.stdout, /^training step in one thread: .* ms \((128|256|512)-bit vectors/);
  t.match(text.stdout, /outside kernels/);
  const uneven = await work.cellrun('graph', join(packageRoot, 'configs/names.yaml'), ...webasm, '--profile');
  t.match(uneven.stdout, / \d+\.\d +k\d/, 'calls of a step, on average');
  t.notMatch(uneven.stdout, /\d\.\d{4}/);
  const gpu = await graph('--backend', 'cpu', '--profile');
  t.match(gpu, { code: 2, stderr: /--profile: kernels on cpu cannot be timed one by one/ });
  const diagram = await graph(...webasm, '--profile', '--format', 'mermaid');
  t.match(diagram, { code: 2, stdout: '', stderr: /a profile is a table/ });
  const narrow = await graph('--backend', 'cpu', '--width', '128');
  t.match(narrow, { code: 2, stdout: '', stderr: /--width: backend cpu has no vector width/ });
});

t.test('graph explains the reference experiment without training it', async t => {
  const reference = join(packageRoot, 'configs/mnist-lstm.yaml');
  const show = (...flags: string[]): Promise<Finished> =>
    work.cellrun('graph', reference, ...webasm, ...flags);
  const before = readdirSync(work.path).length;
  const text = await show();
  t.match(text, { code: 0, stderr: '' });
  const [json, mermaid] = await Promise.all([show('--json'), show('--format', 'mermaid')]);
  t.equal(json.code, 0, json.stderr);
  const described = JSON.parse(json.stdout);

  const [B, T, F, H, C] = [100, 28, 28, 128, 10];
  const layer = (input: number): number => 4 * H * input + 4 * H * H + 2 * 4 * H;
  const parameters = layer(F) + layer(H) + C * H + C;
  t.equal(described.parameters, parameters);
  t.match(text.stdout, new RegExp(`^parameters +${parameters.toLocaleString('en')}$`, 'm'));

  // products of the gates: W_ih x per step and, except for the first step, W_hh h; 2 FLOPs per
  // multiplication
  const gates = 2 * B * 4 * H;
  const inputs = [T * F, T * H];
  const recurrent = 2 * (T - 1) * H;
  const forward = gates * (inputs[0] + inputs[1] + recurrent);
  const weightGradients = forward;
  const inputGradients = gates * (inputs[1] + recurrent); // no gradient of the pixels
  const head = 3 * 2 * B * C * H;
  const products = forward + weightGradients + inputGradients + head;
  t.ok(described.flops_per_step >= products, `${described.flops_per_step} FLOPs, products ${products}`);
  t.ok(described.flops_per_step < 1.03 * products, 'the rest is pointwise');

  let total = 0;
  for (const { graph, steps, runs, flops, nodes, kernels } of described.programs) {
    const ids = new Set(graph.map((node: { id: number }) => node.id));
    t.equal(ids.size, nodes);
    t.ok(
      graph.every((node: { inputs: number[] }) => node.inputs.every(id => ids.has(id))),
      'inputs are nodes',
    );
    t.equal(steps.length, kernels);
    const sum = steps.reduce((all: number, step: { flops: number }) => all + step.flops, 0);
    t.equal(sum, flops);
    total += flops * runs * described.shards;
  }
  t.equal(total, described.flops_per_step);
  t.equal(described.shards * described.rows_per_shard, B);

  const lines = mermaid.stdout.trimEnd().split('\n');
  t.equal(lines[0], 'flowchart TD');
  const labels = new Map<string, string>();
  for (const [, id, label] of mermaid.stdout.matchAll(/(\w+)[[(]+[/]?"([^"]*)"/g)) {
    t.notOk(labels.has(id), `${id} has one label: ${labels.get(id)}`);
    labels.set(id, label);
  }
  const ends = lines.flatMap(line => /^\s*(\w+) --> (\w+)/.exec(line)?.slice(1) ?? []);
  t.ok(ends.length > 500);
  t.same(
    ends.filter(id => !labels.has(id)),
    [],
    'every end of an edge is a node of the diagram',
  );
  for (const name of described.parameter_shapes.map((shape: { name: string }) => shape.name)) {
    t.ok([...labels.values()].includes(`gradient.${name}`), `gradient.${name} is in the diagram`);
  }
  t.equal(readdirSync(work.path).length, before, 'nothing is written');
});

t.test(
  'the reference experiment, half as wide, learns real digits: a twentieth of them, one epoch',
  async t => {
    const quick = join(packageRoot, 'configs/mnist-lstm-quick.yaml');
    // smaller batches compensate for fewer digits
    const changes = ['dataset.limit=3000', 'training.batch_size=30', 'model.hidden_size=64'];
    const flags = ['--json', '--output', work.folder(), ...changes.flatMap(change => ['--set', change])];
    const { code, stdout } = await work.cellrun('run', quick, ...flags);
    t.equal(code, 0, 'its gate is passed');
    const { steps, metrics, gates } = JSON.parse(stdout);
    t.equal(steps, 100);
    t.ok(metrics.test.accuracy > 0.6, `test accuracy ${metrics.test.accuracy}`);
    t.equal(gates[0].verdict, 'passed');
  },
);
