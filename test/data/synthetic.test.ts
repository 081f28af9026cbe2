/** Synthetic problems. */
import fc from 'fast-check';
import t from 'tap';
import { inputWidth } from '../../src/data/index.js';
import { classes, closeTo, complaints, open, sequence } from '../support/data-files.js';

t.test('synthetic: the adding problem', async t => {
  const config = { kind: 'synthetic', problem: 'adding', train_size: 400, test_size: 3, seed: 0 } as const;
  const odd = fc.asyncProperty(
    fc.integer({ min: 2, max: 40 }),
    fc.integer({ min: 0, max: 1e6 }),
    async (T, seed) => {
      const data = await open({ ...config, train_size: 4, sequence_length: T, seed });
      for (let i = 0; i < 4; i++) {
        const steps = sequence(data, data.train, i);
        const marked = steps.flatMap(([, marker], s) => (marker === 1 ? [s] : []));
        const half = Math.floor(T / 2);
        if (marked.length !== 2 || !(marked[0] < half && marked[1] >= half)) return false;
        if (steps.some(([value, marker]) => !(value >= 0 && value <= 1) || (marker !== 0 && marker !== 1)))
          return false;
        const target = data.train.targets.values.subarray(i, i + 1)[0];
        if (!closeTo(target, steps[marked[0]][0] + steps[marked[1]][0], 1e-6)) return false;
      }
      return true;
    },
  );
  await fc.assert(odd, { numRuns: 30, seed: 1 });
  const data = await open({ ...config, sequence_length: 50 });
  const targets = [...data.train.targets.values];
  const mean = targets.reduce((a, b) => a + b, 0) / 400;
  const variance = targets.reduce((a, b) => a + (b - mean) ** 2, 0) / 399;
  t.ok(closeTo(mean, 1, 0.08) && closeTo(variance, 1 / 6, 0.04), `mean ${mean}, variance ${variance}`);
  const fewer = await open({ ...config, sequence_length: 50, train_size: 5 });
  t.same(
    [...fewer.train.targets.values],
    targets.slice(0, 5),
    'the first sequences do not depend on the size',
  );
  t.equal((await open({ ...config, sequence_length: 50 }, 9)).digests[0].sha256, data.digests[0].sha256);
  t.not((await open({ ...config, sequence_length: 50, seed: 9 })).digests[0].sha256, data.digests[0].sha256);
  t.match(await complaints(2, () => open({ ...config, sequence_length: 65536, train_size: 1e7 })), [
    /^data\/too-large .* a sequence has 131072 values \| expected at most 2048 sequences .* got 10000000$/,
  ]);
  const large = open({ ...config, sequence_length: 65536, test_size: 1e7 });
  t.match(await large.catch((error: unknown) => error), {
    diagnostics: [{ keyPath: ['dataset', 'test_size'] }],
  });
});

t.test('synthetic: the copy-memory problem', async t => {
  const config = {
    kind: 'synthetic',
    problem: 'copy_memory',
    train_size: 300,
    test_size: 2,
    seed: 0,
  } as const;
  const data = await open({ ...config, delay: 7 });
  t.same([inputWidth(data.input), data.sequenceLength], [10, 27]);
  const counts = new Array(8).fill(0);
  for (let i = 0; i < 300; i++) {
    const steps = sequence(data, data.train, i);
    const symbols = steps.map(step => step.indexOf(1));
    const shape = [...new Array(6).fill(8), 9, ...new Array(10).fill(8)];
    const expected = [...new Array(17).fill(8), ...symbols.slice(0, 10)];
    if (JSON.stringify(symbols.slice(10)) !== JSON.stringify(shape)) t.fail(`inputs ${symbols}`);
    const targets = classes(data.train).slice(27 * i, 27 * i + 27);
    if (JSON.stringify(targets) !== JSON.stringify(expected)) t.fail(`targets ${targets}`);
    if (steps.some(step => step.reduce((a, b) => a + b) !== 1)) t.fail('not one-hot');
    for (const symbol of symbols.slice(0, 10)) counts[symbol]++;
  }
  // Chi-squared with 7 degrees of freedom: 24.3 is passed once in a thousand seeds.
  t.ok(counts.reduce((a, n) => a + (n - 375) ** 2 / 375, 0) < 24.3, `symbols ${counts}`);
  t.match(data.train.targets, { kind: 'class', numClasses: 9, perStep: true });
});
