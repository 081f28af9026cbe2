/**
 * Connectionist temporal classification against the sum over all paths, one by one, and against
 * PyTorch (`fixtures/ctc/generate.py`).
 */
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { alignmentOf, decode } from '../../src/math/decoding/ctc.js';
import { isImpossible, logProbability, occupancyOf } from '../../src/math/losses/ctc.js';
import { lossOf } from '../../src/math/losses/index.js';
import type { LossOfSequences, SequenceBatch } from '../../src/math/losses/loss.js';
import { classProbabilities } from '../../src/util/log-probabilities.js';
import { packageRoot } from '../../src/util/root.js';

const ctc = lossOf({ kind: 'ctc' }) as LossOfSequences;

/** All lists of `length` numbers below `count`. */
function lists(count: number, length: number): number[][] {
  if (length === 0) return [[]];
  return lists(count, length - 1).flatMap(list => Array.from({ length: count }, (_, k) => [...list, k]));
}

function labellingOf(path: readonly number[], blank: number): number[] {
  return path.filter((k, i) => k !== path[i - 1] && k !== blank);
}

interface Case {
  readonly classes: number;
  /** `[T][C]`. */
  readonly outputs: readonly (readonly number[])[];
  readonly symbols: readonly number[];
}

const cases: fc.Arbitrary<Case> = fc
  .record({
    classes: fc.integer({ min: 2, max: 4 }),
    steps: fc.integer({ min: 1, max: 5 }),
    length: fc.integer({ min: 0, max: 5 }),
  })
  .chain(({ classes, steps, length }) =>
    fc.record({
      classes: fc.constant(classes),
      outputs: fc.array(
        fc.array(
          fc.integer({ min: -800, max: 800 }).map(z => z / 100),
          { minLength: classes, maxLength: classes },
        ),
        { minLength: steps, maxLength: steps },
      ),
      symbols: fc.array(fc.integer({ min: 0, max: classes - 2 }), { minLength: length, maxLength: length }),
    }),
  );

function softmax(row: readonly number[]): number[] {
  const sum = row.reduce((total, z) => total + Math.exp(z), 0);
  return row.map(z => Math.exp(z) / sum);
}

/** Each path with its probability, by its labelling. */
function allPaths({ classes, outputs }: Case) {
  const rows = outputs.map(softmax);
  const found = new Map<string, { readonly path: readonly number[]; readonly probability: number }[]>();
  for (const path of lists(classes, outputs.length)) {
    const probability = path.reduce((product, k, t) => product * rows[t][k], 1);
    const key = labellingOf(path, classes - 1).join();
    found.set(key, [...(found.get(key) ?? []), { path, probability }]);
  }
  return found;
}

const total = (all: readonly { readonly probability: number }[] = []) =>
  all.reduce((sum, { probability }) => sum + probability, 0);

function batchOf(given: readonly Case[], weights: readonly number[]): SequenceBatch {
  const [batch, [{ classes }]] = [given.length, given];
  const steps = Math.max(...given.map(({ outputs }) => outputs.length));
  const longest = Math.max(...given.map(({ symbols }) => symbols.length));
  const outputs = new Float64Array(steps * batch * classes).fill(3);
  const targets = new Float64Array(longest * batch).fill(-100);
  given.forEach((one, row) => {
    for (const [t, values] of one.outputs.entries()) outputs.set(values, (t * batch + row) * classes);
    for (const [s, symbol] of one.symbols.entries()) targets[s * batch + row] = symbol;
  });
  const lengths = Float64Array.from(given, one => one.outputs.length);
  return { batch, classes, outputs, lengths, targets, weights: Float64Array.from(weights) };
}

const probabilitiesOf = ({ outputs, classes }: Case) =>
  classProbabilities(Float64Array.from(outputs.flat()), { steps: outputs.length, classes });

const near = (a: number, b: number, tolerance = 1e-12) =>
  a === b || Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));

t.test('the loss and its gradient are those of the sum over all paths', async t => {
  fc.assert(
    fc.property(cases, given => {
      const { classes, symbols, outputs } = given;
      const losses = new Float64Array(1);
      const gradient = new Float64Array(outputs.length * classes);
      ctc.compute(batchOf([given], [0.7]), losses, gradient);
      const length = Math.max(1, symbols.length);
      const paths = allPaths(given).get(symbols.join()) ?? [];
      const probability = total(paths);
      if (isImpossible(symbols, outputs.length)) return paths.length === 0 && losses[0] === Infinity;
      const expected = outputs.flatMap((row, t) =>
        softmax(row).map((own, k) => {
          const there = total(paths.filter(({ path }) => path[t] === k));
          return (0.7 / length) * (own - there / probability);
        }),
      );
      return (
        near(losses[0], -Math.log(probability) / length, 1e-10) &&
        expected.every((value, i) => near(gradient[i], value, 1e-10))
      );
    }),
    { numRuns: 300, seed: 1 },
  );
  t.pass();
});

t.test('the occupancy of a symbol is the part of the paths that are there', async t => {
  fc.assert(
    fc.property(cases, given => {
      const { symbols, outputs, classes } = given;
      const paths = allPaths(given).get(symbols.join());
      if (!paths) return true;
      const occupancy = occupancyOf(probabilitiesOf(given), symbols);
      return symbols.every((_, i) =>
        outputs.every((_, t) => {
          const there = paths.filter(({ path }) => {
            const begun = beginsOf(path.slice(0, t + 1), classes - 1).length;
            return begun === i + 1 && path[t] !== classes - 1;
          });
          return near(occupancy[i * outputs.length + t], total(there) / total(paths), 1e-10);
        }),
      );
    }),
    { numRuns: 200, seed: 1 },
  );
  t.pass();
});

t.test('probabilities far below the range of float64', async t => {
  const steep = cases.map(one => ({ ...one, outputs: one.outputs.map(row => row.map(z => 300 * z)) }));
  fc.assert(
    fc.property(steep, given => {
      const { classes, symbols, outputs } = given;
      const { logs } = probabilitiesOf(given);
      const ofPaths = lists(classes, outputs.length)
        .filter(path => labellingOf(path, classes - 1).join() === symbols.join())
        .map(path => path.reduce((sum, k, t) => sum + logs[t * classes + k], 0));
      const most = Math.max(...ofPaths);
      const log = most + Math.log(ofPaths.reduce((sum, one) => sum + Math.exp(one - most), 0));
      const found = logProbability(probabilitiesOf(given), symbols);
      return ofPaths.length === 0 ? found === -Infinity : near(found, log);
    }),
    { numRuns: 300, seed: 1 },
  );
  t.pass();
});

t.test('sequences of a batch do not affect each other, and padding counts for nothing', async t => {
  fc.assert(
    fc.property(fc.array(cases, { minLength: 2, maxLength: 4 }), all => {
      const same = all.filter(({ classes }) => classes === all[0].classes);
      const weights = same.map((_, i) => (i === 1 ? 0 : 0.5));
      const batch = batchOf(same, weights);
      const [losses, gradient] = [new Float64Array(same.length), new Float64Array(batch.outputs.length)];
      ctc.compute(batch, losses, gradient.fill(9));
      return same.every((one, row) => {
        const own = [new Float64Array(1), new Float64Array(one.outputs.length * one.classes)] as const;
        ctc.compute(batchOf([one], [weights[row]]), ...own);
        const rows = gradient.filter((_, i) => Math.floor(i / one.classes) % same.length === row);
        return losses[row] === own[0][0] && rows.every((value, i) => value === (own[1][i] ?? 0));
      });
    }),
    { numRuns: 100, seed: 1 },
  );
  t.pass();
});

t.test(
  'a beam that keeps everything finds the likeliest labellings; alignments are the likeliest',
  async t => {
    fc.assert(
      fc.property(cases, given => {
        const probabilities = probabilitiesOf(given);
        const all = allPaths(given);
        const ranked = [...all].map(([key, of]) => [key, total(of)] as const).sort((a, b) => b[1] - a[1]);
        const found = decode(probabilities, 1000);
        const [[, most]] = ranked;
        return (
          found.length === ranked.length &&
          near(Math.exp(found[0].logProbability), most, 1e-9) &&
          found.every(({ symbols, logProbability: own }) => {
            const of = all.get(Array.from(symbols).join()) ?? [];
            const likeliest = Math.max(...of.map(({ probability }) => probability));
            const begins = alignmentOf(probabilities, symbols);
            const aligned = of.filter(
              ({ path }) => beginsOf(path, given.classes - 1).join() === begins.join(),
            );
            return (
              near(Math.exp(own), total(of), 1e-9) &&
              aligned.some(({ probability }) => near(probability, likeliest, 1e-9))
            );
          })
        );
      }),
      { numRuns: 150, seed: 1 },
    );
    t.pass();
  },
);

function beginsOf(path: readonly number[], blank: number): number[] {
  return [...path.keys()].filter(t => path[t] !== path[t - 1] && path[t] !== blank);
}

t.test('without a beam, the labelling of the likeliest path', async t => {
  fc.assert(
    fc.property(cases, given => {
      const path = given.outputs.map(row => row.indexOf(Math.max(...row)));
      const [{ symbols }, ...others] = decode(probabilitiesOf(given), 1);
      return (
        others.length === 0 && Array.from(symbols).join() === labellingOf(path, given.classes - 1).join()
      );
    }),
    { numRuns: 200, seed: 1 },
  );
  const nan = {
    classes: 3,
    outputs: [
      [1, 0, 0],
      [Number.NaN, 0, 0],
      [0, 1, 0],
    ],
    symbols: [],
  };
  t.same(decode(probabilitiesOf(nan), 4), [{ symbols: [0, -1, 1], logProbability: Number.NaN }]);
});

t.test('a narrow beam finds at most so many, the likeliest first', async t => {
  const outputs = Array.from({ length: 20 }, (_, t) =>
    Array.from({ length: 5 }, (_, k) => 2 * Math.sin(7 * t + 3 * k)),
  );
  const probabilities = probabilitiesOf({ classes: 5, outputs, symbols: [] });
  const best = (beam: number) => decode(probabilities, beam)[0].logProbability;
  const found = decode(probabilities, 6);
  t.equal(found.length, 6);
  t.same(
    found,
    found.toSorted((a, b) => b.logProbability - a.logProbability),
  );
  t.equal(new Set(found.map(({ symbols }) => Array.from(symbols).join())).size, 6);
  t.ok(best(2) >= best(1) && best(50) >= best(6) && best(50) > best(1));
});

t.test('a symbol that the model does not know has probability 0', async t => {
  const losses = new Float64Array(2);
  const outputs = [
    [1, 0, 0],
    [0, 1, 2],
  ];
  const known = { classes: 3, outputs, symbols: [1] };
  ctc.compute(batchOf([known, { ...known, symbols: [1, 2] }], [1, 1]), losses);
  t.ok(Number.isFinite(losses[0]));
  t.equal(losses[1], Number.POSITIVE_INFINITY);
});

interface TorchCase {
  readonly name: string;
  readonly steps: number;
  readonly classes: number;
  readonly symbols: readonly number[];
  readonly loss: number;
  /** Of the first and the last step, and the norm over all. */
  readonly gradient: { readonly first: number[]; readonly last: number[]; readonly norm: number };
}

const torch: readonly TorchCase[] = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/ctc/ctc.json'), 'utf8'),
);

for (const { name, steps, classes, symbols, loss, gradient: expected } of torch) {
  t.test(`as PyTorch: ${name}`, async t => {
    const outputs = Array.from({ length: steps }, (_, t) =>
      Array.from({ length: classes }, (_, k) => 3 * Math.sin(1.7 * t + 2.3 * k * k)),
    );
    const given = { classes, outputs, symbols };
    const losses = new Float64Array(1);
    const gradient = new Float64Array(steps * classes);
    ctc.compute(batchOf([given], [1]), losses, gradient);
    t.ok(near(losses[0], loss, 1e-10), `${losses[0]}, PyTorch has ${loss}`);
    t.ok(near(losses[0] * Math.max(1, symbols.length), -logProbability(probabilitiesOf(given), symbols)));
    for (const [k, value] of expected.first.entries()) t.ok(near(gradient[k], value, 1e-9));
    for (const [k, value] of expected.last.entries())
      t.ok(near(gradient[(steps - 1) * classes + k], value, 1e-9));
    t.ok(near(Math.hypot(...gradient), expected.norm, 1e-9));
  });
}
