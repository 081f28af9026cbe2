/**
 * Temperatures, thresholds and conformal quantiles against SciPy, scikit-learn and NumPy
 * (`fixtures/confidence/generate.py`), and the coverage of simulated data.
 */
import '../support/quick.js';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Adaptation } from '../../src/math/confidence/adaptive.js';
import { conformalQuantile, scoresFor } from '../../src/math/confidence/conformal.js';
import { classTemperature, labelTemperature } from '../../src/math/confidence/temperature.js';
import { chooseThreshold, type ThresholdAim } from '../../src/math/confidence/threshold.js';
import { accumulators } from '../../src/math/metrics/index.js';
import { drawClass } from '../../src/predict/generate.js';
import { readoutOf } from '../../src/tasks/readouts.js';
import { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';

interface Expected {
  readonly temperatures: readonly { logits: number[][]; labels: number[]; temperature: number }[];
  readonly labels: readonly { logits: number[]; targets: number[]; temperature: number }[];
  readonly thresholds: readonly {
    readonly probabilities: number[];
    readonly positives: number[];
    readonly aims: readonly { aim: ThresholdAim; value: number }[];
  }[];
  readonly quantiles: readonly { scores: number[]; coverage: number; quantile: number | null }[];
  readonly adaptive: readonly {
    readonly coverage: number;
    readonly adapt: number;
    /** By step of the horizon. */
    readonly scores: number[][];
    readonly windows: readonly {
      readonly series: string;
      readonly first: number;
      readonly quantiles: number[];
      readonly scores: (number | null)[];
    }[];
  }[];
}

const expected: Expected = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/confidence/confidence.json'), 'utf8'),
);

t.test('temperatures minimize the cross-entropy', async t => {
  const near = (found: number | undefined, one: { readonly temperature: number }) =>
    t.ok(
      found !== undefined && Math.abs(found / one.temperature - 1) < 1e-6,
      `${found}, SciPy ${one.temperature}`,
    );
  for (const one of expected.temperatures) near(classTemperature(one), one);
  for (const one of expected.labels) near(labelTemperature(one.logits, one.targets), one);
});

t.test('a temperature stays finite, or is none, if the labels do not limit it', async t => {
  const logits = [
    [5, 0],
    [0, 5],
  ];
  const wrong = classTemperature({ logits, labels: [1, 0] });
  t.equal(wrong?.toFixed(6), '100.000000', 'all wrong');
  t.equal(classTemperature({ logits: [[1, 1]], labels: [0] }), 1, 'nothing to learn');
  t.equal(classTemperature({ logits, labels: [0, 1] }), undefined, 'all right');
  t.equal(labelTemperature([3, -0.5], [1, 0]), undefined, 'all right');
  t.equal(labelTemperature([-3, 0.5], [1, 0])?.toFixed(6), '100.000000', 'all wrong');
});

const scoreOf = (aim: ThresholdAim, cases: readonly (readonly [number, boolean])[], threshold: number) => {
  const count = (positive: boolean, predicted: boolean) =>
    cases.filter(([p, is]) => is === positive && p >= threshold === predicted).length;
  const [tn, fp, fn, tp] = [count(false, false), count(false, true), count(true, false), count(true, true)];
  if (aim.for === 'f1') return (2 * tp) / (2 * tp + fp + fn);
  if (aim.for === 'recall') return tp / (tp + fn);
  if (aim.for === 'precision') return tp / (tp + fp);
  const [[a, b], [c, d]] = aim.costs;
  return (tn * a + fp * b + fn * c + tp * d) / cases.length;
};

t.test('thresholds reach the best value of the precision-recall curve', async t => {
  for (const { probabilities, positives, aims } of expected.thresholds) {
    const cases = probabilities.map((p, i) => [p, positives[i] === 1] as const);
    for (const { aim, value } of aims) {
      const { threshold, isMet } = chooseThreshold(cases, aim);
      const found = scoreOf(aim, cases, threshold);
      t.ok(isMet && Math.abs(found - value) < 1e-12, `${aim.for}: ${found} at ${threshold}, ${value}`);
    }
  }
  const worse = [
    [0.9, false],
    [0.1, true],
  ] as const;
  t.same(chooseThreshold(worse, { for: 'recall', precision: 0.9 }), { threshold: 0.05, isMet: false });
  // of equally good ones, that with more of what the aim leaves open
  const sure = [
    [0.9, true],
    [0.7, true],
    [0.5, false],
    [0.4, false],
  ] as const;
  t.equal(chooseThreshold(sure, { for: 'recall', precision: 0.5 }).threshold, 0.6);
  const low = [
    [0.6, true],
    [0.2, true],
    [0.1, false],
  ] as const;
  t.equal(chooseThreshold(low, { for: 'precision', recall: 0.5 }).threshold.toFixed(2), '0.15');
});

t.test('no other threshold is better, whatever the probabilities', async t => {
  const random = RandomStream.of(7, 'test/thresholds');
  const half = { precision: 0.5, recall: 0.5 };
  const priced = (cost: number) =>
    ({
      for: 'cost',
      costs: [
        [0, 1],
        [cost, 0],
      ],
    }) as const;
  const aims = [
    { for: 'f1' },
    { for: 'recall', ...half },
    { for: 'precision', ...half },
    priced(1),
    priced(25),
  ];
  for (let set = 0; set < 300; set++) {
    const grid = 1 + random.integer(8);
    const cases = Array.from(
      { length: 1 + random.integer(12) },
      () => [random.integer(grid + 1) / grid, random.integer(3) === 0] as const,
    );
    const sorted = [0, ...cases.map(([p]) => p), 1].sort((a, b) => a - b);
    const all = [...sorted, ...sorted.slice(1).map((p, i) => (p + sorted[i]) / 2)];
    const scored = (aim: ThresholdAim, at: number) => scoreOf(aim, cases, at) || 0;
    for (const aim of aims as ThresholdAim[]) {
      const isEnough = (at: number) =>
        (aim.for !== 'recall' || scored({ for: 'precision', ...half }, at) >= 0.5) &&
        (aim.for !== 'precision' || scored({ for: 'recall', ...half }, at) >= 0.5);
      const scores = all.filter(isEnough).map(at => scored(aim, at));
      const { threshold, isMet } = chooseThreshold(cases, aim);
      t.equal(isMet, scores.length > 0);
      const best = aim.for === 'cost' ? Math.min(...scores) : Math.max(...scores);
      if (isMet) t.equal(scored(aim, threshold), best, `${aim.for} at ${threshold}`);
    }
  }
});

t.test('conformal quantiles count the next sequence too', async t => {
  for (const { scores, coverage, quantile } of expected.quantiles) {
    t.equal(conformalQuantile(Float64Array.from(scores), coverage), quantile ?? Number.POSITIVE_INFINITY);
    t.equal(scores.length >= scoresFor(coverage), quantile !== null);
  }
});

t.test('adaptive quantiles follow the misses of a series', async t => {
  for (const { coverage, adapt, scores, windows } of expected.adaptive) {
    // as predictions of each step, and as one prediction of all steps
    const stepwise = new Adaptation({ coverage, adapt, scores: scores.map(one => [one]) });
    const whole = new Adaptation({ coverage, adapt, scores: [scores] });
    for (const { series, first, quantiles, scores: own } of windows) {
      const window = { series, first, times: quantiles.map(String) };
      t.same(stepwise.quantilesAt(window).flat(), quantiles);
      t.same(whole.quantilesAt(window).flat(), quantiles);
      const known = own.map(score => score ?? Number.NaN);
      known.forEach((score, h) => {
        stepwise.add(window, h, [score]);
      });
      whole.add(window, 0, known);
    }
  }
});

// 2,000 data sets: 60 predictions to calibrate with, and one new one

const [SETS, HELD_OUT, COVERAGE] = [2000, 60, 0.9];
/** Of the fraction of sets whose new target is covered: four standard deviations of a binomial. */
const MARGIN = 4 * Math.sqrt((COVERAGE * (1 - COVERAGE)) / SETS);
/** At most this much is covered more than asked for. */
const SLACK = 1 / (HELD_OUT + 1);

type Draw = (random: RandomStream) => { readonly outputs: Float32Array; readonly target: number };

const KINDS = {
  classes: { kind: 'class', loss: { kind: 'cross_entropy' }, method: 'split' },
  values: { kind: 'value', loss: { kind: 'mse' }, method: 'split' },
  quantiles: { kind: 'value', loss: { kind: 'quantile', quantiles: [0.3, 0.7] }, method: 'quantile' },
} as const;

function coverageOf(of: keyof typeof KINDS, classes: number, draw: Draw) {
  const { kind, loss, method } = KINDS[of];
  const random = RandomStream.of(1, `test/confidence/${of}`);
  const names =
    kind === 'class' ? (['coverage', 'set_size'] as const) : (['coverage', 'interval_width'] as const);
  const metrics = accumulators(kind === 'class' ? 'classes' : 'values', names, classes);
  for (let set = 0; set < SETS; set++) {
    const drawn = Array.from({ length: HELD_OUT + 1 }, () => draw(random));
    const values = drawn.map(({ target }) => target);
    const targets =
      kind === 'class'
        ? ({ kind, numClasses: classes, values: Int32Array.from(values), perStep: false } as const)
        : ({ kind, size: 1, values: Float32Array.from(values), perStep: false } as const);
    const scores = drawn
      .slice(1)
      .map(({ outputs }, i) => readoutOf({ loss }, targets).conformityScores(outputs, i + 1, method)[0]);
    const quantiles = [[conformalQuantile(Float64Array.from(scores), COVERAGE)]];
    const intervals = { coverage: COVERAGE, method, quantiles };
    metrics.add(readoutOf({ loss, decisions: { intervals } }, targets).scored(drawn[0].outputs, 0));
  }
  return metrics.values;
}

const DRAWS: Readonly<Record<keyof typeof KINDS, Draw>> = {
  classes: random => {
    const outputs = Float32Array.from({ length: 5 }, () => 2 * random.normal());
    return { outputs, target: drawClass(outputs, 2, random.uniform()) };
  },
  values: random => {
    const center = 5 * random.normal();
    return { outputs: Float32Array.of(center), target: center + random.normal() ** 3 };
  },
  quantiles: random => {
    const spread = 0.1 + random.uniform();
    return { outputs: Float32Array.of(-spread, spread), target: 3 * spread * random.normal() };
  },
};

for (const of of Object.keys(KINDS) as (keyof typeof KINDS)[])
  t.test(`${of} of ${SETS} simulated sets are covered as often as asked for`, async t => {
    const { coverage } = coverageOf(of, 5, DRAWS[of]);
    t.ok(coverage > COVERAGE - MARGIN && coverage < COVERAGE + SLACK + MARGIN, `coverage ${coverage}`);
  });

t.test('a model that knows nothing answers with all classes', async t => {
  const { set_size: size } = coverageOf('classes', 5, random => ({
    outputs: new Float32Array(5),
    target: random.integer(5),
  }));
  t.equal(size, 5);
});
