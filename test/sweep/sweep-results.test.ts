/**
 * What the results of a sweep say of its journal: trials, tables, the best, trouble; and that the
 * files fit their schemas.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { costModel } from '../../src/sweep/directory.js';
import {
  importanceOf,
  readSweepResults,
  summaryOf,
  trialTable,
  writeResults,
} from '../../src/sweep/results.js';
import type { SweepPlan } from '../../src/sweep/schedule/plan.js';
import type { JournalRecord } from '../../src/sweep/schedule/records.js';
import type { Parameter, Point, Value } from '../../src/sweep/search/space.js';
import { epochValues, failureSentence } from '../../src/sweep/segment.js';
import { bestRow, betterEarlier, ranked, troubleOf } from '../../src/sweep/trials.js';
import { RandomStream } from '../../src/util/random.js';
import { formatTable, type Table } from '../../src/util/table.js';
import { callWith, recorder } from '../support/in-process.js';
import { complaints, sweepComplaints } from '../support/sweep-files.js';

import {
  advanced,
  begun,
  chosen,
  measured,
  PLAN,
  STORY,
  SweepStories,
  segment,
  TIME,
} from '../support/sweep-stories.js';
import { work } from '../support/work.js';

const scratch = work.folder();
const stories = new SweepStories(scratch);
const directoryOf = stories.directoryOf.bind(stories);

t.test('the result of each trial', async t => {
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
      [3, 'failed', 0, null, 0, 'killed by SIGKILL'],
    ],
    "a run's seconds count from its beginning, so that they are not added up over its segments",
  );
  t.same(rows[0].seeds, [{ seed: 0, epochs: 9, value: 0.7 }]);
});

t.test('a diverged trial has its trained epochs, not the planned ones', async t => {
  const parts = segment(0, [0, 6], null, { status: 'diverged', epochs: 1 });
  const story = [begun(), chosen(0, 0.1, 4), advanced(0, 0, 6), ...parts, measured(0, 6, null, 'diverged')];
  const { epochsTrained, rows } = readSweepResults(directoryOf(story).path).records;
  t.match({ epochsTrained, rows }, { epochsTrained: 1, rows: [{ state: 'diverged', epochs: 1 }] });
});

t.test('a trial that ended early has its trained epochs and counts for all', async t => {
  const whole = [chosen(0, 0.1, 4), advanced(0, 0, 9), ...segment(0, [0, 9], 0.6), measured(0, 9, 0.6)];
  const early = [
    ...[chosen(1, 0.1, 8), advanced(1, 0, 3), ...segment(1, [0, 3], 0.7, { epochs: 2 })],
    ...[measured(1, 3, 0.7), advanced(1, 3, 9), ...segment(1, [3, 9], 0.7, { epochs: 2 })],
    measured(1, 9, 0.7),
  ];
  const directory = directoryOf([begun(), ...whole, ...early]);
  const { epochsTrained, rows } = readSweepResults(directory.path).records;
  t.equal(epochsTrained, 9 + 2);
  t.same(
    rows.map(({ rung, epochs }) => [rung, epochs]),
    [
      [9, 9],
      [9, 2],
    ],
  );
  t.equal(bestRow(PLAN, { rows, winner: undefined })?.trial, 1, 'it is ranked by the rung');
  writeResults(directory);
  t.match(readFileSync(directory.files.table, 'utf8'), /^1,stopped,2,0\.7,/m);
  t.match(readFileSync(directory.files.best, 'utf8'), '# 2 of 9 epochs.');
  t.match(JSON.parse(readFileSync(directory.files.summary, 'utf8')), {
    epochs_trained: 11,
    best: { trial: 1, epochs: 2 },
  });
});

t.test('a journal of any length leads to a state of the sweep', async t => {
  const states = ['stopped', 'paused', 'pruned', 'completed', 'diverged', 'failed'];
  for (let length = 0; length <= STORY.length; length++) {
    const { records } = readSweepResults(directoryOf(STORY.slice(0, length)).path);
    t.ok(
      records.rows.every(row => states.includes(row.state)),
      `${length} records`,
    );
  }
  const underWay = readSweepResults(directoryOf(STORY.slice(0, 8)).path).records;
  t.same(underWay.running, [{ trial: 0, seed: 0, from: 1, to: 3 }]);
  t.match(underWay.rows[0], { state: 'stopped', epochs: 1, value: 0.5 }, 'since nobody works on it');
});

t.test('seeds: mean and spread come from the decisions, individual values from the runs', async t => {
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

t.test('the leading trial', async t => {
  const { records } = readSweepResults(directoryOf(STORY).path);
  t.same(
    ranked(PLAN, records.rows).map(({ trial }) => trial),
    [0, 1, 2, 3],
    'more epochs before fewer, whatever their value; without a value last',
  );
  const undecided = { rows: records.rows, winner: undefined };
  t.equal(bestRow(PLAN, undecided)?.trial, 0);
  const lower = { objective: { metric: 'test.loss', goal: 'minimize' } } as const;
  const equal = records.rows.map(row => ({ ...row, rung: 9, value: [2, 1, 1, null][row.trial] }));
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
    `a\n'=1+1\n+1\n'-1+1\n'@a\n'\tb\n-0.5\n-inf\na=b\n-1\n`,
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

t.test('tables show only parameters that differ', async t => {
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

t.test('the results of a sweep: table, summary and best config', async t => {
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
    loadExperiment(directory.baseFile(directory.plan.bases[0]), {
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

t.test('importance compares only trials with the same number of epochs', async t => {
  const random = RandomStream.of(1, 'test');
  const rows = Array.from({ length: 40 }, (_, trial) => {
    const hidden = trial % 2 === 0 ? 4 : 8;
    const rate = 0.001 * 100 ** random.uniform();
    return {
      trial,
      point: { 'optimizer.learning_rate': rate, 'model.hidden_size': hidden },
      state: 'completed' as const,
      rung: trial < 30 ? 9 : 1,
      epochs: trial < 30 ? 9 : 1,
      // after one epoch another parameter decides
      value: trial < 30 ? hidden : Math.log(rate),
      spread: null,
      seeds: [],
      repeats: [],
      seconds: 0,
      message: null,
    };
  });
  const [first] = importanceOf(PLAN, rows) ?? [];
  t.equal(first.name, 'model.hidden_size');
  t.ok(first.importance > 0.9, String(first.importance));
  const parameters = PLAN.space.parameters.length;
  t.equal(parameters, 2);
  t.equal(importanceOf(PLAN, rows.slice(0, 19)), null, 'too few trials');
  t.ok(importanceOf(PLAN, rows.slice(0, 20)));
  const [one] = PLAN.space.parameters;
  const more = {
    ...PLAN,
    space: { ...PLAN.space, parameters: [...PLAN.space.parameters, { ...one, name: 'seed' }] },
  };
  t.equal(importanceOf(more, rows.slice(0, 29)), null, 'too few for so many parameters');
});

t.test('values of each epoch from the log of a run', async t => {
  const directory = directoryOf(STORY);
  const place = directory.runPath({ trial: 0, seed: 0 });
  t.same(epochValues(PLAN, place), [], 'there is no run');
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

t.test('the cost of an epoch is the number of recurrent weights, however they are set', async t => {
  const choice = (name: string, ...values: Value[]) =>
    ({ keys: name.split(','), name, distribution: { kind: 'choice', values } }) as const;
  const cost = (parameters: readonly Parameter[], point: Point): number => {
    const plan = { ...PLAN, space: { parameters, exclude: [] } };
    return costModel(directoryOf([begun(plan)], plan))(point);
  };
  // one matrix of H x H for each layer's own state, one for the state of the layer below; the base
  // has one layer of 8
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

t.test(
  'the best is sought among the trials with the most epochs, and what that passes over is told',
  async t => {
    const io = recorder();
    await callWith(io, 'sweep', 'status', directoryOf(STORY).path);
    t.match(
      io.text.out,
      /^trial 1 \(pruned\) had test\.accuracy 0\.8 after 3 epochs; only trials with the most epochs \(9\) can be the best$/m,
    );
    const { records } = readSweepResults(directoryOf(STORY).path);
    t.equal(betterEarlier(PLAN, records.rows, bestRow(PLAN, records))?.trial, 1);
    const json = recorder();
    await callWith(json, 'sweep', 'status', directoryOf(STORY).path, '--json');
    t.match(JSON.parse(json.text.out).better_earlier, { trial: 1, state: 'pruned', epochs: 3, value: 0.8 });
    const minimised = { objective: { metric: 'test.loss', goal: 'minimize' } } as const;
    t.equal(betterEarlier(minimised, records.rows, bestRow(minimised, records)), undefined);
    t.equal(betterEarlier(PLAN, records.rows, undefined), undefined);
  },
);

t.test('a sweep without any value fails', async t => {
  const decided = (reason: 'trials' | 'trial_error', best: number | null): JournalRecord => ({
    event: 'sweep.decided',
    reason,
    best: best === null ? null : { trial: best, value: 0.7, spread: null },
  });
  const end: JournalRecord = { event: 'sweep.end', time: TIME, seconds: 1 };
  const failing = (trial: number): JournalRecord[] => [
    chosen(trial, 0.01, 4),
    advanced(trial, 0, 1),
    ...segment(trial, [0, 1], null, { status: 'failed', message: 'killed by SIGKILL' }),
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
    message: 'stopped: trial 1 failed: killed by SIGKILL',
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
  t.equal(await callWith(io, 'sweep', 'status', nothing.path), 0);
  t.match(io.text.out, /: failed \(stopped: trial 0 failed: killed by SIGKILL\)\n/);
  t.match(io.text.out, /\n1 of 1 trial failed:\ntrial 0 failed: killed by SIGKILL\n/);
  t.notMatch(io.text.out, /diverged/);

  const diverged = recorder();
  const six = [1, 2, 3, 4, 5, 6].flatMap(diverging);
  await callWith(diverged, 'sweep', 'status', directoryOf([begun(), ...STORY.slice(1, 11), ...six]).path);
  t.match(diverged.text.out, /^6 of 7 trials diverged:\ntrial 1 diverged(.*\n){5}and 1 more$/m);
});

t.test('why a trial failed, in one line', async t => {
  const end = { exitCode: 1, signal: null, timedOut: false };
  const hint = 'Resume with: ./run resume x';
  const said = (stderr: string, more = {}) => failureSentence({ ...end, ...more, stderr }, 6);
  t.equal(
    said(`cellrun: no space left on the disk\n${hint}\n`),
    'exit code 1: cellrun: no space left on the disk',
  );
  t.equal(
    said('x.yaml:1:2: no such key\n  1 | a: b\n    | ^\n  expected: c\n', { exitCode: 2 }),
    'exit code 2: x.yaml:1:2: no such key',
  );
  t.equal(said(`cellrun: interrupted\n${hint}`, { timedOut: true }), 'no end within 6 s');
  t.equal(said('', { exitCode: null, signal: 'SIGKILL' }), 'killed by SIGKILL');
  t.equal(said(hint, { exitCode: null }), 'its process has ended');
});

t.test('every journal and summary that was written here fits its schema', async t => {
  const summaries = stories.directories
    .map(path => join(path, 'summary.json'))
    .filter(path => existsSync(path));
  t.ok(stories.directories.length > 10 && summaries.length > 2);
  t.same(stories.directories.flatMap(sweepComplaints), []);
  for (const path of stories.directories) {
    const summary = JSON.parse(JSON.stringify(summaryOf(readSweepResults(path))));
    t.same(complaints('sweep-summary', summary), []);
  }
});
