/** Long sequences and partial batches: cut up, filled up and spread over threads, they have the gradient of the whole. */
import { join } from 'node:path';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { Split } from '../src/data/dataset.js';
import type { Backend } from '../src/engine/backend.js';
import { Engine } from '../src/engine/index.js';
import { interpret } from '../src/graph/interpret.js';
import { reachable } from '../src/graph/node.js';
import type { Tensor } from '../src/graph/shape.js';
import { type LossName, losses } from '../src/losses/index.js';
import { ParameterLayout } from '../src/model/parameters.js';
import { segmentProgram } from '../src/model/programs.js';
import { cutIntoSegments, MAX_CELL_STEPS } from '../src/model/segments.js';
import type { ModelSpec } from '../src/model/spec.js';
import { paddedSize } from '../src/optimizers/program.js';
import { sgd } from '../src/optimizers/sgd.js';
import { RandomStream } from '../src/random.js';
import { packageRoot } from '../src/root.js';
import { Shard, type ShardBatch } from '../src/training/shard.js';
import { stepPrograms } from '../src/training/step-programs.js';
import { Trainer } from '../src/training/trainer.js';
import { Workplace } from './support/cli.js';
import { relativeError } from './support/goldens.js';

t.test('segments cover every step once, in at most two lengths, each short enough', async () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 100 }), (total, numLayers) => {
      const segments = cutIntoSegments(total, numLayers);
      let next = 0;
      for (const { start, steps } of segments) {
        if (start !== next || steps < 1) return false;
        next += steps;
      }
      const lengths = new Set(segments.map(({ steps }) => steps));
      const most = Math.max(1, Math.floor(MAX_CELL_STEPS / numLayers));
      const least = Math.ceil(total / most);
      return (
        next === total &&
        lengths.size <= 2 &&
        segments.every(({ steps }) => steps <= most) &&
        segments.slice(1).every(({ steps }) => steps === segments.at(-1)?.steps) &&
        segments.length <= 2 * least
      );
    }),
    {
      examples: [
        [1, 1],
        [64, 1],
        [65, 1],
        [784, 1],
        [784, 2],
        [67, 2],
        [3, 100],
      ],
      numRuns: 500,
    },
  );
});

t.test('the programs of a step are few and bounded, whatever the length', async t => {
  const shape = { batch: 4, variableLength: false };
  const largest = (sequenceLength: number, numLayers: number, head: ModelSpec['head']) => {
    const spec: ModelSpec = { cell: 'lstm', inputSize: 1, hiddenSize: 8, numLayers, outputSize: 10, head };
    const programs = stepPrograms(spec, 'cross_entropy', { ...shape, sequenceLength });
    const segments = cutIntoSegments(sequenceLength, numLayers).length;
    t.equal(
      programs.reduce((runs, program) => runs + program.runs, 0),
      2 * segments - 1,
      'each segment forwards but the last, then each backwards',
    );
    t.ok(programs.length <= 5, `${programs.length} programs for ${sequenceLength} steps`);
    return Math.max(...programs.map(({ program }) => reachable(program.outputs.values()).length));
  };
  for (const head of ['last', 'every'] as const) {
    const bound = largest(64, 1, head) * 1.2; // states and their cotangents go in and out besides
    for (const [steps, layers] of [
      [784, 1],
      [784, 2],
      [1009, 3],
      [97, 4],
    ]) {
      const nodes = largest(steps, layers, head);
      t.ok(nodes <= bound, `${nodes} nodes for ${steps} steps in ${layers} layers`);
    }
  }
});

interface Case {
  readonly spec: ModelSpec;
  readonly loss: LossName;
  readonly batch: number;
  readonly steps: number;
  /** Of each row; all steps where absent. */
  readonly lengths?: readonly number[];
}

const random = RandomStream.of(11, 'test/segments');
const uniform = (count: number, bound = 1): Float32Array =>
  Float32Array.from({ length: count }, () => (2 * random.uniform() - 1) * bound);

/** Random inputs in time-major order; rows count until they end. */
function randomBatch({ spec, loss, batch, steps, lengths }: Case): ShardBatch {
  const predictions = spec.head === 'every' ? steps : 1;
  const isClass = losses[loss].target === 'class';
  const ended = (t: number, b: number) => spec.head === 'every' && lengths !== undefined && t >= lengths[b];
  const rows = Array.from(
    { length: predictions * batch },
    (_, i) => !ended(Math.floor(i / batch), i % batch),
  );
  const weight = losses[loss].weight(rows.filter(Boolean).length, spec.outputSize);
  const classes = () => Float32Array.from(rows, () => random.integer(spec.outputSize));
  const ends = Float32Array.from({ length: steps * batch }, (_, i) =>
    Math.floor(i / batch) === (lengths?.[i % batch] ?? steps) - 1 ? 1 : 0,
  );
  return {
    x: uniform(steps * batch * spec.inputSize),
    target: isClass ? classes() : uniform(rows.length * spec.outputSize),
    weight: Float32Array.from(rows, counts => (counts ? weight : 0)),
    ...(lengths !== undefined && spec.head === 'last' && { ends }),
  };
}

interface Exact {
  readonly loss: number;
  readonly gradient: Readonly<Record<string, ArrayLike<number>>>;
  readonly predictions: readonly number[];
}

/** Loss, gradient and predictions of the whole sequence in one graph, in float64 by the ops' references. */
function exactly(
  { spec, loss, batch, steps }: Omit<Case, 'lengths'>,
  flat: Float32Array,
  given: ShardBatch,
): Exact {
  const program = segmentProgram(spec, loss, {
    batch,
    steps,
    carriesState: false,
    variableLength: given.ends !== undefined,
    hasLoss: true,
    gradient: 'from-loss',
  });
  const layout = new ParameterLayout(spec);
  const { x, target, weight, ends } = given;
  const inputs = { ...layout.views(flat), x, target, weight, ...(ends && { ends }) };
  const values = interpret([...program.outputs.values()], inputs);
  const result = (name: string): Tensor['data'] => {
    const node = program.outputs.get(name);
    const value = node && values.get(node);
    if (!value) throw new Error(`no ${name}`);
    return value.data;
  };
  const times = Array.from({ length: weight.length / batch }, (_, t) => t);
  return {
    loss: times
      .flatMap(t => Array.from(result(`rows.${t}`), (row, b) => row * weight[t * batch + b]))
      .reduce((sum, row) => sum + row, 0),
    gradient: Object.fromEntries(layout.parameters.map(({ name }) => [name, result(`gradient.${name}`)])),
    predictions: times.flatMap(t => Array.from(result(`prediction.${t}`))),
  };
}

function randomParameters(layout: ParameterLayout): Float32Array {
  const flat = new Float32Array(paddedSize(layout.size));
  flat.set(uniform(layout.size, 0.4));
  return flat;
}

function checkGradient(
  t: Test,
  layout: ParameterLayout,
  flat: Float32Array,
  expected: Exact['gradient'],
): void {
  for (const [name, view] of Object.entries(layout.views(flat))) {
    const error = relativeError(view, expected[name]);
    t.ok(error < 1e-5, `gradient of ${name}: ${error}`);
  }
}

const stacked = { cell: 'lstm', inputSize: 2, hiddenSize: 4, numLayers: 2, outputSize: 3 } as const;
const CASES: readonly [what: string, backend: Backend, given: Case][] = [
  [
    '70 steps, the first segment shorter',
    'webasm',
    { spec: { ...stacked, head: 'last' }, loss: 'cross_entropy', batch: 3, steps: 70 },
  ],
  ['70 steps', 'cpu', { spec: { ...stacked, head: 'last' }, loss: 'cross_entropy', batch: 3, steps: 70 }],
  [
    '150 steps that all count',
    'webasm',
    { spec: { ...stacked, head: 'every' }, loss: 'cross_entropy', batch: 3, steps: 150 },
  ],
  ['97 steps and values', 'webasm', { spec: { ...stacked, head: 'last' }, loss: 'mse', batch: 3, steps: 97 }],
  [
    'sequences that end in different segments',
    'webasm',
    {
      spec: { ...stacked, head: 'last' },
      loss: 'cross_entropy',
      batch: 5,
      steps: 96,
      lengths: [96, 1, 32, 33, 70],
    },
  ],
  [
    'steps that count until the sequence ends',
    'webasm',
    {
      spec: { ...stacked, head: 'every' },
      loss: 'cross_entropy',
      batch: 4,
      steps: 96,
      lengths: [3, 96, 64, 65],
    },
  ],
];

for (const [what, backend, given] of CASES) {
  t.test(`${what}: the gradient of the segments is that of the whole (${backend})`, async t => {
    const { spec, loss, batch, steps } = given;
    t.ok(cutIntoSegments(steps, spec.numLayers).length > 1, 'it is cut');
    const engine = await Engine.start(backend);
    t.teardown(() => engine.close());
    const input = randomBatch(given);
    const shape = { batch, sequenceLength: steps, variableLength: input.ends !== undefined };
    const shard = new Shard(engine, spec, loss, shape);
    const flat = randomParameters(shard.layout);
    const expected = exactly(given, flat, input);
    const gradient = new Float32Array(flat.length);
    const { rows, predictions } = await shard.addGradient(flat, input, gradient);
    const total = rows.reduce((sum, row, i) => sum + row * input.weight[i], 0);
    t.ok(relativeError([total], [expected.loss]) < 1e-5, `loss ${total}`);
    t.ok(relativeError(predictions, expected.predictions) < 1e-5, 'predictions');
    checkGradient(t, shard.layout, gradient, expected.gradient);
    const evaluated = await shard.evaluate(flat, input);
    t.ok(relativeError(evaluated.predictions, expected.predictions) < 1e-5, 'predictions without a gradient');
  });
}

/** Sequences in memory, all of `steps` steps. */
function split(count: number, steps: number, { inputSize, outputSize }: ModelSpec): Split {
  const x = uniform(count * steps * inputSize);
  const values = Int32Array.from({ length: count }, () => random.integer(outputSize));
  return {
    count,
    targets: { kind: 'class', numClasses: outputSize, values, perStep: false },
    read(index, out, offset, stepStride) {
      for (let s = 0; s < steps; s++) {
        const from = (index * steps + s) * inputSize;
        out.set(x.subarray(from, from + inputSize), offset + s * stepStride);
      }
    },
  };
}

for (const [batchSize, size] of [
  [32, 5],
  [32, 16],
  [32, 31],
  [50, 21],
  [7, 1],
]) {
  t.test(`${size} sequences in a batch of ${batchSize} have exactly their own gradient`, async t => {
    const steps = 6;
    const spec: ModelSpec = { ...stacked, head: 'last' };
    const data = split(batchSize, steps, spec);
    const trainer = await Trainer.create(
      {
        backend: 'webasm',
        threads: 2,
        spec,
        loss: 'cross_entropy',
        sequenceLength: steps,
        variableLength: false,
        train: data,
        batchSize,
      },
      sgd,
      { momentum: 0, nesterov: false, weight_decay: 0 },
    );
    t.teardown(() => trainer.close());
    const initial = randomParameters(trainer.layout);
    trainer.parameters.set(initial);
    const all = Uint32Array.from({ length: batchSize }, (_, i) => i);
    await trainer.step(trainer.prepare(all), 1, 0);
    t.same(trainer.parameters, initial, 'a rate of 0 changes nothing, but the batch has filled the shards');

    const some = all.slice(-size).reverse();
    const { loss, updated } = await trainer.step(trainer.prepare(some), 2, 1);
    t.ok(updated);
    const x = new Float32Array(steps * size * spec.inputSize);
    some.forEach((index, row) => data.read(index, x, row * spec.inputSize, size * spec.inputSize));
    const target = Float32Array.from(some, index => data.targets.values[index]);
    const weight = new Float32Array(size).fill(1 / size);
    const expected = exactly({ spec, loss: 'cross_entropy', batch: size, steps }, initial, {
      x,
      target,
      weight,
    });
    t.ok(relativeError([loss], [expected.loss]) < 1e-5, `loss ${loss}`);
    // the subtraction costs half a unit in the last place of each parameter
    for (const [name, after] of Object.entries(trainer.layout.views(trainer.parameters))) {
      const before = trainer.layout.views(initial)[name];
      const error = Math.hypot(...after.map((value, i) => before[i] - value - expected.gradient[name][i]));
      const norm = Math.hypot(...Array.from(expected.gradient[name]));
      t.ok(
        error <= 1e-5 * norm + 2 ** -24 * Math.hypot(...after),
        `gradient of ${name}: ${error} of ${norm}`,
      );
    }
  });
}

t.test('digits pixel by pixel, 784 steps, in bounded memory', async t => {
  const work = new Workplace();
  t.teardown(() => work.remove());
  const overrides = [
    'dataset.limit=100',
    'model.hidden_size=8',
    'training.max_steps=2',
    'training.batch_size=50',
  ];
  const { code, stdout, stderr } = await work.cellrun(
    'run',
    join(packageRoot, 'configs/mnist-pixels.yaml'),
    ...overrides.flatMap(override => ['--set', override]),
    '--json',
    '--backend',
    'webasm',
  );
  t.equal(code, 0, stderr);
  const summary = JSON.parse(stdout);
  t.match(summary, { status: 'completed', steps: 2 });
  t.ok(summary.metrics.train.loss > 0 && summary.metrics.test.loss > 0);
  t.ok(summary.peak_rss_mb < 700, `${summary.peak_rss_mb} MB`);
});
