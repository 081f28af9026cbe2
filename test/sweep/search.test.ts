/**
 * Search methods: what they may suggest, how well they find, and what parameters matter. Expected
 * values: optuna_reference.py.
 */
import '../support/quick.js';
import fc from 'fast-check';
import t from 'tap';
import type { Observation } from '../../src/sweep/search/grid.js';
import { gridPoints, gridSize } from '../../src/sweep/search/grid.js';
import { importance } from '../../src/sweep/search/importance.js';
import type { Method } from '../../src/sweep/search/index.js';
import { createSampler } from '../../src/sweep/search/index.js';
import { sobolSequence } from '../../src/sweep/search/sobol.js';
import {
  canonical,
  type Distribution,
  exists,
  isExcluded,
  type Parameter,
  type Point,
  type Space,
  sameValue,
  type Value,
  valueAtFraction,
} from '../../src/sweep/search/space.js';
import { kernelsOf, ParzenEstimator, splitObservations } from '../../src/sweep/search/tpe.js';
import { UserError } from '../../src/util/errors.js';
import { normalMass, truncatedNormal } from '../../src/util/normal.js';
import { RandomStream } from '../../src/util/random.js';
import { median, readRecord, recordedProblems, regretOf, TPE } from '../search-bench/comparison.js';

t.setTimeout(120_000);

const record = readRecord();
const METHODS: readonly Method[] = [{ kind: 'random' }, { kind: 'sobol' }, { ...TPE, n_startup_trials: 4 }];

const choice = (...values: Value[]): Distribution => ({ kind: 'choice', values });
const int = (low: number, high: number, step = 1): Distribution => ({ kind: 'int', low, high, step });
const uniform = (low: number, high: number): Distribution => ({ kind: 'uniform', low, high });

function parameter(name: string, distribution: Distribution, on?: readonly [string, ...Value[]]): Parameter {
  const condition = on && { condition: { name: on[0], values: on.slice(1) } };
  return { keys: [name], name, distribution, ...condition };
}

const spaceOf = (parameters: readonly Parameter[], exclude: readonly Point[] = []): Space => ({
  parameters,
  exclude,
});

const observed = (trial: number, point: Point, value: number | null, rest: Partial<Observation> = {}) =>
  ({ trial, point, epochs: 1, state: 'complete', value, ...rest }) satisfies Observation;

t.test('the normal distribution agrees with SciPy, including its tails', async t => {
  for (const [a, b, mass] of record.values.normal_mass)
    t.ok(Math.abs(normalMass(a, b) / mass - 1) < 2e-12, `[${a}, ${b}]: ${normalMass(a, b)}, not ${mass}`);
});

t.test('a truncated normal has the probabilities of its parts', async t => {
  const random = RandomStream.of(0, 'test');
  const draws = Array.from({ length: 20_000 }, () => truncatedNormal(random, 0.2, 0.5, 0, 1));
  const mass = (a: number, b: number) => normalMass((a - 0.2) / 0.5, (b - 0.2) / 0.5) / normalMass(-0.4, 1.6);
  for (const [a, b] of [
    [0, 0.1],
    [0.1, 0.5],
    [0.5, 1],
  ]) {
    const share = draws.filter(x => x >= a && x < b).length / draws.length;
    t.ok(Math.abs(share - mass(a, b)) < 0.015, `[${a}, ${b}]: ${share}, not ${mass(a, b)}`);
  }
  t.ok(draws.every(x => x >= 0 && x <= 1));
});

t.test('unscrambled Sobol points equal those of SciPy', async t => {
  const points = record.values.sobol;
  const sequence = sobolSequence(points[0].length);
  t.strictSame(
    points.map((point, index) => point.map((_, dimension) => sequence.coordinate(index, dimension))),
    points,
  );
});

t.test('scrambling keeps each dimension evenly filled and differs by seed', async t => {
  const dimensions = 64;
  const first = [0, 1].map(seed => {
    const sequence = sobolSequence(dimensions, RandomStream.of(seed, 'test'));
    for (let d = 0; d < dimensions; d++) {
      const cells = Array.from({ length: 256 }, (_, i) => Math.floor(sequence.coordinate(i, d) * 256));
      if (new Set(cells).size !== 256) t.fail(`dimension ${d} leaves cells empty`);
    }
    return Array.from({ length: dimensions }, (_, d) => sequence.coordinate(0, d));
  });
  t.notSame(first[0], first[1]);
  const mean = first.flat().reduce((sum, x) => sum + x, 0) / (2 * dimensions);
  t.ok(Math.abs(mean - 0.5) < 0.1, `the origin is moved: ${mean}`);
});

t.test('kernels are probabilities: they add up to 1 over all values', async t => {
  const cases: readonly [string, Distribution, readonly Value[], readonly Value[]][] = [
    ['choice', choice('a', { b: 1 }, null), ['a', null, 'a'], ['a', { b: 1 }, null]],
    ['int', int(2, 12, 3), [2, 5, 11, 11], [2, 5, 8, 11]],
    ['int, wide', int(0, 100_000), [7, 99_000], Array.from({ length: 100_001 }, (_, i) => i)],
    [
      'log_int',
      { kind: 'log_int', low: 1, high: 60, step: 1 },
      [1, 50],
      Array.from({ length: 60 }, (_, i) => i + 1),
    ],
  ];
  for (const [name, distribution, observations, values] of cases) {
    const kernels = kernelsOf(distribution, observations, 2);
    const totals = new Float64Array(observations.length + 1);
    for (const value of values) {
      const logs = new Float64Array(totals.length);
      kernels.addLogDensities(value, logs);
      for (const [k, log] of logs.entries()) totals[k] += Math.exp(log);
    }
    t.ok(
      totals.every(total => Math.abs(total - 1) < 1e-6),
      `${name}: ${totals}`,
    );
  }
});

t.test('an estimator is a density, and draws follow it', async t => {
  const parameters = [parameter('x', uniform(-2, 3)), parameter('k', choice('a', 'b'))];
  const points = [-1.9, 0.5, 0.6].map((x, i) => ({ x, k: i < 2 ? 'a' : 'b' }));
  const estimator = new ParzenEstimator(parameters, points);
  const steps = 2000;
  const cells = Array.from({ length: steps }, (_, i) => -2 + (5 * (i + 0.5)) / steps).flatMap(x =>
    ['a', 'b'].map(k => ({ x, k, mass: (Math.exp(estimator.logDensity({ x, k })) * 5) / steps })),
  );
  const mass = (wanted: (point: { x: number; k: string }) => boolean) =>
    cells.filter(wanted).reduce((sum, cell) => sum + cell.mass, 0);
  t.ok(Math.abs(mass(() => true) - 1) < 1e-5);
  const random = RandomStream.of(0, 'test');
  const draws = Array.from({ length: 20_000 }, () => estimator.sample(random) as { x: number; k: string });
  for (const k of ['a', 'b'])
    for (const [low, high] of [
      [-2, -1],
      [-1, 0.5],
      [0.5, 3],
    ]) {
      const within = (point: { x: number; k: string }) => point.k === k && point.x >= low && point.x < high;
      const share = draws.filter(within).length / draws.length;
      t.ok(
        Math.abs(share - mass(within)) < 0.015,
        `${k} in [${low}, ${high}]: ${share}, not ${mass(within)}`,
      );
    }
});

t.test('the best tenth: complete before pruned, more epochs first, never failed, pending as bad', async t => {
  const at = (trial: number, value: number | null, rest: Partial<Observation> = {}) =>
    observed(trial, { id: trial }, value, rest);
  const finished = [
    ...Array.from({ length: 8 }, (_, i) => at(i + 30, null, { state: 'failed' })),
    at(5, 3),
    at(1, 1, { state: 'pruned', epochs: 3 }),
    at(2, -9, { state: 'pruned', epochs: 1 }),
    at(3, 0.5, { state: 'pruned', epochs: 3 }),
    at(0, null),
    ...Array.from({ length: 36 }, (_, i) => at(i + 60, -50, { state: 'pruned', epochs: 1 })),
  ];
  const ids = (points: readonly Point[]) => points.map(({ id }) => id);
  // 41 count: 5 are the best; the pruned ones at one epoch are beaten by -50
  const { best, rest } = splitObservations(finished, [{ id: 'p' }]);
  t.strictSame(ids(best), [0, 1, 3, 5, 60]);
  t.strictSame(ids(rest).slice(0, 9), [2, 30, 31, 32, 33, 34, 35, 36, 37]);
  t.equal(rest.length, 41 + 8 - 5 + 1);
  t.equal(ids(rest).at(-1), 'p');
  t.strictSame(splitObservations(finished.toReversed(), [{ id: 'p' }]), { best, rest });
});

const distributions: fc.Arbitrary<Distribution> = fc.oneof(
  fc
    .uniqueArray(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom('a', 'b', null, true)), {
      minLength: 1,
      maxLength: 4,
    })
    .map(values => choice(...values)),
  fc.constant(choice({ a: 1, b: [2] }, { a: 2, b: [2] })),
  fc
    .tuple(fc.integer({ min: -5, max: 5 }), fc.nat(9), fc.integer({ min: 1, max: 4 }))
    .map(([low, more, step]) => int(low, low + more, step)),
  fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(200))
    .map(([low, more]): Distribution => ({ kind: 'log_int', low, high: low + more, step: 1 })),
  fc
    .tuple(fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.constantFrom(0, 1e-6, 0.37, 5e8))
    .map(([low, more]) => uniform(low, low + more)),
  fc
    .tuple(fc.constantFrom(1e-7, 3e-4, 2.5), fc.constantFrom(1, 1.0000001, 1.7, 1e5))
    .map(([low, by]): Distribution => ({ kind: 'log_uniform', low, high: low * by })),
);

/**
 * Spaces in which a parameter may depend on an earlier one, with up to two patterns of values that
 * occur.
 */
const spaces: fc.Arbitrary<Space> = fc
  .array(fc.tuple(distributions, fc.nat(), fc.nat()), { minLength: 1, maxLength: 6 })
  .chain(definitions => {
    const parameters: Parameter[] = [];
    for (const [i, [distribution, parent, kept]] of definitions.entries()) {
      const on = kept % 2 === 0 ? parameters[parent % (i + 1)] : undefined;
      const values = [0, 0.5, 0.99]
        .slice(0, 1 + (kept % 3))
        .map(u => on && valueAtFraction(on.distribution, u));
      parameters.push(parameter(`p${i}.x`, distribution, on && [on.name, ...(values as Value[])]));
    }
    const patterns = fc.array(fc.tuple(fc.nat(), fc.nat(), fc.double({ min: 0, max: 0.99, noNaN: true })), {
      maxLength: 2,
    });
    return patterns.map(list => {
      const exclude = list.map(([a, b, u]) =>
        Object.fromEntries(
          [a, b].map(i => {
            const { name, distribution } = parameters[i % parameters.length];
            return [name, valueAtFraction(distribution, u)];
          }),
        ),
      );
      return spaceOf(parameters, exclude);
    });
  });

function isValue(distribution: Distribution, value: Value): boolean {
  if (distribution.kind === 'choice') return distribution.values.some(one => sameValue(one, value));
  const { low, high } = distribution;
  if (typeof value !== 'number' || !(value >= low && value <= high)) return false;
  return !('step' in distribution) || (value - low) % distribution.step === 0;
}

const objective = (point: Point) => canonical(point).length % 7;

/** The point's keys, and those of values, in reversed order. */
function reversed<T extends Value | Point>(value: T): T {
  if (Array.isArray(value) || typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, part]) => [key, reversed(part)]),
  ) as T;
}

t.test('suggestions are in the space and depend only on their arguments', async t => {
  for (const method of METHODS) {
    const holds = (space: Space, seed: number) => {
      const sampler = createSampler(space, method, seed);
      const finished: Observation[] = [];
      for (let trial = 0; trial < 14; trial++) {
        let point: Point | undefined;
        try {
          point = sampler.suggest(trial, finished, []);
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
          return space.exclude.length > 0;
        }
        const other = createSampler(space, method, seed);
        const shuffled = finished.toReversed().map(one => ({ ...one, point: reversed(one.point) }));
        if (canonical(other.suggest(trial, shuffled, []) ?? {}) !== canonical(point ?? {})) return false;
        if (!point) return gridSize(space) === trial;
        const here = point;
        const right = space.parameters.every(one => {
          const value = here[one.name];
          return exists(one, here)
            ? value !== undefined && isValue(one.distribution, value)
            : value === undefined;
        });
        const known = Object.keys(here).every(name => space.parameters.some(one => one.name === name));
        if (!right || !known || isExcluded(space, here)) return false;
        if (gridSize(space) !== null && finished.some(one => sameValue(one.point, here))) return false;
        const state = (['complete', 'pruned', 'failed'] as const)[trial % 5 === 4 ? 2 : trial % 2];
        finished.push(observed(trial, here, trial % 6 === 5 ? null : objective(here), { state }));
      }
      return true;
    };
    fc.assert(fc.property(spaces, fc.nat(1000), holds), { numRuns: 60, seed: 5 });
    t.pass(method.kind);
  }
});

t.test('a grid lists what gridSize counts, the last parameter fastest', async t => {
  const space = spaceOf(
    [
      parameter('a', choice('x', 'y')),
      parameter('b', int(1, 5, 2), ['a', 'y']),
      parameter('c', choice(true, false)),
    ],
    [{ a: 'y', b: 3, c: true }, { b: 5 }],
  );
  t.strictSame(
    [...gridPoints(space)],
    [
      { a: 'x', c: true },
      { a: 'x', c: false },
      { a: 'y', b: 1, c: true },
      { a: 'y', b: 1, c: false },
      { a: 'y', b: 3, c: false },
    ],
  );
  t.equal(gridSize(space), 5);
  t.equal(gridSize(spaceOf([parameter('r', uniform(0, 1))])), null);
  const wide = Array.from({ length: 12 }, (_, i) => parameter(`p${i}`, int(1, 10)));
  t.equal(gridSize(spaceOf(wide, [{ p0: 1, p11: 2 }])), Number.POSITIVE_INFINITY, 'too many to list');
  const grid = createSampler(space, { kind: 'grid' }, 0);
  t.strictSame(
    [4, 0, 5].map(trial => grid.suggest(trial, [], [])),
    [{ a: 'y', b: 3, c: false }, { a: 'x', c: true }, undefined],
  );
  const finite = spaces.filter(one => (gridSize(one) ?? 1e9) < 5000);
  const counted = (one: Space) => [...gridPoints(one)].length === gridSize(one);
  fc.assert(fc.property(finite, counted), { numRuns: 100, seed: 1 });
});

t.test('errors for an empty space and for too many dimensions', async t => {
  const empty = spaceOf(
    [parameter('a', choice('x', 'y')), parameter('r', uniform(0, 1))],
    [{ a: 'x' }, { a: 'y' }],
  );
  const told = Array.from({ length: 9 }, (_, trial) => observed(trial, { a: 'x', r: 0.1 * trial }, trial));
  for (const method of METHODS)
    t.match(
      t.throws(() => createSampler(empty, method, 0).suggest(0, told, [])),
      { exitCode: 2, diagnostics: [{ code: 'sweep/nothing-left' }] },
      method.kind,
    );
  const many = spaceOf(Array.from({ length: 65 }, (_, i) => parameter(`p${i}`, uniform(0, 1))));
  t.match(
    t.throws(() => createSampler(many, { kind: 'sobol' }, 0)),
    { exitCode: 2, diagnostics: [{ code: 'sweep/sobol-dimensions' }] },
  );
  t.equal(
    Object.keys(createSampler(many, TPE, 0).suggest(0, [], []) ?? {}).length,
    65,
    'TPE then starts at random',
  );
});

t.test('the problems match those of the recorded searches', async t => {
  for (const { name, value } of recordedProblems(record))
    for (const check of record.problems[name].checks)
      t.ok(Math.abs(value(check.point) - check.value) < 1e-9, `${name} at ${JSON.stringify(check.point)}`);
});

t.test('TPE finds no worse points than Optuna: median of 30 searches', async t => {
  for (const problem of recordedProblems(record)) {
    const theirs = record.problems[problem.name];
    t.equal(theirs.budget, problem.budget);
    t.equal(theirs.best.length, 30);
    const ours = median(theirs.best.map((_, seed) => regretOf(problem, seed)));
    const limit = median(theirs.best) - problem.optimum;
    // 1e-9: the table's values are differences from 1
    t.ok(ours <= limit + 1e-9, `${problem.name}: regret ${ours}, Optuna's ${limit}`);
  }
});

function sharesOf(space: Space, trials: number, value: (point: Record<string, number>) => number) {
  const found: Observation[] = [];
  const sampler = createSampler(space, { kind: 'random' }, 1);
  for (let trial = 0; trial < trials; trial++) {
    const point = sampler.suggest(trial, [], [])!;
    found.push(observed(trial, point, value(point as Record<string, number>)));
  }
  return Object.fromEntries(importance(space, found).map(one => [one.name, one.importance]));
}

t.test('importance: shares of functions whose variance is known', async t => {
  const close = (actual: Record<string, number>, expected: Record<string, number>, tolerance: number) => {
    for (const [name, share] of Object.entries(expected))
      t.ok(Math.abs(actual[name] - share) < tolerance, `${name}: ${actual[name]}, not ${share}`);
    const sum = Object.values(actual).reduce((total, share) => total + share, 0);
    t.ok(Math.abs(sum - 1) < 1e-12, `they add up to ${sum}`);
  };
  const linear = spaceOf([parameter('a', uniform(0, 1)), parameter('b', uniform(0, 1))]);
  // variances 9/12 and 1/12
  close(
    sharesOf(linear, 200, ({ a, b }) => 3 * a + b),
    { a: 0.9, b: 0.1 },
    0.04,
  );
  // Sobol's g function with a = 0, 1, 9: variances 1/3, 1/12, 1/300
  const g = spaceOf(['x', 'y', 'z'].map(name => parameter(name, uniform(0, 1))));
  const factor = (x: number, a: number) => (Math.abs(4 * x - 2) + a) / (1 + a);
  const shares = sharesOf(g, 600, ({ x, y, z }) => factor(x, 0) * factor(y, 1) * factor(z, 9));
  close(shares, { x: 100 / 126, y: 25 / 126, z: 1 / 126 }, 0.06);
  // k decides between two levels and which of two slopes counts: variances 1/4, and 1/12 of a
  // half's square each
  const branches = spaceOf([
    parameter('k', choice('p', 'q')),
    parameter('p', uniform(0, 1), ['k', 'p']),
    parameter('q', uniform(0, 1), ['k', 'q']),
  ]);
  const branched = sharesOf(branches, 400, ({ k, p, q }) => (String(k) === 'p' ? p - 0.5 : 1 + (q - 0.5)));
  const total = 1 / 4 + 2 / 48;
  close(branched, { k: 0.25 / total, p: 1 / 48 / total, q: 1 / 48 / total }, 0.04);
});

t.test('importance: kinds of parameters together, against main effects by numerical integration', async t => {
  const { trials, shares } = record.values.main_effects;
  const { space } = recordedProblems(record).find(({ name }) => name === 'mixed')!;
  const ours = importance(
    space,
    trials.map(({ point, value }, trial) => observed(trial, point, value)),
  );
  t.equal(ours.length, Object.keys(shares).length);
  for (const { name, importance: share } of ours)
    t.ok(Math.abs(share - shares[name]) < 0.065, `${name}: ${share}, not ${shares[name]}`);
});

t.test('importance: empty without results, and a diverged trial counts as the worst', async t => {
  const space = spaceOf([parameter('a', uniform(0, 1)), parameter('b', int(1, 4))]);
  const sampler = createSampler(space, { kind: 'random' }, 0);
  const points = Array.from({ length: 80 }, (_, trial) => sampler.suggest(trial, [], [])!);
  const told = (value: (point: Point) => number | null) =>
    points.map((point, trial) => observed(trial, point, value(point)));
  t.strictSame(importance(space, []), []);
  t.strictSame(
    importance(
      space,
      told(() => 0.1),
    ),
    [],
  );
  t.strictSame(
    importance(
      space,
      told(() => null),
    ),
    [],
  );
  const cost = ({ b }: Point) => (b as number) * 0.01 - 1;
  const diverging = (value: number | null) =>
    told(point => ((point.a as number) > 0.7 ? value : cost(point)));
  t.strictSame(importance(space, diverging(null)), importance(space, diverging(-0.96)));
  const huge = importance(
    space,
    told(({ a }) => (a as number) * 1e300),
  );
  t.equal(huge[0].name, 'a');
  t.ok(huge[0].importance > 0.9);
});
