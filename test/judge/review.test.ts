/** Reviews of real runs: completion, gates, baselines, noise, and changes since the baseline. */

import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { textOf } from '../../src/cli/terminal/text.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { judgeNoise } from '../../src/judge/judging/baselines.js';
import { readBaseline, summarizeSeeds } from '../../src/run/baseline.js';
import { packageRoot } from '../../src/util/root.js';
import { upperQuantile, upperTail } from '../../src/util/statistics.js';
import { annotationsOf } from '../../src/view/github.js';
import { junitOf } from '../../src/view/junit.js';
import { markdownOf } from '../../src/view/markdown.js';
import { failure } from '../support/failure.js';
import { copierInto, documentOf, judge, reach, trainSmallRuns } from '../support/reviewed-runs.js';
import { work } from '../support/work.js';

const { folder, config, experiment, runs } = await trainSmallRuns(work);
const copyOf = copierInto(work);
const damagedCopy = copierInto(work, () => {});

t.test('gates of the config and of the command line', async t => {
  const { review } = judge([runs[0]], {
    gates: ['test.loss <= 100 over best', 'performance.peak_rss_mb<=1'],
  });
  t.equal(review.exit_code, 3);
  t.equal(review.verdict, 'failed');
  t.equal(review.runs[0].completed.verdict, 'passed');
  t.match(review.runs[0].gates, [
    { metric: 'test.accuracy', verdict: 'failed', min: 0.99, origin: /small\.yaml:\d+:5$/ },
    { metric: 'test.loss', over: 'best', verdict: 'passed' },
    { metric: 'test.loss', over: 'best', verdict: 'passed', origin: '--gate' },
    { metric: 'performance.peak_rss_mb', verdict: 'failed', max: 1, origin: '--gate' },
  ]);
  // the best value in the log is the one that the run recorded
  t.equal(review.runs[0].gates[1].value, review.runs[0].gates[2].value);
  t.match(
    review.groups[0].gates,
    [{ verdict: 'inconclusive', reason: /two seeds/ }],
    'one run has no mean over seeds',
  );
});

t.test('a mean over seeds is judged over the runs given', async t => {
  const accuracies = runs.map(
    run => JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')).metrics.test.accuracy,
  );
  const mean = (accuracies[0] + accuracies[1] + accuracies[2]) / 3;
  const gate = (bound: number) => `test.accuracy >= ${bound} over seeds`;
  const { review } = judge([experiment], { gates: [gate(mean - 1e-9), gate(mean + 1e-9)] });
  t.equal(review.runs.length, 3);
  // runs started in the same second have no order
  t.same([...review.groups[0].seeds].sort(), [0, 1, 2]);
  t.match(review.groups[0].gates, [{ verdict: 'passed' }, { verdict: 'passed' }, { verdict: 'failed' }]);
  t.ok(Math.abs(Number(review.groups[0].gates[1].value) - mean) < 1e-15);
  const killed = copyOf(runs[1], (_, directory) => rmSync(join(directory, 'summary.json')));
  const some = judge([runs[0], killed, runs[2]]).review;
  t.match(some.groups[0].gates, [{ verdict: 'inconclusive', reason: '1 of 3 runs did not complete' }]);
});

t.test('groups with the same name and seeds are distinguished, each with its own verdicts', async t => {
  const others = runs.map(run =>
    copyOf(run, (summary, directory) => {
      reach({ loss: 7, accuracy: 0.5 }, summary, directory);
      const resolved = join(directory, 'config.resolved.yaml');
      const text = readFileSync(resolved, 'utf8');
      writeFileSync(resolved, text.replace('learning_rate: 0.01', 'learning_rate: 0.5'));
    }),
  );
  const bound = 6;
  for (const paths of [
    [...runs, ...others],
    [...others, ...runs],
  ]) {
    const { review: judged } = judge(paths, { gates: [`test.loss <= ${bound} over seeds`] });
    t.same(
      Object.fromEntries(
        judged.groups.map(({ distinct, gates }) => [
          String(distinct['optimizer.learning_rate']),
          gates.at(-1)?.verdict,
        ]),
      ),
      { 0.01: 'passed', 0.5: 'failed' },
    );
    const lines = textOf(documentOf(judged)).split('\n');
    const lineAfter = (rate: string): string | undefined => {
      const head = lines.indexOf(`small, optimizer.learning_rate ${rate}, 3 runs, seeds 0, 1, 2`);
      return lines.slice(head).find(line => /Gate test\.loss over seeds \w+: \S+ \S+ 6\b/.test(line));
    };
    t.match(lineAfter('0.01'), /over seeds passed/);
    t.match(lineAfter('0.5'), /over seeds failed: 7/);
    t.match(
      junitOf(documentOf(judged)),
      /<testsuite name="small\.optimizer\.learning_rate=0\.5\.over-seeds" .* failures="1"/,
    );
    t.match(
      annotationsOf(documentOf(judged)),
      /small, optimizer\.learning_rate 0\.5, 3 runs, seeds 0, 1, 2: /,
    );
  }
});

t.test(
  'a run whose config was changed by a resume is not in a group with runs that always had it',
  async t => {
    const changed = copyOf(runs[1], (_, directory) => {
      const file = join(directory, 'manifest.json');
      const manifest = JSON.parse(readFileSync(file, 'utf8'));
      const change = { time: manifest.started, step: 4, key: 'optimizer.learning_rate', from: 0.5, to: 0.01 };
      const harmless = { ...change, key: 'training.num_epochs', from: 1, to: 2 };
      const early = { ...change, key: 'optimizer.eps', step: 0, from: 1, to: 2 };
      writeFileSync(file, JSON.stringify({ ...manifest, changes: [harmless, change, early] }));
    });
    const key = 'optimizer.learning_rate until step 4';
    const { groups } = judge([runs[0], changed]).review;
    t.same(
      groups.map(({ distinct }) => distinct),
      [{}, { [key]: 0.5 }],
    );
    const file = join(work.folder(), 'b.json');
    judge(runs, { pin: file });
    const compared = judge([changed], { baseline: file }).review.groups[0].comparison;
    t.same(compared?.moved, [{ what: 'config', key, from: null, to: 0.5 }]);
    const { code, stdout } = await work.cellrun('compare', runs[0], changed, '--json');
    t.equal(code, 0);
    t.match(JSON.parse(stdout), {
      sides: [{}, {}],
      config: [{ key: 'seed' }, { key, values: [[], [0.5]], changes: ['numerics'] }],
    });
  },
);

t.test('the newest of several runs with one seed counts', async t => {
  const again = copyOf(runs[0], (summary, directory) => {
    reach({ loss: 7, accuracy: 0.5 }, summary, directory);
    const file = join(directory, 'manifest.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...manifest, started: '2100-01-01T00:00:00.000Z' }));
  });
  const other = JSON.parse(readFileSync(join(runs[1], 'summary.json'), 'utf8')).metrics.test.loss;
  for (const paths of [
    [again, runs[0], runs[1]],
    [runs[0], runs[1], again],
  ]) {
    const { groups } = judge(paths, { gates: ['test.loss <= 100 over seeds'] }).review;
    t.equal(groups[0].gates.at(-1)?.value, (7 + other) / 2);
    t.same(groups[0].seeds.toSorted(), [0, 1]);
    const reason = `replaced by ${basename(again)} with the same seed 0`;
    t.same(groups[0].left_out, [{ run_id: basename(runs[0]), reason }]);
    const { stdout } = await work.cellrun('review', ...paths);
    t.match(stdout, /^small, 2 runs, seeds (0, 1|1, 0)\n {2}left out: \S+: replaced by /m);
  }
});

t.test('a run that did not complete never passes', async t => {
  const states: [string, (summary: Record<string, unknown>, directory: string) => void][] = [
    ['killed', (_, directory) => rmSync(join(directory, 'summary.json'))],
    ['interrupted', summary => Object.assign(summary, { status: 'interrupted', gates: [] })],
    ['diverged', summary => Object.assign(summary, { status: 'diverged', message: 'at step 3', gates: [] })],
    ['failed', summary => Object.assign(summary, { status: 'failed', message: 'x', gates: [] })],
  ];
  const places = judge([runs[0]]).review.runs[0].gates.map(({ origin }) => origin);
  for (const [state, change] of states) {
    const path = copyOf(runs[0], change);
    const { review } = judge([path], { gates: ['test.loss <= 1e9'] });
    t.match(review, { exit_code: 3, verdict: 'failed', runs: [{ state, completed: { verdict: 'failed' } }] });
    for (const gate of review.runs[0].gates)
      t.match(gate, { verdict: 'inconclusive', reason: 'the run did not complete' });
    t.same(
      review.runs[0].gates.map(({ origin }) => origin),
      [...places, '--gate'],
    );
    t.match(junitOf(documentOf(review)), /<skipped message=/);
    t.equal(failure(() => judge([path], { pin: join(work.folder(), 'b.json') })).exitCode, 2);
  }
  const damaged = damagedCopy(runs[0], (_, directory) =>
    writeFileSync(join(directory, 'manifest.json'), '{'),
  );
  t.match(judge([damaged]).review, { exit_code: 5, verdict: 'inconclusive', runs: [] });
  t.equal(failure(() => judge([damaged], { pin: join(work.folder(), 'b.json') })).exitCode, 5);
});

t.test('a damaged run does not hide verdicts on others', async t => {
  const damages: [RegExp, (directory: string) => void][] = [
    [/summary\.json:1:2: this is not JSON/, directory => writeFileSync(join(directory, 'summary.json'), '{')],
    [/manifest\.json: /, directory => writeFileSync(join(directory, 'manifest.json'), '[]')],
    [
      /config\.resolved\.yaml: this file does not match/,
      directory => writeFileSync(join(directory, 'config.resolved.yaml'), '{ name: ['),
    ],
    [
      /config\.resolved\.yaml is missing, so this run cannot be read/,
      directory => rmSync(join(directory, 'config.resolved.yaml')),
    ],
    [
      /log\.jsonl: this is a directory/,
      directory => {
        rmSync(join(directory, 'log.jsonl'));
        mkdirSync(join(directory, 'log.jsonl'));
      },
    ],
  ];
  for (const [message, damage] of damages) {
    const directory = join(work.folder(), basename(runs[0]));
    cpSync(runs[0], directory, { recursive: true });
    damage(directory);
    const { code, stdout } = await work.cellrun('review', directory, runs[1], '--json');
    t.equal(code, 5);
    const document = JSON.parse(stdout);
    t.same(validateAgainst('review', document), []);
    t.match(document, { damaged: [{ directory, message }], runs: [{ seed: 1 }], exit_code: 5 });
    t.equal(document.runs[0].gates.length, 2);
    const { review: judged } = judge([directory, runs[1]]);
    t.equal(junitOf(documentOf(judged)).match(/<error [^>]*>Damaged: /g)?.length, 1);
    t.equal(junitOf(documentOf(judged)).match(/<testcase name="completed"/g)?.length, 1);
    t.match(annotationsOf(documentOf(judged)), /^::error title=gate readable::.*Damaged: /m);
    t.match((await work.cellrun('review', directory, runs[1])).stdout, /: damaged: /);
    t.match(markdownOf(documentOf(judged)), /\| \*\*inconclusive\*\* .* \| readable \|/);
  }
});

t.test('errors point to the mistake in a gate of the command line', async t => {
  const cases: [string, string, string?][] = [
    ['test.acuracy >= 0.9', 'there is no metric test.acuracy', 'test.accuracy'],
    ['', 'there is no metric '],
    ['test.loss < 1', 'this is not a gate'],
    ['test.loss', 'this is not a gate'],
    ['test.loss <= nan', 'this is not a gate'],
    ['test.loss <= 0x10', 'this is not a gate'],
    ['ms_per_step <= 5', 'there is no metric ms_per_step', 'performance.ms_per_step'],
    ['test.loss <= 1 over bset', 'this is not a gate'],
    ['test.loss <= 1 please', 'this is not a gate'],
    ['performance.step_ratio <= 1 over best', 'performance.step_ratio is measured once'],
  ];
  for (const [text, message, suggestion] of cases) {
    const { exitCode, diagnostics } = failure(() => judge([runs[0]], { gates: [text] }));
    t.equal(exitCode, 2);
    t.match(diagnostics, [{ file: '--gate', line: 1, column: 1, message }], text);
    t.equal(diagnostics[0].suggestion, suggestion, text);
  }
  const two = failure(() => judge([runs[0]], { gates: ['x >= 1', 'test.loss >= y'] }));
  t.equal(two.diagnostics.length, 2, 'all at once');
});

t.test('paths without runs', async t => {
  const { diagnostics, exitCode } = failure(() => judge([join(folder, 'none'), folder, config]));
  t.equal(exitCode, 2);
  t.equal(diagnostics.length, 3);
});

t.test('a baseline is the same in any order, and its own runs are identical to it', async t => {
  const [a, b] = [join(work.folder(), 'a.json'), join(work.folder(), 'b.json')];
  t.equal(judge(runs, { pin: a }).review.pinned, a);
  judge([runs[2], runs[0], runs[1]], { pin: b });
  const text = readFileSync(a, 'utf8');
  t.equal(readFileSync(b, 'utf8'), text);
  t.same(validateAgainst('baseline', JSON.parse(text)), []);
  t.notOk(text.includes(work.path), 'no path of this machine');
  const { metrics, config: flat, config_hash_by_seed } = readBaseline(a);
  t.same(Object.keys(metrics), Object.keys(metrics).toSorted());
  t.same(Object.keys(config_hash_by_seed), ['0', '1', '2']);
  t.match(flat, { 'optimizer.learning_rate': 0.01, 'dataset.path': 'data.npz', 'training.batch_size': 32 });
  for (const key of ['seed', 'name', 'gates', 'description']) t.notOk(key in flat);
  const losses = runs.map(
    run => JSON.parse(readFileSync(join(run, 'summary.json'), 'utf8')).metrics.test.loss as number,
  );
  t.same(Object.values(metrics['test.loss'].by_seed), losses);
  const whole = judge(runs, { baseline: a }).review.groups[0].comparison;
  t.same(whole?.moved, []);
  t.match(whole?.metrics, [
    { metric: 'test.accuracy', verdict: 'passed', reason: 'identical', count: 3 },
    { metric: 'test.loss', verdict: 'passed', reason: 'identical' },
  ]);
  t.match(judge([runs[1]], { baseline: a }).review.groups[0].comparison?.metrics, [
    { reason: 'identical' },
    { reason: 'identical' },
  ]);
  // runs are deterministic: another value from the same inputs fails, even if it is better
  const other = copyOf(runs[1], (summary, directory) => {
    reach({ loss: 1e-9, accuracy: 1 }, summary, directory);
  });
  t.match(judge([other], { baseline: a }).review.groups[0].comparison?.metrics, [
    { verdict: 'failed', reason: /^not identical: seed 1 reached/ },
    { verdict: 'failed' },
  ]);
});

t.test('changes are listed key by key, and noise decides', async t => {
  const pinned = join(work.folder(), 'b.json');
  judge(runs, { pin: pinned });
  const { metrics } = readBaseline(pinned);
  const moved = (loss: number, accuracy: number) =>
    copyOf(runs[0], (summary, directory) => {
      reach({ loss, accuracy }, summary, directory);
      const resolved = join(directory, 'config.resolved.yaml');
      writeFileSync(
        resolved,
        readFileSync(resolved, 'utf8').replace('learning_rate: 0.01', 'learning_rate: 0.5'),
      );
      const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
      manifest.versions.cellrun = '9.9.9';
      manifest.git = { revision: 'abc', dirty: true };
      manifest.backend.name = 'webgpu';
      summary.backend = 'webgpu';
      writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
    });
  const compare = (path: string, limits = {}) =>
    judge([path], { baseline: pinned, ...limits }).review.groups[0].comparison;
  const good = compare(moved(metrics['test.loss'].mean, 1));
  t.match(good?.moved, [
    { what: 'config', key: 'optimizer.learning_rate', from: 0.01, to: 0.5 },
    { what: 'code', key: 'cellrun', to: '9.9.9' },
    { what: 'backend', key: 'name', from: 'webasm', to: 'webgpu' },
    { what: 'code', key: 'git', to: 'abc with changes' },
  ]);
  t.match(good?.metrics, [
    { verdict: 'passed', reason: 'better than the mean' },
    { verdict: 'passed', reason: 'equal' },
  ]);
  const bad = compare(moved(metrics['test.loss'].mean + 100 * Number(metrics['test.loss'].spread), 1));
  t.match(bad?.metrics[1], { verdict: 'failed', reason: 'worse by more than the variation between seeds' });
  const within = compare(moved(metrics['test.loss'].mean + 0.1 * Number(metrics['test.loss'].spread), 1));
  t.match(within?.metrics[1], { verdict: 'passed', reason: 'not distinguishable' });
  const limited = compare(moved(metrics['test.loss'].mean + 1, 1), { max_drop: 0.5 });
  t.match(limited?.metrics[1], {
    verdict: 'failed',
    reason: 'beyond --max-drop 0.5',
    limit: metrics['test.loss'].mean + 0.5,
  });
  const share = compare(moved(metrics['test.loss'].mean * 1.5, 1), { max_regress: 0.75 });
  t.match(share?.metrics[1], { verdict: 'passed', reason: 'within --max-regress 0.75' });
  t.equal(failure(() => judge(runs, { max_drop: 1 })).exitCode, 2, 'a limit needs a baseline');
  t.equal(failure(() => judge(runs, { baseline: pinned, max_drop: 1, max_regress: 1 })).exitCode, 2);
});

t.test('a baseline of another task cannot be compared', async t => {
  const pinned = join(work.folder(), 'b.json');
  judge(runs, { pin: pinned });
  const baseline = JSON.parse(readFileSync(pinned, 'utf8'));
  const against = (change: (changed: typeof baseline) => void) => {
    const changed = structuredClone(baseline);
    change(changed);
    const file = join(work.folder(), 'other.json');
    writeFileSync(file, JSON.stringify(changed));
    return judge([runs[0]], { baseline: file }).review;
  };
  const other: [RegExp, (changed: typeof baseline) => void][] = [
    [
      /^measured on another task: config loss\.kind: "mse" -> "cross_entropy"$/,
      changed => {
        changed.config['loss.kind'] = 'mse';
      },
    ],
    [
      /config dataset\.kind: "idx" -> "npz"/,
      changed => {
        changed.config['dataset.kind'] = 'idx';
      },
    ],
    [
      /^measured on another task: data data\.npz: "f{64}" -> /,
      changed => {
        changed.datasets[0].sha256 = 'f'.repeat(64);
      },
    ],
    [
      /^measured on another task: data labels\.npy: "e{64}" -> null$/,
      changed => {
        changed.datasets.unshift({ name: 'labels.npy', sha256: 'e'.repeat(64), split: 'train' });
      },
    ],
  ];
  for (const [reason, change] of other) {
    const judged = against(change);
    for (const metric of judged.groups[0].comparison?.metrics ?? [])
      t.match(metric, { verdict: 'inconclusive', reason });
    const junit = junitOf(documentOf(judged));
    t.match(junit, /<system-out>changed since \S*other\.json:&#10; {2}(config|data) /);
    const annotations = annotationsOf(documentOf(judged));
    t.match(annotations, /^::notice title=review::small, seed 0:%0Achanged since \S*other\.json:%0A {2}/m);
  }
  const same: ((changed: typeof baseline) => void)[] = [
    // fewer training sequences, the same file under another path
    changed => {
      changed.config['dataset.limit'] = 3;
    },
    changed => {
      changed.config['dataset.path'] = 'elsewhere/data.npz';
      changed.datasets[0].name = 'elsewhere/data.npz';
    },
    changed => {
      changed.datasets.unshift({ name: 'validation.npz', sha256: 'e'.repeat(64), split: 'validation' });
    },
    changed => {
      changed.datasets[0].split = 'test';
      changed.datasets.unshift({ name: 'training.npz', sha256: 'e'.repeat(64), split: 'train' });
    },
  ];
  for (const change of same) {
    const { comparison } = against(change).groups[0];
    t.ok(comparison && comparison.moved.length > 0);
    if (comparison?.moved.some(({ key }) => key === 'elsewhere/data.npz')) {
      const [one, ...others] = comparison.moved;
      t.match(one, { what: 'data', from: one.to, now: 'data.npz' });
      t.same(others, [], 'its path is no other difference');
      const words = 'data elsewhere/data.npz: moved to data.npz, same digest';
      t.ok(markdownOf(documentOf(against(change))).includes(words));
    }
    for (const { reason } of comparison?.metrics ?? []) t.notMatch(reason, 'another task');
  }
  const drawn = against(changed => {
    changed.datasets = [];
  });
  t.same(drawn.groups[0].comparison?.not_pinned, ['data']);
  const none = join(work.folder(), 'none.json');
  writeFileSync(none, JSON.stringify({ ...baseline, datasets: [] }));
  const { stdout } = await work.cellrun('review', runs[0], '--baseline', none);
  t.match(stdout, /^ +data are drawn from the seed, and not pinned by \S*none\.json$/m);
});

t.test('runs that cannot be pinned', async t => {
  const file = join(work.folder(), 'b.json');
  const other = copyOf(runs[1], (_, directory) => {
    const resolved = join(directory, 'config.resolved.yaml');
    writeFileSync(resolved, readFileSync(resolved, 'utf8').replace('hidden_size: 16', 'hidden_size: 32'));
  });
  t.match(failure(() => judge([runs[0], other], { pin: file })).diagnostics, [
    { message: /^config model\.hidden_size: 16 -> 32: runs of a baseline may differ only in their seed$/ },
  ]);
  t.match(failure(() => judge([runs[0], copyOf(runs[0])], { pin: file })).diagnostics, [
    { message: /^seed 0 is also that of/ },
  ]);
  const nan = copyOf(runs[0], summary => {
    summary.metrics = { train: { loss: 1 }, test: { loss: null, loss_nonfinite: 'nan', accuracy: 1 } };
  });
  t.match(failure(() => judge([nan], { pin: file })).diagnostics, [{ message: /^test\.loss is NaN/ }]);
  t.notOk(existsSync(file));
  writeFileSync(file, '{"mine":1}');
  t.equal(failure(() => judge(runs, { pin: file })).exitCode, 2);
  t.equal(readFileSync(file, 'utf8'), '{"mine":1}');
  rmSync(file);
  judge([runs[0]], { pin: file });
  judge(runs, { pin: file });
  t.equal(readBaseline(file).metrics['test.loss'].count, 3, 'a baseline is replaced');
});

interface Expected {
  readonly pinned: readonly number[];
  readonly values: readonly number[];
  readonly p: number;
  readonly limit: number;
}
const scipy: {
  readonly tails: readonly { t: number; df: number; p: number }[];
  readonly quantiles: readonly { t: number; df: number; p: number }[];
  readonly predictions: readonly Expected[];
  readonly welches: readonly Expected[];
} = JSON.parse(readFileSync(join(packageRoot, 'test/fixtures/review/noise.json'), 'utf8'));

t.test("Student's t, prediction intervals and Welch's test as in SciPy", async t => {
  const near = (a: number, b: number, relative: number) => Math.abs(a - b) <= relative * Math.abs(b);
  for (const { t: x, df, p } of scipy.tails)
    t.ok(near(upperTail(x, df), p, 1e-9), `tail ${x} ${df}: ${upperTail(x, df)} ${p}`);
  for (const { t: x, df, p } of scipy.quantiles)
    t.ok(
      Math.abs(upperQuantile(p, df) - x) <= 1e-9 * Math.max(1, x),
      `quantile ${p} ${df}: ${upperQuantile(p, df)} ${x}`,
    );
  for (const { pinned, values, p, limit } of [...scipy.predictions, ...scipy.welches]) {
    const seeds = values.map((value, i) => ({ seed: 100 + i, value, pinned: undefined }));
    const baseline = summarizeSeeds(Object.fromEntries(pinned.map((value, i) => [i, value])));
    const accuracy = judgeNoise('test.accuracy', seeds, baseline);
    const isWorse = values.reduce((a, b) => a + b, 0) / values.length < baseline.mean;
    t.equal(accuracy.verdict, isWorse && p < 0.05 ? 'failed' : 'passed');
    if (isWorse) t.ok(near(Number(accuracy.p), p, 1e-7), `${accuracy.p} ${p}`);
    t.ok(near(Number(accuracy.limit), limit, 1e-9), `${accuracy.limit} ${limit}`);
    // the mirror image, for a metric that should be small
    const loss = judgeNoise(
      'test.loss',
      seeds.map(one => ({ ...one, value: -one.value })),
      summarizeSeeds(Object.fromEntries(pinned.map((value, i) => [i, -value]))),
    );
    t.equal(loss.verdict, accuracy.verdict);
    t.ok(near(Number(loss.limit), -limit, 1e-9));
  }
});

t.test('unknown noise, and no noise', async t => {
  const one = (value: number) => [{ seed: 9, value, pinned: undefined }];
  const single = summarizeSeeds({ 0: 0.5 });
  t.match(judgeNoise('test.accuracy', one(0.4), single), { verdict: 'inconclusive' });
  t.match(judgeNoise('test.accuracy', one(0.5), single), { verdict: 'passed', reason: 'equal' });
  t.match(judgeNoise('test.accuracy', one(0.6), single), { verdict: 'passed' });
  const equal = summarizeSeeds({ 0: 0.1, 1: 0.1, 2: 0.1 });
  t.same([equal.mean, equal.spread], [0.1, 0], 'three times 0.1 has the mean 0.1');
  t.match(judgeNoise('test.accuracy', one(0.0999), equal), { verdict: 'failed', p: 0 });
});
