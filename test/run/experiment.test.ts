/** The run directory: its files are complete and stay inside it. */

import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import {
  type CheckpointPolicy,
  listCheckpoints,
  loadCheckpoint,
  openCheckpoints,
  resolveCheckpoint,
} from '../../src/run/checkpoints.js';
import { checkName, RunDirectory, utcStamp } from '../../src/run/directory.js';
import { openLog } from '../../src/run/event-log.js';
import type { RunEvent } from '../../src/run/events.js';
import { writeAtomic, writeJsonAtomic } from '../../src/run/files.js';
import { spellNonFinite } from '../../src/run/json.js';
import { machine, versions } from '../../src/run/manifest.js';
import { Run } from '../../src/run/run.js';
import type { Tensor } from '../../src/run/safetensors.js';
import type { Summary } from '../../src/run/summary.js';
import { gitState } from '../../src/train/changes.js';
import { RunningMedian } from '../../src/train/timing.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import { packageRoot } from '../../src/util/root.js';
import { failure } from '../support/failure.js';
import { MANIFEST, SUMMARY } from '../support/run-facts.js';

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'cellrun-experiment-')));
t.teardown(() => rmSync(folder, { recursive: true }));
let made = 0;
const fresh = (): string => {
  made += 1;
  const path = join(folder, String(made));
  mkdirSync(path);
  return path;
};

const HASH = 'ab12cd34'.padEnd(64, '0');
const started = new Date('2026-01-31T23:59:58.765Z');
const newRun = (outputRoot: string, name = 'mnist-lstm') => ({
  name,
  outputRoot,
  configHash: HASH,
  givenYaml: 'seed: 0 # as given\n',
  resolvedYaml: 'seed: 0\n',
  started,
});

t.test('a run directory is named after the time and the config', async t => {
  const root = join(fresh(), 'not', 'there', 'yet');
  const run = RunDirectory.create(newRun(root));
  t.equal(run.path, join(root, 'mnist-lstm', '20260131T235958Z-ab12cd34'));
  t.equal(run.id, basename(run.path));
  t.same(readdirSync(run.path).sort(), ['config.resolved.yaml', 'config.yaml']);
  t.equal(readFileSync(run.files.config, 'utf8'), 'seed: 0 # as given\n');
  t.equal(readFileSync(run.files.resolvedConfig, 'utf8'), 'seed: 0\n');
  const second = RunDirectory.create(newRun(root));
  t.equal(second.id, '20260131T235959Z-ab12cd34', 'the next second, in the same form');
  t.equal(RunDirectory.create(newRun(root)).id, '20260201T000000Z-ab12cd34');
  t.equal(utcStamp(new Date(0)), '19700101T000000Z');
  t.equal(RunDirectory.open(run.path).path, run.path);
  t.equal(Run.open(run.path).summary, undefined);
});

t.test('hostile names and outputs never leave the output root', async t => {
  const root = join(fresh(), 'root');
  const words = '. .. ../../x a/b a\\b /etc a..b -rf .hidden é sweeps Sweeps ~ $HOME a%2f C:x'.split(' ');
  const hostile = ['', 'a b', 'a\0b', 'a\nb', 'x'.repeat(101), ...words];
  for (const name of hostile) {
    const error = failure(() => RunDirectory.create(newRun(root, name)));
    t.equal(error.exitCode, EXIT.usage, JSON.stringify(name));
    t.notOk(existsSync(root), 'nothing was written');
  }
  for (const name of ['a', 'A-1_b.c', '0', 'x'.repeat(100)]) t.doesNotThrow(() => checkName(name), name);
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 12 }), name => {
      try {
        checkName(name);
      } catch (error) {
        return error instanceof UserError;
      }
      return join(root, name).startsWith(`${root}/`) && basename(join(root, name)) === name;
    }),
  );

  mkdirSync(root);
  writeFileSync(join(root, 'file'), '');
  t.match(
    failure(() => RunDirectory.create(newRun(join(root, 'file')))).message,
    'a component of the path is a file',
  );
  t.match(
    failure(() => RunDirectory.create(newRun(root, 'file'))).message,
    'a file or a broken symbolic link with that name exists',
  );
  if (existsSync('/proc/self')) {
    t.match(failure(() => RunDirectory.create(newRun('/proc/x'))).message, 'cannot create a directory here');
  }
  t.match(failure(() => RunDirectory.open(join(root, 'absent'))).message, 'the run directory does not exist');
  t.match(
    failure(() => RunDirectory.open(join(root, 'file'))).message,
    'this is a file, not a run directory',
  );
  t.match(failure(() => RunDirectory.open(root)).message, 'it has no config.resolved.yaml');
  const run = RunDirectory.create(newRun(root, 'trained'));
  t.equal(
    failure(() => RunDirectory.open(join(root, 'trained'))).diagnostics[0].suggestion,
    run.path,
    'the run in it',
  );
});

const summary: Summary = {
  ...SUMMARY,
  metrics: { train: { loss: Number.NaN }, test: { loss: 0.1, accuracy: 0.97 } },
};

t.test('summary and manifest fit their schemas', async t => {
  const run = RunDirectory.create(newRun(fresh()));
  run.write('summary', summary);
  const written = JSON.parse(readFileSync(run.files.summary, 'utf8'));
  t.same(Run.open(run.path).summary, summary);
  t.match(written, { metrics: { train: { loss: null, loss_nonfinite: 'nan' } } });
  t.same(validateAgainst('summary', written), []);
  t.not(validateAgainst('summary', { ...written, extra: 1 }).length, 0);
  run.write('manifest', MANIFEST);
  t.same(validateAgainst('manifest', Run.open(run.path).manifest), []);
  t.same(
    readdirSync(run.path).filter(name => name.startsWith('.')),
    [],
    'no temporary files',
  );
  writeFileSync(run.files.summary, '{');
  t.equal(failure(() => Run.open(run.path).summary).exitCode, EXIT.damaged);
});

t.test('machine, versions and git state', async t => {
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'node_modules/gpu.js/package.json'), 'utf8'));
  t.equal(versions()['gpu.js'], version);
  t.equal(versions().node, process.version.slice(1));
  t.ok(machine().cores >= 1 && machine().memory_mb > 100);
  const repository = fresh();
  t.equal(await gitState(repository), null, 'outside of a repository');
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', repository, '-c', 'user.name=x', '-c', 'user.email=x@example.org', ...args], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  git('init');
  t.equal(await gitState(repository), null, 'without a commit');
  writeFileSync(join(repository, 'a'), '1');
  git('add', '.');
  git('commit', '-m', 'x');
  const revision = git('rev-parse', 'HEAD').trim();
  writeFileSync(join(repository, 'untracked'), '');
  t.same(await gitState(repository), { revision, dirty: false });
  writeFileSync(join(repository, 'a'), '2');
  t.same(await gitState(repository), { revision, dirty: true });
  git('add', '.');
  t.same(await gitState(repository), { revision, dirty: true }, 'staged');
  const trap = join(repository, 'started');
  git('config', 'core.fsmonitor', `touch ${trap}; false`);
  t.same(await gitState(repository), { revision, dirty: true });
  t.notOk(existsSync(trap), 'what the repository would have started is not started');
});

const warning: RunEvent = { event: 'warning', code: 'x/y', message: 'z' };
const step = {
  event: 'train.step',
  epoch: 1,
  step: 100,
  loss: 0.5,
  learning_rate: 0.01,
  grad_norm: 1.5,
  samples_per_s: 5000,
} as const;
const gate: RunEvent = {
  event: 'gate',
  metric: 'test.accuracy',
  over: 'last',
  value: 0.95,
  min: 0.96,
  verdict: 'failed',
  origin: 'x.yaml:9:5',
};
const end: RunEvent = {
  event: 'run.end',
  status: 'completed',
  exit_code: 0,
  epochs: 2,
  steps: 1200,
  duration_s: 30,
  ms_per_step: null,
  calibration_ms: null,
  step_ratio: null,
};

function logged(events: readonly RunEvent[]): Record<string, unknown>[] {
  const path = join(fresh(), 'log.jsonl');
  const log = openLog(path, 0, () => started);
  for (const event of events) log.emit(event);
  const text = readFileSync(path, 'utf8');
  log.close();
  t.ok(text.endsWith('\n'), 'all of it was on the disk before the log was closed');
  return text
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line));
}

// tests of runs validate all events (`readLog`)
t.test('an event is a line that fits the schema, which is closed', async t => {
  for (const [seq, line] of logged([warning, step, gate, end]).entries()) {
    t.same(validateAgainst('log-event', line), [], String(line.event));
    t.match(line, { seq, v: 1, time: '2026-01-31T23:59:58.765Z' });
    t.not(validateAgainst('log-event', { ...line, unknown: 1 }).length, 0);
    for (const key of ['v', 'seq', 'time', 'level', 'event']) {
      const { [key]: _, ...rest } = line;
      t.not(validateAgainst('log-event', rest).length, 0, `${line.event} without ${key}`);
    }
  }
});

t.test('the bytes of a line are as documented', async t => {
  const path = join(fresh(), 'log.jsonl');
  const log = openLog(path, 0, () => started);
  log.emit(warning);
  t.equal(
    readFileSync(path, 'utf8'),
    '{"level":"warn","time":"2026-01-31T23:59:58.765Z","v":1,"seq":0,"event":"warning","code":"x/y","message":"z"}\n',
  );
  log.close();
});

t.test('a number that is not finite is spelled out and raises the level', async t => {
  const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const lines = logged([step, ...values.map(loss => ({ ...step, loss }))]);
  t.same(
    lines.map(line => [line.level, line.loss, line.loss_nonfinite]),
    [
      ['info', 0.5, undefined],
      ['warn', null, 'nan'],
      ['warn', null, 'inf'],
      ['warn', null, '-inf'],
    ],
  );
  for (const line of lines) t.same(validateAgainst('log-event', line), []);
  t.not(
    validateAgainst('log-event', { ...lines[0], loss: null }).length,
    0,
    'null without a reason is refused',
  );
  t.not(
    validateAgainst('log-event', { ...lines[0], loss_nonfinite: 'nan' }).length,
    0,
    'a reason without null too',
  );
  t.same(spellNonFinite({ a: { b: [1, Number.NaN] }, c: undefined }), { a: { b: [1, 'nan'] } });
});

t.test('a file that cannot be written is named, with exit 1', async t => {
  const [absent, taken] = [join(folder, 'absent', 'log.jsonl'), fresh()];
  const refused: [() => unknown, string][] = [
    [() => openLog(absent), `${absent}: the file cannot be written: its directory no longer exists`],
    [
      () => writeJsonAtomic(absent, {}),
      `${absent}: the file cannot be written: its directory no longer exists`,
    ],
    [() => openLog(taken), `${taken}: the file cannot be written: a directory with that name exists`],
  ];
  if (existsSync('/dev/full')) {
    const log = openLog('/dev/full');
    const full = '/dev/full: the file cannot be written: no space left on the disk';
    refused.push([() => log.emit(warning), full]);
  }
  for (const [action, message] of refused) {
    const error = failure(action);
    t.equal(error.exitCode, EXIT.unexpected);
    t.ok(error.message.startsWith(message), error.message);
  }
  t.same(readdirSync(taken), [], 'and nothing is left behind');
});

t.test('the median of any step times is accurate to half a percent', async t => {
  const { value } = new RunningMedian();
  t.equal(value, null);
  const property = fc.property(
    fc.array(fc.double({ min: 1e-6, max: 1e5, noNaN: true }), { minLength: 1, maxLength: 60 }),
    values => {
      const median = new RunningMedian();
      for (const each of values) median.add(each);
      const sorted = [...values].sort((a, b) => a - b);
      const exact = (sorted[(values.length - 1) >> 1] + sorted[values.length >> 1]) / 2;
      return Math.abs((median.value ?? 0) / exact - 1) <= 0.005;
    },
  );
  t.doesNotThrow(() => fc.assert(property));
  const odd = new RunningMedian();
  for (const each of [0, 1e12, 1e12]) odd.add(each);
  t.equal(Math.round((odd.value ?? 0) / 1e7), 100, 'what is out of range counts as the bound');
});

t.test('levels of events', async t => {
  const lines = logged([
    ...(['completed', 'interrupted', 'diverged', 'failed'] as const).map(status => ({ ...end, status })),
    gate,
    { ...gate, verdict: 'passed' },
  ]);
  t.same(
    lines.map(line => line.level),
    ['info', 'warn', 'error', 'error', 'error', 'info'],
  );
});

const tensors = new Map<string, Tensor>([
  ['fc.bias', { dtype: 'F32', shape: [2], data: Float32Array.of(1, 2) }],
  ['optimizer.exp_avg.fc.bias', { dtype: 'F32', shape: [2], data: Float32Array.of(3, 4) }],
]);
const max: CheckpointPolicy = { keep: { last: 1, best: 1 }, metric: 'test.accuracy', mode: 'max' };

function filled(path: string, policy: CheckpointPolicy, metrics: readonly (number | null)[]): void {
  const store = openCheckpoints(path, policy);
  for (const [i, metric] of metrics.entries()) {
    const place = { step: (i + 1) * 100, epoch: i + 1, temporary: false };
    store.save({ ...place, tensors, metadata: { config_hash: HASH, order: [1, 2] }, metric });
  }
}

const stepsIn = (path: string): number[] => listCheckpoints(path).map(entry => entry.step);

t.test('a checkpoint loads as saved', async t => {
  const path = join(fresh(), 'checkpoints');
  const store = openCheckpoints(path, max);
  const saved = store.save({
    step: 600,
    epoch: 1,
    tensors,
    metadata: { a: { b: 1 } },
    metric: 0.9,
    temporary: false,
  });
  t.equal(saved.path, join(path, 'step-00000600.safetensors'));
  t.equal(saved.bytes, statSync(saved.path).size);
  t.equal(saved.best, true);
  const loaded = loadCheckpoint(saved.path);
  t.match(loaded, {
    step: 600,
    epoch: 1,
    metadata: { a: { b: 1 } },
    metric: { name: 'test.accuracy', mode: 'max', value: 0.9 },
  });
  t.same([...loaded.tensors.keys()].sort(), [...tensors.keys()].sort());
  t.same([...loaded.tensors.get('optimizer.exp_avg.fc.bias')!.data], [3, 4]);
  t.equal(resolveCheckpoint(path, 'last'), saved.path);
  t.equal(loadCheckpoint(resolveCheckpoint(path, 'best')).step, 600);
  const again = readFileSync(saved.path);
  store.save({ step: 600, epoch: 1, tensors, metadata: { a: { b: 1 } }, metric: 0.9, temporary: false });
  t.ok(readFileSync(saved.path).equals(again), 'the same content is the same bytes');
  t.same(stepsIn(path), [600]);
});

t.test(
  'a temporary checkpoint is replaced by the next one, and does not count among those to keep',
  async t => {
    const path = join(fresh(), 'checkpoints');
    const keepTwo = { ...max, keep: { last: 2, best: 0 } };
    const save = (step: number, temporary: boolean) =>
      openCheckpoints(path, keepTwo).save({
        step,
        epoch: 1,
        tensors,
        metadata: {},
        metric: null,
        temporary,
      });
    save(100, false);
    save(200, false);
    save(250, true);
    t.same(stepsIn(path), [100, 200, 250]);
    save(260, true);
    t.same(stepsIn(path), [100, 200, 260]);
    save(300, false);
    t.same(stepsIn(path), [200, 300]);
  },
);

t.test('keeps the last and the best, whatever the metrics', async t => {
  const cases: [CheckpointPolicy, (number | null)[], number[], number | null][] = [
    [max, [0.5, 0.9, 0.7], [200, 300], 200],
    [{ ...max, mode: 'min' }, [0.5, 0.9, 0.7], [100, 300], 100],
    [max, [0.9, 0.9], [100, 200], 100],
    [max, [Number.NaN, Number.POSITIVE_INFINITY, null], [300], null],
    [max, [0.1, Number.NaN, Number.NEGATIVE_INFINITY], [100, 300], 100],
    [{ ...max, keep: { last: 0, best: 0 } }, [0.9, 0.1], [200], 200],
    [{ ...max, keep: { last: 2, best: 0 } }, [0.9, 0.1, 0.2], [200, 300], 300],
    [{ ...max, keep: { last: 1, best: 2 } }, [0.9, 0.8, 0.1, 0.2], [100, 200, 400], 100],
  ];
  for (const [policy, metrics, kept, best] of cases) {
    const path = fresh();
    filled(path, policy, metrics);
    const name = JSON.stringify([policy, metrics]);
    t.same(stepsIn(path), kept, name);
    t.equal(loadCheckpoint(resolveCheckpoint(path, 'last')).step, kept.at(-1));
    if (best === null)
      t.match(failure(() => resolveCheckpoint(path, 'best')).message, "there is no checkpoint 'best' here");
    else t.equal(loadCheckpoint(resolveCheckpoint(path, 'best')).step, best, name);
    const index = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8'));
    t.same(validateAgainst('checkpoints', index), []);
    t.equal(index.last, basename(resolveCheckpoint(path, 'last')));
    t.equal(index.best, best === null ? null : basename(resolveCheckpoint(path, 'best')));
    t.same(
      index.checkpoints.map((entry: { step: number }) => entry.step),
      kept,
    );
  }
});

t.test('remains of an interrupted write do no harm', async t => {
  const path = fresh();
  filled(path, max, [0.5, 0.4]);
  writeFileSync(join(path, '.tmp-1-step-00000300.safetensors'), 'half');
  rmSync(join(path, 'index.json'));
  t.same(stepsIn(path), [100, 200], 'readers do not see the temporary file, nor need the index');
  openCheckpoints(path, max);
  t.notOk(existsSync(join(path, '.tmp-1-step-00000300.safetensors')));
  t.equal(basename(resolveCheckpoint(path, 'best')), 'step-00000100.safetensors');
});

t.test('a damaged or missing checkpoint is always an error', async t => {
  const path = fresh();
  filled(path, max, [0.5, 0.4]);
  const last = resolveCheckpoint(path, 'last');
  const bytes = readFileSync(last);
  bytes[bytes.length - 1] ^= 1;
  writeFileSync(last, bytes);
  t.equal(failure(() => loadCheckpoint(last)).exitCode, EXIT.damaged);
  writeFileSync(last, bytes.subarray(0, 20));
  const error = failure(() => resolveCheckpoint(path, 'last'));
  t.equal(error.exitCode, EXIT.damaged);
  t.equal(error.diagnostics[0].file, last);
  t.equal(basename(resolveCheckpoint(path, 100)), 'step-00000100.safetensors', 'only what is asked for');
  t.equal(failure(() => resolveCheckpoint(path, 'best')).exitCode, EXIT.damaged, 'it may be the best');
  t.equal(failure(() => resolveCheckpoint(join(path, 'absent'), 'last')).exitCode, EXIT.usage);
  rmSync(last);
  const lost = failure(() => resolveCheckpoint(path, 'last'));
  t.equal(lost.exitCode, EXIT.damaged, 'not the one before in its place');
  t.match(lost.diagnostics[0], { code: 'checkpoint/lost', file: last });
  t.equal(failure(() => resolveCheckpoint(path, 200)).exitCode, EXIT.damaged);
  t.equal(loadCheckpoint(resolveCheckpoint(path, 'best')).step, 100, 'the other one is still there');
  t.equal(failure(() => resolveCheckpoint(path, 300)).exitCode, EXIT.usage, 'there never was such a one');
  rmSync(resolveCheckpoint(path, 'best'));
  for (const which of ['last', 'best', 100] as const)
    t.equal(failure(() => resolveCheckpoint(path, which)).exitCode, EXIT.damaged, `${which}`);
  writeFileSync(join(path, 'index.json'), '{"last": 3');
  t.equal(failure(() => resolveCheckpoint(path, 'last')).exitCode, EXIT.usage, 'an index says nothing else');
  const golden = join(packageRoot, 'test/fixtures/goldens/lstm_odd.safetensors');
  t.match(failure(() => loadCheckpoint(golden)).message, 'not a checkpoint');
  const other = fresh();
  filled(other, max, [0.5]);
  t.match(failure(() => resolveCheckpoint(other, 7)).diagnostics[0], {
    message: 'there is no checkpoint of step 7 here',
    expected: 'one of the steps 100',
  });
});

t.test('processes with the same number in two containers write one file at once', async t => {
  const path = join(t.testdir(), 'report.html');
  // loaded anew, as in another process; the process id is the same
  const again = new URL('../../src/run/files.js?again', import.meta.url).href;
  const container: { writeAtomic: typeof writeAtomic } = await import(again);
  container.writeAtomic(path, writeOther => {
    writeOther('oth');
    writeAtomic(path, ['one']);
    t.equal(readFileSync(path, 'utf8'), 'one', 'not what the other has written so far');
    writeOther('er');
  });
  t.equal(readFileSync(path, 'utf8'), 'other');
  t.same(readdirSync(dirname(path)), ['report.html']);
});
