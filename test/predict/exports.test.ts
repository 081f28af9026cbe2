/**
 * `export --format onnx`, `pytorch` and `js`: all predict what `predict` does, from the data as
 * they are. The tests need Debian's python3-onnxruntime, python3-onnx and python3-torch.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { dataWidth } from '../../src/data/index.js';
import { loadModel } from '../../src/index.js';
import { openModel, openWithData } from '../../src/predict/open.js';
import { Predictor } from '../../src/predict/predictor.js';
import { differences, exportRun, type Job, lacksPython, OF_PYTHON, tryExports } from '../soak/exports.js';
import { config, crossEntropy, noise } from '../support/prediction-cases.js';
import { train } from '../support/runs.js';
import { tone, wav } from '../support/wav.js';
import { work } from '../support/work.js';

const formats = OF_PYTHON.filter(format => !lacksPython(format));

t.test('random models predict the same in all formats', async t => {
  const { failures, configs } = await tryExports(work, { seed: 15, cases: 22, formats });
  t.same(failures, []);
  const text = JSON.stringify(configs);
  const settings = [
    ...['lstm', 'gru', 'rnn', 'min_lstm', 'min_gru', 'relu', 'tanh', 'last', 'final', 'mean', 'max', 'every'],
    ...['cross_entropy', 'binary_cross_entropy', 'mse', 'mae', 'huber', 'quantile', 'ctc'],
    ...['none', 'dot', 'general', 'additive', 'layer_norm', 'projection_size', 'stack', 'repeat'],
  ];
  for (const one of settings) t.ok(text.includes(`"${one}"`), one);
});

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

t.test('categories alone as static features', { skip: lacksPython('pytorch') }, async t => {
  const visits = Array.from({ length: 40 }, (_, i) =>
    [0, 1].map(k => `${i},${noise(i + k)},${'nesw'[i % 4]},${i % 7}`),
  );
  const path = work.file('wards.csv', ['visit,pulse,ward,stay', ...visits.flat()].join('\n'));
  const dataset = {
    ...{ kind: 'csv', path, sequence: { group: 'visit' }, features: ['pulse'], test_fraction: 0.3 },
    static_features: [{ column: 'ward', encode: 'one_hot' }],
    ...{ target: 'stay', target_kind: 'value' },
  };
  const wards = config(dataset, { kind: 'mse' }, { cell: 'gru' });
  const { directory } = (await train(work, wards)).summary;
  const sequences = ['n', 'w', 'north-east', null].map(ward => [
    { pulse: 0.2, ward },
    { pulse: 0.4, ward },
  ]);
  const model = await loadModel(directory, { backend: 'webasm', threads: 1 });
  const expected: number[][] = [];
  for await (const { predictions } of model.predict(sequences))
    expected.push(predictions.flatMap(one => (one.kind === 'value' ? [...one.values] : [])));
  await model.close();
  const { folder, code, stderr } = await exportRun(work, directory, 'pytorch');
  t.equal(code, 0, stderr);
  t.same(differences(work, 'pytorch', [{ name: 'wards', folder, sequences, expected }]), []);
});

/** Models whose inputs are computed elsewhere. */
const FEATURES = {
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
    loss: crossEntropy,
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
async function outputsOf(name: keyof typeof FEATURES) {
  const { dataset: given, model: settings, loss } = FEATURES[name];
  const directory = (await train(work, config(given, loss, settings))).summary.directory;
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

t.test('models whose inputs are computed elsewhere', async t => {
  const runs = { recordings: await outputsOf('recordings'), forecast: await outputsOf('forecast') };
  for (const format of formats) {
    const jobs: Job[] = [];
    for (const [name, { directory, ...predicted }] of Object.entries(runs)) {
      const { folder, code, stderr } = await exportRun(work, directory, format);
      t.equal(code, 0, stderr);
      if (format === 'pytorch') {
        const card = readFileSync(join(folder, 'README.md'), 'utf8');
        t.match(card, /^`modeling.py` reads features\./m);
        if (name === 'forecast') t.match(card, /predict\(\[\[\{.*\}\] \* \d\d?\]\)/);
      }
      jobs.push({ name, folder, ...predicted });
    }
    t.same(differences(work, format, jobs), []);
  }
});
