/**
 * `export --format onnx`: ONNX Runtime predicts what `predict` does, from the data as they are. The
 * tests need Debian's python3-onnxruntime and python3-onnx.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { loadModel } from '../../src/predict/model.js';
import { optionalFile, packageRoot } from '../../src/util/root.js';
import { Workplace } from '../support/cli.js';
import { crossEntropy, noise } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';

const PYTHON = '/usr/bin/python3';
const has = (module: string) => spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0;
const skip = !(has('onnxruntime') && has('onnx')) && 'python3-onnxruntime or python3-onnx is not installed';

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

const CASES: Readonly<Record<string, { dataset: object; model: object; loss?: object }>> = {
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

/** Trained, and what it predicts of new sequences. */
async function trained({ dataset, model, loss = crossEntropy }: (typeof CASES)[string]) {
  const isText = dataset === text || 'per_step' in dataset;
  const { summary } = await train(work, {
    ...{ version: 1, name: 'onnx', seed: 3, dataset, model, loss },
    optimizer: { kind: 'adam', learning_rate: 0.02 },
    training: { num_epochs: 2, batch_size: 8 },
  });
  const opened = await loadModel(summary.directory, { backend: 'webasm', threads: 1 });
  const expected: number[][] = [];
  for await (const { predictions } of opened.predictFile(isText ? wordsInput : input)) {
    expected.push(
      predictions.flatMap(one => {
        if (one.kind === 'class') return [...one.logits];
        if (one.kind === 'sequence') return [];
        // of each target, its quantiles
        return one.quantiles.length > 0 ? one.quantiles.flatMap(values => [...values]) : [...one.values];
      }),
    );
  }
  await opened.close();
  return { directory: summary.directory, expected, sequences: isText ? freshWords : fresh };
}

t.test('ONNX Runtime predicts what the run does', { skip }, async t => {
  const jobs: { name: string; model: string; expected: number[][]; sequences: unknown }[] = [];
  for (const [name, one] of Object.entries(CASES)) {
    const { directory, expected, sequences } = await trained(one);
    const output = work.folder();
    const exported = await work.cellrun('export', directory, '--format', 'onnx', '-o', output);
    t.equal(exported.code, 0, `${name}: ${exported.stderr}`);
    jobs.push({ name, model: join(output, 'model.onnx'), expected, sequences });
  }
  const script = join(packageRoot, 'test/fixtures/onnx/run.py');
  const file = work.file('jobs.json', JSON.stringify(jobs));
  const computed = JSON.parse(
    execFileSync(PYTHON, [script, file], { encoding: 'utf8', stdio: 'pipe' }),
  ) as number[][][];
  for (const [i, { name, expected }] of jobs.entries()) {
    const largest = Math.max(...expected.flat().map(Math.abs));
    t.equal(computed[i].length, expected.length, name);
    const distances = expected.flatMap((list, row) => {
      t.equal(computed[i][row].length, list.length, `${name}: sequence ${row}`);
      return list.map((value, k) => Math.abs(value - computed[i][row][k]));
    });
    const farthest = Math.max(...distances) / largest;
    t.ok(farthest < 1e-5, `${name}: ${farthest}`);
  }
  // its parser and that of ONNX Runtime cannot be in one process
  const check = 'import sys, onnx\nfor f in sys.argv[1:]: onnx.checker.check_model(f, full_check=True)';
  execFileSync(PYTHON, ['-c', check, ...jobs.map(({ model }) => model)], { stdio: 'pipe' });
});

const isInstalled = optionalFile('onnxruntime-node') !== undefined;

t.test('the file is verified on the test split, if it can be', async t => {
  const { directory } = await trained(CASES.lstm);
  const { code, stderr } = await work.cellrun('export', directory, '--format', 'onnx', '-o', work.folder());
  t.equal(code, 0, stderr);
  const verified = /^Verified with onnxruntime-node: the predictions of 18 test sequences agree within/m;
  t.match(stderr, isInstalled ? verified : /^Not verified: the optional package 'onnxruntime-node'/m);
});

t.test('what one graph cannot compute is refused', async t => {
  const { summary } = await train(work, {
    ...{ version: 1, name: 'decoder', loss: crossEntropy, optimizer: { kind: 'adam', learning_rate: 0.01 } },
    dataset: { ...text, target: 'sounds', target_kind: 'sequence', target_level: 'character' },
    model: {
      ...{ cell: 'gru', hidden_size: 4, embedding },
      decoder: { cell: 'gru', hidden_size: 4, embedding_size: 3, attention: 'none' },
    },
    training: { num_epochs: 1, batch_size: 8 },
  });
  const refused = await work.cellrun('export', summary.directory, '--format', 'onnx');
  t.match(refused, { code: 2, stderr: /cannot be exported as one ONNX graph: a decoder writes/ });
});
