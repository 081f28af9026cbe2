/** Data that stay on the disk: the same bytes as in memory, for every kind that can. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { RandomStream } from '../../src/util/random.js';
import { floats, integers, npz, type TrainedRun, Workplace } from '../support/cli.js';
import { idx } from '../support/data-files.js';

const work = new Workplace();
t.teardown(() => work.remove());

const random = RandomStream.of(3, 'test/data-on-disk');
const uniform = (count: number): number[] => Array.from({ length: count }, () => random.uniform() * 4);
const below = (count: number, most: number): number[] =>
  Array.from({ length: count }, () => Math.floor(random.uniform() * most));

interface Case {
  readonly dataset: object;
  readonly model?: object;
  readonly loss?: object;
  readonly training?: object;
}

const perStep = { head: { from: 'every' } };
const embedded = { embedding: { size: 3 } };

function configOf(
  { dataset, model = {}, loss = { kind: 'cross_entropy' }, training = {} }: Case,
  memory?: number,
) {
  return {
    version: 1,
    name: 'disk',
    dataset: { ...dataset, ...(memory !== undefined && { memory }) },
    model: { cell: 'gru', hidden_size: 3, ...model },
    loss,
    optimizer: { kind: 'adam', learning_rate: 0.05 },
    training: { num_epochs: 2, batch_size: 5, ...training },
  };
}

const N = 23;
const T = 6;

const arrays = {
  x: floats([N, T, 2], uniform(N * T * 2)),
  y: integers([N], below(N, 3)),
};

const pixels = Buffer.from(below(N * 4 * 3, 256));
const labels = Buffer.from(below(N, 3));
const floatPixels = Buffer.alloc(N * 4 * 3 * 4);
uniform(N * 4 * 3).forEach((value, i) => void floatPixels.writeFloatBE(value, 4 * i));
const pictures = (type: number, data: Buffer) => ({
  kind: 'idx',
  train_images: work.file('train', idx(type, [N, 4, 3], data)),
  train_labels: work.file('train-labels', idx(8, [N], labels)),
  test_images: work.file('test', idx(type, [N, 4, 3], data)),
  test_labels: work.file('test-labels', idx(8, [N], labels)),
});

const CASES: Readonly<Record<string, Case>> = {
  'npz, numbers, scaled, both splits drawn': {
    dataset: {
      kind: 'npz',
      path: work.file('a.npz', npz(arrays)),
      test_fraction: 0.2,
      validation: { fraction: 0.2, select: 'stratified' },
      normalize: 'standard',
      limit: 11,
    },
  },
  'npz, lengths and a class for each step': {
    dataset: {
      kind: 'npz',
      path: work.file(
        'b.npz',
        npz({
          ...arrays,
          y: integers(
            [N, T],
            below(N * T, 3).map((label, i) => (i % 7 === 2 ? -100 : label)),
          ),
          lengths: integers(
            [N],
            below(N, T).map(length => length + 1),
          ),
        }),
      ),
      test_fraction: 0.3,
    },
    model: perStep,
    loss: { kind: 'cross_entropy', class_weights: 'balanced' },
    training: { bucket_by_length: true },
  },
  'npz, symbols and values, splits in the file': {
    dataset: {
      kind: 'npz',
      path: work.file(
        'c.npz',
        npz(
          Object.fromEntries(
            ['', '_validation', '_test'].flatMap(suffix => [
              [`x${suffix}`, integers([N, T], below(N * T, 9))],
              [`y${suffix}`, floats([N, 2], uniform(2 * N))],
            ]),
          ),
        ),
      ),
      validation_arrays: true,
      normalize: 'min_max',
    },
    model: embedded,
    loss: { kind: 'mse' },
  },
  'idx, bytes': { dataset: { ...pictures(8, pixels), sequence: 'rows' } },
  'idx, floats, pixel by pixel': {
    dataset: { ...pictures(0x0d, floatPixels), sequence: 'pixels', validation: { count: 4 } },
  },
};

const read = (run: TrainedRun, file: string) => JSON.parse(readFileSync(join(run.directory, file), 'utf8'));
const baselines = (run: TrainedRun) => read(run, 'summary.json').baselines;
const remembered = (run: TrainedRun) => {
  const { datasets, data, scaling, config_hash } = read(run, 'manifest.json');
  return { datasets, data, scaling, config_hash };
};

for (const [name, one] of Object.entries(CASES)) {
  t.test(name, async t => {
    const [inMemory, onDisk] = [await work.train(configOf(one)), await work.train(configOf(one, 0))];
    t.equal(onDisk.code, 0, onDisk.finished.stderr);
    t.ok(inMemory.bytes().equals(onDisk.bytes()), 'the same checkpoint');
    t.strictSame(onDisk.summary.metrics, inMemory.summary.metrics);
    t.strictSame(baselines(onDisk), baselines(inMemory));
    t.ok(baselines(onDisk));
    t.strictSame(remembered(onDisk), remembered(inMemory), 'digests, scaling, vocabulary and hash');
    const looked = await Promise.all(
      [undefined, 0].map(memory => work.cellrun('data', work.config(configOf(one, memory)), '--json')),
    );
    const [seen, expected] = looked.map(({ stdout }) => ({ ...JSON.parse(stdout), file: '', warnings: [] }));
    t.strictSame(seen, expected, 'the same summary');
    const answers = await Promise.all(
      [inMemory, onDisk].map(({ directory }) => work.cellrun('predict', directory, '--split', 'train')),
    );
    t.equal(answers[1].stdout, answers[0].stdout, 'the same predictions and ids');
    t.not(answers[0].stdout, '');
  });
}
