/** The results table says what was recorded, of the configs as they are. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { readBaseline } from '../../src/run/baseline.js';
import { packageRoot } from '../../src/util/root.js';
import { configOf, experiments, resultsOf, table } from './table.js';

t.test('the table is that of the records', async t => {
  t.equal(readFileSync(join(packageRoot, 'experiments/results.md'), 'utf8'), table());
});

t.test('baselines have the metrics of all recorded seeds', async t => {
  for (const { name } of experiments) {
    const file = join(packageRoot, 'experiments/baselines', `${name}.json`);
    if (!existsSync(file)) continue;
    const { metrics } = readBaseline(file);
    const { ours } = resultsOf(name);
    for (const metric of Object.keys(ours[0].metrics)) {
      const recorded = Object.fromEntries(ours.map(({ seed, metrics }) => [seed, metrics[metric]]));
      t.same(metrics[`test.${metric}`].by_seed, recorded, `${metric} of ${name}`);
    }
  }
});

t.test('recorded runs are of the configs as they are', async t => {
  for (const experiment of experiments) {
    const { name, metric } = experiment;
    const { ours, pytorch } = resultsOf(name);
    for (const { seed, config_hash, fold } of ours)
      t.equal(config_hash, configOf(experiment, seed, fold).hash, `${name}, seed ${seed}`);
    // splits that are drawn have other symbols in training, and so other embeddings
    const isSame = name !== 'names' && name !== 'part-of-speech';
    for (const one of pytorch) {
      t.type(one.metrics[metric], 'number', `PyTorch's ${metric} of ${name}`);
      if (isSame && ours.length > 0) t.equal(one.parameters, ours[0].parameters, `parameters of ${name}`);
    }
  }
});
