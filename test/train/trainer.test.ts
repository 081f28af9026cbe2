import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import type { Split } from '../../src/data/core/dataset.js';
import type { BatchOrder } from '../../src/data/index.js';
import { newHeap } from '../../src/engine/index.js';
import type { ParameterLayout } from '../../src/math/model/parameters.js';
import type { WalkShape } from '../../src/math/model/runs.js';
import type { ModelSpec } from '../../src/math/model/spec.js';
import { sgd } from '../../src/math/optimizers/sgd.js';
import { BatchWriter } from '../../src/train/batch.js';
import { TrainingState, trainingLoop } from '../../src/train/loop.js';
import { ShardPool } from '../../src/train/pool.js';
import { allocateShards, type ModelRun, planShards } from '../../src/train/shards.js';
import { Trainer } from '../../src/train/trainer.js';
import { RandomStream } from '../../src/util/random.js';
import { readRows, referenceOf } from '../../src/verify/gradients.js';
import { relativeError, splitOf } from '../support/goldens.js';
import { modelOf, type ShortModel } from '../support/models.js';

const SGD = { momentum: 0, nesterov: false, weight_decay: 0 };
const stacked: ShortModel = { cell: 'lstm', hidden_size: 4, num_layers: 2 };
const OUTPUTS = 3;
const FEATURES = 2;

const random = RandomStream.of(11, 'test/trainer');
const uniform = (count: number, bound = 1): Float32Array =>
  Float32Array.from({ length: count }, () => (2 * random.uniform() - 1) * bound);

function classes(count: number, steps: number, lengths?: readonly number[]): Split {
  const values = Int32Array.from({ length: count }, () => random.integer(OUTPUTS));
  return splitOf({
    x: uniform(count * steps * FEATURES),
    count,
    steps,
    targets: { kind: 'class', numClasses: OUTPUTS, values, perStep: false },
    ...(lengths && { lengths: Int32Array.from(lengths) }),
  });
}

interface Setting {
  readonly model?: ShortModel;
  readonly carriesState?: boolean;
  readonly train: Split;
  readonly steps: number;
  readonly batchSize: number;
  readonly threads?: number;
}

async function trainerOf(given: Setting): Promise<{ trainer: Trainer; spec: ModelSpec }> {
  const { model = stacked, carriesState = false, train, steps, batchSize, threads = 2 } = given;
  const spec = modelOf(model, { inputSize: FEATURES, outputSize: OUTPUTS, carriesState });
  const options = {
    backend: 'webasm' as const,
    threads,
    spec,
    loss: { kind: 'cross_entropy' } as const,
    metrics: [],
    seed: 7,
    sequenceLength: steps,
    variableLength: train.lengths !== undefined,
    train,
    batchSize,
  };
  const trainer = await Trainer.create(options, sgd, SGD);
  t.teardown(() => trainer.close());
  return { trainer, spec };
}

function randomize({
  layout,
  parameters,
}: {
  layout: ParameterLayout;
  parameters: Float32Array;
}): Float32Array {
  parameters.set(uniform(layout.size, 0.4));
  return parameters.slice();
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
    const data = classes(batchSize, steps);
    const { trainer, spec } = await trainerOf({ train: data, steps, batchSize });
    const { layout } = trainer;
    const initial = randomize(trainer);
    const all = Uint32Array.from({ length: batchSize }, (_, i) => i);
    await trainer.step(await trainer.prepare(all, 1, true), 1, 0);
    t.same(trainer.parameters, initial, 'a rate of 0 changes nothing, but the batch has filled the shards');

    const some = all.slice(-size).reverse();
    const { loss, updated } = await trainer.step(await trainer.prepare(some, 2, false), 2, 1);
    t.ok(updated);
    const shape: WalkShape = { batch: size, sequenceLength: steps, variableLength: false, training: true };
    const job = {
      backend: 'webasm',
      spec,
      loss: { kind: 'cross_entropy' },
      shape,
      withGradient: true,
    } as const;
    const [[{ batch }]] = allocateShards(job, { shards: 1, slots: 1 }, newHeap());
    new BatchWriter(spec, job.loss, shape).write(data, some, [batch]);
    const rows = Array.from(some, (_, row) => row);
    const reference = referenceOf(spec, job.loss, readRows({ ...job, shards: [batch] }, rows));
    const expected = await reference.gradientAt(Float64Array.from(initial.subarray(0, layout.size)));
    t.ok(relativeError([loss], [expected.loss]) < 1e-5, `loss ${loss}`);
    // the subtraction loses half a unit in the last place of each parameter
    for (const { name, offset, size: elements } of layout.parameters) {
      const part = <T extends Float32Array | Float64Array>(flat: T) =>
        Array.from(flat.subarray(offset, offset + elements));
      const [before, after, exact] = [initial, trainer.parameters, expected.gradient].map(part);
      const error = Math.hypot(...after.map((value, i) => before[i] - value - exact[i]));
      const bound = 1e-5 * Math.hypot(...exact) + 2 ** -24 * Math.hypot(...after);
      t.ok(error <= bound, `gradient of ${name}: ${error} of at most ${bound}`);
    }
  });
}

/** The parameters after each of `count` steps over the same data. */
async function path(
  given: Setting,
  initial: Float32Array,
  batches: readonly number[][],
): Promise<Float32Array[]> {
  const { trainer } = await trainerOf(given);
  trainer.parameters.set(initial);
  const after: Float32Array[] = [];
  for (const [i, batch] of batches.entries()) {
    await trainer.step(await trainer.prepare(Uint32Array.from(batch), i + 1, i === 0), i + 1, 0.1);
    after.push(trainer.parameters.slice());
  }
  return after;
}

t.test('dropout depends on seed, step, row, layer and unit, not on threads', async t => {
  const batchSize = 48;
  const train = classes(batchSize, 5);
  const model = { ...stacked, dropout: 0.5, head: { hidden_sizes: [6], dropout: 0.3 } };
  const given = { model, train, steps: 5, batchSize };
  const { trainer, spec } = await trainerOf(given);
  const initial = randomize(trainer);
  const all = Array.from({ length: batchSize }, (_, i) => i);
  const [one, two] = await Promise.all(
    [1, 2].map(threads => path({ ...given, threads }, initial, [all, all])),
  );
  t.same(one, two, 'the same bytes for one thread and two');

  // a row's mask depends on its position in the batch, not on the shard
  const shape: WalkShape = { batch: 48, sequenceLength: 5, variableLength: false, training: true };
  const write = (rows: number, step: number) => {
    const job = { backend: 'webasm', spec, loss: { kind: 'cross_entropy' }, withGradient: true } as const;
    const own = { ...shape, batch: rows };
    const [slot] = allocateShards({ ...job, shape: own }, { shards: batchSize / rows, slots: 1 }, newHeap());
    const batches = slot.map(({ batch }) => batch);
    new BatchWriter(spec, job.loss, own, 7).write(train, Uint32Array.from(all), batches, step);
    const name = 'dropout.1.0';
    return all.map(row => {
      const values = batches[Math.floor(row / rows)].inputs[name];
      const at = (t: number) => (t * rows + (row % rows)) * 4;
      return Array.from({ length: 5 }, (_, t) => [...values.subarray(at(t), at(t) + 4)]);
    });
  };
  t.same(write(48, 1), write(16, 1));
  t.notSame(write(48, 1), write(48, 2), 'another step drops others');
  const flat = write(48, 1).flat(2);
  t.same([...new Set(flat)].sort(), [0, 2], 'what is kept counts 1 / (1 - p)');
  const kept = flat.filter(value => value > 0).length / flat.length;
  t.ok(Math.abs(kept - 0.5) < 0.06, `${kept} is kept`);
});

t.test("a batch continues from the previous one's states, and an epoch from zero", async t => {
  const [batchSize, steps] = [20, 4];
  const model = { cell: 'gru', hidden_size: 4 };
  const train = classes(2 * batchSize, steps);
  const given = { model, train, steps, batchSize, carriesState: true };
  const { trainer } = await trainerOf(given);
  randomize(trainer);
  const halves = [0, 1].map(half => Uint32Array.from({ length: batchSize }, (_, i) => half * batchSize + i));
  const loss = async (half: number, startsEpoch: boolean) =>
    (await trainer.step(await trainer.prepare(halves[half], 1, startsEpoch), 1, 0)).loss;
  const fresh = await loss(1, true);
  await loss(0, true);
  const [[name, carried]] = trainer.carriedStates;
  t.equal(name, '0.h');
  t.same(carried.shape, [batchSize, 4]);
  t.ok([...(carried.data as Float32Array)].some(value => value !== 0));
  const continued = await loss(1, false);
  t.not(continued, fresh);
  t.equal(await loss(1, true), fresh, 'an epoch forgets');
  trainer.restoreCarriedStates(new Map([[name, carried]]));
  t.equal(await loss(1, false), continued, 'restored states go on where they were');
});

t.test('the next batch is read while a step runs', async t => {
  const log: string[] = [];
  const order = { epoch: 0, position: 1, next: () => new Uint32Array(2) } as unknown as BatchOrder;
  const result = {
    loss: 1,
    gradientNorm: 1,
    updated: true,
    metrics: { sums: {}, predictions: 0 },
    notFinite: [],
  };
  const trainer = {
    async prepare(_: Uint32Array, step: number) {
      log.push(`batch ${step}`);
      return {};
    },
    async step(_: object, step: number) {
      log.push(`step ${step} begins`);
      await setImmediate();
      log.push(`step ${step} ends`);
      return result;
    },
  } as unknown as Trainer;
  const kinds: string[] = [];
  const observer = { step: async () => void kinds.push('step'), epoch: () => void kinds.push('epoch') };
  const state = new TrainingState();
  await trainingLoop({ trainer, order, totalSteps: 3, learningRate: () => 1, state, observer });
  t.same(kinds, ['step', 'step', 'step', 'epoch']);
  t.same(log, [
    'batch 1',
    ...['step 1 begins', 'batch 2', 'step 1 ends'],
    ...['step 2 begins', 'batch 3', 'step 2 ends'],
    ...['step 3 begins', 'step 3 ends'],
  ]);
});

for (const [backend, withGradient, isOwn] of [
  ['webasm', true, true],
  ['webasm', false, false],
  ['cpu', true, false],
] as const) {
  const what = withGradient ? 'trained' : 'decoded';
  t.test(`a small batch ${what} on ${backend} ${isOwn ? 'needs no thread' : 'lets timers run'}`, async t => {
    const run: ModelRun = {
      backend,
      threads: 1,
      spec: modelOf({ cell: 'gru', hidden_size: 4, head: { from: 'every' } }, { outputSize: OUTPUTS }),
      loss: { kind: 'ctc', on_impossible: 'skip' },
      metrics: [],
      seed: 1,
      sequenceLength: 3,
      targetLength: 2,
      variableLength: false,
    };
    const pool = await ShardPool.open(run);
    t.teardown(() => pool.close());
    const { shards, job } = planShards(run, 1, withGradient);
    const group = pool.group(job, shards);
    let hasRun = false;
    setTimeout(() => {
      hasRun = true;
    }, 0);
    await group.compute(0);
    t.equal(hasRun, !isOwn);
  });
}
