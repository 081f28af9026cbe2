/**
 * `compare`: statistics compared with SciPy, sides, differences, verdicts, curves, and real runs
 * from the command line.
 */

import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import t from 'tap';
import { processIo } from '../../src/cli/terminal/io.js';
import { lineChart } from '../../src/cli/terminal/text.js';
import { effectsOf } from '../../src/config/key-facts.js';
import { allKeys, type Schema } from '../../src/config/schema/schema.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { compareCurves, comparisonOf } from '../../src/judge/comparison/compare.js';
import type { Comparison } from '../../src/judge/comparison/document.js';
import { RunDirectory } from '../../src/run/directory.js';
import type { Manifest } from '../../src/run/manifest.js';
import { Run, type RunRecord } from '../../src/run/run.js';
import { normalQuantile } from '../../src/util/normal.js';
import { RandomStream } from '../../src/util/random.js';
import {
  differenceInterval,
  foldInterval,
  foldTest,
  holm,
  mannWhitney,
  meanInterval,
  wilcoxonSignedRank,
} from '../../src/util/statistics.js';
import { effectWords, sentencesOf } from '../../src/view/comparison-document.js';
import { rejection } from '../support/failure.js';
import { callWith, recorder } from '../support/in-process.js';
import { MANIFEST, SUMMARY } from '../support/run-facts.js';
import { work } from '../support/work.js';

interface Expected {
  readonly wilcoxon: readonly { name: string; differences: number[]; statistic: number; p: number }[];
  readonly mann_whitney: readonly {
    name: string;
    first: number[];
    second: number[];
    larger: number;
    p: number;
  }[];
  readonly mean_interval: readonly { name: string; values: number[]; low: number; high: number }[];
  readonly difference_interval: readonly {
    name: string;
    first: number[];
    second: number[];
    low: number;
    high: number;
  }[];
  readonly folds: readonly { values: number[]; ratio: number; low: number; high: number; p: number }[];
  readonly holm: readonly { p: number[]; adjusted: number[] }[];
  readonly quantile: readonly { p: number; z: number }[];
}

const expected: Expected = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../test/fixtures/statistics/scipy.json'), 'utf8'),
);
const folder = work.path;

const isNear = (a: number, b: number, tolerance = 1e-12): boolean =>
  Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(b));

t.test('statistics are those of SciPy', async t => {
  for (const { name, differences, statistic, p } of expected.wilcoxon) {
    const found = wilcoxonSignedRank(differences);
    t.equal(Math.min(found.positive, found.negative), statistic, name);
    t.ok(isNear(found.p, p), `${name}: ${found.p} for ${p}`);
  }
  for (const { name, first, second, larger, p } of expected.mann_whitney) {
    const found = mannWhitney(first, second);
    t.equal(found.larger, larger, name);
    t.ok(isNear(found.p, p), `${name}: ${found.p} for ${p}`);
  }
  for (const { values, ratio, low, high, p } of expected.folds) {
    const interval = foldInterval(values, ratio);
    t.ok(
      interval && isNear(interval.low, low, 1e-9) && isNear(interval.high, high, 1e-9),
      `${low} to ${high}`,
    );
    t.ok(isNear(foldTest(values, ratio), p, 1e-9), `${foldTest(values, ratio)} for ${p}`);
  }
  for (const { p, adjusted } of expected.holm) t.same(holm(p), adjusted);
  for (const { p, z } of expected.quantile)
    t.ok(isNear(normalQuantile(p), z, 1e-8), `${normalQuantile(p)} for ${z}`);
});

t.test('bootstrap intervals are those of SciPy, up to the noise of 10,000 draws', async t => {
  // the standard error of a 2.5 % quantile is about 1 % of the width; SciPy drew 200,000 times
  const check = (name: string, found: { low: number; high: number } | null, want: typeof found) => {
    if (found === null || want === null) {
      t.fail(name);
      return;
    }
    const room = 0.04 * (want.high - want.low);
    t.ok(Math.abs(found.low - want.low) < room, `${name}: ${found.low} for ${want.low}`);
    t.ok(Math.abs(found.high - want.high) < room, `${name}: ${found.high} for ${want.high}`);
  };
  for (const one of expected.mean_interval) check(one.name, meanInterval(one.values), one);
  for (const one of expected.difference_interval)
    check(one.name, differenceInterval(one.first, one.second), one);
  t.same(meanInterval([3, 3, 3, 3, 3]), { low: 3, high: 3 });
  t.equal(meanInterval([1, 2, 3, 4]), null, 'of four values an interval says nothing');
  t.same(meanInterval([1, 2, 3, 4, 9]), meanInterval([1, 2, 3, 4, 9]), 'no chance between two calls');
});

/** The schemas of a key's value and, for a list, of its items. */
function formsOf(schema: Schema): readonly Schema[] {
  return schema.oneOf?.flatMap(formsOf) ?? (schema.items ? formsOf(schema.items) : [schema]);
}

t.test('the effects of every key of a config are known', async t => {
  for (const { path, schema } of allKeys()) {
    const isLeaf = formsOf(schema).some(form => form.properties === undefined);
    if (isLeaf && path[0] !== 'extends')
      t.notOk(effectsOf(path.join('.'), {}).includes('unknown'), `${path.join('.')} has an entry`);
  }
  t.same(effectsOf('optimizer.learning_rate', {}), ['numerics']);
  t.same(effectsOf('gates.3.min', {}), []);
  t.same(effectsOf('training.shuffle', {}), ['data_order']);
  t.same(effectsOf('training.evaluate_every.steps', {}), ['evaluations', 'selection']);
  t.same(effectsOf('checkpoint.metric', {}), ['selection']);
  t.same(effectsOf('checkpoint.keep.best', { checkpoint: { keep: { best: 0 } } }), ['selection']);
  t.equal(effectWords(['evaluations', 'selection']), 'best values, the best checkpoint');
  t.same(effectsOf('model.attention', {}), ['unknown'], 'a key of another version');
});

const CONFIG = {
  version: 1,
  name: 'tried',
  seed: 0,
  dataset: {
    kind: 'synthetic',
    problem: 'adding',
    sequence_length: 4,
    train_size: 80,
    test_size: 40,
    seed: 1,
  },
  model: { cell: 'lstm', hidden_size: 4, num_layers: 1, head: { from: 'last' } },
  loss: { kind: 'mse' },
  optimizer: { kind: 'adam', learning_rate: 0.01, betas: [0.9, 0.999], eps: 1e-8, weight_decay: 0 },
  training: { num_epochs: 1, batch_size: 10, shuffle: true, log_every: 1 },
  checkpoint: { every: 'epoch', keep: { last: 1, best: 1 }, metric: 'test.loss', mode: 'min' },
  gates: [],
};
const configs = { givenYaml: JSON.stringify(CONFIG), resolvedYaml: JSON.stringify(CONFIG) };
const directory = RunDirectory.at(join(folder, 'one'));
directory.takeConfigs(configs);

type Config = typeof CONFIG;
interface Told {
  readonly id?: string;
  readonly config?: Partial<{ [K in keyof Config]: Partial<Config[K]> }>;
  readonly state?: RunRecord['state'];
  readonly manifest?: Partial<Manifest>;
}

/** A record of a run with this test accuracy. `config` changes its sections key by key. */
function told(seed: number, accuracy: number, { id, config = {}, state, manifest }: Told = {}): RunRecord {
  const changed: Record<string, unknown> = { ...CONFIG, seed };
  for (const [key, value] of Object.entries(config)) {
    const before = changed[key];
    changed[key] =
      typeof value === 'object' && !Array.isArray(value) ? { ...(before as object), ...value } : value;
  }
  return {
    directory,
    id: id ?? `run-${seed}`,
    name: 'tried',
    state: state ?? 'completed',
    config: changed,
    manifest: { ...MANIFEST, ...manifest },
    summary: { ...SUMMARY, seed, metrics: { train: {}, test: { accuracy } } },
    original: undefined,
  };
}

function comparisonBetween(...groups: readonly (readonly RunRecord[])[]): Comparison {
  const { comparison } = comparisonOf(groups.map((runs, i) => ({ argument: `side-${i}`, runs })));
  const errors = validateAgainst('comparison', JSON.parse(JSON.stringify(comparison)));
  if (errors.length > 0) throw new Error(`${errors[0].instancePath} ${errors[0].message}`);
  return comparison;
}

const OTHER = { optimizer: { learning_rate: 0.02 } };
const seeds = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
/** Runs with independent accuracies, uniform around `center`. */
function noisy(count: number, center: number, stream: string, more: Told = {}): RunRecord[] {
  const random = RandomStream.of(3, stream);
  return seeds(count).map(seed => told(seed, center + 0.02 * (random.uniform() - 0.5), more));
}

t.test('8 seeds distinguish a difference from noise; too few pairs say how many are needed', async t => {
  const better = comparisonBetween(noisy(8, 0.9, 'a'), noisy(8, 0.93, 'b', { config: OTHER })).metrics[0];
  t.match(better, { metric: 'test.accuracy', larger_is_better: true });
  t.match(better.comparisons, [
    {
      side: 'B',
      against: 'A',
      paired: true,
      n: 8,
      // all of one sign: 2 / 2^8
      test: { name: 'wilcoxon_signed_rank', p: 2 / 256, p_adjusted: 2 / 256, p_least: 2 / 256 },
      verdict: 'better',
      reason: null,
    },
  ]);
  const [{ difference, interval }] = better.comparisons;
  t.ok(interval !== null && difference !== null && interval.low < difference && difference < interval.high);
  t.ok(interval !== null && interval.low > 0);
  const worse = comparisonBetween(noisy(8, 0.93, 'b', { config: OTHER }), noisy(8, 0.9, 'a'));
  t.equal(worse.metrics[0].comparisons[0].verdict, 'worse');
  const noise = comparisonBetween(noisy(8, 0.9, 'a'), noisy(8, 0.9, 'c', { config: OTHER }));
  t.match(noise.metrics[0].comparisons[0], { verdict: 'not distinguishable', reason: null });
  const few = comparisonBetween(noisy(5, 0.9, 'a'), noisy(5, 0.99, 'b', { config: OTHER }));
  t.match(few.metrics[0].comparisons[0], {
    verdict: 'not distinguishable',
    reason: '5 pairs cannot reach the 5 % level; at least 6 pairs are needed',
  });
  const single = comparisonBetween(noisy(1, 0.9, 'a'), noisy(1, 0.99, 'b', { config: OTHER }));
  t.match(single.metrics[0].comparisons[0], {
    verdict: 'cannot tell',
    reason: 'one seed is not enough; at least 6 seeds on both sides are needed to reach the 5 % level',
  });
  const same = comparisonBetween(noisy(8, 0.9, 'a'), noisy(8, 0.9, 'a', { config: OTHER }));
  t.match(same.metrics[0].comparisons[0], { verdict: 'identical', difference: 0, reason: null });
});

t.test('p is corrected for several sides by the method of Holm', async t => {
  const groups = [
    noisy(6, 0.9, 'a'),
    noisy(6, 0.95, 'b', { config: OTHER }),
    noisy(6, 0.9, 'c', { config: { model: { hidden_size: 8 } } }),
  ];
  const [second, third] = comparisonBetween(...groups).metrics[0].comparisons;
  t.match(second, { test: { p: 2 / 64, p_adjusted: 4 / 64 }, verdict: 'not distinguishable' });
  t.equal(
    second.reason,
    '6 pairs cannot reach the 5 % level, corrected for 2 comparisons; at least 7 pairs are needed',
  );
  t.equal(third.against, 'A');
});

t.test('values without shared seeds are compared without pairs', async t => {
  const shifted = (runs: readonly RunRecord[]) =>
    runs.map(run => ({ ...run, config: { ...run.config, seed: Number(run.config.seed) + 100 } }));
  const first = noisy(5, 0.9, 'a');
  const second = noisy(5, 0.95, 'b', { config: OTHER });
  t.match(comparisonBetween(first, shifted(second)).metrics[0].comparisons[0], {
    paired: false,
    n: 10,
    // the most extreme of 252 choices, two-sided
    test: { name: 'mann_whitney', p: 2 / 252 },
    verdict: 'better',
  });
  t.match(comparisonBetween(first.slice(0, 3), shifted(second).slice(0, 3)).metrics[0].comparisons[0], {
    verdict: 'not distinguishable',
    reason: '6 runs without common seeds cannot reach the 5 % level; at least 4 runs per side are needed',
  });
  const mixed = [...noisy(8, 0.95, 'b', { config: OTHER }).slice(0, 7), ...shifted(second).slice(0, 2)];
  t.match(comparisonBetween(noisy(8, 0.9, 'a'), mixed).metrics[0].comparisons[0], {
    paired: true,
    n: 7,
    unpaired: 3,
    verdict: 'better',
  });
});

t.test('runs and values that do not count are listed', async t => {
  const runs = [
    ...noisy(6, 0.9, 'a'),
    told(6, Number.NaN),
    told(7, 0.1, { state: 'diverged' }),
    told(8, 0.1, { state: 'running' }),
    told(0, 0.2, { id: 'older' }),
  ];
  const { sides, metrics } = comparisonBetween(runs, noisy(9, 0.95, 'b', { config: OTHER }));
  t.same(
    sides[0].runs.flatMap(({ run_id, left_out }) => (left_out === null ? [] : [[run_id, left_out]])),
    [
      ['older', 'replaced by run-0 with the same seed 0'],
      ['run-7', 'it diverged after step 8'],
      ['run-8', 'it is still running'],
    ],
  );
  t.same(sides[0].seeds, [0, 1, 2, 3, 4, 5, 6]);
  const [first] = metrics[0].sides;
  t.match(first, { n: 6, left_out: [{ run_id: 'run-6', reason: 'its value is nan' }] });
  t.match(metrics[0].comparisons[0], { n: 6, unpaired: 3, verdict: 'better' });
  const none = comparisonBetween([told(0, 0.1, { state: 'killed' })], noisy(3, 0.9, 'a', { config: OTHER }));
  t.match(none.metrics[0].comparisons[0], {
    test: null,
    difference: null,
    verdict: 'no value',
    reason: 'one side has no valid value',
  });
});

t.test('sentences explain the difference and its interval', async t => {
  const shifted = noisy(6, 0.95, 'b', { config: OTHER }).map(run => ({
    ...run,
    config: { ...run.config, seed: Number(run.config.seed) + 100 },
  }));
  const said = (...sides: (readonly RunRecord[])[]) => sentencesOf(comparisonBetween(...sides))[0];
  const [first, second] = [noisy(6, 0.9, 'a'), noisy(6, 0.95, 'b', { config: OTHER })];
  t.equal(
    said(first, second),
    'difference: the mean of the differences to A with the same seed, with its bootstrap interval (BCa)',
  );
  t.equal(said(first, shifted), 'difference: of the mean to that of A, with its bootstrap interval (BCa)');
  t.match(
    said(first, second, noisy(6, 0.8, 'c', { config: { optimizer: { learning_rate: 0.5 } } })),
    /\(BCa\), each at 95 % by itself, not corrected$/,
  );
});

t.test('runs with other configs are other sides; other names, gates and data paths are not', async t => {
  const { sides, notes, config, facts } = comparisonBetween([
    told(0, 0.1, { config: { optimizer: { learning_rate: 0.1 } } }),
    told(0, 0.2, { config: { optimizer: { learning_rate: 0.02 }, name: 'renamed' } }),
    told(1, 0.3, { config: { optimizer: { learning_rate: 0.1 }, checkpoint: { every: 'never' } } }),
  ]);
  t.same(
    sides.map(({ id, name, seeds }) => [id, name, seeds]),
    [
      ['A', 'side-0 [optimizer.learning_rate=0.02]', [0]],
      ['B', 'side-0 [optimizer.learning_rate=0.1]', [0, 1]],
    ],
  );
  t.match(notes, [
    /^side-0 has runs of 2 configs, which differ in optimizer\.learning_rate; .* as its own side$/,
  ]);
  t.same(
    config.map(({ key, values, changes }) => [key, values, changes]),
    [
      ['name', [['renamed'], ['tried']], []],
      ['seed', [[0], [0, 1]], ['initialisation', 'data_order']],
      ['optimizer.learning_rate', [[0.02], [0.1]], ['numerics']],
      ['checkpoint.every', [['epoch'], ['epoch', 'never']], []],
    ],
  );
  t.same(facts, []);
  // data that follow the seed do not split a side; data with a fixed seed differ from `OTHERS`
  const drawn = seeds(3).map(seed => told(seed, 0.1, { config: { dataset: { seed } } }));
  const fixed = seeds(3).map(seed => told(seed, 0.1, { config: { dataset: { seed: 7 } } }));
  t.equal(comparisonBetween(drawn, OTHERS).sides.length, 2);
  t.equal(comparisonBetween(fixed, OTHERS).sides.length, 2);
});

t.test('sides are not compared with a side without runs that count', async t => {
  const { sides, notes } = comparisonBetween([
    told(0, 0.1, { config: { optimizer: { learning_rate: 0.02 } }, state: 'interrupted' }),
    told(0, 0.2, { config: { optimizer: { learning_rate: 0.1 } } }),
  ]);
  t.same(
    sides.map(({ name }) => name),
    ['side-0 [optimizer.learning_rate=0.1]', 'side-0 [optimizer.learning_rate=0.02]'],
  );
  t.match(notes[0], /each is compared as its own side, sides without usable runs last$/);
});
const OTHERS = [told(0, 0.5, { config: OTHER })];

t.test('the seed of the data is that of the experiment if no other is given', async t => {
  const tried = (seed: number, dataset: object): RunRecord => {
    const run = told(seed, 0.1);
    const data = { kind: 'csv', path: 'x.csv', test_fraction: 0.2, ...dataset };
    return { ...run, config: { ...run.config, dataset: data } };
  };
  t.same(comparisonBetween([tried(0, {})], [tried(0, { seed: 0 })]).config, []);
  t.match(comparisonBetween([tried(1, {})], [tried(1, { seed: 0 })]).config, [
    { key: 'dataset.seed', values: [[1], [0]] },
  ]);
});

t.test('another path of the same data changes nothing, other bytes at the same path do', async t => {
  const from = (path: string, digest: string): RunRecord => {
    const run = told(0, 0.1, {
      manifest: { datasets: [{ name: path, sha256: digest.repeat(64), split: 'train' }] },
    });
    return { ...run, config: { ...run.config, dataset: { kind: 'npz', path } } };
  };
  const moved = comparisonBetween([from('/a/x.npz', 'a')], [from('/b/x.npz', 'a')]);
  t.same(moved.config, [
    { key: 'dataset.path', values: [['/a/x.npz'], ['/b/x.npz']], differs: true, changes: [] },
  ]);
  t.same(moved.facts, []);
  const renamed = comparisonBetween([from('/a/x.npz', 'a')], [from('/a/y.npz', 'a')]);
  t.same(renamed.facts, [], 'a file that is renamed has the same digest');
  const changed = comparisonBetween([from('/a/x.npz', 'a'), from('/a/x.npz', 'b')]);
  t.equal(changed.sides.length, 2, 'runs on other data are no replicates');
  t.match(changed.facts, [{ key: 'data x.npz', changes_results: true }]);
});

t.test('differences in versions, code and machines are listed with their effects', async t => {
  const elsewhere = {
    versions: { ...MANIFEST.versions, 'gpu.js': '2.25.0' },
    git: { revision: 'd'.repeat(40), dirty: true },
    backend: { ...MANIFEST.backend, threads: 8 },
    machine: { ...MANIFEST.machine, cpu: 'another' },
  };
  const { facts, performance, notes } = comparisonBetween(
    noisy(2, 0.9, 'a'),
    noisy(2, 0.9, 'b', { config: OTHER, manifest: elsewhere }),
  );
  t.same(
    facts.map(({ key, changes_results }) => [key, changes_results]),
    [
      ['versions.gpu.js', true],
      ['git.revision', true],
      ['git.dirty', true],
      ['backend.threads', false],
      ['machine.cpu', false],
    ],
  );
  t.same(
    performance.map(({ machines }) => machines),
    [['processor, 2 cores, webasm, threads 1'], ['another, 2 cores, webasm, threads 8']],
  );
  t.same(notes, []);
  const mixed = comparisonBetween(
    [told(0, 0.1), told(1, 0.1, { manifest: elsewhere })],
    [told(0, 0.1, { config: OTHER, manifest: elsewhere })],
  );
  t.match(mixed.notes, [
    /^the runs of A differ in versions.gpu.js, git.revision, git.dirty$/,
    /^A, B ran with uncommitted changes/,
  ]);
});

t.test('differences that are equal but for rounding are ties', async t => {
  // 0.2 - 0.1, 0.8 - 0.7 and 0.4 - 0.5 are three different sizes in float64
  const pairs = [
    [0.1, 0.2],
    [0.7, 0.8],
    [0.5, 0.4],
  ];
  const { comparisons } = comparisonBetween(
    pairs.map(([a], seed) => told(seed, a)),
    pairs.map(([, b], seed) => told(seed, b, { config: OTHER })),
  ).metrics[0];
  // as ties, with ranks 2, 2 and -2, only +++ and --- are more extreme; different ranks 2, 3 and -1
  // would give 0.5
  t.equal(comparisons[0].test?.p, 1);
});

t.test('curves are means over seeds, by epoch if the lengths of epochs differ', async t => {
  const history = (length: number, values: readonly (number | null)[]) => ({
    curves: { 'train.loss': { steps: values.map((_, i) => i + 1), values, count: values.length } },
    events: 0,
    warnings: { count: 0, first: [] },
    resumes: 0,
    elapsed: { steps: [], values: [] },
    epochs: [{ epoch: 1, step: length }],
    last: { step: 0, epoch: 0, time: null },
    damaged: { count: 0, first: [] },
  });
  const both = [
    { side: 'A', histories: [history(2, [4, 2]), history(2, [2, null, 1])] },
    { side: 'B', histories: [history(2, [1])] },
  ];
  t.same(compareCurves(both, 'train.loss'), {
    axis: 'step',
    sides: [
      {
        side: 'A',
        points: [
          { x: 1, y: 3, runs: 2 },
          { x: 2, y: 2, runs: 1 },
          { x: 3, y: 1, runs: 1 },
        ],
      },
      { side: 'B', points: [{ x: 1, y: 1, runs: 1 }] },
    ],
  });
  const lengths = [
    { side: 'A', histories: [history(2, [4, 2])] },
    { side: 'B', histories: [history(4, [1, 1, 1, 1])] },
  ];
  const { axis, sides } = compareCurves(lengths, 'train.loss');
  t.equal(axis, 'epoch');
  t.same(
    sides.map(({ points }) => points.map(({ x }) => x)),
    [
      [0.5, 1],
      [0.25, 0.5, 0.75, 1],
    ],
  );
  t.same(compareCurves(lengths, 'test.loss').sides, []);
});

t.test('charts: dots in color, letters without, ASCII without Unicode', async t => {
  const lines = [
    { label: 'A', points: [0, 1, 2].map(x => ({ x, y: x })) },
    { label: 'B', points: [0, 1, 2].map(x => ({ x, y: 2 - x })) },
  ];
  const style = { width: 30, height: 8, axis: 'step' };
  const letters = lineChart(lines, { ...style, color: false, unicode: false });
  t.match(letters, /^[\x20-\x7e\n]+$/, 'ASCII alone');
  t.equal(letters.split('\n').length, 9);
  t.match(letters.split('\n')[0], /^2\.0 \+B+ +A+ A$/);
  t.match(letters.split('\n')[5], /^0\.0 \+A+ +B+ B$/);
  t.match(letters, /\*/, 'where both meet');
  t.match(letters.split('\n').at(-2), /^ +0 +1 +2 step$/);
  const dots = lineChart(lines, { ...style, color: true, unicode: true });
  t.match(dots, /[\u2801-\u28ff]/);
  t.not(stripVTControlCharacters(dots), dots, 'in colour');
  const plain = lineChart(lines, { ...style, color: false, unicode: true });
  t.match(plain, /^[\x20-\x7e\n│┤└─]+$/, 'neither dots nor colour');
  t.equal(lineChart([{ label: 'A', points: [] }], { ...style, color: true, unicode: true }), '');
  fc.assert(
    fc.property(
      fc.array(
        fc.oneof(
          { weight: 9, arbitrary: fc.double({ min: -1e9, max: 1e9, noNaN: true }) },
          fc.constantFrom(-3e38, -1e300, 1e300, 3e38),
        ),
        { minLength: 1, maxLength: 50 },
      ),
      fc.boolean(),
      (values, fancy) => {
        const points = values.map((y, x) => ({ x, y }));
        const text = lineChart([{ label: 'A', points }], { ...style, color: fancy, unicode: fancy });
        return stripVTControlCharacters(text)
          .split('\n')
          .every(line => line.length <= 40);
      },
    ),
  );
  const unicodeIn = (env: Readonly<Record<string, string | undefined>>) =>
    processIo({ stdout: process.stdout, stderr: process.stderr, env }, false).unicode;
  t.same(
    [
      { LANG: 'de_DE.UTF-8' },
      { LANG: 'C' },
      {},
      { LC_ALL: 'C', LANG: 'C.UTF-8' },
      { LANG: 'C.utf8', TERM: 'dumb' },
    ].map(unicodeIn),
    [true, false, false, false, false],
  );
});

/** Runs `compare` and returns its exit code and output. */
async function compared(...words: readonly string[]): Promise<{ code: number; out: string; err: string }> {
  const io = recorder();
  return { code: await callWith(io, 'compare', ...words), ...io.text };
}

const refused = (...words: readonly string[]) => rejection(() => compared(...words));

async function trained(name: string, learningRate: number): Promise<string> {
  const file = join(folder, `${name}.yaml`);
  const config = { ...CONFIG, name, optimizer: { kind: 'adam', learning_rate: learningRate } };
  writeFileSync(file, JSON.stringify(config));
  for (const seed of seeds(6)) {
    const output = join(folder, 'runs');
    const flags = ['--set', `seed=${seed}`, '--backend', 'webasm', '--output', output, '--quiet'];
    const { code, stderr } = await work.cellrun('run', file, ...flags);
    if (code !== 0) throw new Error(stderr);
  }
  return join(folder, 'runs', name);
}

t.test('real runs, from the command line', async t => {
  const [fast, slow] = [await trained('fast', 0.03), await trained('slow', 0.0001)];

  t.test('text', async t => {
    const { code, out, err } = await compared(fast, slow);
    t.equal(code, 0);
    t.equal(err, '');
    t.match(out, `A     ${fast}  6 runs, seeds 0 to 5\nB     ${slow}  6 runs, seeds 0 to 5\n`);
    t.match(out, /^optimizer\.learning_rate +0\.03 +0\.0001 +numerics$/m);
    t.match(out, /^name +fast +slow +nothing$/m);
    t.notMatch(out, /batch_size/);
    t.match(out, /^train\.loss +A +6 /m);
    t.match(out, /^ +B +6 .* \+[\d.]+ +\+[\d.]+ to \+[\d.]+ +0\.031 +worse$/m, 'the training loss');
    t.match(out, /\ntrain\.loss, mean over the seeds\n/);
    t.match(out, /\ntest\.loss, mean over the seeds\n/);
    t.match((await compared(fast, slow, '--all')).out, /^training\.batch_size +10 +10 +data order$/m);
    t.notMatch((await compared(fast, slow, '--no-curves')).out, /mean over/);
    const { stdout } = await work.start('compare', fast, slow, '--no-curves').finished;
    t.equal(stdout, (await compared(fast, slow, '--no-curves')).out, 'the same of a process');
    t.match((await compared(fast, slow, '--curves', 'grad_norm')).out, /\ngrad_norm, mean over the seeds\n/);
  });

  t.test('formats for programs', async t => {
    await t.rejects(compared(fast, slow, '--json', '--format', 'csv'), { name: 'UserError' }, 'one of both');
    const { out } = await compared(fast, slow, '--json', '--metric', 'train.loss');
    const document: Comparison = JSON.parse(out);
    t.same(validateAgainst('comparison', document), []);
    const [metric] = document.metrics;
    t.match(metric, { metric: 'train.loss', comparisons: [{ n: 6, verdict: 'worse' }] });
    const rows: Record<string, string>[] = parse(
      (await compared(fast, slow, '--format', 'csv', '--metric', 'train.loss')).out,
      { columns: true },
    );
    t.equal(Number(rows[1].difference), metric.comparisons[0].difference, 'all digits');
    t.match(rows, [
      { metric: 'train.loss', side: 'A', n: '6', verdict: '' },
      { side: 'B', verdict: 'worse', test: 'wilcoxon_signed_rank' },
    ]);
    const { out: markdown } = await compared(fast, slow, '--format', 'markdown');
    t.match(markdown, /^\| optimizer\.learning_rate \| 0\.03 \| 0\.0001 \| numerics \|$/m);
    t.equal((await compared(fast, fast, '--json')).code, 0);
    const same: Comparison = JSON.parse((await compared(fast, fast, '--json')).out);
    t.same(
      [...new Set(same.metrics.flatMap(one => one.comparisons.map(({ verdict }) => verdict)))],
      ['identical'],
    );
    t.same([same.config, same.facts], [[], []]);
  });

  t.test('one damaged run is left out with a warning, a comparison without any is refused', async t => {
    const copy = join(folder, 'copy');
    cpSync(slow, copy, { recursive: true });
    const [first, ...rest] = readdirSync(copy);
    writeFileSync(join(copy, first, 'summary.json'), '{');
    const { code, out, err } = await compared(fast, copy, '--no-curves');
    t.equal(code, 0);
    t.match(err, `${join(copy, first, 'summary.json')}:1:2: warning: this is not JSON`);
    t.match(out, `left out: ${join(copy, first)}: it cannot be read`);
    t.match(out, /^B: 1 run has a seed that only one of it and A has$/m);
    appendFileSync(join(copy, rest[0], 'log.jsonl'), 'junk\n');
    t.match(
      (await compared(fast, copy)).err,
      /log\.jsonl:\d+:1: warning: this is not JSON; this line is ignored/,
    );
    for (const run of rest) writeFileSync(join(copy, run, 'summary.json'), '[]');
    const error = await refused(fast, copy);
    t.equal(error.exitCode, 5);
    t.equal(error.diagnostics.length, 6);
  });

  t.test('paths without runs, and flags of the other mode', async t => {
    mkdirSync(join(folder, 'empty'));
    const error = await refused(fast, join(folder, 'empty'), join(folder, 'absent'));
    t.equal(error.exitCode, 2);
    t.match(error.diagnostics, [
      { code: 'run/not-a-run', message: 'no runs found here' },
      { code: 'file/unreadable', message: 'the file does not exist' },
    ]);
    mkdirSync(join(folder, 'sweeps', 'one'), { recursive: true });
    writeFileSync(join(folder, 'sweeps', 'one', 'plan.json'), '{}');
    t.match((await refused(join(folder, 'sweeps'))).diagnostics, [
      { message: 'no runs found here, only 1 sweep', expected: `such as ${join(folder, 'sweeps', 'one')}` },
    ]);
    t.match((await refused(join(fast, readdirSync(fast)[0]))).diagnostics, [
      { code: 'compare/one-side', message: 'nothing to compare: this is a single run' },
    ]);
    t.match((await compared(fast, '--no-curves')).out, /^side +name +runs\nA .* runs, seeds/, 'a summary');
    t.match((await refused(fast, slow, '--top', '3')).diagnostics, [{ code: 'compare/flag', file: '--top' }]);
    t.match((await refused(fast, slow, '--curves', 'grad_nrm')).diagnostics, [
      { code: 'compare/curve', expected: /grad_norm/ },
    ]);
    t.match((await refused(fast, slow, '--metric', 'accuracy')).diagnostics, [
      { expected: /^one of test\.accuracy/ },
    ]);
    const [run] = readdirSync(fast);
    t.equal(Run.read(join(fast, run)).state, 'completed');
    t.match(
      (await compared(join(fast, run), slow, '--no-curves')).out,
      `A     ${join(fast, run)}  1 run, seed `,
    );
  });
});
