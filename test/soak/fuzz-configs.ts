/** Configs as YAML and as JSON, with what they extend, and `--set`. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { loadExperiment } from '../../src/config/index.js';
import type { Json } from '../../src/run/json.js';
import type { RandomStream } from '../../src/util/random.js';
import { packageRoot } from '../../src/util/root.js';
import { mutateBytes, mutateJson, mutateText, onceIn, pick } from '../support/mutations.js';
import type { FuzzTarget } from './fuzz-target.js';

const WORDS: readonly Json[] = [
  ...'mnist npz csv idx synthetic adam sgd lstm mse cross_entropy last every max epoch test.accuracy'.split(
    ' ',
  ),
  ...[{ steps: 0 }, { kind: 'adam' }],
];

function sources(): string[] {
  const folders = ['configs', 'test/fixtures/configs/valid'].map(name => join(packageRoot, name));
  return folders.flatMap(folder =>
    readdirSync(folder)
      .filter(name => /\.(yaml|json)$/.test(name))
      .map(name => readFileSync(join(folder, name), 'utf8')),
  );
}

/** One that says no more than it must, so that a change matters. */
const SMALL: Json = {
  version: 1,
  name: 'small',
  dataset: {
    kind: 'csv',
    path: 'a.csv',
    test_fraction: 0.5,
    features: ['a', 'b'],
    target: 'y',
    target_kind: 'class',
    sequence: { group: 'g', order: 't' },
  },
  model: { cell: 'lstm', hidden_size: 8, head: { from: 'last' } },
  loss: { kind: 'cross_entropy' },
  optimizer: { kind: 'sgd', learning_rate: 0.1, momentum: 0.9 },
  training: { num_epochs: 1, batch_size: 4, shuffle: true },
  checkpoint: { every: { steps: 3 }, keep: { last: 1, best: 1 } },
  gates: [{ metric: 'test.accuracy', min: 0.5 }],
};

export const yamlConfigs: FuzzTarget = {
  name: 'config.yaml',
  open: folder => {
    const texts = sources();
    const values = [...texts.map(text => parse(text) as Json), SMALL];
    const [file, base] = [join(folder, 'config.yaml'), join(folder, 'base.yaml')];
    const text = (random: RandomStream): string | Buffer => {
      if (onceIn(random, 2)) return stringify(mutateJson(pick(random, values), random, WORDS));
      const mutated = mutateText(pick(random, texts), random);
      return onceIn(random, 8) ? mutateBytes(Buffer.from(mutated), random) : mutated;
    };
    return random => {
      const isExtended = onceIn(random, 4);
      if (isExtended) writeFileSync(base, text(random));
      const own = text(random);
      writeFileSync(file, isExtended ? `extends: base.yaml\n${own}` : own);
      return () => loadExperiment(file);
    };
  },
};

export const jsonConfigs: FuzzTarget = {
  name: 'config.json',
  open: folder => {
    const values = [...sources().map(text => parse(text) as Json), SMALL];
    const file = join(folder, 'config.json');
    return random => {
      const text = JSON.stringify(mutateJson(pick(random, values), random, WORDS), null, random.integer(3));
      writeFileSync(file, onceIn(random, 2) ? mutateText(text, random) : text);
      return () => loadExperiment(file);
    };
  },
};

export const setArguments: FuzzTarget = {
  name: '--set',
  open: folder => {
    const file = join(folder, 'config.yaml');
    writeFileSync(file, stringify(SMALL));
    const keys = [
      ...'name seed dataset dataset.kind dataset.features.0 dataset.features[1] model.head.from'.split(' '),
      ...'optimizer.betas[0] gates.0.min gates[0] checkpoint.every.steps training extends'.split(' '),
      ...['__proto__.x', ''],
    ];
    const values = [
      ...'1 "x" null true .inf 1e-3 *a'.split(' '),
      ...['{kind: adam, learning_rate: 1}', '[1, 2]', '&a 1'],
    ];
    return random => {
      const set = Array.from({ length: 1 + random.integer(4) }, () => {
        const argument = `${pick(random, keys)}=${pick(random, values)}`;
        return onceIn(random, 2) ? argument : mutateText(argument, random);
      });
      return () => loadExperiment(file, { set });
    };
  },
};
