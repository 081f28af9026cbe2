/**
 * Runs that are cut short: by a signal, a full disk, a closed stream, or files that change or
 * disappear.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { createProgress } from '../../src/cli/terminal/progress.js';
import { loadExperiment } from '../../src/config/index.js';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { RunDirectory } from '../../src/run/directory.js';
import { TrainingState } from '../../src/train/loop.js';
import { openSession } from '../../src/train/session.js';
import { closeFailed } from '../../src/train/train.js';
import { EXIT } from '../../src/util/errors.js';
import { preloadFor } from '../soak/moments.js';
import { floats, npz, onlyIn, readLog, TrainedRun } from '../support/cli.js';
import { callInProcess, main, recorder } from '../support/in-process.js';
import { bringToRest, execute, onSmallDisk } from '../support/programs.js';
import { randomDataset, randomSequences } from '../support/runs.js';
import { work } from '../support/work.js';

t.jobs = 2;
const parallel = { buffered: true };
const surroundings = { cwd: work.path, env: { PATH: process.env.PATH, HOME: work.path } };
const webasm = ['--backend', 'webasm', '--threads', '1'];

/**
 * Stops the program before any of its verbs is loaded, and prints so. The module itself waits: a
 * waiting hook would keep the main thread from handling signals on Node 24.
 */
const HELD_MODULE = `import { writeSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
writeSync(2, 'loading\\n');
await setTimeout(2 ** 31 - 1);`;
const HELD = dataModule(`import { register } from 'node:module';
register(${JSON.stringify(
  dataModule(`export function load(url, context, next) {
  if (!/\\/program(-\\w+)?\\.js$/.test(url)) return next(url, context);
  return { format: 'module', shortCircuit: true, source: ${JSON.stringify(HELD_MODULE)} };
}`),
)});`);

function dataModule(source: string): string {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}

const STREAM = 'test/run-edges';

function dataset(train: number, test: number, seed = 1): Uint8Array {
  return randomDataset(STREAM, { train, test, seed });
}

/** Three steps per epoch. */
const small = {
  name: 'small',
  dataset: { kind: 'npz', path: work.file('data.npz', dataset(70, 30)) },
  model: { cell: 'lstm', hidden_size: 6, num_layers: 1, head: { from: 'last' } },
  optimizer: { kind: 'adam', learning_rate: 0.05 },
  training: { num_epochs: 2, batch_size: 32, log_every: 1 },
};

/** Never ends. One step per epoch, then an evaluation whose batches have one sequence each. */
const endless = {
  ...small,
  dataset: { kind: 'npz', path: work.file('long.npz', dataset(32, 600)) },
  training: { num_epochs: 1_000_000, batch_size: 32, eval_batch_size: 1, log_every: 1 },
};

const summaryIn = (directory: string) => JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));

/** The one run under `output`. */
const onlyRun = (output: string) => onlyIn(output, 'small');

function oneMessage(t: Test, stderr: string): void {
  t.notMatch(stderr, /^\s+at |unexpected failure|defect/m, 'no stack trace');
}

t.test('a second signal ends the process at once, and prints how to resume', parallel, async t => {
  const interrupt = async (attempt: number) => {
    const output = work.folder();
    const running = work.start('run', work.config(endless), '--output', output, ...webasm);
    await running.logged(5, output);
    await bringToRest(Number(running.child.pid));
    // both signals are pending when it continues
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGCONT'] as const) running.child.kill(signal);
    const { code, stderr } = await running.finished;
    // the kernel may give the signals to two threads: the run can stop before the second is noted
    if (attempt < 5 && existsSync(join(onlyRun(output), 'summary.json'))) return interrupt(attempt + 1);
    return { output, code, stderr };
  };
  const { output, code, stderr } = await interrupt(1);
  t.equal(code, 130);
  t.match(
    stderr,
    /: stopping after the current step.*\ncellrun: SIG(INT|TERM): stopped\nResume with: .* resume \S+\n$/,
  );
  const directory = onlyRun(output);
  t.match(stderr, `${basename(directory)}\n`);
  t.notOk(existsSync(join(directory, 'summary.json')), 'nothing was brought to its end');
  const resumed = await work.cellrun('resume', directory, '--pause-after-epoch', '1', '--json');
  t.equal(resumed.code, 130, resumed.stderr);
  t.match(summaryIn(directory), { status: 'interrupted' });
});

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  t.test(`${signal} during an evaluation leaves an intact, resumable run`, parallel, async t => {
    const output = work.folder();
    // it comes before the first batch, however fast the program is
    const before = preloadFor({ at: 0, after: '"event":"train.epoch"' }, signal);
    const args = ['run', work.config(endless), '--json', '--output', output, ...webasm];
    const run = new TrainedRun(await work.startWith(['--import', before], args).finished, output);
    t.equal(run.code, 130, run.finished.stderr);
    t.match(run.summary, { status: 'interrupted', exit_code: 130, steps: 1, metrics: { test: {} } });
    t.same(validateAgainst('summary', run.summary), []);
    const events = run.events.map(({ event }) => event);
    t.same(events.slice(-3), ['train.epoch', 'checkpoint.saved', 'run.end'], 'no evaluation came to its end');
    t.equal(run.checkpoint('last').step, 1);
    t.same(readdirSync(join(run.directory, 'checkpoints')).sort(), [
      'index.json',
      'step-00000001.safetensors',
    ]);
  });
}

const program = `"${process.execPath}" "${main}"`;

/** Runs with the small disk as output, and copies that to `saved` afterwards. */
async function runOnSmallDisk(t: Test, config: object, before: string) {
  const saved = join(work.folder(), 'saved');
  const flags = `--output "$0" --quiet --json ${webasm.join(' ')}`;
  const script = `${before} ${program} run "${work.config(config)}" ${flags}; code=$?; cp -r "$0" "${saved}"; exit $code`;
  const finished = await onSmallDisk(work.folder(), '256k', script, surroundings);
  if (finished === undefined) t.comment('this process may not mount a small disk');
  return finished && { finished, saved };
}

t.test('a disk without space for the log', async t => {
  const chatty = { ...small, training: { ...small.training, num_epochs: 10_000 } };
  const run = await runOnSmallDisk(t, { ...chatty, checkpoint: { every: { steps: 1_000_000 } } }, '');
  if (run === undefined) return;
  const { code, stderr } = run.finished;
  t.equal(code, EXIT.unexpected, stderr);
  t.match(
    stderr,
    /^\S+\/\S+: the file cannot be written: no space left on the disk\nResume with: node \S+ resume \S+\n$/,
  );
  t.ok(readLog(onlyRun(run.saved)).length > 10, 'whole lines, without a gap');
  const full = await runOnSmallDisk(t, small, 'head -c 250000 /dev/zero > "$0/filling";');
  t.equal(full?.finished.code, EXIT.unexpected);
  t.match(full?.finished.stderr ?? '', /^\S+: the file cannot be written: no space left on the disk\n$/);
});

t.test('evaluate refuses files that the run did not write', parallel, async t => {
  const original = dataset(70, 30);
  const path = work.file('changing.npz', original);
  const run = await work.train({ ...small, dataset: { kind: 'npz', path } }, ...webasm);
  t.equal(run.code, 0, run.finished.stderr);
  const evaluate = (...flags: string[]) => work.cellrun('evaluate', run.directory, ...webasm, ...flags);
  const { metrics } = JSON.parse((await evaluate('--json')).stdout);
  t.same(metrics.test, run.summary.metrics.test);

  writeFileSync(path, dataset(70, 30, 5));
  const changed = await evaluate();
  t.match(changed, { code: EXIT.damaged, stdout: '' });
  t.match(changed.stderr, `${path}: the data have changed since the run was trained`);
  t.match(changed.stderr, /expected: SHA-256 [0-9a-f]{64}\n {2}got: [0-9a-f]{64}\n$/);
  writeFileSync(path, original);
  t.equal((await evaluate()).code, 0, 'the same bytes again');

  const last = join(run.directory, String(run.summary.checkpoints.last));
  rmSync(last);
  const lost = await evaluate();
  t.match(lost, { code: EXIT.damaged, stdout: '' });
  t.ok(lost.stderr.startsWith(`${last}: this checkpoint is missing`), lost.stderr);
  oneMessage(t, lost.stderr);
});

t.test('data files that are not those of the run', parallel, async t => {
  const folder = work.folder();
  const place = (name: string) => join(folder, name);
  // of equal lengths, so that the model would fit any of them
  const contents = (first: number) => `x,y\n${[0, 1, 2, 3].map(i => `${first + i},${i % 2}\n`).join('')}`;
  const files = ['train/b.csv', 'train/c.csv', 'train/d.csv', 'test/y.csv', 'test/z.csv'];
  for (const name of ['train', 'test']) mkdirSync(place(name));
  const restore = () => {
    for (const name of ['train', 'test'])
      for (const file of readdirSync(place(name))) rmSync(place(join(name, file)));
    for (const [i, name] of files.entries()) writeFileSync(place(name), contents(10 * i));
  };
  restore();
  const dataset = { kind: 'csv', path: place('train'), test_path: place('test'), features: ['x'] };
  const config = { ...small, dataset: { ...dataset, target: 'y', target_kind: 'class' } };
  const run = await work.train(config, '--pause-after-epoch', '1', ...webasm);
  t.match(run.finished, { code: EXIT.interrupted });

  const added = 'the file was added after the run was trained';
  const missing = 'the run was trained with this file, which is missing now';
  const changed = 'the data have changed since the run was trained';
  const reordered = 'the data files are in a different order than when the run was trained';
  const inTrain = 'the file was in the train split when the run was trained';
  const move = (from: string, to: string) => renameSync(place(from), place(to));
  const cases: readonly [() => void, Record<string, string>][] = [
    [() => writeFileSync(place('train/a.csv'), contents(50)), { 'train/a.csv': added }],
    // a copy
    [() => writeFileSync(place('test/zz.csv'), contents(0)), { 'test/zz.csv': added }],
    ...files.map((name): [() => void, Record<string, string>] => [
      () => rmSync(place(name)),
      { [name]: missing },
    ]),
    [() => move('train/b.csv', 'train/e.csv'), { 'train/c.csv': reordered }],
    [() => move('train/d.csv', 'test/a.csv'), { 'test/a.csv': inTrain }],
    [
      () => {
        writeFileSync(place('train/b.csv'), contents(20));
        writeFileSync(place('train/d.csv'), contents(0));
      },
      { 'train/b.csv': changed, 'train/d.csv': changed },
    ],
  ];
  const verbs = ['evaluate', 'predict', 'resume'];
  for (const [i, [change, told]] of cases.entries()) {
    change();
    const { code, stdout, stderr } = await work.cellrun(verbs[i % 3], run.directory, ...webasm);
    const lines = stderr.split('\n').filter(line => line.startsWith(folder));
    const messages = Object.entries(told).map(([name, message]) => `${place(name)}: ${message}`);
    t.same({ code, stdout, lines }, { code: EXIT.damaged, stdout: '', lines: messages });
    restore();
  }

  const elsewhere = work.folder();
  cpSync(folder, elsewhere, { recursive: true });
  const paths = ['path=train', 'test_path=test'].map(
    pair => `dataset.${pair.replace('=', `=${elsewhere}/`)}`,
  );
  const moved = () =>
    work.cellrun('evaluate', run.directory, ...paths.flatMap(set => ['--set', set]), ...webasm);
  t.match(await moved(), { code: 0 });
  renameSync(join(elsewhere, 'train/b.csv'), join(elsewhere, 'train/e.csv'));
  t.match(await moved(), { code: EXIT.damaged, stderr: `${join(elsewhere, 'train/c.csv')}: ${reordered}` });
  rmSync(join(elsewhere, 'train/e.csv'));
  t.match(await moved(), { code: EXIT.damaged, stderr: `${place('train/b.csv')}: ${missing}` });
  t.match(await work.cellrun('resume', run.directory, ...webasm), { code: 0 });
});

t.test('evaluate --json spells a number that is not finite', parallel, async t => {
  const { x } = randomSequences(STREAM, 30, 3);
  const y = floats([30, 1], new Float32Array(30));
  // the square of such a target overflows float32
  const far = floats([30, 1], new Float32Array(30).fill(1e30));
  const path = work.file('far.npz', npz({ x, y, x_test: x, y_test: far }));
  const config = { ...small, dataset: { kind: 'npz', path }, loss: { kind: 'mse' } };
  const run = await work.train(config, ...webasm);
  t.match(run.summary.metrics.test, { loss: null, loss_nonfinite: 'inf' }, run.finished.stderr);
  t.match(
    run.summary,
    { status: 'diverged', exit_code: EXIT.diverged, steps: 2 },
    'not a model to go on with',
  );
  t.equal(run.code, EXIT.diverged);
  t.match(
    run.events.filter(({ code }) => code === 'eval/not-finite'),
    [{ event: 'warning', message: /^step 1: test loss Infinity/, step: 1 }, { step: 2 }],
  );
  t.match(run.finished.stderr, /the model after the last step has test loss Infinity/);
  const { code, stdout, stderr } = await work.cellrun('evaluate', run.directory, '--json', ...webasm);
  t.equal(code, 0, stderr);
  t.match(JSON.parse(stdout), { metrics: { test: { loss: null, loss_nonfinite: 'inf' } } });
});

const options = {
  backend: 'webasm',
  threads: 1,
  commandLine: [],
  started: new Date('2026-01-31T23:59:58Z'),
  signal: new AbortController().signal,
} as const;

t.test('an unwritable stdout is named in the error', async t => {
  const full = await execute('bash', ['-c', `${program} schema > /dev/full`], surroundings);
  t.match(full, { code: EXIT.unexpected, stderr: 'cellrun: stdout: no space left on the disk\n' });
});

t.test('a signal before a run starts, and during a check', async t => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    const listening = work.startWith(
      ['--import', HELD],
      ['run', work.config(small), '--output', work.folder()],
    );
    await listening.said('loading');
    listening.child.kill(signal);
    t.match(await listening.finished, {
      code: EXIT.interrupted,
      stderr: new RegExp(`cellrun: ${signal}: stopped\n`),
    });
  }
  const folders = () => readdirSync(tmp).filter(name => name.startsWith('cellrun-verify-'));
  const tmp = work.folder();
  const verify = (...args: string[]) => `TMPDIR="${tmp}" exec ${program} verify resume ${args.join(' ')}`;
  const inTmp = { ...surroundings, env: { ...surroundings.env, TMPDIR: tmp } };
  const missing = await callInProcess(['verify', 'resume', 'nowhere.yaml'], inTmp);
  t.match(missing, { code: EXIT.usage, stderr: 'nowhere.yaml: the file does not exist\n' });
  const noData = work.config({ ...small, dataset: { kind: 'npz', path: '/nowhere.npz' } });
  const failing = await callInProcess(['verify', 'resume', noData, '--output', work.folder()], inTmp);
  t.match(failing.stderr, /^\S*a run of this config failed with exit code 2: |nowhere\.npz/);
  t.notMatch(failing.stderr, /\ufffd/);
  const wait = `while ! ls "${tmp}"/cellrun-verify-*/straight/*/*/log.jsonl >/dev/null 2>&1; do sleep 0.1; done`;
  const long = work.config(endless);
  const script = `(${verify(`"${long}"`, '--output', work.folder())}) & ${wait}; kill -TERM $!; wait $!`;
  const stopped = await execute('bash', ['-c', script], surroundings);
  t.equal(stopped?.code, EXIT.interrupted, stopped?.stderr ?? '');
  t.same(folders(), [], 'nothing is left behind');
});

t.test('a run that ends before it has a log still writes a summary', async t => {
  const loaded = loadExperiment(work.config(small));
  const session = await openSession(loaded, options);
  const directory = RunDirectory.create({
    name: 'small',
    outputRoot: work.folder(),
    configHash: loaded.hash,
    givenYaml: '',
    resolvedYaml: '',
    started: options.started,
  });
  const state = new TrainingState();
  const run = { loaded, session, directory, runId: directory.id, state, began: 0 };
  closeFailed(run, new Error('no luck\nat all'), undefined);
  const summary = summaryIn(directory.path);
  t.match(summary, { status: 'failed', exit_code: 1, message: 'no luck', steps: 0, ms_per_step: null });
  t.same(validateAgainst('summary', summary), []);
  mkdirSync(directory.files.checkpoints);
  writeFileSync(join(directory.files.checkpoints, 'step-00000001.safetensors'), 'damaged');
  closeFailed(run, new Error('worse'), undefined);
  t.match(summaryIn(directory.path), { message: 'worse', checkpoints: { last: null } });
  rmSync(directory.path, { recursive: true });
  t.doesNotThrow(() => closeFailed(run, new Error('gone'), undefined), 'the first error is the one to tell');
});

t.test('validate refuses what a run would only detect later', parallel, async t => {
  const cases: [object, number, RegExp][] = [
    [
      { model: { ...small.model, hidden_size: 10_000 } },
      2,
      /the model is too large(.|\n)*at most 268,435,456/,
    ],
    [
      { model: { ...small.model, init_from: '/nowhere/w.safetensors' } },
      2,
      /\/nowhere\/w\.safetensors: the file does not exist/,
    ],
    [
      { model: { ...small.model, init_from: work.file('text.safetensors', 'these are no weights') } },
      5,
      /text\.safetensors: /,
    ],
    [{ name: 'Sweeps' }, 2, /this name cannot be a directory in the output directory/],
  ];
  for (const [sections, exit, told] of cases) {
    const { code, stdout, stderr } = await work.cellrun('validate', work.config({ ...small, ...sections }));
    t.equal(code, exit, stderr);
    t.match(stderr, told);
    t.match(stdout, /: 1 problem\n$/);
    oneMessage(t, stderr);
  }
});

t.test('the rate is of training only, the time left of everything', async t => {
  const io = recorder();
  let now = 0;
  const progress = createProgress(io, false, () => now);
  progress.begin({ totalSteps: 4, numEpochs: 2 });
  const after = (seconds: number): void => {
    now += 1000 * seconds;
  };
  for (let step = 1; step <= 3; step++) {
    after(5);
    progress.step({ epoch: Math.ceil(step / 2), step, samples: 2000 });
    after(2);
    progress.saved();
    if (step === 2) {
      after(30);
      progress.evaluating({ done: 1, total: 1 });
      progress.evaluated({ split: 'test', left: 1, text: 'evaluated' });
    }
  }
  t.equal(
    io.text.err,
    `epoch 1/2  step 1/4
epoch 1/2  step 2/4  400 samples/s  0:14 left
evaluated
epoch 2/2  step 3/4  400 samples/s  0:22 left
`,
  );
});
