/** The verbs that read sweeps, the view of one that runs, dry runs, and flags. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { resumeHint } from '../../src/cli/command/command-line.js';
import { compareTrials, type TrialTableOptions } from '../../src/cli/verbs/compare-trials.js';
import { repeatedFlags, type SweepRunOptions } from '../../src/cli/verbs/sweep.js';
import { createSweepView } from '../../src/cli/verbs/sweep-view.js';
import { lockRun } from '../../src/run/lock.js';
import type { SweepDirectory } from '../../src/sweep/directory.js';
import { costModel } from '../../src/sweep/directory.js';
import { openJournal } from '../../src/sweep/journal.js';
import { readSweepResults } from '../../src/sweep/results.js';
import type { SweepPlan } from '../../src/sweep/schedule/plan.js';
import type { JournalRecord, SegmentStatus } from '../../src/sweep/schedule/records.js';
import { Scheduler } from '../../src/sweep/schedule/scheduler.js';
import type { Point } from '../../src/sweep/search/space.js';
import { UserError } from '../../src/util/errors.js';
import { computeInThreads } from '../../src/util/thread.js';
import { writeLongSweep } from '../bench/sweeps.js';

import { callWith, recorder } from '../support/in-process.js';
import { sweepComplaints } from '../support/sweep-files.js';
import { BASE, begun, chosen, PLAN, STORY, SweepStories, segment, TIME } from '../support/sweep-stories.js';
import { work } from '../support/work.js';

computeInThreads(false);
const scratch = work.folder();
const stories = new SweepStories(scratch);
const directoryOf = stories.directoryOf.bind(stories);

/** What a command line prints, and its exit code. */
async function said(...words: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = recorder();
  const code = await callWith(io, ...words);
  return { code, ...io.text };
}

/** A journal as a real sweep writes it: the decisions of a scheduler, the values of a formula. */
function simulated(plan: SweepPlan): SweepDirectory {
  const directory = directoryOf([begun(plan)], plan);
  const scheduler = new Scheduler(plan, costModel(directory));
  const journal = openJournal(directory.files.journal, 'simulated');
  while (!scheduler.isDecided) {
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

t.test('compare: bounds, order, number and formats', async t => {
  const { path } = directoryOf(STORY);
  const listed = (options: Partial<TrialTableOptions>, of = path): string[] => {
    const io = recorder();
    const none = { sort: undefined, min: undefined, max: undefined, top: undefined } as const;
    compareTrials(of, { ...none, format: 'csv', all: false, ...options }, io);
    return io.text.out.trimEnd().split('\n');
  };
  const compared = (options: Partial<TrialTableOptions>): string[] =>
    listed(options)
      .slice(1)
      .map(line => line.split(',')[0]);
  const headOf = (options: Partial<TrialTableOptions>): string => listed(options)[0];
  t.equal(headOf({ min: 0.75 }), headOf({}), 'the columns are those of the whole sweep');
  t.same(compared({}), ['0', '1', '2', '3']);
  t.same(compared({ min: 0.75 }), ['1']);
  t.same(compared({ max: 0.75 }), ['0']);
  t.same(compared({ min: 0.9 }), []);
  t.same(compared({ min: 0.7, max: 0.7 }), ['0']);
  t.throws(() => compared({ min: 5, max: 1 }), {
    exitCode: 2,
    message: /--min 5 is greater than --max 1/,
  });
  t.same(compared({ sort: '-optimizer.learning_rate' }), ['2', '1', '3', '0']);
  t.same(compared({ sort: 'learning_rate', top: 2 }), ['0', '3'], 'the last word will do');
  t.same(compared({ sort: 'test.accuracy' }), ['0', '1', '2', '3'], 'what has no value comes last');
  t.same(compared({ sort: '-test.accuracy' }), ['1', '0', '2', '3'], 'whichever way');
  t.same(compared({ sort: 'state' }), ['0', '2', '3', '1'], 'words by letters');
  const error = t.throws(() => compared({ sort: 'learning_rat' })) as unknown as UserError;
  t.equal(error.exitCode, 2);
  t.match(error.diagnostics[0], { code: 'cli/sort', expected: /learning_rate/ });
  for (const wrong of [scratch, join(scratch, 'absent')]) t.throws(() => listed({}, wrong), UserError);
});

t.test('status shows the progress of a sweep', async t => {
  const status = async (directory: SweepDirectory): Promise<string> => {
    const { code, out } = await said('sweep', 'status', directory.path);
    t.equal(code, 0);
    return out;
  };
  const done = await status(directoryOf(STORY));
  t.match(
    done,
    /completed \(the maximum number of trials was reached\)\n4 of 4 trials: 1 completed, 1 pruned, 1 diverged, 1 failed; 13 epochs in 1:15\n/,
  );
  t.match(done, /best test\.accuracy 0\.7: trial 0 after 9 of 9 epochs/);
  t.match(done, /trial 3 failed: killed by SIGKILL/);
  t.ok(done.split('\n').every(line => line.length <= 120));

  const killed = directoryOf(STORY.slice(0, 8));
  t.match(await status(killed), /: killed\n[\s\S]*resume with: cellrun sweep resume \/.*20260102T030405Z\n/);
  const release = lockRun(killed.files.lock);
  t.match(await status(killed), /: running\n[\s\S]*running: trial 0 to epoch 3\n/);
  const waiting = directoryOf([...STORY.slice(0, 8), chosen(1, 0.05, 8)]);
  t.teardown(lockRun(waiting.files.lock));
  t.match(
    await status(waiting),
    /\n2 of 4 trials: 1 running, 1 waiting; [\s\S]*\nrunning: trial 0 to epoch 3\n/,
  );
  t.equal(readSweepResults(killed.path).records.rows[0].state, 'running');
  release();
  writeFileSync(killed.files.lock, JSON.stringify({ pid: process.pid, host: hostname() }));
  t.match(await status(killed), /: killed\n/, 'the file alone is no lock');
  const stopped = directoryOf([
    ...STORY.slice(0, 8),
    { event: 'sweep.stop', time: TIME, seconds: 3, reason: 'interrupted' },
  ]);
  t.match(await status(stopped), /: interrupted\n[\s\S]*resume with/);
  t.match(await status(directoryOf([])), /: not begun\n0 of 4 trials; 0 epochs\n/);

  t.match(JSON.parse((await said('sweep', 'status', directoryOf(STORY).path, '--json')).out), {
    version: 1,
    name: 'tried',
    status: 'completed',
    states: { completed: 1, pruned: 1, diverged: 1, failed: 1, running: 0, paused: 0 },
    best: { trial: 0, value: 0.7, point: { 'model.hidden_size': 4 } },
    epochs_trained: 13,
  });
});

t.test('replay repeats the decisions and reports changes of the journal', async t => {
  const directory = simulated({ ...PLAN, budget: { trials: 12, seconds: null, target: null } });
  const whole = await said('sweep', 'replay', directory.path);
  t.match(whole, { code: 0, out: /^\d+ decisions, byte-identical\.\n$/ });
  const journal = readFileSync(directory.files.journal, 'utf8');
  writeFileSync(
    directory.files.journal,
    journal.replace('"trial.paused","trial":', '"trial.paused","trial":1'),
  );
  const changed = await said('sweep', 'replay', directory.path, '--json');
  t.equal(changed.code, 1);
  t.match(JSON.parse(changed.out), { same: false, recorded: /trial\.paused/ });
});

// how long it takes is in `npm run bench -- --whole --only ^whole/status`
t.test('status of 10,000 trials', async t => {
  const { out } = await said('sweep', 'status', writeLongSweep(join(scratch, 'long')));
  t.match(out, /10000 of 10000 trials: 10000 paused/);
});

t.test(
  'the view of a sweep: lines where there is no terminal, a table that is redrawn where there is one',
  async t => {
    const lines = recorder();
    const plain = createSweepView(lines, PLAN, false, STORY.slice(0, 3), () => 0);
    plain.recorded({
      event: 'trial.measured',
      trial: 0,
      epochs: 1,
      value: 0.5,
      spread: null,
      status: 'done',
    });
    plain.recorded({ event: 'trial.paused', trial: 0, epochs: 1 });
    plain.warning('something');
    plain.end();
    t.equal(lines.text.err, 'trial 0: test.accuracy 0.5 after 1/9 epochs\nwarning: something\n');

    const quiet = recorder();
    const silent = createSweepView(quiet, PLAN, true, [], () => 0);
    silent.recorded({ event: 'trial.failed', trial: 0 });
    silent.warning('something');
    t.equal(quiet.text.err, 'warning: something\n', 'errors are shown also where it is quiet');

    const terminal = recorder({ interactive: true, columns: 70 });
    let now = 0;
    const ticks: (() => void)[] = [];
    const clock = () => (now += 1000);
    const view = createSweepView(terminal, PLAN, false, STORY.slice(0, -2), clock, action => {
      ticks.push(action);
      return () => ticks.pop();
    });
    view.recorded({ event: 'trial.failed', trial: 3 });
    const drawn = terminal.text.err;
    t.match(
      drawn,
      /^tried {2}trial 4\/4 {2}13 epochs {2}0:0\d\nbest test\.accuracy 0\.7 \(trial 0\)\ntrial /,
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
    t.match(terminal.text.err.slice(before), /^tried {2}trial 4\/4 {2}13 epochs {2}0:\d\d\n/, 'time passes');
    view.end();
    t.same(ticks, []);

    const narrow = recorder({ interactive: true, columns: 40, rows: 5 });
    const small = createSweepView(narrow, PLAN, false, STORY.slice(0, -2), clock, () => () => {});
    small.recorded({ event: 'trial.failed', trial: 3 });
    const [first, second, third, ...rest] = narrow.text.err.split('\n');
    t.match(
      [first, second, third],
      [/^tried {2}trial 4\/4 {2}13 epochs {2}0:0\d$/, /^best .* \(trial 0\)$/, /^trial /],
    );
    t.equal(rest.length, 2, 'one trial, and the line of the cursor');
  },
);

t.test('the view of several seeds of a config, and of new seeds of the best trial, tells each seed', t => {
  const end = (seed: number, value: number | null, status: SegmentStatus = 'done'): JournalRecord => ({
    ...{ event: 'segment.end' as const, time: TIME, trial: 0, seed, from: 0, to: 9 },
    ...{ status, value, attempt: 1, exit_code: 0, message: null, epochs: 9, train_s: 1 },
  });
  const seeds = { ...PLAN, seeds: [0, 1], space: { parameters: [], exclude: [] } };
  const lines = recorder();
  const view = createSweepView(lines, seeds, false, [], () => 0);
  const records: JournalRecord[] = [
    { event: 'trial.chosen', trial: 0, point: {} },
    { event: 'trial.advanced', trial: 0, from: 0, to: 9 },
    end(0, 0.5),
    end(1, null, 'failed'),
  ];
  for (const record of records) view.recorded(record);
  view.end();
  t.equal(
    lines.text.err,
    'training with the seeds 0, 1\nseed 0: test.accuracy 0.5 after 9/9 epochs\nseed 1: failed\n',
  );
  const terminal = recorder({ interactive: true, columns: 120 });
  const drawn = createSweepView(
    terminal,
    seeds,
    false,
    records.slice(0, 2),
    () => 1e6,
    () => () => {},
  );
  drawn.recorded(records[2]);
  t.match(terminal.text.err, /^tried {2}1 of 2 seeds {2}9 epochs /);

  const best = recorder();
  const repeats = { ...PLAN, repeat_best: [1, 2] };
  const decided: JournalRecord = {
    event: 'sweep.decided',
    reason: 'exhausted',
    best: { trial: 0, value: 0.5, spread: null },
  };
  const told = createSweepView(best, repeats, false, records.slice(0, 2), () => 0);
  for (const record of [end(0, 0.5), decided, end(1, 0.4)]) told.recorded(record);
  t.equal(
    best.text.err,
    'trial 0 is the best; training it with 2 new seeds\nbest trial, seed 1: test.accuracy 0.4 after 9/9 epochs\n',
  );
  const redrawn = recorder({ interactive: true, columns: 120 });
  const again = [...records.slice(0, 3), decided];
  createSweepView(
    redrawn,
    repeats,
    false,
    again,
    () => 1e6,
    () => () => {},
  ).recorded(end(1, 0.4));
  t.match(redrawn.text.err, /^tried {2}trial 1\/4 {2}best trial: 1 of 2 new seeds /);
  t.end();
});

t.test('a long sweep without a terminal prints new bests, failures and its progress', t => {
  const lines = recorder();
  const plan = { ...PLAN, budget: { ...PLAN.budget, trials: 200 } };
  const view = createSweepView(lines, plan, false, [], () => 0);
  for (let trial = 0; trial < 200; trial++) {
    view.recorded({ event: 'trial.chosen', trial, point: {} });
    if (trial === 150) view.recorded({ event: 'trial.failed', trial });
    else
      view.recorded({
        event: 'trial.measured',
        trial,
        epochs: 9,
        // only trials 0 and 100 improve
        value: trial < 100 ? 0.5 - trial / 1000 : 0.9 - trial / 1000,
        spread: null,
        status: 'done',
      });
  }
  view.end();
  const printed = lines.text.err.split('\n').slice(0, -1);
  const progress = printed.filter(line => /^trial \d+\/200/.test(line));
  t.equal(progress.length, 20);
  t.equal(progress[4], 'trial 50/200, best test.accuracy 0.5 (trial 0)');
  t.equal(progress[19], 'trial 200/200, best test.accuracy 0.8 (trial 100)');
  t.same(
    printed.filter(line => !progress.includes(line)),
    [
      'trial 0: test.accuracy 0.5 after 9/9 epochs, the best so far',
      'trial 100: test.accuracy 0.8 after 9/9 epochs, the best so far',
      'trial 150: failed',
    ],
  );
  t.end();
});

const SHORT = `version: 1
name: short
dataset: { kind: synthetic, problem: adding, sequence_length: 4, train_size: 40, test_size: 10 }
model: { cell: lstm, hidden_size: 8, head: { from: last } }
loss: { kind: mse }
optimizer: { kind: adam, learning_rate: 0.01 }
training: { num_epochs: 9, batch_size: 10 }
`;

t.test('a dry run lists the points with their parameters and trains nothing', async t => {
  const base = join(scratch, 'base.yaml');
  writeFileSync(base, SHORT);
  const dry = (...words: string[]) => {
    const flags = ['--objective', 'test.loss:min', '--dry-run', '--output', join(scratch, 'dry')];
    return said('sweep', base, ...words, ...flags);
  };
  const rates = 'optimizer.learning_rate=0.01,0.02';
  const { code, out } = await dry('model.hidden_size=4,8', rates, '--json', '--seeds', '0,1');
  t.equal(code, 0);
  const answer = JSON.parse(out);
  // one layer over two features, two biases, a head of one value
  const parameters = (h: number) => 4 * h * (2 + h) + 8 * h + h + 1;
  t.same(
    answer.points.map((one: { point: Point; parameters: number }) => [
      ...Object.values(one.point),
      one.parameters,
    ]),
    [4, 8].flatMap(size => [0.01, 0.02].map(rate => [size, rate, parameters(size)])),
  );
  t.match(answer, { trials: 4, seeds: [0, 1] });
  t.throws(() => readFileSync(join(scratch, 'dry')), { code: 'ENOENT' }, 'nothing is written');

  const range = 'optimizer.learning_rate=log_uniform(0.001,0.1)';
  const listed = await dry(range, '--method', 'tpe', '--trials', '30');
  t.match(
    listed.out,
    /^Only the first 10 of 30 trials are listed: more depend on results or on the time\.$/m,
  );
  t.match(listed.out, /^30 trials of 9 epochs, 1 at a time\.$/m);

  const pruner = ['--pruner', '{ kind: asha, min_epochs: 1, reduction_factor: 3 }'];
  const few = await dry(rates, '--method', 'random', '--trials', '1000', ...pruner, '--seeds', '0,1');
  t.equal(few.code, 0);
  t.notMatch(few.out, /are listed/, 'there are no more points than two');
  t.match(few.out, /^2 trials of 9 epochs with 2 seeds, 1 at a time, or less: asha stops some early\.$/m);
  rmSync(base);
});

t.test('flags of a sweep that do not go together', async t => {
  const base = join(scratch, 'flags.yaml');
  writeFileSync(base, BASE);
  const attempt = async (...words: string[]) => {
    try {
      await said('sweep', ...words);
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
  const flags = ['--objective', 'test.loss:min', '--output', join(scratch, 'never')];
  const varied = [base, 'model.hidden_size=4,8', ...flags];
  t.equal(await attempt(...varied, '--launcher', 'bullmq'), 'cli/launcher');
  t.equal(await attempt(...varied, '--sbatch=--partition=x'), 'cli/launcher');
  const queue = ['--launcher', 'bullmq', '--queue', 'redis://host'];
  t.equal(await attempt(...varied, ...queue, '--width', '128'), 'cli/launcher', 'workers choose theirs');
  t.equal(await attempt(...varied, '--queue', 'redis://host'), 'cli/launcher');
  t.equal(await attempt(...varied, '--launcher', 'bullmq', '--queue', 'host'), 'queue/address');
  for (const more of [['--launcher', 'bullmq'], ['--queue', 'redis://host'], ['--sbatch=-x']])
    t.equal(await attempt(...varied, '--dry-run', ...more), 'cli/launcher', `a dry run with ${more}`);
  process.env.CELLRUN_QUEUE = 'redis://host';
  t.teardown(() => delete process.env.CELLRUN_QUEUE);
  t.equal(await attempt(base, 'model.hidden=3,4'), 'config/unknown-key', 'one for workers');
  t.equal(await attempt('status', join(scratch, 'absent')), 'sweep/not-a-sweep');
  t.equal(await attempt('resume', scratch), 'sweep/not-a-sweep');
  t.throws(
    () => readFileSync(join(scratch, 'never')),
    { code: 'ENOENT' },
    'nothing is made before that is known',
  );
});

t.test('damage in a journal is reported by every verb that reads it', async t => {
  const directory = directoryOf(STORY);
  for (const record of STORY) {
    if (record.event !== 'segment.end') continue;
    mkdirSync(directory.runPath(record), { recursive: true });
    writeFileSync(join(directory.runPath(record), 'config.resolved.yaml'), '');
  }
  const lines = readFileSync(directory.files.journal, 'utf8').split('\n');
  const verbs = [['sweep', 'status'], ['sweep', 'replay'], ['compare'], ['compare', '--no-curves']];
  for (const words of verbs) t.equal((await said(...words, directory.path)).err, '');
  writeFileSync(directory.files.journal, lines.toSpliced(9, 0, '{"event": junk').join('\n'));
  const warning = 'warning: line 10 of journal.jsonl is damaged and was skipped\n';
  for (const words of verbs) t.equal((await said(...words, directory.path)).err, warning);
  writeFileSync(directory.files.journal, lines.join('\n'));
});

t.test('a damaged plan is reported', async t => {
  const { path, files } = directoryOf(STORY);
  const whole = readFileSync(files.plan, 'utf8');
  for (const [text, message] of [
    ['{\n  x', /plan\.json:2:3: this is not JSON/],
    ['[]', /: this is not a valid sweep-plan file: {2}must be object/],
    [whole.replace('"objective"', '"other"'), /: this is not a valid sweep-plan file: .*'objective'/],
  ] as const) {
    writeFileSync(files.plan, text);
    await t.rejects(said('sweep', 'status', path), { exitCode: 5, message });
  }
  writeFileSync(files.plan, whole);
});

t.test('a sweep is not resumed with an edited base config', async t => {
  const directory = directoryOf([begun()]);
  const file = directory.baseFile(PLAN.bases[0]);
  const other = BASE.replace('num_epochs: 9', 'num_epochs: 8');
  t.not(other, BASE);
  writeFileSync(file, other);
  const { code, stderr } = await work.cellrun('sweep', 'resume', directory.path);
  t.equal(code, 5, stderr);
  t.match(stderr, `${file}: this config was changed after the sweep began`);
  t.same(readdirSync(directory.files.trials), []);
});

t.test('the resume command includes the flags', async t => {
  const hint = (options: Partial<SweepRunOptions>): string =>
    resumeHint('sweep resume', 'out/x y', repeatedFlags(options)).replace(/: .* sweep/, ': ./run sweep');
  t.equal(hint({}), "Resume with: ./run sweep resume 'out/x y'\n");
  t.equal(
    hint({ launcher: 'bullmq', queue: 'redis://host:6379/0?queue=mine' }),
    "Resume with: ./run sweep resume 'out/x y' --launcher bullmq --queue 'redis://host:6379/0?queue=mine'\n",
  );
  t.equal(
    hint({ launcher: 'bullmq', queue: 'redis://me:secret@host:6379' }),
    "Resume with: ./run sweep resume 'out/x y' --launcher bullmq --queue redis://me:PASSWORD@host:6379\n",
  );
  t.match(
    hint({ launcher: 'slurm', sbatch: ['--partition=long'] }),
    / --launcher slurm --sbatch=--partition=long$/m,
  );
});

t.test('a directory of variants is a sweep', async t => {
  const folder = join(scratch, 'several');
  mkdirSync(folder);
  for (const [name, rate] of [
    ['b.yaml', 0.01],
    ['a.yml', 0.02],
  ] as const)
    writeFileSync(join(folder, name), SHORT.replace('learning_rate: 0.01', `learning_rate: ${rate}`));
  writeFileSync(join(folder, 'c.json'), JSON.stringify({ version: 1, extends: 'a.yml', name: 'c' }));
  writeFileSync(join(folder, 'notes.txt'), 'none');
  const words = ['sweep', folder, '--dry-run', '--objective', 'test.loss:min', '--json'];
  const { code, out, err } = await said(...words);
  t.equal(code, 0, err);
  const { name, points } = JSON.parse(out) as { name: string; points: { point: Point }[] };
  t.equal(name, 'several');
  t.same(
    points.map(({ point }) => point.config),
    ['a.yaml', 'b.yaml', 'c.yaml'],
  );
  const empty = join(scratch, 'nothing');
  mkdirSync(empty);
  await t.rejects(said('sweep', empty), /no config to sweep over/);
});

t.test('every journal that was written here fits its schema', async t => {
  t.ok(stories.directories.length > 10);
  t.same(stories.directories.flatMap(sweepComplaints), []);
});
