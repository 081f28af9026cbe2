/** The BullMQ launcher and its workers against a Redis server: the real program on both ends. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { openLogger } from '../../src/host/index.js';
import { lockRun } from '../../src/run/lock.js';
import { SweepDirectory } from '../../src/sweep/directory.js';
import { openJournal } from '../../src/sweep/journal.js';
import {
  type BullmqOptions,
  jobId,
  openBullmq,
  parseQueue,
  queueJob,
  taskOfJob,
} from '../../src/sweep/launchers/queue.js';
import { workOn } from '../../src/sweep/launchers/worker.js';
import type { RunningTask, Task } from '../../src/sweep/segment.js';
import { jsonLines, type Running, readLog } from '../support/cli.js';
import { bringToRest, comesTrue, hasEnded } from '../support/programs.js';
import { RedisServer, redisMissing } from '../support/redis.js';
import { longerConfig, randomDataset } from '../support/runs.js';
import { PLAN } from '../support/sweep-stories.js';
import { work } from '../support/work.js';

const EPOCHS = 60;
const epochNumbers = (length: number): number[] => Array.from({ length }, (_, i) => i + 1);
const EVERY_EPOCH = epochNumbers(EPOCHS);
/** Seconds; for cases that wait for a lease to run out. */
const SHORT_LEASE = '6';

t.setTimeout(300_000);

const root = work.folder();
const data = work.file('data.npz', randomDataset('test/bullmq', { train: 640, test: 64, seed: 1 }));

let numbered = 0;

interface Training {
  readonly epochs?: number;
  readonly hidden_size?: number;
  /** Of the plan. */
  readonly trial_timeout?: number;
}

/** The first trial of a sweep of its own, a training of some seconds. */
function training(
  { epochs = EPOCHS, hidden_size = 16, trial_timeout }: Training = {},
  more: Partial<Task> = {},
): Task {
  numbered += 1;
  const config = longerConfig(data, epochs);
  const yaml = JSON.stringify({ ...config, model: { ...config.model, hidden_size } });
  const plan = {
    ...PLAN,
    epochs,
    space: { parameters: [], exclude: [] },
    trial_timeout: trial_timeout ?? null,
    bases: [{ ...PLAN.bases[0], sha256: createHash('sha256').update(yaml).digest('hex') }],
  };
  const sweep = SweepDirectory.create(
    { plan, givenYaml: null, bases: [{ name: PLAN.bases[0].name, yaml }] },
    join(root, String(numbered)),
    new Date(0),
  );
  const journal = openJournal(sweep.files.journal, 'test');
  const time = new Date(0).toISOString();
  journal.append({ event: 'sweep.start', time, id: sweep.id, plan, backend: 'webasm', version: '' });
  journal.append({ event: 'trial.chosen', trial: 0, point: {} });
  journal.close();
  return {
    id: `t${String(numbered).padStart(4, '0')}-s0-e${epochs}`,
    trial: 0,
    seed: 0,
    from: 0,
    to: epochs,
    attempt: 1,
    directory: sweep.runPath({ trial: 0, seed: 0 }),
    args: [],
    threads: 1,
    timeout: trial_timeout ?? null,
    ...more,
  };
}

const ENDLESS = { epochs: 100_000 };
const SHORT = { epochs: 2 };

const logOf = ({ directory }: Task): string => {
  const path = join(directory, 'log.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
};
/** Of a run that may be under way. */
const epochsSoFar = (task: Task) => logOf(task).split('"event":"train.epoch"').length - 1;
const hasTrained = (task: Task) => comesTrue(() => epochsSoFar(task) > 0);

/** The process that holds the run of a task. */
function pidOf({ directory }: Task): number {
  return (JSON.parse(readFileSync(join(directory, 'run.lock'), 'utf8')) as { pid: number }).pid;
}

/**
 * Stops an endless training. A worker that has just returned its job to the queue answers for its
 * process.
 */
async function stopped(running: RunningTask): Promise<boolean> {
  await running.stop();
  const { exitCode, stderr } = await running.end;
  return exitCode === 130 || stderr.startsWith('stopped before');
}

function count(task: Task, wanted: string): number {
  return readLog(task.directory).filter(({ event }) => event === wanted).length;
}

/** Steps that a resumed process computed again: those whose records a resume took from the log. */
function repeatedSteps({ directory }: Task): number[] {
  return readdirSync(directory)
    .filter(name => name.startsWith('log.replaced-'))
    .flatMap(name => readFileSync(join(directory, name), 'utf8').trim().split('\n'))
    .map(line => JSON.parse(line))
    .flatMap(({ event, step }) => (event === 'train.step' ? [step] : []));
}

function epochsOf({ directory }: Task): unknown[] {
  return readLog(directory)
    .filter(({ event }) => event === 'train.epoch')
    .map(({ epoch }) => epoch);
}

function eachEpochOnce(t: Test, task: Task): void {
  const epochs = epochsOf(task);
  t.strictSame(epochs, epochNumbers(epochs.length), 'each epoch once');
}

t.test('addresses of queues', async t => {
  t.match(parseQueue('redis://h:1/2?queue=mine'), { url: 'redis://h:1/2', name: 'mine' });
  t.match(parseQueue('rediss://u:secret@h'), { url: 'rediss://u:secret@h', name: 'cellrun' });
  t.notMatch(parseQueue('rediss://u:secret@h').shown, /secret/);
  for (const wrong of [
    '',
    'h:6379',
    'http://h',
    'redis://',
    'redis://h/mine',
    'redis://h?queue=a%20b',
    'redis://h?queue=',
  ])
    t.throws(() => parseQueue(wrong), /invalid queue address/, wrong);
  try {
    parseQueue('http://u:secret@h');
  } catch (error) {
    t.notMatch(JSON.stringify(error), /secret/, 'a password is not repeated');
  }
});

t.test('a worker runs valid jobs and refuses others', async t => {
  const task = training();
  const job = queueJob(task);
  const { args, ...named } = taskOfJob(JSON.parse(JSON.stringify(job)), root).task;
  const { args: _, ...own } = task;
  t.strictSame(named, own);
  const base = join(job.sweep, 'configs', 'base.yaml');
  const place = [
    '--directory',
    task.directory,
    '--pause-after-epoch',
    String(EPOCHS),
    '--threads',
    '1',
    '--quiet',
  ];
  t.strictSame(args, ['run', base, '--set', 'seed=0', '--backend', 'webasm', ...place], 'all by the plan');
  t.equal(taskOfJob({ ...job, stop: true }, root).stop, true);
  const outside = work.folder();
  cpSync(job.sweep, join(outside, 'sweep'), { recursive: true });
  symlinkSync(outside, join(root, 'link'));
  const refused: Record<string, object> = {
    'arguments of its own': { args: ['run', '/etc/passwd'] },
    'a value of its own': { set: ['dataset.path=/etc/passwd'] },
    'a run directory of its own': { directory: join(root, 'other') },
    'outside of the root': { sweep: join(outside, 'sweep') },
    'beside the root': { sweep: `${root}-beside` },
    upwards: { sweep: `${job.sweep}/../${basename(job.sweep)}` },
    relative: { sweep: 'sweep' },
    'through a link': { sweep: join(root, 'link', 'sweep') },
    'another trial': { trial: 1 },
    'another seed': { seed: 1 },
    'more epochs than any trial has': { to: EPOCHS + 1 },
    'no epoch': { from: EPOCHS },
    'an unknown field': { command: 'ls' },
    'the previous version': { version: 1 },
    'an invalid number of threads': { threads: 0 },
    'an invalid id': { id: '../x' },
    'an invalid request': { stop: 'now' },
  };
  for (const [why, change] of Object.entries(refused))
    t.throws(() => taskOfJob({ ...job, ...change }, root), /the worker refuses the job/, why);
  t.throws(() => taskOfJob({ ...job, sweep: root }, root), /not a sweep directory/);
  for (const nothing of [null, undefined, 1, 'run', [], {}])
    t.throws(() => taskOfJob(nothing, root), /the worker refuses the job/);
  symlinkSync(outside, join(job.sweep, 'trials', 't0001-s0'));
  const linked = openJournal(join(job.sweep, 'journal.jsonl'), 'other');
  linked.append({ event: 'trial.chosen', trial: 1, point: {} });
  linked.close();
  t.throws(
    () => taskOfJob({ ...job, trial: 1 }, root),
    /is not in/,
    'a run directory that links to another place',
  );
  t.not(jobId({ ...task, directory: join(root, 'elsewhere') }), jobId(task), 'sweeps do not share jobs');
});

t.test('the BullMQ launcher', { skip: redisMissing() ?? false, jobs: 8 }, async t => {
  const shared = await RedisServer.start(work.folder());
  t.teardown(() => shared.kill());

  /** A queue of its own for each case. */
  const queueOf = (name: string, server = shared) => `${server.url}?queue=${name}`;
  const open = async (t: Test, queue: string, more: Partial<BullmqOptions> = {}) => {
    const launcher = await openBullmq({ queue, folder: root, warn: () => {}, poll: 500, ...more });
    t.teardown(() => launcher.close());
    return launcher;
  };
  const startWorker = (t: Test, queue: string, ...flags: string[]) => workerWith({}, t, queue, ...flags);
  const workerWith = async (
    env: Readonly<Record<string, string>>,
    t: Test,
    queue: string,
    ...flags: string[]
  ): Promise<Running> => {
    const worker = work.startWith([], ['worker', '--queue', queue, '--root', root, ...flags], env);
    t.teardown(() => worker.child.kill('SIGKILL'));
    await worker.said('waiting for tasks');
    return worker;
  };

  /** A worker in this process; its tasks have processes of their own. */
  const employ = (t: Test, queue: string) => {
    const control = new AbortController();
    const plan = { queue, root, concurrency: 1, lease: 60, log: openLogger(() => {}) };
    const finished = workOn(plan, control.signal);
    t.teardown(() => {
      control.abort();
      return finished;
    });
  };

  t.test('tasks and how they end', async t => {
    const queue = queueOf('ends');
    const launcher = await open(t, queue);
    const worker = await startWorker(t, queue, '--concurrency', '2');
    const good = training(SHORT);
    const paused = training({}, { to: 2 });
    const bad = training({ hidden_size: -1 });
    const hung = training({ ...ENDLESS, trial_timeout: 1 });
    const foreign = training({}, { directory: join(work.folder(), 'trials', 'run') });
    const [done, partly, wrong, late, refused] = await Promise.all(
      [good, paused, bad, hung, foreign].map(async task => (await launcher.start(task)).end),
    );
    t.match(done, { exitCode: 0, signal: null, timedOut: false });
    t.strictSame(epochsOf(good), [1, 2]);
    t.match(partly, { exitCode: 130 });
    t.match(wrong, { exitCode: 2, timedOut: false, stderr: /hidden_size/ });
    t.match(late, { timedOut: true });
    t.not(late.exitCode, 0);
    t.match(refused, { exitCode: 2, stderr: /is not in .*/ });
    t.notOk(existsSync(foreign.directory), 'nothing was written there');
    worker.child.kill('SIGTERM');
    const { code, stderr } = await worker.finished;
    t.equal(code, 0);
    const [waiting, ...records] = jsonLines(stderr);
    t.match(waiting, { level: 'info', root });
    const logged = ({ id }: Task) => records.filter(({ task }) => task === id).slice(1);
    t.match(logged(good), [{ level: 'info', msg: `${good.id}: done` }]);
    t.match(logged(paused), [{ level: 'info', msg: /: exit code 130/ }]);
    t.match(logged(bad), [{ level: 'warn', msg: /hidden_size/ }]);
    t.match(logged(hung), [{ level: 'warn', msg: `${hung.id}: no end within 1 s` }]);
    t.match(
      records.filter(({ job }) => job === jobId(foreign)),
      [{ level: 'warn', msg: /is not in/ }],
    );
    t.match(records.at(-1), { level: 'info', msg: /^SIGTERM: stopping/ });
  });

  t.test('warns once about a queue without workers', async t => {
    const queue = queueOf('lonely');
    const said: string[] = [];
    const launcher = await open(t, queue, { poll: 20, folder: root, warn: text => said.push(text) });
    const running = await launcher.start(training(SHORT));
    await comesTrue(() => said.length > 0);
    const command = `cellrun worker --queue '${queue}' --root '${root}'`;
    t.match(said[0], /tasks wait in redis:.*queue=lonely, but no worker is running/);
    t.ok(said[0].endsWith(command), said[0]);
    employ(t, queue);
    t.match(await running.end, { exitCode: 0 });
    t.equal(said.length, 1, 'many checks, one warning');

    const idle = await open(t, queueOf('idle'), { poll: 20, warn: text => said.push(text) });
    const busy = await open(t, queue, { poll: 20, warn: text => said.push(text) });
    t.match(await (await busy.start(training(SHORT))).end, { exitCode: 0 });
    t.equal(said.length, 1, 'no warning if nothing waits or a worker runs');
    await idle.close();
  });

  t.test('stopped while waiting and while running, then started again', async t => {
    const queue = queueOf('stops');
    const launcher = await open(t, queue);
    const waiting = await launcher.start(training());
    await waiting.stop();
    t.match(await waiting.end, { exitCode: null, wasForgotten: true });

    const task = training(ENDLESS);
    employ(t, queue);
    const running = await launcher.start(task);
    await hasTrained(task);
    await running.stop();
    t.match(await running.end, { exitCode: 130, signal: null, timedOut: false });
    const last = epochsOf(task).length + 2;
    const again = await launcher.start({ ...task, to: last });
    t.match(await again.end, { exitCode: 130 });
    t.strictSame(
      epochsOf(task),
      Array.from({ length: last }, (_, i) => i + 1),
    );
    await again.stop();
    t.pass('stopping an ended task has no effect');
  });

  t.test('a killed worker: another one resumes from the checkpoint', async t => {
    const queue = queueOf('kills');
    const launcher = await open(t, queue);
    const first = await startWorker(t, queue, '--lease', SHORT_LEASE);
    const task = training(ENDLESS);
    const running = await launcher.start(task);
    await hasTrained(task);
    first.child.kill('SIGKILL');
    await first.finished;
    await comesTrue(() => !existsSync(join(task.directory, 'run.lock')));
    const before = epochsOf(task).length;
    // as if the worker's process went on, stopped, on a machine that is lost
    t.teardown(lockRun(join(task.directory, 'run.lock')));
    await startWorker(t, queue, '--lease', SHORT_LEASE);
    await comesTrue(() => epochsSoFar(task) > before);
    t.ok(await stopped(running));
    eachEpochOnce(t, task);
    t.strictSame(repeatedSteps(task), [], 'no step is computed twice');
  });

  t.test('a worker that is stopped returns its job to the queue', async t => {
    const queue = queueOf('terminates');
    const launcher = await open(t, queue);
    const first = await startWorker(t, queue);
    const task = training(ENDLESS);
    const running = await launcher.start(task);
    await hasTrained(task);
    first.child.kill('SIGTERM');
    const { code, stderr } = await first.finished;
    t.equal(code, 0);
    t.match(stderr, /: exit code 130.*\n.*: returned to the queue/);
    const before = epochsOf(task).length;
    await startWorker(t, queue);
    await comesTrue(() => epochsSoFar(task) > before);
    t.ok(await stopped(running));
    eachEpochOnce(t, task);
    t.strictSame(repeatedSteps(task), [], 'no step is computed twice');
  });

  t.test('Redis is killed and restarted in the middle', async t => {
    const server = await RedisServer.start(work.folder());
    t.teardown(() => server.kill());
    const queue = queueOf('restarts', server);
    const launcher = await open(t, queue);
    await startWorker(t, queue);
    const [task, next] = [training(), training(SHORT)];
    const [running, waiting] = await Promise.all([launcher.start(task), launcher.start(next)]);
    await hasTrained(task);
    await server.kill();
    const before = epochsSoFar(task);
    // or it has come to its end meanwhile
    await comesTrue(() => epochsSoFar(task) > Math.min(before + 1, EPOCHS - 1));
    await server.startAgain();
    t.match(await running.end, { exitCode: 0 });
    t.match(await waiting.end, { exitCode: 0 }, 'the waiting job is not lost either');
    t.strictSame(epochsOf(task), EVERY_EPOCH);
    t.strictSame(epochsOf(next), [1, 2]);
    t.equal(count(task, 'run.start') + count(next, 'run.start'), 2, 'nothing ran twice');
  });

  t.test('a suspended worker: another worker takes the run over, and its process stops', async t => {
    const queue = queueOf('sleeps');
    const launcher = await open(t, queue);
    const first = await startWorker(t, queue, '--lease', SHORT_LEASE);
    const task = training(ENDLESS);
    const running = await launcher.start(task);
    await hasTrained(task);
    const pid = pidOf(task);
    await bringToRest(Number(first.child.pid));
    await startWorker(t, queue, '--lease', SHORT_LEASE);
    await comesTrue(() => logOf(task).includes('"run.resume"'));
    await comesTrue(() => hasEnded(pid));
    t.ok(await stopped(running));
    first.child.kill('SIGCONT');
    eachEpochOnce(t, task);
  });

  t.test('waits for a run that another process holds', async t => {
    const queue = queueOf('waits');
    const launcher = await open(t, queue);
    const task = training(SHORT);
    mkdirSync(task.directory);
    const release = lockRun(join(task.directory, 'run.lock'));
    const worker = await startWorker(t, queue);
    const running = await launcher.start(task);
    await worker.said('returned to the queue');
    release();
    t.match(await running.end, { exitCode: 0 });
    t.strictSame(epochsOf(task), [1, 2]);
  });

  t.test('jobs outlive the launcher without duplicates', async t => {
    const queue = queueOf('adopts');
    const first = await open(t, queue);
    const [task, absent, gone] = [training(SHORT), training(), training()];
    const running = await first.start(task);
    await first.close();
    const second = await open(t, queue);
    t.equal(await second.find(absent, jobId(absent)), undefined);
    t.equal(await second.find(task, jobId(absent)), undefined, 'another job is not this task');
    const found = await second.find(task, running.process);
    t.equal(found?.process, running.process);
    const lost = await second.start(gone);
    await lost.stop();
    t.match(await lost.end, { wasForgotten: true });
    employ(t, queue);
    t.match(await found?.end, { exitCode: 0 });
    const third = await open(t, queue);
    t.match(
      await (await third.find(task, running.process))?.end,
      { exitCode: 0 },
      'its result is still known',
    );
    t.equal(count(task, 'run.start'), 1);
    const double = training(SHORT);
    const both = await Promise.all([third.start(double), third.start(double)]);
    t.equal(both[0].process, both[1].process);
    t.match(await both[1].end, { exitCode: 0 });
    t.equal(count(double, 'run.start'), 1);
    t.notOk(logOf(double).includes('"run.resume"'), 'it ran once');
  });

  t.test('an emptied queue, and a lost server', async t => {
    const server = await RedisServer.start(work.folder());
    t.teardown(() => server.kill());
    const launcher = await open(t, queueOf('empties', server), { patience: 1000, poll: 200 });
    const forgotten = await launcher.start(training());
    await server.command('FLUSHALL');
    t.match(await forgotten.end, { exitCode: null, signal: null, stderr: /no longer in the queue/ });
    const unlisted = await launcher.start(training());
    await server.command('DEL bull:empties:wait');
    t.match(await unlisted.end, { exitCode: null, wasForgotten: true, stderr: /no longer in the queue/ });
    const hopeless = await launcher.start(training());
    await server.kill();
    await t.rejects(hopeless.end, { exitCode: 2, message: /cannot reach redis:/ });
    await t.rejects(openBullmq({ queue: server.url, folder: root, warn: () => {} }), {
      exitCode: 2,
      message: /cannot reach .*ECONNREFUSED/,
    });
  });

  t.test('missing packages: one clear message', async t => {
    const hook = `export async function resolve(name, context, next) {
      if (name === 'bullmq') throw Object.assign(new Error('gone'), { code: 'ERR_MODULE_NOT_FOUND' });
      return next(name, context);
    }`;
    const hookUrl = `data:text/javascript,${encodeURIComponent(hook)}`;
    const register = `import { register } from 'node:module'; register(${JSON.stringify(hookUrl)});`;
    const flags = ['--import', `data:text/javascript,${encodeURIComponent(register)}`];
    const args = ['worker', '--queue', shared.url, '--root', root];
    const { code, stderr } = await work.startWith(flags, args).finished;
    t.equal(code, 2);
    t.match(stderr, /queues need the packages bullmq and ioredis/);
  });

  t.test('a worker without a queue or a root', async t => {
    const file = work.file('taken', '');
    const missing = await work.cellrun('worker', '--queue', shared.url, '--root', join(file, 'below'));
    t.match(missing, { code: 2, stderr: /this folder cannot be created: a component of the path is a file/ });
    const nowhere = await work.cellrun('worker', '--queue', 'redis://127.0.0.1:1', '--root', root);
    t.match(nowhere, { code: 2, stderr: /cannot reach redis:\/\/127\.0\.0\.1:1/ });
    t.match(await work.cellrun('worker', '--root', root), { code: 2, stderr: /--queue/ });
  });
});
