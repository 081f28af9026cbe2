/** The results table says what was recorded, of the configs as they are. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadExperiment } from '../../src/config/index.js';
import { packageRoot } from '../../src/util/root.js';
import { experiments, resultsOf, table } from './table.js';

t.test('the table is that of the records', async t => {
  t.equal(readFileSync(join(packageRoot, 'experiments/results.md'), 'utf8'), table());
});

t.test('recorded runs are of the configs as they are', async t => {
  for (const { name, config, set = [], metric } of experiments) {
    const { ours, pytorch } = resultsOf(name);
    for (const { seed, config_hash } of ours) {
      const { hash } = loadExperiment(join(packageRoot, config), { set: [...set, `seed=${seed}`] });
      t.equal(config_hash, hash, `${name}, seed ${seed}`);
    }
    // splits that are drawn have other symbols in training, and so other embeddings
    const isSame = name !== 'names' && name !== 'part-of-speech';
    for (const one of pytorch) {
      t.type(one.metrics[metric], 'number', `PyTorch's ${metric} of ${name}`);
      if (isSame && ours.length > 0) t.equal(one.parameters, ours[0].parameters, `parameters of ${name}`);
    }
  }
});
