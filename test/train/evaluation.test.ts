/** The files of an evaluation, the output of `predict`, and the calibration of step times. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import type { Dataset, Split } from '../../src/data/core/dataset.js';
import type { Targets } from '../../src/data/core/targets.js';
import { openDataset } from '../../src/data/index.js';
import type { Backend } from '../../src/engine/backend-names.js';
import type { LossSettings } from '../../src/math/losses/index.js';
import type { Task } from '../../src/math/metrics/index.js';
import { predictionsOf } from '../../src/math/model/inputs.js';
import { sgd } from '../../src/math/optimizers/sgd.js';
import { spellNonFinite } from '../../src/run/json.js';
import type { Mistake } from '../../src/tasks/classes/facts.js';
import type { WorstValue } from '../../src/tasks/core/document.js';
import type { PredictedSequence } from '../../src/tasks/core/prediction.js';
import { evaluationCollector } from '../../src/tasks/evaluation.js';
import type { ClassEvaluation, SplitEvaluation, ValueEvaluation } from '../../src/tasks/facts.js';
import type { ModelRun } from '../../src/train/shards.js';
import { Calibration } from '../../src/train/timing.js';
import { Trainer } from '../../src/train/trainer.js';
import { packageRoot } from '../../src/util/root.js';
import { computeInThreads } from '../../src/util/thread.js';
import { compareRuns } from '../../src/verify/resume.js';
import { floats, integers, jsonLines, npz, type TrainedRun } from '../support/cli.js';
import { GOLDENS, type Golden, golden, relativeError } from '../support/goldens.js';
import { modelOf } from '../support/models.js';
import { randomDataset, randomSequences } from '../support/runs.js';
import { work } from '../support/work.js';

const webasm = ['--backend', 'webasm', '--threads', '1'];
const IGNORED = -100;

/** Computed with NumPy, see generate.py in the same folder. */
const numpy = JSON.parse(readFileSync(join(packageRoot, 'test/fixtures/evaluation/evaluation.json'), 'utf8'));

const modelRun = (kind: LossSettings['kind'], head: 'last' | 'every', outputSize: number): ModelRun => ({
  backend: 'cpu',
  threads: 1,
  spec: modelOf({ cell: 'lstm', hidden_size: 1, head: { from: head } }, { outputSize }),
  loss: { kind },
  metrics: [],
  seed: 0,
  sequenceLength: 1,
  variableLength: false,
});

function datasetOf(count: number, parts: Partial<Dataset> = {}): Dataset {
  const targets: Targets = { kind: 'value', size: 1, values: new Float32Array(count) };
  const split: Split = { count, targets, read: () => {} };
  return {
    input: { kind: 'number', size: 1 },
    sequenceLength: 1,
    train: split,
    test: split,
    digests: [],
    ...parts,
  };
}

/** A sequence with one prediction. */
function predicted(index: number, values: number[], target: number[], loss: number): PredictedSequence {
  const outputs = Float32Array.from(values);
  const views = { outputs, point: outputs, target: Float32Array.from(target) };
  return { index, predictions: [{ step: 0, counts: target[0] !== IGNORED, weight: 1, loss, ...views }] };
}

const OUTCOME = {
  epoch: 2,
  step: 30,
  count: 5,
  loss: 0.5,
  metrics: { accuracy: 0.25, mean_absolute_error: 0.25 },
};

/** The document as in the file, and valid. */
function written<T extends SplitEvaluation>(t: Test, document: T): T {
  const spelled = JSON.parse(JSON.stringify(spellNonFinite(document)));
  t.same(validateAgainst('evaluation', spelled), []);
  return spelled;
}

/** ln(sum of e^z) - z_y in float64. */
const crossEntropy = (z: number[], y: number) => Math.log(z.reduce((sum, v) => sum + Math.exp(v), 0)) - z[y];

const near = (t: Test, got: number, wanted: number, what: string) =>
  t.ok(Math.abs(got - wanted) <= 1e-12 * Math.max(1, Math.abs(wanted)), `${what}: ${got}, not ${wanted}`);

for (const head of ['last', 'every'] as const) {
  t.test(`confusion and mistakes match NumPy (head: ${head})`, async t => {
    const { n, steps, classes, logits, labels, confusion, mistakes } = numpy[head];
    const collector = evaluationCollector(modelRun('cross_entropy', head, classes), datasetOf(n), 'test');
    for (let index = 0; index < n; index++) {
      const predictions = Array.from({ length: steps }, (_, step) => {
        const at = index * steps + step;
        const z = logits.slice(at * classes, (at + 1) * classes);
        const [y] = labels.slice(at, at + 1);
        const loss = y === IGNORED ? Number.NaN : crossEntropy(z, y);
        const outputs = Float32Array.from(z);
        const views = { outputs, point: outputs, target: Float32Array.of(y) };
        return { step, counts: y !== IGNORED, weight: 1, loss, ...views };
      });
      collector.add({ index, predictions });
    }
    const document = written(t, collector.document(OUTCOME) as ClassEvaluation);
    const total = confusion.flat().reduce((sum: number, count: number) => sum + count, 0);
    const right = confusion.reduce((sum: number, row: number[], k: number) => sum + row[k], 0);
    const accuracy = right / total;
    t.match(document, { kind: 'class', epoch: 2, step: 30, predictions: 5, loss: 0.5, accuracy });
    t.same(document.confusion, confusion);
    t.equal(document.undecided, 0);
    t.equal(document.images, null);
    const place = ({ index, step_in_sequence = 0, label, predicted }: Mistake) =>
      [index, step_in_sequence, label, predicted].join();
    type Expected = Mistake & { step: number };
    t.same(
      document.mistakes.map(place),
      mistakes.map((one: Expected) => place({ ...one, step_in_sequence: one.step })),
    );
    document.mistakes.forEach((mistake, i) => {
      for (const key of ['loss', 'probability', 'label_probability'] as const)
        near(t, mistake[key], mistakes[i][key], `${key} of ${i}`);
      t.equal('step_in_sequence' in mistake, head === 'every');
    });
  });
}

for (const name of ['one', 'three'] as const) {
  t.test(`the worst values match NumPy (${name})`, async t => {
    const { n, size, target, predicted: values, worst } = numpy[name];
    const collector = evaluationCollector(modelRun('mse', 'last', size), datasetOf(n), 'test');
    const part = (of: number[], i: number): number[] => of.slice(i * size, (i + 1) * size);
    for (let i = 0; i < n; i++) collector.add(predicted(i, part(values, i), part(target, i), 0));
    const document = written(t, collector.document(OUTCOME) as ValueEvaluation);
    t.same(
      document.worst.map(({ index }) => index),
      worst.map(({ index }: WorstValue) => index),
    );
    document.worst.forEach((one, i) => {
      near(t, one.absolute_error, worst[i].absolute_error, `error of ${i}`);
      t.same(one.target.map(Math.fround), part(target, one.index), 'the same float32 numbers');
      t.same(one.prediction.map(Math.fround), part(values, one.index));
      t.ok(
        one.target.every(value => value === Number(value.toPrecision(9))),
        'in few digits',
      );
    });
    if (size === 1) {
      // 200 of 450 sequences: two of every 4.5
      t.equal(document.sample?.length, 200);
      t.same(
        document.sample?.slice(0, 5).map(({ index }) => index),
        [0, 2, 4, 6, 9],
      );
      t.equal(document.sample?.at(-1)?.index, 447);
    }
    for (const { index, target: y, prediction } of document.sample ?? [])
      t.same(
        [y, prediction].map(one => [one].flat().map(Math.fround)),
        [part(target, index), part(values, index)],
      );
  });
}

t.test('NaN is worst, in no column, and spelled out', async t => {
  const collector = evaluationCollector(modelRun('cross_entropy', 'last', 3), datasetOf(5), 'test');
  collector.add(predicted(0, [0, 1, 0], [0], 1));
  collector.add(predicted(1, [Number.NaN, 1, 2], [2], Number.NaN));
  collector.add(predicted(2, [0, Number.POSITIVE_INFINITY, 0], [0], Number.POSITIVE_INFINITY));
  collector.add(predicted(3, [Number.NaN, 1, 2], [2], Number.NaN));
  collector.add(predicted(4, [9, 1, 2], [IGNORED], 3));
  const document = written(t, collector.document({ ...OUTCOME, loss: Number.NaN }) as ClassEvaluation);
  t.same(document.confusion, [
    [0, 2, 0],
    [0, 0, 0],
    [0, 0, 0],
  ]);
  t.equal(document.undecided, 2);
  t.same(
    document.mistakes.map(({ index, predicted }) => [index, predicted]),
    [
      [1, null],
      [3, null],
      [2, 1],
      [0, 1],
    ],
  );
  t.match(document, { loss: null, loss_nonfinite: 'nan' });
  t.match(document.mistakes[2], { loss: null, loss_nonfinite: 'inf', probability_nonfinite: 'nan' });

  const values = evaluationCollector(modelRun('mse', 'last', 1), datasetOf(2), 'test');
  values.add(predicted(0, [1], [0], 1));
  values.add(predicted(1, [Number.NEGATIVE_INFINITY], [0], Number.POSITIVE_INFINITY));
  const worst = written(t, values.document(OUTCOME) as ValueEvaluation);
  t.match(worst.worst[0], { index: 1, prediction: ['-inf'], absolute_error_nonfinite: 'inf' });
  t.match(worst.sample?.[1], { prediction: null, prediction_nonfinite: '-inf' });
});

/** Of scikit-learn, see `fixtures/metrics`. */
interface Case {
  readonly name: string;
  readonly task: Task;
  readonly size: number;
  readonly outputs: readonly (readonly number[])[];
  readonly targets: readonly (number | readonly number[])[];
  readonly metrics: Readonly<Record<string, number | null>>;
  readonly scores: readonly Readonly<Record<string, number | null>>[];
}

const cases: readonly Case[] = JSON.parse(
  readFileSync(join(packageRoot, 'test/fixtures/metrics/metrics.json'), 'utf8'),
);
const LOSS = {
  classes: 'cross_entropy',
  labels: 'binary_cross_entropy',
  values: 'mae',
  sequences: 'ctc',
} as const satisfies Readonly<Record<Task, LossSettings['kind']>>;
/** The list of scores of each output. */
const LISTS: Partial<Readonly<Record<Task, string>>> = {
  classes: 'per_class',
  labels: 'per_label',
  values: 'per_output',
};

/** The document of a case, as in the file, and valid. */
function documentOf(t: Test, { task, size, outputs, targets }: Case): Record<string, unknown> {
  const run = modelRun(LOSS[task], 'last', size);
  const collector = evaluationCollector(run, datasetOf(outputs.length), 'test');
  outputs.forEach((row, index) => {
    const numbers = Float32Array.from(row);
    const prediction = {
      step: 0,
      counts: true,
      weight: 1,
      loss: index,
      outputs: numbers,
      point: task === 'labels' ? numbers.map(z => 1 / (1 + Math.exp(-z))) : numbers,
      target: Float64Array.from([targets[index]].flat()),
    };
    collector.add({ index, predictions: [prediction] });
  });
  return written(t, collector.document({ ...OUTCOME, count: outputs.length })) as object as Record<
    string,
    unknown
  >;
}

for (const one of cases.filter(({ name, scores }) => name !== 'without ties' && scores.length > 0)) {
  t.test(`${one.task}: ${one.name}`, async t => {
    const document = documentOf(t, one);
    const listed = document[LISTS[one.task] as string] as Record<string, number>[];
    t.equal(listed.length, one.size);
    listed.forEach((scores, k) => {
      for (const [score, value] of Object.entries(scores)) {
        const expected = one.scores[k][score] ?? Number.NaN;
        t.ok(
          Math.abs(value - expected) <= 1e-12 * Math.max(1, Math.abs(expected)),
          `${score} of ${k}: ${value}`,
        );
      }
      const isDefined = one.task !== 'values' || one.scores[k].r2 !== null;
      t.equal('r2' in scores, one.task === 'values' && isDefined, 'what is not defined is left out');
    });
    const whole = one.task === 'values' ? 'mean_absolute_error' : 'accuracy';
    t.ok(Math.abs(Number(document[whole]) - Number(one.metrics[whole])) < 1e-12, whole);
  });
}

t.test('leaves out data that are too large', async t => {
  for (const [classes, known] of [
    [100, true],
    [101, false],
  ] as const) {
    const collector = evaluationCollector(modelRun('cross_entropy', 'last', classes), datasetOf(1), 'test');
    const logits = Array.from({ length: classes }, (_, k) => k);
    collector.add(predicted(0, logits, [3], 5));
    const document = written(t, collector.document(OUTCOME) as ClassEvaluation);
    t.equal(document.confusion?.[3][classes - 1], known ? 1 : undefined);
    t.match(document.mistakes, [{ predicted: classes - 1, label: 3 }]);
  }
  for (const [width, known] of [
    [100, true],
    [101, false],
  ] as const) {
    const data = datasetOf(1, { image: { height: 100, width } });
    const test = { ...data.test, image: () => new Uint8Array(100 * width) };
    const collector = evaluationCollector(modelRun('cross_entropy', 'last', 2), { ...data, test }, 'test');
    collector.add(predicted(0, [1, 0], [1], 5));
    const { images, mistakes } = written(t, collector.document(OUTCOME) as ClassEvaluation);
    t.same(images, known ? { width, height: 100, encoding: 'base64-uint8' } : null);
    t.equal('image' in mistakes[0], known);
  }
  const collector = evaluationCollector(modelRun('mse', 'last', 150), datasetOf(1), 'test');
  collector.add(predicted(0, new Array(150).fill(1), new Array(150).fill(0), 5));
  const [worst] = written(t, collector.document(OUTCOME) as ValueEvaluation).worst;
  t.same([worst.target.length, worst.prediction.length, worst.absolute_error], [100, 100, 1]);
});

/** A split with the golden's batch, repeated ten times. */
function repeated({ batch, split }: Golden): Split {
  const { count, targets, lengths } = split;
  const again = <T extends Int32Array | Float32Array>(all: T): T => {
    const result = new (all.constructor as new (length: number) => T)(10 * all.length);
    for (let i = 0; i < 10; i++) result.set(all, i * all.length);
    return result;
  };
  return {
    count: 10 * count,
    targets:
      targets.kind === 'value'
        ? { ...targets, values: again(targets.values) }
        : { ...targets, values: again(Int32Array.from(targets.values)) },
    ...(lengths && { lengths: again(lengths) }),
    read: (index, ...place) => split.read(index % batch, ...place),
  };
}

async function goldenPredictions(expected: Golden, backend: Backend, threads: number, batchSize: number) {
  const split = repeated(expected);
  const { spec, loss, steps, parameters } = expected;
  const run: ModelRun = {
    backend,
    threads,
    spec,
    loss: { ...loss, ...(spec.decoder && { ofSymbols: true }) },
    // more than all labellings that have been tried
    decode: { beam: 200 },
    metrics: spec.decoder ? ['bits_per_symbol'] : [],
    seed: 0,
    sequenceLength: steps,
    targetLength: expected.targetLength,
    variableLength: split.lengths !== undefined,
  };
  // a trainer creates its pool in its constructor
  const before = computeInThreads(threads > 1);
  const trainer = await Trainer.create({ ...run, train: split, batchSize: 4 }, sgd, {
    momentum: 0,
    nesterov: false,
    weight_decay: 0,
  }).finally(() => computeInThreads(before));
  try {
    for (const one of trainer.layout.parameters)
      trainer.layout.write(one, parameters[one.name], trainer.parameters);
    const told: PredictedSequence[] = [];
    const evaluation = await trainer.evaluator(batchSize).evaluate(split, {
      observe: ({ index, predictions }) => {
        const copies = predictions.map(one => ({
          ...one,
          outputs: one.outputs.slice(),
          target: one.target.slice(),
        }));
        told.push({ index, predictions: copies });
      },
    });
    return { told, evaluation };
  } finally {
    await trainer.close();
  }
}

/** Whether PyTorch tried all labellings of a few symbols. */
function hasBest({ values }: Golden): boolean {
  try {
    return values('out.best').length > 0;
  } catch {
    return false;
  }
}

/**
 * One model of each kind of evaluation: classes and values of sequences, classes of steps. Few,
 * because each thread compiles the model again.
 */
const IN_THREADS: readonly string[] = ['lstm_base', 'lstm_mse', 'lstm_every_lengths', 'bilstm_mean_lengths'];

const ofSequences = (name: string) => golden(name).split.targets.kind === 'sequence';

for (const name of GOLDENS.filter(ofSequences)) {
  t.test(`decodes PyTorch's likeliest labelling of each sequence: ${name}`, async t => {
    const expected = golden(name);
    const { batch: B, values, split } = expected;
    const evaluations: unknown[] = [];
    for (const [threads, batchSize] of [
      [1, 7],
      [2, 36],
    ]) {
      const { told, evaluation } = await goldenPredictions(expected, 'webasm', threads, batchSize);
      evaluations.push(evaluation);
      const wrong: string[] = [];
      for (const { index, predictions } of told) {
        const [{ outputs, target, decoded = [] }] = predictions;
        const b = index % B;
        const all = values('out.logits');
        const logits = all.subarray((b * all.length) / B).subarray(0, outputs.length);
        if (!(relativeError(outputs, logits) < 1e-4)) wrong.push(`sequence ${index}: logits`);
        const given = [...values('y')]
          .slice((b * values('y').length) / B)
          .filter((_, i) => i < split.targets.values.length / B);
        if (target.join() !== given.filter(symbol => symbol >= 0).join())
          wrong.push(`sequence ${index}: target`);
        if (!hasBest(expected)) continue;
        const best = [...values('out.best').subarray(4 * b, 4 * b + 4)].filter(symbol => symbol >= 0);
        const [{ symbols, logProbability }] = decoded;
        if (Array.from(symbols).join() !== best.join())
          wrong.push(`sequence ${index}: ${symbols}, not ${best}`);
        if (!(Math.abs(logProbability - values('out.best_logprob')[b]) < 1e-4))
          wrong.push(`sequence ${index}: probability`);
      }
      t.same(wrong, [], `${threads} threads`);
      t.ok(relativeError([evaluation?.loss ?? Number.NaN], values('out.loss')) < 1e-5);
      const bits = values('out.loss').map(loss => loss / Math.LN2);
      const { bits_per_symbol } = evaluation?.metrics ?? {};
      if (expected.spec.decoder) t.ok(relativeError([bits_per_symbol ?? Number.NaN], bits) < 1e-5);
    }
    t.same(evaluations[0], evaluations[1], 'to the last bit, for any number of threads and rows');
  });
}

for (const name of GOLDENS.filter(name => !golden(name).spec.carriesState && !ofSequences(name))) {
  t.test(`reports each sequence with PyTorch's logits: ${name}`, async t => {
    const expected = golden(name);
    const { spec, batch: B, steps: T, values } = expected;
    const [logits, y] = [values('out.logits'), values('y')];
    const { lengths } = expected.split;
    const S = predictionsOf(spec, T);
    const runs: [Backend, number, number][] = [
      ['cpu', 1, 7],
      ['webasm', 1, 36],
    ];
    if (IN_THREADS.includes(name)) runs.push(['webasm', 2, 7]);
    const evaluations: unknown[] = [];
    for (const [backend, threads, batchSize] of runs) {
      const { told, evaluation } = await goldenPredictions(expected, backend, threads, batchSize);
      evaluations.push(evaluation);
      t.same(
        told.map(({ index }) => index),
        Array.from({ length: 10 * B }, (_, i) => i),
      );
      const wrong: string[] = [];
      let counted = 0;
      for (const { index, predictions } of told) {
        const b = index % B;
        const steps = predictionsOf(spec, lengths?.[b] ?? T);
        if (predictions.map(({ step }) => step).join() !== Array.from({ length: steps }, (_, s) => s).join())
          wrong.push(`sequence ${index}: not ${steps} steps`);
        for (const { step, counts, outputs: z, target } of predictions) {
          const place = `sequence ${index}, step ${step}`;
          const at = b * S + step;
          const wanted = logits.subarray(at * spec.outputSize, (at + 1) * spec.outputSize);
          const error = relativeError(z, wanted);
          if (!(error < 1e-4)) wrong.push(`${place}: logits differ by ${error}`);
          const width = target.length;
          if (target.join() !== Float32Array.from(y.subarray(at * width, (at + 1) * width)).join())
            wrong.push(`${place}: target ${target}`);
          if (counts !== (expected.split.targets.kind === 'value' || y[at] !== IGNORED))
            wrong.push(`${place}: counts ${counts}`);
          if (counts) counted++;
        }
      }
      t.same(wrong, [], `${backend}, ${threads} threads`);
      t.equal(evaluation?.count, counted);
      const loss = values('out.loss');
      t.ok(relativeError([evaluation?.loss ?? Number.NaN], loss) < 1e-5, `loss ${evaluation?.loss}`);
    }
    if (IN_THREADS.includes(name))
      t.same(evaluations[1], evaluations[2], 'to the last bit, for any number of threads and rows');
  });
}

/** Sequences of 5 steps with a class for each step, some ignored, of different lengths. */
function stepsData(seed = 1): string {
  const part = (count: number, seed: number) => {
    const { x } = randomSequences('test/evaluation', count, seed);
    const y = Array.from({ length: count * 5 }, (_, i) => (i % 7 === 0 ? IGNORED : (i * i + seed) % 3));
    const lengths = Array.from({ length: count }, (_, i) => 1 + (i % 5));
    return { x, y: integers([count, 5], y), lengths: integers([count], lengths) };
  };
  const [train, test] = [part(40, seed), part(90, seed + 1)];
  return work.file(
    'steps.npz',
    npz({ ...train, x_test: test.x, y_test: test.y, lengths_test: test.lengths }),
  );
}

const config = (path: string, head: string, loss: string) => ({
  dataset: { kind: 'npz', path },
  model: { cell: 'lstm', hidden_size: 4, num_layers: 1, head: { from: head } },
  loss: { kind: loss },
  training: { num_epochs: 2, batch_size: 16, eval_batch_size: 40 },
});

const evaluationIn = ({ directory }: TrainedRun) => {
  const text = readFileSync(join(directory, 'evaluation.json'), 'utf8');
  return { text, document: JSON.parse(text) };
};

interface Line {
  readonly index: number;
  readonly predicted: number[];
  readonly probability: number[];
  readonly probabilities: number[][];
  readonly label: (number | null)[];
}

const linesOf = (text: string): Line[] => jsonLines(text);

t.test('evaluation.json agrees with predict, for any number of threads', async t => {
  const data = stepsData();
  const run = await work.train(config(data, 'every', 'cross_entropy'), ...webasm);
  if (!t.equal(run.code, 0, run.finished.stderr)) return;
  const { text, document } = evaluationIn(run);
  t.same(validateAgainst('evaluation', document), []);
  const test = run.summary.metrics.test;
  t.match(document, { kind: 'class', epoch: 2, step: run.summary.steps, classes: 3, ...test });

  const said = await work.cellrun('predict', run.directory, ...webasm);
  t.equal(said.code, 0, said.stderr);
  const lines = linesOf(said.stdout);
  t.same(
    lines.map(({ index }) => index),
    Array.from({ length: 90 }, (_, i) => i),
  );
  const confusion = [0, 1, 2].map(() => [0, 0, 0]);
  const wrong: { index: number; step: number; loss: number }[] = [];
  for (const { index, predicted, probability, label } of lines) {
    t.equal(predicted.length, 1 + (index % 5));
    t.same([probability.length, label.length], [predicted.length, predicted.length]);
    label.forEach((y, step) => {
      const at = index * 5 + step;
      t.equal(y, at % 7 === 0 ? null : (at * at + 2) % 3);
      if (y === null) return;
      confusion[y][predicted[step]]++;
      if (y !== predicted[step]) wrong.push({ index, step, loss: 0 });
    });
  }
  t.same(document.confusion, confusion);
  t.equal(
    document.predictions,
    confusion.flat().reduce((a, b) => a + b),
  );
  for (const { index, step_in_sequence, predicted, probability, label } of document.mistakes) {
    const line = lines[index];
    t.equal(line.predicted[step_in_sequence], predicted);
    t.equal(line.probability[step_in_sequence], probability);
    t.equal(line.label[step_in_sequence], label);
  }
  t.ok(wrong.length >= 24 && document.mistakes.length === 24);

  const threads = await work.train(
    config(data, 'every', 'cross_entropy'),
    '--backend',
    'webasm',
    '--threads',
    '3',
  );
  t.equal(evaluationIn(threads).text, text);
  t.same(compareRuns(run.directory, threads.directory), []);
  const csv = await work.cellrun('predict', run.directory, '--format', 'csv', '--limit', '3', ...webasm);
  const rows = lines
    .slice(0, 3)
    .flatMap(({ index, predicted, probability, probabilities, label }) =>
      label.map((y, step) =>
        [
          index,
          `x_test[${index}]`,
          step,
          predicted[step],
          probability[step],
          y,
          ...probabilities[step],
        ].join(),
      ),
    );
  const columns = 'index,id,step,predicted,probability,label,probability_0,probability_1,probability_2';
  t.equal(csv.stdout, `${[columns, ...rows].join('\n')}\n`);
  const train = await work.cellrun('predict', run.directory, '--split', 'train', '--limit', '9', ...webasm);
  t.same(
    linesOf(train.stdout).map(({ label }) => label.at(-1)),
    Array.from({ length: 9 }, (_, i) => i * 5 + (i % 5)).map(at => (at % 7 === 0 ? null : (at * at + 1) % 3)),
  );
});

t.test('values: evaluation.json agrees with predict', async t => {
  const part = (count: number, seed: number) => ({
    x: randomSequences('test/evaluation', count, seed).x,
    y: floats([count, 1], i => Math.sin(i + seed)),
  });
  const [train, test] = [part(40, 1), part(30, 2)];
  const path = work.file('values.npz', npz({ ...train, x_test: test.x, y_test: test.y }));
  const run = await work.train(config(path, 'last', 'mse'), ...webasm);
  if (!t.equal(run.code, 0, run.finished.stderr)) return;
  const { document } = evaluationIn(run);
  t.same(validateAgainst('evaluation', document), []);
  const said = await work.cellrun('predict', run.directory, ...webasm);
  const printed = linesOf(said.stdout) as unknown as Record<'predicted' | 'target', number[]>[];
  // decimals are the shortest for float32
  t.ok(printed.every(({ target: [y] }) => String(y).length <= '-0.1234567890'.length));
  const lines = printed.map(({ predicted, target }, index) => ({
    index,
    id: `x_test[${index}]`,
    predicted: predicted.map(Math.fround),
    target: target.map(Math.fround),
  }));
  t.equal(lines.length, 30);
  t.same(
    document.sample,
    printed.map(({ predicted: [prediction], target: [target] }, index) => ({
      index,
      id: `x_test[${index}]`,
      target,
      prediction,
    })),
    'the same decimals',
  );
  const errors = lines.map(({ index, predicted: [z], target: [y] }) => ({ index, error: Math.abs(z - y) }));
  errors.sort((a, b) => b.error - a.error || a.index - b.index);
  t.same(
    document.worst.map((one: WorstValue) => [one.index, one.absolute_error]),
    errors.slice(0, 24).map(({ index, error }) => [index, error]),
  );
  const mean = errors.reduce((sum, { error }) => sum + error, 0) / 30;
  near(t, document.mean_absolute_error, mean, 'mean absolute error');
  const csv = await work.cellrun('predict', run.directory, '--format', 'csv', '--limit', '1', ...webasm);
  t.equal(
    csv.stdout,
    `index,id,predicted_0,target_0\n0,x_test[0],${printed[0].predicted[0]},${printed[0].target[0]}\n`,
  );
});

/** The bytes of an IDX file; `type` is 08 for bytes, 0d for floats. */
function idx(type: 0x08 | 0x0d, dims: readonly number[], values: readonly number[]): Buffer {
  const head = Buffer.from([0, 0, type, dims.length, ...dims.flatMap(n => [0, 0, n >> 8, n & 255])]);
  const body = Buffer.alloc(values.length * (type === 0x08 ? 1 : 4));
  values.forEach((value, i) => (type === 0x08 ? body.writeUInt8(value, i) : body.writeFloatBE(value, i * 4)));
  return Buffer.concat([head, body]);
}

t.test('images of mistakes match the data', async t => {
  const pixels = (count: number, from: number) =>
    Array.from({ length: count * 6 }, (_, i) => (i * 37 + from) % 256);
  const labels = (count: number) => Array.from({ length: count }, (_, i) => (i * i) % 3);
  const dataset = {
    kind: 'idx' as const,
    train_images: work.file('train-x', idx(0x08, [32, 2, 3], pixels(32, 1))),
    train_labels: work.file('train-y', idx(0x08, [32], labels(32))),
    test_images: work.file('test-x', idx(0x08, [20, 2, 3], pixels(20, 2))),
    test_labels: work.file('test-y', idx(0x08, [20], labels(20))),
    sequence: 'rows' as const,
  };
  const run = await work.train({ ...config('', 'last', 'cross_entropy'), dataset }, ...webasm);
  if (!t.equal(run.code, 0, run.finished.stderr)) return;
  const { document } = evaluationIn(run);
  t.same(validateAgainst('evaluation', document), []);
  t.same(document.images, { width: 3, height: 2, encoding: 'base64-uint8' });
  t.ok(document.mistakes.length > 0);
  for (const { index, image } of document.mistakes)
    t.same([...Buffer.from(image, 'base64')], pixels(20, 2).slice(index * 6, index * 6 + 6));

  // floats are mapped to 0..255: from -1, the minimum, to 1.55, the maximum
  const asFloats = idx(
    0x0d,
    [20, 2, 3],
    [
      -1,
      1.55,
      ...pixels(20, 2)
        .slice(2)
        .map(v => v / 100 - 1),
    ],
  );
  const floatImages = { ...dataset, test_images: work.file('float-x', asFloats) };
  const { test } = await openDataset(floatImages, { seed: 0 });
  t.same([...(test.image?.(1) ?? [])], pixels(20, 2).slice(6, 12));
  t.same([...(test.image?.(0) ?? [])].slice(0, 2), [0, 255]);
});

t.test('schedule of the calibration kernel', async t => {
  const calibration = new Calibration();
  t.equal(calibration.medianMilliseconds, null);
  const measured: number[] = [];
  for (let step = 1; step <= 100; step++) {
    if (!calibration.isDue(step, 0)) continue;
    measured.push(step);
    await calibration.measure(async () => (step === 10 ? 500 : 2));
  }
  // 10 x 1.3^k, rounded up
  t.same(measured, [10, 13, 17, 22, 29, 38, 49, 63, 82]);
  const median = calibration.medianMilliseconds ?? 0;
  t.ok(Math.abs(median / 2 - 1) < 0.005, `the median, not the mean: ${median}`);
  t.ok(calibration.isDue(101, 3600), 'and if training has taken long enough to pay for it');
  t.ok(new Calibration().isDue(1, 60), 'the first of long steps');
});

// for webgpu see backends.test.ts
t.test('calibration and step ratio in summary and log', async t => {
  const path = work.file('data.npz', randomDataset('test/evaluation', { train: 60, test: 20, seed: 3 }));
  for (const flags of [
    ['--backend', 'webasm', '--threads', '2'],
    ['--backend', 'cpu', '--threads', '1'],
  ]) {
    const steps = ['--set', 'training.batch_size=5'];
    const run = await work.train(config(path, 'last', 'cross_entropy'), ...steps, ...flags);
    if (!t.equal(run.code, 0, run.finished.stderr)) continue;
    const summary = JSON.parse(run.finished.stdout);
    const { ms_per_step, calibration_ms, step_ratio } = summary;
    t.ok(calibration_ms > 0, `${flags}: ${calibration_ms} ms`);
    t.equal(step_ratio, ms_per_step / calibration_ms);
    t.match(run.events.at(-1), { event: 'run.end', ms_per_step, calibration_ms, step_ratio });
  }
});
