/**
 * Problems around a run: threads that end, a read-only file system, data that change, a removed
 * working directory, and runs of another version. Each time there is one message, the files stay
 * intact, and the resumed run is byte-identical to an uninterrupted one.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { onlyIn } from '../support/cli.js';
import { main } from '../support/in-process.js';
import { longerConfig, randomDataset, resume, seal, train, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

const bytesOfData = randomDataset('test/surroundings', { train: 64, test: 20, seed: 1 });
const data = work.file('data.npz', bytesOfData);
const config = { ...longerConfig(data, 3), name: 'around' };
const straight = train(work, config);

const last = (directory: string) => {
  const folder = join(directory, 'checkpoints');
  const [name] = readdirSync(folder).sort().reverse();
  return readFileSync(join(folder, name.endsWith('.safetensors') ? name : readdirSync(folder).sort()[1]));
};

/** Resumes the run in `directory` and compares it with an uninterrupted one. */
async function finishes(t: Test, directory: string): Promise<void> {
  const { summary } = await resume(directory);
  t.equal(summary.status, 'completed');
  const expected = (await straight).summary;
  t.same(summary.metrics, expected.metrics);
  t.ok(last(directory).equals(last(expected.directory)), 'the same bytes');
}

const onlyRun = (output: string) => onlyIn(output, 'around');

t.test('a thread that ends for any reason', async t => {
  const preload = fileURLToPath(new URL('../support/dying-thread.js', import.meta.url));
  const said = {
    exit: /^cellrun: unexpected failure: a computing thread ended with code 7$/m,
    idle: /^cellrun: unexpected failure: a computing thread ended with code 7$/m,
    throw: /^cellrun: unexpected failure: thrown in a thread$/m,
    memory: /^cellrun: a worker thread: not enough memory/m,
  };
  for (const [how, message] of Object.entries(said)) {
    const output = work.folder();
    const flags = ['--backend', 'webasm', '--threads', '2', '--output', output];
    const env = { ...work.place.env, HOW: how, AT: '4' };
    const { status, stderr } = spawnSync(
      process.execPath,
      // a small heap fills up sooner
      ['--import', preload, '--max-old-space-size=200', main, 'run', work.config(config), ...flags],
      { ...work.place, env, encoding: 'utf8', timeout: 120_000, killSignal: 'SIGKILL' },
    );
    t.equal(status, 1, how);
    t.match(stderr, message, how);
    t.match(stderr, /^Resume with: /m, how);
    await finishes(t, onlyRun(output));
  }
});

const [UNSHARE, ...NAMESPACE] = ['unshare', '-r', '--user', '--mount'];
const noMounts =
  spawnSync(UNSHARE, [...NAMESPACE, 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0
    ? false
    : 'this system lets nobody mount file systems of their own';

t.test('a run on a file system that is read-only', { skip: noMounts }, async t => {
  const { summary } = await train(work, config, { pauseAfterEpoch: 1 });
  const { directory } = summary;
  const program = `${process.execPath} ${main}`;
  const script = `
    mount --bind ${directory} ${directory} && mount -o remount,bind,ro ${directory} || exit
    ${program} resume ${directory} --quiet 2>&1; echo $?
    ${program} evaluate ${directory} --json 2>&1; echo $?`;
  const options = { ...work.place, encoding: 'utf8' } as const;
  const { stdout } = spawnSync(UNSHARE, [...NAMESPACE, 'sh', '-c', script], options);
  t.match(
    stdout,
    /run\.lock: the file cannot be written: the file system is read-only\n1\n.*"accuracy".*\n0\n$/s,
  );
  await finishes(t, directory);
});

t.test('data that change during a run: it keeps the data that it has read', async t => {
  const own = work.file('own.npz', bytesOfData);
  const its = { ...config, dataset: { kind: 'npz', path: own } };
  const step = ({ step }: { step: number }) => {
    if (step === 1) writeFileSync(own, randomDataset('other', { train: 64, test: 20, seed: 2 }));
  };
  const { summary } = await train(work, its, { observer: { step }, pauseAfterEpoch: 2 });
  const { directory } = summary;
  const log = readFileSync(join(directory, 'log.jsonl'));
  const changed = { exitCode: 5, message: /own\.npz: the data have changed since the run was trained/ };
  await t.rejects(resume(directory), changed);
  const evaluated = await work.cellrun('evaluate', directory);
  t.match(evaluated, { code: 5, stderr: /own\.npz: the data have changed/ });
  t.same(readFileSync(join(directory, 'log.jsonl')), log, 'nothing was written');
  writeFileSync(own, bytesOfData);
  const resumed = await resume(directory);
  t.same(resumed.summary.metrics, (await straight).summary.metrics);
});

t.test('a working directory that has been removed', t => {
  const script = `mkdir gone; cd gone; rmdir ../gone; ${process.execPath} ${main} review .`;
  const { status, stderr } = spawnSync('sh', ['-c', script], {
    ...work.place,
    cwd: work.folder(),
    encoding: 'utf8',
  });
  t.equal(status, 2);
  t.match(stderr, /cellrun: the working directory has been removed\n/);
  t.end();
});

t.test('a run of another version resumes only if allowed', async t => {
  const { summary } = await trainUntil(work, config, 3);
  const run = summary.directory;
  const path = join(run, 'manifest.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8'));
  manifest.versions.cellrun = '0.0.9';
  writeFileSync(path, JSON.stringify(manifest));
  seal(run);
  await t.rejects(resume(run), { exitCode: 2, message: /`version`/ });
  const allowed = await resume(run, { allowChange: ['version'] });
  t.equal(allowed.summary.status, 'completed');
  const { changes } = JSON.parse(readFileSync(path, 'utf8'));
  t.match(changes, [{ key: 'version', from: '0.0.9' }]);
});

t.test('a complete run whose checkpoints are gone', async t => {
  const { summary } = await straight;
  const copy = join(work.folder(), 'copy');
  cpSync(summary.directory, copy, { recursive: true });
  rmSync(join(copy, 'checkpoints'), { recursive: true });
  t.equal((await resume(copy)).exitCode, 0);
  t.notOk(existsSync(join(copy, 'checkpoints', 'index.json')), 'nothing was written');
});
