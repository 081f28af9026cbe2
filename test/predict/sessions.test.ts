/** A model step by step: what it says is what it would say of the whole sequence so far. */
import t from 'tap';
import {
  loadModel,
  type Model,
  type Prediction,
  type SymbolsPrediction,
  UserError,
} from '../../src/index.js';
import { drawClass } from '../../src/predict/generate.js';
import { RandomStream } from '../../src/util/random.js';
import { floats, integers, npz } from '../support/cli.js';
import { config, crossEntropy } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { work } from '../support/work.js';

const [T, F] = [6, 3];

/** `count` sequences of numbers or symbols, with the targets that the loss needs. */
function data(kind: { readonly symbols?: boolean; readonly target: 'class' | 'step' | 'value' }): string {
  const random = RandomStream.of(3, 'test/sessions');
  const part = (count: number) => ({
    x: kind.symbols
      ? integers([count, T], () => random.integer(5))
      : floats([count, T, F], () => 40 + 9 * random.normal()),
    y:
      kind.target === 'value'
        ? floats([count, 2], () => 7 + random.normal())
        : integers(kind.target === 'step' ? [count, T] : [count], () => random.integer(3)),
  });
  const [first, test] = [part(16), part(4)];
  return work.file('data.npz', npz({ ...first, x_test: test.x, y_test: test.y }));
}

interface Case {
  readonly data: Parameters<typeof data>[0];
  readonly model: object;
  readonly loss?: object;
  readonly training?: object;
  readonly normalize?: string;
}

const CASES: Readonly<Record<string, Case>> = {
  'lstm, the last output': { data: { target: 'class' }, model: {}, normalize: 'standard' },
  'two layers of gru, every output': {
    data: { target: 'step' },
    model: { cell: 'gru', num_layers: 2, head: { from: 'every', hidden_sizes: [6] } },
    normalize: 'min_max',
  },
  'rnn, final states, scaled values': {
    data: { target: 'value' },
    model: { cell: 'rnn', head: { from: 'final' } },
    loss: { kind: 'quantile', quantiles: [0.2, 0.5] },
    normalize: 'standard',
  },
  'lstm with projections, the mean': {
    data: { target: 'class' },
    model: { projection_size: 3, head: { from: 'mean', hidden_sizes: [4], activation: 'tanh' } },
    normalize: 'standard',
  },
  'min_lstm, the largest outputs': {
    data: { target: 'class' },
    model: { cell: 'min_lstm', num_layers: 2, head: { from: 'max' }, dropout: 0.3 },
    normalize: 'standard',
  },
  'min_gru, symbols': {
    data: { target: 'class', symbols: true },
    model: { cell: 'min_gru', embedding: { size: 4 } },
  },
  'lstm, states that pass from batch to batch': {
    data: { target: 'class' },
    model: {},
    training: { carry_state: true, shuffle: false, eval_batch_size: 8 },
  },
};

async function modelOf({ data: kind, model, loss, training, normalize }: Case): Promise<Model> {
  const dataset = { kind: 'npz', path: data(kind), ...(normalize && { normalize }) };
  return trained(config(dataset, loss ?? crossEntropy, { hidden_size: 7, ...model }, training));
}

async function trained(config: object): Promise<Model> {
  const { summary } = await train(work, config);
  return loadModel(summary.directory, { backend: 'webasm', threads: 1 });
}

/** Sequences of values that no data have. */
function sequences(symbols: boolean, count: number): (number[] | number)[][] {
  const random = RandomStream.of(4, 'test/sessions');
  const step = () =>
    symbols ? random.integer(5) : Array.from({ length: F }, () => 40 + 9 * random.normal());
  return Array.from({ length: count }, () => Array.from({ length: T }, step));
}

function outputs(prediction: Prediction): number[] {
  if (prediction.kind === 'class') return [...prediction.logits];
  if (prediction.kind === 'value')
    return [...prediction.values, ...prediction.quantiles.flatMap(values => [...values])];
  throw new Error('sequences of symbols have a test of their own');
}

/** What the model says of each sequence as far as each of its steps: `[sequence][step]`. */
async function ofPrefixes(model: Model, given: readonly (number[] | number)[][]): Promise<number[][][]> {
  const prefixes = given.flatMap(steps => steps.map((_, step) => steps.slice(0, step + 1)));
  // where states pass from batch to batch, a sequence by itself is the first row of a first batch
  const found: number[][] = [];
  for (const prefix of prefixes)
    for await (const { predictions } of model.predict([prefix]))
      found.push(outputs(predictions.at(-1) as Prediction));
  return given.map((_, i) => found.slice(i * T, (i + 1) * T));
}

for (const [name, one] of Object.entries(CASES)) {
  t.test(name, async t => {
    const model = await modelOf(one);
    t.teardown(() => model.close());
    const given = sequences(one.data.symbols ?? false, 3);
    const want = await ofPrefixes(model, given);
    // side by side, in turn and not awaited
    const sessions = given.map(() => model.session());
    const predictions: Promise<Prediction>[][] = given.map(() => []);
    for (let step = 0; step < T; step++)
      sessions.forEach((session, i) => void predictions[i].push(session.step(given[i][step])));
    const got = await Promise.all(predictions.map(async of => (await Promise.all(of)).map(outputs)));
    // the mean is that of the steps so far times a factor, which rounds in another place
    if (name.includes('mean')) {
      const apart = got.flat(2).map((value, i) => Math.abs(value - want.flat(2)[i]));
      t.ok(Math.max(...apart) < 1e-6, `${Math.max(...apart)} apart`);
    } else t.same(got, want, 'to the bit');
    t.notSame(got[0], got[1]);
    sessions[0].reset();
    const again = await sessions[0].step(given[1][0]);
    t.same(outputs(again), got[1][0], 'a session begins anew');
    t.equal(again.step, 0);
    if (one.training) return;
    // several times as long as those that it was trained on, and among short ones
    const long = [...given.flat(), ...given.flat()];
    const walked = model.session();
    const steps: number[][] = [];
    for (const step of long) steps.push(outputs(await walked.step(step)));
    const found: number[][] = [];
    for await (const { predictions } of model.predict([given[0], long, given[1]]))
      found.push(outputs(predictions.at(-1) as Prediction));
    const apart = found[1].map((value, i) => Math.abs(value - steps[long.length - 1][i]));
    t.ok(Math.max(...apart) <= (name.includes('mean') ? 1e-6 : 0), `${Math.max(...apart)} apart`);
    t.same([found[0], found[2]], [want[0][T - 1], want[1][T - 1]]);
  });
}

t.test('symbols as they come, of a model with the loss ctc', async t => {
  const random = RandomStream.of(7, 'test/sessions');
  const part = (count: number) => ({
    x: floats([count, T, F], () => random.normal()),
    y: integers([count, 2], i => (i % 2 === 0 ? random.integer(3) : -100)),
  });
  const [first, test] = [part(16), part(4)];
  const path = work.file('symbols.npz', npz({ ...first, x_test: test.x, y_test: test.y }));
  const dataset = { kind: 'npz', path, target_kind: 'sequence' };
  const { summary } = await train(
    work,
    config(dataset, { kind: 'ctc' }, { hidden_size: 12, head: { from: 'every' } }),
  );
  const model = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => model.close());
  // far from the data, so that the outputs change often
  const given = Array.from({ length: 8 }, () =>
    Array.from({ length: 20 }, () => Array.from({ length: F }, () => 40 * random.normal())),
  );
  const want: SymbolsPrediction[] = [];
  for await (const { predictions } of model.predict(given)) want.push(predictions[0] as SymbolsPrediction);
  const session = model.session();
  for (const [i, steps] of given.entries()) {
    session.reset();
    const found = (await Promise.all(steps.map(step => session.step(step)))) as SymbolsPrediction[];
    const { symbols, alignment } = want[i];
    t.same(
      [found.flatMap(one => one.symbols), found.flatMap(one => one.alignment)],
      [symbols, alignment],
      `sequence ${i}`,
    );
    t.ok(found.every(({ step, probability }, s) => step === s && probability > 0.25 && probability <= 1));
  }
  t.ok(new Set(want.map(({ symbols }) => symbols.length)).size > 2, 'predictions of several lengths');

  const likeliest = await work.cellrun('predict', summary.directory, '--top', '3', '--limit', '1');
  const { top, symbols } = JSON.parse(likeliest.stdout);
  t.equal(top.length, 3);
  t.same(top[0].symbols, symbols);
  t.ok(top[0].probability > top[1].probability && top[1].probability > top[2].probability);
  const tooMany = await work.cellrun('predict', summary.directory, '--top', '3000');
  t.match(tooMany, { code: 2, stderr: /^--top: .*\n.*at most 1000/ });
});

t.test('what a session refuses', async t => {
  const both = await modelOf({ data: { target: 'class' }, model: { bidirectional: true } });
  t.teardown(() => both.close());
  const error = t.throws(() => both.session(), UserError) as unknown as UserError;
  t.match(error, { exitCode: 2, diagnostics: [{ code: 'model/bidirectional' }] });

  const model = await modelOf(CASES['lstm, the last output']);
  t.teardown(() => model.close());
  const [steps] = sequences(false, 1);
  const [session, other] = [model.session(), model.session()];
  await session.step(steps[0]);
  await t.rejects(session.step([1, 2]), { message: 'step 1 does not fit the model' });
  await t.rejects(session.step([1, 2, Number.NaN]), {
    message: 'step 1: feature 2 is not a finite float32 number',
  });
  const foreign: readonly (readonly [unknown, string])[] = [
    ['0.5', '"0.5"'],
    [1_000_000n, '1000000n'],
    [Symbol('x'), 'Symbol(x)'],
    [Object.create(null), 'an object'],
  ];
  for (const [value, got] of foreign) {
    const refused = await session.step([value, 0.5, 0.5] as number[]).catch(reason => reason);
    t.ok(refused instanceof UserError, got);
    const message = 'step 1: feature 0 is not a finite float32 number';
    t.match(refused, { exitCode: 5, diagnostics: [{ message, got }] });
  }
  await other.step(steps[0]);
  t.same(await session.step(steps[1]), await other.step(steps[1]), 'a refused step leaves no trace');
});

t.test('a language model goes on', async t => {
  // five symbols in, five classes out
  const random = RandomStream.of(5, 'test/sessions');
  const part = (count: number) => ({
    x: integers([count, T], i => (i < 5 ? i : random.integer(5))),
    y: integers([count, T], i => (i < 5 ? i : random.integer(5))),
  });
  const [first, test] = [part(16), part(4)];
  const path = work.file('text.npz', npz({ ...first, x_test: test.x, y_test: test.y }));
  const every = { cell: 'gru', embedding: { size: 3 }, head: { from: 'every' } };
  const model = await trained(config({ kind: 'npz', path }, crossEntropy, every));
  t.teardown(() => model.close());
  const made = async (prompt: number[], options?: Parameters<Model['generate']>[1]) => {
    const symbols = [];
    for await (const symbol of model.generate(prompt, options)) symbols.push(symbol);
    return symbols;
  };
  const session = model.session();
  const likeliest: (number | null)[] = [];
  for (let symbol: number | null = 2; symbol !== null && likeliest.length < 8; ) {
    const prediction: Prediction = await session.step(symbol);
    symbol = prediction.kind === 'class' ? prediction.predicted : null;
    likeliest.push(symbol);
  }
  t.same(await made([2], { length: 8, temperature: 0 }), likeliest);
  t.same(await made([2], { length: 0 }), []);
  const drawn = await made([2], { length: 40, seed: 1 });
  t.equal(drawn.length, 40);
  t.same(await made([2], { length: 40, seed: 1 }), drawn, 'the same seed draws the same');
  t.notSame(await made([2], { length: 40, seed: 2 }), drawn);
  t.same(await made([2, ...drawn.slice(0, 3)], { length: 1, temperature: 0 }), [
    (await made([2, ...drawn.slice(0, 3)], { length: 2, temperature: 0 }))[0],
  ]);
  t.equal((await made([], { length: 3 })).length, 3, 'without a prompt');
  t.equal((await made([2])).length, 500, 'as many as the command line');
  await t.rejects(made([5], { length: 3 }), { message: 'step 0 does not fit the model' });
  await t.rejects(made([1], { length: 3, temperature: -1 }), {
    message: /`temperature` must be a number of at least 0/,
  });
  const other = await modelOf(CASES['lstm, the last output']);
  t.teardown(() => other.close());
  t.throws(() => other.generate([1], { length: 1 }), { message: /only language models can generate/ });
});

t.test('symbols are drawn as often as they are likely', t => {
  const logits = Float32Array.from([0, 1, -1, 2]);
  const n = 40_000;
  for (const temperature of [0.5, 1, 2]) {
    const weights = [...logits].map(z => Math.exp(z / temperature));
    const sum = weights.reduce((a, b) => a + b);
    const counts = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) counts[drawClass(logits, temperature, (i + 0.5) / n)]++;
    counts.forEach((count, k) => {
      t.ok(Math.abs(count / n - weights[k] / sum) < 1 / n, `temperature ${temperature}, class ${k}`);
    });
  }
  t.equal(drawClass(logits, 0, 0.1), 3);
  t.equal(drawClass(Float32Array.from([1, 1, 0]), 0, 0.9), 0, 'of equal ones the first');
  t.equal(drawClass(Float32Array.from([0, -Infinity]), 1, 1 - 2 ** -53), 0);
  t.end();
});

t.test('texts are symbols as those of the data', async t => {
  const words = ['tern', 'auk', 'owl', 'kite', 'rook', 'swan', 'crow', 'lark'];
  const lines = words.map((text, i) => JSON.stringify({ text, y: i % 2 ? 'a' : 'b' })).join('\n');
  const dataset = {
    ...{ kind: 'jsonl', path: work.file('birds.jsonl', lines), test: { fraction: 0.25, select: 'random' } },
    ...{ input: 'text', input_kind: 'text', level: 'character', target: 'y', target_kind: 'class' },
  };
  const model = await trained(config(dataset, crossEntropy, { embedding: { size: 3 } }, { batch_size: 4 }));
  t.teardown(() => model.close());
  const texts = ['crane', 'tart', 'owl'];
  const input = work.file('new.jsonl', texts.map(text => JSON.stringify({ text })).join('\n'));
  const want: number[][] = [];
  for await (const { predictions } of model.predictFile(input)) want.push(outputs(predictions[0]));
  t.equal(want.length, 3);
  const given: number[][] = [];
  const ways = [texts[0], { id: 'x', steps: texts[1] }, [...texts[2]]];
  for await (const { predictions } of model.predict(ways)) given.push(outputs(predictions[0]));
  t.same(given, want);
  const session = model.session();
  for (const [i, character] of [...texts[0]].entries()) {
    const prediction = await session.step(character);
    if (i === texts[0].length - 1) t.same(outputs(prediction), want[0]);
  }
  const unknown = /^the symbol "é" does not occur in the training split$/;
  const named = (place: string) => ({
    exitCode: 5,
    message: new RegExp(`^${place}: ${unknown.source.slice(1)}`),
  });
  await t.rejects(model.predict(['owlé']).next(), named('sequence 0'));
  await t.rejects(model.session().step('é'), named('step 0'));
  const numbers = await modelOf(CASES['min_gru, symbols']);
  t.teardown(() => numbers.close());
  await t.rejects(numbers.session().step('a'), { message: 'step 0 does not fit the model' });
  await t.rejects(numbers.predict(['abc']).next(), { message: 'sequence 0 is a text' });
});

t.test('a model that forecasts reads the last steps of a series', async t => {
  const rows = Array.from({ length: 60 }, (_, i) => `${i},${(i * i) % 7}`);
  const dataset = {
    ...{ kind: 'forecast', path: work.file('load.csv', ['day,load', ...rows].join('\n')), time: 'day' },
    ...{ target: 'load', input_steps: 4, horizon: 2, test_fraction: 0.25 },
  };
  const model = await trained(config(dataset, { kind: 'mse' }));
  t.teardown(() => model.close());
  t.throws(() => model.session(), { message: /a forecasting model reads windows of a series/ });
  const one = async (list: AsyncGenerator<unknown>) => JSON.stringify((await list.next()).value);
  const days = [20, 21, 22, 23, 24, 25];
  const loads = [3, 4, 1, 0, 2, 5];
  const lines = days.map((day, i) => `${day},${loads[i]}`);
  const expected = await one(model.predictFile(work.file('new.csv', ['day,load', ...lines].join('\n'))));
  const series = { times: days.map(String), steps: loads };
  t.equal(await one(model.predict([{ ...series, steps: loads.map(load => ({ load })) }])), expected);
  const reversed = days.map((day, i) => ({ day, load: loads[i] })).reverse();
  t.equal(await one(model.predict([reversed])), expected, 'in the order of their times');
  await t.rejects(one(model.predict([{ times: ['1', '2'], steps: [1, 2] }])), {
    message: 'the table has too few rows to forecast from',
  });
  await t.rejects(one(model.predict([[[1, 2, 3]]])), {
    message: 'sequence 0, step 0 does not fit the model',
  });
});
