import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readSchema } from '../../src/config/schema/schema.js';
import { Journal, readJournal } from '../../src/sweep/journal.js';
import { secondsOf } from '../../src/sweep/run.js';
import type { SweepPlan } from '../../src/sweep/schedule/plan.js';
import type { JournalRecord } from '../../src/sweep/schedule/records.js';
import type { UserError } from '../../src/util/errors.js';
import { isClosed } from '../support/schemas.js';
import { complaints } from '../support/sweep-files.js';

t.test('an incomplete line of a killed process does not corrupt the next one', async t => {
  const path = join(t.testdir(), 'journal.jsonl');
  const chosen = (trial: number): JournalRecord => ({ event: 'trial.chosen', trial, point: { a: trial } });
  const first = Journal.open(path, 'first');
  first.append(chosen(0), chosen(1));
  first.close();
  const whole = readFileSync(path);
  const size = whole.length;
  for (let cut = 1; cut <= size; cut++) {
    writeFileSync(path, whole.subarray(0, cut));
    const next = Journal.open(path, 'next');
    next.append(chosen(7));
    next.close();
    const { records } = readJournal(path);
    t.same(records.at(-1), chosen(7), `after a cut at byte ${cut}`);
  }
  writeFileSync(path, whole);
  appendFileSync(path, whole);
  t.same(readJournal(path).records, [chosen(0), chosen(1)], 'a line that is there twice counts once');
});

const TIME = '2026-01-02T03:04:05.678Z';
const SEGMENT = { trial: 3, seed: 0, from: 1, to: 3 };
const number = (low: number, high: number) => ({ low, high });

/** Everything that a plan can have. */
const PLAN: SweepPlan = {
  name: 'small',
  seed: 3,
  seeds: [0, 1],
  space: {
    parameters: [
      ...(
        [
          { kind: 'choice', values: ['adam', { a: [1, null] }] },
          { kind: 'uniform', ...number(0, 0.5) },
          { kind: 'log_uniform', ...number(1e-3, 1) },
          { kind: 'int', ...number(0, 8), step: 2 },
          { kind: 'log_int', ...number(1, 8), step: 1 },
        ] as const
      ).map((distribution, i) => ({ keys: [`p${i}`], name: `p${i}`, distribution })),
      {
        keys: ['a', 'b'],
        name: 'a,b',
        distribution: { kind: 'choice', values: [[1, 2]] },
        condition: { name: 'p0', values: ['adam'] },
      },
    ],
    exclude: [{ p0: 'adam' }],
  },
  method: { kind: 'tpe', n_startup_trials: 3, n_ei_candidates: 24 },
  pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
  objective: { metric: 'test.loss', goal: 'minimize' },
  budget: { trials: 6, seconds: null, target: -0.5 },
  epochs: 4,
  parallel: 2,
  trial_timeout: 60,
  retries: 1,
  on_trial_error: 'continue',
  bases: [{ name: 'base.yaml', file: '../base.yaml', sha256: '0'.repeat(64) }],
};

/** One of each kind, with all that it can have. */
const SAMPLES: { readonly [E in JournalRecord['event']]: Extract<JournalRecord, { event: E }> } = {
  'sweep.start': {
    event: 'sweep.start',
    time: TIME,
    id: '20260102T030405Z',
    plan: PLAN,
    backend: 'auto',
    version: '0.1.0',
  },
  'sweep.resume': {
    event: 'sweep.resume',
    time: TIME,
    process: '7@8 host',
    backend: 'auto',
    version: '0.1.0',
  },
  'sweep.redecided': { event: 'sweep.redecided', time: TIME, retry_failed: false },
  'trial.chosen': { event: 'trial.chosen', trial: 3, point: { p1: 0.1, p0: { a: [1, null] } }, bracket: 0 },
  'trial.advanced': { event: 'trial.advanced', trial: 3, from: 1, to: 3 },
  'trial.measured': {
    event: 'trial.measured',
    trial: 3,
    epochs: 3,
    value: -0.1,
    spread: 0.2,
    status: 'done',
  },
  'trial.paused': { event: 'trial.paused', trial: 3, epochs: 3 },
  'trial.pruned': { event: 'trial.pruned', trial: 3, epochs: 3 },
  'trial.completed': { event: 'trial.completed', trial: 3, epochs: 3 },
  'trial.failed': { event: 'trial.failed', trial: 3 },
  'sweep.decided': {
    event: 'sweep.decided',
    reason: 'target',
    best: { trial: 3, value: -0.5, spread: null },
  },
  'segment.start': {
    event: 'segment.start',
    time: TIME,
    ...SEGMENT,
    attempt: 1,
    directory: '/run',
    launcher: 'slurm',
    process: null,
  },
  'segment.end': {
    event: 'segment.end',
    time: TIME,
    ...SEGMENT,
    status: 'failed',
    value: null,
    attempt: 0,
    exit_code: null,
    message: 'killed by SIGKILL',
    epochs: null,
    train_s: null,
  },
  'budget.time': { event: 'budget.time', time: TIME, seconds: 1.5, advances: 7 },
  'sweep.stop': { event: 'sweep.stop', time: TIME, seconds: 1.5, reason: 'interrupted' },
  'sweep.end': { event: 'sweep.end', time: TIME, seconds: 1.5 },
};

t.test('every record is a line that fits the schema', async t => {
  const path = join(t.testdir(), 'journal.jsonl');
  const journal = Journal.open(path, 'writer');
  journal.append(...Object.values(SAMPLES));
  journal.close();
  t.same(readJournal(path), { records: Object.values(SAMPLES), damage: [] });
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  for (const line of lines.map(text => JSON.parse(text) as Record<string, unknown>)) {
    t.same(complaints('journal', line), []);
    for (const key of Object.keys(line).filter(name => name !== 'bracket')) {
      const { [key]: _, ...rest } = line;
      t.not(complaints('journal', rest).length, 0, `${line.event} without ${key}`);
    }
  }
  const schema = readSchema('journal') as { readonly oneOf: readonly unknown[] };
  t.equal(schema.oneOf.length, lines.length, 'the schema knows the same records as the type');
});

t.test('any plan fits the schema, and the schemas are closed', async t => {
  const started = (plan: object) =>
    complaints('journal', { ...SAMPLES['sweep.start'], plan, v: 1, writer: 'w', n: 1 });
  const asha = { min_epochs: 1, reduction_factor: 3 };
  const plans: readonly Partial<SweepPlan>[] = [
    ...(['grid', 'random', 'sobol'] as const).map(kind => ({ method: { kind } })),
    { pruner: { kind: 'none' } },
    { pruner: { kind: 'median', n_startup_trials: 5, n_warmup_epochs: 0, interval_epochs: 1 } },
    { pruner: { kind: 'hyperband', ...asha } },
    { budget: { trials: null, seconds: 0.5, target: null }, trial_timeout: null, on_trial_error: 'stop' },
  ];
  for (const plan of plans) t.same(started({ ...PLAN, ...plan }), []);
  for (const key of Object.keys(PLAN)) {
    const { [key]: _, ...rest } = PLAN as unknown as Readonly<Record<string, unknown>>;
    t.not(started(rest).length, 0, `a plan without ${key}`);
  }
  t.not(started({ ...PLAN, method: { kind: 'grid', ...asha } }).length, 0);
  for (const name of ['journal', 'sweep-summary'])
    t.ok(isClosed(readSchema(name)), `every object of ${name} is closed`);
});

t.test('damaged lines are skipped with a warning; another version is rejected', async t => {
  const path = join(t.testdir(), 'journal.jsonl');
  const stamp = { v: 1, writer: 'w', n: 2 };
  const failed = SAMPLES['trial.failed'];
  const wrong: readonly unknown[] = [
    { event: 'trial.sold', ...stamp },
    { event: 'constructor', ...stamp },
    { ...failed, v: 1, n: 2 },
    { ...failed, ...stamp, n: -2 },
    { ...failed, ...stamp, v: '1' },
    7,
    null,
    [failed],
  ];
  for (const line of wrong) {
    const good = [1, 3].map(n => JSON.stringify({ ...failed, ...stamp, n }));
    writeFileSync(path, `\n${good[0]}\n\n${JSON.stringify(line)}\n\n${good[1]}\n`);
    t.same(readJournal(path), {
      records: [failed, failed],
      damage: [
        'line 4 of journal.jsonl is damaged and was skipped',
        'journal.jsonl is missing 1 record before line 6',
      ],
    });
  }
  writeFileSync(path, `\n{"torn\n\n${JSON.stringify({ event: 'trial.sold', ...stamp, v: 2 })}\n`);
  const error = t.throws(() => readJournal(path)) as unknown as UserError;
  t.match(error, { exitCode: 5, diagnostics: [{ code: 'sweep/version', file: path, line: 4 }] });
});

t.test('a change of the clock adds nothing to the time of a sweep that could end', t => {
  const at = (event: JournalRecord['event'], time: string, more = {}) =>
    ({ ...SAMPLES[event], time, ...more }) as JournalRecord;
  const records = [
    at('sweep.start', '2026-01-01T00:00:00.000Z'),
    at('segment.start', '2027-01-01T00:00:00.000Z'),
    at('sweep.stop', '2027-01-01T00:00:05.000Z', { seconds: 10 }),
  ];
  t.equal(secondsOf(records), 10);
  const killed = [
    at('sweep.resume', '2027-01-02T00:00:00.000Z'),
    at('segment.start', '2027-01-02T00:00:07.000Z'),
  ];
  t.equal(secondsOf([...records, ...killed]), 17, 'of a killed process, only dates are known');
  t.equal(secondsOf([...records, ...killed, at('sweep.resume', '2027-01-03T00:00:00.000Z')]), 17);
  t.end();
});
