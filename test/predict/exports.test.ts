/**
 * `export --format onnx` and `pytorch`: ONNX Runtime and PyTorch predict what `predict` does, from
 * the data as they are. The tests need Debian's python3-onnxruntime, python3-onnx and
 * python3-torch.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { dataWidth } from '../../src/data/index.js';
import { loadModel } from '../../src/predict/model.js';
import { openModel, openWithData } from '../../src/predict/open.js';
import { Predictor } from '../../src/predict/predictor.js';
import { optionalFile, packageRoot } from '../../src/util/root.js';
import { Workplace } from '../support/cli.js';
import { crossEntropy, noise } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { tone, wav } from '../support/wav.js';

const PYTHON = '/usr/bin/python3';
const lacks = (...modules: readonly string[]) => {
  const code = 'import sys, importlib.util as u; sys.exit(not all(u.find_spec(m) for m in sys.argv[1:]))';
  const { status } = spawnSync(PYTHON, ['-c', code, ...modules]);
  return status !== 0 && `python3 lacks ${modules.join(' or ')}`;
};
const [noOnnx, noTorch] = [lacks('onnxruntime', 'onnx'), lacks('torch')];

const work = new Workplace();
t.teardown(() => work.remove());

type Row = Readonly<Record<string, string>>;

/** Visits of 1 to 8 steps at uneven times, with missing cells, words and facts. */
function visits(from: number, count: number): Row[][] {
  return Array.from({ length: count }, (_, i) => {
    const visit = from + i;
    const pick = (list: readonly string[], at: number) => list[Math.floor((noise(at) + 0.5) * list.length)];
    return Array.from({ length: 1 + ((visit * 5) % 8) }, (_, step): Row => {
      const at = visit * 11 + step;
      const hole = (text: string, k: number) => (noise(at * 3 + k) > 0.3 ? '' : text);
      return {
        visit: `v${visit}`,
        hour: String(step * 2 + (visit % 3 && step ? 1 : 0)),
        pulse: hole((1000 + noise(at) * 5).toFixed(3), 1),
        level: hole(noise(at + 4000).toFixed(3), 2),
        drug: pick(['a', 'b', 'c', from > 0 ? 'new' : 'a'], at + 70),
        posture: pick(['sits', 'lies', ''], at + 90),
        ward: pick(['north', 'south'], visit),
        age: visit % 4 ? String(20 + (visit % 50)) : '',
        outcome: visit % 3 ? 'well' : 'ill',
        stay: (noise(visit) * 40 + 300).toFixed(2),
        dose: (noise(at) * 40 + 300).toFixed(2),
      };
    });
  });
}

const COLUMNS = Object.keys(visits(0, 1)[0][0]);
const csv = (sequences: readonly Row[][]) =>
  `${[COLUMNS.join(), ...sequences.flat().map(row => COLUMNS.map(name => row[name]).join())].join('\n')}\n`;
const path = work.file('visits.csv', csv(visits(0, 60)));
const fresh = visits(100, 12);
const input = work.file('fresh.csv', csv(fresh));

const words = (from: number, count: number) =>
  Array.from({ length: count }, (_, i) =>
    Array.from({ length: 3 + ((i + from) % 5) }, (_, k) => 'abcdef'[((i + from) * 7 + k * 3) % 6]).join(''),
  );
const lines = (list: readonly string[]) =>
  list.map(word =>
    JSON.stringify({
      word,
      kind: word.includes('ab') ? 'yes' : 'no',
      marks: [...word].map(one => (one < 'c' ? 'low' : 'high')),
      sounds: word.replaceAll('a', ''),
    }),
  );
const wordsPath = work.file('words.jsonl', `${lines(words(0, 60)).join('\n')}\n`);
const freshWords = words(300, 9);
const wordsInput = work.file('fresh.jsonl', `${lines(freshWords).join('\n')}\n`);

const table = {
  kind: 'csv',
  path,
  sequence: { group: 'visit', order: 'hour' },
  features: ['pulse', 'level'],
  target: 'outcome',
  target_kind: 'class',
  normalize: 'standard',
  missing: { fill: 'forward', indicator: true, elapsed: true },
  test: { fraction: 0.3 },
};
const mixed = {
  ...table,
  features: [
    'pulse',
    { column: 'drug', encode: 'embedding', size: 3 },
    'level',
    { column: 'posture', encode: 'one_hot' },
    { column: 'hour', encode: 'elapsed' },
  ],
  static_features: ['age', { column: 'ward', encode: 'one_hot' }],
};
const stays = { ...table, target: 'stay', target_kind: 'value' };
const perStep = { ...stays, target: 'dose', sequence: { ...table.sequence, per_step: true } };
const text = {
  kind: 'jsonl',
  path: wordsPath,
  input: 'word',
  input_kind: 'text',
  level: 'character',
  target: 'kind',
  target_kind: 'class',
  test: { fraction: 0.3 },
};
const embedding = { size: 5 };
const every = { from: 'every' };

interface Case {
  readonly dataset: object;
  readonly model: object;
  readonly loss?: object;
  readonly training?: object;
}

const CASES: Readonly<Record<string, Case>> = {
  lstm: { dataset: table, model: { cell: 'lstm', hidden_size: 7 } },
  'two layers in both directions, hidden dense layers': {
    dataset: table,
    model: {
      ...{ cell: 'lstm', hidden_size: 6, num_layers: 2, bidirectional: true },
      head: { from: 'final', hidden_sizes: [5, 4], activation: 'tanh' },
    },
  },
  'gru, mean': {
    dataset: { ...table, missing: { fill: 'mean', indicator: true } },
    model: { cell: 'gru', hidden_size: 6, bidirectional: true, head: { from: 'mean' } },
  },
  'rnn with relu, max': {
    dataset: { ...table, normalize: 'min_max', missing: { fill: 'zero' } },
    model: { cell: 'rnn', nonlinearity: 'relu', hidden_size: 6, head: { from: 'max' } },
  },
  'minimal cells': {
    dataset: table,
    model: {
      layers: [
        { cell: 'min_lstm', hidden_size: 6, bidirectional: true },
        { cell: 'min_gru', hidden_size: 5, bidirectional: true },
      ],
    },
  },
  'layer normalization': {
    dataset: table,
    model: { cell: 'lstm', hidden_size: 6, layer_norm: true, bidirectional: true, head: { from: 'final' } },
  },
  projection: { dataset: table, model: { cell: 'lstm', hidden_size: 6, projection_size: 4, num_layers: 2 } },
  'words, elapsed times and facts': { dataset: mixed, model: { cell: 'gru', hidden_size: 6 } },
  'facts of every step': {
    dataset: { ...mixed, ...{ target: 'dose', target_kind: 'value', sequence: perStep.sequence } },
    model: { cell: 'gru', hidden_size: 6, head: every },
    loss: { kind: 'mse' },
  },
  'a value': { dataset: stays, model: { cell: 'lstm', hidden_size: 6 }, loss: { kind: 'mae' } },
  quantiles: {
    dataset: perStep,
    model: { cell: 'lstm', hidden_size: 6, head: every },
    loss: { kind: 'quantile', quantiles: [0.2, 0.5, 0.7] },
  },
  'stacked steps': { dataset: table, model: { cell: 'lstm', hidden_size: 6, steps: { stack: 3 } } },
  text: { dataset: text, model: { cell: 'lstm', hidden_size: 6, embedding } },
  tags: {
    dataset: { ...text, target: 'marks', per_step: true },
    model: { cell: 'gru', hidden_size: 6, bidirectional: true, embedding, head: every },
  },
};

const sounds = { ...text, target: 'sounds', target_kind: 'sequence', target_level: 'character' };
const writer = { cell: 'gru', hidden_size: 6, embedding_size: 4 };

/** Models of sequences of symbols. */
const SEQUENCES: Readonly<Record<string, Case>> = {
  ctc: {
    dataset: sounds,
    model: { cell: 'gru', hidden_size: 6, embedding, head: every },
    loss: { kind: 'ctc' },
  },
  'ctc, repeated steps': {
    dataset: sounds,
    model: { cell: 'rnn', hidden_size: 6, embedding, head: every, steps: { repeat: 2 } },
    loss: { kind: 'ctc' },
  },
  'decoder without attention': {
    dataset: sounds,
    model: { cell: 'gru', hidden_size: 6, embedding, decoder: { ...writer, attention: 'none' } },
  },
  'decoder of two layers, dot': {
    dataset: sounds,
    model: {
      ...{ cell: 'lstm', hidden_size: 6, num_layers: 2, embedding },
      decoder: { ...writer, cell: 'lstm', num_layers: 2, attention: 'dot' },
    },
  },
  'decoder, general': {
    dataset: sounds,
    model: { cell: 'min_gru', hidden_size: 6, bidirectional: true, embedding, decoder: writer },
  },
  'decoder, additive': {
    dataset: sounds,
    model: { cell: 'gru', hidden_size: 6, embedding, decoder: { ...writer, attention: 'additive' } },
  },
};

const recordings = work.folder();
for (let take = 0; take < 12; take++)
  writeFileSync(
    join(recordings, `${take % 2 ? 'high' : 'low'}_${take}.wav`),
    wav(tone(200 + 300 * (take % 2) + 9 * take, 1200 + 90 * take)),
  );
const sales = Array.from(
  { length: 90 },
  (_, i) => `${i % 2 ? 'a' : 'b'},${i >> 1},${noise(i) * 9 + (i % 7) + 20}`,
);

/** Models whose inputs are computed elsewhere. */
const FEATURES: Readonly<Record<string, Case>> = {
  recordings: {
    dataset: {
      ...{
        kind: 'audio',
        path: recordings,
        pattern: '{pitch}_{take}',
        target: 'pitch',
        target_kind: 'class',
      },
      ...{ features: { kind: 'log_mel', bands: 5 }, normalize: 'standard', test: { fraction: 0.5 } },
    },
    model: { cell: 'lstm', hidden_size: 5, head: { from: 'mean' } },
  },
  forecast: {
    dataset: {
      ...{ kind: 'forecast', path: work.file('sales.csv', ['shop,day,sold', ...sales].join('\n')) },
      ...{ target: 'sold', series: 'shop', time: 'day', input_steps: 6, horizon: 3, test_fraction: 0.25 },
    },
    model: { cell: 'gru', hidden_size: 5 },
    loss: { kind: 'quantile', quantiles: [0.1, 0.5, 0.9] },
  },
};

/** The features of the test split, and the outputs of the run. */
async function outputsOf(one: Case) {
  const directory = await directoryOf(one);
  const model = await openWithData(openModel(directory), { backend: 'webasm', threads: 1 });
  const { dataset } = model;
  const test = dataset.unprepared?.splits.test ?? dataset.test;
  const width = dataWidth(dataset);
  const sequences: number[][][] = [];
  const expected: number[][] = [];
  for await (const list of new Predictor(model).outputs(dataset.test))
    for (const { position, outputs } of list) {
      const length = test.lengths?.[position] ?? dataset.sequenceLength;
      const values = new Float32Array(dataset.sequenceLength * width);
      test.read(position, values, 0, width);
      sequences.push(Array.from({ length }, (_, t) => [...values.subarray(t * width, (t + 1) * width)]));
      expected.push([...outputs]);
    }
  await model.pool.close();
  return { directory, expected, sequences };
}

const configOf = ({ dataset, model, loss = crossEntropy, training }: Case) => ({
  ...{ version: 1, name: 'exported', seed: 3, dataset, model, loss },
  optimizer: { kind: 'adam', learning_rate: 0.02 },
  training: { num_epochs: dataset === sounds ? 12 : 2, batch_size: 8, ...training },
  ...('decoder' in model && { decode: { beam: 3 } }),
});

async function directoryOf(one: Case): Promise<string> {
  return (await train(work, configOf(one))).summary.directory;
}

/** A run, and what it predicts of new sequences. */
async function predicted(one: Case) {
  const isText = !('sequence' in one.dataset);
  const directory = await directoryOf(one);
  const opened = await loadModel(directory, { backend: 'webasm', threads: 1 });
  const expected: unknown[][] = [];
  for await (const { predictions } of opened.predictFile(isText ? wordsInput : input)) {
    expected.push(
      predictions.flatMap((one): unknown[] => {
        if (one.kind === 'class') return [...one.logits];
        if (one.kind === 'sequence') return [...one.symbols];
        // of each target, its quantiles
        return one.quantiles.length > 0 ? one.quantiles.flatMap(values => [...values]) : [...one.values];
      }),
    );
  }
  await opened.close();
  return { directory, expected, sequences: isText ? freshWords : fresh };
}

/** Exports a run; the program finds `python3` in the folder `bin`. */
async function exportRun(directory: string, format: string, bin = work.folder()) {
  const [folder, { PATH }] = [work.folder(), process.env];
  process.env.PATH = bin;
  const finished = await work.cellrun('export', directory, '--format', format, '-o', folder);
  process.env.PATH = PATH;
  return { folder, ...finished };
}

interface Job {
  readonly name: string;
  readonly folder: string;
  readonly expected: readonly (readonly unknown[])[];
  readonly sequences: unknown;
}

const jobs: Record<'onnx' | 'pytorch', Job[]> = { onnx: [], pytorch: [] };

t.before(async () => {
  for (const [name, one] of Object.entries({ ...CASES, ...SEQUENCES, ...FEATURES })) {
    const { directory, expected, sequences } = await (name in FEATURES ? outputsOf : predicted)(one);
    for (const format of ['onnx', 'pytorch'] as const) {
      if (format === 'onnx' && name in SEQUENCES) continue;
      const { folder, code, stderr } = await exportRun(directory, format);
      if (code !== 0) throw new Error(`${name}: ${stderr}`);
      jobs[format].push({ name, folder, expected, sequences });
    }
  }
});

/** What a script of Python computes for each job. */
function computed(script: string, jobs: readonly Job[]): unknown[][][] {
  const file = work.file('jobs.json', JSON.stringify(jobs));
  const path = join(packageRoot, 'test/fixtures/exports', script);
  return JSON.parse(execFileSync(PYTHON, [path, file], { encoding: 'utf8', stdio: 'pipe' }));
}

function compare(t: Test, { name, expected }: Job, found: readonly (readonly unknown[])[]): void {
  if (name in SEQUENCES) {
    t.same(found, expected, name);
    t.ok(new Set(expected.map(String)).size > 1, `${name}: not always the same`);
    return;
  }
  t.same(
    found.map(({ length }) => length),
    expected.map(({ length }) => length),
    name,
  );
  const [all, wanted] = [found, expected].map(one => one.flat() as number[]);
  const largest = Math.max(...wanted.map(Math.abs));
  const farthest = Math.max(...wanted.map((value, i) => Math.abs(value - all[i]))) / largest;
  t.ok(farthest < 1e-5, `${name}: ${farthest}`);
}

t.test('ONNX Runtime predicts what the run does', { skip: noOnnx }, async t => {
  const found = computed('onnx.py', jobs.onnx);
  for (const [i, job] of jobs.onnx.entries()) compare(t, job, found[i]);
  // its parser and that of ONNX Runtime cannot be in one process
  const check = 'import sys, onnx\nfor f in sys.argv[1:]: onnx.checker.check_model(f, full_check=True)';
  const files = jobs.onnx.map(({ folder }) => join(folder, 'model.onnx'));
  execFileSync(PYTHON, ['-c', check, ...files], { stdio: 'pipe' });
});

t.test('PyTorch predicts what the run does', { skip: noTorch }, async t => {
  const found = computed('pytorch.py', jobs.pytorch);
  for (const [i, job] of jobs.pytorch.entries()) compare(t, job, found[i]);
});

const isInstalled = optionalFile('onnxruntime-node') !== undefined;

t.test('an ONNX file is verified on the test split, if it can be', async t => {
  const { code, stderr } = await exportRun(await directoryOf(CASES.lstm), 'onnx');
  t.equal(code, 0, stderr);
  const verified = /^Verified with onnxruntime-node: the predictions of 18 test sequences agree within/m;
  t.match(stderr, isInstalled ? verified : /^Not verified: the optional package 'onnxruntime-node'/m);
});

const carried: Case = {
  dataset: {
    ...{ kind: 'text', path: work.file('text.txt', words(0, 400).join(' ')), level: 'character' },
    ...{ test_fraction: 0.2, sequence_length: 12 },
  },
  model: { ...{ cell: 'min_lstm', hidden_size: 6, num_layers: 2 }, embedding, head: every },
  training: { carry_state: true, shuffle: false },
};
for (const [name, one] of Object.entries({ decoder: SEQUENCES['decoder, general'], carried }))
  t.test(`PyTorch verifies the predictions: ${name}`, { skip: noTorch }, async t => {
    const verified = await exportRun(await directoryOf(one), 'pytorch', '/usr/bin');
    t.match(verified, { code: 0, stderr: /^Verified with PyTorch 2\S*: the predictions of \d+ test seq/m });
  });

t.test('nothing is written for PyTorch unless it reproduces the predictions', async t => {
  const directory = await directoryOf(CASES.lstm);
  const unverified = await exportRun(directory, 'pytorch');
  t.match(unverified, { code: 0, stderr: /^Not verified: python3 cannot import torch/m });
  const zeros = Buffer.alloc(18 * 2 * 4).toString('base64');
  const programs: readonly (readonly [script: string, problem: RegExp])[] = [
    [`read line; echo '"${zeros}"'`, /does not reproduce the test predictions of its run/],
    ['read line; echo no attribute >&2', /the exported model cannot be run\s+got: no attribute/],
  ];
  for (const [script, problem] of programs) {
    const bin = work.folder();
    writeFileSync(join(bin, 'python3'), `#!/bin/sh\necho '"2"'\n${script}\n`, { mode: 0o755 });
    const { folder, ...refused } = await exportRun(directory, 'pytorch', bin);
    t.match(refused, { code: 5, stderr: problem });
    t.same(readdirSync(folder), []);
  }
});

t.test('the model card has data, metrics and their spread', async t => {
  const config = work.file('repeated.yaml', JSON.stringify({ ...configOf(CASES.lstm), repeat: 2 }));
  const repeated = await work.cellrun('run', config, '--json', '--threads', '1');
  t.equal(repeated.code, 0, repeated.stderr);
  const { directory, metrics } = JSON.parse(repeated.stdout);
  const run = join(directory, 'trials', readdirSync(join(directory, 'trials'))[0]);
  const { folder, code, stderr } = await exportRun(run, 'pytorch');
  t.equal(code, 0, stderr);
  const card = readFileSync(join(folder, 'README.md'), 'utf8');
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
  t.match(card, new RegExp(`visits.csv \\| train \\| ${sha256} \\|`));
  const [accuracy] = metrics.filter((one: { metric: string }) => one.metric === 'test.accuracy');
  t.match(card, /^\| metric \| mean of 2 seeds \| spread \|/m);
  t.match(card, `| test.accuracy | ${Number(accuracy.mean.toPrecision(5))} |`);
  t.match(card, /^license: "unknown"$/m);
  const svg = readFileSync(join(folder, 'learning-curve.svg'), 'utf8');
  t.match(svg, /<polyline[^>]* points="[\d.]+,[\d.]+ [\d.]+,[\d.]+"\/>/);
});

t.test('what one graph cannot compute is refused', async t => {
  const directory = await directoryOf(SEQUENCES['decoder without attention']);
  const refused = await work.cellrun('export', directory, '--format', 'onnx');
  t.match(refused, { code: 2, stderr: /a model with a decoder cannot be exported as one ONNX graph/ });
});
