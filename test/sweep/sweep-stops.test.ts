/**
 * Sweeps that are stopped, by signals to real processes or by what happens to their trials, and
 * that go on to the same decisions and bytes.
 */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { lockRun } from '../../src/run/lock.js';
import type { Summary } from '../../src/run/summary.js';
import { fromCommandLine } from '../../src/sweep/config/load.js';
import type { SweepFlags } from '../../src/sweep/config/read.js';
import { costModel, SweepDirectory } from '../../src/sweep/directory.js';
import { openJournal, readJournal } from '../../src/sweep/journal.js';
import { readSweepResults, summaryOf } from '../../src/sweep/results.js';
import { runSweep } from '../../src/sweep/run.js';
import { decisionsOf } from '../../src/sweep/schedule/records.js';
import { replay, Scheduler } from '../../src/sweep/schedule/scheduler.js';
import type { Launcher, Task, TaskEnd } from '../../src/sweep/segment.js';
import { finishedSegment } from '../../src/sweep/segment.js';
import { troubleOf } from '../../src/sweep/trials.js';
import { holdAfter } from '../soak/moments.js';
import { type Running, readLog } from '../support/cli.js';
import { callInProcess } from '../support/in-process.js';
import { comesTrue, hasEnded, hasPending, holderOf, isStopped, signalAtRest } from '../support/programs.js';
import { SUMMARY } from '../support/run-facts.js';
import { randomDataset } from '../support/runs.js';
import { resumeInProcess, sweepInProcess, sweepOptions } from '../support/sweeps.js';
import { work } from '../support/work.js';

// a slow machine is no failure
t.setTimeout(300_000);

const DATA = randomDataset('test/sweep-stops', { train: 20, test: 800, seed: 1 });

const objective = { metric: 'test.loss', goal: 'minimize' };

function config(data: string) {
  return {
    name: 'stopped',
    dataset: { kind: 'npz', path: data },
    model: { cell: 'lstm', hidden_size: 4, head: { from: 'last' } },
    optimizer: { kind: 'adam', learning_rate: 0.01, schedule: { kind: 'cosine', warmup: { epochs: 1 } } },
    training: { num_epochs: 2, batch_size: 10, eval_batch_size: 1 },
  };
}

/** A sweep of two trials that cannot come to their end in time. */
function failing(on_trial_error: string): string {
  const long = config(work.file('data.npz', DATA));
  return work.sweep({
    base: work.config({ ...long, training: { ...long.training, num_epochs: 1_000_000 } }),
    ...{ objective, on_trial_error, retries: 0, trial_timeout: 1 },
    parameters: { 'model.hidden_size': [2, 4] },
  });
}

/** A sweep whose evaluations take longer than its training. */
function newSweep(): string {
  return work.sweep({
    name: 'stopped',
    base: work.config(config(work.file('data.npz', DATA))),
    ...{ method: 'random', budget: { trials: 3 }, objective },
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
    parameters: { 'optimizer.learning_rate': { kind: 'log_uniform', low: 1e-3, high: 0.1 } },
  });
}

const FLAGS = ['--backend', 'webasm', '--threads', '1'];

interface Begun {
  readonly running: Running;
  /** Of the sweep; there once it has begun. */
  directory(): string | undefined;
}

/** With which every trial stops itself after an epoch, before its evaluation, until SIGCONT. */
const HELD = { NODE_OPTIONS: `--import=${holdAfter('"event":"train.epoch"')}` };

/** Starts a sweep of held trials. */
function begin(file: string): Begun {
  const output = work.folder();
  const running = work.startWith([], ['sweep', file, '--output', output, ...FLAGS], HELD);
  return { running, directory: () => list(join(output, 'sweeps', 'stopped'))[0] };
}

/** Where kernels run is for the sweep to know. */
const RESUME = ['sweep', 'resume', '--threads', '1'];

function decisions(directory: string): unknown[] {
  return decisionsOf(readJournal(join(directory, 'journal.jsonl')).records);
}

/** Every file of a sweep that says what came of it. */
function bytes(directory: string): Record<string, string> {
  const files = list(join(directory, 'trials')).flatMap(run =>
    list(join(run, 'checkpoints')).filter(file => file.endsWith('.safetensors')),
  );
  return Object.fromEntries(files.map(file => [relative(directory, file), readFileSync(file, 'base64')]));
}

function readJson(file: string) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function list(folder: string): string[] {
  return existsSync(folder)
    ? readdirSync(folder)
        .toSorted()
        .map(name => join(folder, name))
    : [];
}

/**
 * The directory of a held trial, which has trained an epoch and not evaluated it; rejects if the
 * sweep ends without one.
 */
async function heldTrial(directory: string, { child, finished }: Running): Promise<string> {
  for (;;) {
    const held = list(join(directory, 'trials')).find(run => isStopped(holderOf(run) ?? 0));
    if (held !== undefined) return held;
    if (child.exitCode !== null) throw new Error(`no trial was held:\n${(await finished).stderr}`);
    await sleep(5);
  }
}

function backendsOf(directory: string): unknown[] {
  const manifests = list(join(directory, 'trials')).map(run =>
    JSON.parse(readFileSync(join(run, 'manifest.json'), 'utf8')),
  );
  return [...new Set(manifests.map(({ backend }) => backend.name))];
}

function checkSame(t: Test, stopped: string, straight: string): void {
  t.same(backendsOf(stopped), ['webasm']);
  t.same(decisions(stopped), decisions(straight), 'the same decisions');
  t.same(bytes(stopped), bytes(straight), 'the same bytes');
  for (const run of readdirSync(join(stopped, 'trials'))) {
    const epochs = readLog(join(stopped, 'trials', run)).filter(({ event }) => event === 'train.epoch');
    t.same(
      epochs.map(({ epoch }) => epoch),
      epochs.map((_, at) => at + 1),
      `no epoch of ${run} is trained twice`,
    );
  }
}

async function directoryOf(begun: Begun): Promise<string> {
  for (let directory = begun.directory(); ; directory = begun.directory()) {
    if (directory !== undefined && existsSync(join(directory, 'plan.json'))) return directory;
    await sleep(20);
  }
}

const file = newSweep();
/** The sweep that nobody stops. */
const straight = await sweepInProcess(work, file, work.folder(), undefined, { backend: 'webasm' });

/**
 * The sweep, stopped by `signal` while a trial evaluates: an epoch without its evaluation is no
 * result.
 */
async function stoppedBy(signal: NodeJS.Signals) {
  const { running, ...begun } = begin(file);
  const directory = await directoryOf({ running, ...begun });
  const trial = await heldTrial(directory, running);
  await signalAtRest(
    trial,
    () => true,
    () => running.child.kill(signal),
  );
  return { ended: await running.finished, directory };
}

/** Copies a sweep to where its trials are as far from their data as before. */
function copied(directory: string): string {
  const copy = join(work.folder(), 'sweeps', 'stopped', 'copy');
  cpSync(directory, copy, { recursive: true });
  return copy;
}

/** A copy of a sweep that was stopped while its first trial evaluated. */
let begun: string;

t.test('SIGINT while a trial evaluates loses nothing', async t => {
  const { ended, directory } = await stoppedBy('SIGINT');
  t.equal(ended.code, 130, ended.stderr);
  const { records } = readJournal(join(directory, 'journal.jsonl'));
  t.notOk(records.some(({ event }) => event === 'segment.end'));
  t.notMatch(ended.stdout, /best\.yaml/, 'no file is named that is not there');
  begun = copied(directory);
  await resumeInProcess(work, directory);
  checkSame(t, directory, straight);
});

t.test('signals of every kind, one after another', async t => {
  const begun = begin(file);
  const directory = await directoryOf(begun);
  let { running } = begun;
  for (const stop of ['SIGKILL', 'SIGINT twice', 'SIGTERM'] as const) {
    const trial = await heldTrial(directory, running);
    const pid = Number(holderOf(trial));
    if (stop === 'SIGKILL') running.child.kill(stop);
    if (stop === 'SIGINT twice') {
      // the sweep has taken the first when it has sent it on; signals that arrive together are one
      running.child.kill('SIGINT');
      await comesTrue(() => hasPending(pid) || running.child.exitCode !== null);
      running.child.kill('SIGINT');
    }
    if (stop === 'SIGTERM')
      await signalAtRest(
        trial,
        () => true,
        () => running.child.kill('SIGTERM'),
      );
    const { code, stderr } = await running.finished;
    t.equal(code, stop === 'SIGKILL' ? null : 130, `${stop}: ${stderr}`);
    if (stop !== 'SIGTERM') process.kill(pid, 'SIGCONT');
    await comesTrue(() => hasEnded(pid));
    running = work.startWith([], [...RESUME, directory], stop === 'SIGTERM' ? {} : HELD);
  }
  const ended = await running.finished;
  t.equal(ended.code, 0, ended.stderr);
  checkSame(t, directory, straight);
});

t.test('with another backend, started trials keep theirs', async t => {
  const warnings: string[] = [];
  const warning = (text: string) => warnings.push(text);
  await resumeInProcess(work, begun, { backend: 'cpu', warning });
  t.match(warnings, [/^the sweep used --backend webasm; /]);
  t.same(backendsOf(begun), ['webasm', 'cpu']);
  t.equal(readJson(join(begun, 'summary.json')).states.failed, 0);
});

t.test('a sweep with a damaged journal continues with a warning', async t => {
  const resume = (directory: string) => work.cellrun(...RESUME, directory);
  const damaged = (change: (lines: string[]) => readonly string[]): string => {
    const directory = copied(straight);
    const journal = join(directory, 'journal.jsonl');
    writeFileSync(journal, change(readFileSync(journal, 'utf8').split('\n')).join('\n'));
    return directory;
  };

  const whole = await resume(damaged(lines => lines));
  t.equal(whole.code, 0);
  t.notMatch(whole.stderr, /^trial/m, 'old results are no news');
  t.match(whole.stdout, /best\.yaml/);

  const quiet = await work.cellrun(...RESUME, straight, '-q');
  t.match(quiet, { code: 0, stderr: '' });
  t.match(quiet.stdout, `\nSweep directory: ${straight}\n`);
  const release = lockRun(join(straight, 'sweep.lock'));
  const locked = await work.cellrun(...RESUME, straight);
  release();
  t.match(locked, { code: 2, stderr: /this process is working on this sweep\n/ });
  t.match(locked.stderr, /expected: wait for it to finish/);
  t.notMatch(locked.stderr, /Resume with/);

  const isEnd = (line: string) => /"event":"segment.end".*"to":1/.test(line);
  const shortened = damaged(lines => lines.toSpliced(lines.findIndex(isEnd), 1));
  const again = await resume(shortened);
  t.equal(again.code, 0, again.stderr);
  t.match(again.stderr, /^warning: journal\.jsonl is missing 1 record before line \d+$/m);
  t.match(again.stderr, /^warning: the journal has lost decisions; all are recomputed/m);
  checkSame(t, shortened, straight);

  const contradicting = damaged(lines => {
    const at = lines.findLastIndex(line => line.includes('"event":"trial.measured"'));
    return lines.with(at, lines[at].replace(/"value":[\d.]+/, '"value":0.5'));
  });
  const refused = await resume(contradicting);
  t.equal(refused.code, 5, refused.stderr);
  t.match(refused.stderr, /this decision does not match the results in the journal/);

  const firstOf = (lines: readonly string[], event: string) =>
    lines.findIndex(line => line.includes(`"event":"${event}"`));
  const without: Readonly<Record<string, (lines: string[]) => readonly string[]>> = {
    'a decision': lines => lines.toSpliced(firstOf(lines, 'trial.chosen'), 1),
    'a decision, altered so that it is none': lines =>
      lines.map((line, at) =>
        at === firstOf(lines, 'trial.paused') ? line.replace('paused', 'pauseD') : line,
      ),
    'a result and what follows from it': lines => lines.toSpliced(lines.findIndex(isEnd), 5),
  };
  for (const [what, change] of Object.entries(without)) {
    const directory = damaged(change);
    const { code, stderr } = await resume(directory);
    t.equal(code, 0, stderr);
    t.match(stderr, /^warning: the journal has lost decisions; all are recomputed/m, what);
    checkSame(t, directory, straight);
    const replayed = await work.cellrun('sweep', 'replay', directory);
    t.equal(replayed.code, 0, replayed.stdout);
    const quiet = await resume(directory);
    t.equal(quiet.code, 0, quiet.stderr);
    t.notMatch(quiet.stderr, /has lost decisions/, 'once is enough');
  }
});

t.test('a sweep stops trials that it no longer needs', async t => {
  const file = work.sweep({
    name: 'target',
    base: work.config(config(work.file('data.npz', DATA))),
    ...{ parallel: 2, objective, budget: { target: 100 }, parameters: { 'model.hidden_size': [2, 400] } },
  });
  const output = work.folder();
  // the larger trial is held before its first step, so that it cannot end first
  const env = { NODE_OPTIONS: `--import=${holdAfter('"event":"graph.compiled".*"parameters":\\d{5}')}` };
  const words = ['sweep', file, '--output', output, ...FLAGS];
  const running = callInProcess(words, { ...work.place, env: { ...work.place.env, ...env } });
  let isOver = false;
  const over = running.finally(() => {
    isOver = true;
  });
  await comesTrue(() => {
    const [directory] = list(join(output, 'sweeps', 'target'));
    if (directory === undefined || !existsSync(join(directory, 'journal.jsonl'))) return isOver;
    const { records } = readJournal(join(directory, 'journal.jsonl'));
    const held = holderOf(join(directory, 'trials', 't0001-s0')) ?? 0;
    // on a busy machine it may have been asked to stop before it was held
    const isAsked = records.some(({ event }) => event === 'sweep.decided');
    return isOver || (isStopped(held) && isAsked && process.kill(held, 'SIGCONT'));
  });
  await over;
  const { code, stdout, stderr } = await running;
  t.equal(code, 0, stderr);
  t.notMatch(stderr, /warning/);
  const [directory] = list(join(output, 'sweeps', 'target'));
  const { records } = readJournal(join(directory, 'journal.jsonl'));
  const starts = records.filter(record => record.event === 'segment.start');
  t.same(
    starts.map(({ trial }) => trial),
    [0, 1],
    'none begins again',
  );
  t.match(readJson(join(directory, 'summary.json')), {
    reason: 'target',
    best: { trial: 0 },
    states: { completed: 1, stopped: 1, running: 0 },
  });
  t.match(stdout, /^ +0 {2}completed /m);
});

t.test('failed trials: exit code and closing line, without missing files', async t => {
  const run = (onError: string) =>
    work.cellrun('sweep', failing(onError), '--output', work.folder(), ...FLAGS);
  const stopped = await run('stop');
  t.equal(stopped.code, 1, stopped.stderr);
  t.match(stopped.stderr, /^cellrun: stopped: trial 0 failed: no end within 1 s$/m);
  t.match(stopped.stdout, /^1 of 1 trial failed:$/m);
  t.notMatch(stopped.stdout, /best\.yaml/);
  const directory = /^(\/.*)\/trials\.csv$/m.exec(stopped.stdout)?.[1] ?? '';
  const status = await work.cellrun('sweep', 'status', directory, '--json');
  t.match(JSON.parse(status.stdout), { status: 'failed', reason: 'trial_error', best: null });
  t.equal((await work.cellrun(...RESUME, directory)).code, 1, 'nor is it a success to go on with it');
  const all = await run('continue');
  t.equal(all.code, 1, all.stderr);
  t.match(all.stderr, /^cellrun: none of 2 trials has a value of the objective: 2 failed$/m);
});

/** Starts no process: `act` says what one would leave in its directory, and how it ends. */
function pretending(act: (task: Task) => TaskEnd): Launcher {
  return {
    name: 'local',
    close: async () => {},
    find: async () => undefined,
    start: async task => ({ process: '1', end: Promise.resolve(act(task)), stop: async () => {} }),
  };
}

const IGNORING = { warning: () => {} };
const ENDED: TaskEnd = { exitCode: 0, signal: null, timedOut: false, stderr: '' };

const RAN: Summary = { ...SUMMARY, metrics: { train: { loss: 1 }, test: { loss: 1 } } };

function leave(directory: string, summary: Partial<Summary>): void {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'config.resolved.yaml'), '');
  const whole = JSON.stringify({ ...RAN, ...summary });
  writeFileSync(join(directory, 'summary.json'), whole);
  writeFileSync(join(directory, 'log.jsonl'), endOf(whole));
}

/** The last record of a log. */
function endOf(summary: string): string {
  const summary_sha256 = createHash('sha256').update(summary).digest('hex');
  return `${JSON.stringify({ event: 'run.end', summary_sha256 })}\n`;
}

function newlyLoaded(words: readonly string[], flags: SweepFlags = {}): SweepDirectory {
  const base = work.config(config(work.file('data.npz', DATA)));
  const loaded = fromCommandLine([base], words, { flags: { objective: 'test.loss:min', ...flags } });
  return SweepDirectory.create(loaded, work.folder());
}

t.test('a trial that was stopped from outside, or whose job is lost, is resumed', async t => {
  const warnings: string[] = [];
  let starts = 0;
  const launcher = pretending(({ directory }) => {
    starts += 1;
    if (starts === 2) return { ...ENDED, exitCode: null, stderr: 'job is lost', wasForgotten: true };
    const isThrough = starts === 3;
    const status = isThrough ? 'completed' : 'interrupted';
    leave(directory, { steps: starts, epochs: isThrough ? 2 : 1, status });
    return { ...ENDED, exitCode: isThrough ? 0 : 130 };
  });
  const options = sweepOptions(launcher, { warning: text => warnings.push(text) });
  const { exitCode } = await runSweep(newlyLoaded(['model.hidden_size=4']), options);
  t.equal(exitCode, 0);
  t.match(warnings, [/stopped by a signal; resuming it$/, /job is lost; queueing it again$/]);
});

t.test('a full disk stops the sweep instead of failing a trial, and the sweep can be resumed', async t => {
  let isFull = true;
  const launcher = pretending(({ trial, directory }) => {
    if (isFull && trial === 1)
      return {
        ...ENDED,
        exitCode: 1,
        stderr: 'run/x: the file cannot be written: no space left on the disk\n',
      };
    leave(directory, { epochs: 2, metrics: { train: {}, test: { loss: trial } } });
    return ENDED;
  });
  const sweep = newlyLoaded(['model.hidden_size=2,3,4']);
  const { path } = sweep;
  await t.rejects(runSweep(sweep, sweepOptions(launcher, IGNORING)), {
    exitCode: 1,
    message: /the sweep stops because there was no space left on the disk for trial 1, seed 0: exit code/,
  });
  const journal = () => readJournal(join(path, 'journal.jsonl')).records;
  t.notOk(journal().some(({ event }) => event === 'trial.failed'));
  isFull = false;
  const { exitCode } = await runSweep(sweep, sweepOptions(launcher, IGNORING));
  t.equal(exitCode, 0);
  t.match(
    journal().findLast(({ event }) => event === 'sweep.decided'),
    { best: { trial: 0 } },
  );
  t.equal(journal().filter(({ event }) => event === 'trial.completed').length, 3);
});

t.test('a file that changed between trials stops the sweep, until it is put back', async t => {
  const [weights, otherWeights] = list(join(straight, 'trials')).map(run =>
    readFileSync(list(join(run, 'checkpoints')).find(file => file.endsWith('.safetensors')) ?? ''),
  );
  const otherData = randomDataset('test/sweep-stops/other', { train: 20, test: 800, seed: 2 });
  for (const [name, now] of [
    ['w.safetensors', otherWeights],
    ['data.npz', otherData],
  ] as const) {
    const folder = work.folder();
    const at = { 'w.safetensors': join(folder, 'w.safetensors'), 'data.npz': join(folder, 'data.npz') };
    writeFileSync(at['w.safetensors'], weights);
    writeFileSync(at['data.npz'], DATA);
    const then = readFileSync(at[name]);
    const base = config(at['data.npz']);
    const sweep = work.sweep({
      ...{ name: 'changing', objective },
      base: work.config({ ...base, model: { ...base.model, init_from: at['w.safetensors'] } }),
      parameters: { 'optimizer.learning_rate': [0.01, 0.02, 0.03] },
    });
    const output = work.folder();
    const change = async ({ trial }: Task) => {
      if (trial === 1) writeFileSync(at[name], now);
    };
    const sentence = 'the file of trial 1, seed 0 is not the one that trial 0, seed 0 was trained with';
    await t.rejects(sweepInProcess(work, sweep, output, change), {
      exitCode: 5,
      message: `${at[name]}: ${sentence}`,
    });
    const [directory] = list(join(output, 'sweeps', 'changing'));
    const review = await work.cellrun('review', directory);
    t.equal(review.code, 5, review.stderr);
    t.match(review.stdout, sentence);
    const again = `trial 1, seed 0: trained with a different ${at[name]}; training it again`;
    const warnings: string[] = [];
    const resume = () => resumeInProcess(work, directory, { warning: text => warnings.push(text) });
    await t.rejects(resume(), { exitCode: 5, message: sentence });
    writeFileSync(at[name], then);
    await resume();
    t.same(warnings, [again, again]);
    const after = await work.cellrun('review', directory);
    t.equal(after.code, 0, after.stdout);
  }
});

/** A sweep of three seeds that is interrupted once seed 0 has trained an epoch, and its data. */
async function interrupted(t: Test) {
  const path = join(work.folder(), 'data.npz');
  writeFileSync(path, DATA);
  const base = work.config(config(path));
  const file = work.sweep({ name: 'interrupted', base, objective, seeds: [0, 1, 2], parallel: 2 });
  const output = work.folder();
  const interrupt = async ({ seed, args }: Task) => {
    if (seed === 0) await work.cellrun(...args.with(args.indexOf('--pause-after-epoch') + 1, '1'));
    throw new Error('interrupted');
  };
  await t.rejects(sweepInProcess(work, file, output, interrupt), { message: 'interrupted' });
  const [directory] = list(join(output, 'sweeps', 'interrupted'));
  const warnings: string[] = [];
  const resume = () => resumeInProcess(work, directory, { warning: text => warnings.push(text) });
  const journal = join(directory, 'journal.jsonl');
  const ends = () => readJournal(journal).records.filter(({ event }) => event === 'segment.end');
  return { path, directory, journal, resume, warnings, ends };
}

t.test('a file that changed while runs were interrupted stops the sweep, until it is put back', async t => {
  const { path, directory, resume, warnings, ends } = await interrupted(t);
  writeFileSync(path, randomDataset('test/sweep-stops/other', { train: 20, test: 800, seed: 2 }));
  await t.rejects(resume(), {
    exitCode: 5,
    message: new RegExp(`trial 0, seed 0 cannot continue: .*${path}: the data have changed`),
  });
  t.same(ends(), [], 'neither a failure, nor a result of other data');
  t.match(
    list(join(directory, 'trials')),
    [/t0000-s0$/, /t0000-s1$/],
    'although seed 1 was trained with them',
  );
  writeFileSync(path, DATA);
  await resume();
  t.same(warnings, [`trial 0, seed 1: trained with a different ${path}; training it again`]);
  t.match(ends(), [{ status: 'done' }, { status: 'done' }, { status: 'done' }]);
  t.match(await work.cellrun('review', directory), { code: 0 });
});

t.test('a run that failed has the files of the sweep, too', async t => {
  const { path, journal: file, resume, warnings, ends } = await interrupted(t);
  const journal = openJournal(file, 'test');
  const time = new Date().toISOString();
  const segment = { trial: 0, seed: 0, from: 0, to: 2, status: 'failed' as const, value: null, attempt: 1 };
  const why = { exit_code: 1, message: 'out of memory', epochs: 1, train_s: 1 };
  journal.append({ event: 'segment.end', time, ...segment, ...why });
  journal.close();
  writeFileSync(path, randomDataset('test/sweep-stops/other', { train: 20, test: 800, seed: 2 }));
  const sentence = /the file of trial 0, seed [12] is not the one that trial 0, seed 0 was trained with/;
  await t.rejects(resume(), { exitCode: 5, message: sentence });
  t.equal(ends().length, 1);
  writeFileSync(path, DATA);
  await t.rejects(resume(), { message: 'the sweep ended with exit code 1' });
  t.match(warnings, [/seed 1: trained with a different/, /seed 2: trained with a different/]);
  t.match(ends(), [{ status: 'failed' }, { status: 'done' }, { status: 'done' }]);
});

t.test('--retry-failed retries failed trials', async t => {
  const flags = { method: 'random', trials: '4', pruner: 'asha' };
  for (const words of [['model.hidden_size=2,3,4'], ['optimizer.learning_rate=uniform(0.1,0.2)']]) {
    const isDrawn = words[0].includes('uniform');
    let isBroken = true;
    const launcher = pretending(({ trial, to, directory }) => {
      if (isBroken && trial === 1) return { ...ENDED, exitCode: 1, stderr: 'out of order\n' };
      const status = to === 2 ? 'completed' : 'interrupted';
      leave(directory, { epochs: to, status, metrics: { train: {}, test: { loss: 9 - trial } } });
      return { ...ENDED, exitCode: to === 2 ? 0 : 130 };
    });
    const paths: string[] = [];
    const begin = () => {
      const made = newlyLoaded(words, isDrawn ? flags : {});
      paths.push(made.path);
      return runSweep(made, sweepOptions(launcher, IGNORING));
    };
    t.equal((await begin()).exitCode, 0);
    const summary = () => summaryOf(readSweepResults(paths[0]));
    t.equal(summary().states.failed, 1);
    const again = (warnings: string[] = []) =>
      runSweep(SweepDirectory.open(paths[0]), {
        ...sweepOptions(launcher, { warning: text => warnings.push(text) }),
        retryFailed: true,
      });
    await again();
    t.equal(summary().states.failed, 1, 'it fails again');
    isBroken = false;
    await again();
    t.match(summary(), { status: 'completed', states: { failed: 0 } });
    await begin();
    t.same(decisions(paths[0]), decisions(paths[1]), 'as if it had never failed');
    const warnings: string[] = [];
    await again(warnings);
    t.same(warnings, ['--retry-failed has no effect: no trial has failed']);
    const { plan, directory, journal } = readSweepResults(paths[0]);
    t.match(replay(new Scheduler(plan, costModel(directory)), journal), { same: true });
  }
});

t.test('a new seed with which the best trial fails or diverges counts', async t => {
  for (const [status, exitCode, message] of [
    ['failed', 1, 'the best trial failed with seed 1: exit code 1: out of order'],
    ['diverged', 4, 'the best trial diverged with seed 1: the loss is NaN'],
  ] as const) {
    let isBroken = true;
    const launcher = pretending(({ seed, directory }) => {
      const isBad = isBroken && seed === 1;
      if (isBad && status === 'failed') return { ...ENDED, exitCode: 1, stderr: 'out of order\n' };
      leave(directory, isBad ? { status, epochs: 1, message: 'the loss is NaN' } : { epochs: 2 });
      return { ...ENDED, exitCode: isBad ? 4 : 0 };
    });
    const { path } = newlyLoaded(['model.hidden_size=2,3'], { repeatBest: '2' });
    const run = (retryFailed: boolean) =>
      runSweep(SweepDirectory.open(path), { ...sweepOptions(launcher, IGNORING), retryFailed });
    t.equal((await run(false)).exitCode, exitCode);
    const results = readSweepResults(path);
    t.equal(troubleOf(results.records)?.message, message);
    t.match(summaryOf(results), { status: 'failed', best: { trial: 0 }, metrics: undefined });
    isBroken = false;
    t.equal((await run(true)).exitCode, status === 'failed' ? 0 : exitCode, 'divergence is a result');
  }
});

t.test('--retry-failed is rejected if tpe used the failures', async t => {
  const launcher = pretending(({ trial, directory }) => {
    if (trial === 0) return { ...ENDED, exitCode: 1 };
    leave(directory, { epochs: 2 });
    return ENDED;
  });
  const sweep = newlyLoaded(['optimizer.learning_rate=uniform(0.1,0.2)'], { method: 'tpe', trials: '2' });
  await runSweep(sweep, sweepOptions(launcher, IGNORING));
  await t.rejects(runSweep(sweep, { ...sweepOptions(launcher, IGNORING), retryFailed: true }), {
    exitCode: 2,
    message: /tpe chose later points based on the failures/,
  });
});

t.test('the result of a segment from its run directory', async t => {
  const objective = { metric: 'test.loss', goal: 'minimize' } as const;
  const segment = { trial: 0, seed: 0, from: 1, to: 2 };
  const log = (...epochs: number[]): string =>
    epochs
      .flatMap((epoch, at) => [
        { seq: 2 * at, event: 'train.epoch', epoch, loss: 8 + epoch },
        { seq: 2 * at + 1, event: 'eval', split: 'test', epoch, loss: epoch },
      ])
      .map(event => `${JSON.stringify(event)}\n`)
      .join('');
  const found = (
    summary: Partial<Summary>,
    events = '',
    metric: string = objective.metric,
    epochs = 3,
    isLogged = true,
  ): number | null | string | undefined => {
    const metrics = { train: {}, test: { loss: 0.5 } };
    const stopped = { status: 'interrupted', epochs: 2, evaluated: true, exit_code: 130 };
    const whole = JSON.stringify({ ...RAN, ...stopped, metrics, ...summary });
    const place = t.testdir({
      'summary.json': whole,
      'config.resolved.yaml': '',
      'log.jsonl': isLogged ? `${events}${endOf(whole)}` : events,
    });
    const result = finishedSegment(segment, place, { objective: { ...objective, metric }, epochs });
    return result?.status === 'done' ? result.value : result?.status;
  };
  t.equal(found({}), 0.5);
  t.equal(found({}, log(1, 2), objective.metric, 3, false), undefined, 'killed before the last record');
  t.equal(found({ evaluated: false }), undefined, 'its value is that of the epoch before');
  t.equal(found({ evaluated: false }, log(1)), undefined);
  t.equal(
    found(
      { evaluated: false },
      `${log(1)}{"seq":2,"event":"train.epoch","epoch":2,"loss":1}\n`,
      'train.loss',
    ),
    undefined,
  );
  t.equal(found({ epochs: 1 }), undefined);
  t.equal(found({ status: 'failed', evaluated: false }, log(1, 2)), undefined);
  t.equal(found({ epochs: 3 }, log(1, 2, 3)), 2, 'of a run that went on, the value it had there');
  t.equal(found({ evaluated: false }, log(1, 2)), 2, 'also where it is within the epoch after');
  t.equal(found({ epochs: 3, status: 'completed' }, log(1, 2, 3), 'train.loss'), 10);
  t.equal(found({ epochs: 3 }), undefined, 'without a log nobody knows');
  t.equal(found({ status: 'diverged', evaluated: false }, log(1, 2)), 2, 'and diverges there');
  t.equal(found({ epochs: 1, status: 'diverged', evaluated: false }, log(1)), 'diverged');
  t.equal(found({ epochs: 1, status: 'completed' }), 0.5, 'steps may end a run before its epochs do');
  const ending = 'stopped during its final evaluation';
  t.equal(found({}, log(1, 2), objective.metric, 2), undefined, ending);
  t.equal(found({ status: 'completed' }, log(1, 2), objective.metric, 2), 0.5);
  const stopped_early = { metric: 'test.loss', patience: 1, best: 1 };
  t.equal(found({ stopped_early }, log(1, 2)), undefined, ending);
  t.equal(found({ stopped_early, epochs: 3 }, log(1, 2, 3)), 2, 'stopped after a later epoch');
});
