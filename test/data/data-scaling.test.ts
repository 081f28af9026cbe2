/**
 * Features and value targets scaled by the training split, against scikit-learn, and what a run
 * keeps of it.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkAgainstData } from '../../src/config/data-check.js';
import { loadExperiment } from '../../src/config/index.js';
import { type Dataset, type DatasetConfig, type Split, summarize } from '../../src/data/index.js';
import { readoutOf } from '../../src/tasks/readouts.js';
import { openData } from '../../src/train/session.js';
import { packageRoot } from '../../src/util/root.js';
import { floats, integers, jsonLines, npz } from '../support/cli.js';
import { closeTo, complaints, open, sequence } from '../support/data-files.js';
import { work } from '../support/work.js';

const FOLDER = join(packageRoot, 'test/fixtures/scaling');
const PATH = join(FOLDER, 'scaling.npz');
const METHODS = ['standard', 'min_max'] as const;

interface Expected {
  readonly features: readonly (readonly number[])[];
  readonly targets: readonly (readonly number[])[];
  readonly lengths: readonly number[];
}

interface Moments {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

const {
  columns,
  ...expected
}: Record<(typeof METHODS)[number], Record<'_train' | '_validation' | '_test', Expected>> & {
  readonly columns: Readonly<Record<'features' | 'targets', Moments>>;
} = JSON.parse(readFileSync(join(FOLDER, 'scikit-learn.json'), 'utf8'));

/** The real steps of all sequences one after another. */
function realSteps(data: Dataset, split: Split): number[][] {
  return Array.from({ length: split.count }, (_, i) =>
    sequence(data, split, i).slice(0, split.lengths?.[i]),
  ).flat();
}

/** float32 of a number in scaled units, the unit being 1. */
const allClose = (got: readonly number[], want: readonly number[]): boolean =>
  got.length === want.length &&
  got.every((value, i) => closeTo(value, want[i], 1e-6 * (1 + Math.abs(want[i]))));

t.test('the numbers are those of scikit-learn, fitted on the training split alone', async t => {
  for (const normalize of METHODS) {
    const data = await open({ kind: 'npz', path: PATH, validation_arrays: true, normalize });
    for (const name of ['train', 'validation', 'test'] as const) {
      const split = data[name];
      if (split === undefined) throw new Error(`the fixture has a ${name} split`);
      const want = expected[normalize][`_${name}`];
      t.ok(allClose(realSteps(data, split).flat(), want.features.flat()), `${normalize}: features, ${name}`);
      t.ok(allClose([...split.targets.values], want.targets.flat()), `${normalize}: targets, ${name}`);
      const short = want.lengths.findIndex(length => length < 4);
      t.same(sequence(data, split, short)[3], [0, 0, 0, 0], 'padding stays 0');
    }
  }
});

t.test('neither validation sequences nor what a limit leaves out count', async t => {
  const x = floats([6, 1, 1], [1, 2, 4, 8, 100, 1000]);
  const path = work.file(
    'series.npz',
    npz({
      x,
      y: integers([6], [0, 1, 0, 1, 0, 1]),
      x_test: floats([1, 1, 1], [-50]),
      y_test: integers([1], [0]),
    }),
  );
  const config = { kind: 'npz', path, normalize: 'min_max' } as const;
  const fitted = async (more: Partial<typeof config & DatasetConfig>) =>
    (await open({ ...config, ...more } as DatasetConfig)).scaling;
  t.same(await fitted({}), { method: 'min_max', features: { offset: [1], scale: [999] }, targets: null });
  t.match(await fitted({ validation: { count: 2, select: 'last' } }), {
    features: { offset: [1], scale: [7] },
  });
  t.match(await fitted({ limit: 2 }), { features: { offset: [1], scale: [1] } });
  const symbols = work.file(
    'symbols.npz',
    npz({ x: integers([4, 2], [0, 1, 2, 1, 0, 1, 1, 1]), y: integers([4], [0, 1, 0, 1]) }),
  );
  t.match(
    await complaints(2, () =>
      open({ kind: 'npz', path: symbols, test_fraction: 0.5, normalize: 'standard' }),
    ),
    [/^data\/normalize \| nothing to normalize/],
  );
});

t.test('labels of 0 and 1 stay what they are', async t => {
  const path = work.file(
    'labels.npz',
    npz({ x: floats([4, 1, 1], [1, 2, 3, 9]), y: floats([4, 2], [0, 1, 1, 1, 0, 1, 0, 1]) }),
  );
  const dataset = { kind: 'npz', path, test_fraction: 0.25, normalize: 'standard' } as const;
  const data = await openData({ dataset, seed: 0, loss: { kind: 'binary_cross_entropy' } });
  t.equal(data.scaling?.targets, null);
  t.ok([...data.train.targets.values].every(value => value === 0 || value === 1));
  const values = await openData({ dataset, seed: 0, loss: { kind: 'mse' } });
  t.equal(values.scaling?.targets?.offset.length, 2);
});

const CONFIG = {
  dataset: { kind: 'npz', path: PATH, validation_arrays: true },
  model: { cell: 'lstm', hidden_size: 3 },
  loss: { kind: 'mse' },
  training: { num_epochs: 2, batch_size: 3 },
};
const NORMALIZED = { ...CONFIG, dataset: { ...CONFIG.dataset, normalize: 'standard' } };

t.test('columns of another size are named, unless the config says what is to be done', async t => {
  const warnings = async (config: object) => {
    const loaded = loadExperiment(work.config(config));
    const { dataset, seed } = loaded.experiment;
    return checkAgainstData(loaded, await open(dataset, seed)).warnings.map(
      ({ code, message, line }) => `${code} ${line} ${message}`,
    );
  };
  const [unset] = await warnings(CONFIG);
  t.match(unset, /^data\/not-normalized 2 /);
  const { mean, deviation } = columns.features;
  for (const i of [0, 1, 2, 3]) {
    const words = `mean ${Number(mean[i].toPrecision(3))}, standard deviation ${Number(deviation[i].toPrecision(3))}`;
    t.match(unset, `x[:, :, ${i}] (${words})`);
  }
  t.match(unset, `y[:, 0] (mean ${columns.targets.mean[0].toPrecision(3)}, `);
  t.notMatch(unset, 'y[:, 1]', 'mean -2 is near enough');
  t.same(await warnings({ ...CONFIG, dataset: { ...CONFIG.dataset, normalize: 'none' } }), []);
  t.same(await warnings(NORMALIZED), [
    'data/constant-column 2 columns are constant in the training split, so there is nothing to learn from them: x[:, :, 3] (7)',
  ]);
  const flags = Array.from({ length: 200 }, (_, i) => Number([7, 20, 107, 150].includes(i)));
  const rare = work.file(
    'rare.npz',
    npz({
      x: floats([100, 1, 2], flags),
      y: integers(
        [100],
        flags.slice(0, 100).map((_, i) => i % 2),
      ),
    }),
  );
  const classes = {
    ...CONFIG,
    loss: { kind: 'cross_entropy' },
    dataset: { kind: 'npz', path: rare, test_fraction: 0.1 },
  };
  t.same(await warnings(classes), [], 'a rare flag is no column of another size');
});

t.test('a run keeps its scaling, and predicts in the units of the data', async t => {
  const run = await work.train(NORMALIZED);
  t.equal(run.finished.code, 0, run.finished.stderr);
  const { directory } = run.summary;
  const manifestFile = join(directory, 'manifest.json');
  const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
  const scaled = await open({ kind: 'npz', path: PATH, validation_arrays: true, normalize: 'standard' });
  t.same(manifest.scaling, scaled.scaling);
  const raw = await open({ kind: 'npz', path: PATH, validation_arrays: true, normalize: 'none' });
  const { stdout } = await work.cellrun('predict', directory);
  const lines = jsonLines(stdout);
  t.equal(lines.length, 5);
  t.ok(
    allClose(
      lines.flatMap(({ target }) => target),
      [...raw.test.targets.values],
    ),
    'targets are those of the file',
  );
  for (const { predicted } of lines) {
    // two epochs hardly move the outputs from the mean of the training targets
    t.ok(
      predicted[0] > 200 && predicted[0] < 400 && predicted[1] > -2.3 && predicted[1] < -1.7,
      String(predicted),
    );
  }
  const evaluation = JSON.parse(readFileSync(join(directory, 'evaluation.json'), 'utf8'));
  const worst = evaluation.worst[0];
  t.ok(allClose(worst.target, lines[worst.index].target), 'so are those of evaluation.json');

  const before = run.summary.metrics.test;
  const evaluated = await work.cellrun('evaluate', directory, '--json');
  t.equal(JSON.parse(evaluated.stdout).metrics.test.loss, before.loss);
  const other = await work.cellrun('resume', directory, '--set', 'dataset.normalize=min_max');
  t.equal(other.code, 2);
  t.match(other.stderr, /`dataset\.normalize` cannot change after a run has started/);
});

t.test('a run that goes on with other data keeps the scaling of its weights', async t => {
  const run = await work.train(NORMALIZED);
  const { directory } = run.summary;
  const fewer = [
    '--set',
    'dataset.limit=4',
    '--allow-change',
    'dataset.limit',
    '--set',
    'training.num_epochs=3',
  ];
  const resumed = await work.cellrun('resume', directory, '--json', ...fewer);
  t.equal(resumed.code, 0, resumed.stderr);
  const { metrics } = JSON.parse(resumed.stdout);
  const checked = await work.cellrun('evaluate', directory, '--json');
  t.equal(checked.code, 0, checked.stderr);
  t.equal(JSON.parse(checked.stdout).metrics.test.loss, metrics.test.loss);
});

t.test('scaled targets are shown as they are in the file', async t => {
  const rows = [0, 1e6, 0.001, -12345.678, 21.3, 3e-7, 0.1, 7];
  const path = join(work.path, 'shown.csv');
  writeFileSync(path, `g,t,x,y\n${rows.map((y, i) => `${i % 2},${i},${i},${y}\n`).join('')}`);
  const common = { path, target: 'y', normalize: 'standard' } as const;
  const csv = { ...common, kind: 'csv', features: ['x'], target_kind: 'value', test_fraction: 0.5 } as const;
  const configs: Record<string, DatasetConfig> = {
    'one target per row': csv,
    'one target per step': { ...csv, sequence: { group: 'g', order: 't', per_step: true } },
    'a part for validation': { ...csv, validation: { count: 2 } },
    forecast: {
      ...common,
      kind: 'forecast',
      delimiter: ',',
      per_step: false,
      time: 't',
      input_steps: 1,
      horizon: 1,
      stride: 1,
      test_fraction: 0.25,
    },
  };
  for (const [name, config] of Object.entries(configs)) {
    const data = await open(config);
    const shown = [data.train, data.validation ?? [], data.test].flat().flatMap(({ targets }) => {
      const readout = readoutOf({ loss: { kind: 'mse' } }, targets);
      return [...targets.values].flatMap((value, at) =>
        Number.isNaN(value) ? [] : readout.targetDecimals(at),
      );
    });
    const want = name === 'forecast' ? rows.slice(1) : rows;
    t.same(shown.toSorted(), want.toSorted(), name);
  }
  const { splits, examples } = summarize(await open(csv));
  const columns = Object.values(splits).flatMap(({ targets }) =>
    targets.kind === 'value' ? targets.columns : [],
  );
  t.equal(Math.min(...columns.map(({ min }) => min)), Math.fround(-12345.678));
  for (const { target = [] } of examples) t.ok(rows.some(value => Math.fround(value) === target[0]));
});
