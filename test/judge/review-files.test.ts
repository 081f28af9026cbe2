/**
 * Reading runs from their files: logs of any length and in any state, curves, and finding runs.
 */
import '../support/quick.js';
import fs, { appendFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { reviewedRun } from '../../src/judge/judging/run-facts.js';
import { deeperFolder, findRuns, findTrials, kindOf, runsAt } from '../../src/run/find.js';
import { CurveBuilder, readHistory } from '../../src/run/history.js';
import type { LogRecord } from '../../src/run/log.js';
import { type DamagedLine, readLog } from '../../src/run/log.js';
import { EXIT, UserError } from '../../src/util/errors.js';
import { logLines, makeRun } from '../support/dashboard.js';
import { work } from '../support/work.js';

const folder = work.folder();
let made = 0;
function file(...lines: readonly string[]): string {
  made += 1;
  const path = join(folder, `log-${made}.jsonl`);
  writeFileSync(path, lines.join(''));
  return path;
}

function read(path: string): { records: LogRecord[]; damaged: DamagedLine[] } {
  const records: LogRecord[] = [];
  const damaged: DamagedLine[] = [];
  readLog(
    path,
    record => void records.push(record),
    line => void damaged.push(line),
  );
  return { records, damaged };
}

t.test('a log is read line by line; lines that are not events are reported, a torn end is not', async t => {
  const path = file(
    '{"event":"a","seq":0}\n',
    'junk\n',
    '\n',
    '[1]\n',
    '{"seq":4}\n',
    '{"event":"é\u2028","seq":5}\r\n',
    '{"event":"warning","message":{"toString":0}}\n',
    `{"event":"warning","code":${'['.repeat(100_000)}${']'.repeat(100_000)}}\n`,
    '{"event":"torn"',
  );
  const { records, damaged } = read(path);
  t.same(records, [
    { event: 'a', seq: 0 },
    { event: 'é\u2028', seq: 5 },
  ]);
  t.same(damaged, [
    { line: 2, message: 'this is not JSON' },
    { line: 3, message: 'the line is empty' },
    { line: 4, message: 'this is not a JSON object with an `event`' },
    { line: 5, message: 'this is not a JSON object with an `event`' },
    { line: 7, message: '`message` is a list or an object' },
    { line: 8, message: '`code` is a list or an object' },
  ]);
  t.throws(() => read(join(folder, 'absent')), UserError);
  t.throws(() => read(folder), UserError);
});

t.test('lines of any length, across the chunks that a file is read in', async t => {
  const texts = fc.array(
    fc.oneof(
      fc.constant('x'),
      fc.integer({ min: 0, max: 900_000 }).map(n => 'é'.repeat(n)),
    ),
    {
      maxLength: 6,
    },
  );
  fc.assert(
    fc.property(texts, words => {
      const path = file(...words.map(word => `${JSON.stringify({ event: word })}\n`));
      const { records, damaged } = read(path);
      rmSync(path);
      return (
        damaged.length === 0 &&
        records.length === words.length &&
        records.every(({ event }, i) => event === words[i])
      );
    }),
    { numRuns: 20 },
  );
  const endless = file('y'.repeat(40 << 20), '\n{"event":"after"}\n');
  const { records, damaged } = read(endless);
  t.same(
    records.map(({ event }) => event),
    ['after'],
  );
  t.ok(damaged.length >= 1, 'an endless line is damage, and costs no more memory than others');
});

const measurements = fc.array(
  fc.oneof(fc.double({ noNaN: true }), fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 0)),
  { minLength: 1, maxLength: 400 },
);

t.test('a curve keeps its ends and its extremes, in order, in bounded memory', async () => {
  fc.assert(
    fc.property(measurements, fc.constantFrom(2, 4, 10, 64), (values, capacity) => {
      const builder = new CurveBuilder(capacity);
      for (const [i, value] of values.entries()) builder.add(i + 1, value);
      const { steps, values: kept, count } = builder.curve;
      const finite = values.filter(Number.isFinite);
      const shown = kept.filter(value => value !== null);
      return (
        count === values.length &&
        steps.length === kept.length &&
        steps.length <= 3 * capacity + 2 &&
        steps.every((step, i) => i === 0 || step > steps[i - 1]) &&
        steps[0] === 1 &&
        steps.at(-1) === values.length &&
        // every point was measured at its step
        steps.every((step, i) =>
          Object.is(kept[i], Number.isFinite(values[step - 1]) ? values[step - 1] : null),
        ) &&
        (finite.length === 0 ||
          (shown.includes(finite.reduce((a, b) => Math.min(a, b))) &&
            shown.includes(finite.reduce((a, b) => Math.max(a, b))))) &&
        (finite.length === values.length || kept.includes(null)) &&
        (values.length > capacity || steps.length === values.length)
      );
    }),
    { numRuns: 500 },
  );
});

t.test('the history of a run', async t => {
  const path = file(
    '{"event":"run.start","time":"2026-01-31T12:00:00.000Z"}\n',
    '{"event":"train.step","time":"2026-01-31T12:00:01.000Z","epoch":1,"step":1,"loss":2.5,"learning_rate":0.1,"grad_norm":3,"samples_per_s":10}\n',
    '{"event":"train.step","epoch":1,"step":2,"loss":null,"loss_nonfinite":"nan","learning_rate":0.1,"grad_norm":null,"grad_norm_nonfinite":"inf","samples_per_s":11}\n',
    '{"event":"warning","code":"batch/skipped","message":"left out","step":2}\n',
    '{"event":"train.epoch","epoch":1,"step":2,"loss":2.5,"samples":20,"duration_s":1}\n',
    '{"event":"eval","split":"test","epoch":1,"step":2,"loss":2.25,"accuracy":0.5,"samples":4,"duration_s":1}\n',
    '{"event":"run.resume","step":1,"time":"2026-01-31T13:00:00.000Z"}\n',
    'torn{\n',
  );
  const { curves, ...rest } = readHistory(path, { capacity: 10 });
  t.same(curves, {
    'train.loss': { steps: [1, 2], values: [2.5, null], count: 2 },
    learning_rate: { steps: [1, 2], values: [0.1, 0.1], count: 2 },
    grad_norm: { steps: [1, 2], values: [3, null], count: 2 },
    samples_per_s: { steps: [1, 2], values: [10, 11], count: 2 },
    'epoch.loss': { steps: [2], values: [2.5], count: 1 },
    'test.loss': { steps: [2], values: [2.25], count: 1 },
    'test.accuracy': { steps: [2], values: [0.5], count: 1 },
  });
  t.same(rest, {
    events: 7,
    warnings: { count: 1, first: [{ code: 'batch/skipped', message: 'left out', step: 2 }] },
    resumes: 1,
    elapsed: { steps: [1, 2], values: [1, 1] },
    epochs: [{ epoch: 1, step: 2 }],
    last: { step: 2, epoch: 1, time: '2026-01-31T13:00:00.000Z' },
    damaged: { count: 1, first: [{ line: 8, message: 'this is not JSON' }] },
  });
  t.equal(
    readHistory(join(folder, 'absent'), { capacity: 10 }).events,
    0,
    'a run that was killed at once has no log',
  );
});

/** What `action` reads, parses and takes room for at once. */
function workOf<T>(action: () => T): { result: T; read: number; parsed: number; largest: number } {
  const { readSync } = fs;
  const { parse } = JSON;
  const { alloc, concat } = Buffer;
  const work = { read: 0, parsed: 0, largest: 0 };
  const sized = <B extends Buffer>(buffer: B): B => {
    work.largest = Math.max(work.largest, buffer.length);
    return buffer;
  };
  fs.readSync = ((...args: Parameters<typeof readSync>) => {
    const bytes = readSync(...args);
    work.read += bytes;
    return bytes;
  }) as typeof readSync;
  JSON.parse = (...args) => {
    work.parsed++;
    return parse(...args);
  };
  Buffer.alloc = ((size: number) => sized(alloc(size))) as typeof alloc;
  Buffer.concat = list => sized(concat(list));
  syncBuiltinESMExports();
  try {
    return { result: action(), ...work };
  } finally {
    Object.assign(Buffer, { alloc, concat });
    JSON.parse = parse;
    fs.readSync = readSync;
    syncBuiltinESMExports();
  }
}

t.test('a review reads and parses each line of a log once, in the same room for any length', async t => {
  const reviewOf = (stepsPerEpoch: number) => {
    const id = '20260101T000000Z-00000000';
    const run = makeRun(work.folder(), { name: 'long', id, status: 'completed' });
    const lines = logLines(4, stepsPerEpoch);
    const text = lines.join('');
    writeFileSync(join(run, 'log.jsonl'), text);
    const { result, read, parsed, largest } = workOf(() => reviewedRun(run));
    const kept = Object.values(result.curves).map(({ steps }) => steps.length);
    // of the other files
    return { rest: { read: read - text.length, parsed: parsed - lines.length }, largest, kept };
  };
  // reads the schemas
  reviewOf(1);
  const [short, long] = [reviewOf(2_000), reviewOf(8_000)];
  t.ok(short.rest.read > 0 && short.rest.read < 10_000, `${short.rest.read} bytes of other files`);
  t.ok(short.rest.parsed > 0 && short.rest.parsed < 10);
  t.equal(long.rest.parsed, short.rest.parsed, 'a longer log is not parsed twice either');
  t.ok(long.rest.read < 20_000, 'nor read twice, but for pieces of lines');
  for (const { largest, kept } of [short, long]) {
    t.ok(largest <= 2 ** 17, `${largest} bytes at once`);
    t.ok(Math.max(...kept) < 200, `curves of ${kept.join(', ')} points`);
  }
});

t.test('runs and sweeps are found by their folders', async t => {
  const root = join(folder, 'experiments');
  const put = (...parts: string[]) => {
    mkdirSync(join(root, ...parts.slice(0, -1)), { recursive: true });
    appendFileSync(join(root, ...parts), '');
  };
  put('b', '20260102T000000Z-00000000', 'config.resolved.yaml');
  put('b', '20260101T000000Z-00000000', 'config.resolved.yaml');
  put('a', '20260103T000000Z-00000000', 'config.resolved.yaml');
  put('a', 'notes', 'readme.txt');
  put('verify', 'x', 'config.resolved.yaml');
  put('sweeps', 'wide', '20260104T000000Z', 'plan.json');
  put('sweeps', 'wide', '20260104T000000Z', 'trials', 't0000-s0', 'config.resolved.yaml');
  symlinkSync(join(root, 'b'), join(root, 'link'));
  const found = findRuns(root);
  t.same(
    found.map(({ kind, name, id }) => [kind, name, id]),
    [
      ['run', 'a', '20260103T000000Z-00000000'],
      ['run', 'b', '20260101T000000Z-00000000'],
      ['run', 'b', '20260102T000000Z-00000000'],
      ['sweep', 'wide', '20260104T000000Z'],
    ],
  );
  const [sweep] = found.slice(-1);
  t.same(
    findTrials(sweep.path).map(({ id }) => id),
    ['t0000-s0'],
  );
  t.equal(kindOf(sweep.path), 'sweep');
  t.equal(kindOf(found[0].path), 'run');
  t.equal(kindOf(root), undefined);
  t.throws(() => findRuns(join(folder, 'absent')), UserError);

  const idsIn = (...parts: string[]) => findRuns(join(root, ...parts)).map(({ id }) => id);
  t.same(idsIn('b'), ['20260101T000000Z-00000000', '20260102T000000Z-00000000'], "an experiment's folder");
  t.same(idsIn('sweeps'), ['20260104T000000Z'], 'the folder of all sweeps');
  t.same(idsIn('sweeps', 'wide'), ['20260104T000000Z']);
});

t.test('if runs are too deep, a folder that contains them is suggested', async t => {
  const root = join(folder, 'deep');
  const put = (...parts: string[]) => {
    mkdirSync(join(root, ...parts), { recursive: true });
    const mark = parts.includes('sweeps') ? 'plan.json' : 'config.resolved.yaml';
    appendFileSync(join(root, ...parts, mark), '');
  };
  const deeper = (from = root) => deeperFolder(from, findRuns(from));
  put('a', 'x');
  put('a', 'x', 'copy', 'y');
  put('verify', 'a', 'b', 'c');
  put('.cache', 'a', 'b', 'c');
  t.equal(deeper(), undefined, 'folders in a run are part of it; checks and hidden folders are no runs');
  put('ours', 'sweeps', 'wide', 's');
  t.equal(deeper(), 'ours', 'the folder that a sweep was started for');
  t.same(
    findRuns(join(root, 'ours')).map(({ id }) => id),
    ['s'],
  );
  put('a', 'all', 'adding', 'r');
  t.equal(deeper(), join('a', 'all'));
  t.same(
    findRuns(join(root, 'a', 'all')).map(({ id }) => id),
    ['r'],
  );
  put('far', '1', '2', '3', '4', '5', '6');
  t.equal(deeper(join(root, 'far')), join('1', '2', '3', '4'));
  t.throws(
    () => runsAt(join(root, 'far')),
    new UserError(EXIT.usage, [
      {
        code: 'run/not-a-run',
        message: 'no runs found here',
        file: join(root, 'far'),
        expected: `such as ${join(root, 'far', '1', '2', '3', '4')}: cellrun searches 2 levels of directories`,
      },
    ]),
  );
});
