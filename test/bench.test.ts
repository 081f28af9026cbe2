/**
 * The arithmetic of `npm run bench`: medians, noise, verdicts, arguments. Nothing here is timed.
 */
import t from 'tap';
import { chooseBackend } from '../src/engine/backend.js';
import { packageRoot } from '../src/util/root.js';
import { runBench } from './bench/bench.js';
import { allCases, type BenchCase, benchCase, flopsOf, REFERENCE } from './bench/cases.js';
import { Child, ContenderError } from './bench/child.js';
import { contenders, lacksModel, sparedFrom } from './bench/contenders.js';
import { type BenchOptions, parseOptions } from './bench/options.js';
import {
  type Figure,
  noiseOf,
  type Results,
  type Row,
  ratioOf,
  type Spread,
  spreadOf,
} from './bench/results.js';
import { caseTable, checkText, noteText, renderTable, targetTable } from './bench/table.js';
import { compare, judge, verdictOf } from './bench/targets.js';

t.test('quartiles are those of numpy.percentile', t => {
  t.same(spreadOf([3, 1, 2, 5, 4]), { q1: 2, median: 3, q3: 4 });
  t.same(spreadOf([1, 2, 3, 4]), { q1: 1.75, median: 2.5, q3: 3.25 });
  t.same(spreadOf([7]), { q1: 7, median: 7, q3: 7 });
  t.throws(() => spreadOf([]), RangeError);
  t.equal(noiseOf({ q1: 9, median: 10, q3: 13 }), 0.2);
  t.equal(noiseOf({ q1: -13, median: -10, q3: -9 }), 0.2);
  t.end();
});

t.test('a ratio is taken round by round, so that a slow minute cancels', t => {
  t.same(ratioOf([10, 100, 20], [5, 50, 10]), { q1: 2, median: 2, q3: 2 });
  t.throws(() => ratioOf([1, 2], [1]), RangeError);
  t.end();
});

t.test('cases', async t => {
  const cases = allCases(2);
  t.equal(new Set(cases.map(one => one.id)).size, cases.length, 'ids are unique');
  t.same(
    [...cases].map(one => one.threads).sort(),
    cases.map(one => one.threads),
    'grouped by threads',
  );
  const has = (benchmark: BenchCase['benchmark'], sizes: Partial<typeof REFERENCE>) =>
    t.ok(cases.some(one => one.id === benchCase(benchmark, { ...REFERENCE, ...sizes }).id));
  for (const hidden_size of [32, 128, 512]) has('matmul', { hidden_size });
  for (const batch_size of [1, 32, 100, 512]) has('train_step', { batch_size, threads: 2 });
  for (const sequence_length of [28, 128, 784]) has('forward', { sequence_length, threads: 2 });
  for (const threads of [1, 2]) has('evaluate', { threads });
  // 2 * 100 * 512 * 256, as often as it runs in a call
  const product = benchCase('matmul', REFERENCE);
  t.equal(flopsOf(product), product.repeats * 26_214_400);
  // layer 1: 28 + 128 columns, layer 2: 128 + 128, each times 512 gates, 100 rows, 28 steps; three
  // times for a gradient
  t.equal(flopsOf(benchCase('train_step', REFERENCE)), 3 * 2 * 100 * 28 * 512 * (156 + 256));
  // three gates; one; two directions, each of which reads both of the layer below
  const step = (model: BenchCase['model']) => flopsOf(benchCase('train_step', REFERENCE, model)) / 3;
  t.equal(step('gru'), 2 * 100 * 28 * 384 * (156 + 256));
  t.equal(step('rnn'), 2 * 100 * 28 * 128 * (156 + 256));
  t.equal(step('bilstm'), 2 * 100 * 28 * 2 * 512 * (156 + 384));
  // in addition 31 steps of a decoder with as many layers, which reads a symbol as a vector of its
  // size; then a query, scores and contexts of 28 steps, and the product of both with a matrix
  const cells = 512 * (256 + 256);
  t.equal(step('decoder') - step('lstm'), 2 * 100 * 31 * (cells + 128 * (128 + 2 * 28 + 256)));
  t.equal(flopsOf(benchCase('evaluate', REFERENCE)), 100 * flopsOf(benchCase('forward', REFERENCE)));
  const large = benchCase('train_step', { ...REFERENCE, hidden_size: 512 });
  t.equal(benchCase('train_step', REFERENCE).id, 'train_step/h128-b100-t28-th1');
  t.ok(cases.some(one => one.id === 'train_step/gru-h128-b100-t28-th2'));
  const hello = { versions: {}, threads: 2 };
  const gru = benchCase('train_step', REFERENCE, 'gru');
  t.equal(lacksModel(hello, large), undefined);
  const lacking = 'its program in this benchmark has no gru';
  t.equal(lacksModel(hello, gru), lacking, 'whoever names no models has LSTMs');
  t.equal(lacksModel({ ...hello, models: ['gru'] }, gru), undefined);
  t.match(sparedFrom({ rate: 1.6 }, large), /about 34 s/);
  t.equal(sparedFrom({}, large), undefined);
});

const sharp = (median: number): Spread => ({ q1: median, median, q3: median });
const reference = benchCase('train_step', { ...REFERENCE, threads: 2 });

function row(one: BenchCase, ms: number, ratio: Spread): Row {
  const timing = (time: number) => ({ threads: 2, ms: sharp(time), rounds_ms: [time] });
  return {
    case: one,
    timings: { cellrun: timing(ms), PyTorch: timing(ms / ratio.median) },
    ratios: { PyTorch: ratio },
    left_out: { 'TensorFlow.js': 'one call takes about 9 s' },
  };
}

function results(rows: readonly Row[], figures: readonly Figure[] = []): Results {
  const machine = { platform: 'linux', arch: 'x64', cpu: 'some processor', cores: 2, memory_mb: 4096 };
  const fixed = {
    version: 1,
    date: '2026-01-01T00:00:00.000Z',
    versions: {},
    rounds: 5,
    threads: 2,
  } as const;
  return { ...fixed, machine, rows, figures, notes: [] };
}

t.test('--check judges ratios beyond their noise, and nothing else', t => {
  const before = results([row(reference, 60, sharp(2))]);
  const regressed = (now: Results) => compare(before, now).regressions.map(one => one.id);
  const id = `${reference.id} : PyTorch`;
  t.same(regressed(results([row(reference, 600, sharp(2))])), [], 'a slower machine is no regression');
  t.same(regressed(results([row(reference, 60, sharp(2.19))])), [], 'within what runs differ by');
  t.same(regressed(results([row(reference, 60, sharp(2.21))])), [id]);
  t.same(regressed(results([row(reference, 60, sharp(1))])), [], 'better is fine');
  const loosely = (median: number) =>
    compare(before, results([row(reference, 60, sharp(median))]), { loosely: true }).regressions.length;
  t.same([3.9, 4.1].map(loosely), [0, 1], '--loosely allows twice as much');
  // noise 0.2, so 0.1 + 2 * 0.2 = 0.5 is allowed
  const noisy = (median: number) => ({ q1: median * 0.8, median, q3: median * 1.2 });
  t.same(regressed(results([row(reference, 60, noisy(2.99))])), []);
  t.same(regressed(results([row(reference, 60, noisy(3.01))])), [id]);
  const wild = compare(before, results([row(reference, 60, { q1: 1, median: 9, q3: 11 })]));
  t.same([wild.compared, wild.noisy], [0, [id]], 'what scatters is not judged');
  t.match(checkText(wild), `Too noisy to judge: ${id}.`);
  const whole = (ratio: number): Figure => ({
    id: 'whole/run',
    what: 'run',
    unit: 's',
    ours: sharp(60),
    other: { name: 'PyTorch', value: sharp(60 / ratio) },
    ratio: sharp(ratio),
  });
  const figures = compare(results([], [whole(1)]), results([], [whole(1.2)]));
  t.same(
    figures.regressions.map(one => one.id),
    ['whole/run : PyTorch'],
  );
  const disturbed = results([], [{ ...whole(9), disturbed: true }]);
  const judged = (loosely: boolean) => {
    const { regressions, noisy } = compare(results([], [whole(1)]), disturbed, { loosely });
    return [regressions.length, noisy.length];
  };
  t.same(
    [true, false].map(judged),
    [
      [0, 1],
      [1, 0],
    ],
    '--loosely does not judge beside other work',
  );
  const none = compare(before, results([]));
  t.same([none.compared, none.missing], [0, [id]]);
  t.match(checkText(figures), /regressed: whole\/run : PyTorch: 1\.20 .*20 % worse, 10 % is noise/);
  t.match(checkText(none), `Not measured this time, so not compared: ${id}.`);
  t.end();
});

t.test('targets', t => {
  t.same(
    [undefined, 1.5, 1.6, 3, 3.1].map(value =>
      verdictOf(value === undefined ? value : sharp(value), { floor: 3, aim: 1.5 }),
    ),
    ['not measured', 'aim reached', 'floor reached', 'floor reached', 'missed'],
  );
  t.equal(verdictOf({ q1: 0.8, median: 1, q3: 1.2 }, { floor: 3, aim: 1.5 }), 'too noisy');
  const measured = results(
    [row(reference, 60, sharp(1)), row(benchCase('evaluate', { ...REFERENCE, threads: 2 }), 900, sharp(0.5))],
    [
      { id: 'whole/start', what: 'start', unit: 's', ours: sharp(0.7) },
      {
        id: 'disk/step',
        what: 'a step',
        unit: 'ms',
        ours: sharp(200),
        other: { name: 'in memory', value: sharp(200) },
        ratio: sharp(1),
      },
    ],
  );
  const verdicts = (given: Results) =>
    judge(given)
      .filter(one => one.measured !== undefined)
      .map(({ measured, verdict }) => [measured?.median, verdict]);
  const anywhere = [
    [0.7, 'floor reached'],
    [1, 'aim reached'],
  ];
  const others = [[0.5, 'aim reached'], ...anywhere];
  const on = (vectors: Results['vectors'], node: string) =>
    verdicts({ ...measured, vectors, versions: { ...measured.versions, node } });
  t.same(on('AVX2', '24.1.0'), [[1, 'missed'], ...others]);
  t.same(on('AVX2', '20.9.0'), [[1, 'floor reached'], ...others], 'an older Node has another limit');
  t.same(on('AVX-512', '20.9.0'), [[1, 'missed'], ...others], 'and so has a wider processor');
  t.same(on('other', '24.1.0'), anywhere);
  const models = results(
    [
      row(benchCase('train_step', { ...REFERENCE, threads: 2 }, 'gru'), 60, sharp(0.6)),
      { ...row(reference, 60, sharp(2)), ratios: { 'other build': sharp(1.01) } },
    ],
    [],
  );
  t.same(
    judge(models)
      .filter(one => one.measured !== undefined)
      .map(({ measured, verdict }) => [measured?.median, verdict]),
    [
      [0.6, 'aim reached'],
      [1.01, 'floor reached'],
    ],
  );
  const sweeps = results(
    [],
    [
      {
        id: 'whole/trial',
        what: 'more than the run',
        unit: 's',
        ours: sharp(0.4),
        other: { name: 'that run', value: sharp(2) },
      },
      {
        id: 'whole/parallel-trials',
        what: 'at a time',
        unit: 's',
        ours: sharp(9),
        other: { name: 'one after the other', value: sharp(8) },
        ratio: sharp(1.125),
      },
    ],
  );
  t.same(
    judge(sweeps)
      .filter(one => one.measured !== undefined)
      .map(({ measured, verdict }) => [measured?.median, verdict]),
    [
      [0.4, 'floor reached'],
      [1.125, 'missed'],
    ],
  );
  t.match(
    renderTable(targetTable(judge(measured)), true),
    /\| start of \.\/run .* \| 1\.20 s \| 0\.500 s \| 0\.700 ±0\.0 % s \|/,
  );
  t.end();
});

t.test('tables', t => {
  const measured = results([row(reference, 60, { q1: 1.9, median: 2, q3: 2.1 })]);
  const table = renderTable(caseTable(measured), true).split('\n');
  t.equal(
    table[0],
    '|  | hidden | batch | steps | threads | ms | GFLOP/s | over PyTorch | over TensorFlow.js |',
  );
  // 3.544 GFLOP in 60 ms
  t.equal(table[2], '| train_step | 128 | 100 | 28 | 2 | 60.0 ±0.0 % | 59.1 | 2.00 ±5.0 % | left out |');
  t.match(noteText(measured), `${reference.id}: TensorFlow.js left out: one call takes about 9 s`);
  t.end();
});

t.test('arguments', t => {
  t.match(parseOptions([]), { rounds: 7, peers: false, only: undefined, markdown: false });
  t.match(parseOptions(['--rounds', '9', '--only', '^whole/']), { rounds: 9, only: /^whole\// });
  t.throws(() => parseOptions(['--rounds', '4']), { message: /^--rounds must be a whole number from 5/ });
  t.throws(() => parseOptions(['--tfjs', 'x']), { message: '--tfjs is given without --peers' });
  t.end();
});

t.test('contenders', async t => {
  const none: BenchOptions = { ...parseOptions([]), only: /no such case/ };
  await t.rejects(
    runBench(none, () => {}),
    /--only matches nothing/,
  );
  if (!(await chooseBackend('auto')).isOpen)
    await t.rejects(
      runBench(parseOptions(['--gpu']), () => {}),
      /^--gpu needs a hardware WebGPU adapter: /,
    );
  await t.rejects(Child.start({ program: '/no/such/program', arguments: [] }), ContenderError);
  const failing = {
    program: process.execPath,
    arguments: ['-e', 'console.error("no library"); process.exit(3)'],
  };
  await t.rejects(Child.start(failing), { message: 'it ended with 3: no library' });

  // both run a small case, and each shows that it ran its own code
  const small = {
    ...benchCase('train_step', { ...REFERENCE, batch_size: 2, sequence_length: 3 }),
    hidden_size: 4,
  };
  const options = {
    against: packageRoot,
    peers: false,
    torchVariants: false,
    python: '',
    tfjs: undefined,
    gpu: false,
  };
  for (const contender of contenders(options)) {
    const { child, hello } = await Child.start(contender.command(1));
    t.equal(hello.threads, 1, contender.name);
    await t.rejects(child.measure(0, 1), /nothing is prepared/);
    await child.prepare(small);
    t.equal((await child.measure(60, 3)).times_ms.length, 3);
    t.equal((await child.measure(0, 3)).times_ms.length, 1);
    // another build may know no other models; this one does
    t.same(hello.models, ['lstm', 'gru', 'rnn', 'bilstm', 'ctc', 'decoder']);
    await child.prepare({ ...small, model: 'bilstm' });
    await child.prepare({ ...small, model: 'ctc', num_classes: 4, target_length: 1 });
    child.close();
  }
});
