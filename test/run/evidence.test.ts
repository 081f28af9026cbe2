/** The files of a run are checked against each other, and files of another run are reported. */
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
import { STATE_KEY } from '../../src/run/checkpoint-files.js';
import { readSafetensors, writeSafetensors } from '../../src/run/safetensors.js';
import type { RunResult } from '../../src/train/observer.js';
import { readLog, Workplace } from '../support/cli.js';
import { forgetManifest, forgetSummary, resume, stopAt, train, trainUntil } from '../support/runs.js';
import { longerConfig, randomDataset } from '../support/small-run.js';

const work = new Workplace();
t.teardown(() => work.remove());

const data = work.file('data.npz', randomDataset('test/evidence', { train: 64, test: 20, seed: 1 }));
const config = { ...longerConfig(data, 3), name: 'evident' };
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

  const allowed = await resume(directory, { allowChange: ['step_hash'] });
  t.equal(allowed.summary.status, 'completed');
  const manifest = json(directory, 'manifest.json');
  t.match(manifest.changes, [{ key: 'step_hash', from: own, to: its }]);
  t.same(manifest.earlier_step_hashes, [its]);
  t.equal((await work.cellrun('evaluate', directory)).code, 0, 'and stays so');
});

t.test("a complete run with another run's checkpoints is refused", async t => {
  const [a, b] = [await train(work, config), await train(work, other)];
  const { directory } = a.summary;
  t.equal((await review(directory)).code, 0);
  exchange(b.summary.directory, directory);
  await refused(t, resume(directory), { exitCode: 5, diagnostics: [{ code: 'checkpoint/foreign' }] });
  const { code, runs } = await review(directory);
  t.equal(code, 5);
  t.match(runs[0].completed, { verdict: 'inconclusive', reason: /from another run/ });
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

t.test('a manifest of an older version without a hash: computed from its config', async t => {
  const [a, b] = [await trainUntil(work, config, 4), await trainUntil(work, other, 4)];
  for (const { summary } of [a, b]) {
    const { step_hash: _, directory: _place, ...older } = json(summary.directory, 'manifest.json');
    writeFileSync(join(summary.directory, 'manifest.json'), JSON.stringify(older));
    forgetManifest(summary.directory);
  }
  const mixed = join(work.folder(), 'mixed');
  cpSync(a.summary.directory, mixed, { recursive: true });
  exchange(b.summary.directory, mixed);
  await refused(t, resume(mixed), { exitCode: 5, diagnostics: [{ code: 'checkpoint/foreign' }] });
  t.equal((await resume(a.summary.directory)).summary.status, 'completed');
});

t.test('an edited manifest is refused by all that compute with it', async t => {
  const [complete, paused] = [await train(work, config), await trainUntil(work, config, 4)];
  const copyOf = (from: string) => {
    const to = join(work.folder(), 'edited');
    cpSync(from, to, { recursive: true });
    return to;
  };
  const input = work.file('new.npz', randomDataset('test/evidence', { train: 1, test: 1, seed: 1 }));
  const cases: Record<string, (manifest: Record<string, unknown>) => object> = {
    'names of the classes': manifest => ({
      data: { ...(manifest.data as object), class_names: ['3', '2', '1', '0'] },
    }),
    'a scaling': () => ({ scaling: { method: 'standard', features: null, targets: null } }),
    'the machine': ({ machine }) => ({ machine: { ...(machine as object), cpu: 'another' } }),
    'the command line': () => ({ command_line: ['run', 'other.yaml'] }),
    'the number of parameters': () => ({ parameters: 1 }),
  };
  for (const [name, changed] of Object.entries(cases)) {
    const change = (text: string) => {
      const manifest = JSON.parse(text);
      return JSON.stringify({ ...manifest, ...changed(manifest) }, undefined, 2);
    };
    const [a, p] = [copyOf(complete.summary.directory), copyOf(paused.summary.directory)];
    for (const directory of [a, p]) edit(directory, 'manifest.json', change);
    const message = /manifest\.json: .*does not match the digest in the summary/;
    const { stderr, code, stdout } = await work.cellrun('predict', a, '--input', input);
    t.match({ code, stdout, stderr }, { code: 5, stdout: '', stderr: message }, name);
    t.match(await work.cellrun('evaluate', a), { code: 5, stderr: message }, name);
    const exported = join(work.folder(), 'exported');
    t.match(
      await work.cellrun('export', a, '--output', exported, '--weights'),
      { code: 5, stderr: message },
      name,
    );
    const error = { exitCode: 5, diagnostics: [{ code: 'run/manifest-edited' }] };
    await refused(t, (async () => loadRun(a))(), error);
    await refused(t, (async () => loadModel(a))(), error);
    const before = readFileSync(join(p, 'log.jsonl'));
    for (const directory of [a, p]) await refused(t, resume(directory), error);
    t.same(readFileSync(join(p, 'log.jsonl')), before, 'nothing was written');
    // without its last record the log does not say that the run has ended
    edit(p, 'log.jsonl', text => text.replace(/.*\n$/, ''));
    await refused(t, resume(p), error);
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

t.test("a checkpoint's metrics must match the log", async t => {
  const { summary } = await trainUntil(work, config, 4);
  const { directory } = summary;
  const log = join(directory, 'log.jsonl');
  const text = readFileSync(log, 'utf8');
  const [{ accuracy }] = readLog(directory).filter(({ event }) => event === 'eval');
  writeFileSync(log, text.replaceAll(`"accuracy":${accuracy}`, '"accuracy":0.99'));
  await refused(t, resume(directory), {
    exitCode: 5,
    diagnostics: [{ code: 'checkpoint/other-metrics', message: /test\.accuracy .* 0\.99 at step/ }],
  });
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

/**
 * The digest over the log's records before `run.end`, as someone who edits the log would write it.
 */
function forgeDigest(directory: string): void {
  const lines = readFileSync(join(directory, 'log.jsonl'), 'utf8').split(/(?<=\n)/);
  const sha256 = createHash('sha256').update(lines.slice(0, -1).join('')).digest('hex');
  edit(directory, 'summary.json', text => text.replace(/"sha256": "[0-9a-f]+"/, `"sha256": "${sha256}"`));
}

t.test('an edit that is only partly consistent', async t => {
  const gates = [
    { metric: 'test.accuracy', min: 0.99 },
    { metric: 'test.loss', beats: 'trivial' },
  ];
  const { summary } = await train(work, { ...config, gates });
  const copy = () => {
    const to = join(work.folder(), 'edited');
    cpSync(summary.directory, to, { recursive: true });
    return to;
  };
  const { accuracy, loss } = summary.metrics.test;
  const better = (text: string) =>
    text.replaceAll(new RegExp(`("accuracy": ?)${accuracy}`, 'g'), '$10.975').replaceAll(`${loss}`, '0.0125');
  const both = (directory: string) => {
    edit(directory, 'summary.json', better);
    edit(directory, 'log.jsonl', better);
  };
  const cases: Record<string, [(directory: string) => void, RegExp]> = {
    'summary and log, not the digest': [both, /a line was edited, added or removed/],
    'summary, log and digest': [
      directory => {
        both(directory);
        forgeDigest(directory);
      },
      /test\.\w+ is [\d.]+ in its summary and [\d.]+ in evaluation\.json/,
    ],
    'all but the checkpoints': [
      directory => {
        both(directory);
        edit(directory, 'evaluation.json', better);
        forgeDigest(directory);
        const sha256 = createHash('sha256')
          .update(readFileSync(join(directory, 'evaluation.json')))
          .digest('hex');
        edit(directory, 'summary.json', text =>
          text.replace(/"evaluation": "[0-9a-f]+"/, `"evaluation": "${sha256}"`),
        );
      },
      / is \S+ in its summary and \S+ in its checkpoint/,
    ],
    'one line that no metric is in': [
      directory => edit(directory, 'log.jsonl', text => text.replace(/"grad_norm":[\d.]+/, '"grad_norm":1')),
      /a line was edited, added or removed/,
    ],
    'a line less': [
      directory => edit(directory, 'log.jsonl', text => text.replace(/^.*"train\.step".*\n/m, '')),
      /a line was edited, added or removed/,
    ],
    'an event behind the end': [
      directory => edit(directory, 'log.jsonl', text => `${text}{"event":"train.step","step":3}\n`),
      /its log has no end of the run/,
    ],
    'a line that is no event behind the end': [
      directory => edit(directory, 'log.jsonl', text => `${text}# looks good to me\n`),
      /its log continues after the end of the run/,
    ],
    'the confusion matrix': [
      directory =>
        edit(directory, 'evaluation.json', text =>
          text.replace(/"confusion": \[\s*\[\s*\d+/, '"confusion": [[77'),
        ),
      /evaluation\.json does not match the digest in its summary/,
    ],
    'all checkpoints cut short': [
      directory => {
        const folder = join(directory, 'checkpoints');
        for (const name of readdirSync(folder).filter(one => one.endsWith('.safetensors')))
          truncateSync(join(folder, name), 100);
      },
      /its checkpoint step-\d+\.safetensors cannot be read: /,
    ],
    'the index': [
      directory =>
        edit(directory, 'checkpoints/index.json', text =>
          text.replace(/"metric": [\d.]+/, '"metric": 0.999'),
        ),
      /its checkpoint index contradicts step-\d+\.safetensors/,
    ],
    'the best value': [
      directory =>
        edit(directory, 'summary.json', text => text.replace(/("best": \{[^}]*"value": )[\d.]+/, '$10.999')),
      /best is .* in its summary and .* in its checkpoints/,
    ],
    'a gate, in the config and the summary': [
      directory => {
        edit(directory, 'config.resolved.yaml', text => text.replace('min: 0.99', 'min: 0'));
        edit(directory, 'summary.json', text =>
          text
            .replace(/"min": 0.99,\s*"verdict": "failed"/, '"min": 0, "verdict": "passed"')
            .replace('"exit_code": 3', '"exit_code": 0'),
        );
      },
      /exit_code is 0 in its summary and 3 in its log/,
    ],
    'the verdict of a gate': [
      directory =>
        edit(directory, 'summary.json', text => text.replace('"verdict": "failed"', '"verdict": "passed"')),
      /its summary and its log differ in the gate on test\.accuracy/,
    ],
    'the value that a gate compares with': [
      directory =>
        edit(directory, 'summary.json', text => text.replace(/"reference": [\d.]+/, '"reference": 99')),
      /its summary and its log differ in the gate on test\.loss/,
    ],
    'all gates taken out': [
      directory =>
        edit(directory, 'summary.json', text => JSON.stringify({ ...JSON.parse(text), gates: [] })),
      /its summary lacks the gate on test\.accuracy, which is in its log/,
    ],
    'the learning rate in the config': [
      directory => edit(directory, 'config.resolved.yaml', text => text.replace('0.01', '0.1')),
      /config\.resolved\.yaml does not match the digest in its summary/,
    ],
    'the revision in the manifest': [
      directory =>
        edit(directory, 'manifest.json', text => text.replace(/"node": "[^"]+"/, '"node": "20.0.0"')),
      /manifest\.json does not match the digest in its summary/,
    ],
    'the seed in the summary': [
      directory => edit(directory, 'summary.json', text => text.replace('"seed": 0', '"seed": 1')),
      /seed is 1 in its summary and 0 in its manifest/,
    ],
    'the id in the summary': [
      directory =>
        edit(directory, 'summary.json', text => text.replace(/"run_id": "[^"]+"/, '"run_id": "x"')),
      /run_id is x in its summary and \S+ in its manifest/,
    ],
    'the id in the manifest': [
      directory =>
        edit(directory, 'manifest.json', text => text.replace(/"run_id": "[^"]+"/, '"run_id": "x"')),
      /its log belongs to another run/,
    ],
    'the id in manifest and summary': [
      directory => {
        for (const name of ['summary.json', 'manifest.json'])
          edit(directory, name, text => text.replace(/"run_id": "[^"]+"/, '"run_id": "x"'));
      },
      /its log belongs to another run/,
    ],
    'the digest taken out': [
      directory =>
        edit(directory, 'summary.json', text => {
          const { digests: _, ...rest } = JSON.parse(text);
          return JSON.stringify(rest);
        }),
      /lacks the digest of its log/,
    ],
  };
  t.equal((await review(copy())).code, 3, 'nothing is wrong with it as it is but its gate');
  for (const [name, [change, reason]] of Object.entries(cases)) {
    const directory = copy();
    change(directory);
    const { code, runs } = await review(directory);
    t.equal(code, 5, name);
    t.match(runs[0]?.completed, { verdict: 'inconclusive', reason }, name);
  }
});

type Leaf = readonly (string | number)[];

/** Paths of all values in a JSON document that contain no other. */
function leavesOf(value: unknown, at: Leaf = []): Leaf[] {
  if (typeof value !== 'object' || value === null) return [at];
  const keys = Array.isArray(value) ? [...value.keys()] : Object.keys(value);
  return keys.flatMap(key => leavesOf(value[key as keyof typeof value], [...at, key]));
}

/** Changes the value at `leaf` of a JSON file, keeping its type where it can. */
function editLeaf(directory: string, file: string, leaf: Leaf): void {
  edit(directory, file, text => {
    const document = JSON.parse(text);
    const parent = leaf.slice(0, -1).reduce((part, key) => part[key], document);
    const key = leaf.at(-1) as string;
    const now = parent[key];
    parent[key] = typeof now === 'number' ? now + 1 : typeof now === 'boolean' ? !now : `${now ?? ''}x`;
    return JSON.stringify(document, undefined, 2);
  });
}

t.test('no value of a summary or of a checkpoint index can be edited alone', async t => {
  const gates = [{ metric: 'test.loss', beats: 'trivial', over: 'seeds' }];
  const { directory } = (await train(work, { ...config, gates })).summary;
  const doubts = async (file: string, leaves: readonly Leaf[]) => {
    for (const leaf of leaves) {
      const before = readFileSync(join(directory, file));
      editLeaf(directory, file, leaf);
      const { code } = await review(directory);
      t.equal(code, 5, `${file}: ${leaf.join('.')}`);
      writeFileSync(join(directory, file), before);
    }
  };
  const [summary, index] = ['summary.json', 'checkpoints/index.json'];
  // another status is another state of the run, which is not completed then
  const leaves = leavesOf(json(directory, summary)).filter(([name]) => name !== 'status');
  t.ok(leaves.length > 40);
  await doubts(summary, leaves);
  const indexed = leavesOf(json(directory, index)).filter(([name]) => name !== 'version');
  t.ok(indexed.length >= 8);
  await doubts(index, indexed);
  edit(directory, index, text => text.slice(0, 20));
  t.match((await review(directory)).runs[0].completed.reason, /its checkpoint index is not valid/);
  rmSync(join(directory, index));
  t.equal((await review(directory)).code, 3, 'what is missing contradicts nothing');

  forgetSummary(directory);
  t.equal((await review(directory)).code, 3, 'nor does a log of an older version');
  const elsewhere = ['duration_s', 'calibration_ms', 'parameters', 'backend', 'executor', 'name'];
  await doubts(summary, [...elsewhere.map(name => [name]), ['baselines', 'test', 'majority', 'loss']]);
});

t.test('an edited summary of a stopped run is not used', async t => {
  const { summary } = await trainUntil(work, config, 4);
  const { directory } = summary;
  editLeaf(directory, 'summary.json', ['train_s']);
  await refused(t, resume(directory, { strict: true }), {
    exitCode: 5,
    diagnostics: [{ code: 'run/summary-edited', file: join(directory, 'summary.json') }],
  });
  const lines: string[] = [];
  const resumed = await resume(directory, {}, { warning: line => lines.push(line) });
  t.match(lines, [/the summary does not match the digest in the log.*it is renamed/]);
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
    t.match(resumed, { code: 5, stderr: /log\.jsonl: .* a line was edited, added or removed\n/ }, name);
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

t.test('consistent forgeries are found by evaluating the weights again', async t => {
  const { summary } = await train(work, config);
  const { directory } = summary;
  t.equal((await review(directory, '--recompute')).code, 0);
  for (const name of ['summary.json', 'log.jsonl', 'evaluation.json'])
    edit(directory, name, text => text.replaceAll(`${summary.metrics.test.loss}`, '0.0125'));
  forgeDigest(directory);
  const evaluation = createHash('sha256')
    .update(readFileSync(join(directory, 'evaluation.json')))
    .digest('hex');
  edit(directory, 'summary.json', text =>
    text.replace(/"evaluation": "[0-9a-f]+"/, `"evaluation": "${evaluation}"`),
  );
  const file = join(directory, 'checkpoints', `step-${String(summary.steps).padStart(8, '0')}.safetensors`);
  const { tensors, metadata } = readSafetensors(file);
  writeSafetensors(file, tensors, {
    ...metadata,
    format: 'pt',
    [STATE_KEY]: metadata[STATE_KEY].replaceAll(`${summary.metrics.test.loss}`, '0.0125'),
  });
  t.match((await review(directory)).runs[0].completed.reason, /its summary does not match the digest/);
  const end = createHash('sha256')
    .update(readFileSync(join(directory, 'summary.json')))
    .digest('hex');
  edit(directory, 'log.jsonl', text => text.replace(/("summary_sha256":")\w+/, `$1${end}`));
  t.equal((await review(directory)).code, 0, 'its files agree');
  const { code, runs } = await review(directory, '--recompute');
  t.equal(code, 5);
  t.match(runs[0].completed.reason, /its summary records test\.loss 0\.0125, but its weights yield /);
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

t.test('a log removed during the run is restored, with a warning', async t => {
  let removed = '';
  const { summary } = await trainUntil(work, config, 2);
  const log = join(summary.directory, 'log.jsonl');
  const before = readFileSync(log, 'utf8');
  const step = (made: { readonly step: number }) => {
    if (made.step !== 4) return;
    removed = readFileSync(log, 'utf8');
    rmSync(log);
  };
  t.equal((await resume(summary.directory, {}, { step })).summary.status, 'completed');
  const text = readFileSync(log, 'utf8');
  t.ok(text.startsWith(removed) && removed.length > before.length, 'nothing of it is lost');
  readLog(summary.directory).forEach(({ seq }, i) => void t.equal(seq, i));
  t.match(
    readLog(summary.directory).find(({ event }) => event === 'warning'),
    { code: 'log/restored' },
  );
  t.equal((await review(summary.directory)).code, 0);
});

t.test('a log replaced by another file ends the run', async t => {
  const { summary } = await trainUntil(work, config, 2);
  const log = join(summary.directory, 'log.jsonl');
  const step = (made: { readonly step: number }) => {
    if (made.step !== 4) return;
    rmSync(log);
    writeFileSync(log, 'of another');
  };
  await refused(t, resume(summary.directory, {}, { step }), {
    exitCode: 1,
    diagnostics: [{ code: 'log/replaced', file: log }],
  });
  t.equal(readFileSync(log, 'utf8'), 'of another', 'which is not touched');
});

t.test("refuses to resume with another run's log", async t => {
  const [a, b] = [await trainUntil(work, config, 2), await trainUntil(work, other, 2)];
  const log = join(a.summary.directory, 'log.jsonl');
  cpSync(join(b.summary.directory, 'log.jsonl'), log);
  // names of two runs in the same second differ only at the end
  t.not(a.summary.run_id, b.summary.run_id);
  await refused(t, resume(a.summary.directory), {
    exitCode: 5,
    diagnostics: [{ code: 'log/foreign', file: log }],
  });
});

t.test('the result of a complete run whose log was edited is not repeated', async t => {
  const { directory } = (await train(work, config)).summary;
  edit(directory, 'log.jsonl', text => text.replace(/"grad_norm":[\d.]+/, '"grad_norm":1'));
  await refused(t, resume(directory), { exitCode: 5, diagnostics: [{ code: 'log/edited' }] });
});

t.test('an edited summary of a complete run is not repeated if its log is missing', async t => {
  const { summary } = await train(work, config);
  const { directory } = summary;
  rmSync(join(directory, 'log.jsonl'));
  edit(directory, 'summary.json', text => text.replaceAll(`${summary.metrics.test.loss}`, '0.0125'));
  t.same((await resume(directory)).summary.metrics, summary.metrics);
});
