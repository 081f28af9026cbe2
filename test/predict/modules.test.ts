/**
 * `export --format js`: the module predicts what `predict` does, to the bit. The test split is
 * predicted when a module is written; here, sequences of all lengths that a program passes.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import ts from 'typescript';
import {
  loadModel,
  type Model,
  type SequenceValues,
  type Session,
  type StepValues,
  type ValuePrediction,
} from '../../src/index.js';
import { files as filesOf, verify } from '../../src/interop/js/export.js';
import type { OpenedModule as Module } from '../../src/interop/js/runtime.js';
import { decodedWeight, encodedWeight } from '../../src/interop/js/weights.js';
import type { Source, Weights } from '../../src/interop/predictor.js';
import { openModel, openWithData } from '../../src/predict/open.js';
import { weightsAlone } from '../../src/train/weights.js';
import { BROWSERS, differencesIn, type PageModule } from '../support/module-pages.js';
import { config, crossEntropy, noise, predictionCases } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const { cases } = predictionCases(work);
const options = { backend: 'webasm', threads: 1 } as const;

async function exported(directory: string): Promise<{ module: Module; file: string }> {
  const output = work.folder();
  const { code, stderr } = await work.cellrun('export', directory, '--format', 'js', '-o', output);
  if (code !== 0) throw new Error(stderr);
  const file = join(output, 'model.js');
  return { module: (await import(pathToFileURL(file).href)) as Module, file };
}

/** Sequences of 1 to 12 steps of random numbers or symbols. */
function sequencesFor({ input }: Model): SequenceValues[] {
  return Array.from({ length: 12 }, (_, i) =>
    Array.from({ length: 1 + i }, (_, step) => {
      const at = i * 50 + step;
      if (input.kind === 'symbol') return Math.floor((noise(at) + 0.5) * input.count);
      return Array.from({ length: input.size }, (_, f) => 100 * noise(at * 5 + f));
    }),
  );
}

/** 100 steps, which no sequence of the data has. */
function longSequence({ input }: Model): SequenceValues {
  return Array.from({ length: 100 }, (_, step) => {
    if (input.kind === 'symbol') return Math.floor((noise(step) + 0.5) * input.count);
    return Array.from({ length: input.size }, (_, f) => 100 * noise(step * 3 + f));
  });
}

async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of list) found.push(one);
  return found;
}

const text = (value: unknown) => JSON.stringify(value);

/** Visits at uneven times, with missing cells, words and facts of the whole visit. */
const visits = Array.from({ length: 40 }, (_, i) =>
  Array.from({ length: 1 + ((i * 5) % 8) }, (_, step) => ({
    visit: `v${i}`,
    at: `${1 + step + (i % 3)}/03/2026 ${8 + step}:30`,
    pulse: noise(i * 9 + step) > 0.3 ? null : 80 + 20 * noise(i * 31 + step),
    drug: ['a', 'b', 'c', ''][(i + step) % 4],
    ward: ['north', 'south'][i % 2],
    outcome: i % 3 === 0 ? 'ill' : 'well',
  })),
);
const visitConfig = {
  kind: 'csv',
  path: work.file('visits.csv', csvOf(visits.flat())),
  date_format: '%d/%m/%Y %H:%M',
  sequence: { group: 'visit', order: 'at' },
  features: [
    'pulse',
    { column: 'drug', encode: 'embedding', size: 3 },
    { column: 'at', encode: 'elapsed' },
    { column: 'at', encode: 'calendar', calendar: ['hour'] },
  ],
  static_features: [{ column: 'ward', encode: 'one_hot' }],
  missing: { fill: 'forward', indicator: true, elapsed: true },
  normalize: 'standard',
  ...{ target: 'outcome', target_kind: 'class', test: { fraction: 0.3 } },
};

function csvOf(rows: readonly Readonly<Record<string, unknown>>[]): string {
  const names = Object.keys(rows[0]);
  return `${[names.join(), ...rows.map(row => names.map(name => row[name] ?? '').join())].join('\n')}\n`;
}

const words = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) => {
    const x = Array.from({ length: 3 + ((i + from) % 5) }, (_, k) => 'abcdef'[((i + from) * 7 + k * 3) % 6]);
    return `${JSON.stringify({ x: x.join(''), y: x.filter(one => one !== 'a').join('') })}\n`;
  }).join('');
const sounds = {
  ...{
    kind: 'jsonl',
    path: work.file('words.jsonl', words(0, 60)),
    test_path: work.file('more.jsonl', words(300, 20)),
  },
  ...{ input: 'x', input_kind: 'text', level: 'character' },
  ...{ target: 'y', target_kind: 'sequence', target_level: 'character' },
};
const embedding = { embedding: { size: 4 } };
const decoder = { cell: 'gru', hidden_size: 4, embedding_size: 3, attention: 'general' };

/** Sales of two shops; one opens later. Some are missing, and promotions are known. */
const sales = Array.from({ length: 150 }, (_, i) => ({
  shop: i % 3 === 2 ? 'south' : 'north',
  day: new Date(Date.UTC(2025, 0, 1 + (i % 3 === 2 ? Math.floor(i / 3) : i - Math.floor(i / 3))))
    .toISOString()
    .slice(0, 10),
  sold: noise(i * 13) > 0.42 ? null : 20 + (i % 7) + 9 * noise(i),
  visitors: 100 + 30 * noise(i * 3),
  promotion: i % 5 === 0 ? 1 : 0,
  size: i % 3 === 2 ? 'small' : 'large',
}));
const salesConfig = {
  ...{ kind: 'forecast', path: work.file('sales.csv', csvOf(sales)), target: 'sold' },
  ...{ series: 'shop', time: 'day', input_steps: 14, horizon: 3, season: 7, test_fraction: 0.25 },
};
/** The last days of both shops and of a new one, with what is known of the days to forecast. */
const series = ['north', 'south', 'west'].map((id, k) => ({
  id,
  steps: Array.from({ length: 25 }, (_, i) => ({
    day: `2026-05-${String(1 + i).padStart(2, '0')}`,
    sold: i < 22 ? 30 + ((i + k) % 7) : null,
    visitors: i < 22 ? 90 + i : null,
    promotion: i % 4 === 0 ? 1 : 0,
    size: k === 1 ? 'small' : 'large',
  })),
}));

const power = Array.from({ length: 80 }, (_, i) => ({
  Datum: `0${1 + Math.floor(i / 24)}.01.2025`,
  Zeit: `${i % 24}:00`,
  load: 10 + (i % 24),
}));

const tones = work.folder();
for (const [take, letters] of ['ab', 'ba', 'aab', 'bb', 'a', 'abb', 'bab', 'b', 'aba', 'aa'].entries())
  writeFileSync(
    join(tones, `${letters}_${take}.wav`),
    wav([...letters].flatMap(letter => tone((letter === 'a' ? 300 : 900) + 9 * take, 900))),
  );
const recordings = {
  ...{ kind: 'audio', path: tones, pattern: '{letters}_{take}', target: 'letters' },
  ...{ features: { kind: 'log_mel', bands: 6, deltas: 1 }, normalize: 'standard', test: { fraction: 0.4 } },
};
const samples = [300, 1500, 2000].map(length => tone(400, length));
const heard: SequenceValues[] = [
  ...samples.map(one => ({ samples: one, id: 'live' })),
  { samples: Int16Array.from(samples[1], value => 32767 * value), rate: 11025 },
];

/** Of each kind of input and prediction. */
const CASES: Readonly<Record<string, { readonly config: object; readonly sequences?: SequenceValues[] }>> = {
  ...Object.fromEntries(
    [
      'csv, a class for each sequence',
      'csv, scaled values, a bidirectional model',
      'csv, quantiles, the mean of the outputs',
      'csv, several values with names',
      'npz, symbols',
      'text, character level',
      'text, word level, states that pass from batch to batch',
      'jsonl, a tag for each word',
      'jsonl, values for each step',
      'idx, images',
      'npz, states that pass from batch to batch',
    ].map(name => [name, cases[name]]),
  ),
  'missing values, dates, words and facts': {
    config: config(visitConfig, crossEntropy, { num_layers: 2 }),
    sequences: visits.slice(0, 8),
  },
  'symbols of the loss ctc': {
    config: {
      ...config(sounds, { kind: 'ctc', on_impossible: 'skip' }, { ...embedding, head: { from: 'every' } }),
      decode: { beam: 3 },
    },
    sequences: ['abc', 'fed', 'a', 'abcdefa'],
  },
  'symbols that a decoder writes': {
    config: { ...config(sounds, crossEntropy, { ...embedding, decoder }), decode: { beam: 3 } },
    sequences: ['abc', 'fed', 'a', 'abcdefa'],
  },
  'series with what is known in advance': {
    config: config(
      {
        ...salesConfig,
        ...{ features: ['visitors'], known: ['promotion'], calendar: ['day_of_week'] },
        ...{ static_features: [{ column: 'size', encode: 'one_hot' }] },
        missing: { fill: 'forward', indicator: true },
      },
      { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] },
    ),
    sequences: series,
  },
  'series with dates in a format of their own, and times beside them': {
    config: config(
      {
        ...{
          kind: 'forecast',
          path: work.file('power.csv', csvOf(power)),
          target: 'load',
          test_fraction: 0.25,
        },
        ...{ time: ['Datum', 'Zeit'], date_format: '%d.%m.%Y %H:%M', calendar: ['hour'] },
        ...{ input_steps: 6, horizon: 2 },
      },
      { kind: 'mae' },
    ),
    sequences: [
      power.slice(0, 20).toReversed(),
      power.slice(0, 20).map(({ load }, i) => ({ load, 'Datum Zeit': new Date(Date.UTC(2025, 0, 1, i)) })),
      {
        times: power.slice(40, 50).map(({ Datum, Zeit }) => `${Datum} ${Zeit}`),
        steps: power.slice(40, 50).map(({ load }) => load),
      },
    ],
  },
  'logarithms of series, each step relative to its season': {
    config: config(
      {
        ...salesConfig,
        ...{ calendar: ['month'], per_step: true, relative_to: 'season', transform: 'log' },
        missing: { fill: 'forward' },
      },
      { kind: 'mse' },
      { head: { from: 'every' } },
    ),
    sequences: series,
  },
  'a series without times': {
    config: config(
      {
        ...{ kind: 'forecast', path: work.file('load.csv', csvOf(sales.map((_, i) => ({ load: i % 9 })))) },
        ...{ target: 'load', input_steps: 6, horizon: 2, test_fraction: 0.25 },
      },
      { kind: 'mae' },
    ),
    sequences: [
      [1, 2, 3, 4, 5, 6, 7],
      [6, 5, 4, 3, 2, 1],
      { id: 'mine', steps: [[4], [3], [2], [1], [0], [5]] },
    ],
  },
  'classes of recordings, each scaled by itself': {
    config: config({ ...recordings, target_kind: 'class', normalize_per: 'recording' }, crossEntropy, {
      head: { from: 'mean' },
    }),
    sequences: heard,
  },
  'letters of recordings': {
    config: config(
      { ...recordings, target_kind: 'sequence', target_level: 'character' },
      { kind: 'ctc' },
      { head: { from: 'every' }, steps: { stack: 3 } },
    ),
    sequences: heard,
  },
};

const known = new Map<string, ReturnType<typeof trainedCase>>();

async function trainedCase(name: string) {
  const { directory } = (await train(work, CASES[name].config)).summary;
  return { directory, ...(await exported(directory)) };
}

/** The run and the module of a case, for all tests. */
function caseOf(name: string): ReturnType<typeof trainedCase> {
  const found = known.get(name) ?? trainedCase(name);
  known.set(name, found);
  return found;
}

for (const [name, { sequences: given }] of Object.entries(CASES)) {
  t.test(name, async t => {
    const { directory, module } = await caseOf(name);
    const model = await loadModel(directory, options);
    // carried states are those of sequences that the data could have
    const longest = name.startsWith('npz, states') ? openModel(directory).manifest?.data.sequence_length : 99;
    const sequences = given ?? [
      ...sequencesFor(model).slice(0, longest),
      ...(longest === 99 ? [longSequence(model)] : []),
    ];
    const expected = await all(model.predict(sequences));
    t.equal(text(await all(module.predictMany(sequences))), text(expected), 'sequences of all lengths');
    t.equal(text(await module.predict(sequences[0])), text(expected[0]), 'one of them');

    /** Both compute the same, or throw the same. */
    const compare = async (what: string, own: () => Promise<unknown>, theirs: () => Promise<unknown>) =>
      t.equal(await outcome(own), await outcome(theirs), what);
    const third = sequences[given ? 2 : 3];
    const steps = typeof third === 'object' && !Array.isArray(third) ? [] : [...(third as StepValues[])];
    await compare(
      'step by step',
      () => stepped(module, steps),
      () => stepped(model, steps),
    );
    const length = { length: 20, seed: 4 };
    await compare(
      'in samples',
      async () => heardBy(module.session({ rate: 16000 })),
      async () => heardBy(model.session({ rate: 16000 })),
    );
    await compare(
      'generated symbols',
      async () => all(module.generate([1, 2], length)),
      async () => all(model.generate([1, 2], length)),
    );
    await t.rejects(all(module.generate([1, 2], { ...length, temperature: -1 })));
    await compare(
      'generated text',
      () => all(module.generate('a', length)),
      () => all(model.generateText('a', length)),
    );
    const unfit = [
      [[1, 2, 3, 4, 5, 6, 7]],
      ['?'],
      [],
      [Number.NaN],
      5,
      { samples: samples[0], rate: '8000' },
    ];
    for (const one of unfit as SequenceValues[]) {
      const theirs = async () => (await all(model.predict([one])))[0];
      await compare(`what does not fit: ${text(one)}`, () => module.predict(one), theirs);
    }
    await model.close();
  });
}

async function stepped(model: Model | Module, steps: readonly StepValues[]): Promise<unknown[]> {
  const session = model.session();
  const found: unknown[] = [];
  for (const step of steps) found.push(await session.step(step));
  return found;
}

async function heardBy(session: Session): Promise<unknown[]> {
  const parts = [samples[0], samples[2], samples[1]].map(part => session.push(part));
  return [...(await Promise.all(parts)), await session.end()];
}

async function outcome(compute: () => Promise<unknown>): Promise<string> {
  try {
    return text(await compute());
  } catch (error) {
    return (error as Error).message;
  }
}

/** Of each bundle of the runtime, and of what a model writes. */
const IN_BROWSERS = [
  'csv, a class for each sequence',
  'missing values, dates, words and facts',
  'text, character level',
  'symbols of the loss ctc',
  'symbols that a decoder writes',
  'series with what is known in advance',
  'letters of recordings',
];

t.test('in browsers, in the page and in a worker', async t => {
  const modules: PageModule[] = [];
  for (const name of IN_BROWSERS) {
    const { sequences: given } = CASES[name];
    const { directory, file } = await caseOf(name);
    const model = await loadModel(directory, options);
    // a request has no arrays of types
    const sequences = (given ?? sequencesFor(model)).filter(one => !text(one).includes('{"0":')).slice(0, 6);
    const expected = await all(model.predict(sequences));
    await model.close();
    modules.push({ name, file, sequences, expected });
  }
  for (const name of ['Chromium', 'Firefox'] as const) {
    const { missing } = BROWSERS[name];
    t.test(name, { skip: missing ?? false }, async t => {
      t.same(await differencesIn(name, work, modules), []);
    });
  }
});

t.test('a host that does not fuse products and sums', async t => {
  const { module, file } = await caseOf('csv, scaled values, a bidirectional model');
  const sequence = [
    [100, 0.1],
    [90, -0.2],
    [110, 0.4],
  ];
  const [{ values: expected }] = (await module.predict(sequence)).predictions as ValuePrediction[];
  // a new process of Node 20 has no relaxed instructions
  const script = `const { predict } = await import(${text(pathToFileURL(file).href)});
    console.log(JSON.stringify((await predict(${text(sequence)})).predictions[0].values))`;
  const found = JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' }),
  );
  t.match(found, [Number]);
  t.ok(Math.abs(found[0] - expected[0]) < 1e-4 * Math.abs(expected[0]), `${found[0]} and ${expected[0]}`);
});

t.test('memory suffices for sequences of any length, in any order', async t => {
  const lengths = Array.from({ length: 20 }, (_, i) => 1 + ((i * 37) % 100));
  const rows = lengths.flatMap((length, i) =>
    Array.from({ length }, (_, step) => `${i},${step},${(i * step) % 7},${i % 2 ? 'a' : 'b'}`),
  );
  const dataset = {
    ...{ kind: 'csv', path: work.file('lengths.csv', `id,t,x,y\n${rows.join('\n')}\n`), features: ['x'] },
    ...{ target: 'y', target_kind: 'class', sequence: { group: 'id', order: 't' }, test_fraction: 0.5 },
  };
  const model = { cell: 'gru', hidden_size: 4, bidirectional: true, head: { from: 'mean' } };
  const run = await train(work, config(dataset, crossEntropy, model));
  const { module } = await exported(run.summary.directory);
  const loaded = await loadModel(run.summary.directory, { backend: 'webasm', threads: 1 });
  t.teardown(() => loaded.close());
  for (const length of [...lengths, ...lengths.map(one => 3 * one)]) {
    const steps = Array.from({ length }, (_, step) => [(step * length) % 5]);
    const [own] = (await module.predict(steps)).predictions;
    const [expected] = await all(loaded.predict([steps]));
    t.same([own], expected.predictions, `${length} steps`);
  }
});

t.test('a model with attention refuses longer sequences than those of the data', async t => {
  const { module } = await caseOf('symbols that a decoder writes');
  await t.rejects(module.predict('abcdefabcdef'), { message: 'the sequence is too long to predict' });
});

/** What an export of a case writes, before it is verified. */
async function filesOfCase(t: Test, name: string) {
  const saved = openModel((await caseOf(name)).directory);
  const model = await openWithData(saved, options);
  t.teardown(() => model.pool.close());
  const source = { saved, model, facts: {} } as Source;
  const exact = weightsAlone(saved.tensors, saved.weights) as Weights;
  return { source, files: await filesOf(source, { exact, precision: 'float32', cost: undefined }) };
}

t.test('a module that predicts something else is not written', async t => {
  const { files, source } = await filesOfCase(t, 'csv, a class for each sequence');
  t.match(await verify(files, source), { sequences: 23, difference: 0 });
  const changed = (change: (code: string) => string) => {
    const parts = (files.get('model.js') ?? []).map(part => change(Buffer.from(part).toString()));
    return new Map([['model.js', parts.map(part => Buffer.from(part))]]);
  };
  const changes: Readonly<Record<string, (code: string) => string>> = {
    'a weight': code => code.replace(/^(const weights = ')..../, '$1AAAA'),
    'the scaling': code => code.replace(/("scaling":.*?"offset":\[)[^,]*/, '$10'),
    'its sessions': code =>
      code.replace('cellrun.open(facts, weights)', '{ ...$&, session: () => ({ step: async () => ({}) }) }'),
    'the code of a kernel': code => code.replace(/"codes":\[0,1/, '"codes":[1,0'),
  };
  for (const [what, change] of Object.entries(changes)) {
    const planted = changed(change);
    if (Buffer.concat(planted.get('model.js') ?? []).equals(Buffer.concat(files.get('model.js') ?? [])))
      t.fail(`${what} is not in the file`);
    t.match(await verify(planted, source).catch(error => error), { exitCode: 5 }, what);
  }
});

t.test('a module of long windows is verified by itself and by its rows', async t => {
  const rows = Array.from({ length: 4500 }, (_, i) => ({ load: i % 9 }));
  const long = config(
    {
      ...{ kind: 'forecast', path: work.file('long.csv', csvOf(rows)), target: 'load' },
      ...{ input_steps: 4000, horizon: 2, test_fraction: 0.05, stride: 40 },
    },
    { kind: 'mae' },
    { hidden_size: 2 },
  );
  const { directory } = (await train(work, long)).summary;
  t.ok((await exported(directory)).module);
});

t.test('a module of forecasts that scales series otherwise is not written', async t => {
  const { files, source } = await filesOfCase(t, 'logarithms of series, each step relative to its season');
  const { difference } = (await verify(files, source)) as { readonly difference: number };
  t.ok(difference < 1e-6, String(difference));
  const scale = /("series":\[\{"name":"north".*?"scale":\[)([^,\]]*)/;
  const parts = (files.get('model.js') ?? []).map(part => Buffer.from(part).toString());
  t.match(parts.join(''), scale);
  const planted = new Map([['model.js', parts.map(part => Buffer.from(part.replace(scale, '$19$2')))]]);
  t.match(await verify(planted, source).catch(error => error), { exitCode: 5 });
});

t.test('modules of two layers of 128 are small', async t => {
  const limits = {
    'csv, a class for each sequence': 45,
    'symbols of the loss ctc': 42,
    'symbols that a decoder writes': 49,
    'letters of recordings': 49,
    'series with what is known in advance': 60,
  };
  for (const [name, limit] of Object.entries(limits)) {
    const base = CASES[name].config as { model: object; training: object };
    const model = { ...base.model, hidden_size: 128, num_layers: 2 };
    // the code does not depend on how long it was trained
    const training = { ...base.training, max_steps: 1 };
    const { file } = await exported((await train(work, { ...base, model, training })).summary.directory);
    const whole = readFileSync(file, 'utf8');
    const pages = Number(/"pages":(\d+)/.exec(whole)?.[1]);
    t.ok(pages <= 64, `${pages} pages of memory`);
    const code = whole.replace(/^const weights = .*$/m, '');
    const size = gzipSync(code, { level: 9 }).length;
    t.ok(size <= limit * 1024, `${name}: ${size} bytes beyond the weights`);
  }
});

t.test('types name the columns of the data', async t => {
  const { file } = await caseOf('series with what is known in advance');
  const program = (column: string) => `import { predict } from './model.js';
    const found = predict([{ day: '2026-01-01', ${column}: 3 }]);
    export const first: Promise<number> = found.then(({ predictions }) => predictions[0].values[0]);`;
  const expected = { sold: 0, sodl: 1 };
  const paths = Object.keys(expected).map(column => {
    const path = join(dirname(file), `${column}.ts`);
    writeFileSync(path, program(column));
    return path;
  });
  const checked = ts.createProgram(paths, {
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    noEmit: true,
    types: [],
  });
  for (const [i, problems] of Object.values(expected).entries()) {
    const found = ts.getPreEmitDiagnostics(checked, checked.getSourceFile(paths[i]));
    const told = found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
    t.equal(found.length, problems, told.join());
  }
});

t.test('weights in fewer bits', async t => {
  const data = Float32Array.from([
    0,
    -0.5,
    1,
    65504,
    1e9,
    2 ** -24,
    2 ** -25,
    3 * 2 ** -25,
    0.1,
    1 + 2 ** -11,
    1 + 3 * 2 ** -11,
  ]);
  const float16 = decodedWeight(encodedWeight({ shape: [11], data }, 'float16'), [11], 'float16');
  // of the IEEE format: the least number is 2^-24, and ties are rounded to even
  const expected = [0, -0.5, 1, 65504, 65504, 2 ** -24, 0, 2 ** -23, 0.0999755859375, 1, 1 + 2 ** -9];
  t.same([...float16], expected);
  const rows = Float32Array.from([0, 0, 0, 1.27, -0.636, 0.004]);
  const int8 = decodedWeight(encodedWeight({ shape: [2, 3], data: rows }, 'int8'), [2, 3], 'int8');
  t.same(
    [...int8].map(value => Number(value.toFixed(4))),
    [0, 0, 0, 1.27, -0.64, 0],
  );
  t.same(
    [...decodedWeight(encodedWeight({ shape: [3], data: rows.subarray(3) }, 'int8'), [3], 'int8')],
    [...rows.subarray(3)],
  );

  const { directory } = await caseOf('csv, a class for each sequence');
  const sizes: number[] = [];
  for (const precision of ['float32', 'float16', 'int8']) {
    const output = work.folder();
    const flags = ['--format', 'js', '--precision', precision, '-o', output];
    const { code, stderr } = await work.cellrun('export', directory, ...flags);
    t.equal(code, 0, stderr);
    const told = new RegExp(`^With ${precision}: test loss [\\d.]+ \\(float32: [\\d.]+\\), accuracy`, 'm');
    t.equal(told.test(stderr), precision !== 'float32', stderr);
    t.match(stderr, /^Verified .* are equal\.$/m);
    const [, weights] =
      /^const weights = '(.*)';$/m.exec(readFileSync(join(output, 'model.js'), 'utf8')) ?? [];
    sizes.push(Buffer.from(weights, 'base64').length);
  }
  t.equal(sizes[1], sizes[0] / 2);
  t.ok(sizes[2] < sizes[0]);
  const refused = await work.cellrun('export', directory, '--format', 'onnx', '--precision', 'int8');
  t.match(refused, { code: 2, stderr: /--precision: the format onnx always has weights in float32/ });
});
