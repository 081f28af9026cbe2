/** Damaged and mixed-up files of a run are noticed by all that read them. */
import { createHash } from 'node:crypto';
import fs, {
  cpSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { loadModel, loadRun } from '../../src/index.js';
import { reviewRuns } from '../../src/judge/judging/review.js';
import type { RunResult } from '../../src/train/recorder.js';
import { RandomStream } from '../../src/util/random.js';
import { readLog } from '../support/cli.js';
import { baselineOf } from '../support/gates.js';
import { longerConfig, randomDataset, resume, seal, stopAt, train, trainUntil } from '../support/runs.js';
import { work } from '../support/work.js';

const data = work.file('data.npz', randomDataset('test/integrity', { train: 64, test: 20, seed: 1 }));
const config = { ...longerConfig(data, 3), name: 'sound' };
const other = { ...config, seed: 7, optimizer: { kind: 'adam', learning_rate: 0.05 } };

async function refused(t: Test, outcome: Promise<unknown>, pattern: object): Promise<void> {
  t.match(await outcome.catch((thrown: unknown) => thrown), pattern);
}

const json = (directory: string, name: string) => JSON.parse(readFileSync(join(directory, name), 'utf8'));
const exchange = (from: string, to: string) => {
  rmSync(join(to, 'checkpoints'), { recursive: true });
  cpSync(join(from, 'checkpoints'), join(to, 'checkpoints'), { recursive: true });
};
const review = async (...args: string[]) => {
  const { code, stdout, stderr } = await work.cellrun('review', ...args, '--json');
  return { code, stderr, runs: stdout === '' ? [] : JSON.parse(stdout).runs };
};

t.test("every command reports another run's checkpoint", async t => {
  const [a, b] = [await trainUntil(work, config, 4), await trainUntil(work, other, 4)];
  const { directory } = a.summary;
  const [own, its] = [a, b].map(({ summary }) => json(summary.directory, 'manifest.json').step_hash);
  exchange(b.summary.directory, directory);
  const foreign = {
    exitCode: 5,
    diagnostics: [{ code: 'checkpoint/foreign', expected: new RegExp(own), got: `step_hash ${its}` }],
  };
  const before = readFileSync(join(directory, 'log.jsonl'));
  await refused(t, resume(directory), foreign);
  t.same(readFileSync(join(directory, 'log.jsonl')), before, 'nothing was written');
  const evaluated = await work.cellrun('evaluate', directory);
  t.equal(evaluated.code, 5, evaluated.stdout);
  t.match(evaluated.stderr, /from another run/);
});

t.test('checkpoints from before an allowed change are accepted', async t => {
  const { summary } = await trainUntil(work, config, 4);
  const { directory } = summary;
  const change = { set: ['optimizer.learning_rate=0.02'], allowChange: ['optimizer.learning_rate'] };
  await resume(directory, { ...change, pauseAfterEpoch: 2 });
  t.equal(json(directory, 'manifest.json').earlier_step_hashes.length, 1);
  t.equal((await resume(directory)).summary.status, 'completed');
  t.equal((await review(directory)).code, 0);
});

t.test('a damaged manifest or config is refused by all that compute with it', async t => {
  const [complete, paused] = [await train(work, config), await trainUntil(work, config, 4)];
  const copyOf = (from: string) => {
    const to = join(work.folder(), 'edited');
    cpSync(from, to, { recursive: true });
    return to;
  };
  const input = work.file('new.npz', randomDataset('test/integrity', { train: 1, test: 1, seed: 1 }));
  const changed = (by: (manifest: Record<string, unknown>) => object) => (text: string) => {
    const manifest = JSON.parse(text);
    return JSON.stringify({ ...manifest, ...by(manifest) }, undefined, 2);
  };
  const manifest = 'manifest.json';
  const resolved = 'config.resolved.yaml';
  const cases: Record<string, readonly [file: string, change: (text: string) => string]> = {
    'names of the classes': [
      manifest,
      changed(({ data }) => ({ data: { ...(data as object), class_names: ['3', '2', '1', '0'] } })),
    ],
    'the number of parameters': [manifest, changed(() => ({ parameters: 1 }))],
    'the learning rate': [resolved, text => text.replace('0.01', '0.1')],
    'a config that is cut': [resolved, text => text.slice(0, text.length / 3)],
    'a config that is no YAML': [resolved, text => text.replace('model:', 'model: [')],
  };
  for (const [name, [file, change]] of Object.entries(cases)) {
    const [a, p] = [copyOf(complete.summary.directory), copyOf(paused.summary.directory)];
    for (const directory of [a, p]) edit(directory, file, change);
    const message = /does not match its digest in (summary|manifest)\.json/;
    const exported = join(work.folder(), 'exported');
    for (const args of [
      ['predict', a, '--input', input],
      ['evaluate', a],
      ['export', a, '--output', exported, '--format', 'safetensors'],
      ['review', a],
      ['report', a],
      ['compare', a, paused.summary.directory],
      ['resume', a],
      ['resume', p],
      ['run', work.config(config), '--directory', a],
    ]) {
      const { code, stdout, stderr } = await work.cellrun(...args);
      t.equal(code, 5, `${name}: ${args[0]} ${stderr}`);
      t.match(stdout + stderr, args[0] === 'review' ? /damaged|digest/ : message, `${name}: ${args[0]}`);
    }
    for (const open of [loadRun, loadModel])
      await refused(t, (async () => open(a))(), { exitCode: 5, message });
    t.same(readFileSync(join(p, 'log.jsonl')), readFileSync(join(paused.summary.directory, 'log.jsonl')));
  }
});

t.test('a manifest that a killed resume has changed is no edited one', async t => {
  const { directory } = (await trainUntil(work, config, 4)).summary;
  const left = readFileSync(join(directory, 'summary.json'));
  const set = { set: ['training.num_epochs=4'] };
  await resume(directory, { ...set, ...stopAt(6) }, stopAt(6).observer);
  // as a kill after the first step leaves it
  writeFileSync(join(directory, 'summary.json'), left);
  edit(directory, 'log.jsonl', text => text.replace(/.*"run\.end".*\n/, ''));
  t.equal((await work.cellrun('evaluate', directory)).code, 0);
  t.equal((await resume(directory)).summary.epochs, 4);
  t.equal((await review(directory)).code, 0);
});

t.test('a run is named by its manifest, not by its folder', async t => {
  const { summary } = await trainUntil(work, config, 4);
  const { directory, run_id } = summary;
  const renamed = join(work.folder(), 'renamed');
  renameSync(directory, renamed);
  const lines: string[] = [];
  const warning = (line: string) => lines.push(line);
  const resumed: RunResult = await resume(renamed, {}, { warning });
  t.equal(resumed.summary.run_id, run_id);
  t.same(lines, [], 'a renamed one is no copy');
  const passed = await review(renamed);
  t.equal(passed.code, 0, JSON.stringify(passed));
  t.match(passed.runs[0], { run_id, directory: renamed });
  t.notOk(passed.runs[0].cautions.some((caution: string) => caution.includes('copy')));

  const copy = `${renamed}-copy`;
  const original = await train(work, config);
  cpSync(original.summary.directory, copy, { recursive: true });
  const { code, runs } = await review(copy);
  t.equal(code, 0);
  t.equal(runs[0].run_id, original.summary.run_id);
  t.equal(runs[0].cautions.at(-1), `this is a copy of the run in ${original.summary.directory}`);
  await resume(copy, { set: ['training.num_epochs=4'] }, { warning });
  t.match(lines, [/^this directory is a copy of the run in /]);
  t.ok(readdirSync(copy).length > 0);
});

/** Replaces every `"name":value` in a file of `directory`. */
function edit(directory: string, file: string, by: (text: string) => string): void {
  const path = join(directory, file);
  const before = readFileSync(path, 'utf8');
  writeFileSync(path, by(before));
}

/** Damage of a complete run, by file, with what a review says of it. */
const DAMAGE: readonly (readonly [
  file: string,
  change: (content: Buffer) => Buffer | string,
  reason: RegExp,
])[] = [
  ['log.jsonl', by(/"grad_norm":[\d.]+/, '"grad_norm":1'), /a line was changed, added or removed/],
  ['log.jsonl', by(/^.*"train\.step".*\n/m, ''), /a line was changed, added or removed/],
  ['log.jsonl', text => `${text}{"event":"train.step","step":3}\n`, /does not end with the end of the run/],
  ['log.jsonl', text => text.subarray(0, -9), /does not end with the end of the run/],
  ['summary.json', by('"seed": 0', '"seed": 1'), /summary\.json does not match its digest in log\.jsonl/],
  [
    'evaluation.json',
    by(/"confusion": \[\s*\[\s*\d+/, '"confusion": [[77'),
    /evaluation\.json does not match/,
  ],
  ['manifest.json', by(/"node": "[^"]+"/, '"node": "20.0.0"'), /manifest\.json does not match/],
  ['manifest.json', by(/"run_id": "[^"]+"/, '"run_id": "x"'), /log\.jsonl belongs to another run/],
  ['config.resolved.yaml', by('0.01', '0.1'), /config\.resolved\.yaml does not match/],
  ['config.yaml', by('0.01', '0.1'), /config\.yaml does not match its digest in manifest\.json/],
  ['checkpoints/index.json', by(/"metric": [\d.]+/, '"metric": 0.999'), /index\.json does not match/],
  ['checkpoints/step-00000006.safetensors', flipped, /step-00000006\.safetensors does not match/],
];

function by(from: string | RegExp, to: string): (content: Buffer) => string {
  return content => content.toString('utf8').replace(from, to);
}

/** One bit of the weights. */
function flipped(content: Buffer): Buffer {
  const damaged = Buffer.from(content);
  damaged[damaged.length - 5] ^= 1;
  return damaged;
}

t.test('a damaged file of a complete run: review and resume end with exit 5', async t => {
  const gates = [{ metric: 'test.accuracy', min: 0.99 }];
  const { summary } = await train(work, { ...config, gates });
  const { directory } = summary;
  t.equal((await review(directory)).code, 3, 'nothing is wrong with it as it is but its gate');
  for (const [file, change, reason] of DAMAGE) {
    const path = join(directory, file);
    const before = readFileSync(path);
    const now = change(before);
    t.notOk(before.equals(Buffer.from(now)), `${file} is changed`);
    writeFileSync(path, now);
    const { code, runs } = await review(directory);
    t.equal(code, 5, `${file}: ${reason}`);
    t.match(runs[0]?.completed, { verdict: 'inconclusive', reason });
    // a summary or a log without its end can be made again from the last checkpoint
    if (!/summary|end of the run/.test(reason.source)) await refused(t, resume(directory), { exitCode: 5 });
    writeFileSync(path, before);
  }
  for (const name of ['evaluation.json', 'checkpoints']) rmSync(join(directory, name), { recursive: true });
  t.equal((await review(directory)).code, 3, 'what is missing contradicts nothing');
});

t.test('a bit that flips anywhere in a file of a complete run is found', async t => {
  const { directory } = (await train(work, config)).summary;
  const random = RandomStream.of(1, 'test/integrity/flips');
  const files = ['config.yaml', 'config.resolved.yaml', 'manifest.json', 'summary.json', 'evaluation.json'];
  for (const name of [...files, 'log.jsonl', 'checkpoints/index.json']) {
    const path = join(directory, name);
    const content = readFileSync(path);
    // the digest in the last line of the log vouches for the lines before it
    const end = name === 'log.jsonl' ? content.lastIndexOf(0x0a, content.length - 2) : content.length;
    for (let i = 0; i < 10; i++) {
      const at = random.integer(end);
      const flipped = Buffer.from(content);
      flipped[at] ^= 1 << random.integer(8);
      writeFileSync(path, flipped);
      const { exit_code } = reviewRuns([directory], { gates: [] }).review;
      t.equal(exit_code, 5, `byte ${at} of ${name}`);
    }
    writeFileSync(path, content);
  }
});

t.test('an edited summary of a stopped run is not used', async t => {
  const { summary } = await trainUntil(work, config, 4);
  const { directory } = summary;
  edit(directory, 'summary.json', text => text.replace(/"train_s": /, '"train_s": 1'));
  await refused(t, resume(directory, { strict: true }), {
    exitCode: 5,
    diagnostics: [{ code: 'run/summary-changed', file: join(directory, 'summary.json') }],
  });
  const lines: string[] = [];
  const resumed = await resume(directory, {}, { warning: line => lines.push(line) });
  t.match(lines, [/does not match its digest in log\.jsonl.*it is ignored/]);
  t.equal(resumed.summary.status, 'completed');
  t.equal((await review(directory)).code, 0);
});

t.test('files too long to be read are refused before they take memory', async t => {
  const { summary } = await train(work, config);
  for (const name of ['summary.json', 'manifest.json', 'evaluation.json']) {
    const directory = join(work.folder(), 'long');
    cpSync(summary.directory, directory, { recursive: true });
    // of zeros, which take no room on the disk
    truncateSync(join(directory, name), 600 * 2 ** 20);
    t.match(await review(directory), { code: 5, stderr: '' }, name);
    const reported = await work.cellrun('report', directory);
    t.match(reported, { code: 2, stderr: /\.json: the file is larger than 512 MiB\n$/ }, name);
  }
});

t.test('a stopped run whose log was edited is not resumed', async t => {
  const { summary } = await trainUntil(work, config, 4);
  const copy = () => {
    const to = join(work.folder(), 'stopped');
    cpSync(summary.directory, to, { recursive: true });
    return to;
  };
  const cases: Record<string, (text: string) => string> = {
    edited: text => text.replace(/"grad_norm":[\d.]+/, '"grad_norm":1'),
    removed: text => text.replace(/^.*"train\.step".*\n/m, ''),
    added: text => text.replace('\n', '\n{"event":"note"}\n'),
  };
  for (const [name, by] of Object.entries(cases)) {
    const directory = copy();
    edit(directory, 'log.jsonl', by);
    const before = readFileSync(join(directory, 'log.jsonl'));
    const resumed = await work.cellrun('resume', directory);
    t.match(resumed, { code: 5, stderr: /log\.jsonl: .* a line was changed, added or removed\n/ }, name);
    t.same(readFileSync(join(directory, 'log.jsonl')), before, 'nothing was written');
    rmSync(join(directory, 'log.jsonl'));
    t.equal((await work.cellrun('resume', directory)).code, 0, 'with a new log');
  }
  const torn = copy();
  edit(torn, 'log.jsonl', text => `${text.replace(/.*\n$/, '')}{"event":"run.e`);
  t.equal((await work.cellrun('resume', torn)).code, 0, 'a torn line is repaired');
  const again = await work.cellrun('resume', torn);
  t.match(again, { code: 0, stderr: /^Nothing to resume: the run is complete\. / });
  t.match(again.stdout, /^Run directory: /m);
  t.notMatch((await work.cellrun('resume', torn, '--quiet')).stderr, /Nothing/);
  const [line] = (await work.cellrun('review', torn)).stdout.split('\n');
  t.ok(line.endsWith(', seed 0: completed'), line);
});

t.test('what the weights do not yield is found by evaluating them again', async t => {
  const { summary } = await train(work, config);
  const { directory } = summary;
  t.equal((await review(directory, '--recompute')).code, 0);
  for (const name of ['summary.json', 'log.jsonl', 'evaluation.json'])
    edit(directory, name, text => text.replaceAll(`${summary.metrics.test.loss}`, '0.0125'));
  seal(directory);
  t.equal((await review(directory)).code, 0, 'its digests match');
  const { code, runs } = await review(directory, '--recompute');
  t.equal(code, 5);
  t.match(runs[0].completed.reason, /its summary records test\.loss 0\.0125, but its weights yield /);
});

t.test('the digest that a run prints matches its log', async t => {
  const trained = await work.cellrun(
    'run',
    work.config(config),
    '--backend',
    'webasm',
    '--output',
    work.folder(),
  );
  const [, records, sha256] = /^Log: (\d+) records, SHA-256 (\w+)$/m.exec(trained.stdout) ?? [];
  const [, directory] = /^Run directory: (.*)$/m.exec(trained.stdout) ?? [];
  const lines = readFileSync(join(directory, 'log.jsonl'), 'utf8').split(/(?<=\n)/);
  t.equal(lines.length, Number(records) + 1, 'all but run.end');
  t.equal(createHash('sha256').update(lines.slice(0, -1).join('')).digest('hex'), sha256);
});

t.test('checkpoints that a run in training replaces are looked up again', async t => {
  const [paused, later] = [await trainUntil(work, config, 4), await trainUntil(work, config, 6)];
  const { directory } = paused.summary;
  const { lstatSync } = fs;
  const copy = join(work.folder(), 'training');
  const replaced = join(copy, 'checkpoints');
  /** Evaluates the run while its checkpoints are replaced before the file `name` is looked at. */
  const whileReplaced = async (name: string) => {
    rmSync(copy, { recursive: true, force: true });
    cpSync(directory, copy, { recursive: true });
    let isDue = true;
    const patched = (path: fs.PathLike, ...others: []) => {
      if (isDue && path === join(replaced, name)) {
        isDue = false;
        rmSync(replaced, { recursive: true });
        cpSync(join(later.summary.directory, 'checkpoints'), replaced, { recursive: true });
        rmSync(join(replaced, 'step-00000004.safetensors'), { force: true });
      }
      return lstatSync(path, ...others);
    };
    Object.assign(fs, { lstatSync: patched });
    syncBuiltinESMExports();
    const { code, stdout, stderr } = await work.cellrun('evaluate', copy, '--json').finally(() => {
      Object.assign(fs, { lstatSync });
      syncBuiltinESMExports();
    });
    t.notOk(isDue, name);
    t.equal(code, 0, stderr);
    t.equal(JSON.parse(stdout).step, later.summary.steps, name);
  };
  // before its header is read, and between the list of the files and the index
  await whileReplaced('step-00000004.safetensors');
  await whileReplaced('index.json');
  rmSync(join(copy, 'checkpoints', 'step-00000006.safetensors'));
  t.match(await work.cellrun('evaluate', copy), { code: 5, stderr: /this checkpoint is missing/ });
});

t.test('a log that is removed or replaced ends the run', async t => {
  for (const left of [undefined, 'of another']) {
    const { summary } = await trainUntil(work, config, 2);
    const log = join(summary.directory, 'log.jsonl');
    const step = (made: { readonly step: number }) => {
      if (made.step !== 4) return;
      rmSync(log);
      if (left !== undefined) writeFileSync(log, left);
    };
    await refused(t, resume(summary.directory, {}, { step }), {
      exitCode: 1,
      diagnostics: [{ code: 'log/gone', file: log }],
    });
    if (left !== undefined) t.equal(readFileSync(log, 'utf8'), left, 'which is not touched');
  }
});

t.test("refuses to resume with another run's log", async t => {
  const [a, b] = [await trainUntil(work, config, 2), await trainUntil(work, other, 2)];
  const log = join(a.summary.directory, 'log.jsonl');
  cpSync(join(b.summary.directory, 'log.jsonl'), log);
  // names of two runs in the same second differ only at the end
  t.not(a.summary.run_id, b.summary.run_id);
  await refused(t, resume(a.summary.directory), {
    exitCode: 5,
    diagnostics: [{ code: 'run/damaged', message: /belongs to another run/, file: log }],
  });
});

t.test('an edited summary of a complete run is not repeated', async t => {
  const { summary } = await train(work, config);
  const { directory } = summary;
  for (const isLogLost of [false, true]) {
    if (isLogLost) rmSync(join(directory, 'log.jsonl'));
    edit(directory, 'summary.json', text => text.replaceAll(`${summary.metrics.test.loss}`, '0.0125'));
    t.same((await resume(directory)).summary.metrics, summary.metrics);
  }
});

t.test('a run keeps the baselines of its gates', async t => {
  const folder = work.folder();
  const baseline = join(folder, 'baseline.json');
  const write = (loss: number) =>
    writeFileSync(baseline, JSON.stringify(baselineOf({ 'test.loss': { 0: loss } })));
  write(100);
  const gates = [{ metric: 'test.loss', baseline, max_drop: 0 }];
  const { summary } = await trainUntil(work, { ...config, gates }, 4);
  const { directory } = summary;
  write(0);
  const resumed = await resume(directory);
  t.match(
    resumed.summary.gates,
    [{ reference: 100, verdict: 'passed' }],
    'the baseline as it was at the start',
  );
  rmSync(baseline);
  const input = work.file('next.npz', randomDataset('test/integrity', { train: 1, test: 1, seed: 1 }));
  for (const args of [
    ['evaluate', directory],
    ['predict', directory, '--split', 'test'],
    ['predict', directory, '--input', input],
    ['review', directory],
    ['resume', directory],
    ['resume', directory, '--set', 'training.num_epochs=4'],
  ]) {
    const { code, stderr } = await work.cellrun(...args);
    t.equal(code, 0, `${args.join(' ')}: ${stderr}`);
  }
  const [name] = readdirSync(join(directory, 'baselines'));
  edit(directory, `baselines/${name}`, text => text.replace('100', '101'));
  t.equal((await review(directory)).code, 5, 'a damaged copy is noticed');
  await refused(t, resume(directory), { exitCode: 5 });
  rmSync(join(directory, 'baselines'), { recursive: true });
  t.equal((await resume(directory)).summary.status, 'completed', 'a finished run needs no baseline');
});

t.test('an epoch is counted from 1 in the summary, the log and the index of checkpoints', async t => {
  const metric = 'test.loss';
  const { summary } = await train(work, {
    ...config,
    optimizer: { kind: 'sgd', learning_rate: 30 },
    training: {
      ...config.training,
      evaluate_every: { steps: 1 },
      early_stopping: { metric, patience: 2 },
    },
    checkpoint: { metric, keep: { last: 1, best: 1 } },
  });
  const { best, restored, directory } = summary;
  t.match(best, { step: 1, epoch: 1 }, 'within the first epoch');
  t.same(restored, { step: 1, epoch: 1 });
  const saved = readLog(directory).find(({ event, step }) => event === 'checkpoint.saved' && step === 1);
  t.equal(saved?.epoch, 1);
  const { checkpoints } = json(directory, 'checkpoints/index.json');
  t.match(checkpoints[0], { step: 1, epoch: 1 });
});
