/**
 * Locks of runs: two processes never write to the same run, in any namespaces, and a process that
 * has lost its lock stops.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { RunDirectory } from '../../src/run/directory.js';
import { openLog } from '../../src/run/event-log.js';
import { writeAtomic } from '../../src/run/files.js';
import { allowUnlocked, isLocked, lockRun } from '../../src/run/lock.js';
import { openJournal } from '../../src/sweep/journal.js';
import { longerConfig, randomDataset, resume, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

const HOLDER = fileURLToPath(new URL('../support/lock-holder.js', import.meta.url));
const NAMESPACES = 'unshare -r --user --pid --fork --mount-proc --uts --net --mount'.split(' ');
const noNamespaces =
  spawnSync(NAMESPACES[0], [...NAMESPACES.slice(1), 'true']).status === 0
    ? false
    : 'this system lets nobody make namespaces of their own';

interface Holder {
  readonly child: ChildProcess;
  /** The next line that it prints. */
  said(): Promise<string>;
  ask(...words: string[]): Promise<string>;
}

/** Starts a process that takes the lock at `lock` at once and prints `ok`, or why it could not. */
function holder(lock: string, inNamespaces = false): Holder {
  const program = [process.execPath, HOLDER];
  const [command, ...args] = inNamespaces ? [...NAMESPACES, ...program] : program;
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  t.teardown(() => child.kill('SIGKILL'));
  const lines: string[] = [];
  const waiting: ((line: string) => void)[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) (waiting.shift() ?? (one => lines.push(one)))(line);
  });
  const said = () =>
    new Promise<string>(resolve => {
      const line = lines.shift();
      if (line === undefined) waiting.push(resolve);
      else resolve(line);
    });
  const ask = (...words: string[]) => {
    child.stdin.write(`${JSON.stringify(words)}\n`);
    return said();
  };
  child.stdin.write(`${JSON.stringify(['lock', lock])}\n`);
  return { child, said, ask };
}

/** Checks that `action` throws an error that matches `pattern`. */
function fails(t: Test, action: () => unknown, pattern: object, why = 'refused'): void {
  let thrown: unknown;
  try {
    action();
  } catch (error) {
    thrown = error;
  }
  t.match(thrown, pattern, why);
}

async function ended({ child }: Holder, signal: NodeJS.Signals): Promise<void> {
  const gone = new Promise(resolve => child.once('close', resolve));
  child.kill(signal);
  await gone;
}

function place(): { lock: string; log: string } {
  const folder = work.folder();
  return { lock: join(folder, 'run.lock'), log: join(folder, 'log.jsonl') };
}

t.test('a process in other PID, UTS and network namespaces', { skip: noNamespaces }, async t => {
  const { lock } = place();
  const here = holder(lock);
  t.equal(await here.said(), 'ok');
  t.match(await holder(lock, true).said(), /is working on this run/, 'it sees the one outside');
  await ended(here, 'SIGKILL');

  const there = holder(lock, true);
  t.equal(await there.said(), 'ok', 'the lock of a killed process is taken over');
  t.match(await holder(lock).said(), /is working on this run/, 'and the one outside sees it');
  t.ok(isLocked(lock));
  // that process id is another process's here, or unused
  const { pid } = JSON.parse(readFileSync(lock, 'utf8')) as { pid: number };
  t.not(pid, there.child.pid);
  await ended(there, 'SIGKILL');
  const again = holder(lock);
  t.equal(await again.said(), 'ok');
});

t.test('the kernel decides, not what is in the file', async t => {
  const { lock } = place();
  for (const left of ['', '{', JSON.stringify({ pid: process.ppid, host: hostname() })]) {
    writeFileSync(lock, left);
    t.notOk(isLocked(lock), 'a file that was left is no lock');
    lockRun(lock)();
    t.notOk(existsSync(lock));
  }
  const held = holder(lock);
  t.equal(await held.said(), 'ok');
  writeFileSync(lock, JSON.stringify({ pid: 2 ** 22 + 1, host: 'gone' }));
  t.ok(isLocked(lock), 'a process has it, though its number is of none');
  fails(t, () => lockRun(lock), { diagnostics: [{ code: 'run/in-use', message: /^another process \(/ }] });
});

t.test('a second attempt of the same process is told so', t => {
  const { lock } = place();
  const release = lockRun(lock);
  const message = 'this process is working on this run';
  fails(t, () => lockRun(lock), { exitCode: 2, diagnostics: [{ code: 'run/in-use', message }] });
  release();
  lockRun(lock)();
  t.end();
});

t.test('processes that take and release one lock at the same time: in use, or theirs', async t => {
  const { lock } = place();
  const holders = [1, 2, 3].map(() => holder(lock));
  await Promise.all(holders.map(one => one.said()));
  await Promise.all(holders.map(one => one.ask('release')));
  const told = await Promise.all(holders.map(one => one.ask('race', lock)));
  for (const one of told) t.match(one, /^(ok|.*is working on this run)( (ok|.*is working on this run))*$/);
  t.notOk(existsSync(lock));
});

t.test('without locks of the system, a directory is refused unless that is allowed', t => {
  const { lock } = place();
  const binding = createRequire(import.meta.url)('fs-native-extensions');
  const { tryLock } = binding;
  t.teardown(() => {
    binding.tryLock = tryLock;
  });
  binding.tryLock = () => {
    throw new Error('no locks here');
  };
  const expected = /CELLRUN_UNLOCKED=1/;
  fails(t, () => lockRun(lock), { exitCode: 2, diagnostics: [{ code: 'run/unlocked', expected }] });
  t.notOk(existsSync(lock), 'nothing was written');
  allowUnlocked();
  const release = lockRun(lock);
  t.notOk(isLocked(lock), 'nobody knows');
  release();
  t.notOk(existsSync(lock));
  t.end();
});

/**
 * Takes the lock at `lock` over from its owner, like a worker that takes over another worker's job.
 */
function takeOver(lock: string): () => void {
  rmSync(lock);
  return lockRun(lock);
}

t.test('a stopped process that has lost its lock writes nothing when it continues', async t => {
  const { lock, log } = place();
  const loser = holder(lock);
  await loser.said();
  t.equal(await loser.ask('write', log), 'ok');
  loser.child.kill('SIGSTOP');
  fails(t, () => lockRun(lock), { diagnostics: [{ code: 'run/in-use' }] }, 'a stopped process lives');
  const release = takeOver(lock);
  loser.child.kill('SIGCONT');
  t.match(await loser.ask('write', log), /has lost its lock/);
  t.equal(readFileSync(log, 'utf8').split('\n').length, 2);
  t.equal(await loser.ask('release'), 'ok');
  t.ok(isLocked(lock), 'nor does it remove the lock of the other');
  release();
});

t.test('every kind of write is fenced', t => {
  const folder = work.folder();
  const lock = join(folder, 'run.lock');
  mkdirSync(join(folder, 'checkpoints'));
  const release = lockRun(lock);
  const log = openLog(join(folder, 'log.jsonl'));
  const journal = openJournal(join(folder, 'journal.jsonl'), 'one');
  writeAtomic(join(folder, 'checkpoints', 'index.json'), ['{}']);
  const own = readFileSync(lock, 'utf8');
  const lost = { exitCode: 1, diagnostics: [{ code: 'run/lock-lost', file: lock }] };
  rmSync(lock);
  fails(t, () => log.emit({ event: 'warning', code: 'a', message: 'b' }), lost);
  fails(t, () => writeAtomic(join(folder, 'summary.json'), ['{}']), lost);
  fails(t, () => writeAtomic(join(folder, 'checkpoints', 'index.json'), ['{}']), lost);
  fails(t, () => journal.append({ event: 'sweep.stop', time: '', seconds: 0, reason: 'interrupted' }), lost);
  writeFileSync(lock, own);
  fails(t, () => writeAtomic(join(folder, 'summary.json'), ['{}']), lost, 'for good');
  writeFileSync(lock, '');
  release();
  writeAtomic(join(folder, 'summary.json'), ['{}']);
  t.equal(readFileSync(lock, 'utf8'), '', 'a lock that is not its own stays');
  t.end();
});

const data = work.file('data.npz', randomDataset('test/locks', { train: 64, test: 20, seed: 1 }));
const config = { ...longerConfig(data, 3), name: 'ok' };

t.test('a run whose lock is taken over stops, and leaves its files to the other process', async t => {
  const { summary } = await trainUntil(work, config, 2);
  const { directory } = summary;
  const { files } = RunDirectory.open(directory);
  let before: Buffer[] = [];
  const content = () => [files.log, files.summary, files.manifest].map(file => readFileSync(file));
  const thrown: unknown = await resume(
    directory,
    {},
    {
      step: ({ step }) => {
        if (step !== 4) return;
        rmSync(files.lock);
        writeFileSync(files.lock, 'of another');
        before = content();
      },
    },
  ).catch((error: unknown) => error);
  t.match(thrown, { exitCode: 1, diagnostics: [{ code: 'run/lock-lost' }] });
  t.same(content(), before, 'not even that it failed');
  rmSync(files.lock);
  lockRun(files.lock)();
  t.equal((await resume(directory)).summary.status, 'completed');
});

t.test('what is no regular file is no lock, and a pipe does not block', async t => {
  const { summary } = await trainUntil(work, longerConfig(data, 2), 2);
  const lock = join(summary.directory, 'run.lock');
  const refused = { exitCode: 2, message: /run\.lock: this is not a regular file/ };
  execFileSync('sh', ['-c', 'mkfifo "$0"', lock]);
  await t.rejects(resume(summary.directory), refused);
  rmSync(lock);
  mkdirSync(lock);
  await t.rejects(resume(summary.directory), refused);
  rmSync(lock, { recursive: true });
  t.equal((await resume(summary.directory)).summary.status, 'completed');
});
