/** The Slurm launcher against Slurm itself: daemons on this machine, jobs that are this program. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { openSlurm } from '../../src/sweep/launchers/slurm.js';
import type { Task } from '../../src/sweep/segment.js';
import { readLog } from '../support/cli.js';
import { comesTrue, signalAtRest } from '../support/programs.js';
import { longerConfig, randomDataset } from '../support/runs.js';
import { SlurmCluster, slurmMissing } from '../support/slurm.js';
import { work } from '../support/work.js';

const MAIN = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));
const PACE = { files: 50, slurm: 300, grace: 1000, patience: 20_000 };
t.setTimeout(300_000);

const data = work.file('data.npz', randomDataset('test/slurm', { train: 640, test: 64, seed: 1 }));
/** Trains until it is stopped. */
const config = work.config(longerConfig(data, 1_000_000));

/**
 * Says what it was given, and ends as its first argument wants: with an exit code, by a signal, or
 * not by itself. Then its second is a file that it makes once it runs.
 */
const probe = work.file(
  'probe.mjs',
  `import { writeFileSync } from 'node:fs';
   const [how, ready] = process.argv.slice(2);
   console.error(JSON.stringify(process.argv.slice(2)));
   if (how === 'wait' || how === 'stoppable') {
     setTimeout(() => {}, 600_000);
     if (how === 'stoppable') process.on('SIGTERM', () => process.exit(130));
     writeFileSync(ready, '');
   } else if (how.startsWith('SIG')) process.kill(process.pid, how);
   else process.exitCode = Number(how);`,
);

/** A task that waits until it is stopped: for good, or so that it can be resumed. */
function waiting(how: 'wait' | 'stoppable' = 'wait', more: Partial<Task> = {}): Task {
  return task([how, join(work.folder(), 'ready')], more);
}

const isReady = ({ args: [, ready] }: Task) => comesTrue(() => existsSync(ready));

let numbered = 0;

function task(args: readonly string[], more: Partial<Task> = {}): Task {
  numbered += 1;
  const id = `t${String(numbered).padStart(4, '0')}-s0-e1`;
  const directory = join(work.path, 'trials', id);
  return {
    id,
    trial: numbered,
    seed: 0,
    from: 0,
    to: 1,
    attempt: 1,
    directory,
    args,
    threads: 1,
    timeout: null,
    ...more,
  };
}

function training(more: Partial<Task> = {}): Task {
  const begun = task([], more);
  const args = [
    'run',
    config,
    '--directory',
    begun.directory,
    '--backend',
    'webasm',
    '--threads',
    '1',
    '--quiet',
  ];
  return { ...begun, args };
}

/** Waits until the log of a run under way has a record of `event`. */
const hasLogged = ({ directory }: Task, event: string) =>
  comesTrue(() => {
    const log = join(directory, 'log.jsonl');
    return existsSync(log) && readFileSync(log, 'utf8').includes(`"event":"${event}"`);
  });

function eachEpochOnce(t: Test, { directory }: Task): void {
  const epochs = readLog(directory)
    .filter(({ event }) => event === 'train.epoch')
    .map(({ epoch }) => epoch);
  t.strictSame(
    epochs,
    epochs.map((_, i) => i + 1),
    'each epoch once',
  );
}

t.test('without Slurm: one clear message', async t => {
  const { PATH } = process.env;
  process.env.PATH = work.folder();
  t.teardown(() => Object.assign(process.env, { PATH }));
  await t.rejects(openSlurm({ directory: work.folder() }), {
    exitCode: 2,
    message: 'the command `scontrol` was not found in PATH',
  });
});

t.test('the Slurm launcher', { skip: slurmMissing() ?? false, jobs: 20 }, async t => {
  // the node has more processors than the machine, so that no case waits for another
  const cluster = await SlurmCluster.start(work.folder(), 64);
  t.teardown(() => cluster.stop());
  process.env.SLURM_CONF = cluster.config;

  const open = async (options: { directory?: string; program?: string; sbatch?: string[] } = {}) => {
    const launcher = await openSlurm({
      directory: work.folder(),
      program: MAIN,
      pace: PACE,
      ...options,
    });
    t.teardown(() => launcher.close());
    return launcher;
  };

  t.test('any arguments and exit codes', async t => {
    const directory = join(work.folder(), "it's 100% ready");
    const launcher = await open({ directory, program: probe });
    const hostile = ["it's", '', '$(exit 3)', '`exit 3`', '"', '\\', 'two\nlines', '*', '~', '-n', 'ü', '%a'];
    const codes = [0, 1, 2, 4, 5, 130, 77];
    const tasks = [
      ...codes.map(code => task([String(code), ...hostile])),
      task(['SIGKILL']),
      task(['SIGSEGV']),
    ];
    const running = await Promise.all(tasks.map(task => launcher.start(task)));
    t.equal(new Set(running.map(({ process }) => process)).size, tasks.length, 'a job for each');
    const ends = await Promise.all(running.map(({ end }) => end));
    t.strictSame(
      ends.map(({ exitCode }) => exitCode),
      [...codes, null, null],
      'exit codes',
    );
    t.strictSame(ends.map(({ signal }) => signal).slice(-2), ['SIGKILL', 'SIGSEGV'], 'signals');
    t.strictSame(ends.map(({ timedOut }) => timedOut).filter(Boolean), [], 'nothing timed out');
    for (const [i, { args }] of tasks.entries())
      t.strictSame(JSON.parse(ends[i].stderr.split('\n')[0]), args, `arguments of ${args[0]}`);
  });

  t.test('requests the resources of a task', async t => {
    const launcher = await open({ program: probe, sbatch: ['--hold', '--comment=mine', '--time=9'] });
    const plain = await open({ program: probe, sbatch: ['--hold'] });
    const limited = await plain.start(task(['0'], { threads: 3, timeout: 90 }));
    const unlimited = await launcher.start(task(['0']));
    const described = await cluster.command('scontrol', 'show', 'job', '-o', limited.process);
    for (const part of ['NumCPUs=3', 'CPUs/Task=3', 'Requeue=1', 'TimeLimit=00:04:00'])
      t.ok(described.includes(` ${part} `), part);
    const ours = await cluster.command('scontrol', 'show', 'job', '-o', unlimited.process);
    t.match(ours, /Comment=mine/);
    t.match(ours, /TimeLimit=00:09:00/, "the user's options win");
    const ends = [limited.end, unlimited.end];
    await limited.stop();
    await unlimited.stop();
    for (const end of await Promise.all(ends))
      t.match(end, { exitCode: null, stderr: /CANCELLED/ }, 'pending jobs can be stopped');
  });

  t.test('interrupted training saves a checkpoint and resumes', async t => {
    const launcher = await open();
    const queued = training();
    const running = await launcher.start(queued);
    await hasLogged(queued, 'train.epoch');
    t.ok(
      await signalAtRest(
        queued.directory,
        () => true,
        () => running.stop(),
      ),
    );
    t.match(await running.end, { exitCode: 130, signal: null, timedOut: false });
    const again = await launcher.start(queued);
    t.not(again.process, running.process);
    await hasLogged(queued, 'run.resume');
    await again.stop();
    t.match(await again.end, { exitCode: 130, signal: null, timedOut: false });
    eachEpochOnce(t, queued);
  });

  t.test('a requeued job resumes from its checkpoint, and only its last end counts', async t => {
    const launcher = await open();
    const queued = training();
    const running = await launcher.start(queued);
    let hasEnded = false;
    const end = running.end.finally(() => {
      hasEnded = true;
    });
    await hasLogged(queued, 'train.epoch');
    await cluster.command('scontrol', 'requeue', running.process);
    await hasLogged(queued, 'run.resume');
    t.notOk(hasEnded);
    await running.stop();
    t.match(await end, { exitCode: 130, signal: null, timedOut: false });
    eachEpochOnce(t, queued);
    const resumes = readLog(queued.directory).filter(({ event }) => event === 'run.resume');
    t.equal(resumes.length, 1);
    // a stop at the end of an epoch adds more records at its step than its own
    const [{ step, replaced_file: file }] = resumes;
    const replaced = readFileSync(join(queued.directory, `${file}`), 'utf8')
      .trimEnd()
      .split('\n');
    const { event, steps } = JSON.parse(replaced.at(-1) ?? '');
    t.same({ event, steps }, { event: 'run.end', steps: step }, 'no step of the first job is lost');
  });

  t.test('a job near its time limit is asked to stop, and counts as timed out', async t => {
    // half a minute of training would take a processor from the other tests
    const launcher = await open({ program: probe });
    const endless = waiting('stoppable', { timeout: 1 });
    const running = await launcher.start(endless);
    await isReady(endless);
    // Slurm counts in minutes; two of those that the launcher asks for are its margin
    await cluster.command('scontrol', 'update', `JobId=${running.process}`, 'TimeLimit=1');
    t.match(await running.end, { exitCode: 130, signal: null, timedOut: true });
  });

  t.test('a killed job has no exit code', async t => {
    const launcher = await open({ program: probe });
    const tasks = [waiting(), waiting()];
    const [ours, theirs] = await Promise.all(tasks.map(task => launcher.start(task)));
    await Promise.all(tasks.map(isReady));
    await cluster.command('scancel', ours.process);
    t.match(await ours.end, { exitCode: null, signal: 'SIGTERM', timedOut: false, stderr: /CANCELLED/ });
    await cluster.command('scancel', '--batch', '--signal=KILL', theirs.process);
    t.match(
      await theirs.end,
      { exitCode: null, timedOut: false, stderr: /Slurm reports state (FAILED|CANCELLED) for job \S+/ },
      'not even its script lives',
    );
    await ours.stop();
    t.pass('stopping an ended task has no effect');
  });

  t.test('jobs outlive the launcher, and another one finds them', async t => {
    const directory = work.folder();
    const first = await open({ directory, program: probe });
    const [queued, unsaid, quick] = [waiting(), waiting(), task(['4'])];
    const [known, own, done] = await Promise.all([queued, unsaid, quick].map(task => first.start(task)));
    await first.close();
    const second = await open({ directory, program: probe });
    const found = await second.find(queued, known.process);
    t.equal(found?.process, known.process);
    t.equal(await second.find(queued, '999'), undefined, 'another job is not this task');
    const adopted = await second.start(unsaid);
    t.equal(adopted.process, own.process, 'not submitted twice');
    await Promise.all([queued, unsaid].map(isReady));
    await cluster.command('scancel', own.process, known.process);
    t.match(await adopted.end, { exitCode: null });
    t.match(await found?.end, { exitCode: null });

    await comesTrue(async () => {
      const jobs = `--jobs=${known.process},${own.process}`;
      // Slurm refuses a list of jobs that it has forgotten
      return (await cluster.command('squeue', '--noheader', '--states=all', jobs).catch(() => '')) === '';
    });
    const third = await open({ directory, program: probe });
    t.match(
      await (await third.find(quick, done.process))?.end,
      { exitCode: 4, signal: null },
      'its result is still known',
    );
    t.match(await (await third.find(queued, known.process))?.end, { exitCode: null, signal: 'SIGTERM' });
    rmSync(join(directory, 'slurm', `${queued.id}-1`, 'end'));
    t.equal(await third.find(queued, known.process), undefined, 'gone, without a trace');
    const again = await third.start(queued);
    t.not(again.process, known.process);
    await cluster.command('scancel', again.process);
    await again.end;
  });

  t.test('reports errors of Slurm', async t => {
    const launcher = await open({ sbatch: ['--partition=nowhere'] });
    await t.rejects(launcher.start(task(['--version'])), { exitCode: 2, message: /invalid partition/ });
  });
});
