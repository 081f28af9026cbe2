/** Reviews of real runs: completed first, gates, baselines, noise, what moved, and what each format says of it. */
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parseDocument } from 'yaml';
import type { Io } from '../src/cli/io.js';
import { review } from '../src/cli/review.js';
import { githubAnnotations, githubPlace, writeJobSummary } from '../src/cli/review-github.js';
import { validateAgainst } from '../src/config/schema.js';
import type { ExitCode } from '../src/errors.js';
import { UserError } from '../src/errors.js';
import { readBaseline, summarizeSeeds } from '../src/experiment/baseline.js';
import type { Summary } from '../src/experiment/summary.js';
import { formatJunit } from '../src/review/format-junit.js';
import { formatMarkdown } from '../src/review/format-markdown.js';
import { oddities, textLines } from '../src/review/format-text.js';
import { judgeNoise } from '../src/review/noise.js';
import { type Reviewed, type ReviewOptions, reviewRuns } from '../src/review/review.js';
import { upperQuantile, upperTail } from '../src/review/student-t.js';
import { packageRoot } from '../src/root.js';
import { Workplace } from './support/cli.js';
import { execute } from './support/programs.js';
import { longerConfig, randomDataset } from './support/small-run.js';

const work = new Workplace();
t.teardown(() => work.remove());

const GATES = [
  { metric: 'test.accuracy', min: 0.99 },
  { metric: 'test.loss', over: 'best', max: 100 },
  { metric: 'test.loss', over: 'seeds', max: 100 },
];
const folder = work.folder();
writeFileSync(join(folder, 'data.npz'), randomDataset('review', { train: 64, test: 32, seed: 1 }));
const config = join(folder, 'small.yaml');
writeFileSync(
  config,
  JSON.stringify({ ...longerConfig('data.npz', 2), name: 'small', gates: GATES }, null, 2),
);
const experiment = join(folder, 'experiments', 'small');

/** Three runs that differ in their seed; by seed. */
const runs: string[] = [];
t.before(async () => {
  for (const seed of [0, 1, 2]) {
    const flags = ['--set', `seed=${seed}`, '--backend', 'cpu', '--json', '--quiet'];
    const { code, stdout, stderr } = await work.cellrun(
      'run',
      config,
      ...flags,
      '--output',
      join(folder, 'experiments'),
    );
    if (code !== 3) throw new Error(stderr);
    runs.push((JSON.parse(stdout) as Summary).directory);
  }
});

const judge = (paths: readonly string[], options: Partial<ReviewOptions> = {}): Reviewed =>
  reviewRuns(paths, { gates: [], ...options });

/** A copy of a run whose files may be changed. */
function copyOf(
  run: string,
  change: (summary: Record<string, unknown>, directory: string) => void = () => {},
): string {
  const directory = join(work.folder(), basename(run));
  cpSync(run, directory, { recursive: true });
  const file = join(directory, 'summary.json');
  const summary = JSON.parse(readFileSync(file, 'utf8'));
  change(summary, directory);
  if (existsSync(file)) writeFileSync(file, JSON.stringify(summary));
  return directory;
}

/** As if the run in `directory` had reached this on the test split, by its log as well as by its summary. */
function reach(
  test: { readonly loss: number; readonly accuracy: number },
  summary: Record<string, unknown>,
  directory: string,
): void {
  summary.metrics = { ...(summary.metrics as Summary['metrics']), test };
  const file = join(directory, 'log.jsonl');
  const lines = readFileSync(file, 'utf8').split('\n');
  const logged = lines.map(line =>
    /"event":"eval","split":"test"/.test(line) ? JSON.stringify({ ...JSON.parse(line), ...test }) : line,
  );
  writeFileSync(file, logged.join('\n'));
}

function failure(action: () => unknown): UserError {
  try {
    action();
  } catch (error) {
    if (error instanceof UserError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

const surroundings = { cwd: work.path, env: process.env };
const hasPython = (await execute('/usr/bin/python3', ['--version'], surroundings))?.code === 0;
const skip = !hasPython && 'there is no python3';

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
  // the best of the log is the best that the run itself found
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
  t.same(review.groups[0].seeds, [0, 1, 2]);
  t.match(review.groups[0].gates, [{ verdict: 'passed' }, { verdict: 'passed' }, { verdict: 'failed' }]);
  t.ok(Math.abs(Number(review.groups[0].gates[1].value) - mean) < 1e-15);
  const killed = copyOf(runs[1], (_, directory) => rmSync(join(directory, 'summary.json')));
  const some = judge([runs[0], killed, runs[2]]).review;
  t.match(some.groups[0].gates, [{ verdict: 'inconclusive', reason: '1 of 3 runs did not complete' }]);
});

t.test('groups of one name and the same seeds are told apart, each with its own verdicts', async t => {
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
    const lines = textLines(judged, basename);
    const lineAfter = (rate: string): string | undefined => {
      const head = lines.indexOf(`small, optimizer.learning_rate ${rate}, 3 runs, seeds 0, 1, 2`);
      return lines.slice(head).find(line => line.includes(`${bound} wanted`));
    };
    t.match(lineAfter('0.01'), /over seeds passed/);
    t.match(lineAfter('0.5'), /over seeds failed: 7/);
    t.match(
      formatJunit(judged),
      /<testsuite name="small\.optimizer\.learning_rate=0\.5\.over-seeds" .* failures="1"/,
    );
    t.match(
      githubAnnotations(judged, { workspace: undefined, summary: undefined }),
      /small, optimizer\.learning_rate 0\.5, 3 runs, seeds 0, 1, 2: /,
    );
  }
});

t.test(
  'a run whose config changed on its way is none of those that had the new one from the start',
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

t.test(
  'metrics that the log does not bear out are not believed, neither against a baseline nor to be pinned',
  async t => {
    const file = join(work.folder(), 'b.json');
    judge(runs, { pin: file });
    const { loss } = JSON.parse(readFileSync(join(runs[0], 'summary.json'), 'utf8')).metrics.test;
    const edited = copyOf(runs[0], summary => {
      Object.assign(summary, { metrics: { train: { loss: 1 }, test: { loss: 0.05, accuracy: 1 } } });
    });
    const gates = ['test.loss <= 100 over seeds'];
    const { runs: judged, groups } = judge([edited, ...runs.slice(1)], { baseline: file, gates }).review;
    const doubt = `its summary has test.loss 0.05, and its log ${loss}`;
    t.match(judged[0].completed, {
      verdict: 'inconclusive',
      reason: `the run says that it completed, but ${doubt}`,
    });
    const unjudged = {
      verdict: 'inconclusive',
      value: null,
      reason: `${basename(edited)} is in doubt: ${doubt}`,
    };
    t.match(groups[0].comparison?.metrics, [unjudged, unjudged]);
    t.match(groups[0].gates.at(-1), unjudged);
    const fields = {
      'train.loss': (summary: Record<string, unknown>) =>
        Object.assign((summary.metrics as Summary['metrics']).train, { loss: 1e-9 }),
      step_ratio: (summary: Record<string, unknown>) => Object.assign(summary, { step_ratio: 1e-9 }),
      ms_per_step: (summary: Record<string, unknown>) => Object.assign(summary, { ms_per_step: 1e-9 }),
    };
    for (const [field, change] of Object.entries(fields))
      t.match(
        judge([copyOf(runs[0], change)]).review.runs[0].completed.reason,
        new RegExp(`its summary has ${field} 1e-9, and its log \\d`),
      );
    t.match(
      failure(() => judge([edited], { pin: join(work.folder(), 'c.json') })),
      {
        exitCode: 2,
        diagnostics: [{ code: 'review/pin', message: /only runs whose files agree are pinned/ }],
      },
    );
  },
);

t.test('of runs with one seed the newest counts', async t => {
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
    const reason = `seed 0 was run again by ${basename(again)}, which counts`;
    t.same(groups[0].left_out, [{ run_id: basename(runs[0]), reason }]);
    const io = recorder();
    review(paths, { gates: [], format: 'text', github: { workspace: undefined, summary: undefined } }, io);
    t.match(io.text(), /^small, 2 runs, seeds (0, 1|1, 0)\n {2}left out: \S+: seed 0 was run again by /m);
  }
});

t.test('a run that did not complete never passes', async t => {
  const states: [string, (summary: Record<string, unknown>, directory: string) => void][] = [
    ['killed', (_, directory) => rmSync(join(directory, 'summary.json'))],
    ['interrupted', summary => Object.assign(summary, { status: 'interrupted', gates: [] })],
    ['diverged', summary => Object.assign(summary, { status: 'diverged', message: 'at step 3', gates: [] })],
    ['failed', summary => Object.assign(summary, { status: 'failed', message: 'x', gates: [] })],
  ];
  for (const [state, change] of states) {
    const path = copyOf(runs[0], change);
    const { review } = judge([path], { gates: ['test.loss <= 1e9'] });
    t.match(review, { exit_code: 3, verdict: 'failed', runs: [{ state, completed: { verdict: 'failed' } }] });
    for (const gate of review.runs[0].gates)
      t.match(gate, { verdict: 'inconclusive', reason: 'the run did not complete' });
    t.match(formatJunit(review), /<skipped message=/);
    t.equal(failure(() => judge([path], { pin: join(work.folder(), 'b.json') })).exitCode, 2);
  }
  const damaged = copyOf(runs[0], (_, directory) => writeFileSync(join(directory, 'manifest.json'), '{'));
  t.match(judge([damaged]).review, { exit_code: 5, verdict: 'inconclusive', runs: [] });
  t.equal(failure(() => judge([damaged], { pin: join(work.folder(), 'b.json') })).exitCode, 5);
});

t.test('a damaged run hides no verdict of another', async t => {
  const damages: [RegExp, (directory: string) => void][] = [
    [/summary\.json: .*this is not JSON/, directory => writeFileSync(join(directory, 'summary.json'), '{')],
    [/manifest\.json: /, directory => writeFileSync(join(directory, 'manifest.json'), '[]')],
    [
      /config\.resolved\.yaml:1:/,
      directory => writeFileSync(join(directory, 'config.resolved.yaml'), '{ name: ['),
    ],
    [
      /config\.resolved\.yaml: the config of this run has gone/,
      directory => rmSync(join(directory, 'config.resolved.yaml')),
    ],
    [
      /log\.jsonl: this is a folder/,
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
    const io = recorder();
    const github = { workspace: undefined, summary: undefined };
    t.equal(review([directory, runs[1]], { gates: [], format: 'json', github }, io), 5);
    const document = JSON.parse(io.text());
    t.same(validateAgainst('review', document), []);
    t.match(document, { damaged: [{ directory, message }], runs: [{ seed: 1 }], exit_code: 5 });
    t.equal(document.runs[0].gates.length, 2);
    const { review: judged } = judge([directory, runs[1]]);
    t.equal(formatJunit(judged).match(/<error [^>]*>Damaged: /g)?.length, 1);
    t.equal(formatJunit(judged).match(/<testcase name="completed"/g)?.length, 1);
    t.match(githubAnnotations(judged, github), /^::error title=gate readable::.*Damaged: /m);
    const text = recorder();
    review([directory, runs[1]], { gates: [], format: 'text', github }, text);
    t.match(text.text(), /: damaged: /);
    t.match(formatMarkdown({ review: judged, curves: [{}] }), /\| \*\*inconclusive\*\* .* \| readable \|/);
  }
});

/** Without the gates of its config, as far as the review can see. */
function withoutGates(directory: string): void {
  const file = join(directory, 'config.resolved.yaml');
  const text = readFileSync(file, 'utf8');
  writeFileSync(file, `${text.slice(0, text.indexOf('\ngates:'))}\ngates: []\n`);
}

t.test('gates of a run that did not complete are told, with their places', async t => {
  const places = judge([runs[0]]).review.runs[0].gates.map(({ origin }) => origin);
  t.equal(places.length, 2);
  for (const status of ['diverged', undefined]) {
    const path = copyOf(runs[0], (summary, directory) => {
      if (status === undefined) rmSync(join(directory, 'summary.json'));
      else Object.assign(summary, { status, gates: [] });
    });
    const { review: judged } = judge([path]);
    t.match(judged.runs[0].gates, [
      { metric: 'test.accuracy', min: 0.99, verdict: 'inconclusive', reason: 'the run did not complete' },
      { metric: 'test.loss', over: 'best', max: 100, verdict: 'inconclusive' },
    ]);
    t.same(
      judged.runs[0].gates.map(({ origin }) => origin),
      places,
    );
    t.match(judged.groups[0].gates, [{ over: 'seeds', verdict: 'inconclusive' }]);
    t.equal(formatJunit(judged).match(/<testcase /g)?.length, 4);
    t.equal(formatJunit(judged).match(/<skipped /g)?.length, 2);
  }
});

t.test('a run whose files do not agree that it completed is in doubt', async t => {
  const change = (name: string, by: (text: string) => string) => (_: unknown, directory: string) => {
    const file = join(directory, name);
    writeFileSync(file, by(readFileSync(file, 'utf8')));
  };
  const log = (by: (text: string) => string) => change('log.jsonl', by);
  const cases: [RegExp, Parameters<typeof copyOf>[1]][] = [
    [/but its manifest is missing$/, (_, directory) => rmSync(join(directory, 'manifest.json'))],
    [/but its log is missing$/, (_, directory) => rmSync(join(directory, 'log.jsonl'))],
    [/but its log has no event$/, log(() => '')],
    [/but its log has no event$/, log(() => 'x\n'.repeat(100))],
    [/but the end of its log is lost$/, log(text => text.slice(0, -20))],
    [/but its log goes on to no end of the run$/, log(text => text.replace(/^.*"run\.end".*\n/m, ''))],
    [/but its log is that of another run, x$/, log(text => text.replace(/"run_id":"[^"]*"/, '"run_id":"x"'))],
    [
      /but its log ends with diverged after step 4, its summary with completed after step 4$/,
      log(text => text.replace(/("run\.end".*"status":")completed/, '$1diverged')),
    ],
    [/after step 3, its summary/, log(text => text.replace(/("run\.end".*"steps":)4/, '$13'))],
  ];
  for (const [reason, by] of cases) {
    const { review: judged } = judge([copyOf(runs[0], by)]);
    t.match(judged.runs[0].completed, { verdict: 'inconclusive', reason }, String(reason));
    t.equal(judged.exit_code, 3);
  }
  const older = log(text => text.replace(/,"ms_per_step":[^\n]*(?=\}\n$)/, ''));
  t.equal(judge([copyOf(runs[0], older)]).review.runs[0].completed.verdict, 'passed', 'its log has no times');
  const odd = copyOf(
    runs[0],
    log(text => text.replace('\n', '\njunk\n')),
  );
  const [judgedOdd] = judge([odd]).review.runs;
  t.match(judgedOdd, { completed: { verdict: 'passed' }, damaged_lines: 1 });
  const told = (lines: number, warnings: number) =>
    oddities({ ...judgedOdd, damaged_lines: lines, warnings: { count: warnings, first: [] } });
  t.same(told(1, 1), ['  1 more warning', '  warning: 1 line of the log is no event']);
  t.same(told(2, 2), ['  2 more warnings', '  warning: 2 lines of the log are no events']);
});

t.test('a gate whose value is not the metric, or that has no verdict, is inconclusive', async t => {
  const set = (loss: number | null) =>
    copyOf(runs[0], summary => {
      const { test } = summary.metrics as { test: Record<string, unknown> };
      Object.assign(test, { accuracy: loss });
    });
  const [recorded] = judge([runs[0]]).review.runs[0].gates;
  t.match(judge([set(1)]).review.runs[0].gates[0], {
    verdict: 'inconclusive',
    value: recorded.value,
    reason: "that is the gate's value, but as the metric summary.json has 1",
  });
  t.match(judge([set(null)]).review.runs[0].gates[0], {
    verdict: 'inconclusive',
    reason: /summary\.json has none$/,
  });
  const best = copyOf(runs[0], summary => {
    for (const gate of summary.gates as { over: string; value: number }[])
      if (gate.over === 'best') gate.value = 0;
  });
  t.match(judge([best]).review.runs[0].gates[1], {
    verdict: 'inconclusive',
    reason: /the log has \d\.\d+$/,
  });
  const none = copyOf(runs[0], summary => Object.assign(summary, { gates: [] }));
  const { review: judged } = judge([none]);
  t.match(judged.runs[0].gates, [
    { metric: 'test.accuracy', verdict: 'inconclusive', reason: 'the run recorded no verdict on it' },
    { metric: 'test.loss', verdict: 'inconclusive' },
  ]);
  t.match(judged.groups[0].gates, [{ verdict: 'inconclusive', reason: 'the runs recorded nothing of it' }]);
});

t.test('a metric that is missing or not finite never passes, whatever the limits', async () => {
  const nan = copyOf(runs[0], (summary, directory) => {
    summary.metrics = { train: {}, test: { loss: null, loss_nonfinite: 'nan' } };
    Object.assign(summary, { gates: [], step_ratio: null });
    withoutGates(directory);
  });
  const pinned = join(work.folder(), 'new', 'b.json');
  judge(runs, { pin: pinned });
  const bound = fc.double({ noNaN: true, noDefaultInfinity: true });
  fc.assert(
    fc.property(
      fc.constantFrom('test.loss', 'test.accuracy', 'train.loss', 'performance.step_ratio'),
      fc.constantFrom('>=', '<='),
      bound,
      fc.constantFrom(undefined, 0, 1e300),
      (metric, comparison, limit, max_drop) => {
        const gates = [`${metric} ${comparison} ${limit}`];
        const { review } = judge([nan], {
          gates,
          baseline: pinned,
          ...(max_drop !== undefined && { max_drop }),
        });
        const verdicts = [...review.runs[0].gates, ...(review.groups[0].comparison?.metrics ?? [])];
        return (
          review.exit_code === 3 &&
          verdicts.length === 3 &&
          verdicts.every(({ verdict }) => verdict === 'inconclusive')
        );
      },
    ),
    { numRuns: 15 },
  );
});

t.test('a gate of the command line that is wrong is shown where it is', async t => {
  const cases: [string, number, string, string?][] = [
    ['test.acuracy >= 0.9', 1, 'there is no metric test.acuracy', 'test.accuracy'],
    ['', 1, 'a gate begins with a metric'],
    ['test.loss < 1', 11, 'a gate compares with >= or <=', '<='],
    ['test.loss', 10, 'a gate compares with >= or <='],
    ['test.loss <= x', 14, 'a gate compares with a number, not x'],
    ['test.loss <= nan', 14, 'a gate compares with a number, not nan'],
    ['test.loss <=', 13, 'a gate compares with a number'],
    ['test.loss <= 0x10', 14, 'a gate compares with a number, not 0x10'],
    ['ms_per_step <= 5', 1, 'there is no metric ms_per_step', 'performance.ms_per_step'],
    ['test.loss <= 1 over bset', 16, 'this is not understood', 'over best'],
    ['test.loss <= 1 please', 16, 'this is not understood'],
    [
      'performance.step_ratio <= 1 over best',
      29,
      'performance.step_ratio is measured once, so that no value is the best',
    ],
  ];
  for (const [text, column, message, suggestion] of cases) {
    const { exitCode, diagnostics } = failure(() => judge([runs[0]], { gates: [text] }));
    t.equal(exitCode, 2);
    t.match(diagnostics, [{ file: '--gate', line: 1, column, message }], text);
    t.equal(diagnostics[0].suggestion, suggestion, text);
  }
  const two = failure(() => judge([runs[0]], { gates: ['x >= 1', 'test.loss >= y'] }));
  t.equal(two.diagnostics.length, 2, 'all at once');
});

t.test('what is no run', async t => {
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
  // determinism is promised: another value from the same inputs fails, though it be better
  const other = copyOf(runs[1], (summary, directory) => {
    reach({ loss: 1e-9, accuracy: 1 }, summary, directory);
  });
  t.match(judge([other], { baseline: a }).review.groups[0].comparison?.metrics, [
    { verdict: 'failed', reason: /^not identical: seed 1 gave/ },
    { verdict: 'failed' },
  ]);
});

t.test('what moved is said key by key, and noise decides', async t => {
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
      writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
    });
  const compare = (path: string, limits = {}) =>
    judge([path], { baseline: pinned, ...limits }).review.groups[0].comparison;
  const good = compare(moved(metrics['test.loss'].mean, 1));
  t.match(good?.moved, [
    { what: 'config', key: 'optimizer.learning_rate', from: 0.01, to: 0.5 },
    { what: 'code', key: 'cellrun', to: '9.9.9' },
    { what: 'backend', key: 'name', from: 'cpu', to: 'webgpu' },
    { what: 'code', key: 'git', to: 'abc with changes' },
  ]);
  t.match(good?.metrics, [
    { verdict: 'passed', reason: 'better than the mean' },
    { verdict: 'passed', reason: 'equal' },
  ]);
  const bad = compare(moved(metrics['test.loss'].mean + 100 * Number(metrics['test.loss'].spread), 1));
  t.match(bad?.metrics[1], { verdict: 'failed', reason: 'worse by more than the noise' });
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

t.test('a baseline of another task is no measure', async t => {
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
  ];
  for (const [reason, change] of other) {
    const judged = against(change);
    for (const metric of judged.groups[0].comparison?.metrics ?? [])
      t.match(metric, { verdict: 'inconclusive', reason });
    const junit = formatJunit(judged);
    t.match(junit, /<system-out>moved since \S*other\.json:&#10; {2}(config|data) /);
    const annotations = githubAnnotations(judged, { workspace: undefined, summary: undefined });
    t.match(annotations, /^::notice title=review::small, seed 0:%0Amoved since \S*other\.json:%0A {2}/m);
  }
  const same: ((changed: typeof baseline) => void)[] = [
    // fewer sequences to train on, the same file in another place
    changed => {
      changed.config['dataset.limit'] = 3;
    },
    changed => {
      changed.config['dataset.path'] = 'elsewhere/data.npz';
      changed.datasets[0].name = 'elsewhere/data.npz';
    },
  ];
  for (const change of same) {
    const { comparison } = against(change).groups[0];
    t.ok(comparison && comparison.moved.length > 0);
    for (const { reason } of comparison?.metrics ?? []) t.notMatch(reason, 'another task');
  }
  const drawn = against(changed => {
    changed.datasets = [];
  });
  t.same(drawn.groups[0].comparison?.not_pinned, ['data']);
  const io = recorder();
  const none = join(work.folder(), 'none.json');
  writeFileSync(none, JSON.stringify({ ...baseline, datasets: [] }));
  const github = { workspace: undefined, summary: undefined };
  review([runs[0]], { gates: [], baseline: none, format: 'text', github }, io);
  t.match(io.text(), /^ +data are drawn from the seed, and not pinned by \S*none\.json$/m);
});

t.test('what is not pinned', async t => {
  const file = join(work.folder(), 'b.json');
  const other = copyOf(runs[1], (_, directory) => {
    const resolved = join(directory, 'config.resolved.yaml');
    writeFileSync(resolved, readFileSync(resolved, 'utf8').replace('hidden_size: 16', 'hidden_size: 32'));
  });
  t.match(failure(() => judge([runs[0], other], { pin: file })).diagnostics, [
    { message: /^config model\.hidden_size: 16 -> 32: the runs of a baseline differ in their seed alone$/ },
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

t.test('Student, prediction intervals and Welch as in SciPy', async t => {
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
    // what should be small is the mirror image
    const loss = judgeNoise(
      'test.loss',
      seeds.map(one => ({ ...one, value: -one.value })),
      summarizeSeeds(Object.fromEntries(pinned.map((value, i) => [i, -value]))),
    );
    t.equal(loss.verdict, accuracy.verdict);
    t.ok(near(Number(loss.limit), -limit, 1e-9));
  }
});

t.test('noise that is not known, or none', async t => {
  const one = (value: number) => [{ seed: 9, value, pinned: undefined }];
  const single = summarizeSeeds({ 0: 0.5 });
  t.match(judgeNoise('test.accuracy', one(0.4), single), { verdict: 'inconclusive' });
  t.match(judgeNoise('test.accuracy', one(0.5), single), { verdict: 'passed', reason: 'equal' });
  t.match(judgeNoise('test.accuracy', one(0.6), single), { verdict: 'passed' });
  const equal = summarizeSeeds({ 0: 0.1, 1: 0.1, 2: 0.1 });
  t.same([equal.mean, equal.spread], [0.1, 0], 'three times 0.1 has the mean 0.1');
  t.match(judgeNoise('test.accuracy', one(0.0999), equal), { verdict: 'failed', p: 0 });
});

function recorder(): Io & { text(): string } {
  const texts: string[] = [];
  return {
    out: text => texts.push(text),
    err: () => {},
    color: { out: false, err: false },
    interactive: false,
    text: () => texts.join(''),
  };
}

t.test('every format says the same', async t => {
  const github = { workspace: undefined, summary: undefined };
  const printed = (format: 'text' | 'json' | 'markdown' | 'junit'): [ExitCode, string] => {
    const io = recorder();
    return [review([experiment], { gates: [], format, github }, io), io.text()];
  };
  const [code, json] = printed('json');
  t.equal(code, 3);
  const parsed = JSON.parse(json);
  t.same(validateAgainst('review', parsed), []);
  const { runs: reviews, groups } = parsed;
  const gates = [
    ...reviews.flatMap((run: { gates: object[] }) => run.gates),
    ...groups.flatMap((group: { gates: object[] }) => group.gates),
  ];
  const failed = gates.filter(({ verdict }) => verdict === 'failed').length;
  t.equal(failed, 3);
  const [, text] = printed('text');
  t.equal(
    text.match(/^ {2}Gate test\.accuracy failed: [\d.]+, at least 0\.99 wanted \(.*small\.yaml:\d+:5\)\.$/gm)
      ?.length,
    failed,
  );
  t.match(text, /^Review: failed\.$/m);
  const [, markdown] = printed('markdown');
  t.equal(markdown.match(/^\| \*\*failed\*\* /gm)?.length, failed);
  t.equal(markdown.match(/^\| passed /gm)?.length, 3 + 3 + 1);
  const [, junit] = printed('junit');
  t.equal(junit.match(/<failure /g)?.length, failed);
  t.equal(junit.match(/<testcase /g)?.length, 3 + gates.length);
  t.match(
    junit,
    new RegExp(
      `<testsuites name="cellrun review" tests="${3 + gates.length}" failures="${failed}" errors="0">`,
    ),
  );
});

t.test('curves in Markdown are what was measured', async t => {
  const reviewed = judge([runs[0]]);
  const markdown = formatMarkdown(reviewed);
  const evaluations = readFileSync(join(runs[0], 'log.jsonl'), 'utf8')
    .split('\n')
    .filter(line => line.includes('"event":"eval"'))
    .map(line => JSON.parse(line));
  const charts = [
    ...markdown.matchAll(
      /```mermaid\n%%\{init: .*\}%%\nxychart-beta\n {2}title "(.*)"\n {2}x-axis "step" (\d+) --> (\d+)\n {2}line \[(.*)\]\n```/g,
    ),
  ];
  t.equal(charts.length, 2);
  t.same(
    charts[0][4].split(', ').map(Number),
    evaluations.map(({ loss }) => Number(loss.toPrecision(6))),
  );
  t.same([charts[0][2], charts[0][3]].map(Number), [2, 4]);
  const cut = formatMarkdown(reviewed, 600);
  t.ok(Buffer.byteLength(cut) <= 600);
  t.match(cut, /\d+ more lines are left out\.\n$/);
  t.notMatch(cut, 'mermaid');
});

t.test('foreign text breaks out of no format', async t => {
  const evil = 'a|b\n::error::x <script>@me</script> ]]> \u0007 "q" & `c` %0A';
  const path = copyOf(runs[0], (summary, directory) => {
    summary.name = evil;
    Object.assign(summary, { status: 'failed', message: evil, gates: [] });
    appendFileSync(
      join(directory, 'log.jsonl'),
      `${JSON.stringify({ event: 'warning', code: 'x,y:z', message: evil, step: 1 })}\n`,
    );
  });
  const { review: judged, curves } = judge([path]);
  const junit = formatJunit(judged);
  t.notMatch(junit, '<script');
  t.notMatch(junit, '\u0007');
  const annotations = githubAnnotations(judged, { workspace: undefined, summary: undefined });
  t.same(annotations.match(/^::/gm)?.length, 3, 'the run, its gate over seeds, one warning');
  t.match(annotations, /^::warning title=x%2Cy%3Az::.*%0A::error::x .*%250A$/m);
  const markdown = formatMarkdown({ review: judged, curves });
  t.notMatch(markdown, /<script|[^\\]\|b/);
  t.notMatch(markdown, '@me');
  const io = recorder();
  review([path], { gates: [], format: 'text', github: { workspace: undefined, summary: undefined } }, io);
  t.notMatch(io.text(), /^::/m);
  t.notMatch(io.text(), '\u0007');
});

/** Prints what Python's XML parser (expat) finds: the attributes of all suites, the cases with the message and the text of what is in them. */
const READ_JUNIT = `
import json, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
print(json.dumps([[suite.attrib, [[case.attrib, [[inner.tag, inner.attrib, inner.text] for inner in case]] for case in suite.findall("testcase")], [[one.attrib["name"], one.attrib["value"]] for one in suite.find("properties")]] for suite in root]))
`;

t.test('JUnit is read back by a parser that is not ours, whatever the texts are', { skip }, async t => {
  const { review: judged } = judge([runs[0]]);
  const [run] = judged.runs;
  const texts = fc.sample(
    fc.string({ unit: fc.oneof(fc.nat(0xff), fc.nat(0xffff), fc.nat(0x10ffff)).map(String.fromCodePoint) }),
    { numRuns: 300, seed: 20260101 },
  );
  const junit = formatJunit({
    ...judged,
    runs: texts.map(text => ({ ...run, name: text, completed: { verdict: 'failed', reason: text } })),
  });
  const file = work.file('junit.xml', junit);
  const { stdout, stderr } = (await execute('/usr/bin/python3', ['-c', READ_JUNIT, file], surroundings))!;
  t.equal(stderr, '');
  // what XML 1.0 has no place for
  const kept = (text: string) => text.replaceAll(/(?![\t\n\r])\p{Cc}|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd');
  const suites: [
    Record<string, string>,
    [Record<string, string>, [string, Record<string, string>, string][]][],
    [string, string][],
  ][] = JSON.parse(stdout);
  t.equal(suites.length, texts.length + judged.groups.length);
  t.equal(new Set(suites.map(([{ name }]) => name)).size, suites.length);
  for (const [i, [suite, cases, properties]] of suites.slice(0, texts.length).entries()) {
    const text = kept(texts[i]);
    t.ok(suite.name.startsWith(`${text}.seed-0`));
    t.same(properties, [
      ['about', `${text}/${run.run_id}`],
      ['directory', run.directory],
      ['run_id', run.run_id],
    ]);
    t.equal(Number(suite.tests), cases.length);
    t.equal(Number(suite.failures), cases.filter(([, [inner]]) => inner?.[0] === 'failure').length);
    const [[head, [[tag, attributes, content]]]] = cases;
    t.match({ ...head, tag }, { name: 'completed', classname: suite.name, tag: 'failure' });
    t.equal(attributes.message, `Not completed: ${text}.`);
    t.equal(content, attributes.message);
  }
});

t.test('test cases have names of their own, the same at every review', async t => {
  const gates = ['test.loss <= 100', 'test.loss >= 0.001', 'test.loss <= 100 over best', 'test.loss <= 100'];
  const again = copyOf(runs[0]);
  const cases = (...paths: string[]) =>
    [
      ...formatJunit(judge(paths, { gates }).review).matchAll(
        /<testcase name="(.*?)" classname="(.*?)" time="(.*?)"/g,
      ),
    ].map(found => found.slice(1));
  const own = cases(runs[0]);
  t.same(
    own.slice(0, 7).map(([name]) => name),
    [
      'completed',
      'test.accuracy &gt;= 0.99',
      'test.loss over best &lt;= 100',
      'test.loss &lt;= 100',
      'test.loss &gt;= 0.001',
      'test.loss over best &lt;= 100 #2',
      'test.loss &lt;= 100 #2',
    ],
  );
  t.same([...new Set(own.map(([, classname]) => classname))], ['small.seed-0', 'small.over-seeds']);
  const { duration_s } = JSON.parse(readFileSync(join(runs[0], 'summary.json'), 'utf8'));
  t.equal(own[0][2], duration_s.toFixed(3));
  const both = cases(runs[0], again, runs[1]);
  t.equal(new Set(both.map(([name, classname]) => `${classname}/${name}`)).size, both.length);
  t.ok(both.some(([, classname]) => classname === 'small.seed-0.2'));
});

t.test('annotations point at the gate inside of the workspace, no more than are shown', async t => {
  const reviewed = judge([runs[0]]);
  const at = (workspace: string | undefined) =>
    githubAnnotations(reviewed.review, { workspace, summary: undefined });
  const line = Number(/small\.yaml:(\d+):5/.exec(reviewed.review.runs[0].gates[0].origin)?.[1]);
  t.equal(readFileSync(config, 'utf8').split('\n')[line - 1].trim(), '{', 'the line of the gate');
  t.match(
    at(folder),
    new RegExp(`^::error file=small\\.yaml,line=${line},col=5,title=gate test\\.accuracy::`, 'm'),
  );
  t.match(
    at(join(folder, 'experiments')),
    /^::error title=gate test\.accuracy::.*small\.yaml:\d+:5/m,
    'outside: only in words',
  );
  // a checkout elsewhere, as of a job that got the runs as an artifact: the file whose path ends alike, if it has that gate there
  const checkout = work.folder();
  const elsewhere = join(checkout, basename(folder));
  mkdirSync(elsewhere);
  cpSync(config, join(elsewhere, 'small.yaml'));
  t.match(
    at(checkout),
    new RegExp(`^::error file=${basename(folder)}/small\\.yaml,line=${line},col=5,`, 'm'),
  );
  writeFileSync(join(checkout, 'small.yaml'), `# another file\n${readFileSync(config, 'utf8')}`);
  t.match(at(checkout), new RegExp(`^::error file=${basename(folder)}/small\\.yaml,`, 'm'), 'not the first');
  rmSync(elsewhere, { recursive: true });
  t.match(at(checkout), /^::error title=gate test\.accuracy::/m, 'a file of the same name is another one');
  cpSync(config, join(checkout, 'small.yaml'));
  t.match(at(checkout), new RegExp(`^::error file=small\\.yaml,line=${line},`, 'm'));
  const many = judge([runs[0]], { gates: Array.from({ length: 30 }, (_, i) => `test.loss >= ${1000 + i}`) });
  const annotations = githubAnnotations(many.review, { workspace: folder, summary: undefined });
  t.equal(annotations.match(/^::error /gm)?.length, 10);
  t.match(annotations, /^22 more verdicts that did not pass are not annotated\.$/m);
  const summary = join(work.folder(), 'summary.md');
  writeFileSync(summary, 'before\n');
  writeJobSummary(reviewed, { workspace: folder, summary });
  t.equal(readFileSync(summary, 'utf8'), `before\n${formatMarkdown(reviewed)}`);
  writeFileSync(summary, 'x'.repeat(2 ** 20 - 700));
  writeJobSummary(reviewed, { workspace: folder, summary });
  t.ok(readFileSync(summary).length <= 2 ** 20);
  for (const left of [0, 1, 6, 99, 100, 101]) {
    writeFileSync(summary, 'x'.repeat(2 ** 20 - left));
    t.same(writeJobSummary(reviewed, { workspace: folder, summary }), []);
    t.ok(readFileSync(summary).length <= 2 ** 20, `${left} bytes left`);
  }
  // the verdict counts, not what is told of it
  const [wrong] = writeJobSummary(reviewed, { workspace: folder, summary: folder });
  t.match(wrong, { file: folder, message: /cannot be written/ });
  const variables = { GITHUB_STEP_SUMMARY: 'x.md', GITHUB_WORKSPACE: '/w' };
  t.same(githubPlace(variables), { workspace: '/w', summary: undefined });
  t.same(githubPlace({ ...variables, GITHUB_ACTIONS: 'true' }), { workspace: '/w', summary: 'x.md' });
});

t.test('the verb, as a process', async t => {
  const passing = await work.cellrun(
    'review',
    copyOf(runs[0], (summary, directory) => {
      Object.assign(summary, { gates: [] });
      withoutGates(directory);
    }),
  );
  t.equal(passing.code, 0, passing.stderr);
  const seeds = await work.cellrun('review', experiment, '--json');
  t.equal(seeds.code, 3);
  t.same(validateAgainst('review', JSON.parse(seeds.stdout)), []);
  const wrong = await work.cellrun('review', runs[0], '--gate', 'test.acuracy >= 1');
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /^--gate:1:1: there is no metric test\.acuracy\n/);
});

t.test('foreign files are checked against the schemas', async t => {
  const sound = await work.cellrun('review', '--schema', experiment);
  t.equal(sound.code, 0, sound.stderr);
  t.equal(sound.stdout.match(/: valid by /g)?.length, 15);
  const broken = copyOf(runs[0], (summary, directory) => {
    const log = join(directory, 'log.jsonl');
    const lines = readFileSync(log, 'utf8').split('\n');
    lines[2] = lines[2].replace('"seq":2', '"seq":5');
    lines[3] = lines[3].replace('"seq":3', '"seq":6').replace('"level":"info"', '"level":"inof"');
    lines[4] = '[1]';
    lines[5] = lines[5].replace('"seq":5', '"seq":8').replace('"loss"', '"los"');
    lines[6] = lines[6].replace('"seq":6', '"seq":9').slice(0, -1);
    writeFileSync(log, lines.slice(0, 7).join('\n'));
    delete summary.status;
  });
  const { code, stdout, stderr } = await work.cellrun('review', '--schema', broken);
  t.equal(code, 5);
  const places = [...stderr.matchAll(/^\S*\/(\w+\.jsonl?):(\d+):(\d+): (.*)$/gm)].map(found =>
    found.slice(1).join(' '),
  );
  t.match(places, [
    /^log\.jsonl 3 \d+ `seq` does not go on/,
    /^log\.jsonl 4 10 `level` is none of the choices/,
    /^log\.jsonl 5 1 this is not a JSON object/,
    /^log\.jsonl 6 \d+ unknown key `los`/,
    /^log\.jsonl 7 1 the last line has no end/,
    /^summary\.json 1 2 the key `status` is missing/,
  ]);
  t.equal(places.length, 6, stderr);
  t.match(stdout, /log\.jsonl: not valid by log-event, 5 of 7 lines/);
  const log = readFileSync(join(runs[0], 'log.jsonl'), 'utf8');
  const first = log.slice(0, log.indexOf('\n') + 1);
  const odd: [string, string, string, RegExp][] = [
    ['empty.jsonl', '', '1:1', /this log has no line/],
    ['mark.jsonl', `\ufeff${log}`, '1:1', /a byte order mark stands before it/],
    ['at.jsonl', `${first}{"event": nope}\n`, '2:12', /this is not JSON/],
    ['end.jsonl', `${first}{"event":1`, '2:1', /the last line has no end/],
    ['long.jsonl', `${first}${'x'.repeat(6 << 20)}\n`, '2:1', /longer than any event/],
    ['endless.jsonl', `${first}${'x'.repeat(6 << 20)}`, '2:1', /the last line has no end/],
    [
      'newer.json',
      '{"version":99}',
      '1:12',
      /version 99 of the format, of which this program knows version 1/,
    ],
    ['cut.json', '{"version":1,', '1:13', /this is not JSON/],
  ];
  for (const [name, text, place, message] of odd) {
    const file = work.file(name, text);
    const checked = await work.cellrun('review', '--schema', file, '--json');
    t.equal(checked.code, 5, name);
    const { diagnostics: found } = JSON.parse(checked.stdout);
    t.equal(found.length, 1, `${name}: ${checked.stdout.slice(0, 500)}`);
    t.match(found, [{ message }]);
    t.equal(`${found[0].line}:${found[0].column}`, place, name);
  }
  const newer = work.file('b2.json', JSON.stringify({ version: 2 }));
  t.match(
    failure(() => judge([runs[0]], { baseline: newer })),
    {
      exitCode: 5,
      diagnostics: [{ message: /version 2 of the format of baselines/ }],
    },
  );
  const many = work.file('foreign.jsonl', `${'{"event":"nothing"}\n'.repeat(250)}`);
  const long = await work.cellrun('review', '--schema', many, '--json');
  t.equal(long.code, 5);
  const { diagnostics, files } = JSON.parse(long.stdout);
  t.equal(diagnostics.length, 100);
  t.match(files, [{ parts: 250, wrong: 250 }]);
  t.equal((await work.cellrun('review', '--schema', config)).code, 2);
});

t.test('the example workflows call what there is', async t => {
  for (const name of ['github', 'gitlab']) {
    const text = readFileSync(`configs/ci/${name}.yaml`, 'utf8');
    t.equal(parseDocument(text).errors.length, 0);
    const commands = [...text.matchAll(/\.\/run (.*?)(?: \|\||; done|$)/gm)].map(([, words]) =>
      words.replace(/ > \S+$/, ''),
    );
    t.ok(commands.length >= 3);
    for (const command of commands) {
      const [verb, ...rest] = command.split(' ');
      const file = [verb, ...rest].find(word => word.startsWith('configs/'));
      if (file !== undefined) t.ok(existsSync(file), file);
      const { code, stdout } = await work.cellrun(verb.endsWith('.yaml') ? 'run' : verb, '--help');
      t.equal(code, 0, command);
      for (const flag of rest.filter(word => word.startsWith('--')))
        t.ok(stdout.includes(`${flag} `), `${verb} ${flag}`);
    }
  }
});
