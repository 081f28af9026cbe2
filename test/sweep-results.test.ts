import { appendFileSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import t from 'tap';
import type { Io } from '../src/cli/io.js';
import { buildProgram, runCommandLine } from '../src/cli/program.js';
import { resumeHint } from '../src/cli/result.js';
import { type LauncherOptions, launcherFlags } from '../src/cli/sweep-launcher.js';
import { sweepReplay } from '../src/cli/sweep-replay.js';
import { type CompareOptions, compareTrials, sweepStatus } from '../src/cli/sweep-status.js';
import { createSweepView } from '../src/cli/sweep-view.js';
import { loadExperiment } from '../src/config/index.js';
import { UserError } from '../src/errors.js';
import { processInfo } from '../src/experiment/process-identity.js';
import { RandomStream } from '../src/random.js';
import { Journal } from '../src/sweep/journal.js';
import type { SweepPlan } from '../src/sweep/plan.js';
import type { JournalRecord, SegmentStatus } from '../src/sweep/records.js';
import {
  bestRow,
  betterEarlier,
  epochValues,
  formatTable,
  importanceOf,
  ranked,
  readSweepResults,
  summaryOf,
  type Table,
  trialConfig,
  trialTable,
  troubleOf,
  writeResults,
} from '../src/sweep/results/index.js';
import { Scheduler } from '../src/sweep/schedule/scheduler.js';
import { createSampler } from '../src/sweep/search/index.js';
import { failureSentence } from '../src/sweep/segment-result.js';
import type { Parameter, Point, Value } from '../src/sweep/space.js';
import { SweepDirectory } from '../src/sweep/sweep-directory.js';
import { costModel } from '../src/sweep/trial-runs.js';
import { writeLongSweep } from './bench/long-sweeps.js';
import { complaints, sweepComplaints } from './support/sweep-files.js';

const scratch = t.testdir({});

const BASE = `version: 1
name: base
description: A base.
dataset: { kind: synthetic, problem: copy_memory, delay: 2, train_size: 40, test_size: 10 }
model: { cell: lstm, hidden_size: 8, head: { from: every } }
loss: { kind: cross_entropy }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 9, batch_size: 10 }
`;

const PLAN: SweepPlan = {
  name: 'tried',
  seed: 0,
  seeds: [0],
  space: {
    parameters: [
      {
        keys: ['optimizer.learning_rate'],
        name: 'optimizer.learning_rate',
        distribution: { kind: 'log_uniform', low: 0.001, high: 0.1 },
      },
      {
        keys: ['model.hidden_size'],
        name: 'model.hidden_size',
        distribution: { kind: 'choice', values: [4, 8] },
      },
    ],
    exclude: [],
  },
  method: { kind: 'random' },
  pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 3 },
  objective: { metric: 'test.accuracy', goal: 'maximize' },
  budget: { trials: 4, seconds: null, target: null },
  epochs: 9,
  parallel: 1,
  trial_timeout: null,
  retries: 1,
  on_trial_error: 'continue',
  bases: [{ name: 'base.yaml', file: 'base.yaml' }],
};

let made = 0;
/** All that were made. */
const directories: string[] = [];

function directoryOf(records: readonly JournalRecord[], plan: SweepPlan = PLAN): SweepDirectory {
  made += 1;
  const directory = SweepDirectory.create(plan, {
    outputRoot: join(scratch, String(made)),
    started: new Date(Date.UTC(2026, 0, 2, 3, 4, 5)),
    givenYaml: null,
    bases: [{ name: 'base.yaml', file: 'base.yaml', yaml: BASE }],
  });
  const journal = Journal.open(directory.files.journal, 'writer');
  journal.append(...records);
  journal.close();
  directories.push(directory.path);
  return directory;
}

const TIME = '2026-01-02T03:04:05.000Z';

function begun(plan = PLAN): JournalRecord {
  return { event: 'sweep.start', time: TIME, id: 'x', plan, backend: 'auto', version: '0' };
}

function chosen(trial: number, learning_rate: number, hidden_size: number): JournalRecord {
  return {
    event: 'trial.chosen',
    trial,
    point: { 'optimizer.learning_rate': learning_rate, 'model.hidden_size': hidden_size },
  };
}

/** From its start to what was measured of it, with one seed. */
function segment(
  trial: number,
  [from, to]: readonly [number, number],
  value: number | null,
  {
    seed = 0,
    status = 'done',
    trained = to,
    epochs = trained,
    message = null,
  }: {
    seed?: number;
    status?: SegmentStatus;
    trained?: number | null;
    epochs?: number | null;
    message?: string | null;
  } = {},
): JournalRecord[] {
  const part = { trial, seed, from, to, time: TIME, attempt: 1 };
  return [
    { event: 'segment.start', ...part, directory: '/', launcher: 'local', process: null },
    { event: 'segment.end', ...part, status, value, exit_code: 0, message, epochs, train_s: trained },
  ];
}

function measured(
  trial: number,
  epochs: number,
  value: number | null,
  status: SegmentStatus = 'done',
  spread: number | null = null,
): JournalRecord {
  return { event: 'trial.measured', trial, epochs, value, spread, status };
}

function advanced(trial: number, from: number, to: number): JournalRecord {
  return { event: 'trial.advanced', trial, from, to };
}

/** Trial 0 went all the way, 1 was pruned at 3 though it was better there, 2 diverged, 3 failed. */
const STORY: readonly JournalRecord[] = [
  begun(),
  chosen(0, 0.01, 4),
  advanced(0, 0, 1),
  ...segment(0, [0, 1], 0.5),
  measured(0, 1, 0.5),
  advanced(0, 1, 3),
  ...segment(0, [1, 3], 0.6),
  measured(0, 3, 0.6),
  advanced(0, 3, 9),
  ...segment(0, [3, 9], 0.7),
  measured(0, 9, 0.7),
  { event: 'trial.completed', trial: 0, epochs: 9 },
  chosen(1, 0.05, 8),
  advanced(1, 0, 3),
  ...segment(1, [0, 3], 0.8),
  measured(1, 3, 0.8),
  { event: 'trial.paused', trial: 1, epochs: 3 },
  chosen(2, 0.1, 8),
  advanced(2, 0, 1),
  ...segment(2, [0, 1], null, { status: 'diverged' }),
  measured(2, 1, null, 'diverged'),
  { event: 'trial.pruned', trial: 2, epochs: 1 },
  chosen(3, 0.02, 4),
  advanced(3, 0, 1),
  ...segment(3, [0, 1], null, { status: 'failed', trained: null, message: 'it was ended by SIGKILL' }),
  { event: 'trial.failed', trial: 3 },
  { event: 'trial.pruned', trial: 1, epochs: 3 },
  {
    event: 'sweep.decided',
    reason: 'trials',
    best: { trial: 0, value: 0.7, spread: null },
  },
  { event: 'sweep.end', time: TIME, seconds: 75 },
];

function recorder(parts: { columns?: number; rows?: number; interactive?: boolean } = {}) {
  const text = { out: '', err: '' };
  return {
    text,
    out: (more: string) => {
      text.out += more;
    },
    err: (more: string) => {
      text.err += more;
    },
    color: { out: false, err: false },
    interactive: false,
    ...parts,
  };
}

t.test('what became of each trial', async t => {
  const { records, state } = readSweepResults(directoryOf(STORY).path);
  t.equal(state, 'completed');
  const { rows, ...rest } = records;
  t.same(rest, {
    reason: 'trials',
    winner: 0,
    started: TIME,
    isComplete: true,
    isStopped: false,
    epochsTrained: 9 + 3 + 1,
    seconds: 75,
    running: [],
  });
  t.same(
    rows.map(({ trial, state, epochs, value, seconds, message }) => [
      trial,
      state,
      epochs,
      value,
      seconds,
      message,
    ]),
    [
      [0, 'completed', 9, 0.7, 9, null],
      [1, 'pruned', 3, 0.8, 3, null],
      [2, 'diverged', 1, null, 1, null],
      [3, 'failed', 0, null, 0, 'it was ended by SIGKILL'],
    ],
    "a run's seconds count from its beginning, so that they are not added up over its segments",
  );
  t.same(rows[0].seeds, [{ seed: 0, epochs: 9, value: 0.7 }]);
});

t.test('a trial that diverged has the epochs that it saw, not those that it was to see', async t => {
  const parts = segment(0, [0, 6], null, { status: 'diverged', epochs: 1 });
  const story = [begun(), chosen(0, 0.1, 4), advanced(0, 0, 6), ...parts, measured(0, 6, null, 'diverged')];
  const { epochsTrained, rows } = readSweepResults(directoryOf(story).path).records;
  t.match({ epochsTrained, rows }, { epochsTrained: 1, rows: [{ state: 'diverged', epochs: 1 }] });
});

t.test('a journal at every length tells a state of the sweep', async t => {
  const states = ['stopped', 'paused', 'pruned', 'completed', 'diverged', 'failed'];
  for (let length = 0; length <= STORY.length; length++) {
    const { records } = readSweepResults(directoryOf(STORY.slice(0, length)).path);
    t.ok(
      records.rows.every(row => states.includes(row.state)),
      `${length} records`,
    );
  }
  const underWay = readSweepResults(directoryOf(STORY.slice(0, 8)).path).records;
  t.same(underWay.running, [{ trial: 0, seed: 0, to: 3 }]);
  t.match(underWay.rows[0], { state: 'stopped', epochs: 1, value: 0.5 }, 'since nobody works on it');
});

t.test('seeds: mean and spread come from the decisions, the values of each from its runs', async t => {
  const plan: SweepPlan = { ...PLAN, seeds: [3, 5], pruner: { kind: 'none' } };
  const directory = directoryOf(
    [
      begun(plan),
      // a run that ends before its trial is decided, as static sweeps have it
      ...segment(0, [0, 9], 0.4, { seed: 5, trained: 10 }),
      chosen(0, 0.01, 4),
      advanced(0, 0, 9),
      ...segment(0, [0, 9], 0.6, { seed: 3, trained: 20 }),
      // the end of a segment, told again by a process that went on
      ...segment(0, [0, 9], 0.6, { seed: 3, trained: 20 }),
      measured(0, 9, 0.5, 'done', 0.1414),
      { event: 'trial.completed', trial: 0, epochs: 9 },
    ],
    plan,
  );
  const { records } = readSweepResults(directory.path);
  t.match(records.rows, [
    {
      value: 0.5,
      spread: 0.1414,
      seconds: 30,
      seeds: [
        { seed: 3, value: 0.6 },
        { seed: 5, value: 0.4 },
      ],
    },
  ]);
  t.equal(records.epochsTrained, 18);
  writeResults(directory);
  t.same(parse(readFileSync(directory.files.table), { columns: true }), [
    {
      trial: '0',
      state: 'completed',
      epochs: '9',
      'test.accuracy': '0.5',
      spread: '0.1414',
      seconds: '30',
      'optimizer.learning_rate': '0.01',
      'model.hidden_size': '4',
      'test.accuracy_seed_3': '0.6',
      'test.accuracy_seed_5': '0.4',
    },
  ]);
});

t.test('who leads', async t => {
  const { records } = readSweepResults(directoryOf(STORY).path);
  t.same(
    ranked(PLAN, records.rows).map(({ trial }) => trial),
    [0, 1, 2, 3],
    'more epochs before fewer, whatever their value; without a value last',
  );
  const undecided = { rows: records.rows, winner: undefined };
  t.equal(bestRow(PLAN, undecided)?.trial, 0);
  const lower = { objective: { metric: 'test.loss', goal: 'minimize' } } as const;
  const equal = records.rows.map(row => ({ ...row, epochs: 9, value: [2, 1, 1, null][row.trial] }));
  t.equal(bestRow(lower, { rows: equal, winner: undefined })?.trial, 1, 'of equal ones the oldest');
  t.equal(bestRow(PLAN, { rows: equal, winner: undefined })?.trial, 0);
  t.equal(bestRow(PLAN, { rows: records.rows, winner: 1 })?.trial, 1, 'what was decided counts');
  t.equal(bestRow(PLAN, { rows: [], winner: undefined }), undefined);
});

const TABLE: Table = {
  columns: [
    { name: 'trial' },
    { name: 'a.long_name', title: 'name' },
    { name: 'share', show: value => value.toFixed(2) },
  ],
  rows: [
    [0, 'a, "b" | c', 0.123456],
    [12, 'd\ne', null],
  ],
};

t.test('tables in each format', async t => {
  t.equal(
    formatTable({ ...TABLE, rows: [TABLE.rows[0], [12, 'd', null]] }, 'text'),
    'trial  name        share\n    0  a, "b" | c   0.12\n   12  d               -\n',
  );
  t.equal(
    formatTable({ ...TABLE, rows: [TABLE.rows[0]] }, 'markdown'),
    '| trial | name | share |\n| ---: | --- | ---: |\n| 0 | a, "b" \\| c | 0.12 |\n',
  );
  const foreign = formatTable(
    { columns: [{ name: 'a' }], rows: [['<img src=x> `q`\nx_y _z_ @me \u202e']] },
    'markdown',
  );
  t.equal(foreign.split('\n')[2], '| &lt;img src=x&gt; \\`q\\` x_y \\_z\\_ &#64;me \ufffd |');
  const cells = ['=1+1', '+1', '-1+1', '@a', '\tb', '-0.5', '-inf', 'a=b', -1];
  t.equal(
    formatTable({ columns: [{ name: 'a' }], rows: cells.map(cell => [cell]) }, 'csv'),
    `a\n'=1+1\n'+1\n'-1+1\n'@a\n'\tb\n-0.5\n-inf\na=b\n-1\n`,
  );
  t.same(parse(formatTable(TABLE, 'csv')), [
    ['trial', 'a.long_name', 'share'],
    ['0', 'a, "b" | c', '0.123456'],
    ['12', 'd\ne', ''],
  ]);
  t.same(JSON.parse(formatTable(TABLE, 'json')), [
    { trial: 0, 'a.long_name': 'a, "b" | c', share: 0.123456 },
    { trial: 12, 'a.long_name': 'd\ne', share: null },
  ]);
  const narrow = formatTable({ ...TABLE, rows: [[1, 'x'.repeat(200), 1]] }, 'text', 40);
  t.ok(narrow.split('\n').every(line => line.length <= 40) && narrow.includes('xxx…'), narrow);
});

t.test('of the parameters only those that differ', async t => {
  const { records } = readSweepResults(directoryOf(STORY).path);
  const names = (rows: typeof records.rows) =>
    trialTable(PLAN, rows, { changed: true }).columns.map(c => c.name);
  t.same(names(records.rows).slice(-2), ['optimizer.learning_rate', 'model.hidden_size']);
  t.same(names(records.rows.slice(1, 3)).at(-1), 'optimizer.learning_rate', 'hidden_size is 8 in both');
  t.same(names(records.rows.slice(0, 1)).at(-1), 'seconds');
  const absent = records.rows.map(row => ({ ...row, point: row.trial === 0 ? {} : row.point }));
  t.equal(
    trialTable(PLAN, absent, { changed: true }).rows[0].at(-1),
    null,
    'a parameter that does not exist',
  );
});

t.test('compare: bounds, order, number and formats', async t => {
  const { path } = directoryOf(STORY);
  const compared = (options: Partial<CompareOptions>): string[] => {
    const io = recorder();
    const all = {
      sort: undefined,
      min: undefined,
      max: undefined,
      top: undefined,
      format: 'csv',
      all: false,
      ...options,
    } as const;
    t.equal(compareTrials(path, all, io), 0);
    return io.text.out
      .trimEnd()
      .split('\n')
      .slice(1)
      .map(line => line.split(',')[0]);
  };
  const headOf = (options: Partial<CompareOptions>): string | undefined => {
    const io = recorder();
    const none = { sort: undefined, min: undefined, max: undefined, top: undefined, all: false } as const;
    compareTrials(path, { ...none, format: 'csv', ...options }, io);
    return io.text.out.split('\n').at(0);
  };
  t.equal(headOf({ min: 0.75 }), headOf({}), 'the columns are those of the whole sweep');
  t.same(compared({}), ['0', '1', '2', '3']);
  t.same(compared({ min: 0.75 }), ['1']);
  t.same(compared({ max: 0.75 }), ['0']);
  t.same(compared({ min: 0.9 }), []);
  t.same(compared({ min: 0.7, max: 0.7 }), ['0']);
  t.throws(() => compared({ min: 5, max: 1 }), {
    exitCode: 2,
    message: /no value is at least 5 and at most 1/,
  });
  t.same(compared({ sort: '-optimizer.learning_rate' }), ['2', '1', '3', '0']);
  t.same(compared({ sort: 'learning_rate', top: 2 }), ['0', '3'], 'the last word will do');
  t.same(compared({ sort: 'test.accuracy' }), ['0', '1', '2', '3'], 'what has no value comes last');
  t.same(compared({ sort: '-test.accuracy' }), ['1', '0', '2', '3'], 'whichever way');
  t.same(compared({ sort: 'state' }), ['0', '2', '3', '1'], 'words by letters');
  const error = t.throws(() => compared({ sort: 'learning_rat' })) as unknown as UserError;
  t.equal(error.exitCode, 2);
  t.match(error.diagnostics[0], { code: 'cli/sort', suggestion: 'learning_rate' });
  for (const wrong of [scratch, join(scratch, 'absent')])
    t.throws(
      () =>
        compareTrials(
          wrong,
          { sort: undefined, min: undefined, max: undefined, top: undefined, format: 'text', all: false },
          recorder(),
        ),
      UserError,
    );
});

t.test('status says how far a sweep is', async t => {
  const said = (directory: SweepDirectory): string => {
    const io = recorder();
    t.equal(sweepStatus(directory.path, { json: false }, io), 0);
    return io.text.out;
  };
  const done = said(directoryOf(STORY));
  t.match(
    done,
    /completed \(as many trials as it may have\)\n4 of 4 trials: 1 completed, 1 pruned, 1 diverged, 1 failed; 13 epochs in 1:15\n/,
  );
  t.match(done, /best test\.accuracy 0\.7: trial 0 after 9 of 9 epochs/);
  t.match(done, /trial 3 failed: it was ended by SIGKILL/);
  t.ok(done.split('\n').every(line => line.length <= 120));

  const killed = directoryOf(STORY.slice(0, 8));
  t.match(said(killed), /: killed\n[\s\S]*go on with: cellrun sweep resume \/.*20260102T030405Z\n/);
  const lock = { pid: process.pid, host: hostname(), started: processInfo(process.pid)?.started ?? null };
  writeFileSync(killed.files.lock, JSON.stringify(lock));
  t.match(said(killed), /: running\n[\s\S]*running: trial 0 to epoch 3\n/);
  const waiting = directoryOf([...STORY.slice(0, 8), chosen(1, 0.05, 8)]);
  writeFileSync(waiting.files.lock, JSON.stringify(lock));
  t.match(said(waiting), /\n2 of 4 trials: 1 running, 1 waiting; [\s\S]*\nrunning: trial 0 to epoch 3\n/);
  t.equal(readSweepResults(killed.path).records.rows[0].state, 'running');
  writeFileSync(killed.files.lock, JSON.stringify({ ...lock, started: '1' }));
  t.match(said(killed), /: killed\n/, 'another process of that number is not the one');
  const stopped = directoryOf([
    ...STORY.slice(0, 8),
    { event: 'sweep.stop', time: TIME, seconds: 3, reason: 'interrupted' },
  ]);
  t.match(said(stopped), /: interrupted\n[\s\S]*go on with/);
  t.match(said(directoryOf([])), /: not begun\n0 of 4 trials; 0 epochs\n/);

  const io = recorder();
  sweepStatus(directoryOf(STORY).path, { json: true }, io);
  t.match(JSON.parse(io.text.out), {
    version: 1,
    name: 'tried',
    status: 'completed',
    states: { completed: 1, pruned: 1, diverged: 1, failed: 1, running: 0, paused: 0 },
    best: { trial: 0, value: 0.7, point: { 'model.hidden_size': 4 } },
    epochs_trained: 13,
  });
});

t.test('a torn line at the end is no record, and no error', async t => {
  const directory = directoryOf(STORY);
  appendFileSync(directory.files.journal, '\n{"event":"trial.chosen","trial":4,"po');
  t.equal(readSweepResults(directory.path).records.rows.length, 4);
});

t.test('what stays of a sweep: table, summary and the best config', async t => {
  const directory = directoryOf(STORY);
  writeResults(directory);
  const best = readFileSync(directory.files.best, 'utf8');
  t.match(
    best,
    /^# Trial 0 of the sweep tried \(.*\), its best: test\.accuracy 0\.7 after\n# 9 of 9 epochs\.\n/,
  );
  const loaded = loadExperiment(directory.files.best);
  t.equal(
    loaded.resolvedYaml,
    loadExperiment(directory.baseFile({ name: 'base.yaml' }), {
      set: ['optimizer.learning_rate=0.01', 'model.hidden_size=4', 'seed=0'],
    }).resolvedYaml,
    'it is the config of the trial',
  );
  t.equal(parse(readFileSync(directory.files.table), { columns: true }).length, 4);
  const summary = readFileSync(directory.files.summary, 'utf8');
  t.match(JSON.parse(summary), { best: { trial: 0, runs: [join(directory.path, 'trials', 't0000-s0')] } });
  writeResults(directory);
  t.equal(readFileSync(directory.files.best, 'utf8'), best, 'the same journal, the same files');
  t.equal(readFileSync(directory.files.summary, 'utf8'), summary);

  const nothing = directoryOf([begun()]);
  writeResults(nothing);
  t.throws(() => readFileSync(nothing.files.best), { code: 'ENOENT' }, 'without a value there is no best');
});

t.test('the config of a trial has its seed', async t => {
  const directory = directoryOf(STORY);
  const point: Point = { 'optimizer.learning_rate': 0.02, 'model.hidden_size': 8 };
  t.equal(trialConfig(PLAN, directory, { point }, 7).experiment.seed, 7);
});

t.test('importance compares only what saw as many epochs', async t => {
  const random = RandomStream.of(1, 'test');
  const rows = Array.from({ length: 40 }, (_, trial) => {
    const hidden = trial % 2 === 0 ? 4 : 8;
    const rate = 0.001 * 100 ** random.uniform();
    return {
      trial,
      point: { 'optimizer.learning_rate': rate, 'model.hidden_size': hidden },
      state: 'completed' as const,
      epochs: trial < 30 ? 9 : 1,
      // after one epoch another parameter decides
      value: trial < 30 ? hidden : Math.log(rate),
      spread: null,
      seeds: [],
      seconds: 0,
      message: null,
    };
  });
  const [first] = importanceOf(PLAN, rows) ?? [];
  t.equal(first.name, 'model.hidden_size');
  t.ok(first.importance > 0.9, String(first.importance));
  t.equal(importanceOf(PLAN, rows.slice(0, 2)), null, 'too few tell nothing');
});

t.test('values of each epoch from the log of a run', async t => {
  const directory = directoryOf(STORY);
  const place = directory.runPath({ trial: 0, seed: 0 });
  t.same(epochValues(PLAN, place), [], 'there is no run');
  const { mkdirSync } = await import('node:fs');
  mkdirSync(place);
  const lines = [
    { seq: 0, event: 'train.epoch', epoch: 1, step: 4, loss: 2 },
    { seq: 1, event: 'eval', split: 'test', epoch: 1, step: 4, loss: 1.5, accuracy: 0.25 },
    {
      seq: 2,
      event: 'eval',
      split: 'test',
      epoch: 2,
      step: 8,
      loss: null,
      loss_nonfinite: 'nan',
      accuracy: null,
    },
  ];
  writeFileSync(join(place, 'log.jsonl'), lines.map(line => `${JSON.stringify(line)}\n`).join(''));
  t.same(epochValues(PLAN, place), [
    { epoch: 1, value: 0.25 },
    { epoch: 2, value: null },
  ]);
  const train = { objective: { metric: 'train.loss', goal: 'minimize' } } as const;
  t.same(epochValues(train, place), [{ epoch: 1, value: 2 }]);
});

t.test('what an epoch costs: the weights of the recurrent layers, however they are set', async t => {
  const choice = (name: string, ...values: Value[]) =>
    ({ keys: name.split(','), name, distribution: { kind: 'choice', values } }) as const;
  const cost = (parameters: readonly Parameter[], point: Point): number => {
    const plan = { ...PLAN, space: { parameters, exclude: [] } };
    return costModel(plan, directoryOf([begun(plan)], plan))(point);
  };
  // one matrix of H x H for each layer's own state, one for the state of the layer below; the base has one layer of 8
  t.equal(cost([], {}), 8 * 8);
  t.equal(cost([choice('model.num_layers', 3)], { 'model.num_layers': 3 }), 5 * 8 * 8);
  const pair = 'model.hidden_size,optimizer.learning_rate';
  t.equal(cost([choice(pair, [16, 0.1])], { [pair]: [16, 0.1] }), 16 * 16, 'together with another key');
  const whole = { hidden_size: 4, num_layers: 2 };
  t.equal(cost([choice('model', whole)], { model: whole }), 3 * 4 * 4, 'as a whole');
  t.equal(cost([choice('training.batch_size', 5)], { 'training.batch_size': 5 }), 8 * 8, 'in any batches');
  t.equal(cost([choice('model.bidirectional', true)], { 'model.bidirectional': true }), 2 * 8 * 8);
  const layers: Value = [
    { cell: 'gru', hidden_size: 4, bidirectional: true },
    { cell: 'lstm', hidden_size: 3 },
  ];
  // each direction below is read by all above
  t.equal(cost([choice('model.layers', layers)], { 'model.layers': layers }), 2 * 4 * 4 + 3 * (3 + 2 * 4));
  const keys = ['model.layers', 'model.layers.1.hidden_size'];
  const together = { 'model.layers': layers, 'model.layers.1.hidden_size': 5 };
  t.equal(cost([choice(keys[0], layers), choice(keys[1], 5)], together), 2 * 4 * 4 + 5 * (5 + 2 * 4));
});

/** A journal as a real sweep writes it: the decisions of a scheduler, the values of a formula. */
function simulated(plan: SweepPlan): SweepDirectory {
  const directory = directoryOf([begun(plan)], plan);
  const scheduler = new Scheduler(
    plan,
    createSampler(plan.space, plan.method, plan.seed),
    costModel(plan, directory),
  );
  const journal = Journal.open(directory.files.journal, 'simulated');
  while (!scheduler.finished) {
    journal.append(...scheduler.advance());
    for (const { trial, seed, from, to } of scheduler.ready()) {
      const rate = Number(scheduler.pointOf(trial)['optimizer.learning_rate']);
      const value = 1 - Math.abs(Math.log10(rate) + 2) / 4 - 0.1 / to;
      const [, end] = segment(trial, [from, to], value, { seed });
      journal.append(end);
      scheduler.report({ trial, seed, from, to, status: 'done', value });
    }
  }
  journal.append(...scheduler.advance());
  journal.close();
  return directory;
}

t.test('replay decides the same, and tells where a journal was changed', async t => {
  const directory = simulated({ ...PLAN, budget: { trials: 12, seconds: null, target: null } });
  const io = recorder();
  t.equal(sweepReplay(directory.path, { whatIf: undefined, json: false }, io), 0);
  t.match(io.text.out, /^\d+ decisions, the same byte for byte\.\n$/);
  const journal = readFileSync(directory.files.journal, 'utf8');
  writeFileSync(
    directory.files.journal,
    journal.replace('"trial.paused","trial":', '"trial.paused","trial":1'),
  );
  const changed = recorder();
  t.equal(sweepReplay(directory.path, { whatIf: undefined, json: true }, changed), 1);
  t.match(JSON.parse(changed.text.out), { same: false, recorded: /trial\.paused/ });
});

t.test('another pruner: what it would have saved, and what nobody knows', async t => {
  const whole = simulated({
    ...PLAN,
    pruner: { kind: 'none' },
    budget: { trials: 9, seconds: null, target: null },
  });
  for (let trial = 0; trial < 9; trial++) {
    const place = whole.runPath({ trial, seed: 0 });
    const { mkdirSync } = await import('node:fs');
    mkdirSync(place);
    const lines = [1, 3].map((epoch, seq) => ({
      seq,
      event: 'eval',
      split: 'test',
      epoch,
      accuracy: trial / 10,
    }));
    writeFileSync(join(place, 'log.jsonl'), lines.map(line => `${JSON.stringify(line)}\n`).join(''));
  }
  const io = recorder();
  t.equal(sweepReplay(whole.path, { whatIf: '{ kind: asha, reduction_factor: 3 }', json: true }, io), 0);
  const answer = JSON.parse(io.text.out);
  t.match(answer, { exact: true, unknown: [], epochs: { recorded: 81 } });
  t.ok(answer.epochs.whatIf < 81, 'the epochs of trials that are given up are saved');
  const pruned = recorder();
  const asha = simulated({ ...PLAN, budget: { trials: 9, seconds: null, target: null } });
  sweepReplay(asha.path, { whatIf: 'none', json: false }, pruned);
  t.match(pruned.text.out, /unknown +\d+ trials would have been trained further than the journal tells/);
  t.match(pruned.text.out, /^epochs +\d+ +≥ 81$/m, 'nine trials of nine epochs, and no fewer than with ASHA');
  const told = recorder();
  sweepReplay(asha.path, { whatIf: 'none', json: true }, told);
  t.match(JSON.parse(told.text.out), { epochs: { whatIf: null, saved: null }, epochs_at_least: 81 });
  const other = recorder();
  sweepReplay(asha.path, { whatIf: 'median', json: true }, other);
  const { exact, epochs_at_least, epochs_known } = JSON.parse(other.text.out);
  t.same([exact, epochs_at_least, typeof epochs_known], [false, null, 'number'], 'no bound either way');
  const shown = recorder();
  sweepReplay(asha.path, { whatIf: 'median', json: false }, shown);
  t.match(shown.text.out, new RegExp(`^epochs +\\d+ +~ ${epochs_known}$`, 'm'));
});

// how long it takes is in `npm run bench -- --whole --only ^whole/status`
t.test('status of 10,000 trials', async t => {
  const io = recorder();
  sweepStatus(writeLongSweep(join(scratch, 'long')), { json: false }, io);
  t.match(io.text.out, /10000 of 10000 trials: 10000 paused/);
});

t.test(
  'the view of a sweep: lines where there is no terminal, a table that is redrawn where there is one',
  async t => {
    const lines = recorder();
    const plain = createSweepView(lines, PLAN, false, () => 0);
    plain.recall(STORY.slice(0, 3));
    plain.decided({ event: 'trial.measured', trial: 0, epochs: 1, value: 0.5, spread: null, status: 'done' });
    plain.decided({ event: 'trial.paused', trial: 0, epochs: 1 });
    plain.warning('something');
    plain.end();
    t.equal(lines.text.err, 'trial 0: test.accuracy 0.5 after 1/9 epochs\nwarning: something\n');

    const quiet = recorder();
    const silent = createSweepView(quiet, PLAN, true, () => 0);
    silent.decided({ event: 'trial.failed', trial: 0 });
    silent.warning('something');
    t.equal(quiet.text.err, 'warning: something\n', 'errors are shown also where it is quiet');

    const terminal = recorder({ interactive: true, columns: 70 });
    let now = 0;
    const ticks: (() => void)[] = [];
    const clock = () => (now += 1000);
    const view = createSweepView(terminal, PLAN, false, clock, action => {
      ticks.push(action);
      return () => ticks.pop();
    });
    view.recall(STORY.slice(0, -2));
    view.decided({ event: 'trial.failed', trial: 3 });
    const drawn = terminal.text.err;
    t.match(
      drawn,
      /^tried {2}trial 4\/4 {2}13 epochs {2}0:0\d {2}best test\.accuracy 0\.7 \(trial 0\)\ntrial /,
    );
    t.ok(
      drawn.split('\n').every(line => line.length < 70),
      drawn,
    );
    view.warning('something');
    const height = drawn.split('\n').length - 1;
    t.equal(
      terminal.text.err,
      `${drawn}\u001b[${height}A\r\u001b[Jwarning: something\n`,
      'told above, at once',
    );
    const before = terminal.text.err.length;
    for (const tick of ticks) tick();
    t.match(terminal.text.err.slice(before), /^tried {2}trial 4\/4 {2}13 epochs {2}0:\d\d /, 'time passes');
    view.end();
    t.same(ticks, []);

    const narrow = recorder({ interactive: true, columns: 40, rows: 5 });
    const small = createSweepView(narrow, PLAN, false, clock, () => () => {});
    small.recall(STORY.slice(0, -2));
    small.decided({ event: 'trial.failed', trial: 3 });
    const [first, second, third, ...rest] = narrow.text.err.split('\n');
    t.match(
      [first, second, third],
      [/^tried {2}trial 4\/4 {2}13 epochs {2}0:0\d$/, /^best .* \(trial 0\)$/, /^trial /],
    );
    t.equal(rest.length, 2, 'one trial, and the line of the cursor');
  },
);

t.test('a dry run lists the points with their parameters and trains nothing', async t => {
  const base = join(scratch, 'base.yaml');
  writeFileSync(base, BASE);
  const io = recorder();
  const words = ['sweep', base, 'model.hidden_size=4,8', 'optimizer.learning_rate=0.01,0.02'];
  const flags = [
    '--objective',
    'test.loss:min',
    '--dry-run',
    '--json',
    '--threads',
    '1',
    '--seeds',
    '0,1',
    '--output',
    join(scratch, 'dry'),
  ];
  t.equal(await runCommandLine([...words, ...flags], io, '0'), 0);
  const answer = JSON.parse(io.text.out);
  // one layer over 10 symbols, two biases, a head of 9 classes: the symbols and the blank
  const parameters = (h: number) => 4 * h * (10 + h) + 8 * h + h * 9 + 9;
  t.same(
    answer.points.map((one: { point: Point; parameters: number }) => [
      ...Object.values(one.point),
      one.parameters,
    ]),
    [
      [4, 0.01, parameters(4)],
      [4, 0.02, parameters(4)],
      [8, 0.01, parameters(8)],
      [8, 0.02, parameters(8)],
    ],
  );
  t.match(answer, { trials: 4, seeds: [0, 1], probes: 2, models: 2 });
  // less than this no process takes that loads an engine
  t.ok(answer.start_seconds > 0.1 && answer.start_seconds < 60, `${answer.start_seconds} s to start`);
  const [a, , c] = answer.points;
  t.ok(a.seconds > 0.1 && c.seconds > 0.1, 'the start is in it');
  const each = answer.points.map((one: { seconds: number }) => one.seconds);
  const sum = each.reduce((x: number, y: number) => x + y, 0);
  t.ok(Math.abs(answer.seconds - 2 * sum) < 1e-9 * sum, 'of all trials and seeds, one at a time');
  t.throws(() => readFileSync(join(scratch, 'dry')), { code: 'ENOENT' }, 'nothing is written');

  const listed = recorder();
  const search = [
    'sweep',
    base,
    'optimizer.learning_rate=log_uniform(0.001,0.1)',
    '--method',
    'tpe',
    '--trials',
    '30',
  ];
  t.equal(
    await runCommandLine(
      [...search, '--objective', 'test.loss:min', '--dry-run', '--threads', '1'],
      listed,
      '0',
    ),
    0,
  );
  t.match(
    listed.text.out,
    /^Only the first 10 of 30 trials are listed: what tpe tries after them depends on results\.$/m,
  );
  t.match(
    listed.text.out,
    /^The times include the start of each trial's process, about \d+\.\d s as tried here\.$/m,
  );
  t.match(listed.text.out, /for 30 trials of 9 epochs, 1 at a time\./);

  const few = recorder();
  const random = ['sweep', base, 'model.hidden_size=4,8', '--method', 'random', '--trials', '1000'];
  const pruned = ['--pruner', '{ kind: asha, min_epochs: 1, reduction_factor: 3 }', '--seeds', '0,1'];
  const objective = ['--objective', 'test.loss:min', '--dry-run', '--threads', '1'];
  t.equal(await runCommandLine([...random, ...pruned, ...objective], few, '0'), 0);
  t.notMatch(few.text.out, /are listed/, 'there are no more points than two');
  t.match(few.text.out, /for 2 trials of 9 epochs with 2 seeds, 1 at a time, at most: the pruner asha/);
  t.match(few.text.out, /; a trial has up to 3 with each seed, one at each rung\.$/m);
  rmSync(base);
});

t.test("a flag behind a verb of sweep is the verb's", async t => {
  const { path } = directoryOf([
    begun(),
    chosen(0, 0.01, 4),
    ...segment(0, [0, 1], 0.5),
    measured(0, 1, 0.5),
  ]);
  for (const verb of ['status', 'replay']) {
    const io = recorder();
    await runCommandLine(['sweep', verb, path, '--json'], io, '0');
    t.doesNotThrow(() => JSON.parse(io.text.out), `sweep ${verb} --json`);
  }
  // sweep itself has it too, with another meaning
  const queueless = runCommandLine(['sweep', 'resume', path, '--launcher', 'bullmq'], recorder(), '0');
  await t.rejects(queueless, /bullmq needs a queue/);
  await t.rejects(
    runCommandLine(['sweep', 'status', path, '--set', 'a=1'], recorder(), '0'),
    /unknown option/,
  );
});

t.test('flags of a sweep that do not go together', async t => {
  const base = join(scratch, 'flags.yaml');
  writeFileSync(base, BASE);
  const attempt = async (...words: string[]) => {
    try {
      await runCommandLine(['sweep', ...words], recorder(), '0');
      return 'nothing';
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return error.diagnostics.map(({ code }) => code).join();
    }
  };
  const sweep = join(scratch, 'flags-sweep.yaml');
  writeFileSync(
    sweep,
    `version: 1\nname: x\nbase: flags.yaml\nmethod: grid\nparameters: { model.hidden_size: [2] }\nobjective: { metric: test.loss, goal: minimize }\n`,
  );
  t.equal(await attempt('a=1'), 'cli/sweep', 'no config');
  t.equal(await attempt(sweep, 'model.hidden_size=4'), 'cli/sweep', 'a sweep file has its own');
  t.equal(await attempt(join(scratch, 'absent.yaml')), 'config/missing-file');
  const varied = [
    base,
    'model.hidden_size=4,8',
    '--objective',
    'test.loss:min',
    '--output',
    join(scratch, 'never'),
  ];
  t.equal(await attempt(...varied, '--launcher', 'bullmq'), 'cli/launcher');
  t.equal(await attempt(...varied, '--sbatch=--partition=x'), 'cli/launcher');
  t.equal(await attempt(...varied, '--queue', 'redis://host'), 'cli/launcher');
  t.equal(await attempt(...varied, '--launcher', 'bullmq', '--queue', 'host'), 'queue/address');
  for (const flags of [['--launcher', 'bullmq'], ['--queue', 'redis://host'], ['--sbatch=-x']])
    t.equal(await attempt(...varied, '--dry-run', ...flags), 'cli/launcher', `a dry run with ${flags}`);
  t.equal(
    await attempt(...varied, 'model.hidden=3', '--queue', 'redis://host'),
    'config/unknown-key,cli/launcher',
    'together with what else is wrong',
  );
  process.env.CELLRUN_QUEUE = 'redis://host';
  t.teardown(() => delete process.env.CELLRUN_QUEUE);
  t.equal(await attempt(base, 'model.hidden=3,4'), 'sweep/objective,config/unknown-key', 'one for workers');
  t.equal(await attempt('status', join(scratch, 'absent')), 'sweep/not-a-sweep');
  t.equal(await attempt('resume', scratch), 'sweep/not-a-sweep');
  t.throws(
    () => readFileSync(join(scratch, 'never')),
    { code: 'ENOENT' },
    'nothing is made before that is known',
  );
});

t.test(
  'the best is sought among the trials with the most epochs, and what that passes over is told',
  async t => {
    const io = recorder();
    sweepStatus(directoryOf(STORY).path, { json: false }, io);
    t.match(
      io.text.out,
      /^trial 1 \(pruned\) had test\.accuracy 0\.8 after 3 epochs; the best is sought among those with the most, 9$/m,
    );
    const { records } = readSweepResults(directoryOf(STORY).path);
    t.equal(betterEarlier(PLAN, records.rows, bestRow(PLAN, records))?.trial, 1);
    const json = recorder();
    sweepStatus(directoryOf(STORY).path, { json: true }, json);
    t.match(JSON.parse(json.text.out).better_earlier, { trial: 1, state: 'pruned', epochs: 3, value: 0.8 });
    const minimised = { objective: { metric: 'test.loss', goal: 'minimize' } } as const;
    t.equal(betterEarlier(minimised, records.rows, bestRow(minimised, records)), undefined);
    t.equal(betterEarlier(PLAN, records.rows, undefined), undefined);
  },
);

t.test('a sweep that has come to nothing is no success', async t => {
  const decided = (reason: 'trials' | 'trial_error', best: number | null): JournalRecord => ({
    event: 'sweep.decided',
    reason,
    best: best === null ? null : { trial: best, value: 0.7, spread: null },
  });
  const end: JournalRecord = { event: 'sweep.end', time: TIME, seconds: 1 };
  const failing = (trial: number): JournalRecord[] => [
    chosen(trial, 0.01, 4),
    advanced(trial, 0, 1),
    ...segment(trial, [0, 1], null, { status: 'failed', message: 'it was ended by SIGKILL' }),
    { event: 'trial.failed', trial },
  ];
  const diverging = (trial: number): JournalRecord[] => [
    chosen(trial, 0.1, 8),
    advanced(trial, 0, 1),
    ...segment(trial, [0, 1], null, { status: 'diverged' }),
    measured(trial, 1, null, 'diverged'),
    { event: 'trial.pruned', trial, epochs: 1 },
  ];
  const trouble = (...records: JournalRecord[]) => {
    const results = readSweepResults(directoryOf([begun(), ...records, end]).path);
    return { state: results.state, ...troubleOf(results.records) };
  };
  t.same(trouble(...STORY.slice(1, 11), ...failing(1), decided('trial_error', 0)), {
    state: 'failed',
    exitCode: 1,
    message: 'stopped: trial 1 failed: it was ended by SIGKILL',
  });
  t.match(trouble(...failing(0), ...diverging(1), decided('trials', null)), {
    state: 'failed',
    exitCode: 1,
    message: 'none of 2 trials has a value of the objective: 1 failed, 1 diverged',
  });
  t.match(trouble(...diverging(0), decided('trials', null)), { state: 'failed', exitCode: 4 });
  t.same(trouble(...STORY.slice(1, -1)), { state: 'completed' }, 'one value is enough');
  t.equal(troubleOf(readSweepResults(directoryOf(STORY.slice(0, 9)).path).records), undefined);

  const io = recorder();
  const nothing = directoryOf([begun(), ...failing(0), decided('trial_error', null), end]);
  t.equal(sweepStatus(nothing.path, { json: false }, io), 0);
  t.match(io.text.out, /: failed \(stopped: trial 0 failed: it was ended by SIGKILL\)\n/);
  t.match(io.text.out, /\n1 of 1 trial failed:\ntrial 0 failed: it was ended by SIGKILL\n/);
  t.notMatch(io.text.out, /diverged/);

  const diverged = recorder();
  const six = [1, 2, 3, 4, 5, 6].flatMap(diverging);
  sweepStatus(directoryOf([begun(), ...STORY.slice(1, 11), ...six]).path, { json: false }, diverged);
  t.match(diverged.text.out, /^6 of 7 trials diverged: trial 1, trial 2, trial 3, trial 4, trial 5, …$/m);
});

t.test('a replay needs a journal', async t => {
  const { path, files } = directoryOf(STORY);
  rmSync(files.journal);
  for (const flags of [[], ['--what-if', 'asha'], ['--json']])
    await t.rejects(runCommandLine(['sweep', 'replay', path, ...flags], recorder(), '0'), {
      exitCode: 5,
      message: /^\S+\/journal\.jsonl: the sweep has no journal/,
    });
  const status = recorder();
  t.equal(await runCommandLine(['sweep', 'status', path], status, '0'), 0);
  t.match(status.text.out, /: not begun\n/);
});

t.test('what is damaged in a journal is told, and what a killed process left at its end is not', async t => {
  const damaged = (change: (lines: string[]) => readonly string[]): string => {
    const { path, files } = directoryOf(STORY);
    const lines = readFileSync(files.journal, 'utf8').split('\n');
    writeFileSync(files.journal, change(lines).join('\n'));
    const said = [
      (io: Io) => sweepStatus(path, { json: false }, io),
      (io: Io) => sweepReplay(path, { whatIf: undefined, json: false }, io),
      (io: Io) =>
        compareTrials(
          path,
          { sort: undefined, min: undefined, max: undefined, top: undefined, all: false, format: 'text' },
          io,
        ),
    ].map(verb => {
      const io = recorder();
      verb(io);
      return io.text.err;
    });
    t.equal(new Set(said).size, 1, 'every verb that reads it');
    return said[0];
  };
  t.equal(
    damaged(lines => lines),
    '',
  );
  t.equal(
    damaged(lines => lines.toSpliced(9, 0, '{"event": junk')),
    'warning: line 10 of journal.jsonl is damaged and left out\n',
  );
  t.equal(
    damaged(lines => lines.with(-1, '\0'.repeat(512))),
    `warning: line ${2 * STORY.length + 1} of journal.jsonl is damaged and left out\n`,
  );
  // a record stands on each second line
  t.equal(
    damaged(lines => lines.toSpliced(9, 1)),
    'warning: journal.jsonl has lost 1 record before line 11\n',
  );
  t.equal(
    damaged(lines => lines.toSpliced(1, 4)),
    'warning: journal.jsonl has lost 2 records before line 2\n',
  );
  t.equal(
    damaged(lines => lines.with(-1, '{"event":"trial.chosen","trial":4,"po')),
    '',
  );
  t.equal(
    damaged(lines => lines.with(-1, '{"ev')),
    '',
  );
  const many = damaged(lines => lines.toSpliced(9, 0, ...Array.from({ length: 300 }, () => 'junk'))).split(
    '\n',
  );
  t.same(many.slice(4), [
    'warning: line 14 of journal.jsonl is damaged and left out',
    'warning: and 295 more such places in journal.jsonl',
    '',
  ]);
});

t.test('a damaged plan is told in plain words, with the place where it can be had', async t => {
  const { path, files } = directoryOf(STORY);
  const whole = readFileSync(files.plan, 'utf8');
  const at = (line: number, column: number) =>
    `${files.plan}:${line}:${column}: this is not JSON, and so not the plan of a sweep`;
  for (const [text, message] of [
    ['', at(1, 1)],
    ['junk', at(1, 1)],
    ['{\n  "name": x', at(2, 11)],
    ['{\n  "name": "x",', at(2, 14)],
    ['[]', `${files.plan}: this is not the plan of a sweep: it has no \`name\``],
    [
      whole.replace('"objective"', '"other"'),
      `${files.plan}: this is not the plan of a sweep: it has no \`objective\``,
    ],
  ]) {
    writeFileSync(files.plan, text);
    let thrown: unknown;
    try {
      sweepStatus(path, { json: false }, recorder());
    } catch (error) {
      thrown = error;
    }
    t.match(thrown, { exitCode: 5, message });
  }
  writeFileSync(files.plan, whole);
});

t.test('every flag of a verb below another is its own', async t => {
  type Command = ReturnType<typeof buildProgram>;
  const shell = (): Command =>
    buildProgram({ io: recorder(), commandLine: [], version: '0', finish: () => {} });
  const nested = shell().commands.flatMap(above => above.commands.map(below => [above.name(), below.name()]));
  t.ok(nested.length >= 9, 'config, verify and sweep have some');
  for (const [above, below] of nested) {
    const find = (program: Command) => {
      const parent = program.commands.find(command => command.name() === above);
      const verb = parent?.commands.find(command => command.name() === below);
      if (!parent || !verb) throw new Error(`${above} ${below} is gone`);
      return { parent, verb };
    };
    const { verb } = find(shell());
    const words = verb.registeredArguments.filter(({ required }) => required).map(() => 'x');
    for (const { long, required, argChoices } of verb.options) {
      const values = required ? (argChoices ?? ['8', 'x=1', 'cpu,webasm']) : [undefined];
      const taken = await Promise.all(
        values.map(async value => {
          const program = shell();
          const { parent, verb: tried } = find(program);
          tried.action(() => {});
          try {
            await program.parseAsync(
              [above, below, ...words, long ?? '', ...(value === undefined ? [] : [value])],
              { from: 'user' },
            );
          } catch {
            return false;
          }
          const source = (command: Command): string | undefined =>
            command.options
              .filter(option => option.long === long)
              .map(option => command.getOptionValueSource(option.attributeName()))
              .at(0);
          return source(tried) === 'cli' && source(parent) !== 'cli';
        }),
      );
      t.ok(taken.includes(true), `${above} ${below} ${long}`);
    }
  }
  const path = directoryOf(STORY).path;
  const misplaced = runCommandLine(['sweep', '--json', 'status', path], recorder(), '0');
  await t.rejects(misplaced, { exitCode: 2, message: /--json stands before `status`/ });
  t.equal(await runCommandLine(['--no-color', 'sweep', '--verbose', 'status', path], recorder(), '0'), 0);
});

t.test('how to go on says with which flags', async t => {
  const none = { launcher: 'local', queue: undefined, sbatch: [] } as const;
  const hint = (options: Partial<LauncherOptions>): string =>
    resumeHint('sweep resume', 'out/x y', launcherFlags({ ...none, ...options })).replace(
      /: .* sweep/,
      ': ./run sweep',
    );
  t.equal(hint({}), "Go on with: ./run sweep resume 'out/x y'\n");
  t.equal(
    hint({ launcher: 'bullmq', queue: 'redis://host:6379/0?queue=mine' }),
    "Go on with: ./run sweep resume 'out/x y' --launcher bullmq --queue 'redis://host:6379/0?queue=mine'\n",
  );
  t.equal(
    hint({ launcher: 'bullmq', queue: 'redis://me:secret@host:6379' }),
    "Go on with: ./run sweep resume 'out/x y' --launcher bullmq --queue redis://me@host:6379\nThe queue's password is left out of this line.\n",
  );
  t.match(
    hint({ launcher: 'slurm', sbatch: ['--partition=long'] }),
    / --launcher slurm --sbatch=--partition=long$/m,
  );
});

t.test('why a trial failed, in one line', async t => {
  const end = { exitCode: 1, signal: null, timedOut: false };
  const hint = 'Go on with: ./run resume x';
  const said = (stderr: string, more = {}) => failureSentence({ ...end, ...more, stderr }, 6);
  t.equal(
    said(`cellrun: no space left on the disk\n${hint}\n`),
    'it ended with exit code 1: cellrun: no space left on the disk',
  );
  t.equal(
    said('x.yaml:1:2: no such key\n  1 | a: b\n    | ^\n  expected: c\n', { exitCode: 2 }),
    'it ended with exit code 2: x.yaml:1:2: no such key',
  );
  t.equal(said(`cellrun: interrupted\n${hint}`, { timedOut: true }), 'it did not end within 6 s');
  t.equal(said('', { exitCode: null, signal: 'SIGKILL' }), 'it was ended by SIGKILL');
  t.equal(said(hint, { exitCode: null }), 'its process is gone');
});

t.test('a folder of variants is a sweep, by their names', async t => {
  const folder = join(scratch, 'several');
  const { mkdirSync } = await import('node:fs');
  mkdirSync(folder);
  for (const [name, size] of [
    ['b.yaml', 8],
    ['a.yml', 4],
  ] as const)
    writeFileSync(join(folder, name), BASE.replace('hidden_size: 8', `hidden_size: ${size}`));
  writeFileSync(join(folder, 'c.json'), JSON.stringify({ version: 1, extends: 'a.yml', name: 'c' }));
  writeFileSync(join(folder, 'notes.txt'), 'none');
  const io = recorder();
  const words = ['sweep', folder, '--dry-run', '--objective', 'test.loss:min', '--json', '--backend', 'cpu'];
  t.equal(await runCommandLine(words, io, '0'), 0, io.text.err);
  const { name, points } = JSON.parse(io.text.out) as { name: string; points: { point: Point }[] };
  t.equal(name, 'several');
  t.same(
    points.map(({ point }) => point.config),
    ['a.yaml', 'b.yaml', 'c.yaml'],
  );
  const empty = join(scratch, 'nothing');
  mkdirSync(empty);
  await t.rejects(runCommandLine(['sweep', empty], recorder(), '0'), /there is no config in this folder/);
});

t.test('a worker makes its folder', async t => {
  const root = join(scratch, 'made', 'root');
  const words = ['worker', '--queue', 'redis://127.0.0.1:1', '--root', root];
  await t.rejects(runCommandLine(words, recorder(), '0'), {
    exitCode: 2,
    message: /cannot reach|not installed/,
  });
  t.ok(existsSync(root));
});

t.test('every journal and summary that was written here fits its schema, which is closed', async t => {
  const summaries = directories.map(path => join(path, 'summary.json')).filter(path => existsSync(path));
  t.ok(directories.length > 10 && summaries.length > 2);
  t.same(directories.flatMap(sweepComplaints), []);
  for (const path of directories) {
    const summary = JSON.parse(JSON.stringify(summaryOf(readSweepResults(path)))) as Record<string, unknown>;
    t.same(complaints('sweep-summary', summary), []);
    t.not(complaints('sweep-summary', { ...summary, unknown: 1 }).length, 0);
    for (const key of Object.keys(summary)) {
      const { [key]: _, ...rest } = summary;
      t.not(complaints('sweep-summary', rest).length, 0, `without ${key}`);
    }
  }
});
