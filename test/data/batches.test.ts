/** Which sequences form which batch. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import t from 'tap';
import { type BatchOptions, BatchOrder } from '../../src/data/index.js';
import { RandomStream } from '../../src/util/random.js';
import { complaints } from '../support/data-files.js';

const options: BatchOptions = {
  count: 0,
  batchSize: 10,
  shuffle: true,
  lastBatch: 'train',
  seed: 3,
  bucketByLength: true,
};

/** `count` lengths, uniform in 1..`longest`. */
function uniform(count: number, longest: number, seed = 1): Int32Array {
  const stream = RandomStream.of(seed, 'test/lengths');
  return Int32Array.from({ length: count }, () => 1 + stream.integer(longest));
}

const epochOf = (order: BatchOrder): number[][] =>
  Array.from({ length: order.batchesPerEpoch }, () => [...order.next()]);

/** Steps of all batches, each as long as its longest sequence. */
function cost(batches: readonly number[][], lengths: Int32Array): number {
  return batches.reduce((sum, batch) => sum + batch.length * Math.max(...batch.map(i => lengths[i])), 0);
}

t.test('every sequence once an epoch, and the same batches after a resume anywhere', async t => {
  const property = fc.property(
    fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 200 }),
    fc.integer({ min: 1, max: 20 }),
    fc.boolean(),
    fc.boolean(),
    fc.constantFrom('train' as const, 'drop' as const),
    fc.nat(60),
    (values, size, shuffle, bucketByLength, lastBatch, taken) => {
      const lengths = Int32Array.from(values);
      const count = lengths.length;
      const batchSize = Math.min(size, count);
      const all = { ...options, count, batchSize, shuffle, bucketByLength, lastBatch, lengths };
      const order = new BatchOrder(all);
      const batches = epochOf(order);
      const seen = new Set(batches.flat());
      const wanted = lastBatch === 'train' ? count : count - (count % batchSize);
      if (seen.size !== wanted || batches.flat().length !== wanted) return false;
      if (batches.some((batch, i) => batch.length !== batchSize && i !== Math.floor(count / batchSize)))
        return false;
      for (let i = 0; i < taken; i++) order.next();
      const restored = BatchOrder.restore(all, JSON.parse(JSON.stringify(order.state)));
      return Array.from({ length: 2 * batches.length }).every(() => {
        if (JSON.stringify(restored.state) !== JSON.stringify(order.state)) return false;
        return [...restored.next()].join() === [...order.next()].join();
      });
    },
  );
  fc.assert(property, { numRuns: 500, seed: 1 });
  t.pass();
});

t.test('little of a batch is padding', async t => {
  const lengths = uniform(20_000, 100);
  const all = { ...options, count: lengths.length, batchSize: 100, lengths };
  const steps = lengths.reduce((sum, length) => sum + length, 0);
  const bucketed = cost(epochOf(new BatchOrder(all)), lengths) - steps;
  const unbucketed = cost(epochOf(new BatchOrder({ ...all, bucketByLength: false })), lengths) - steps;
  // a pool of 5000 sequences has 50 of each length: a batch spans two lengths, so that its padding
  // is about one step in a sequence
  t.ok(bucketed < 1.1 * lengths.length, `${bucketed} steps of padding`);
  // of 100 numbers uniform in 1..100 the largest is about 99.5, and their mean 50.5
  t.ok(unbucketed > 0.9 * 49 * lengths.length, `${unbucketed} steps of padding`);
});

t.test('batches come in a random order, and other ones in each epoch', async t => {
  const lengths = uniform(2000, 50);
  const order = new BatchOrder({ ...options, count: lengths.length, lengths });
  const [first, second] = [epochOf(order), epochOf(order)];
  const means = first.map(batch => batch.reduce((sum, i) => sum + lengths[i], 0) / batch.length);
  const rises = means.filter((mean, i) => i > 0 && mean > means[i - 1]).length;
  // of 199 pairs of neighbours in a random order about half rise, with a standard deviation of 4.1
  // (Wolfowitz 1944: (n + 1) / 12)
  t.ok(Math.abs(rises - 99.5) < 4 * 4.1, `${rises} of 199 rise`);
  const sets = (batches: number[][]) => new Set(batches.map(batch => batch.toSorted((a, b) => a - b).join()));
  const again = [...sets(second)].filter(batch => sets(first).has(batch));
  t.ok(again.length < 5, `${again.length} batches of the first epoch come again`);
  const other = new BatchOrder({ ...options, count: lengths.length, lengths, seed: 4 });
  t.not(epochOf(other).join(), first.join(), 'another seed, other batches');
});

t.test('what is left over is drawn regardless of its length', async t => {
  const lengths = Int32Array.from({ length: 25 }, (_, i) => 1 + i);
  const all = { ...options, count: 25, lengths };
  const last = epochOf(new BatchOrder(all)).at(-1);
  t.equal(last?.length, 5);
  let sum = 0;
  for (let seed = 0; seed < 400; seed++) {
    const dropping = new BatchOrder({ ...all, seed, lastBatch: 'drop' });
    t.equal(dropping.droppedPerEpoch, 5);
    const kept = new Set(epochOf(dropping).flat());
    for (let i = 0; i < 25; i++) if (!kept.has(i)) sum += lengths[i];
  }
  // the mean of 2000 lengths drawn from 1..25, 13, has a standard error of 0.15
  t.ok(Math.abs(sum / 2000 - 13) < 4 * 0.15, `those left out are ${sum / 2000} long on average`);
});

t.test('without shuffling the sequences go by their length', async t => {
  const lengths = Int32Array.of(3, 1, 2, 3, 1, 2, 9);
  const all = { ...options, count: 7, batchSize: 2, shuffle: false, lengths };
  const order = new BatchOrder(all);
  const expected = [[1, 4], [2, 5], [0, 3], [6]];
  t.same(epochOf(order), expected, 'ties stay in the order of the data');
  t.same(epochOf(order), expected, 'each epoch is the same');
  t.same(
    epochOf(new BatchOrder({ ...all, lengths: Int32Array.of(9, 1, 2, 3, 1, 2, 3) })),
    [[1, 4], [2, 5], [3, 0], [6]],
    'a last batch that is not full is of the last sequences of the data',
  );
});

t.test('sequences of the same length go by the length of their targets', async t => {
  const targetLengths = Int32Array.of(5, 0, 4, 2, 1, 3);
  const all = { ...options, count: 6, batchSize: 2, shuffle: false, targetLengths };
  const lengths = Int32Array.of(2, 2, 1, 2, 1, 2);
  t.same(epochOf(new BatchOrder({ ...all, lengths })), [
    [4, 2],
    [1, 3],
    [5, 0],
  ]);
  t.same(
    epochOf(new BatchOrder(all)),
    [
      [1, 4],
      [3, 5],
      [2, 0],
    ],
    'all steps alike',
  );
});

t.test('nothing changes where all sequences have the same length', async t => {
  const all = { ...options, count: 137 };
  t.same(epochOf(new BatchOrder(all)), epochOf(new BatchOrder({ ...all, bucketByLength: false })));
});

t.test('one random order for each seed and epoch', async t => {
  const options: BatchOptions = { count: 10, batchSize: 4, shuffle: true, lastBatch: 'train', seed: 3 };
  const order = new BatchOrder({ ...options, count: 100 });
  const first = epochOf(order).flat();
  t.same([order.epoch, order.position], [1, 0]);
  t.not(first.join(), epochOf(order).flat().join(), 'epochs differ');
  t.equal(
    createHash('sha256').update(Uint32Array.from(first)).digest('hex'),
    '05184ac43923d105ffa2a3aa72fc0bccb41f607cf4a65961332550727675af17',
    'the first permutation of this seed never changes',
  );
  const dropping = new BatchOrder({ ...options, lastBatch: 'drop' });
  t.same([dropping.batchesPerEpoch, dropping.droppedPerEpoch, epochOf(dropping).flat().length], [2, 2, 8]);
  t.same(epochOf(new BatchOrder({ ...options, shuffle: false })).flat(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.match(await complaints(2, () => new BatchOrder({ ...options, lastBatch: 'drop', batchSize: 11 })), [
    /one batch/,
  ]);
  const { state } = order;
  for (const bad of [{ position: 25 }, { count: 99, position: 1 }]) {
    const restore = () => BatchOrder.restore({ ...options, count: 100 }, { ...state, ...bad });
    t.match(await complaints(5, restore), [/^data\/batch-state/], JSON.stringify(bad));
  }
  const places = new Array(5).fill(0);
  for (let seed = 0; seed < 500; seed++) {
    places[
      epochOf(new BatchOrder({ ...options, count: 5, seed }))
        .flat()
        .indexOf(0)
    ]++;
  }
  // Chi-squared with 4 degrees of freedom: 18.5 is passed once in a thousand.
  t.ok(places.reduce((a, n) => a + (n - 100) ** 2 / 100, 0) < 18.5, `places ${places}`);
});
