/** Gates: config rules, verdicts computed by hand, and gates in runs. */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { gateSentence, judgeGate, judgeRun, missedIn, type WrittenGate } from '../../src/run/gates.js';
import type { UserError } from '../../src/util/errors.js';
import { readLog } from '../support/cli.js';
import { baselineOf } from '../support/gates.js';
import { longerConfig, randomDataset } from '../support/runs.js';
import { work } from '../support/work.js';

const gate = (more: Partial<WrittenGate>): WrittenGate => ({
  metric: 'test.accuracy',
  over: 'last',
  origin: 'x.yaml:1:1',
  ...more,
});
const compared = (more: Partial<WrittenGate>): WrittenGate => gate({ baseline: 'b.json', ...more });

t.test('verdicts on values', async t => {
  const cases: [WrittenGate, number | undefined, string][] = [
    [gate({ min: 0.5 }), 0.5, 'passed'],
    [gate({ min: 0.5 }), 0.499, 'failed'],
    [gate({ min: 0.25, max: 0.75 }), 0.8, 'failed'],
    [gate({ min: 0 }), undefined, 'inconclusive'],
    [gate({ min: 0 }), Number.NaN, 'inconclusive'],
    [gate({ min: 0 }), Number.POSITIVE_INFINITY, 'inconclusive'],
    [gate({ metric: 'test.loss', max: 1 }), Number.NEGATIVE_INFINITY, 'inconclusive'],
    // an accuracy of 0.75 may drop by 0.25 to 0.5, or by a third of itself; all of these are exact
    // in binary
    [compared({ reference: 0.75, max_drop: 0.25 }), 0.5, 'passed'],
    [compared({ reference: 0.75, max_drop: 0.25 }), 0.4999, 'failed'],
    [compared({ reference: 0.5, max_regress: 0.5 }), 0.25, 'passed'],
    [compared({ reference: 0.5, max_regress: 0.5 }), 0.2499, 'failed'],
    [compared({ reference: 0.5, max_drop: 0 }), 0.9, 'passed'],
    // a larger loss is worse
    [compared({ metric: 'test.loss', reference: 2, max_drop: 0.5 }), 2.5, 'passed'],
    [compared({ metric: 'test.loss', reference: 2, max_drop: 0.5 }), 2.51, 'failed'],
    [compared({ metric: 'performance.ms_per_step', reference: 8, max_regress: 0.25 }), 10, 'passed'],
    [compared({ metric: 'performance.ms_per_step', reference: 8, max_regress: 0.25 }), 10.01, 'failed'],
    [compared({ metric: 'performance.peak_rss_mb', reference: 8, max_regress: 0 }), 7, 'passed'],
    [compared({ max_drop: 1 }), 0.5, 'inconclusive'],
  ];
  for (const [one, value, verdict] of cases) {
    const result = judgeGate(one, value);
    t.equal(result.verdict, verdict, `${JSON.stringify(one)} of ${value}`);
    t.equal('reason' in result, verdict === 'inconclusive');
  }
});

t.test('missing or not finite values never pass, whatever the bounds', async () => {
  const number = fc.double({ noNaN: true });
  const anyGate = fc.record(
    {
      metric: fc.constantFrom(
        'test.accuracy',
        'test.loss',
        'performance.step_ratio',
        'performance.ms_per_step',
      ),
      over: fc.constantFrom('last' as const, 'best' as const),
      origin: fc.constant('--set'),
      min: number,
      max: number,
      baseline: fc.constant('b.json'),
      reference: number,
      max_drop: number,
      max_regress: number,
    },
    { requiredKeys: ['metric', 'over', 'origin'] },
  );
  const value = fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, undefined);
  fc.assert(
    fc.property(anyGate, value, (one, bad) => {
      const of: Record<string, number> = bad === undefined ? {} : { accuracy: bad, loss: bad };
      const measured = {
        metrics: { train: {}, test: of },
        ms_per_step: null,
        step_ratio: null,
        peak_rss_mb: 1,
      };
      const [{ verdict }] = judgeRun([one], measured, () => bad);
      return verdict === 'inconclusive' && judgeGate(one, bad).verdict === 'inconclusive';
    }),
  );
});

t.test('gates that keep a run from exit 0', async t => {
  const measured = {
    metrics: { train: {}, test: { accuracy: 0.5 } },
    ms_per_step: null,
    step_ratio: null,
    peak_rss_mb: 1,
  };
  const gates = [
    gate({ min: 0.4 }),
    gate({ min: 0.6 }),
    gate({ metric: 'test.loss', max: 1 }),
    gate({ over: 'seeds', min: 0.9 }),
  ];
  const judged = judgeRun(gates, measured, () => undefined);
  t.same(
    missedIn(judged).map(({ metric, verdict }) => [metric, verdict]),
    [
      ['test.accuracy', 'failed'],
      ['test.loss', 'inconclusive'],
    ],
  );
});

t.test('sentences contain value, limit and line', async t => {
  const failed = judgeGate(compared({ reference: 0.975, max_drop: 0.005 }), 0.96);
  t.equal(
    gateSentence(failed),
    'Gate test.accuracy failed: 0.96 < 0.97, at most 0.005 below 0.975 in b.json (x.yaml:1:1).',
  );
  const slow = judgeGate(
    compared({ metric: 'performance.step_ratio', reference: 10, max_regress: 0.05 }),
    11,
  );
  t.match(gateSentence(slow), 'failed: 11 > 10.5, at most 5 % above 10 in b.json (x.yaml:1:1).');
});

t.test('sentences contain no absolute path, and never round a value across its limit', async t => {
  const failed = judgeGate(
    compared({ baseline: '/home/me/pins/b.json', reference: 0.975, max_drop: 0.005 }),
    0.96,
  );
  t.match(gateSentence(failed), ' in b.json (');
  t.notMatch(gateSentence(failed), '/home');
  const value = 0.4933256900982087;
  const at = (bound: number) => gateSentence(judgeGate(gate({ metric: 'test.loss', max: bound }), value));
  t.match(at(value), `passed: ${value} <= ${value}.`);
  t.match(at(0.5), 'passed: 0.4933 <= 0.5.');
});

const MINIMAL = longerConfig('data.npz', 1);

t.test('invalid gates in a config', async t => {
  const cases: [object, string][] = [
    [{ metric: 'test.accuracy' }, 'a gate needs a bound'],
    [{ metric: 'test.accuracy', max_drop: 1 }, 'these keys of a gate do not belong together'],
    [{ metric: 'test.accuracy', baseline: 'b.json' }, 'these keys of a gate do not belong together'],
    [
      { metric: 'test.accuracy', baseline: 'b.json', max_drop: 1, max_regress: 1 },
      'these keys of a gate do not belong together',
    ],
    [
      { metric: 'test.accuracy', baseline: 'b.json', max_drop: 1, min: 0.5 },
      'these keys of a gate do not belong together',
    ],
    [
      { metric: 'test.accuracy', over: 'best', baseline: 'b.json', max_drop: 1 },
      'a baseline has no best value',
    ],
    [{ metric: 'performance.step_ratio', over: 'best', max: 1 }, 'has no best value'],
    [{ metric: 'performance.peak_rss_mb', min: -2, max: -1 }, 'never below 0'],
    [{ metric: 'performance.step_ration', max: 1 }, 'is not one of the choices'],
    [{ metric: 'test.mean_absolute_error', max: 1 }, 'is not measured with loss cross_entropy'],
    [{ metric: 'test.loss', max: 1, over: 'mean' }, 'is not one of the choices'],
  ];
  for (const [one, message] of cases) {
    try {
      loadExperiment(work.config({ ...MINIMAL, gates: [one] }));
      t.fail(JSON.stringify(one));
    } catch (error) {
      const { diagnostics, exitCode } = error as UserError;
      t.equal(exitCode, 2);
      t.equal(diagnostics.length, 1, JSON.stringify(diagnostics));
      t.ok(diagnostics[0].message.includes(message), `${diagnostics[0].message} / ${message}`);
      t.ok((diagnostics[0].line ?? 0) > 30, 'at the gate');
    }
  }
});

t.test("a baseline's path is relative to its config and not in the hash", async t => {
  const gates = [{ metric: 'test.loss', baseline: 'pins/b.json', max_regress: 0.1, over: 'seeds' }];
  const file = work.config({ ...MINIMAL, gates });
  const { experiment, hash } = loadExperiment(file);
  t.equal(experiment.gates[0].baseline, join(dirname(file), 'pins/b.json'));
  t.equal(loadExperiment(file, { set: ['gates=[]'] }).hash, hash);
});

const data = work.file('data.npz', randomDataset('gates', { train: 64, test: 32, seed: 1 }));
const small = (gates: readonly object[], epochs = 2) => ({ ...longerConfig(data, epochs), gates });

t.test('a baseline that is missing, damaged or lacks the metric ends a run before it starts', async t => {
  const folder = work.folder();
  const at = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const sound = baselineOf({ 'test.loss': { 0: 1 } });
  const drop = { metric: 'test.accuracy', max_drop: 1 };
  const cases: [string, number, RegExp][] = [
    [
      join(folder, 'none.json'),
      2,
      /config\.yaml:\d+:\d+: baseline .*none\.json does not exist\n[\s\S]*--set gates=\[\]/,
    ],
    [folder, 2, /config\.yaml:\d+:\d+: .*this is a directory/],
    [at('no.json', '{\n  x'), 5, /no\.json:2:3: this is not JSON$/m],
    [at('other.json', '{"version":1}'), 5, /other\.json: this is not a valid baseline file/],
    [at('lacks.json', JSON.stringify(sound)), 2, /config\.yaml:\d+:\d+: .*lacks\.json has no test\.accuracy/],
  ];
  for (const [baseline, code, told] of cases) {
    const config = work.config(small([{ ...drop, baseline }]));
    const output = join(work.folder(), 'out');
    for (const words of [
      ['run', config, '--output', output],
      ['validate', config],
    ]) {
      const finished = await work.cellrun(...words);
      t.equal(finished.code, code, finished.stderr);
      t.match(finished.stderr, told);
      t.notMatch(finished.stderr, / {4}at /);
    }
    t.throws(() => readFileSync(output), { code: 'ENOENT' });
  }
});

t.test('a run judges the last and the best value, and leaves seeds to review', async t => {
  const folder = work.folder();
  const pin = join(folder, 'b.json');
  writeFileSync(
    pin,
    JSON.stringify(baselineOf({ 'test.loss': { 0: 1, 1: 3 }, 'performance.ms_per_step': { 0: 1e9 } })),
  );
  const gates = [
    { metric: 'test.loss', over: 'best', max: 1e6 },
    { metric: 'train.loss', over: 'best', max: 1e6 },
    { metric: 'test.accuracy', over: 'seeds', min: 0.99 },
    { metric: 'test.loss', baseline: pin, max_drop: 0.5 },
    { metric: 'performance.ms_per_step', baseline: pin, max_regress: 0 },
    { metric: 'performance.peak_rss_mb', max: 1e6 },
  ];
  const config = work.config(small(gates, 4));
  const flags = ['--backend', 'cpu', '--json', '--quiet'];
  const whole = await work.cellrun('run', config, ...flags, '--output', work.folder());
  t.equal(whole.code, 0, whole.stderr);
  t.match(
    whole.stderr,
    /Gate test\.accuracy over seeds inconclusive: .* needs at least two; `run --repeat` and `review` check it/,
  );
  const summary = JSON.parse(whole.stdout);
  t.same(validateAgainst('summary', summary), []);
  const events = readLog(summary.directory);
  const evaluations = events.filter(({ event }) => event === 'eval').map(({ loss }) => Number(loss));
  const epochs = events.filter(({ event }) => event === 'train.epoch').map(({ loss }) => Number(loss));
  t.equal(evaluations.length, 4);
  const line = (index: number) =>
    `${config}:${loadExperiment(config).origin(`gates.${index}`).split(':').slice(1).join(':')}`;
  t.match(summary.gates, [
    { over: 'best', value: Math.min(...evaluations), verdict: 'passed', origin: line(0) },
    { over: 'best', value: Math.min(...epochs), verdict: 'passed' },
    { over: 'seeds', value: null, verdict: 'inconclusive', reason: /`run --repeat` and `review` check it/ },
    { value: evaluations[3], reference: 2, limit: 2.5, baseline: pin, verdict: 'passed', origin: line(3) },
    { value: summary.ms_per_step, limit: 1e9, verdict: 'passed' },
    { value: summary.peak_rss_mb, verdict: 'passed' },
  ]);
  // the same for a stopped and resumed run: the best value is over all processes
  const directory = join(work.folder(), 'paused');
  const pause = ['--directory', directory, '--pause-after-epoch', '3'];
  const paused = await work.cellrun('run', config, ...flags, ...pause);
  t.equal(paused.code, 130, paused.stderr);
  const resumed = await work.cellrun('resume', directory, '--json', '--quiet');
  t.equal(resumed.code, 0, resumed.stderr);
  const values = (text: string) =>
    JSON.parse(text)
      .gates.slice(0, 3)
      .map(({ value }: { value: unknown }) => value);
  t.same(values(resumed.stdout), values(whole.stdout));
});
