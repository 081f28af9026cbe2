/**
 * Files and messages of runs whose process is killed, stopped or suspended, or whose disk fails.
 */
import { cpSync, existsSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import type { LoggedEvent } from '../../src/run/log.js';
import type { Summary } from '../../src/run/summary.js';
import { timesSoFar } from '../../src/train/timing.js';
import { preloadFor } from '../soak/moments.js';
import { type LogLine, onlyIn, readLog, TrainedRun } from '../support/cli.js';
import { main } from '../support/in-process.js';
import { bringToRest, execute, onSmallDisk } from '../support/programs.js';
import { randomDataset, train } from '../support/runs.js';
import { work } from '../support/work.js';

const program = `"${process.execPath}" "${main}"`;
const surroundings = { cwd: work.path, env: { PATH: process.env.PATH, HOME: work.path } };
const webasm = ['--backend', 'webasm', '--threads', '1'];

/** Three steps per epoch. */
const small = {
  name: 'small',
  dataset: {
    kind: 'npz',
    path: work.file('data.npz', randomDataset('test/run-ends', { train: 70, test: 30, seed: 1 })),
  },
  model: { cell: 'lstm', hidden_size: 6, num_layers: 1, head: { from: 'last' } },
  optimizer: { kind: 'adam', learning_rate: 0.05 },
  training: { num_epochs: 2, batch_size: 32, log_every: 1 },
};

/** Runs until it is stopped. */
const endless = {
  ...small,
  training: { ...small.training, num_epochs: 1_000_000, log_every: 10 },
  checkpoint: { every: { steps: 1000 } },
};

const summaryIn = (directory: string): Summary =>
  JSON.parse(readFileSync(join(directory, 'summary.json'), 'utf8'));

/** The one run under `output`. */
const onlyRun = (output: string) => onlyIn(output, 'small');

/** Every record of a run, including those that a resume has moved aside. */
function allRecords(directory: string): LogLine[] {
  const files = readdirSync(directory).filter(name => /^log.*\.jsonl$/.test(name));
  return files.flatMap(name =>
    readFileSync(join(directory, name), 'utf8')
      .split('\n')
      .filter(line => line.endsWith('}'))
      .map(line => JSON.parse(line) as LogLine),
  );
}

/** Total seconds of the events `name` in all of a run's records. */
function logged(directory: string, name: string): number {
  return allRecords(directory).reduce(
    (sum, { event, duration_s }) => sum + (event === name ? Number(duration_s) : 0),
    0,
  );
}

function near(t: Test, value: number, wanted: number, share: number, what: string): void {
  t.ok(Math.abs(value - wanted) <= share * wanted, `${what}: ${value}, expected ${wanted}`);
}

const START = Date.parse('2026-01-31T12:00:00Z');
const at = (seconds: number, record: object): LoggedEvent =>
  ({ seq: 0, time: new Date(START + 1000 * seconds).toISOString(), ...record }) as unknown as LoggedEvent;

/**
 * The process starts at 0 and is killed in its second epoch.
 */
const killed = [
  at(0, { event: 'run.start' }),
  at(0, { event: 'data.ready', duration_s: 3 }),
  at(1, { event: 'train.step', step: 100, samples_per_s: 50 }),
  at(11, { event: 'train.epoch', step: 125, duration_s: 10 }),
  at(13, { event: 'eval', step: 125, duration_s: 2 }),
  at(14, { event: 'train.step', step: 130, samples_per_s: 40 }),
  at(15, { event: 'train.step', step: 135, samples_per_s: 80 }),
];
const summary = {
  duration_s: 20,
  train_s: 12,
  eval_s: 3,
  ms_per_step: 7,
  calibration_ms: 2,
  peak_rss_mb: 90,
} as Summary;

t.test('times of a run from its records', async t => {
  const none = {
    duration_s: 0,
    train_s: 0,
    eval_s: 0,
    ms_per_step: null,
    calibration_ms: null,
    peak_rss_mb: 0,
  };
  t.same(timesSoFar([], undefined), none);
  t.same(timesSoFar(killed, undefined), {
    ...none,
    duration_s: 3 + 15,
    train_s: 10,
    eval_s: 2,
  });
  const ended = [...killed, at(16, { event: 'run.end', duration_s: 20 })];
  t.same(timesSoFar(ended, summary), summary, 'one that came to its end says it itself');
  t.match(timesSoFar(ended, undefined), { duration_s: 20, eval_s: 2 }, 'but its summary is gone');
  const resumed = [
    ...killed,
    at(99, { event: 'run.resume', step: 125, ...summary }),
    at(100, { event: 'train.step', step: 128, samples_per_s: 12 }),
    at(102, { event: 'eval', step: 128, duration_s: 1 }),
  ];
  const sum = { ...summary, duration_s: 23, eval_s: 4 };
  t.same(timesSoFar(resumed, summary), sum, 'the time between two processes does not count');
  const setBack = [at(50, { event: 'run.resume', step: 0, ...summary }), at(10, { event: 'eval', step: 3 })];
  t.same(timesSoFar(setBack, undefined), summary, 'nor does a clock that is set back');
});

t.test('after an interruption and a kill, the times cover the whole run', async t => {
  const output = work.folder();
  const running = work.start('run', work.config(endless), '--json', '--output', output, ...webasm);
  await running.logged(60, output);
  running.child.kill('SIGINT');
  const first = new TrainedRun(await running.finished, output);
  const { directory } = first;
  const one = summaryIn(directory);
  const more = ['resume', directory, '--json', '--threads', '1'];
  const second = work.start(...more);
  const began = one.steps + 300;
  await second.logged(began, directory);
  // at rest it is in the middle of no write, whose end a kill would cut off
  await bringToRest(Number(second.child.pid));
  second.child.kill('SIGKILL');
  await second.finished;
  const lines = readLog(directory);
  const resumedAt = lines.findLastIndex(({ event }) => event === 'run.resume');
  t.match(lines[resumedAt], {
    duration_s: one.duration_s,
    train_s: one.train_s,
    eval_s: one.eval_s,
    ms_per_step: one.ms_per_step,
    calibration_ms: one.calibration_ms,
    peak_rss_mb: one.peak_rss_mb,
  });
  const stamp = (line: LogLine | undefined) => Date.parse(String(line?.time)) / 1000;
  /** Seconds of a process after its last whole epoch. */
  const unfinished = (records: readonly LogLine[]) =>
    stamp(records.at(-1)) - stamp(records.findLast(({ event }) => event === 'train.epoch') ?? records[0]);
  const span = stamp(lines.at(-1)) - stamp(lines[resumedAt]);

  const epochs = Math.ceil(Number(lines.at(-1)?.epoch)) + 1;
  // checks the run's own duration with this clock, not its speed
  // biome-ignore lint/plugin: see above
  const start = performance.now();
  const third = await work.cellrun(...more, '--set', `training.num_epochs=${epochs}`);
  // biome-ignore lint/plugin: see above
  const took = (performance.now() - start) / 1000;
  t.equal(third.code, 0, third.stderr);
  const last = summaryIn(directory);
  t.same(validateAgainst('summary', last), []);
  const told = readLog(directory).findLast(({ event }) => event === 'run.resume');
  near(t, Number(told?.duration_s), one.duration_s + span, 0.01, 'duration of the first two');
  t.ok(last.duration_s > Number(told?.duration_s) && last.duration_s < Number(told?.duration_s) + took);
  near(t, last.eval_s, logged(directory, 'eval'), 1e-9, 'evaluations of all three');
  // the two interrupted epochs have no record of their own
  const epochsOnly = logged(directory, 'train.epoch');
  const cutOff = unfinished(lines.slice(0, resumedAt)) + unfinished(lines.slice(resumedAt));
  t.ok(last.train_s > epochsOnly - 1e-9, `${last.train_s}, epochs ${epochsOnly}`);
  // times of records are in milliseconds
  t.ok(last.train_s < epochsOnly + cutOff + 0.01, `${last.train_s}, epochs ${epochsOnly} and ${cutOff}`);
  t.ok(last.train_s + last.eval_s < last.duration_s);
  t.ok(last.peak_rss_mb >= one.peak_rss_mb);
});

t.test('a full disk: names the file, exit 1, says how to resume, and that works', async t => {
  const saved = join(work.folder(), 'saved');
  const config = { ...endless, checkpoint: { every: { steps: 20 }, keep: { last: 1 } } };
  const run = `${program} run "${work.config(config)}" --quiet --output "$0/out" ${webasm.join(' ')}`;
  // the log has space for a while, then fills the disk itself
  const script = `cd "$0"; mkdir out; head -c 150000 /dev/zero > filling; ${run} >stdout; code=$?; rm filling
    ${program} resume out/small/* --quiet --json --threads 1 --set training.num_epochs=100 > result.json; again=$?
    cp -r "$0" "${saved}"; exit $((code * 10 + again))`;
  const finished = await onSmallDisk(work.folder(), '256k', script, surroundings);
  if (finished === undefined) return void t.comment('this process may not mount a small disk');
  const { code, stderr } = finished;
  const [told, hint] = stderr.split('\n');
  t.match(told, /^\S+\/(log\.jsonl|\S+\.safetensors|index\.json): the file cannot be written: no space left/);
  t.match(hint, /^Resume with: node \S+main\.js resume out\/small\/\d{8}T\d{6}Z-[0-9a-f]{8}$/, stderr);
  t.match(code, code === 10 ? 10 : 12, stderr);
  // the run may have passed the requested end; then its message must be clear too
  if (code === 10)
    t.match(JSON.parse(readFileSync(join(saved, 'result.json'), 'utf8')), { status: 'completed' });
  else t.match(stderr, /the run has completed \d+ steps, but the new config ends after 300/);
});

t.test('a disk that is full before the first step: suggests no resume', async t => {
  const run = `${program} run "${work.config(small)}" --quiet --output "$0" ${webasm.join(' ')}`;
  const finished = await onSmallDisk(
    work.folder(),
    '64k',
    `head -c 50000 /dev/zero > "$0/filling"; ${run}`,
    surroundings,
  );
  if (finished === undefined) return void t.comment('this process may not mount a small disk');
  t.equal(finished.code, 1, finished.stderr);
  t.match(finished.stderr, /^\S+: the file cannot be written: no space left on the disk\n$/);
});

t.test('a stop before the first step prints how to resume', async t => {
  const output = work.folder();
  const slow = { ...small, model: { ...small.model, hidden_size: 200, num_layers: 4 } };
  // it comes before the manifest is written
  const early = preloadFor({ at: 1, only: 'renameSync manifest' }, 'SIGTERM');
  const args = ['run', work.config(slow), '--output', output, ...webasm];
  const { code, stderr } = await work.startWith(['--import', early], args).finished;
  t.equal(code, 130, stderr);
  t.match(stderr, /^cellrun: interrupted after step [01]; .*\nResume with: node \S+main\.js resume \S+\n$/m);
});

t.test('pipes without a reader: the run continues to its end', async t => {
  const output = work.folder();
  const flags = `--json --output "${output}" ${webasm.join(' ')}`;
  const status = '; echo "status $?" >&3; }';
  /**
   * Runs with stdout, then with both streams, piped into a reader that has exited or exits at once.
   */
  const piped = async (command: string, reader: string) => {
    const script = `{ { ${program} ${command} ${status} ${reader}; } 3>&2`;
    const finished = await execute('bash', ['-c', script], surroundings);
    t.match(finished?.stderr, /^status 0$/m, `${command} ${reader}`);
    t.notMatch(finished?.stderr, /EPIPE|^\s+at /m);
    return finished;
  };
  const [head, gone, both] = ['2>/dev/null | head -c 10', '2>/dev/null | true', '2>&1 | true'];
  const config = work.config(small);
  const cut = await piped(`run "${config}" ${flags}`, head);
  t.equal(cut?.stdout, '{"version"', 'the reader got what it asked for');
  const directory = onlyRun(output);
  const whole = (steps: number) => {
    t.match(summaryIn(directory), { status: 'completed', steps });
    t.match(readLog(directory).at(-1), { event: 'run.end', status: 'completed' });
  };
  whole(6);
  for (const [reader, epochs] of [
    [head, 3],
    [gone, 4],
    [both, 5],
  ] as const) {
    await piped(`resume "${directory}" --json --threads 1 --set training.num_epochs=${epochs}`, reader);
    whole(3 * epochs);
  }
  for (const reader of [head, gone, both]) await piped(`evaluate "${directory}" --json --threads 1`, reader);
  rmSync(output, { recursive: true });
  await piped(`run "${config}" ${flags}`, both);
  t.match(summaryIn(onlyRun(output)), { status: 'completed', steps: 6 });
});

t.test('a resumed copy of a run is a separate run; a renamed directory is not', async t => {
  const output = work.folder();
  const running = work.start('run', work.config(endless), '--json', '--output', output, ...webasm);
  await running.logged(30, output);
  await bringToRest(Number(running.child.pid));
  const directory = onlyRun(output);
  const copy = join(work.folder(), 'copy');
  cpSync(directory, copy, { recursive: true });
  const epochs = Number(readLog(directory).at(-1)?.epoch) + 2;
  const resume = (path: string) =>
    work.cellrun('resume', path, '--json', '--threads', '1', '--set', `training.num_epochs=${epochs}`);
  const resumed = await resume(copy);
  t.equal(resumed.code, 0, resumed.stderr);
  t.match(summaryIn(copy), { status: 'completed', epochs });
  t.notOk(existsSync(join(copy, 'run.lock')));

  const moved = join(output, 'moved');
  renameSync(directory, moved);
  for (const path of [moved, join(moved, '..', 'moved')]) {
    const refused = await resume(path);
    t.equal(refused.code, 2, refused.stderr);
    t.ok(refused.stderr.includes(`another process (${running.child.pid} on `), refused.stderr);
  }
  renameSync(moved, directory);
  running.child.kill('SIGCONT');
  running.child.kill('SIGINT');
  t.equal(new TrainedRun(await running.finished, output).code, 130);
});

t.test('signals and timers are handled between two steps and between two batches', async t => {
  const cut = async (moment: 'step' | 'evaluating') => {
    const stop = new AbortController();
    const turn = () => setImmediate(() => stop.abort());
    const config = { ...small, training: { ...small.training, eval_batch_size: 1 } };
    const options = { observer: { [moment]: turn }, signal: stop.signal };
    return (await train(work, config, options)).summary;
  };
  const training = await cut('step');
  t.match(training, { status: 'interrupted' });
  t.ok(training.steps < 3, `${training.steps} steps`);
  const evaluation = await cut('evaluating');
  t.match(evaluation, { status: 'interrupted', steps: 3, metrics: { test: {} } });
  t.same(
    readLog(evaluation.directory).filter(({ event }) => event === 'eval'),
    [],
  );
});
