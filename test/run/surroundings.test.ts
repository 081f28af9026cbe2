/**
 * Problems around a run: threads that end, file systems that become read-only, memory limits, data
 * that change, names that are not UTF-8, and runs of another version. Each time there is one
 * message, the files stay intact, and the resumed run is byte-identical to an uninterrupted one.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { Workplace } from '../support/cli.js';
import { main } from '../support/in-process.js';
import { longerConfig, randomDataset, resume, seal, train, trainUntil } from '../support/runs.js';

const work = new Workplace();
t.teardown(() => work.remove());

const bytesOfData = randomDataset('test/surroundings', { train: 64, test: 20, seed: 1 });
const data = work.file('data.npz', bytesOfData);
const config = { ...longerConfig(data, 3), name: 'around' };
const STEPS_PER_EPOCH = 2;
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

const onlyRun = (output: string) => join(output, 'around', readdirSync(join(output, 'around'))[0]);

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

const NAMESPACE = ['unshare', '-r', '--user', '--mount'];
const noMounts =
  spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'mount', '-t', 'tmpfs', 'none', '/mnt']).status === 0
    ? false
    : 'this system lets nobody mount file systems of their own';

t.test('a file system that becomes read-only', { skip: noMounts }, async t => {
  const place = work.folder();
  const kept = work.folder();
  const file = work.config(config);
  const program = `${process.execPath} ${main}`;
  // a file system with an open file cannot be made read-only, but a read-only mount over the
  // directory is possible, and paths then lead to that; it is refused while a file that was opened
  // through it is being written
  const script = `
    set -u
    mount -t tmpfs none ${place}
    cd ${place}
    ${program} run ${file} --backend webasm --output out --pause-after-epoch 1 --quiet > first 2>&1
    run=$(echo out/around/*)
    mount -o remount,ro ${place}
    ${program} resume $run --quiet > ${kept}/closed 2>&1; echo $? >> ${kept}/closed
    ${program} evaluate $run --json > ${kept}/read 2>&1; echo $? >> ${kept}/read
    mount -o remount,rw ${place}
    ${program} resume $run --quiet --set training.num_epochs=1000000 > ${kept}/open 2>&1 &
    until grep -q '"step":[67],' $run/log.jsonl; do sleep 0.05; done
    mount --bind $run $run
    until mount -o remount,bind,ro $run 2> /dev/null; do :; done
    wait $!; echo $? >> ${kept}/open
    umount $run
    cp -r $run ${kept}/run`;
  spawnSync(NAMESPACE[0], [...NAMESPACE.slice(1), 'sh', '-c', script], { ...work.place, stdio: 'inherit' });
  const told = (name: string) => readFileSync(join(kept, name), 'utf8');
  const readOnly = /run\.lock: the file cannot be written: the file system is read-only\n1\n$/;
  t.match(told('closed'), readOnly);
  t.match(told('read'), /"accuracy".*\n0\n$/s, 'what only reads goes on');
  t.match(told('open'), /the file system is read-only\n(?:Resume with: .*\n)?1\n$/, 'one message');
  // how far it got depends on the machine
  const steps = readdirSync(join(kept, 'run', 'checkpoints')).map(name => Number(/\d+/.exec(name)?.[0] ?? 0));
  const epochs = Math.ceil(Math.max(...steps) / STEPS_PER_EPOCH) + 1;
  const { summary } = await resume(join(kept, 'run'), { set: [`training.num_epochs=${epochs}`] });
  const expected = await train(work, { ...longerConfig(data, epochs), name: 'around' });
  t.same(summary.metrics, expected.summary.metrics);
});

const GROUPS = '/sys/fs/cgroup/memory';
const noGroups = ((): string | false => {
  const group = join(GROUPS, `cellrun-probe-${process.pid}`);
  try {
    mkdirSync(group);
    rmdirSync(group);
    return false;
  } catch {
    return 'no control group of memory (version 1) can be made here';
  }
})();

t.test('a memory limit that ends the process: nothing is lost', { skip: noGroups }, async t => {
  const { summary } = await train(work, config, { pauseAfterEpoch: 1 });
  const { directory } = summary;
  const group = join(GROUPS, `cellrun-test-${process.pid}`);
  mkdirSync(group);
  t.teardown(() => rmdirSync(group));
  writeFileSync(join(group, 'memory.limit_in_bytes'), String(48 * 2 ** 20));
  const script = `echo $$ > ${group}/cgroup.procs; exec ${process.execPath} ${main} resume ${directory}`;
  const { signal } = spawnSync('sh', ['-c', script], work.place);
  t.equal(signal, 'SIGKILL');
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

/** Runs the program in a shell, whose `$BAD` is a name that is not UTF-8. */
function byShell(command: string, cwd: string) {
  const script = `BAD=$(printf 'b\\377'); cellrun() { ${process.execPath} ${main} "$@"; }; ${command}`;
  const {
    status: code,
    stdout,
    stderr,
  } = spawnSync('sh', ['-c', script], {
    ...work.place,
    cwd,
    encoding: 'utf8',
  });
  return { code, stdout, stderr };
}

t.test('names that are not UTF-8', async t => {
  const folder = work.folder();
  const file = work.config(config);
  const refused = { code: 2, stderr: /bytes that are not UTF-8.*\n {2}expected: names in UTF-8\n/ };
  t.match(byShell(`cellrun run ${file} --output "$BAD"`, folder), refused, 'an argument');
  t.match(byShell(`mkdir "$BAD"; cd "$BAD"; cellrun run ${file}`, folder), refused, 'the folder');
  const names = readdirSync(folder, { encoding: 'buffer' });
  t.same(
    names.map(name => name.toString('latin1')),
    ['b\xff'],
    'nothing was written elsewhere',
  );
  t.match(await work.cellrun('validate', work.file('\ufffd.yaml', JSON.stringify(config))), { code: 0 });
});

t.test('a working directory that has been removed', t => {
  const folder = work.folder();
  const { code, stderr } = byShell('mkdir gone; cd gone; rmdir ../gone; cellrun review .', folder);
  t.equal(code, 2);
  t.match(stderr, /cellrun: the working directory has been removed\n/);
  t.notMatch(stderr, /defect/);
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
  const lines: string[] = [];
  rmSync(join(copy, 'checkpoints'), { recursive: true });
  const again = await resume(copy, {}, { warning: line => lines.push(line) });
  t.equal(again.exitCode, 0);
  t.match(lines, [/step-\d+\.safetensors: the run is complete, but this checkpoint is missing$/]);
  await t.rejects(resume(copy, { strict: true }), { exitCode: 5, message: /this checkpoint is missing/ });
  t.notOk(existsSync(join(copy, 'checkpoints', 'index.json')), 'nothing was written');
});
