/** Resumed runs: byte-identical to uninterrupted ones, and refused if something does not fit. */
import { createHash } from 'node:crypto';
import fs, {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { hostname } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { missingFor512 } from '../../src/engine/width.js';
import { lockRun } from '../../src/run/lock.js';
import type { RunResult } from '../../src/train/recorder.js';
import { compareRuns } from '../../src/verify/resume.js';
import { onlyIn, readLog } from '../support/cli.js';
import { comesTrue } from '../support/programs.js';
import { copies, randomDataset, resume, seal, type Trained, train, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

/** Seventy training sequences make three batches. */
function dataset(seed: number): Uint8Array {
  return randomDataset('test/resume', { train: 70, test: 30, seed });
}

const data = work.file('data.npz', dataset(1));

/** Three steps per epoch, the last with a smaller batch; checkpoints within epochs. */
const config = {
  version: 1,
  name: 'resumed',
  dataset: { kind: 'npz', path: data },
  model: { cell: 'lstm', hidden_size: 6, num_layers: 2, head: { from: 'last' } },
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'adam', learning_rate: 0.02 },
  training: { num_epochs: 4, batch_size: 32, log_every: 1 },
  checkpoint: { every: { steps: 2 }, keep: { last: 3, best: 1 }, metric: 'test.accuracy' },
};
const STEPS = 12;

const run = (of: object, options: Trained = {}) => train(work, of, options);
const interrupted = (of: object, step: number) => trainUntil(work, of, step);

const two = { ...config, training: { ...config.training, num_epochs: 2 } };
const straight = await run(config);
/** Copies of the completed run, of one of two epochs, and of one stopped after step 7. */
const whole = copies(work, async () => straight);
const short = copies(work, () => run(two));
const stopped = copies(work, () => interrupted(config, 7));

const events = (directory: string) => readLog(directory);
const checkpoints = (directory: string) => readdirSync(join(directory, 'checkpoints')).sort();

async function refused(t: Test, resumed: Promise<RunResult>, error: object, why = 'refused'): Promise<void> {
  const outcome: unknown = await resumed.catch((thrown: unknown) => thrown);
  t.match(outcome, error, why);
}

function sound(t: Test, directory: string): void {
  for (const event of events(directory)) t.same(validateAgainst('log-event', event), [], String(event.event));
  t.notOk(existsSync(join(directory, 'run.lock')), 'the lock is gone');
}

t.test('byte-identical after a crash at each step', async t => {
  const copies = new Map<number, string>();
  const output = work.folder();
  const crashed = await run(config, {
    output,
    observer: {
      step: ({ step }) => {
        const copy = join(work.folder(), 'copy');
        cpSync(runIn(output), copy, { recursive: true });
        copies.set(step, copy);
      },
    },
  });
  t.equal(copies.size, STEPS);
  for (const [step, copy] of copies) {
    // the lock is this process's, which is alive; a crashed one would not be
    rmSync(join(copy, 'run.lock'));
    const { summary } = await resume(copy, { threads: step % 4 === 1 ? 2 : 1 });
    t.same(compareRuns(crashed.summary.directory, summary.directory), [], `after step ${step}`);
    const [resumed] = events(copy).filter(({ event }) => event === 'run.resume');
    const saved = events(crashed.summary.directory).filter(
      line => line.event === 'checkpoint.saved' && Number(line.step) < step,
    );
    t.match(resumed, { changes: null, step: saved.at(-1)?.step ?? 0 });
    sound(t, copy);
  }
});

t.test('byte-identical if a crashed run resumes with another vector width and thread count', async t => {
  for (const [width, other] of [
    [256, 128],
    [128, 256],
    ...(missingFor512() === undefined ? ([[512, 128]] as const) : []),
  ] as const) {
    const output = work.folder();
    const crash = join(work.folder(), 'crash');
    const whole = await run(config, {
      output,
      width,
      threads: 2,
      observer: {
        step: ({ step }) => {
          if (step === 7) cpSync(runIn(output), crash, { recursive: true });
        },
      },
    });
    rmSync(join(crash, 'run.lock'));
    const { summary } = await resume(crash, { width: other, threads: 1 });
    t.equal(summary.status, 'completed');
    t.same(compareRuns(whole.summary.directory, crash), [], `${width} -> ${other}`);
    for (const file of checkpoints(crash).filter(name => name.endsWith('.safetensors')))
      t.same(
        readFileSync(join(crash, 'checkpoints', file)),
        readFileSync(join(whole.summary.directory, 'checkpoints', file)),
        file,
      );
    const manifest = JSON.parse(readFileSync(join(crash, 'manifest.json'), 'utf8'));
    t.match(manifest, { backend: { width }, changes: [{ key: 'width', step: 6, from: width, to: other }] });
    t.same(validateAgainst('manifest', manifest), []);
    // the next resume compares with the changed value
    await resume(crash, { width: other, set: ['training.num_epochs=5'] });
    const again = JSON.parse(readFileSync(join(crash, 'manifest.json'), 'utf8'));
    t.equal(again.changes.filter(({ key }: { key: string }) => key === 'width').length, 1);
  }
});

/** The one run directory under `output`. */
const runIn = (output: string) => onlyIn(output, 'resumed');

t.test('a stop during the evaluation of an epoch: the resumed run repeats it', async t => {
  const stop = new AbortController();
  let evaluations = 0;
  const observer = {
    evaluating: () => {
      evaluations++;
      if (evaluations === 40) stop.abort();
    },
  };
  const cut = await run(
    { ...config, training: { ...config.training, eval_batch_size: 1 } },
    { observer, signal: stop.signal },
  );
  t.match(cut.summary, { status: 'interrupted', steps: 6 });
  await resume(cut.summary.directory);
  const differences = compareRuns(straight.summary.directory, cut.summary.directory);
  // the batch size of evaluations does not change results, but is part of the config's hash
  t.same(
    differences.filter(({ what }) => !what.includes('config_hash')),
    [],
  );
  t.same(straight.summary.metrics, (await resume(cut.summary.directory)).summary.metrics);
});

t.test(
  'more epochs equal a run that had them from the start; changes of results must be allowed',
  async t => {
    const directory = await short();
    await refused(t, resume(directory, { set: ['training.num_epochs=3', 'optimizer.learning_rate=0.001'] }), {
      exitCode: 2,
      diagnostics: [
        {
          code: 'resume/changed',
          file: '--set',
          message: '`optimizer.learning_rate` differs from the start of the run, so results would differ',
          expected: '0.02, or --allow-change optimizer.learning_rate to resume with the change',
          got: '0.001',
        },
        {
          code: 'resume/safe',
          message: /^`training.num_epochs` may change \(was 2\)/,
          got: '3',
        },
      ],
    });
    await refused(t, resume(directory, { set: ['seed=4'], allowChange: ['seed'] }), {
      exitCode: 2,
      diagnostics: [
        { code: 'resume/impossible', message: /^`seed` cannot change/, expected: '0, or a new run' },
      ],
    });
    await refused(t, resume(directory, { allowChange: ['optimizer.learning_rat'] }), {
      exitCode: 2,
      diagnostics: [{ code: 'resume/not-changed', got: 'optimizer.learning_rat' }],
    });
    await refused(t, resume(directory, { backend: 'cpu' }), {
      exitCode: 2,
      diagnostics: [{ message: /^`backend` differs/ }],
    });
    await refused(
      t,
      resume(directory, { set: ['optimizer.learning_rate=0.001'], allowChange: ['optimizer'] }),
      {
        exitCode: 2,
        diagnostics: [
          {
            code: 'resume/nothing-left',
            message:
              'the run has completed all of its 6 steps, so changing `optimizer.learning_rate` has no effect',
          },
        ],
      },
    );
    t.equal(events(directory).at(-1)?.event, 'run.end', 'refusals leave the run as it was');

    const longer = await resume(directory, { set: ['training.num_epochs=4'] });
    t.equal(longer.summary.steps, STEPS);
    const differences = compareRuns(straight.summary.directory, directory).map(({ file }) => file);
    // the log of the shorter training has its own hash in its first record
    t.same(differences, ['log.jsonl']);
    const series = (run: string) =>
      events(run).flatMap(({ event, step, loss }) => (loss ? [[event, step, loss]] : []));
    t.same(series(directory), series(straight.summary.directory));
    t.match(
      events(directory).find(({ event }) => event === 'run.resume')?.changes,
      'training.num_epochs: 2 -> 4',
    );
    const manifest = () => JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
    t.same(validateAgainst('manifest', manifest()), []);
    t.match(manifest().changes, [{ step: 6, key: 'training.num_epochs', from: 2, to: 4 }]);

    const allowed = await resume(directory, {
      set: ['training.num_epochs=5', 'optimizer.learning_rate=0.001'],
      allowChange: ['optimizer'],
    });
    t.equal(allowed.summary.steps, 15);
    t.match(manifest().changes, [
      {},
      { key: 'optimizer.learning_rate', to: 0.001 },
      { key: 'training.num_epochs', to: 5 },
    ]);
    const steps = events(directory).filter(({ event }) => event === 'train.step');
    t.equal(steps.at(-1)?.learning_rate, 0.001);
    const log = events(directory);
    const [first, ...others] = log
      .slice(log.findLastIndex(({ event }) => event === 'run.resume'))
      .filter(({ event }) => event === 'train.step');
    t.notOk('samples_per_s' in first, 'the first step of a process compiles');
    t.ok(others.length > 0 && others.every(step => Number(step.samples_per_s) > 0));
    sound(t, directory);
  },
);

t.test('impossible changes are refused before anything is written', async t => {
  const directory = await stopped();
  const files = () =>
    ['config.resolved.yaml', 'manifest.json', 'log.jsonl', 'summary.json'].map(name =>
      readFileSync(join(directory, name), 'utf8'),
    );
  const before = files();
  const other = { set: ['model.hidden_size=5'], allowChange: ['model.hidden_size'] };
  await refused(t, resume(directory, other), { exitCode: 2, diagnostics: [{ code: 'resume/impossible' }] });
  const another = { code: 'resume/changed', expected: /, or a new run$/ };
  await refused(t, resume(directory, { set: ['optimizer.kind=sgd'] }), {
    exitCode: 2,
    diagnostics: [{ code: 'resume/impossible', expected: another.expected }, ...Array(4).fill(another)],
  });
  // refused before the user is asked to allow it
  const coarse = { set: ['training.batch_size=70'] };
  await refused(t, resume(directory, coarse), { exitCode: 2, diagnostics: [{ code: 'resume/unfit' }] });
  await refused(t, resume(directory, { set: ['training.num_epochs=1'] }), {
    exitCode: 2,
    diagnostics: [
      { code: 'resume/past-end', message: 'the run has completed 7 steps, but the new config ends after 3' },
    ],
  });
  t.same(files(), before);
});

t.test('other data, if allowed, are recorded and used from the next epoch', async t => {
  const directory = await short();
  const more = work.file('more.npz', randomDataset('test/resume', { train: 130, test: 30, seed: 8 }));
  const set = [`dataset.path=${more}`, 'training.num_epochs=3'];
  await refused(t, resume(directory, { set }), {
    exitCode: 2,
    diagnostics: [
      { code: 'resume/changed', expected: /--allow-change dataset\.path/ },
      { code: 'resume/safe' },
    ],
  });
  const { summary: longer } = await resume(directory, { set, allowChange: ['dataset'] });
  // two epochs of three batches, then one of five
  t.match(longer, { status: 'completed', steps: 11, epochs: 3 });
  const { datasets, changes } = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
  t.match(datasets, [{ name: more }]);
  t.match(changes, [
    { key: 'dataset.path', to: more },
    { key: 'training.num_epochs' },
    { key: `datasets.${more}`, from: null, to: datasets[0].sha256 },
  ]);
  t.match((await resume(directory)).summary, { status: 'completed', steps: 11 }, 'and is no change any more');
  sound(t, directory);
});

t.test('damage to other files is a warning, or an error with --strict', async t => {
  const directory = await stopped();
  const path = (...names: string[]) => join(directory, ...names);
  writeFileSync(path('summary.json'), 'hello');
  await refused(t, resume(directory, { strict: true }), {
    exitCode: 5,
    diagnostics: [{ code: 'run/damaged', message: 'this is not JSON' }],
  });
  writeFileSync(path('checkpoints', 'index.json'), 'garbage');
  writeFileSync(path('config.yaml'), 'seed: 99\n');
  const told: string[] = [];
  const { summary: done } = await resume(directory, {}, { warning: text => told.push(text) });
  t.equal(done.status, 'completed');
  t.match(told, [
    /summary\.json: this is not JSON; it is ignored/,
    /^this directory is a copy of the run in /,
    /^config\.yaml was edited after the run started and is ignored/,
  ]);
  sound(t, directory);

  const other = await stopped();
  rmSync(join(other, 'config.yaml'));
  mkdirSync(join(other, 'config.yaml'));
  const warned: string[] = [];
  await resume(other, {}, { warning: text => warned.push(text) });
  t.match(warned.at(-1), /^config\.yaml was edited/, 'a config that cannot be read is not needed either');
  sound(t, other);
});

t.test("a run's own files are not read through links", async t => {
  for (const name of ['log.jsonl', 'summary.json', 'checkpoints/step-00000007.safetensors']) {
    const directory = await stopped();
    const file = join(directory, name);
    const elsewhere = join(work.folder(), 'elsewhere');
    renameSync(file, elsewhere);
    symlinkSync(elsewhere, file);
    await refused(t, resume(directory, { strict: true }), {
      exitCode: 2,
      diagnostics: [
        {
          file,
          message: 'this is a symbolic link, which cellrun does not follow',
          expected: /^a copy of the file itself/,
        },
      ],
    });
  }
});

t.test('a missing manifest: nothing starts over, and nothing is changed', async t => {
  const directory = await stopped();
  const manifest = join(directory, 'manifest.json');
  rmSync(manifest);
  const lost = { exitCode: 5, diagnostics: [{ code: 'run/file-lost', file: manifest }] };
  await refused(t, resume(directory), lost);
  await refused(t, run(config, { directory }), lost);
  t.ok(checkpoints(directory).includes('step-00000007.safetensors'));
});

t.test('a missing config is reported as damage by every reader', async t => {
  const directory = await stopped();
  const resolved = join(directory, 'config.resolved.yaml');
  rmSync(resolved);
  const lost = { exitCode: 5, diagnostics: [{ code: 'run/file-lost', file: resolved }] };
  await refused(t, resume(directory), lost);
  await refused(t, run(config, { directory }), lost);
  for (const verb of [['evaluate'], ['predict'], ['review'], ['report'], ['compare', directory]]) {
    const { code, stdout, stderr } = await work.cellrun(...verb, directory);
    t.equal(code, 5, verb[0]);
    t.match(stdout + stderr, 'config.resolved.yaml is missing, so this run cannot be read', verb[0]);
  }
});

t.test("does not use a folder with the user's own files", async t => {
  for (const [name, content] of [
    ['config.yaml', 'mine: 1\n'],
    ['config.resolved.yaml', 'mine: 1\n'],
    ['.tmp-mine', ''],
  ]) {
    const directory = work.folder();
    writeFileSync(join(directory, name), content);
    await refused(t, run(config, { directory }), {
      exitCode: 2,
      diagnostics: [{ code: 'run/not-empty', message: /: \S+$/ }],
    });
    t.same(readdirSync(directory), [name], 'nothing else was written');
    t.equal(readFileSync(join(directory, name), 'utf8'), content);
  }
  // the files of a process killed before it wrote the manifest
  const directory = work.folder();
  writeFileSync(join(directory, 'config.yaml'), JSON.stringify(config, null, 2));
  writeFileSync(join(directory, '.tmp-12-config.resolved.yaml'), 'version: 1\nname: res');
  t.match(await run(config, { directory }), { exitCode: 0, summary: { directory } });
});

t.test('a run that another process begins while this one reads the data', async t => {
  /** Runs in a new directory; `begin` is called with it when the data are read. */
  const overtaken = async (begin: (directory: string) => void) => {
    const directory = join(work.folder(), 'run');
    const { stat } = fs.promises;
    const looking = (path: fs.PathLike) => {
      if (path === data && !existsSync(directory)) begin(directory);
      return stat(path);
    };
    Object.assign(fs.promises, { stat: looking });
    syncBuiltinESMExports();
    try {
      return await run(config, { directory }).catch((thrown: unknown) => thrown);
    } finally {
      Object.assign(fs.promises, { stat });
      syncBuiltinESMExports();
    }
  };
  const left = await stopped();
  const ended = (await overtaken(directory => cpSync(left, directory, { recursive: true }))) as RunResult;
  t.match(ended, { exitCode: 0, summary: { status: 'completed', steps: STEPS } });
  t.equal(events(ended.summary.directory).find(({ event }) => event === 'run.resume')?.step, 7);
  t.same(compareRuns(straight.summary.directory, ended.summary.directory), []);

  let release = () => {};
  const refusal = await overtaken(directory => {
    cpSync(left, directory, { recursive: true });
    release = lockRun(join(directory, 'run.lock'));
  });
  release();
  t.match(refusal, { exitCode: 2, diagnostics: [{ code: 'run/in-use' }] });
});

t.test('another config for the directory of a run: lists each key, and how to resume', async t => {
  const directory = join(work.folder(), 'run');
  await run(config, { directory });
  const longer = { ...config, training: { ...config.training, num_epochs: 5 } };
  await refused(t, run(longer, { directory }), {
    exitCode: 2,
    diagnostics: [
      { code: 'run/other-config', message: /`resume --set training\.num_epochs=5` resumes/ },
      { code: 'resume/safe', message: /^`training\.num_epochs` may change \(was 4\)/, got: '5' },
    ],
  });
  await refused(t, run({ ...longer, optimizer: { kind: 'adam', learning_rate: 1 } }, { directory }), {
    diagnostics: [{ message: /--allow-change optimizer\.learning_rate` resumes/ }, {}, {}],
  });
  await refused(t, run({ ...longer, seed: 3 }, { directory }), {
    diagnostics: [{ message: /needs a separate directory$/ }, { code: 'resume/impossible' }, {}],
  });
  const [still, moving] = [0, 0.9].map(momentum => ({
    ...config,
    optimizer: { kind: 'sgd', learning_rate: 0.02, momentum },
  }));
  const plain = join(work.folder(), 'plain');
  await run(still, { directory: plain });
  await refused(t, run(moving, { directory: plain }), {
    diagnostics: [
      { message: /needs a separate directory$/ },
      { code: 'resume/impossible', message: /no momentum$/, expected: '0, or a new run' },
    ],
  });
  const copy = join(work.folder(), 'copy');
  cpSync(directory, copy, { recursive: true });
  t.equal((await run(config, { directory: copy })).summary.directory, copy, 'a copy says where it is');
});

t.test('missing checkpoints and records are a warning, or an error', async t => {
  const directory = await stopped();
  rmSync(join(directory, 'checkpoints', 'step-00000007.safetensors'));
  const lines = readFileSync(join(directory, 'log.jsonl'), 'utf8').split(/(?<=\n)/);
  // without its end, the log may be that of a process that was killed
  writeFileSync(join(directory, 'log.jsonl'), lines.toSpliced(3, 1).slice(0, -1).join(''));
  await refused(t, resume(directory, { strict: true }), {
    exitCode: 5,
    diagnostics: [{ code: 'checkpoint/lost' }],
  });
  await resume(directory);
  t.match(
    events(directory).filter(({ event }) => event === 'warning'),
    [{ code: 'log/lost' }, { code: 'checkpoint/damaged', message: /is missing/ }],
  );
  const bytes = compareRuns(straight.summary.directory, directory).filter(({ file }) => file !== 'log.jsonl');
  t.same(bytes, []);

  const emptied = await stopped();
  rmSync(join(emptied, 'checkpoints'), { recursive: true });
  await refused(t, resume(emptied), {
    exitCode: 5,
    diagnostics: [{ code: 'resume/checkpoints-lost' }],
  });
});

t.test('a complete run prints its result again and is not changed', async t => {
  const directory = await whole();
  const before = readFileSync(join(directory, 'log.jsonl'));
  const again = await resume(directory);
  t.equal(again.exitCode, 0);
  t.same(again.summary.metrics, straight.summary.metrics);
  t.same(readFileSync(join(directory, 'log.jsonl')), before);
});

t.test(
  'a damaged newest checkpoint: uses the previous one and warns, or is an error with --strict',
  async t => {
    const directory = await stopped();
    const newestFile = join(directory, 'checkpoints', 'step-00000007.safetensors');
    truncateSync(newestFile, 3000);
    await refused(t, resume(directory, { strict: true }), {
      exitCode: 5,
      diagnostics: [{ file: newestFile }],
    });
    t.ok(existsSync(newestFile), 'nothing was set aside');
    t.equal(events(directory).at(-1)?.event, 'run.end', 'nothing was logged');
    const lines: string[] = [];
    await resume(directory, {}, { warning: text => lines.push(text) });
    t.match(lines[0], /step-00000007\.safetensors is skipped: /);
    t.match(
      events(directory).find(({ event }) => event === 'warning'),
      { code: 'checkpoint/damaged' },
    );
    t.ok(existsSync(`${newestFile}.damaged`));
    rmSync(`${newestFile}.damaged`);
    const differences = compareRuns(straight.summary.directory, directory);
    t.same(
      differences.filter(({ what }) => !what.includes('checkpoint/damaged')),
      [],
    );

    const { summary: lost } = await interrupted(config, 3);
    for (const name of checkpoints(lost.directory).filter(name => name.startsWith('step')))
      truncateSync(join(lost.directory, 'checkpoints', name), 100);
    await refused(t, resume(lost.directory), { exitCode: 5 }, 'none is whole');
  },
);

t.test('a torn log, a missing one, and a checkpoint that is not in the log', async t => {
  for (const damage of ['torn', 'missing', 'untold'] as const) {
    const { summary } = await interrupted(config, 8);
    const { directory } = summary;
    const log = join(directory, 'log.jsonl');
    if (damage === 'missing') rmSync(log);
    const lines = damage === 'missing' ? [] : readFileSync(log, 'utf8').split('\n');
    if (damage === 'torn') writeFileSync(log, lines.join('\n').slice(0, -30));
    if (damage === 'untold') {
      const at = lines.findIndex(line => line.includes('checkpoint.saved') && line.includes('"step":8'));
      t.ok(at > 0);
      writeFileSync(log, `${lines.slice(0, at).join('\n')}\n`);
    }
    await resume(directory);
    t.same(
      compareRuns(straight.summary.directory, directory).slice(0, damage === 'missing' ? 0 : 9),
      [],
      damage,
    );
    events(directory).forEach(({ seq }, i) => void t.equal(seq, i));
    if (damage === 'torn') {
      const told = events(directory).find(({ event }) => event === 'run.resume');
      t.match(told, { replaced_records: 1, replaced_file: 'log.replaced-1.jsonl' });
      t.equal(
        readFileSync(join(directory, 'log.replaced-1.jsonl'), 'utf8'),
        lines.slice(-2)[0].slice(0, -29),
      );
    }
    sound(t, directory);
  }
});

t.test('refuses no run, a run in use, other data and an edited config', async t => {
  const { summary } = await interrupted(config, 4);
  const { directory } = summary;
  await refused(t, resume(work.folder()), { exitCode: 2 });
  const lock = join(directory, 'run.lock');
  const release = lockRun(lock);
  await refused(t, resume(directory), {
    exitCode: 2,
    diagnostics: [{ code: 'run/in-use', file: lock, message: 'this process is working on this run' }],
  });
  release();
  writeFileSync(lock, JSON.stringify({ pid: process.ppid, host: hostname() }));

  const resolved = join(directory, 'config.resolved.yaml');
  const text = readFileSync(resolved, 'utf8');
  writeFileSync(resolved, text.replace('learning_rate: 0.02', 'learning_rate: 0.03'));
  await refused(t, resume(directory), {
    exitCode: 5,
    diagnostics: [{ code: 'run/damaged', file: resolved }],
  });
  writeFileSync(resolved, text);

  const original = readFileSync(data);
  writeFileSync(data, dataset(5));
  await refused(t, resume(directory), { exitCode: 5, diagnostics: [{ code: 'run/data-changed' }] });
  writeFileSync(data, original);

  const manifest = join(directory, 'manifest.json');
  renameSync(manifest, `${manifest}.away`);
  const begun = ['log.jsonl', 'checkpoints'].map(name => join(directory, name));
  for (const file of begun) renameSync(file, `${file}.away`);
  await refused(t, resume(directory), { exitCode: 2, diagnostics: [{ code: 'resume/not-begun' }] });
  for (const file of [manifest, ...begun]) renameSync(`${file}.away`, file);
  t.equal((await resume(directory)).summary.status, 'completed', 'and none of that was lost');
});

t.test('a crash between writing the two files of a config change', async t => {
  for (const isDone of [false, true]) {
    const directory = await short();
    const [resolved, manifest] = ['config.resolved.yaml', 'manifest.json'].map(name => join(directory, name));
    const before = readFileSync(resolved);
    const { digests } = JSON.parse(readFileSync(manifest, 'utf8'));
    await resume(directory, { set: ['training.num_epochs=3'] });
    // the new config was written, and its manifest perhaps
    renameSync(resolved, `${resolved}.next`);
    writeFileSync(resolved, before);
    if (!isDone) {
      const rest = JSON.parse(readFileSync(manifest, 'utf8'));
      writeFileSync(manifest, JSON.stringify({ ...rest, digests }));
      seal(directory);
    }
    await resume(directory);
    t.notOk(existsSync(`${resolved}.next`));
    t.match(readFileSync(resolved, 'utf8'), isDone ? 'num_epochs: 3' : 'num_epochs: 2');
  }
});

t.test('a save that fails briefly is retried and reported', async t => {
  const output = work.folder();
  const { summary } = await run(config, {
    output,
    observer: {
      step: ({ step }) => {
        const folder = join(runIn(output), 'checkpoints');
        if (step !== 4) return;
        renameSync(folder, `${folder}.away`);
        const log = join(runIn(output), 'log.jsonl');
        const isTold = () => readFileSync(log, 'utf8').includes('"checkpoint/retry"');
        void comesTrue(isTold).then(() => renameSync(`${folder}.away`, folder));
      },
    },
  });
  t.equal(summary.status, 'completed');
  t.match(
    events(summary.directory).filter(({ event }) => event === 'warning'),
    [
      {
        code: 'checkpoint/retry',
        message: /the file cannot be written: its directory no longer exists; trying again$/,
      },
    ],
  );
});

t.test('initial weights are an input: their digest is in the manifest, the hash and compare', async t => {
  const weightsOf = async (seed: number) => {
    const { summary } = await run({ ...two, seed });
    return readFileSync(join(summary.directory, String(summary.checkpoints.last)));
  };
  const [first, second] = [await weightsOf(1), await weightsOf(2)];
  const file = work.file('weights.safetensors', first);
  const from = (path: string) => ({ ...two, model: { ...two.model, init_from: path } });
  const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
  const ran = await run(from(file));
  const { directory } = ran.summary;
  const manifest = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8'));
  t.match(manifest.initial_weights, { name: file, sha256: digest(first), random: [], unused: [] });
  t.same(validateAgainst('manifest', manifest), []);

  const same = await run(from(work.file('copy.safetensors', first)));
  t.equal(same.summary.config_hash, ran.summary.config_hash, 'the same weights elsewhere');
  writeFileSync(file, second);
  const other = await run(from(file));
  t.not(other.summary.config_hash, ran.summary.config_hash);
  const compared = await work.cellrun('compare', directory, other.summary.directory, '--json');
  t.match(
    JSON.parse(compared.stdout).facts.filter(({ key }: { key: string }) => key === 'initial weights'),
    [{ values: [[digest(first)], [digest(second)]], differs: true, changes_results: true }],
  );

  // killed before its first checkpoint
  const killed = join(work.folder(), 'killed');
  cpSync(directory, killed, { recursive: true });
  for (const name of ['checkpoints', 'log.jsonl', 'summary.json', 'evaluation.json'])
    rmSync(join(killed, name), { recursive: true });
  const changed = { exitCode: 5, message: /weights\.safetensors: the initial weights have changed since/ };
  await refused(t, resume(killed), changed);
  await refused(t, run(from(file), { directory: killed }), changed, 'run --directory');
  rmSync(file);
  const message =
    /weights\.safetensors: the initial weights of this run are missing; .* before its first checkpoint/;
  await refused(t, resume(killed), { exitCode: 2, message });
  writeFileSync(file, first);
  t.same((await resume(killed)).summary.metrics, ran.summary.metrics);

  rmSync(file);
  t.equal((await work.cellrun('evaluate', directory)).code, 0, 'a finished run does not need them');
  t.equal((await resume(directory)).summary.config_hash, ran.summary.config_hash);
});

t.test('another interval of evaluations must be allowed if it decides results', async t => {
  const every = { set: ['training.evaluate_every.steps=1'] };
  const schedule = { kind: 'plateau', factor: 0.5, patience: 0 };
  const optimizer = { ...config.optimizer, schedule };
  const following = await interrupted({ ...config, optimizer }, 2);
  const message = /`training.evaluate_every.steps` differs .*the learning rates .* follow the evaluations/;
  await refused(t, resume(following.summary.directory, every), { exitCode: 2, message });
  const training = { ...config.training, early_stopping: { patience: 5 } };
  const stopping = await interrupted({ ...config, training }, 2);
  await refused(t, resume(stopping.summary.directory, every), {
    exitCode: 2,
    message: /`training.evaluate_every.steps` differs .*early stopping counts evaluations/,
  });
  const gates = [{ metric: 'test.loss', over: 'best', max: 100 }];
  const judged = await interrupted({ ...config, gates }, 2);
  await refused(t, resume(judged.summary.directory, every), {
    exitCode: 2,
    message: /`training.evaluate_every.steps` differs .*a gate checks the best value/,
  });
  const ranked = { set: ['checkpoint.metric=test.loss', 'checkpoint.mode=min'] };
  await refused(t, resume(judged.summary.directory, ranked), {
    exitCode: 2,
    message: /`checkpoint.metric` differs .*ranked by the earlier value/,
  });
  const plain = await interrupted(config, 2);
  t.equal((await resume(plain.summary.directory, every)).summary.status, 'completed');
});
